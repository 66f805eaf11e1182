// What every store promises of the audit log.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "hsm/joined_store.h"
#include "hsm/sqlite_store.h"
#include "hsm/store.h"
#include "hsm/temporary_directory.h"
#include "hsm/test_stores.h"

namespace hsm {
namespace {

constexpr SpaceId kSpace = 3;

AuditRow Row(uint64_t seq, uint8_t byte = 7) {
  return {seq, {byte, static_cast<uint8_t>(seq)}, {byte}};
}

class AuditStoreTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "Memory") {
      store_ = NewMemoryStore();
    } else if (GetParam() == "Fault") {
      store_ = std::make_unique<FaultStore>(NewMemoryStore());
    } else {
      ASSERT_TRUE(CreateSqliteStore(directory_.path()).ok());
      auto opened = OpenSqliteStore(directory_.path());
      ASSERT_TRUE(opened.ok()) << opened.status();
      store_ = *std::move(opened);
    }
    if (GetParam() == "Joined") {
      store_ = std::make_unique<JoinedStore>(std::move(store_));
    }
  }

  absl::Status Append(const AuditRow& row) {
    return store_->Write(kSpace,
                         [&](Transaction& tx) { return tx.AppendAudit(row); });
  }

  std::vector<AuditRow> All(uint64_t from = 0, size_t limit = 1000) {
    std::vector<AuditRow> rows;
    EXPECT_TRUE(store_
                    ->Read([&](Reader& reader) -> absl::Status {
                      ASSIGN_OR_RETURN(rows, reader.ReadAudit(from, limit));
                      return absl::OkStatus();
                    })
                    .ok());
    return rows;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, AuditStoreTest,
                         testing::Values("Sqlite", "Memory", "Fault", "Joined"),
                         [](const auto& param) { return param.param; });

TEST_P(AuditStoreTest, NewStore_HasNoLines) {
  EXPECT_TRUE(All().empty());
  EXPECT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    auto last = reader.LastAudit();
                    EXPECT_TRUE(last.ok() && !last->has_value());
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(AuditStoreTest, OnlyTheLastLine_HasAMark) {
  ASSERT_TRUE(Append(Row(1)).ok());
  ASSERT_TRUE(Append(Row(2)).ok());
  const std::vector<AuditRow> rows = All();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].line, Row(1).line);
  EXPECT_EQ(rows[0].mark, Bytes());
  EXPECT_EQ(rows[1].line, Row(2).line);
  EXPECT_EQ(rows[1].mark, Row(2).mark);
}

TEST_P(AuditStoreTest, MarkAudit_ReplacesTheLastMark) {
  ASSERT_TRUE(Append(Row(1)).ok());
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) {
                            return tx.MarkAudit(Bytes{9, 9});
                          })
                  .ok());
  EXPECT_EQ(All()[0].mark, (Bytes{9, 9}));
}

TEST_P(AuditStoreTest, AnotherNumberThanTheNext_IsRefused) {
  ASSERT_TRUE(Append(Row(5)).ok());
  EXPECT_EQ(base::CkRv(Append(Row(5))), CKR_GENERAL_ERROR);
  EXPECT_EQ(base::CkRv(Append(Row(7))), CKR_GENERAL_ERROR);
  EXPECT_EQ(base::CkRv(Append(Row(4))), CKR_GENERAL_ERROR);
  EXPECT_TRUE(Append(Row(6)).ok());
}

TEST_P(AuditStoreTest, ReadAudit_BeginsAndEndsWhereItIsTold) {
  for (uint64_t seq = 1; seq <= 5; ++seq) ASSERT_TRUE(Append(Row(seq)).ok());
  const std::vector<AuditRow> rows = All(2, 3);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].seq, 2u);
  EXPECT_EQ(rows[2].seq, 4u);
}

TEST_P(AuditStoreTest, DropAudit_LeavesTheLastLine) {
  for (uint64_t seq = 1; seq <= 3; ++seq) ASSERT_TRUE(Append(Row(seq)).ok());
  const auto drop = [&](uint64_t last) {
    return store_->Write(kSpace,
                         [&](Transaction& tx) { return tx.DropAudit(last); });
  };
  EXPECT_EQ(base::CkRv(drop(3)), CKR_GENERAL_ERROR);
  EXPECT_TRUE(drop(2).ok());
  ASSERT_EQ(All().size(), 1u);
  EXPECT_EQ(All()[0].seq, 3u);
  EXPECT_TRUE(Append(Row(4)).ok());
}

