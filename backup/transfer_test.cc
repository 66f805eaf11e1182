// The courier between two endpoints that do as they are told.
#include "backup/transfer.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace backup {
namespace {

using Outcome = TransferItem::Outcome;
using cloning::Batch;
using cloning::SourceItem;
using cloning::TargetResult;

// Sends "objects" as their handles, a few a message.
class FakeSource : public cloning::Endpoint {
 public:
  absl::StatusOr<base::Bytes> Start() override { return base::Bytes{1}; }
  absl::Status Bind(base::ByteSpan) override { return bind_status; }
  absl::StatusOr<cloning::SealedOffer> Offer(
      absl::Span<const uint64_t> handles) override {
    cloning::SealedOffer offer;
    for (uint64_t handle : handles) {
      if (!offers.has_value() || offers->count(handle) == 0) continue;
      offer.sealed.push_back(static_cast<uint8_t>(handle));
      offer.handles.push_back(answer_for_another ? handle + 1 : handle);
    }
    return offer;
  }
  absl::StatusOr<Batch> Next(absl::Span<const uint64_t> handles) override {
    asked.push_back(handles.size());
    Batch batch;
    for (uint64_t handle : handles) {
      if (batch.items.size() == a_message) break;
      SourceItem item;
      item.handle = answer_for_another ? handle + 1 : handle;
      if (stays.count(handle) > 0) item.rv = CKR_KEY_UNEXTRACTABLE;
      if (item.rv == CKR_OK) {
        batch.sealed.push_back(static_cast<uint8_t>(handle));
      }
      batch.items.push_back(item);
      if (item.rv != CKR_OK) break;
    }
    return batch;
  }
  absl::StatusOr<Batch> End() override {
    ended = true;
    Batch batch;
    batch.end = true;
    return batch;
  }
  absl::StatusOr<base::Bytes> Join(base::ByteSpan) override { return Wrong(); }
  absl::StatusOr<std::vector<TargetResult>> Accept(
      base::ByteSpan, const cloning::AcceptOptions&) override {
    return Wrong();
  }
  absl::StatusOr<std::vector<Item>> List() override { return Wrong(); }
  absl::StatusOr<bool> IsEmpty() override { return Wrong(); }
  absl::StatusOr<std::vector<uint64_t>> Handles() override { return Wrong(); }

  static absl::Status Wrong() { return base::Error(CKR_GENERAL_ERROR, ""); }

  absl::Status bind_status;
  size_t a_message = 2;
  std::set<uint64_t> stays;
  std::optional<std::set<uint64_t>> offers;
  bool answer_for_another = false;
  bool ended = false;
  std::vector<size_t> asked;
};

class FakeTarget : public FakeSource {
 public:
  absl::StatusOr<base::Bytes> Join(base::ByteSpan) override {
    return base::Bytes{2};
  }
  absl::StatusOr<std::vector<cloning::Held>> Compare(
      base::ByteSpan sealed) override {
    std::vector<cloning::Held> held;
    for (uint8_t handle : sealed) {
      held.emplace_back();
      if (holds.count(handle) > 0) held.back() = {{handle}, 100u + handle};
    }
    if (forgets) held.pop_back();
    ++compared;
    return held;
  }
  absl::StatusOr<bool> IsEmpty() override { return there.empty(); }
  absl::StatusOr<std::vector<TargetResult>> Accept(
      base::ByteSpan sealed, const cloning::AcceptOptions& options) override {
    if (--messages_left == 0) return base::Error(CKR_DEVICE_REMOVED, "gone");
    std::vector<TargetResult> results;
    bool stopped = options.on_conflict == cloning::OnConflict::kTakeNothing;
    for (uint8_t handle : sealed) {
      TargetResult result;
      result.handle = 100 + handle;
      if (stopped || refused.count(handle) > 0) {
        result.outcome = TargetResult::Outcome::kRefused;
        result.handle = 0;
        result.rv = stopped ? CKR_CLONE_NOT_ATTEMPTED
                            : CKR_CONTAINER_OBJECT_STORAGE_FULL;
        stopped |= options.stop_at_refusal;
      }
      results.push_back(result);
    }
    if (forgets) results.pop_back();
    return results;
  }

