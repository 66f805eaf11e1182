// Objects of a partition: who sees what, freshness, trust, room.
#include <gtest/gtest.h>

#include "hsm/object_record.h"
#include "hsm/partition_state.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::BackupSpec;
using testkit::Data;
using testkit::Labelled;
using testkit::List;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TestHsm;

using Handles = std::vector<uint64_t>;

TEST(Objects, AreGivenIdentities) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(Data("a"), SecretKey("1")));
  ASSERT_EQ(handles.size(), 2u);
  EXPECT_LT(handles[0], handles[1]);
  ObjectRef a = *p.Get(co.get(), handles[0]);
  ObjectRef b = *p.Get(co.get(), handles[1]);
  EXPECT_EQ(a->attributes().Value(CKA_OUID).size(), 12u);
  EXPECT_EQ(a->attributes().Value(CKA_UNIQUE_ID).size(), 36u);
  EXPECT_NE(a->attributes().Value(CKA_OUID), b->attributes().Value(CKA_OUID));
  EXPECT_NE(a->attributes().Value(CKA_UNIQUE_ID),
            b->attributes().Value(CKA_UNIQUE_ID));
}

TEST(Objects, ThatAreCloned_KeepTheirOuidAndOriginOnly) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  NewObject cloned = SecretKey("1");
  const std::string ouid = "twelve bytes";
  cloned.attributes.SetText(CKA_OUID, ouid);
  cloned.attributes.SetText(CKA_UNIQUE_ID, "of the source");
  cloned.origin.emplace();
  cloned.origin->serial = "1234567";
  const Handles handles = *p.Create(co.get(), List(std::move(cloned)));
  ObjectRef object = *p.Get(co.get(), handles[0]);
  EXPECT_EQ(base::AsText(object->attributes().Value(CKA_OUID)), ouid);
  EXPECT_EQ(object->attributes().Value(CKA_UNIQUE_ID).size(), 36u);
  ASSERT_TRUE(object->origin().has_value());
  EXPECT_EQ(object->origin()->serial, "1234567");

  AttributeSet pattern;
  pattern.SetText(CKA_OUID, ouid);
  EXPECT_EQ(*p.Find(co.get(), pattern), handles);
}

// Two processes that bring one object at the same time: the second one to
// write is refused, whatever it saw before.
TEST(Objects, ThatBringAnOuidInUse_AreRefusedWhereTheyAreMade) {
  TestHsm hsm(AppSpec());
  LoginRef co = MakeOfficer(hsm.first());
  const std::unique_ptr<Hsm> another = hsm.Another();
  Partition& other = *another->Find(1);
  const LoginRef other_co = *other.Unlock(Role::kCo, Pin("co-pin-1"));
  const auto cloned = [](bool is_private) {
    NewObject object = Data("copy", is_private);
    object.attributes.SetText(CKA_OUID, "twelve bytes");
    object.origin.emplace();
    return object;
  };
  for (const bool first : {false, true}) {
    const Handles made = *hsm.first().Create(co.get(), List(cloned(first)));
    for (const bool second : {false, true}) {
      EXPECT_EQ(Rv(other.Create(other_co.get(),
                                List(Data("goes with it"), cloned(second)))),
                CK_RV{CKR_OBJECT_ALREADY_EXISTS});
    }
    EXPECT_EQ(*other.Find(other_co.get(), {}), made);
    // In its place it may stand.
    NewObject instead = cloned(true);
    instead.replaces = made[0];
    const Handles replaced = *other.Create(other_co.get(), List(instead));
    EXPECT_EQ(*hsm.first().Find(co.get(), {}), replaced);
    ASSERT_TRUE(hsm.first().Destroy(co.get(), replaced[0]).ok());
  }
  // Who looks beforehand finds it, and the others not.
  const Handles known = *hsm.first().Create(co.get(), List(cloned(true)));
  EXPECT_EQ(*hsm.first().Handles(co.get()), known);
  EXPECT_TRUE(hsm.first().Handles(nullptr)->empty());  // it is private
  Ouid there, missing = {};
  std::copy_n("twelve bytes", there.size(), there.begin());
  const auto found = *hsm.first().FindOuids(co.get(), {missing, there});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(*found[0], nullptr);
  ASSERT_NE(*found[1], nullptr);
  EXPECT_EQ((*found[1])->handle(), known[0]);
  // What it found it need not look for again, but only where nothing can have
  // come in between.
  NewObject again = cloned(true);
  again.looked_up = true;
  EXPECT_EQ(Rv(hsm.first().Create(co.get(), List(again))),
            CK_RV{CKR_OBJECT_ALREADY_EXISTS});
  ASSERT_TRUE(hsm.first().Destroy(co.get(), known[0]).ok());
  // And not twice in one group.
  EXPECT_EQ(
      Rv(hsm.first().Create(co.get(), List(cloned(false), cloned(false)))),
      CK_RV{CKR_OBJECT_ALREADY_EXISTS});
}

