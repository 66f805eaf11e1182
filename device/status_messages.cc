#include "device/status_messages.h"

#include <utility>

namespace device {
namespace {

hsm_io::StorageStatus ToMessage(const hsm::StorageInfo& info) {
  return {info.overhead, info.total, info.used, info.free, info.objects};
}

}  // namespace

hsm_io::RoleStatus ToMessage(const hsm::RoleState& state) {
  return {state.initialized, state.locked, state.must_change_pin,
          state.failures, state.attempts_left};
}

std::vector<hsm_io::PolicyValue> ToMessage(const hsm::PolicyValues& values) {
  std::vector<hsm_io::PolicyValue> out;
  for (const auto& [number, value] : values) out.push_back({number, value});
  return out;
}

hsm::PolicyValues FromMessage(const std::vector<hsm_io::PolicyValue>& values) {
  hsm::PolicyValues out;
  for (const hsm_io::PolicyValue& v : values) out[v.number] = v.value;
  return out;
}

absl::StatusOr<hsm_io::DeviceInfo> MakeDeviceInfo(hsm::Hsm& hsm,
                                                  bool adoption_allowed) {
  ASSIGN_OR_RETURN(hsm::HsmInfo info, hsm.Info());
  hsm_io::DeviceInfo out;
  out.serial = info.serial;
  out.model = info.model->name;
  out.token_model = info.model->token_model;
  out.manufacturer = info.model->manufacturer;
  out.label = info.label;
  const hsm::FirmwareVersion& version = info.firmware->version;
  out.firmware = {version.major_number, version.minor_number, version.patch};
  out.initialized = info.initialized;
  out.zeroized = info.zeroized;
  out.adoption_allowed = adoption_allowed;
  out.certificate = hsm.identity()->certificate.der();
  return out;
}

absl::StatusOr<hsm_io::GetHsmStatus::Reply> MakeHsmStatus(hsm::Hsm& hsm) {
  hsm_io::GetHsmStatus::Reply reply;
  ASSIGN_OR_RETURN(hsm::HsmInfo info, hsm.Info());
  ASSIGN_OR_RETURN(reply.info, MakeDeviceInfo(hsm, false));
  ASSIGN_OR_RETURN(hsm::RoleState so, hsm.admin().State(hsm::Role::kSo));
  ASSIGN_OR_RETURN(hsm::RoleState auditor,
                   hsm.admin().State(hsm::Role::kAuditor));
  reply.so = ToMessage(so);
  reply.auditor = ToMessage(auditor);
  ASSIGN_OR_RETURN(hsm::StorageInfo storage, hsm.Storage());
  reply.storage = ToMessage(storage);
  ASSIGN_OR_RETURN(reply.allowed_containers, hsm.AllowedPartitions());
  ASSIGN_OR_RETURN(std::vector<hsm::PartitionInfo> partitions,
                   hsm.Partitions());
  reply.containers = static_cast<uint32_t>(partitions.size());
  ASSIGN_OR_RETURN(reply.approved_mode, hsm.InApprovedMode());
  reply.attached_to_appliance = info.attached_to_appliance;
  const hsm::FirmwareVersion& back = info.rollback_firmware;
  reply.rollback = {back.major_number, back.minor_number, back.patch};
  ASSIGN_OR_RETURN(hsm::PolicyValues capabilities, hsm.Capabilities());
  ASSIGN_OR_RETURN(hsm::PolicyValues policies, hsm.Policies());
  reply.capabilities = ToMessage(capabilities);
  reply.policies = ToMessage(policies);
  return reply;
}

absl::StatusOr<hsm_io::ContainerStatus> MakeContainerStatus(
    hsm::Partition& partition, const hsm::PartitionInfo& info) {
  hsm_io::ContainerStatus out;
  out.space = info.space;
  out.id = info.id;
  out.label = info.label;
  out.serial = info.serial;
  out.initialized = info.initialized;
  out.has_domain = info.has_domain;
  out.version = info.version;
  ASSIGN_OR_RETURN(hsm::StorageInfo storage, partition.Storage());
  out.storage = ToMessage(storage);
  ASSIGN_OR_RETURN(hsm::RoleState so, partition.State(hsm::Role::kSo));
  ASSIGN_OR_RETURN(hsm::RoleState co, partition.State(hsm::Role::kCo));
  out.so = ToMessage(so);
  out.co = ToMessage(co);
  return out;
}

}  // namespace device
