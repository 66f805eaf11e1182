// The public keys of BIP 32 as text: Base58Check of version bytes, depth,
// fingerprint of the parent, index, chain code and compressed point.
#ifndef PERIGEE_PKCS11_MECHANISMS_BIP32_H_
#define PERIGEE_PKCS11_MECHANISMS_BIP32_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "hsm/attribute_set.h"

namespace pkcs11 {

// Whether this process's OpenSSL has what BIP 32 needs (RIPEMD-160).
bool Bip32IsAvailable();

// 111 characters for keys of known networks.
// CKR_KEY_TYPE_INCONSISTENT unless `key` is a public key of CKK_BIP32.
absl::StatusOr<std::string> EncodeExtendedKey(const hsm::AttributeSet& key);

// The attributes that `text` says, with class and type; the point is on its
// curve. CKR_DATA_INVALID for other text, also for that of a private key;
// the network is not looked at.
absl::StatusOr<hsm::AttributeSet> DecodeExtendedKey(absl::string_view text);

// Version bytes of public keys of a network that is known here.
bool IsKnownNetwork(base::ByteSpan version);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_BIP32_H_
