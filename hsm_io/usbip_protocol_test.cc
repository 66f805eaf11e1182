// The records of USB/IP: as they stand on the wire, and every way to lie.
#include "hsm_io/usbip_protocol.h"

#include "gtest/gtest.h"

namespace hsm_io::usbip {
namespace {

constexpr uint32_t kLimit = 4096;

bool IsCommand(ByteSpan bytes) { return ParseCommand(bytes, kLimit).ok(); }
bool IsReply(ByteSpan bytes) { return ParseReply(bytes, kLimit).ok(); }

Bytes With(Bytes bytes, size_t at, uint32_t value) {
  for (int i = 0; i < 4; ++i) {
    bytes[at + i] = static_cast<uint8_t>(value >> (24 - 8 * i));
  }
  return bytes;
}

TEST(UsbipProtocolTest, ImportRequest_IsAsThePaperSays) {
  const Bytes bytes = EncodeImportRequest("1-1");
  ASSERT_EQ(bytes.size(), kImportRequestSize);
  EXPECT_EQ(Bytes(bytes.begin(), bytes.begin() + 12),
            (Bytes{0x01, 0x11, 0x80, 0x03, 0, 0, 0, 0, '1', '-', '1', 0}));
}

TEST(UsbipProtocolTest, Submit_IsAsThePaperSays) {
  Submit submit;
  submit.sequence = 0x01020304;
  submit.device = 0x00010002;
  submit.direction = kIn;
  submit.endpoint = 3;
  submit.flags = 0x11;
  submit.length = 64;
  submit.interval = 5;
  submit.setup = {0x80, 6, 0, 1, 0, 0, 0x40, 0};
  const Bytes bytes = wire::Encode(submit);
  EXPECT_EQ(bytes, (Bytes{0, 0, 0, 1,  1,    2, 3, 4, 0,    1,    0,    2,
                          0, 0, 0, 1,  0,    0, 0, 3, 0,    0,    0,    0x11,
                          0, 0, 0, 64, 0,    0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
                          0, 0, 0, 5,  0x80, 6, 0, 1, 0,    0,    0x40, 0}));
}

TEST(UsbipProtocolTest, Sizes_AreThoseOfTheProtocol) {
  EXPECT_EQ(wire::Encode(OpHeader()).size(), kOpSize);
  EXPECT_EQ(wire::Encode(DeviceRecord()).size(), kDeviceSize);
  EXPECT_EQ(wire::Encode(Submit()).size(), kHeaderSize);
  EXPECT_EQ(wire::Encode(Unlink()).size(), kHeaderSize);
  EXPECT_EQ(wire::Encode(SubmitReply()).size(), kHeaderSize);
  EXPECT_EQ(wire::Encode(UnlinkReply()).size(), kHeaderSize);
}

TEST(UsbipProtocolTest, EveryTruncation_IsRefused) {
  const Bytes op = wire::Encode(OpHeader());
  const Bytes device = wire::Encode(DeviceRecord());
  for (size_t i = 0; i < kOpSize; ++i) {
    EXPECT_FALSE(ParseOp(ByteSpan(op.data(), i)).ok()) << i;
  }
  for (size_t i = 0; i < kDeviceSize; ++i) {
    EXPECT_FALSE(ParseDevice(ByteSpan(device.data(), i)).ok()) << i;
  }
  for (size_t i = 0; i < kHeaderSize; ++i) {
    EXPECT_FALSE(IsCommand(ByteSpan(wire::Encode(Submit())).subspan(0, i)));
    EXPECT_FALSE(IsCommand(ByteSpan(wire::Encode(Unlink())).subspan(0, i)));
    EXPECT_FALSE(IsReply(ByteSpan(wire::Encode(SubmitReply())).subspan(0, i)));
    EXPECT_FALSE(IsReply(ByteSpan(wire::Encode(UnlinkReply())).subspan(0, i)));
  }
}

TEST(UsbipProtocolTest, OneByteMore_IsRefused) {
  Bytes bytes = wire::Encode(Submit());
  bytes.push_back(0);
  EXPECT_FALSE(IsCommand(bytes));
}

TEST(UsbipProtocolTest, OtherVersionsAndOps_AreRefused) {
  EXPECT_FALSE(ParseOp(Bytes{0x01, 0x06, 0x80, 0x05, 0, 0, 0, 0}).ok());
  EXPECT_FALSE(ParseOp(Bytes{0x01, 0x11, 0x80, 0x02, 0, 0, 0, 0}).ok());
  EXPECT_TRUE(ParseOp(Bytes{0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0}).ok());
}

TEST(UsbipProtocolTest, CommandsOfOneEnd_AreNotThoseOfTheOther) {
  EXPECT_TRUE(IsCommand(wire::Encode(Submit())));
  EXPECT_TRUE(IsCommand(wire::Encode(Unlink())));
  EXPECT_FALSE(IsCommand(wire::Encode(SubmitReply())));
  EXPECT_FALSE(IsReply(wire::Encode(Submit())));
  for (const uint32_t command : {0u, 5u, 0xFFFFFFFFu}) {
    EXPECT_FALSE(IsCommand(With(wire::Encode(Submit()), 0, command)));
    EXPECT_FALSE(IsReply(With(wire::Encode(SubmitReply()), 0, command)));
  }
}

TEST(UsbipProtocolTest, SubmitThatCannotBe_IsRefused) {
  const Bytes submit = wire::Encode(Submit());
  EXPECT_FALSE(IsCommand(With(submit, 12, 2))) << "direction";
  EXPECT_FALSE(IsCommand(With(submit, 16, 16))) << "endpoint";
  EXPECT_TRUE(IsCommand(With(submit, 24, kLimit)));
  EXPECT_FALSE(IsCommand(With(submit, 24, kLimit + 1))) << "length";
  EXPECT_FALSE(IsCommand(With(submit, 24, 0xFFFFFFFF))) << "length";
  EXPECT_TRUE(IsCommand(With(submit, 32, 0)));
  EXPECT_FALSE(IsCommand(With(submit, 32, 1))) << "isochronous";
}

TEST(UsbipProtocolTest, ReplyThatCannotBe_IsRefused) {
  const Bytes reply = wire::Encode(SubmitReply());
  EXPECT_TRUE(IsReply(With(reply, 20, static_cast<uint32_t>(-32))));
  EXPECT_FALSE(IsReply(With(reply, 20, 1))) << "status";
  EXPECT_TRUE(IsReply(With(reply, 24, kLimit)));
  EXPECT_FALSE(IsReply(With(reply, 24, kLimit + 1))) << "length";
  EXPECT_FALSE(IsReply(With(wire::Encode(UnlinkReply()), 20, 1)));
}

TEST(UsbipProtocolTest, TextWithoutEnd_IsRefused) {
  EXPECT_FALSE(FromField(Bytes(32, 'a')).ok());
  EXPECT_EQ(*FromField(ToField<32>(std::string(99, 'a'))),
            std::string(31, 'a'));
  DeviceRecord device;
  device.bus_id.fill('1');
  EXPECT_FALSE(ParseDevice(wire::Encode(device)).ok());
}

class DevlistTest : public testing::Test {
 protected:
  DevlistTest() {
    Exported exported;
    exported.device.bus_id = ToField<kBusIdSize>("1-1");
    exported.device.speed = 3;
    exported.interfaces.push_back({0xFF, 0x50, 1, 0});
    list_ = EncodeDevlist({exported, exported});
  }
  Bytes list_;
};

TEST_F(DevlistTest, IsReadAsItWasWritten) {
  const auto devices = ParseDevlist(list_);
  ASSERT_TRUE(devices.ok()) << devices.status();
  ASSERT_EQ(devices->size(), 2u);
  EXPECT_EQ(*FromField((*devices)[1].device.bus_id), "1-1");
  ASSERT_EQ((*devices)[1].interfaces.size(), 1u);
  EXPECT_EQ((*devices)[1].interfaces[0].interface_class, 0xFF);
}

TEST_F(DevlistTest, EveryTruncation_IsRefused) {
  for (size_t i = 0; i < list_.size(); ++i) {
    EXPECT_FALSE(ParseDevlist(ByteSpan(list_.data(), i)).ok()) << i;
  }
}

TEST_F(DevlistTest, EveryOtherCount_IsRefused) {
  for (const uint32_t count : {0u, 1u, 3u, 64u, 65u, 0x80000000u, ~0u}) {
    EXPECT_FALSE(ParseDevlist(With(list_, kOpSize, count)).ok()) << count;
  }
  Bytes interfaces = list_;
  interfaces[kOpSize + 4 + kDeviceSize - 1] = 255;
  EXPECT_FALSE(ParseDevlist(interfaces).ok());
}

}  // namespace
}  // namespace hsm_io::usbip
