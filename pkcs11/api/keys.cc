// C_GenerateKey, C_GenerateKeyPair, C_DeriveKey.
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/key_use.h"
#include "pkcs11/object_access.h"

namespace pkcs11::api {
namespace {

using hsm::How;

// A derived key is a secret key of at most this many bytes.
constexpr CK_ULONG kLongestKey = 1 << 14;

hsm::ResolveContext Generation(const Session& session,
                               const Mechanism& mechanism,
                               CK_OBJECT_CLASS object_class) {
  hsm::ResolveContext context = ContextOf(session);
  context.mechanism = mechanism.type;
  context.object_class = object_class;
  if (mechanism.key_type != CK_UNAVAILABLE_INFORMATION) {
    context.key_type = mechanism.key_type;
  }
  return context;
}

absl::StatusOr<AttributeSet> ResolveNew(const Session& session,
                                        const Mechanism& mechanism,
                                        CK_OBJECT_CLASS object_class,
                                        const CK_ATTRIBUTE* attributes,
                                        CK_ULONG count) {
  ASSIGN_OR_RETURN(const AttributeSet input,
                   ParseTemplate(attributes, count, TemplateUse::kObject));
  ASSIGN_OR_RETURN(AttributeSet resolved,
                   hsm::Resolve(How::kGenerate, input,
                                Generation(session, mechanism, object_class)));
  RETURN_IF_ERROR(MayWrite(session, resolved));
  return resolved;
}

// The base key of a derivation, checked.
absl::StatusOr<hsm::ObjectRef> BaseKey(const Session& session,
                                       const Mechanism& mechanism,
                                       CK_OBJECT_HANDLE handle) {
  absl::StatusOr<hsm::ObjectRef> key = session.FindObject(handle);
  if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
  RETURN_IF_ERROR(
      CheckKeyUse(mechanism, (*key)->attributes(), CKA_DERIVE, kKeyErrors));
  // One call has no place for the PIN between Init and use.
  if (AlwaysAuthenticates((*key)->attributes())) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the key wants its PIN, which this call cannot ask");
  }
  return key;
}

absl::Status DeriveSecret(const Use& use, AttributeSet& key) {
  const CK_ULONG size = key.Ulong(CKA_VALUE_LEN).value_or(0);
  if (size > kLongestKey) {
    return base::Error(CKR_KEY_SIZE_RANGE, "CKA_VALUE_LEN is too large");
  }
  ASSIGN_OR_RETURN(const SecretBytes value, use.mechanism.derive(use, size));
  SetKeyValue(value.Expose(), key);
  return absl::OkStatus();
}

}  // namespace

absl::Status C_GenerateKey(Library& library, CK_SESSION_HANDLE hSession,
                           CK_MECHANISM_PTR pMechanism,
                           CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount,
                           CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phKey, "no place for the handle"));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->generate == nullptr) return NoSuchUse(*mechanism);
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  const CK_OBJECT_CLASS object_class =
      mechanism->makes_parameters ? CKO_DOMAIN_PARAMETERS : CKO_SECRET_KEY;
  ASSIGN_OR_RETURN(
      AttributeSet key,
      ResolveNew(*session, *mechanism, object_class, pTemplate, ulCount));
  ASSIGN_OR_RETURN(
      const AttributeSet material,
      mechanism->generate(Use{*mechanism, parameters.get(), nullptr}, key));
  Merge(material, key);
  ASSIGN_OR_RETURN(*phKey, CreateObject(*session, std::move(key)));
  return absl::OkStatus();
}

absl::Status C_GenerateKeyPair(
    Library& library, CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
    CK_ATTRIBUTE_PTR pPublicKeyTemplate, CK_ULONG ulPublicKeyAttributeCount,
    CK_ATTRIBUTE_PTR pPrivateKeyTemplate, CK_ULONG ulPrivateKeyAttributeCount,
    CK_OBJECT_HANDLE_PTR phPublicKey, CK_OBJECT_HANDLE_PTR phPrivateKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phPublicKey, "no place for the public key's handle"));
  RETURN_IF_ERROR(Need(phPrivateKey, "no place for the private key's handle"));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->generate_pair == nullptr) return NoSuchUse(*mechanism);
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  std::vector<AttributeSet> pair(2);
  ASSIGN_OR_RETURN(pair[0],
                   ResolveNew(*session, *mechanism, CKO_PUBLIC_KEY,
                              pPublicKeyTemplate, ulPublicKeyAttributeCount));
  ASSIGN_OR_RETURN(pair[1],
                   ResolveNew(*session, *mechanism, CKO_PRIVATE_KEY,
                              pPrivateKeyTemplate, ulPrivateKeyAttributeCount));
  ASSIGN_OR_RETURN(
      const GeneratedPair material,
      mechanism->generate_pair(Use{*mechanism, parameters.get(), nullptr},
                               pair[0], pair[1]));
  Merge(material.public_key, pair[0]);
  Merge(material.private_key, pair[1]);
  RETURN_IF_ERROR(CheckNewPair(pair[0], pair[1]));
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> handles,
                   CreateObjects(*session, std::move(pair)));
  *phPublicKey = handles[0];
  *phPrivateKey = handles[1];
  return absl::OkStatus();
}

absl::Status C_DeriveKey(Library& library, CK_SESSION_HANDLE hSession,
                         CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hBaseKey,
                         CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
                         CK_OBJECT_HANDLE_PTR phKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phKey, "no place for the handle"));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pMechanism));
  if (mechanism->derive == nullptr && mechanism->derive_public == nullptr) {
    return NoSuchUse(*mechanism);
  }
  ASSIGN_OR_RETURN(const hsm::ObjectRef base_key,
                   BaseKey(*session, *mechanism, hBaseKey));
  ASSIGN_OR_RETURN(const ParametersRef parameters,
                   ParseParameters(*mechanism, *pMechanism));
  ASSIGN_OR_RETURN(
      const AttributeSet input,
      ParseTemplate(pTemplate, ulAttributeCount, TemplateUse::kObject));
  hsm::ResolveContext context = ContextOf(*session);
  context.mechanism = mechanism->type;
  context.parent = &base_key->attributes();
  if (mechanism->derive_public != nullptr) {
    context.object_class = CKO_PUBLIC_KEY;
    context.key_type = base_key->attributes().key_type();
  } else if (!input.Has(CKA_CLASS)) {
    context.object_class = CKO_SECRET_KEY;
  }
  ASSIGN_OR_RETURN(AttributeSet key,
                   hsm::Resolve(How::kDerive, input, context));
  RETURN_IF_ERROR(MayWrite(*session, key));
  const Use use{*mechanism, parameters.get(), base_key};
  if (mechanism->derive_public != nullptr) {
    ASSIGN_OR_RETURN(const AttributeSet parts, mechanism->derive_public(use));
    Merge(parts, key);
  } else {
    RETURN_IF_ERROR(DeriveSecret(use, key));
  }
  ASSIGN_OR_RETURN(const AttributeSet added, CompleteKeyMaterial(key));
  Merge(added, key);
  ASSIGN_OR_RETURN(*phKey, CreateObject(*session, std::move(key)));
  return absl::OkStatus();
}

}  // namespace pkcs11::api
