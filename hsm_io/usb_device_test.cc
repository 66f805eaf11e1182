// The device at the level of transfers: what a host may ask, what it gets, and
// what hostile ones get.
#include "hsm_io/usb_device.h"

#include <errno.h>

#include "gtest/gtest.h"
#include "hsm_io/test_link.h"

namespace hsm_io {
namespace {

constexpr uint8_t kIn = 0x80;

class UsbDeviceTest : public testing::Test {
 protected:
  explicit UsbDeviceTest(UsbSpeed speed = UsbSpeed::kHigh)
      : usb_(speed, "1234567",
             [this]() -> absl::StatusOr<std::unique_ptr<Server>> {
               ++sessions_;
               return device_.PlugIn();
             }) {}

  // The only completion of a transfer that is submitted.
  UsbCompletion Do(UsbTransfer transfer) {
    EXPECT_TRUE(usb_.Submit(std::move(transfer)));
    std::vector<UsbCompletion> done = usb_.TakeCompletions();
    EXPECT_EQ(done.size(), 1u);
    return done.empty() ? UsbCompletion() : done[0];
  }
  UsbCompletion Control(const UsbSetup& setup) {
    UsbTransfer transfer;
    transfer.in = setup.in();
    transfer.length = setup.length;
    transfer.setup = setup.Encode();
    if (!transfer.in) transfer.data.resize(setup.length);
    return Do(std::move(transfer));
  }
  static UsbSetup Setup(uint8_t type, UsbRequest request, uint16_t value = 0,
                        uint16_t index = 0, uint16_t length = 0) {
    return {type, static_cast<uint8_t>(request), value, index, length};
  }
  UsbCompletion Descriptor(UsbDescriptor type, uint8_t index = 0,
                           uint16_t length = 255) {
    return Control(
        Setup(kIn, UsbRequest::kGetDescriptor,
              static_cast<uint16_t>(static_cast<uint8_t>(type) << 8 | index), 0,
              length));
  }
  void Configure() {
    EXPECT_EQ(Control(Setup(0, UsbRequest::kSetConfiguration, 1)).status, 0);
  }
  static UsbTransfer Out(Bytes data, uint32_t id = 1) {
    UsbTransfer transfer;
    transfer.id = id;
    transfer.endpoint = 1;
    transfer.length = static_cast<uint32_t>(data.size());
    transfer.data = std::move(data);
    return transfer;
  }
  static UsbTransfer In(uint32_t length, uint32_t id = 2) {
    UsbTransfer transfer;
    transfer.id = id;
    transfer.endpoint = 1;
    transfer.in = true;
    transfer.length = length;
    return transfer;
  }
  static Bytes Discover(uint8_t id = 1) {
    return Frame::Make(FrameOp::kDiscover, Id(id), {}).Encode();
  }
  // Makes the answer to Discover this long, header included.
  void AnswerWith(size_t size) {
    device_.info = DeviceInfo();
    const size_t empty = kFrameHeaderSize + wire::Encode(device_.info).size();
    ASSERT_GE(size, empty);
    device_.info.label = std::string(size - empty, 'x');
  }

