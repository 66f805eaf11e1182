// C_WrapKey and C_UnwrapKey: the ways in which a key leaves and comes.
#include "hsm/key_rights.h"
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/key_use.h"
#include "pkcs11/object_access.h"

namespace pkcs11::api {
namespace {

using hsm::How;

bool IsSecretValue(const AttributeSet& key) {
  return key.object_class() == CKO_PRIVATE_KEY || key.IsTrue(CKA_SENSITIVE);
}

// Modes of block ciphers do not protect what they wrap: the blob can be cut,
// put together anew and decrypted piece by piece. Nor do AEADs whose caller
// chooses the nonce: a known key and a secret one under the same nonce differ
// as their blobs do. Not for keys whose value is secret.
absl::Status CheckHides(const Use& use, const AttributeSet& key) {
  const Parameters* parameters = use.parameters;
  if (!IsSecretValue(key) || use.mechanism.wraps_secrets ||
      use.profile == Profile::kLegacy ||
      (parameters != nullptr && parameters->makes_nonce())) {
    return absl::OkStatus();
  }
  return base::Error(CKR_KEY_NOT_WRAPPABLE,
                     "this mode does not protect a secret key");
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
  RETURN_IF_ERROR(CheckKeyUse(mechanism, attributes, usage, errors,
                              session.token().profile()));
  if (AlwaysAuthenticates(attributes)) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the key wants its PIN, which this call cannot ask");
  }
  return key;
}

// Whether `key` may leave under `wrapper` (PKCS#11 3.2 section 5.18.3).
absl::Status CheckLeaves(const AttributeSet& key, const AttributeSet& wrapper) {
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
  return absl::OkStatus();
}

// A block cipher's key is not weaker than what it wraps. Not asked of public
// keys: RSA of 2048 bits (112 bits of strength) wraps AES-256 all over the
// world.
absl::Status CheckStrongEnough(const AttributeSet& wrapper,
                               const AttributeSet& key) {
  if (wrapper.object_class() != CKO_SECRET_KEY || !IsSecretValue(key) ||
      StrengthOf(wrapper) >= StrengthOf(key)) {
    return absl::OkStatus();
  }
  return base::Error(CKR_WRAPPING_KEY_SIZE_RANGE,
                     "the wrapping key is weaker than the key");
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
                                      AttributeSet key, Profile profile) {
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
  if (!CheckStrength(key, profile).ok()) return WrappedKeyInvalid();
  return key;
}

// A key on its way out, after all checks but those of its parameters.
struct Leaving {
  const Mechanism* mechanism;
  hsm::ObjectRef wrapper;
  hsm::ObjectRef key;
  Profile profile;

  Use use(const Parameters* parameters) const {
    return {*mechanism, parameters, wrapper, nullptr, profile};
  }
};

template <typename Factory>
absl::StatusOr<Leaving> BeginWrap(const Session& session,
                                  const CK_MECHANISM* mechanism,
                                  Factory Mechanism::*wrap,
                                  CK_OBJECT_HANDLE wrapper,
                                  CK_OBJECT_HANDLE key) {
  Leaving leaving;
  ASSIGN_OR_RETURN(leaving.mechanism,
                   FindMechanism(session.token(), mechanism));
  leaving.profile = session.token().profile();
  if (leaving.mechanism->*wrap == nullptr ||
      (leaving.mechanism->legacy_wrap && leaving.profile == Profile::kStrict)) {
    return NoSuchUse(*leaving.mechanism);
  }
  ASSIGN_OR_RETURN(leaving.wrapper,
                   Wrapper(session, *leaving.mechanism, wrapper, CKA_WRAP,
                           kWrappingKeyErrors));
  absl::StatusOr<hsm::ObjectRef> found = session.FindObject(key);
  if (!found.ok()) return AsKeyError(found.status(), CKR_KEY_HANDLE_INVALID);
  leaving.key = *std::move(found);
  RETURN_IF_ERROR(session.CheckAuthorized(*leaving.wrapper));
  RETURN_IF_ERROR(session.CheckAuthorized(*leaving.key));
  const AttributeSet& attributes = leaving.key->attributes();
  RETURN_IF_ERROR(CheckLeaves(attributes, leaving.wrapper->attributes()));
  // What comes back would be a key without the count, or with a new one.
  if (hsm::CountsUses(attributes)) {
    return base::Error(CKR_KEY_NOT_WRAPPABLE, "the key counts its uses");
  }
  if (leaving.profile == Profile::kStrict) {
    RETURN_IF_ERROR(
        CheckStrongEnough(leaving.wrapper->attributes(), attributes));
  }
  RETURN_IF_ERROR(session.token().CheckWrapPolicy(
      session.space(), /*wrap=*/true, attributes.object_class()));
  return leaving;
}

// What the audit log has of it, before the wrapped key is given away.
absl::Status NoteLeaving(const Session& session, const Leaving& leaving) {
  RETURN_IF_ERROR(
      session.NoteUse(*leaving.wrapper, CKA_WRAP, leaving.mechanism->type));
  return session.token().NoteWrapped(session.space(), *leaving.key,
                                     leaving.mechanism->type);
}

// A key on its way in: what its template makes of it, without its value.
struct Coming {
  const Mechanism* mechanism;
  hsm::ObjectRef wrapper;
  AttributeSet resolved;
  Profile profile;

