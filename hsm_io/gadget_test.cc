// The gadget without a kernel: what is written to ep0, what comes from it, and
// the device behind endpoints that a test plays.
#include <errno.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "hsm_io/functionfs.h"
#include "hsm_io/gadget_binding.h"
#include "hsm_io/gadget_device.h"
#include "hsm_io/test_link.h"

namespace hsm_io {
namespace {

Bytes Discover() { return Frame::Make(FrameOp::kDiscover, Id(1), {}).Encode(); }

// --- what the kernel reads and tells -----------------------------------------

// As linux/usb/functionfs.h draws it, field by field.
TEST(FunctionFsTest, Descriptors_AreThoseOfTheDevice) {
  const Bytes expected = {3, 0, 0, 0,    // magic, version 2
                          105, 0, 0, 0,  // length
                          7, 0, 0, 0,    // full, high and super speed
                          3, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0,
                          // full speed
                          9, 4, 0, 0, 2, 0xFF, 0x50, 1, 0,  //
                          7, 5, 0x01, 2, 64, 0, 0,          //
                          7, 5, 0x81, 2, 64, 0, 0,
                          // high speed
                          9, 4, 0, 0, 2, 0xFF, 0x50, 1, 0,  //
                          7, 5, 0x01, 2, 0, 2, 0,           //
                          7, 5, 0x81, 2, 0, 2, 0,
                          // super speed
                          9, 4, 0, 0, 2, 0xFF, 0x50, 1, 0,               //
                          7, 5, 0x01, 2, 0, 4, 0, 6, 0x30, 15, 0, 0, 0,  //
                          7, 5, 0x81, 2, 0, 4, 0, 6, 0x30, 15, 0, 0, 0};
  EXPECT_EQ(FunctionFsDescriptors(), expected);
  EXPECT_EQ(FunctionFsStrings(),
            (Bytes{2, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(FunctionFsTest, Events_AreParsedAndPartsDropped) {
  Bytes bytes;
  const auto add = [&bytes](std::array<uint8_t, 8> setup, uint8_t type) {
    bytes.insert(bytes.end(), setup.begin(), setup.end());
    bytes.insert(bytes.end(), {type, 0, 0, 0});
  };
  for (uint8_t type = 0; type < 7; ++type) add({}, type);
  add({0xC1, 7, 0x34, 0x12, 1, 0, 2, 1}, 4);
  add({0x02, 1, 0, 0, 1, 0, 0, 0}, 4);  // endpoints by number of their file
  add({0x02, 1, 0, 0, 2, 0, 0, 0}, 4);
  add({0x02, 1, 0, 0, 0x81, 0, 0, 0}, 4);
  add({}, 200);
  bytes.insert(bytes.end(), kGadgetEventSize - 1, 4);
  const std::vector<GadgetEvent> events = ParseGadgetEvents(bytes);
  using Kind = GadgetEvent::Kind;
  std::vector<Kind> kinds;
  for (const GadgetEvent& each : events) kinds.push_back(each.kind);
  EXPECT_EQ(kinds,
            (std::vector<Kind>{Kind::kBind, Kind::kUnbind, Kind::kEnable,
                               Kind::kDisable, Kind::kSetup, Kind::kSuspend,
                               Kind::kResume, Kind::kSetup, Kind::kSetup,
                               Kind::kSetup, Kind::kSetup, Kind::kUnknown}));
  EXPECT_EQ(events[7].setup.type, 0xC1);
  EXPECT_EQ(events[7].setup.value, 0x1234);
  EXPECT_EQ(events[7].setup.index, 1);
  EXPECT_EQ(events[7].setup.length, 0x0102);
  EXPECT_EQ(events[8].setup.index, kUsbOutEndpoint);
  EXPECT_EQ(events[9].setup.index, kUsbInEndpoint);
  EXPECT_EQ(events[10].setup.index, 0);
  EXPECT_TRUE(ParseGadgetEvents({}).empty());
}

TEST(MissingFromFrameTest, IsTheHeaderThenTheRest) {
  Bytes frame = Frame::Make(FrameOp::kSealed, Id(1), Bytes(5000, 1)).Encode();
  const size_t whole = frame.size();
  for (size_t have = 0; have <= whole; ++have) {
    EXPECT_EQ(MissingFromFrame(ByteSpan(frame).subspan(0, have)),
              have < kFrameHeaderSize ? kFrameHeaderSize - have : whole - have);
  }
  frame[0] ^= 1;
  EXPECT_EQ(MissingFromFrame(frame), 0u);
}

// --- the controller ----------------------------------------------------------

class ControllerTest : public testing::Test {
 protected:
  ControllerTest() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~ControllerTest() override { std::filesystem::remove_all(path_); }
  void Add(const std::string& name, const std::string& text = "") {
    std::filesystem::create_directories(
        std::filesystem::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << text;
  }
  std::string Read(const std::string& name) {
    std::ifstream in(path_ + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string Words(const absl::Status& status) {
    return std::string(status.message());
  }
  std::string path_ =
      std::filesystem::temp_directory_path() / "perigee-gadget-XXXXXX";
};

TEST_F(ControllerTest, IsTheOneNamedOrTheOnlyOne) {
  EXPECT_EQ(base::CkRv(FindController("auto", path_).status()),
            CK_RV{CKR_TOKEN_NOT_PRESENT});
  Add("fe980000.usb");
  EXPECT_EQ(*FindController("auto", path_), "fe980000.usb");
  EXPECT_EQ(*FindController("fe980000.usb", path_), "fe980000.usb");
  EXPECT_NE(Words(FindController("other", path_).status()).find("fe980000.usb"),
            std::string::npos);
  Add("dummy_udc.0");
  EXPECT_NE(Words(FindController("auto", path_).status())
                .find("dummy_udc.0, fe980000.usb"),
            std::string::npos);
  EXPECT_NE(
      Words(FindController("auto", path_ + "/none").status()).find("errno 2"),
      std::string::npos);
}

TEST_F(ControllerTest, GetsTheGadgetAndItsSerialNumber) {
  Add("UDC");
  Add("strings/0x409/serialnumber", "former\n");
  absl::StatusOr<std::unique_ptr<GadgetBinding>> binding =
      GadgetBinding::Bind(path_, "dummy_udc.0", "1234567");
  ASSERT_TRUE(binding.ok()) << binding.status();
  EXPECT_EQ(Read("UDC").substr(0, 12), "dummy_udc.0\n");
  EXPECT_EQ(Read("strings/0x409/serialnumber").substr(0, 8), "1234567\n");
  binding->reset();
  EXPECT_EQ(Read("UDC")[0], '\n');
  const absl::Status none =
      GadgetBinding::Bind(path_ + "/none", "dummy_udc.0", "1").status();
  EXPECT_NE(Words(none).find(path_ + "/none/UDC: open: No such file or "
                                     "directory (errno 2)"),
            std::string::npos)
      << none;
}

// --- the device --------------------------------------------------------------

// The kernel's part: reads of at most so many bytes wait, and end at a short
// packet or full.
struct FakeEndpoints : GadgetEndpoints {
  int StartRead(size_t length) override {
    if (error != 0) return error;
    reads.push_back(length);
    return 0;
  }
  int StartWrite(Bytes data) override {
    if (error != 0) return error;
    EXPECT_TRUE(write.empty());
    write = std::move(data);
    return 0;
  }
  void Cancel() override {
    reads.clear();
    write.clear();
  }
  void Stall() override { ++stalls; }

  int error = 0;
  std::deque<size_t> reads;
  Bytes write;
  int stalls = 0;
};

class GadgetDeviceTest : public testing::Test {
 protected:
  // The bytes of a host's transfer, packet by packet; false when it has to
  // wait (NAK).
  bool Send(ByteSpan bytes) {
    while (!bytes.empty()) {
      if (kernel_.reads.empty()) return false;
      const size_t room = kernel_.reads.front();
      EXPECT_EQ(room % packet_, 0u);
      const size_t size = std::min(room, bytes.size());
      part_.insert(part_.end(), bytes.begin(), bytes.begin() + size);
      bytes.remove_prefix(size);
      if (part_.size() < room && part_.size() % packet_ == 0 && size > 0) {
        // Not full and no short packet: the read goes on.
        stuck_ = true;
        return false;
      }
      kernel_.reads.pop_front();
      gadget_.ReadDone(room, 0, std::exchange(part_, {}));
      gadget_.Proceed();
    }
    return true;
  }
  Bytes Fetch() {
    Bytes all;
    while (!kernel_.write.empty()) {
      const Bytes each = std::exchange(kernel_.write, {});
      all.insert(all.end(), each.begin(), each.end());
      gadget_.WriteDone(0);
      gadget_.Proceed();
    }
    return all;
  }
  void Enable(UsbSpeed speed = UsbSpeed::kHigh) {
    packet_ = BulkPacket(speed);
    gadget_.Enable(speed);
    gadget_.Proceed();
  }
  void ExpectAnswers() {
    EXPECT_TRUE(Send(Discover()));
    const absl::StatusOr<Frame> answer = Frame::Parse(Fetch());
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->op(), FrameOp::kDiscoverReply);
  }

  TestRoot root_ = TestRoot::New();
  TestDevice device_{root_.Issue("backup", "1234567")};
  FakeEndpoints kernel_;
  int sessions_ = 0;
  GadgetDevice gadget_{"1234567",
                       [this]() -> absl::StatusOr<std::unique_ptr<Server>> {
                         ++sessions_;
                         return device_.PlugIn();
                       },
                       kernel_};
  size_t packet_ = 512;
  Bytes part_;
  bool stuck_ = false;
};

TEST_F(GadgetDeviceTest, BeforeAHostHasConfiguredIt_NothingMoves) {
  gadget_.Proceed();
  EXPECT_TRUE(kernel_.reads.empty());
  EXPECT_FALSE(gadget_.Setup({0x80, 6, 0x0100, 0, 18}).has_value());
  gadget_.ReadDone(512, 0, Bytes(32, 1));
  gadget_.WriteDone(0);
  gadget_.Proceed();
  EXPECT_TRUE(kernel_.write.empty());
}

TEST_F(GadgetDeviceTest, AnswersAtEverySpeed) {
  for (const UsbSpeed speed :
       {UsbSpeed::kFull, UsbSpeed::kHigh, UsbSpeed::kSuper}) {
    Enable(speed);
    ExpectAnswers();
    ExpectAnswers();
  }
  EXPECT_EQ(sessions_, 3);
}

// A read of more than the frame would never end where the frame fills its last
// packet.
TEST_F(GadgetDeviceTest, FramesOfWholePackets_NeedNoShortPacket) {
  device_.info.label = "x";
  for (const size_t size : {512, 1024, 16384, 16896, 65536, 300032}) {
    Enable();
    const Bytes frame =
        Frame::Make(FrameOp::kSealed, Id(1), Bytes(size - kFrameHeaderSize, 7))
            .Encode();
    ASSERT_EQ(frame.size(), size);
    EXPECT_TRUE(Send(frame)) << size;
    EXPECT_FALSE(stuck_) << size;
    // There is no channel: it is told so.
    EXPECT_TRUE(Frame::Parse(Fetch()).ok()) << size;
  }
}

TEST_F(GadgetDeviceTest, FramesInPiecesOfAnySize_AreTheSame) {
  for (const size_t piece : {1, 3, 31, 33}) {
    Enable();
    const Bytes frame = Discover();
    for (size_t at = 0; at < frame.size(); at += piece) {
      EXPECT_TRUE(Send(ByteSpan(frame).subspan(at, piece)));
    }
    EXPECT_TRUE(Frame::Parse(Fetch()).ok()) << piece;
  }
}

TEST_F(GadgetDeviceTest, WhileAnAnswerWaits_NothingIsTaken) {
  Enable();
  EXPECT_TRUE(Send(Discover()));
  EXPECT_FALSE(kernel_.write.empty());
  EXPECT_TRUE(kernel_.reads.empty());
  EXPECT_FALSE(Send(Discover()));
  Fetch();
  part_.clear();
  ExpectAnswers();
}

TEST_F(GadgetDeviceTest, AnotherEndpointEvent_ComesFirst) {
  Enable();
  const size_t length = kernel_.reads.front();
  kernel_.reads.pop_front();
  kernel_.error = EBUSY;
  gadget_.ReadDone(length, 0, Discover());
  gadget_.Proceed();
  EXPECT_TRUE(kernel_.write.empty());
  kernel_.error = 0;
  gadget_.Proceed();
  EXPECT_TRUE(Frame::Parse(Fetch()).ok());
  // And when the event was that the session is over, its answer is gone.
  Enable();
  kernel_.reads.pop_front();
  kernel_.error = EBUSY;
  gadget_.ReadDone(length, 0, Discover());
  gadget_.Proceed();
  kernel_.error = 0;
  Enable();
  EXPECT_TRUE(kernel_.write.empty());
  ExpectAnswers();
}

TEST_F(GadgetDeviceTest, ANewSession_ForgetsTheFormer) {
  Enable();
  EXPECT_TRUE(Send(ByteSpan(Discover()).subspan(0, 20)));
  Enable();
  ExpectAnswers();
  gadget_.Disable();
  gadget_.Proceed();
  EXPECT_TRUE(kernel_.reads.empty());
  Enable();
  ExpectAnswers();
}

TEST_F(GadgetDeviceTest, WhatIsNoFrame_StallsUntilTheHostClearsIt) {
  Enable();
  Send(Bytes(512, 0x5A));
  EXPECT_EQ(kernel_.stalls, 1);
  EXPECT_TRUE(kernel_.write.empty());
  // A kernel hands over no bytes while it stalls: these come after.
  ExpectAnswers();
  EXPECT_EQ(kernel_.stalls, 1);
  Send(Bytes(512, 0x5A));
  EXPECT_EQ(kernel_.stalls, 2);
  Enable();
  ExpectAnswers();
}

TEST_F(GadgetDeviceTest, CutEndpoints_WaitForTheNextSession) {
  Enable();
  for (const int error : {ESHUTDOWN, EAGAIN, ECONNRESET}) {
    const size_t length = kernel_.reads.front();
    kernel_.reads.pop_front();
    gadget_.ReadDone(length, error, {});
    gadget_.Proceed();
    EXPECT_TRUE(kernel_.reads.empty());
    Enable();
    ExpectAnswers();
  }
  EXPECT_EQ(kernel_.stalls, 0);
}

TEST_F(GadgetDeviceTest, LostBytes_BeginAnew) {
  Enable();
  EXPECT_TRUE(Send(ByteSpan(Discover()).subspan(0, 20)));
  const size_t length = kernel_.reads.front();
  kernel_.reads.pop_front();
  gadget_.ReadDone(length, EOVERFLOW, {});
  gadget_.Proceed();
  EXPECT_EQ(kernel_.stalls, 1);
  ExpectAnswers();
}

TEST_F(GadgetDeviceTest, EveryControlRequest_GetsTheDevicesAnswerOrAStall) {
  Enable();
  UsbDevice usb(UsbSpeed::kHigh, "1234567",
                [this]() -> absl::StatusOr<std::unique_ptr<Server>> {
                  return device_.PlugIn();
                });
  UsbSetup configure;
  configure.request = static_cast<uint8_t>(UsbRequest::kSetConfiguration);
  configure.value = 1;
  for (int type = 0; type < 256; ++type) {
    for (int request = 0; request < 64; ++request) {
      for (const uint16_t length : {0, 1, 64, 65535}) {
        UsbTransfer transfer;
        transfer.setup = configure.Encode();
        ASSERT_TRUE(usb.Submit(transfer));
        usb.TakeCompletions();
        gadget_.Enable(UsbSpeed::kHigh);
        const UsbSetup setup{static_cast<uint8_t>(type),
                             static_cast<uint8_t>(request), 0, 0, length};
        const std::optional<Bytes> got = gadget_.Setup(setup);
        transfer.setup = setup.Encode();
        transfer.in = setup.in();
        transfer.length = length;
        if (!transfer.in) transfer.data.resize(length);
        ASSERT_TRUE(usb.Submit(transfer));
        const std::vector<UsbCompletion> done = usb.TakeCompletions();
        ASSERT_EQ(done.size(), 1u);
        const bool brings_data = !setup.in() && length > 0;
        EXPECT_EQ(got.has_value(), done[0].status == 0 && !brings_data)
            << type << ' ' << request << ' ' << length;
        if (got.has_value()) {
          EXPECT_EQ(*got, done[0].data);
        }
      }
    }
  }
}

}  // namespace
}  // namespace hsm_io