TEST(Objects, PrivateOnes_AreThereForWhoIsLoggedInOnly) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles =
      *p.Create(co.get(), List(Data("public"), Data("private", true)));
  EXPECT_EQ(*p.Find(co.get(), {}), handles);
  EXPECT_EQ(*p.Find(nullptr, {}), Handles{handles[0]});
  EXPECT_EQ(Rv(p.Get(nullptr, handles[1])), CK_RV{CKR_OBJECT_HANDLE_INVALID});
  EXPECT_EQ(Rv(p.Destroy(nullptr, handles[1])),
            CK_RV{CKR_OBJECT_HANDLE_INVALID});
  EXPECT_EQ(Rv(p.Create(nullptr, List(Data("private", true)))),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  // In a public session public objects may be made.
  EXPECT_TRUE(p.Create(nullptr, List(Data("another"))).ok());
}

TEST(Objects, BeforeInitialisation_ThereAreNone) {
  TestHsm hsm(AppSpec());
  EXPECT_TRUE(hsm.first().Find(nullptr, {})->empty());
  EXPECT_EQ(Rv(hsm.first().Create(nullptr, List(Data("a")))),
            CK_RV{CKR_TOKEN_NOT_RECOGNIZED});
}

TEST(CryptoUser, ReadsPrivateObjectsAndChangesThemNot) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(SecretKey("1")));
  ASSERT_TRUE(p.InitRole(*co, Role::kCu, Pin("cu-pin-1")).ok());
  LoginRef cu = *p.Unlock(Role::kCu, Pin("cu-pin-1"));
  EXPECT_TRUE(p.Get(cu.get(), handles[0]).ok());
  EXPECT_EQ(Rv(p.Destroy(cu.get(), handles[0])),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
  EXPECT_EQ(Rv(p.Create(cu.get(), List(SecretKey("2")))),
            CK_RV{CKR_USER_NOT_AUTHORIZED});
  EXPECT_TRUE(p.Create(cu.get(), List(Data("public"))).ok());
}

TEST(Find, ByTaggedAndUntaggedAttributes) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles =
      *p.Create(co.get(), List(Data("a", false, "x"), Data("b", true, "x"),
                               Data("b", false, "y"), SecretKey("b")));
  EXPECT_EQ(*p.Find(co.get(), Labelled("b")),
            (Handles{handles[1], handles[2]}));
  AttributeSet value;
  value.SetText(CKA_VALUE, "x");
  EXPECT_EQ(*p.Find(co.get(), value), (Handles{handles[0], handles[1]}));
  value.SetText(CKA_LABEL, "b");
  EXPECT_EQ(*p.Find(co.get(), value), Handles{handles[1]});
  AttributeSet by_class;
  by_class.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  EXPECT_EQ(*p.Find(co.get(), by_class), Handles{handles[3]});
  EXPECT_TRUE(p.Find(co.get(), Labelled("c"))->empty());
}

