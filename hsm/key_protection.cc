#include "hsm/key_protection.h"

#include <algorithm>
#include <utility>

namespace hsm {

namespace {

// Parts of the base key, or the base key itself in disguise, come out. The
// specification forces the flags (sections 6.43.x).
constexpr CK_MECHANISM_TYPE kHandsOutBase[] = {
    CKM_CONCATENATE_BASE_AND_KEY, CKM_CONCATENATE_BASE_AND_DATA,
    CKM_CONCATENATE_DATA_AND_BASE, CKM_XOR_BASE_AND_DATA,
    CKM_EXTRACT_KEY_FROM_KEY,
    // A private key that is not hardened and the chain code, which stands in
    // the public key: its parent is a subtraction away.
    CKM_BIP32_CHILD_DERIVE,
    // Nothing of the base key, but the specification says the same (6.40.10).
    CKM_TLS_KDF, CKM_TLS12_KDF};

// What comes out says nothing about the base key: agreements and KDFs with
// their own separation of purposes. A mechanism that is in neither list is
// forced in the strict profile (hashes of a key, encryption of chosen data, RSA
// as a KEM: they answer questions about a key).
constexpr CK_MECHANISM_TYPE kOneWay[] = {CKM_DH_PKCS_DERIVE,
                                         CKM_X9_42_DH_DERIVE,
                                         CKM_X9_42_DH_HYBRID_DERIVE,
                                         CKM_ECDH1_DERIVE,
                                         CKM_ECDH1_COFACTOR_DERIVE,
                                         CKM_ECMQV_DERIVE,
                                         CKM_ML_KEM,
                                         CKM_HKDF_DERIVE,
                                         CKM_SP800_108_COUNTER_KDF,
                                         CKM_SP800_108_FEEDBACK_KDF,
                                         CKM_SP800_108_DOUBLE_PIPELINE_KDF};

bool Contains(absl::Span<const CK_MECHANISM_TYPE> list, CK_MECHANISM_TYPE m) {
  return std::find(list.begin(), list.end(), m) != list.end();
}

// Reasons for these defaults are in attribute_rules.cc. The legacy profile
// keeps to the specification's CKA_SENSITIVE = false for secret keys.
void FillDefaults(How how, bool strict, AttributeSet& attributes) {
  const bool secret = attributes.object_class() == CKO_SECRET_KEY;
  if (!attributes.Has(CKA_SENSITIVE)) {
    const bool readable = secret && (how == How::kCreate || !strict);
    attributes.SetBool(CKA_SENSITIVE, !readable);
  }
  if (!attributes.Has(CKA_EXTRACTABLE)) {
    const bool imported = how == How::kUnwrap || how == How::kEncapsulate;
    const bool readable_import =
        how == How::kCreate && secret && !attributes.IsTrue(CKA_SENSITIVE);
    attributes.SetBool(CKA_EXTRACTABLE, imported || readable_import);
  }
}

// Strict rule 4.
void InheritUnwrapped(const ResolveContext& context, AttributeSet& attributes) {
  if (!context.strict || context.parent == nullptr) return;
  const AttributeSet& parent = *context.parent;
  const bool trusted = parent.IsTrue(CKA_TRUSTED);
  const AttributeSet* wish = ParentTemplate(How::kUnwrap, context);
  const auto so_decided = [&](CK_ATTRIBUTE_TYPE type) {
    return trusted && wish != nullptr && wish->Has(type);
  };
  if (HidesValue(parent) && !so_decided(CKA_SENSITIVE)) {
    attributes.SetBool(CKA_SENSITIVE, true);
  }
  if ((trusted || parent.IsTrue(CKA_WRAP_WITH_TRUSTED)) &&
      !so_decided(CKA_WRAP_WITH_TRUSTED)) {
    attributes.SetBool(CKA_WRAP_WITH_TRUSTED, true);
  }
}

// Makes another key with a known relation to the base key. Wrapped by one
// mechanism and unwrapped by another with a padding (AES-KW, PKCS #7), such
// keys tell the last bytes of the base key: each try is one derivation.
constexpr CK_MECHANISM_TYPE kDisguises[] = {CKM_XOR_BASE_AND_DATA,
                                            CKM_EXTRACT_KEY_FROM_KEY};

// Makes a key by joining: the caller may know a part of it.
constexpr CK_MECHANISM_TYPE kJoins[] = {CKM_CONCATENATE_BASE_AND_KEY,
                                        CKM_CONCATENATE_BASE_AND_DATA,
                                        CKM_CONCATENATE_DATA_AND_BASE};

// Strict rule 5: of a DES key whose first or last part is known, the others are
// found one after the other.
absl::Status CheckJoined(const ResolveContext& context,
                         const AttributeSet& attributes) {
  const CK_KEY_TYPE type = attributes.key_type();
  const bool of_parts = type == CKK_DES || type == CKK_DES2 || type == CKK_DES3;
  if (!context.strict || !of_parts || !Contains(kJoins, context.mechanism)) {
    return absl::OkStatus();
  }
  for (const AttributeSet* parent : {context.parent, context.other_parent}) {
    if (parent != nullptr && HidesValue(*parent)) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT,
                         "a DES key joined from a hidden key");
    }
  }
  return absl::OkStatus();
}

