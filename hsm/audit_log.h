// The audit log of an HSM: lines that hang together by hashes, in the store,
// written by the transaction of what they tell of. docs/formats/audit.md.
//
// Several processes write one log: the writer's place orders them. A line of a
// transaction that fails was never there.
#ifndef PERIGEE_HSM_AUDIT_LOG_H_
#define PERIGEE_HSM_AUDIT_LOG_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/certificate.h"
#include "base/secret_bytes.h"
#include "hsm/audit_line.h"
#include "hsm/audit_settings.h"
#include "hsm/joined_store.h"
#include "hsm/store.h"
#include "hsm/tpm_counter.h"

namespace hsm {

class HsmCore;

// A checkpoint before so many lines are not covered by one, or so old.
inline constexpr uint64_t kAuditCheckpointLines = 1024;
inline constexpr uint64_t kAuditCheckpointSeconds = 3600;
// Lines of counted events an hour.
inline constexpr uint32_t kAuditCountedAnHour = 200;

struct AuditInfo {
  uint64_t first = 0, last = 0;  // lines in the store; 0: there are none
  uint64_t bytes = 0;
  uint64_t checkpoint = 0;  // the last one's number; 0: none
  std::string head;         // hexadecimal hash of the last line
  bool damaged = false;     // its end is not as this HSM left it
};

// Private to hsm but for what hsm.h hands on. Thread-safe.
class AuditLog : public JoinedStore::Guard {
 public:
  // What the log's end knows of a space: a digest of its values, and the roots
  // of its MAC trees; zeros for none.
  struct SpaceSeal {
    SpaceId space = 0;
    AuditHash values{};
    std::array<AuditHash, 2> trees{};
    bool operator==(const SpaceSeal&) const = default;
    template <typename V>
    void Fields(V& v) {
      v(space, values, trees[0], trees[1]);
    }
  };

  // Lives in `core`.
  AuditLog(HsmCore* core, base::SecretBytes key);
  ~AuditLog() override;

  // The defaults before this. A witness in a TPM is used through `counter` if
  // one is given.
  void Configure(AuditSettings settings,
                 std::shared_ptr<const MonotonicCounter> counter = nullptr)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Segments become files in `directory`/audit; none do before this.
  void SetDirectory(std::string directory) ABSL_LOCKS_EXCLUDED(mu_);
  AuditSettings::Of SettingsOf(SpaceId space) const;

  // Records an event in the transaction that makes it happen, which fails with
  // this: CKR_DEVICE_MEMORY when the log is full, CKR_DEVICE_ERROR when it was
  // tampered with, both only where the policy is `closed`.
  absl::Status Append(Transaction& tx, AuditEvent event) const;
  // Several of one partition, a line each, which costs less.
  absl::Status AppendAll(Transaction& tx, absl::Span<AuditEvent> events) const;
  // Records what has no transaction. The error, of whatever kind, is returned
  // only where the policy is `closed`.
  absl::Status Note(AuditEvent event) const;
  // Several of one partition, together.
  absl::Status NoteAll(std::vector<AuditEvent> events) const;
  // Note for a damaged record: one line for each (handle or name) in the life
  // of this process, and few altogether. Never fails.
  void NoteIntegrity(SpaceId space, uint64_t handle,
                     absl::string_view what) const;

  // Whether `space` and the HSM's own values are as the log's end has them:
  // CKR_DEVICE_ERROR (kTamperedReason) when those of an earlier time were put
  // back. Reads all values of the space.
  absl::Status CheckSeals(Reader& reader, SpaceId space) const;
  // The values that the log's end vouches for.
  static bool IsLookedAfter(absl::string_view name);
  absl::Status BeforeCommit(Transaction& tx,
                            const FormerValues& former) override;

  // Whether the store is as new as the configured witness has seen it, for
  // whoever opens it; each line that is written asks again. CKR_DEVICE_ERROR
  // for an older copy.
  absl::Status CheckWitness() const;

  absl::StatusOr<AuditInfo> Info() const;
  // Signs what there is; with `exported` it says so first. The number of the
  // checkpoint, which may be one that was there.
  absl::StatusOr<uint64_t> Checkpoint(bool exported) const;
  // Lines from `from` on, as many as fit into `room`; the next number follows
  // the last one. Empty at the end.
  struct Page {
    std::string text;
    uint64_t next = 0;
  };
  absl::StatusOr<Page> Lines(uint64_t from, size_t room) const;
  // Makes a file of everything until now. Its path; empty when there is nothing
  // to make one of.
  absl::StatusOr<std::string> Rotate() const;

