// CA_DeriveKeyAndWrap, and the vendor's names of C_EncapsulateKey and
// C_DecapsulateKey.
#include "absl/cleanup/cleanup.h"
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/key_use.h"

namespace pkcs11::ca {

// As C_DeriveKey and C_WrapKey with a session key that is gone when the call
// returns; each call, also one for the length, is a use of the base key.
// CKR_TEMPLATE_INCONSISTENT for a template that wants a token key,
// CKR_MECHANISM_INVALID for a derivation that gives several keys.
absl::Status CA_DeriveKeyAndWrap(
    Library& library, CK_SESSION_HANDLE hSession,
    CK_MECHANISM_PTR pDeriveMechanism, CK_OBJECT_HANDLE hBaseKey,
    CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
    CK_MECHANISM_PTR pWrapMechanism, CK_OBJECT_HANDLE hWrappingKey,
    CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen) {
  RETURN_IF_ERROR(api::Need(pulWrappedKeyLen, "no place for the length"));
  ASSIGN_OR_RETURN(const hsm::AttributeSet wanted,
                   api::ParseTemplate(pTemplate, ulAttributeCount,
                                      api::TemplateUse::kObject));
  if (wanted.IsTrue(CKA_TOKEN)) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT, "the key is not kept");
  }
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Mechanism* const mechanism,
                   FindMechanism(session->token(), pDeriveMechanism));
  if (mechanism->handles_in_parameter) return NoSuchUse(*mechanism);
  CK_OBJECT_HANDLE derived = CK_INVALID_HANDLE;
  RETURN_IF_ERROR(api::C_DeriveKey(library, hSession, pDeriveMechanism,
                                   hBaseKey, pTemplate, ulAttributeCount,
                                   &derived));
  const absl::Cleanup destroy = [&] {
    api::C_DestroyObject(library, hSession, derived).IgnoreError();
  };
  return api::C_WrapKey(library, hSession, pWrapMechanism, hWrappingKey,
                        derived, pWrappedKey, pulWrappedKeyLen);
}

absl::Status CA_EncapsulateKey(
    Library& library, CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
    CK_OBJECT_HANDLE hPublicKey, CK_ATTRIBUTE_PTR pTemplate,
    CK_ULONG ulAttributeCount, CK_BYTE_PTR pCiphertext,
    CK_ULONG_PTR pulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey) {
  return api::C_EncapsulateKey(library, hSession, pMechanism, hPublicKey,
                               pTemplate, ulAttributeCount, pCiphertext,
                               pulCiphertextLen, phKey);
}

absl::Status CA_DecapsulateKey(
    Library& library, CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
    CK_OBJECT_HANDLE hPrivateKey, CK_ATTRIBUTE_PTR pTemplate,
    CK_ULONG ulAttributeCount, CK_BYTE_PTR pCiphertext,
    CK_ULONG ulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey) {
  return api::C_DecapsulateKey(library, hSession, pMechanism, hPrivateKey,
                               pTemplate, ulAttributeCount, pCiphertext,
                               ulCiphertextLen, phKey);
}

}  // namespace pkcs11::ca
