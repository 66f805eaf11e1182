// The host's end: at most once over a link that breaks, and devices that do not
// keep to the protocol.
#include "hsm_io/client.h"

#include <deque>

#include "gtest/gtest.h"
#include "hsm_io/test_link.h"

namespace hsm_io {
namespace {

class ClientTest : public testing::Test {
 protected:
  absl::Status OpenChannel() {
    return client_.OpenChannel({.identity = host_}, Soon());
  }
  absl::Status Change(const std::string& label) {
    ChangeLabel request;
    request.label = label;
    return client_.Call(request, Soon()).status();
  }
  absl::Status Ask() { return client_.Call(GetRoleStatus(), Soon()).status(); }
  // The fault strikes at the n-th write or read from now on.
  void Break(FaultPlan::Kind kind, int n = 1) { plan_->Arm(kind, n); }

  const TestRoot root_ = TestRoot::New();
  const IdentityRef host_ = root_.Issue("host", "2");
  TestDevice device_{root_.Issue("backup", "1")};
  const std::shared_ptr<FaultPlan> plan_ = std::make_shared<FaultPlan>();
  Client client_{FactoryFor(device_, plan_)};
};

TEST_F(ClientTest, DiscoverNeedsNoChannelAndStripsControlCharacters) {
  device_.info.serial = "123\n\x1b[31m";
  const absl::StatusOr<DeviceInfo> info = client_.Discover(Soon());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->serial, "123??[31m");
  EXPECT_FALSE(client_.channel_open());
}

TEST_F(ClientTest, CallsOverTheChannel) {
  ASSERT_TRUE(OpenChannel().ok());
  GetRoleStatus request;
  request.space = 7;
  const absl::StatusOr<RoleStatus> reply = client_.Call(request, Soon());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->failures, 7u);
  EXPECT_EQ(client_.peer()->der(), device_.identity().certificate.der());
}

TEST_F(ClientTest, ErrorsCrossWithCodeAndReason) {
  ASSERT_TRUE(OpenChannel().ok());
  const absl::Status status = client_.Call(DeleteContainer(), Soon()).status();
  EXPECT_EQ(base::CkRv(status), CKR_CONTAINER_HANDLE_INVALID);
  EXPECT_EQ(base::Reason(status), "no-such");
  EXPECT_EQ(status.message(), "no container?[2J");
}

TEST_F(ClientTest, CallWithoutChannel_IsRemoved) {
  EXPECT_EQ(base::CkRv(Ask()), CKR_DEVICE_REMOVED);
}

TEST_F(ClientTest, ChangeWhoseAnswerIsLost_IsDoneOnceAndAnswered) {
  ASSERT_TRUE(OpenChannel().ok());
  const uint64_t epoch = client_.channel_epoch();
  Break(FaultPlan::Kind::kCutBeforeRead);
  EXPECT_EQ(Change("lost"), absl::OkStatus());
  EXPECT_EQ(device_.changes, 1);
  EXPECT_EQ(device_.label, "lost");
  EXPECT_NE(client_.channel_epoch(), epoch) << "logins must be known to end";
  EXPECT_EQ(Change("next"), absl::OkStatus());
}

TEST_F(ClientTest, RefusalWhoseAnswerIsLost_IsToldAsItWas) {
  ASSERT_TRUE(OpenChannel().ok());
  Break(FaultPlan::Kind::kCutBeforeRead);
  EXPECT_EQ(base::CkRv(client_.Call(DeleteContainer(), Soon()).status()),
            CKR_CONTAINER_HANDLE_INVALID);
  EXPECT_EQ(device_.changes, 1);
}

TEST_F(ClientTest, ChangeThatNeverArrived_IsNotDoneAndNotSentAgain) {
  ASSERT_TRUE(OpenChannel().ok());
  Break(FaultPlan::Kind::kCutBeforeWrite);
  EXPECT_EQ(base::CkRv(Change("never")), CKR_DEVICE_REMOVED);
  EXPECT_EQ(device_.changes, 0);
}

