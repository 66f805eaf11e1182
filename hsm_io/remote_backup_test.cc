// The Remote Backup Service in a thread of its own, on loopback: who gets
// through, what hostile ones can do, and what a broken link costs.
#include "hsm_io/remote_backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "hsm_io/test_link.h"
#include "hsm_io/tls_session.h"
#include "hsm_io/tls_transport.h"

namespace hsm_io {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// As a USB device is: of one host at a time.
class ExclusiveTransport : public Transport {
 public:
  explicit ExclusiveTransport(std::unique_ptr<Transport> inner)
      : inner_(std::move(inner)) {}
  absl::Status Open(Deadline deadline) override {
    return inner_->Open(deadline);
  }
  void Close() override { inner_->Close(); }
  absl::Status Write(ByteSpan bytes, Deadline deadline) override {
    return inner_->Write(bytes, deadline);
  }
  absl::StatusOr<Bytes> Read(size_t limit, Deadline deadline) override {
    return inner_->Read(limit, deadline);
  }
  bool exclusive() const override { return true; }

 private:
  const std::unique_ptr<Transport> inner_;
};

std::string NameOf(const IdentityRef& host) {
  return host->certificate.name().serial;
}

class RemoteBackupTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = Listener::Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }
  void TearDown() override { Stop(); }

  // Names client_ and other_ as clients.
  void Serve() {
    service_.identity = server_;
    service_.clients = *ParseHostNames(NameOf(client_) + "," + NameOf(other_));
    service_.device = [this]() -> absl::StatusOr<std::unique_ptr<Transport>> {
      ASSIGN_OR_RETURN(auto device, FactoryFor(device_, plan_)());
      if (!exclusive_) return device;
      return std::make_unique<ExclusiveTransport>(std::move(device));
    };
    service_.tell = [this](absl::string_view line) {
      absl::MutexLock lock(&mu_);
      lines_.emplace_back(line);
    };
    auto port = RemoteBackupPort(*listener_, service_);
    ASSERT_TRUE(port.ok()) << port.status();
    stop_ = eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this, port = *std::move(port)] {
      served_ = ServePorts({port}, stop_);
    });
  }
  void Stop() {
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    ASSERT_EQ(write(stop_, &one, sizeof one), ssize_t{sizeof one});
    thread_.join();
    close(stop_);
    EXPECT_EQ(served_, absl::OkStatus());
  }
  std::vector<std::string> lines() {
    absl::MutexLock lock(&mu_);
    return lines_;
  }
  // The service has said it.
  bool WaitForLine(const std::string& part) {
    absl::MutexLock lock(&mu_);
    const auto said = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return std::any_of(lines_.begin(), lines_.end(), [&](const auto& line) {
        return line.find(part) != std::string::npos;
      });
    };
    return mu_.AwaitWithDeadline(absl::Condition(&said),
                                 absl::Now() + absl::Seconds(20));
  }

  std::unique_ptr<Transport> NewTransport(const IdentityRef& identity,
                                          const std::string& server = "") {
    return NewTlsTransport(
        listener_->address() + (server.empty() ? "" : "@" + server),
        [identity]() -> absl::StatusOr<IdentityRef> { return identity; });
  }
  Client NewClient(const IdentityRef& identity,
                   const std::string& server = "") {
    return Client([this, identity,
                   server]() -> absl::StatusOr<std::unique_ptr<Transport>> {
      return NewTransport(identity, server);
    });
  }
  std::unique_ptr<Client> Connected(const IdentityRef& identity) {
    auto client = std::make_unique<Client>(
        [this, identity]() -> absl::StatusOr<std::unique_ptr<Transport>> {
          return NewTransport(identity);
        });
    EXPECT_EQ(client->OpenChannel({.identity = identity}, Soon()),
              absl::OkStatus());
    return client;
  }
  int Knock() { return *ConnectSocket(listener_->address(), Soon()); }

  const TestRoot root_ = TestRoot::New();
  const IdentityRef server_ = root_.Issue("host", "1");
  const IdentityRef client_ = root_.Issue("host", "2");
  const IdentityRef other_ = root_.Issue("host", "3");
  const IdentityRef unnamed_ = root_.Issue("host", "4");
  TestDevice device_{root_.Issue("backup", "5")};
  const std::shared_ptr<FaultPlan> plan_ = std::make_shared<FaultPlan>();
  bool exclusive_ = false;
  RemoteBackup service_;
  std::unique_ptr<Listener> listener_;

 private:
  absl::Mutex mu_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
  int stop_ = -1;
  std::thread thread_;
  absl::Status served_;
};

ChangeLabel Label(const std::string& text) {
  ChangeLabel request;
  request.label = text;
  return request;
}

