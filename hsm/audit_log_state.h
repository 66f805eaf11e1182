// What AuditLog keeps with the last line, and what it holds while it writes.
// Private to audit_log.cc, audit_segments.cc and audit_witness.cc.
#ifndef PERIGEE_HSM_AUDIT_LOG_STATE_H_
#define PERIGEE_HSM_AUDIT_LOG_STATE_H_

#include <string>
#include <vector>

#include "base/wire.h"
#include "hsm/audit_log.h"
#include "hsm/joined_store.h"

namespace hsm {

inline constexpr uint8_t kCountedMarkFormat = 2;
inline constexpr uint8_t kSealedMarkFormat = 3;

// docs/formats/audit.md, "Mark".
struct AuditLog::Mark {
  uint8_t format = 1;
  uint64_t seq = 0;
  AuditHash hash{};
  std::string hsm;
  uint64_t first = 0;
  uint64_t bytes = 0;
  uint64_t checkpoint = 0;
  uint64_t checkpoint_time = 0;
  uint64_t closed = 0;
  uint64_t closed_bytes = 0;
  uint64_t settings = 0;
  uint64_t counted_hour = 0;
  uint32_t counted = 0;
  // Where a counter is the witness (from format 2 on): what it says or is about
  // to say, and the line that made it so.
  uint64_t witness = 0;
  uint64_t witness_seq = 0;
  std::vector<SpaceSeal> seals;  // from format 3 on; spaces ascending
  template <typename V>
  void Fields(V& v) {
    v(format, seq, hash, hsm, first, bytes, checkpoint, checkpoint_time, closed,
      closed_bytes, settings, counted_hour, counted);
    if (format >= kCountedMarkFormat) v(witness, witness_seq);
    if (format >= kSealedMarkFormat) v(seals);
  }
};

// The log's end inside a transaction. What was done to it is kept with the
// transaction, and its mark is written once, at the end.
struct AuditLog::Chain : JoinedStore::Attachment {
  Mark mark;
  absl::Time now;
  AuditMoment moment;    // at `now`
  bool written = false;  // by this transaction: there is something to keep
  std::string journal;
  uint64_t counter = 0;  // what the witness said
};

}  // namespace hsm

#endif  // PERIGEE_HSM_AUDIT_LOG_STATE_H_
