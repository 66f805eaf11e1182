// What Linux's FunctionFS reads from and tells to who is a USB device through
// it: bytes only, nothing here talks to a kernel.
#ifndef PERIGEE_HSM_IO_FUNCTIONFS_H_
#define PERIGEE_HSM_IO_FUNCTIONFS_H_

#include <vector>

#include "hsm_io/usb_descriptors.h"

namespace hsm_io {

// The endpoints' files beside ep0, in the order of their descriptors.
inline constexpr char kGadgetOutFile[] = "ep1";
inline constexpr char kGadgetInFile[] = "ep2";

// The first thing to write to ep0: interface and endpoints at each speed, as
// MakeUsbDescriptor has them. Device, configuration and strings are configfs's.
base::Bytes FunctionFsDescriptors();
// The second: the interface has no string.
base::Bytes FunctionFsStrings();

struct GadgetEvent {
  enum class Kind {
    kBind,
    kUnbind,
    kEnable,  // configured, or the interface was set
    kDisable,
    kSetup,
    kSuspend,
    kResume,
    kUnknown
  };
  Kind kind = Kind::kUnknown;
  UsbSetup setup;  // endpoints by our addresses, not the controller's
};
inline constexpr size_t kGadgetEventSize = 12;
// What was read from ep0; a part of an event at the end is dropped.
std::vector<GadgetEvent> ParseGadgetEvents(base::ByteSpan bytes);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_FUNCTIONFS_H_
