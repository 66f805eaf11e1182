// What every store promises; runs against the one on disk, the one in memory
// and the one that injects faults (none here).
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "hsm/sqlite_store.h"
#include "hsm/store.h"
#include "hsm/temporary_directory.h"
#include "hsm/test_stores.h"

namespace hsm {
namespace {

constexpr SpaceId kSpace = 3;

Record MakeRecord(uint64_t id, uint8_t key = 0, uint32_t object_class = 4) {
  Record record;
  record.id = id;
  record.key = key;
  record.object_class = object_class;
  record.size = 100;
  record.sealed = {1, 2, 3};
  return record;
}

Tag MakeTag(uint8_t n) {
  Tag tag{};
  tag[0] = n;
  return tag;
}

std::vector<uint64_t> Ids(
    const absl::StatusOr<std::vector<RecordStamp>>& stamps) {
  EXPECT_TRUE(stamps.ok()) << stamps.status();
  std::vector<uint64_t> ids;
  for (const RecordStamp& stamp : *stamps) ids.push_back(stamp.id);
  return ids;
}

using IdList = std::vector<uint64_t>;

class StoreContractTest : public testing::TestWithParam<std::string> {
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
  }

  absl::Status Put(uint64_t id, std::vector<Tag> tags = {}, uint8_t key = 0,
                   uint32_t object_class = 4) {
    return store_->Write(kSpace, [&](Transaction& tx) {
      return tx.Put(kSpace, MakeRecord(id, key, object_class), tags);
    });
  }

  IdList Find(const RecordQuery& query) {
    IdList ids;
    EXPECT_TRUE(store_
                    ->Read([&](Reader& reader) {
                      ids = Ids(reader.Find(kSpace, query));
                      return absl::OkStatus();
                    })
                    .ok());
    return ids;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContractTest,
                         testing::Values("Sqlite", "Memory", "Fault"),
                         [](const auto& param) { return param.param; });

TEST_P(StoreContractTest, NewStore_IsEmptyAndWritable) {
  EXPECT_TRUE(store_->writable());
  EXPECT_EQ(store_->Generation(kSpace), 0u);
  EXPECT_EQ(Find({}), IdList());
}

TEST_P(StoreContractTest, Put_IsReadBackWhole) {
  Record record = MakeRecord(7, 1, 0x8000000F);
  record.version = 9;
  record.size = 1234;
  record.sealed = Bytes(5000, 0xAB);
  ASSERT_TRUE(
      store_
          ->Write(kSpace,
                  [&](Transaction& tx) { return tx.Put(kSpace, record, {}); })
          .ok());
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    auto got = reader.Get(kSpace, 7);
                    EXPECT_TRUE(got.ok() && got->has_value());
                    EXPECT_EQ((*got)->id, 7u);
                    EXPECT_EQ((*got)->version, 9u);
                    EXPECT_EQ((*got)->key, 1);
                    EXPECT_EQ((*got)->object_class, 0x8000000Fu);
                    EXPECT_EQ((*got)->size, 1234u);
                    EXPECT_EQ((*got)->sealed, record.sealed);
                    auto other = reader.Get(kSpace + 1, 7);
                    EXPECT_TRUE(other.ok() && !other->has_value());
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(StoreContractTest, Put_UnderAnotherSpacesId_IsRefused) {
  ASSERT_TRUE(Put(7).ok());
  const absl::Status status = store_->Write(
      1, [&](Transaction& tx) { return tx.Put(1, MakeRecord(7), {}); });
  EXPECT_EQ(base::CkRv(status), CKR_GENERAL_ERROR);
}

TEST_P(StoreContractTest, Find_ByKeyAndClass_IsAscending) {
  ASSERT_TRUE(Put(5, {}, 0, 2).ok());
  ASSERT_TRUE(Put(4, {}, 0, 3).ok());
  ASSERT_TRUE(Put(3, {}, 0, 2).ok());
  ASSERT_TRUE(Put(2, {}, 1, 2).ok());
  EXPECT_EQ(Find({}), (IdList{2, 3, 4, 5}));
  EXPECT_EQ(Find({.key = 0}), (IdList{3, 4, 5}));
  EXPECT_EQ(Find({.object_class = 2}), (IdList{2, 3, 5}));
  EXPECT_EQ(Find({.object_class = 2, .key = 0}), (IdList{3, 5}));
}

TEST_P(StoreContractTest, Find_ByTags_NeedsEachOfThem) {
  ASSERT_TRUE(Put(1, {MakeTag(1), MakeTag(2)}).ok());
  ASSERT_TRUE(Put(2, {MakeTag(1)}).ok());
  ASSERT_TRUE(Put(3, {MakeTag(2), MakeTag(1), MakeTag(3)}, 1).ok());
  EXPECT_EQ(Find({.tags = {MakeTag(1)}}), (IdList{1, 2, 3}));
  EXPECT_EQ(Find({.tags = {MakeTag(1), MakeTag(2)}}), (IdList{1, 3}));
  EXPECT_EQ(Find({.key = 1, .tags = {MakeTag(1), MakeTag(2)}}), (IdList{3}));
  EXPECT_EQ(Find({.tags = {MakeTag(9), MakeTag(1)}}), IdList());
}

TEST_P(StoreContractTest, Replace_ReplacesTags) {
  ASSERT_TRUE(Put(1, {MakeTag(1), MakeTag(2)}).ok());
  ASSERT_TRUE(Put(1, {MakeTag(2), MakeTag(3)}).ok());
  EXPECT_EQ(Find({.tags = {MakeTag(1)}}), IdList());
  EXPECT_EQ(Find({.tags = {MakeTag(2)}}), IdList{1});
  EXPECT_EQ(Find({.tags = {MakeTag(3)}}), IdList{1});
}

TEST_P(StoreContractTest, Delete_RemovesRecordAndTags) {
  ASSERT_TRUE(Put(1, {MakeTag(1)}).ok());
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) {
                            RETURN_IF_ERROR(tx.Delete(kSpace, 99));
                            return tx.Delete(kSpace, 1);
                          })
                  .ok());
  EXPECT_EQ(Find({}), IdList());
  EXPECT_EQ(Find({.tags = {MakeTag(1)}}), IdList());
}