  const TestRoot root_ = TestRoot::New();
  TestDevice device_{root_.Issue("backup", "1")};
  int sessions_ = 0;
  UsbDevice usb_;
};

class SuperSpeedTest : public UsbDeviceTest {
 protected:
  SuperSpeedTest() : UsbDeviceTest(UsbSpeed::kSuper) {}
};

// --- descriptors -------------------------------------------------------------

TEST_F(UsbDeviceTest, DeviceDescriptor_IsOurs) {
  const auto parsed =
      UsbDeviceDescriptor::Parse(Descriptor(UsbDescriptor::kDevice).data);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->vendor, kUsbVendor);
  EXPECT_EQ(parsed->product, kUsbProduct);
  EXPECT_EQ(parsed->serial_index, 3);
}

TEST_F(UsbDeviceTest, Configuration_HasTwoBulkPipesOf512) {
  const Bytes bytes = Descriptor(UsbDescriptor::kConfiguration).data;
  EXPECT_EQ(bytes.size(), 32u);
  const auto pipes = UsbPipes::Parse(bytes);
  ASSERT_TRUE(pipes.ok()) << pipes.status();
  EXPECT_EQ(pipes->configuration, 1);
  EXPECT_EQ(pipes->out, 1);
  EXPECT_EQ(pipes->in, 1);
  EXPECT_EQ(pipes->out_packet, 512);
  EXPECT_EQ(pipes->in_packet, 512);
}

TEST_F(SuperSpeedTest, Configuration_HasPipesOf1024WithCompanions) {
  const Bytes bytes = Descriptor(UsbDescriptor::kConfiguration).data;
  EXPECT_EQ(bytes.size(), 44u);
  const auto pipes = UsbPipes::Parse(bytes);
  ASSERT_TRUE(pipes.ok()) << pipes.status();
  EXPECT_EQ(pipes->in_packet, 1024);
}

TEST_F(SuperSpeedTest, HasABosAndNoQualifier) {
  EXPECT_EQ(Descriptor(UsbDescriptor::kBos).data.size(), 22u);
  EXPECT_EQ(Descriptor(UsbDescriptor::kQualifier).status, -EPIPE);
}

TEST_F(UsbDeviceTest, HasAQualifierAndNoBos) {
  EXPECT_EQ(Descriptor(UsbDescriptor::kQualifier).data.size(), 10u);
  EXPECT_EQ(Descriptor(UsbDescriptor::kOtherSpeed).data.size(), 32u);
  EXPECT_EQ(Descriptor(UsbDescriptor::kBos).status, -EPIPE);
}

TEST_F(UsbDeviceTest, SerialNumber_IsTheThirdString) {
  const Bytes text = Descriptor(UsbDescriptor::kString, 3).data;
  EXPECT_EQ(text, (Bytes{16, 3, '1', 0, '2', 0, '3', 0, '4', 0, '5', 0, '6', 0,
                         '7', 0}));
  EXPECT_EQ(Descriptor(UsbDescriptor::kString, 4).status, -EPIPE);
}

TEST_F(UsbDeviceTest, Descriptor_IsCutToWhatIsAskedFor) {
  EXPECT_EQ(Descriptor(UsbDescriptor::kDevice, 0, 8).actual, 8u);
}

TEST(UsbPipesTest, EveryTruncationIsRefused) {
  for (const UsbSpeed speed : {UsbSpeed::kHigh, UsbSpeed::kSuper}) {
    const Bytes whole = *MakeUsbDescriptor(speed, "", 2, 0);
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(UsbPipes::Parse(ByteSpan(whole.data(), size)).ok()) << size;
      // Also one that says so itself.
      Bytes cut(whole.begin(), whole.begin() + size);
      if (size > 2) cut[2] = static_cast<uint8_t>(size);
      const auto pipes = UsbPipes::Parse(cut);
      EXPECT_EQ(pipes.ok(), speed == UsbSpeed::kSuper && size == 38) << size;
    }
  }
}

TEST(UsbPipesTest, EveryLieAboutALengthIsRefused) {
  const Bytes whole = *MakeUsbDescriptor(UsbSpeed::kHigh, "", 2, 0);
  for (const size_t at : {0, 2, 9, 18, 25}) {
    for (int lie = 0; lie < 256; ++lie) {
      Bytes bytes = whole;
      if (bytes[at] == lie) continue;
      bytes[at] = static_cast<uint8_t>(lie);
      EXPECT_FALSE(UsbPipes::Parse(bytes).ok()) << at << ": " << lie;
    }
  }
}

TEST(UsbPipesTest, AnotherClass_IsNotOurs) {
  Bytes bytes = *MakeUsbDescriptor(UsbSpeed::kHigh, "", 2, 0);
  bytes[9 + 5] = 8;  // mass storage
  EXPECT_EQ(base::CkRv(UsbPipes::Parse(bytes).status()), CKR_DEVICE_ERROR);
}

TEST(UsbPipesTest, AnotherVersionOfTheLink_SaysWhichEndToUpdate) {
  Bytes bytes = *MakeUsbDescriptor(UsbSpeed::kHigh, "", 2, 0);
  bytes[9 + 7] = kUsbProtocol + 1;
  const absl::Status newer = UsbPipes::Parse(bytes).status();
  EXPECT_EQ(base::CkRv(newer), CKR_DEVICE_ERROR);
  EXPECT_NE(newer.message().find("speaks version 2 of the link, this host 1: "
                                 "update this host"),
            absl::string_view::npos)
      << newer;
}

TEST(UsbPipesTest, MovedEndpoints_AreFound) {
  Bytes bytes = *MakeUsbDescriptor(UsbSpeed::kHigh, "", 2, 0);
  bytes[18 + 2] = 0x02;
  bytes[25 + 2] = 0x85;
  const auto pipes = UsbPipes::Parse(bytes);
  ASSERT_TRUE(pipes.ok()) << pipes.status();
  EXPECT_EQ(pipes->out, 2);
  EXPECT_EQ(pipes->in, 5);
}

TEST(UsbPipesTest, PacketOfNoSize_IsRefused) {
  Bytes bytes = *MakeUsbDescriptor(UsbSpeed::kHigh, "", 2, 0);
  bytes[18 + 5] = 0;
  EXPECT_FALSE(UsbPipes::Parse(bytes).ok());
}

// --- control requests --------------------------------------------------------

