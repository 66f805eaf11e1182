// Making a partition of a Backup HSM, and what showinfo says of one's storage.
#ifndef PERIGEE_TOOLS_SHELL_CONTAINERS_H_
#define PERIGEE_TOOLS_SHELL_CONTAINERS_H_

#include <string>

#include "tools/shell/shell.h"

namespace shell {

// A backup partition whose SO and Crypto Officer have this password, by the
// HSM SO's session. `domain` null: none yet; `size` 0: no limit.
absl::StatusOr<CK_ULONG> CreateContainer(
    const Module& module, CK_SESSION_HANDLE so_session, std::string name,
    const SecretText& password, const SecretText* domain, CK_ULONG size);

void PrintStorage(const PERIGEE_PARTITION_INFO& partition);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_CONTAINERS_H_
