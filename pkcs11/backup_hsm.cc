// BackupToken: the HSM behind the slot, and its containers.
#include <utility>

#include "absl/strings/str_cat.h"
#include "cloning/endpoint.h"
#include "pkcs11/backup_token_class.h"

namespace pkcs11 {
namespace {

hsm::StorageInfo ToStorage(const hsm_io::StorageStatus& m) {
  return {m.overhead, m.total, m.used, m.free, m.objects};
}

hsm::PolicyValues ToPolicies(const std::vector<hsm_io::PolicyValue>& m) {
  hsm::PolicyValues values;
  for (const hsm_io::PolicyValue& v : m) values[v.number] = v.value;
  return values;
}

std::vector<hsm_io::PolicyValue> ToMessage(const hsm::PolicyValues& values) {
  std::vector<hsm_io::PolicyValue> m;
  for (const auto& [number, value] : values) m.push_back({number, value});
  return m;
}

hsm::PartitionInfo ToPartition(const hsm_io::ContainerStatus& m) {
  hsm::PartitionInfo info;
  info.space = m.space;
  info.id = m.id;
  info.label = m.label;
  info.serial = m.serial;
  info.initialized = m.initialized;
  info.backup_container = true;
  info.has_domain = m.has_domain;
  info.version = m.version;
  info.capacity =
      m.storage.total == CK_UNAVAILABLE_INFORMATION ? 0 : m.storage.total;
  return info;
}

}  // namespace

// --- the HSM ----------------------------------------------------------------

absl::StatusOr<hsm_io::GetHsmStatus::Reply> BackupToken::Status() {
  return Call(hsm_io::GetHsmStatus(), std::nullopt);
}

absl::StatusOr<hsm::HsmInfo> BackupToken::Hsm() {
  hsm::HsmInfo info;
  info.name = config_.spec.name;
  info.kind = hsm::Kind::kBackup;
  if (!link_.exists()) {
    ASSIGN_OR_RETURN(const Shape shape, Configured());
    info.model = shape.model;
    info.firmware = shape.firmware;
    info.attached_to_appliance = config_.spec.attached_to_appliance;
    return info;
  }
  ASSIGN_OR_RETURN(const hsm_io::GetHsmStatus::Reply status, Status());
  ASSIGN_OR_RETURN(const Shape shape,
                   ShapeOf(status.info.model, ToVersion(status.info.firmware)));
  info.serial = status.info.serial;
  info.model = shape.model;
  info.firmware = shape.firmware;
  info.attached_to_appliance = status.attached_to_appliance;
  info.rollback_firmware = ToVersion(status.rollback);
  info.initialized = status.info.initialized;
  info.zeroized = status.info.zeroized;
  info.label = status.info.label;
  return info;
}

absl::StatusOr<bool> BackupToken::InApprovedMode() {
  if (!link_.exists()) return false;
  ASSIGN_OR_RETURN(const hsm_io::GetHsmStatus::Reply status, Status());
  return status.approved_mode;
}

absl::StatusOr<hsm::PolicyValues> BackupToken::HsmCapabilities() {
  if (!link_.exists()) {
    ASSIGN_OR_RETURN(const Shape shape, Configured());
    return hsm::HsmCapabilities(*shape.model, *shape.firmware);
  }
  ASSIGN_OR_RETURN(const hsm_io::GetHsmStatus::Reply status, Status());
  return ToPolicies(status.capabilities);
}

absl::StatusOr<hsm::PolicyValues> BackupToken::HsmPolicies() {
  if (!link_.exists()) {
    ASSIGN_OR_RETURN(const Shape shape, Configured());
    return hsm::HsmPolicyDefaults(*shape.model, *shape.firmware);
  }
  ASSIGN_OR_RETURN(const hsm_io::GetHsmStatus::Reply status, Status());
  return ToPolicies(status.policies);
}

absl::Status BackupToken::SetHsmPolicies(const hsm::PolicyValues& changes,
                                         bool allow_destructive) {
  if (!link_.exists()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the Backup HSM must be initialised first");
  }
  hsm_io::SetHsmPolicies request;
  request.changes = ToMessage(changes);
  request.allow_destructive = allow_destructive;
  return Call(request, 0).status();
}

absl::StatusOr<hsm::StorageInfo> BackupToken::HsmStorage() {
  if (!link_.exists()) {
    ASSIGN_OR_RETURN(const Shape shape, Configured());
    hsm::StorageInfo storage;
    storage.overhead = hsm::kPartitionOverhead;
    storage.total = config_.spec.storage_bytes != 0
                        ? config_.spec.storage_bytes
                        : shape.model->storage_bytes;
    storage.free = storage.total;
    return storage;
  }
  ASSIGN_OR_RETURN(const hsm_io::GetHsmStatus::Reply status, Status());
  return ToStorage(status.storage);
}

absl::Status BackupToken::Zeroize(bool factory_reset) {
  if (!link_.exists()) return absl::OkStatus();
  hsm_io::ZeroizeHsm request;
  request.factory_reset = factory_reset;
  RETURN_IF_ERROR(Call(request, std::nullopt, DeviceLink::kPinBudget).status());
  EndLogins();
  return absl::OkStatus();
}

absl::Status BackupToken::UpdateFirmware(ByteSpan image, ByteSpan code) {
  hsm_io::UpdateFirmware request;
  request.image = base::ToBytes(image);
  request.code = base::ToBytes(code);
  return Call(request, 0).status();
}

absl::Status BackupToken::RollbackFirmware() {
  RETURN_IF_ERROR(
      Call(hsm_io::RollbackFirmware(), 0, DeviceLink::kPinBudget).status());
  EndLogins();
  return absl::OkStatus();
}

// --- condition ---------------------------------------------------------------

absl::StatusOr<hsm::Condition> BackupToken::GetCondition() {
  hsm::Condition condition;
  if (!link_.exists()) return condition;
  ASSIGN_OR_RETURN(const auto reply,
                   Call(hsm_io::GetCondition(), std::nullopt));
  condition.transport = reply.transport;
  condition.decommissioned = reply.decommissioned;
  condition.tampered_at = reply.tampered_at;
  return condition;
}

absl::StatusOr<hsm_io::SetTransport::Reply> BackupToken::SetTransport(
    hsm_io::SetTransport::What what, absl::string_view user) {
  hsm_io::SetTransport request;
  request.what = static_cast<uint8_t>(what);
  request.user = std::string(user);
  return Call(request, 0);
}

absl::StatusOr<hsm::TransportStrings> BackupToken::EnterTransport() {
  ASSIGN_OR_RETURN(const auto reply,
                   SetTransport(hsm_io::SetTransport::What::kEnter, ""));
  return hsm::TransportStrings{reply.verification, reply.user};
}

absl::StatusOr<std::string> BackupToken::TransportVerification(
    absl::string_view user) {
  ASSIGN_OR_RETURN(const auto reply,
                   SetTransport(hsm_io::SetTransport::What::kVerify, user));
  return reply.verification;
}

absl::Status BackupToken::LeaveTransport() {
  return SetTransport(hsm_io::SetTransport::What::kLeave, "").status();
}

absl::Status BackupToken::Tamper() {
  hsm_io::SetTamper request;
  request.tampered = true;
  return Call(request, std::nullopt).status();
}

absl::Status BackupToken::ClearTamper() {
  return Call(hsm_io::SetTamper(), 0).status();
}

// --- containers -------------------------------------------------------------

absl::StatusOr<std::vector<hsm::PartitionInfo>> BackupToken::Containers() {
  std::vector<hsm::PartitionInfo> all;
  if (!link_.exists()) return all;
  ASSIGN_OR_RETURN(const hsm_io::ListContainers::Reply reply,
                   Call(hsm_io::ListContainers(), std::nullopt));
  for (const auto& status : reply.containers) {
    all.push_back(ToPartition(status));
  }
  return all;
}

absl::StatusOr<uint32_t> BackupToken::AllowedContainers() {
  if (!link_.exists()) {
    ASSIGN_OR_RETURN(const Shape shape, Configured());
    return shape.model->maximum_partitions;
  }
  ASSIGN_OR_RETURN(const hsm_io::GetHsmStatus::Reply status, Status());
  return status.allowed_containers;
}

absl::StatusOr<SpaceId> BackupToken::CreateBackup(
    const hsm::PartitionSpec& spec, const SecretBytes& pin, ByteSpan domain) {
  if (!link_.exists()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "the Backup HSM must be initialised first");
  }
  hsm_io::CreateContainer request;
  request.label = spec.label;
  request.capacity = spec.capacity;
  request.version = spec.version;
  request.pin = pin.Clone();
  request.domain = SecretBytes::CopyOf(domain);
  ASSIGN_OR_RETURN(const hsm_io::CreateContainer::Reply reply,
                   Call(request, 0, DeviceLink::kPinBudget));
  return reply.space;
}

