// What is done with a whole store on disk: checked for damage that no key is
// needed to see, and made smaller. Other processes may be at work meanwhile.
#ifndef PERIGEE_HSM_STORE_UPKEEP_H_
#define PERIGEE_HSM_STORE_UPKEEP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace hsm {

// What OpenSqliteStore makes of older ones, where it may write.
extern const uint64_t kNewestStoreVersion;

struct StoreReport {
  uint64_t version = 0;  // of the format
  uint64_t spaces = 0;   // the HSM, and partitions that were ever written
  uint64_t records = 0;
  uint64_t file_bytes = 0;  // of hsm.db
  uint64_t free_bytes = 0;  // in it, that compacting would give back
  uint64_t log_bytes = 0;   // of hsm.db-wal
  // Sentences; empty: none found. At most kMostProblems.
  std::vector<std::string> problems;
};
inline constexpr size_t kMostProblems = 100;

// Reads every page of the store in `directory` and compares its tables with
// each other (docs/formats/store.md). What the records say is not read: that
// needs the keys. Errors as OpenSqliteStore.
absl::StatusOr<StoreReport> CheckSqliteStore(const std::string& directory);

// Writes the file anew without its free pages, in one transaction: a crash
// leaves it as it was. Other writers wait. Needs about the file's size of free
// space, and of memory. CKR_TOKEN_WRITE_PROTECTED on a read-only file system.
absl::StatusOr<StoreReport> CompactSqliteStore(const std::string& directory);

}  // namespace hsm

#endif  // PERIGEE_HSM_STORE_UPKEEP_H_
