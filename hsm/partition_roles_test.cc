// Roles, PINs, lockout, and what other processes see of it.
#include <gtest/gtest.h>

#include "hsm/partition_state.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::BackupSpec;
using testkit::Data;
using testkit::List;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TestHsm;

void TryWrong(Partition& partition, Role role, int times) {
  for (int i = 0; i < times; ++i) {
    ASSERT_EQ(Rv(partition.Unlock(role, Pin("wrong-pin"))),
              CK_RV{CKR_PIN_INCORRECT})
        << "attempt " << i;
  }
}

TEST(Roles, OfTheDefaultHsm_FromInitialisationToLogin) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  EXPECT_EQ(Rv(p.Unlock(Role::kSo, Pin("1234"))),
            CK_RV{CKR_USER_PIN_NOT_INITIALIZED});
  ASSERT_TRUE(p.Init("token", Pin("1234"), {}).ok());
  EXPECT_EQ(Rv(p.Unlock(Role::kCo, Pin("1234"))),
            CK_RV{CKR_USER_PIN_NOT_INITIALIZED});
  auto po = p.Unlock(Role::kSo, Pin("1234"));
  ASSERT_TRUE(po.ok());
  ASSERT_TRUE(p.InitRole(**po, Role::kCo, Pin("5678")).ok());
  auto co = p.Unlock(Role::kCo, Pin("5678"));
  ASSERT_TRUE(co.ok());
  EXPECT_FALSE((*co)->must_change_pin());
  ASSERT_TRUE(p.InitRole(**co, Role::kCu, Pin("abcd")).ok());
  ASSERT_TRUE(p.InitRole(**co, Role::kLco, Pin("efgh")).ok());
  EXPECT_TRUE(p.Unlock(Role::kCu, Pin("abcd")).ok());
  EXPECT_TRUE(p.Unlock(Role::kLco, Pin("efgh")).ok());
  const PartitionInfo info = *p.Info();
  EXPECT_TRUE(info.initialized);
  EXPECT_EQ(info.label, "token");
  EXPECT_EQ(info.serial.size(), 13u);
}

TEST(Roles, AreMadeByTheRightRole) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(Rv(p.InitRole(*co, Role::kCo, Pin("1234"))),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  EXPECT_EQ(Rv(p.InitRole(**po, Role::kCu, Pin("1234"))),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  EXPECT_EQ(Rv(p.InitRole(**po, Role::kSo, Pin("1234"))),
            CK_RV{CKR_OPERATION_NOT_ALLOWED});
}

TEST(Roles, ALoginOfAnotherPartition_OpensNothing) {
  HsmSpec spec = AppSpec();
  spec.partitions.push_back(spec.partitions[0]);
  spec.partitions[1].label = "second";
  TestHsm hsm(spec);
  LoginRef co = MakeOfficer(hsm.first());
  Partition& second = *hsm->Find(2);
  MakeOfficer(second);
  EXPECT_EQ(Rv(second.Find(co.get(), {})), CK_RV{CKR_USER_NOT_LOGGED_IN});
}

TEST(PinLength, IsThatOfModelAndFirmware) {
  TestHsm perigee(AppSpec());
  EXPECT_EQ(Rv(perigee.first().Init("t", Pin("123"), {})),
            CK_RV{CKR_PIN_LEN_RANGE});
  EXPECT_TRUE(perigee.first().Init("t", Pin("1234"), {}).ok());
  EXPECT_TRUE(perigee.first().Init("t", Pin("1234"), {}).ok());

  TestHsm luna(AppSpec("luna-k7"));
  EXPECT_EQ(Rv(luna.first().Init("t", Pin("123456"), {})),
            CK_RV{CKR_PIN_LEN_RANGE});
  EXPECT_TRUE(luna.first().Init("t", Pin("1234567"), {}).ok());
  EXPECT_EQ(Rv(luna.first().Init("t", Pin(std::string(256, 'x')), {})),
            CK_RV{CKR_PIN_LEN_RANGE});
}

TEST(PinLength, OfTheOfficer_IsAPolicy) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  MakeOfficer(p);
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.SetPolicies(**po, {{25, 255 - 12}}, false).ok());
  EXPECT_EQ(Rv(p.InitRole(**po, Role::kCo, Pin("eleven-char"))),
            CK_RV{CKR_PIN_LEN_RANGE});
  EXPECT_TRUE(p.InitRole(**po, Role::kCo, Pin("twelve-chars")).ok());
}

