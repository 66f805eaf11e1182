// The store on disk: its files, what it refuses, and its change counters. What
// it shares with other stores is in store_contract_test.cc, what concerns
// several processes in sqlite_process_test.cc.
#include "hsm/sqlite_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "hsm/change_counter.h"
#include "hsm/store_upkeep.h"
#include "hsm/temporary_directory.h"

namespace hsm {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class SqliteStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateSqliteStore(directory_.path()).ok());
  }

  std::unique_ptr<Store> Open() {
    auto opened = OpenSqliteStore(directory_.path());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  absl::Status OpenError() {
    return OpenSqliteStore(directory_.path()).status();
  }

  // Edits the database behind the store's back; no store may be open.
  void Sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(directory_.file("hsm.db").c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  // Overwrites bytes of a file.
  void Poke(const std::string& name, off_t at, const std::string& bytes) {
    std::fstream file(directory_.file(name),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file << bytes;
    ASSERT_TRUE(file.good());
  }

  TemporaryDirectory directory_;
};

absl::Status Insert(Store& store, uint64_t* id = nullptr, size_t size = 10) {
  return store.Write(1, [&](Transaction& tx) {
    Record record;
    ASSIGN_OR_RETURN(record.id, tx.NextId());
    record.sealed = Bytes(size, 7);
    if (id != nullptr) *id = record.id;
    return tx.Put(1, record, {Tag{1}, Tag{2}});
  });
}

absl::StatusOr<uint64_t> Count(Store& store) {
  uint64_t count = 0;
  RETURN_IF_ERROR(store.Read([&](Reader& reader) {
    ASSIGN_OR_RETURN(const SpaceUsage usage, reader.Usage(1));
    count = usage.records;
    return absl::OkStatus();
  }));
  return count;
}

TEST_F(SqliteStoreTest, Files_AreTheOwnersOnly) {
  auto store = Open();
  ASSERT_TRUE(Insert(*store).ok());
  for (const char* name :
       {"hsm.db", "hsm.db-wal", "hsm.db-shm", "changes", "writer", "reserve"}) {
    struct stat file;
    ASSERT_EQ(stat(directory_.file(name).c_str(), &file), 0) << name;
    EXPECT_EQ(file.st_mode & 07777, 0600u) << name;
  }
}

TEST_F(SqliteStoreTest, OrderlyClose_LeavesNoLog) {
  ASSERT_TRUE(Insert(*Open()).ok());
  EXPECT_FALSE(fs::exists(directory_.file("hsm.db-wal")));
  EXPECT_EQ(*Count(*Open()), 1u);
}

TEST_F(SqliteStoreTest, CreateWhereOneIs_FailsAndKeepsIt) {
  ASSERT_TRUE(Insert(*Open()).ok());
  const absl::Status status = CreateSqliteStore(directory_.path());
  EXPECT_EQ(base::CkRv(status), CKR_DEVICE_ERROR);
  EXPECT_THAT(std::string(status.message()), HasSubstr("hsm.db: create"));
  EXPECT_EQ(*Count(*Open()), 1u);
}

// The counter is not authenticated: an id that it gives out must still be free.
TEST_F(SqliteStoreTest, LoweredLastId_GivesNoLivingIdOut) {
  uint64_t first = 0, second = 0;
  ASSERT_TRUE(Insert(*Open(), &first).ok());
  Sql("UPDATE space SET last_id = 0");
  ASSERT_TRUE(Insert(*Open(), &second).ok());
  EXPECT_EQ(second, first + 1);
  EXPECT_EQ(*Count(*Open()), 2u);
}

TEST_F(SqliteStoreTest, Missing_IsTokenNotPresent) {
  TemporaryDirectory empty;
  EXPECT_EQ(base::CkRv(OpenSqliteStore(empty.path()).status()),
            CKR_TOKEN_NOT_PRESENT);
  EXPECT_EQ(base::CkRv(OpenSqliteStore(empty.file("nowhere")).status()),
            CKR_TOKEN_NOT_PRESENT);
}

// Version 1 as its release made it.
constexpr char kToVersion1[] = "DROP TABLE audit; PRAGMA user_version = 1";

TEST_F(SqliteStoreTest, OlderVersion_IsUpgradedByTheFirstThatOpensIt) {
  uint64_t id = 0;
  {
    auto store = Open();
    ASSERT_TRUE(Insert(*store, &id).ok());
  }
  Sql(kToVersion1);
  auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(CheckSqliteStore(directory_.path())->version, kNewestStoreVersion);
  EXPECT_EQ(*Count(*store), 1u);
  EXPECT_TRUE(Insert(*store).ok());
  EXPECT_TRUE(store
                  ->Write(0,
                          [](Transaction& tx) {
                            return tx.AppendAudit({1, Bytes{'a'}, Bytes{'b'}});
                          })
                  .ok());
}

TEST_F(SqliteStoreTest, OlderVersion_OpenedByManyAtOnce_IsUpgradedOnce) {
  Sql(kToVersion1);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(Insert(*Open()).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*Count(*Open()), 8u);
}

// An upgrade that fails leaves the older version, whole.
TEST_F(SqliteStoreTest, UpgradeThatFails_ChangesNothing) {
  Sql("DROP TABLE audit; CREATE INDEX audit ON tag (id); "
      "PRAGMA user_version = 1");
  EXPECT_FALSE(OpenError().ok());
  Sql("DROP INDEX audit");
  EXPECT_TRUE(OpenError().ok());
}

TEST_F(SqliteStoreTest, UnknownVersion_IsRefusedByName) {
  Sql("PRAGMA user_version = 99");
  const absl::Status status = OpenError();
  EXPECT_EQ(base::CkRv(status), CKR_TOKEN_NOT_RECOGNIZED);
  EXPECT_THAT(std::string(status.message()), HasSubstr("store version 99"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory_.path()));
}

TEST_F(SqliteStoreTest, ForeignDatabase_IsNotRecognized) {
  Sql("PRAGMA application_id = 0");
  EXPECT_EQ(base::CkRv(OpenError()), CKR_TOKEN_NOT_RECOGNIZED);
}

TEST_F(SqliteStoreTest, GarbageFile_IsNotRecognized) {
  Poke("hsm.db", 0, std::string(4096, 'x'));
  const absl::Status status = OpenError();
  EXPECT_EQ(base::CkRv(status), CKR_TOKEN_NOT_RECOGNIZED);
  EXPECT_THAT(std::string(status.message()), HasSubstr("hsm.db"));
}

TEST_F(SqliteStoreTest, TruncatedFile_IsAnError) {
  {
    auto store = Open();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Insert(*store, nullptr, 900).ok());
  }
  fs::resize_file(directory_.file("hsm.db"), 3 * 4096);
  const absl::Status status = OpenError();
  EXPECT_EQ(base::CkRv(status), CKR_TOKEN_NOT_RECOGNIZED) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("hsm.db"));
}

