// Values of an earlier time put back beside the newest log: what an attacker
// with the file and without storage.key can try. The raw store is his.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/crypto.h"
#include "hsm/hsm_core.h"
#include "hsm/mac_tree.h"
#include "hsm/partition_state.h"
#include "hsm/test_audit.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::Data;
using testkit::LinesWith;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::TestHsm;

// A space as the file has it.
struct Copy {
  std::map<std::string, Bytes> values;
  std::vector<Record> records;
};

Copy Take(TestHsm& hsm, SpaceId space, absl::string_view prefix = "") {
  Copy copy;
  EXPECT_TRUE(hsm.raw_store()
                  .Read([&](Reader& reader) -> absl::Status {
                    const auto names = *reader.ListValues(space, prefix);
                    for (const std::string& name : names) {
                      copy.values[name] = **reader.GetValue(space, name);
                    }
                    const auto stamps = *reader.Find(space, {});
                    for (const RecordStamp& stamp : stamps) {
                      copy.records.push_back(**reader.Get(space, stamp.id));
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  return copy;
}

// Removes what has the prefix, and puts the copy there.
void PutBack(TestHsm& hsm, SpaceId space, const Copy& copy,
             absl::string_view prefix, bool records = false) {
  EXPECT_TRUE(hsm.raw_store()
                  .Write(space,
                         [&](Transaction& tx) -> absl::Status {
                           const auto names = *tx.ListValues(space, prefix);
                           for (const std::string& name : names) {
                             RETURN_IF_ERROR(tx.DeleteValue(space, name));
                           }
                           for (const auto& [name, value] : copy.values) {
                             RETURN_IF_ERROR(tx.PutValue(space, name, value));
                           }
                           if (!records) return absl::OkStatus();
                           const auto stamps = *tx.Find(space, {});
                           for (const RecordStamp& stamp : stamps) {
                             RETURN_IF_ERROR(tx.Delete(space, stamp.id));
                           }
                           for (const Record& record : copy.records) {
                             RETURN_IF_ERROR(tx.Put(space, record, {}));
                           }
                           return absl::OkStatus();
                         })
                  .ok());
}

TEST(AuditSealsTest, OldPinRecord_OpensNothing) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const Copy old = Take(hsm, 1, "role/");
  ASSERT_TRUE(hsm.first()
                  .ChangePin(Role::kCo, Pin("co-pin-1"), Pin("another-pin"))
                  .ok());
  PutBack(hsm, 1, old, "role/");
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(Rv(hsm.Another()->Find(1)->Unlock(Role::kCo, Pin("another-pin"))),
            CKR_DEVICE_ERROR);
  EXPECT_FALSE(LinesWith(*hsm, "integrity").empty());
}

TEST(AuditSealsTest, OldFailureCount_GivesNoMoreTries) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const Copy old = Take(hsm, 1, "role/1/");
  ASSERT_FALSE(old.values.empty());
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong-pin"))),
            CKR_PIN_INCORRECT);
  PutBack(hsm, 1, old, "role/1/");
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong-pin"))),
            CKR_DEVICE_ERROR);
  // No count at all is no way either.
  PutBack(hsm, 1, {}, "role/1/failures");
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_DEVICE_ERROR);
}

TEST(AuditSealsTest, OldPoliciesOfTheHsm_StopEveryLogin) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const LoginRef so = LogInSo(*hsm);
  const Copy old = Take(hsm, 0, kPoliciesValue);
  ASSERT_EQ(Rv(hsm->SetPolicies(so.get(), {{hsm_policy::kNonFipsAlgorithms, 0}},
                                true)),
            CKR_OK);
  const auto again = hsm->Init("hsm", Pin("so-pin-1"), {});
  ASSERT_TRUE(again.ok()) << again;
  PutBack(hsm, 0, old, kPoliciesValue);
  EXPECT_EQ(Rv(hsm->admin().Unlock(Role::kSo, Pin("so-pin-1"))),
            CKR_DEVICE_ERROR);
}