TEST_F(UsbDeviceTest, Configuration_IsWhatWasSet) {
  const UsbSetup get = Setup(kIn, UsbRequest::kGetConfiguration, 0, 0, 1);
  EXPECT_EQ(Control(get).data, Bytes{0});
  Configure();
  EXPECT_EQ(Control(get).data, Bytes{1});
  EXPECT_EQ(Control(Setup(0, UsbRequest::kSetConfiguration, 2)).status, -EPIPE);
}

TEST_F(UsbDeviceTest, Interface_IsThereWhenConfigured) {
  const UsbSetup get = Setup(kIn | 1, UsbRequest::kGetInterface, 0, 0, 1);
  const UsbSetup set = Setup(1, UsbRequest::kSetInterface);
  EXPECT_EQ(Control(get).status, -EPIPE);
  EXPECT_EQ(Control(set).status, -EPIPE);
  Configure();
  EXPECT_EQ(Control(get).data, Bytes{0});
  EXPECT_EQ(Control(set).status, 0);
  EXPECT_EQ(Control(Setup(1, UsbRequest::kSetInterface, 1)).status, -EPIPE);
}

TEST_F(UsbDeviceTest, Halt_IsSetToldAndCleared) {
  Configure();
  const UsbSetup status = Setup(kIn | 2, UsbRequest::kGetStatus, 0, 0x81, 2);
  EXPECT_EQ(Control(status).data, (Bytes{0, 0}));
  EXPECT_EQ(Control(Setup(2, UsbRequest::kSetFeature, 0, 0x81)).status, 0);
  EXPECT_EQ(Control(status).data, (Bytes{1, 0}));
  EXPECT_EQ(Do(In(512)).status, -EPIPE);
  EXPECT_EQ(Control(Setup(2, UsbRequest::kClearFeature, 0, 0x81)).status, 0);
  EXPECT_EQ(Control(status).data, (Bytes{0, 0}));
  EXPECT_TRUE(usb_.Submit(In(512)));
  EXPECT_TRUE(usb_.TakeCompletions().empty());
}

TEST_F(UsbDeviceTest, UnknownRequests_Stall) {
  Configure();
  for (int type = 0; type < 256; ++type) {
    for (int request = 12; request < 256; ++request) {
      const UsbCompletion done = Control(
          {static_cast<uint8_t>(type), static_cast<uint8_t>(request), 0, 0, 0});
      EXPECT_EQ(done.status, -EPIPE) << type << " " << request;
    }
  }
}

TEST_F(UsbDeviceTest, StageThatIsNotAsTheSetupSays_Stalls) {
  UsbTransfer transfer;
  transfer.in = true;
  transfer.length = 4096;
  transfer.setup =
      Setup(kIn, UsbRequest::kGetDescriptor, 0x0100, 0, 18).Encode();
  EXPECT_EQ(Do(transfer).status, -EPIPE);
  transfer.in = false;
  transfer.length = 18;
  transfer.data.resize(18);
  EXPECT_EQ(Do(transfer).status, -EPIPE);
}

// --- frames ------------------------------------------------------------------

TEST_F(UsbDeviceTest, Unconfigured_Stalls) {
  EXPECT_EQ(Do(Out(Discover())).status, -EPIPE);
  EXPECT_EQ(Do(In(512)).status, -EPIPE);
}

TEST_F(UsbDeviceTest, OtherEndpoints_Stall) {
  Configure();
  for (const uint8_t endpoint : {2, 7, 15, 0x81}) {
    UsbTransfer transfer = In(512);
    transfer.endpoint = endpoint;
    EXPECT_EQ(Do(transfer).status, -EPIPE) << int{endpoint};
  }
}

TEST_F(UsbDeviceTest, AFrameInAnyPieces_IsAnsweredInPackets) {
  Configure();
  AnswerWith(1300);
  for (const uint8_t byte : Discover()) {
    EXPECT_EQ(Do(Out({byte})).status, 0);
  }
  const UsbCompletion first = Do(In(512));
  EXPECT_EQ(first.actual, 512u);
  const UsbCompletion rest = Do(In(4096));
  EXPECT_EQ(rest.actual, 788u);
  Bytes bytes = first.data;
  bytes.insert(bytes.end(), rest.data.begin(), rest.data.end());
  ASSERT_TRUE(Frame::Parse(bytes).ok());
  EXPECT_EQ(sessions_, 1);
}

TEST_F(UsbDeviceTest, WholePackets_EndOnlyATransferThatIsFull) {
  Configure();
  AnswerWith(1024);
  EXPECT_EQ(Do(Out(Discover())).status, 0);
  EXPECT_TRUE(usb_.Submit(In(2048)));
  EXPECT_TRUE(usb_.TakeCompletions().empty());
  EXPECT_TRUE(usb_.Submit(Out(Discover())));
  const auto done = usb_.TakeCompletions();
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[1].actual, 2048u) << "two answers in one transfer";
}

