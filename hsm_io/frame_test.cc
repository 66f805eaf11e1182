// Frames: what is one, and what is refused before memory is taken for it.
#include "hsm_io/frame.h"

#include "base/status.h"
#include "gtest/gtest.h"

namespace hsm_io {
namespace {

RequestId SomeId() {
  RequestId id{};
  for (size_t i = 0; i < id.size(); ++i) id[i] = static_cast<uint8_t>(i + 1);
  return id;
}

Bytes SomeFrame() {
  return Frame::Make(FrameOp::kSealed, SomeId(), {7, 8, 9}).Encode();
}

TEST(FrameTest, ParsesWhatEncodeMade) {
  const absl::StatusOr<Frame> frame = Frame::Parse(SomeFrame());
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->op(), FrameOp::kSealed);
  EXPECT_EQ(frame->id(), SomeId());
  EXPECT_EQ(frame->body(), Bytes({7, 8, 9}));
}

TEST(FrameTest, EveryTruncation_IsRefused) {
  const Bytes whole = SomeFrame();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Frame::Parse(ByteSpan(whole.data(), size)).ok()) << size;
  }
}

TEST(FrameTest, TrailingByte_IsRefused) {
  Bytes bytes = SomeFrame();
  bytes.push_back(0);
  EXPECT_FALSE(Frame::Parse(bytes).ok());
}

// Bits of the id and the body are the channel's business.
TEST(FrameTest, EveryFlippedBitOfTheFixedFields_IsRefusedOrAnotherOp) {
  const Bytes whole = SomeFrame();
  for (size_t bit = 0; bit < kFrameHeaderSize * 8; ++bit) {
    const size_t byte = bit / 8;
    if (byte >= 8 && byte < 24) continue;
    Bytes bytes = whole;
    bytes[byte] ^= static_cast<uint8_t>(1u << (bit % 8));
    const absl::StatusOr<Frame> frame = Frame::Parse(bytes);
    if (frame.ok()) {
      EXPECT_TRUE(byte == 6 || byte == 7) << "bit " << bit;
      EXPECT_NE(frame->op(), FrameOp::kSealed) << "bit " << bit;
    } else {
      EXPECT_EQ(base::CkRv(frame.status()), CKR_DEVICE_ERROR) << bit;
    }
  }
}

TEST(FrameTest, AnotherVersion_SaysWhichEndToUpdate) {
  Bytes newer = SomeFrame(), older = SomeFrame();
  newer[5] = kFrameVersion + 1;
  older[5] = kFrameVersion - 1;
  const absl::Status from_newer = Frame::Parse(newer).status();
  EXPECT_EQ(from_newer.message(),
            "link: the other end speaks version 2 of the link, this one 1: "
            "update this end");
  EXPECT_EQ(base::Reason(from_newer), kOtherVersion);
  EXPECT_EQ(Frame::Parse(older).status().message(),
            "link: the other end speaks version 0 of the link, this one 1: "
            "update the other end");
}

TEST(TakeFrameTest, WaitsForTheRestAndLeavesTheNext) {
  const Bytes one = SomeFrame();
  Bytes received(one.begin(), one.end() - 1);
  absl::StatusOr<std::optional<Frame>> frame = TakeFrame(received);
  ASSERT_TRUE(frame.ok());
  EXPECT_FALSE(frame->has_value());

  received.push_back(one.back());
  received.insert(received.end(), one.begin(), one.begin() + 5);
  frame = TakeFrame(received);
  ASSERT_TRUE(frame.ok());
  ASSERT_TRUE(frame->has_value());
  EXPECT_EQ((*frame)->body(), Bytes({7, 8, 9}));
  EXPECT_EQ(received, Bytes(one.begin(), one.begin() + 5));
}

TEST(TakeFrameTest, LengthBeyondTheLimit_IsRefusedFromTheHeaderAlone) {
  Bytes header = SomeFrame();
  header.resize(kFrameHeaderSize);
  header[24] = 0xFF;
  EXPECT_EQ(base::CkRv(TakeFrame(header).status()), CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace hsm_io
