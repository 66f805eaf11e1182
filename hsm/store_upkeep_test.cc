#include "hsm/store_upkeep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "hsm/sqlite_store.h"
#include "hsm/temporary_directory.h"

namespace hsm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class StoreUpkeepTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateSqliteStore(directory_.path()).ok());
    store_ = *OpenSqliteStore(directory_.path());
    Fill(50);
  }

  absl::Status PutOne(Transaction& tx, size_t size) {
    Record record;
    ASSIGN_OR_RETURN(record.id, tx.NextId());
    record.size = size;
    record.sealed = Bytes(size, 7);
    last_ = record.id;
    return tx.Put(1, record, {Tag{1}, Tag{2}});
  }
  void Fill(int count) {
    ASSERT_TRUE(store_
                    ->Write(1,
                            [&](Transaction& tx) {
                              for (int i = 0; i < count; ++i) {
                                RETURN_IF_ERROR(PutOne(tx, 2000));
                              }
                              return absl::OkStatus();
                            })
                    .ok());
  }
  void EraseAllBut(uint64_t kept) {
    ASSERT_TRUE(store_
                    ->Write(1,
                            [&](Transaction& tx) {
                              for (uint64_t id = 1; id <= last_; ++id) {
                                if (id == kept) continue;
                                RETURN_IF_ERROR(tx.Delete(1, id));
                              }
                              return absl::OkStatus();
                            })
                    .ok());
  }

  StoreReport Check() {
    const auto report = CheckSqliteStore(directory_.path());
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : StoreReport();
  }
  void Sql(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(directory_.file("hsm.db").c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
  uint64_t last_ = 0;
};

TEST_F(StoreUpkeepTest, SoundStore_HasNoProblems) {
  const StoreReport report = Check();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.records, 50u);
  EXPECT_GE(report.spaces, 1u);
  EXPECT_GT(report.file_bytes + report.log_bytes, 100'000u);
}

TEST_F(StoreUpkeepTest, EveryRule_FindsWhatItIsFor) {
  const struct {
    const char* damage;
    const char* found;
  } kCases[] = {
      {"DELETE FROM space WHERE space = 1", "not listed"},
      {"UPDATE space SET records = records + 1 WHERE space = 1", "counts"},
      {"UPDATE space SET bytes = bytes - 1 WHERE space = 1", "counts"},
      {"UPDATE space SET last_id = 3", "never given out"},
      {"INSERT INTO tag VALUES (1, x'00112233445566778899aabbccddeeff', 999)",
       "tags of records"},
      {"DELETE FROM tag WHERE id = 7", "searches do not find"},
      {"UPDATE record SET tags = x'00' WHERE id = 7", "no HSM writes"},
      {"UPDATE record SET version = 0 WHERE id = 7", "no HSM writes"},
      {"INSERT INTO audit VALUES (1, x'', x'0a'), (3, x'01', x'0a')",
       "lines of the audit log"},
      {"INSERT INTO audit VALUES (1, x'', x'0a')", "where the HSM left it"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.damage);
    store_.reset();
    std::filesystem::remove_all(directory_.path());
    std::filesystem::create_directory(directory_.path());
    last_ = 0;
    SetUp();
    store_.reset();
    Sql(test.damage);
    EXPECT_THAT(Check().problems, Contains(HasSubstr(test.found)));
  }
}

TEST_F(StoreUpkeepTest, DamagedPage_IsFound) {
  Fill(200);
  store_.reset();
  {
    std::fstream file(directory_.file("hsm.db"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4096 * 3, std::ios::end);
    file << std::string(4096, '\xff');
  }
  EXPECT_FALSE(Check().problems.empty());
}

TEST_F(StoreUpkeepTest, Compact_GivesBackFreePages_AndKeepsTheRest) {
  Fill(500);
  EraseAllBut(33);
  const StoreReport before = Check();
  EXPECT_GT(before.free_bytes, before.file_bytes / 2);
  const auto after = CompactSqliteStore(directory_.path());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->free_bytes, 0u);
  EXPECT_LT(after->file_bytes, (before.file_bytes + before.log_bytes) / 4);
  EXPECT_EQ(after->log_bytes, 0u);
  EXPECT_THAT(Check().problems, IsEmpty());
  // The open store reads what is there, and goes on counting.
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    ASSIGN_OR_RETURN(const auto record, reader.Get(1, 33));
                    EXPECT_TRUE(record.has_value());
                    return absl::OkStatus();
                  })
                  .ok());
  const uint64_t last = last_;
  Fill(1);
  EXPECT_EQ(last_, last + 1);
}

TEST_F(StoreUpkeepTest, WritersMeanwhile_LoseNothing) {
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) Fill(1);
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(CompactSqliteStore(directory_.path()).ok());
  }
  writer.join();
  EXPECT_EQ(Check().records, 150u);
}

TEST_F(StoreUpkeepTest, NoStore_IsSaid) {
  TemporaryDirectory empty;
  EXPECT_EQ(base::CkRv(CheckSqliteStore(empty.path()).status()),
            CKR_TOKEN_NOT_PRESENT);
}

}  // namespace
}  // namespace hsm
