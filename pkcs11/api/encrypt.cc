// C_EncryptInit and on.
#include "pkcs11/api/api.h"
#include "pkcs11/api/cipher_steps.h"

namespace pkcs11::api {

absl::Status C_EncryptInit(Library& library, CK_SESSION_HANDLE hSession,
                           CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Begin<EncryptKind>(pMechanism, hKey);
}

absl::Status C_Encrypt(Library& library, CK_SESSION_HANDLE hSession,
                       CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                       CK_BYTE_PTR pEncryptedData,
                       CK_ULONG_PTR pulEncryptedDataLen) {
  return CipherOneShot<EncryptKind>(library, hSession, pData, ulDataLen,
                                    pEncryptedData, pulEncryptedDataLen);
}

absl::Status C_EncryptUpdate(Library& library, CK_SESSION_HANDLE hSession,
                             CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
                             CK_BYTE_PTR pEncryptedPart,
                             CK_ULONG_PTR pulEncryptedPartLen) {
  return CipherUpdate<EncryptKind>(library, hSession, pPart, ulPartLen,
                                   pEncryptedPart, pulEncryptedPartLen);
}

absl::Status C_EncryptFinal(Library& library, CK_SESSION_HANDLE hSession,
                            CK_BYTE_PTR pLastEncryptedPart,
                            CK_ULONG_PTR pulLastEncryptedPartLen) {
  return CipherFinal<EncryptKind>(library, hSession, pLastEncryptedPart,
                                  pulLastEncryptedPartLen);
}

}  // namespace pkcs11::api
