// Writes of several threads that share a commit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hsm/joined_store.h"
#include "hsm/sqlite_store.h"
#include "hsm/temporary_directory.h"

namespace hsm {
namespace {

constexpr SpaceId kSpace = 1;

absl::Status PutName(Transaction& tx, const std::string& name) {
  return tx.PutValue(kSpace, name, Bytes{1});
}

class SqliteGroupTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateSqliteStore(directory_.path()).ok());
    auto opened = OpenSqliteStore(directory_.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  bool Has(const std::string& name) {
    bool has = false;
    EXPECT_TRUE(store_
                    ->Read([&](Reader& reader) {
                      auto value = reader.GetValue(kSpace, name);
                      if (value.ok()) has = value->has_value();
                      return value.status();
                    })
                    .ok());
    return has;
  }

  // Runs two writes at once, again and again with new names, until the second
  // one saw what the first one had put and not yet committed. `second` gets
  // the first one's name and its own.
  void Together(const std::function<absl::Status(Transaction&,
                                                 const std::string&)>& second,
                absl::Status& first_status, absl::Status& second_status,
                std::string& first_name, std::string& second_name) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      first_name = absl::StrCat("first ", attempt);
      second_name = absl::StrCat("second ", attempt);
      std::atomic<bool> inside = false, coming = false;
      bool together = false;
      std::thread other([&] {
        while (!inside) std::this_thread::yield();
        coming = true;
        second_status =
            store_->Write(kSpace, [&](Transaction& tx) -> absl::Status {
              auto seen = tx.GetValue(kSpace, first_name);
              together = seen.ok() && seen->has_value() && !Has(first_name);
              return second(tx, second_name);
            });
      });
      first_status =
          store_->Write(kSpace, [&](Transaction& tx) -> absl::Status {
            RETURN_IF_ERROR(PutName(tx, first_name));
            inside = true;
            while (!coming) std::this_thread::yield();
            // Gives the other thread the time to queue.
            for (int i = 0; i < 100 * (attempt + 1); ++i) {
              std::this_thread::yield();
            }
            return absl::OkStatus();
          });
      other.join();
      if (together) return;
    }
    FAIL() << "two writes never shared a commit";
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
  absl::Status first_, second_;
  std::string first_name_, second_name_;
};

TEST_F(SqliteGroupTest, BothSucceed_AndAreThere) {
  Together(PutName, first_, second_, first_name_, second_name_);
  EXPECT_TRUE(first_.ok()) << first_;
  EXPECT_TRUE(second_.ok()) << second_;
  EXPECT_TRUE(Has(first_name_));
  EXPECT_TRUE(Has(second_name_));
}

TEST_F(SqliteGroupTest, OneThatFails_IsUndoneAlone) {
  Together(
      [](Transaction& tx, const std::string& name) -> absl::Status {
        RETURN_IF_ERROR(PutName(tx, name));
        return base::Error(CKR_PIN_INCORRECT, "refused");
      },
      first_, second_, first_name_, second_name_);
  EXPECT_TRUE(first_.ok()) << first_;
  EXPECT_EQ(base::CkRv(second_), CKR_PIN_INCORRECT);
  EXPECT_TRUE(Has(first_name_));
  EXPECT_FALSE(Has(second_name_));
}

// Nobody may be told that a write is durable that was undone with another's.
TEST_F(SqliteGroupTest, OneThatThrows_FailsAllAndChangesNothing) {
  std::string thrown;
  // The thread must not end by it.
  const auto throwing = [&](Transaction& tx, const std::string& name) {
    thrown = name;
    static_cast<void>(PutName(tx, name));
    throw std::bad_alloc();
    return absl::OkStatus();
  };
  std::atomic<bool> inside = false, coming = false;
  bool together = false;
  for (int attempt = 0; attempt < 1000 && !together; ++attempt) {
    first_name_ = absl::StrCat("first ", attempt);
    inside = coming = false;
    std::thread other([&] {
      while (!inside) std::this_thread::yield();
      coming = true;
      EXPECT_THROW(store_
                       ->Write(kSpace,
                               [&](Transaction& tx) -> absl::Status {
                                 auto seen = tx.GetValue(kSpace, first_name_);
                                 together = seen.ok() && seen->has_value() &&
                                            !Has(first_name_);
                                 return throwing(tx, "thrown");
                               })
                       .IgnoreError(),
                   std::bad_alloc);
    });
    first_ = store_->Write(kSpace, [&](Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(PutName(tx, first_name_));
      inside = true;
      while (!coming) std::this_thread::yield();
      for (int i = 0; i < 100 * (attempt + 1); ++i) std::this_thread::yield();
      return absl::OkStatus();
    });
    other.join();
  }
  ASSERT_TRUE(together) << "two writes never shared a commit";
  EXPECT_EQ(base::CkRv(first_), CKR_DEVICE_ERROR);
  EXPECT_FALSE(Has(first_name_));
  EXPECT_FALSE(Has("thrown"));
  EXPECT_TRUE(
      store_
          ->Write(kSpace,
                  [](Transaction& tx) { return PutName(tx, "afterwards"); })
          .ok());
  EXPECT_TRUE(Has("afterwards"));
}

