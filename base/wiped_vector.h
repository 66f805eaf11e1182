// A growing buffer of bytes that lives where secrets do and whose every former
// storage is wiped. std::vector with an allocator of ours would do, but copies
// byte by byte.
#ifndef PERIGEE_BASE_WIPED_VECTOR_H_
#define PERIGEE_BASE_WIPED_VECTOR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>

#include "base/secret_memory.h"

namespace base {

// The part of std::vector<uint8_t> that is used.
class WipedVector {
 public:
  using value_type = uint8_t;
  using iterator = uint8_t*;
  using const_iterator = const uint8_t*;

  WipedVector() = default;
  explicit WipedVector(size_t size, uint8_t fill = 0) { resize(size, fill); }
  template <std::contiguous_iterator It>
  WipedVector(It first, It last) {
    Append(first, last);
  }
  WipedVector(const WipedVector& other)
      : WipedVector(other.begin(), other.end()) {}
  WipedVector(WipedVector&& other) noexcept { swap(other); }
  WipedVector& operator=(WipedVector other) noexcept {
    swap(other);
    return *this;
  }
  ~WipedVector() {
    if (data_ != nullptr) FreeSecret(data_, capacity_);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t capacity() const { return capacity_; }
  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  iterator begin() { return data_; }
  iterator end() { return data_ + size_; }
  const_iterator begin() const { return data_; }
  const_iterator end() const { return data_ + size_; }
  uint8_t& operator[](size_t i) { return data_[i]; }
  const uint8_t& operator[](size_t i) const { return data_[i]; }
  uint8_t& back() { return data_[size_ - 1]; }

  void reserve(size_t capacity) {
    if (capacity > capacity_) Move(capacity);
  }
  void resize(size_t size, uint8_t fill = 0) {
    reserve(size);
    if (size > size_) std::memset(data_ + size_, fill, size - size_);
    size_ = size;
  }
  void clear() { size_ = 0; }
  void push_back(uint8_t byte) { Append(&byte, &byte + 1); }
  // Behind the end. The bytes may be this buffer's own.
  template <std::contiguous_iterator It>
  void Append(It first, It last) {
    static_assert(sizeof *first == 1);
    const size_t more = static_cast<size_t>(last - first);
    if (more == 0) return;
    const uint8_t* from =
        reinterpret_cast<const uint8_t*>(std::to_address(first));
    if (more <= capacity_ - size_) {
      std::memmove(data_ + size_, from, more);
      size_ += more;
      return;
    }
    WipedVector grown;
    grown.Move(size_ + std::max(size_, more));
    if (size_ != 0) std::memcpy(grown.data_, data_, size_);
    std::memcpy(grown.data_ + size_, from, more);
    grown.size_ = size_ + more;
    swap(grown);
  }

  void swap(WipedVector& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  bool operator==(const WipedVector& other) const {
    return size_ == other.size_ &&
           (size_ == 0 || std::memcmp(data_, other.data_, size_) == 0);
  }

 private:
  void Move(size_t capacity) {
    uint8_t* const moved = static_cast<uint8_t*>(AllocateSecret(capacity));
    if (size_ != 0) std::memcpy(moved, data_, size_);
    if (data_ != nullptr) FreeSecret(data_, capacity_);
    data_ = moved;
    capacity_ = capacity;
  }

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace base

#endif  // PERIGEE_BASE_WIPED_VECTOR_H_
