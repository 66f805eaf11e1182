// The USB transport against servers that lie, fall silent or go away.
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "gtest/gtest.h"
#include "hsm_io/frame.h"
#include "hsm_io/socket_transport.h"
#include "hsm_io/test_link.h"
#include "hsm_io/usb_device.h"
#include "hsm_io/usbip_protocol.h"
#include "hsm_io/usbip_transport.h"

namespace hsm_io {
namespace {

using usbip::Submit;
using usbip::SubmitReply;

// A server in a thread of its own that does what a real one does until a test
// says otherwise; it counts bytes to be cut at any of them.
class FakeServer {
 public:
  // What to say instead of the true reply; nullopt: say nothing.
  using Lie = std::function<std::optional<Bytes>(const Submit&, Bytes truth)>;

  explicit FakeServer(TestDevice& device)
      : usb_(UsbSpeed::kHigh, "1",
             [&device]() -> absl::StatusOr<std::unique_ptr<Server>> {
               return device.PlugIn();
             }) {}
  ~FakeServer() { Join(); }

  Lie lie;
  std::function<Bytes(Bytes truth)> lie_of_import;
  size_t bytes_to_host = SIZE_MAX;    // then it closes
  size_t bytes_to_device = SIZE_MAX;  // then it closes
  size_t sent = 0, received = 0;

  std::unique_ptr<Transport> NewTransport() {
    return NewUsbipTransport(
        [this](Deadline) -> absl::StatusOr<int> {
          Join();
          int ends[2];
          EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
                    0);
          fd_ = ends[1];
          sent = received = 0;
          thread_ = std::thread([this] {
            Serve();
            close(fd_);
          });
          // Only the host's end may not block.
          const int flags = fcntl(ends[0], F_GETFL);
          fcntl(ends[0], F_SETFL, flags | O_NONBLOCK);
          return ends[0];
        },
        "1-1");
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Serve() {
    usb_.Disconnect();
    if (!Import()) return;
    for (;;) {
      const Bytes header = Read(usbip::kHeaderSize);
      const auto command = usbip::ParseCommand(header, 1 << 20);
      if (!command.ok()) return;
      if (const auto* unlink = std::get_if<usbip::Unlink>(&*command)) {
        usbip::UnlinkReply reply;
        reply.sequence = unlink->sequence;
        reply.status = static_cast<uint32_t>(
            usb_.Unlink(unlink->victim) ? -ECONNRESET : 0);
        if (!Send(wire::Encode(reply))) return;
        continue;
      }
      const auto& submit = std::get<Submit>(*command);
      UsbTransfer transfer;
      transfer.id = submit.sequence;
      transfer.endpoint = static_cast<uint8_t>(submit.endpoint);
      transfer.in = submit.direction == usbip::kIn;
      transfer.length = submit.length;
      transfer.setup = submit.setup;
      if (!transfer.in) transfer.data = Read(submit.length);
      if (!usb_.Submit(std::move(transfer))) return;
      Bytes truth;
      for (const UsbCompletion& done : usb_.TakeCompletions()) {
        SubmitReply reply;
        reply.sequence = done.id;
        reply.status = static_cast<uint32_t>(done.status);
        reply.actual = done.actual;
        const Bytes bytes = wire::Encode(reply);
        truth.insert(truth.end(), bytes.begin(), bytes.end());
        truth.insert(truth.end(), done.data.begin(), done.data.end());
      }
      std::optional<Bytes> said = lie ? lie(submit, truth) : truth;
      // The device is not to answer what was answered already.
      if (said != truth) usb_.Unlink(submit.sequence);
      if (said.has_value() && !Send(*said)) return;
    }
  }
  bool Import() {
    const Bytes request = Read(usbip::kImportRequestSize);
    if (request != usbip::EncodeImportRequest("1-1")) return false;
    usbip::OpHeader header;
    header.op = usbip::Op::kImportReply;
    usbip::DeviceRecord device;
    device.bus_id = usbip::ToField<usbip::kBusIdSize>("1-1");
    Bytes truth = wire::Encode(header);
    const Bytes record = wire::Encode(device);
    truth.insert(truth.end(), record.begin(), record.end());
    return Send(lie_of_import ? lie_of_import(truth) : truth);
  }
  Bytes Read(size_t size) {
    const size_t may = std::min(size, bytes_to_device - received);
    Bytes out(may);
    const ssize_t n = may == 0 ? 0 : recv(fd_, out.data(), may, MSG_WAITALL);
    out.resize(n < 0 ? 0 : static_cast<size_t>(n));
    received += out.size();
    return out;
  }
  bool Send(const Bytes& bytes) {
    const size_t may = std::min(bytes.size(), bytes_to_host - sent);
    sent += may;
    return send(fd_, bytes.data(), may, MSG_NOSIGNAL) ==
               static_cast<ssize_t>(may) &&
           may == bytes.size();
  }

