// ISO/IEC 9796:1991 (9796-1), signatures with message recovery by redundancy,
// as CKM_RSA_9796 has them. The standard was withdrawn when signatures could be
// forged with the help of others on chosen messages; it is here for what was
// signed before.
#ifndef PERIGEE_PKCS11_MECHANISMS_ISO9796_H_
#define PERIGEE_PKCS11_MECHANISMS_ISO9796_H_

#include <optional>

#include "base/bytes.h"

namespace pkcs11 {

// The most bytes of a message for a modulus of so many bits.
size_t Iso9796MaxMessage(size_t modulus_bits);

// The intermediate integer of `message`, of the modulus' length. The first
// `unused_bits` (less than 8) do not count. At least one byte, at most
// Iso9796MaxMessage.
base::Bytes Iso9796Encode(base::ByteSpan message, size_t unused_bits,
                          size_t modulus_bits);

// The message whose encoding this is; nothing if there is none.
std::optional<base::Bytes> Iso9796Decode(base::ByteSpan encoded,
                                         size_t modulus_bits);

// modulus - number, both of the same length and number below the modulus.
base::Bytes Iso9796Complement(base::ByteSpan modulus, base::ByteSpan number);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_ISO9796_H_
