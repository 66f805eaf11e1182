#include "hsm_io/usb_descriptors.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"

namespace hsm_io {
namespace {

using base::Bytes;
using base::ByteSpan;

// USB is little-endian, unlike everything else on the link.
uint8_t Low(uint16_t v) { return static_cast<uint8_t>(v); }
uint8_t High(uint16_t v) { return static_cast<uint8_t>(v >> 8); }
uint16_t U16(ByteSpan bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] | bytes[at + 1] << 8);
}
void Add(Bytes& out, std::initializer_list<uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
constexpr uint8_t Type(UsbDescriptor type) {
  return static_cast<uint8_t>(type);
}

constexpr uint8_t kBulk = 2;

Bytes MakeDevice(bool super) {
  const uint8_t version = super ? 3 : 2;
  const uint8_t control_packet = super ? 9 : 64;  // super speed: 2 to the 9th
  Bytes out;
  Add(out, {18, Type(UsbDescriptor::kDevice), 0, version, 0, 0, 0,
            control_packet, Low(kUsbVendor), High(kUsbVendor), Low(kUsbProduct),
            High(kUsbProduct), Low(kUsbRelease), High(kUsbRelease),
            // Strings of maker, product and serial number; configurations.
            1, 2, 3, 1});
  return out;
}

Bytes MakeConfiguration(UsbSpeed speed, UsbDescriptor type) {
  const uint16_t packet = BulkPacket(speed);
  Bytes out;
  Add(out, {9, Type(type), 0, 0, 1, kUsbConfiguration, 0,
            0x80,  // bus powered
            50});  // 100 mA (2 mA a unit)
  Add(out, {9, Type(UsbDescriptor::kInterface), 0, 0, 2, kUsbClass,
            kUsbSubclass, kUsbProtocol, 0});
  for (const uint8_t endpoint : {kUsbOutEndpoint, kUsbInEndpoint}) {
    Add(out, {7, Type(UsbDescriptor::kEndpoint), endpoint, kBulk, Low(packet),
              High(packet), 0});
    if (speed == UsbSpeed::kSuper) {
      Add(out, {6, Type(UsbDescriptor::kCompanion), 15, 0, 0, 0});
    }
  }
  out[2] = Low(static_cast<uint16_t>(out.size()));
  return out;
}

std::optional<Bytes> MakeString(const std::string& serial, uint8_t index) {
  std::string text;
  switch (index) {
    case 0:
      return Bytes{4, Type(UsbDescriptor::kString), 0x09, 0x04};  // English, US
    case 1:
      text = "Perigee";
      break;
    case 2:
      text = "Perigee Backup HSM";
      break;
    case 3:
      text = serial;
      break;
    default:
      return std::nullopt;
  }
  text.resize(std::min<size_t>(text.size(), 126));
  Bytes out = {static_cast<uint8_t>(2 + 2 * text.size()),
               Type(UsbDescriptor::kString)};
  for (const char c : text) {
    const bool plain = c >= 0x20 && c < 0x7F;
    Add(out, {static_cast<uint8_t>(plain ? c : '?'), 0});
  }
  return out;
}

// The same device behind an older hub, so that a host can warn of it.
Bytes MakeQualifier() {
  return {10, Type(UsbDescriptor::kQualifier), 0, 2, 0, 0, 0, 64, 1, 0};
}

Bytes MakeBos() {
  return {5, Type(UsbDescriptor::kBos), 22, 0, 2,
          // USB 2.0 extension, with link power management.
          7, 16, 2, 2, 0, 0, 0,
          // Super speed: high and super work, high is enough; exit latencies.
          10, 16, 3, 0, 0x0E, 0, 1, 10, 0xFF, 7};
}

absl::Status Nonsense(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR,
                     absl::StrCat("USB: the device's descriptors: ", what));
}

// A bulk endpoint's packet: 8 to 64, 512 or 1024 bytes by the specification.
bool IsPacket(uint16_t size) {
  return size >= 8 && size <= 1024 && (size & (size - 1)) == 0;
}

}  // namespace

uint16_t BulkPacket(UsbSpeed speed) {
  if (speed == UsbSpeed::kSuper) return 1024;
  return speed == UsbSpeed::kHigh ? 512 : 64;
}

