// What a target recognises without its being sent, and what it does not.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloning/local_endpoint.h"
#include "cloning/receipts.h"
#include "cloning/test_ends.h"
#include "cloning/test_objects.h"
#include "cloning/test_run.h"

namespace cloning {
namespace {

using base::CkRv;
using hsm::AttributeSet;
using hsm::FirmwareVersion;
using Outcome = TargetResult::Outcome;
using Handles = std::vector<uint64_t>;

hsm::HsmSpec AppOf(FirmwareVersion firmware) {
  hsm::HsmSpec spec = TestHsm::ApplicationSpec();
  spec.firmware = firmware;
  return spec;
}

AttributeSet Note(absl::string_view label) {
  AttributeSet note;
  note.SetUlong(CKA_CLASS, CKO_DATA);
  note.SetText(CKA_LABEL, label);
  note.SetBool(CKA_PRIVATE, false);
  return Created(std::move(note));
}

// An application HSM and a Backup HSM. Made once for each firmware (a domain's
// scrypt and CPv1's wrapping key are slow) and emptied for each test.
struct Ends {
  explicit Ends(FirmwareVersion firmware)
      : app(AppOf(firmware), std::unique_ptr<hsm::Store>(store)) {}

  hsm::Store* const store = hsm::NewMemoryStore().release();
  TestHsm app;
  TestPartition from = app.Make();
  TestHsm backup{TestHsm::BackupSpec()};
  TestPartition archive = backup.Make();
};

// By the firmware of the application HSM: CPv1 and CPv3.
class UnchangedTest : public ::testing::TestWithParam<FirmwareVersion> {
 protected:
  using Made = std::map<FirmwareVersion, std::unique_ptr<Ends>>;
  static Made& made() {
    static Made* const made = new Made();
    return *made;
  }
  static Ends& MadeFor(FirmwareVersion firmware) {
    std::unique_ptr<Ends>& ends = made()[firmware];
    if (ends == nullptr) ends = std::make_unique<Ends>(firmware);
    return *ends;
  }

  UnchangedTest() : ends(MadeFor(GetParam())) {
    for (TestPartition* each : {&from, &archive}) {
      EXPECT_TRUE(each->partition->Clear(each->co.get()).ok());
    }
    key = from.Add(AesKey("key"));
    note = from.Add(Note("note"));
  }

  ~UnchangedTest() override {
    if (spoiled) made().erase(GetParam());
  }

  // Those of the source's objects that the target says it has unchanged.
  static Handles Recognised(TestRun& run, const Handles& handles) {
    const absl::StatusOr<SealedOffer> offer = run.source.Offer(handles);
    EXPECT_TRUE(offer.ok()) << offer.status();
    Handles recognised;
    if (!offer.ok() || offer->sealed.empty()) return recognised;
    const auto held = run.target.Compare(offer->sealed);
    EXPECT_TRUE(held.ok()) << held.status();
    if (!held.ok()) return recognised;
    EXPECT_EQ(held->size(), offer->handles.size());
    for (size_t i = 0; i < held->size(); ++i) {
      if (held->at(i).handle != 0) recognised.push_back(offer->handles[i]);
    }
    return recognised;
  }
  Handles Recognised() {
    TestRun run = TestRun::Between(from, archive);
    const Handles recognised = Recognised(run, {key, note});
    EXPECT_TRUE(run.End().ok());
    return recognised;
  }
  // Carries both objects, whatever is there.
  std::vector<Outcome> BackUp(const AcceptOptions& options = {}) {
    TestRun run = TestRun::Between(from, archive);
    std::vector<Outcome> outcomes;
    for (const uint64_t handle : {key, note}) {
      const auto results = run.Carry({handle}, options);
      EXPECT_TRUE(results.ok()) << results.status();
      outcomes.push_back(results->at(0).outcome);
    }
    EXPECT_TRUE(run.End().ok());
    return outcomes;
  }
  void Relabel(TestPartition& partition, uint64_t handle,
               absl::string_view label) {
    const hsm::ObjectRef object = partition.Get(handle);
    AttributeSet attributes = object->attributes();
    attributes.SetText(CKA_LABEL, label);
    const auto replaced = partition.partition->Replace(
        partition.co.get(), *object, std::move(attributes));
    EXPECT_TRUE(replaced.ok()) << replaced.status();
  }