  UsbDevice usb_;
  int fd_ = -1;
  std::thread thread_;
};

Bytes Reply(const Submit& submit, int status, uint32_t actual,
            const Bytes& data = {}) {
  SubmitReply reply;
  reply.sequence = submit.sequence;
  reply.status = static_cast<uint32_t>(status);
  reply.actual = actual;
  Bytes bytes = wire::Encode(reply);
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

class UsbipHostileTest : public testing::Test {
 protected:
  static Deadline Quick() { return Deadline::After(absl::Milliseconds(100)); }

  absl::Status Open(Deadline deadline = Soon()) {
    transport_.reset();
    transport_ = server_.NewTransport();
    return transport_->Open(deadline);
  }
  absl::Status Exchange(Deadline deadline = Soon()) {
    RETURN_IF_ERROR(WriteFrame(
        *transport_, Frame::Make(FrameOp::kDiscover, Id(1), {}), deadline));
    return ReadFrame(*transport_, deadline).status();
  }
  // What a lie about transfers to this endpoint leads to, at the latest when
  // the answer is read.
  absl::Status After(FakeServer::Lie lie, bool in, Deadline deadline = Soon(),
                     uint32_t endpoint = 1) {
    // The first transfer of all is that of the drain, which stays as it is.
    server_.lie = [=, seen = 0](const Submit& submit,
                                Bytes truth) mutable -> std::optional<Bytes> {
      if (submit.endpoint != endpoint || in != (submit.direction == usbip::kIn))
        return truth;
      if (endpoint == 1 && in && seen++ == 0) return truth;
      return lie(submit, truth);
    };
    RETURN_IF_ERROR(Open());
    return Exchange(deadline);
  }
  void ExpectBadImport(std::function<Bytes(Bytes)> lie, CK_RV rv) {
    server_.lie_of_import = std::move(lie);
    const absl::Status status = Open();
    EXPECT_EQ(base::CkRv(status), rv) << status;
  }

  const TestRoot root_ = TestRoot::New();
  TestDevice device_{root_.Issue("backup", "1")};
  FakeServer server_{device_};
  std::unique_ptr<Transport> transport_;  // goes first: the thread then ends
};

TEST_F(UsbipHostileTest, Truth_IsFine) {
  ASSERT_EQ(Open(), absl::OkStatus());
  EXPECT_EQ(Exchange(), absl::OkStatus());
}

// An exchange of more than a packet, cut after every byte of either way.
TEST_F(UsbipHostileTest, CutAnywhere_IsRemoved) {
  device_.info.label = std::string(1000, 'x');
  ASSERT_EQ(Open(), absl::OkStatus());
  ASSERT_EQ(Exchange(), absl::OkStatus());
  transport_.reset();
  server_.Join();
  const size_t to_host = server_.sent, to_device = server_.received;
  const auto cut = [&]() -> absl::Status {
    RETURN_IF_ERROR(Open());
    return Exchange();
  };
  for (size_t n = 0; n < to_host; n += n % 48 == 0 ? 1 : 5) {
    server_.bytes_to_host = n;
    const absl::Status status = cut();
    ASSERT_EQ(base::CkRv(status), CKR_DEVICE_REMOVED) << n << status;
  }
  server_.bytes_to_host = SIZE_MAX;
  // The last that the device needs is the request for the end of the answer.
  for (size_t n = 0; n < to_device; n += 3) {
    server_.bytes_to_device = n;
    const absl::Status status = cut();
    ASSERT_EQ(base::CkRv(status), CKR_DEVICE_REMOVED) << n << status;
  }
  server_.bytes_to_device = SIZE_MAX;
  EXPECT_EQ(cut(), absl::OkStatus());
}

TEST_F(UsbipHostileTest, ImportReplies_ThatAreNone) {
  const auto set = [](size_t at, uint8_t value) {
    return [=](Bytes truth) {
      truth[at] = value;
      return truth;
    };
  };
  ExpectBadImport(set(1, 0x06), CKR_DEVICE_ERROR);  // version
  ExpectBadImport(set(3, 0x05), CKR_DEVICE_ERROR);  // op
  ExpectBadImport(set(3, 0x77), CKR_DEVICE_ERROR);  // op
  ExpectBadImport(set(7, 1), CKR_TOKEN_NOT_PRESENT);
  ExpectBadImport(set(7, 2), CKR_TOKEN_NOT_PRESENT);
  ExpectBadImport(set(4, 0xFF), CKR_TOKEN_NOT_PRESENT);
  ExpectBadImport(set(8 + 256, '2'), CKR_DEVICE_ERROR);  // another device
  ExpectBadImport(
      [](Bytes truth) {
        std::fill(truth.begin() + 8, truth.begin() + 8 + 256, 'a');
        return truth;
      },
      CKR_DEVICE_ERROR);
  // Bytes that nobody has asked for.
  ExpectBadImport(
      [](Bytes truth) {
        truth.resize(truth.size() + 48, 0x41);
        return truth;
      },
      CKR_DEVICE_ERROR);
}

TEST_F(UsbipHostileTest, SilenceAtTheImport_EndsAtTheDeadline) {
  server_.lie_of_import = [](Bytes) { return Bytes(); };
  EXPECT_TRUE(absl::IsDeadlineExceeded(Open(Quick())));
}

TEST_F(UsbipHostileTest, DescriptorsOfAnotherDevice_AreRefused) {
  const auto descriptor = [&](size_t at, uint8_t value) {
    return After(
        [=](const Submit& submit, Bytes truth) {
          if (submit.setup[3] == (at < 18 ? 1 : 2) && truth.size() > at + 48) {
            truth[48 + (at < 18 ? at : at - 18)] = value;
          }
          return truth;
        },
        true, Soon(), 0);
  };
  EXPECT_EQ(base::CkRv(descriptor(8, 0)), CKR_DEVICE_ERROR);   // vendor
  EXPECT_EQ(base::CkRv(descriptor(10, 0)), CKR_DEVICE_ERROR);  // product
  EXPECT_EQ(base::CkRv(descriptor(0, 17)), CKR_DEVICE_ERROR);  // length
  EXPECT_EQ(base::CkRv(descriptor(18 + 0, 8)), CKR_DEVICE_ERROR);
}

TEST_F(UsbipHostileTest, ConfigurationOfNoLength_IsRefused) {
  for (const uint32_t length : {0u, 8u, 9u, 31u}) {
    EXPECT_EQ(base::CkRv(After(
                  [=](const Submit& submit, Bytes truth) {
                    if (submit.setup[3] != 2 || submit.length == 9)
                      return truth;
                    truth.resize(48 + length);
                    return Reply(submit, 0, length,
                                 Bytes(truth.begin() + 48, truth.end()));
                  },
                  true, Soon(), 0)),
              CKR_DEVICE_ERROR)
        << length;
  }
}

TEST_F(UsbipHostileTest, StallOfAControlRequest_IsAnError) {
  EXPECT_EQ(base::CkRv(After([](const Submit& submit,
                                Bytes) { return Reply(submit, -EPIPE, 0); },
                             false, Soon(), 0)),
            CKR_DEVICE_ERROR);
}

struct BadReply {
  const char* name;
  bool in;
  std::optional<Bytes> (*lie)(const Submit&, Bytes);
  CK_RV rv;
};
using Said = std::optional<Bytes>;
const BadReply kBadReplies[] = {
    {"stall", true,
     [](const Submit& s, Bytes) -> Said { return Reply(s, -EPIPE, 0); },
     CKR_DEVICE_ERROR},
    {"stall out", false,
     [](const Submit& s, Bytes) -> Said { return Reply(s, -EPIPE, 0); },
     CKR_DEVICE_ERROR},
    {"babble", true,
     [](const Submit& s, Bytes) -> Said {
       return Reply(s, -EOVERFLOW, s.length, Bytes(s.length));
     },
     CKR_DEVICE_ERROR},
    {"gone", true,
     [](const Submit& s, Bytes) -> Said { return Reply(s, -ENODEV, 0); },
     CKR_DEVICE_REMOVED},
    {"shut down", false,
     [](const Submit& s, Bytes) -> Said { return Reply(s, -ESHUTDOWN, 0); },
     CKR_DEVICE_REMOVED},
    {"odd status", true,
     [](const Submit& s, Bytes) -> Said { return Reply(s, -84, 0); },
     CKR_DEVICE_ERROR},
    {"short out", false,
     [](const Submit& s, Bytes) -> Said { return Reply(s, 0, s.length - 1); },
     CKR_DEVICE_ERROR},
    {"long out", false,
     [](const Submit& s, Bytes) -> Said { return Reply(s, 0, s.length + 1); },
     CKR_DEVICE_ERROR},
    {"more than asked for", true,
     [](const Submit& s, Bytes) -> Said {
       return Reply(s, 0, s.length + 1, Bytes(s.length + 1));
     },
     CKR_DEVICE_ERROR},
    {"four gigabytes", true,
     [](const Submit& s, Bytes) -> Said { return Reply(s, 0, 0xFFFFFFFF); },
     CKR_DEVICE_ERROR},
    {"a reply to nobody", true,
     [](const Submit& s, Bytes) -> Said {
       Submit other = s;
       other.sequence = 99999;
       return Reply(other, 0, 0);
     },
     CKR_DEVICE_ERROR},
    {"the same twice", false,
     [](const Submit& s, Bytes) -> Said {
       Bytes twice = Reply(s, 0, s.length);
       const Bytes once = twice;
       twice.insert(twice.end(), once.begin(), once.end());
       return twice;
     },
     CKR_DEVICE_ERROR},
    {"nonsense", true,
     [](const Submit&, Bytes) -> Said { return Bytes(48, 0x41); },
     CKR_DEVICE_ERROR},
    {"not a frame", true,
     [](const Submit& s, Bytes) -> Said {
       return Reply(s, 0, s.length, Bytes(s.length, 0x41));
     },
     CKR_DEVICE_ERROR},
};

TEST_F(UsbipHostileTest, BadReplies_AreTheRightErrors) {
  for (const BadReply& bad : kBadReplies) {
    const absl::Status status = After(bad.lie, bad.in);
    EXPECT_EQ(base::CkRv(status), bad.rv) << bad.name << ": " << status;
    EXPECT_FALSE(absl::IsDeadlineExceeded(status)) << bad.name;
  }
}

TEST_F(UsbipHostileTest, NoReply_EndsAtTheDeadline) {
  for (const bool in : {true, false}) {
    const absl::Status status =
        After([](const Submit&, Bytes) { return std::nullopt; }, in, Quick());
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  }
}

TEST_F(UsbipHostileTest, HalfAReply_EndsAtTheDeadline) {
  const absl::Status status =
      After([](const Submit& s, Bytes) { return Reply(s, 0, 512, Bytes(100)); },
            true, Quick());
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

TEST_F(UsbipHostileTest, EndlessEmptyReplies_EndAtTheDeadline) {
  const absl::Status status = After(
      [](const Submit& s, Bytes) { return Reply(s, 0, 0); }, true, Quick());
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

TEST_F(UsbipHostileTest, DeviceThatDoesNotStopTalking_IsGivenUp) {
  server_.lie = [](const Submit& submit, Bytes truth) -> std::optional<Bytes> {
    if (submit.endpoint != 1) return truth;
    return Reply(submit, 0, submit.length, Bytes(submit.length));
  };
  EXPECT_EQ(base::CkRv(Open()), CKR_DEVICE_ERROR);
}

TEST_F(UsbipHostileTest, AfterAnError_ItIsClosed) {
  const absl::Status status =
      After([](const Submit& s, Bytes) { return Reply(s, -EPIPE, 0); }, true);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(base::CkRv(transport_->Read(1, Soon()).status()),
            CKR_DEVICE_REMOVED);
  EXPECT_EQ(base::CkRv(transport_->Write(Bytes(1), Soon())),
            CKR_DEVICE_REMOVED);
}

}  // namespace
}  // namespace hsm_io
