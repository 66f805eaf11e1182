// The SKS master keys of a partition, from the first to the rollover.
#include <gtest/gtest.h>

#include <memory>

#include "hsm/partition_state.h"
#include "hsm/sks_blob.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::Data;
using testkit::List;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TestHsm;

HsmSpec V1Spec() {
  HsmSpec spec = AppSpec("luna-k7");
  spec.partitions[0].version = 1;
  return spec;
}

// A role that has changed its first PIN.
LoginRef MakeRole(Partition& p, const Login& by, Role role) {
  EXPECT_TRUE(p.InitRole(by, role, Pin("role-pin-0")).ok());
  EXPECT_TRUE(p.ChangePin(role, Pin("role-pin-0"), Pin("role-pin-1")).ok());
  return *p.Unlock(role, Pin("role-pin-1"));
}

base::Bytes BlobOf(const Smk& smk) {
  const ObjectRef objects[] = {
      std::make_shared<const Object>(1, 1, SecretKey("1").attributes)};
  return SealSks(smk, Statement(), objects, {}, KdfCost::kTest).value();
}

CK_RV OpenRv(const SmkSet& set, const base::Bytes& blob) {
  std::vector<const Smk*> smks = {&set.primary};
  if (set.former.has_value()) smks.push_back(&*set.former);
  return Rv(OpenSks(smks, blob, {}));
}

TEST(PartitionSmk, IsMadeOnceAndStays) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const SmkSet first = p.Smks(*co).value();
  EXPECT_FALSE(first.former.has_value());
  const int writes = hsm.store().writes();
  EXPECT_EQ(p.Smks(*co)->primary.id(), first.primary.id());
  EXPECT_EQ(hsm.store().writes(), writes);
  LoginRef lco = MakeRole(p, *co, Role::kLco);
  EXPECT_EQ(p.Smks(*lco)->primary.id(), first.primary.id());
  ASSERT_TRUE(p.Clear(co.get()).ok());
  EXPECT_EQ(p.Smks(*co)->primary.id(), first.primary.id());
}

TEST(PartitionSmk, V0_HasNone) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  EXPECT_EQ(Rv(p.Smks(*co)), CK_RV{CKR_OPERATION_NOT_ALLOWED});
  EXPECT_EQ(Rv(p.RollSmk(*co)), CK_RV{CKR_OPERATION_NOT_ALLOWED});
  EXPECT_EQ(Rv(p.DropFormerSmk(*co)), CK_RV{CKR_OPERATION_NOT_ALLOWED});
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(p.SetPolicies(*po, {{41, 1}}, false).ok());
  EXPECT_TRUE(p.Smks(*co).ok());
}

TEST(PartitionSmk, IsOfTheOfficersOnly) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  LoginRef cu = MakeRole(p, *co, Role::kCu);
  LoginRef lco = MakeRole(p, *co, Role::kLco);
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(Rv(p.Smks(*cu)), CK_RV{CKR_USER_NOT_LOGGED_IN});
  EXPECT_EQ(Rv(p.Smks(*po)), CK_RV{CKR_USER_NOT_LOGGED_IN});
  ASSERT_TRUE(p.Smks(*lco).ok());
  EXPECT_EQ(Rv(p.RollSmk(*lco)), CK_RV{CKR_USER_NOT_LOGGED_IN});
  EXPECT_EQ(Rv(p.DropFormerSmk(*lco)), CK_RV{CKR_USER_NOT_LOGGED_IN});
}

TEST(PartitionSmk, LeavesOnlyFromAnHsmThatClones) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Smks(*co).ok());
  const AttributeSet smk = p.SmkAsObject(*co).value()->attributes();
  EXPECT_EQ(Rv(p.CheckExport(smk)), CKR_OK);
  TestHsm closed(V1Spec());
  ASSERT_TRUE(closed
                  ->SetPolicies(testkit::LogInSo(*closed).get(),
                                {{hsm_policy::kCloning, 0}}, true)
                  .ok());
  const LoginRef so = testkit::LogInSo(*closed);
  PartitionSpec spec;
  spec.label = "p";
  spec.policies = {{partition_policy::kPrivateKeyCloning, 0},
                   {partition_policy::kSecretKeyCloning, 0}};
  const SpaceId space = closed->CreatePartition(*so, spec).value();
  EXPECT_EQ(Rv(closed->Find(space)->CheckExport(smk)),
            CK_RV{LUNA_RET_OPERATION_RESTRICTED});
}

TEST(PartitionSmk, BlobOfAnotherPartition_IsRefused) {
  HsmSpec spec = V1Spec();
  spec.partitions.push_back(spec.partitions[0]);
  spec.partitions[1].label = "second";
  TestHsm hsm(spec);
  LoginRef co = MakeOfficer(hsm.first());
  Partition& second = *hsm->Find(2);
  LoginRef co2 = MakeOfficer(second);
  const SmkSet here = hsm.first().Smks(*co).value();
  const base::Bytes blob = BlobOf(second.Smks(*co2)->primary);
  EXPECT_EQ(OpenRv(here, blob), CK_RV{CKR_SMK_ID_NOT_FOUND});
  EXPECT_EQ(Rv(second.Smks(*co)), CK_RV{CKR_USER_NOT_LOGGED_IN});
}

TEST(PartitionSmk, Rollover_OpensFormerBlobsUntilItEnds) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const base::Bytes before = BlobOf(p.Smks(*co)->primary);
  EXPECT_EQ(Rv(p.DropFormerSmk(*co)), CK_RV{CKR_OPERATION_NOT_ALLOWED});
  ASSERT_TRUE(p.RollSmk(*co).ok());
  const SmkSet during = p.Smks(*co).value();
  const base::Bytes after = BlobOf(during.primary);
  EXPECT_EQ(OpenRv(during, before), CK_RV{CKR_OK});
  EXPECT_EQ(OpenRv(during, after), CK_RV{CKR_OK});
  EXPECT_EQ(Rv(p.RollSmk(*co)), CK_RV{CKR_OPERATION_NOT_ALLOWED});
  EXPECT_EQ(p.Smks(*co)->primary.id(), during.primary.id());
  ASSERT_TRUE(p.DropFormerSmk(*co).ok());
  EXPECT_EQ(OpenRv(p.Smks(*co).value(), before), CK_RV{CKR_SMK_ID_NOT_FOUND});
  EXPECT_EQ(OpenRv(p.Smks(*co).value(), after), CK_RV{CKR_OK});
}

TEST(PartitionSmk, GoesWithInitialisation) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  const SmkId before = p.Smks(*MakeOfficer(p))->primary.id();
  ASSERT_TRUE(p.Init("anew", Pin("po-pin-1"), {}).ok());
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  LoginRef co = MakeRole(p, *po, Role::kCo);
  EXPECT_NE(p.Smks(*co)->primary.id(), before);
}

TEST(PartitionSmk, Altered_IsRefused) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Smks(*co).ok());
  ASSERT_TRUE(hsm.store()
                  .Write(p.space(),
                         [&](Transaction& tx) -> absl::Status {
                           ASSIGN_OR_RETURN(std::optional<base::Bytes> value,
                                            tx.GetValue(p.space(), kSmkValue));
                           value->at(value->size() / 2) ^= 1;
                           return tx.PutValue(p.space(), kSmkValue, *value);
                         })
                  .ok());
  EXPECT_EQ(Rv(p.Smks(*co)), CK_RV{CKR_DEVICE_ERROR});
}

}  // namespace
}  // namespace hsm
