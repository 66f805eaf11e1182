// C_DecryptInit and on.
#include "pkcs11/api/api.h"
#include "pkcs11/api/cipher_steps.h"

namespace pkcs11::api {

absl::Status C_DecryptInit(Library& library, CK_SESSION_HANDLE hSession,
                           CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Begin<DecryptKind>(pMechanism, hKey);
}

absl::Status C_Decrypt(Library& library, CK_SESSION_HANDLE hSession,
                       CK_BYTE_PTR pEncryptedData, CK_ULONG ulEncryptedDataLen,
                       CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen) {
  return CipherOneShot<DecryptKind>(library, hSession, pEncryptedData,
                                    ulEncryptedDataLen, pData, pulDataLen);
}

absl::Status C_DecryptUpdate(Library& library, CK_SESSION_HANDLE hSession,
                             CK_BYTE_PTR pEncryptedPart,
                             CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart,
                             CK_ULONG_PTR pulPartLen) {
  return CipherUpdate<DecryptKind>(library, hSession, pEncryptedPart,
                                   ulEncryptedPartLen, pPart, pulPartLen);
}

absl::Status C_DecryptFinal(Library& library, CK_SESSION_HANDLE hSession,
                            CK_BYTE_PTR pLastPart,
                            CK_ULONG_PTR pulLastPartLen) {
  return CipherFinal<DecryptKind>(library, hSession, pLastPart, pulLastPartLen);
}

}  // namespace pkcs11::api