TEST_F(SqliteGroupTest, ManyThreads_LoseNothing) {
  constexpr int kThreads = 8, kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string name = absl::StrCat(t, "/", i);
        const absl::Status status =
            store_->Write(kSpace, [&](Transaction& tx) -> absl::Status {
              RETURN_IF_ERROR(PutName(tx, name));
              return i % 5 == 0 ? base::Error(CKR_CANCEL, "")
                                : absl::OkStatus();
            });
        EXPECT_EQ(status.ok(), i % 5 != 0);
        EXPECT_EQ(Has(name), i % 5 != 0) << name;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SqliteGroupTest, RunsOfRecordChanges_AreKnown) {
  const auto write = [&](absl::string_view name) {
    ASSERT_TRUE(store_
                    ->Write(kSpace,
                            [&](Transaction& tx) {
                              return tx.PutValue(kSpace, name, Bytes{1});
                            })
                    .ok());
  };
  write("label");
  const uint64_t start = store_->Generation(kSpace);
  EXPECT_TRUE(store_->OnlyRecordsChanged(kSpace, start, start));
  write(absl::StrCat(kRecordValues, "1"));
  write(absl::StrCat(kRecordValues, "1/00"));
  const uint64_t later = store_->Generation(kSpace);
  EXPECT_NE(start, later);
  EXPECT_TRUE(store_->OnlyRecordsChanged(kSpace, start, later));
  // Of another process, as it were: this store knows nothing of it.
  auto other = OpenSqliteStore(directory_.path());
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)
                  ->Write(kSpace,
                          [](Transaction& tx) {
                            return tx.PutValue(kSpace, "tree/2", Bytes{1});
                          })
                  .ok());
  EXPECT_FALSE(
      store_->OnlyRecordsChanged(kSpace, later, store_->Generation(kSpace)));
  write(absl::StrCat(kRecordValues, "1"));
  EXPECT_FALSE(
      store_->OnlyRecordsChanged(kSpace, later, store_->Generation(kSpace)));
  const uint64_t before_label = store_->Generation(kSpace);
  write("x/of another module");
  EXPECT_TRUE(store_->OnlyRecordsChanged(kSpace, before_label,
                                         store_->Generation(kSpace)));
  write("label");
  EXPECT_FALSE(store_->OnlyRecordsChanged(kSpace, before_label,
                                          store_->Generation(kSpace)));
}

// What is made of a space's values need not be made again inside a transaction
// that leaves them alone.
TEST_F(SqliteGroupTest, InsideAWrite_ValuesAreKnownUntilItChangesThem) {
  JoinedStore joined(std::move(store_));
  const uint64_t before = joined.Generation(kSpace);
  ASSERT_TRUE(
      joined
          .Write(kSpace,
                 [&](Transaction& tx) -> absl::Status {
                   EXPECT_EQ(joined.Generation(kSpace), kBusyGeneration);
                   EXPECT_EQ(joined.ValuesGeneration(kSpace), before);
                   RETURN_IF_ERROR(PutName(tx, absl::StrCat(kRecordValues, 1)));
                   RETURN_IF_ERROR(PutName(tx, absl::StrCat(kSealedPrefix, 1)));
                   EXPECT_EQ(joined.ValuesGeneration(kSpace), before);
                   RETURN_IF_ERROR(PutName(tx, "label"));
                   EXPECT_EQ(joined.ValuesGeneration(kSpace), kBusyGeneration);
                   EXPECT_NE(joined.ValuesGeneration(7), kBusyGeneration);
                   return absl::OkStatus();
                 })
          .ok());
  EXPECT_EQ(joined.ValuesGeneration(kSpace), joined.Generation(kSpace));
  EXPECT_NE(joined.Generation(kSpace), before);
}

}  // namespace
}  // namespace hsm
