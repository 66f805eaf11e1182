#include "base/log.h"

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <new>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace base {
namespace {

// Settings are never freed, another thread may be reading them; equal ones
// are found again, so that initialising a thousand times costs one.
struct Kept {
  LogSettings settings;
  const Kept* older;
};
std::atomic<const Kept*> kept{nullptr};
std::atomic<const LogSettings*> current{nullptr};

const char* NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
  }
  return "?";
}

int SyslogPriority(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return LOG_ERR;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kDebug:
      return LOG_DEBUG;
  }
  return LOG_ERR;
}

std::string Printable(absl::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
      ' ');
  return out;
}

std::string JsonText(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string Format(const LogSettings& settings, LogLevel level,
                   absl::string_view text) {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                                            absl::UTCTimeZone());
  const std::string line = Printable(text);
  if (settings.format == LogSettings::Format::kJson) {
    return absl::StrFormat(
        "{\"time\":\"%s\",\"pid\":%d,\"level\":\"%s\",\"text\":\"%s\"}\n", time,
        getpid(), NameOf(level), JsonText(line));
  }
  return absl::StrFormat("%s perigee[%d] %s: %s\n", time, getpid(),
                         NameOf(level), line);
}

// One write(2), so that lines of several processes do not mix.
void WriteTo(int fd, const std::string& line) {
  ssize_t unused = write(fd, line.data(), line.size());
  static_cast<void>(unused);
}

void AppendTo(const std::string& file, const std::string& line) {
  const int fd =
      open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
           0600);
  if (fd < 0) return;
  WriteTo(fd, line);
  close(fd);
}

void Write(const LogSettings& settings, LogLevel level,
           absl::string_view text) {
  switch (settings.target) {
    case LogSettings::Target::kNone:
      return;
    case LogSettings::Target::kStderr:
      return WriteTo(STDERR_FILENO, Format(settings, level, text));
    case LogSettings::Target::kFile:
      return AppendTo(settings.file, Format(settings, level, text));
    case LogSettings::Target::kSyslog:
      // Not openlog: the host's identification is the host's.
      return syslog(LOG_USER | SyslogPriority(level), "perigee: %s",
                    Printable(text).c_str());
  }
}

}  // namespace

void SetLog(const LogSettings& settings) {
  const Kept* head = kept.load();
  for (const Kept* k = head; k != nullptr; k = k->older) {
    if (k->settings == settings) return current.store(&k->settings);
  }
  auto* added = new Kept{settings, head};
  while (!kept.compare_exchange_weak(head, added)) added->older = head;
  current.store(&added->settings);
}

bool LogIs(LogLevel level) {
  const LogSettings* settings = current.load(std::memory_order_acquire);
  return settings != nullptr &&
         settings->target != LogSettings::Target::kNone &&
         level <= settings->level;
}

void LogLine(LogLevel level, absl::string_view text) noexcept try {
  if (LogIs(level)) Write(*current.load(), level, text);
} catch (...) {
  // No memory for the line.
}

void LogIntegrity(absl::string_view text) noexcept try {
  if (LogIs(LogLevel::kError)) return LogLine(LogLevel::kError, text);
  LogSettings settings;
  settings.target = LogSettings::Target::kSyslog;
  Write(settings, LogLevel::kError, text);
} catch (...) {
}

}  // namespace base