TEST_F(SqliteStoreTest, DamagedPages_AreErrorsWhenTheyAreRead) {
  uint64_t id = 0;
  {
    auto store = Open();
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(Insert(*store, &id, 2000).ok());
    }
  }
  const auto size = fs::file_size(directory_.file("hsm.db"));
  for (off_t page = 8; page < static_cast<off_t>(size / 4096); ++page) {
    Poke("hsm.db", page * 4096, std::string(64, '\xff'));
  }
  auto store = Open();
  ASSERT_NE(store, nullptr);
  const absl::Status status = store->Read([&](Reader& reader) {
    for (uint64_t i = 1; i <= id; ++i) {
      RETURN_IF_ERROR(reader.Get(1, i).status());
    }
    return absl::OkStatus();
  });
  EXPECT_EQ(base::CkRv(status), CKR_DEVICE_ERROR) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("hsm.db"));
}

TEST_F(SqliteStoreTest, LinkedFile_IsRefused) {
  fs::rename(directory_.file("hsm.db"), directory_.file("elsewhere"));
  fs::create_symlink(directory_.file("elsewhere"), directory_.file("hsm.db"));
  EXPECT_EQ(base::CkRv(OpenError()), CKR_TOKEN_NOT_RECOGNIZED);
}

TEST_F(SqliteStoreTest, LinkedCountersAndLock_AreRefused) {
  fs::rename(directory_.file("changes"), directory_.file("elsewhere"));
  fs::create_symlink(directory_.file("elsewhere"), directory_.file("changes"));
  EXPECT_EQ(base::CkRv(OpenError()), CKR_DEVICE_ERROR);
  fs::rename(directory_.file("elsewhere"), directory_.file("changes"));
  fs::remove(directory_.file("writer"));
  fs::create_symlink("/dev/null", directory_.file("writer"));
  EXPECT_EQ(base::CkRv(OpenError()), CKR_DEVICE_ERROR);
}

TEST_F(SqliteStoreTest, DirectoryBehindALink_Opens) {
  TemporaryDirectory other;
  fs::create_symlink(directory_.path(), other.file("strange ?#%41 name"));
  auto store = OpenSqliteStore(other.file("strange ?#%41 name"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(Insert(**store).ok());
}

TEST_F(SqliteStoreTest, DirectoryWithStrangeName_Works) {
  const std::string path = directory_.file("a b?c#d%65&immutable=1;'\"");
  fs::create_directory(path);
  ASSERT_TRUE(CreateSqliteStore(path).ok());
  auto store = OpenSqliteStore(path);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(Insert(**store).ok());
}

TEST_F(SqliteStoreTest, StoreId_IsKeptAndDiffersBetweenStores) {
  const auto id = Open()->store_id();
  EXPECT_EQ(Open()->store_id(), id);
  TemporaryDirectory other;
  ASSERT_TRUE(CreateSqliteStore(other.path()).ok());
  EXPECT_NE((*OpenSqliteStore(other.path()))->store_id(), id);
}

TEST_F(SqliteStoreTest, MissingCountersAndLock_AreMadeAgain) {
  ASSERT_TRUE(Insert(*Open()).ok());
  fs::remove(directory_.file("changes"));
  fs::remove(directory_.file("writer"));
  auto store = Open();
  EXPECT_EQ(store->Generation(1), 1u);
  EXPECT_TRUE(Insert(*store).ok());
  EXPECT_EQ(store->Generation(1), 2u);
}

TEST_F(SqliteStoreTest, MalformedCounters_AreReplaced) {
  ASSERT_TRUE(Insert(*Open()).ok());
  Poke("changes", 0, "rubbish!");
  EXPECT_EQ(Open()->Generation(1), 1u);
  fs::resize_file(directory_.file("changes"), 10);
  EXPECT_EQ(Open()->Generation(1), 1u);
}

TEST_F(SqliteStoreTest, StaleCounters_AreRepairedAtOpen) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Insert(*Open()).ok());
  Poke("changes", 64 + 16, std::string(16, '\0'));
  EXPECT_EQ(Open()->Generation(1), 3u);
}

