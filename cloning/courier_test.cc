// What a hostile courier gets from two endpoints: the message is refused, the
// run is over, and the target holds what it held before.
#include <gtest/gtest.h>

#include <utility>

#include "cloning/local_endpoint.h"
#include "cloning/run_table.h"
#include "cloning/test_ends.h"
#include "cloning/test_objects.h"
#include "cloning/test_run.h"

namespace cloning {
namespace {

using base::CkRv;

class CourierTest : public ::testing::Test {
 protected:
  struct Shared {
    TestHsm app;
    TestPartition from = app.Make();
    TestPartition to = app.Make();
    uint64_t one = from.Add(AesKey("one"));
    uint64_t two = from.Add(RsaPrivateKey("two"));
  };
  static Shared& shared() {
    static Shared* const shared = new Shared();
    return *shared;
  }

  CourierTest() { EXPECT_TRUE(to.partition->Clear(to.co.get()).ok()); }

  // Refused, and nothing but `held` objects are there.
  void ExpectRefused(LocalEndpoint& target, ByteSpan sealed, size_t held) {
    EXPECT_EQ(CkRv(target.Accept(sealed, {}).status()), CKR_DEVICE_ERROR);
    EXPECT_EQ(CkRv(target.Accept(sealed, {}).status()),
              CKR_OPERATION_NOT_INITIALIZED);
    EXPECT_EQ(to.Handles().size(), held);
    EXPECT_FALSE(target.ended());
  }

