// The Backup HSM as the USB device that this machine is: UsbDevice behind
// Linux's FunctionFS. Serves no more than one host, as a cable has.
#ifndef PERIGEE_HSM_IO_GADGET_H_
#define PERIGEE_HSM_IO_GADGET_H_

#include <memory>
#include <string>

#include "hsm_io/embedded_transport.h"
#include "hsm_io/link_loop.h"

namespace hsm_io {

struct GadgetPlace {
  std::string controller = "auto";
  std::string configfs = "/sys/kernel/config/usb_gadget/perigee";
  std::string mount = "/run/perigee-gadget";
};

// Opens what perigee-gadget-setup has made and puts it on the controller; taken
// off again at the end. Needs no privileges but the files.
absl::StatusOr<std::unique_ptr<ServedLink>> NewGadget(const GadgetPlace& place,
                                                      const std::string& serial,
                                                      PlugIn plug_in);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_GADGET_H_
