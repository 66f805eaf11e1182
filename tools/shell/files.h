// Files that a command names, whole.
#ifndef PERIGEE_TOOLS_SHELL_FILES_H_
#define PERIGEE_TOOLS_SHELL_FILES_H_

#include <string>

#include "absl/status/statusor.h"

namespace shell {

// CKR_DEVICE_ERROR with the path and what errno says.
absl::Status FileFailure(const std::string& path, int error);
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_FILES_H_
