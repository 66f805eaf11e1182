#include "hsm_io/channel.h"

#include <utility>

#include "base/crypto.h"
#include "base/wire.h"

namespace hsm_io {
namespace {

constexpr uint64_t kMessagesPerKey = 65536;
constexpr uint32_t kAadMagic = 0x50524743;  // "PRGC"

}  // namespace

Channel::Channel(Side side, handshake::Established established)
    : peer_(std::move(established.peer.certificate)),
      send_{static_cast<uint8_t>(side == Side::kHost ? 0 : 1),
            std::move(established.send_key)},
      receive_{static_cast<uint8_t>(side == Side::kHost ? 1 : 0),
               std::move(established.receive_key)} {}

absl::Status Channel::Prepare(Direction& direction, FrameOp op,
                              const RequestId& id, Bytes& nonce, Bytes& aad) {
  if (broken_) {
    return base::Error(CKR_DEVICE_ERROR, "link: the secure channel is closed");
  }
  if (direction.counter != 0 && direction.counter % kMessagesPerKey == 0) {
    ASSIGN_OR_RETURN(
        direction.key,
        base::HkdfSha256(direction.key.Expose(), {},
                         base::AsBytes("perigee rekey"), base::kAeadKeySize));
  }
  wire::Writer n;
  n.U32(0);
  n.U64(direction.counter);
  nonce = std::move(n).Take();
  wire::Writer a;
  a.U32(kAadMagic);
  a.U8(direction.number);
  a.U64(direction.counter);
  a.U16(static_cast<uint16_t>(op));
  a.Raw(id);
  aad = std::move(a).Take();
  return absl::OkStatus();
}

void Channel::Break() {
  broken_ = true;
  send_.key = {};
  receive_.key = {};
}

absl::StatusOr<Bytes> Channel::Seal(FrameOp op, const RequestId& id,
                                    ByteSpan message) {
  Bytes nonce, aad;
  RETURN_IF_ERROR(Prepare(send_, op, id, nonce, aad));
  ASSIGN_OR_RETURN(Bytes sealed,
                   base::AeadSeal(send_.key.Expose(), nonce, aad, message));
  ++send_.counter;
  return sealed;
}

absl::StatusOr<base::SecretBytes> Channel::Open(const Frame& frame) {
  Bytes nonce, aad;
  RETURN_IF_ERROR(Prepare(receive_, frame.op(), frame.id(), nonce, aad));
  absl::StatusOr<base::SecretBytes> message =
      base::AeadOpen(receive_.key.Expose(), nonce, aad, frame.body());
  if (!message.ok()) {
    Break();
    return base::Error(CKR_DEVICE_ERROR,
                       "link: a frame was altered, replayed or lost; the "
                       "secure channel is closed");
  }
  ++receive_.counter;
  return message;
}

}  // namespace hsm_io