// Where a wrong PIN cannot be counted a right one does not work either.
TEST(Lockout, ARightPin_IsWrittenOnceEachTime) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const int writes = hsm.store().writes();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(hsm.first().Unlock(Role::kCo, Pin("co-pin-1")).ok());
  }
  EXPECT_EQ(hsm.store().writes(), writes + 12);
  EXPECT_EQ(hsm.first().State(Role::kCo)->failures, 0u);
}

TEST(Lockout, WrongPinsAreCounted_AndARightOneForgetsThem) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  MakeOfficer(p);
  TryWrong(p, Role::kCo, 9);
  EXPECT_EQ(p.State(Role::kCo)->failures, 9u);
  EXPECT_EQ(p.State(Role::kCo)->attempts_left, 1u);
  ASSERT_TRUE(p.Unlock(Role::kCo, Pin("co-pin-1")).ok());
  EXPECT_EQ(p.State(Role::kCo)->failures, 0u);
}

TEST(Lockout, TenWrongPinsOfTheOfficer_LockHimAndHisUsers) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.InitRole(*co, Role::kCu, Pin("cu-pin-1")).ok());
  TryWrong(p, Role::kCo, 10);
  EXPECT_EQ(Rv(p.Unlock(Role::kCo, Pin("co-pin-1"))), CK_RV{CKR_PIN_LOCKED});
  EXPECT_EQ(Rv(p.Unlock(Role::kCu, Pin("cu-pin-1"))), CK_RV{CKR_PIN_LOCKED});
  EXPECT_TRUE(p.State(Role::kCo)->locked);
  // Lockout logs nobody out (decisions 24), and the PO can still get in.
  EXPECT_TRUE(p.Find(co.get(), {}).ok());
  EXPECT_TRUE(p.Unlock(Role::kSo, Pin("po-pin-1")).ok());
}

TEST(Lockout, Policy20_LowersTheLimit) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  MakeOfficer(p);
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.SetPolicies(**po, {{20, 3}}, false).ok());
  TryWrong(p, Role::kCo, 3);
  EXPECT_EQ(Rv(p.Unlock(Role::kCo, Pin("co-pin-1"))), CK_RV{CKR_PIN_LOCKED});
}

TEST(Lockout, IsSeenByOtherProcesses) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  auto other = hsm.Another();
  TryWrong(hsm.first(), Role::kCo, 5);
  TryWrong(*other->Find(1), Role::kCo, 5);
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CK_RV{CKR_PIN_LOCKED});
}

TEST(Lockout, ChangePin_CountsLikeALogin) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  MakeOfficer(p);
  EXPECT_EQ(Rv(p.ChangePin(Role::kCo, Pin("wrong"), Pin("new-pin"))),
            CK_RV{CKR_PIN_INCORRECT});
  EXPECT_EQ(p.State(Role::kCo)->failures, 1u);
}

TEST(Lockout, ReadOnlyMedia_LetTheRightPinInUncounted) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  hsm.store().set_writable(false);
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong"))),
            CK_RV{CKR_PIN_INCORRECT});
  auto co = hsm.first().Unlock(Role::kCo, Pin("co-pin-1"));
  ASSERT_TRUE(co.ok());
  EXPECT_FALSE(hsm.first().writable());
  EXPECT_EQ(Rv(hsm.first().Create(co->get(), List(Data("a")))),
            CK_RV{CKR_TOKEN_WRITE_PROTECTED});
}

TEST(Lockout, OfTheDefaultModelsPo_DestroysNothing) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Create(co.get(), List(SecretKey("1"))).ok());
  TryWrong(p, Role::kSo, 10);
  EXPECT_EQ(Rv(p.Unlock(Role::kSo, Pin("po-pin-1"))), CK_RV{CKR_PIN_LOCKED});
  EXPECT_EQ(p.Find(co.get(), {})->size(), 1u);
}