absl::Status BackupToken::DeleteContainer(SpaceId space) {
  hsm_io::DeleteContainer request;
  request.space = space;
  RETURN_IF_ERROR(Call(request, 0).status());
  application(space)->EndLogin();
  ForgetLogin(space);
  return absl::OkStatus();
}

absl::Status BackupToken::ResizeContainer(SpaceId space, uint64_t capacity) {
  hsm_io::ResizeContainer request;
  request.space = space;
  request.capacity = capacity;
  return Call(request, 0).status();
}

absl::StatusOr<hsm_io::ContainerStatus> BackupToken::StatusOf(SpaceId space) {
  if (link_.exists()) {
    ASSIGN_OR_RETURN(hsm_io::ListContainers::Reply reply,
                     Call(hsm_io::ListContainers(), std::nullopt));
    for (auto& status : reply.containers) {
      if (status.space == space) return std::move(status);
    }
  }
  return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                     absl::StrCat("no backup partition ", space));
}

absl::StatusOr<hsm::PartitionInfo> BackupToken::Container(SpaceId space) {
  if (space != 0) {
    ASSIGN_OR_RETURN(const hsm_io::ContainerStatus status, StatusOf(space));
    return ToPartition(status);
  }
  ASSIGN_OR_RETURN(const hsm::HsmInfo hsm, Hsm());
  hsm::PartitionInfo info;
  info.label = hsm.label;
  info.serial = hsm.serial;
  info.initialized = hsm.initialized;
  info.zeroized = hsm.zeroized;
  return info;
}

