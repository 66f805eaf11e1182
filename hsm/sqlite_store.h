// The store on disk: SQLite, WAL, synchronous FULL, in one directory.
//
//   hsm.db     records, tags, named values
//   changes    mapped change counters, one (begun, done) pair a space
//   writer     the POSIX fcntl lock that queues writers fairly
//
// Formats: docs/formats/store.md. Several processes and threads may work at
// once; a forked child must open its own store (the inherited object refuses
// and closes nothing).
#ifndef PERIGEE_HSM_SQLITE_STORE_H_
#define PERIGEE_HSM_SQLITE_STORE_H_

#include <memory>
#include <string>

#include "hsm/store.h"

namespace hsm {

// Makes the files of an empty store in `directory`, which exists (mode 0700)
// and holds none yet. Durable when it returns OK.
absl::Status CreateSqliteStore(const std::string& directory);

// Opens a store. Errors name path and cause: CKR_TOKEN_NOT_RECOGNIZED for an
// unknown version or damaged file, CKR_DEVICE_ERROR for the system's errors
// (errno in the text), CKR_DEVICE_MEMORY for a full disk,
// CKR_TOKEN_NOT_PRESENT when there is none. Damage found later is
// CKR_DEVICE_ERROR and names the file.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(
    const std::string& directory);

}  // namespace hsm

#endif  // PERIGEE_HSM_SQLITE_STORE_H_
