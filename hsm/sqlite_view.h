// A Reader or Transaction over one SQLite connection: what the store's
// functions do inside Read and Write. Beginning and ending the transaction is
// SqliteStore's part.
#ifndef PERIGEE_HSM_SQLITE_VIEW_H_
#define PERIGEE_HSM_SQLITE_VIEW_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hsm/sqlite_connection.h"
#include "hsm/store.h"

namespace hsm {

// Lives as long as the transaction of its connection. Of one thread at a time.
class SqliteView : public Transaction {
 public:
  SqliteView(SqliteConnection& connection, bool writing)
      : connection_(connection), writing_(writing) {}

  absl::StatusOr<std::optional<Record>> Get(SpaceId space,
                                            uint64_t id) override;
  absl::StatusOr<std::vector<RecordStamp>> Find(
      SpaceId space, const RecordQuery& query) override;
  absl::StatusOr<std::vector<RecordStamp>> Bucket(SpaceId space, uint8_t key,
                                                  uint32_t bucket) override;
  absl::StatusOr<std::vector<RecordHead>> Heads(SpaceId space,
                                                uint8_t key) override;
  absl::StatusOr<uint64_t> Count(SpaceId space, uint8_t key) override;
  absl::StatusOr<SpaceUsage> Usage(SpaceId space) override;
  absl::StatusOr<std::optional<Bytes>> GetValue(
      SpaceId space, absl::string_view name) override;
  absl::StatusOr<std::vector<std::string>> ListValues(
      SpaceId space, absl::string_view prefix) override;
  absl::StatusOr<std::vector<AuditRow>> ReadAudit(uint64_t from,
                                                  size_t limit) override;
  absl::StatusOr<std::optional<AuditRow>> LastAudit() override;
  uint64_t Generation(SpaceId space) override;

  absl::StatusOr<uint64_t> NextId() override;
  absl::Status Put(SpaceId space, const Record& record,
                   absl::Span<const Tag> tags) override;
  absl::Status Delete(SpaceId space, uint64_t id) override;
  absl::Status PutValue(SpaceId space, absl::string_view name,
                        ByteSpan value) override;
  absl::Status DeleteValue(SpaceId space, absl::string_view name) override;
  absl::Status DropSpace(SpaceId space) override;
  absl::Status AppendAudit(const AuditRow& row) override;
  absl::Status MarkAudit(ByteSpan mark) override;
  absl::Status DropAudit(uint64_t last) override;
  absl::Status Nested(absl::FunctionRef<absl::Status()> work) override;
  bool MayHaveRevalued(SpaceId space) const override {
    return revalued_.count(space) > 0;
  }

  // True when something was changed and not undone.
  bool dirty() const { return !touched_.empty() || audited_; }
  // Counts every change, also those that were undone.
  uint64_t edits() const { return edits_; }
  // The spaces of which more than records was changed (or undone).
  const std::set<SpaceId>& revalued() const { return revalued_; }
  // Counts `space` as changed.
  void Touch(SpaceId space) { touched_[space]; }
  // The spaces that were changed, with what `space.changes` is before it.
  absl::StatusOr<std::vector<std::pair<SpaceId, uint64_t>>> Touched();
  // Writes the rows of the touched spaces; `next` as Touched() with the new
  // `space.changes`. The last thing before COMMIT.
  absl::Status Finish(absl::Span<const std::pair<SpaceId, uint64_t>> next);

 private:
  // What the transaction adds to a space's row; written once, by Finish.
  struct Delta {
    int64_t records = 0;
    int64_t bytes = 0;
  };
  // Counts a change of `space`.
  Delta& Edit(SpaceId space) {
    ++edits_;
    return touched_[space];
  }
  void EditValue(SpaceId space, absl::string_view name);
  // A store that is only read may be of a version without the table.
  absl::StatusOr<bool> HasAudit();
  // The audit log's last line; number 0: none.
  struct AuditEnd {
    uint64_t seq = 0;
    bool marked = true;  // or may be
  };
  absl::StatusOr<AuditEnd> LastAuditLine();
  absl::Status PutAuditMark(uint64_t seq, ByteSpan mark);
  struct Old {
    SpaceId space;
    uint64_t size;
    std::vector<Tag> tags;
  };

  absl::StatusOr<std::vector<RecordStamp>> FindByTags(SpaceId space,
                                                      const RecordQuery& query);
  absl::StatusOr<std::optional<uint64_t>> SeekTag(SpaceId space, const Tag& tag,
                                                  uint64_t from);
  // This transaction drew the id, which was nobody's, and did not put it yet.
  bool IsUnusedDraw(uint64_t id) const;
  absl::StatusOr<std::optional<Old>> OldRecord(uint64_t id);
  absl::Status DeleteTags(SpaceId space, uint64_t id,
                          const std::vector<Tag>& tags);

  SqliteConnection& connection_;
  const bool writing_;
  std::optional<std::pair<SpaceId, uint64_t>> generation_;
  std::map<SpaceId, Delta> touched_;
  uint64_t edits_ = 0;
  std::set<SpaceId> revalued_;
  uint64_t last_id_ = 0;               // largest id used here; 0 when none
  bool knows_last_ = false;            // it is the largest of the store as well
  uint64_t first_drawn_ = 0;           // by NextId; 0 when none
  uint64_t last_put_ = 0;              // largest id that was put
  bool has_audit_ = false;             // the table is there
  bool audited_ = false;               // the audit log was changed
  std::optional<AuditEnd> audit_end_;  // known once a line was appended
};

}  // namespace hsm

#endif  // PERIGEE_HSM_SQLITE_VIEW_H_
