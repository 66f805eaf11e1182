// Roles of a partition: logging in, making them, changing PINs.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

// The least that NewKdfParameters gives for KdfCost::kCalibrated.
constexpr uint32_t kLeastScryptLog2N = 15;

absl::Status NotAllowed(absl::string_view why) {
  return base::Error(CKR_OPERATION_NOT_ALLOWED, why);
}

// Whether a PIN should be derived anew: the HSM has entered the approved mode
// since, or the least that we use has grown.
bool IsCheap(const KdfParameters& kdf, KdfCost cost) {
  const bool scrypt = kdf.algorithm == KdfParameters::Algorithm::kScrypt;
  switch (cost) {
    case KdfCost::kCalibrated:
      return scrypt && kdf.cost < kLeastScryptLog2N;
    case KdfCost::kApproved:
      return scrypt;
    case KdfCost::kTest:
      return false;
  }
  return false;
}

// Who makes a role, on a partition.
Role MakerOf(Role role) { return role == Role::kCo ? Role::kSo : Role::kCo; }

}  // namespace

absl::StatusOr<RoleState> Partition::State(Role role) {
  RoleState state;
  const absl::Status status =
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const RoleView view, state_->LoadRole(reader, role));
        const LockRule rule =
            LockRuleFor(role, state_->space, view.hsm, view.policies);
        const bool locked = IsLocked(rule, view.failures);
        const bool ran_out = !locked && view.failures.count >= rule.limit;
        state.initialized = true;
        state.locked = locked || view.officer_locked;
        state.must_change_pin = view.role.must_change_pin;
        state.failures = ran_out ? 0 : view.failures.count;
        state.attempts_left = state.locked ? 0 : rule.limit - state.failures;
        return absl::OkStatus();
      });
  if (base::CkRv(status) == CKR_USER_PIN_NOT_INITIALIZED) return RoleState();
  RETURN_IF_ERROR(status);
  return state;
}

absl::StatusOr<LoginRef> Partition::Unlock(Role role, const SecretBytes& pin) {
  ASSIGN_OR_RETURN(CheckedPin checked, state_->CheckPin(role, pin));
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  if (view->record.incarnation != checked.incarnation) {
    return base::Error(CKR_DEVICE_REMOVED, "the partition was made anew");
  }
  state_->RaiseCost(role, pin, checked);
  // There is none for the Auditor of an HSM without SO.
  if (view->public_keys != nullptr) {
    checked.keys.ring.public_key = view->public_keys->ring.public_key.Clone();
  }
  auto login = std::make_shared<Login::State>(
      role, state_->space, checked.incarnation, checked.must_change_pin,
      std::move(checked.keys));
  state_->Register(login);
  return LoginRef(new Login(std::move(login)));
}

absl::StatusOr<RoleRecord> Partition::State_::NewRole(
    Role role, const SecretBytes& pin, const LoginKeys& keys, uint64_t born,
    bool must_change, KdfCost cost) const {
  RoleRecord record;
  record.must_change_pin = must_change;
  ASSIGN_OR_RETURN(record.kdf, NewKdfParameters(cost));
  ASSIGN_OR_RETURN(const SecretBytes kek,
                   DeriveFromPin(record.kdf, pin.Expose()));
  LoginKeys stored;  // K_public is not part of a role's secret
  stored.ring.private_key = keys.ring.private_key.Clone();
  stored.ring.trust_key = keys.ring.trust_key.Clone();
  stored.reset_key = keys.reset_key.Clone();
  ASSIGN_OR_RETURN(record.sealed,
                   SealSecret(kek.Expose(), RoleLabel(role, born),
                              wire::EncodeSecret(stored).Expose()));
  return record;
}

absl::Status Partition::State_::SaveRole(Transaction& tx, Role role,
                                         const RoleRecord& record,
                                         const SecretBytes& trust_key) const {
  RETURN_IF_ERROR(tx.DeleteValue(space, FailuresValue(role)));
  return core->values().SaveAs(tx, space, RoleValue(role), record, &trust_key);
}

