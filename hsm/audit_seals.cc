// What ties the named values of a store to the end of its audit log: the log's
// mark has a digest of each space's values and the roots of its MAC trees. So
// an old PIN record, an old count of wrong PINs, old policies or all objects of
// an earlier time, put back beside the newest log, are not those it ends with.
// docs/formats/audit.md, "Mark".
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "hsm/audit_log.h"
#include "hsm/audit_log_state.h"
#include "hsm/hsm_core.h"
#include "hsm/mac_tree.h"

namespace hsm {
namespace {

using Seal = AuditLog::SpaceSeal;

// "tree/0" and "tree/1"; their nodes hang on them.
bool IsTree(absl::string_view name) {
  return absl::StartsWith(name, kRecordValues) &&
         name.size() == kRecordValues.size() + 1;
}

// The number of a tree, from its name.
size_t TreeOf(absl::string_view name) { return name.back() == '1' ? 1 : 0; }

Seal& SealFor(std::vector<Seal>& seals, SpaceId space) {
  const auto at = std::lower_bound(
      seals.begin(), seals.end(), space,
      [](const Seal& seal, SpaceId wanted) { return seal.space < wanted; });
  if (at != seals.end() && at->space == space) return *at;
  return *seals.insert(at, Seal{space});
}

// A tree's root value ends with the root's MAC, which is over its sequence.
AuditHash RootOf(const std::optional<Bytes>& value) {
  AuditHash root{};
  if (value.has_value() && value->size() >= root.size()) {
    std::copy_n(value->end() - root.size(), root.size(), root.begin());
  }
  return root;
}

// A space's values as they stand, or as they were before `former`.
class Values {
 public:
  Values(Reader& reader, SpaceId space, const FormerValues* former)
      : reader_(reader), space_(space) {
    if (former == nullptr) return;
    const auto at = former->values.find(space);
    if (at != former->values.end()) former_ = &at->second;
  }

  absl::StatusOr<AuditHash> Tree(size_t number) {
    ASSIGN_OR_RETURN(const std::optional<Bytes> value,
                     Get(absl::StrCat(kRecordValues, number)));
    return RootOf(value);
  }

  // All but the trees; zeros for none.
  absl::StatusOr<AuditHash> Digest() {
    ASSIGN_OR_RETURN(std::vector<std::string> names,
                     reader_.ListValues(space_, ""));
    if (former_ != nullptr) {
      for (const auto& [name, value] : *former_) names.push_back(name);
      std::sort(names.begin(), names.end());
      names.erase(std::unique(names.begin(), names.end()), names.end());
    }
    wire::Writer all;
    for (const std::string& name : names) {
      if (!AuditLog::IsLookedAfter(name) || IsTree(name)) continue;
      ASSIGN_OR_RETURN(const std::optional<Bytes> value, Get(name));
      if (!value.has_value()) continue;
      all.Text(name);
      all.Sized(*value);
    }
    AuditHash digest{};
    if (all.size() == 0) return digest;
    const Bytes hash = base::Sha256({all.bytes()});
    std::copy_n(hash.begin(), digest.size(), digest.begin());
    return digest;
  }

 private:
  absl::StatusOr<std::optional<Bytes>> Get(const std::string& name) {
    if (former_ != nullptr) {
      const auto at = former_->find(name);
      if (at != former_->end()) return at->second;
    }
    return reader_.GetValue(space_, name);
  }

