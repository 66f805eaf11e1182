#include "hsm/test_stores.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto.h"

namespace hsm {
namespace {

struct Stored {
  Record record;
  std::vector<Tag> tags;
};

struct Space {
  std::map<uint64_t, std::shared_ptr<const Stored>> records;
  std::map<std::string, Bytes> values;
  uint64_t bytes = 0;
  uint64_t changes = 0;
};

// Immutable once published; a transaction copies the spaces it changes.
struct Snapshot {
  std::map<SpaceId, std::shared_ptr<const Space>> spaces;
  uint64_t last_id = 0;
  std::vector<std::shared_ptr<const AuditRow>> audit;
};

class MemoryView : public Transaction {
 public:
  MemoryView(const std::shared_ptr<const Snapshot>& snapshot, bool writing)
      : snapshot_(*snapshot), writing_(writing) {}

  absl::StatusOr<std::optional<Record>> Get(SpaceId space,
                                            uint64_t id) override {
    const Space& state = Of(space);
    auto it = state.records.find(id);
    if (it == state.records.end()) return std::nullopt;
    return it->second->record;
  }

  absl::StatusOr<std::vector<RecordStamp>> Find(
      SpaceId space, const RecordQuery& query) override {
    std::vector<RecordStamp> found;
    for (const auto& [id, stored] : Of(space).records) {
      const Record& record = stored->record;
      if (query.key.has_value() && *query.key != record.key) continue;
      if (query.object_class.has_value() &&
          *query.object_class != record.object_class) {
        continue;
      }
      // Not the binding itself: clang 14 does not capture those.
      const std::vector<Tag>& has = stored->tags;
      const bool tagged = std::all_of(
          query.tags.begin(), query.tags.end(), [&has](const Tag& tag) {
            return std::find(has.begin(), has.end(), tag) != has.end();
          });
      if (tagged) found.push_back({id, record.version, record.key});
    }
    return found;
  }

  absl::StatusOr<std::vector<RecordStamp>> Bucket(SpaceId space, uint8_t key,
                                                  uint32_t bucket) override {
    std::vector<RecordStamp> found;
    for (const auto& [id, stored] : Of(space).records) {
      if (id % kBuckets != bucket || stored->record.key != key) continue;
      found.push_back({id, stored->record.version, key});
    }
    return found;
  }

  absl::StatusOr<std::vector<RecordHead>> Heads(SpaceId space,
                                                uint8_t key) override {
    std::vector<RecordHead> heads;
    for (const auto& [id, stored] : Of(space).records) {
      const Record& record = stored->record;
      if (record.key != key) continue;
      heads.push_back({{id, record.version, key}, FirstOf(record.sealed)});
    }
    return heads;
  }

  absl::StatusOr<uint64_t> Count(SpaceId space, uint8_t key) override {
    const auto& records = Of(space).records;
    return std::count_if(records.begin(), records.end(), [&](const auto& one) {
      return one.second->record.key == key;
    });
  }

  absl::StatusOr<SpaceUsage> Usage(SpaceId space) override {
    const Space& state = Of(space);
    return SpaceUsage{state.records.size(), state.bytes};
  }

  absl::StatusOr<std::optional<Bytes>> GetValue(
      SpaceId space, absl::string_view name) override {
    const Space& state = Of(space);
    auto it = state.values.find(std::string(name));
    if (it == state.values.end()) return std::nullopt;
    return it->second;
  }

  absl::StatusOr<std::vector<std::string>> ListValues(
      SpaceId space, absl::string_view prefix) override {
    std::vector<std::string> names;
    for (const auto& [name, value] : Of(space).values) {
      if (absl::StartsWith(name, prefix)) names.push_back(name);
    }
    return names;
  }

  absl::StatusOr<std::vector<AuditRow>> ReadAudit(uint64_t from,
                                                  size_t limit) override {
    std::vector<AuditRow> rows;
    for (const auto& row : snapshot_.audit) {
      if (rows.size() == limit) break;
      if (row->seq >= from) rows.push_back(*row);
    }
    return rows;
  }

  absl::StatusOr<std::optional<AuditRow>> LastAudit() override {
    if (snapshot_.audit.empty()) return std::nullopt;
    return *snapshot_.audit.back();
  }

  uint64_t Generation(SpaceId space) override {
    return writing_ ? kBusyGeneration : Of(space).changes;
  }

  absl::StatusOr<uint64_t> NextId() override { return ++snapshot_.last_id; }