TEST(Find, EmptyValues_MatchObjectsWithEmptyValues) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(Data(""), Data("a")));
  EXPECT_EQ(*p.Find(co.get(), Labelled("")), Handles{handles[0]});
}

TEST(Find, CertificateByIssuerAndSerial) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  auto certificate = [](const std::string& issuer, const std::string& serial) {
    NewObject object = Data("certificate");
    object.attributes.SetUlong(CKA_CLASS, CKO_CERTIFICATE);
    object.attributes.SetUlong(CKA_CERTIFICATE_TYPE, CKC_X_509);
    object.attributes.SetText(CKA_SUBJECT, "subject");
    object.attributes.SetText(CKA_ISSUER, issuer);
    object.attributes.SetText(CKA_SERIAL_NUMBER, serial);
    return object;
  };
  const Handles handles =
      *p.Create(co.get(), List(certificate("ca", "1"), certificate("ca", "2"),
                               certificate("cb", "1")));
  AttributeSet pattern;
  pattern.SetText(CKA_ISSUER, "ca");
  EXPECT_EQ(*p.Find(nullptr, pattern), (Handles{handles[0], handles[1]}));
  pattern.SetText(CKA_SERIAL_NUMBER, "2");
  EXPECT_EQ(*p.Find(nullptr, pattern), Handles{handles[1]});
  AttributeSet subject;
  subject.SetText(CKA_SUBJECT, "subject");
  EXPECT_EQ(*p.Find(nullptr, subject), handles);
}

TEST(Find, IsNoOracleForSensitiveValues) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Create(co.get(), List(SecretKey("1"))).ok());
  AttributeSet pattern;
  pattern.SetText(CKA_VALUE, "0123456789abcdef0123456789abcdef");
  EXPECT_TRUE(p.Find(co.get(), pattern)->empty());
}

TEST(Replace, KeepsHandleAndIdentityAndRetiresTheOldSnapshot) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(Data("a")));
  ObjectRef before = *p.Get(co.get(), handles[0]);
  AttributeSet changed = before->attributes();
  changed.SetText(CKA_LABEL, "b");
  changed.Erase(CKA_UNIQUE_ID);
  ObjectRef after = *p.Replace(co.get(), *before, changed);
  EXPECT_TRUE(before->retired());
  EXPECT_EQ(after->handle(), before->handle());
  EXPECT_EQ(after->version(), 2u);
  EXPECT_EQ(after->attributes().Value(CKA_UNIQUE_ID),
            before->attributes().Value(CKA_UNIQUE_ID));
  EXPECT_TRUE(p.Find(co.get(), Labelled("a"))->empty());
  EXPECT_EQ(*p.Find(co.get(), Labelled("b")), handles);
  // Whoever still holds the old one does not overwrite the new one.
  EXPECT_EQ(Rv(p.Replace(co.get(), *before, changed)),
            CK_RV{CKR_FUNCTION_FAILED});
}

TEST(Destroy, IsSeenByEveryLoginAndProcess) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  LoginRef second = *p.Unlock(Role::kCo, Pin("co-pin-1"));
  auto other = hsm.Another();
  Partition& elsewhere = *other->Find(1);
  LoginRef third = *elsewhere.Unlock(Role::kCo, Pin("co-pin-1"));
  const Handles handles = *p.Create(co.get(), List(SecretKey("1")));
  ObjectRef mine = *p.Get(co.get(), handles[0]);
  ObjectRef here = *p.Get(second.get(), handles[0]);
  ObjectRef there = *elsewhere.Get(third.get(), handles[0]);
  EXPECT_TRUE(elsewhere.IsCurrent(third.get(), *there));

  ASSERT_TRUE(p.Destroy(co.get(), handles[0]).ok());
  EXPECT_TRUE(mine->retired());
  EXPECT_TRUE(here->retired());
  EXPECT_FALSE(elsewhere.IsCurrent(third.get(), *there));
  EXPECT_EQ(Rv(elsewhere.Get(third.get(), handles[0])),
            CK_RV{CKR_OBJECT_HANDLE_INVALID});
  EXPECT_TRUE(there->retired());
  EXPECT_EQ(Rv(p.Destroy(co.get(), handles[0])),
            CK_RV{CKR_OBJECT_HANDLE_INVALID});
}

