// Many processes start at once: each finds the token, logs in and lists.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "tests/e2e/host.h"
#include "tests/e2e/objects.h"

namespace e2e {
namespace {

constexpr int kProcesses = 12;
constexpr int kRounds = 6;

// Starts `work` in all of them, lets them go together, and counts those that
// fail.
int FailuresOf(const std::function<void(int)>& work) {
  int gate[2];
  EXPECT_EQ(pipe(gate), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(gate[1]);
      char c;
      if (read(gate[0], &c, 1) != 0) _exit(2);  // It opens by closing.
      work(i);
      fflush(stdout);
      _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    children.push_back(child);
  }
  close(gate[0]);
  close(gate[1]);
  int failures = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) ++failures;
  }
  return failures;
}

Plan AppOnly() {
  Plan plan;
  plan.backups.clear();
  return plan;
}

TEST(StartTest, ManyAtOnce_AllFindTheTokenLogInAndList) {
  Site site(AppOnly());
  {
    Host host(site);
    host.InitPartition(0, "");
    const CK_SESSION_HANDLE app = host.Officer(0);
    GenerateEcPair(host, app, "ec");
    GenerateAes(host, app, "aes");
  }
  int failures = 0;
  for (int round = 0; round < kRounds; ++round) {
    failures += FailuresOf([&](int) {
      Host host(site);
      CK_ULONG count = 0;
      ASSERT_OK(host.c().C_GetSlotList(CK_TRUE, nullptr, &count));
      ASSERT_EQ(count, 1u);
      ASSERT_TRUE(host.TokenInfo(0).flags & CKF_TOKEN_INITIALIZED);
      const CK_SESSION_HANDLE app = host.Officer(0);
      ASSERT_EQ(host.Find(app).size(), 3u);
      Sign(host, app, CKM_ECDSA_SHA256, Only(host, app, CKO_PRIVATE_KEY, "ec"));
    });
  }
  EXPECT_EQ(failures, 0) << "of " << kProcesses * kRounds;
  Host host(site);
  EXPECT_EQ(host.RoleInfo(0, PERIGEE_OWN_CONTAINER, CKU_USER).ulFailures, 0u);
}

TEST(StartTest, ManyAtOnce_WriteWithoutLosingAnything) {
  Site site(AppOnly());
  {
    Host host(site);
    host.InitPartition(0, "");
  }
  EXPECT_EQ(FailuresOf([&](int i) {
              Host host(site);
              const CK_SESSION_HANDLE app = host.Officer(0);
              for (int n = 0; n < 5; ++n) {
                host.Create(app, Note(std::to_string(i * 10 + n)));
              }
            }),
            0);
  Host host(site);
  const CK_SESSION_HANDLE app = host.Officer(0);
  EXPECT_EQ(ReadPartition(host, app).size(), kProcesses * 5u);
}

// The state is made by the first that must store something; all of them must.
TEST(StartTest, ManyMakeTheStateAtOnce_OneIsMade) {
  Site site(AppOnly());
  FailuresOf([&](int) {
    Host host(site);
    // Others may be in the middle of it: what counts is what is there after.
    host.TryInitToken(0, "token", "");
  });
  Host host(site);
  EXPECT_TRUE(host.TokenInfo(0).flags & CKF_TOKEN_INITIALIZED);
  EXPECT_OK(host.c().C_CloseSession(host.SecurityOfficer(0)));
  host.InitPartition(0, "");
  host.Create(host.Officer(0), Note("a"));
}

}  // namespace
}  // namespace e2e
