#include "hsm_io/usb_host.h"

#include "absl/strings/str_cat.h"

namespace hsm_io {
namespace {

absl::Status Bad(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("USB: ", what));
}

}  // namespace

absl::StatusOr<UsbHost::Outcome> UsbHost::Wait(uint32_t number,
                                               Deadline deadline) {
  while (!done(number)) {
    if (!is_pending(number)) return Bad("no such transfer");
    RETURN_IF_ERROR(Move());
    if (!done(number)) RETURN_IF_ERROR(Await(deadline));
  }
  return Take(number);
}

absl::StatusOr<Bytes> UsbHost::Describe(UsbDescriptor type, uint16_t length,
                                        Deadline deadline) {
  UsbSetup setup;
  setup.type = 0x80;
  setup.request = static_cast<uint8_t>(UsbRequest::kGetDescriptor);
  setup.value = static_cast<uint16_t>(static_cast<uint8_t>(type) << 8);
  setup.length = length;
  return Control(setup, deadline);
}

absl::StatusOr<UsbPipes> UsbHost::ReadPipes(Deadline deadline) {
  ASSIGN_OR_RETURN(Bytes device,
                   Describe(UsbDescriptor::kDevice, 18, deadline));
  ASSIGN_OR_RETURN(auto description, UsbDeviceDescriptor::Parse(device));
  if (description.vendor != kUsbVendor || description.product != kUsbProduct) {
    return Bad("the device is no Perigee Backup HSM");
  }
  ASSIGN_OR_RETURN(Bytes head,
                   Describe(UsbDescriptor::kConfiguration, 9, deadline));
  if (head.size() != 9) return Bad("a short configuration descriptor");
  const auto total = static_cast<uint16_t>(head[2] | head[3] << 8);
  ASSIGN_OR_RETURN(Bytes configuration,
                   Describe(UsbDescriptor::kConfiguration, total, deadline));
  return UsbPipes::Parse(configuration);
}

}  // namespace hsm_io
