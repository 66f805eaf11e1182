// The SKS master keys of a V1 partition: the primary one, and the former one
// while it rolls over. docs/formats/sks.md.
#include "base/wire.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

// What the value holds, sealed.
struct SmkKeys {
  SecretBytes primary;
  SecretBytes former;  // empty: none
  template <typename V>
  void Fields(V& v) {
    v(primary, former);
  }
};

absl::StatusOr<SmkSet> SmkSetOf(SmkKeys keys) {
  ASSIGN_OR_RETURN(Smk primary, Smk::Of(std::move(keys.primary)));
  SmkSet set{std::move(primary), std::nullopt};
  if (!keys.former.empty()) {
    ASSIGN_OR_RETURN(set.former, Smk::Of(std::move(keys.former)));
  }
  return set;
}

absl::Status RollsOver() {
  return base::ErrorWithReason(
      CKR_OPERATION_NOT_ALLOWED, "smk-rolls-over",
      "the SKS master key rolls over already: end that first");
}

absl::Status NoneYet() {
  return base::Error(CKR_SMK_ID_NOT_FOUND,
                     "the partition has no SKS master key yet");
}

bool Holds(const SmkSet& set, const SmkId& id) {
  return set.primary.id() == id ||
         (set.former.has_value() && set.former->id() == id);
}

}  // namespace

absl::StatusOr<std::optional<SmkSet>> Partition::State_::LoadSmks(
    Reader& reader, uint64_t born, const LoginKeys& keys) const {
  ASSIGN_OR_RETURN(const std::optional<SignedValue> sealed,
                   core->values().Load(reader, space, kSmkValue));
  if (!sealed.has_value()) return std::optional<SmkSet>();
  ASSIGN_OR_RETURN(const SecretBytes opened,
                   OpenSecret(keys.ring.private_key.Expose(),
                              LabelOf(kSmkValue, born), sealed->body));
  ASSIGN_OR_RETURN(SmkKeys smks,
                   wire::Decode<SmkKeys>(opened.Expose(), kSmkValue));
  ASSIGN_OR_RETURN(SmkSet set, SmkSetOf(std::move(smks)));
  return std::optional<SmkSet>(std::move(set));
}

absl::Status Partition::State_::SaveSmks(Transaction& tx, uint64_t born,
                                         const LoginKeys& keys,
                                         const SmkSet& set) const {
  SmkKeys smks;
  smks.primary = set.primary.key().Clone();
  if (set.former.has_value()) smks.former = set.former->key().Clone();
  ASSIGN_OR_RETURN(
      const Bytes sealed,
      SealSecret(keys.ring.private_key.Expose(), LabelOf(kSmkValue, born),
                 wire::EncodeSecret(smks).Expose()));
  return core->values().Save(tx, space, kSmkValue, sealed,
                             &keys.ring.trust_key);
}

absl::Status Partition::State_::RequireV1(Reader& reader) {
  ASSIGN_OR_RETURN(const auto view, Load(reader));
  const auto version = view->policies.find(partition_policy::kPartitionVersion);
  if (version != view->policies.end() && version->second == 1) {
    return absl::OkStatus();
  }
  return base::Error(CKR_OPERATION_NOT_ALLOWED,
                     "only a V1 partition (policy 41) has an SKS master key");
}

absl::StatusOr<SmkSet> Partition::Smks(const Login& by) {
  ASSIGN_OR_RETURN(const auto keys,
                   state_->Require(by, {Role::kCo, Role::kLco}));
  std::optional<SmkSet> set;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(reader, by.state_->incarnation));
        RETURN_IF_ERROR(state_->RequireV1(reader));
        ASSIGN_OR_RETURN(set, state_->LoadSmks(reader, record.born, *keys));
        return absl::OkStatus();
      }));
  if (set.has_value()) return *std::move(set);
  ASSIGN_OR_RETURN(Smk made, Smk::Generate());
  RETURN_IF_ERROR(state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, by.state_->incarnation));
        RETURN_IF_ERROR(state_->RequireV1(tx));
        // Another process may have been faster.
        ASSIGN_OR_RETURN(set, state_->LoadSmks(tx, record.born, *keys));
        if (set.has_value()) return absl::OkStatus();
        ASSIGN_OR_RETURN(Smk primary, Smk::Of(made.key().Clone()));
        set = SmkSet{std::move(primary), std::nullopt};
        RETURN_IF_ERROR(state_->SaveSmks(tx, record.born, *keys, *set));
        return state_->Audit(tx, AuditWord::kSmkMade, record, by.role());
      }));
  return *std::move(set);
}

