#include "tools/shell/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "tools/shell/result.h"

namespace shell {

absl::Status FileFailure(const std::string& path, int error) {
  return Failure(
      CKR_DEVICE_ERROR,
      absl::StrCat(path, ": ", std::generic_category().message(error)));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) return FileFailure(path, errno);
  return text.str();
}

absl::Status WriteAll(int fd, const std::string& path, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileFailure(path, errno);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status WriteNewFile(const std::string& path, absl::string_view text) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FileFailure(path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  absl::Status written = WriteAll(fd, path, text);
  if (written.ok() && fsync(fd) != 0) written = FileFailure(path, errno);
  if (!written.ok()) unlink(path.c_str());
  return written;
}

}  // namespace shell
