#include "hsm/condition.h"

#include <gtest/gtest.h>

#include <string>

#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::BackupSpec;
using testkit::Data;
using testkit::LinesWith;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::TestHsm;

TEST(ConditionTest, Transport_StopsEverythingButTheSo) {
  TestHsm hsm(AppSpec());
  const LoginRef so = LogInSo(*hsm);
  LoginRef co = MakeOfficer(hsm.first());
  const auto made =
      hsm.first().Create(co.get(), testkit::List(Data("kept", true)));
  ASSERT_TRUE(made.ok()) << made.status();
  const auto other = hsm.Another();
  auto elsewhere = other->Find(1)->Unlock(Role::kCo, Pin("co-pin-1"));
  ASSERT_TRUE(elsewhere.ok());
  EXPECT_TRUE(other->Find(1)->Get(elsewhere->get(), made->front()).ok());

  const auto strings = hsm->EnterTransport(so.get());
  ASSERT_TRUE(strings.ok()) << strings.status();
  EXPECT_EQ(strings->user.size(), 16u);
  EXPECT_EQ(strings->verification.size(), 16u);
  constexpr CK_RV kRefused = CKR_STM_CMD_NON_TRANSPORT;
  EXPECT_EQ(Rv(hsm->EnterTransport(so.get())), kRefused);
  // Also for those who were logged in, here and in another process.
  EXPECT_EQ(Rv(hsm.first().Create(co.get(), testkit::List(Data("new")))),
            kRefused);
  EXPECT_EQ(Rv(hsm.first().Get(nullptr, made->front())), kRefused);
  EXPECT_EQ(Rv(other->Find(1)->Get(elsewhere->get(), made->front())), kRefused);
  EXPECT_EQ(Rv(other->Find(1)->Find(elsewhere->get(), {})), kRefused);
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))), kRefused);
  EXPECT_EQ(Rv(hsm.first().Init("again", Pin("po-pin-1"), {})), kRefused);
  EXPECT_EQ(Rv(hsm.first().MakeStatement()), kRefused);
  EXPECT_EQ(Rv(hsm->Init("again", Pin("so-pin-1"), {})), kRefused);
  EXPECT_EQ(Rv(hsm->CreatePartition(*so, {.label = "two"})), kRefused);
  EXPECT_EQ(Rv(hsm->InstallFirmware(*so, {}, {})),
            LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_TRUE(hsm->Info().ok());

  const auto again = hsm->admin().Unlock(Role::kSo, Pin("so-pin-1"));
  ASSERT_TRUE(again.ok()) << again.status();
  const auto said =
      hsm->TransportVerification(again->get(), Grouped(strings->user));
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(*said, strings->verification);
  ASSERT_TRUE(hsm->LeaveTransport(again->get()).ok());
  EXPECT_EQ(Rv(hsm->LeaveTransport(again->get())), CKR_OPERATION_NOT_ALLOWED);
  // Nothing was lost.
  EXPECT_TRUE(other->Find(1)->Get(elsewhere->get(), made->front()).ok());
  EXPECT_EQ(LinesWith(*hsm, "transport-entered").size(), 1u);
  EXPECT_EQ(LinesWith(*hsm, "transport-left").size(), 1u);
}

TEST(ConditionTest, Verification_TellsWhatHappenedOnTheWay) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  const auto strings = hsm->EnterTransport(so.get());
  ASSERT_TRUE(strings.ok());
  const auto said = [&](const std::string& user) {
    const auto told = hsm->TransportVerification(so.get(), user);
    EXPECT_TRUE(told.ok()) << told.status();
    return told.value_or("");
  };
  EXPECT_EQ(said(strings->user), strings->verification);
  EXPECT_NE(said("2222222222222222"), strings->verification);
  EXPECT_EQ(Rv(hsm->TransportVerification(so.get(), "short")),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Rv(hsm->TransportVerification(so.get(), "1111111111111111")),
            CKR_ARGUMENTS_BAD);
  // A wrong PIN stays visible when the right one came after it.
  EXPECT_EQ(Rv(hsm->admin().Unlock(Role::kSo, Pin("wrong-pin"))),
            CKR_PIN_INCORRECT);
  ASSERT_TRUE(hsm->admin().Unlock(Role::kSo, Pin("so-pin-1")).ok());
  EXPECT_NE(said(strings->user), strings->verification);
}

