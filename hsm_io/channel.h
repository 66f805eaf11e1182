// One direction-aware end of the secure channel: seals and opens messages
// under counted AES-256-GCM (docs/formats/wire.md). Any failure to open is
// final: the keys are wiped and every later call fails.
#ifndef PERIGEE_HSM_IO_CHANNEL_H_
#define PERIGEE_HSM_IO_CHANNEL_H_

#include "base/handshake.h"
#include "hsm_io/frame.h"

namespace hsm_io {

inline constexpr char kChannelPurpose[] = "perigee channel 1";

class Channel {
 public:
  enum class Side { kHost, kDevice };
  Channel(Side side, handshake::Established established);

  // CKR_DEVICE_ERROR after a failure; otherwise a sealed body for a frame with
  // this op and id.
  absl::StatusOr<Bytes> Seal(FrameOp op, const RequestId& id, ByteSpan message);
  absl::StatusOr<base::SecretBytes> Open(const Frame& frame);

  const base::Certificate& peer() const { return peer_; }

 private:
  struct Direction {
    uint8_t number;
    base::SecretBytes key;
    uint64_t counter = 0;
  };
  // Nonce and associated data of the next message; rekeys when it is time.
  absl::Status Prepare(Direction& direction, FrameOp op, const RequestId& id,
                       Bytes& nonce, Bytes& aad);
  void Break();

  base::Certificate peer_;
  Direction send_;
  Direction receive_;
  bool broken_ = false;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_CHANNEL_H_
