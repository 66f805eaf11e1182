// The device's end against hosts that do not keep to the protocol.
#include "hsm_io/server.h"

#include "gtest/gtest.h"
#include "hsm_io/test_link.h"

namespace hsm_io {
namespace {

class ServerTest : public testing::Test {
 protected:
  const TestRoot root_ = TestRoot::New();
  TestDevice device_{root_.Issue("backup", "1")};
  std::unique_ptr<Server> server_ = device_.PlugIn();
  RawHost host_{*server_, root_.Issue("host", "2")};

  ChangeLabel Label(const std::string& label) {
    ChangeLabel request;
    request.label = label;
    return request;
  }
  Frame Served(const Frame& frame) { return *server_->Serve(frame); }
};

TEST_F(ServerTest, ServesASealedRequest) {
  ASSERT_TRUE(host_.Open().ok());
  const Frame answer = Served(host_.Seal(Id(5), Label("new")));
  EXPECT_EQ(answer.id(), Id(5));
  EXPECT_EQ(host_.StatusOf(answer), absl::OkStatus());
  EXPECT_EQ(device_.label, "new");
}

TEST_F(ServerTest, SealedBeforeAChannel_IsAnError) {
  const Frame answer =
      Served(Frame::Make(FrameOp::kSealed, Id(1), Bytes(64, 0)));
  EXPECT_EQ(answer.op(), FrameOp::kError);
}

TEST_F(ServerTest, FinishBeforeHello_IsAnError) {
  EXPECT_EQ(Served(Frame::Make(FrameOp::kFinish, Id(1), Bytes(64, 0))).op(),
            FrameOp::kError);
}

TEST_F(ServerTest, OpsOfADevice_AreErrors) {
  for (FrameOp op : {FrameOp::kDiscoverReply, FrameOp::kReply, FrameOp::kReady,
                     FrameOp::kError}) {
    EXPECT_EQ(Served(Frame::Make(op, Id(1), {})).op(), FrameOp::kError);
  }
}

TEST_F(ServerTest, GarbageHellos_AreErrors) {
  for (size_t size : {0, 1, 100, 5000}) {
    EXPECT_EQ(
        Served(Frame::Make(FrameOp::kHello, Id(1), Bytes(size, 0xA5))).op(),
        FrameOp::kError)
        << size;
  }
}

TEST_F(ServerTest, ReplayedRequest_IsNotDoneAgainAndEndsTheChannel) {
  ASSERT_TRUE(host_.Open().ok());
  const Frame request = host_.Seal(Id(5), Label("once"));
  ASSERT_TRUE(host_.StatusOf(Served(request)).ok());
  EXPECT_EQ(Served(request).op(), FrameOp::kError);
  EXPECT_EQ(device_.changes, 1);
  EXPECT_EQ(device_.resets, 1);
  EXPECT_EQ(Served(host_.Seal(Id(6), Label("late"))).op(), FrameOp::kError);
  EXPECT_EQ(device_.changes, 1);
}

TEST_F(ServerTest, ReorderedRequests_AreNotDone) {
  ASSERT_TRUE(host_.Open().ok());
  const Frame first = host_.Seal(Id(5), Label("first"));
  const Frame second = host_.Seal(Id(6), Label("second"));
  EXPECT_EQ(Served(second).op(), FrameOp::kError);
  EXPECT_EQ(Served(first).op(), FrameOp::kError);
  EXPECT_EQ(device_.changes, 0);
}

TEST_F(ServerTest, EveryFlippedBitOfASealedRequest_DoesNothing) {
  ASSERT_TRUE(host_.Open().ok());
  const Frame request = host_.Seal(Id(5), Label("x"));
  for (size_t bit = 0; bit < request.body().size() * 8; bit += 7) {
    auto server = device_.PlugIn();
    RawHost host(*server, root_.Issue("host", "3"));
    ASSERT_TRUE(host.Open().ok());
    Frame mine = host.Seal(Id(5), Label("x"));
    Bytes body = mine.body();
    body[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_EQ(server->Serve(Frame::Make(mine.op(), mine.id(), body))->op(),
              FrameOp::kError)
        << "bit " << bit;
  }
  EXPECT_EQ(device_.changes, 0);
}

// A second request with the id of a done one gets its answer.
TEST_F(ServerTest, SameIdOnANewChannel_IsAnsweredNotDone) {
  ASSERT_TRUE(host_.Open().ok());
  ASSERT_TRUE(host_.StatusOf(Served(host_.Seal(Id(5), Label("a")))).ok());
  ASSERT_TRUE(host_.Open().ok());
  EXPECT_TRUE(host_.StatusOf(Served(host_.Seal(Id(5), Label("b")))).ok());
  EXPECT_EQ(device_.changes, 1);
  EXPECT_EQ(device_.label, "a");
}

TEST_F(ServerTest, AnotherHost_SeesNoOutcomeOfTheFirst) {
  ASSERT_TRUE(host_.Open().ok());
  ASSERT_TRUE(host_.StatusOf(Served(host_.Seal(Id(5), Label("a")))).ok());
  RawHost other(*server_, root_.Issue("host", "9"));
  ASSERT_TRUE(other.Open().ok());
  EXPECT_TRUE(other.StatusOf(Served(other.Seal(Id(5), Label("b")))).ok());
  EXPECT_EQ(device_.label, "b");
}

TEST_F(ServerTest, UnknownMessage_IsRefusedAndTheChannelGoesOn) {
  ASSERT_TRUE(host_.Open().ok());
  Logout unbound;
  EXPECT_EQ(base::CkRv(host_.StatusOf(Served(host_.Seal(Id(5), unbound)))),
            CKR_FUNCTION_NOT_SUPPORTED);
  EXPECT_TRUE(host_.StatusOf(Served(host_.Seal(Id(6), Label("a")))).ok());
}

TEST_F(ServerTest, HostOfAnotherRoot_GetsNoChannel) {
  RawHost stranger(*server_, TestRoot::New().Issue("host", "7"));
  EXPECT_EQ(base::CkRv(stranger.Open()), CKR_DEVICE_ERROR);
}

TEST_F(ServerTest, ApplicationHsmAsHost_GetsNoChannel) {
  RawHost wrong(*server_, root_.Issue("application", "7"));
  EXPECT_EQ(base::CkRv(wrong.Open()), CKR_DEVICE_ERROR);
}

TEST_F(ServerTest, NewChannel_EndsTheOldOne) {
  ASSERT_TRUE(host_.Open().ok());
  const Frame old = host_.Seal(Id(5), Label("old"));
  RawHost other(*server_, root_.Issue("host", "9"));
  ASSERT_TRUE(other.Open().ok());
  EXPECT_EQ(device_.resets, 1);
  EXPECT_EQ(Served(old).op(), FrameOp::kError);
  EXPECT_EQ(device_.changes, 0);
}

}  // namespace
}  // namespace hsm_io