absl::StatusOr<ObjectRef> Partition::SmkAsObject(const Login& by) {
  ASSIGN_OR_RETURN(const auto keys, state_->Require(by, {Role::kCo}));
  std::optional<SmkSet> set;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(reader, by.state_->incarnation));
        RETURN_IF_ERROR(state_->RequireV1(reader));
        ASSIGN_OR_RETURN(set, state_->LoadSmks(reader, record.born, *keys));
        return absl::OkStatus();
      }));
  if (!set.has_value()) return NoneYet();
  return std::make_shared<const Object>(kSmkHandle, 1,
                                        AttributesOf(set->primary));
}

absl::StatusOr<bool> Partition::TakeSmk(const Login& by, const Smk& smk,
                                        SmkRole role) {
  ASSIGN_OR_RETURN(const auto keys, state_->Require(by, {Role::kCo}));
  bool taken = false;
  RETURN_IF_ERROR(state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, by.state_->incarnation));
        RETURN_IF_ERROR(state_->RequireV1(tx));
        ASSIGN_OR_RETURN(std::optional<SmkSet> set,
                         state_->LoadSmks(tx, record.born, *keys));
        taken = !set.has_value() || !Holds(*set, smk.id());
        if (!taken) return absl::OkStatus();
        if (set.has_value() && set->former.has_value()) return RollsOver();
        ASSIGN_OR_RETURN(Smk taking, Smk::Of(smk.key().Clone()));
        SmkSet now{std::move(taking), std::nullopt};
        if (set.has_value()) now.former = std::move(set->primary);
        if (set.has_value() && role == SmkRole::kFormer) {
          std::swap(now.primary, *now.former);
        }
        RETURN_IF_ERROR(state_->SaveSmks(tx, record.born, *keys, now));
        return state_->Audit(tx, AuditWord::kSmkReceived, record, by.role());
      }));
  return taken;
}

absl::Status Partition::RollSmk(const Login& by) {
  ASSIGN_OR_RETURN(const Smk made, Smk::Generate());
  return ChangeSmks(by, AuditWord::kSmkRolled, [&](SmkSet& set) {
    if (set.former.has_value()) return RollsOver();
    ASSIGN_OR_RETURN(Smk primary, Smk::Of(made.key().Clone()));
    set.former = std::move(set.primary);
    set.primary = std::move(primary);
    return absl::OkStatus();
  });
}

absl::Status Partition::DropFormerSmk(const Login& by) {
  return ChangeSmks(by, AuditWord::kSmkDropped, [](SmkSet& set) {
    if (!set.former.has_value()) {
      return base::Error(CKR_OPERATION_NOT_ALLOWED,
                         "the SKS master key does not roll over");
    }
    set.former.reset();
    return absl::OkStatus();
  });
}

absl::Status Partition::ChangeSmks(
    const Login& by, AuditWord word,
    absl::FunctionRef<absl::Status(SmkSet&)> change) {
  ASSIGN_OR_RETURN(const auto keys, state_->Require(by, {Role::kCo}));
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord record,
                         state_->Recheck(tx, by.state_->incarnation));
        RETURN_IF_ERROR(state_->RequireV1(tx));
        ASSIGN_OR_RETURN(std::optional<SmkSet> set,
                         state_->LoadSmks(tx, record.born, *keys));
        if (!set.has_value()) return NoneYet();
        RETURN_IF_ERROR(change(*set));
        RETURN_IF_ERROR(state_->SaveSmks(tx, record.born, *keys, *set));
        return state_->Audit(tx, word, record, by.role());
      });
}

}  // namespace hsm
