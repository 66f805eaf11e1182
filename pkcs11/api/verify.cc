// C_VerifyInit and on.
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"

namespace pkcs11::api {

absl::Status C_VerifyInit(Library& library, CK_SESSION_HANDLE hSession,
                          CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Begin<VerifyKind>(pMechanism, hKey);
}

absl::Status C_Verify(Library& library, CK_SESSION_HANDLE hSession,
                      CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                      CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Conclude<VerifyKind>(
      Session::Last::kOneShot, [&](Verifier& verifier) -> absl::Status {
        ASSIGN_OR_RETURN(const ByteSpan data, Input(pData, ulDataLen));
        ASSIGN_OR_RETURN(const ByteSpan signature,
                         Input(pSignature, ulSignatureLen));
        return verifier.Verify(data, signature);
      });
}

absl::Status C_VerifyUpdate(Library& library, CK_SESSION_HANDLE hSession,
                            CK_BYTE_PTR pPart, CK_ULONG ulPartLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Feed<VerifyKind>([&](Verifier& verifier) -> absl::Status {
    ASSIGN_OR_RETURN(const ByteSpan part, Input(pPart, ulPartLen));
    return verifier.Update(part);
  });
}

absl::Status C_VerifyFinal(Library& library, CK_SESSION_HANDLE hSession,
                           CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Conclude<VerifyKind>(
      Session::Last::kFinal, [&](Verifier& verifier) -> absl::Status {
        ASSIGN_OR_RETURN(const ByteSpan signature,
                         Input(pSignature, ulSignatureLen));
        return verifier.Final(signature);
      });
}

}  // namespace pkcs11::api
