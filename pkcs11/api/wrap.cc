// C_WrapKey and C_UnwrapKey: the ways in which a key leaves and comes.
#include <algorithm>
#include <iterator>

#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/key_use.h"
#include "pkcs11/object_access.h"

namespace pkcs11::api {
namespace {

using hsm::How;

// Modes without any protection of what they wrap: the blob can be cut, put
// together anew and decrypted piece by piece. GCM as well, because its caller
// chooses the IV: a known key and a secret one that are wrapped under the same
// IV differ as their blobs do. Not for keys whose value is secret.
bool IsRawMode(CK_MECHANISM_TYPE type) {
  static constexpr CK_MECHANISM_TYPE kRaw[] = {
      CKM_AES_ECB,  CKM_AES_CBC,  CKM_AES_CTR,  CKM_AES_GCM,
      CKM_DES3_ECB, CKM_DES3_CBC, CKM_RSA_X_509};
  return std::find(std::begin(kRaw), std::end(kRaw), type) != std::end(kRaw);
}

bool IsSecretValue(const AttributeSet& key) {
  return key.object_class() == CKO_PRIVATE_KEY || key.IsTrue(CKA_SENSITIVE);
}

// The key that wraps or unwraps, checked for it.
absl::StatusOr<hsm::ObjectRef> Wrapper(const Session& session,
                                       const Mechanism& mechanism,
                                       CK_OBJECT_HANDLE handle,
                                       CK_ATTRIBUTE_TYPE usage,
                                       const KeyErrors& errors) {
  absl::StatusOr<hsm::ObjectRef> key = session.FindObject(handle);
  if (!key.ok()) return AsKeyError(key.status(), errors.handle);
  const AttributeSet& attributes = (*key)->attributes();
  RETURN_IF_ERROR(CheckKeyUse(mechanism, attributes, usage, errors));
  if (AlwaysAuthenticates(attributes)) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the key wants its PIN, which this call cannot ask");
  }
  return key;
}

// Whether `key` may leave under `wrapper` (PKCS#11 3.2 section 5.18.3).
absl::Status CheckLeaves(const Mechanism& mechanism, const AttributeSet& key,
                         const AttributeSet& wrapper) {
  const CK_OBJECT_CLASS object_class = key.object_class();
  if (object_class != CKO_SECRET_KEY && object_class != CKO_PRIVATE_KEY) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE,
                       "only secret and private keys are wrapped");
  }
  if (!key.IsTrue(CKA_EXTRACTABLE)) {
    return base::Error(CKR_KEY_UNEXTRACTABLE, "CKA_EXTRACTABLE is false");
  }
  if (key.IsTrue(CKA_WRAP_WITH_TRUSTED) && !wrapper.IsTrue(CKA_TRUSTED)) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE,
                       "the key leaves under a trusted key only");
  }
  const AttributeSet::Entry* pattern = wrapper.Find(CKA_WRAP_TEMPLATE);
  if (pattern != nullptr && pattern->nested != nullptr &&
      !key.Matches(*pattern->nested)) {
    return base::Error(CKR_KEY_HANDLE_INVALID,
                       "CKA_WRAP_TEMPLATE excludes the key");
  }
  if (IsRawMode(mechanism.type) && IsSecretValue(key)) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE,
                       "this mode does not protect a secret key");
  }
  return absl::OkStatus();
}

absl::StatusOr<SecretBytes> PlainForm(const AttributeSet& key) {
  if (key.object_class() == CKO_PRIVATE_KEY) return EncodePrivateKeyInfo(key);
  return SecretBytes::CopyOf(key.Value(CKA_VALUE));
}

// Everything about the contents is one error, or the differences would tell a
// caller what is inside.
absl::Status WrappedKeyInvalid() {
  return base::Error(CKR_WRAPPED_KEY_INVALID, "the wrapped key is not valid");
}

