// Authorisation data and usage counts of single keys.
#include "hsm/key_rights.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "hsm/attribute_rules.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::TestHsm;

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

AttributeSet AesKey() {
  AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_AES);
  key.SetBool(CKA_TOKEN, true);
  key.SetBool(CKA_SENSITIVE, true);
  key.SetBool(CKA_EXTRACTABLE, false);
  key.SetText(CKA_VALUE, "0123456789abcdef0123456789abcdef");
  return key;
}

// What C_CreateObject does with a template.
absl::StatusOr<ObjectRef> Make(Partition& p, const LoginRef& login,
                               const AttributeSet& wanted) {
  NewObject object;
  ASSIGN_OR_RETURN(object.attributes,
                   Resolve(How::kCreate, wanted, {.logged_in = true}));
  std::vector<NewObject> list;
  list.push_back(std::move(object));
  ASSIGN_OR_RETURN(const auto handles, p.Create(login.get(), std::move(list)));
  return p.Get(login.get(), handles.front());
}

AttributeSet WithData(const std::string& data = "open sesame") {
  AttributeSet key = AesKey();
  key.SetText(CKA_AUTH_DATA, data);
  return key;
}

class KeyRightsTest : public ::testing::Test {
 protected:
  explicit KeyRightsTest(HsmSpec spec = V1Spec())
      : hsm_(spec), p_(hsm_.first()), co_(MakeOfficer(p_)), rights_(&p_, co_) {}

  // As it is now.
  ObjectRef Now(const ObjectRef& key) {
    return p_.Get(co_.get(), key->handle()).value();
  }

  TestHsm hsm_;
  Partition& p_;
  LoginRef co_;
  KeyRights rights_;
};

TEST_F(KeyRightsTest, DataIsKeptAsAVerifierThatNobodyReads) {
  const ObjectRef key = Make(p_, co_, WithData()).value();
  EXPECT_TRUE(WantsAuthorization(key->attributes()));
  EXPECT_EQ(
      base::AsText(key->attributes().Value(CKA_AUTH_DATA)).find("open sesame"),
      absl::string_view::npos);
  EXPECT_EQ(ReadabilityOf(key->attributes(), CKA_AUTH_DATA),
            Readability::kSensitive);
  EXPECT_TRUE(rights_.Authorize(*key, Pin("open sesame")).ok());
  EXPECT_EQ(Rv(rights_.Authorize(*key, Pin("open"))),
            CK_RV{CKR_AUTH_DATA_INCORRECT});
}

TEST_F(KeyRightsTest, WrongData_IsCountedForAllProcessesAndLocks) {
  const ObjectRef key = Make(p_, co_, WithData()).value();
  for (int i = 1; i < kMostKeyAuthFailures; ++i) {
    EXPECT_EQ(Rv(rights_.Authorize(*key, Pin("wrong"))),
              CK_RV{CKR_AUTH_DATA_INCORRECT});
  }
  const auto other = hsm_.Another();
  Partition& p = *other->Find(1);
  LoginRef co = *p.Unlock(Role::kCo, Pin("co-pin-1"));
  KeyRights rights(&p, co);
  const ObjectRef there = p.Get(co.get(), key->handle()).value();
  EXPECT_EQ(rights.Counts(*there)->failures, 9u);
  EXPECT_EQ(Rv(rights.Authorize(*there, Pin("wrong"))),
            CK_RV{CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED});
  EXPECT_EQ(Rv(rights_.Authorize(*key, Pin("open sesame"))),
            CK_RV{CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED});
  EXPECT_EQ(Rv(rights_.CountFailure(*key)),
            CK_RV{CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED});
  EXPECT_EQ(Rv(rights_.Set(*key, Pin("open sesame"), Pin("another"))),
            CK_RV{CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED});
  // The officer has the last word.
  ASSERT_TRUE(rights_.Reset(*key, Pin("another")).ok());
  EXPECT_TRUE(rights_.Authorize(*Now(key), Pin("another")).ok());
}