// The words of a killed writer: mark set, begun ahead of done.
TEST_F(SqliteStoreTest, KilledWriter_IsSeenAsBusyAndRepairedByTheNext) {
  auto store = Open();
  ASSERT_TRUE(Insert(*store).ok());
  Poke("changes", 8, std::string("\1\0\0\0\0\0\0\0", 8));
  Poke("changes", 64 + 16, std::string("\2\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(store->Generation(1), Store::kBusy);
  EXPECT_EQ(*Count(*store), 1u);
  // Also one that touches another space.
  ASSERT_TRUE(
      store->Write(2, [](Transaction& tx) { return tx.PutValue(2, "x", {}); })
          .ok());
  EXPECT_EQ(store->Generation(1), 1u);
  ASSERT_TRUE(Insert(*store).ok());
  EXPECT_EQ(store->Generation(1), 2u);
}

TEST_F(SqliteStoreTest, DatabaseOlderThanTheCounters_NeverGoesBack) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Insert(*Open()).ok());
  Sql("UPDATE space SET changes = 1");
  auto store = Open();
  const uint64_t repaired = store->Generation(1);
  EXPECT_GT(repaired, 3u);
  ASSERT_TRUE(Insert(*store).ok());
  EXPECT_GT(store->Generation(1), repaired);
  ASSERT_TRUE(store
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(reader.Generation(1), store->Generation(1));
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_F(SqliteStoreTest, Counters_GrowForHighSpacesInEveryProcess) {
  auto store = Open();
  auto other = Open();
  EXPECT_EQ(other->Generation(5000), 0u);
  const auto touch = [&](SpaceId space) {
    return store->Write(
        space, [&](Transaction& tx) { return tx.PutValue(space, "x", {}); });
  };
  ASSERT_TRUE(touch(5000).ok());
  EXPECT_EQ(other->Generation(5000), 1u);
  ASSERT_TRUE(touch(65535).ok());
  EXPECT_EQ(other->Generation(65535), 1u);
  ASSERT_TRUE(touch(4000000000).ok());
  EXPECT_EQ(other->Generation(4000000000), Store::kBusy);
}

TEST_F(SqliteStoreTest, TwoStoresOfOneProcess_QueueWithoutDroppingLocks) {
  auto first = Open();
  auto second = Open();
  auto writes = [](Store* store) {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(Insert(*store).ok());
  };
  std::thread one(writes, first.get());
  std::thread two(writes, second.get());
  for (int i = 0; i < 20; ++i) Open();  // Opening and closing on the side.
  one.join();
  two.join();
  EXPECT_EQ(*Count(*first), 100u);
  EXPECT_EQ(first->Generation(1), 100u);
}

TEST_F(SqliteStoreTest, Reopened_ContinuesTheIds) {
  uint64_t first = 0, second = 0;
  ASSERT_TRUE(Insert(*Open(), &first).ok());
  Open()
      ->Write(1, [&](Transaction& tx) { return tx.Delete(1, first); })
      .IgnoreError();
  ASSERT_TRUE(Insert(*Open(), &second).ok());
  EXPECT_GT(second, first);
}

TEST_F(SqliteStoreTest, LargestRecord_IsKept) {
  auto store = Open();
  uint64_t id = 0;
  ASSERT_TRUE(Insert(*store, &id, 60000).ok());
  ASSERT_TRUE(store
                  ->Read([&](Reader& reader) {
                    auto record = reader.Get(1, id);
                    EXPECT_EQ((*record)->sealed, Bytes(60000, 7));
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST(ChangeCounterTest, CancelledCommit_LeavesTheGeneration) {
  TemporaryDirectory directory;
  const std::string path = directory.file("changes");
  ASSERT_TRUE(ChangeCounter::Make(path, {{1, 5}}).ok());
  auto counter = *ChangeCounter::Map(path, true);
  const std::vector<std::pair<SpaceId, uint64_t>> next = {
      {1, counter->Next(1, 5)}};
  ASSERT_TRUE(counter->Begin(next).ok());
  EXPECT_EQ(counter->Generation(1), kBusyGeneration);
  EXPECT_TRUE(counter->LeftBusy());
  counter->Cancel(next);
  EXPECT_EQ(counter->Generation(1), 5u);
  EXPECT_FALSE(counter->LeftBusy());
}

}  // namespace
}  // namespace hsm