TEST(Lockout, OfALunaPo_ZeroizesThePartition) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Create(co.get(), List(SecretKey("1"))).ok());
  auto other = hsm.Another();
  auto elsewhere = other->Find(1)->Unlock(Role::kCo, Pin("co-pin-1"));
  ASSERT_TRUE(elsewhere.ok());
  TryWrong(p, Role::kSo, 9);
  auto last = p.Unlock(Role::kSo, Pin("wrong"));
  EXPECT_EQ(Rv(last), CK_RV{CKR_PIN_INCORRECT});
  EXPECT_EQ(base::Reason(last.status()), "zeroized");
  const PartitionInfo info = *p.Info();
  EXPECT_TRUE(info.zeroized);
  EXPECT_FALSE(info.initialized);
  EXPECT_EQ(Rv(p.Find(co.get(), {})), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_EQ(Rv(other->Find(1)->Find(elsewhere->get(), {})),
            CK_RV{CKR_DEVICE_REMOVED});
  // It can be initialised again, by anybody.
  EXPECT_TRUE(p.Init("again", Pin("new-po-pin"), {}).ok());
}

TEST(Lockout, OfALunaHsmSo_ZeroizesTheHsm) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(
      hsm->CreatePartition(
             *so, {.label = "b", .version = 0, .capacity = 0, .policies = {}})
          .ok());
  TryWrong(hsm->admin(), Role::kSo, 2);
  EXPECT_EQ(hsm->admin().State(Role::kSo)->attempts_left, 1u);
  ASSERT_TRUE(hsm->admin().Unlock(Role::kSo, Pin("so-pin-1")).ok());
  TryWrong(hsm->admin(), Role::kSo, 3);
  EXPECT_TRUE(hsm->Info()->zeroized);
  EXPECT_FALSE(hsm->Info()->initialized);
  EXPECT_TRUE(hsm->Partitions()->empty());
  EXPECT_EQ(Rv(hsm->admin().Unlock(Role::kSo, Pin("so-pin-1"))),
            CK_RV{CKR_USER_PIN_NOT_INITIALIZED});
  EXPECT_EQ(Rv(hsm->DeletePartition(*so, 1)), CK_RV{CKR_DEVICE_REMOVED});
}

TEST(Lockout, OfTheDefaultModelsHsmSo_OnlyLocks) {
  TestHsm hsm(AppSpec());
  LogInSo(*hsm);
  TryWrong(hsm->admin(), Role::kSo, 10);
  EXPECT_EQ(Rv(hsm->admin().Unlock(Role::kSo, Pin("so-pin-1"))),
            CK_RV{CKR_PIN_LOCKED});
  EXPECT_FALSE(hsm->Info()->zeroized);
  EXPECT_EQ(hsm->Partitions()->size(), 1u);
}

TEST(Lockout, OfRelease6_IsForTenMinutesAndDestroysNothing) {
  TestHsm hsm(AppSpec("luna-k6"));
  Partition& p = hsm.first();
  MakeOfficer(p);
  TryWrong(p, Role::kSo, 10);
  EXPECT_EQ(Rv(p.Unlock(Role::kSo, Pin("po-pin-1"))), CK_RV{CKR_PIN_LOCKED});
  EXPECT_FALSE(p.Info()->zeroized);
}

TEST(Lockout, ThatRanOut_BeginsANewCount) {
  const LockRule rule = {10, LockRule::Effect::kLock, 600};
  FailureRecord failures;
  failures.count = 10;
  failures.last = static_cast<uint64_t>(absl::ToUnixSeconds(absl::Now()));
  EXPECT_TRUE(IsLocked(rule, failures));
  failures.last -= 601;
  EXPECT_FALSE(IsLocked(rule, failures));
}

TEST(FirstPin, OfALunaOfficer_MustBeChanged) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  ASSERT_TRUE(p.Init("t", Pin("po-pin-1"), {}).ok());
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.InitRole(**po, Role::kCo, Pin("co-pin-0")).ok());
  EXPECT_TRUE(p.State(Role::kCo)->must_change_pin);
  auto co = p.Unlock(Role::kCo, Pin("co-pin-0"));
  ASSERT_TRUE(co.ok());
  EXPECT_TRUE((*co)->must_change_pin());
  EXPECT_EQ(Rv(p.Find(co->get(), {})), CK_RV{CKR_PIN_EXPIRED});
  ASSERT_TRUE(p.ChangePin(Role::kCo, Pin("co-pin-0"), Pin("co-pin-1")).ok());
  EXPECT_FALSE((*co)->must_change_pin());
  EXPECT_TRUE(p.Find(co->get(), {}).ok());
}

