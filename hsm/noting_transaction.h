// A transaction that notes what the named values were before it changed them.
#ifndef PERIGEE_HSM_NOTING_TRANSACTION_H_
#define PERIGEE_HSM_NOTING_TRANSACTION_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hsm/store.h"

namespace hsm {

// What a write changed of the values that are looked after (IsLookedAfter):
// each as it was before; nullopt for none. What was undone since may be in it.
struct FormerValues {
  std::map<SpaceId, std::map<std::string, std::optional<Bytes>>> values;
  std::set<SpaceId> dropped;  // spaces that were emptied on the way

  bool empty() const { return values.empty(); }
};

// Hands everything on. `looked_after` says which names are noted.
class NotingTransaction : public Transaction {
 public:
  NotingTransaction(Transaction& inner,
                    bool (*looked_after)(absl::string_view name))
      : inner_(inner), looked_after_(looked_after) {}

  const FormerValues& former() const { return former_; }

  absl::StatusOr<std::optional<Record>> Get(SpaceId space,
                                            uint64_t id) override {
    return inner_.Get(space, id);
  }
  absl::StatusOr<std::vector<RecordStamp>> Find(
      SpaceId space, const RecordQuery& query) override {
    return inner_.Find(space, query);
  }
  absl::StatusOr<std::vector<RecordStamp>> Bucket(SpaceId space, uint8_t key,
                                                  uint32_t bucket) override {
    return inner_.Bucket(space, key, bucket);
  }
  absl::StatusOr<std::vector<RecordHead>> Heads(SpaceId space,
                                                uint8_t key) override {
    return inner_.Heads(space, key);
  }
  absl::StatusOr<uint64_t> Count(SpaceId space, uint8_t key) override {
    return inner_.Count(space, key);
  }
  absl::StatusOr<SpaceUsage> Usage(SpaceId space) override {
    return inner_.Usage(space);
  }
  absl::StatusOr<std::optional<Bytes>> GetValue(
      SpaceId space, absl::string_view name) override {
    return inner_.GetValue(space, name);
  }
  absl::StatusOr<std::vector<std::string>> ListValues(
      SpaceId space, absl::string_view prefix) override {
    return inner_.ListValues(space, prefix);
  }
  absl::StatusOr<std::vector<AuditRow>> ReadAudit(uint64_t from,
                                                  size_t limit) override {
    return inner_.ReadAudit(from, limit);
  }
  absl::StatusOr<std::optional<AuditRow>> LastAudit() override {
    return inner_.LastAudit();
  }
  uint64_t Generation(SpaceId space) override {
    return inner_.Generation(space);
  }

  absl::StatusOr<uint64_t> NextId() override { return inner_.NextId(); }
  absl::Status Put(SpaceId space, const Record& record,
                   absl::Span<const Tag> tags) override {
    return inner_.Put(space, record, tags);
  }
  absl::Status Delete(SpaceId space, uint64_t id) override {
    return inner_.Delete(space, id);
  }
  absl::Status PutValue(SpaceId space, absl::string_view name,
                        ByteSpan value) override {
    RETURN_IF_ERROR(Note(space, name));
    return inner_.PutValue(space, name, value);
  }
  absl::Status DeleteValue(SpaceId space, absl::string_view name) override {
    RETURN_IF_ERROR(Note(space, name));
    return inner_.DeleteValue(space, name);
  }
  absl::Status DropSpace(SpaceId space) override {
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     inner_.ListValues(space, ""));
    for (const std::string& name : names) RETURN_IF_ERROR(Note(space, name));
    RETURN_IF_ERROR(inner_.DropSpace(space));
    former_.values[space];
    former_.dropped.insert(space);
    return absl::OkStatus();
  }
  absl::Status AppendAudit(const AuditRow& row) override {
    return inner_.AppendAudit(row);
  }
  absl::Status MarkAudit(ByteSpan mark) override {
    return inner_.MarkAudit(mark);
  }
  absl::Status DropAudit(uint64_t last) override {
    return inner_.DropAudit(last);
  }
  absl::Status Nested(absl::FunctionRef<absl::Status()> work) override {
    const std::set<SpaceId> dropped = former_.dropped;
    const absl::Status status = inner_.Nested(work);
    if (!status.ok()) former_.dropped = dropped;
    return status;
  }
  bool MayHaveRevalued(SpaceId space) const override {
    return inner_.MayHaveRevalued(space);
  }

 private:
  absl::Status Note(SpaceId space, absl::string_view name) {
    if (!looked_after_(name)) return absl::OkStatus();
    auto& noted = former_.values[space];
    if (noted.find(std::string(name)) != noted.end()) return absl::OkStatus();
    ASSIGN_OR_RETURN(noted[std::string(name)], inner_.GetValue(space, name));
    return absl::OkStatus();
  }

  Transaction& inner_;
  bool (*const looked_after_)(absl::string_view name);
  FormerValues former_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_NOTING_TRANSACTION_H_
