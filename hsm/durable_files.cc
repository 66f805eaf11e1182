#include "hsm/durable_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hsm/system_error.h"

namespace hsm {
namespace {

// Closes when it goes.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncDirectory(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return SystemError("open", path);
  if (fsync(fd.get()) != 0) return SystemError("fsync", path);
  return absl::OkStatus();
}

absl::Status MakeParents(const std::string& directory) {
  struct stat present;
  if (directory.empty() || stat(directory.c_str(), &present) == 0) {
    return absl::OkStatus();
  }
  const std::string parent = ParentOf(directory);
  if (parent != directory) RETURN_IF_ERROR(MakeParents(parent));
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return SystemError("mkdir", directory);
  }
  return SyncDirectory(parent);
}

// Removes a directory that we made: files only, one level.
void RemoveOurs(const std::string& directory) {
  if (DIR* listing = opendir(directory.c_str())) {
    std::vector<std::string> names;
    while (const dirent* entry = readdir(listing)) {
      names.emplace_back(entry->d_name);
    }
    closedir(listing);
    for (const std::string& name : names) {
      if (name == "." || name == "..") continue;
      unlink(absl::StrCat(directory, "/", name).c_str());
    }
  }
  rmdir(directory.c_str());
}

absl::StatusOr<base::SecretBytes> ReadFrom(int fd, const std::string& path,
                                           size_t limit) {
  base::SecretBytes bytes(limit + 1);
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t n =
        read(fd, bytes.ExposeMutable().data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("read", path);
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  if (have > limit) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       absl::StrCat(path, ": longer than it can be"));
  }
  bytes.Truncate(have);
  return bytes;
}

absl::Status WriteAll(int fd, const std::string& path, base::ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("write", path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> MakeDirectoryAtomically(
    const std::string& directory,
    absl::FunctionRef<absl::Status(const std::string& temporary)> fill) {
  const std::string parent = ParentOf(directory);
  RETURN_IF_ERROR(MakeParents(parent));
  std::string temporary = absl::StrCat(directory, ".new.XXXXXX");
  if (mkdtemp(temporary.data()) == nullptr) {
    return SystemError("mkdtemp", temporary);
  }
  absl::Status status = fill(temporary);
  if (status.ok()) status = SyncDirectory(temporary);
  if (!status.ok()) {
    RemoveOurs(temporary);
    return status;
  }
  if (rename(temporary.c_str(), directory.c_str()) != 0) {
    const int error = errno;
    RemoveOurs(temporary);
    if (error == EEXIST || error == ENOTEMPTY) return false;
    return SystemError("rename", directory, error);
  }
  RETURN_IF_ERROR(SyncDirectory(parent));
  return true;
}

absl::Status WriteNewFile(const std::string& path, base::ByteSpan bytes,
                          mode_t mode) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.ok()) return SystemError("open", path);
  RETURN_IF_ERROR(WriteAll(fd.get(), path, bytes));
  if (fsync(fd.get()) != 0) return SystemError("fsync", path);
  return absl::OkStatus();
}

absl::Status ReplaceFile(const std::string& path, base::ByteSpan bytes,
                         mode_t mode) {
  const std::string directory = ParentOf(path);
  RETURN_IF_ERROR(MakeParents(directory));
  // Others may replace it at the same time.
  static std::atomic<uint64_t> replaced{0};
  const std::string temporary =
      absl::StrCat(path, ".new.", getpid(), ".", replaced.fetch_add(1));
  unlink(temporary.c_str());  // of a process that was killed
  absl::Status status = WriteNewFile(temporary, bytes, mode);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError("rename", path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(directory);
}

namespace {

// Does not wait for the other end of a FIFO that somebody put there.
int OpenWithoutWaiting(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

absl::Status CheckRegular(const Fd& fd, const std::string& path,
                          struct stat& seen) {
  if (!fd.ok()) return SystemError("open", path);
  if (fstat(fd.get(), &seen) != 0) return SystemError("fstat", path);
  if (S_ISREG(seen.st_mode)) return absl::OkStatus();
  return base::Error(CKR_DEVICE_ERROR,
                     absl::StrCat(path, ": not a regular file"));
}

}  // namespace

absl::StatusOr<base::SecretBytes> ReadFile(const std::string& path,
                                           size_t limit) {
  struct stat seen;
  const Fd fd(OpenWithoutWaiting(path));
  RETURN_IF_ERROR(CheckRegular(fd, path, seen));
  return ReadFrom(fd.get(), path, limit);
}

absl::StatusOr<base::SecretBytes> ReadKeyFile(const std::string& path,
                                              size_t limit) {
  struct stat seen;
  const Fd fd(OpenWithoutWaiting(path));
  RETURN_IF_ERROR(CheckRegular(fd, path, seen));
  if ((seen.st_mode & S_IRWXO) != 0) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(path,
                                    ": others may read this key; take "
                                    "their permissions away"));
  }
  return ReadFrom(fd.get(), path, limit);
}

}  // namespace hsm
