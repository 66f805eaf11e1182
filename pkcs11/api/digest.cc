// C_DigestInit and on.
#include "hsm/key_protection.h"
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/key_use.h"

namespace pkcs11::api {
namespace {

size_t SizeOf(const Digester& digester) { return digester.size(); }

absl::StatusOr<size_t> Final(Digester& digester, MutableByteSpan out) {
  RETURN_IF_ERROR(digester.Final(out));
  return digester.size();
}

}  // namespace

absl::Status C_DigestInit(Library& library, CK_SESSION_HANDLE hSession,
                          CK_MECHANISM_PTR pMechanism) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Begin<DigestKind>(pMechanism);
}

absl::Status C_Digest(Library& library, CK_SESSION_HANDLE hSession,
                      CK_BYTE_PTR pData, CK_ULONG ulDataLen,
                      CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Finish<DigestKind>(
      Session::Last::kOneShot, Output::Make(pDigest, pulDigestLen), SizeOf,
      [&](Digester& digester, MutableByteSpan out) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan data, Input(pData, ulDataLen));
        RETURN_IF_ERROR(digester.Update(data));
        return Final(digester, out);
      });
}

absl::Status C_DigestUpdate(Library& library, CK_SESSION_HANDLE hSession,
                            CK_BYTE_PTR pPart, CK_ULONG ulPartLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Feed<DigestKind>([&](Digester& digester) -> absl::Status {
    ASSIGN_OR_RETURN(const ByteSpan part, Input(pPart, ulPartLen));
    return digester.Update(part);
  });
}

// Not of hidden values: HMAC uses the digest of a long key in the key's place,
// and the digest of a short key is a test of guesses.
absl::Status C_DigestKey(Library& library, CK_SESSION_HANDLE hSession,
                         CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  const absl::StatusOr<hsm::ObjectRef> key = session->FindObject(hKey);
  return session->Feed<DigestKind>([&](Digester& digester) -> absl::Status {
    if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
    const AttributeSet& attributes = (*key)->attributes();
    if (attributes.object_class() != CKO_SECRET_KEY ||
        !attributes.Has(CKA_VALUE)) {
      return base::Error(CKR_KEY_INDIGESTIBLE, "not a secret key");
    }
    if (hsm::HidesValue(attributes)) {
      return base::Error(CKR_KEY_INDIGESTIBLE, "the key's value is hidden");
    }
    return digester.Update(attributes.Value(CKA_VALUE));
  });
}

absl::Status C_DigestFinal(Library& library, CK_SESSION_HANDLE hSession,
                           CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->Finish<DigestKind>(Session::Last::kFinal,
                                     Output::Make(pDigest, pulDigestLen),
                                     SizeOf, Final);
}

}  // namespace pkcs11::api