TEST(ChangePin, LogsNobodyOut) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const auto handles = p.Create(co.get(), List(SecretKey("1")));
  ASSERT_TRUE(p.ChangePin(Role::kCo, Pin("co-pin-1"), Pin("co-pin-2")).ok());
  EXPECT_TRUE(p.Get(co.get(), (*handles)[0]).ok());
  EXPECT_EQ(Rv(p.Unlock(Role::kCo, Pin("co-pin-1"))), CK_RV{CKR_PIN_INCORRECT});
  auto again = p.Unlock(Role::kCo, Pin("co-pin-2"));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(p.Get(again->get(), (*handles)[0]).ok());
}

TEST(ResetByTheSo, WithPolicy15_KeepsTheObjects) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const auto handles = p.Create(co.get(), List(SecretKey("1")));
  TryWrong(p, Role::kCo, 10);
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.InitRole(**po, Role::kCo, Pin("reset-pin")).ok());
  auto again = p.Unlock(Role::kCo, Pin("reset-pin"));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(p.Get(again->get(), (*handles)[0]).ok());
  // ... and the PO himself never sees them.
  EXPECT_EQ(Rv(p.Get(po->get(), (*handles)[0])),
            CK_RV{CKR_OBJECT_HANDLE_INVALID});
  EXPECT_TRUE(p.Find(po->get(), {})->empty());
}

TEST(ResetByTheSo, StillWorksAfterThePosPinWasChanged) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const auto handles = p.Create(co.get(), List(SecretKey("1")));
  auto before = p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.ChangePin(Role::kSo, Pin("po-pin-1"), Pin("po-pin-2")).ok());
  // Also by the login that was made with the former PIN.
  ASSERT_TRUE(p.InitRole(**before, Role::kCo, Pin("reset-1")).ok());
  auto after = p.Unlock(Role::kSo, Pin("po-pin-2"));
  ASSERT_TRUE(p.InitRole(**after, Role::kCo, Pin("reset-2")).ok());
  auto again = p.Unlock(Role::kCo, Pin("reset-2"));
  EXPECT_TRUE(p.Get(again->get(), (*handles)[0]).ok());
}

TEST(ResetByTheSo, WithoutPolicy15_IsRefusedOnceThereIsAnOfficer) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  MakeOfficer(p);
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(Rv(p.InitRole(**po, Role::kCo, Pin("reset-pin"))),
            CK_RV{CKR_OPERATION_NOT_ALLOWED});
}

TEST(OfficerOfABackupPartition, KeepsHisFirstPin) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  Partition& p = *hsm->Find(*hsm->CreatePartition(
      *so, {.label = "b", .version = 0, .capacity = 0, .policies = {}}));
  ASSERT_TRUE(p.Init("b", Pin("po-pin-1"), {}).ok());
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.InitRole(**po, Role::kCo, Pin("co-pin-1")).ok());
  EXPECT_FALSE(p.State(Role::kCo)->must_change_pin);
}

TEST(Reinitialisation, NeedsThePosPinAndEndsEveryLogin) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const auto handles = p.Create(co.get(), List(SecretKey("1"), Data("public")));
  auto other = hsm.Another();
  Partition& elsewhere = *other->Find(1);
  auto their_co = elsewhere.Unlock(Role::kCo, Pin("co-pin-1"));
  auto their_object = elsewhere.Get(their_co->get(), (*handles)[0]);
  ASSERT_TRUE(their_object.ok());

  EXPECT_EQ(Rv(p.Init("again", Pin("wrong-pin"), {})),
            CK_RV{CKR_PIN_INCORRECT});
  EXPECT_EQ(p.State(Role::kSo)->failures, 1u);
  ASSERT_TRUE(p.Init("again", Pin("po-pin-1"), {}).ok());
  EXPECT_EQ(p.Info()->label, "again");
  EXPECT_EQ(Rv(p.Unlock(Role::kCo, Pin("co-pin-1"))),
            CK_RV{CKR_USER_PIN_NOT_INITIALIZED});
  EXPECT_EQ(Rv(p.Find(co.get(), {})), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_EQ(Rv(elsewhere.Find(their_co->get(), {})), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_FALSE(elsewhere.IsCurrent(their_co->get(), **their_object));
  EXPECT_TRUE(p.Find(nullptr, {})->empty());
}

TEST(Auditor, MakesItselfOnceAndIsLockedForTenMinutes) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& admin = hsm->admin();
  EXPECT_EQ(Rv(admin.InitAuditor(Pin("auditor-pin"))),
            CK_RV{CKR_USER_PIN_NOT_INITIALIZED});
  LogInSo(*hsm);
  ASSERT_TRUE(admin.InitAuditor(Pin("auditor-pin")).ok());
  EXPECT_EQ(Rv(admin.InitAuditor(Pin("auditor-pin"))),
            CK_RV{CKR_OPERATION_NOT_ALLOWED});
  EXPECT_TRUE(admin.Unlock(Role::kAuditor, Pin("auditor-pin")).ok());
  TryWrong(admin, Role::kAuditor, 3);
  EXPECT_EQ(Rv(admin.Unlock(Role::kAuditor, Pin("auditor-pin"))),
            CK_RV{CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS});
  EXPECT_TRUE(admin.Unlock(Role::kSo, Pin("so-pin-1")).ok());
}