TEST_P(StoreContractTest, Bucket_HasTheIdsOfOneRemainderAndKey) {
  for (const uint64_t id : {5u, 4101u, 8197u, 6u}) ASSERT_TRUE(Put(id).ok());
  ASSERT_TRUE(Put(12293, {}, 1).ok());
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(Ids(reader.Bucket(kSpace, 0, 5)),
                              (IdList{5, 4101, 8197}));
                    EXPECT_EQ(Ids(reader.Bucket(kSpace, 1, 5)), IdList{12293});
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(StoreContractTest, Heads_AreOfOneKeyAndHaveTheFirstBytes) {
  Record record = MakeRecord(9, 1, 4);
  record.version = 3;
  record.sealed = Bytes(5000);
  for (size_t i = 0; i < 17; ++i) record.sealed[i] = static_cast<uint8_t>(i);
  Record small = MakeRecord(5, 1, 8);
  small.sealed = {1, 2};
  ASSERT_TRUE(Put(7, {}, 0).ok());
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) -> absl::Status {
                            RETURN_IF_ERROR(tx.Put(kSpace, record, {}));
                            return tx.Put(kSpace, small, {});
                          })
                  .ok());
  ASSERT_TRUE(
      store_
          ->Read([&](Reader& reader) -> absl::Status {
            ASSIGN_OR_RETURN(const auto heads, reader.Heads(kSpace, 1));
            EXPECT_EQ(heads.size(), 2u);
            EXPECT_EQ(heads.at(0).stamp.id, 5u);
            EXPECT_EQ(heads.at(0).first, (std::array<uint8_t, 17>{1, 2}));
            EXPECT_EQ(heads.at(1).stamp.id, 9u);
            EXPECT_EQ(heads.at(1).stamp.version, 3u);
            EXPECT_EQ(heads.at(1).stamp.key, 1);
            EXPECT_EQ(heads.at(1).first, FirstOf(record.sealed));
            EXPECT_EQ(heads.at(1).first[16], 16);
            ASSIGN_OR_RETURN(const auto others, reader.Heads(kSpace + 1, 1));
            EXPECT_TRUE(others.empty());
            EXPECT_EQ(reader.Count(kSpace, 1).value(), 2u);
            EXPECT_EQ(reader.Count(kSpace, 5).value(), 0u);
            EXPECT_EQ(reader.Count(kSpace + 1, 1).value(), 0u);
            return absl::OkStatus();
          })
          .ok());
}

