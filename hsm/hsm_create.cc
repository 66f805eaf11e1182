// Making an HSM: its record, identity and first partitions.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "hsm/durable_files.h"
#include "hsm/hsm_state.h"
#include "hsm/sqlite_store.h"

namespace hsm {
namespace {

constexpr char kStorageKeyFile[] = "storage.key";
constexpr char kDeviceKeyLabel[] = "perigee device key 1";
constexpr int kHsmSerialDigits = 7, kPartitionSerialDigits = 6;

// `count` random decimal digits; the first one is not 0.
absl::StatusOr<std::string> RandomDigits(int count) {
  std::string digits;
  while (digits.size() < static_cast<size_t>(count)) {
    ASSIGN_OR_RETURN(const Bytes random, base::RandomBytes(16));
    for (uint8_t byte : random) {
      if (byte >= 250) continue;  // the rest falls evenly on ten digits
      if (digits.empty() && byte % 10 == 0) continue;
      digits += static_cast<char>('0' + byte % 10);
      if (digits.size() == static_cast<size_t>(count)) break;
    }
  }
  return digits;
}

SecretBytes TestStorageKey() {
  return SecretBytes(base::WipedVector(kStorageKeySize, 0x5a));
}

absl::Status BadSpec(absl::string_view why) {
  return base::Error(CKR_ARGUMENTS_BAD, why);
}

absl::StatusOr<HsmView> ViewOf(const HsmSpec& spec) {
  HsmView view;
  view.model = FindModel(spec.model);
  if (view.model == nullptr || view.model->kind != spec.kind) {
    return BadSpec(absl::StrCat("there is no model '", spec.model,
                                "' of this kind of HSM"));
  }
  const FirmwareVersion version = spec.firmware == FirmwareVersion{}
                                      ? view.model->default_firmware
                                      : spec.firmware;
  view.firmware = FindFirmware(spec.kind, version);
  if (view.firmware == nullptr) {
    return BadSpec(absl::StrCat("there is no firmware ", version.ToString(),
                                " of this kind of HSM"));
  }
  view.policies = HsmPolicyDefaults(*view.model, *view.firmware);
  if (spec.fm == FmState::kEnabledOnce) {
    auto fm = view.policies.find(hsm_policy::kFunctionalityModules);
    if (fm == view.policies.end()) {
      return BadSpec("this firmware has no functionality modules");
    }
    fm->second = 1;
  }
  HsmRecord& record = view.record;
  record.name = spec.name;
  record.model = spec.model;
  record.kind = spec.kind;
  record.firmware = version;
  record.storage_bytes =
      spec.storage_bytes != 0 ? spec.storage_bytes : view.model->storage_bytes;
  record.fm = spec.fm;
  record.attached_to_appliance = spec.attached_to_appliance;
  record.kdf_cost = spec.kdf_cost;
  ASSIGN_OR_RETURN(record.serial, RandomDigits(kHsmSerialDigits));
  return view;
}

absl::StatusOr<IdentityRecord> NewIdentity(const HsmCore& core,
                                           const HsmRecord& hsm,
                                           const Fleet& fleet) {
  ASSIGN_OR_RETURN(const base::P384Key key, base::P384Key::Generate());
  ASSIGN_OR_RETURN(const SecretBytes der, key.PrivateDer());
  ASSIGN_OR_RETURN(
      const base::Certificate certificate,
      fleet.Issue(
          {.serial = hsm.serial,
           .model = hsm.model,
           .kind = hsm.kind == Kind::kBackup ? "backup" : "application"},
          key.public_point()));
  IdentityRecord record;
  ASSIGN_OR_RETURN(
      record.sealed_key,
      SealSecret(core.wrap_key().Expose(), kDeviceKeyLabel, der.Expose()));
  record.certificate = certificate.der();
  record.roots.push_back(fleet.root().der());
  return record;
}

absl::StatusOr<PartitionRecord> NewPartitionRecord(std::string label,
                                                   std::string serial) {
  PartitionRecord record;
  RETURN_IF_ERROR(base::FillRandom(absl::MakeSpan(record.id)));
  record.label = std::move(label);
  record.serial = std::move(serial);
  return record;
}

// Refuses what would clash with the partitions that are there, and finds a
// serial number that none has.
absl::StatusOr<std::string> NewPartitionSerial(const HsmCore& core,
                                               Reader& reader,
                                               const HsmRecord& hsm,
                                               const std::string& label) {
  std::vector<std::string> taken;
  for (SpaceId space : hsm.spaces) {
    ASSIGN_OR_RETURN(const std::optional<PartitionRecord> other,
                     LoadPartition(core, reader, space));
    if (!other.has_value()) continue;
    if (!label.empty() && other->label == label) {
      return base::Error(
          CKR_OBJECT_ALREADY_EXISTS,
          absl::StrCat("there is a partition with label '", label, "'"));
    }
    taken.push_back(other->serial);
  }
  for (;;) {
    ASSIGN_OR_RETURN(const std::string digits,
                     RandomDigits(kPartitionSerialDigits));
    std::string serial = absl::StrCat(hsm.serial, digits);
    if (std::find(taken.begin(), taken.end(), serial) == taken.end()) {
      return serial;
    }
  }
}

absl::StatusOr<PolicyValues> PoliciesOf(const HsmView& view,
                                        const PartitionSpec& spec) {
  PolicyValues changes = spec.policies;
  if (spec.version != 0) {
    changes[partition_policy::kPartitionVersion] = spec.version;
  }
  absl::StatusOr<PolicyChange> change = ApplyPolicies(
      PartitionPolicyRules(),
      PartitionCapabilities(*view.model, *view.firmware),
      PartitionPolicyDefaults(*view.model, *view.firmware), changes);
  if (!change.ok()) return BadSpec(change.status().message());
  RETURN_IF_ERROR(CheckPartitionDependencies(change->values, view.policies,
                                             view.model->exclusive_export));
  return std::move(change->values);
}

// The error with the path where it was found, unless it names it.
absl::Status At(const std::string& path, const absl::Status& status) {
  if (absl::StrContains(status.message(), path)) return status;
  const std::string message = absl::StrCat(path, ": ", status.message());
  const std::string reason = base::Reason(status);
  return reason.empty()
             ? base::Error(base::CkRv(status), message)
             : base::ErrorWithReason(base::CkRv(status), reason, message);
}

}  // namespace

absl::StatusOr<IdentityRecord> LoadIdentity(const HsmCore& core,
                                            Reader& reader) {
  ASSIGN_OR_RETURN(std::optional<IdentityRecord> record,
                   core.values().LoadAs<IdentityRecord>(reader, kAdminSpace,
                                                        kIdentityValue));
  if (!record.has_value() || record->format != kRecordFormat) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       "the store holds no identity that this release knows");
  }
  return *std::move(record);
}

