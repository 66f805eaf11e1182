// The socket transport against a listening device in another thread.
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hsm_io/socket_server.h"
#include "hsm_io/socket_transport.h"
#include "hsm_io/test_link.h"

namespace hsm_io {
namespace {

class SocketTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "perigee_XXXXXX").string();
    directory_ = mkdtemp(name.data());
    Serve(GetParam() ? "127.0.0.1:0" : path());
  }
  void TearDown() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }

  std::string path() const { return directory_ + "/backup.sock"; }

  void Serve(const std::string& address) {
    auto listener = Listener::Listen(address);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    stop_ = eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] {
      served_ = ServeSockets(
          *listener_,
          [this]() -> absl::StatusOr<std::unique_ptr<Server>> {
            return device_.PlugIn();
          },
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

  Client::TransportFactory Factory() {
    return [address = listener_->address()]()
               -> absl::StatusOr<std::unique_ptr<Transport>> {
      return NewSocketTransport(address);
    };
  }

  std::string directory_;
  const TestRoot root_ = TestRoot::New();
  const IdentityRef host_ = root_.Issue("host", "2");
  TestDevice device_{root_.Issue("backup", "1")};
  std::unique_ptr<Listener> listener_;
  int stop_ = -1;
  std::thread thread_;
  absl::Status served_;
};

TEST_P(SocketTest, CarriesACall) {
  Client client(Factory());
  ASSERT_EQ(client.OpenChannel({.identity = host_}, Soon()), absl::OkStatus());
  ChangeLabel request;
  request.label = "over a socket";
  EXPECT_EQ(client.Call(request, Soon()).status(), absl::OkStatus());
  Stop();
  EXPECT_EQ(device_.label, "over a socket");
}

TEST_P(SocketTest, CarriesAMegabyte) {
  Client client(Factory());
  ASSERT_TRUE(client.OpenChannel({.identity = host_}, Soon()).ok());
  ChangeLabel request;
  request.label = std::string(1 << 20, 'x');
  EXPECT_EQ(client.Call(request, Soon()).status(), absl::OkStatus());
  Stop();
  EXPECT_EQ(device_.label.size(), size_t{1} << 20);
}

TEST_P(SocketTest, TwoHostsEachHaveAChannel) {
  Client one(Factory()), two(Factory());
  ASSERT_TRUE(one.OpenChannel({.identity = host_}, Soon()).ok());
  ASSERT_TRUE(two.OpenChannel({.identity = host_}, Soon()).ok());
  EXPECT_TRUE(one.Call(GetRoleStatus(), Soon()).ok());
  EXPECT_TRUE(two.Call(GetRoleStatus(), Soon()).ok());
}

TEST_P(SocketTest, BytesOneByOne_AreAFrame) {
  auto transport = NewSocketTransport(listener_->address());
  ASSERT_TRUE(transport->Open(Soon()).ok());
  for (uint8_t byte : Frame::Make(FrameOp::kDiscover, Id(1), {}).Encode()) {
    ASSERT_TRUE(transport->Write({&byte, 1}, Soon()).ok());
  }
  const absl::StatusOr<Frame> answer = ReadFrame(*transport, Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->op(), FrameOp::kDiscoverReply);
}

TEST_P(SocketTest, TwoFramesAtOnce_AreBothAnswered) {
  auto transport = NewSocketTransport(listener_->address());
  ASSERT_TRUE(transport->Open(Soon()).ok());
  Bytes both = Frame::Make(FrameOp::kDiscover, Id(1), {}).Encode();
  const Bytes second = Frame::Make(FrameOp::kDiscover, Id(2), {}).Encode();
  both.insert(both.end(), second.begin(), second.end());
  ASSERT_TRUE(transport->Write(both, Soon()).ok());
  EXPECT_EQ(ReadFrame(*transport, Soon())->id(), Id(1));
  EXPECT_EQ(ReadFrame(*transport, Soon())->id(), Id(2));
}

TEST_P(SocketTest, Garbage_ClosesOnlyItsOwnLink) {
  Client client(Factory());
  ASSERT_TRUE(client.OpenChannel({.identity = host_}, Soon()).ok());
  auto hostile = NewSocketTransport(listener_->address());
  ASSERT_TRUE(hostile->Open(Soon()).ok());
  ASSERT_TRUE(hostile->Write(Bytes(1000, 0x41), Soon()).ok());
  EXPECT_EQ(base::CkRv(hostile->Read(1, Soon()).status()), CKR_DEVICE_REMOVED);
  EXPECT_TRUE(client.Call(GetRoleStatus(), Soon()).ok());
}

// So that a newer host finds an answer of an older version, and not silence.
TEST_P(SocketTest, HostOfAnotherVersion_IsAnsweredInOurs) {
  auto other = NewSocketTransport(listener_->address());
  ASSERT_TRUE(other->Open(Soon()).ok());
  Bytes hello = Frame::Make(FrameOp::kDiscover, Id(1), {}).Encode();
  hello[5] = kFrameVersion + 1;
  ASSERT_TRUE(other->Write(hello, Soon()).ok());
  const absl::StatusOr<Frame> answer = ReadFrame(*other, Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->op(), FrameOp::kError);
  EXPECT_THAT(std::string(DecodeLinkError(answer->body()).message()),
              testing::HasSubstr("speaks version 2 of the link, this one 1"));
  EXPECT_EQ(base::CkRv(other->Read(1, Soon()).status()), CKR_DEVICE_REMOVED);
}

TEST_P(SocketTest, SilentDevice_EndsAtTheDeadline) {
  auto transport = NewSocketTransport(listener_->address());
  ASSERT_TRUE(transport->Open(Soon()).ok());
  const auto read = transport->Read(1, Deadline::After(absl::Milliseconds(50)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(read.status())) << read.status();
  EXPECT_EQ(base::CkRv(read.status()), CKR_DEVICE_ERROR);
}

TEST_P(SocketTest, StoppedDevice_IsRemovedAndThenNotPresent) {
  Client client(Factory());
  ASSERT_TRUE(client.OpenChannel({.identity = host_}, Soon()).ok());
  Stop();
  EXPECT_EQ(base::CkRv(client.Call(GetRoleStatus(), Soon()).status()),
            CKR_DEVICE_REMOVED);
  EXPECT_EQ(base::CkRv(client.Discover(Soon()).status()),
            CKR_TOKEN_NOT_PRESENT);
}

INSTANTIATE_TEST_SUITE_P(Addresses, SocketTest, testing::Bool(),
                         [](const auto& info) {
                           return std::string(info.param ? "Tcp" : "Unix");
                         });

class ListenerTest : public SocketTest {};

TEST_P(ListenerTest, PathInUse_IsRefused) {
  EXPECT_EQ(base::CkRv(Listener::Listen(path()).status()), CKR_FUNCTION_FAILED);
}

TEST_P(ListenerTest, PathIsTheOwnersAlone) {
  struct stat there {};
  ASSERT_EQ(stat(path().c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0700u);
}

INSTANTIATE_TEST_SUITE_P(Unix, ListenerTest, testing::Values(false));

TEST(ListenerPathTest, StaleSocket_IsTakenOverAndAFileIsNot) {
  std::string name =
      (std::filesystem::temp_directory_path() / "perigee_XXXXXX").string();
  const std::string directory = mkdtemp(name.data());
  const std::string path = directory + "/stale";
  {
    auto first = Listener::Listen(path);
    ASSERT_TRUE(first.ok());
    std::filesystem::rename(path, path + ".kept");  // Its end removes nothing.
  }
  std::filesystem::rename(path + ".kept", path);
  EXPECT_TRUE(Listener::Listen(path).ok());
  FILE* file = fopen(path.c_str(), "w");
  fclose(file);
  EXPECT_EQ(base::CkRv(Listener::Listen(path).status()), CKR_FUNCTION_FAILED);
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace hsm_io