absl::Status Partition::State_::SaveRechecked(Role role,
                                              const RoleRecord& record,
                                              const CheckedPin& checked,
                                              bool is_new) {
  return core->store().Write(space, [&](Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const PartitionRecord partition,
                     Recheck(tx, checked.incarnation));
    ASSIGN_OR_RETURN(const std::optional<SignedValue> present,
                     core->values().Load(tx, space, RoleValue(role)));
    if (!present.has_value() || present->body != checked.role_body) {
      return base::Error(CKR_FUNCTION_FAILED, "the PIN was changed meanwhile");
    }
    RETURN_IF_ERROR(SaveRole(tx, role, record, checked.keys.ring.trust_key));
    if (!is_new) return absl::OkStatus();
    return Audit(tx, AuditWord::kPinChanged, partition, role);
  });
}

void Partition::State_::RaiseCost(Role role, const SecretBytes& pin,
                                  const CheckedPin& checked) {
  auto hsm_view = core->View();
  if (!hsm_view.ok() || !core->store().writable() || core->store().InWrite()) {
    return;
  }
  const KdfCost cost = NewPinCost(**hsm_view);
  if (!IsCheap(checked.kdf, cost)) return;
  auto record = NewRole(role, pin, checked.keys, checked.born,
                        checked.must_change_pin, cost);
  if (record.ok())
    SaveRechecked(role, *record, checked, /*is_new=*/false).IgnoreError();
}

absl::StatusOr<SecretBytes> Partition::State_::PrivateKeyForOfficer(
    Reader& reader, const LoginKeys& po, uint64_t born, const HsmView& hsm_view,
    bool* is_new) const {
  ASSIGN_OR_RETURN(std::optional<Bytes> officer,
                   reader.GetValue(space, RoleValue(Role::kCo)));
  *is_new = !officer.has_value();
  if (*is_new) return base::RandomSecret(base::kAeadKeySize);
  if (PolicyOr0(hsm_view.policies, hsm_policy::kSoCanResetPin) == 0) {
    return NotAllowed("HSM policy 15 does not let the SO reset a PIN");
  }
  ASSIGN_OR_RETURN(std::optional<SignedValue> escrow,
                   core->values().Load(reader, space, kEscrowValue));
  if (!escrow.has_value()) {
    return NotAllowed("the SO holds no means to reset this PIN");
  }
  return OpenSecret(po.reset_key.Expose(), LabelOf("escrow", born),
                    escrow->body);
}

absl::Status Partition::InitRole(const Login& by, Role role,
                                 const SecretBytes& pin) {
  if (state_->space == kAdminSpace || role == Role::kSo ||
      role == Role::kAuditor) {
    return NotAllowed("this role is not made by another one");
  }
  ASSIGN_OR_RETURN(const auto maker, state_->Require(by, {MakerOf(role)}));
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  RETURN_IF_ERROR(
      CheckPinLength(role, state_->space, pin, *hsm, view->policies));

  LoginKeys keys;
  bool begins = false;  // K_private is made now
  keys.ring.trust_key = maker->ring.trust_key.Clone();
  if (role == Role::kCo) {
    RETURN_IF_ERROR(
        state_->core->store().Read([&](Reader& reader) -> absl::Status {
          ASSIGN_OR_RETURN(
              keys.ring.private_key,
              state_->PrivateKeyForOfficer(reader, *maker, view->record.born,
                                           *hsm, &begins));
          return absl::OkStatus();
        }));
  } else {
    keys.ring.private_key = maker->ring.private_key.Clone();
  }
  // The archive command makes the CO of a backup partition with the PIN that
  // stays; nobody is there to change it.
  const bool must_change =
      hsm->record.kind == Kind::kApplication &&
      PolicyOr0(hsm->policies, hsm_policy::kForceUserPinChange) != 0;
  ASSIGN_OR_RETURN(const RoleRecord record,
                   state_->NewRole(role, pin, keys, view->record.born,
                                   must_change, NewPinCost(*hsm)));
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord partition,
                         state_->Recheck(tx, by.state_->incarnation));
        if (role == Role::kCo) {
          RETURN_IF_ERROR(state_->SaveOfficerKey(tx, *maker, keys,
                                                 view->record.born, begins));
        }
        ASSIGN_OR_RETURN(const std::optional<Bytes> former,
                         tx.GetValue(state_->space, RoleValue(role)));
        RETURN_IF_ERROR(
            state_->SaveRole(tx, role, record, keys.ring.trust_key));
        AuditEvent event = state_->EventOf(
            former.has_value() ? AuditWord::kPinReset : AuditWord::kRoleCreated,
            partition, by.role());
        event.of = role;
        return state_->core->audit().Append(tx, std::move(event));
      });
}

