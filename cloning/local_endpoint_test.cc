// Whole runs between partitions: what arrives, and what is refused with which
// code. Hostile couriers: courier_test.cc.
#include "cloning/local_endpoint.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "cloning/test_ends.h"
#include "cloning/test_objects.h"
#include "cloning/test_run.h"

namespace cloning {
namespace {

using base::CkRv;
using hsm::AttributeSet;
using Outcome = TargetResult::Outcome;

// Partitions are made once (a domain's scrypt is slow) and emptied for each
// test; tests that change policies make their own.
class LocalEndpointTest : public ::testing::Test {
 protected:
  struct Shared {
    TestHsm app;
    TestPartition from = app.Make();
    TestPartition to = app.Make();
    TestHsm backup{TestHsm::BackupSpec()};
    TestPartition archive = backup.Make();
  };
  static Shared& shared() {
    static Shared* const shared = new Shared();
    return *shared;
  }

  LocalEndpointTest() {
    for (TestPartition* each : {&from, &to, &archive}) {
      EXPECT_TRUE(each->partition->Clear(each->co.get()).ok());
    }
    // A login of its own, which may be ended.
    from.co = LogIn(*from.partition, hsm::Role::kCo, "co-password");
    to.co = LogIn(*to.partition, hsm::Role::kCo, "co-password");
  }