  Use use(const Parameters* parameters) const {
    return {*mechanism, parameters, wrapper, nullptr, profile};
  }
};

template <typename Factory>
absl::StatusOr<Coming> BeginUnwrap(const Session& session,
                                   const CK_MECHANISM* mechanism,
                                   Factory Mechanism::*unwrap,
                                   CK_OBJECT_HANDLE wrapper,
                                   const CK_ATTRIBUTE* attributes,
                                   CK_ULONG count) {
  Coming coming;
  ASSIGN_OR_RETURN(coming.mechanism, FindMechanism(session.token(), mechanism));
  coming.profile = session.token().profile();
  if (coming.mechanism->*unwrap == nullptr ||
      (coming.mechanism->legacy_wrap && coming.profile == Profile::kStrict)) {
    return NoSuchUse(*coming.mechanism);
  }
  ASSIGN_OR_RETURN(coming.wrapper, Wrapper(session, *coming.mechanism, wrapper,
                                           CKA_UNWRAP, kUnwrappingKeyErrors));
  ASSIGN_OR_RETURN(const AttributeSet input,
                   ParseTemplate(attributes, count, TemplateUse::kObject));
  hsm::ResolveContext context = ContextOf(session);
  context.mechanism = coming.mechanism->type;
  context.parent = &coming.wrapper->attributes();
  ASSIGN_OR_RETURN(coming.resolved, hsm::Resolve(How::kUnwrap, input, context));
  RETURN_IF_ERROR(MayWrite(session, coming.resolved));
  const CK_OBJECT_CLASS object_class = coming.resolved.object_class();
  if (object_class != CKO_SECRET_KEY && object_class != CKO_PRIVATE_KEY) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "only secret and private keys are unwrapped");
  }
  RETURN_IF_ERROR(session.token().CheckWrapPolicy(
      session.space(), /*wrap=*/false, object_class));
  RETURN_IF_ERROR(session.CheckAuthorized(*coming.wrapper));
  RETURN_IF_ERROR(
      session.NoteUse(*coming.wrapper, CKA_UNWRAP, coming.mechanism->type));
  return coming;
}

absl::StatusOr<CK_OBJECT_HANDLE> EndUnwrap(Session& session, Coming& coming,
                                           const SecretBytes& plain) {
  ASSIGN_OR_RETURN(AttributeSet key,
                   Material(plain, std::move(coming.resolved), coming.profile));
  NoteMaking(session, *coming.mechanism, Service::kProcess,
             &coming.wrapper->attributes(), absl::MakeSpan(&key, 1));
  return CreateObject(session, Making::kUnwrapped, std::move(key));
}

}  // namespace

