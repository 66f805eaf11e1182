// Serves the Backup HSM as a USB device over USB/IP: a kernel's vhci_hcd or
// usbip_transport attaches it. USB/IP neither authenticates nor encrypts; the
// channel inside does, so anybody who can connect can at most be in the way.
#ifndef PERIGEE_HSM_IO_USBIP_SERVER_H_
#define PERIGEE_HSM_IO_USBIP_SERVER_H_

#include <string>

#include "hsm_io/embedded_transport.h"
#include "hsm_io/link_loop.h"
#include "hsm_io/usb_descriptors.h"

namespace hsm_io {

// One device, which one host at a time may attach: others are told that it is
// busy. A host that breaks the protocol loses its connection, and with the
// connection the device forgets the session.
Port UsbipPort(Listener& listener, UsbSpeed speed, std::string serial,
               PlugIn plug_in);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USBIP_SERVER_H_
