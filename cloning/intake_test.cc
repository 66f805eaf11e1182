// Two messages that are decided on before either is stored.
#include "cloning/intake.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cloning/test_ends.h"
#include "cloning/test_objects.h"

namespace cloning {
namespace {

using Outcome = TargetResult::Outcome;

std::vector<ObjectRecord> Of(ObjectRecord record) {
  std::vector<ObjectRecord> one;
  one.push_back(std::move(record));
  return one;
}

class IntakeTest : public ::testing::Test {
 protected:
  IntakeTest() {
    own_ = to_.partition->MakeStatement().value();
    source_ = from_.partition->MakeStatement().value();
  }
  Intake NewIntake() {
    return Intake(*to_.partition, to_.co, own_, source_, options_,
                  /*stopped=*/false);
  }
  ObjectRecord RecordOf(uint64_t handle) {
    ObjectRecord record;
    record.attributes = from_.Content(handle);
    const base::ByteSpan ouid = record.attributes.Value(CKA_OUID);
    std::copy(ouid.begin(), ouid.end(), record.ouid.begin());
    record.origin = source_;
    return record;
  }

  TestHsm app_;
  TestPartition from_ = app_.Make();
  TestPartition to_ = app_.Make();
  hsm::Statement own_, source_;
  AcceptOptions options_;
};

TEST_F(IntakeTest, SameObjectsAtOnce_AreStoredOnceAndPresentForTheSecond) {
  const uint64_t one = from_.Add(AesKey("one"));
  const uint64_t two = from_.Add(DataObject("two"));
  const uint64_t three = from_.Add(DataObject("three"));
  Intake first = NewIntake(), second = NewIntake();
  for (const uint64_t handle : {one, two}) {
    ASSERT_TRUE(first.Add(Of(RecordOf(handle))).ok());
  }
  for (const uint64_t handle : {one, two, three}) {
    ASSERT_TRUE(second.Add(Of(RecordOf(handle))).ok());
  }
  const auto stored = std::move(first).Commit();
  ASSERT_TRUE(stored.ok()) << stored.status();
  const auto late = std::move(second).Commit();
  ASSERT_TRUE(late.ok()) << late.status();
  ASSERT_EQ(late->results.size(), 3u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(stored->results.at(i).outcome, Outcome::kStored);
    EXPECT_EQ(late->results.at(i).outcome, Outcome::kPresent);
    EXPECT_EQ(late->results.at(i).handle, stored->results.at(i).handle);
  }
  EXPECT_EQ(late->results.at(2).outcome, Outcome::kStored);
  EXPECT_EQ(to_.Handles().size(), 3u);
}

TEST_F(IntakeTest, OtherContentsAtOnce_AreAConflictForTheSecond) {
  const uint64_t one = from_.Add(AesKey("one"));
  ObjectRecord changed = RecordOf(one);
  changed.attributes.SetText(CKA_LABEL, "changed");
  Intake first = NewIntake(), second = NewIntake();
  ASSERT_TRUE(first.Add(Of(RecordOf(one))).ok());
  ASSERT_TRUE(second.Add(Of(std::move(changed))).ok());
  ASSERT_TRUE(std::move(first).Commit().ok());
  const auto late = std::move(second).Commit();
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_EQ(late->results.at(0).outcome, Outcome::kRefused);
  EXPECT_EQ(late->results.at(0).rv, CKR_OBJECT_ALREADY_EXISTS);
  EXPECT_EQ(late->results.at(0).reason, "conflict");
  EXPECT_EQ(to_.Handles().size(), 1u);
}

}  // namespace
}  // namespace cloning
