// The USB transport and the USB/IP server against each other, and each against
// an other end that is broken or hostile.
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "gtest/gtest.h"
#include "hsm_io/socket_server.h"
#include "hsm_io/test_link.h"
#include "hsm_io/usbip_initiator.h"
#include "hsm_io/usbip_server.h"
#include "hsm_io/usbip_transport.h"

namespace hsm_io {
namespace {

using usbip::OpStatus;

// A connected stream on which whole records are exchanged.
class Raw {
 public:
  explicit Raw(int fd) : fd_(fd) {}
  ~Raw() { close(fd_); }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  bool Send(ByteSpan bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) {
        bytes.remove_prefix(static_cast<size_t>(n));
      } else if (errno != EAGAIN ||
                 !WaitSocket(fd_, POLLOUT, "", Soon()).ok()) {
        return false;
      }
    }
    return true;
  }
  // Fewer bytes when the other end has closed it.
  Bytes Read(size_t size) {
    Bytes out(size);
    size_t have = 0;
    while (have < size) {
      const ssize_t n = recv(fd_, out.data() + have, size - have, 0);
      if (n > 0) {
        have += static_cast<size_t>(n);
      } else if (n == 0 || errno != EAGAIN ||
                 !WaitSocket(fd_, POLLIN, "", Soon()).ok()) {
        break;
      }
    }
    out.resize(have);
    return out;
  }
  bool Closed() { return Read(1).empty(); }

  // As a host.
  OpStatus Import(absl::string_view bus_id = usbip::kBusId) {
    EXPECT_TRUE(Send(usbip::EncodeImportRequest(bus_id)));
    const auto header = usbip::ParseOp(Read(usbip::kOpSize));
    if (!header.ok()) return OpStatus::kError;
    if (header->status == OpStatus::kOk) {
      const auto device = usbip::ParseDevice(Read(usbip::kDeviceSize));
      EXPECT_TRUE(device.ok());
      if (device.ok()) id_ = device->id();
    }
    return header->status;
  }
  usbip::Submit Submit(bool in, uint32_t endpoint, uint32_t length) const {
    usbip::Submit submit;
    submit.sequence = 1;
    submit.device = id_;
    submit.direction = in ? usbip::kIn : usbip::kOut;
    submit.endpoint = endpoint;
    submit.length = length;
    return submit;
  }
  // The status that the device gives it, or nothing.
  std::optional<int> StatusOf(const usbip::Submit& submit) {
    if (!Send(wire::Encode(submit))) return std::nullopt;
    const auto reply =
        usbip::ParseReply(Read(usbip::kHeaderSize), UsbDevicePacket());
    if (!reply.ok()) return std::nullopt;
    return static_cast<int>(std::get<usbip::SubmitReply>(*reply).status);
  }
  bool Configure() {
    usbip::Submit submit = Submit(false, 0, 0);
    submit.setup = UsbSetup{0, 9, 1, 0, 0}.Encode();
    return StatusOf(submit) == 0;
  }

 private:
  static uint32_t UsbDevicePacket() { return 1 << 20; }
  const int fd_;
  uint32_t id_ = 0;
};

// --- the server --------------------------------------------------------------

class UsbipTest : public testing::TestWithParam<UsbSpeed> {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "perigee_XXXXXX").string();
    directory_ = mkdtemp(name.data());
    Start();
  }
  void TearDown() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }
  void Start() {
    listener_ = *Listener::Listen(address());
    stop_ = eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] {
      served_ = ServePorts({UsbipPort(*listener_, GetParam(), "1234567",
                                      [this] { return PlugIn(); })},
                           stop_);
    });
  }
  void Stop() {
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    ASSERT_EQ(write(stop_, &one, sizeof one), ssize_t{sizeof one});
    thread_.join();
    close(stop_);
    listener_.reset();
    EXPECT_EQ(served_, absl::OkStatus());
  }
  absl::StatusOr<std::unique_ptr<Server>> PlugIn() {
    device_.info.label = std::string(label_, 'x');
    return device_.PlugIn();
  }

  std::string address() const { return directory_ + "/usb.sock"; }
  std::unique_ptr<Transport> NewTransport() {
    return NewUsbipTransport(address());
  }
  Client::TransportFactory Factory() {
    return [this]() -> absl::StatusOr<std::unique_ptr<Transport>> {
      return NewTransport();
    };
  }
  std::unique_ptr<Raw> Connect() {
    return std::make_unique<Raw>(*ConnectSocket(address(), Soon()));
  }
  // A new host finds the device as it should be.
  void ExpectDeviceIsWell() {
    Client client(Factory());
    EXPECT_EQ(client.OpenChannel({.identity = host_}, Soon()),
              absl::OkStatus());
    EXPECT_TRUE(client.Call(GetRoleStatus(), Soon()).ok());
  }

  std::string directory_;
  const TestRoot root_ = TestRoot::New();
  const IdentityRef host_ = root_.Issue("host", "2");
  TestDevice device_{root_.Issue("backup", "1")};
  std::atomic<size_t> label_{0};  // of the next sessions
  std::unique_ptr<Listener> listener_;
  int stop_ = -1;
  std::thread thread_;
  absl::Status served_;
};