absl::StatusOr<hsm::StorageInfo> BackupToken::ContainerStorage(SpaceId space) {
  if (space == 0) return HsmStorage();
  ASSIGN_OR_RETURN(const hsm_io::ContainerStatus status, StatusOf(space));
  return ToStorage(status.storage);
}

absl::StatusOr<hsm_io::GetContainerPolicies::Reply> BackupToken::PoliciesOf(
    SpaceId space) {
  hsm_io::GetContainerPolicies request;
  request.space = space;
  return Call(request, std::nullopt);
}

absl::StatusOr<hsm::PolicyValues> BackupToken::ContainerCapabilities(
    SpaceId space) {
  if (!link_.exists()) {
    ASSIGN_OR_RETURN(const Shape shape, Configured());
    return hsm::PartitionCapabilities(*shape.model, *shape.firmware);
  }
  ASSIGN_OR_RETURN(const hsm_io::GetContainerPolicies::Reply reply,
                   PoliciesOf(space));
  return ToPolicies(reply.capabilities);
}

absl::StatusOr<hsm::PolicyValues> BackupToken::ContainerPolicies(
    SpaceId space) {
  if (!link_.exists()) {
    ASSIGN_OR_RETURN(const Shape shape, Configured());
    return hsm::PartitionPolicyDefaults(*shape.model, *shape.firmware);
  }
  ASSIGN_OR_RETURN(const hsm_io::GetContainerPolicies::Reply reply,
                   PoliciesOf(space));
  return ToPolicies(reply.policies);
}

absl::Status BackupToken::SetContainerPolicies(SpaceId space,
                                               const hsm::PolicyValues& changes,
                                               bool allow_destructive) {
  hsm_io::SetContainerPolicies request;
  request.space = space;
  request.changes = ToMessage(changes);
  request.allow_destructive = allow_destructive;
  absl::Status set = Call(request, space).status();
  DropListing(space);
  return set;
}

}  // namespace pkcs11
