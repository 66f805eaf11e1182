// Key wrapping by a mechanism's own encryption: the same bytes, other codes.
#ifndef PERIGEE_PKCS11_MECHANISMS_WRAPPING_H_
#define PERIGEE_PKCS11_MECHANISMS_WRAPPING_H_

#include "pkcs11/mechanism.h"

namespace pkcs11 {

using CipherFactory = absl::StatusOr<std::unique_ptr<Cipher>> (*)(const Use&);

// CKR_KEY_SIZE_RANGE for a key too long (or of a wrong length) for the
// mechanism, CKR_WRAPPING_KEY_SIZE_RANGE for a wrapping key that may not.
absl::StatusOr<base::Bytes> WrapBy(CipherFactory encrypt, const Use& use,
                                   ByteSpan plain);

// CKR_WRAPPED_KEY_LEN_RANGE and CKR_UNWRAPPING_KEY_SIZE_RANGE say only what
// lengths say; whatever the contents lead to is CKR_WRAPPED_KEY_INVALID.
absl::StatusOr<SecretBytes> UnwrapBy(CipherFactory decrypt, const Use& use,
                                     ByteSpan wrapped);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_WRAPPING_H_
