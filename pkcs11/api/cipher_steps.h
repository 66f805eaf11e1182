// The three steps that encryption and decryption have in common.
#ifndef PERIGEE_PKCS11_API_CIPHER_STEPS_H_
#define PERIGEE_PKCS11_API_CIPHER_STEPS_H_

#include "pkcs11/api/arguments.h"
#include "pkcs11/library.h"

namespace pkcs11::api {

template <typename Kind>
absl::Status CipherOneShot(Library& library, CK_SESSION_HANDLE handle,
                           const CK_BYTE* in, CK_ULONG in_size, CK_BYTE* out,
                           CK_ULONG* out_size) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return session->Finish<Kind>(
      Session::Last::kOneShot, Output::Make(out, out_size),
      [&](const Cipher& cipher) { return cipher.OneShotSize(in_size); },
      [&](Cipher& cipher, MutableByteSpan room) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan input, Input(in, in_size));
        return cipher.OneShot(input, room);
      });
}

template <typename Kind>
absl::Status CipherUpdate(Library& library, CK_SESSION_HANDLE handle,
                          const CK_BYTE* in, CK_ULONG in_size, CK_BYTE* out,
                          CK_ULONG* out_size) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return session->Flow<Kind>(
      Output::Make(out, out_size),
      [&](const Cipher& cipher) { return cipher.UpdateSize(in_size); },
      [&](Cipher& cipher, MutableByteSpan room) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const ByteSpan input, Input(in, in_size));
        return cipher.Update(input, room);
      });
}

template <typename Kind>
absl::Status CipherFinal(Library& library, CK_SESSION_HANDLE handle,
                         CK_BYTE* out, CK_ULONG* out_size) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return session->Finish<Kind>(
      Session::Last::kFinal, Output::Make(out, out_size),
      [](const Cipher& cipher) { return cipher.FinalSize(); },
      [](Cipher& cipher, MutableByteSpan room) { return cipher.Final(room); });
}

}  // namespace pkcs11::api

#endif  // PERIGEE_PKCS11_API_CIPHER_STEPS_H_