  absl::Status Put(SpaceId space, const Record& record,
                   absl::Span<const Tag> tags) override {
    if (record.id == 0 || record.id >> 63 != 0) {
      return base::Error(CKR_GENERAL_ERROR, "record id out of range");
    }
    for (const auto& [other, state] : snapshot_.spaces) {
      if (other != space && state->records.count(record.id) != 0) {
        return base::Error(CKR_GENERAL_ERROR, "id is of another space");
      }
    }
    Space& state = Changed(space);
    std::shared_ptr<const Stored>& slot = state.records[record.id];
    if (slot != nullptr) state.bytes -= slot->record.size;
    state.bytes += record.size;
    slot = std::make_shared<const Stored>(
        Stored{record, std::vector<Tag>(tags.begin(), tags.end())});
    snapshot_.last_id = std::max(snapshot_.last_id, record.id);
    return absl::OkStatus();
  }

  absl::Status Delete(SpaceId space, uint64_t id) override {
    auto it = Of(space).records.find(id);
    if (it == Of(space).records.end()) return absl::OkStatus();
    const uint64_t size = it->second->record.size;
    Space& state = Changed(space);
    state.bytes -= size;
    state.records.erase(id);
    return absl::OkStatus();
  }

  absl::Status PutValue(SpaceId space, absl::string_view name,
                        ByteSpan value) override {
    Changed(space).values[std::string(name)] = base::ToBytes(value);
    return absl::OkStatus();
  }

  absl::Status DeleteValue(SpaceId space, absl::string_view name) override {
    Changed(space).values.erase(std::string(name));
    return absl::OkStatus();
  }

  absl::Status DropSpace(SpaceId space) override {
    Space& state = Changed(space);
    state.records.clear();
    state.values.clear();
    state.bytes = 0;
    return absl::OkStatus();
  }

  absl::Status MarkAudit(ByteSpan mark) override {
    auto& audit = snapshot_.audit;
    if (audit.empty()) {
      return base::Error(CKR_GENERAL_ERROR, "the audit log has no line");
    }
    audit.back() = std::make_shared<const AuditRow>(
        AuditRow{audit.back()->seq, audit.back()->line, base::ToBytes(mark)});
    audited_ = true;
    return absl::OkStatus();
  }

  absl::Status AppendAudit(const AuditRow& row) override {
    auto& audit = snapshot_.audit;
    if (row.seq == 0 || (!audit.empty() && row.seq != audit.back()->seq + 1)) {
      return base::Error(CKR_GENERAL_ERROR, "not the audit log's next line");
    }
    if (!audit.empty()) RETURN_IF_ERROR(MarkAudit({}));
    audit.push_back(std::make_shared<const AuditRow>(row));
    audited_ = true;
    return absl::OkStatus();
  }

  absl::Status DropAudit(uint64_t last) override {
    auto& audit = snapshot_.audit;
    if (audit.empty() || last >= audit.back()->seq) {
      return base::Error(CKR_GENERAL_ERROR,
                         "the audit log's last line is not dropped");
    }
    audit.erase(
        std::remove_if(audit.begin(), audit.end(),
                       [last](const auto& row) { return row->seq <= last; }),
        audit.end());
    audited_ = true;
    return absl::OkStatus();
  }

  absl::Status Nested(absl::FunctionRef<absl::Status()> work) override {
    const Snapshot before = snapshot_;
    std::map<SpaceId, std::shared_ptr<Space>> changed = std::move(changed_);
    changed_.clear();  // so that `before` stays as it is
    const absl::Status status = work();
    if (status.ok()) {
      changed_.merge(std::move(changed));
    } else {
      snapshot_ = before;
      changed_ = std::move(changed);
    }
    return status;
  }

  bool dirty() const { return !changed_.empty() || audited_; }

  // What the store becomes: every changed space and `touches` counted on.
  std::shared_ptr<const Snapshot> Finish(SpaceId touches) && {
    if (!changed_.empty()) Changed(touches);
    for (const auto& [space, state] : changed_) ++state->changes;
    return std::make_shared<const Snapshot>(std::move(snapshot_));
  }

 private:
  const Space& Of(SpaceId space) const {
    static const Space* const kNothing = new Space;
    auto it = snapshot_.spaces.find(space);
    return it == snapshot_.spaces.end() ? *kNothing : *it->second;
  }

  Space& Changed(SpaceId space) {
    std::shared_ptr<Space>& copy = changed_[space];
    if (copy == nullptr) {
      copy = std::make_shared<Space>(Of(space));
      snapshot_.spaces[space] = copy;
    }
    return *copy;
  }