TEST(IsCurrent, SurvivesChangesOfOtherObjects) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(SecretKey("1")));
  ObjectRef key = *p.Get(co.get(), handles[0]);
  ASSERT_TRUE(p.Create(co.get(), List(SecretKey("2"))).ok());
  EXPECT_TRUE(p.IsCurrent(co.get(), *key));
  EXPECT_EQ(p.Get(co.get(), handles[0])->get(), key.get());
}

TEST(Create, AllOrNone) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  NewObject large = Data("large", false, std::string(60 * 1024, 'x'));
  EXPECT_EQ(Rv(p.Create(co.get(), List(Data("a"), std::move(large)))),
            CK_RV{CKR_DEVICE_MEMORY});
  EXPECT_TRUE(p.Find(co.get(), {})->empty());
}

TEST(Clear, ByTheOfficer_DestroysAllObjectsAndNothingElse) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles =
      *p.Create(co.get(), List(SecretKey("1"), Data("public")));
  ObjectRef key = *p.Get(co.get(), handles[0]);
  auto other = hsm.Another();
  LoginRef there = *other->Find(1)->Unlock(Role::kCo, Pin("co-pin-1"));
  ObjectRef theirs = *other->Find(1)->Get(there.get(), handles[0]);
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(Rv(p.Clear(po.get())), CK_RV{CKR_USER_NOT_LOGGED_IN});
  EXPECT_EQ(Rv(p.Clear(nullptr)), CK_RV{CKR_USER_NOT_LOGGED_IN});
  ASSERT_TRUE(p.Clear(co.get()).ok());
  EXPECT_TRUE(key->retired());
  EXPECT_TRUE(p.Find(co.get(), {})->empty());
  EXPECT_EQ(p.Storage()->used, 0u);
  EXPECT_FALSE(other->Find(1)->IsCurrent(there.get(), *theirs));
  const Handles next = *p.Create(co.get(), List(SecretKey("2")));
  EXPECT_GT(next[0], handles[1]);
  EXPECT_TRUE(p.Unlock(Role::kCo, Pin("co-pin-1")).ok());
}

// --- trust ------------------------------------------------------------------

NewObject TrustedKey() {
  NewObject object = Data("trusted");
  object.attributes.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
  object.attributes.SetUlong(CKA_KEY_TYPE, CKK_RSA);
  object.attributes.SetBool(CKA_TRUSTED, true);
  return object;
}

TEST(Trust, HoldsForLoginsAndForNobodyElse) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  const Handles handles = *p.Create(po.get(), List(TrustedKey()));
  auto trusted = [&](Login* login) {
    return (*p.Get(login, handles[0]))->attributes().IsTrue(CKA_TRUSTED);
  };
  EXPECT_TRUE(trusted(co.get()));
  EXPECT_FALSE(trusted(nullptr));
  AttributeSet pattern;
  pattern.SetBool(CKA_TRUSTED, true);
  EXPECT_EQ(*p.Find(co.get(), pattern), handles);
  EXPECT_TRUE(p.Find(nullptr, pattern)->empty());
}

TEST(Trust, ClaimedWithoutALogin_IsNotBelieved) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(nullptr, List(TrustedKey()));
  EXPECT_FALSE(
      (*p.Get(co.get(), handles[0]))->attributes().IsTrue(CKA_TRUSTED));
}

// --- room -------------------------------------------------------------------

PartitionSpec Sized(const std::string& label, uint64_t capacity) {
  return {.label = label, .version = 0, .capacity = capacity, .policies = {}};
}

