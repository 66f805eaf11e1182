// The module's own calls of the C library on the way to the disk that fails:
// the linker sends them here (--wrap in CMakeLists.txt), those of SQLite and
// of other libraries not.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <string>

#include "tests/fault/fault_disk.h"

namespace {

using fault::Op;
using fault::Verdict;

fault::FaultDisk& Disk() { return fault::FaultDisk::Instance(); }

// Paths of open files that are watched.
class OpenFiles {
 public:
  static OpenFiles& Instance() {
    static OpenFiles* const files = new OpenFiles();
    return *files;
  }
  void Set(int fd, const std::string& path) {
    const std::lock_guard<std::mutex> lock(mu_);
    paths_[fd] = path;
  }
  void Forget(int fd) {
    const std::lock_guard<std::mutex> lock(mu_);
    paths_.erase(fd);
  }
  // Empty: not watched.
  std::string Find(int fd) {
    const std::lock_guard<std::mutex> lock(mu_);
    const auto it = paths_.find(fd);
    return it == paths_.end() ? "" : it->second;
  }

 private:
  std::mutex mu_;
  std::map<int, std::string> paths_;
};

// 0, or the errno of what is refused.
int Refusal(Verdict verdict) {
  if (verdict == Verdict::kPass) return 0;
  return verdict == Verdict::kFull ? ENOSPC : EIO;
}

bool Refused(Op op) {
  const int error = Refusal(Disk().Judge(op));
  if (error != 0) errno = error;
  return error != 0;
}

bool IsDirectory(int fd) {
  struct stat seen;
  return fstat(fd, &seen) == 0 && S_ISDIR(seen.st_mode);
}

off_t SizeOf(int fd) {
  struct stat seen;
  return fstat(fd, &seen) == 0 ? seen.st_size : 0;
}

}  // namespace

extern "C" {

int __real_open(const char* path, int flags, ...);
int __real_close(int fd);
ssize_t __real_read(int fd, void* data, size_t n);
ssize_t __real_write(int fd, const void* data, size_t n);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_posix_fallocate(int fd, off_t offset, off_t n);
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);
int __real_mkdir(const char* path, mode_t mode);
int __real_rmdir(const char* path);
char* __real_mkdtemp(char* path);

int __wrap_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  if (!Disk().Watches(path)) return __real_open(path, flags, mode);
  const bool makes = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
  if (Refused(makes ? Op::kGrow : Op::kLook)) return -1;
  const int fd = __real_open(path, flags, mode);
  if (fd < 0) return fd;
  OpenFiles::Instance().Set(fd, path);
  if (makes) {
    Disk().Created(path);
  } else if (!IsDirectory(fd)) {
    Disk().Opened(path);
  }
  return fd;
}

int __wrap_close(int fd) {
  OpenFiles::Instance().Forget(fd);
  return __real_close(fd);
}

ssize_t __wrap_read(int fd, void* data, size_t n) {
  if (!OpenFiles::Instance().Find(fd).empty() && Refused(Op::kLook)) return -1;
  return __real_read(fd, data, n);
}

ssize_t __wrap_write(int fd, const void* data, size_t n) {
  const std::string path = OpenFiles::Instance().Find(fd);
  if (path.empty()) return __real_write(fd, data, n);
  const off_t offset = lseek(fd, 0, SEEK_CUR);
  const std::string_view bytes(static_cast<const char*>(data), n);
  const bool grows = offset + static_cast<off_t>(n) > SizeOf(fd);
  const Verdict verdict = Disk().Judge(grows ? Op::kGrowingWrite : Op::kWrite);
  if (verdict == Verdict::kPass || verdict == Verdict::kDies) {
    Disk().Wrote(path, offset, bytes);
  }
  if (verdict == Verdict::kPass) return __real_write(fd, data, n);
  // The half of it: no error yet, as the system does it.
  if (verdict == Verdict::kShort && n > 1) return __real_write(fd, data, n / 2);
  errno = Refusal(verdict);
  return -1;
}

int __wrap_fsync(int fd) {
  const std::string path = OpenFiles::Instance().Find(fd);
  if (path.empty()) return __real_fsync(fd);
  if (Refused(Op::kChange)) return -1;
  if (IsDirectory(fd)) {
    Disk().SyncedDirectory(path);
  } else {
    Disk().Synced(path);
  }
  return 0;
}

int __wrap_ftruncate(int fd, off_t size) {
  const std::string path = OpenFiles::Instance().Find(fd);
  if (path.empty()) return __real_ftruncate(fd, size);
  if (Refused(size > SizeOf(fd) ? Op::kGrow : Op::kChange)) return -1;
  Disk().GaveBack(SizeOf(fd) - size);
  Disk().Truncated(path, size);
  return __real_ftruncate(fd, size);
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t n) {
  const std::string path = OpenFiles::Instance().Find(fd);
  if (path.empty()) return __real_posix_fallocate(fd, offset, n);
  const off_t size = SizeOf(fd);
  if (offset + n > size) {
    if (const int error = Refusal(Disk().Judge(Op::kGrow, n))) return error;
    Disk().Wrote(path, size, std::string(offset + n - size, '\0'));
  }
  return __real_posix_fallocate(fd, offset, n);
}

int __wrap_rename(const char* from, const char* to) {
  if (!Disk().Watches(from)) return __real_rename(from, to);
  if (Refused(Op::kChange)) return -1;
  const int rc = __real_rename(from, to);
  if (rc == 0) Disk().Renamed(from, to);
  return rc;
}

int __wrap_unlink(const char* path) {
  if (!Disk().Watches(path)) return __real_unlink(path);
  if (Refused(Op::kChange)) return -1;
  if (access(path, F_OK) == 0) Disk().Deleting(path);
  return __real_unlink(path);
}

int __wrap_mkdir(const char* path, mode_t mode) {
  if (!Disk().Watches(path)) return __real_mkdir(path, mode);
  if (Refused(Op::kGrow)) return -1;
  const int rc = __real_mkdir(path, mode);
  if (rc == 0) Disk().MadeDirectory(path);
  return rc;
}

int __wrap_rmdir(const char* path) {
  if (Disk().Watches(path) && Refused(Op::kChange)) return -1;
  return __real_rmdir(path);
}

char* __wrap_mkdtemp(char* path) {
  if (!Disk().Watches(path)) return __real_mkdtemp(path);
  if (Refused(Op::kGrow)) return nullptr;
  if (__real_mkdtemp(path) == nullptr) return nullptr;
  Disk().MadeDirectory(path);
  return path;
}

}  // extern "C"
