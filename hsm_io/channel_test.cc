// The secure channel: only the next message of its direction opens, and any
// other ends it.
#include "hsm_io/channel.h"

#include "gtest/gtest.h"
#include "hsm_io/test_link.h"

namespace hsm_io {
namespace {

constexpr uint8_t kToDevice = 0x11, kToHost = 0x22;

const base::Certificate& SomeCertificate() {
  static const auto* const certificate =
      new base::Certificate(TestRoot::New().Issue("backup", "42")->certificate);
  return *certificate;
}

base::SecretBytes Key(uint8_t fill) {
  return base::SecretBytes(base::WipedVector(32, fill));
}

// Ends as a handshake would leave them.
Channel Host() {
  return Channel(Channel::Side::kHost,
                 {{SomeCertificate(), {}}, Key(kToDevice), Key(kToHost), {}});
}
Channel Device() {
  return Channel(Channel::Side::kDevice,
                 {{SomeCertificate(), {}}, Key(kToHost), Key(kToDevice), {}});
}

Frame SealedBy(Channel& channel, uint8_t id, absl::string_view text) {
  return Frame::Make(
      FrameOp::kSealed, Id(id),
      *channel.Seal(FrameOp::kSealed, Id(id), base::AsBytes(text)));
}

std::string OpenedBy(Channel& channel, const Frame& frame) {
  const absl::StatusOr<base::SecretBytes> opened = channel.Open(frame);
  if (!opened.ok()) return std::string(opened.status().message());
  return std::string(base::AsText(opened->Expose()));
}

void ExpectClosed(Channel& channel) {
  EXPECT_EQ(base::CkRv(channel.Seal(FrameOp::kSealed, Id(9), {}).status()),
            CKR_DEVICE_ERROR);
  Channel host = Host();
  EXPECT_FALSE(channel.Open(SealedBy(host, 1, "first")).ok());
}

TEST(ChannelTest, CarriesMessagesBothWaysInOrder) {
  Channel host = Host(), device = Device();
  EXPECT_EQ(OpenedBy(device, SealedBy(host, 1, "one")), "one");
  EXPECT_EQ(OpenedBy(host, SealedBy(device, 1, "eins")), "eins");
  EXPECT_EQ(OpenedBy(device, SealedBy(host, 2, "two")), "two");
}

TEST(ChannelTest, EveryFlippedBitOfTheBody_ClosesIt) {
  Channel host = Host();
  const Frame frame = SealedBy(host, 1, "secret");
  for (size_t bit = 0; bit < frame.body().size() * 8; ++bit) {
    Bytes body = frame.body();
    body[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    Channel device = Device();
    EXPECT_FALSE(device.Open(Frame::Make(frame.op(), frame.id(), body)).ok())
        << "bit " << bit;
    EXPECT_FALSE(device.Open(frame).ok()) << "still open, bit " << bit;
  }
}

TEST(ChannelTest, EveryFlippedBitOfTheRequestId_ClosesIt) {
  Channel host = Host();
  const Frame frame = SealedBy(host, 1, "secret");
  for (size_t bit = 0; bit < 16 * 8; ++bit) {
    RequestId id = frame.id();
    id[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    Channel device = Device();
    EXPECT_FALSE(device.Open(Frame::Make(frame.op(), id, frame.body())).ok())
        << "bit " << bit;
  }
}

TEST(ChannelTest, AnotherOpOfTheFrame_ClosesIt) {
  Channel host = Host(), device = Device();
  const Frame frame = SealedBy(host, 1, "x");
  EXPECT_FALSE(
      device.Open(Frame::Make(FrameOp::kReady, frame.id(), frame.body())).ok());
  ExpectClosed(device);
}

TEST(ChannelTest, ShorterAndLongerBodies_CloseIt) {
  Channel host = Host();
  const Frame frame = SealedBy(host, 1, "secret");
  for (size_t size = 0; size < frame.body().size(); ++size) {
    Channel device = Device();
    const Bytes body(frame.body().begin(), frame.body().begin() + size);
    EXPECT_FALSE(device.Open(Frame::Make(frame.op(), frame.id(), body)).ok())
        << size;
  }
  Bytes longer = frame.body();
  longer.push_back(0);
  Channel device = Device();
  EXPECT_FALSE(device.Open(Frame::Make(frame.op(), frame.id(), longer)).ok());
}

TEST(ChannelTest, Replay_ClosesIt) {
  Channel host = Host(), device = Device();
  const Frame frame = SealedBy(host, 1, "pay");
  EXPECT_EQ(OpenedBy(device, frame), "pay");
  EXPECT_FALSE(device.Open(frame).ok());
  ExpectClosed(device);
}

TEST(ChannelTest, Reordering_ClosesIt) {
  Channel host = Host(), device = Device();
  const Frame first = SealedBy(host, 1, "first");
  const Frame second = SealedBy(host, 2, "second");
  EXPECT_FALSE(device.Open(second).ok());
  EXPECT_FALSE(device.Open(first).ok());
}

TEST(ChannelTest, Reflection_ClosesIt) {
  Channel host = Host();
  const Frame frame = SealedBy(host, 1, "to the device");
  EXPECT_FALSE(host.Open(frame).ok());
  ExpectClosed(host);
}

TEST(ChannelTest, GoesOnPastTheChangeOfKeys) {
  Channel host = Host(), device = Device();
  for (int i = 0; i < 65536; ++i) {
    const Frame frame = SealedBy(host, 1, "");
    ASSERT_TRUE(device.Open(frame).ok()) << i;
  }
  EXPECT_EQ(OpenedBy(device, SealedBy(host, 1, "after")), "after");
}

}  // namespace
}  // namespace hsm_io
