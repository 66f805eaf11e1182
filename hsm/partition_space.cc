// A partition as it stands in the store: its values, and what becomes of them
// inside a transaction.
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "hsm/partition_state.h"

namespace hsm {
namespace {

std::string PublicKeyLabel(SpaceId space, uint64_t incarnation) {
  return absl::StrCat("perigee public key 1 ", space, " ", incarnation);
}

bool Stays(absl::string_view name, SpaceId space, Keep keep) {
  if (name == kPartitionValue || name == kPartitionPoliciesValue) return true;
  if (space == kAdminSpace &&
      (name == kHsmValue || name == kAuditValue || name == kIdentityValue ||
       name == kPoliciesValue || name == kConditionValue ||
       name == kClockValue || name == RoleValue(Role::kAuditor) ||
       name == FailuresValue(Role::kAuditor) ||
       absl::StartsWith(name, kSlotPrefix) ||
       absl::StartsWith(name, kSealedPrefix))) {
    return true;
  }
  switch (keep) {
    case Keep::kNothingOfRoles:
      return false;
    case Keep::kOwner:
      return name == kDomainValue || name == kSuitesOffValue ||
             name == RoleValue(Role::kSo) || name == FailuresValue(Role::kSo);
    case Keep::kEverything:
      return name == kDomainValue || name == kLegacyDomainValue ||
             name == kSuitesOffValue || name == kSmkValue ||
             name == kEscrowValue || absl::StartsWith(name, kRolePrefix) ||
             absl::StartsWith(name, kSealedPrefix);
  }
  return false;
}

}  // namespace

std::string RoleValue(Role role) {
  return absl::StrCat(kRolePrefix, static_cast<int>(role));
}

std::string FailuresValue(Role role) {
  return absl::StrCat(RoleValue(role), kFailuresSuffix);
}

absl::StatusOr<std::optional<PartitionRecord>> LoadPartition(
    const HsmCore& core, Reader& reader, SpaceId space) {
  ASSIGN_OR_RETURN(
      std::optional<PartitionRecord> record,
      core.values().LoadAs<PartitionRecord>(reader, space, kPartitionValue));
  if (record.has_value() && record->format != kRecordFormat) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       absl::StrCat("this release does not know partition "
                                    "format ",
                                    record->format));
  }
  return record;
}

absl::Status SavePartition(const HsmCore& core, Transaction& tx, SpaceId space,
                           const PartitionRecord& record) {
  return core.values().SaveAs(tx, space, kPartitionValue, record);
}

absl::Status SavePartitionPolicies(const HsmCore& core, Transaction& tx,
                                   SpaceId space, const PolicyValues& policies,
                                   const SecretBytes* trust_key) {
  return core.values().SaveAs(tx, space, kPartitionPoliciesValue,
                              PolicyRecord::Of(policies), trust_key);
}

absl::StatusOr<SecretBytes> NewPublicKey(const HsmCore& core, SpaceId space,
                                         PartitionRecord& record) {
  ASSIGN_OR_RETURN(SecretBytes key, base::RandomSecret(base::kAeadKeySize));
  ASSIGN_OR_RETURN(
      record.wrapped_public,
      SealSecret(core.wrap_key().Expose(),
                 PublicKeyLabel(space, record.incarnation), key.Expose()));
  return key;
}

absl::StatusOr<SecretBytes> OpenPublicKey(const HsmCore& core, SpaceId space,
                                          const PartitionRecord& record) {
  return OpenSecret(core.wrap_key().Expose(),
                    PublicKeyLabel(space, record.incarnation),
                    record.wrapped_public);
}

absl::Status EmptySpace(Transaction& tx, SpaceId space, Keep keep) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   tx.ListValues(space, ""));
  std::map<std::string, Bytes> kept;
  for (const std::string& name : names) {
    if (!Stays(name, space, keep)) continue;
    ASSIGN_OR_RETURN(std::optional<Bytes> value, tx.GetValue(space, name));
    if (value.has_value()) kept[name] = *std::move(value);
  }
  RETURN_IF_ERROR(tx.DropSpace(space));
  for (const auto& [name, value] : kept) {
    RETURN_IF_ERROR(tx.PutValue(space, name, value));
  }
  return absl::OkStatus();
}

absl::Status ZeroizePartition(const HsmCore& core, Transaction& tx,
                              SpaceId space) {
  ASSIGN_OR_RETURN(std::optional<PartitionRecord> record,
                   LoadPartition(core, tx, space));
  if (!record.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(EmptySpace(tx, space, Keep::kNothingOfRoles));
  ++record->incarnation;
  record->initialized = false;
  record->zeroized = true;
  record->has_domain = false;
  record->wrapped_public.clear();
  return SavePartition(core, tx, space, *record);
}

absl::Status ZeroizeHsm(const HsmCore& core, Transaction& tx) {
  ASSIGN_OR_RETURN(HsmView view, core.Load(tx));
  for (SpaceId space : view.record.spaces) {
    RETURN_IF_ERROR(tx.DropSpace(space));
  }
  view.record.spaces.clear();
  RETURN_IF_ERROR(core.Save(tx, view.record));
  return ZeroizePartition(core, tx, kAdminSpace);
}

absl::StatusOr<uint64_t> ReservedBytes(const HsmCore& core, Reader& reader,
                                       const HsmRecord& hsm) {
  uint64_t sum = 0;
  for (SpaceId space : hsm.spaces) {
    ASSIGN_OR_RETURN(std::optional<PartitionRecord> record,
                     LoadPartition(core, reader, space));
    if (!record.has_value()) continue;
    uint64_t bytes = record->capacity;
    if (bytes == 0) {
      ASSIGN_OR_RETURN(const SpaceUsage usage, reader.Usage(space));
      bytes = usage.bytes;
    }
    sum += bytes + kPartitionOverhead;
  }
  return sum;
}

}  // namespace hsm
