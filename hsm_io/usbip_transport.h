// The USB transport in user space: bulk transfers to a Backup HSM that a
// USB/IP server exports (perigee-backup-hsm --usbip, or another machine's
// usbipd), without a kernel's USB.
#ifndef PERIGEE_HSM_IO_USBIP_TRANSPORT_H_
#define PERIGEE_HSM_IO_USBIP_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>

#include "hsm_io/transport.h"

namespace hsm_io {

// `address` is a path or HOST:PORT, with "@BUSID" behind it for a device that
// is not called 1-1.
std::unique_ptr<Transport> NewUsbipTransport(const std::string& address);

// Over sockets that `connect` makes, which the transport closes.
using ConnectUsbip = std::function<absl::StatusOr<int>(Deadline)>;
std::unique_ptr<Transport> NewUsbipTransport(ConnectUsbip connect,
                                             std::string bus_id);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USBIP_TRANSPORT_H_
