// Blobs of a V1 partition: who makes and opens them, of what, and what stays.
#include <gtest/gtest.h>

#include <memory>

#include "hsm/attribute_rules.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::TestHsm;
using SksUse = Partition::SksUse;

HsmSpec V1Spec(PolicyValues policies = {{3, 1}, {7, 1}}) {
  HsmSpec spec = AppSpec("luna-k7");
  spec.partitions[0].version = 1;
  spec.partitions[0].policies = std::move(policies);
  return spec;
}

LoginRef MakeRole(Partition& p, const Login& by, Role role) {
  EXPECT_TRUE(p.InitRole(by, role, Pin("role-pin-0")).ok());
  EXPECT_TRUE(p.ChangePin(role, Pin("role-pin-0"), Pin("role-pin-1")).ok());
  return *p.Unlock(role, Pin("role-pin-1"));
}

AttributeSet AesKey(const std::string& label) {
  AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_AES);
  key.SetBool(CKA_TOKEN, true);
  key.SetBool(CKA_EXTRACTABLE, false);
  key.SetText(CKA_LABEL, label);
  key.SetText(CKA_VALUE, "0123456789abcdef0123456789abcdef");
  return Resolve(How::kCreate, key, {.logged_in = true}).value();
}

ObjectRef Make(Partition& p, const LoginRef& login, const std::string& label) {
  NewObject object;
  object.attributes = AesKey(label);
  std::vector<NewObject> list;
  list.push_back(std::move(object));
  return p.Get(login.get(), p.Create(login.get(), std::move(list))->front())
      .value();
}

absl::StatusOr<ObjectRef> Insert(Partition& p, const LoginRef& login,
                                 const Bytes& blob) {
  ASSIGN_OR_RETURN(std::vector<SksObject> opened,
                   p.OpenSks(*login, blob, {}, SksUse::kInsert));
  std::vector<NewObject> list;
  for (SksObject& object : opened) {
    list.push_back({.attributes = std::move(object.attributes),
                    .origin = std::move(object.origin),
                    .making = NewObject::Making::kInserted});
  }
  ASSIGN_OR_RETURN(const auto handles, p.Create(login.get(), std::move(list)));
  return p.Get(login.get(), handles.front());
}

AttributeSet WithoutUniqueId(const Object& object) {
  AttributeSet attributes = object.attributes();
  attributes.Erase(CKA_UNIQUE_ID);
  return attributes;
}

TEST(PartitionSks, OutAndIn_EveryAttributeStays) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const ObjectRef before = Make(p, co, "key");
  const Bytes blob = p.ExtractSks(*co, {before}, {}, true).value();
  EXPECT_TRUE(before->retired());
  EXPECT_EQ(Rv(p.Get(co.get(), before->handle())), CKR_OBJECT_HANDLE_INVALID);
  const ObjectRef after = Insert(p, co, blob).value();
  EXPECT_EQ(WithoutUniqueId(*after), WithoutUniqueId(*before));
  EXPECT_NE(after->attributes().Value(CKA_UNIQUE_ID),
            before->attributes().Value(CKA_UNIQUE_ID));
  // Its identity is taken.
  EXPECT_EQ(Rv(Insert(p, co, blob)), CK_RV{CKR_OBJECT_ALREADY_EXISTS});
}

TEST(PartitionSks, SizeIsToldAndNothingHappens) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const ObjectRef key = Make(p, co, "key");
  ASSERT_TRUE(p.Smks(*co).ok());
  const int writes = hsm.store().writes();
  const size_t size = p.SizeOfSks(*co, {key}, {}).value();
  EXPECT_EQ(hsm.store().writes(), writes);
  EXPECT_EQ(p.ExtractSks(*co, {key}, {}, false)->size(), size);
  EXPECT_TRUE(p.Get(co.get(), key->handle()).ok());
}

TEST(PartitionSks, AllThatFit) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  EXPECT_TRUE(p.AllForSks(co, {})->empty());
  for (int i = 0; i < 300; ++i) Make(p, co, "key");
  const std::vector<ObjectRef> all = p.AllForSks(co, {}).value();
  EXPECT_LT(all.size(), 300u);
  const size_t size = p.SizeOfSks(*co, all, {}).value();
  EXPECT_LE(size, kLargestSksBlob);
  EXPECT_GT(size + SksItemSize(*all.back()), kLargestSksBlob);
  EXPECT_EQ(
      p.OpenSks(*co, *p.ExtractSks(*co, all, {}, false), {}, SksUse::kInsert)
          ->size(),
      all.size());
}

TEST(PartitionSks, V0_HasNone) {
  TestHsm hsm(AppSpec("luna-k7"));
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const ObjectRef key = Make(p, co, "key");
  EXPECT_EQ(Rv(p.ExtractSks(*co, {key}, {}, false)),
            CK_RV{CKR_OPERATION_NOT_ALLOWED});
  EXPECT_EQ(Rv(p.OpenSks(*co, Bytes(200), {}, SksUse::kInsert)),
            CK_RV{CKR_OPERATION_NOT_ALLOWED});
}