absl::StatusOr<std::shared_ptr<const base::Identity>> OpenIdentity(
    const HsmCore& core, const IdentityRecord& record) {
  ASSIGN_OR_RETURN(
      const SecretBytes der,
      OpenSecret(core.wrap_key().Expose(), kDeviceKeyLabel, record.sealed_key));
  ASSIGN_OR_RETURN(base::P384Key key,
                   base::P384Key::FromPrivateDer(der.Expose()));
  ASSIGN_OR_RETURN(base::Certificate certificate,
                   base::Certificate::Parse(record.certificate));
  std::vector<base::Certificate> roots;
  for (const Bytes& root : record.roots) {
    ASSIGN_OR_RETURN(base::Certificate parsed, base::Certificate::Parse(root));
    roots.push_back(std::move(parsed));
  }
  return std::make_shared<const base::Identity>(
      base::Identity{std::move(key), std::move(certificate), std::move(roots)});
}

absl::StatusOr<SpaceId> AddPartition(const HsmCore& core, Transaction& tx,
                                     HsmView& view, const PartitionSpec& spec,
                                     std::optional<Role> by) {
  HsmRecord& hsm = view.record;
  if (hsm.spaces.size() >=
      PolicyOr0(view.policies, hsm_policy::kMaximumPartitions)) {
    return base::Error(CKR_TOO_MANY_CONTAINERS,
                       "no more partitions are allowed");
  }
  ASSIGN_OR_RETURN(std::string serial,
                   NewPartitionSerial(core, tx, hsm, spec.label));
  ASSIGN_OR_RETURN(const PolicyValues policies, PoliciesOf(view, spec));
  if (hsm.storage_bytes != 0) {
    ASSIGN_OR_RETURN(const uint64_t reserved, ReservedBytes(core, tx, hsm));
    const uint64_t free =
        hsm.storage_bytes - std::min(reserved, hsm.storage_bytes);
    if (free < kPartitionOverhead ||
        spec.capacity > free - kPartitionOverhead) {
      return base::Error(CKR_HSM_STORAGE_FULL,
                         "the HSM has no room for this partition");
    }
  }
  const SpaceId space = hsm.next_space++;
  hsm.spaces.push_back(space);
  ASSIGN_OR_RETURN(PartitionRecord record,
                   NewPartitionRecord(spec.label, std::move(serial)));
  record.capacity = spec.capacity;
  RETURN_IF_ERROR(SavePartition(core, tx, space, record));
  RETURN_IF_ERROR(SavePartitionPolicies(core, tx, space, policies, nullptr));
  RETURN_IF_ERROR(core.Save(tx, hsm));
  AuditEvent event{.word = AuditWord::kPartitionCreated,
                   .space = space,
                   .partition = record.serial,
                   .role = by};
  event.With(AuditNumber::kCapacity, record.capacity);
  RETURN_IF_ERROR(core.audit().Append(tx, std::move(event)));
  return space;
}