TEST(Room, AFullPartition_TakesNothingMore) {
  HsmSpec spec = AppSpec();
  spec.partitions[0].capacity = 4000;
  TestHsm hsm(spec);
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  size_t made = 0;
  absl::Status last;
  for (; made < 10 && last.ok(); ++made) {
    last = p.Create(co.get(), List(Data("a"))).status();
  }
  EXPECT_EQ(Rv(last), CK_RV{CKR_DEVICE_MEMORY});
  const StorageInfo storage = *p.Storage();
  EXPECT_EQ(storage.objects, made - 1);
  EXPECT_EQ(storage.total, 4000u);
  EXPECT_EQ(storage.used + storage.free, storage.total);
  // Growing an object is refused the same way; shrinking is not.
  ObjectRef a = *p.Get(co.get(), p.Find(co.get(), {})->front());
  AttributeSet changed = a->attributes();
  changed.SetText(CKA_VALUE, std::string(4000, 'x'));
  EXPECT_EQ(Rv(p.Replace(co.get(), *a, changed)), CK_RV{CKR_DEVICE_MEMORY});
  changed.SetText(CKA_VALUE, "");
  EXPECT_TRUE(p.Replace(co.get(), *a, changed).ok());
}

// Fills a partition of `firmware` and takes all of it to a backup partition
// of the same size; how many objects did not fit (SP-1, SP-2; decisions 11).
int LeftOut(const std::string& model, FirmwareVersion firmware) {
  constexpr uint64_t kCapacity = 60000;
  HsmSpec spec = AppSpec(model);
  spec.firmware = firmware;
  spec.partitions[0].capacity = kCapacity;
  TestHsm source(spec);
  LoginRef co = MakeOfficer(source.first());
  while (source.first().Create(co.get(), List(SecretKey("id"))).ok()) {
  }

  TestHsm backup(BackupSpec());
  LoginRef so = LogInSo(*backup);
  Partition& target =
      *backup->Find(*backup->CreatePartition(*so, Sized("b", kCapacity)));
  LoginRef target_co = MakeOfficer(target);
  int left_out = 0;
  const Handles handles = *source.first().Find(co.get(), {});
  EXPECT_GT(handles.size(), 20u);
  for (uint64_t handle : handles) {
    NewObject copy;
    copy.attributes = (*source.first().Get(co.get(), handle))->attributes();
    copy.origin = *source.first().MakeStatement();
    const auto made = target.Create(target_co.get(), List(std::move(copy)));
    if (made.ok()) continue;
    EXPECT_EQ(Rv(made), CK_RV{CKR_CONTAINER_OBJECT_STORAGE_FULL});
    ++left_out;
  }
  return left_out;
}

TEST(Room, AFullRelease5Or6Partition_OverflowsABackupOfItsSize) {
  EXPECT_GT(LeftOut("luna-k5", {5, 9, 0}), 0);
  EXPECT_GT(LeftOut("luna-k6", {6, 24, 0}), 0);
}

TEST(Room, AFullRelease7Partition_FitsABackupOfItsSize) {
  EXPECT_EQ(LeftOut("luna-k7", {7, 0, 1}), 0);
  EXPECT_EQ(LeftOut("luna-k7", {7, 4, 0}), 0);
  EXPECT_EQ(LeftOut("luna-k7", {7, 7, 1}), 0);
}

// --- tampering
// ----------------------------------------------------------------

TEST(Tampering, WithARecord_IsAnErrorAndHidesNothingElse) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(Data("a"), Data("a")));
  ASSERT_TRUE(hsm.raw_store()
                  .Write(1,
                         [&](Transaction& tx) -> absl::Status {
                           Record record = **tx.Get(1, handles[0]);
                           record.sealed.back() ^= 1;
                           std::vector<Tag> none;
                           return tx.Put(1, record, none);
                         })
                  .ok());
  EXPECT_EQ(Rv(p.Get(co.get(), handles[0])), CK_RV{CKR_DEVICE_ERROR});
  EXPECT_EQ(*p.Find(co.get(), {}), Handles{handles[1]});
}