  TestPartition& from = shared().from;
  TestPartition& to = shared().to;
  const uint64_t one = shared().one;
  const uint64_t two = shared().two;
};

Bytes Altered(Bytes message, size_t byte) {
  message[byte] ^= 0x10;
  return message;
}

TEST_F(CourierTest, AlteredFirstBatch_ChangesNothing) {
  for (size_t part = 0; part < 16; ++part) {
    SCOPED_TRACE(part);
    TestRun run = TestRun::Between(from, to);
    const Bytes sealed = run.source.Next({one, two}).value().sealed;
    ExpectRefused(run.target, Altered(sealed, part * (sealed.size() - 1) / 15),
                  0);
  }
}

TEST_F(CourierTest, AlteredLaterBatch_KeepsWhatWasAcceptedBefore) {
  TestRun run = TestRun::Between(from, to);
  ASSERT_TRUE(run.Carry({one}).ok());
  const Bytes sealed = run.source.Next({two}).value().sealed;
  ExpectRefused(run.target, Altered(sealed, sealed.size() - 1), 1);
}

TEST_F(CourierTest, AlteredEnd_DoesNotCompleteTheRun) {
  TestRun run = TestRun::Between(from, to);
  ASSERT_TRUE(run.Carry({one}).ok());
  const Bytes sealed = run.source.End().value().sealed;
  ExpectRefused(run.target, Altered(sealed, sealed.size() - 1), 1);
}

TEST_F(CourierTest, DroppedBatch_IsNoticedAtTheEnd) {
  TestRun run = TestRun::Between(from, to);
  ASSERT_TRUE(run.Carry({one}).ok());
  ASSERT_TRUE(run.source.Next({two}).ok());
  ExpectRefused(run.target, run.source.End().value().sealed, 1);
}

TEST_F(CourierTest, RepeatedBatch_IsRefused) {
  TestRun run = TestRun::Between(from, to);
  const Bytes sealed = run.source.Next({one}).value().sealed;
  ASSERT_TRUE(run.target.Accept(sealed, {}).ok());
  ExpectRefused(run.target, sealed, 1);
}

TEST_F(CourierTest, ReorderedBatches_AreRefused) {
  TestRun run = TestRun::Between(from, to);
  ASSERT_TRUE(run.source.Next({one}).ok());
  ExpectRefused(run.target, run.source.Next({two}).value().sealed, 0);
}

TEST_F(CourierTest, TruncatedBatch_IsRefused) {
  TestRun run = TestRun::Between(from, to);
  Bytes sealed = run.source.Next({one, two}).value().sealed;
  sealed.resize(sealed.size() - 100);
  ExpectRefused(run.target, sealed, 0);
}

TEST_F(CourierTest, BatchOfAnotherRun_IsRefused) {
  TestRun run = TestRun::Between(from, to);
  TestRun other = TestRun::Between(from, to);
  ExpectRefused(run.target, other.source.Next({one}).value().sealed, 0);
}

TEST_F(CourierTest, RepliesOfTwoRunsSwapped_AreRefused) {
  LocalEndpoint source(from.partition, from.co), other(from.partition, from.co);
  LocalEndpoint target(to.partition, to.co);
  ASSERT_TRUE(source.Start().ok());
  const Bytes reply = target.Join(other.Start().value()).value();
  EXPECT_EQ(CkRv(source.Bind(reply)), CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(source.Bind(reply)), CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(CourierTest, ReplayedRun_MeetsAFreshTarget) {
  LocalEndpoint source(from.partition, from.co);
  LocalEndpoint target(to.partition, to.co), again(to.partition, to.co);
  const Bytes hello = source.Start().value();
  ASSERT_TRUE(source.Bind(target.Join(hello).value()).ok());
  const Bytes sealed = source.Next({one}).value().sealed;
  ASSERT_TRUE(again.Join(hello).ok());  // The old hello is answered...
  ExpectRefused(again, sealed, 0);      // ... and good for nothing.
}

TEST_F(CourierTest, HelloSentBackToItsSource_IsRefused) {
  LocalEndpoint source(from.partition, from.co), same(from.partition, from.co);
  const Bytes hello = source.Start().value();
  EXPECT_EQ(CkRv(same.Join(hello).status()), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(CkRv(source.Bind(hello)), CKR_DEVICE_ERROR);
}

TEST_F(CourierTest, AlteredHello_IsRefused) {
  LocalEndpoint source(from.partition, from.co);
  const Bytes hello = source.Start().value();
  for (size_t byte = 0; byte < hello.size(); byte += 50) {
    LocalEndpoint target(to.partition, to.co);
    EXPECT_EQ(CkRv(target.Join(Altered(hello, byte)).status()),
              CKR_DEVICE_ERROR)
        << byte;
  }
}

TEST_F(CourierTest, UnknownOptions_AreRefused) {
  TestRun run = TestRun::Between(from, to);
  EXPECT_EQ(CkRv(run.Carry({one}, {.on_conflict = static_cast<OnConflict>(7)})
                     .status()),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(to.Handles().size(), 0u);
}

// --- the table of the low-level calls ---

class RunTableTest : public CourierTest {
 protected:
  std::unique_ptr<Endpoint> At(TestPartition& place) {
    return std::make_unique<LocalEndpoint>(place.partition, place.co);
  }
  Bytes Open() {
    const Bytes hello = sources.Start(At(from)).value();
    return targets.Join(At(to), hello).value();
  }

  RunTable sources;
  RunTable targets;
};

TEST_F(RunTableTest, SameReplyAgain_ContinuesItsRun) {
  const Bytes reply = Open();
  const auto first = targets.AcceptOne(sources.SealOne(reply, one).value(), {});
  const auto second =
      targets.AcceptOne(sources.SealOne(reply, two).value(), {});
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(to.Content(second->handle) == from.Content(two));
}

TEST_F(RunTableTest, SizeQueries_SealNothingAndUseNoNumber) {
  const Bytes reply = Open();
  const size_t size = sources.SizeOfOne(reply, one).value();
  EXPECT_EQ(sources.SizeOfOne(reply, one).value(), size);
  const Bytes sealed = sources.SealOne(reply, one).value();
  EXPECT_EQ(sealed.size(), size);
  EXPECT_TRUE(targets.AcceptOne(sealed, {}).ok());
}

TEST_F(RunTableTest, ObjectThatIsNotThere_LeavesTheRunAlive) {
  const Bytes reply = Open();
  EXPECT_EQ(CkRv(sources.SealOne(reply, 4711).status()),
            CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(CkRv(sources.SizeOfOne(reply, 4711).status()),
            CKR_OBJECT_HANDLE_INVALID);
  EXPECT_TRUE(targets.AcceptOne(sources.SealOne(reply, one).value(), {}).ok());
}

TEST_F(RunTableTest, TwoRuns_AreKeptApart) {
  const Bytes reply = Open(), other = Open();
  const Bytes sealed = sources.SealOne(reply, one).value();
  const Bytes other_sealed = sources.SealOne(other, two).value();
  EXPECT_TRUE(targets.AcceptOne(other_sealed, {}).ok());
  EXPECT_TRUE(targets.AcceptOne(sealed, {}).ok());
}

TEST_F(RunTableTest, SecondReplyToOneHello_IsRefusedAndTheRunStays) {
  const Bytes hello = sources.Start(At(from)).value();
  const Bytes reply = targets.Join(At(to), hello).value();
  const Bytes second = targets.Join(At(to), hello).value();
  ASSERT_TRUE(sources.SealOne(reply, one).ok());
  EXPECT_EQ(CkRv(sources.SealOne(second, one).status()),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_TRUE(sources.SealOne(reply, two).ok());
}

TEST_F(RunTableTest, UnknownBytes_BelongToNoRun) {
  EXPECT_EQ(CkRv(sources.SealOne(Bytes(500, 3), one).status()),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(CkRv(targets.AcceptOne(Bytes(500, 3), {}).status()),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(CkRv(sources.SealOne(Bytes(5, 3), one).status()), CKR_DEVICE_ERROR);
}

TEST_F(RunTableTest, AlteredMessage_EndsItsRun) {
  const Bytes reply = Open();
  const Bytes sealed = sources.SealOne(reply, one).value();
  EXPECT_EQ(
      CkRv(targets.AcceptOne(Altered(sealed, sealed.size() - 1), {}).status()),
      CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(targets.AcceptOne(sealed, {}).status()),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(to.Handles().size(), 0u);
}

TEST_F(RunTableTest, SeventeenthRun_PushesTheOldestOut) {
  const Bytes oldest = Open();
  const Bytes next = Open();
  for (size_t i = 2; i < RunTable::kMaxRuns + 1; ++i) Open();
  EXPECT_EQ(CkRv(sources.SealOne(oldest, one).status()),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_TRUE(sources.SealOne(next, one).ok());
}

TEST_F(RunTableTest, Clear_ForgetsAllRuns) {
  const Bytes reply = Open();
  const Bytes sealed = sources.SealOne(reply, one).value();
  sources.Clear();
  targets.Clear();
  EXPECT_EQ(CkRv(sources.SealOne(reply, two).status()),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(CkRv(targets.AcceptOne(sealed, {}).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

}  // namespace
}  // namespace cloning
