// The one path by which a PIN is tried: derive first, outside every lock; then
// limit, unwrapping and counter in one section.
//
// What makes guessing cost: a wrong PIN is counted and durable before anybody
// learns that it was wrong, and a process that is killed in between has learnt
// nothing. A right PIN commits a record too: where nothing can be written (a
// full disk) the two must not differ, or guessing would be free there. Any
// number of processes may log in at once, none counts as a failure. Checks of
// one process stand in a row (login_mu).
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

uint64_t SecondsNow() {
  return static_cast<uint64_t>(absl::ToUnixSeconds(absl::Now()));
}

absl::Status NotInitialized() {
  return base::Error(CKR_USER_PIN_NOT_INITIALIZED,
                     "the role was not initialised");
}

absl::Status WrongPin() { return base::Error(CKR_PIN_INCORRECT, "wrong PIN"); }

bool IsUser(Role role) { return role != Role::kSo && role != Role::kAuditor; }

// Another PIN, or another initialisation, than the derivation was made for.
bool Changed(const RoleView& seen, const RoleView& now) {
  return seen.signed_role.body != now.signed_role.body ||
         seen.partition.incarnation != now.partition.incarnation;
}

}  // namespace

LockRule LockRuleFor(Role role, SpaceId space, const HsmView& hsm,
                     const PolicyValues& policies) {
  const uint32_t seconds = hsm.firmware->lockout_seconds;
  using Effect = LockRule::Effect;
  if (role == Role::kAuditor) {
    return {kAuditorFailures, Effect::kLock, kAuditorLockoutSeconds};
  }
  if (role != Role::kSo) {
    const uint64_t limit =
        PolicyOr0(policies, partition_policy::kMaxFailedLogins);
    return {static_cast<uint32_t>(limit), Effect::kLock, seconds};
  }
  if (space == kAdminSpace) {
    if (hsm.model->so_failures == 0) {
      return {kSoLockFailures, Effect::kLock, seconds};
    }
    return {hsm.model->so_failures, Effect::kZeroizeHsm, 0};
  }
  // Firmware that locks for a time destroys nothing.
  const bool zeroize = hsm.model->po_failures_zeroize && seconds == 0;
  return {hsm.model->po_failures,
          zeroize ? Effect::kZeroizePartition : Effect::kLock, seconds};
}

bool IsLocked(const LockRule& rule, const FailureRecord& failures) {
  if (failures.count < rule.limit) return false;
  return rule.seconds == 0 || SecondsNow() < failures.last + rule.seconds;
}

absl::Status CheckPinLength(Role role, SpaceId space, const SecretBytes& pin,
                            const HsmView& hsm, const PolicyValues& policies) {
  uint64_t shortest = MinimumPin(*hsm.model, *hsm.firmware);
  uint64_t longest = 255;
  if (IsUser(role) && space != kAdminSpace) {
    shortest = 255 - PolicyOr0(policies, partition_policy::kMinimumPinLength);
    longest = PolicyOr0(policies, partition_policy::kMaximumPinLength);
  }
  if (pin.size() >= shortest && pin.size() <= longest) return absl::OkStatus();
  return base::Error(CKR_PIN_LEN_RANGE,
                     absl::StrCat("a PIN here has ", shortest, " to ", longest,
                                  " characters"));
}

std::string Partition::State_::RoleLabel(Role role, uint64_t born) const {
  // The Auditor outlives initialisations.
  return LabelOf(RoleValue(role), role == Role::kAuditor ? 0 : born);
}

std::string Partition::State_::LabelOf(absl::string_view what,
                                       uint64_t born) const {
  return absl::StrCat("perigee ", what, " 1 ", space, " ", born);
}

