// Keeps sealed records durably and knows nothing of what they mean: ids,
// versions, sealed bytes, tags, named values and a change counter.
//
// A store holds the records of one HSM, in spaces (one a partition). Reads and
// writes go through a Reader or a Transaction, which are valid only inside the
// function that got them. Implementations: SqliteStore (hsm/sqlite_store.h),
// MemoryStore and FaultStore (hsm/test_stores.h).
#ifndef PERIGEE_HSM_STORE_H_
#define PERIGEE_HSM_STORE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "base/bytes.h"
#include "base/status.h"

namespace hsm {

using base::Bytes;
using base::ByteSpan;

// 0 is the HSM itself (its admin partition); partitions count from 1 and are
// never reused.
using SpaceId = uint32_t;

// A keyed digest that preselects; 16 bytes.
using Tag = std::array<uint8_t, 16>;

// The records of a space and key fall into this many buckets, id % kBuckets.
inline constexpr uint32_t kBuckets = 4096;

// Named values that change with each record begin so (the MAC trees).
inline constexpr absl::string_view kRecordValues = "tree/";
// And those that no view of a space is made of (what other modules keep).
inline constexpr absl::string_view kSealedPrefix = "x/";
// Of those, the counts of keys (hsm/key_rights.h).
inline constexpr absl::string_view kKeyCountsPrefix = "x/key/";
// And what the counts of destroyed ones were.
inline constexpr absl::string_view kGoneCountsPrefix = "x/gone/";

// No answer about a generation, see Store::Generation.
inline constexpr uint64_t kBusyGeneration = ~uint64_t{0};

struct Record {
  uint64_t id = 0;            // row number; never reused within a store
  uint64_t version = 1;       // counts replacements
  uint8_t key = 0;            // which sealing key: 0 public, 1 private
  uint32_t object_class = 0;  // low 32 bits of CKA_CLASS: a tagged column
  uint64_t size = 0;  // what it costs of the partition's storage, in bytes
  Bytes sealed;
};

// What a search asks for. All given conditions must hold.
struct RecordQuery {
  std::optional<uint32_t> object_class;
  std::optional<uint8_t> key;
  std::vector<Tag> tags;  // each of them
};

struct RecordStamp {
  uint64_t id;
  uint64_t version;
  uint8_t key;
};

// A record without the most of what it seals.
struct RecordHead {
  RecordStamp stamp;
  std::array<uint8_t, 17> first;  // sealed bytes; zeros where there are none
};

struct SpaceUsage {
  uint64_t records = 0;
  uint64_t bytes = 0;  // sum of Record::size
};

// One line of the audit log. `mark` is what the writer keeps with the last
// line, and only with that one.
struct AuditRow {
  uint64_t seq = 0;  // from 1, without gaps
  Bytes line;
  Bytes mark;
};

// What a head has of these sealed bytes.
inline std::array<uint8_t, 17> FirstOf(ByteSpan sealed) {
  std::array<uint8_t, 17> first{};
  std::copy_n(sealed.begin(), std::min(sealed.size(), first.size()),
              first.begin());
  return first;
}

// A consistent view.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual absl::StatusOr<std::optional<Record>> Get(SpaceId space,
                                                    uint64_t id) = 0;
  // Ids in ascending order.
  virtual absl::StatusOr<std::vector<RecordStamp>> Find(
      SpaceId space, const RecordQuery& query) = 0;
  // The live records of one bucket, ascending; for the MAC tree.
  virtual absl::StatusOr<std::vector<RecordStamp>> Bucket(SpaceId space,
                                                          uint8_t key,
                                                          uint32_t bucket) = 0;
  // All records under that key, ids ascending.
  virtual absl::StatusOr<std::vector<RecordHead>> Heads(SpaceId space,
                                                        uint8_t key) = 0;
  // How many these are.
  virtual absl::StatusOr<uint64_t> Count(SpaceId space, uint8_t key) = 0;
  virtual absl::StatusOr<SpaceUsage> Usage(SpaceId space) = 0;
  virtual absl::StatusOr<std::optional<Bytes>> GetValue(
      SpaceId space, absl::string_view name) = 0;
  // Names that begin with `prefix`, in order.
  virtual absl::StatusOr<std::vector<std::string>> ListValues(
      SpaceId space, absl::string_view prefix) = 0;
  // Lines of the audit log from `from` on, ascending, at most `limit`.
  virtual absl::StatusOr<std::vector<AuditRow>> ReadAudit(uint64_t from,
                                                          size_t limit) = 0;
  virtual absl::StatusOr<std::optional<AuditRow>> LastAudit() = 0;
  // The value of Store::Generation at which this view is the state of `space`:
  // what is remembered of the view belongs to it. (Store::Generation may have
  // moved since the view began.) kBusyGeneration when nothing may be
  // remembered: always
  // in a Transaction, whose view is nobody's yet.
  virtual uint64_t Generation(SpaceId space) = 0;
};

