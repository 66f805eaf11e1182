#include "hsm_io/frame.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/wire.h"

namespace hsm_io {
namespace {

struct Header {
  FrameOp op;
  RequestId id;
  uint32_t length;
};

absl::Status Malformed(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("link: ", what));
}

absl::StatusOr<Header> ParseHeader(ByteSpan bytes) {
  wire::Reader r(bytes);
  const uint32_t magic = r.U32();
  const uint16_t version = r.U16();
  const uint16_t op = r.U16();
  ByteSpan id = r.Raw(16);
  const uint32_t length = r.U32();
  const uint32_t reserved = r.U32();
  if (!r.ok() || magic != kFrameMagic) return Malformed("not a Perigee frame");
  if (version != kFrameVersion) {
    return base::ErrorWithReason(
        CKR_DEVICE_ERROR, kOtherVersion,
        absl::StrCat("link: the other end speaks version ", version,
                     " of the link, this one ", kFrameVersion, ": update ",
                     version > kFrameVersion ? "this end" : "the other end"));
  }
  if (op < static_cast<uint16_t>(FrameOp::kDiscover) ||
      op > static_cast<uint16_t>(FrameOp::kError)) {
    return Malformed(absl::StrCat("unknown frame op ", op));
  }
  if (length > kMaxFrameBody) {
    return Malformed(absl::StrCat("frame of ", length, " bytes is too long"));
  }
  if (reserved != 0) return Malformed("reserved header field is not zero");
  Header header{static_cast<FrameOp>(op), {}, length};
  std::copy(id.begin(), id.end(), header.id.begin());
  return header;
}

// Reads exactly `size` bytes onto the end of `out`.
absl::Status ReadExactly(Transport& transport, size_t size, Bytes& out,
                         Deadline deadline) {
  while (size > 0) {
    ASSIGN_OR_RETURN(Bytes part, transport.Read(size, deadline));
    if (part.empty() || part.size() > size) {
      return Malformed("transport gave a wrong number of bytes");
    }
    out.insert(out.end(), part.begin(), part.end());
    size -= part.size();
  }
  return absl::OkStatus();
}

}  // namespace

Frame Frame::Make(FrameOp op, const RequestId& id, Bytes body) {
  return Frame(op, id, std::move(body));
}

absl::StatusOr<Frame> Frame::Parse(ByteSpan bytes) {
  if (bytes.size() < kFrameHeaderSize) return Malformed("truncated frame");
  ASSIGN_OR_RETURN(Header header,
                   ParseHeader(bytes.subspan(0, kFrameHeaderSize)));
  ByteSpan body = bytes.subspan(kFrameHeaderSize);
  if (body.size() != header.length) return Malformed("wrong frame length");
  return Frame(header.op, header.id, base::ToBytes(body));
}

Bytes Frame::Encode() const {
  wire::Writer w;
  w.Reserve(kFrameHeaderSize + body_.size());
  w.U32(kFrameMagic);
  w.U16(kFrameVersion);
  w.U16(static_cast<uint16_t>(op_));
  w.Raw(id_);
  w.U32(static_cast<uint32_t>(body_.size()));
  w.U32(0);
  w.Raw(body_);
  return std::move(w).Take();
}

absl::StatusOr<std::optional<Frame>> TakeFrame(Bytes& received) {
  if (received.size() < kFrameHeaderSize) return std::nullopt;
  ASSIGN_OR_RETURN(Header header,
                   ParseHeader(ByteSpan(received.data(), kFrameHeaderSize)));
  const size_t whole = kFrameHeaderSize + header.length;
  if (received.size() < whole) return std::nullopt;
  ASSIGN_OR_RETURN(Frame frame, Frame::Parse(ByteSpan(received.data(), whole)));
  received.erase(received.begin(), received.begin() + whole);
  return std::optional<Frame>(std::move(frame));
}

size_t MissingFromFrame(ByteSpan received) {
  if (received.size() < kFrameHeaderSize) {
    return kFrameHeaderSize - received.size();
  }
  const absl::StatusOr<Header> header =
      ParseHeader(received.subspan(0, kFrameHeaderSize));
  const size_t whole =
      header.ok() ? kFrameHeaderSize + header->length : kFrameHeaderSize;
  return whole - std::min(whole, received.size());
}

absl::StatusOr<Frame> ReadFrame(Transport& transport, Deadline deadline) {
  Bytes bytes;
  RETURN_IF_ERROR(ReadExactly(transport, kFrameHeaderSize, bytes, deadline));
  ASSIGN_OR_RETURN(Header header, ParseHeader(bytes));
  RETURN_IF_ERROR(ReadExactly(transport, header.length, bytes, deadline));
  return Frame::Parse(bytes);
}

absl::Status WriteFrame(Transport& transport, const Frame& frame,
                        Deadline deadline) {
  if (frame.body().size() > kMaxFrameBody) {
    return base::Error(CKR_DATA_LEN_RANGE, "message too long for the link");
  }
  return transport.Write(frame.Encode(), deadline);
}

}  // namespace hsm_io