absl::StatusOr<RoleView> Partition::State_::LoadRole(Reader& reader,
                                                     Role role) const {
  RoleView now;
  ASSIGN_OR_RETURN(now.hsm, core->Load(reader));
  ASSIGN_OR_RETURN(std::optional<PartitionRecord> partition,
                   LoadPartition(*core, reader, space));
  ASSIGN_OR_RETURN(now.signed_policies,
                   core->values().Load(reader, space, kPartitionPoliciesValue));
  if (!partition.has_value() || !now.signed_policies.has_value()) {
    return base::Error(CKR_DEVICE_REMOVED, "the partition was deleted");
  }
  now.partition = *std::move(partition);
  ASSIGN_OR_RETURN(
      const PolicyRecord policies,
      wire::Decode<PolicyRecord>(now.signed_policies->body, "policies"));
  now.policies = policies.Values();
  ASSIGN_OR_RETURN(std::optional<SignedValue> signed_role,
                   core->values().Load(reader, space, RoleValue(role)));
  if (!signed_role.has_value()) return NotInitialized();
  now.signed_role = *std::move(signed_role);
  ASSIGN_OR_RETURN(
      now.role, wire::Decode<RoleRecord>(now.signed_role.body, "role record"));
  ASSIGN_OR_RETURN(
      std::optional<FailureRecord> failures,
      core->values().LoadAs<FailureRecord>(reader, space, FailuresValue(role)));
  now.failures = failures.value_or(FailureRecord());
  if (role == Role::kCu || role == Role::kLco) {
    ASSIGN_OR_RETURN(const std::optional<FailureRecord> officer,
                     core->values().LoadAs<FailureRecord>(
                         reader, space, FailuresValue(Role::kCo)));
    now.officer_locked =
        officer.has_value() &&
        IsLocked(LockRuleFor(Role::kCo, space, now.hsm, now.policies),
                 *officer);
  }
  return now;
}

absl::Status Partition::State_::RefuseWhenLocked(Role role,
                                                 const RoleView& view) const {
  const LockRule rule = LockRuleFor(role, space, view.hsm, view.policies);
  if (!IsLocked(rule, view.failures) && !view.officer_locked) {
    return absl::OkStatus();
  }
  if (role == Role::kAuditor) {
    return base::Error(CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS,
                       "too many wrong PINs");
  }
  return base::Error(CKR_PIN_LOCKED, "too many wrong PINs");
}

AuditEvent Partition::State_::Refusal(Role role, const RoleView& view,
                                      const absl::Status& refused) const {
  AuditEvent event = EventOf(AuditWord::kLoginRefused, view.partition, role);
  event.result = base::CkRv(refused);
  return event;
}

absl::StatusOr<CheckedPin> Partition::State_::CheckPin(Role role,
                                                       const SecretBytes& pin) {
  // Only somebody who changes the PIN all the time makes this go round.
  for (int round = 0; round < 4; ++round) {
    RoleView seen;
    RETURN_IF_ERROR(
        Noted(core->store().Read([&](Reader& reader) -> absl::Status {
          ASSIGN_OR_RETURN(seen, LoadRole(reader, role));
          return absl::OkStatus();
        })));
    // The one that may change it logs in.
    if (role != Role::kSo || space != kAdminSpace) {
      RETURN_IF_ERROR(CheckAvailable(seen.hsm));
    }
    if (absl::Status refused = RefuseWhenLocked(role, seen); !refused.ok()) {
      // It is refused anyhow.
      core->audit().Note(Refusal(role, seen, refused)).IgnoreError();
      return refused;
    }
    ASSIGN_OR_RETURN(const SecretBytes kek,
                     DeriveFromPin(seen.role.kdf, pin.Expose()));
    absl::StatusOr<std::optional<CheckedPin>> decided = Decide(role, seen, kek);
    if (!decided.ok()) return Noted(decided.status());
    std::optional<CheckedPin>& checked = *decided;
    if (checked.has_value()) return *std::move(checked);
  }
  return base::Error(CKR_FUNCTION_FAILED, "the PIN was changed meanwhile");
}

absl::StatusOr<std::optional<CheckedPin>> Partition::State_::Unwrap(
    Role role, const RoleView& view, const SecretBytes& kek) const {
  absl::StatusOr<SecretBytes> opened = OpenSecret(
      kek.Expose(), RoleLabel(role, view.partition.born), view.role.sealed);
  if (!opened.ok()) {
    if (base::CkRv(opened.status()) != CKR_DEVICE_ERROR) {
      return opened.status();
    }
    return std::optional<CheckedPin>();
  }
  CheckedPin checked;
  ASSIGN_OR_RETURN(checked.keys,
                   wire::Decode<LoginKeys>(opened->Expose(), "keys of a role"));
  const SecretBytes& trust = checked.keys.ring.trust_key;
  RETURN_IF_ERROR(SignedValues::CheckTrust(trust, space, RoleValue(role),
                                           view.signed_role));
  // The Auditor is not under the SO's K_trust.
  if (role != Role::kAuditor) {
    RETURN_IF_ERROR(SignedValues::CheckTrust(
        trust, space, kPartitionPoliciesValue, *view.signed_policies));
  }
  checked.role_body = view.signed_role.body;
  checked.incarnation = view.partition.incarnation;
  checked.born = view.partition.born;
  checked.must_change_pin = view.role.must_change_pin;
  checked.kdf = view.role.kdf;
  return std::optional<CheckedPin>(std::move(checked));
}

