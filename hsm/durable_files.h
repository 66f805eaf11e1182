// Small private files and directories that are there whole or not at all.
#ifndef PERIGEE_HSM_DURABLE_FILES_H_
#define PERIGEE_HSM_DURABLE_FILES_H_

#include <sys/types.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace hsm {

// Makes `directory` (mode 0700, and what is missing above it) by filling a
// temporary one beside it and renaming that. When somebody else made it first,
// theirs stays, ours is removed, and the result is false. Durable when true.
absl::StatusOr<bool> MakeDirectoryAtomically(
    const std::string& directory,
    absl::FunctionRef<absl::Status(const std::string& temporary)> fill);

// Writes a new file and makes it durable; CKR_DEVICE_ERROR when it exists.
absl::Status WriteNewFile(const std::string& path, base::ByteSpan bytes,
                          mode_t mode);

// Makes or replaces a file so that it is there whole or as before, and durable;
// makes the directory (mode 0700) that it stands in.
absl::Status ReplaceFile(const std::string& path, base::ByteSpan bytes,
                         mode_t mode);

// At most `limit` bytes; NotFound (CKR_TOKEN_NOT_PRESENT) when it is not there.
absl::StatusOr<base::SecretBytes> ReadFile(const std::string& path,
                                           size_t limit);

// The same for a key: refused when others than owner and group may read it.
absl::StatusOr<base::SecretBytes> ReadKeyFile(const std::string& path,
                                              size_t limit);

}  // namespace hsm

#endif  // PERIGEE_HSM_DURABLE_FILES_H_