  std::set<uint64_t> refused;
  std::set<uint64_t> holds;
  std::vector<uint64_t> there = {1};
  int compared = 0;
  int messages_left = 1000;
  bool forgets = false;
};

class TransferTest : public testing::Test {
 protected:
  absl::Status Run(std::vector<uint64_t> handles) {
    return Transfer(source_, target_, handles, options_, report_);
  }
  // "stored stored refused": one word an item.
  std::string Outcomes() const {
    constexpr const char* kWords[] = {"stored",   "present", "replaced",
                                      "left-out", "refused", "not-tried"};
    std::string text;
    for (const TransferItem& item : report_.items) {
      absl::StrAppend(&text, text.empty() ? "" : " ",
                      kWords[static_cast<int>(item.outcome)]);
    }
    return text;
  }

  FakeSource source_;
  FakeTarget target_;
  TransferOptions options_;
  TransferReport report_;
};

TEST_F(TransferTest, CarriesAllInSeveralMessages) {
  EXPECT_EQ(Run({1, 2, 3, 4, 5}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "stored stored stored stored stored");
  EXPECT_EQ(report_.items[4].target_handle, 105u);
  EXPECT_TRUE(source_.ended);
  EXPECT_EQ(report_.FirstFailure(), absl::OkStatus());
}

TEST_F(TransferTest, NothingToCarry_IsARunOfItsOwn) {
  EXPECT_EQ(Run({}), absl::OkStatus());
  EXPECT_TRUE(source_.ended);
}

std::vector<uint64_t> Many(size_t count) {
  std::vector<uint64_t> handles(count);
  std::iota(handles.begin(), handles.end(), 1);
  return handles;
}

TEST_F(TransferTest, LongRun_TakesLargerMessagesLater) {
  source_.a_message = 5000;
  target_.there.clear();  // nothing to recognise
  EXPECT_EQ(Run(Many(3000)), absl::OkStatus());
  EXPECT_EQ(source_.asked,
            (std::vector<size_t>{256, 256, 256, 256, 1024, 952}));
}

TEST_F(TransferTest, SourceOfSmallMessages_IsNotAskedForLargeOnes) {
  source_.a_message = 200;
  target_.there.clear();
  EXPECT_EQ(Run(Many(2000)), absl::OkStatus());
  EXPECT_EQ(*std::max_element(source_.asked.begin(), source_.asked.end()),
            256u);
}

// Offers these, and the target holds some of them.
class RecognitionTest : public TransferTest {
 protected:
  RecognitionTest() {
    options_.offer_from = 1;
    source_.offers = {1, 2, 4, 5};
    target_.holds = {1, 4};
  }
};

TEST_F(RecognitionTest, WhatTheTargetHolds_IsNotSent) {
  source_.stays = {1, 4};  // would be left out if they were asked for
  EXPECT_EQ(Run({1, 2, 3, 4, 5}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "present stored stored present stored");
  EXPECT_EQ(report_.items[3].target_handle, 104u);
  EXPECT_EQ(report_.items[3].ouid, hsm::Ouid{4});
  EXPECT_EQ(report_.items[3].rv, CKR_OK);
  EXPECT_EQ(report_.items[4].target_handle, 105u);
  EXPECT_EQ(report_.FirstFailure(), absl::OkStatus());
  EXPECT_TRUE(source_.ended);
}

TEST_F(RecognitionTest, TellsProgressOnce_WhenNothingIsLeft) {
  std::vector<std::pair<size_t, size_t>> told;
  options_.progress = [&](size_t done, size_t total) {
    told.emplace_back(done, total);
    return true;
  };
  EXPECT_EQ(Run({4, 1}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "present present");
  EXPECT_EQ(told, (std::vector<std::pair<size_t, size_t>>{{2, 2}}));
}

TEST_F(RecognitionTest, CancelledBehindIt_TriesNoOther) {
  options_.progress = [](size_t, size_t) { return false; };
  EXPECT_EQ(Run({1, 2, 3}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "present not-tried not-tried");
  EXPECT_EQ(base::CkRv(report_.FirstFailure()), CKR_FUNCTION_CANCELED);
}

TEST_F(RecognitionTest, AFailureLeavesOutWhatIsOpen) {
  source_.stays = {2};
  EXPECT_EQ(Run({2, 4, 5}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "left-out present not-tried");
}

TEST_F(RecognitionTest, AnEmptyTarget_IsNotAsked) {
  target_.there.clear();
  target_.holds.clear();
  EXPECT_EQ(Run({1, 4}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "stored stored");
  EXPECT_EQ(target_.compared, 0);
}

TEST_F(RecognitionTest, FewObjects_AreNotOffered) {
  options_.offer_from = 3;
  EXPECT_EQ(Run({1, 4}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "stored stored");
}

TEST_F(RecognitionTest, AnswersOfAnotherNumber_AreAnError) {
  target_.forgets = true;
  EXPECT_EQ(base::CkRv(Run({1, 2})), CKR_DEVICE_ERROR);
}

TEST_F(RecognitionTest, OffersOfOtherObjects_AreAnError) {
  source_.answer_for_another = true;
  EXPECT_EQ(base::CkRv(Run({4, 1})), CKR_DEVICE_ERROR);
}

TEST_F(TransferTest, StopsBehindAnObjectThatStays) {
  source_.stays = {3};
  EXPECT_EQ(Run({1, 2, 3, 4}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "stored stored left-out not-tried");
  EXPECT_EQ(base::CkRv(report_.FirstFailure()), CKR_KEY_UNEXTRACTABLE);
}

TEST_F(TransferTest, GoesOnBehindAnObjectThatStays_WhenTold) {
  source_.stays = {1, 3};
  options_.continue_on_error = true;
  EXPECT_EQ(Run({1, 2, 3, 4}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "left-out stored left-out stored");
}

TEST_F(TransferTest, StopsBehindARefusal_AlsoWithinAMessage) {
  source_.a_message = 10;
  target_.refused = {2};
  EXPECT_EQ(Run({1, 2, 3}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "stored refused not-tried");
  EXPECT_EQ(base::CkRv(report_.FirstFailure()),
            CKR_CONTAINER_OBJECT_STORAGE_FULL);
}

TEST_F(TransferTest, WhatIsSealedBehindARefusal_IsSentAndNotStored) {
  target_.refused = {2};
  EXPECT_EQ(Run({1, 2, 3, 4, 5, 6}), absl::OkStatus());
  EXPECT_EQ(Outcomes(),
            "stored refused not-tried not-tried not-tried not-tried");
  EXPECT_EQ(target_.messages_left, 1000 - 3);  // two of objects, and the end
  EXPECT_EQ(base::CkRv(report_.FirstFailure()),
            CKR_CONTAINER_OBJECT_STORAGE_FULL);
}

TEST_F(TransferTest, GoesOnBehindARefusal_WhenTold) {
  target_.refused = {2};
  options_.continue_on_error = true;
  EXPECT_EQ(Run({1, 2, 3}), absl::OkStatus());
  EXPECT_EQ(Outcomes(), "stored refused stored");
}

TEST_F(TransferTest, ProgressCancels) {
  options_.progress = [](size_t done, size_t total) {
    EXPECT_EQ(total, 5u);
    return done < 2;
  };
  EXPECT_EQ(Run({1, 2, 3, 4, 5}), absl::OkStatus());
  // The second message was sealed when the first one was stored.
  EXPECT_EQ(Outcomes(), "stored stored not-tried not-tried not-tried");
  EXPECT_EQ(target_.messages_left, 1000 - 3);  // two of objects, and the end
  EXPECT_EQ(base::CkRv(report_.FirstFailure()), CKR_FUNCTION_CANCELED);
  EXPECT_TRUE(source_.ended);
}

TEST_F(TransferTest, RunThatCannotBegin_TriesNothing) {
  source_.bind_status = base::Error(CKR_CERTIFICATE_INVALID, "domain");
  EXPECT_EQ(base::CkRv(Run({1, 2})), CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(Outcomes(), "not-tried not-tried");
}

TEST_F(TransferTest, LinkThatBreaks_ReportsWhatArrived) {
  target_.messages_left = 2;
  EXPECT_EQ(base::CkRv(Run({1, 2, 3, 4})), CKR_DEVICE_REMOVED);
  EXPECT_EQ(Outcomes(), "stored stored not-tried not-tried");
}

TEST_F(TransferTest, SourceThatAnswersForAnotherObject_IsAnError) {
  source_.answer_for_another = true;
  EXPECT_EQ(base::CkRv(Run({1})), CKR_DEVICE_ERROR);
}

TEST_F(TransferTest, TargetThatForgetsAnObject_IsAnError) {
  target_.forgets = true;
  EXPECT_EQ(base::CkRv(Run({1, 2})), CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace backup