// A view that can change; everything it did happens at its end or not at all.
class Transaction : public Reader {
 public:
  // A fresh id, larger than any that a committed transaction used. When this
  // transaction fails the id is given out again: nobody can have seen it.
  virtual absl::StatusOr<uint64_t> NextId() = 0;
  // Inserts or replaces (space, record.id) and its tags. An id belongs to one
  // space for ever; CKR_GENERAL_ERROR when another one has it.
  virtual absl::Status Put(SpaceId space, const Record& record,
                           absl::Span<const Tag> tags) = 0;
  // OK also when it is not there.
  virtual absl::Status Delete(SpaceId space, uint64_t id) = 0;
  virtual absl::Status PutValue(SpaceId space, absl::string_view name,
                                ByteSpan value) = 0;
  virtual absl::Status DeleteValue(SpaceId space, absl::string_view name) = 0;
  // Removes every record, tag and value of a space. Its ids stay used.
  virtual absl::Status DropSpace(SpaceId space) = 0;
  // The audit log belongs to no space: what changes it moves no change counter
  // and survives DropSpace. Appends behind the last line (CKR_GENERAL_ERROR for
  // another number than the next one), whose mark goes; the first line may have
  // any number.
  virtual absl::Status AppendAudit(const AuditRow& row) = 0;
  // Replaces the last line's mark.
  virtual absl::Status MarkAudit(ByteSpan mark) = 0;
  // Removes lines up to and including `last`, which is not that of the last
  // one (CKR_GENERAL_ERROR).
  virtual absl::Status DropAudit(uint64_t last) = 0;
  // Runs `work` and returns its status. When it fails, what it changed is
  // undone and the rest of the transaction may go on; an error other than that
  // of `work` means that undoing failed, and the transaction must fail. Nests.
  virtual absl::Status Nested(absl::FunctionRef<absl::Status()> work) = 0;
  // Whether this transaction has changed, or may have, other values of `space`
  // than OnlyRecordsChanged lets pass. True is always right.
  virtual bool MayHaveRevalued(SpaceId /*space*/) const { return true; }
};

class Store {
 public:
  virtual ~Store() = default;

  // Random 16 bytes made with the store; part of every seal.
  virtual const std::array<uint8_t, 16>& store_id() const = 0;
  // False on a read-only file system (EROFS) or read-only media.
  virtual bool writable() const = 0;

  // Runs `read` on a consistent view and returns its status.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(Reader&)> read) = 0;
  // Takes the writer's place (fair between processes and threads), runs
  // `write`, and makes its changes durable before it returns OK. When `write`
  // or the commit fails nothing has changed. The change counter of `touches`
  // moves, and that of every other space that `write` changed; none when it
  // changed nothing. Writes do not nest (CKR_GENERAL_ERROR); a Read inside a
  // Write sees the state before it. CKR_TOKEN_WRITE_PROTECTED when not
  // writable().
  virtual absl::Status Write(
      SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write) = 0;

  // As Write, for what must go on when the disk is full, because it gives room
  // back or guards what is there: takes a reserve then, where there is one.
  // `write` may run more than once.
  virtual absl::Status WriteFreeing(
      SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write) {
    return Write(touches, write);
  }

  // Changes of a space as far as every process knows them, for nanoseconds (a
  // mapped counter). Equal to an earlier answer and not kBusy: nothing was
  // committed in between. kBusy: a writer is between begin and done (or died
  // there); the reader asks the store itself.
  static constexpr uint64_t kBusy = kBusyGeneration;
  virtual uint64_t Generation(SpaceId space) = 0;

  // True when every commit between these two generations of the space is known
  // to have changed records only, and values that belong to them
  // (kRecordValues) or that other modules keep (kSealedPrefix): what was read
  // of its other values still holds. False is always right.
  virtual bool OnlyRecordsChanged(SpaceId /*space*/, uint64_t /*from*/,
                                  uint64_t /*to*/) {
    return false;
  }
};

}  // namespace hsm

#endif  // PERIGEE_HSM_STORE_H_
