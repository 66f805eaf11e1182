// C_SignInit and on.
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"

namespace pkcs11::api {
namespace {

size_t SizeOf(const Signer& signer) { return signer.size(); }

}  // namespace

absl::Status C_SignInit(Library& library, CK_SESSION_HANDLE hSession,
                        CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Begin<SignKind>(pMechanism, hKey);
}

absl::Status C_Sign(Library& library, CK_SESSION_HANDLE hSession,
                    CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                    CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Finish<SignKind>(
      Session::Last::kOneShot, Output::Make(pSignature, pulSignatureLen),
      SizeOf,
      [&](Signer& signer, MutableByteSpan out) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan data, Input(pData, ulDataLen));
        return signer.Sign(data, out);
      });
}

absl::Status C_SignUpdate(Library& library, CK_SESSION_HANDLE hSession,
                          CK_BYTE_PTR pPart, CK_ULONG ulPartLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Feed<SignKind>([&](Signer& signer) -> absl::Status {
    ASSIGN_OR_RETURN(const ByteSpan part, Input(pPart, ulPartLen));
    return signer.Update(part);
  });
}

absl::Status C_SignFinal(Library& library, CK_SESSION_HANDLE hSession,
                         CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Finish<SignKind>(
      Session::Last::kFinal, Output::Make(pSignature, pulSignatureLen), SizeOf,
      [](Signer& signer, MutableByteSpan out) { return signer.Final(out); });
}

}  // namespace pkcs11::api
