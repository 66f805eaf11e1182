#include "pkcs11/trace_target.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pkcs11::trace {
namespace {

std::atomic<const Target*> kept{nullptr};

// The path with the number of this process; cut when it is too long, and then
// it cannot be opened either.
class Path {
 public:
  explicit Path(const char* pattern) {
    size_t size = 0;
    const auto add = [&](char c) {
      if (size < sizeof(text_) - 1) text_[size++] = c;
    };
    for (const char* p = pattern; *p != '\0'; ++p) {
      if (p[0] != '%' || p[1] != 'p') {
        add(*p);
        continue;
      }
      char number[16];
      snprintf(number, sizeof(number), "%d", getpid());
      for (const char* digit = number; *digit != '\0'; ++digit) add(*digit);
      ++p;
    }
    text_[size] = '\0';
  }
  const char* get() const { return text_; }

 private:
  char text_[PATH_MAX + 1];
};

// Of a regular file; -1 with errno. Not blocking: nobody may read a FIFO.
int OpenFile(const char* pattern) {
  const int fd = open(Path(pattern).get(),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
                          O_NONBLOCK | O_NOCTTY,
                      0600);
  if (fd < 0) return -1;
  struct stat found;
  if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) return fd;
  close(fd);
  errno = EINVAL;
  return -1;
}

const Target* Keep(const char* path, const struct stat& of_stderr) {
  const Target* head = kept.load();
  for (const Target* each = head; each != nullptr; each = each->older) {
    const bool same =
        path == nullptr
            ? each->path == nullptr && each->device == of_stderr.st_dev &&
                  each->inode == of_stderr.st_ino
            : each->path != nullptr && strcmp(each->path, path) == 0;
    if (same) return each;
  }
  const char* const copy = path == nullptr ? nullptr : strdup(path);
  if (path != nullptr && copy == nullptr) return nullptr;
  auto* made = new Target{copy, of_stderr.st_dev, of_stderr.st_ino, head};
  while (!kept.compare_exchange_weak(head, made)) made->older = head;
  return made;
}

absl::Status CannotOpen(absl::string_view what) {
  return base::Error(CKR_GENERAL_ERROR,
                     absl::StrCat(what, ": ", strerror(errno)));
}

// A write to a pipe that nobody reads, or beyond a limit of sizes, would end
// the host; and a thread may be cancelled in it.
class Undisturbed {
 public:
  Undisturbed() {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_);
    sigemptyset(&ours_);
    for (const int signal : kSignals) sigaddset(&ours_, signal);
    sigpending(&pending_);
    pthread_sigmask(SIG_BLOCK, &ours_, &mask_);
  }
  ~Undisturbed() {
    // What came in between is of our own making.
    for (const int signal : kSignals) {
      if (sigismember(&pending_, signal)) sigdelset(&ours_, signal);
    }
    const timespec now = {};
    while (sigtimedwait(&ours_, nullptr, &now) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    pthread_setcancelstate(cancel_, nullptr);
  }

 private:
  static constexpr int kSignals[] = {SIGPIPE, SIGXFSZ};
  sigset_t ours_, pending_, mask_;
  int cancel_;
};

void WriteOnce(int fd, absl::string_view line) {
  while (write(fd, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace

bool IsTarget(absl::string_view text) {
  return text.empty() || text == "none" || text == "stderr" || text == "-" ||
         absl::StartsWith(text, "/");
}

absl::StatusOr<const Target*> OpenTarget(absl::string_view text) {
  if (!IsTarget(text)) {
    return base::Error(CKR_GENERAL_ERROR,
                       "must be stderr, none or an absolute path");
  }
  if (text.empty() || text == "none") return nullptr;
  struct stat of_stderr = {};
  if (!absl::StartsWith(text, "/")) {
    if (fstat(STDERR_FILENO, &of_stderr) != 0) return CannotOpen("stderr");
    return Keep(nullptr, of_stderr);
  }
  const std::string path(text);
  const int fd = OpenFile(path.c_str());
  if (fd < 0) return CannotOpen(path);
  close(fd);
  return Keep(path.c_str(), of_stderr);
}

void WriteLine(const Target& target, absl::string_view line) noexcept {
  const int error = errno;
  {
    const Undisturbed undisturbed;
    if (target.path != nullptr) {
      const int fd = OpenFile(target.path);
      if (fd >= 0) {
        WriteOnce(fd, line);
        close(fd);
      }
    } else {
      // The number may belong to another file meanwhile.
      struct stat now;
      if (fstat(STDERR_FILENO, &now) == 0 && now.st_dev == target.device &&
          now.st_ino == target.inode) {
        WriteOnce(STDERR_FILENO, line);
      }
    }
  }
  errno = error;
}

}  // namespace pkcs11::trace