absl::Status C_WrapKey(Library& library, CK_SESSION_HANDLE hSession,
                       CK_MECHANISM_PTR pMechanism,
                       CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey,
                       CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output,
                   Output::Make(pWrappedKey, pulWrappedKeyLen));
  ASSIGN_OR_RETURN(
      const Leaving leaving,
      BeginWrap(*session, pMechanism, &Mechanism::wrap, hWrappingKey, hKey));
  const Mechanism& mechanism = *leaving.mechanism;
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(mechanism, *pMechanism));
  RETURN_IF_ERROR(
      CheckHides(leaving.use(parameters.get()), leaving.key->attributes()));
  ASSIGN_OR_RETURN(const SecretBytes plain,
                   PlainForm(leaving.key->attributes()));
  ASSIGN_OR_RETURN(
      const base::Bytes wrapped,
      mechanism.wrap(leaving.use(parameters.get()), plain.Expose()));
  NoteMaking(*session, *leaving.mechanism, Service::kProtect,
             &leaving.wrapper->attributes(), {});
  if (output.Fits(wrapped.size())) {
    RETURN_IF_ERROR(NoteLeaving(*session, leaving));
  }
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
  ASSIGN_OR_RETURN(Coming coming,
                   BeginUnwrap(*session, pMechanism, &Mechanism::unwrap,
                               hUnwrappingKey, pTemplate, ulAttributeCount));
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*coming.mechanism, *pMechanism));
  ASSIGN_OR_RETURN(
      const SecretBytes plain,
      coming.mechanism->unwrap(coming.use(parameters.get()), wrapped));
  ASSIGN_OR_RETURN(*phKey, EndUnwrap(*session, coming, plain));
  return absl::OkStatus();
}

absl::Status C_WrapKeyAuthenticated(
    Library& library, CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
    CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey,
    CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen,
    CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output,
                   Output::Make(pWrappedKey, pulWrappedKeyLen));
  ASSIGN_OR_RETURN(const ByteSpan aad,
                   Input(pAssociatedData, ulAssociatedDataLen));
  ASSIGN_OR_RETURN(
      const Leaving leaving,
      BeginWrap(*session, pMechanism, &Mechanism::wrap_authenticated,
                hWrappingKey, hKey));
  const AttributeSet& key = leaving.key->attributes();
  ASSIGN_OR_RETURN(const SecretBytes plain, PlainForm(key));
  // A question makes no nonce and no tag.
  if (!output.Fits(plain.size())) return ToStatus(output.Tell(plain.size()));
  ASSIGN_OR_RETURN(
      const base::Bytes wrapped,
      leaving.mechanism->wrap_authenticated(
          leaving.use(nullptr),
          {pMechanism->pParameter, pMechanism->ulParameterLen}, aad,
          plain.Expose(),
          IsSecretValue(key) && leaving.profile == Profile::kStrict));
  NoteMaking(*session, *leaving.mechanism, Service::kProtect,
             &leaving.wrapper->attributes(), {});
  if (output.Fits(wrapped.size())) {
    RETURN_IF_ERROR(NoteLeaving(*session, leaving));
  }
  return ToStatus(output.Give(wrapped));
}

absl::Status C_UnwrapKeyAuthenticated(
    Library& library, CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
    CK_OBJECT_HANDLE hUnwrappingKey, CK_BYTE_PTR pWrappedKey,
    CK_ULONG ulWrappedKeyLen, CK_ATTRIBUTE_PTR pTemplate,
    CK_ULONG ulAttributeCount, CK_BYTE_PTR pAssociatedData,
    CK_ULONG ulAssociatedDataLen, CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phKey, "no place for the handle"));
  RETURN_IF_ERROR(Need(pWrappedKey, "no wrapped key"));
  ASSIGN_OR_RETURN(const ByteSpan wrapped, Input(pWrappedKey, ulWrappedKeyLen));
  ASSIGN_OR_RETURN(const ByteSpan aad,
                   Input(pAssociatedData, ulAssociatedDataLen));
  ASSIGN_OR_RETURN(
      Coming coming,
      BeginUnwrap(*session, pMechanism, &Mechanism::unwrap_authenticated,
                  hUnwrappingKey, pTemplate, ulAttributeCount));
  ASSIGN_OR_RETURN(
      const SecretBytes plain,
      coming.mechanism->unwrap_authenticated(
          coming.use(nullptr),
          {pMechanism->pParameter, pMechanism->ulParameterLen}, aad, wrapped));
  ASSIGN_OR_RETURN(*phKey, EndUnwrap(*session, coming, plain));
  return absl::OkStatus();
}

}  // namespace pkcs11::api
