// The model's states as messages of the device link.
#ifndef PERIGEE_DEVICE_STATUS_MESSAGES_H_
#define PERIGEE_DEVICE_STATUS_MESSAGES_H_

#include <vector>

#include "hsm/hsm.h"
#include "hsm_io/messages.h"

namespace device {

absl::StatusOr<hsm_io::DeviceInfo> MakeDeviceInfo(hsm::Hsm& hsm,
                                                  bool adoption_allowed);
absl::StatusOr<hsm_io::GetHsmStatus::Reply> MakeHsmStatus(hsm::Hsm& hsm);
absl::StatusOr<hsm_io::ContainerStatus> MakeContainerStatus(
    hsm::Partition& partition, const hsm::PartitionInfo& info);
hsm_io::RoleStatus ToMessage(const hsm::RoleState& state);
std::vector<hsm_io::PolicyValue> ToMessage(const hsm::PolicyValues& values);
hsm::PolicyValues FromMessage(const std::vector<hsm_io::PolicyValue>& values);

}  // namespace device

#endif  // PERIGEE_DEVICE_STATUS_MESSAGES_H_
