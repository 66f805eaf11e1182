#include "hsm_io/sealed_message.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace hsm_io {
namespace {

struct StatusHead {
  uint64_t rv = 0;
  std::string reason;
  std::string message;
};

void PutStatus(wire::Writer& w, const absl::Status& status) {
  w.U64(base::CkRv(status));
  w.Text(base::Reason(status));
  w.Text(status.ok() ? absl::string_view() : status.message());
}

StatusHead GetStatus(wire::Reader& r) {
  StatusHead head;
  head.rv = r.U64();
  head.reason = Printable(r.Text(), 64);
  head.message = Printable(r.Text(), 1024);
  return head;
}

absl::Status ToStatus(const StatusHead& head) {
  if (head.rv == CKR_OK) return absl::OkStatus();
  const auto rv = static_cast<CK_RV>(head.rv);
  if (head.reason.empty()) return base::Error(rv, head.message);
  return base::ErrorWithReason(rv, head.reason, head.message);
}

}  // namespace

base::SecretBytes EncodeRequest(uint16_t op, base::ByteSpan body) {
  wire::Writer w;
  w.Reserve(sizeof(op) + body.size());
  w.U16(op);
  w.Raw(body);
  return std::move(w).TakeSecret();
}

absl::StatusOr<SealedRequest> DecodeRequest(base::ByteSpan message) {
  wire::Reader r(message);
  SealedRequest request;
  request.op = r.U16();
  request.body = base::SecretBytes::CopyOf(r.Raw(r.remaining()));
  RETURN_IF_ERROR(r.Finish("request"));
  return request;
}

base::SecretBytes EncodeReply(const absl::StatusOr<base::SecretBytes>& reply) {
  wire::Writer w;
  PutStatus(w, reply.status());
  if (reply.ok()) w.Raw(reply->Expose());
  return std::move(w).TakeSecret();
}

absl::StatusOr<base::SecretBytes> DecodeReply(base::ByteSpan message) {
  wire::Reader r(message);
  const StatusHead head = GetStatus(r);
  base::SecretBytes body = base::SecretBytes::CopyOf(r.Raw(r.remaining()));
  RETURN_IF_ERROR(r.Finish("reply"));
  RETURN_IF_ERROR(ToStatus(head));
  return body;
}

base::Bytes EncodeLinkError(const absl::Status& status) {
  wire::Writer w;
  PutStatus(w, status);
  return std::move(w).Take();
}

absl::Status DecodeLinkError(base::ByteSpan body) {
  wire::Reader r(body);
  const StatusHead head = GetStatus(r);
  RETURN_IF_ERROR(r.Finish("link error"));
  return base::Error(
      CKR_DEVICE_ERROR,
      absl::StrCat("the device refused the link: ", head.message));
}

std::string Printable(absl::string_view text, size_t limit) {
  std::string out;
  for (char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(byte < 0x20 || byte == 0x7f ? '?' : c);
  }
  return out;
}

}  // namespace hsm_io