 private:
  struct Mark;
  struct Chain;
  struct Configured {
    AuditSettings settings;
    uint64_t fingerprint = 0;  // tells settings apart
    // The witness that is no file; null: there is none.
    std::shared_ptr<const MonotonicCounter> counter;
    uint64_t every = 1;  // so many lines it counts
  };

  std::shared_ptr<const Configured> configured() const ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status CheckFile(Reader& reader,
                         const std::optional<AuditRow>& last) const;
  // What the counter says, when a store whose last mark is `mark` may say so;
  // nullopt: it was never counted, and says nothing.
  absl::StatusOr<std::optional<uint64_t>> CheckCounter(const Mark& mark) const;
  // Decides what the mark of line `next` says of the counter.
  absl::Status MeetCounter(Chain& chain, uint64_t next) const;
  absl::Status CountUpTo(uint64_t value) const
      ABSL_LOCKS_EXCLUDED(mu_, counting_mu_);
  // Once the mark is durable.
  void TellWitness(const Chain& chain) const;
  // What the calling thread's write did to the log until now; null: nothing.
  std::shared_ptr<const Chain> Pending() const;
  // What was done to it, for the next one and for the commit.
  void Keep(const Chain& chain) const;
  // The line of one event, and what has to come before it.
  absl::Status AppendOne(Transaction& tx, const AuditSettings& settings,
                         Chain& chain, const AuditEvent& event) const;
  // Fills in the serial number of the events' partition.
  absl::Status NamePartition(Transaction& tx,
                             absl::Span<AuditEvent> events) const;
  absl::StatusOr<bool> HasBegun(Reader& reader) const;
  absl::StatusOr<Chain> Load(Transaction& tx, AuditSettings::Mode mode) const;
  // The seals of a mark that has none yet; of what a write changed.
  absl::Status SealAll(Transaction& tx, Mark& mark,
                       const FormerValues& former) const;
  absl::Status Reseal(Transaction& tx, Mark& mark,
                      const FormerValues& former) const;
  // nullopt: the last line's mark is missing or wrong.
  std::optional<Mark> MarkOf(const AuditRow& row) const;
  absl::Status Begin(Transaction& tx, Chain& chain) const;
  absl::Status Recover(Transaction& tx, Chain& chain,
                       const std::optional<AuditRow>& last) const;
  // Makes the line that comes next, and the mark that goes with it.
  absl::Status Write(Transaction& tx, Chain& chain, const AuditEvent& event,
                     AuditFrame frame = {}) const;
  absl::Status WriteLine(Transaction& tx, Chain& chain, std::string line,
                         absl::string_view word) const;
  Bytes SealMark(const Mark& mark) const;
  // Opening it costs as much as a hundred lines; adoption makes another one.
  absl::StatusOr<std::shared_ptr<const base::Identity>> Signer(
      Reader& reader) const ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status WriteCheckpoint(Transaction& tx, Chain& chain) const;
  absl::Status MakeRoom(Transaction& tx, Chain& chain, const AuditEvent& event,
                        AuditSettings::Mode mode) const;
  absl::Status CloseSegment(Transaction& tx, Chain& chain) const;
  absl::Status DropSegment(Transaction& tx, Chain& chain) const;
  absl::StatusOr<std::string> WriteSegment(uint64_t first, uint64_t last) const;
  void RotateWhenDue(const Chain& chain) const;

  HsmCore* const core_;
  const base::SecretBytes key_;
  mutable absl::Mutex mu_;
  std::shared_ptr<const Configured> configured_ ABSL_GUARDED_BY(mu_);
  std::string directory_ ABSL_GUARDED_BY(mu_);
  mutable std::set<std::pair<SpaceId, std::string>> told_ ABSL_GUARDED_BY(mu_);
  mutable std::shared_ptr<const base::Identity> signer_ ABSL_GUARDED_BY(mu_);
  // Threads of this process; the HSM's directory is locked for the others.
  mutable absl::Mutex counting_mu_;
  // What the counter said when this process was the first to count it: nothing
  // in the store says so before the next commit.
  mutable std::atomic<uint64_t> enrolled_{0};
  mutable std::atomic<bool> rotating_{false};
  mutable std::atomic<int64_t> rotate_not_before_{0};  // seconds since 1970
};

}  // namespace hsm

#endif  // PERIGEE_HSM_AUDIT_LOG_H_