  Ends& ends;
  bool spoiled = false;  // no other test can go on with these
  TestHsm& app = ends.app;
  TestHsm& backup = ends.backup;
  TestPartition from = ends.from;
  TestPartition archive = ends.archive;
  uint64_t key = 0, note = 0;
};

INSTANTIATE_TEST_SUITE_P(, UnchangedTest,
                         ::testing::Values(FirmwareVersion{7, 4, 0},
                                           FirmwareVersion{7, 7, 1}),
                         [](const auto& row) {
                           return row.param.minor_number < 7 ? "Cpv1" : "Cpv3";
                         });

TEST_P(UnchangedTest, NothingIsRecognised_BeforeItWasSent) {
  EXPECT_EQ(Recognised(), Handles());
}

TEST_P(UnchangedTest, WhatWasStored_IsRecognised) {
  BackUp();
  EXPECT_EQ(Recognised(), (Handles{key, note}));
}

TEST_P(UnchangedTest, Held_NamesTheObjectAtTheTarget) {
  BackUp();
  TestRun run = TestRun::Between(from, archive);
  const SealedOffer offer = run.source.Offer({note}).value();
  const std::vector<Held> all = run.target.Compare(offer.sealed).value();
  const Held held = all.at(0);
  EXPECT_TRUE(archive.Content(held.handle) == from.Content(note));
  EXPECT_TRUE(
      base::SameBytes(held.ouid, from.Get(note)->attributes().Value(CKA_OUID)));
}

TEST_P(UnchangedTest, WhatWasFoundPresent_IsRecognised) {
  BackUp();
  // The receipts are gone, the objects are not.
  const std::vector<std::string> names =
      backup.hsm->ListSealedValues(archive.partition->space(), "x/receipt/")
          .value();
  EXPECT_FALSE(names.empty());
  for (const std::string& name : names) {
    EXPECT_TRUE(
        backup.hsm->DeleteSealedValue(archive.partition->space(), name).ok());
  }
  EXPECT_EQ(Recognised(), Handles());
  EXPECT_EQ(BackUp(), std::vector<Outcome>(2, Outcome::kPresent));
  EXPECT_EQ(Recognised(), (Handles{key, note}));
}

TEST_P(UnchangedTest, OneRun_OffersAndSends) {
  BackUp();
  Relabel(from, note, "changed");
  TestRun run = TestRun::Between(from, archive);
  EXPECT_EQ(Recognised(run, {key, note}), Handles{key});
  EXPECT_EQ(run.Carry({note}, {.on_conflict = OnConflict::kReplace})
                .value()
                .at(0)
                .outcome,
            Outcome::kReplaced);
  EXPECT_EQ(Recognised(run, {key, note}), (Handles{key, note}));
  EXPECT_TRUE(run.End().ok());
}

TEST_P(UnchangedTest, ChangedAtTheSource_IsNot) {
  BackUp();
  Relabel(from, note, "changed");
  EXPECT_EQ(Recognised(), Handles{key});
  EXPECT_EQ(BackUp()[1], Outcome::kRefused);
}

TEST_P(UnchangedTest, ChangedAtTheSourceAndBack_IsNotUntilItWasSent) {
  BackUp();
  Relabel(from, note, "changed");
  Relabel(from, note, "note");
  EXPECT_EQ(Recognised(), Handles{key});
  EXPECT_EQ(BackUp()[1], Outcome::kPresent);
  EXPECT_EQ(Recognised(), (Handles{key, note}));
}

TEST_P(UnchangedTest, DestroyedAndMadeAnew_IsNot) {
  BackUp();
  EXPECT_TRUE(from.partition->Destroy(from.co.get(), note).ok());
  EXPECT_EQ(Recognised(), Handles{key});
  note = from.Add(Note("note"));
  EXPECT_EQ(Recognised(), Handles{key});
}

TEST_P(UnchangedTest, DestroyedAtTheTarget_IsNot) {
  BackUp();
  for (const uint64_t there : archive.Handles()) {
    if (archive.Get(there)->attributes().object_class() != CKO_DATA) continue;
    EXPECT_TRUE(archive.partition->Destroy(archive.co.get(), there).ok());
  }
  EXPECT_EQ(Recognised(), Handles{key});
  EXPECT_EQ(BackUp()[1], Outcome::kStored);
  EXPECT_EQ(Recognised(), (Handles{key, note}));
}

TEST_P(UnchangedTest, ChangedAtTheTarget_IsNot) {
  BackUp();
  for (const uint64_t there : archive.Handles()) {
    if (archive.Get(there)->attributes().object_class() != CKO_DATA) continue;
    Relabel(archive, there, "changed");
  }
  EXPECT_EQ(Recognised(), Handles{key});
}

TEST_P(UnchangedTest, TargetCleared_IsNot) {
  BackUp();
  EXPECT_TRUE(archive.partition->Clear(archive.co.get()).ok());
  EXPECT_EQ(Recognised(), Handles());
}

// The same version number, another content.
TEST_P(UnchangedTest, StoreSetBackAndChangedAnew_IsNot) {
  spoiled = true;
  const std::unique_ptr<hsm::Store> older = hsm::CopyMemoryStore(*ends.store);
  Relabel(from, note, "one change");
  const uint64_t version = from.Get(note)->version();
  BackUp();
  EXPECT_EQ(Recognised(), (Handles{key, note}));

  const auto set_back =
      hsm::Hsm::OpenForTest(hsm::CopyMemoryStore(*older)).value();
  from.partition = set_back->Find(from.partition->space());
  from.co = LogIn(*from.partition, hsm::Role::kCo, "co-password");
  EXPECT_EQ(Recognised(), Handles{key});
  Relabel(from, note, "another change");
  EXPECT_EQ(from.Get(note)->version(), version);
  EXPECT_EQ(Recognised(), Handles{key});
}

// --- rules are looked at anew when anything has changed that they look at ---

TEST_P(UnchangedTest, PolicyOfTheSource_LeavesTheKeyOut) {
  spoiled = true;
  BackUp();
  from.SetPolicy(hsm::partition_policy::kSecretKeyCloning, 0);
  EXPECT_EQ(Recognised(), Handles());
  TestRun run = TestRun::Between(from, archive);
  const Batch batch = run.source.Next({key}).value();
  EXPECT_TRUE(batch.sealed.empty());
  EXPECT_EQ(batch.items.at(0).rv, LUNA_RET_OPERATION_RESTRICTED);
}

TEST_P(UnchangedTest, PolicyOfTheTarget_RefusesTheKey) {
  spoiled = true;
  BackUp();
  archive.SetPolicy(hsm::partition_policy::kSecretKeyCloning, 0);
  EXPECT_EQ(Recognised(), Handles());
  EXPECT_EQ(BackUp()[0], Outcome::kRefused);
  archive.SetPolicy(hsm::partition_policy::kSecretKeyCloning, 1);
}

TEST_P(UnchangedTest, LabelOfEitherEnd_GoesTheLongWay) {
  BackUp();
  EXPECT_TRUE(from.partition->ChangeLabel(*from.po, "other").ok());
  EXPECT_EQ(Recognised(), Handles());
  EXPECT_EQ(BackUp(), std::vector<Outcome>(2, Outcome::kPresent));
  EXPECT_EQ(Recognised(), (Handles{key, note}));
  EXPECT_TRUE(archive.partition->ChangeLabel(*archive.po, "other").ok());
  EXPECT_EQ(Recognised(), Handles());
}

TEST_P(UnchangedTest, FirmwareOfTheTarget_GoesTheLongWay) {
  spoiled = true;
  BackUp();
  const absl::Status updated =
      backup.hsm->UpdateFirmware(*backup.so, {7, 7, 2});
  ASSERT_TRUE(updated.ok()) << updated;
  EXPECT_EQ(Recognised(), Handles());
}

TEST_P(UnchangedTest, OtherRoleAtTheSource_GoesTheLongWay) {
  spoiled = true;
  BackUp();
  from.co = from.NewCryptoUser();
  EXPECT_EQ(Recognised(), Handles());
  TestRun run = TestRun::Between(from, archive);
  EXPECT_EQ(run.source.Next({key}).value().items.at(0).rv,
            CKR_USER_NOT_AUTHORIZED);
}

TEST_P(UnchangedTest, OtherRoleAtTheTarget_GoesTheLongWay) {
  spoiled = true;
  BackUp();
  archive.co = archive.NewCryptoUser();
  EXPECT_EQ(Recognised(), Handles());
}

TEST_P(UnchangedTest, OtherPartition_IsNotTaken) {
  BackUp();
  // Of the same HSM and store, with the same objects in it.
  TestPartition other = app.Make();
  TestRun run = TestRun::Between(archive, other);
  for (const uint64_t there : archive.Handles()) {
    EXPECT_EQ(run.Carry({there}).value().at(0).outcome, Outcome::kStored);
  }
  TestRun again = TestRun::Between(other, archive);
  EXPECT_EQ(Recognised(again, other.Handles()), Handles());
}

TEST_P(UnchangedTest, OtherDomain_GetsNoAnswer) {
  BackUp();
  TestPartition foreign = backup.Make({}, "another domain altogether");
  LocalEndpoint source(from.partition, from.co);
  LocalEndpoint target(foreign.partition, foreign.co);
  const Bytes reply = target.Join(source.Start().value()).value();
  const absl::Status bound = source.Bind(reply);
  if (GetParam().minor_number >= 7) {
    EXPECT_EQ(CkRv(bound), CKR_CERTIFICATE_INVALID);
    return;
  }
  ASSERT_TRUE(bound.ok()) << bound;
  const SealedOffer offer = source.Offer({key}).value();
  EXPECT_EQ(CkRv(target.Compare(offer.sealed).status()),
            CKR_CERTIFICATE_INVALID);
}

// --- nothing is opened ---

// Alters the last byte of what each record of `partition` seals.
void DamageContents(hsm::Hsm& hsm, TestPartition& partition) {
  const hsm::SpaceId space = partition.partition->space();
  const Handles handles = partition.Handles();
  const absl::Status damaged =
      hsm.store().Write(space, [&](hsm::Transaction& tx) -> absl::Status {
        for (const uint64_t handle : handles) {
          ASSIGN_OR_RETURN(std::optional<hsm::Record> record,
                           tx.Get(space, handle));
          record->sealed.back() ^= 1;
          RETURN_IF_ERROR(tx.Put(space, *record, {}));
        }
        return absl::OkStatus();
      });
  EXPECT_TRUE(damaged.ok()) << damaged;
}

TEST_P(UnchangedTest, NoObjectIsOpened_AtEitherEnd) {
  spoiled = true;
  BackUp();
  const Handles there = archive.Handles();
  DamageContents(*app.hsm, from);
  DamageContents(*backup.hsm, archive);
  // Logins that remember no object.
  from.co = LogIn(*from.partition, hsm::Role::kCo, "co-password");
  archive.co = LogIn(*archive.partition, hsm::Role::kCo, "co-password");
  EXPECT_EQ(Recognised(), (Handles{key, note}));
  // They were damaged indeed.
  EXPECT_EQ(CkRv(from.partition->Get(from.co.get(), key).status()),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(archive.partition->Get(archive.co.get(), there[0]).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(UnchangedTest, NothingIsWritten) {
  BackUp();
  TestRun run = TestRun::Between(from, archive);
  const uint64_t source = from.partition->Generation();
  const uint64_t target = archive.partition->Generation();
  EXPECT_EQ(Recognised(run, {key, note}), (Handles{key, note}));
  EXPECT_EQ(from.partition->Generation(), source);
  EXPECT_EQ(archive.partition->Generation(), target);
}

// A record that is missing makes the tree wrong: nothing is recognised, and
// what is damaged is found where it is opened.
TEST_P(UnchangedTest, DamagedTree_GoesTheLongWay) {
  spoiled = true;
  BackUp();
  const hsm::SpaceId space = archive.partition->space();
  const uint64_t victim = archive.Handles().back();
  EXPECT_TRUE(
      backup.hsm->store()
          .Write(space,
                 [&](hsm::Transaction& tx) { return tx.Delete(space, victim); })
          .ok());
  EXPECT_EQ(Recognised(), Handles());
}

// --- messages out of place ---

TEST_P(UnchangedTest, AnOfferAmongObjects_EndsTheRun) {
  TestRun run = TestRun::Between(from, archive);
  const SealedOffer offer = run.source.Offer({key}).value();
  EXPECT_EQ(CkRv(run.target.Accept(offer.sealed, {}).status()),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(run.target.Compare(offer.sealed).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

TEST_P(UnchangedTest, ObjectsAmongOffers_EndTheRun) {
  TestRun run = TestRun::Between(from, archive);
  const Batch batch = run.source.Next({key}).value();
  EXPECT_EQ(CkRv(run.target.Compare(batch.sealed).status()), CKR_DEVICE_ERROR);
  EXPECT_EQ(archive.Handles(), Handles());
}

TEST_P(UnchangedTest, AnOfferTwice_EndsTheRun) {
  TestRun run = TestRun::Between(from, archive);
  const SealedOffer offer = run.source.Offer({key}).value();
  EXPECT_TRUE(run.target.Compare(offer.sealed).ok());
  EXPECT_EQ(CkRv(run.target.Compare(offer.sealed).status()), CKR_DEVICE_ERROR);
}

TEST_P(UnchangedTest, UnknownHandles_AreNotOffered) {
  TestRun run = TestRun::Between(from, archive);
  EXPECT_EQ(run.source.Offer({key, 4711, note}).value().handles,
            (Handles{key, note}));
  EXPECT_TRUE(run.source.Offer({4711}).value().sealed.empty());
}

TEST(OfferTest, BeforeTheOpening_ThereIsNone) {
  TestHsm app;
  TestPartition partition = app.Make();
  LocalEndpoint end(partition.partition, partition.co);
  EXPECT_EQ(CkRv(end.Offer({1}).status()), CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(CkRv(end.Compare({}).status()), CKR_OPERATION_NOT_INITIALIZED);
}

// --- receipts ---

Receipt ReceiptOf(uint64_t source, uint8_t stamp) {
  Receipt receipt;
  receipt.offered = {source, Stamp{stamp}};
  receipt.handle = 1000 + source;
  return receipt;
}

TEST(ReceiptsTest, AreFoundByHandleAndStamp_OverPages) {
  TestHsm hsm;
  TestPartition partition = hsm.Make();
  Receipts receipts(*partition.partition);
  EXPECT_TRUE(receipts
                  .Keep({ReceiptOf(600, 6), ReceiptOf(3, 3), ReceiptOf(255, 5),
                         ReceiptOf(4, 4)})
                  .ok());
  EXPECT_TRUE(receipts.Keep({ReceiptOf(3, 9), ReceiptOf(2, 2)}).ok());
  const auto found = receipts
                         .Find({{600, Stamp{6}},
                                {3, Stamp{3}},
                                {3, Stamp{9}},
                                {2, Stamp{2}},
                                {4, Stamp{4}},
                                {5, Stamp{4}},
                                {255, Stamp{5}}})
                         .value();
  Handles handles;
  for (const Receipt& receipt : found) handles.push_back(receipt.handle);
  EXPECT_EQ(handles, (Handles{1600, 0, 1003, 1002, 1004, 0, 1255}));
}

TEST(ReceiptsTest, ADamagedPage_IsEmptyAndIsMadeAnew) {
  TestHsm hsm;
  TestPartition partition = hsm.Make();
  const hsm::SpaceId space = partition.partition->space();
  Receipts receipts(*partition.partition);
  EXPECT_TRUE(receipts.Keep({ReceiptOf(3, 3)}).ok());
  EXPECT_TRUE(hsm.hsm->store()
                  .Write(space,
                         [&](hsm::Transaction& tx) {
                           return tx.PutValue(space, "x/receipt/0", Bytes(70));
                         })
                  .ok());
  EXPECT_EQ(receipts.Find({{3, Stamp{3}}}).value().at(0).handle, 0u);
  EXPECT_TRUE(receipts.Keep({ReceiptOf(4, 4)}).ok());
  EXPECT_EQ(receipts.Find({{4, Stamp{4}}}).value().at(0).handle, 1004u);
}

}  // namespace
}  // namespace cloning
