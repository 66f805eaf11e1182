#include "hsm/known_ouids.h"

#include <gtest/gtest.h>

#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::List;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TestHsm;

Ouid Of(uint8_t first) { return Ouid{first}; }

TEST(KnownOuids, NothingIsKnownBefore) {
  KnownOuids known;
  EXPECT_FALSE(known.IsKnownAt(7));
  EXPECT_FALSE(known.Lacks(7, Of(1)));
  known.Add(7, Of(1));
  known.Committed(7);
  EXPECT_FALSE(known.IsKnownAt(8));
}

TEST(KnownOuids, OfAnEmptySpace_FollowsWhatIsMade) {
  KnownOuids known;
  known.BeginEmpty(7);
  EXPECT_TRUE(known.Lacks(7, Of(1)));
  known.Add(7, Of(1));
  EXPECT_FALSE(known.Lacks(7, Of(1)));
  EXPECT_TRUE(known.Lacks(7, Of(2)));
  known.Committed(7);
  known.Committed(7);  // two writes of one commit
  EXPECT_FALSE(known.Lacks(7, Of(2)));
  EXPECT_FALSE(known.Lacks(8, Of(1)));
  EXPECT_TRUE(known.Lacks(8, Of(2)));
  EXPECT_FALSE(known.IsKnownAt(7));
  EXPECT_FALSE(known.Lacks(8, Of(2)));  // forgotten
}

TEST(KnownOuids, AnyOtherGeneration_IsUnknown) {
  KnownOuids known;
  known.BeginEmpty(7);
  EXPECT_FALSE(known.Lacks(8, Of(1)));
  known.Add(8, Of(1));
  known.Committed(8);
  EXPECT_FALSE(known.IsKnownAt(9));
  known.BeginEmpty(kBusyGeneration);
  EXPECT_FALSE(known.IsKnownAt(kBusyGeneration));
}

// Its thread has not told yet that a commit is done when the next write begins.
TEST(KnownOuids, AWriteBeforeTheWordOfTheCommitBefore_ForgetsAll) {
  KnownOuids known;
  known.BeginEmpty(7);
  known.Add(7, Of(1));
  known.Add(8, Of(2));
  known.Committed(7);
  known.Committed(8);
  for (const uint64_t generation : {7, 8, 9}) {
    EXPECT_FALSE(known.Lacks(generation, Of(2))) << generation;
  }
}

// Another write of the same commit has changed values, so that this one has no
// base.
TEST(KnownOuids, AWriteWithoutABaseInTheSameCommit_ForgetsAll) {
  KnownOuids known;
  known.BeginEmpty(7);
  known.Add(7, Of(1));
  known.Add(kBusyGeneration, Of(2));
  known.Committed(7);
  EXPECT_FALSE(known.Lacks(8, Of(2)));
}

TEST(KnownOuids, WhereSomeWereErased_NothingBegins) {
  KnownOuids known;
  known.Erased(7);
  known.BeginEmpty(7);
  EXPECT_FALSE(known.IsKnownAt(7));
  known.BeginEmpty(8);
  EXPECT_TRUE(known.IsKnownAt(8));
}

TEST(KnownOuids, TooMany_AreForgotten) {
  KnownOuids known;
  known.BeginEmpty(7);
  for (size_t i = 0; i <= KnownOuids::kMost; ++i) {
    Ouid ouid{};
    for (size_t byte = 0; byte < 3; ++byte) {
      ouid[byte] = static_cast<uint8_t>(i >> (8 * byte));
    }
    known.Add(7, ouid);
  }
  EXPECT_FALSE(known.IsKnownAt(7));
}

// --- in a partition ----------------------------------------------------------

NewObject Arriving(uint8_t first) {
  NewObject object = SecretKey("1");
  object.attributes.Set(CKA_OUID, Of(first));
  object.origin.emplace();
  object.looked_up = true;
  return object;
}

// Looks for the identities and makes what is missing, in one write, as a target
// does. How many were missing.
size_t Take(Partition& partition, const LoginRef& login,
            std::vector<Ouid> ouids, absl::Status end = absl::OkStatus()) {
  size_t missing = 0;
  const absl::Status status = partition.hsm().Atomically([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto found, partition.FindOuids(login.get(), ouids));
    std::vector<NewObject> made;
    for (size_t i = 0; i < ouids.size(); ++i) {
      EXPECT_TRUE(found[i].ok()) << found[i].status();
      if (*found[i] == nullptr) made.push_back(Arriving(ouids[i][0]));
    }
    missing = made.size();
    RETURN_IF_ERROR(partition.Create(login.get(), std::move(made)).status());
    return end;
  });
  EXPECT_EQ(Rv(status), Rv(end));
  return missing;
}

TEST(KnownOuids, WhatArrivedBefore_IsFound) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  const LoginRef co = MakeOfficer(p);
  EXPECT_EQ(Take(p, co, {Of(1), Of(2)}), 2u);
  EXPECT_EQ(Take(p, co, {Of(2), Of(3)}), 1u);
  EXPECT_EQ(Take(p, co, {Of(1), Of(2), Of(3)}), 0u);
}

TEST(KnownOuids, WhatWasUndone_IsNotThere) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  const LoginRef co = MakeOfficer(p);
  Take(p, co, {Of(1)}, base::Error(CKR_DEVICE_ERROR, "undone"));
  EXPECT_EQ(Take(p, co, {Of(1)}), 1u);
  EXPECT_EQ(Take(p, co, {Of(1)}), 0u);
}

TEST(KnownOuids, WhatAnotherProcessMade_IsFound) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  const LoginRef co = MakeOfficer(p);
  EXPECT_EQ(Take(p, co, {Of(1)}), 1u);
  const auto other = hsm.Another();
  Partition& q = *other->Find(1);
  const LoginRef there = *q.Unlock(Role::kCo, Pin("co-pin-1"));
  EXPECT_EQ(Take(q, there, {Of(2)}), 1u);
  EXPECT_EQ(Take(p, co, {Of(1), Of(2), Of(3)}), 1u);
  EXPECT_EQ(Take(p, co, {Of(3)}), 0u);
}

TEST(KnownOuids, WhatWasDestroyedAndMadeAgain_IsFound) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  const LoginRef co = MakeOfficer(p);
  Take(p, co, {Of(1)});
  ASSERT_TRUE(p.Clear(co.get()).ok());
  EXPECT_EQ(Take(p, co, {Of(1)}), 1u);
  EXPECT_EQ(Take(p, co, {Of(1)}), 0u);
}

}  // namespace
}  // namespace hsm