  TestHsm& app = shared().app;
  TestPartition from = shared().from;
  TestPartition to = shared().to;
  TestHsm& backup = shared().backup;
  TestPartition archive = shared().archive;
};

// --- everything arrives as it left ---

void ExpectArrivesEqual(TestPartition& from, TestPartition& to,
                        const AttributeSet& object) {
  const uint64_t handle = from.Add(object);
  TestRun run = TestRun::Between(from, to);
  const auto results = run.Carry({handle});
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 1u);
  EXPECT_EQ(results->at(0).outcome, Outcome::kStored) << results->at(0).text;
  EXPECT_TRUE(run.End().ok());
  EXPECT_TRUE(to.Content(results->at(0).handle) == from.Content(handle));
}

TEST_F(LocalEndpointTest, AesKey_ArrivesEqual) {
  ExpectArrivesEqual(from, to, AesKey("aes"));
}

TEST_F(LocalEndpointTest, RsaPrivateKey_ArrivesEqual) {
  ExpectArrivesEqual(from, to, RsaPrivateKey("rsa"));
}

TEST_F(LocalEndpointTest, EcPrivateKey_ArrivesEqual) {
  ExpectArrivesEqual(from, to, EcPrivateKey("ec"));
}

TEST_F(LocalEndpointTest, EcPublicKey_ArrivesEqual) {
  ExpectArrivesEqual(from, to, EcPublicKey("ec"));
}

TEST_F(LocalEndpointTest, Certificate_ArrivesEqual) {
  ExpectArrivesEqual(from, to, Certificate("certificate"));
}

TEST_F(LocalEndpointTest, PrivateData_ArrivesEqual) {
  ExpectArrivesEqual(from, to, DataObject("data", 100, /*is_private=*/true));
}

TEST_F(LocalEndpointTest, LargestObject_ArrivesEqual) {
  ExpectArrivesEqual(from, to, DataObject("data", 56 * 1024 - 400));
}

// A key that was generated says more of itself than one that was created.
TEST_F(LocalEndpointTest, GeneratedKey_KeepsItsHistory) {
  AttributeSet key = AesKey("generated");
  key.SetBool(CKA_LOCAL, true);
  key.SetBool(CKA_ALWAYS_SENSITIVE, true);
  key.SetBool(CKA_NEVER_EXTRACTABLE, true);
  key.SetUlong(CKA_KEY_GEN_MECHANISM, CKM_AES_KEY_GEN);
  ExpectArrivesEqual(from, to, key);
}

TEST_F(LocalEndpointTest, Ouid_IsKeptAndUniqueIdIsNew) {
  const uint64_t handle = from.Add(AesKey("aes"));
  TestRun run = TestRun::Between(from, to);
  const uint64_t copy = run.Carry({handle}).value().at(0).handle;
  const AttributeSet original = from.Get(handle)->attributes();
  const AttributeSet cloned = to.Get(copy)->attributes();
  EXPECT_EQ(cloned.Value(CKA_OUID), original.Value(CKA_OUID));
  EXPECT_FALSE(cloned.Value(CKA_UNIQUE_ID).empty());
  EXPECT_NE(cloned.Value(CKA_UNIQUE_ID), original.Value(CKA_UNIQUE_ID));
}

TEST_F(LocalEndpointTest, TwoHsms_Clone) {
  TestHsm other;
  TestPartition there = other.Make();
  ExpectArrivesEqual(from, there, RsaPrivateKey("rsa"));
}

TEST_F(LocalEndpointTest, BackupAndRestore_GiveEqualObjects) {
  const std::vector<uint64_t> handles = {
      from.Add(AesKey("aes")), from.Add(RsaPrivateKey("rsa")),
      from.Add(EcPublicKey("ec")), from.Add(Certificate("certificate")),
      from.Add(DataObject("data"))};
  TestRun out = TestRun::Between(from, archive);
  ASSERT_TRUE(out.Carry(handles).ok());
  ASSERT_TRUE(out.End().ok());
  TestRun back = TestRun::Between(archive, to);
  const auto results = back.Carry(archive.Handles());
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_TRUE(back.End().ok());
  ASSERT_EQ(results->size(), handles.size());
  for (size_t i = 0; i < handles.size(); ++i) {
    EXPECT_TRUE(to.Content(results->at(i).handle) == from.Content(handles[i]))
        << i;
  }
}

TEST_F(LocalEndpointTest, BackupHsm_KeepsTheStatementOfTheSource) {
  TestRun run = TestRun::Between(from, archive);
  const uint64_t stored =
      run.Carry({from.Add(AesKey("aes"))}).value().at(0).handle;
  const auto& origin = archive.Get(stored)->origin();
  ASSERT_TRUE(origin.has_value());
  EXPECT_EQ(origin->serial, from.partition->MakeStatement()->serial);
  EXPECT_EQ(origin->partition, from.partition->MakeStatement()->partition);
}

TEST_F(LocalEndpointTest, BackupHsm_CarriesTheOriginOnToAnother) {
  TestHsm second(TestHsm::BackupSpec());
  TestPartition& one = archive;
  TestPartition two = second.Make();
  TestRun out = TestRun::Between(from, one);
  ASSERT_TRUE(out.Carry({from.Add(AesKey("aes"))}).ok());
  TestRun on = TestRun::Between(one, two);
  const auto results = on.Carry(one.Handles());
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(two.Get(results->at(0).handle)->origin()->serial,
            from.partition->MakeStatement()->serial);
}

TEST_F(LocalEndpointTest, Peer_IsKnownAtBothEnds) {
  TestRun run = TestRun::Between(from, to);
  ASSERT_NE(run.source.peer(), nullptr);
  EXPECT_EQ(run.source.peer()->partition,
            to.partition->MakeStatement()->partition);
  EXPECT_EQ(run.target.peer(), nullptr);  // Not before the finish.
  EXPECT_FALSE(run.target.ended());
  EXPECT_TRUE(run.End().ok());
  EXPECT_TRUE(run.target.ended());
  EXPECT_EQ(run.target.peer()->partition,
            from.partition->MakeStatement()->partition);
}

TEST_F(LocalEndpointTest, List_TellsHandleOuidClassLabelAndCost) {
  const uint64_t handle = from.Add(AesKey("a label"));
  const auto items = LocalEndpoint(from.partition, from.co).List();
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_EQ(items->size(), 1u);
  const Endpoint::Item& item = items->at(0);
  EXPECT_EQ(item.handle, handle);
  EXPECT_EQ(ByteSpan(item.ouid),
            from.Get(handle)->attributes().Value(CKA_OUID));
  EXPECT_EQ(item.object_class, CKO_SECRET_KEY);
  EXPECT_EQ(item.key_type, CKK_AES);
  EXPECT_EQ(item.label, "a label");
  EXPECT_GT(item.size, 100u);
}

// --- domains and logins ---

TEST_F(LocalEndpointTest, OtherDomain_IsCertificateInvalidAtBind) {
  TestPartition stranger = app.Make({}, "another domain than the others");
  LocalEndpoint source(from.partition, from.co);
  LocalEndpoint target(stranger.partition, stranger.co);
  const Bytes reply = target.Join(source.Start().value()).value();
  EXPECT_EQ(CkRv(source.Bind(reply)), CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(CkRv(source.Next({from.Add(AesKey("aes"))}).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(LocalEndpointTest, NoDomain_IsCloningParameterMissing) {
  TestPartition none = app.Make({}, "");
  LocalEndpoint without(none.partition, none.co);
  EXPECT_EQ(CkRv(without.Start().status()), CKR_CLONING_PARAMETER_MISSING);
  LocalEndpoint source(from.partition, from.co);
  EXPECT_EQ(CkRv(without.Join(source.Start().value()).status()),
            CKR_CLONING_PARAMETER_MISSING);
}

TEST_F(LocalEndpointTest, NoLogin_IsRefused) {
  LocalEndpoint nobody(from.partition, nullptr);
  EXPECT_EQ(CkRv(nobody.Start().status()), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(CkRv(nobody.List().status()), CKR_USER_NOT_LOGGED_IN);
}

TEST_F(LocalEndpointTest, PartitionOfficer_DoesNotClone) {
  LocalEndpoint officer(from.partition, from.po);
  EXPECT_EQ(CkRv(officer.Start().status()), CKR_USER_NOT_AUTHORIZED);
}

TEST_F(LocalEndpointTest, CryptoUser_ClonesPublicObjectsOnly) {
  const uint64_t secret = from.Add(AesKey("aes"));
  const uint64_t open = from.Add(DataObject("data"));
  from.co = from.NewCryptoUser();
  TestRun run = TestRun::Between(from, to);
  const Batch refused = run.source.Next({secret}).value();
  EXPECT_TRUE(refused.sealed.empty());
  EXPECT_EQ(refused.items.at(0).rv, CKR_USER_NOT_AUTHORIZED);
  EXPECT_EQ(run.Carry({open}).value().at(0).outcome, Outcome::kStored);
}

TEST_F(LocalEndpointTest, CryptoUserAsTarget_TakesPublicObjectsOnly) {
  const uint64_t secret = from.Add(AesKey("aes"));
  to.co = to.NewCryptoUser();
  TestRun run = TestRun::Between(from, to);
  const TargetResult result = run.Carry({secret}).value().at(0);
  EXPECT_EQ(result.outcome, Outcome::kRefused);
  EXPECT_EQ(result.rv, CKR_USER_NOT_AUTHORIZED);
}

TEST_F(LocalEndpointTest, LogoutOfTheSource_EndsTheRun) {
  const uint64_t handle = from.Add(AesKey("aes"));
  TestRun run = TestRun::Between(from, to);
  from.co->End();
  EXPECT_EQ(CkRv(run.source.Next({handle}).status()), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(CkRv(run.source.Next({handle}).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(LocalEndpointTest, LogoutOfTheTarget_EndsTheRun) {
  const uint64_t handle = from.Add(AesKey("aes"));
  TestRun run = TestRun::Between(from, to);
  const Batch batch = run.source.Next({handle}).value();
  to.co->End();
  EXPECT_EQ(CkRv(run.target.Accept(batch.sealed, {}).status()),
            CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(CkRv(run.target.Accept(batch.sealed, {}).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

// --- policies, read for every record ---

constexpr uint32_t kPrivateKeys = hsm::partition_policy::kPrivateKeyCloning;
constexpr uint32_t kSecretKeys = hsm::partition_policy::kSecretKeyCloning;

TEST_F(LocalEndpointTest, PolicyTurnedOffAtTheSource_LeavesTheNextKeyOut) {
  TestPartition from = app.Make();
  const uint64_t first = from.Add(AesKey("one"));
  TestRun run = TestRun::Between(from, to);
  EXPECT_EQ(run.Carry({first}).value().at(0).outcome, Outcome::kStored);
  const uint64_t second = from.Add(AesKey("two"));
  from.SetPolicy(kSecretKeys, 0);
  const Batch batch = run.source.Next({second}).value();
  EXPECT_TRUE(batch.sealed.empty());
  EXPECT_EQ(batch.items.at(0).rv, LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(batch.items.at(0).reason, "cloning-policy");
}

TEST_F(LocalEndpointTest, PolicyTurnedOffAtTheTarget_RefusesTheNextKey) {
  TestPartition to = app.Make();
  const uint64_t first = from.Add(RsaPrivateKey("one"));
  const uint64_t second = from.Add(RsaPrivateKey("two"));
  const uint64_t open = from.Add(Certificate("certificate"));
  TestRun run = TestRun::Between(from, to);
  EXPECT_EQ(run.Carry({first}).value().at(0).outcome, Outcome::kStored);
  to.SetPolicy(kPrivateKeys, 0);
  const auto results = run.Carry({second, open}).value();
  EXPECT_EQ(results.at(0).rv, LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(results.at(1).outcome, Outcome::kStored);
}

// --- compatibility, asked for every record ---

TEST_F(LocalEndpointTest, V1ObjectForAV0Partition_IsLeftOut) {
  TestPartition v1 = app.Make({.version = 1});
  TestRun run = TestRun::Between(v1, to);
  const Batch batch = run.source.Next({v1.Add(AesKey("aes"))}).value();
  EXPECT_TRUE(batch.sealed.empty());
  EXPECT_EQ(batch.items.at(0).rv, LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(batch.items.at(0).reason, "partition-version");
}

TEST_F(LocalEndpointTest, OriginOfABackup_DecidesItsRestore) {
  TestPartition v1 = app.Make({.version = 1});
  TestRun from_v1 = TestRun::Between(v1, archive);
  const auto one = from_v1.Carry({v1.Add(AesKey("v1"))}).value();
  TestRun from_v0 = TestRun::Between(from, archive);
  const auto zero = from_v0.Carry({from.Add(AesKey("v0"))}).value();
  TestRun restore = TestRun::Between(archive, to);
  const Batch batch =
      restore.source.Next({zero.at(0).handle, one.at(0).handle}).value();
  EXPECT_EQ(batch.items.at(0).rv, CKR_OK);
  EXPECT_EQ(batch.items.at(1).reason, "partition-version");
}

TEST_F(LocalEndpointTest, OldBackupFirmware_IsRefusedAtJoin) {
  hsm::HsmSpec spec = TestHsm::BackupSpec();
  spec.firmware = {7, 3, 2};
  TestHsm old(spec);
  TestPartition there = old.Make();
  LocalEndpoint source(from.partition, from.co);
  LocalEndpoint target(there.partition, there.co);
  const absl::Status joined = target.Join(source.Start().value()).status();
  EXPECT_EQ(CkRv(joined), LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(base::Reason(joined), "backup-firmware");
}

// --- objects of the source ---

TEST_F(LocalEndpointTest, DestroyedDuringTheRun_IsHandleInvalid) {
  const uint64_t handle = from.Add(AesKey("aes"));
  TestRun run = TestRun::Between(from, to);
  ASSERT_TRUE(from.partition->Destroy(from.co.get(), handle).ok());
  const Batch batch = run.source.Next({handle}).value();
  EXPECT_TRUE(batch.sealed.empty());
  EXPECT_EQ(batch.items.at(0).handle, handle);
  EXPECT_EQ(batch.items.at(0).rv, CKR_OBJECT_HANDLE_INVALID);
}

TEST_F(LocalEndpointTest, LeftOutObject_EndsItsBatch) {
  const uint64_t one = from.Add(AesKey("one"));
  const uint64_t two = from.Add(AesKey("two"));
  TestRun run = TestRun::Between(from, to);
  const Batch batch = run.source.Next({one, 4711, 4712, two}).value();
  ASSERT_EQ(batch.items.size(), 3u);
  EXPECT_EQ(batch.items[0].rv, CKR_OK);
  EXPECT_EQ(batch.items[1].rv, CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(batch.items[2].rv, CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(run.target.Accept(batch.sealed, {}).value().size(), 1u);
  EXPECT_EQ(run.Carry({two}).value().at(0).outcome, Outcome::kStored);
}

TEST_F(LocalEndpointTest, LeftOutFirst_SealsNothingYet) {
  const uint64_t one = from.Add(AesKey("one"));
  TestRun run = TestRun::Between(from, to);
  const Batch batch = run.source.Next({4711, one}).value();
  EXPECT_EQ(batch.items.size(), 1u);
  EXPECT_TRUE(batch.sealed.empty());
}

TEST_F(LocalEndpointTest, BatchStopsAtOneMebibyte) {
  std::vector<uint64_t> handles;
  for (int i = 0; i < 30; ++i)
    handles.push_back(from.Add(DataObject("d", 50000)));
  TestRun run = TestRun::Between(from, to);
  const Batch batch = run.source.Next(handles).value();
  EXPECT_EQ(batch.items.size(), 20u);
  EXPECT_LE(batch.sealed.size(), kMaxMessage);
  EXPECT_EQ(run.target.Accept(batch.sealed, {}).value().size(), 20u);
}

TEST_F(LocalEndpointTest, BatchStopsAtTheMostRecords) {
  std::vector<uint64_t> handles;
  for (size_t i = 0; i < kMaxRecords + 4; ++i) {
    handles.push_back(from.Add(DataObject("d")));
  }
  TestRun run = TestRun::Between(from, to);
  const Batch batch = run.source.Next(handles).value();
  EXPECT_EQ(batch.items.size(), kMaxRecords);
  EXPECT_EQ(run.target.Accept(batch.sealed, {}).value().size(), kMaxRecords);
}

TEST_F(LocalEndpointTest, SizeOfNext_IsExactAndSealsNothing) {
  const uint64_t handle = from.Add(AesKey("aes"));
  TestRun run = TestRun::Between(from, to);
  const size_t first = run.source.SizeOfNext(handle).value();
  EXPECT_EQ(run.source.SizeOfNext(handle).value(), first);
  const Batch batch = run.source.Next({handle}).value();
  EXPECT_EQ(batch.sealed.size(), first);
  EXPECT_TRUE(run.target.Accept(batch.sealed, {}).ok());
  EXPECT_EQ(run.source.Next({handle}).value().sealed.size(),
            run.source.SizeOfNext(handle).value());
}

// --- what the target holds already ---

TEST_F(LocalEndpointTest, SameAgain_IsPresentAndNotDuplicated) {
  const uint64_t handle = from.Add(AesKey("aes"));
  TestRun first = TestRun::Between(from, to);
  const uint64_t copy = first.Carry({handle}).value().at(0).handle;
  TestRun again = TestRun::Between(from, to);
  const TargetResult result = again.Carry({handle}).value().at(0);
  EXPECT_EQ(result.outcome, Outcome::kPresent);
  EXPECT_EQ(result.handle, copy);
  EXPECT_EQ(to.Handles().size(), 1u);
}

TEST_F(LocalEndpointTest, TwiceInOneBatch_IsStoredOnce) {
  const uint64_t handle = from.Add(AesKey("aes"));
  TestRun run = TestRun::Between(from, to);
  const auto results = run.Carry({handle, handle}).value();
  EXPECT_EQ(results.at(0).outcome, Outcome::kStored);
  EXPECT_EQ(results.at(1).outcome, Outcome::kPresent);
  EXPECT_EQ(results.at(1).handle, results.at(0).handle);
  EXPECT_EQ(to.Handles().size(), 1u);
}

// An object at both ends whose label was changed at the source since.
struct Changed {
  Changed(TestPartition& from, TestPartition& to)
      : handle(from.Add(DataObject("before"))) {
    TestRun run = TestRun::Between(from, to);
    copy = run.Carry({handle}).value().at(0).handle;
    AttributeSet now = from.Get(handle)->attributes();
    now.SetText(CKA_LABEL, "after");
    EXPECT_TRUE(from.partition
                    ->Replace(from.co.get(), *from.Get(handle), std::move(now))
                    .ok());
  }
  uint64_t handle;
  uint64_t copy = 0;
};

TEST_F(LocalEndpointTest, SameOuidOtherContent_IsAConflict) {
  const Changed changed(from, to);
  TestRun run = TestRun::Between(from, to);
  const TargetResult result = run.Carry({changed.handle}).value().at(0);
  EXPECT_EQ(result.outcome, Outcome::kRefused);
  EXPECT_EQ(result.rv, CKR_OBJECT_ALREADY_EXISTS);
  EXPECT_EQ(base::AsText(to.Get(changed.copy)->attributes().Value(CKA_LABEL)),
            "before");
}

TEST_F(LocalEndpointTest, SameOuidOtherContent_IsReplacedWhenAskedFor) {
  const Changed changed(from, to);
  TestRun run = TestRun::Between(from, to);
  const TargetResult result =
      run.Carry({changed.handle}, {.on_conflict = OnConflict::kReplace})
          .value()
          .at(0);
  EXPECT_EQ(result.outcome, Outcome::kReplaced);
  EXPECT_EQ(to.Handles(), std::vector<uint64_t>{result.handle});
  EXPECT_TRUE(to.Content(result.handle) == from.Content(changed.handle));
}

TEST_F(LocalEndpointTest, ReplacedAndNew_AreOneGroup) {
  const Changed changed(from, to);
  const uint64_t other = from.Add(AesKey("aes"));
  TestRun run = TestRun::Between(from, to);
  const auto results =
      run.Carry({changed.handle, other}, {.on_conflict = OnConflict::kReplace})
          .value();
  EXPECT_EQ(results.at(0).outcome, Outcome::kReplaced);
  EXPECT_EQ(results.at(1).outcome, Outcome::kStored);
  EXPECT_EQ(to.Handles().size(), 2u);
}

TEST_F(LocalEndpointTest, StopAtRefusal_StoresNothingBehindIt) {
  const uint64_t one = from.Add(AesKey("one"));
  const Changed changed(from, to);
  const uint64_t two = from.Add(AesKey("two"));
  TestRun run = TestRun::Between(from, to);
  const auto results =
      run.Carry({one, changed.handle, two}, {.stop_at_refusal = true}).value();
  EXPECT_EQ(results.at(0).outcome, Outcome::kStored);
  EXPECT_EQ(results.at(1).rv, CKR_OBJECT_ALREADY_EXISTS);
  EXPECT_EQ(results.at(2).rv, CKR_CLONE_NOT_ATTEMPTED);
  EXPECT_EQ(to.Handles().size(), 2u);
}

// --- space ---

TEST_F(LocalEndpointTest, FullContainer_KeepsAValidPrefix) {
  const uint64_t cost = 10000 + 1500;  // one object, generously
  TestPartition archive = backup.Make({.capacity = 3 * cost});
  std::vector<uint64_t> handles;
  for (int i = 0; i < 6; ++i)
    handles.push_back(from.Add(DataObject("d", 10000)));
  handles.push_back(from.Add(DataObject("small", 1)));
  TestRun run = TestRun::Between(from, archive);
  const auto results = run.Carry(handles).value();
  EXPECT_EQ(archive.Handles().size(), 3u);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].rv, i < 3 ? CKR_OK : CKR_CONTAINER_OBJECT_STORAGE_FULL)
        << i;
  }
  EXPECT_TRUE(run.End().ok());
}

TEST_F(LocalEndpointTest, AfterAResize_AppendFinishesTheBackup) {
  TestPartition archive = backup.Make({.capacity = 25000});
  std::vector<uint64_t> handles;
  for (int i = 0; i < 4; ++i)
    handles.push_back(from.Add(DataObject("d", 10000)));
  TestRun run = TestRun::Between(from, archive);
  ASSERT_TRUE(run.Carry(handles).ok());
  ASSERT_LT(archive.Handles().size(), 4u);
  ASSERT_TRUE(
      backup.hsm
          ->ResizePartition(*backup.so, archive.partition->space(), 100000)
          .ok());
  TestRun append = TestRun::Between(from, archive);
  const auto results = append.Carry(handles).value();
  EXPECT_EQ(results.at(0).outcome, Outcome::kPresent);
  EXPECT_EQ(results.at(3).outcome, Outcome::kStored);
  EXPECT_EQ(archive.Handles().size(), 4u);
}

// --- a store that fails ---

// Accepts an object of a known OUID and a new one while the n-th operation of
// the target's store fails: afterwards exactly what the target said is there.
// (Partition::Find leaves out a record that it cannot read; then the first one
// is stored beside it.)
TEST_F(LocalEndpointTest, FailingStore_LeavesNothingHalfDone) {
  auto owned = std::make_unique<hsm::FaultStore>(hsm::NewMemoryStore());
  hsm::FaultStore& faults = *owned;
  TestHsm frail(TestHsm::ApplicationSpec(), std::move(owned));
  TestPartition there = frail.Make();
  for (int n = 1;; ++n) {
    SCOPED_TRACE(n);
    ASSERT_TRUE(there.partition->Clear(there.co.get()).ok());
    const Changed changed(from, there);
    TestRun run = TestRun::Between(from, there);
    const Batch batch =
        run.source.Next({changed.handle, from.Add(AesKey("aes"))}).value();
    faults.FailAt(n);
    const auto results =
        run.target.Accept(batch.sealed, {.on_conflict = OnConflict::kReplace});
    const bool failed = faults.operations() >= n;
    faults.FailAt(0);
    size_t stored = 0;
    bool replaced = false;
    for (const TargetResult& result :
         results.ok() ? *results : std::vector<TargetResult>()) {
      stored += result.outcome == Outcome::kStored;
      replaced |= result.outcome == Outcome::kReplaced;
    }
    const std::vector<uint64_t> handles = there.Handles();
    EXPECT_EQ(handles.size(), 1 + stored);
    const AttributeSet first = there.Get(handles.at(0))->attributes();
    EXPECT_EQ(base::AsText(first.Value(CKA_LABEL)),
              replaced ? "after" : "before");
    if (!failed) {
      EXPECT_TRUE(replaced && stored == 1) << results.status();
      break;
    }
  }
}

}  // namespace
}  // namespace cloning
