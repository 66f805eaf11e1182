// A process that tries a PIN is killed at each of its operations on the disk
// in turn. An answer about a PIN is never free: when there was one, the wrong
// PIN is counted.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "hsm/hsm.h"
#include "hsm/test_hsm.h"
#include "tests/fault/fault_disk.h"
#include "tests/fault/fault_machine.h"

namespace fault {
namespace {

namespace fs = std::filesystem;
using hsm::Role;
using hsm::testkit::Pin;

struct Tried {
  bool killed = false;
  std::optional<CK_RV> answer;
};

// In a process of its own, which is killed at its n-th operation.
Tried TryPin(const fs::path& root, const char* pin, int n) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    Machine machine(root);
    FaultDisk::Instance().Watch(root);
    const auto first = machine.First();
    if (!first.ok()) _exit(2);
    FaultDisk::Instance().Arm(Fault::kKill, n);
    const CK_RV rv = base::CkRv((*first)->Unlock(Role::kCo, Pin(pin)).status());
    _exit(write(ends[1], &rv, sizeof rv) == sizeof rv ? 0 : 3);
  }
  close(ends[1]);
  Tried tried;
  CK_RV rv = CKR_OK;
  if (read(ends[0], &rv, sizeof rv) == sizeof rv) tried.answer = rv;
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  tried.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  EXPECT_TRUE(tried.killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
      << status;
  return tried;
}

uint32_t FailuresOf(const fs::path& root) {
  Machine machine(root);
  const auto first = machine.First();
  EXPECT_TRUE(first.ok()) << first.status();
  const auto state = (*first)->State(Role::kCo);
  EXPECT_TRUE(state.ok()) << state.status();
  return state.ok() ? state->failures : 0;
}

TEST(PinFaultTest, KilledAtEachOperation_NoAnswerWithoutACount) {
  UseFaultVfs();
  int uncounted = 0, counted = 0;
  for (int n = 1;; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 2000) << "never ends";
    const fs::path root = Images::Copy(Image::kUsed);
    ASSERT_EQ(FailuresOf(root), 0u);
    const Tried tried = TryPin(root, "wrong", n);
    const uint32_t failures = FailuresOf(root);
    if (tried.answer.has_value()) {
      EXPECT_EQ(*tried.answer, CK_RV{CKR_PIN_INCORRECT});
      EXPECT_EQ(failures, 1u) << "an answer for nothing";
    }
    EXPECT_LE(failures, 1u);
    ++(failures == 0 ? uncounted : counted);
    // What was killed locks nobody out: not with this PIN, and not for ever.
    EXPECT_EQ(TryPin(root, "co-pin-1", 0).answer, CK_RV{CKR_OK});
    EXPECT_EQ(FailuresOf(root), 0u);
    fs::remove_all(root);
    if (HasFailure() || !tried.killed) break;
  }
  // It was killed on both sides of the count.
  EXPECT_GT(uncounted, 10);
  EXPECT_GT(counted, 1);
  std::printf("%d times not counted, %d times counted\n", uncounted, counted);
}

// Killing it all the time gives no tries beyond the limit.
TEST(PinFaultTest, KilledRightAfterTheCount_TheLimitStands) {
  UseFaultVfs();
  const fs::path root = Images::Copy(Image::kUsed);
  int answers = 0;
  // The last operation of one try that is not killed.
  int last = 1;
  while (TryPin(root, "wrong", last).killed) {
    ASSERT_LT(++last, 2000);
    if (FailuresOf(root) != 0) {
      ASSERT_EQ(TryPin(root, "co-pin-1", 0).answer, CK_RV{CKR_OK});
    }
  }
  ASSERT_EQ(TryPin(root, "co-pin-1", 0).answer, CK_RV{CKR_OK});
  for (int i = 0; i < 30; ++i) {
    const Tried tried = TryPin(root, "wrong", last - 1);
    if (tried.answer == CK_RV{CKR_PIN_INCORRECT}) ++answers;
  }
  EXPECT_LE(answers, 10);
  EXPECT_EQ(TryPin(root, "co-pin-1", 0).answer, CK_RV{CKR_PIN_LOCKED});
  fs::remove_all(root);
}

}  // namespace
}  // namespace fault
