// Many processes start at once: each finds the token, logs in and lists.
#include "tests/e2e/host.h"
#include "tests/e2e/objects.h"
#include "tests/fault/processes.h"

namespace e2e {
namespace {

constexpr int kProcesses = 12;
constexpr int kRounds = 6;

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
    failures += FailuresOf(kProcesses, [&](int) {
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

// Nothing is counted against anybody, though all of them ask at once.
TEST(StartTest, SeventyTwoUsersAndThenEightOfficers_AllLogIn) {
  Site site(AppOnly());
  {
    Host host(site);
    host.InitPartition(0, "");
    host.Create(host.Officer(0), Note("note"));
  }
  const auto expect_nothing_counted = [&] {
    Host host(site);
    for (const CK_USER_TYPE user : {CKU_SO, CKU_USER}) {
      const PERIGEE_ROLE_INFO role =
          host.RoleInfo(0, PERIGEE_OWN_CONTAINER, user);
      EXPECT_EQ(role.ulFailures, 0u);
      EXPECT_FALSE(role.flags & PERIGEE_ROLE_LOCKED);
    }
    constexpr CK_FLAGS kTrouble =
        CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED |
        CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY | CKF_SO_PIN_LOCKED;
    EXPECT_EQ(host.TokenInfo(0).flags & kTrouble, 0u);
  };
  EXPECT_EQ(
      FailuresOf(72,
                 [&](int) {
                   Host host(site);
                   ASSERT_TRUE(host.TokenInfo(0).flags & CKF_TOKEN_INITIALIZED);
                   const CK_SESSION_HANDLE app = host.Officer(0);
                   EXPECT_EQ(host.Find(app).size(), 1u);
                 }),
      0);
  expect_nothing_counted();
  EXPECT_EQ(FailuresOf(8,
                       [&](int) {
                         Host host(site);
                         host.SecurityOfficer(0);
                       }),
            0);
  expect_nothing_counted();
}

TEST(StartTest, ManyAtOnce_WriteWithoutLosingAnything) {
  Site site(AppOnly());
  {
    Host host(site);
    host.InitPartition(0, "");
  }
  EXPECT_EQ(FailuresOf(kProcesses,
                       [&](int i) {
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
  FailuresOf(kProcesses, [&](int) {
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
