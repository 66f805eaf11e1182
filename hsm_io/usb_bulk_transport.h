// The transport over a USB device's two bulk endpoints, whoever moves the
// transfers: what USB/IP and libusb have in common.
#ifndef PERIGEE_HSM_IO_USB_BULK_TRANSPORT_H_
#define PERIGEE_HSM_IO_USB_BULK_TRANSPORT_H_

#include <functional>
#include <memory>

#include "hsm_io/usb_host.h"

namespace hsm_io {

// A device that this host has for itself, in a new session.
struct OpenedUsb {
  std::unique_ptr<UsbHost> host;
  UsbPipes pipes;
};
using OpenUsb = std::function<absl::StatusOr<OpenedUsb>(Deadline)>;

// Read's limit is the number of bytes that its caller still needs: that much
// is asked for, rounded up to whole packets, so that no transfer waits for a
// zero-length packet. One host at a time has the device, as long as the
// transport is open. An error closes it.
std::unique_ptr<Transport> NewUsbBulkTransport(OpenUsb open);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USB_BULK_TRANSPORT_H_
