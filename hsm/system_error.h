// Errors of the operating system that name the path and the cause.
#ifndef PERIGEE_HSM_SYSTEM_ERROR_H_
#define PERIGEE_HSM_SYSTEM_ERROR_H_

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace hsm {

// The CK_RV for an errno: a full disk is CKR_DEVICE_MEMORY, a file that is not
// there CKR_TOKEN_NOT_PRESENT, everything else CKR_DEVICE_ERROR.
inline CK_RV CkRvOfErrno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return CKR_DEVICE_MEMORY;
    case ENOENT:
      return CKR_TOKEN_NOT_PRESENT;
    case ENOMEM:
      return CKR_HOST_MEMORY;
    case EROFS:
      return CKR_TOKEN_WRITE_PROTECTED;
    default:
      return CKR_DEVICE_ERROR;
  }
}

// "PATH: open: Permission denied (errno 13)", from errno unless given.
inline absl::Status SystemError(absl::string_view what, absl::string_view path,
                                int error = errno) {
  // Not strerror, which is not thread-safe.
  const std::string text = std::generic_category().message(error);
  return base::Error(
      CkRvOfErrno(error),
      absl::StrCat(path, ": ", what, ": ", text, " (errno ", error, ")"));
}

}  // namespace hsm

#endif  // PERIGEE_HSM_SYSTEM_ERROR_H_