TEST_F(ClientTest, QuestionWhoseAnswerIsLost_IsRemoved) {
  ASSERT_TRUE(OpenChannel().ok());
  Break(FaultPlan::Kind::kCutBeforeRead);
  EXPECT_EQ(base::CkRv(Ask()), CKR_DEVICE_REMOVED);
  EXPECT_FALSE(client_.channel_open());
  ASSERT_TRUE(OpenChannel().ok());
  EXPECT_EQ(Ask(), absl::OkStatus());
}

// The cut falls on every write and read of a change and of what follows it.
TEST_F(ClientTest, CutAtEachStep_TheChangeIsDoneAtMostOnceAndToldTrue) {
  for (const auto kind :
       {FaultPlan::Kind::kCutBeforeWrite, FaultPlan::Kind::kCutBeforeRead}) {
    for (int n = 1; n <= 8; ++n) {
      ASSERT_TRUE(OpenChannel().ok());
      const int before = device_.changes;
      Break(kind, n);
      const absl::Status status = Change("x");
      plan_->kind = FaultPlan::Kind::kNone;
      const int done = device_.changes - before;
      EXPECT_LE(done, 1) << "cut " << n;
      if (status.ok()) {
        EXPECT_EQ(done, 1) << "cut " << n;
      } else {
        EXPECT_EQ(base::CkRv(status), CKR_DEVICE_REMOVED) << "cut " << n;
      }
    }
  }
}

TEST_F(ClientTest, FlippedBitOfAnAnswer_IsNoAnswer) {
  ASSERT_TRUE(OpenChannel().ok());
  Break(FaultPlan::Kind::kFlipRead, 2);  // the body
  EXPECT_EQ(base::CkRv(Ask()), CKR_DEVICE_REMOVED);
  EXPECT_FALSE(client_.channel_open());
}

TEST_F(ClientTest, FlippedBitOfARequest_IsNotDone) {
  ASSERT_TRUE(OpenChannel().ok());
  plan_->bit = (kFrameHeaderSize + 3) * 8;
  Break(FaultPlan::Kind::kFlipWrite);
  EXPECT_EQ(base::CkRv(Change("flipped")), CKR_DEVICE_REMOVED);
  EXPECT_EQ(device_.changes, 0);
}

// --- adoption ----------------------------------------------------------------

