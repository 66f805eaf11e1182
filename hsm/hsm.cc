// An HSM at work: its parts, identity, and the values it keeps for others.
#include "hsm/hsm.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "hsm/hsm_state.h"

namespace hsm {
namespace {

struct SlotRecord {
  uint64_t slot = 0;
  template <typename V>
  void Fields(V& v) {
    v(slot);
  }
};

std::string SlotValue(SpaceId space) {
  return absl::StrCat(kSlotPrefix, space);
}

absl::Status CheckSealedName(absl::string_view name) {
  if (absl::StartsWith(name, kSealedPrefix)) return absl::OkStatus();
  return base::Error(CKR_ARGUMENTS_BAD, "names of sealed values begin with x/");
}

}  // namespace

Hsm::Hsm() = default;
Hsm::~Hsm() = default;

Partition* Hsm::State::Get(SpaceId space) {
  absl::MutexLock lock(&mu);
  std::unique_ptr<Partition>& partition = partitions[space];
  if (partition == nullptr) {
    partition = std::unique_ptr<Partition>(new Partition(
        std::make_unique<Partition::State_>(hsm, core.get(), space)));
  }
  return partition.get();
}

void Hsm::State::RetireAll() {
  std::vector<Partition*> all;
  {
    absl::MutexLock lock(&mu);
    for (const auto& [space, partition] : partitions) {
      all.push_back(partition.get());
    }
  }
  for (Partition* partition : all) partition->state_->RetireAllEverywhere();
}

absl::StatusOr<std::shared_ptr<const LoginKeys>> Hsm::State::RequireSo(
    const Login& so) {
  return admin().Require(so, {Role::kSo});
}

absl::StatusOr<HsmInfo> Hsm::Info() {
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, state_->core->View());
  ASSIGN_OR_RETURN(const PartitionInfo admin_info, admin().Info());
  HsmInfo info;
  info.name = view->record.name;
  info.serial = view->record.serial;
  info.model = view->model;
  info.firmware = view->firmware;
  info.rollback_firmware = view->record.rollback;
  info.kind = view->record.kind;
  info.fm = view->record.fm;
  info.attached_to_appliance = view->record.attached_to_appliance;
  info.initialized = admin_info.initialized;
  info.zeroized = admin_info.zeroized;
  info.test_kdf = view->record.kdf_cost == KdfCost::kTest;
  info.label = admin_info.label;
  return info;
}

AuditLog& Hsm::audit() { return state_->core->audit(); }
Store& Hsm::store() { return state_->core->store(); }
Partition& Hsm::admin() { return *state_->Get(kAdminSpace); }

absl::Status Hsm::Atomically(absl::FunctionRef<absl::Status()> work) {
  return state_->core->store().Write(kAdminSpace,
                                     [&](Transaction&) { return work(); });
}

absl::StatusOr<std::vector<PartitionInfo>> Hsm::Partitions() {
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, state_->core->View());
  std::vector<PartitionInfo> infos;
  for (SpaceId space : view->record.spaces) {
    absl::StatusOr<PartitionInfo> info = state_->Get(space)->Info();
    // Deleted by another process since the view was read.
    if (base::CkRv(info.status()) == CKR_DEVICE_REMOVED) continue;
    RETURN_IF_ERROR(info.status());
    infos.push_back(*std::move(info));
  }
  return infos;
}

absl::StatusOr<Partition*> Hsm::LookUp(SpaceId space) {
  if (space == kAdminSpace) return &admin();
  ASSIGN_OR_RETURN(const auto view, state_->core->View());
  const std::vector<SpaceId>& spaces = view->record.spaces;
  if (std::find(spaces.begin(), spaces.end(), space) == spaces.end()) {
    return nullptr;
  }
  return state_->Get(space);
}

Partition* Hsm::Find(SpaceId space) { return LookUp(space).value_or(nullptr); }

// --- identity
// ------------------------------------------------------------------

std::shared_ptr<const base::Identity> Hsm::identity() {
  HsmCore& core = *state_->core;
  const uint64_t now = core.store().Generation(kAdminSpace);
  std::shared_ptr<const base::Identity> held;
  Bytes held_certificate;
  {
    absl::MutexLock lock(&state_->mu);
    if (now != kBusyGeneration && now == state_->identity_generation) {
      return state_->identity;
    }
    held = state_->identity;
    held_certificate = state_->identity_certificate;
  }
  IdentityRecord record;
  uint64_t read_at = kBusyGeneration;
  std::shared_ptr<const base::Identity> fresh;
  absl::Status status = core.store().Read([&](Reader& reader) -> absl::Status {
    read_at = reader.Generation(kAdminSpace);
    ASSIGN_OR_RETURN(record, LoadIdentity(core, reader));
    return absl::OkStatus();
  });
  if (status.ok() && held != nullptr &&
      held_certificate == record.certificate) {
    fresh = held;
  } else if (status.ok()) {
    auto opened = OpenIdentity(core, record);
    status = opened.status();
    if (status.ok()) fresh = *std::move(opened);
  }
  if (!status.ok()) {
    base::LogIntegrity(absl::StrCat("identity: ", status.message()));
    return held;
  }
  absl::MutexLock lock(&state_->mu);
  state_->identity = fresh;
  state_->identity_certificate = record.certificate;
  state_->identity_generation = read_at;
  return fresh;
}

absl::StatusOr<std::vector<base::Certificate>> Hsm::FormerRoots() {
  IdentityRecord record;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(record, LoadIdentity(*state_->core, reader));
        return absl::OkStatus();
      }));
  std::vector<base::Certificate> roots;
  for (const Bytes& der : record.former_roots) {
    ASSIGN_OR_RETURN(base::Certificate root, base::Certificate::Parse(der));
    roots.push_back(std::move(root));
  }
  return roots;
}

