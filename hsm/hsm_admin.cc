// What the HSM SO does: initialisation, partitions, policies, zeroization.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/hsm_state.h"

namespace hsm {
namespace {

// Policies that an HSM of some kind never lets anybody change, whoever asks.
struct FixedPolicy {
  uint32_t number;
  Kind kind;
  bool only_at_appliance;
  CK_RV refusal;
  const char* why;
};
constexpr FixedPolicy kFixedPolicies[] = {
    {hsm_policy::kNonFipsAlgorithms, Kind::kBackup, false, CKR_CANCEL,
     "policy 12 does not apply to a Backup HSM; see policy 55"},
    {hsm_policy::kRestrictedRestore, Kind::kBackup, true,
     CKR_OPERATION_NOT_ALLOWED,
     "policy 55 is set while the Backup HSM is connected to a client"},
};

absl::Status CheckNotFixed(const HsmRecord& hsm, const PolicyValues& changes) {
  for (const FixedPolicy& row : kFixedPolicies) {
    if (row.kind == hsm.kind && changes.count(row.number) != 0 &&
        (!row.only_at_appliance || hsm.attached_to_appliance)) {
      return base::Error(row.refusal, row.why);
    }
  }
  return absl::OkStatus();
}

// Bytes that a partition of `hsm` other than `space` could still get.
absl::StatusOr<uint64_t> FreeBeside(const HsmCore& core, Reader& reader,
                                    const HsmRecord& hsm, SpaceId space) {
  HsmRecord others = hsm;
  others.spaces.erase(
      std::remove(others.spaces.begin(), others.spaces.end(), space),
      others.spaces.end());
  ASSIGN_OR_RETURN(const uint64_t reserved,
                   ReservedBytes(core, reader, others));
  const uint64_t taken = reserved + kPartitionOverhead;
  return hsm.storage_bytes - std::min(taken, hsm.storage_bytes);
}

absl::Status NoPartition(SpaceId space) {
  return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                     absl::StrCat("there is no partition ", space));
}

bool Holds(const HsmRecord& hsm, SpaceId space) {
  return std::find(hsm.spaces.begin(), hsm.spaces.end(), space) !=
         hsm.spaces.end();
}

}  // namespace

absl::Status Hsm::Init(absl::string_view label, const SecretBytes& so_pin,
                       ByteSpan domain) {
  HsmCore& core = *state_->core;
  Partition::State_& admin = state_->admin();
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, core.View());
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> own, admin.View());
  RETURN_IF_ERROR(CheckAvailable(*view));
  RETURN_IF_ERROR(CheckPinLength(Role::kSo, kAdminSpace, so_pin, *view, {}));
  uint64_t incarnation = own->record.incarnation;
  if (own->record.initialized) {
    ASSIGN_OR_RETURN(const CheckedPin checked,
                     admin.CheckPin(Role::kSo, so_pin));
    incarnation = checked.incarnation;
  }
  RETURN_IF_ERROR(admin.InitSpace(
      incarnation, label, so_pin, domain, *view,
      [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(HsmView now, core.Load(tx));
        const bool keeps_partitions =
            now.record.kind == Kind::kApplication && !now.record.had_so;
        if (!keeps_partitions) {
          for (SpaceId space : now.record.spaces) {
            RETURN_IF_ERROR(tx.DropSpace(space));
          }
          now.record.spaces.clear();
        }
        now.record.had_so = true;
        RETURN_IF_ERROR(tx.DeleteValue(kAdminSpace, kConditionValue));
        return core.Save(tx, now.record);
      }));
  state_->RetireAll();
  return absl::OkStatus();
}

absl::StatusOr<SpaceId> Hsm::CreatePartition(const Login& so,
                                             const PartitionSpec& spec) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSo(so).status());
  SpaceId space = 0;
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(
            state_->admin().Recheck(tx, so.state_->incarnation).status());
        ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
        ASSIGN_OR_RETURN(space, AddPartition(core, tx, view, spec, so.role()));
        return absl::OkStatus();
      }));
  return space;
}

