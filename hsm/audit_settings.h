// How an HSM keeps its audit log, by configuration: read at each start, not
// kept in the store.
#ifndef PERIGEE_HSM_AUDIT_SETTINGS_H_
#define PERIGEE_HSM_AUDIT_SETTINGS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "hsm/store.h"
#include "hsm/tpm_counter.h"

namespace hsm {

struct AuditSettings {
  // What happens when a line cannot be written.
  enum class Mode : uint8_t {
    kOff,     // nothing is recorded
    kOpen,    // the operation goes on; a full log loses its oldest part
    kClosed,  // the operation is refused
  };
  struct Of {
    Mode mode = Mode::kOpen;
    bool key_use = false;  // each use of a key is recorded
    bool operator==(const Of&) const = default;
  };
  Of standard;  // the HSM, and partitions that are not below
  std::map<SpaceId, Of> partitions;
  uint64_t limit = 64 << 20;          // bytes in the store; it is full then
  uint64_t rotate_at = 16 << 20;      // bytes that become a file; 0: never
  std::string journal;                // socket of the journal; empty: none
  std::string witness;                // path of the witness's file; empty: none
  std::optional<TpmCounterName> tpm;  // or where it counts

  // A path, or "tpm:...". CKR_ARGUMENTS_BAD with a text for people.
  absl::Status SetWitness(absl::string_view text);

  const Of& At(SpaceId space) const {
    const auto it = partitions.find(space);
    return it == partitions.end() ? standard : it->second;
  }
  bool operator==(const AuditSettings&) const = default;
};

// Where systemd's journal listens.
inline constexpr char kJournalSocket[] = "/run/systemd/journal/socket";

}  // namespace hsm

#endif  // PERIGEE_HSM_AUDIT_SETTINGS_H_