TEST_F(KeyRightsTest, RightData_ForgetsTheWrong) {
  const ObjectRef key = Make(p_, co_, WithData()).value();
  EXPECT_FALSE(rights_.Authorize(*key, Pin("wrong")).ok());
  ASSERT_TRUE(rights_.CountFailure(*key).ok());
  EXPECT_EQ(rights_.Counts(*key)->failures, 2u);
  ASSERT_TRUE(rights_.Authorize(*key, Pin("open sesame")).ok());
  EXPECT_EQ(rights_.Counts(*key)->failures, 0u);
}

TEST_F(KeyRightsTest, Set_NeedsTheOldData) {
  const ObjectRef key = Make(p_, co_, AesKey()).value();
  EXPECT_EQ(Rv(rights_.Authorize(*key, Pin("first"))),
            CK_RV{CKR_KEY_CANNOT_BE_AUTHORIZED});
  EXPECT_EQ(Rv(rights_.Set(*key, Pin("what"), Pin("first"))),
            CK_RV{CKR_AUTH_DATA_INCORRECT});
  EXPECT_EQ(Rv(rights_.Set(*key, {}, Pin("one"))),
            CK_RV{CKR_AUTH_DATA_TOO_SMALL});
  EXPECT_EQ(Rv(rights_.Set(*key, {}, Pin(std::string(256, 'x')))),
            CK_RV{CKR_AUTH_DATA_TOO_LARGE});
  LoginRef cu = MakeRole(p_, *co_, Role::kCu);
  KeyRights user(&p_, cu);
  EXPECT_EQ(Rv(user.Set(*key, {}, Pin("first"))),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
  ASSERT_TRUE(rights_.Set(*key, {}, Pin("first")).ok());
  EXPECT_TRUE(key->retired());
  EXPECT_EQ(Rv(user.Set(*Now(key), Pin("wrong"), Pin("second"))),
            CK_RV{CKR_AUTH_DATA_INCORRECT});
  // Who knows it changes it, whatever the role.
  EXPECT_TRUE(user.Set(*Now(key), Pin("first"), Pin("second")).ok());
  EXPECT_TRUE(user.Authorize(*Now(key), Pin("second")).ok());
  EXPECT_EQ(Rv(user.Reset(*Now(key), Pin("third"))),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
}

TEST_F(KeyRightsTest, AssignedKey_CannotBeChanged) {
  const ObjectRef bare = Make(p_, co_, AesKey()).value();
  EXPECT_EQ(Rv(rights_.Assign(*bare)),
            CK_RV{CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA});
  AttributeSet open = WithData();
  open.SetBool(CKA_EXTRACTABLE, true);
  EXPECT_EQ(Rv(rights_.Assign(**Make(p_, co_, open))),
            CK_RV{CKR_ASSIGNED_KEY_FAILED_ATTRIBUTE_DEPENDENCIES});
  const ObjectRef key = Make(p_, co_, WithData()).value();
  LoginRef lco = MakeRole(p_, *co_, Role::kLco);
  EXPECT_EQ(Rv(KeyRights(&p_, lco).Assign(*key)),
            CK_RV{CKR_ROLE_CANNOT_MAKE_KEYS_ASSIGNED});
  ASSERT_TRUE(rights_.Assign(*key).ok());
  const ObjectRef now = Now(key);
  EXPECT_EQ(Rv(rights_.Assign(*now)),
            CK_RV{CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED});
  EXPECT_EQ(Rv(rights_.Reset(*now, Pin("another"))),
            CK_RV{CKR_ASSIGNED_KEY_CANNOT_BE_RESET});
  AttributeSet label;
  label.SetText(CKA_LABEL, "new");
  ResolveContext context;
  context.base = &now->attributes();
  EXPECT_EQ(Rv(Resolve(How::kSet, label, context)),
            CK_RV{CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED});
  EXPECT_TRUE(rights_.Set(*now, Pin("open sesame"), Pin("another")).ok());
}

TEST_F(KeyRightsTest, Template_AssignsWhereItMay) {
  AttributeSet wanted = AesKey();
  wanted.SetBool(CKA_ASSIGNED, true);
  EXPECT_EQ(Rv(Make(p_, co_, wanted)),
            CK_RV{CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA});
  wanted = WithData();
  wanted.SetBool(CKA_ASSIGNED, true);
  LoginRef lco = MakeRole(p_, *co_, Role::kLco);
  EXPECT_EQ(Rv(Make(p_, lco, wanted)),
            CK_RV{CKR_ROLE_CANNOT_MAKE_KEYS_ASSIGNED});
  const ObjectRef key = Make(p_, co_, wanted).value();
  EXPECT_TRUE(key->attributes().IsTrue(CKA_ASSIGNED));
  EXPECT_EQ(Rv(Make(p_, co_, WithData("abc"))), CK_RV{CKR_AUTH_DATA_TOO_SMALL});
}

TEST_F(KeyRightsTest, UsesAreCountedUpToTheLimitByAllProcesses) {
  AttributeSet wanted = AesKey();
  wanted.SetUlong(CKA_USAGE_LIMIT, 3);
  const ObjectRef key = Make(p_, co_, wanted).value();
  const auto other = hsm_.Another();
  Partition& p = *other->Find(1);
  LoginRef co = *p.Unlock(Role::kCo, Pin("co-pin-1"));
  KeyRights rights(&p, co);
  const ObjectRef there = p.Get(co.get(), key->handle()).value();
  EXPECT_TRUE(rights_.CountUse(*key).ok());
  EXPECT_TRUE(rights.CountUse(*there).ok());
  EXPECT_TRUE(rights_.CountUse(*key).ok());
  EXPECT_EQ(Rv(rights.CountUse(*there)), CK_RV{CKR_KEY_NOT_ACTIVE});
  EXPECT_EQ(Rv(rights_.CountUse(*key)), CK_RV{CKR_KEY_NOT_ACTIVE});
  // The key itself did not change.
  EXPECT_FALSE(key->retired());
  ASSERT_TRUE(rights_.SetUses(*key, 2).ok());
  EXPECT_TRUE(rights.CountUse(*there).ok());
  EXPECT_EQ(Rv(rights.CountUse(*there)), CK_RV{CKR_KEY_NOT_ACTIVE});
}

TEST_F(KeyRightsTest, Counts_ChangedByTheOfficer) {
  const ObjectRef key = Make(p_, co_, AesKey()).value();
  EXPECT_TRUE(rights_.CountUse(*key).ok());  // counts nothing
  EXPECT_EQ(rights_.Counts(*key)->uses, 0u);
  ASSERT_TRUE(rights_.AddUses(*key, 5).ok());
  const ObjectRef now = Now(key);
  EXPECT_TRUE(CountsUses(now->attributes()));
  ASSERT_TRUE(rights_.AddUses(*now, 2).ok());
  ASSERT_TRUE(rights_.CountUse(*now).ok());
  EXPECT_EQ(rights_.Counts(*now)->uses, 8u);
  EXPECT_EQ(Rv(rights_.AddUses(*now, ~uint64_t{0} - 7)),
            CK_RV{CKR_INTEGER_OVERFLOW});
  LoginRef cu = MakeRole(p_, *co_, Role::kCu);
  EXPECT_EQ(Rv(KeyRights(&p_, cu).SetUses(*now, 0)),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
}

TEST_F(KeyRightsTest, CountsGoWithTheKey) {
  AttributeSet wanted = WithData();
  wanted.SetUlong(CKA_USAGE_LIMIT, 3);
  const ObjectRef key = Make(p_, co_, wanted).value();
  ASSERT_TRUE(rights_.CountUse(*key).ok());
  EXPECT_FALSE(rights_.Authorize(*key, Pin("wrong")).ok());
  const auto names = [&] {
    return p_.hsm().ListSealedValues(p_.space(), kKeyCountsPrefix)->size();
  };
  EXPECT_EQ(names(), 1u);
  // Out in a blob and in again they are what they were.
  const Bytes blob = p_.ExtractSks(*co_, {key}, {}, true).value();
  EXPECT_EQ(names(), 0u);
  std::vector<SksObject> opened =
      p_.OpenSks(*co_, blob, {}, Partition::SksUse::kInsert).value();
  std::vector<NewObject> list;
  list.push_back({.attributes = opened[0].attributes,
                  .origin = opened[0].origin,
                  .making = NewObject::Making::kInserted});
  const uint64_t handle = p_.Create(co_.get(), std::move(list))->front();
  const ObjectRef back = p_.Get(co_.get(), handle).value();
  EXPECT_EQ(rights_.Counts(*back)->uses, 1u);
  EXPECT_EQ(rights_.Counts(*back)->failures, 1u);
  ASSERT_TRUE(rights_.CountUse(*back).ok());
  EXPECT_EQ(rights_.Counts(*back)->uses, 2u);
  EXPECT_TRUE(rights_.Authorize(*back, Pin("open sesame")).ok());
  ASSERT_TRUE(p_.Destroy(co_.get(), handle).ok());
  EXPECT_EQ(names(), 0u);
}

class ComesBackTest : public KeyRightsTest {
 protected:
  ComesBackTest() {
    AttributeSet wanted = WithData();
    wanted.SetUlong(CKA_USAGE_LIMIT, 3);
    key_ = Make(p_, co_, wanted).value();
    // Of the time before anything was counted.
    blob_ = p_.ExtractSks(*co_, {key_}, {}, false).value();
    EXPECT_TRUE(rights_.CountUse(*key_).ok());
    for (int i = 0; i < kMostKeyAuthFailures; ++i) {
      EXPECT_TRUE(rights_.CountFailure(*key_).ok());
    }
  }
  ObjectRef Insert() {
    std::vector<SksObject> opened =
        p_.OpenSks(*co_, blob_, {}, Partition::SksUse::kInsert).value();
    std::vector<NewObject> list;
    list.push_back({.attributes = opened[0].attributes,
                    .origin = opened[0].origin,
                    .making = NewObject::Making::kInserted});
    const auto handles = p_.Create(co_.get(), std::move(list));
    return p_.Get(co_.get(), handles->front()).value();
  }
  void ExpectCounted(const ObjectRef& key) {
    EXPECT_EQ(rights_.Counts(*key)->uses, 1u);
    EXPECT_EQ(Rv(rights_.Authorize(*key, Pin("open sesame"))),
              CK_RV{CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED});
  }

  ObjectRef key_;
  Bytes blob_;
};

TEST_F(ComesBackTest, Destroyed_CountsGoOn) {
  ASSERT_TRUE(p_.Destroy(co_.get(), key_->handle()).ok());
  ObjectRef back = Insert();
  ExpectCounted(back);
  // Also when nothing is counted in between.
  ASSERT_TRUE(p_.Destroy(co_.get(), back->handle()).ok());
  ExpectCounted(Insert());
}

TEST_F(ComesBackTest, Extracted_CountsGoOn) {
  ASSERT_TRUE(p_.ExtractSks(*co_, {key_}, {}, true).ok());
  ExpectCounted(Insert());
}

TEST_F(ComesBackTest, Cleared_CountsGoOn) {
  ASSERT_TRUE(p_.Clear(co_.get()).ok());
  ExpectCounted(Insert());
}

TEST_F(ComesBackTest, WhatTheOfficerSetStays) {
  ASSERT_TRUE(rights_.SetUses(*key_, 0).ok());
  ASSERT_TRUE(rights_.Reset(*key_, Pin("another one")).ok());
  ASSERT_TRUE(p_.Destroy(co_.get(), Now(key_)->handle()).ok());
  const ObjectRef back = Insert();
  EXPECT_EQ(rights_.Counts(*back)->uses, 0u);
  EXPECT_TRUE(rights_.Authorize(*back, Pin("open sesame")).ok());
}

TEST_F(ComesBackTest, DamagedCounts_DoNotKeepTheKey) {
  const std::string name = KeyCountsValue(key_->handle());
  ASSERT_TRUE(hsm_.store()
                  .Write(p_.space(),
                         [&](Transaction& tx) -> absl::Status {
                           return tx.PutValue(p_.space(), name, Bytes(60));
                         })
                  .ok());
  EXPECT_TRUE(p_.Destroy(co_.get(), key_->handle()).ok());
}

TEST_F(KeyRightsTest, ABlobWithoutRoom_TakesNothing) {
  const ObjectRef key = Make(p_, co_, WithData()).value();
  EXPECT_EQ(Rv(p_.ExtractSks(*co_, {key}, {}, true, 10)),
            CK_RV{CKR_BUFFER_TOO_SMALL});
  EXPECT_TRUE(p_.Get(co_.get(), key->handle()).ok());
}

TEST_F(KeyRightsTest, CountsOfTwoThreadsAreAllThere) {
  AttributeSet wanted = AesKey();
  wanted.SetUlong(CKA_USAGE_LIMIT, 1000);
  const ObjectRef key = Make(p_, co_, wanted).value();
  constexpr int kTimes = 40;
  std::thread user([&] {
    KeyRights rights(&p_, co_);
    for (int i = 0; i < kTimes; ++i) EXPECT_TRUE(rights.CountUse(*key).ok());
  });
  for (int i = 0; i < kTimes; ++i) EXPECT_TRUE(rights_.AddUses(*key, 1).ok());
  user.join();
  EXPECT_EQ(rights_.Counts(*key)->uses, 2u * kTimes);
}

TEST_F(KeyRightsTest, OnlyTheOfficerChangesTheLimit) {
  AttributeSet wanted = AesKey();
  wanted.SetUlong(CKA_USAGE_LIMIT, 3);
  wanted.SetBool(CKA_PRIVATE, false);
  const ObjectRef key = Make(p_, co_, wanted).value();
  AttributeSet more = key->attributes();
  more.SetUlong(CKA_USAGE_LIMIT, 4);
  for (const Role role : {Role::kLco, Role::kCu}) {
    LoginRef other = MakeRole(p_, *co_, role);
    EXPECT_EQ(Rv(p_.Replace(other.get(), *key, more)),
              CK_RV{CKR_USER_NOT_AUTHORIZED});
  }
  EXPECT_EQ(Rv(p_.Replace(nullptr, *key, more)),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
  EXPECT_TRUE(p_.Replace(co_.get(), *key, more).ok());
}

TEST_F(KeyRightsTest, NoCopyIsMadeToCountAnew) {
  AttributeSet wanted = AesKey();
  wanted.SetUlong(CKA_USAGE_LIMIT, 3);
  for (const AttributeSet& each : {wanted, WithData()}) {
    const ObjectRef key = Make(p_, co_, each).value();
    ResolveContext context;
    context.base = &key->attributes();
    context.logged_in = true;
    EXPECT_EQ(Rv(Resolve(How::kCopy, AttributeSet(), context)),
              CK_RV{CKR_ACTION_PROHIBITED});
  }
}

TEST_F(KeyRightsTest, Shown) {
  AttributeSet wanted = WithData();
  wanted.SetUlong(CKA_USAGE_LIMIT, 1);
  const ObjectRef key = Make(p_, co_, wanted).value();
  ASSERT_TRUE(rights_.CountUse(*key).ok());
  for (int i = 0; i < kMostKeyAuthFailures; ++i) {
    ASSERT_TRUE(rights_.CountFailure(*key).ok());
  }
  const AttributeSet shown = rights_.Shown(*key).value();
  EXPECT_EQ(base::ToBytes(shown.Value(CKA_KEY_STATUS)),
            (Bytes{0x1 | 0x2 | 0x10, 10, 0, 0}));
  EXPECT_EQ(shown.Ulong(CKA_FAILED_KEY_AUTH_COUNT), 10u);
  EXPECT_EQ(shown.Ulong(CKA_USAGE_COUNT), 1u);
  EXPECT_EQ(shown.Bool(CKA_ASSIGNED), false);
  const ObjectRef bare = Make(p_, co_, AesKey()).value();
  EXPECT_EQ(base::ToBytes(rights_.Shown(*bare)->Value(CKA_KEY_STATUS)),
            (Bytes{0, 10, 0, 0}));
}

TEST_F(KeyRightsTest, DamagedCounts_AreNoNewBeginning) {
  AttributeSet wanted = AesKey();
  wanted.SetUlong(CKA_USAGE_LIMIT, 3);
  const ObjectRef key = Make(p_, co_, wanted).value();
  ASSERT_TRUE(rights_.CountUse(*key).ok());
  const std::string name = KeyCountsValue(key->handle());
  ASSERT_TRUE(hsm_.store()
                  .Write(p_.space(),
                         [&](Transaction& tx) -> absl::Status {
                           return tx.PutValue(p_.space(), name, Bytes(60));
                         })
                  .ok());
  EXPECT_EQ(Rv(rights_.CountUse(*key)), CK_RV{CKR_DEVICE_ERROR});
}

class KeyRightsV0Test : public KeyRightsTest {
 protected:
  KeyRightsV0Test() : KeyRightsTest(AppSpec("luna-k7")) {}
};

TEST_F(KeyRightsV0Test, AuthorisationIsIgnored_UsesAreCounted) {
  AttributeSet wanted = WithData();
  wanted.SetBool(CKA_ASSIGNED, true);
  wanted.SetUlong(CKA_USAGE_LIMIT, 1);
  const ObjectRef key = Make(p_, co_, wanted).value();
  EXPECT_FALSE(WantsAuthorization(key->attributes()));
  EXPECT_EQ(Rv(rights_.Set(*key, {}, Pin("first"))),
            CK_RV{CKR_AUTH_DATA_NOT_ALLOWED});
  EXPECT_EQ(Rv(rights_.Reset(*key, Pin("first"))),
            CK_RV{CKR_AUTH_DATA_NOT_ALLOWED});
  EXPECT_EQ(Rv(rights_.Assign(*key)), CK_RV{CKR_ASSIGNED_KEY_NOT_ALLOWED});
  EXPECT_FALSE(rights_.Shown(*key)->Has(CKA_KEY_STATUS));
  EXPECT_TRUE(rights_.CountUse(*key).ok());
  EXPECT_EQ(Rv(rights_.CountUse(*key)), CK_RV{CKR_KEY_NOT_ACTIVE});
}

class KeyRightsPolicyTest : public KeyRightsTest {
 protected:
  KeyRightsPolicyTest() : KeyRightsTest(V1Spec({{40, 1}})) {}
};

TEST_F(KeyRightsPolicyTest, Policy40_WantsDataOfEveryNewKey) {
  EXPECT_EQ(Rv(Make(p_, co_, AesKey())), CK_RV{CKR_OH_AUTH_DATA_NOT_PROVIDED});
  EXPECT_TRUE(Make(p_, co_, WithData()).ok());
  std::vector<NewObject> data;
  data.push_back(testkit::Data("no key"));
  EXPECT_TRUE(p_.Create(co_.get(), std::move(data)).ok());
}

}  // namespace
}  // namespace hsm
