#include "device/directory_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace device {

absl::StatusOr<DirectoryLock> DirectoryLock::Take(const std::string& directory,
                                                  Mode mode) {
  const std::string path = directory + "/serving.lock";
  // A read-only medium can be served embedded by everybody at once.
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EROFS && mode == Mode::kEmbedded) {
    fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return DirectoryLock(-1);
  }
  char text[128];
  if (fd < 0) {
    return base::Error(
        CKR_DEVICE_ERROR,
        absl::StrCat(path, ": ", strerror_r(errno, text, sizeof text)));
  }
  DirectoryLock lock(fd);
  const int kind = mode == Mode::kDaemon ? LOCK_EX : LOCK_SH;
  if (flock(fd, kind | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) {
    return base::Error(
        CKR_DEVICE_ERROR,
        absl::StrCat(path, ": ", strerror_r(errno, text, sizeof text)));
  }
  return base::Error(
      CKR_TOKEN_NOT_PRESENT,
      mode == Mode::kDaemon
          ? absl::StrCat(directory, " is in use by another process")
          : absl::StrCat(directory,
                         " is served by perigee-backup-hsm: set transport = "
                         "\"socket:...\" for this HSM"));
}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace device
