#include "hsm_io/functionfs.h"

#include <linux/usb/functionfs.h>

#include <algorithm>

namespace hsm_io {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr uint8_t kToEndpoint = 0x02;

static_assert(sizeof(usb_functionfs_event) == kGadgetEventSize);

void AddU32(Bytes& out, uint32_t v) {
  for (int shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<uint8_t>(v >> shift));
  }
}

// Everything of a configuration but its own descriptor.
Bytes InterfaceAt(UsbSpeed speed) {
  Bytes whole = *MakeUsbDescriptor(
      speed, "", static_cast<uint8_t>(UsbDescriptor::kConfiguration), 0);
  whole.erase(whole.begin(), whole.begin() + whole[0]);
  return whole;
}

uint32_t Count(ByteSpan descriptors) {
  uint32_t count = 0;
  for (; !descriptors.empty(); ++count) {
    descriptors.remove_prefix(descriptors[0]);
  }
  return count;
}

GadgetEvent::Kind KindOf(uint8_t type) {
  using Kind = GadgetEvent::Kind;
  switch (type) {
    case FUNCTIONFS_BIND:
      return Kind::kBind;
    case FUNCTIONFS_UNBIND:
      return Kind::kUnbind;
    case FUNCTIONFS_ENABLE:
      return Kind::kEnable;
    case FUNCTIONFS_DISABLE:
      return Kind::kDisable;
    case FUNCTIONFS_SETUP:
      return Kind::kSetup;
    case FUNCTIONFS_SUSPEND:
      return Kind::kSuspend;
    case FUNCTIONFS_RESUME:
      return Kind::kResume;
    default:
      return Kind::kUnknown;
  }
}

}  // namespace

Bytes FunctionFsDescriptors() {
  Bytes counts, descriptors;
  for (const UsbSpeed speed :
       {UsbSpeed::kFull, UsbSpeed::kHigh, UsbSpeed::kSuper}) {
    const Bytes each = InterfaceAt(speed);
    AddU32(counts, Count(each));
    descriptors.insert(descriptors.end(), each.begin(), each.end());
  }
  Bytes out;
  AddU32(out, FUNCTIONFS_DESCRIPTORS_MAGIC_V2);
  AddU32(out, static_cast<uint32_t>(12 + counts.size() + descriptors.size()));
  AddU32(out, FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC |
                  FUNCTIONFS_HAS_SS_DESC);
  out.insert(out.end(), counts.begin(), counts.end());
  out.insert(out.end(), descriptors.begin(), descriptors.end());
  return out;
}

Bytes FunctionFsStrings() {
  Bytes out;
  AddU32(out, FUNCTIONFS_STRINGS_MAGIC);
  AddU32(out, 16);
  AddU32(out, 0);  // strings
  AddU32(out, 0);  // languages
  return out;
}

std::vector<GadgetEvent> ParseGadgetEvents(ByteSpan bytes) {
  std::vector<GadgetEvent> events;
  for (; bytes.size() >= kGadgetEventSize;
       bytes.remove_prefix(kGadgetEventSize)) {
    GadgetEvent event;
    event.kind = KindOf(bytes[8]);
    std::array<uint8_t, 8> setup;
    std::copy_n(bytes.begin(), setup.size(), setup.begin());
    event.setup = UsbSetup::Parse(setup);
    // The kernel names an endpoint by its file: FUNCTIONFS_VIRTUAL_ADDR would
    // keep the address, but then Linux 6.1 cannot enable one that was moved.
    if ((event.setup.type & 0x1F) == kToEndpoint) {
      event.setup.index = event.setup.index == 1   ? kUsbOutEndpoint
                          : event.setup.index == 2 ? kUsbInEndpoint
                                                   : uint16_t{0};
    }
    events.push_back(event);
  }
  return events;
}

}  // namespace hsm_io