// Who must know whether an identity is taken is not told that it is free.
TEST(Tampering, WithTheTree_IsToldToWhoLooksForAnIdentity) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(Data("a")));
  Ouid ouid;
  base::ByteSpan value =
      (*p.Get(co.get(), handles[0]))->attributes().Value(CKA_OUID);
  std::copy_n(value.begin(), ouid.size(), ouid.begin());
  ASSERT_TRUE(hsm.raw_store()
                  .Write(1,
                         [](Transaction& tx) -> absl::Status {
                           for (const char* name : {"tree/0", "tree/1"}) {
                             Bytes root = **tx.GetValue(1, name);
                             root.back() ^= 1;
                             RETURN_IF_ERROR(tx.PutValue(1, name, root));
                           }
                           return absl::OkStatus();
                         })
                  .ok());
  const auto found = *p.FindOuids(co.get(), {Ouid{}, ouid});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(*found[0], nullptr);
  EXPECT_EQ(base::CkRv(found[1].status()), CK_RV{CKR_DEVICE_ERROR});
  EXPECT_EQ(*p.Handles(co.get()), handles);
}

TEST(Tampering, PuttingADestroyedKeyBack_IsNotBelieved) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const Handles handles = *p.Create(co.get(), List(SecretKey("1")));
  auto other = hsm.Another();
  Partition& elsewhere = *other->Find(1);
  LoginRef there = *elsewhere.Unlock(Role::kCo, Pin("co-pin-1"));
  ASSERT_TRUE(elsewhere.Get(there.get(), handles[0]).ok());  // is cached
  Record record;
  ASSERT_TRUE(hsm.raw_store()
                  .Read([&](Reader& reader) -> absl::Status {
                    record = **reader.Get(1, handles[0]);
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_TRUE(p.Destroy(co.get(), handles[0]).ok());
  ASSERT_TRUE(
      hsm.raw_store()
          .Write(1, [&](Transaction& tx) { return tx.Put(1, record, {}); })
          .ok());
  EXPECT_FALSE(p.Get(co.get(), handles[0]).ok());
  EXPECT_FALSE(elsewhere.Get(there.get(), handles[0]).ok());
  EXPECT_TRUE(elsewhere.Find(there.get(), {}).ok());
  EXPECT_TRUE(elsewhere.Find(there.get(), {})->empty());
}

TEST(Tampering, WithANamedValue_NamesIt) {
  for (const std::string name : {"partition", "partition policies", "role/1"}) {
    TestHsm hsm(AppSpec());
    MakeOfficer(hsm.first());
    ASSERT_TRUE(hsm.raw_store()
                    .Write(1,
                           [&](Transaction& tx) -> absl::Status {
                             Bytes value = **tx.GetValue(1, name);
                             value[10] ^= 1;
                             return tx.PutValue(1, name, value);
                           })
                    .ok());
    const auto login = hsm.first().Unlock(Role::kCo, Pin("co-pin-1"));
    EXPECT_EQ(Rv(login), CK_RV{CKR_DEVICE_ERROR}) << name;
    EXPECT_NE(std::string(login.status().message()).find(name),
              std::string::npos)
        << login.status();
  }
}

// Whoever knows storage.key can sign values, but not as a role.
TEST(Tampering, PoliciesSignedWithoutAnyPin_AreRefusedAtLogin) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  auto core = *HsmCore::New(
      std::make_unique<testkit::SharedStore>(
          std::shared_ptr<Store>(&hsm.raw_store(), [](Store*) {})),
      SecretBytes(base::WipedVector(kStorageKeySize, 0x5a)));
  ASSERT_TRUE(
      core->store()
          .Write(
              1,
              [&](Transaction& tx) -> absl::Status {
                return SavePartitionPolicies(*core, tx, 1, {{20, 9}}, nullptr);
              })
          .ok());
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CK_RV{CKR_DEVICE_ERROR});
}

}  // namespace
}  // namespace hsm
