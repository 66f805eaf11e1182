// The slots: one for each partition, one for each Backup HSM, one for each
// application HSM's admin partition. A slot number is given once, kept in the
// HSM's store and never used again.
#ifndef PERIGEE_PKCS11_SLOTS_H_
#define PERIGEE_PKCS11_SLOTS_H_

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "pkcs11/config.h"
#include "pkcs11/local_token.h"
#include "pkcs11/token.h"

namespace pkcs11 {

// The pure part of numbering: who has which number. A place is an HSM's name
// and a space ("app" 1). Tested by itself.
class SlotNumbers {
 public:
  using Place = std::pair<std::string, SpaceId>;

  // A number that is known already (from a store, or asked for); false when
  // another place has it.
  bool Keep(const Place& place, uint64_t slot);
  // No number below this is given any more.
  void Reserve(uint64_t next) { next_ = std::max(next_, next); }
  // The number of `place`, a new one if it has none.
  uint64_t Assign(const Place& place);

  std::optional<uint64_t> Of(const Place& place) const;
  const std::map<Place, uint64_t>& all() const { return numbers_; }
  uint64_t next() const { return next_; }

 private:
  std::map<Place, uint64_t> numbers_;
  std::map<uint64_t, Place> taken_;
  uint64_t next_ = 0;
};

// Thread-safe. Built without touching any state; what exists is found out by
// Refresh.
class Slots : public std::enable_shared_from_this<Slots> {
 public:
  static std::shared_ptr<Slots> Make(std::shared_ptr<const Config> config);
  ~Slots();

  // Looks for partitions that came or went (also by other processes) and gives
  // new ones a number. An HSM that cannot be read keeps the slots it had.
  void Refresh();

  // What follows is as of the last Refresh; the first call of any refreshes.

  // For C_GetSlotList. Ascending.
  std::vector<CK_SLOT_ID> List(bool token_present);
  // CKR_SLOT_ID_INVALID. Also slots that the list leaves out.
  absl::StatusOr<TokenRef> Find(CK_SLOT_ID slot);
  std::vector<TokenRef> all();
  // For C_WaitForSlotEvent: a listed slot that came, went, or whose token did,
  // since this was asked last (the first time: none).
  std::optional<CK_SLOT_ID> TakeEvent();
  // The admin slot (of a Backup HSM: its only slot) of the HSM that `slot`
  // belongs to.
  absl::StatusOr<CK_SLOT_ID> AdminSlotOf(CK_SLOT_ID slot);
  // The slot of a partition of that HSM; CKR_SLOT_ID_INVALID.
  absl::StatusOr<CK_SLOT_ID> SlotOf(absl::string_view hsm_name, SpaceId space);

 private:
  struct Entry {
    TokenRef token;
    bool listed = true;
  };
  // What one application HSM has now.
  struct Seen {
    hsm::Hsm* hsm = nullptr;  // null: no state yet
    std::vector<SpaceId> spaces;
  };

  explicit Slots(std::shared_ptr<const Config> config);
  void RefreshLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_);
  // nullopt: it cannot be read now.
  std::optional<Seen> Look(LocalHsm& hsm) const;
  void ReadNumbers(const std::map<std::string, Seen>& seen,
                   SlotNumbers& numbers) const;
  void AssignNumbers(const std::map<std::string, Seen>& seen,
                     SlotNumbers& numbers) const;
  void StoreNumbers(const std::map<std::string, Seen>& seen,
                    const SlotNumbers& numbers) const;
  void RefreshOnce();
  std::map<CK_SLOT_ID, bool> Present() const;
  void PutEntries(const std::map<std::string, Seen>& seen)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_);

  const std::shared_ptr<const Config> config_;
  std::map<std::string, LocalHsmRef> local_;  // by name; fixed

  // Held during Refresh, which reads stores; before mu_.
  absl::Mutex refresh_;
  SlotNumbers numbers_ ABSL_GUARDED_BY(refresh_);
  bool stored_ ABSL_GUARDED_BY(refresh_) = false;
  std::atomic<bool> refreshed_{false};
  mutable absl::Mutex mu_;
  std::map<CK_SLOT_ID, Entry> entries_ ABSL_GUARDED_BY(mu_);
  // Which listed slots had a token when an event was looked for.
  std::optional<std::map<CK_SLOT_ID, bool>> watched_ ABSL_GUARDED_BY(mu_);
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_SLOTS_H_
