// The records of USB/IP 1.1.1 (docs/formats/usbip.md): each one struct with
// one list of fields, which wire::Encode writes and the functions below read.
// Sizes are fixed, so a reader knows what to wait for before it believes
// anything.
#ifndef PERIGEE_HSM_IO_USBIP_PROTOCOL_H_
#define PERIGEE_HSM_IO_USBIP_PROTOCOL_H_

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "base/wire.h"

namespace hsm_io::usbip {

using base::Bytes;
using base::ByteSpan;

inline constexpr uint16_t kVersion = 0x0111;
// The bus id of our one device, as a host names it.
inline constexpr char kBusId[] = "1-1";

// --- before a device is attached ---------------------------------------------

enum class Op : uint16_t {
  kDevlistRequest = 0x8005,
  kDevlistReply = 0x0005,
  kImportRequest = 0x8003,
  kImportReply = 0x0003,
};
enum class OpStatus : uint32_t {
  kOk = 0,
  kNotAvailable = 1,
  kBusy = 2,  // another host has it
  kError = 3,
  kNoDevice = 4,
};

inline constexpr size_t kOpSize = 8;
struct OpHeader {
  uint16_t version = kVersion;
  Op op = Op::kDevlistRequest;
  OpStatus status = OpStatus::kOk;
  template <typename V>
  void Fields(V& v) {
    v(version, op, status);
  }
};
// CKR_DEVICE_ERROR for another version or an unknown op.
absl::StatusOr<OpHeader> ParseOp(ByteSpan bytes);

// Texts are padded with zeros and end before the last byte.
template <size_t N>
std::array<uint8_t, N> ToField(absl::string_view text) {
  std::array<uint8_t, N> field{};
  std::copy_n(text.begin(), std::min(text.size(), N - 1), field.begin());
  return field;
}
// The text before the first zero; CKR_DEVICE_ERROR when there is none.
absl::StatusOr<std::string> FromField(ByteSpan field);

inline constexpr size_t kBusIdSize = 32;
inline constexpr size_t kImportRequestSize = kOpSize + kBusIdSize;
Bytes EncodeImportRequest(absl::string_view bus_id);

inline constexpr size_t kDeviceSize = 312;
struct DeviceRecord {
  std::array<uint8_t, 256> path{};
  std::array<uint8_t, kBusIdSize> bus_id{};
  uint32_t bus = 1;
  uint32_t device = 1;
  uint32_t speed = 0;  // UsbSpeed
  uint16_t vendor = 0;
  uint16_t product = 0;
  uint16_t release = 0;
  uint8_t device_class = 0;
  uint8_t device_subclass = 0;
  uint8_t device_protocol = 0;
  uint8_t configuration = 0;
  uint8_t configurations = 1;
  uint8_t interfaces = 1;
  template <typename V>
  void Fields(V& v) {
    v(path, bus_id, bus, device, speed, vendor, product, release, device_class,
      device_subclass, device_protocol, configuration, configurations,
      interfaces);
  }
  // How commands name it.
  uint32_t id() const { return bus << 16 | (device & 0xFFFF); }
};
absl::StatusOr<DeviceRecord> ParseDevice(ByteSpan bytes);

struct InterfaceRecord {
  uint8_t interface_class = 0;
  uint8_t interface_subclass = 0;
  uint8_t interface_protocol = 0;
  uint8_t padding = 0;
  template <typename V>
  void Fields(V& v) {
    v(interface_class, interface_subclass, interface_protocol, padding);
  }
};
struct Exported {
  DeviceRecord device;
  std::vector<InterfaceRecord> interfaces;
};
inline constexpr uint32_t kMaxExported = 64;
// The whole reply to a devlist request. A count that the bytes do not hold is
// refused before memory is taken for it.
Bytes EncodeDevlist(const std::vector<Exported>& devices);
absl::StatusOr<std::vector<Exported>> ParseDevlist(ByteSpan reply);

// --- of an attached device ---------------------------------------------------

// Every command and reply begins with this much; the data of an OUT submit
// and of an IN reply follow.
inline constexpr size_t kHeaderSize = 48;
inline constexpr uint32_t kOut = 0;
inline constexpr uint32_t kIn = 1;
inline constexpr uint32_t kShortNotOk = 0x0001;  // transfer flag
inline constexpr uint32_t kNotIsochronous = 0xFFFFFFFF;

struct Submit {
  static constexpr uint32_t kCommand = 1;
  uint32_t command = kCommand;
  uint32_t sequence = 0;
  uint32_t device = 0;
  uint32_t direction = kOut;
  uint32_t endpoint = 0;
  uint32_t flags = 0;
  uint32_t length = 0;
  uint32_t start_frame = 0;
  uint32_t packets = kNotIsochronous;
  uint32_t interval = 0;
  std::array<uint8_t, 8> setup{};
  template <typename V>
  void Fields(V& v) {
    v(command, sequence, device, direction, endpoint, flags, length,
      start_frame, packets, interval, setup);
  }
};

struct Unlink {
  static constexpr uint32_t kCommand = 2;
  uint32_t command = kCommand;
  uint32_t sequence = 0;
  uint32_t device = 0;
  uint32_t direction = kOut;
  uint32_t endpoint = 0;
  uint32_t victim = 0;  // a Submit's sequence
  std::array<uint8_t, 24> padding{};
  template <typename V>
  void Fields(V& v) {
    v(command, sequence, device, direction, endpoint, victim, padding);
  }
};

struct SubmitReply {
  static constexpr uint32_t kCommand = 3;
  uint32_t command = kCommand;
  uint32_t sequence = 0;
  uint32_t device = 0;  // this and the next two: 0 in a reply
  uint32_t direction = 0;
  uint32_t endpoint = 0;
  uint32_t status = 0;  // 0, or a negative errno of Linux
  uint32_t actual = 0;
  uint32_t start_frame = 0;
  uint32_t packets = kNotIsochronous;
  uint32_t errors = 0;
  std::array<uint8_t, 8> padding{};
  template <typename V>
  void Fields(V& v) {
    v(command, sequence, device, direction, endpoint, status, actual,
      start_frame, packets, errors, padding);
  }
};

struct UnlinkReply {
  static constexpr uint32_t kCommand = 4;
  uint32_t command = kCommand;
  uint32_t sequence = 0;
  uint32_t device = 0;
  uint32_t direction = 0;
  uint32_t endpoint = 0;
  uint32_t status = 0;  // -ECONNRESET: it was cancelled; 0: it was done before
  std::array<uint8_t, 24> padding{};
  template <typename V>
  void Fields(V& v) {
    v(command, sequence, device, direction, endpoint, status, padding);
  }
};

// What a host sends. CKR_DEVICE_ERROR for another command, a direction that
// is none, an endpoint beyond 15, isochronous packets, a length above
// `max_transfer`.
using Command = std::variant<Submit, Unlink>;
absl::StatusOr<Command> ParseCommand(ByteSpan header, uint32_t max_transfer);

// What a device answers. CKR_DEVICE_ERROR for another command, a positive
// status, an actual length above `max_transfer`.
using Reply = std::variant<SubmitReply, UnlinkReply>;
absl::StatusOr<Reply> ParseReply(ByteSpan header, uint32_t max_transfer);

}  // namespace hsm_io::usbip

#endif  // PERIGEE_HSM_IO_USBIP_PROTOCOL_H_