absl::Status Partition::State_::SaveOfficerKey(Transaction& tx,
                                               const LoginKeys& po,
                                               const LoginKeys& officer,
                                               uint64_t born,
                                               bool begins) const {
  ASSIGN_OR_RETURN(const std::optional<Bytes> present,
                   tx.GetValue(space, RoleValue(Role::kCo)));
  if (present.has_value() == begins) {
    return base::Error(CKR_FUNCTION_FAILED,
                       "somebody else made the Crypto Officer meanwhile");
  }
  if (!begins) return absl::OkStatus();
  RETURN_IF_ERROR(
      Vault(&core->store(), space)
          .Begin(tx, Vault::kPrivateKey, officer.ring.private_key.Expose()));
  ASSIGN_OR_RETURN(const HsmView hsm_view, core->Load(tx));
  if (PolicyOr0(hsm_view.policies, hsm_policy::kSoCanResetPin) == 0) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Bytes escrow,
                   SealSecret(po.reset_key.Expose(), LabelOf("escrow", born),
                              officer.ring.private_key.Expose()));
  return core->values().Save(tx, space, kEscrowValue, escrow,
                             &po.ring.trust_key);
}

absl::Status Partition::InitAuditor(const SecretBytes& pin) {
  if (state_->space != kAdminSpace) {
    return NotAllowed("the Auditor is a role of the HSM");
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  if (!view->record.initialized) {
    return base::Error(CKR_USER_PIN_NOT_INITIALIZED,
                       "the HSM must be initialised first");
  }
  RETURN_IF_ERROR(CheckAvailable(*hsm));
  RETURN_IF_ERROR(
      CheckPinLength(Role::kAuditor, state_->space, pin, *hsm, view->policies));
  LoginKeys keys;
  ASSIGN_OR_RETURN(keys.ring.trust_key, base::RandomSecret(base::kAeadKeySize));
  ASSIGN_OR_RETURN(const RoleRecord record,
                   state_->NewRole(Role::kAuditor, pin, keys, view->record.born,
                                   /*must_change=*/false, NewPinCost(*hsm)));
  return state_->core->store().Write(
      state_->space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const PartitionRecord partition,
                         state_->Recheck(tx, view->record.incarnation));
        ASSIGN_OR_RETURN(const std::optional<Bytes> present,
                         tx.GetValue(state_->space, RoleValue(Role::kAuditor)));
        if (present.has_value()) return NotAllowed("there is an Auditor");
        RETURN_IF_ERROR(
            state_->SaveRole(tx, Role::kAuditor, record, keys.ring.trust_key));
        AuditEvent event =
            state_->EventOf(AuditWord::kRoleCreated, partition, std::nullopt);
        event.of = Role::kAuditor;
        return state_->core->audit().Append(tx, std::move(event));
      });
}

absl::Status Partition::ChangePin(Role role, const SecretBytes& old_pin,
                                  const SecretBytes& new_pin) {
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  RETURN_IF_ERROR(
      CheckPinLength(role, state_->space, new_pin, *hsm, view->policies));
  ASSIGN_OR_RETURN(const CheckedPin checked, state_->CheckPin(role, old_pin));
  ASSIGN_OR_RETURN(const RoleRecord record,
                   state_->NewRole(role, new_pin, checked.keys, checked.born,
                                   /*must_change=*/false, NewPinCost(*hsm)));
  RETURN_IF_ERROR(
      state_->SaveRechecked(role, record, checked, /*is_new=*/true));
  for (const auto& login : state_->LiveLogins()) {
    if (login->role == role) login->must_change_pin = false;
  }
  return absl::OkStatus();
}

}  // namespace hsm
