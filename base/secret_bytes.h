// Bytes that must not leak: wiped when freed, not copied by accident, not
// printable, compared in constant time.
#ifndef PERIGEE_BASE_SECRET_BYTES_H_
#define PERIGEE_BASE_SECRET_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/secret_memory.h"

namespace base {

// Overwrites `size` bytes in a way the compiler does not remove.
void Wipe(void* data, size_t size);

// Allocates where secrets live (base/secret_memory.h) and wipes before it
// frees.
template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename U>
  WipingAllocator(const WipingAllocator<U>&) {}  // NOLINT: converting
  static_assert(alignof(T) <= alignof(std::max_align_t));
  T* allocate(size_t n) {
    if (n > SIZE_MAX / 2 / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(AllocateSecret(n * sizeof(T)));
  }
  void deallocate(T* p, size_t n) { FreeSecret(p, n * sizeof(T)); }
  bool operator==(const WipingAllocator&) const { return true; }
};

// A growing buffer whose every former storage is wiped.
using WipedVector = std::vector<uint8_t, WipingAllocator<uint8_t>>;

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
  void Append(ByteSpan more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
  }
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
