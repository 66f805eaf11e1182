// Where the lines of a trace go: a file, which is opened for each line (so it
// can be rotated, and no descriptor is kept that a host could close, reuse or
// inherit), or the standard error that there was when the trace began.
#ifndef PERIGEE_PKCS11_TRACE_TARGET_H_
#define PERIGEE_PKCS11_TRACE_TARGET_H_

#include <sys/stat.h>

#include <string>

#include "absl/strings/string_view.h"
#include "base/status.h"

namespace pkcs11::trace {

// Immutable and never freed: other threads may be writing to it.
struct Target {
  const char* path;  // null: standard error; %p is the process id
  // What standard error was.
  dev_t device = 0;
  ino_t inode = 0;
  const Target* older = nullptr;
};

// The largest line, with its end.
inline constexpr size_t kLongestLine = 4095;

// Whether `text` names a target: "stderr", "-", an absolute path; or none:
// "none", "".
bool IsTarget(absl::string_view text);

// The target that `text` names, tried; null for none. An equal one is found
// again. CKR_GENERAL_ERROR with the path and the cause.
absl::StatusOr<const Target*> OpenTarget(absl::string_view text);

// Writes the whole line at once, or nothing. No signal, no cancellation.
void WriteLine(const Target& target, absl::string_view line) noexcept;

}  // namespace pkcs11::trace

#endif  // PERIGEE_PKCS11_TRACE_TARGET_H_