absl::Status Hsm::DeletePartition(const Login& so, SpaceId space) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSo(so).status());
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(
            state_->admin().Recheck(tx, so.state_->incarnation).status());
        ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
        if (!Holds(view.record, space)) return NoPartition(space);
        auto& spaces = view.record.spaces;
        spaces.erase(std::remove(spaces.begin(), spaces.end(), space),
                     spaces.end());
        AuditEvent event{.word = AuditWord::kPartitionDeleted,
                         .space = space,
                         .role = so.role()};
        RETURN_IF_ERROR(core.audit().Append(tx, std::move(event)));
        RETURN_IF_ERROR(tx.DropSpace(space));
        return core.Save(tx, view.record);
      }));
  state_->Get(space)->state_->RetireAllEverywhere();
  return absl::OkStatus();
}

absl::Status Hsm::ResizePartition(const Login& so, SpaceId space,
                                  uint64_t capacity) {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(state_->RequireSo(so).status());
  return core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(
        state_->admin().Recheck(tx, so.state_->incarnation).status());
    ASSIGN_OR_RETURN(const HsmView view, core.Load(tx));
    ASSIGN_OR_RETURN(std::optional<PartitionRecord> record,
                     LoadPartition(core, tx, space));
    if (!Holds(view.record, space) || !record.has_value()) {
      return NoPartition(space);
    }
    ASSIGN_OR_RETURN(const SpaceUsage usage, tx.Usage(space));
    uint64_t wanted = capacity;
    if (view.record.storage_bytes != 0) {
      ASSIGN_OR_RETURN(const uint64_t free,
                       FreeBeside(core, tx, view.record, space));
      if (wanted == 0) wanted = free;
      if (wanted > free) {
        return base::Error(CKR_HSM_STORAGE_FULL,
                           absl::StrCat("only ", free, " bytes are free"));
      }
    }
    const bool limited = wanted != 0 || view.record.storage_bytes != 0;
    if (limited && wanted < usage.bytes) {
      return base::Error(
          CKR_CONTAINER_OBJECT_STORAGE_FULL,
          absl::StrCat("its objects take ", usage.bytes, " bytes"));
    }
    record->capacity = wanted;
    RETURN_IF_ERROR(SavePartition(core, tx, space, *record));
    AuditEvent event{.word = AuditWord::kPartitionResized,
                     .space = space,
                     .partition = record->serial,
                     .role = so.role()};
    event.With(AuditNumber::kCapacity, wanted);
    return core.audit().Append(tx, std::move(event));
  });
}

// --- policies
// ------------------------------------------------------------------

absl::StatusOr<PolicyValues> Hsm::Capabilities() {
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, state_->core->View());
  PolicyValues values = HsmCapabilities(*view->model, *view->firmware);
  values[hsm_policy::kStorageSpace] = view->record.storage_bytes;
  return values;
}

absl::StatusOr<PolicyValues> Hsm::Policies() {
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, state_->core->View());
  return view->policies;
}

absl::StatusOr<uint64_t> Hsm::Policy(uint32_t number) {
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, state_->core->View());
  return PolicyOr0(view->policies, number);
}

absl::StatusOr<bool> Hsm::InApprovedMode() {
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, state_->core->View());
  return IsApproved(*view);
}