absl::Status Hsm::Adopt(const SecretBytes& so_pin,
                        const base::Certificate& root,
                        const base::Certificate& certificate) {
  HsmCore& core = *state_->core;
  ASSIGN_OR_RETURN(std::shared_ptr<const HsmView> view, core.View());
  const std::shared_ptr<const base::Identity> own = identity();
  // Without an SO nothing is there to protect: as hsm init, whoever reaches the
  // device may.
  ASSIGN_OR_RETURN(const RoleState so, admin().State(Role::kSo));
  if (so.initialized) {
    RETURN_IF_ERROR(state_->admin().CheckPin(Role::kSo, so_pin).status());
  }
  if (!root.is_root() || own == nullptr ||
      certificate.public_point() != own->key.public_point() ||
      certificate.name().serial != view->record.serial ||
      !certificate.VerifyUnder(root).ok()) {
    return base::Error(CKR_CERTIFICATE_DATA_INVALID,
                       "not a certificate of this HSM under that root");
  }
  return core.store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(IdentityRecord record, LoadIdentity(core, tx));
    for (const Bytes& former : record.roots) {
      const auto& known = record.former_roots;
      if (former != root.der() &&
          std::find(known.begin(), known.end(), former) == known.end()) {
        record.former_roots.push_back(former);
      }
    }
    record.roots = {root.der()};
    record.certificate = certificate.der();
    RETURN_IF_ERROR(
        core.values().SaveAs(tx, kAdminSpace, kIdentityValue, record));
    AuditEvent event{.word = AuditWord::kAdopted};
    if (so.initialized) event.role = Role::kSo;
    return core.audit().Append(tx, std::move(event));
  });
}

// --- slots and sealed values
// ------------------------------------------------------

absl::StatusOr<std::optional<uint64_t>> Hsm::Slot(SpaceId space) {
  std::optional<uint64_t> slot;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const std::optional<SlotRecord> record,
                         state_->core->values().LoadAs<SlotRecord>(
                             reader, kAdminSpace, SlotValue(space)));
        if (record.has_value()) slot = record->slot;
        return absl::OkStatus();
      }));
  return slot;
}

absl::Status Hsm::SetSlot(SpaceId space, uint64_t slot) {
  return state_->core->store().Write(
      kAdminSpace, [&](Transaction& tx) -> absl::Status {
        return state_->core->values().SaveAs(tx, kAdminSpace, SlotValue(space),
                                             SlotRecord{slot});
      });
}

absl::StatusOr<std::vector<uint64_t>> Hsm::SlotsEverUsed() {
  std::vector<uint64_t> slots;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(const std::vector<std::string> names,
                         reader.ListValues(kAdminSpace, kSlotPrefix));
        for (const std::string& name : names) {
          ASSIGN_OR_RETURN(const std::optional<SlotRecord> record,
                           state_->core->values().LoadAs<SlotRecord>(
                               reader, kAdminSpace, name));
          if (record.has_value()) slots.push_back(record->slot);
        }
        return absl::OkStatus();
      }));
  std::sort(slots.begin(), slots.end());
  return slots;
}

absl::StatusOr<std::optional<Bytes>> Hsm::GetSealedValue(
    SpaceId space, absl::string_view name) {
  ASSIGN_OR_RETURN(const std::optional<SecretBytes> value,
                   GetSealedSecret(space, name));
  if (!value.has_value()) return std::optional<Bytes>();
  return std::optional<Bytes>(base::ToBytes(value->Expose()));
}

absl::StatusOr<std::optional<SecretBytes>> Hsm::GetSealedSecret(
    SpaceId space, absl::string_view name) {
  RETURN_IF_ERROR(CheckSealedName(name));
  std::optional<Bytes> sealed;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(sealed, reader.GetValue(space, name));
        return absl::OkStatus();
      }));
  if (!sealed.has_value()) return std::optional<SecretBytes>();
  ASSIGN_OR_RETURN(SecretBytes value,
                   state_->core->OpenValue(space, name, *sealed));
  return std::optional<SecretBytes>(std::move(value));
}

absl::Status Hsm::PutSealedValue(SpaceId space, absl::string_view name,
                                 ByteSpan value) {
  RETURN_IF_ERROR(CheckSealedName(name));
  ASSIGN_OR_RETURN(const Bytes sealed,
                   state_->core->SealValue(space, name, value));
  return state_->core->store().Write(
      space, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(const std::optional<PartitionRecord> present,
                         LoadPartition(*state_->core, tx, space));
        if (!present.has_value()) {
          return base::Error(CKR_DEVICE_REMOVED, "the partition was deleted");
        }
        return tx.PutValue(space, name, sealed);
      });
}

absl::Status Hsm::DeleteSealedValue(SpaceId space, absl::string_view name) {
  RETURN_IF_ERROR(CheckSealedName(name));
  return state_->core->store().Write(
      space, [&](Transaction& tx) { return tx.DeleteValue(space, name); });
}

absl::StatusOr<std::vector<std::string>> Hsm::ListSealedValues(
    SpaceId space, absl::string_view prefix) {
  RETURN_IF_ERROR(CheckSealedName(prefix));
  std::vector<std::string> names;
  RETURN_IF_ERROR(
      state_->core->store().Read([&](Reader& reader) -> absl::Status {
        ASSIGN_OR_RETURN(names, reader.ListValues(space, prefix));
        return absl::OkStatus();
      }));
  return names;
}

}  // namespace hsm
