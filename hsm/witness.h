// A file away from the store that remembers how far its audit log has come, so
// that an old copy of the whole store is noticed: the log of an old copy ends
// before a line that the witness has seen. docs/formats/store.md, "Witness".
//
// Whoever can write both files can still put both back. The witness belongs
// where he cannot: another disk, another host's file system.
#ifndef PERIGEE_HSM_WITNESS_H_
#define PERIGEE_HSM_WITNESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "hsm/audit_line.h"

namespace hsm {

class Witness {
 public:
  using StoreId = std::array<uint8_t, 16>;
  struct Seen {
    uint64_t seq = 0;  // of a line of the audit log
    AuditHash hash{};
  };

  // Touches nothing yet.
  Witness(std::string path, const StoreId& store_id);

  // What it has seen of this store; nullopt when there is no file. Errors name
  // the path: CKR_DEVICE_ERROR for a file that is no witness, or another
  // store's.
  absl::StatusOr<std::optional<Seen>> Read() const;

  // Durable when it returns OK. Never goes back: an older line is no error and
  // changes nothing. Makes the file (mode 0600) when it is missing. Safe
  // against other processes.
  absl::Status Advance(const Seen& seen) const;

  const std::string& path() const { return path_; }

 private:
  absl::StatusOr<std::optional<Seen>> ReadFrom(int file) const;
  const std::string path_;
  const StoreId store_id_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_WITNESS_H_