// True when the other end closes within the time of a test.
bool IsClosed(int fd) {
  uint8_t buffer[4096];
  for (;;) {
    if (!WaitSocket(fd, POLLIN, "test", Soon()).ok()) return false;
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return true;
  }
}

TEST_F(RemoteBackupTest, NamedClient_ReachesTheDevice) {
  Serve();
  device_.info.serial = "5";
  Client client = NewClient(client_, NameOf(server_));
  EXPECT_EQ(client.Discover(Soon())->serial, "5");
  ASSERT_EQ(client.OpenChannel({.identity = client_}, Soon()),
            absl::OkStatus());
  EXPECT_EQ(client.Call(Label("from afar"), Soon()).status(), absl::OkStatus());
  EXPECT_EQ(client.peer()->name().serial, "5");
  EXPECT_TRUE(WaitForLine(" host 2 (key "));
  client.CloseChannel();
  EXPECT_TRUE(WaitForLine(" left"));
  Stop();
  EXPECT_EQ(device_.label, "from afar");
}

TEST_F(RemoteBackupTest, CarriesAMegabyteEachWay) {
  Serve();
  const auto client = Connected(client_);
  EXPECT_EQ(client->Call(Label(std::string(1 << 20, 'x')), Soon()).status(),
            absl::OkStatus());
  Stop();
  EXPECT_EQ(device_.label.size(), size_t{1} << 20);
}

TEST_F(RemoteBackupTest, UnnamedHostOfTheFleet_IsRefusedAndToldWhy) {
  Serve();
  Client client = NewClient(unnamed_);
  const absl::Status refused = client.Discover(Soon()).status();
  EXPECT_EQ(base::CkRv(refused), CKR_DEVICE_ERROR);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("does not name host 4 (key "));
  EXPECT_THAT(lines(), Contains(HasSubstr("refused: this Remote Backup")));
}

TEST_F(RemoteBackupTest, HostOfAnotherFleet_IsRefusedAndToldWhy) {
  Serve();
  const IdentityRef issued = TestRoot::New().Issue("host", "2");
  Client client =
      NewClient(std::make_shared<const base::Identity>(base::Identity{
          *base::P384Key::FromPrivateDer(issued->key.PrivateDer()->Expose()),
          issued->certificate,
          {root_.certificate}}));
  const absl::Status refused = client.Discover(Soon()).status();
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("the server does not know the fleet of this host"));
  EXPECT_TRUE(WaitForLine("refused: the client is not of this host's fleet"));
}

TEST_F(RemoteBackupTest, WrongServer_IsRefusedAtBothEnds) {
  Serve();
  Client client = NewClient(client_, NameOf(other_));
  const absl::Status refused = client.Discover(Soon()).status();
  EXPECT_EQ(base::CkRv(refused), CKR_DEVICE_ERROR);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("the server is host 1 (key "));
  EXPECT_TRUE(WaitForLine("refused: the client refused this host"));
}

TEST_F(RemoteBackupTest, NameThatIsNone_IsRefusedBeforeAnythingIsSent) {
  Serve();
  Client client = NewClient(client_, "backup-room");
  EXPECT_EQ(base::CkRv(client.Discover(Soon()).status()), CKR_ARGUMENTS_BAD);
}

TEST_F(RemoteBackupTest, NobodyThere_IsNotPresent) {
  listener_.reset();
  const auto transport = NewTlsTransport(
      "127.0.0.1:1",
      [this]() -> absl::StatusOr<IdentityRef> { return client_; });
  EXPECT_EQ(base::CkRv(transport->Open(Soon())), CKR_TOKEN_NOT_PRESENT);
}