  Snapshot snapshot_;
  const bool writing_;
  std::map<SpaceId, std::shared_ptr<Space>> changed_;
  bool audited_ = false;
};

class MemoryStore : public Store {
 public:
  MemoryStore() {
    // Only fails with OpenSSL itself; an id of zeros will do for a test then.
    base::FillRandom(base::MutableByteSpan(id_.data(), id_.size()))
        .IgnoreError();
  }

  MemoryStore(const MemoryStore& other)
      : id_(other.id_), current_(other.Current()) {}

  const std::array<uint8_t, 16>& store_id() const override { return id_; }
  bool writable() const override { return true; }

  absl::Status Read(absl::FunctionRef<absl::Status(Reader&)> read) override {
    MemoryView view(Current(), /*writing=*/false);
    return read(view);
  }

  absl::Status Write(
      SpaceId touches,
      absl::FunctionRef<absl::Status(Transaction&)> write) override {
    if (writer_.load() == std::this_thread::get_id()) {
      return base::Error(CKR_GENERAL_ERROR, "a write inside a write");
    }
    absl::MutexLock place(&writer_mu_);
    Writing writing(&writer_);
    MemoryView view(Current(), /*writing=*/true);
    RETURN_IF_ERROR(write(view));
    if (!view.dirty()) return absl::OkStatus();
    auto next = std::move(view).Finish(touches);
    absl::MutexLock lock(&mu_);
    current_ = std::move(next);
    return absl::OkStatus();
  }

  uint64_t Generation(SpaceId space) override {
    absl::MutexLock lock(&mu_);
    auto it = current_->spaces.find(space);
    return it == current_->spaces.end() ? 0 : it->second->changes;
  }

 private:
  // Notes the writing thread, also when `write` throws.
  class Writing {
   public:
    explicit Writing(std::atomic<std::thread::id>* id) : id_(id) {
      id_->store(std::this_thread::get_id());
    }
    ~Writing() { id_->store(std::thread::id()); }

   private:
    std::atomic<std::thread::id>* id_;
  };

  std::shared_ptr<const Snapshot> Current() const {
    absl::MutexLock lock(&mu_);
    return current_;
  }

  std::array<uint8_t, 16> id_{};
  absl::Mutex writer_mu_;
  std::atomic<std::thread::id> writer_{};
  mutable absl::Mutex mu_;
  std::shared_ptr<const Snapshot> current_ ABSL_GUARDED_BY(mu_) =
      std::make_shared<const Snapshot>();
};

}  // namespace

std::unique_ptr<Store> NewMemoryStore() {
  return std::make_unique<MemoryStore>();
}

std::unique_ptr<Store> CopyMemoryStore(const Store& store) {
  return std::make_unique<MemoryStore>(static_cast<const MemoryStore&>(store));
}

// The inner store and the count; shared with the views.
struct FaultStore::State {
  explicit State(std::unique_ptr<Store> store) : inner(std::move(store)) {}

  // Counts an operation and says whether it is the one to fail.
  absl::Status Operation() {
    absl::MutexLock lock(&mu);
    ++operations;
    const bool fails = fail_at > 0 && (operations == fail_at ||
                                       (sticky && operations > fail_at));
    return fails ? base::Error(CKR_DEVICE_ERROR, "injected fault")
                 : absl::OkStatus();
  }

  const std::unique_ptr<Store> inner;
  absl::Mutex mu;
  int operations ABSL_GUARDED_BY(mu) = 0;
  int fail_at ABSL_GUARDED_BY(mu) = 0;
  bool sticky ABSL_GUARDED_BY(mu) = false;
};

namespace {

// Counts each call, then hands it on. `kBase` is Reader or Transaction;
// `Counting` makes the status.
template <typename Base, typename Counting>
class FaultReader : public Base {
 public:
  FaultReader(Base& inner, Counting count) : inner_(inner), count_(count) {}

