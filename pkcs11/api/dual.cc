// Two operations on the same data (PKCS#11 3.2 section 5.15).
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"

namespace pkcs11::api {
namespace {

// How the operation beside the cipher takes the plaintext.
template <typename Tool>
absl::Status Feed(Tool& tool, ByteSpan plain) {
  return tool.Update(plain);
}

template <typename CipherKind, typename OtherKind>
absl::Status Dual(Library& library, CK_SESSION_HANDLE handle,
                  const CK_BYTE* part, CK_ULONG part_size, CK_BYTE* out,
                  CK_ULONG* out_size) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return session->DualFlow<CipherKind, OtherKind>(
      Output::Make(out, out_size), Input(part, part_size),
      Feed<typename OtherKind::Tool>);
}

}  // namespace

absl::Status C_DigestEncryptUpdate(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
                                   CK_BYTE_PTR pEncryptedPart,
                                   CK_ULONG_PTR pulEncryptedPartLen) {
  return Dual<EncryptKind, DigestKind>(library, hSession, pPart, ulPartLen,
                                       pEncryptedPart, pulEncryptedPartLen);
}

absl::Status C_DecryptDigestUpdate(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_BYTE_PTR pEncryptedPart,
                                   CK_ULONG ulEncryptedPartLen,
                                   CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen) {
  return Dual<DecryptKind, DigestKind>(library, hSession, pEncryptedPart,
                                       ulEncryptedPartLen, pPart, pulPartLen);
}

absl::Status C_SignEncryptUpdate(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
                                 CK_BYTE_PTR pEncryptedPart,
                                 CK_ULONG_PTR pulEncryptedPartLen) {
  return Dual<EncryptKind, SignKind>(library, hSession, pPart, ulPartLen,
                                     pEncryptedPart, pulEncryptedPartLen);
}

absl::Status C_DecryptVerifyUpdate(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_BYTE_PTR pEncryptedPart,
                                   CK_ULONG ulEncryptedPartLen,
                                   CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen) {
  return Dual<DecryptKind, VerifyKind>(library, hSession, pEncryptedPart,
                                       ulEncryptedPartLen, pPart, pulPartLen);
}

}  // namespace pkcs11::api
