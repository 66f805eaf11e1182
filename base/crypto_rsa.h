// RSA-3072 for one purpose: carrying a fresh secret to the holder of a key that
// stays (OAEP with SHA-256 and MGF1 over SHA-256). Of the legacy cloning
// protocol (docs/formats/cloning.md); who can choose agrees on keys with P-384.
#ifndef PERIGEE_BASE_CRYPTO_RSA_H_
#define PERIGEE_BASE_CRYPTO_RSA_H_

#include "base/crypto.h"

namespace base {

// Immutable after it was made.
class RsaTransportKey {
 public:
  static constexpr size_t kWrappedSize = 384;

  // Takes some tenths of a second: hold no lock.
  static absl::StatusOr<RsaTransportKey> Generate();
  // From the PKCS#8 DER that `PrivateDer` gave, and which nobody has altered.
  static absl::StatusOr<RsaTransportKey> FromPrivateDer(ByteSpan der);

  RsaTransportKey(RsaTransportKey&&) = default;
  RsaTransportKey& operator=(RsaTransportKey&&) = default;

  absl::StatusOr<SecretBytes> PrivateDer() const;
  // SubjectPublicKeyInfo.
  const Bytes& public_der() const { return public_der_; }

  // CKR_DEVICE_ERROR when nothing was wrapped to this key under this label.
  absl::StatusOr<SecretBytes> Unwrap(ByteSpan label, ByteSpan wrapped) const;

 private:
  RsaTransportKey(UniquePkey key, Bytes public_der)
      : key_(std::move(key)), public_der_(std::move(public_der)) {}
  static absl::StatusOr<RsaTransportKey> Of(UniquePkey key);
  UniquePkey key_;
  Bytes public_der_;
};

// `secret` of up to 64 bytes, for the holder of this public key;
// CKR_DATA_INVALID when that is not the SubjectPublicKeyInfo of a 3072 bit RSA
// key.
absl::StatusOr<Bytes> RsaWrap(ByteSpan public_der, ByteSpan label,
                              ByteSpan secret);

}  // namespace base

#endif  // PERIGEE_BASE_CRYPTO_RSA_H_
