// Daemons as USB devices of this process: a usbfs_emulator process plugs what
// they export over USB/IP into a bus that this process's libusb sees as the
// kernel's. Only for programs that run with umockdev's preloaded library.
//
// With PERIGEE_USB_KERNEL set, in a virtual machine (tests/vm), the kernel's
// own vhci_hcd gets the devices; with PERIGEE_USB_GADGET too, a number, daemons
// are devices themselves (--gadget) as the user of that number.
#ifndef PERIGEE_TESTS_E2E_USB_BUS_H_
#define PERIGEE_TESTS_E2E_USB_BUS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace e2e {

// -1: not gadgets.
int GadgetUser();
// After it was plugged in, until the host has configured it anew; a test
// failure when it does not.
void AwaitGadget();

// One at a time in a process.
class UsbBus {
 public:
  // A test failure when it does not start.
  explicit UsbBus(const std::vector<std::string>& sockets);
  ~UsbBus();
  UsbBus(const UsbBus&) = delete;
  UsbBus& operator=(const UsbBus&) = delete;

 private:
  void StartEmulator(std::vector<char*> argv);

  pid_t pid_ = -1;
  int input_ = -1;  // it ends with this
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_USB_BUS_H_
