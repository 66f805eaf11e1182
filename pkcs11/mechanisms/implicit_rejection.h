// Removal of PKCS#1 v1.5 encryption padding that cannot be used as an oracle:
// a wrong padding gives no error but a message that follows from the key and
// the ciphertext (draft-irtf-cfrg-rsa-guidance; the same bytes as OpenSSL 3.2
// and later give). OpenSSL 3.0 does not have it.
#ifndef PERIGEE_PKCS11_MECHANISMS_IMPLICIT_REJECTION_H_
#define PERIGEE_PKCS11_MECHANISMS_IMPLICIT_REJECTION_H_

#include "base/secret_bytes.h"
#include "base/status.h"

namespace pkcs11 {

// SHA-256 of the private exponent, padded to the modulus' length.
base::SecretBytes RejectionSecret(base::ByteSpan private_exponent,
                                  size_t modulus_size);

// The message in `padded`, the raw result of the private operation on
// `ciphertext` (both of the modulus' length), written to `out`, which has at
// least padded.size() - 11 bytes. Returns the message's length. Runs in a
// time that depends on nothing but lengths, except for that of the message
// that it gives.
size_t DepadPkcs1(base::ByteSpan secret, base::ByteSpan ciphertext,
                  base::ByteSpan padded, base::MutableByteSpan out);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_IMPLICIT_REJECTION_H_