absl::StatusOr<std::optional<CheckedPin>> Partition::State_::Decide(
    Role role, const RoleView& seen, const SecretBytes& kek) {
  // Inside a joined transaction everybody else waits already.
  absl::MutexLockMaybe lock(core->store().InWrite() ? nullptr : &login_mu);
  RoleView now;
  RETURN_IF_ERROR(core->store().Read([&](Reader& reader) -> absl::Status {
    RETURN_IF_ERROR(core->audit().CheckSeals(reader, space));
    ASSIGN_OR_RETURN(now, LoadRole(reader, role));
    return absl::OkStatus();
  }));
  if (Changed(seen, now)) return std::optional<CheckedPin>();
  RETURN_IF_ERROR(RefuseWhenLocked(role, now));
  ASSIGN_OR_RETURN(std::optional<CheckedPin> checked, Unwrap(role, now, kek));
  if (!core->store().writable()) {
    // Media that cannot count; decided, and said in the token's flags.
    if (!checked.has_value()) return WrongPin();
    return checked;
  }

  bool changed = false, destroyed = false;
  absl::Status refused;
  RETURN_IF_ERROR(
      core->store().WriteFreeing(space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const RoleView here, LoadRole(tx, role));
        changed = Changed(seen, here);
        if (changed) return absl::OkStatus();
        refused = RefuseWhenLocked(role, here);
        if (!refused.ok()) {
          return core->audit().Append(tx, Refusal(role, here, refused));
        }
        if (checked.has_value()) {
          FailureRecord none;
          none.last = SecondsNow();
          RETURN_IF_ERROR(
              core->values().SaveAs(tx, space, FailuresValue(role), none));
          return Audit(tx, AuditWord::kLogin, here.partition, role);
        }
        ASSIGN_OR_RETURN(destroyed, CountFailure(tx, role, here));
        return absl::OkStatus();
      }));
  if (changed) return std::optional<CheckedPin>();
  RETURN_IF_ERROR(refused);
  if (checked.has_value()) return checked;
  if (destroyed) {
    RetireAllEverywhere();
    return base::ErrorWithReason(CKR_PIN_INCORRECT, "zeroized",
                                 "wrong PIN, once too often: zeroized");
  }
  return WrongPin();
}

absl::StatusOr<bool> Partition::State_::CountFailure(
    Transaction& tx, Role role, const RoleView& view) const {
  const LockRule rule = LockRuleFor(role, space, view.hsm, view.policies);
  FailureRecord failures = view.failures;
  // A lock that has run out begins a new count.
  if (failures.count >= rule.limit) failures.count = 0;
  ++failures.count;
  failures.last = SecondsNow();
  AuditEvent event = EventOf(AuditWord::kLogin, view.partition, role);
  event.result = CKR_PIN_INCORRECT;
  event.With(AuditNumber::kAttemptsLeft,
             rule.limit - std::min(rule.limit, failures.count));
  RETURN_IF_ERROR(core->audit().Append(tx, std::move(event)));
  if (failures.count >= rule.limit && rule.effect != LockRule::Effect::kLock) {
    const bool whole = rule.effect == LockRule::Effect::kZeroizeHsm;
    RETURN_IF_ERROR(whole ? ZeroizeHsm(*core, tx)
                          : ZeroizePartition(*core, tx, space));
    RETURN_IF_ERROR(Audit(
        tx, whole ? AuditWord::kHsmZeroized : AuditWord::kPartitionZeroized,
        view.partition, role));
    return true;
  }
  RETURN_IF_ERROR(
      core->values().SaveAs(tx, space, FailuresValue(role), failures));
  if (space == kAdminSpace && role == Role::kSo &&
      view.hsm.condition.transport) {
    // Whoever gets the HSM sees that somebody tried.
    Condition condition = view.hsm.condition;
    ++condition.failures;
    RETURN_IF_ERROR(
        core->values().SaveAs(tx, kAdminSpace, kConditionValue, condition));
  }
  if (failures.count >= rule.limit) {
    RETURN_IF_ERROR(Audit(tx, AuditWord::kRoleLocked, view.partition, role));
  }
  return false;
}

}  // namespace hsm
