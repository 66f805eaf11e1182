// Policies of a partition, and what they say of cloning an object out.
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/partition_state.h"

namespace hsm {

namespace {

// What was stored, with defaults for what the firmware has learnt since.
PolicyValues PoliciesUnder(const HsmView& hsm, const PolicyValues& stored) {
  return CompletePolicies(PartitionPolicyDefaults(*hsm.model, *hsm.firmware),
                          stored);
}

}  // namespace

absl::StatusOr<PolicyValues> Partition::Policies() {
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> view, state_->View());
  if (state_->space == kAdminSpace) return PolicyValues();
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  return PoliciesUnder(*hsm, view->policies);
}

absl::StatusOr<uint64_t> Partition::Policy(uint32_t number) {
  ASSIGN_OR_RETURN(const PolicyValues policies, Policies());
  return PolicyOr0(policies, number);
}

absl::StatusOr<PolicyValues> Partition::Capabilities() {
  if (state_->space == kAdminSpace) return PolicyValues();
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm, state_->core->View());
  return PartitionCapabilities(*hsm->model, *hsm->firmware);
}

absl::Status Partition::SetPolicies(const Login& by,
                                    const PolicyValues& changes,
                                    bool allow_destructive) {
  ASSIGN_OR_RETURN(const auto po, state_->Require(by, {Role::kSo}));
  ASSIGN_OR_RETURN(const PolicyValues capabilities, Capabilities());
  const SecretBytes& trust_key = po->ring.trust_key;
  HsmCore& core = *state_->core;
  const SpaceId space = state_->space;
  uint64_t incarnation = by.state_->incarnation;
  bool destroyed = false;

  RETURN_IF_ERROR(
      core.store().Write(space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(PartitionRecord record,
                         state_->Recheck(tx, incarnation));
        ASSIGN_OR_RETURN(const auto now, state_->Load(tx));
        RETURN_IF_ERROR(SignedValues::CheckTrust(
            trust_key, space, kPartitionPoliciesValue, *now->signed_policies));
        ASSIGN_OR_RETURN(const HsmView hsm, core.Load(tx));
        ASSIGN_OR_RETURN(
            const PolicyChange change,
            ApplyPolicies(PartitionPolicyRules(), capabilities,
                          PoliciesUnder(hsm, now->policies), changes));
        RETURN_IF_ERROR(CheckPartitionDependencies(
            change.values, hsm.policies, hsm.model->exclusive_export));
        if (change.destructive && !allow_destructive) {
          return base::Error(LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE,
                             "this change destroys the partition's objects");
        }
        if (change.destructive) {
          destroyed = true;
          RETURN_IF_ERROR(EmptySpace(tx, space, Keep::kOwner));
          incarnation = ++record.incarnation;
          ASSIGN_OR_RETURN(const SecretBytes public_key,
                           NewPublicKey(core, space, record));
          RETURN_IF_ERROR(SavePartition(core, tx, space, record));
          RETURN_IF_ERROR(
              Vault(&core.store(), space)
                  .Begin(tx, Vault::kPublicKey, public_key.Expose()));
        }
        RETURN_IF_ERROR(
            SavePartitionPolicies(core, tx, space, change.values, &trust_key));
        for (const auto& [number, value] : changes) {
          AuditEvent event =
              state_->EventOf(AuditWord::kPartitionPolicy, record, by.role());
          event.With(AuditNumber::kPolicy, number)
              .With(AuditNumber::kValue, value);
          RETURN_IF_ERROR(core.audit().Append(tx, std::move(event)));
        }
        return absl::OkStatus();
      }));
  if (destroyed) {
    state_->RetireAllEverywhere();
    RETURN_IF_ERROR(state_->Follow(*by.state_, incarnation));
  }
  return absl::OkStatus();
}

absl::Status Partition::State_::Follow(Login::State& login,
                                       uint64_t incarnation) {
  ASSIGN_OR_RETURN(const auto now, View());
  if (now->record.incarnation == incarnation && now->public_keys != nullptr) {
    login.Follow(incarnation, now->public_keys->ring.public_key);
  }
  return absl::OkStatus();
}

void Login::State::Follow(uint64_t now, const SecretBytes& public_key) {
  absl::MutexLock lock(&mu);
  if (keys_ == nullptr) return;
  auto keys = std::make_shared<LoginKeys>();
  keys->ring = keys_->ring.Clone();
  keys->ring.public_key = public_key.Clone();
  keys->reset_key = keys_->reset_key.Clone();
  keys_ = std::move(keys);
  incarnation = now;
}

absl::Status Partition::State_::CheckLeave(const LeaveRule& rule,
                                           const AttributeSet& attributes) {
  std::optional<uint32_t> policy;
  switch (attributes.object_class()) {
    case CKO_PRIVATE_KEY:
      policy = rule.private_keys;
      break;
    case CKO_SECRET_KEY:
      policy = rule.secret_keys;
      break;
    case kSmkClass:  // no object of the partition: the HSM's policy alone
      break;
    default:
      return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const PartitionView> now, View());
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> hsm_now, core->View());
  const auto refuse = [&](absl::string_view what) {
    return base::ErrorWithReason(
        LUNA_RET_OPERATION_RESTRICTED, rule.reason,
        absl::StrCat(what, " does not allow this key to be ", rule.what));
  };
  if (PolicyOr0(hsm_now->policies, rule.of_hsm) == 0) {
    return refuse(absl::StrCat("HSM policy ", rule.of_hsm));
  }
  if (policy.has_value() && PolicyOr0(now->policies, *policy) == 0) {
    return refuse(absl::StrCat("partition policy ", *policy));
  }
  return absl::OkStatus();
}

absl::Status Partition::CheckExport(const AttributeSet& attributes) {
  static constexpr LeaveRule kCloned = {
      hsm_policy::kCloning, partition_policy::kPrivateKeyCloning,
      partition_policy::kSecretKeyCloning, "cloning-policy", "cloned"};
  return state_->CheckLeave(kCloned, attributes);
}

absl::Status Partition::CheckSks(const AttributeSet& attributes) {
  static constexpr LeaveRule kSealed = {
      hsm_policy::kMasking, partition_policy::kPrivateKeyMasking,
      partition_policy::kSecretKeyMasking, "sks-policy", "in an SKS blob"};
  return state_->CheckLeave(kSealed, attributes);
}

}  // namespace hsm
