#include "pkcs11/trace.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "pkcs11/trace_target.h"
#include "pkcs11/trace_text.h"

namespace pkcs11::trace {
namespace {

constinit const Target not_looked = {nullptr};

// Plain: a thread that outlives the library runs no destructor of ours.
thread_local TracedCall* innermost = nullptr;

int64_t Nanoseconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The target, after a look at the environment when there was none yet.
const Target* Decided() {
  const Target* target = current.load(std::memory_order_acquire);
  if (target != &not_looked) return target;
  const char* const wanted = secure_getenv("PERIGEE_TRACE");
  Start(wanted == nullptr ? "" : wanted);
  return current.load(std::memory_order_acquire);
}

}  // namespace

constinit std::atomic<const Target*> current{&not_looked};

void Start(absl::string_view text) {
  const absl::StatusOr<const Target*> target = OpenTarget(text);
  if (!target.ok()) {
    base::Log(base::LogLevel::kWarning,
              "no trace: ", target.status().message());
  }
  current.store(target.ok() ? *target : nullptr, std::memory_order_release);
}

void Stop() { current.store(&not_looked, std::memory_order_release); }

TracedCall::TracedCall(const char* name, absl::Span<const uintptr_t> arguments,
                       uint32_t pointers) noexcept
    : target_(nullptr),
      name_(name),
      arguments_(arguments),
      pointers_(pointers) {
  try {
    target_ = Decided();
  } catch (...) {  // no memory for the target
  }
  if (target_ == nullptr) return;
  outer_ = innermost;
  innermost = this;
  began_ = Nanoseconds(CLOCK_MONOTONIC);
}

CK_RV TracedCall::Ended(CK_RV rv) noexcept {
  if (target_ == nullptr) return rv;
  const int64_t took = Nanoseconds(CLOCK_MONOTONIC) - began_;
  innermost = outer_;
  try {
    Line line;
    AddBeginning(Nanoseconds(CLOCK_REALTIME) - took, line);
    AddCall({name_, arguments_, pointers_, read_, read_array_, rv}, line);
    AddEnding(rv, took, line);
    WriteLine(*target_, line.text());
  } catch (...) {  // no memory for the line
  }
  return rv;
}

void NoteReadOfThread(const void* pointer) noexcept {
  TracedCall* const call = innermost;
  if (call == nullptr) return;
  const absl::Span<const uintptr_t> words = call->arguments_;
  for (size_t i = 0; i < words.size() && i < 32; ++i) {
    if (words[i] == Word(pointer)) call->read_ |= uint32_t{1} << i;
  }
}

// Hosts pass the same pointer twice: an array is known by its count too.
void NoteReadOfThread(const void* array, CK_ULONG count) noexcept {
  TracedCall* const call = innermost;
  if (call == nullptr) return;
  const absl::Span<const uintptr_t> words = call->arguments_;
  for (size_t i = 0; i + 1 < words.size() && i < 32; ++i) {
    if (words[i] == Word(array) && words[i + 1] == count) {
      call->read_array_ |= uint32_t{1} << i;
    }
  }
}

}  // namespace pkcs11::trace