absl::Status Hsm::SetPolicies(const Login* so, const PolicyValues& changes,
                              bool allow_destructive) {
  HsmCore& core = *state_->core;
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, core.View());
  RETURN_IF_ERROR(CheckNotFixed(view->record, changes));
  if (so == nullptr) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "HSM policies are the SO's");
  }
  RETURN_IF_ERROR(state_->RequireSo(*so).status());
  ASSIGN_OR_RETURN(const PolicyValues capabilities, Capabilities());
  bool destroyed = false;
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(
            state_->admin().Recheck(tx, so->state_->incarnation).status());
        ASSIGN_OR_RETURN(HsmView now, core.Load(tx));
        ASSIGN_OR_RETURN(const PolicyChange change,
                         ApplyPolicies(HsmPolicyRules(), capabilities,
                                       now.policies, changes));
        if (change.destructive && !allow_destructive) {
          return base::Error(LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE,
                             "this change zeroizes the HSM");
        }
        // For good, whatever the policy says later.
        if (PolicyOr0(change.values, hsm_policy::kFunctionalityModules) != 0) {
          now.record.fm = FmState::kEnabledOnce;
        }
        RETURN_IF_ERROR(core.Save(tx, now.record));
        RETURN_IF_ERROR(core.SavePolicies(tx, change.values));
        for (const auto& [number, value] : changes) {
          AuditEvent event{.word = AuditWord::kHsmPolicy, .role = so->role()};
          event.With(AuditNumber::kPolicy, number)
              .With(AuditNumber::kValue, value);
          RETURN_IF_ERROR(core.audit().Append(tx, std::move(event)));
        }
        destroyed = change.destructive;
        if (!destroyed) return absl::OkStatus();
        RETURN_IF_ERROR(ZeroizeHsm(core, tx));
        return core.audit().Append(
            tx, {.word = AuditWord::kHsmZeroized, .role = so->role()});
      }));
  if (destroyed) state_->RetireAll();
  return absl::OkStatus();
}

// --- zeroization
// -----------------------------------------------------------------

absl::Status Hsm::Zeroize() {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(ZeroizeHsm(core, tx));
        return core.audit().Append(tx, {.word = AuditWord::kHsmZeroized});
      }));
  state_->RetireAll();
  return absl::OkStatus();
}

absl::Status Hsm::FactoryReset() {
  HsmCore& core = *state_->core;
  RETURN_IF_ERROR(
      core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const HsmView view, core.Load(tx));
        RETURN_IF_ERROR(core.SavePolicies(
            tx, HsmPolicyDefaults(*view.model, *view.firmware)));
        RETURN_IF_ERROR(tx.DeleteValue(kAdminSpace, kClockValue));
        RETURN_IF_ERROR(tx.DeleteValue(kAdminSpace, RoleValue(Role::kAuditor)));
        RETURN_IF_ERROR(
            tx.DeleteValue(kAdminSpace, FailuresValue(Role::kAuditor)));
        RETURN_IF_ERROR(ZeroizeHsm(core, tx));
        return core.audit().Append(tx, {.word = AuditWord::kFactoryReset});
      }));
  state_->RetireAll();
  return absl::OkStatus();
}

// --- storage
// ---------------------------------------------------------------------

absl::StatusOr<StorageInfo> Hsm::Storage() {
  HsmCore& core = *state_->core;
  StorageInfo info;
  RETURN_IF_ERROR(core.store().Read([&](Reader& reader) -> absl::Status {
    ASSIGN_OR_RETURN(const HsmView view, core.Load(reader));
    const HsmRecord& record = view.record;
    ASSIGN_OR_RETURN(info.used, ReservedBytes(core, reader, record));
    info.overhead = kPartitionOverhead * record.spaces.size();
    for (SpaceId space : record.spaces) {
      ASSIGN_OR_RETURN(const SpaceUsage usage, reader.Usage(space));
      info.objects += usage.records;
    }
    const uint64_t total = record.storage_bytes;
    info.total = total != 0 ? total : CK_UNAVAILABLE_INFORMATION;
    info.free = total != 0 ? total - std::min(info.used, total)
                           : CK_UNAVAILABLE_INFORMATION;
    return absl::OkStatus();
  }));
  return info;
}

absl::StatusOr<uint32_t> Hsm::AllowedPartitions() {
  ASSIGN_OR_RETURN(const uint64_t allowed,
                   Policy(hsm_policy::kMaximumPartitions));
  return static_cast<uint32_t>(allowed);
}

}  // namespace hsm