TEST(EndedLogin, DoesNothingAnyMore) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const auto handles = p.Create(co.get(), List(SecretKey("1")));
  ObjectRef key = *p.Get(co.get(), (*handles)[0]);
  co->End();
  EXPECT_TRUE(co->ended());
  EXPECT_TRUE(key->retired());
  EXPECT_EQ(Rv(p.Get(co.get(), (*handles)[0])), CK_RV{CKR_USER_NOT_LOGGED_IN});
  EXPECT_FALSE(p.IsCurrent(co.get(), *key));
}

TEST(PinDerivation, IsRaisedAtTheLoginAfterTheApprovedModeBegan) {
  HsmSpec spec = BackupSpec();
  spec.kdf_cost = KdfCost::kCalibrated;
  TestHsm hsm(spec);
  auto algorithm = [&] {
    KdfParameters::Algorithm found{};
    EXPECT_TRUE(
        hsm.raw_store()
            .Read([&](Reader& reader) -> absl::Status {
              const SignedValue value = *wire::Decode<SignedValue>(
                  **reader.GetValue(0, "role/0"), "role");
              found =
                  wire::Decode<RoleRecord>(value.body, "role")->kdf.algorithm;
              return absl::OkStatus();
            })
            .ok());
    return found;
  };
  LoginRef so = LogInSo(*hsm);
  EXPECT_EQ(algorithm(), KdfParameters::Algorithm::kScrypt);
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{55, 1}}, false).ok());
  ASSERT_TRUE(hsm->admin().Unlock(Role::kSo, Pin("so-pin-1")).ok());
  EXPECT_EQ(algorithm(), KdfParameters::Algorithm::kPbkdf2Sha256);
  const int writes = hsm.store().writes();
  ASSERT_TRUE(hsm->admin().Unlock(Role::kSo, Pin("so-pin-1")).ok());
  EXPECT_EQ(hsm.store().writes(), writes + 1);  // the login itself
}

// --- domain: one derivation here, which really costs 64 MiB
// -----------------------

TEST(Domain, IsSetOnceAndReadByWhoIsLoggedIn) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  EXPECT_FALSE(p.Info()->has_domain);
  EXPECT_EQ(Rv(p.DomainSecrets(*co)), CK_RV{CKR_CLONING_PARAMETER_MISSING});
  EXPECT_EQ(Rv(p.SetDomain(*co, {})), CK_RV{CKR_ARGUMENTS_BAD});
  EXPECT_EQ(Rv(p.SetDomain(*co, base::AsBytes(std::string(129, 'd')))),
            CK_RV{CKR_ARGUMENTS_BAD});
  ASSERT_TRUE(p.SetDomain(*co, base::AsBytes("a domain of ours")).ok());
  EXPECT_TRUE(p.Info()->has_domain);
  EXPECT_EQ(Rv(p.SetDomain(*co, base::AsBytes("another"))),
            CK_RV{CKR_CLONING_PARAMETER_ALREADY_EXISTS});
  const auto secrets = p.DomainSecrets(*co);
  ASSERT_TRUE(secrets.ok());
  ASSERT_EQ(secrets->size(), 1u);
  const SecretBytes* const secret = &secrets->front();
  EXPECT_EQ(secret->size(), 48u);
  auto po = p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_TRUE(p.DomainSecrets(**po)->front().Equals(*secret));
  // Another HSM with the same string has the same secret.
  EXPECT_TRUE(
      DomainSecretOf(base::AsBytes("a domain of ours"))->Equals(*secret));
}

}  // namespace
}  // namespace hsm