TEST_P(StoreContractTest, Usage_CountsInsideAndAfterTheTransaction) {
  ASSERT_TRUE(Put(1).ok());
  auto expect = [](Reader& reader, uint64_t records, uint64_t bytes) {
    auto usage = reader.Usage(kSpace);
    ASSERT_TRUE(usage.ok());
    EXPECT_EQ(usage->records, records);
    EXPECT_EQ(usage->bytes, bytes);
  };
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) {
                            Record larger = MakeRecord(1);
                            larger.size = 150;
                            RETURN_IF_ERROR(tx.Put(kSpace, larger, {}));
                            expect(tx, 1, 150);
                            RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(2), {}));
                            RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(3), {}));
                            expect(tx, 3, 350);
                            RETURN_IF_ERROR(tx.Delete(kSpace, 2));
                            expect(tx, 2, 250);
                            return absl::OkStatus();
                          })
                  .ok());
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    expect(reader, 2, 250);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(StoreContractTest, Values_ArePerSpaceAndListedByPrefix) {
  const Bytes value = {1, 2};
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) {
                            for (const char* name :
                                 {"role/so", "role/co", "rola", "s", ""}) {
                              RETURN_IF_ERROR(tx.PutValue(kSpace, name, value));
                            }
                            RETURN_IF_ERROR(tx.PutValue(kSpace, "s", {}));
                            return tx.DeleteValue(kSpace, "rola");
                          })
                  .ok());
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(**reader.GetValue(kSpace, "role/co"), value);
                    EXPECT_EQ(**reader.GetValue(kSpace, "s"), Bytes());
                    EXPECT_FALSE(reader.GetValue(kSpace, "rola")->has_value());
                    EXPECT_FALSE(reader.GetValue(1, "s")->has_value());
                    EXPECT_EQ(*reader.ListValues(kSpace, "role/"),
                              (std::vector<std::string>{"role/co", "role/so"}));
                    EXPECT_EQ(reader.ListValues(kSpace, "")->size(), 4u);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(StoreContractTest, FailedWrite_ChangesNothing) {
  ASSERT_TRUE(Put(1).ok());
  const uint64_t generation = store_->Generation(kSpace);
  const absl::Status status = store_->Write(kSpace, [&](Transaction& tx) {
    RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(2), {}));
    RETURN_IF_ERROR(tx.Delete(kSpace, 1));
    return base::Error(CKR_PIN_LOCKED, "for the test");
  });
  EXPECT_EQ(base::CkRv(status), CKR_PIN_LOCKED);
  EXPECT_EQ(Find({}), IdList{1});
  EXPECT_EQ(store_->Generation(kSpace), generation);
}

TEST_P(StoreContractTest, Ids_AreNeverReusedAfterACommit) {
  uint64_t first = 0, second = 0, after_drop = 0;
  auto insert = [&](uint64_t* id) {
    return store_->Write(kSpace, [&](Transaction& tx) {
      ASSIGN_OR_RETURN(*id, tx.NextId());
      return tx.Put(kSpace, MakeRecord(*id), {});
    });
  };
  ASSERT_TRUE(insert(&first).ok());
  ASSERT_TRUE(insert(&second).ok());
  EXPECT_GT(second, first);
  ASSERT_TRUE(
      store_
          ->Write(kSpace, [&](Transaction& tx) { return tx.DropSpace(kSpace); })
          .ok());
  ASSERT_TRUE(insert(&after_drop).ok());
  EXPECT_GT(after_drop, second);
}

