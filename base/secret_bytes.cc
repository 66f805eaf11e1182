#include "base/secret_bytes.h"

#include <openssl/crypto.h>

namespace base {

void Wipe(void* data, size_t size) {
  if (size != 0) OPENSSL_cleanse(data, size);
}

void SecretBytes::Truncate(size_t size) {
  if (size >= bytes_.size()) return;
  Wipe(bytes_.data() + size, bytes_.size() - size);
  bytes_.resize(size);
}

bool SecretBytes::Equals(ByteSpan other) const {
  return ConstantTimeEquals(Expose(), other);
}

bool ConstantTimeEquals(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() &&
         (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace base
