// The caller's buffer under the two-call convention (PKCS#11 3.2 section 5.2),
// as a value: parsed once from the pair of pointers, handed down, answered.
//
// It knows nothing of operations; when one ends is Session::Finish's business.
#ifndef PERIGEE_PKCS11_OUTPUT_H_
#define PERIGEE_PKCS11_OUTPUT_H_

#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/cryptoki.h"
#include "base/status.h"

namespace pkcs11 {

using base::ByteSpan;
using base::MutableByteSpan;

// What became of an answer. Only kGiven ends an operation.
enum class Answer : uint8_t {
  kGiven,     // CKR_OK, the result is in the buffer
  kQueried,   // CKR_OK, only its length was asked for and told
  kTooSmall,  // CKR_BUFFER_TOO_SMALL, the length is told
};

// A buffer of elements of type T (bytes, or slot and mechanism numbers).
// Cheap to copy; points into the application's memory.
template <typename T>
class OutputOf {
 public:
  // CKR_ARGUMENTS_BAD when `count` is null.
  static absl::StatusOr<OutputOf> Make(T* buffer, CK_ULONG* count) {
    if (count == nullptr) {
      return base::Error(CKR_ARGUMENTS_BAD, "no place for the length");
    }
    return OutputOf(buffer, count);
  }

  // The length alone is asked for.
  bool is_query() const { return buffer_ == nullptr; }
  // Elements that the buffer holds; 0 for a query.
  size_t room() const { return is_query() ? 0 : room_; }
  bool Fits(size_t count) const { return !is_query() && count <= room_; }
  absl::Span<T> buffer() const { return absl::Span<T>(buffer_, room()); }

  // Tells the length without giving the result: kQueried or kTooSmall.
  Answer Tell(size_t count) const {
    *count_ = static_cast<CK_ULONG>(count);
    return is_query() ? Answer::kQueried : Answer::kTooSmall;
  }
  // The result stands in the first `count` elements of the buffer.
  Answer Given(size_t count) const {
    *count_ = static_cast<CK_ULONG>(count);
    return Answer::kGiven;
  }
  // Copies the result where it fits, else tells its length.
  Answer Give(absl::Span<const T> result) const {
    if (!Fits(result.size())) return Tell(result.size());
    if (!result.empty()) {
      std::memcpy(buffer_, result.data(), result.size() * sizeof(T));
    }
    return Given(result.size());
  }

 private:
  OutputOf(T* buffer, CK_ULONG* count)
      : buffer_(buffer), count_(count), room_(*count) {}

  T* buffer_;
  CK_ULONG* count_;
  size_t room_;
};

using Output = OutputOf<CK_BYTE>;

// How the C ABI says it.
inline absl::Status ToStatus(Answer answer) {
  if (answer != Answer::kTooSmall) return absl::OkStatus();
  return base::Error(CKR_BUFFER_TOO_SMALL, "");
}

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_OUTPUT_H_