std::optional<Bytes> MakeUsbDescriptor(UsbSpeed speed,
                                       const std::string& serial, uint8_t type,
                                       uint8_t index) {
  const bool super = speed == UsbSpeed::kSuper;
  const bool high = speed == UsbSpeed::kHigh;
  switch (static_cast<UsbDescriptor>(type)) {
    case UsbDescriptor::kDevice:
      return MakeDevice(super);
    case UsbDescriptor::kConfiguration:
      if (index != 0) return std::nullopt;
      return MakeConfiguration(speed, UsbDescriptor::kConfiguration);
    case UsbDescriptor::kString:
      return MakeString(serial, index);
    case UsbDescriptor::kQualifier:
      if (!high) return std::nullopt;
      return MakeQualifier();
    case UsbDescriptor::kOtherSpeed:
      if (!high || index != 0) return std::nullopt;
      return MakeConfiguration(UsbSpeed::kFull, UsbDescriptor::kOtherSpeed);
    case UsbDescriptor::kBos:
      if (!super) return std::nullopt;
      return MakeBos();
    default:
      return std::nullopt;
  }
}

UsbSetup UsbSetup::Parse(const std::array<uint8_t, 8>& bytes) {
  const ByteSpan in(bytes.data(), bytes.size());
  return {in[0], in[1], U16(in, 2), U16(in, 4), U16(in, 6)};
}

std::array<uint8_t, 8> UsbSetup::Encode() const {
  return {type,       request,     Low(value),  High(value),
          Low(index), High(index), Low(length), High(length)};
}

absl::StatusOr<UsbDeviceDescriptor> UsbDeviceDescriptor::Parse(ByteSpan bytes) {
  if (bytes.size() != 18 || bytes[0] != 18 ||
      bytes[1] != Type(UsbDescriptor::kDevice)) {
    return Nonsense("not a device descriptor");
  }
  return UsbDeviceDescriptor{U16(bytes, 8), U16(bytes, 10), bytes[16]};
}

absl::StatusOr<UsbPipes> UsbPipes::Parse(ByteSpan bytes) {
  if (bytes.size() < 9 || bytes[0] != 9 ||
      bytes[1] != Type(UsbDescriptor::kConfiguration) ||
      U16(bytes, 2) != bytes.size()) {
    return Nonsense("not a configuration descriptor");
  }
  UsbPipes pipes;
  pipes.configuration = bytes[5];
  bool ours = false;
  int other_version = 0;
  for (ByteSpan rest = bytes.subspan(9); !rest.empty();) {
    const size_t size = rest[0];
    if (size < 2 || size > rest.size()) return Nonsense("a length lies");
    const ByteSpan each = rest.subspan(0, size);
    rest.remove_prefix(size);
    if (each[1] == Type(UsbDescriptor::kInterface)) {
      if (size < 9) return Nonsense("a short interface");
      // Only the setting that a device has without being asked.
      const bool is_link =
          each[3] == 0 && each[5] == kUsbClass && each[6] == kUsbSubclass;
      if (is_link && each[7] != kUsbProtocol) other_version = each[7];
      ours =
          is_link && each[7] == kUsbProtocol && pipes.out == 0 && pipes.in == 0;
      if (ours) pipes.interface = each[2];
    } else if (ours && each[1] == Type(UsbDescriptor::kEndpoint)) {
      if (size < 7) return Nonsense("a short endpoint");
      if ((each[3] & 3) != kBulk) continue;
      const bool in = (each[2] & 0x80) != 0;
      uint8_t& number = in ? pipes.in : pipes.out;
      uint16_t& packet = in ? pipes.in_packet : pipes.out_packet;
      if (number != 0) return Nonsense("more than one bulk endpoint");
      number = each[2] & 0x0F;
      packet = U16(each, 4);
      if (number == 0 || (each[2] & 0x70) != 0 || !IsPacket(packet)) {
        return Nonsense("an endpoint that cannot be");
      }
    }
  }
  if (pipes.out == 0 && pipes.in == 0 && other_version != 0) {
    return Nonsense(absl::StrCat(
        "the Backup HSM speaks version ", other_version,
        " of the link, this host ", kUsbProtocol, ": update ",
        other_version > kUsbProtocol ? "this host" : "the Backup HSM"));
  }
  if (pipes.configuration == 0 || pipes.out == 0 || pipes.in == 0) {
    return Nonsense("no interface of a Perigee Backup HSM");
  }
  return pipes;
}

}  // namespace hsm_io
