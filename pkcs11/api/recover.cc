// Signatures with data recovery (PKCS#11 3.2 sections 5.13.5 and 5.14.5), and
// signatures that are known before the data (5.15 of 3.2, C_VerifySignature*).
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"

namespace pkcs11::api {

absl::Status C_SignRecoverInit(Library& library, CK_SESSION_HANDLE hSession,
                               CK_MECHANISM_PTR pMechanism,
                               CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Begin<SignRecoverKind>(pMechanism, hKey);
}

absl::Status C_SignRecover(Library& library, CK_SESSION_HANDLE hSession,
                           CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                           CK_BYTE_PTR pSignature,
                           CK_ULONG_PTR pulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Finish<SignRecoverKind>(
      Session::Last::kOneShot, Output::Make(pSignature, pulSignatureLen),
      [](const Signer& signer) { return signer.size(); },
      [&](Signer& signer, MutableByteSpan out) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan data, Input(pData, ulDataLen));
        return signer.Sign(data, out);
      });
}

absl::Status C_VerifyRecoverInit(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_MECHANISM_PTR pMechanism,
                                 CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Begin<VerifyRecoverKind>(pMechanism, hKey);
}

absl::Status C_VerifyRecover(Library& library, CK_SESSION_HANDLE hSession,
                             CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen,
                             CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Finish<VerifyRecoverKind>(
      Session::Last::kOneShot, Output::Make(pData, pulDataLen),
      [&](const Cipher& opener) { return opener.OneShotSize(ulSignatureLen); },
      [&](Cipher& opener, MutableByteSpan out) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan signature,
                         Input(pSignature, ulSignatureLen));
        return opener.OneShot(signature, out);
      });
}

// --- the signature first
// -------------------------------------------------------

absl::Status C_VerifySignatureInit(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_MECHANISM_PTR pMechanism,
                                   CK_OBJECT_HANDLE hKey,
                                   CK_BYTE_PTR pSignature,
                                   CK_ULONG ulSignatureLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const ByteSpan signature, Input(pSignature, ulSignatureLen));
  RETURN_IF_ERROR(session->Begin<VerifySignatureKind>(pMechanism, hKey));
  if (pMechanism == nullptr) return absl::OkStatus();  // it was cancelled
  return session->Prepare<VerifySignatureKind>([&](SignatureCheck& check) {
    check.signature = base::ToBytes(signature);
  });
}

absl::Status C_VerifySignature(Library& library, CK_SESSION_HANDLE hSession,
                               CK_BYTE_PTR pData, CK_ULONG ulDataLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Conclude<VerifySignatureKind>(
      Session::Last::kOneShot, [&](SignatureCheck& check) -> absl::Status {
        ASSIGN_OR_RETURN(const ByteSpan data, Input(pData, ulDataLen));
        return check.verifier->Verify(data, check.signature);
      });
}

absl::Status C_VerifySignatureUpdate(Library& library,
                                     CK_SESSION_HANDLE hSession,
                                     CK_BYTE_PTR pPart, CK_ULONG ulPartLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Feed<VerifySignatureKind>(
      [&](SignatureCheck& check) -> absl::Status {
        ASSIGN_OR_RETURN(const ByteSpan part, Input(pPart, ulPartLen));
        return check.verifier->Update(part);
      });
}

absl::Status C_VerifySignatureFinal(Library& library,
                                    CK_SESSION_HANDLE hSession) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Conclude<VerifySignatureKind>(
      Session::Last::kFinal, [](SignatureCheck& check) {
        return check.verifier->Final(check.signature);
      });
}

}  // namespace pkcs11::api
