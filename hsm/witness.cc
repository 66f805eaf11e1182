#include "hsm/witness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "hsm/system_error.h"

namespace hsm {
namespace {

// One line of always the same length, far below a disk's sector: it is
// replaced as a whole or not at all.
constexpr char kName[] = "perigee-witness-1";
constexpr size_t kSize = 17 + 1 + 32 + 1 + 20 + 1 + 64 + 1;

std::string LineFor(const Witness::StoreId& store, const Witness::Seen& seen) {
  return absl::StrFormat("%s %s %020d %s\n", kName, HexOf(store), seen.seq,
                         HexOf(seen.hash));
}

// A lock of the open file and not of the process: closing another descriptor
// of it drops nothing.
absl::Status LockWhole(int file, const std::string& path) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  while (fcntl(file, F_OFD_SETLKW, &lock) != 0) {
    if (errno != EINTR) return SystemError("lock", path);
  }
  return absl::OkStatus();
}

// Closing would do, but for a child that was forked meanwhile: it holds the
// same lock for as long as it lives.
void Unlock(int file) {
  struct flock lock = {};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  fcntl(file, F_OFD_SETLK, &lock);
}

// The name of a new file has to last as well.
absl::Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int file = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return SystemError("open", directory);
  absl::Cleanup closer = [file] { close(file); };
  return fsync(file) == 0 ? absl::OkStatus() : SystemError("fsync", directory);
}

}  // namespace

Witness::Witness(std::string path, const StoreId& store_id)
    : path_(std::move(path)), store_id_(store_id) {}

absl::StatusOr<std::optional<Witness::Seen>> Witness::ReadFrom(int file) const {
  char bytes[kSize + 1];
  const ssize_t size = pread(file, bytes, sizeof bytes, 0);
  if (size < 0) return SystemError("read", path_);
  if (size == 0)
    return std::nullopt;  // made, and cut off before the first line
  const std::string line(bytes, static_cast<size_t>(size));
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  Seen seen;
  if (line.size() != kSize || words.size() != 4 || words[0] != kName ||
      !absl::SimpleAtoi(words[2], &seen.seq)) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(path_, ": not a witness of a store"));
  }
  if (words[1] != HexOf(store_id_)) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(path_, ": the witness of another store"));
  }
  const std::string hash = absl::HexStringToBytes(words[3].substr(0, 64));
  std::copy_n(hash.begin(), seen.hash.size(), seen.hash.begin());
  if (LineFor(store_id_, seen) != line) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(path_, ": not a witness of a store"));
  }
  return seen;
}

absl::StatusOr<std::optional<Witness::Seen>> Witness::Read() const {
  const int file = open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return std::nullopt;
  if (file < 0) return SystemError("open", path_);
  absl::Cleanup closer = [file] { close(file); };
  return ReadFrom(file);
}

absl::Status Witness::Advance(const Seen& seen) const {
  const int file =
      open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return SystemError("open", path_);
  absl::Cleanup closer = [file] { close(file); };
  RETURN_IF_ERROR(LockWhole(file, path_));
  absl::Cleanup unlock = [file] { Unlock(file); };
  ASSIGN_OR_RETURN(const std::optional<Seen> before, ReadFrom(file));
  if (before.has_value() && before->seq >= seen.seq) return absl::OkStatus();
  const std::string line = LineFor(store_id_, seen);
  if (pwrite(file, line.data(), line.size(), 0) !=
      static_cast<ssize_t>(line.size())) {
    return SystemError("write", path_);
  }
  if (fdatasync(file) != 0) return SystemError("fsync", path_);
  return before.has_value() ? absl::OkStatus() : SyncDirectoryOf(path_);
}

}  // namespace hsm