TEST_F(RemoteBackupTest, ServerThatSaysNothing_EndsAtTheDeadline) {
  const auto transport = NewTransport(client_);  // nobody accepts
  const absl::Status opened =
      transport->Open(Deadline::After(absl::Milliseconds(50)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(opened)) << opened;
}

TEST_F(RemoteBackupTest, ServerThatIsNoTlsServer_IsADeviceError) {
  std::thread server([this] {
    pollfd waiting{listener_->fd(), POLLIN, 0};
    poll(&waiting, 1, -1);
    const int fd = *listener_->Accept();
    const char nonsense[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    EXPECT_GT(send(fd, nonsense, sizeof nonsense, MSG_NOSIGNAL), 0);
    EXPECT_TRUE(IsClosed(fd));  // without the rest of the handshake
    close(fd);
  });
  const absl::Status opened = NewTransport(client_)->Open(Soon());
  EXPECT_EQ(base::CkRv(opened), CKR_DEVICE_ERROR);
  EXPECT_THAT(std::string(opened.message()),
              HasSubstr("the server is not understood"));
  server.join();
}

TEST_F(RemoteBackupTest, ManyFramesAtOnce_AreAllAnsweredInOrder) {
  Serve();
  const auto transport = NewTransport(client_);
  ASSERT_TRUE(transport->Open(Soon()).ok());
  Bytes all;
  for (uint8_t i = 0; i < 100; ++i) {
    const Bytes one = Frame::Make(FrameOp::kDiscover, Id(i), {}).Encode();
    all.insert(all.end(), one.begin(), one.end());
  }
  ASSERT_TRUE(transport->Write(all, Soon()).ok());
  for (uint8_t i = 0; i < 100; ++i) {
    const auto answer = ReadFrame(*transport, Soon());
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->id(), Id(i));
  }
}

TEST_F(RemoteBackupTest, FrameInPieces_IsAnswered) {
  Serve();
  const auto transport = NewTransport(client_);
  ASSERT_TRUE(transport->Open(Soon()).ok());
  for (uint8_t byte : Frame::Make(FrameOp::kDiscover, Id(1), {}).Encode()) {
    ASSERT_TRUE(transport->Write({&byte, 1}, Soon()).ok());
  }
  EXPECT_EQ(ReadFrame(*transport, Soon())->op(), FrameOp::kDiscoverReply);
}

TEST_F(RemoteBackupTest, ClientThatSendsNoFrames_LosesItsOwnLinkOnly) {
  Serve();
  const auto client = Connected(other_);
  const auto hostile = NewTransport(client_);
  ASSERT_TRUE(hostile->Open(Soon()).ok());
  ASSERT_TRUE(hostile->Write(Bytes(1000, 0x41), Soon()).ok());
  EXPECT_EQ(base::CkRv(hostile->Read(1, Soon()).status()), CKR_DEVICE_REMOVED);
  EXPECT_TRUE(client->Call(GetRoleStatus(), Soon()).ok());
}

TEST_F(RemoteBackupTest, StrangersWithoutTls_AreClosedAndKeepNobodyOut) {
  Serve();
  std::vector<int> strangers;
  for (int i = 0; i < 80; ++i) strangers.push_back(Knock());
  ASSERT_GT(send(strangers.back(), "garbage!", 8, MSG_NOSIGNAL), 0);
  EXPECT_TRUE(Connected(client_)->Call(GetRoleStatus(), Soon()).ok());
  EXPECT_TRUE(IsClosed(strangers.back()));
  EXPECT_TRUE(IsClosed(strangers.front()));  // there was no room for it
  for (const int fd : strangers) close(fd);
}

TEST_F(RemoteBackupTest, StrangerWhoWaits_IsClosedInTime) {
  service_.handshake_budget = absl::Milliseconds(20);
  Serve();
  const int fd = Knock();
  EXPECT_TRUE(IsClosed(fd));
  close(fd);
}

TEST_F(RemoteBackupTest, UnnamedHostWhoWaits_IsClosedInTime) {
  service_.handshake_budget = absl::Seconds(1);
  Serve();
  const auto transport = NewTransport(unnamed_);
  ASSERT_TRUE(transport->Open(Soon()).ok());
  EXPECT_EQ(base::CkRv(transport->Read(1, Soon()).status()),
            CKR_DEVICE_REMOVED);
}

TEST_F(RemoteBackupTest, FrameThatIsNotFinished_EndsItsLinkInTime) {
  service_.frame_budget = absl::Milliseconds(20);
  Serve();
  const auto transport = NewTransport(client_);
  ASSERT_TRUE(transport->Open(Soon()).ok());
  ASSERT_TRUE(transport->Write(Bytes{0x50, 0x52, 0x47, 0x31}, Soon()).ok());
  EXPECT_EQ(base::CkRv(transport->Read(1, Soon()).status()),
            CKR_DEVICE_REMOVED);
}

TEST_F(RemoteBackupTest, IdleClient_IsClosedInTime) {
  service_.idle_budget = absl::Milliseconds(20);
  Serve();
  const auto transport = NewTransport(client_);
  ASSERT_TRUE(transport->Open(Soon()).ok());
  EXPECT_EQ(base::CkRv(transport->Read(1, Soon()).status()),
            CKR_DEVICE_REMOVED);
}

// It asks for much, and takes nothing of it.
TEST_F(RemoteBackupTest, ClientThatDoesNotRead_KeepsNobodyWaiting) {
  device_.info.label = std::string(100000, 'x');
  Serve();
  const auto slow = NewTransport(client_);
  ASSERT_TRUE(slow->Open(Soon()).ok());
  const Bytes ask = Frame::Make(FrameOp::kDiscover, Id(1), {}).Encode();
  Bytes all;
  for (int i = 0; i < 1000; ++i) all.insert(all.end(), ask.begin(), ask.end());
  ASSERT_TRUE(slow->Write(all, Soon()).ok());
  EXPECT_TRUE(Connected(other_)->Call(GetRoleStatus(), Soon()).ok());
}

TEST_F(RemoteBackupTest, OneClientsLinksAreBounded) {
  service_.links_per_client = 2;
  Serve();
  const auto one = Connected(client_), two = Connected(client_);
  Client third = NewClient(client_);
  EXPECT_THAT(std::string(third.Discover(Soon()).status().message()),
              HasSubstr("as many connections"));
  EXPECT_TRUE(Connected(other_)->Call(GetRoleStatus(), Soon()).ok());
  one->CloseChannel();
  EXPECT_TRUE(WaitForLine(" left"));
  EXPECT_TRUE(Connected(client_)->Call(GetRoleStatus(), Soon()).ok());
}

TEST_F(RemoteBackupTest, DeviceOfOneHost_IsRefusedToTheSecondAndThenFree) {
  exclusive_ = true;
  Serve();
  const auto first = Connected(client_);
  Client second = NewClient(other_);
  EXPECT_THAT(std::string(second.Discover(Soon()).status().message()),
              HasSubstr("another client is using the Backup HSM"));
  EXPECT_TRUE(first->Call(GetRoleStatus(), Soon()).ok());
  first->CloseChannel();
  EXPECT_TRUE(WaitForLine("(key " + Describe(client_->certificate).substr(12)));
  while (!second.OpenChannel({.identity = other_}, Soon()).ok()) {
    absl::SleepFor(absl::Milliseconds(1));  // until the first has left
  }
  EXPECT_TRUE(second.Call(GetRoleStatus(), Soon()).ok());
}

TEST_F(RemoteBackupTest, MissingDevice_IsToldToTheClient) {
  Serve();
  Stop();
  service_.device = []() -> absl::StatusOr<std::unique_ptr<Transport>> {
    return base::Error(CKR_TOKEN_NOT_PRESENT, "the cable is pulled");
  };
  auto port = RemoteBackupPort(*listener_, service_);
  const int stop = eventfd(0, EFD_CLOEXEC);
  std::thread thread([&] { ServePorts({*port}, stop).IgnoreError(); });
  Client client = NewClient(client_);
  EXPECT_THAT(std::string(client.Discover(Soon()).status().message()),
              HasSubstr("the cable is pulled"));
  const uint64_t one = 1;
  ASSERT_EQ(write(stop, &one, sizeof one), ssize_t{sizeof one});
  thread.join();
  close(stop);
}

// The relay's link to the device breaks after the device has acted: the client
// asks for the outcome, and nothing is done twice.
TEST_F(RemoteBackupTest, CutBehindTheRelay_HappensOnce) {
  Serve();
  const auto client = Connected(client_);
  plan_->Arm(FaultPlan::Kind::kCutBeforeRead, 1);
  EXPECT_EQ(client->Call(Label("once"), Soon()).status(), absl::OkStatus());
  Stop();
  EXPECT_EQ(device_.changes, 1);
}

TEST_F(RemoteBackupTest, CutBeforeTheDevice_IsRemovedAndDidNotHappen) {
  Serve();
  const auto client = Connected(client_);
  plan_->Arm(FaultPlan::Kind::kCutBeforeWrite, 1);
  EXPECT_EQ(base::CkRv(client->Call(Label("never"), Soon()).status()),
            CKR_DEVICE_REMOVED);
  Stop();
  EXPECT_EQ(device_.changes, 0);
}

// The client's end of the wire breaks after the request has gone out.
TEST_F(RemoteBackupTest, CutBeforeTheAnswer_HappensOnce) {
  Serve();
  const auto wire = std::make_shared<FaultPlan>();
  Client client([this, wire]() -> absl::StatusOr<std::unique_ptr<Transport>> {
    return std::make_unique<FaultTransport>(NewTransport(client_), wire);
  });
  ASSERT_TRUE(client.OpenChannel({.identity = client_}, Soon()).ok());
  wire->Arm(FaultPlan::Kind::kCutBeforeRead, 1);
  EXPECT_EQ(client.Call(Label("once"), Soon()).status(), absl::OkStatus());
  Stop();
  EXPECT_EQ(device_.changes, 1);
}

TEST_F(RemoteBackupTest, StoppedService_IsRemovedAndThenNotPresent) {
  Serve();
  const auto client = Connected(client_);
  Stop();
  listener_.reset();
  EXPECT_EQ(base::CkRv(client->Call(GetRoleStatus(), Soon()).status()),
            CKR_DEVICE_REMOVED);
}

}  // namespace
}  // namespace hsm_io
