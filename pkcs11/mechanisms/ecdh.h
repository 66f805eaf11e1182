// Agreement on curves, as far as derivation, key wrapping and encapsulation
// share it.
#ifndef PERIGEE_PKCS11_MECHANISMS_ECDH_H_
#define PERIGEE_PKCS11_MECHANISMS_ECDH_H_

#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {

// Far above any point or shared information in use.
inline constexpr size_t kMaxPoint = 1024;
inline constexpr size_t kMaxSharedInfo = 1 << 20;

// A CK_EC_KDF_TYPE.
struct EcKdf {
  const Hash* hash = nullptr;  // null: CKD_NULL
  // SP 800-56C hashes the counter first, ANSI X9.63 the secret.
  bool counter_first = false;
};
// CKR_MECHANISM_PARAM_INVALID.
absl::StatusOr<EcKdf> EcKdfOf(CK_EC_KDF_TYPE type);
absl::StatusOr<SecretBytes> RunEcKdf(const EcKdf& kdf, ByteSpan secret,
                                     ByteSpan shared_info, size_t size);

// The shared secret of a private key object (CKK_EC, CKK_EC_MONTGOMERY) with
// the point of another, raw or DER. CKR_PUBLIC_KEY_INVALID.
absl::StatusOr<SecretBytes> Agree(const hsm::Object& key, ByteSpan peer_point,
                                  bool with_cofactor);

// A new pair on the curve of a public key object, for one agreement with it:
// the new point (raw) and the shared secret.
struct Ephemeral {
  Bytes point;
  SecretBytes secret;
};
absl::StatusOr<Ephemeral> AgreeAnew(const hsm::Object& public_key,
                                    bool with_cofactor);

// Bytes of a raw point of the key's curve.
absl::StatusOr<size_t> PointSize(const hsm::AttributeSet& key);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_ECDH_H_
