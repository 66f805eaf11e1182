// Who may serve a device directory: one daemon alone, or any number of
// embedded devices. Ends with the process.
#ifndef PERIGEE_DEVICE_DIRECTORY_LOCK_H_
#define PERIGEE_DEVICE_DIRECTORY_LOCK_H_

#include <string>

#include "base/status.h"

namespace device {

class DirectoryLock {
 public:
  enum class Mode { kEmbedded, kDaemon };
  // CKR_TOKEN_NOT_PRESENT when the other kind holds it: the text says which.
  static absl::StatusOr<DirectoryLock> Take(const std::string& directory,
                                            Mode mode);
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(other.fd_) {
    other.fd_ = -1;
  }
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace device

#endif  // PERIGEE_DEVICE_DIRECTORY_LOCK_H_