TEST_P(UsbipTest, CarriesACallOfAMegabyte) {
  Client client(Factory());
  ASSERT_EQ(client.OpenChannel({.identity = host_}, Soon()), absl::OkStatus());
  ChangeLabel request;
  request.label = std::string(1 << 20, 'x');
  EXPECT_EQ(client.Call(request, Soon()).status(), absl::OkStatus());
  client.CloseChannel();
  Stop();
  EXPECT_EQ(device_.label, request.label);
}

// Sizes around whole packets and whole transfers, both ways.
std::vector<size_t> Sizes() {
  std::vector<size_t> sizes;
  for (const size_t whole :
       {512, 1024, 1536, 2048, 4096, 65536, 131072, 196608, 524288, 589824}) {
    for (int off : {-2, -1, 0, 1, 2}) sizes.push_back(whole + off);
  }
  return sizes;
}

TEST_P(UsbipTest, AnswersOfEverySize_Arrive) {
  const size_t empty = kFrameHeaderSize + wire::Encode(DeviceInfo()).size();
  for (const size_t size : Sizes()) {
    SCOPED_TRACE(size);
    label_ = size - empty;
    auto transport = NewTransport();
    ASSERT_EQ(transport->Open(Soon()), absl::OkStatus());
    for (uint8_t i = 1; i < 4; ++i) {
      ASSERT_TRUE(WriteFrame(*transport,
                             Frame::Make(FrameOp::kDiscover, Id(i), {}), Soon())
                      .ok());
      const auto answer = ReadFrame(*transport, Soon());
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(answer->id(), Id(i));
      EXPECT_EQ(answer->body().size() + kFrameHeaderSize, size);
    }
  }
}

TEST_P(UsbipTest, RequestsOfEverySize_Arrive) {
  auto transport = NewTransport();
  ASSERT_EQ(transport->Open(Soon()), absl::OkStatus());
  std::vector<size_t> sizes = Sizes();
  for (size_t size = 0; size < 40; ++size) sizes.push_back(size + 32);
  for (const size_t size : sizes) {
    SCOPED_TRACE(size);
    // There is no channel, so that the answer is an error in clear.
    const Frame frame = Frame::Make(FrameOp::kSealed, Id(9), Bytes(size - 32));
    ASSERT_EQ(WriteFrame(*transport, frame, Soon()), absl::OkStatus());
    const auto answer = ReadFrame(*transport, Soon());
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->op(), FrameOp::kError);
    EXPECT_EQ(answer->id(), Id(9));
  }
}

TEST_P(UsbipTest, ManyFramesBeforeTheFirstAnswerIsRead_AreAllAnswered) {
  label_ = 3000;
  auto transport = NewTransport();
  ASSERT_EQ(transport->Open(Soon()), absl::OkStatus());
  for (uint8_t i = 0; i < 50; ++i) {
    ASSERT_EQ(WriteFrame(*transport, Frame::Make(FrameOp::kDiscover, Id(i), {}),
                         Soon()),
              absl::OkStatus());
  }
  for (uint8_t i = 0; i < 50; ++i) {
    const auto answer = ReadFrame(*transport, Soon());
    ASSERT_TRUE(answer.ok()) << int{i} << answer.status();
    EXPECT_EQ(answer->id(), Id(i));
  }
}

TEST_P(UsbipTest, HostsOneAfterTheOther_AreEachServed) {
  for (int i = 0; i < 20; ++i) ExpectDeviceIsWell();
}

TEST_P(UsbipTest, SecondHost_IsToldThatItIsBusy) {
  Client first(Factory());
  ASSERT_TRUE(first.OpenChannel({.identity = host_}, Soon()).ok());
  auto second = NewTransport();
  const absl::Status refused = second->Open(Soon());
  EXPECT_EQ(base::CkRv(refused), CKR_TOKEN_NOT_PRESENT);
  EXPECT_NE(refused.message().find("another host"), std::string::npos);
  EXPECT_EQ(Connect()->Import(), OpStatus::kBusy);
  EXPECT_TRUE(first.Call(GetRoleStatus(), Soon()).ok());
  first.CloseChannel();
  EXPECT_EQ(second->Open(Soon()), absl::OkStatus());
}