// Writes of several threads share a transaction, so this is what happens when
// one changes an old object while another one makes a new one.
TEST_P(StoreContractTest, NextId_BehindAChangeOfAnOldRecord_IsFresh) {
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(Put(id).ok());
  uint64_t fresh = 0, after_undone = 0;
  const absl::Status status =
      store_->Write(kSpace, [&](Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(1), {}));
        const absl::Status undone = tx.Nested([&]() -> absl::Status {
          RETURN_IF_ERROR(tx.NextId().status());
          return base::Error(CKR_FUNCTION_FAILED, "undone");
        });
        EXPECT_EQ(base::CkRv(undone), CKR_FUNCTION_FAILED);
        ASSIGN_OR_RETURN(after_undone, tx.NextId());
        RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(after_undone), {}));
        RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(2), {}));
        ASSIGN_OR_RETURN(fresh, tx.NextId());
        return tx.Put(kSpace, MakeRecord(fresh), {});
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(after_undone, 4u);
  EXPECT_EQ(fresh, 5u);
}

TEST_P(StoreContractTest, DropSpace_LeavesOtherSpaces) {
  ASSERT_TRUE(Put(1, {MakeTag(1)}).ok());
  ASSERT_TRUE(store_
                  ->Write(1,
                          [&](Transaction& tx) {
                            RETURN_IF_ERROR(tx.PutValue(kSpace, "x", {}));
                            RETURN_IF_ERROR(
                                tx.Put(1, MakeRecord(2), {MakeTag(1)}));
                            return tx.DropSpace(kSpace);
                          })
                  .ok());
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(reader.Usage(kSpace)->records, 0u);
                    EXPECT_EQ(reader.Usage(kSpace)->bytes, 0u);
                    EXPECT_TRUE(reader.ListValues(kSpace, "")->empty());
                    RecordQuery query{.tags = {MakeTag(1)}};
                    EXPECT_EQ(Ids(reader.Find(kSpace, query)), IdList());
                    EXPECT_EQ(Ids(reader.Find(1, query)), IdList{2});
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(StoreContractTest, Generation_MovesForEachChangedSpaceOnly) {
  const uint64_t other = store_->Generation(4);
  const uint64_t before = store_->Generation(kSpace);
  ASSERT_TRUE(Put(1).ok());
  const uint64_t after = store_->Generation(kSpace);
  EXPECT_NE(after, before);
  EXPECT_EQ(store_->Generation(4), other);
  ASSERT_TRUE(
      store_->Write(kSpace, [](Transaction&) { return absl::OkStatus(); })
          .ok());
  EXPECT_EQ(store_->Generation(kSpace), after);
  ASSERT_TRUE(
      store_
          ->Write(kSpace,
                  [](Transaction& tx) { return tx.PutValue(4, "name", {}); })
          .ok());
  EXPECT_NE(store_->Generation(kSpace), after);
  EXPECT_NE(store_->Generation(4), other);
}

TEST_P(StoreContractTest, ReaderGeneration_IsThatOfItsView) {
  ASSERT_TRUE(Put(1).ok());
  const uint64_t before = store_->Generation(kSpace);
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(reader.Generation(kSpace), before);
                    EXPECT_TRUE(Put(2).ok());
                    EXPECT_EQ(reader.Generation(kSpace), before);
                    EXPECT_EQ(Ids(reader.Find(kSpace, {})), IdList{1});
                    EXPECT_NE(store_->Generation(kSpace), before);
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(reader.Generation(kSpace),
                              store_->Generation(kSpace));
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) {
                            EXPECT_EQ(tx.Generation(kSpace), Store::kBusy);
                            return absl::OkStatus();
                          })
                  .ok());
}

TEST_P(StoreContractTest, ReadInsideWrite_SeesTheStateBeforeIt) {
  ASSERT_TRUE(Put(1).ok());
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction& tx) {
                            RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(2), {}));
                            EXPECT_EQ(Find({}), IdList{1});
                            EXPECT_EQ(Ids(tx.Find(kSpace, {})), (IdList{1, 2}));
                            return absl::OkStatus();
                          })
                  .ok());
}