TEST_F(ClientTest, AdoptionChannel_DoesNothingButAdopt) {
  device_.allow_adoption = true;
  const IdentityRef stranger = TestRoot::New().Issue("host", "8");
  ChannelOptions options;
  options.identity = stranger;
  options.adopt_fingerprint = device_.identity().certificate.key_fingerprint();
  ASSERT_EQ(client_.OpenChannel(options, Soon()), absl::OkStatus());
  EXPECT_EQ(base::CkRv(Change("stranger")), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(base::CkRv(Ask()), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(client_.Call(Adopt(), Soon()).status(), absl::OkStatus());
  EXPECT_EQ(device_.changes, 0);
  EXPECT_EQ(device_.questions, 0);
  EXPECT_EQ(device_.adoptions, 1);
}

TEST_F(ClientTest, AdoptionWhereItIsNotAllowed_GetsNoChannel) {
  ChannelOptions options;
  options.identity = TestRoot::New().Issue("host", "8");
  options.adopt_fingerprint = device_.identity().certificate.key_fingerprint();
  EXPECT_EQ(base::CkRv(client_.OpenChannel(options, Soon())), CKR_DEVICE_ERROR);
}

TEST_F(ClientTest, AdoptionOfAnotherFingerprint_IsRefusedByTheHost) {
  device_.allow_adoption = true;
  ChannelOptions options;
  options.identity = TestRoot::New().Issue("host", "8");
  options.adopt_fingerprint = Bytes(32, 1);
  EXPECT_EQ(base::CkRv(client_.OpenChannel(options, Soon())), CKR_DEVICE_ERROR);
}

TEST_F(ClientTest, DeviceOfAnotherRoot_GetsNoRequest) {
  device_.allow_adoption = true;
  ChannelOptions options;
  options.identity = TestRoot::New().Issue("host", "8");
  EXPECT_EQ(base::CkRv(client_.OpenChannel(options, Soon())), CKR_DEVICE_ERROR);
}

// --- hostile devices ---------------------------------------------------------

// Answers each written frame with the next of its script.
class ScriptedDevice : public Transport {
 public:
  explicit ScriptedDevice(std::function<Bytes(const Frame&)> answer)
      : answer_(std::move(answer)) {}
  absl::Status Open(Deadline) override { return absl::OkStatus(); }
  void Close() override { out_.clear(); }
  absl::Status Write(ByteSpan bytes, Deadline) override {
    const absl::StatusOr<Frame> frame = Frame::Parse(bytes);
    if (!frame.ok()) return frame.status();
    const Bytes answer = answer_(*frame);
    out_.insert(out_.end(), answer.begin(), answer.end());
    return absl::OkStatus();
  }
  absl::StatusOr<Bytes> Read(size_t limit, Deadline) override {
    if (out_.empty()) return base::Error(CKR_DEVICE_REMOVED, "silent");
    const size_t size = std::min(limit, out_.size());
    Bytes part(out_.begin(), out_.begin() + size);
    out_.erase(out_.begin(), out_.begin() + size);
    return part;
  }

 private:
  const std::function<Bytes(const Frame&)> answer_;
  std::deque<uint8_t> out_;
};

CK_RV DiscoverFrom(std::function<Bytes(const Frame&)> answer) {
  Client client([answer]() -> absl::StatusOr<std::unique_ptr<Transport>> {
    return std::make_unique<ScriptedDevice>(answer);
  });
  return base::CkRv(client.Discover(Soon()).status());
}

TEST(HostileDeviceTest, Garbage_IsADeviceError) {
  EXPECT_EQ(DiscoverFrom([](const Frame&) { return Bytes(100, 0x41); }),
            CKR_DEVICE_ERROR);
}

TEST(HostileDeviceTest, AnotherVersion_SaysWhichEndToUpdate) {
  const auto answer = [](const Frame& asked) {
    Bytes bytes = Frame::Make(FrameOp::kError, asked.id(), {}).Encode();
    bytes[5] = kFrameVersion + 1;
    return bytes;
  };
  Client client([answer]() -> absl::StatusOr<std::unique_ptr<Transport>> {
    return std::make_unique<ScriptedDevice>(answer);
  });
  const absl::Status status = client.Discover(Soon()).status();
  EXPECT_EQ(base::CkRv(status), CKR_DEVICE_ERROR);
  EXPECT_EQ(base::Reason(status), kOtherVersion);
}

TEST(HostileDeviceTest, AnswerToAnotherRequest_IsADeviceError) {
  EXPECT_EQ(DiscoverFrom([](const Frame&) {
              return Frame::Make(FrameOp::kDiscoverReply, Id(1),
                                 wire::Encode(DeviceInfo()))
                  .Encode();
            }),
            CKR_DEVICE_ERROR);
}

TEST(HostileDeviceTest, AnotherOp_IsADeviceError) {
  EXPECT_EQ(DiscoverFrom([](const Frame& asked) {
              return Frame::Make(FrameOp::kSealed, asked.id(), {}).Encode();
            }),
            CKR_DEVICE_ERROR);
}

TEST(HostileDeviceTest, TruncatedDeviceInfo_IsADeviceError) {
  EXPECT_EQ(
      DiscoverFrom([](const Frame& asked) {
        Bytes body = wire::Encode(DeviceInfo());
        body.pop_back();
        return Frame::Make(FrameOp::kDiscoverReply, asked.id(), body).Encode();
      }),
      CKR_DEVICE_ERROR);
}

TEST(HostileDeviceTest, BodyOfFourGigabytes_IsADeviceErrorAtOnce) {
  EXPECT_EQ(DiscoverFrom([](const Frame& asked) {
              Bytes bytes =
                  Frame::Make(FrameOp::kDiscoverReply, asked.id(), {}).Encode();
              bytes[24] = bytes[25] = bytes[26] = bytes[27] = 0xFF;
              return bytes;
            }),
            CKR_DEVICE_ERROR);
}

// What it says in clear is marked, and cannot choose the return value.
TEST(HostileDeviceTest, ErrorInClear_IsADeviceErrorWhateverItSays) {
  EXPECT_EQ(DiscoverFrom([](const Frame& asked) {
              return Frame::Make(FrameOp::kError, asked.id(),
                                 EncodeLinkError(
                                     base::Error(CKR_PIN_LOCKED, "give up")))
                  .Encode();
            }),
            CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace hsm_io
