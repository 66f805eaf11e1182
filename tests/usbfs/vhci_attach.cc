// vhci_attach ADDRESS -- as root: gives the device that a USB/IP server exports
// at the address to this kernel's vhci_hcd, and waits until the kernel has
// configured it. What `usbip attach` does, and over Unix sockets too.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/time/clock.h"
#include "hsm_io/socket_transport.h"
#include "hsm_io/usbip_protocol.h"

namespace {

using hsm_io::Deadline;
namespace usbip = hsm_io::usbip;

constexpr char kController[] = "/sys/devices/platform/vhci_hcd.0/";
constexpr int kFree = 4;   // a port's state
constexpr int kInUse = 6;  // with an address

struct Port {
  std::string hub;
  int number = -1;
  int state = 0;
  std::string bus_id;  // of the kernel's device
};

std::vector<Port> Ports() {
  std::ifstream status(std::string(kController) + "status");
  std::vector<Port> ports;
  std::string line;
  std::getline(status, line);
  while (std::getline(status, line)) {
    std::istringstream fields(line);
    Port port;
    std::string speed, device, socket;
    if (fields >> port.hub >> port.number >> port.state >> speed >> device >>
        socket >> port.bus_id) {
      ports.push_back(port);
    }
  }
  return ports;
}

bool ReadAll(int fd, void* to, size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t n = read(fd, at, size);
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

int Fail(const char* what) {
  fprintf(stderr, "vhci_attach: %s\n", what);
  return 1;
}

bool IsConfigured(int port) {
  for (const Port& each : Ports()) {
    if (each.number != port || each.state != kInUse) continue;
    std::ifstream file("/sys/bus/usb/devices/" + each.bus_id +
                       "/bConfigurationValue");
    int configuration = 0;
    if (file >> configuration) return configuration > 0;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return Fail("usage: vhci_attach ADDRESS");
  const auto deadline = Deadline::After(absl::Seconds(20));
  const auto fd = hsm_io::ConnectSocket(argv[1], deadline);
  if (!fd.ok()) return Fail("nobody serves there");
  fcntl(*fd, F_SETFL, 0);
  const auto request = usbip::EncodeImportRequest(usbip::kBusId);
  hsm_io::Bytes reply(usbip::kOpSize + usbip::kDeviceSize);
  if (write(*fd, request.data(), request.size()) !=
          static_cast<ssize_t>(request.size()) ||
      !ReadAll(*fd, reply.data(), reply.size())) {
    return Fail("the device is not given to us");
  }
  const auto device =
      usbip::ParseDevice(hsm_io::ByteSpan(reply).subspan(usbip::kOpSize));
  if (!device.ok()) return Fail("no device's record");
  const char* const hub = device->speed >= 5 ? "ss" : "hs";
  for (const Port& port : Ports()) {
    if (port.hub != hub || port.state != kFree) continue;
    std::ofstream attach(std::string(kController) + "attach");
    attach << port.number << ' ' << *fd << ' ' << device->id() << ' '
           << device->speed << std::flush;
    if (!attach) return Fail("the kernel refuses it");
    while (!IsConfigured(port.number)) {
      if (deadline.Passed()) return Fail("the kernel does not configure it");
      absl::SleepFor(absl::Milliseconds(20));
    }
    return 0;
  }
  return Fail("no free port");
}
