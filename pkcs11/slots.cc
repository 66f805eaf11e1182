#include "pkcs11/slots.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/wire.h"
#include "pkcs11/backup_token.h"

namespace pkcs11 {
namespace {

// Kept sealed with an application HSM: numbers of places that have no store of
// their own here, and the next number.
constexpr char kSlotsValue[] = "x/slots";

struct KeptSlots {
  struct Row {
    std::string hsm;
    uint32_t space = 0;
    uint64_t slot = 0;
    template <typename V>
    void Fields(V& v) {
      v(hsm, space, slot);
    }
  };
  uint64_t next = 0;
  std::vector<Row> rows;
  template <typename V>
  void Fields(V& v) {
    v(next, rows);
  }
};

// Between processes that give numbers at the same time. Where it cannot be
// had (a read-only file system) nothing is stored either.
class NumbersLock {
 public:
  explicit NumbersLock(const std::string& state_directory)
      : fd_(open((state_directory + "/slots.lock").c_str(),
                 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (fd_ >= 0 && flock(fd_, LOCK_EX) != 0) {
      close(fd_);
      fd_ = -1;
    }
  }
  ~NumbersLock() {
    if (fd_ >= 0) close(fd_);
  }
  NumbersLock(const NumbersLock&) = delete;
  NumbersLock& operator=(const NumbersLock&) = delete;
  bool held() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::optional<KeptSlots> ReadKept(hsm::Hsm& hsm) {
  const auto value = hsm.GetSealedValue(0, kSlotsValue);
  if (!value.ok() || !value->has_value()) return std::nullopt;
  auto kept = wire::Decode<KeptSlots>(**value, "slot numbers");
  if (!kept.ok()) return std::nullopt;
  return *std::move(kept);
}

}  // namespace

// --- SlotNumbers -------------------------------------------------------------

bool SlotNumbers::Keep(const Place& place, uint64_t slot) {
  const auto known = numbers_.find(place);
  if (known != numbers_.end()) return known->second == slot;
  if (!taken_.emplace(slot, place).second) return false;
  numbers_.emplace(place, slot);
  return true;
}

uint64_t SlotNumbers::Assign(const Place& place) {
  const auto known = numbers_.find(place);
  if (known != numbers_.end()) return known->second;
  while (taken_.count(next_) != 0) ++next_;
  const uint64_t slot = next_++;
  taken_.emplace(slot, place);
  numbers_.emplace(place, slot);
  return slot;
}

std::optional<uint64_t> SlotNumbers::Of(const Place& place) const {
  const auto known = numbers_.find(place);
  if (known == numbers_.end()) return std::nullopt;
  return known->second;
}

// --- Slots -------------------------------------------------------------------

std::shared_ptr<Slots> Slots::Make(std::shared_ptr<const Config> config) {
  std::shared_ptr<Slots> slots(new Slots(std::move(config)));
  for (auto& [name, hsm] : slots->local_) {
    hsm->OnCreated([weak = std::weak_ptr<Slots>(slots)] {
      if (const auto slots = weak.lock()) slots->Refresh();
    });
  }
  return slots;
}

Slots::Slots(std::shared_ptr<const Config> config)
    : config_(std::move(config)) {
  for (const HsmConfig& hsm : config_->hsms) {
    if (hsm.spec.kind != hsm::Kind::kApplication) continue;
    local_.emplace(hsm.spec.name,
                   std::make_shared<LocalHsm>(hsm, config_->fleet_directory()));
  }
}

Slots::~Slots() = default;

std::optional<Slots::Seen> Slots::Look(LocalHsm& local) const {
  Seen seen;
  const auto opened = local.OpenIfThere();
  if (!opened.ok()) {
    base::Log(base::LogLevel::kError, "HSM ", local.config().spec.name, ": ",
              base::CkRvName(base::CkRv(opened.status())), ": ",
              opened.status().message());
    return std::nullopt;
  }
  seen.hsm = *opened;
  if (seen.hsm == nullptr) {
    for (SpaceId i = 1; i <= local.config().partitions.size(); ++i) {
      seen.spaces.push_back(i);
    }
    return seen;
  }
  const auto partitions = seen.hsm->Partitions();
  if (!partitions.ok()) return std::nullopt;
  for (const hsm::PartitionInfo& info : *partitions) {
    seen.spaces.push_back(info.space);
  }
  return seen;
}

void Slots::ReadNumbers(const std::map<std::string, Seen>& seen,
                        SlotNumbers& numbers) const {
  // What the stores say comes first, then what one of them keeps for others,
  // then what the configuration asks for.
  std::vector<KeptSlots> others;
  for (const auto& [name, hsm] : seen) {
    if (hsm.hsm == nullptr) continue;
    std::vector<SpaceId> spaces = {0};
    spaces.insert(spaces.end(), hsm.spaces.begin(), hsm.spaces.end());
    std::erase_if(spaces, [&, name = name](SpaceId space) {
      return numbers.Of({name, space}).has_value();
    });
    if (spaces.empty()) continue;
    for (const SpaceId space : spaces) {
      const auto slot = hsm.hsm->Slot(space);
      if (slot.ok() && slot->has_value()) numbers.Keep({name, space}, **slot);
    }
    if (auto kept = ReadKept(*hsm.hsm)) others.push_back(*std::move(kept));
  }
  for (const KeptSlots& kept : others) {
    for (const auto& row : kept.rows) {
      numbers.Keep({row.hsm, row.space}, row.slot);
    }
    numbers.Reserve(kept.next);
  }
  for (const HsmConfig& hsm : config_->hsms) {
    if (hsm.slot.has_value()) numbers.Keep({hsm.spec.name, 0}, *hsm.slot);
    for (size_t i = 0; i < hsm.partitions.size(); ++i) {
      const auto& asked = hsm.partitions[i].slot;
      if (!asked.has_value()) continue;
      numbers.Keep({hsm.spec.name, static_cast<SpaceId>(i + 1)}, *asked);
    }
  }
}

void Slots::AssignNumbers(const std::map<std::string, Seen>& seen,
                          SlotNumbers& numbers) const {
  // The order of decisions 19: partitions, Backup HSMs, admin slots. What is
  // made later stands behind all of them.
  for (const HsmConfig& hsm : config_->hsms) {
    const auto it = seen.find(hsm.spec.name);
    if (it == seen.end()) {
      // It cannot be read now. Nobody else may get the numbers of its
      // partitions: a PIN for them would be tried on another HSM.
      for (SpaceId i = 1; i <= hsm.partitions.size(); ++i) {
        numbers.Assign({hsm.spec.name, i});
      }
      continue;
    }
    for (const SpaceId space : it->second.spaces) {
      if (space <= hsm.partitions.size()) {
        numbers.Assign({hsm.spec.name, space});
      }
    }
  }
  for (const hsm::Kind kind : {hsm::Kind::kBackup, hsm::Kind::kApplication}) {
    for (const HsmConfig& hsm : config_->hsms) {
      if (hsm.spec.kind == kind) numbers.Assign({hsm.spec.name, 0});
    }
  }
  for (const auto& [name, hsm] : seen) {
    for (const SpaceId space : hsm.spaces) numbers.Assign({name, space});
  }
}

void Slots::StoreNumbers(const std::map<std::string, Seen>& seen,
                         const SlotNumbers& numbers) const {
  KeptSlots kept;
  kept.next = numbers.next();
  hsm::Hsm* keeper = nullptr;
  absl::Status stored;
  for (const auto& [place, slot] : numbers.all()) {
    const auto& [name, space] = place;
    const auto it = seen.find(name);
    if (it == seen.end() || it->second.hsm == nullptr) {
      kept.rows.push_back({name, space, slot});
      continue;
    }
    hsm::Hsm& hsm = *it->second.hsm;
    if (keeper == nullptr) keeper = &hsm;
    const auto present = hsm.Slot(space);
    if (present.ok() && *present == slot) continue;
    stored.Update(hsm.SetSlot(space, slot));
  }
  if (keeper != nullptr) {
    const base::Bytes value = wire::Encode(kept);
    const auto present = keeper->GetSealedValue(0, kSlotsValue);
    if (!present.ok() || *present != value) {
      stored.Update(keeper->PutSealedValue(0, kSlotsValue, value));
    }
  }
  if (!stored.ok()) {
    base::Log(base::LogLevel::kWarning,
              "slot numbers were not stored: ", stored.message());
  }
}

void Slots::PutEntries(const std::map<std::string, Seen>& seen) {
  std::map<CK_SLOT_ID, Entry> before;
  {
    absl::MutexLock lock(&mu_);
    before = entries_;
  }
  std::map<CK_SLOT_ID, Entry> entries;
  const auto keep = [&](CK_SLOT_ID slot, bool listed, const auto& make) {
    const auto it = before.find(slot);
    entries[slot] = {it != before.end() ? it->second.token : make(), listed};
  };
  for (const HsmConfig& hsm : config_->hsms) {
    const std::string& name = hsm.spec.name;
    const auto admin = numbers_.Of({name, 0});
    if (hsm.spec.kind == hsm::Kind::kBackup) {
      if (!admin.has_value()) continue;
      keep(*admin, true, [&] {
        return NewBackupToken(*admin, hsm, config_->fleet_directory());
      });
      continue;
    }
    const LocalHsmRef& local = local_.at(name);
    if (admin.has_value()) {
      keep(*admin, config_->list_admin_slots,
           [&] { return std::make_shared<LocalToken>(*admin, local, 0); });
    }
    const auto it = seen.find(name);
    if (it == seen.end()) {
      // It cannot be read now: as it was, or as the configuration says, so
      // that whoever calls there is told why.
      for (const auto& [slot, entry] : before) {
        if (entry.token->hsm_name() == name) entries[slot] = entry;
      }
      for (SpaceId i = 1; i <= hsm.partitions.size(); ++i) {
        const auto slot = numbers_.Of({name, i});
        if (!slot.has_value() || entries.count(*slot) != 0) continue;
        keep(*slot, true,
             [&] { return std::make_shared<LocalToken>(*slot, local, i); });
      }
      continue;
    }
    for (const SpaceId space : it->second.spaces) {
      const auto slot = numbers_.Of({name, space});
      if (!slot.has_value()) continue;
      keep(*slot, true,
           [&] { return std::make_shared<LocalToken>(*slot, local, space); });
    }
  }
  absl::MutexLock lock(&mu_);
  entries_ = std::move(entries);
}

void Slots::RefreshLocked() {
  std::map<std::string, Seen> seen;
  bool anything_stored = false;
  bool all_read = true;
  for (const auto& [name, hsm] : local_) {
    auto now = Look(*hsm);
    if (!now.has_value()) {
      all_read = false;
      continue;
    }
    anything_stored |= now->hsm != nullptr;
    seen.emplace(name, *std::move(now));
  }
  // Numbers that this process gave stay what they are.
  SlotNumbers numbers = numbers_;
  ReadNumbers(seen, numbers);
  AssignNumbers(seen, numbers);
  // Numbers that had to do without a store's word are not kept.
  if (anything_stored && all_read &&
      (numbers.all() != numbers_.all() || !stored_)) {
    const NumbersLock lock(config_->state_directory);
    numbers = numbers_;
    ReadNumbers(seen, numbers);  // Another process may have been faster.
    AssignNumbers(seen, numbers);
    if (lock.held()) StoreNumbers(seen, numbers);
    stored_ = true;
  }
  numbers_ = std::move(numbers);
  PutEntries(seen);
}

void Slots::Refresh() {
  absl::MutexLock lock(&refresh_);
  RefreshLocked();
  refreshed_.store(true, std::memory_order_release);
}

std::map<CK_SLOT_ID, bool> Slots::Present() const {
  std::vector<std::pair<CK_SLOT_ID, TokenRef>> listed;
  {
    absl::ReaderMutexLock lock(&mu_);
    for (const auto& [slot, entry] : entries_) {
      if (entry.listed) listed.emplace_back(slot, entry.token);
    }
  }
  // Without the lock: a device may have to be asked.
  std::map<CK_SLOT_ID, bool> present;
  for (const auto& [slot, token] : listed) {
    present[slot] = token->Slot().token_present;
  }
  return present;
}

void Slots::RefreshOnce() {
  if (!refreshed_.load(std::memory_order_acquire)) Refresh();
}

std::vector<CK_SLOT_ID> Slots::List(bool token_present) {
  RefreshOnce();
  std::vector<CK_SLOT_ID> slots;
  if (!token_present) {
    absl::ReaderMutexLock lock(&mu_);
    for (const auto& [slot, entry] : entries_) {
      if (entry.listed) slots.push_back(slot);
    }
    return slots;
  }
  for (const auto& [slot, present] : Present()) {
    if (present) slots.push_back(slot);
  }
  return slots;
}

std::optional<CK_SLOT_ID> Slots::TakeEvent() {
  Refresh();
  const std::map<CK_SLOT_ID, bool> now = Present();
  absl::MutexLock lock(&mu_);
  if (!watched_.has_value()) watched_ = now;
  for (const auto& [slot, present] : now) {
    const auto it = watched_->find(slot);
    if (it != watched_->end() && it->second == present) continue;
    (*watched_)[slot] = present;
    return slot;
  }
  for (const auto& [slot, present] : *watched_) {
    if (now.count(slot) != 0) continue;
    const CK_SLOT_ID gone = slot;
    watched_->erase(gone);
    return gone;
  }
  return std::nullopt;
}

absl::StatusOr<TokenRef> Slots::Find(CK_SLOT_ID slot) {
  RefreshOnce();
  absl::ReaderMutexLock lock(&mu_);
  const auto it = entries_.find(slot);
  if (it == entries_.end()) {
    return base::Error(CKR_SLOT_ID_INVALID, absl::StrCat("slot ", slot));
  }
  return it->second.token;
}

std::vector<TokenRef> Slots::all() {
  RefreshOnce();
  absl::ReaderMutexLock lock(&mu_);
  std::vector<TokenRef> tokens;
  for (const auto& [slot, entry] : entries_) tokens.push_back(entry.token);
  return tokens;
}

absl::StatusOr<CK_SLOT_ID> Slots::AdminSlotOf(CK_SLOT_ID slot) {
  ASSIGN_OR_RETURN(const TokenRef token, Find(slot));
  return SlotOf(token->hsm_name(), 0);
}

absl::StatusOr<CK_SLOT_ID> Slots::SlotOf(absl::string_view hsm_name,
                                         SpaceId space) {
  RefreshOnce();
  absl::ReaderMutexLock lock(&mu_);
  for (const auto& [slot, entry] : entries_) {
    if (entry.token->hsm_name() == hsm_name &&
        entry.token->own_space() == space) {
      return slot;
    }
  }
  return base::Error(
      CKR_SLOT_ID_INVALID,
      absl::StrCat("HSM ", hsm_name, " partition ", space, " has no slot"));
}

}  // namespace pkcs11
