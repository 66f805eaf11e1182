// Values that an HSM keeps for other modules, and joined commits.
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
using testkit::TestHsm;

TEST(Slots, AreRememberedAfterTheirPartitionWent) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  const SpaceId space = *hsm->CreatePartition(
      *so, {.label = "a", .version = 0, .capacity = 0, .policies = {}});
  EXPECT_FALSE(hsm->Slot(space)->has_value());
  ASSERT_TRUE(hsm->SetSlot(space, 3).ok());
  ASSERT_TRUE(hsm->SetSlot(0, 1).ok());
  EXPECT_EQ(*hsm->Slot(space), std::optional<uint64_t>(3));
  ASSERT_TRUE(hsm->DeletePartition(*so, space).ok());
  ASSERT_TRUE(hsm->Zeroize().ok());
  EXPECT_EQ(*hsm->SlotsEverUsed(), (std::vector<uint64_t>{1, 3}));
}

TEST(SealedValues, AreKeptWithTheirPartition) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  const Bytes value = {1, 2, 3};
  EXPECT_EQ(Rv(hsm->PutSealedValue(1, "manifest", value)),
            CK_RV{CKR_ARGUMENTS_BAD});
  ASSERT_TRUE(hsm->PutSealedValue(1, "x/manifest", value).ok());
  ASSERT_TRUE(hsm->PutSealedValue(0, "x/outcome/1", value).ok());
  EXPECT_EQ(*hsm->GetSealedValue(1, "x/manifest"), std::optional<Bytes>(value));
  EXPECT_EQ(*hsm->ListSealedValues(1, "x/"),
            std::vector<std::string>{"x/manifest"});
  EXPECT_FALSE(hsm->GetSealedValue(1, "x/other")->has_value());
  EXPECT_EQ(Rv(hsm->PutSealedValue(7, "x/manifest", value)),
            CK_RV{CKR_DEVICE_REMOVED});
  ASSERT_TRUE(hsm.first().Init("again", Pin("po-pin-1"), {}).ok());
  EXPECT_FALSE(hsm->GetSealedValue(1, "x/manifest")->has_value());
  ASSERT_TRUE(hsm->Zeroize().ok());
  EXPECT_TRUE(hsm->GetSealedValue(0, "x/outcome/1")->has_value());
  ASSERT_TRUE(hsm->DeleteSealedValue(0, "x/outcome/1").ok());
  EXPECT_FALSE(hsm->GetSealedValue(0, "x/outcome/1")->has_value());
}

TEST(SealedValues, OfOneNameAreNotThoseOfAnother) {
  TestHsm hsm(AppSpec());
  ASSERT_TRUE(hsm->PutSealedValue(0, "x/a", Bytes{1}).ok());
  ASSERT_TRUE(hsm.raw_store()
                  .Write(0,
                         [&](Transaction& tx) -> absl::Status {
                           return tx.PutValue(0, "x/b",
                                              **tx.GetValue(0, "x/a"));
                         })
                  .ok());
  EXPECT_EQ(Rv(hsm->GetSealedValue(0, "x/b")), CK_RV{CKR_DEVICE_ERROR});
}

TEST(Atomically, CommitsEverythingAtOnce) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const int writes = hsm.store().writes();
  std::vector<uint64_t> handles;
  ASSERT_TRUE(
      hsm->Atomically([&]() -> absl::Status {
           ASSIGN_OR_RETURN(handles, p.Create(co.get(), List(Data("a"))));
           ASSIGN_OR_RETURN(ObjectRef seen, p.Get(co.get(), handles[0]));
           EXPECT_EQ(seen->version(), 1u);
           return hsm->PutSealedValue(0, "x/outcome", Bytes{1});
         })
          .ok());
  EXPECT_EQ(hsm.store().writes(), writes + 1);
  EXPECT_EQ(*p.Find(co.get(), {}), handles);
  EXPECT_EQ(*hsm.Another()->Find(1)->Find(nullptr, {}), handles);
  EXPECT_TRUE(hsm->GetSealedValue(0, "x/outcome")->has_value());
}

TEST(Atomically, LeavesNothingWhenItFails) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  std::vector<uint64_t> handles;
  const absl::Status status = hsm->Atomically([&]() -> absl::Status {
    ASSIGN_OR_RETURN(handles, p.Create(co.get(), List(Data("a"))));
    EXPECT_TRUE(p.Get(co.get(), handles[0]).ok());
    return base::Error(CKR_FUNCTION_FAILED, "after all");
  });
  EXPECT_EQ(Rv(status), CK_RV{CKR_FUNCTION_FAILED});
  EXPECT_TRUE(p.Find(co.get(), {})->empty());
  EXPECT_EQ(Rv(p.Get(co.get(), handles[0])), CK_RV{CKR_OBJECT_HANDLE_INVALID});
  // The number may be given out again, and is then the other object.
  ASSERT_TRUE(p.Create(co.get(), List(Data("b"))).ok());
  const std::vector<uint64_t> found = *p.Find(co.get(), {});
  for (uint64_t handle : found) {
    EXPECT_EQ(
        base::AsText((*p.Get(co.get(), handle))->attributes().Value(CKA_LABEL)),
        "b");
  }
}

TEST(Atomically, AFailedWriteInside_IsUndoneAlone) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const absl::Status status = hsm->Atomically([&]() -> absl::Status {
    EXPECT_TRUE(p.Create(co.get(), List(Data("a"))).ok());
    EXPECT_EQ(Rv(p.Destroy(co.get(), 12345)), CK_RV{CKR_OBJECT_HANDLE_INVALID});
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(p.Find(co.get(), {})->size(), 1u);
}

TEST(Atomically, CountsWrongPins) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  ASSERT_TRUE(hsm->Atomically([&]() -> absl::Status {
                   EXPECT_EQ(Rv(hsm.first().Unlock(Role::kCo, Pin("wrong"))),
                             CK_RV{CKR_PIN_INCORRECT});
                   return hsm->PutSealedValue(0, "x/outcome", Bytes{1});
                 })
                  .ok());
  EXPECT_EQ(hsm.first().State(Role::kCo)->failures, 1u);
}

}  // namespace
}  // namespace hsm
