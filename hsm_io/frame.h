// The frame: header {magic, version, op, request id, length} and body. Holding
// a Frame is the proof that its header was valid.
#ifndef PERIGEE_HSM_IO_FRAME_H_
#define PERIGEE_HSM_IO_FRAME_H_

#include <array>
#include <cstdint>
#include <optional>

#include "hsm_io/transport.h"

namespace hsm_io {

inline constexpr uint32_t kFrameMagic = 0x50524731;  // "PRG1"
inline constexpr uint16_t kFrameVersion = 1;
inline constexpr size_t kFrameHeaderSize = 32;
// Bodies are at most 2 MiB; a longer length is refused before memory is taken.
inline constexpr uint32_t kMaxFrameBody = 2u << 20;

// The reason of the error for a frame of another version. A device answers it
// with an error in its own version, by which the host can tell who is older.
inline constexpr char kOtherVersion[] = "link-version";

using RequestId = std::array<uint8_t, 16>;

// What a frame is for on the link, below the channel.
enum class FrameOp : uint16_t {
  kDiscover = 1,       // clear: request
  kDiscoverReply = 2,  // clear: DeviceInfo
  kHello = 3,          // handshake messages; body as base/handshake gives them
  kReply = 4,
  kFinish = 5,
  kReady = 6,   // device: the channel is open (sealed, empty)
  kSealed = 7,  // a sealed message, both directions
  kError = 8,   // clear: status, channel closed
};

class Frame {
 public:
  static Frame Make(FrameOp op, const RequestId& id, Bytes body);
  // CKR_DEVICE_ERROR (DataLoss) for a wrong magic, version, op or length; of
  // reason kOtherVersion where only the version is another.
  static absl::StatusOr<Frame> Parse(ByteSpan bytes);

  FrameOp op() const { return op_; }
  const RequestId& id() const { return id_; }
  const Bytes& body() const { return body_; }
  Bytes Encode() const;

 private:
  Frame(FrameOp op, const RequestId& id, Bytes body)
      : op_(op), id_(id), body_(std::move(body)) {}
  FrameOp op_;
  RequestId id_;
  Bytes body_;
};

// Takes the first whole frame off a buffer of received bytes; nullopt while it
// is incomplete; an error when what is there cannot become a frame.
absl::StatusOr<std::optional<Frame>> TakeFrame(Bytes& received);

// How many bytes the first frame of such a buffer still needs to be whole, as
// far as is known: to the end of its header, or to its own.
size_t MissingFromFrame(ByteSpan received);

// Reads exactly one frame; writes one.
absl::StatusOr<Frame> ReadFrame(Transport& transport, Deadline deadline);
absl::Status WriteFrame(Transport& transport, const Frame& frame,
                        Deadline deadline);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_FRAME_H_
