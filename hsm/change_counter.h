// The mapped `changes` file: how often each space of a store was changed, for
// every process, for the price of two loads. docs/formats/store.md, "changes".
//
// It only saves readers from asking the database. It is not a source of truth:
// `space.changes` in the database is, and Repair makes the file agree.
#ifndef PERIGEE_HSM_CHANGE_COUNTER_H_
#define PERIGEE_HSM_CHANGE_COUNTER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/status.h"
#include "hsm/store.h"

namespace hsm {

// (space, space.changes) as the database has them.
using SpaceChanges = std::vector<std::pair<SpaceId, uint64_t>>;

// Generation is for any thread at any time; the rest is for the holder of the
// store's writer lock.
class ChangeCounter {
 public:
  // Maps an existing file; CKR_TOKEN_NOT_PRESENT when there is none and
  // CKR_TOKEN_NOT_RECOGNIZED when it is malformed.
  static absl::StatusOr<std::unique_ptr<ChangeCounter>> Map(
      const std::string& path, bool writable);
  // Makes or replaces the file. Holder of the writer lock only, or before
  // anybody else knows the directory.
  static absl::Status Make(const std::string& path,
                           const SpaceChanges& changes);
  ~ChangeCounter();

  uint64_t Generation(SpaceId space) const;

  // The value that a commit touching `space` must write to the database,
  // where `in_database` stands now.
  uint64_t Next(SpaceId space, uint64_t in_database) const;
  // True when a writer died between Begin and End.
  bool LeftBusy() const;
  // Makes the file agree with the database.
  absl::Status Repair(const SpaceChanges& changes);

  // Around a COMMIT: `next` are the values of Next. Begin allocates what the
  // file lacks and fails before it has changed anything.
  absl::Status Begin(absl::Span<const std::pair<SpaceId, uint64_t>> next);
  void End(absl::Span<const std::pair<SpaceId, uint64_t>> next);
  // Nothing was committed after all.
  void Cancel(absl::Span<const std::pair<SpaceId, uint64_t>> next);

 private:
  ChangeCounter(std::string path, int fd, void* map, bool writable)
      : path_(std::move(path)),
        fd_(fd),
        map_(static_cast<uint64_t*>(map)),
        writable_(writable) {}

  // The word of `begun`, before that of `done`; nothing for a space whose
  // counters are not (yet) in the file.
  std::optional<size_t> Pair(SpaceId space) const;
  // Learns the file's size again; another process may have grown it.
  uint64_t RefreshSize() const;
  absl::Status GrowFor(SpaceId space);

  const std::string path_;
  const int fd_;
  // kMaxSpaces' worth of addresses; only the first size_ bytes may be touched.
  uint64_t* const map_;
  const bool writable_;
  mutable std::atomic<uint64_t> size_{0};
};

}  // namespace hsm

#endif  // PERIGEE_HSM_CHANGE_COUNTER_H_
