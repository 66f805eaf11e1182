// Files that a command names, whole.
#ifndef PERIGEE_TOOLS_SHELL_FILES_H_
#define PERIGEE_TOOLS_SHELL_FILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shell {

// CKR_DEVICE_ERROR with the path and what errno says.
absl::Status FileFailure(const std::string& path, int error);
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::Status WriteAll(int fd, const std::string& path, absl::string_view text);
// A file of that name must not exist; mode 0600, and on the disk when OK.
absl::Status WriteNewFile(const std::string& path, absl::string_view text);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_FILES_H_
