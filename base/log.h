// A thin log: nothing by default, a file, stderr or syslog when configured.
// One line an event, text or JSON. Never secrets, PINs or their lengths; the
// caller passes no bytes of the application.
#ifndef PERIGEE_BASE_LOG_H_
#define PERIGEE_BASE_LOG_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace base {

enum class LogLevel : uint8_t { kError = 1, kWarning, kInfo, kDebug };

struct LogSettings {
  enum class Target : uint8_t { kNone, kStderr, kFile, kSyslog };
  enum class Format : uint8_t { kText, kJson };
  Target target = Target::kNone;
  Format format = Format::kText;
  LogLevel level = LogLevel::kWarning;
  std::string file;  // kFile: appended to, made with mode 0600

  bool operator==(const LogSettings&) const = default;
};

// Replaces the settings. Thread-safe and without a lock, so that a forked
// child can log. A file is opened for each line: it may be rotated at any time.
void SetLog(const LogSettings& settings);

// Whether a line of this level goes anywhere; an atomic load.
bool LogIs(LogLevel level);

// Writes one line. Control characters in `text` are replaced. Never fails and
// never throws; a line that cannot be written is lost.
void LogLine(LogLevel level, absl::string_view text) noexcept;

// An error of integrity (tampered record, damaged store) also goes to syslog
// when no target is set.
void LogIntegrity(absl::string_view text) noexcept;

template <typename... Parts>
void Log(LogLevel level, const Parts&... parts) {
  if (LogIs(level)) LogLine(level, absl::StrCat(parts...));
}

}  // namespace base

#endif  // PERIGEE_BASE_LOG_H_
