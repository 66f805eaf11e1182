#include "hsm_io/usbip_transport.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "hsm_io/socket_transport.h"
#include "hsm_io/usb_bulk_transport.h"
#include "hsm_io/usbip_initiator.h"

namespace hsm_io {
namespace {

absl::StatusOr<OpenedUsb> Attach(const ConnectUsbip& connect,
                                 const std::string& bus_id, Deadline deadline) {
  OpenedUsb opened;
  ASSIGN_OR_RETURN(const int fd, connect(deadline));
  ASSIGN_OR_RETURN(opened.host, UsbipInitiator::Attach(fd, bus_id, deadline));
  ASSIGN_OR_RETURN(opened.pipes, opened.host->ReadPipes(deadline));
  // This also ends what the device may still have of a former session.
  UsbSetup configure;
  configure.request = static_cast<uint8_t>(UsbRequest::kSetConfiguration);
  configure.value = opened.pipes.configuration;
  RETURN_IF_ERROR(opened.host->Control(configure, deadline).status());
  return opened;
}

bool IsBusId(absl::string_view text) {
  return !text.empty() && text.size() < usbip::kBusIdSize &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                  c == '-' || c == '.';
         });
}

}  // namespace

std::unique_ptr<Transport> NewUsbipTransport(const std::string& address) {
  std::string server = address;
  std::string bus_id = usbip::kBusId;
  const size_t at = address.rfind('@');
  if (at != std::string::npos && IsBusId(address.substr(at + 1))) {
    server = address.substr(0, at);
    bus_id = address.substr(at + 1);
  }
  return NewUsbipTransport(
      [server](Deadline deadline) { return ConnectSocket(server, deadline); },
      std::move(bus_id));
}

std::unique_ptr<Transport> NewUsbipTransport(ConnectUsbip connect,
                                             std::string bus_id) {
  return NewUsbBulkTransport([connect = std::move(connect),
                              bus_id = std::move(bus_id)](Deadline deadline) {
    return Attach(connect, bus_id, deadline);
  });
}

}  // namespace hsm_io