// Strict rule 5.
void InheritDerived(const ResolveContext& context, AttributeSet& attributes) {
  const bool forced = context.strict
                          ? !Contains(kOneWay, context.mechanism)
                          : Contains(kHandsOutBase, context.mechanism);
  if (!forced) return;
  for (const AttributeSet* parent : {context.parent, context.other_parent}) {
    if (parent == nullptr || !HasProtection(parent->object_class())) continue;
    if (parent->IsTrue(CKA_SENSITIVE)) attributes.SetBool(CKA_SENSITIVE, true);
    const bool stays = context.strict && HidesValue(*parent) &&
                       Contains(kDisguises, context.mechanism);
    if (stays || !parent->IsTrue(CKA_EXTRACTABLE)) {
      attributes.SetBool(CKA_EXTRACTABLE, false);
    }
    if (parent->IsTrue(CKA_WRAP_WITH_TRUSTED)) {
      attributes.SetBool(CKA_WRAP_WITH_TRUSTED, true);
    }
  }
}

// With these a caller undoes GCM and CCM, which are counter modes: encryption
// with the nonce of a wrapped key, and GMAC, of which each tag has a block.
bool OpensWhatItWraps(const AttributeSet& key) {
  return key.IsTrue(CKA_DECRYPT) || key.IsTrue(CKA_ENCRYPT) ||
         (key.IsTrue(CKA_SIGN) && key.key_type() == CKK_AES);
}

// CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE: true for what was generated
// so, and for what was derived from such; false for all that came from outside.
void ComputeHistory(How how, const ResolveContext& context,
                    AttributeSet& attributes) {
  bool always_sensitive = how == How::kGenerate;
  bool never_extractable = how == How::kGenerate;
  if (how == How::kDerive && context.parent != nullptr) {
    always_sensitive = never_extractable = true;
    for (const AttributeSet* parent : {context.parent, context.other_parent}) {
      if (parent == nullptr) continue;
      always_sensitive &= parent->IsTrue(CKA_ALWAYS_SENSITIVE);
      never_extractable &= parent->IsTrue(CKA_NEVER_EXTRACTABLE);
    }
  }
  attributes.SetBool(CKA_ALWAYS_SENSITIVE,
                     always_sensitive && attributes.IsTrue(CKA_SENSITIVE));
  attributes.SetBool(CKA_NEVER_EXTRACTABLE,
                     never_extractable && !attributes.IsTrue(CKA_EXTRACTABLE));
}

CK_ATTRIBUTE_TYPE ParentTemplateType(How how, const AttributeSet& parent) {
  switch (how) {
    case How::kUnwrap:
      return CKA_UNWRAP_TEMPLATE;
    case How::kDerive:
      return CKA_DERIVE_TEMPLATE;
    case How::kEncapsulate:
      return parent.object_class() == CKO_PUBLIC_KEY ? CKA_ENCAPSULATE_TEMPLATE
                                                     : CKA_DECAPSULATE_TEMPLATE;
    default:
      return CK_UNAVAILABLE_INFORMATION;
  }
}

}  // namespace

bool HasProtection(CK_OBJECT_CLASS object_class) {
  return object_class == CKO_PRIVATE_KEY || object_class == CKO_SECRET_KEY;
}

bool HidesValue(const AttributeSet& key) {
  return !key.Has(CKA_SENSITIVE) || key.IsTrue(CKA_SENSITIVE) ||
         !key.IsTrue(CKA_EXTRACTABLE);
}

const AttributeSet* ParentTemplate(How how, const ResolveContext& context) {
  if (context.parent == nullptr) return nullptr;
  const AttributeSet::Entry* entry =
      context.parent->Find(ParentTemplateType(how, *context.parent));
  return entry == nullptr ? nullptr : entry->nested.get();
}

absl::Status ProtectNewKey(How how, const ResolveContext& context,
                           AttributeSet& attributes) {
  if (!HasProtection(attributes.object_class())) return absl::OkStatus();
  FillDefaults(how, context.strict, attributes);
  if (how == How::kUnwrap) InheritUnwrapped(context, attributes);
  if (how == How::kDerive || how == How::kEncapsulate) {
    RETURN_IF_ERROR(CheckJoined(context, attributes));
    InheritDerived(context, attributes);
  }
  ComputeHistory(how, context, attributes);
  return context.strict ? RestrainWrapping(attributes) : absl::OkStatus();
}

absl::Status RestrainWrapping(AttributeSet& attributes) {
  if (attributes.object_class() != CKO_SECRET_KEY) return absl::OkStatus();
  if (attributes.IsTrue(CKA_TRUSTED) && attributes.IsTrue(CKA_EXTRACTABLE)) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "a trusted wrapping key does not leave");
  }
  if (!attributes.IsTrue(CKA_WRAP) || !OpensWhatItWraps(attributes)) {
    return absl::OkStatus();
  }
  if (attributes.IsTrue(CKA_TRUSTED)) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "a trusted wrapping key only wraps and unwraps");
  }
  AttributeSet wrappable;
  const AttributeSet::Entry* entry = attributes.Find(CKA_WRAP_TEMPLATE);
  if (entry != nullptr && entry->nested != nullptr) wrappable = *entry->nested;
  if (wrappable.IsTrue(CKA_SENSITIVE)) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "a key of other uses cannot wrap sensitive keys");
  }
  wrappable.SetBool(CKA_SENSITIVE, false);
  attributes.SetNested(CKA_WRAP_TEMPLATE, std::move(wrappable));
  return absl::OkStatus();
}

}  // namespace hsm