TEST_P(UsbipTest, HostThatOnlyLooked_KeepsNobodyOut) {
  Client first(Factory());
  ASSERT_TRUE(first.Discover(Soon()).ok());
  ExpectDeviceIsWell();
  ASSERT_TRUE(first.OpenChannel({.identity = host_}, Soon()).ok());
  ASSERT_TRUE(first.Discover(Soon()).ok());
  EXPECT_TRUE(first.Call(GetRoleStatus(), Soon()).ok()) << "same channel";
}

TEST_P(UsbipTest, Garbage_Stalls) {
  auto transport = NewTransport();
  ASSERT_TRUE(transport->Open(Soon()).ok());
  absl::Status status = transport->Write(Bytes(1000, 0x41), Soon());
  if (status.ok()) status = transport->Read(32, Soon()).status();
  EXPECT_EQ(base::CkRv(status), CKR_DEVICE_ERROR) << status;
  EXPECT_NE(status.message().find("stalls"), std::string::npos) << status;
  ExpectDeviceIsWell();
}

TEST_P(UsbipTest, StaleAnswer_IsNotSeenByTheNextSession) {
  auto transport = NewTransport();
  ASSERT_TRUE(transport->Open(Soon()).ok());
  ASSERT_TRUE(
      WriteFrame(*transport, Frame::Make(FrameOp::kDiscover, Id(1), {}), Soon())
          .ok());
  ASSERT_EQ(transport->Open(Soon()), absl::OkStatus());
  ASSERT_TRUE(
      WriteFrame(*transport, Frame::Make(FrameOp::kDiscover, Id(2), {}), Soon())
          .ok());
  EXPECT_EQ(ReadFrame(*transport, Soon())->id(), Id(2));
}

TEST_P(UsbipTest, SilentDevice_EndsAtTheDeadline) {
  auto transport = NewTransport();
  ASSERT_TRUE(transport->Open(Soon()).ok());
  const auto read = transport->Read(1, Deadline::After(absl::Milliseconds(50)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(read.status())) << read.status();
  EXPECT_EQ(base::CkRv(read.status()), CKR_DEVICE_ERROR);
  ExpectDeviceIsWell();
}

TEST_P(UsbipTest, StoppedDevice_IsRemovedAndThenNotPresent) {
  auto transport = NewTransport();
  ASSERT_TRUE(transport->Open(Soon()).ok());
  Stop();
  EXPECT_EQ(base::CkRv(transport->Read(1, Soon()).status()),
            CKR_DEVICE_REMOVED);
  EXPECT_EQ(base::CkRv(transport->Write(Bytes(32), Soon())),
            CKR_DEVICE_REMOVED);
  EXPECT_EQ(base::CkRv(transport->Open(Soon())), CKR_TOKEN_NOT_PRESENT);
}

TEST_P(UsbipTest, PendingRead_IsCancelledByAnUnlink) {
  auto usb =
      UsbipInitiator::Attach(*ConnectSocket(address(), Soon()), "1-1", Soon());
  ASSERT_TRUE(usb.ok()) << usb.status();
  ASSERT_TRUE((*usb)->Control({0, 9, 1, 0, 0}, Soon()).ok());
  const uint32_t first = (*usb)->SubmitIn(1, 512);
  const uint32_t second = (*usb)->SubmitIn(1, 512);
  EXPECT_EQ((*usb)->Cancel(first, Soon())->status, -ECONNRESET);
  EXPECT_FALSE((*usb)->done(second));
  (*usb)->SubmitOut(1, Frame::Make(FrameOp::kDiscover, Id(1), {}).Encode());
  const auto answer = (*usb)->Wait(second, Soon());
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 0);
  EXPECT_TRUE(Frame::Parse(answer->data).ok());
}

TEST_P(UsbipTest, AnotherBusId_IsNoDevice) {
  EXPECT_EQ(Connect()->Import("3-2"), OpStatus::kNoDevice);
  auto transport = NewUsbipTransport(address() + "@3-2");
  EXPECT_EQ(base::CkRv(transport->Open(Soon())), CKR_TOKEN_NOT_PRESENT);
  EXPECT_EQ(NewUsbipTransport(address() + "@1-1")->Open(Soon()),
            absl::OkStatus());
}

