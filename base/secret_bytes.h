// Bytes that must not leak: wiped when freed, not copied by accident, not
// printable, compared in constant time.
#ifndef PERIGEE_BASE_SECRET_BYTES_H_
#define PERIGEE_BASE_SECRET_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/bytes.h"
#include "base/wiped_vector.h"

namespace base {

// Overwrites `size` bytes in a way the compiler does not remove.
void Wipe(void* data, size_t size);

// Move-only secret. Raw access is by Expose*, so that a reviewer can grep it.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size) : bytes_(size) {}
  explicit SecretBytes(WipedVector bytes) : bytes_(std::move(bytes)) {}
  static SecretBytes CopyOf(ByteSpan bytes) {
    return SecretBytes(WipedVector(bytes.begin(), bytes.end()));
  }

  SecretBytes(SecretBytes&&) = default;
  SecretBytes& operator=(SecretBytes&&) = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  ByteSpan Expose() const { return ByteSpan(bytes_.data(), bytes_.size()); }
  MutableByteSpan ExposeMutable() {
    return MutableByteSpan(bytes_.data(), bytes_.size());
  }
  // Amortised: many small parts cost no more than one large one.
  void Append(ByteSpan more) { bytes_.Append(more.begin(), more.end()); }
  // Keeps the first `size` bytes and wipes the rest; `size` <= size().
  void Truncate(size_t size);
  SecretBytes Clone() const { return CopyOf(Expose()); }

  // Constant time in the contents (not in the lengths).
  bool Equals(ByteSpan other) const;
  bool Equals(const SecretBytes& other) const { return Equals(other.Expose()); }

 private:
  WipedVector bytes_;
};

// Constant-time comparison of authentication tags and the like.
bool ConstantTimeEquals(ByteSpan a, ByteSpan b);

}  // namespace base

#endif  // PERIGEE_BASE_SECRET_BYTES_H_