TEST_P(StoreContractTest, NestedWorkThatFails_IsUndoneAlone) {
  ASSERT_TRUE(Put(1, {MakeTag(1)}).ok());
  const absl::Status written = store_->Write(kSpace, [&](Transaction& tx) {
    RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(2), {}));
    const absl::Status failed = tx.Nested([&]() -> absl::Status {
      RETURN_IF_ERROR(tx.Delete(kSpace, 1));
      RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(3), {}));
      RETURN_IF_ERROR(tx.Put(kSpace + 1, MakeRecord(4), {}));
      RETURN_IF_ERROR(tx.Nested(
          [&] { return tx.PutValue(kSpace, "x", base::AsBytes("1")); }));
      return base::Error(CKR_FUNCTION_FAILED, "no");
    });
    EXPECT_EQ(base::CkRv(failed), CK_RV{CKR_FUNCTION_FAILED});
    return tx.Nested([&] { return tx.Put(kSpace, MakeRecord(5), {}); });
  });
  ASSERT_TRUE(written.ok()) << written;
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(Ids(reader.Find(kSpace, {})), (IdList{1, 2, 5}));
                    EXPECT_EQ(reader.Usage(kSpace)->records, 3u);
                    EXPECT_EQ(reader.Usage(kSpace + 1)->records, 0u);
                    EXPECT_TRUE(reader.ListValues(kSpace, "")->empty());
                    EXPECT_EQ(Ids(reader.Find(kSpace, {.tags = {MakeTag(1)}})),
                              IdList{1});
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(StoreContractTest, WriteInsideWrite_IsAnErrorAndNoDeadlock) {
  absl::Status inner;
  ASSERT_TRUE(store_
                  ->Write(kSpace,
                          [&](Transaction&) {
                            inner = Put(1);
                            return absl::OkStatus();
                          })
                  .ok());
  EXPECT_EQ(base::CkRv(inner), CKR_GENERAL_ERROR);
}

TEST_P(StoreContractTest, Exception_LeavesTheStoreUsableAndUnchanged) {
  EXPECT_THROW(store_
                   ->Write(kSpace,
                           [&](Transaction& tx) -> absl::Status {
                             RETURN_IF_ERROR(tx.Put(kSpace, MakeRecord(2), {}));
                             throw std::bad_alloc();
                           })
                   .IgnoreError(),
               std::bad_alloc);
  EXPECT_EQ(Find({}), IdList());
  EXPECT_TRUE(Put(1).ok());
}

// Each writer moves one unit between two values in a transaction; a reader
// must always see the same sum.
TEST_P(StoreContractTest, Threads_SeeOnlyWholeTransactions) {
  auto put = [](Transaction& tx, uint8_t a, uint8_t b) {
    RETURN_IF_ERROR(tx.PutValue(kSpace, "a", Bytes{a}));
    return tx.PutValue(kSpace, "b", Bytes{b});
  };
  ASSERT_TRUE(
      store_->Write(kSpace, [&](Transaction& tx) { return put(tx, 100, 100); })
          .ok());
  std::atomic<int> failures{0};
  auto write = [&] {
    for (int i = 0; i < 40; ++i) {
      const absl::Status status = store_->Write(kSpace, [&](Transaction& tx) {
        const uint8_t a = (**tx.GetValue(kSpace, "a"))[0];
        const uint8_t b = (**tx.GetValue(kSpace, "b"))[0];
        return put(tx, a - 1, b + 1);
      });
      if (!status.ok()) ++failures;
    }
  };
  auto read = [&] {
    for (int i = 0; i < 200; ++i) {
      const absl::Status status = store_->Read([&](Reader& reader) {
        const uint8_t a = (**reader.GetValue(kSpace, "a"))[0];
        const uint8_t b = (**reader.GetValue(kSpace, "b"))[0];
        if (a + b != 200) ++failures;
        return absl::OkStatus();
      });
      if (!status.ok()) ++failures;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back(write);
    threads.emplace_back(read);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  ASSERT_TRUE(store_
                  ->Read([&](Reader& reader) {
                    EXPECT_EQ(**reader.GetValue(kSpace, "a"), Bytes{20});
                    return absl::OkStatus();
                  })
                  .ok());
}

}  // namespace
}  // namespace hsm