absl::Status Populate(HsmCore& core, const HsmSpec& spec, const Fleet& fleet) {
  ASSIGN_OR_RETURN(HsmView view, ViewOf(spec));
  ASSIGN_OR_RETURN(const IdentityRecord identity,
                   NewIdentity(core, view.record, fleet));
  ASSIGN_OR_RETURN(const PartitionRecord admin,
                   NewPartitionRecord("", view.record.serial));
  return core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(
        core.values().SaveAs(tx, kAdminSpace, kIdentityValue, identity));
    RETURN_IF_ERROR(core.SavePolicies(tx, view.policies));
    RETURN_IF_ERROR(SavePartition(core, tx, kAdminSpace, admin));
    RETURN_IF_ERROR(
        SavePartitionPolicies(core, tx, kAdminSpace, PolicyValues(), nullptr));
    RETURN_IF_ERROR(core.Save(tx, view.record));
    RETURN_IF_ERROR(core.audit().Append(tx, {.word = AuditWord::kHsmCreated}));
    for (const PartitionSpec& partition : spec.partitions) {
      RETURN_IF_ERROR(
          AddPartition(core, tx, view, partition, std::nullopt).status());
    }
    return absl::OkStatus();
  });
}

absl::Status Hsm::Create(const HsmSpec& spec, const std::string& directory,
                         const Fleet& fleet) {
  return MakeDirectoryAtomically(
             directory,
             [&](const std::string& temporary) -> absl::Status {
               ASSIGN_OR_RETURN(const SecretBytes storage_key,
                                base::RandomSecret(kStorageKeySize));
               RETURN_IF_ERROR(
                   WriteNewFile(absl::StrCat(temporary, "/", kStorageKeyFile),
                                storage_key.Expose(), 0600));
               RETURN_IF_ERROR(CreateSqliteStore(temporary));
               ASSIGN_OR_RETURN(std::unique_ptr<Store> store,
                                OpenSqliteStore(temporary));
               ASSIGN_OR_RETURN(const std::unique_ptr<HsmCore> core,
                                HsmCore::New(std::move(store), storage_key));
               return Populate(*core, spec, fleet);
             })
      .status();
}

absl::StatusOr<std::unique_ptr<Hsm>> Hsm::Open(const std::string& directory) {
  const std::string key_path = absl::StrCat(directory, "/", kStorageKeyFile);
  ASSIGN_OR_RETURN(const SecretBytes storage_key,
                   ReadKeyFile(key_path, kStorageKeySize));
  ASSIGN_OR_RETURN(std::unique_ptr<Store> store, OpenSqliteStore(directory));
  absl::StatusOr<std::unique_ptr<HsmCore>> core =
      HsmCore::New(std::move(store), storage_key);
  if (!core.ok()) return At(key_path, core.status());
  (*core)->audit().SetDirectory(directory);
  absl::StatusOr<std::unique_ptr<Hsm>> hsm = Over(*std::move(core));
  if (!hsm.ok()) return At(absl::StrCat(directory, "/hsm.db"), hsm.status());
  return hsm;
}

absl::StatusOr<std::unique_ptr<Hsm>> Hsm::Over(std::unique_ptr<HsmCore> core) {
  RETURN_IF_ERROR(core->View().status());
  auto hsm = std::unique_ptr<Hsm>(new Hsm);
  hsm->state_ = std::make_unique<State>(hsm.get(), std::move(core));
  if (hsm->identity() == nullptr) {
    return base::Error(CKR_DEVICE_ERROR, "the HSM's identity does not open");
  }
  return hsm;
}

absl::StatusOr<std::unique_ptr<Hsm>> Hsm::CreateForTest(
    const HsmSpec& spec, std::unique_ptr<Store> store, const Fleet& fleet) {
  ASSIGN_OR_RETURN(std::unique_ptr<HsmCore> core,
                   HsmCore::New(std::move(store), TestStorageKey()));
  RETURN_IF_ERROR(Populate(*core, spec, fleet));
  return Over(std::move(core));
}

absl::StatusOr<std::unique_ptr<Hsm>> Hsm::OpenForTest(
    std::unique_ptr<Store> store) {
  ASSIGN_OR_RETURN(std::unique_ptr<HsmCore> core,
                   HsmCore::New(std::move(store), TestStorageKey()));
  return Over(std::move(core));
}

}  // namespace hsm
