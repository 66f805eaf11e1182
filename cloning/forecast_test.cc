// What is told beforehand is what the run does then: the same partitions are
// asked both ways.
#include "cloning/forecast.h"

#include <gtest/gtest.h>

#include "cloning/test_ends.h"
#include "cloning/test_objects.h"
#include "cloning/test_run.h"

namespace cloning {
namespace {

using Outcome = TargetResult::Outcome;

// An object's fate: of both ends, and the code and reason.
struct Fate {
  bool goes = false;
  CK_RV rv = CKR_OK;
  std::string reason;
  bool operator==(const Fate&) const = default;
};
void PrintTo(const Fate& fate, std::ostream* out) {
  *out << (fate.goes ? "goes" : "stays") << " 0x" << std::hex << fate.rv << " "
       << fate.reason;
}

absl::StatusOr<std::vector<Fate>> Foreseen(
    TestPartition& from, TestPartition& to,
    const std::vector<uint64_t>& handles) {
  LocalEndpoint source(from.partition, from.co);
  ASSIGN_OR_RETURN(const hsm::Statement target, to.partition->MakeStatement());
  ASSIGN_OR_RETURN(const SourceForecast sent, source.Forecast(target, handles));
  ASSIGN_OR_RETURN(Room room, Room::Of(*to.partition));
  ASSIGN_OR_RETURN(
      const TargetForecast taken,
      ForecastTarget(*to.partition, to.co.get(), sent.own, sent.objects, room));
  std::vector<Fate> fates;
  size_t next = 0;
  for (const SourceItem& item : sent.items) {
    if (item.rv != CKR_OK) {
      fates.push_back({false, item.rv, item.reason});
      continue;
    }
    const TargetResult& result = taken.results.at(next++);
    fates.push_back(
        {result.outcome != Outcome::kRefused, result.rv, result.reason});
  }
  return fates;
}

absl::StatusOr<std::vector<Fate>> Done(TestPartition& from, TestPartition& to,
                                       const std::vector<uint64_t>& handles) {
  LocalEndpoint source(from.partition, from.co);
  LocalEndpoint target(to.partition, to.co);
  ASSIGN_OR_RETURN(const Bytes hello, source.Start());
  ASSIGN_OR_RETURN(const Bytes reply, target.Join(hello));
  RETURN_IF_ERROR(source.Bind(reply));
  std::vector<Fate> fates;
  const absl::Span<const uint64_t> all(handles);
  while (fates.size() < all.size()) {
    ASSIGN_OR_RETURN(const Batch batch, source.Next(all.subspan(fates.size())));
    std::vector<TargetResult> results;
    if (!batch.sealed.empty()) {
      ASSIGN_OR_RETURN(results, target.Accept(batch.sealed, {}));
    }
    size_t next = 0;
    for (const SourceItem& item : batch.items) {
      if (item.rv != CKR_OK) {
        fates.push_back({false, item.rv, item.reason});
        continue;
      }
      const TargetResult& result = results.at(next++);
      fates.push_back(
          {result.outcome != Outcome::kRefused, result.rv, result.reason});
    }
  }
  return fates;
}

hsm::HsmSpec Luna(hsm::HsmSpec spec, const std::string& model,
                  hsm::FirmwareVersion firmware) {
  spec.model = model;
  spec.firmware = firmware;
  return spec;
}

// Both ways, with the same end. Nothing changes by being told.
std::vector<Fate> ExpectSame(TestPartition& from, TestPartition& to,
                             const std::vector<uint64_t>& handles) {
  const std::vector<uint64_t> sources = from.Handles(), before = to.Handles();
  const auto foreseen = Foreseen(from, to, handles);
  EXPECT_EQ(from.Handles(), sources);
  EXPECT_EQ(to.Handles(), before);
  const auto done = Done(from, to, handles);
  EXPECT_EQ(base::CkRv(foreseen.status()), base::CkRv(done.status()))
      << foreseen.status() << done.status();
  EXPECT_EQ(base::Reason(foreseen.status()), base::Reason(done.status()));
  if (!foreseen.ok() || !done.ok()) return {};
  EXPECT_EQ(*foreseen, *done);
  return *foreseen;
}

TEST(ForecastTest, EachFirmwareOfBoth_IsAsInTheRun) {
  int refused = 0, goes = 0;
  for (const hsm::FirmwareVersion app :
       {hsm::FirmwareVersion{7, 0, 1}, hsm::FirmwareVersion{7, 4, 0},
        hsm::FirmwareVersion{7, 7, 0}, hsm::FirmwareVersion{7, 8, 0}}) {
    TestHsm source(Luna(TestHsm::ApplicationSpec(), "luna-k7", app));
    TestPartition from = source.Make();
    const std::vector<uint64_t> handles = {from.Add(AesKey("aes")),
                                           from.Add(RsaPrivateKey("rsa"))};
    for (const hsm::FirmwareVersion backup :
         {hsm::FirmwareVersion{7, 3, 2}, hsm::FirmwareVersion{7, 7, 1},
          hsm::FirmwareVersion{7, 7, 2}}) {
      SCOPED_TRACE(app.ToString() + " -> " + backup.ToString());
      TestHsm device(Luna(TestHsm::BackupSpec(), "luna-g7-backup", backup));
      TestPartition to = device.Make();
      const std::vector<Fate> fates = ExpectSame(from, to, handles);
      fates.empty() || !fates[0].goes ? ++refused : ++goes;
    }
  }
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(goes, 10);
}

class ForecastOfOneTest : public ::testing::Test {
 protected:
  TestHsm app;
  TestHsm backup{TestHsm::BackupSpec()};
  TestPartition from = app.Make();
};

TEST_F(ForecastOfOneTest, PolicyOfTheSource_LeavesOut) {
  TestPartition to = backup.Make();
  from.SetPolicy(hsm::partition_policy::kPrivateKeyCloning, 0);
  const auto fates = ExpectSame(
      from, to, {from.Add(AesKey("aes")), from.Add(RsaPrivateKey("rsa"))});
  ASSERT_EQ(fates.size(), 2u);
  EXPECT_TRUE(fates[0].goes);
  EXPECT_EQ(fates[1].reason, "cloning-policy");
}

TEST_F(ForecastOfOneTest, PolicyOfTheTarget_Refuses) {
  TestPartition to = backup.Make();
  to.SetPolicy(hsm::partition_policy::kSecretKeyCloning, 0);
  const auto fates = ExpectSame(
      from, to, {from.Add(AesKey("aes")), from.Add(RsaPrivateKey("rsa"))});
  ASSERT_EQ(fates.size(), 2u);
  EXPECT_EQ(fates[0].reason, "cloning-policy");
  EXPECT_TRUE(fates[1].goes);
}

TEST_F(ForecastOfOneTest, Room_EndsAtTheSameObject) {
  std::vector<uint64_t> handles;
  for (uint8_t i = 1; i <= 6; ++i) handles.push_back(from.Add(AesKey("k", i)));
  TestPartition first = backup.Make();
  EXPECT_TRUE(ExpectSame(from, first, handles).back().goes);
  // Bytes that four of them take.
  const uint64_t used = first.partition->Storage()->used / 6 * 4;
  TestPartition to = backup.Make({.capacity = used + 10});
  const auto fates = ExpectSame(from, to, handles);
  ASSERT_EQ(fates.size(), 6u);
  EXPECT_TRUE(fates[3].goes);
  EXPECT_EQ(fates[4].rv, CKR_CONTAINER_OBJECT_STORAGE_FULL);
  EXPECT_EQ(fates[5].rv, CKR_CONTAINER_OBJECT_STORAGE_FULL);
}

TEST_F(ForecastOfOneTest, WhatIsThere_IsSaidToBePresent) {
  TestPartition to = backup.Make();
  const std::vector<uint64_t> handles = {from.Add(AesKey("aes"))};
  ASSERT_TRUE(Done(from, to, handles).ok());
  LocalEndpoint source(from.partition, from.co);
  const auto sent =
      source.Forecast(to.partition->MakeStatement().value(), handles).value();
  Room room = Room::Of(*to.partition).value();
  const auto taken =
      ForecastTarget(*to.partition, to.co.get(), sent.own, sent.objects, room)
          .value();
  EXPECT_EQ(taken.results.at(0).outcome, Outcome::kPresent);
  EXPECT_EQ(taken.results.at(0).handle, to.Handles().at(0));
}

TEST_F(ForecastOfOneTest, MissingDomainAndObject_AreToldAsInTheRun) {
  TestPartition to = backup.Make();
  TestPartition without = app.Make({}, "");
  ExpectSame(without, to, {without.Add(AesKey("aes"))});
  EXPECT_EQ(base::CkRv(Foreseen(without, to, {1}).status()),
            CKR_CLONING_PARAMETER_MISSING);
  const auto fates = ExpectSame(from, to, {4711});
  ASSERT_EQ(fates.size(), 1u);
  EXPECT_EQ(fates[0].rv, CKR_OBJECT_HANDLE_INVALID);
}

}  // namespace
}  // namespace cloning