TEST(AuditSealsTest, AllObjectsOfAnEarlierTime_AreNotTheNewest) {
  TestHsm hsm(AppSpec());
  LoginRef co = MakeOfficer(hsm.first());
  const auto made = hsm.first().Create(co.get(), testkit::List(Data("one")));
  ASSERT_TRUE(made.ok()) << made.status();
  const Copy old = Take(hsm, 1, "tree/");
  ASSERT_TRUE(hsm.first().Destroy(co.get(), made->front()).ok());
  PutBack(hsm, 1, old, "tree/", /*records=*/true);

  EXPECT_EQ(Rv(hsm.Another()->Find(1)->Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_DEVICE_ERROR);
  // A process that is logged in cannot be made to take them for the newest.
  EXPECT_EQ(Rv(hsm.first().Create(co.get(), testkit::List(Data("two")))),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(Rv(hsm.Another()->Find(1)->Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_DEVICE_ERROR);
}

TEST(AuditSealsTest, CommitOfOthers_DoesNotMakeAnOldRecordTheNewest) {
  TestHsm hsm(AppSpec());
  LoginRef co = MakeOfficer(hsm.first());
  ASSERT_TRUE(hsm.first().InitRole(*co, Role::kCu, Pin("cu-pin-0")).ok());
  const Copy old = Take(hsm, 1, "role/2");
  ASSERT_TRUE(
      hsm.first().ChangePin(Role::kCu, Pin("cu-pin-0"), Pin("cu-pin-1")).ok());
  PutBack(hsm, 1, old, "role/2");
  EXPECT_NE(Rv(hsm.first().ChangeLabel(*co, "renamed")), CKR_OK);
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCu, Pin("cu-pin-0"))),
            CKR_DEVICE_ERROR);
}

TEST(AuditSealsTest, DamageOfOnePartition_LeavesTheOthersAndCanBeEnded) {
  HsmSpec spec = AppSpec();
  spec.partitions.push_back(
      {.label = "second", .version = 0, .capacity = 0, .policies = {}});
  TestHsm hsm(spec);
  MakeOfficer(hsm.first());
  LoginRef other = MakeOfficer(*hsm->Find(2));
  const LoginRef so = LogInSo(*hsm);
  LoginRef officer = MakeOfficer(*hsm->Find(2));
  const Copy old = Take(hsm, 1, "role/");
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong-pin"))),
            CKR_PIN_INCORRECT);
  PutBack(hsm, 1, old, "role/");
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_DEVICE_ERROR);
  EXPECT_TRUE(
      hsm->Find(2)->Create(officer.get(), testkit::List(Data("x"))).ok());
  EXPECT_TRUE(hsm->Find(2)->Unlock(Role::kCo, Pin("co-pin-1")).ok());
  EXPECT_TRUE(hsm->DeletePartition(*so, 1).ok());
  EXPECT_TRUE(hsm->CreatePartition(*so, {.label = "third"}).ok());
}

// The last line with a mark as the versions before wrote it: of format 1, which
// ends behind the counted lines.
void MakeMarkOld(TestHsm& hsm) {
  const SecretBytes storage(base::WipedVector(kStorageKeySize, 0x5a));
  Store& store = hsm.raw_store();
  const auto key =
      base::HkdfSha256(storage.Expose(), store.store_id(),
                       base::AsBytes("perigee audit v1"), kStorageKeySize);
  ASSERT_TRUE(store
                  .Write(1,
                         [&](Transaction& tx) {
                           const AuditRow last = **tx.LastAudit();
                           wire::Reader in(last.mark);
                           Bytes body = base::ToBytes(in.Sized());
                           EXPECT_EQ(body.front(), 3);
                           body.front() = 1;
                           body.resize(1 + 8 + 32 + 4 + 7 + 8 * 8 + 4);
                           const auto mac = base::HmacSha256(
                               key->Expose(),
                               {base::AsBytes("perigee audit mark 1"), body});
                           wire::Writer out;
                           out.Sized(body);
                           out.Sized(mac.Expose());
                           return tx.MarkAudit(out.bytes());
                         })
                  .ok());
}

TEST(AuditSealsTest, MarkOfAnOlderVersion_IsSealedByTheNextCommit) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  MakeMarkOld(hsm);
  ASSERT_TRUE(hsm.first().Unlock(Role::kCo, Pin("co-pin-1")).ok());
  EXPECT_TRUE(LinesWith(*hsm, "recovered").empty());
  const Copy old = Take(hsm, 1, "role/1/");
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong-pin"))),
            CKR_PIN_INCORRECT);
  PutBack(hsm, 1, old, "role/1/");
  EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("co-pin-1"))),
            CKR_DEVICE_ERROR);
}

TEST(AuditSealsTest, SeveralChangesInOneCommit_HangTogether) {
  TestHsm hsm(AppSpec());
  LoginRef co = MakeOfficer(hsm.first());
  ASSERT_TRUE(
      hsm->Atomically([&]() -> absl::Status {
           RETURN_IF_ERROR(hsm.first()
                               .Create(co.get(), testkit::List(Data("one")))
                               .status());
           // One that fails in between is undone alone.
           EXPECT_FALSE(hsm.first()
                            .ChangePin(Role::kCo, Pin("co-pin-1"), Pin("x"))
                            .ok());
           return hsm.first().Unlock(Role::kCo, Pin("co-pin-1")).status();
         })
          .ok());
  EXPECT_TRUE(hsm.Another()->Find(1)->Unlock(Role::kCo, Pin("co-pin-1")).ok());
  EXPECT_TRUE(hsm.first().Create(co.get(), testkit::List(Data("two"))).ok());
}

}  // namespace
}  // namespace hsm