TEST_P(UsbipTest, ListOfDevices_HasIt) {
  auto raw = Connect();
  ASSERT_TRUE(raw->Send(wire::Encode(usbip::OpHeader())));
  const auto devices = usbip::ParseDevlist(raw->Read(1000));
  ASSERT_TRUE(devices.ok()) << devices.status();
  ASSERT_EQ(devices->size(), 1u);
  EXPECT_EQ((*devices)[0].device.vendor, kUsbVendor);
  EXPECT_EQ((*devices)[0].device.speed, static_cast<uint32_t>(GetParam()));
  EXPECT_EQ((*devices)[0].interfaces.at(0).interface_class, kUsbClass);
}

// --- hostile hosts -----------------------------------------------------------

TEST_P(UsbipTest, GarbageInsteadOfAnOp_ClosesOnlyThat) {
  auto raw = Connect();
  ASSERT_TRUE(raw->Send(Bytes(500, 0x41)));
  EXPECT_TRUE(raw->Closed());
  ExpectDeviceIsWell();
}

TEST_P(UsbipTest, WrongEndpoints_Stall) {
  auto raw = Connect();
  ASSERT_EQ(raw->Import(), OpStatus::kOk);
  EXPECT_EQ(raw->StatusOf(raw->Submit(true, 1, 512)), -EPIPE)
      << "not configured";
  ASSERT_TRUE(raw->Configure());
  for (const uint32_t endpoint : {2, 3, 15}) {
    EXPECT_EQ(raw->StatusOf(raw->Submit(true, endpoint, 512)), -EPIPE);
    EXPECT_EQ(raw->StatusOf(raw->Submit(false, endpoint, 0)), -EPIPE);
  }
}

TEST_P(UsbipTest, CommandsThatCannotBe_CloseTheLink) {
  const auto expect_closed = [&](auto change) {
    auto raw = Connect();
    ASSERT_EQ(raw->Import(), OpStatus::kOk);
    ASSERT_TRUE(raw->Configure());
    usbip::Submit submit = raw->Submit(false, 1, 0);
    change(submit);
    ASSERT_TRUE(raw->Send(wire::Encode(submit)));
    EXPECT_TRUE(raw->Closed());
    raw.reset();
    ExpectDeviceIsWell();
  };
  expect_closed([](usbip::Submit& s) { s.length = 0xFFFFFFFF; });
  expect_closed([](usbip::Submit& s) { s.length = (1u << 20) + 1; });
  expect_closed([](usbip::Submit& s) {
    s.direction = usbip::kIn;
    s.length = 0x80000000;
  });
  expect_closed([](usbip::Submit& s) { s.direction = 2; });
  expect_closed([](usbip::Submit& s) { s.endpoint = 16; });
  expect_closed([](usbip::Submit& s) { s.device = 7; });
  expect_closed([](usbip::Submit& s) { s.packets = 3; });
  expect_closed([](usbip::Submit& s) { s.command = 9; });
  expect_closed([](usbip::Submit& s) { s.command = 0x01110003; });
}

TEST_P(UsbipTest, EndlessReads_AreEnded) {
  auto raw = Connect();
  ASSERT_EQ(raw->Import(), OpStatus::kOk);
  ASSERT_TRUE(raw->Configure());
  const Bytes submit = wire::Encode(raw->Submit(true, 1, 1 << 20));
  bool open = true;
  for (int i = 0; open && i < 100000; ++i) open = raw->Send(submit);
  EXPECT_FALSE(open);
  ExpectDeviceIsWell();
}

TEST_P(UsbipTest, HostThatDoesNotRead_IsNotServedWithoutEnd) {
  const int fd = *ConnectSocket(address(), Soon());
  Raw raw(fd);
  ASSERT_EQ(raw.Import(), OpStatus::kOk);
  usbip::Submit submit = raw.Submit(true, 0, 255);
  submit.setup = UsbSetup{0x80, 6, 0x0200, 0, 255}.Encode();
  const Bytes bytes = wire::Encode(submit);
  const auto push = [&] {
    return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
  };
  // The server and the sockets take so much and no more.
  size_t sent = 0;
  for (int idle = 0; idle < 3 && sent < (64u << 20);) {
    if (push()) {
      sent += bytes.size();
      idle = 0;
    } else {
      ++idle;
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  EXPECT_LT(sent, 8u << 20);
}

INSTANTIATE_TEST_SUITE_P(, UsbipTest,
                         testing::Values(UsbSpeed::kHigh, UsbSpeed::kSuper),
                         [](const auto& info) {
                           return std::string(info.param == UsbSpeed::kHigh
                                                  ? "High"
                                                  : "Super");
                         });

}  // namespace
}  // namespace hsm_io
