#include "hsm/hsm_core.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"

namespace hsm {

PolicyRecord PolicyRecord::Of(const PolicyValues& values) {
  PolicyRecord record;
  for (const auto& [number, value] : values) {
    record.rows.push_back({number, value});
  }
  return record;
}

PolicyValues PolicyRecord::Values() const {
  PolicyValues values;
  for (const Row& row : rows) values[row.number] = row.value;
  return values;
}

bool IsApproved(const HsmView& view) {
  if (view.record.kind == Kind::kBackup) {
    return PolicyOr0(view.policies, hsm_policy::kRestrictedRestore) == 1;
  }
  return PolicyOr0(view.policies, hsm_policy::kNonFipsAlgorithms) == 0;
}

KdfCost NewPinCost(const HsmView& view) {
  if (view.record.kdf_cost == KdfCost::kTest) return KdfCost::kTest;
  return IsApproved(view) ? KdfCost::kApproved : view.record.kdf_cost;
}

namespace {

std::string ValueLabel(SpaceId space, absl::string_view name) {
  return absl::StrCat("perigee value 1 ", space, " ", name);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HsmCore>> HsmCore::New(
    std::unique_ptr<Store> store, const SecretBytes& storage_key) {
  if (storage_key.size() != kStorageKeySize) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       "storage.key does not have 32 bytes");
  }
  const auto derive = [&](absl::string_view use) {
    return base::HkdfSha256(storage_key.Expose(), store->store_id(),
                            base::AsBytes(use), kStorageKeySize);
  };
  ASSIGN_OR_RETURN(SecretBytes mac_key, derive("perigee value mac v1"));
  ASSIGN_OR_RETURN(SecretBytes wrap_key, derive("perigee key wrap v1"));
  ASSIGN_OR_RETURN(SecretBytes value_key, derive("perigee value seal v1"));
  ASSIGN_OR_RETURN(SecretBytes audit_key, derive("perigee audit v1"));
  return std::unique_ptr<HsmCore>(
      new HsmCore(std::move(store), std::move(mac_key), std::move(wrap_key),
                  std::move(value_key), std::move(audit_key)));
}

HsmCore::HsmCore(std::unique_ptr<Store> store, SecretBytes mac_key,
                 SecretBytes wrap_key, SecretBytes value_key,
                 SecretBytes audit_key)
    : store_(std::move(store)),
      values_(std::move(mac_key)),
      wrap_key_(std::move(wrap_key)),
      value_key_(std::move(value_key)),
      audit_(std::make_unique<AuditLog>(this, std::move(audit_key))) {
  store_.SetGuard(audit_.get(), AuditLog::IsLookedAfter);
}

absl::StatusOr<Bytes> HsmCore::SealValue(SpaceId space, absl::string_view name,
                                         ByteSpan value) const {
  return SealSecret(value_key_.Expose(), ValueLabel(space, name), value);
}

absl::StatusOr<SecretBytes> HsmCore::OpenValue(SpaceId space,
                                               absl::string_view name,
                                               ByteSpan sealed) const {
  return OpenSecret(value_key_.Expose(), ValueLabel(space, name), sealed);
}

absl::StatusOr<HsmView> HsmCore::Load(Reader& reader) const {
  ASSIGN_OR_RETURN(std::optional<HsmRecord> record,
                   values_.LoadAs<HsmRecord>(reader, kAdminSpace, kHsmValue));
  ASSIGN_OR_RETURN(
      std::optional<PolicyRecord> policies,
      values_.LoadAs<PolicyRecord>(reader, kAdminSpace, kPoliciesValue));
  if (!record.has_value() || !policies.has_value()) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED, "the store holds no HSM");
  }
  ASSIGN_OR_RETURN(
      const std::optional<Condition> condition,
      values_.LoadAs<Condition>(reader, kAdminSpace, kConditionValue));
  HsmView view;
  view.record = *std::move(record);
  view.condition = condition.value_or(Condition());
  view.model = FindModel(view.record.model);
  view.firmware = FindFirmware(view.record.kind, view.record.firmware);
  if (view.record.format != kRecordFormat || view.model == nullptr ||
      view.firmware == nullptr) {
    return base::Error(
        CKR_TOKEN_NOT_RECOGNIZED,
        absl::StrCat("this release does not know HSM format ",
                     view.record.format, ", model ", view.record.model,
                     ", firmware ", view.record.firmware.ToString()));
  }
  view.policies = CompletePolicies(
      HsmPolicyDefaults(*view.model, *view.firmware), policies->Values());
  return view;
}

absl::Status HsmCore::CheckAvailableNow() {
  ASSIGN_OR_RETURN(const std::shared_ptr<const HsmView> view, View());
  return CheckAvailable(*view);
}

absl::Status HsmCore::Save(Transaction& tx, const HsmRecord& record) const {
  return values_.SaveAs(tx, kAdminSpace, kHsmValue, record);
}

absl::Status HsmCore::SavePolicies(Transaction& tx,
                                   const PolicyValues& policies) const {
  return values_.SaveAs(tx, kAdminSpace, kPoliciesValue,
                        PolicyRecord::Of(policies));
}

absl::StatusOr<std::shared_ptr<const HsmView>> HsmCore::View() {
  const uint64_t now = store_.ValuesGeneration(kAdminSpace);
  if (now != kBusyGeneration) {
    absl::MutexLock lock(&mu_);
    if (now == generation_) return view_;
    if (view_ != nullptr &&
        store_.OnlyRecordsChanged(kAdminSpace, generation_, now)) {
      generation_ = now;
      return view_;
    }
  }
  auto fresh = std::make_shared<HsmView>();
  uint64_t read_at = kBusyGeneration;
  RETURN_IF_ERROR(store_.Read([&](Reader& reader) -> absl::Status {
    read_at = reader.Generation(kAdminSpace);
    ASSIGN_OR_RETURN(*fresh, Load(reader));
    return absl::OkStatus();
  }));
  if (read_at != kBusyGeneration) {
    absl::MutexLock lock(&mu_);
    generation_ = read_at;
    view_ = fresh;
  }
  return std::shared_ptr<const HsmView>(std::move(fresh));
}

}  // namespace hsm