TEST_P(AuditStoreTest, FailedWrite_LeavesNoLine) {
  ASSERT_TRUE(Append(Row(1)).ok());
  const absl::Status status =
      store_->Write(kSpace, [&](Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(tx.AppendAudit(Row(2)));
        return base::Error(CKR_DEVICE_ERROR, "wanted");
      });
  EXPECT_FALSE(status.ok());
  ASSERT_EQ(All().size(), 1u);
  EXPECT_EQ(All()[0].mark, Row(1).mark);
}

TEST_P(AuditStoreTest, NestedWorkThatFails_LeavesNoLine) {
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) -> absl::Status {
                            RETURN_IF_ERROR(tx.AppendAudit(Row(1)));
                            tx.Nested([&]() -> absl::Status {
                                RETURN_IF_ERROR(tx.AppendAudit(Row(2)));
                                return base::Error(CKR_DEVICE_ERROR, "wanted");
                              }).IgnoreError();
                            return tx.AppendAudit(Row(2, 8));
                          })
                  .ok());
  ASSERT_EQ(All().size(), 2u);
  EXPECT_EQ(All()[1].line, Row(2, 8).line);
}

TEST_P(AuditStoreTest, ManyLinesInOneWrite_LeaveOneMark) {
  ASSERT_TRUE(Append(Row(1)).ok());
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) -> absl::Status {
                            RETURN_IF_ERROR(tx.AppendAudit(Row(2)));
                            RETURN_IF_ERROR(tx.MarkAudit(Bytes{7}));
                            RETURN_IF_ERROR(tx.AppendAudit({3, {3}, {}}));
                            RETURN_IF_ERROR(tx.AppendAudit({4, {4}, {}}));
                            RETURN_IF_ERROR(tx.DropAudit(1));
                            return tx.MarkAudit(Bytes{9});
                          })
                  .ok());
  const std::vector<AuditRow> rows = All();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].mark, Bytes());
  EXPECT_EQ(rows[1].mark, Bytes());
  EXPECT_EQ(rows[2].mark, Bytes{9});
}

TEST_P(AuditStoreTest, MarkOfNestedWorkThatFails_IsStillTaken) {
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) -> absl::Status {
                            RETURN_IF_ERROR(tx.AppendAudit(Row(1)));
                            tx.Nested([&]() -> absl::Status {
                                RETURN_IF_ERROR(tx.MarkAudit({}));
                                return base::Error(CKR_DEVICE_ERROR, "wanted");
                              }).IgnoreError();
                            return tx.AppendAudit(Row(2));
                          })
                  .ok());
  ASSERT_EQ(All().size(), 2u);
  EXPECT_EQ(All()[0].mark, Bytes());
  EXPECT_EQ(All()[1].mark, Row(2).mark);
}

TEST_P(AuditStoreTest, ALine_MovesNoGeneration) {
  const uint64_t before = store_->Generation(kSpace);
  ASSERT_TRUE(Append(Row(1)).ok());
  EXPECT_EQ(store_->Generation(kSpace), before);
}

TEST_P(AuditStoreTest, DropSpace_LeavesTheLog) {
  ASSERT_TRUE(Append(Row(1)).ok());
  ASSERT_TRUE(
      store_->Write(0, [&](Transaction& tx) { return tx.DropSpace(0); }).ok());
  EXPECT_EQ(All().size(), 1u);
}

TEST(JoinedAuditTest, AfterCommit_RunsOnceItIsDurableAndNeverElse) {
  JoinedStore store(NewMemoryStore());
  std::string ran;
  const auto note = [&](const char* what) {
    store.AfterCommit([&ran, what] { ran += what; });
  };
  ASSERT_TRUE(store
                  .Write(0,
                         [&](Transaction& tx) -> absl::Status {
                           note("a");
                           store
                               .Write(0,
                                      [&](Transaction&) {
                                        note("b");
                                        return base::Error(CKR_DEVICE_ERROR,
                                                           "wanted");
                                      })
                               .IgnoreError();
                           note("c");
                           EXPECT_EQ(ran, "");
                           return tx.PutValue(0, "x", Bytes{1});
                         })
                  .ok());
  EXPECT_EQ(ran, "ac");
  EXPECT_FALSE(store
                   .Write(0,
                          [&](Transaction&) {
                            note("d");
                            return base::Error(CKR_DEVICE_ERROR, "wanted");
                          })
                   .ok());
  EXPECT_EQ(ran, "ac");
}

}  // namespace
}  // namespace hsm