TEST(ConditionTest, Transport_IsTheSosUnlessThereIsNone) {
  TestHsm hsm(AppSpec());
  const LoginRef so = LogInSo(*hsm);
  EXPECT_EQ(Rv(hsm->EnterTransport(nullptr)), CKR_USER_NOT_LOGGED_IN);
  ASSERT_TRUE(hsm->EnterTransport(so.get()).ok());
  EXPECT_EQ(Rv(hsm->LeaveTransport(nullptr)), CKR_USER_NOT_LOGGED_IN);
  ASSERT_TRUE(hsm->Zeroize().ok());
  // It travels on, zeroized.
  EXPECT_TRUE(hsm->GetCondition()->transport);
  EXPECT_EQ(Rv(hsm->Init("hsm", Pin("so-pin-1"), {})),
            CKR_STM_CMD_NON_TRANSPORT);
  ASSERT_TRUE(hsm->LeaveTransport(nullptr).ok());
  EXPECT_TRUE(hsm->Init("hsm", Pin("so-pin-1"), {}).ok());
}

TEST(ConditionTest, Tamper_WaitsForTheSo) {
  TestHsm hsm(AppSpec());
  const LoginRef so = LogInSo(*hsm);
  LoginRef co = MakeOfficer(hsm.first());
  ASSERT_EQ(*hsm->Policy(hsm_policy::kControlledTamperRecovery), 1u);
  EXPECT_EQ(Rv(hsm->ClearTamper(so.get())), CKR_OPERATION_NOT_ALLOWED);
  ASSERT_TRUE(hsm->Tamper().ok());
  EXPECT_NE(hsm->GetCondition()->tampered_at, 0u);
  EXPECT_EQ(Rv(hsm.first().Create(co.get(), testkit::List(Data("new")))),
            CKR_HSM_TAMPERED);
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_HSM_TAMPERED);
  EXPECT_EQ(Rv(hsm->ClearTamper(nullptr)), CKR_USER_NOT_LOGGED_IN);
  const auto again = hsm->admin().Unlock(Role::kSo, Pin("so-pin-1"));
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(hsm->ClearTamper(again->get()).ok());
  EXPECT_TRUE(hsm.first().Create(co.get(), testkit::List(Data("new"))).ok());
  EXPECT_EQ(LinesWith(*hsm, "tampered").size(), 1u);
  // The store is as it was; nobody said otherwise.
  EXPECT_TRUE(LinesWith(*hsm, "integrity").empty());
  EXPECT_EQ(LinesWith(*hsm, "tamper-cleared").size(), 1u);
}

TEST(ConditionTest, TamperWithoutControlledRecovery_IsAWarning) {
  TestHsm hsm(AppSpec());
  LoginRef so = LogInSo(*hsm);
  // Turning it off zeroizes.
  const absl::Status set = hsm->SetPolicies(
      so.get(), {{hsm_policy::kControlledTamperRecovery, 0}}, true);
  ASSERT_TRUE(set.ok()) << set;
  so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->Tamper().ok());
  EXPECT_TRUE(hsm->CreatePartition(*so, {.label = "new"}).ok());
  EXPECT_NE(hsm->GetCondition()->tampered_at, 0u);
}

TEST(ConditionTest, TamperWithDecommissioning_TakesEverything) {
  TestHsm hsm(AppSpec());
  LoginRef so = LogInSo(*hsm);
  const absl::Status set = hsm->SetPolicies(
      so.get(), {{hsm_policy::kDecommissionOnTamper, 1}}, true);
  ASSERT_TRUE(set.ok()) << set;
  if (!hsm->Info()->initialized) so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->CreatePartition(*so, {.label = "gone"}).ok());
  ASSERT_TRUE(hsm->Tamper().ok());
  EXPECT_TRUE(hsm->Partitions()->empty());
  EXPECT_FALSE(hsm->Info()->initialized);
  EXPECT_TRUE(hsm->GetCondition()->decommissioned);
  // Nobody is left who could log in.
  EXPECT_EQ(Rv(hsm->Init("hsm", Pin("so-pin-1"), {})), CKR_HSM_TAMPERED);
  ASSERT_TRUE(hsm->ClearTamper(nullptr).ok());
  EXPECT_TRUE(hsm->Init("hsm", Pin("so-pin-1"), {}).ok());
  EXPECT_FALSE(hsm->GetCondition()->decommissioned);
}

}  // namespace
}  // namespace hsm