TEST(PartitionSks, Roles) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  LoginRef lco = MakeRole(p, *co, Role::kLco);
  LoginRef cu = MakeRole(p, *co, Role::kCu);
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  const ObjectRef key = Make(p, co, "key");
  const Bytes blob = p.ExtractSks(*lco, {key}, {}, false).value();
  EXPECT_EQ(Rv(p.ExtractSks(*cu, {key}, {}, false)),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
  EXPECT_EQ(Rv(p.AllForSks(cu, {})), CK_RV{CKR_USER_NOT_AUTHORIZED});
  EXPECT_EQ(Rv(p.ExtractSks(*po, {key}, {}, false)),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  EXPECT_EQ(Rv(p.OpenSks(*lco, blob, {}, SksUse::kInsert)), CKR_OK);
  EXPECT_EQ(Rv(p.OpenSks(*cu, blob, {}, SksUse::kInsert)),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
  EXPECT_EQ(Rv(p.OpenSks(*cu, blob, {}, SksUse::kSign)), CKR_OK);
  EXPECT_EQ(Rv(p.OpenSks(*po, blob, {}, SksUse::kSign)),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
}

TEST(PartitionSks, PoliciesDecideBothWays) {
  TestHsm hsm(V1Spec({{3, 1}}));
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const ObjectRef key = Make(p, co, "key");
  const absl::Status refused = p.ExtractSks(*co, {key}, {}, false).status();
  EXPECT_EQ(Rv(refused), CK_RV{LUNA_RET_OPERATION_RESTRICTED});
  EXPECT_EQ(base::Reason(refused), "sks-policy");
  EXPECT_TRUE(p.AllForSks(co, {})->empty());
  const SmkSet smks = p.Smks(*co).value();
  const ObjectRef objects[] = {key};
  const Bytes blob = SealSks(smks.primary, p.MakeStatement().value(), objects,
                             {}, KdfCost::kTest)
                         .value();
  EXPECT_EQ(Rv(p.OpenSks(*co, blob, {}, SksUse::kInsert)),
            CK_RV{LUNA_RET_OPERATION_RESTRICTED});
}

// What a clone may not do, a blob may not do either.
TEST(PartitionSks, TheMatrixDecidesWhereABlobMayGo) {
  HsmSpec spec = V1Spec();
  spec.fm = FmState::kEnabledOnce;
  TestHsm hsm(spec);
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const SmkSet smks = p.Smks(*co).value();
  const ObjectRef objects[] = {Make(p, co, "key")};
  Statement source = p.MakeStatement().value();
  const auto rv = [&] {
    return p
        .OpenSks(*co,
                 *SealSks(smks.primary, source, objects, {}, KdfCost::kTest),
                 {}, SksUse::kInsert)
        .status();
  };
  EXPECT_EQ(Rv(rv()), CKR_OK);
  source.fm = FmState::kNever;
  EXPECT_EQ(Rv(rv()), CK_RV{LUNA_RET_OPERATION_RESTRICTED});
  EXPECT_EQ(base::Reason(rv()), "functionality-modules");
}

TEST(PartitionSks, WhatIsNoObject_IsRefused) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const SmkSet smks = p.Smks(*co).value();
  AttributeSet attributes = AesKey("key");
  attributes.SetBool(CKA_SENSITIVE, false);  // against CKA_ALWAYS_SENSITIVE
  attributes.SetBool(CKA_ALWAYS_SENSITIVE, true);
  const ObjectRef objects[] = {
      std::make_shared<const Object>(1, 1, std::move(attributes))};
  const Bytes blob = SealSks(smks.primary, p.MakeStatement().value(), objects,
                             {}, KdfCost::kTest)
                         .value();
  EXPECT_EQ(Rv(p.OpenSks(*co, blob, {}, SksUse::kInsert)),
            CK_RV{CKR_TEMPLATE_INCONSISTENT});
}

TEST(PartitionSks, WithDeletion_AllGoOrNone) {
  TestHsm hsm(V1Spec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const ObjectRef one = Make(p, co, "one");
  const ObjectRef two = Make(p, co, "two");
  AttributeSet changed = two->attributes();
  changed.SetText(CKA_LABEL, "changed");
  ASSERT_TRUE(p.Replace(co.get(), *two, changed).ok());
  EXPECT_EQ(Rv(p.ExtractSks(*co, {one, two}, {}, true)),
            CK_RV{CKR_FUNCTION_FAILED});
  EXPECT_TRUE(p.Get(co.get(), one->handle()).ok());
  EXPECT_EQ(Rv(p.ExtractSks(*co, {one, one}, {}, true)),
            CK_RV{CKR_ARGUMENTS_BAD});
  EXPECT_TRUE(p.ExtractSks(*co, {one}, {}, true).ok());
  EXPECT_EQ(Rv(p.ExtractSks(*co, {one}, {}, true)),
            CK_RV{CKR_OBJECT_HANDLE_INVALID});
}

}  // namespace
}  // namespace hsm
