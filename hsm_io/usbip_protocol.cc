#include "hsm_io/usbip_protocol.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace hsm_io::usbip {
namespace {

absl::Status Malformed(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("USB/IP: ", what));
}

uint32_t CommandOf(ByteSpan header) {
  wire::Reader reader(header);
  return reader.U32();
}

void Append(Bytes& out, const Bytes& more) {
  out.insert(out.end(), more.begin(), more.end());
}

}  // namespace

absl::StatusOr<OpHeader> ParseOp(ByteSpan bytes) {
  ASSIGN_OR_RETURN(auto header, wire::Decode<OpHeader>(bytes, "USB/IP op"));
  if (header.version != kVersion) {
    return Malformed(absl::StrCat("the other end speaks version ",
                                  absl::Hex(header.version), ", this one ",
                                  absl::Hex(kVersion)));
  }
  switch (header.op) {
    case Op::kDevlistRequest:
    case Op::kDevlistReply:
    case Op::kImportRequest:
    case Op::kImportReply:
      return header;
  }
  return Malformed("unknown op");
}

absl::StatusOr<std::string> FromField(ByteSpan field) {
  const auto end = std::find(field.begin(), field.end(), uint8_t{0});
  if (end == field.end()) return Malformed("a text without end");
  return std::string(field.begin(), end);
}

Bytes EncodeImportRequest(absl::string_view bus_id) {
  OpHeader header;
  header.op = Op::kImportRequest;
  Bytes out = wire::Encode(header);
  Append(out, wire::Encode(ToField<kBusIdSize>(bus_id)));
  return out;
}

absl::StatusOr<DeviceRecord> ParseDevice(ByteSpan bytes) {
  ASSIGN_OR_RETURN(auto device,
                   wire::Decode<DeviceRecord>(bytes, "USB/IP device"));
  RETURN_IF_ERROR(FromField(device.path).status());
  RETURN_IF_ERROR(FromField(device.bus_id).status());
  return device;
}

Bytes EncodeDevlist(const std::vector<Exported>& devices) {
  OpHeader header;
  header.op = Op::kDevlistReply;
  Bytes out = wire::Encode(header);
  Append(out, wire::Encode(static_cast<uint32_t>(devices.size())));
  for (const Exported& each : devices) {
    DeviceRecord device = each.device;
    device.interfaces = static_cast<uint8_t>(each.interfaces.size());
    Append(out, wire::Encode(device));
    for (const InterfaceRecord& interface : each.interfaces) {
      Append(out, wire::Encode(interface));
    }
  }
  return out;
}

absl::StatusOr<std::vector<Exported>> ParseDevlist(ByteSpan reply) {
  wire::Reader reader(reply);
  ASSIGN_OR_RETURN(OpHeader header, ParseOp(reader.Raw(kOpSize)));
  if (header.op != Op::kDevlistReply || header.status != OpStatus::kOk) {
    return Malformed("not a list of devices");
  }
  const uint32_t count = reader.U32();
  if (count > kMaxExported || count * kDeviceSize > reader.remaining()) {
    return Malformed("more devices than bytes");
  }
  std::vector<Exported> devices(count);
  for (Exported& each : devices) {
    ASSIGN_OR_RETURN(each.device, ParseDevice(reader.Raw(kDeviceSize)));
    for (int i = 0; i < each.device.interfaces; ++i) {
      ASSIGN_OR_RETURN(InterfaceRecord interface,
                       wire::Decode<InterfaceRecord>(
                           reader.Raw(sizeof(InterfaceRecord)), "interface"));
      each.interfaces.push_back(interface);
    }
  }
  RETURN_IF_ERROR(reader.Finish("USB/IP devices"));
  return devices;
}

absl::StatusOr<Command> ParseCommand(ByteSpan header, uint32_t max_transfer) {
  const uint32_t command = CommandOf(header);
  if (command == Submit::kCommand) {
    ASSIGN_OR_RETURN(auto submit, wire::Decode<Submit>(header, "submit"));
    if (submit.direction > kIn) return Malformed("no direction");
    if (submit.endpoint > 15) return Malformed("no endpoint");
    if (submit.length > max_transfer) return Malformed("transfer too long");
    // Hosts put either there for a transfer that is not isochronous.
    if (submit.packets != 0 && submit.packets != kNotIsochronous) {
      return Malformed("isochronous transfer");
    }
    return Command(submit);
  }
  if (command == Unlink::kCommand) {
    ASSIGN_OR_RETURN(auto unlink, wire::Decode<Unlink>(header, "unlink"));
    return Command(unlink);
  }
  return Malformed("unknown command");
}

absl::StatusOr<Reply> ParseReply(ByteSpan header, uint32_t max_transfer) {
  const uint32_t command = CommandOf(header);
  if (command == SubmitReply::kCommand) {
    ASSIGN_OR_RETURN(auto reply, wire::Decode<SubmitReply>(header, "reply"));
    if (static_cast<int32_t>(reply.status) > 0) return Malformed("bad status");
    if (reply.actual > max_transfer) return Malformed("reply too long");
    return Reply(reply);
  }
  if (command == UnlinkReply::kCommand) {
    ASSIGN_OR_RETURN(auto reply, wire::Decode<UnlinkReply>(header, "reply"));
    if (static_cast<int32_t>(reply.status) > 0) return Malformed("bad status");
    return Reply(reply);
  }
  return Malformed("unknown reply");
}

}  // namespace hsm_io::usbip
