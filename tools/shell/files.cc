#include "tools/shell/files.h"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

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

}  // namespace shell