absl::StatusOr<AttributeSet> Material(const SecretBytes& plain,
                                      AttributeSet key) {
  const std::optional<CK_ULONG> asked = key.Ulong(CKA_VALUE_LEN);
  if (key.object_class() == CKO_PRIVATE_KEY) {
    auto decoded = DecodePrivateKeyInfo(plain.Expose());
    if (!decoded.ok() || decoded->key_type() != key.key_type()) {
      return WrappedKeyInvalid();
    }
    Merge(*decoded, key);
  } else {
    if (plain.empty() || (asked.has_value() && *asked != plain.size())) {
      return WrappedKeyInvalid();
    }
    SetKeyValue(plain.Expose(), key);
  }
  const auto added = CompleteKeyMaterial(key);
  if (!added.ok()) {
    if (base::CkRv(added.status()) == CKR_HOST_MEMORY) return added.status();
    return WrappedKeyInvalid();
  }
  Merge(*added, key);
  return key;
}

}  // namespace

absl::Status C_WrapKey(Library& library, CK_SESSION_HANDLE hSession,
                       CK_MECHANISM_PTR pMechanism,
                       CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey,
                       CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output,
                   Output::Make(pWrappedKey, pulWrappedKeyLen));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->wrap == nullptr) return NoSuchUse(*mechanism);
  ASSIGN_OR_RETURN(const hsm::ObjectRef wrapper,
                   Wrapper(*session, *mechanism, hWrappingKey, CKA_WRAP,
                           kWrappingKeyErrors));
  const absl::StatusOr<hsm::ObjectRef> key = session->FindObject(hKey);
  if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
  const AttributeSet& attributes = (*key)->attributes();
  RETURN_IF_ERROR(CheckLeaves(*mechanism, attributes, wrapper->attributes()));
  RETURN_IF_ERROR(session->token().CheckWrapPolicy(
      session->space(), /*wrap=*/true, attributes.object_class()));
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  ASSIGN_OR_RETURN(const SecretBytes plain, PlainForm(attributes));
  ASSIGN_OR_RETURN(const base::Bytes wrapped,
                   mechanism->wrap(Use{*mechanism, parameters.get(), wrapper},
                                   plain.Expose()));
  return ToStatus(output.Give(wrapped));
}

absl::Status C_UnwrapKey(Library& library, CK_SESSION_HANDLE hSession,
                         CK_MECHANISM_PTR pMechanism,
                         CK_OBJECT_HANDLE hUnwrappingKey,
                         CK_BYTE_PTR pWrappedKey, CK_ULONG ulWrappedKeyLen,
                         CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
                         CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phKey, "no place for the handle"));
  RETURN_IF_ERROR(Need(pWrappedKey, "no wrapped key"));
  ASSIGN_OR_RETURN(const ByteSpan wrapped, Input(pWrappedKey, ulWrappedKeyLen));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->unwrap == nullptr) return NoSuchUse(*mechanism);
  ASSIGN_OR_RETURN(const hsm::ObjectRef wrapper,
                   Wrapper(*session, *mechanism, hUnwrappingKey, CKA_UNWRAP,
                           kUnwrappingKeyErrors));
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  ASSIGN_OR_RETURN(
      const AttributeSet input,
      ParseTemplate(pTemplate, ulAttributeCount, TemplateUse::kObject));
  hsm::ResolveContext context = ContextOf(*session);
  context.mechanism = mechanism->type;
  context.parent = &wrapper->attributes();
  ASSIGN_OR_RETURN(AttributeSet resolved,
                   hsm::Resolve(How::kUnwrap, input, context));
  RETURN_IF_ERROR(MayWrite(*session, resolved));
  const CK_OBJECT_CLASS object_class = resolved.object_class();
  if (object_class != CKO_SECRET_KEY && object_class != CKO_PRIVATE_KEY) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "only secret and private keys are unwrapped");
  }
  RETURN_IF_ERROR(session->token().CheckWrapPolicy(
      session->space(), /*wrap=*/false, object_class));
  ASSIGN_OR_RETURN(
      const SecretBytes plain,
      mechanism->unwrap(Use{*mechanism, parameters.get(), wrapper}, wrapped));
  ASSIGN_OR_RETURN(AttributeSet key, Material(plain, std::move(resolved)));
  ASSIGN_OR_RETURN(*phKey, CreateObject(*session, std::move(key)));
  return absl::OkStatus();
}

}  // namespace pkcs11::api
