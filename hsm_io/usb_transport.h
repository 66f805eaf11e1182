// The USB transport: a Backup HSM on a cable, found by what it says of itself
// and reached through libusb.
#ifndef PERIGEE_HSM_IO_USB_TRANSPORT_H_
#define PERIGEE_HSM_IO_USB_TRANSPORT_H_

#include <memory>
#include <string>

#include "hsm_io/transport.h"

namespace hsm_io {

// The device with this serial number; an empty one: the only device there is.
// Open gives CKR_TOKEN_NOT_PRESENT, and says which devices there are, when it
// is not there, is not the only one, may not be opened or another program has
// it.
//
// In a forked child the transport does nothing at all to what its parent has.
std::unique_ptr<Transport> NewUsbTransport(std::string serial);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USB_TRANSPORT_H_
