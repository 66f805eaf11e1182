// The API trace (docs/TRACE.md): one line for each call, off by default. When
// off it costs a call one relaxed load and a branch; what is shown of which
// parameter is in trace_rows.def.
//
// The library tells the trace what it has read of the application's memory
// (NoteRead). Nothing else that the application points to is looked at, so a
// call that is refused before it looks at its arguments stays harmless.
#ifndef PERIGEE_PKCS11_TRACE_H_
#define PERIGEE_PKCS11_TRACE_H_

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cryptoki.h"

namespace pkcs11::trace {

struct Target;  // trace_target.h

// Null: off. Its first value means that the environment was not looked at yet.
extern std::atomic<const Target*> current;

inline bool IsOn() {
  return current.load(std::memory_order_relaxed) != nullptr;
}

// Where lines go from now on: "stderr" or "-", an absolute path, "none" or
// nothing. What cannot be opened is one warning in the log, and no trace.
void Start(absl::string_view target);
// As before the first call: the next one looks at PERIGEE_TRACE.
void Stop();

// An argument of any type that the C ABI has.
template <typename T>
uintptr_t Word(T argument) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<uintptr_t>(argument);
  } else {
    return static_cast<uintptr_t>(argument);
  }
}

template <typename T>
T FromWord(uintptr_t word) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<T>(word);
  } else {
    return static_cast<T>(word);
  }
}

// Which of the types are pointers: a bit for each.
template <typename... T>
constexpr uint32_t PointersAmong() {
  uint32_t bits = 0;
  uint32_t bit = 1;
  (((std::is_pointer_v<T> ? bits |= bit : bits), bit <<= 1), ...);
  return bits;
}

// One call of this thread, from its beginning to its line. On the stack.
class TracedCall {
 public:
  TracedCall(const char* name, absl::Span<const uintptr_t> arguments,
             uint32_t pointers) noexcept;
  // Writes the line. Returns `rv`.
  CK_RV Ended(CK_RV rv) noexcept;

 private:
  friend void NoteReadOfThread(const void* pointer) noexcept;
  friend void NoteReadOfThread(const void* array, CK_ULONG count) noexcept;

  const Target* target_;  // null: no line
  const char* name_;
  absl::Span<const uintptr_t> arguments_;
  uint32_t pointers_;
  // A bit for each argument.
  uint32_t read_ = 0;
  uint32_t read_array_ = 0;
  int64_t began_ = 0;  // nanoseconds of the monotonic clock
  TracedCall* outer_ = nullptr;
};

void NoteReadOfThread(const void* pointer) noexcept;
void NoteReadOfThread(const void* array, CK_ULONG count) noexcept;

// The library has read the mechanism (or written the handle) that an argument
// points to.
inline void NoteRead(const void* pointer) {
  if (IsOn()) [[unlikely]] {
    NoteReadOfThread(pointer);
  }
}
// It has read all of a template of `count` attributes, and their values.
inline void NoteRead(const CK_ATTRIBUTE* array, CK_ULONG count) {
  if (IsOn()) [[unlikely]] {
    NoteReadOfThread(array, count);
  }
}

}  // namespace pkcs11::trace

#endif  // PERIGEE_PKCS11_TRACE_H_