  Reader& reader_;
  const SpaceId space_;
  const std::map<std::string, std::optional<Bytes>>* former_ = nullptr;
};

absl::Status PutBack(SpaceId space, absl::string_view what) {
  return base::ErrorWithReason(
      CKR_DEVICE_ERROR, kTamperedReason,
      absl::StrCat("the store was tampered with: ", what, " of space ", space,
                   " are not those that its audit log ends with"));
}

constexpr char kValues[] = "roles, policies or names";
constexpr char kObjects[] = "the objects";

}  // namespace

bool AuditLog::IsLookedAfter(absl::string_view name) {
  if (absl::StartsWith(name, kSealedPrefix)) return false;
  return !absl::StartsWith(name, kRecordValues) || IsTree(name);
}

absl::Status AuditLog::CheckSeals(Reader& reader, SpaceId space) const {
  const JoinedStore& store = core_->store();
  std::optional<Mark> mark;
  if (const auto pending = Pending()) {
    mark = pending->mark;
  } else {
    ASSIGN_OR_RETURN(const std::optional<AuditRow> last, reader.LastAudit());
    if (last.has_value()) mark = MarkOf(*last);
  }
  // A damaged end is the next line's affair; an old mark has no seals.
  if (!mark.has_value() || mark->format < kSealedMarkFormat) {
    return absl::OkStatus();
  }
  for (const SpaceId of : {kAdminSpace, space}) {
    const Seal& seal = SealFor(mark->seals, of);
    Values values(reader, of, store.former());
    ASSIGN_OR_RETURN(const AuditHash digest, values.Digest());
    if (digest != seal.values) return PutBack(of, kValues);
    for (size_t number = 0; number < seal.trees.size(); ++number) {
      ASSIGN_OR_RETURN(const AuditHash root, values.Tree(number));
      if (root != seal.trees[number]) return PutBack(of, kObjects);
    }
  }
  return absl::OkStatus();
}

absl::Status AuditLog::SealAll(Transaction& tx, Mark& mark,
                               const FormerValues& former) const {
  std::vector<SpaceId> spaces = {kAdminSpace};
  const absl::StatusOr<HsmView> view = core_->Load(tx);
  if (!view.ok()) {
    // Nothing to rely on; it is told where it is needed.
    return base::Reason(view.status()) == kTamperedReason ? absl::OkStatus()
                                                          : view.status();
  }
  spaces.insert(spaces.end(), view->record.spaces.begin(),
                view->record.spaces.end());
  for (const auto& [space, values] : former.values) spaces.push_back(space);
  mark.format = kSealedMarkFormat;
  mark.seals.clear();
  for (const SpaceId space : spaces) {
    Seal& seal = SealFor(mark.seals, space);
    Values values(tx, space, nullptr);
    ASSIGN_OR_RETURN(seal.values, values.Digest());
    for (size_t number = 0; number < seal.trees.size(); ++number) {
      ASSIGN_OR_RETURN(seal.trees[number], values.Tree(number));
    }
  }
  return absl::OkStatus();
}

// What is replaced must be what the log ended with: otherwise a commit beside
// it would make what was put back the newest.
absl::Status AuditLog::Reseal(Transaction& tx, Mark& mark,
                              const FormerValues& former) const {
  for (const auto& [space, noted] : former.values) {
    Seal& seal = SealFor(mark.seals, space);
    // What a destruction ends has nothing to prove.
    const bool dropped = former.dropped.count(space) != 0;
    Values before(tx, space, &former), now(tx, space, nullptr);
    bool others = dropped;
    for (const auto& [name, value] : noted) {
      if (!IsTree(name)) {
        others = true;
        continue;
      }
      AuditHash& root = seal.trees[TreeOf(name)];
      if (!dropped && RootOf(value) != root) return PutBack(space, kObjects);
      ASSIGN_OR_RETURN(root, now.Tree(TreeOf(name)));
    }
    if (!others) continue;
    ASSIGN_OR_RETURN(const AuditHash digest, before.Digest());
    if (!dropped && digest != seal.values) return PutBack(space, kValues);
    ASSIGN_OR_RETURN(seal.values, now.Digest());
  }
  mark.seals.erase(
      std::remove_if(mark.seals.begin(), mark.seals.end(),
                     [](const Seal& seal) { return seal == Seal{seal.space}; }),
      mark.seals.end());
  return absl::OkStatus();
}

absl::Status AuditLog::BeforeCommit(Transaction& tx,
                                    const FormerValues& former) {
  Chain chain;
  if (const auto pending = Pending()) {
    chain = *pending;
  } else if (former.empty()) {
    return absl::OkStatus();
  } else {
    // An HSM is being made, and its log begins later.
    ASSIGN_OR_RETURN(const bool begun, HasBegun(tx));
    if (!begun) return absl::OkStatus();
    const bool closed = std::any_of(
        former.values.begin(), former.values.end(), [this](const auto& one) {
          return SettingsOf(one.first).mode == AuditSettings::Mode::kClosed;
        });
    ASSIGN_OR_RETURN(chain, Load(tx, closed ? AuditSettings::Mode::kClosed
                                            : AuditSettings::Mode::kOpen));
  }
  RETURN_IF_ERROR(chain.mark.format < kSealedMarkFormat
                      ? SealAll(tx, chain.mark, former)
                      : Reseal(tx, chain.mark, former));
  RETURN_IF_ERROR(tx.MarkAudit(SealMark(chain.mark)));
  TellWitness(chain);
  return absl::OkStatus();
}

}  // namespace hsm
