#include <gtest/gtest.h>

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

TEST(PartitionPolicies, AreChangedByThePoOnly) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  EXPECT_EQ(Rv(p.SetPolicies(*co, {{20, 5}}, false)),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.SetPolicies(*po, {{20, 5}, {22, 1}}, false).ok());
  EXPECT_EQ(*p.Policy(20), 5u);
  EXPECT_EQ(*p.Policy(22), 1u);
  EXPECT_EQ(*hsm.Another()->Find(1)->Policy(20), 5u);
  EXPECT_EQ(Rv(p.SetPolicies(*po, {{20, 11}}, false)),
            CK_RV{LUNA_RET_RM_CONFIG_CHANGE_ILLEGAL});
  EXPECT_EQ(Rv(p.SetPolicies(*po, {{20, 4}, {99, 1}}, false)),
            CK_RV{LUNA_RET_RM_ELEMENT_ID_INVALID});
  EXPECT_EQ(*p.Policy(20), 5u);
}

TEST(PartitionPolicies, SurviveReinitialisation) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  MakeOfficer(p);
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.SetPolicies(*po, {{20, 5}}, false).ok());
  ASSERT_TRUE(p.Init("again", Pin("po-pin-1"), {}).ok());
  EXPECT_EQ(*p.Policy(20), 5u);
}

TEST(PartitionPolicies, OfALuna_DoNotCloneAndWrapAtOnce) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  MakeOfficer(p);
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(Rv(p.SetPolicies(*po, {{1, 1}}, true)),
            CK_RV{CKR_CONFIG_FAILS_DEPENDENCIES});
  EXPECT_TRUE(p.SetPolicies(*po, {{0, 0}, {1, 1}}, true).ok());
}

TEST(PartitionPolicies, OfTheDefaultModel_AllowBoth) {
  TestHsm hsm(AppSpec());
  EXPECT_EQ(*hsm.first().Policy(0), 1u);
  EXPECT_EQ(*hsm.first().Policy(1), 1u);
}

TEST(DestructiveChange, NeedsToBeAllowed) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Create(co.get(), List(SecretKey("1"))).ok());
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(Rv(p.SetPolicies(*po, {{42, 1}}, false)),
            CK_RV{LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE});
  EXPECT_EQ(*p.Policy(42), 0u);
  EXPECT_EQ(p.Find(co.get(), {})->size(), 1u);
}

TEST(DestructiveChange, TakesObjectsAndUsersAndLeavesThePo) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Create(co.get(), List(SecretKey("1"), Data("public"))).ok());
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  LoginRef po2 = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.SetPolicies(*po, {{42, 1}}, true).ok());
  EXPECT_EQ(*p.Policy(42), 1u);
  EXPECT_EQ(Rv(p.Find(co.get(), {})), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_EQ(Rv(p.Unlock(Role::kCo, Pin("co-pin-1"))),
            CK_RV{CKR_USER_PIN_NOT_INITIALIZED});
  EXPECT_TRUE(p.Find(nullptr, {})->empty());
  EXPECT_EQ(p.Info()->label, "token");
  // The PO goes on with the same login, and with the same PIN.
  EXPECT_TRUE(p.Find(po.get(), {})->empty());
  EXPECT_EQ(Rv(p.Find(po2.get(), {})), CK_RV{CKR_DEVICE_REMOVED});
  ASSERT_TRUE(p.InitRole(*po, Role::kCo, Pin("co-pin-2")).ok());
  EXPECT_TRUE(p.Unlock(Role::kSo, Pin("po-pin-1")).ok());
  EXPECT_TRUE(p.Create(po.get(), List(Data("new"))).ok());
}

TEST(Version, IsPolicy41) {
  HsmSpec spec = AppSpec("luna-k7");
  spec.partitions[0].version = 1;
  TestHsm hsm(spec);
  EXPECT_EQ(hsm.first().Info()->version, 1);
  EXPECT_EQ(hsm.first().MakeStatement()->partition_version, 1);

  TestHsm v0(AppSpec("luna-k7"));
  MakeOfficer(v0.first());
  LoginRef po = *v0.first().Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(v0.first().Info()->version, 0);
  ASSERT_TRUE(v0.first().SetPolicies(*po, {{41, 1}}, false).ok());
  EXPECT_EQ(v0.first().Info()->version, 1);
  EXPECT_EQ(Rv(v0.first().SetPolicies(*po, {{41, 0}}, false)),
            CK_RV{LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE});
}

TEST(Version1, OfAnOldFirmware_CannotBeMade) {
  HsmSpec spec = AppSpec("luna-k7");
  spec.firmware = {7, 4, 0};
  spec.partitions[0].version = 1;
  EXPECT_EQ(
      Rv(Hsm::CreateForTest(spec, NewMemoryStore(), testkit::TestFleet())),
      CK_RV{CKR_ARGUMENTS_BAD});
}

TEST(CheckExport, FollowsPolicies0And4) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  MakeOfficer(p);
  const AttributeSet secret = SecretKey("1").attributes;
  AttributeSet private_key = secret;
  private_key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  const AttributeSet data = Data("a").attributes;
  EXPECT_TRUE(p.CheckExport(secret).ok());
  EXPECT_TRUE(p.CheckExport(private_key).ok());
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.SetPolicies(*po, {{0, 0}}, false).ok());
  EXPECT_EQ(Rv(p.CheckExport(private_key)),
            CK_RV{LUNA_RET_OPERATION_RESTRICTED});
  EXPECT_TRUE(p.CheckExport(secret).ok());
  EXPECT_TRUE(p.CheckExport(data).ok());
  ASSERT_TRUE(p.SetPolicies(*po, {{4, 0}}, false).ok());
  EXPECT_FALSE(p.CheckExport(secret).ok());
}

TEST(Statement, SaysWhatTheOtherHsmMustKnow) {
  HsmSpec spec = AppSpec("luna-k7");
  spec.fm = FmState::kEnabledOnce;
  TestHsm hsm(spec);
  ASSERT_TRUE(hsm.first().Init("token", Pin("po-pin-1"), {}).ok());
  const Statement s = *hsm.first().MakeStatement();
  EXPECT_EQ(s.serial, hsm->Info()->serial);
  EXPECT_EQ(s.model, "luna-k7");
  EXPECT_EQ(s.kind, Kind::kApplication);
  EXPECT_EQ(s.firmware, (FirmwareVersion{7, 7, 1}));
  EXPECT_EQ(s.partition, hsm.first().Info()->id);
  EXPECT_EQ(s.partition_label, "token");
  EXPECT_EQ(s.fm, FmState::kEnabledOnce);
  EXPECT_EQ(s.allow_cpv1, 0);
  EXPECT_EQ(s.private_key_cloning, 1);

  TestHsm backup(BackupSpec());
  LoginRef so = LogInSo(*backup);
  ASSERT_TRUE(backup->SetPolicies(so.get(), {{55, 1}}, false).ok());
  EXPECT_EQ(backup->admin().MakeStatement()->restricted_restore, 1);
}

}  // namespace
}  // namespace hsm
