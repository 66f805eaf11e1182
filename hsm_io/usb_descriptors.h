// What a Perigee device says of itself on USB: the descriptors of chapter 9,
// made for the device and read by the host. Nothing here moves bytes.
#ifndef PERIGEE_HSM_IO_USB_DESCRIPTORS_H_
#define PERIGEE_HSM_IO_USB_DESCRIPTORS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace hsm_io {

// The pair that pid.codes keeps for private tests; a product has its own.
inline constexpr uint16_t kUsbVendor = 0x1209;
inline constexpr uint16_t kUsbProduct = 0x0001;
inline constexpr uint16_t kUsbRelease = 0x0100;
inline constexpr uint8_t kUsbClass = 0xFF;     // vendor specific
inline constexpr uint8_t kUsbSubclass = 0x50;  // 'P'
inline constexpr uint8_t kUsbProtocol = 0x01;  // frames, version 1
inline constexpr uint8_t kUsbConfiguration = 1;
inline constexpr uint8_t kUsbOutEndpoint = 0x01;
inline constexpr uint8_t kUsbInEndpoint = 0x81;

enum class UsbSpeed : uint32_t { kFull = 2, kHigh = 3, kSuper = 5 };
// Bytes of a whole packet of a bulk endpoint.
uint16_t BulkPacket(UsbSpeed speed);

// bDescriptorType.
enum class UsbDescriptor : uint8_t {
  kDevice = 1,
  kConfiguration = 2,
  kString = 3,
  kInterface = 4,
  kEndpoint = 5,
  kQualifier = 6,
  kOtherSpeed = 7,
  kBos = 15,
  kCompanion = 0x30,
};

// What the device answers to GET_DESCRIPTOR; nullopt: it has no such one.
std::optional<base::Bytes> MakeUsbDescriptor(UsbSpeed speed,
                                             const std::string& serial,
                                             uint8_t type, uint8_t index);

// The first eight bytes of a control transfer.
struct UsbSetup {
  uint8_t type = 0;  // direction, kind, recipient
  uint8_t request = 0;
  uint16_t value = 0;
  uint16_t index = 0;
  uint16_t length = 0;

  static UsbSetup Parse(const std::array<uint8_t, 8>& bytes);
  std::array<uint8_t, 8> Encode() const;
  bool in() const { return (type & 0x80) != 0; }
};

// bRequest of the standard requests that are used here.
enum class UsbRequest : uint8_t {
  kGetStatus = 0,
  kClearFeature = 1,
  kSetFeature = 3,
  kSetAddress = 5,
  kGetDescriptor = 6,
  kGetConfiguration = 8,
  kSetConfiguration = 9,
  kGetInterface = 10,
  kSetInterface = 11,
  kSetSel = 0x30,
  kSetIsochDelay = 0x31,
};

// The parts of a device descriptor that a host decides by.
struct UsbDeviceDescriptor {
  uint16_t vendor = 0;
  uint16_t product = 0;
  uint8_t serial_index = 0;
  // CKR_DEVICE_ERROR when it is not one.
  static absl::StatusOr<UsbDeviceDescriptor> Parse(base::ByteSpan bytes);
};

// Where a host sends and receives. A device's controller may have moved the
// endpoints, so they are read and never taken for granted.
struct UsbPipes {
  uint8_t configuration = 0;
  uint8_t interface = 0;
  uint8_t out = 0;  // endpoint numbers, without the direction
  uint8_t in = 0;
  uint16_t out_packet = 0;
  uint16_t in_packet = 0;
  // Finds our interface and its one bulk endpoint of each direction in a whole
  // configuration descriptor; CKR_DEVICE_ERROR when they are not there or the
  // bytes lie about their lengths.
  static absl::StatusOr<UsbPipes> Parse(base::ByteSpan configuration);
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USB_DESCRIPTORS_H_
