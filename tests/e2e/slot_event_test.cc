// C_WaitForSlotEvent: the Backup HSM goes and comes, in both ways of asking.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <future>

#include "tests/e2e/bench.h"

namespace e2e {
namespace {

class SlotEventTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_LINKS_(SlotEventTest, Link::kSocket, Link::kUsbip);

CK_RV Poll(const Host& host, CK_SLOT_ID* slot) {
  return host.c().C_WaitForSlotEvent(CKF_DONT_BLOCK, slot, nullptr);
}

bool HasToken(const Host& host, CK_SLOT_ID slot) {
  CK_SLOT_INFO info = {};
  EXPECT_OK(host.c().C_GetSlotInfo(slot, &info));
  return (info.flags & CKF_TOKEN_PRESENT) != 0;
}

// The wait of a thread, and what it came back with.
struct Wait {
  CK_RV rv;
  CK_SLOT_ID slot;
};
std::future<Wait> Block(const Host& host) {
  return std::async(std::launch::async, [&host] {
    Wait wait = {CKR_OK, CK_UNAVAILABLE_INFORMATION};
    wait.rv = host.c().C_WaitForSlotEvent(0, &wait.slot, nullptr);
    return wait;
  });
}

TEST_P(SlotEventTest, Polling_TellsEachChangeOnce) {
  Site site(DefaultPlan(GetParam()));
  Host host(site);
  CK_SLOT_ID slot = CK_UNAVAILABLE_INFORMATION;
  EXPECT_RV(CKR_NO_EVENT, Poll(host, &slot));
  site.daemon().Stop();
  EXPECT_OK(Poll(host, &slot));
  EXPECT_EQ(slot, host.backup());
  EXPECT_FALSE(HasToken(host, host.backup()));
  EXPECT_RV(CKR_NO_EVENT, Poll(host, &slot));
  site.daemon().Restart();
  EXPECT_OK(Poll(host, &slot));
  EXPECT_EQ(slot, host.backup());
  EXPECT_TRUE(HasToken(host, host.backup()));
  EXPECT_RV(CKR_NO_EVENT, Poll(host, &slot));
}

TEST_P(SlotEventTest, Blocking_ReturnsWithTheSlot) {
  Site site(DefaultPlan(GetParam()));
  Host host(site);
  CK_SLOT_ID slot = CK_UNAVAILABLE_INFORMATION;
  ASSERT_RV(CKR_NO_EVENT, Poll(host, &slot));
  std::future<Wait> gone = Block(host);
  site.daemon().Stop();
  const Wait first = gone.get();
  EXPECT_OK(first.rv);
  EXPECT_EQ(first.slot, host.backup());
  std::future<Wait> back = Block(host);
  site.daemon().Restart();
  const Wait second = back.get();
  EXPECT_OK(second.rv);
  EXPECT_EQ(second.slot, host.backup());
}

TEST_P(SlotEventTest, Finalize_EndsTheWait) {
  Site site(DefaultPlan(GetParam()));
  Host host(site);
  std::future<Wait> wait = Block(host);
  while (wait.wait_for(std::chrono::milliseconds(100)) !=
         std::future_status::timeout) {
  }
  host.Finalize();
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, wait.get().rv);
}

// A fork waits for calls of other threads, up to a second; a wait for an event
// is none, or twenty forks would take twenty seconds.
TEST_P(SlotEventTest, ForksPassAWait) {
  Site site(DefaultPlan(GetParam()));
  Host host(site);
  std::future<Wait> wait = Block(host);
  ASSERT_EQ(wait.wait_for(std::chrono::milliseconds(500)),
            std::future_status::timeout);
  const std::time_t begun = std::time(nullptr);
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(0);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_LT(std::time(nullptr) - begun, 15);
  host.Finalize();
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, wait.get().rv);
}

}  // namespace
}  // namespace e2e