  absl::StatusOr<std::optional<Record>> Get(SpaceId space,
                                            uint64_t id) override {
    RETURN_IF_ERROR(count_());
    return inner_.Get(space, id);
  }
  absl::StatusOr<std::vector<RecordStamp>> Find(
      SpaceId space, const RecordQuery& query) override {
    RETURN_IF_ERROR(count_());
    return inner_.Find(space, query);
  }
  absl::StatusOr<std::vector<RecordStamp>> Bucket(SpaceId space, uint8_t key,
                                                  uint32_t bucket) override {
    RETURN_IF_ERROR(count_());
    return inner_.Bucket(space, key, bucket);
  }
  absl::StatusOr<std::vector<RecordHead>> Heads(SpaceId space,
                                                uint8_t key) override {
    RETURN_IF_ERROR(count_());
    return inner_.Heads(space, key);
  }
  absl::StatusOr<uint64_t> Count(SpaceId space, uint8_t key) override {
    RETURN_IF_ERROR(count_());
    return inner_.Count(space, key);
  }
  absl::StatusOr<SpaceUsage> Usage(SpaceId space) override {
    RETURN_IF_ERROR(count_());
    return inner_.Usage(space);
  }
  absl::StatusOr<std::optional<Bytes>> GetValue(
      SpaceId space, absl::string_view name) override {
    RETURN_IF_ERROR(count_());
    return inner_.GetValue(space, name);
  }
  absl::StatusOr<std::vector<std::string>> ListValues(
      SpaceId space, absl::string_view prefix) override {
    RETURN_IF_ERROR(count_());
    return inner_.ListValues(space, prefix);
  }
  absl::StatusOr<std::vector<AuditRow>> ReadAudit(uint64_t from,
                                                  size_t limit) override {
    RETURN_IF_ERROR(count_());
    return inner_.ReadAudit(from, limit);
  }
  absl::StatusOr<std::optional<AuditRow>> LastAudit() override {
    RETURN_IF_ERROR(count_());
    return inner_.LastAudit();
  }
  uint64_t Generation(SpaceId space) override {
    return count_().ok() ? inner_.Generation(space) : kBusyGeneration;
  }

 protected:
  Base& inner_;
  Counting count_;
};

template <typename Counting>
class FaultTransaction : public FaultReader<Transaction, Counting> {
 public:
  using FaultReader<Transaction, Counting>::FaultReader;

  absl::StatusOr<uint64_t> NextId() override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.NextId();
  }
  absl::Status Put(SpaceId space, const Record& record,
                   absl::Span<const Tag> tags) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.Put(space, record, tags);
  }
  absl::Status Delete(SpaceId space, uint64_t id) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.Delete(space, id);
  }
  absl::Status PutValue(SpaceId space, absl::string_view name,
                        ByteSpan value) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.PutValue(space, name, value);
  }
  absl::Status DeleteValue(SpaceId space, absl::string_view name) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.DeleteValue(space, name);
  }
  absl::Status DropSpace(SpaceId space) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.DropSpace(space);
  }
  absl::Status AppendAudit(const AuditRow& row) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.AppendAudit(row);
  }
  absl::Status MarkAudit(ByteSpan mark) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.MarkAudit(mark);
  }
  absl::Status DropAudit(uint64_t last) override {
    RETURN_IF_ERROR(this->count_());
    return this->inner_.DropAudit(last);
  }
  absl::Status Nested(absl::FunctionRef<absl::Status()> work) override {
    return this->inner_.Nested(work);
  }
};

}  // namespace

FaultStore::FaultStore(std::unique_ptr<Store> inner)
    : state_(std::make_unique<State>(std::move(inner))) {}

FaultStore::~FaultStore() = default;

void FaultStore::FailAt(int n, bool sticky) {
  absl::MutexLock lock(&state_->mu);
  state_->operations = 0;
  state_->fail_at = n;
  state_->sticky = sticky;
}

int FaultStore::operations() const {
  absl::MutexLock lock(&state_->mu);
  return state_->operations;
}

const std::array<uint8_t, 16>& FaultStore::store_id() const {
  return state_->inner->store_id();
}

bool FaultStore::writable() const { return state_->inner->writable(); }

absl::Status FaultStore::Read(absl::FunctionRef<absl::Status(Reader&)> read) {
  auto count = [state = state_.get()] { return state->Operation(); };
  RETURN_IF_ERROR(count());
  return state_->inner->Read([&](Reader& inner) {
    FaultReader<Reader, decltype(count)> view(inner, count);
    return read(view);
  });
}

absl::Status FaultStore::Write(
    SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write) {
  auto count = [state = state_.get()] { return state->Operation(); };
  RETURN_IF_ERROR(count());  // Beginning.
  return state_->inner->Write(touches, [&](Transaction& inner) {
    FaultTransaction<decltype(count)> view(inner, count);
    RETURN_IF_ERROR(write(view));
    return count();  // Committing: the inner store rolls back.
  });
}

uint64_t FaultStore::Generation(SpaceId space) {
  return state_->Operation().ok() ? state_->inner->Generation(space) : kBusy;
}

}  // namespace hsm
