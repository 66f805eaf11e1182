// Keyed pseudo-random functions, as key derivations use them: many short
// inputs under one key, outputs that are secret.
#ifndef PERIGEE_PKCS11_MECHANISMS_PRF_H_
#define PERIGEE_PKCS11_MECHANISMS_PRF_H_

#include "absl/types/span.h"
#include "pkcs11/mechanisms/evp.h"

namespace pkcs11 {

class Prf {
 public:
  // HMAC with a hash function by OpenSSL's name for it.
  static absl::StatusOr<Prf> Hmac(const char* hash, ByteSpan key);
  // CMAC with the cipher of this type of keys; CKR_KEY_SIZE_RANGE.
  static absl::StatusOr<Prf> Cmac(CK_KEY_TYPE type, ByteSpan key);

  size_t size() const { return size_; }
  // Of the parts one after the other. `out` has size() bytes; it may be one of
  // the parts.
  absl::Status Run(absl::Span<const ByteSpan> parts, MutableByteSpan out) const;

 private:
  explicit Prf(UniqueMacCtx keyed);

  UniqueMacCtx keyed_;
  size_t size_;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_PRF_H_
