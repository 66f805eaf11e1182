// Secret keys: what lengths each type has, its check value, and how new ones
// are made.
#ifndef PERIGEE_PKCS11_MECHANISMS_SECRETS_H_
#define PERIGEE_PKCS11_MECHANISMS_SECRETS_H_

#include "pkcs11/mechanism.h"
#include "pkcs11/mechanisms/evp.h"

namespace pkcs11 {

// Bytes. Longer HMAC keys are hashed first, so they gain nothing.
inline constexpr CK_ULONG kMaxSecretSize = 4096;

// A type of secret keys. Lengths are min, min + step, ... max.
struct SecretType {
  CK_KEY_TYPE type;
  size_t min_size;
  size_t max_size;
  size_t step;
  bool has_block_cipher;  // which gives the check value
  // For generation and derivation without CKA_VALUE_LEN; 0: it must be given.
  size_t usual_size;
  bool has_parity;  // DES
};

// Null for types that we do not know.
const SecretType* FindSecretType(CK_KEY_TYPE type);

// CKA_CHECK_VALUE: the first bytes of an encrypted zero block for the keys of
// block ciphers, of the SHA-1 of other secrets (PKCS#11 3.2 section 4.11).
absl::StatusOr<Bytes> CheckValueOf(CK_KEY_TYPE type, ByteSpan value);

// As CompleteKeyMaterial says, for secret keys.
absl::StatusOr<hsm::AttributeSet> CompleteSecret(const hsm::AttributeSet& key);

// The `generate` of rows whose key type says everything else: CKA_VALUE of
// CKA_VALUE_LEN or of the type's usual length.
absl::StatusOr<hsm::AttributeSet> GenerateSecret(
    const Use& use, const hsm::AttributeSet& attributes);

// Odd parity in every byte, as DES keys have it.
void SetOddParity(MutableByteSpan key);
bool HasOddParity(ByteSpan key);

// A shorter part of what a hidden key gives can be found by trying, and with
// it, part by part, the whole.
inline constexpr size_t kShortestPart = 14;
// CKR_KEY_SIZE_RANGE for a derived key of so few bytes.
absl::Status CheckPart(const hsm::Object& base, size_t size);

// CKA_SENSITIVE and CKA_EXTRACTABLE of a base key, for keys that take them on.
hsm::AttributeSet ProtectionOf(const hsm::Object& base);

// CKA_VALUE of a base key; CKR_KEY_TYPE_INCONSISTENT unless it is a secret key.
absl::StatusOr<ByteSpan> SecretValue(const hsm::Object& key);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_SECRETS_H_
