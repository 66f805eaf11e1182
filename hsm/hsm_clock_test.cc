// The HSM's clock.
#include <gtest/gtest.h>

#include <ctime>

#include "hsm/hsm.h"
#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::LinesWith;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::TestHsm;

uint64_t HostNow() { return static_cast<uint64_t>(std::time(nullptr)); }

TEST(HsmClockTest, UnsetClockIsTheHosts) {
  TestHsm hsm(AppSpec());
  const Hsm::ClockReading clock = hsm->Clock().value();
  EXPECT_FALSE(clock.set);
  EXPECT_NEAR(static_cast<double>(clock.seconds),
              static_cast<double>(HostNow()), 5);
}

TEST(HsmClockTest, SetClockGoesOnFromThereInEveryProcess) {
  TestHsm hsm(AppSpec());
  const LoginRef so = LogInSo(*hsm);
  const auto other = hsm.Another();
  for (const uint64_t seconds : {uint64_t{1000}, uint64_t{4000000000}}) {
    ASSERT_EQ(Rv(hsm->SetClock(*so, seconds)), CKR_OK);
    const Hsm::ClockReading clock = other->Clock().value();
    EXPECT_TRUE(clock.set);
    EXPECT_NEAR(static_cast<double>(clock.seconds),
                static_cast<double>(seconds), 5);
  }
  EXPECT_EQ(LinesWith(*hsm, "clock-set").size(), 2u);
}

TEST(HsmClockTest, OnlyTheSoSetsIt) {
  TestHsm hsm(AppSpec());
  const LoginRef so = LogInSo(*hsm);
  const LoginRef co = MakeOfficer(hsm.first());
  EXPECT_EQ(Rv(hsm->SetClock(*co, 1000)), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(Rv(hsm->SetClock(*so, 0)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Rv(hsm->SetClock(*so, ~uint64_t{0})), CKR_ARGUMENTS_BAD);
  so->End();
  EXPECT_EQ(Rv(hsm->SetClock(*so, 1000)), CKR_USER_NOT_LOGGED_IN);
  EXPECT_FALSE(hsm->Clock()->set);
}

TEST(HsmClockTest, AFactoryResetForgetsIt) {
  TestHsm hsm(AppSpec());
  ASSERT_EQ(Rv(hsm->SetClock(*LogInSo(*hsm), 1000)), CKR_OK);
  ASSERT_EQ(Rv(hsm->Zeroize()), CKR_OK);
  EXPECT_TRUE(hsm->Clock()->set);
  ASSERT_EQ(Rv(hsm->FactoryReset()), CKR_OK);
  EXPECT_FALSE(hsm->Clock()->set);
}

}  // namespace
}  // namespace hsm