TEST_F(UsbDeviceTest, PacketThatDoesNotFit_IsBabble) {
  Configure();
  AnswerWith(600);
  EXPECT_EQ(Do(Out(Discover())).status, 0);
  const UsbCompletion done = Do(In(100));
  EXPECT_EQ(done.status, -EOVERFLOW);
  EXPECT_EQ(done.actual, 100u);
}

TEST_F(UsbDeviceTest, ShortPacket_IsAnErrorWhereTheHostSaysSo) {
  Configure();
  AnswerWith(100);
  EXPECT_EQ(Do(Out(Discover())).status, 0);
  UsbTransfer in = In(512);
  in.short_not_ok = true;
  EXPECT_EQ(Do(in).status, -EREMOTEIO);
}

TEST_F(UsbDeviceTest, AnswerThatIsNotFetched_HoldsBackWhatFollows) {
  Configure();
  EXPECT_EQ(Do(Out(Discover(1))).status, 0);
  EXPECT_TRUE(usb_.Submit(Out(Discover(2), 7)));
  EXPECT_TRUE(usb_.TakeCompletions().empty());
  EXPECT_TRUE(usb_.Submit(In(512, 8)));
  const auto done = usb_.TakeCompletions();
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].id, 8u);
  EXPECT_EQ(done[1].id, 7u);
}

TEST_F(UsbDeviceTest, Garbage_StallsBothUntilCleared) {
  Configure();
  EXPECT_TRUE(usb_.Submit(In(512, 9)));
  EXPECT_TRUE(usb_.Submit(Out(Bytes(100, 0x41))));
  const auto done = usb_.TakeCompletions();
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[1].id, 9u);
  EXPECT_EQ(done[1].status, -EPIPE);
  EXPECT_EQ(Do(Out(Discover())).status, -EPIPE);
  Control(Setup(2, UsbRequest::kClearFeature, 0, 0x01));
  Control(Setup(2, UsbRequest::kClearFeature, 0, 0x81));
  EXPECT_EQ(Do(Out(Discover())).status, 0);
  EXPECT_EQ(Do(In(512)).status, 0);
  EXPECT_EQ(sessions_, 1) << "no frame came in the one before";
}

TEST_F(UsbDeviceTest, NewConfiguration_ForgetsTheSession) {
  Configure();
  EXPECT_EQ(Do(Out(Discover(1))).status, 0);  // Its answer waits.
  Configure();
  EXPECT_EQ(Do(Out(Discover(2))).status, 0);
  const auto answer = Frame::Parse(Do(In(4096)).data);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->id(), Id(2));
  EXPECT_EQ(sessions_, 2);
}

TEST_F(UsbDeviceTest, NewConfiguration_EndsWhatWaits) {
  Configure();
  EXPECT_TRUE(usb_.Submit(In(512, 5)));
  UsbTransfer configure;
  configure.id = 6;
  configure.setup = Setup(0, UsbRequest::kSetConfiguration, 1).Encode();
  EXPECT_TRUE(usb_.Submit(configure));
  const auto done = usb_.TakeCompletions();
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].status, -ESHUTDOWN);
  EXPECT_EQ(done[1].status, 0);
}

TEST_F(UsbDeviceTest, Unlink_CancelsWhatWaitsAndNothingElse) {
  Configure();
  EXPECT_TRUE(usb_.Submit(In(512, 5)));
  EXPECT_FALSE(usb_.Unlink(4));
  EXPECT_TRUE(usb_.Unlink(5));
  EXPECT_FALSE(usb_.Unlink(5));
  EXPECT_EQ(Do(Out(Discover())).status, 0);
  EXPECT_EQ(Do(In(512, 6)).id, 6u);
}

TEST_F(UsbDeviceTest, TooMuch_IsRefused) {
  Configure();
  EXPECT_FALSE(usb_.Submit(In(UsbDevice::kMaxTransfer + 1)));
  for (size_t i = 0; i < UsbDevice::kMaxWaiting; ++i) {
    ASSERT_TRUE(usb_.Submit(In(512, static_cast<uint32_t>(i))));
  }
  EXPECT_FALSE(usb_.Submit(In(512, 1000)));
}

TEST_F(UsbDeviceTest, BytesThatWait_AreBounded) {
  Configure();
  EXPECT_EQ(Do(Out(Discover())).status, 0);
  size_t taken = 0;
  while (usb_.Submit(Out(Bytes(UsbDevice::kMaxTransfer)))) ++taken;
  EXPECT_EQ(taken, UsbDevice::kMaxWaitingBytes / UsbDevice::kMaxTransfer);
}

}  // namespace
}  // namespace hsm_io
