// The store between processes: forks, kills, several at work at once, and file
// systems that refuse. The children run in forks of the test program.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>

#include "hsm/sqlite_store.h"
#include "hsm/temporary_directory.h"
#include "hsm/vault.h"

namespace hsm {
namespace {

namespace fs = std::filesystem;

constexpr SpaceId kSpace = 1;
constexpr int kCannotTest = 77;  // exit code of a child

KeyRing FixedRing() {
  return {SecretBytes::CopyOf(Bytes(32, 1)), SecretBytes::CopyOf(Bytes(32, 2)),
          SecretBytes::CopyOf(Bytes(32, 3))};
}

// Two pipes: the child's voice and the parent's.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  void Send(uint64_t value) {
    EXPECT_EQ(write(ends_[1], &value, sizeof(value)),
              static_cast<ssize_t>(sizeof(value)));
  }
  uint64_t Receive() {
    uint64_t value = 0;
    EXPECT_EQ(read(ends_[0], &value, sizeof(value)),
              static_cast<ssize_t>(sizeof(value)));
    return value;
  }
  // Everything sent so far.
  std::vector<uint64_t> Drain() {
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::vector<uint64_t> values;
    uint64_t value = 0;
    while (read(ends_[0], &value, sizeof(value)) == sizeof(value)) {
      values.push_back(value);
    }
    return values;
  }

 private:
  int ends_[2];
};

pid_t Start(const std::function<int()>& run) {
  const pid_t child = fork();
  if (child == 0) _exit(testing::Test::HasFailure() ? 3 : run());
  return child;
}

// The child's exit code; minus the signal that killed it.
int Wait(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int RunChild(const std::function<int()>& run) { return Wait(Start(run)); }

std::unique_ptr<Store> Open(const std::string& path) {
  auto opened = OpenSqliteStore(path);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : nullptr;
}

absl::StatusOr<uint64_t> Insert(Store& store, size_t size = 100) {
  Vault vault(&store, kSpace);
  const Bytes text(size, 5);
  Vault::Draft draft;
  draft.key = Vault::kPrivateKey;
  draft.plaintext = text;
  draft.tagged = {{3, base::AsBytes("label")}};
  uint64_t id = 0;
  RETURN_IF_ERROR(store.Write(kSpace, [&](Transaction& tx) {
    ASSIGN_OR_RETURN(id, vault.Insert(tx, FixedRing(), draft));
    return absl::OkStatus();
  }));
  return id;
}

absl::StatusOr<std::vector<uint64_t>> CheckedIds(Store& store) {
  Vault vault(&store, kSpace);
  std::vector<uint64_t> ids;
  RETURN_IF_ERROR(store.Read([&](Reader& reader) {
    RETURN_IF_ERROR(vault.CheckAll(reader, FixedRing()));
    ASSIGN_OR_RETURN(const auto stamps,
                     vault.Find(reader, FixedRing(), std::nullopt, {}));
    for (const RecordStamp& stamp : stamps) ids.push_back(stamp.id);
    return absl::OkStatus();
  }));
  return ids;
}

void MakeStore(const std::string& path) {
  ASSERT_TRUE(CreateSqliteStore(path).ok());
  auto store = Open(path);
  Vault vault(store.get(), kSpace);
  const KeyRing keys = FixedRing();
  ASSERT_TRUE(store
                  ->Write(kSpace,
                          [&](Transaction& tx) {
                            RETURN_IF_ERROR(
                                vault.Begin(tx, Vault::kPublicKey,
                                            keys.public_key.Expose()));
                            return vault.Begin(tx, Vault::kPrivateKey,
                                               keys.private_key.Expose());
                          })
                  .ok());
}

class SqliteProcessTest : public testing::Test {
 protected:
  void SetUp() override { MakeStore(path()); }
  const std::string& path() const { return directory_.path(); }

  TemporaryDirectory directory_;
};

TEST_F(SqliteProcessTest, InheritedStore_RefusesAndClosesNothing) {
  auto store = Open(path());
  ASSERT_TRUE(Insert(*store).ok());
  EXPECT_EQ(RunChild([&] {
              const absl::Status read =
                  store->Read([](Reader&) { return absl::OkStatus(); });
              if (base::CkRv(read) != CKR_DEVICE_ERROR) return 1;
              if (base::CkRv(Insert(*store).status()) != CKR_DEVICE_ERROR) {
                return 2;
              }
              store.reset();
              return 0;
            }),
            0);
  EXPECT_TRUE(fs::exists(directory_.file("hsm.db-wal")));
  EXPECT_TRUE(Insert(*store).ok());
  EXPECT_EQ(CheckedIds(*store)->size(), 2u);
}

// SQLite's lock of who uses the log, which a child that trusted what it
// inherited would not have.
pid_t HolderOfLog(const std::string& shm) {
  const int fd = open(shm.c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_start = 128;
  lock.l_len = 1;
  EXPECT_EQ(fcntl(fd, F_GETLK, &lock), 0);
  close(fd);
  return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

TEST_F(SqliteProcessTest, ForkedChild_OpensItsOwnWithLocksOfItsOwn) {
  auto store = Open(path());
  ASSERT_TRUE(Insert(*store).ok());
  Pipe up, down;
  const pid_t child = Start([&] {
    auto own = Open(path());
    if (own == nullptr || !Insert(*own).ok()) return 1;
    up.Send(1);
    down.Receive();
    return Insert(*own).ok() && CheckedIds(*own)->size() == 4 ? 0 : 2;
  });
  up.Receive();
  EXPECT_EQ(CheckedIds(*store)->size(), 2u);
  // The parent goes as the last of its process; the child must hold on.
  store.reset();
  EXPECT_TRUE(fs::exists(directory_.file("hsm.db-wal")));
  EXPECT_EQ(HolderOfLog(directory_.file("hsm.db-shm")), child);
  EXPECT_TRUE(Insert(*Open(path())).ok());
  down.Send(1);
  EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(CheckedIds(*Open(path()))->size(), 4u);
}

TEST_F(SqliteProcessTest, ChildOfAChild_OpensItsOwn) {
  auto store = Open(path());
  EXPECT_EQ(RunChild([&] {
              auto own = Open(path());
              if (!Insert(*own).ok()) return 1;
              return RunChild([&] {
                auto third = Open(path());
                if (Insert(*own).ok()) return 2;
                return third != nullptr && Insert(*third).ok() ? 0 : 3;
              });
            }),
            0);
  EXPECT_EQ(CheckedIds(*store)->size(), 2u);
}

TEST_F(SqliteProcessTest, OtherProcessesErase_IsSeenAtOnce) {
  auto store = Open(path());
  Vault vault(store.get(), kSpace);
  const uint64_t id = *Insert(*store);
  auto open = [&] {
    return base::CkRv(store->Read([&](Reader& reader) {
      return vault.Open(reader, FixedRing(), id).status();
    }));
  };
  EXPECT_EQ(open(), CKR_OK);
  const uint64_t generation = store->Generation(kSpace);
  EXPECT_EQ(RunChild([&] {
              auto own = Open(path());
              Vault other(own.get(), kSpace);
              return own->Write(kSpace,
                                [&](Transaction& tx) {
                                  return other.Erase(tx, FixedRing(), id);
                                })
                             .ok()
                         ? 0
                         : 1;
            }),
            0);
  EXPECT_NE(store->Generation(kSpace), generation);
  EXPECT_EQ(open(), CKR_OBJECT_HANDLE_INVALID);
}

// An attacker at work under a running process that remembers what it checked.
class SqliteAttackTest : public SqliteProcessTest {
 protected:
  void SetUp() override {
    SqliteProcessTest::SetUp();
    if (Sql("SELECT 1") == kCannotTest) GTEST_SKIP() << "no sqlite3 program";
    store_ = ::hsm::Open(path());
    vault_ = std::make_unique<Vault>(store_.get(), kSpace);
    first_ = *Insert(*store_);
    second_ = *Insert(*store_);
    ASSERT_EQ(Open(first_), CKR_OK);
    ASSERT_EQ(Open(second_), CKR_OK);
    ASSERT_EQ(Sql("CREATE TABLE copy AS SELECT * FROM record"), 0);
    ASSERT_TRUE(store_
                    ->Write(kSpace,
                            [&](Transaction& tx) {
                              return vault_->Erase(tx, FixedRing(), first_);
                            })
                    .ok());
  }

  // Another program, which neither shares our list of open files nor moves our
  // counters.
  int Sql(const char* text) {
    return RunChild([&] {
      execlp("sqlite3", "sqlite3", directory_.file("hsm.db").c_str(), text,
             nullptr);
      return kCannotTest;
    });
  }

  CK_RV Open(uint64_t id) {
    return base::CkRv(store_->Read([&](Reader& reader) {
      return vault_->Open(reader, FixedRing(), id).status();
    }));
  }

  std::unique_ptr<Store> store_;
  std::unique_ptr<Vault> vault_;
  uint64_t first_ = 0;   // destroyed
  uint64_t second_ = 0;  // in another bucket
};

TEST_F(SqliteAttackTest, DestroyedRecordPutBackBehindTheCounters_IsFound) {
  EXPECT_EQ(Open(first_), CKR_OBJECT_HANDLE_INVALID);
  const uint64_t generation = store_->Generation(kSpace);
  ASSERT_EQ(Sql("INSERT OR IGNORE INTO record SELECT * FROM copy"), 0);
  EXPECT_EQ(store_->Generation(kSpace), generation);
  EXPECT_EQ(Open(first_), CKR_DEVICE_ERROR);
}

TEST_F(SqliteAttackTest, CountSetBackToTheMemorysGeneration_IsNoUse) {
  // The memory still has the bucket of `first_` as it was before.
  ASSERT_EQ(Open(second_), CKR_OK);
  ASSERT_EQ(Sql("INSERT OR IGNORE INTO record SELECT * FROM copy; "
                "UPDATE space SET changes = changes - 1"),
            0);
  EXPECT_EQ(Open(first_), CKR_DEVICE_ERROR);
}

TEST_F(SqliteProcessTest, TwoProcessesAtOnce_LoseNothing) {
  auto insert = [&] {
    auto store = Open(path());
    for (int i = 0; i < 150; ++i) {
      if (!Insert(*store).ok()) return 1;
    }
    return 0;
  };
  const pid_t one = Start(insert);
  const pid_t two = Start(insert);
  auto store = Open(path());
  // A reader is never refused, and always sees whole trees.
  for (int i = 0; i < 20; ++i) {
    auto ids = CheckedIds(*store);
    ASSERT_TRUE(ids.ok()) << ids.status();
  }
  EXPECT_EQ(Wait(one), 0);
  EXPECT_EQ(Wait(two), 0);
  EXPECT_EQ(CheckedIds(*store)->size(), 300u);
  EXPECT_EQ(store->Generation(kSpace), 301u);
}

// Ids are given out in the order of the commits. From the first commit of the
// last one that came to the last commit of the first one that was done, each
// has its share of them.
TEST_F(SqliteProcessTest, BusyWriters_StarveNobody) {
  constexpr int kWriters = 3, kWrites = 200;
  struct Writer {
    Pipe ready, ids;
    pid_t pid = 0;
  };
  std::vector<Writer> writers(kWriters);
  Pipe go;
  for (Writer& writer : writers) {
    writer.pid = Start([&] {
      auto store = Open(path());
      writer.ready.Send(1);
      go.Receive();
      for (int i = 0; i < kWrites; ++i) {
        const auto id = Insert(*store);
        if (!id.ok()) return 1;
        writer.ids.Send(*id);
      }
      return 0;
    });
  }
  for (Writer& writer : writers) writer.ready.Receive();
  for (int i = 0; i < kWriters; ++i) go.Send(1);
  uint64_t begin = 0, end = ~uint64_t{0};
  std::vector<std::vector<uint64_t>> all;
  for (Writer& writer : writers) {
    EXPECT_EQ(Wait(writer.pid), 0);
    all.push_back(writer.ids.Drain());
    ASSERT_EQ(all.back().size(), size_t{kWrites});
    begin = std::max(begin, all.back().front());
    end = std::min(end, all.back().back());
  }
  ASSERT_LT(begin, end);
  size_t least = kWrites, most = 0;
  for (const std::vector<uint64_t>& ids : all) {
    const size_t share = std::upper_bound(ids.begin(), ids.end(), end) -
                         std::lower_bound(ids.begin(), ids.end(), begin);
    least = std::min(least, share);
    most = std::max(most, share);
  }
  EXPECT_GT(least * 4, most);
}

TEST_F(SqliteProcessTest, Kill_LosesNothingCommittedAndLeavesNothingHalf) {
  std::mt19937 random(20240601);
  std::vector<uint64_t> committed;
  std::unique_ptr<Store> watcher;
  for (int round = 0; round < 20; ++round) {
    // In every other round another process has the store open meanwhile.
    watcher = round % 2 == 0 ? nullptr : Open(path());
    Pipe ids;
    const pid_t child = Start([&] {
      auto store = Open(path());
      while (true) {
        auto id = Insert(*store, 2000);
        if (!id.ok()) return 1;
        ids.Send(*id);
      }
    });
    committed.push_back(ids.Receive());
    usleep(random() % 20000);
    kill(child, SIGKILL);
    EXPECT_EQ(Wait(child), -SIGKILL);
    for (const uint64_t id : ids.Drain()) committed.push_back(id);

    if (watcher == nullptr) watcher = Open(path());
    auto found = CheckedIds(*watcher);
    ASSERT_TRUE(found.ok()) << found.status();
    for (const uint64_t id : committed) {
      EXPECT_TRUE(std::binary_search(found->begin(), found->end(), id)) << id;
    }
    // At most one more than was told: committed, and killed before it told.
    EXPECT_LE(found->size(), committed.size() + 1);
    committed = *found;
    auto id = Insert(*watcher);
    ASSERT_TRUE(id.ok()) << id.status();
    committed.push_back(*id);
    EXPECT_NE(watcher->Generation(kSpace), Store::kBusy);
  }
}

// ---- File systems that refuse ----

// A mount namespace of our own; false where that is not allowed.
bool OwnMounts() {
  const int flags = CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
  return unshare(flags) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

bool MakeReadOnly(const std::string& path) {
  return mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
         mount("none", path.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY,
               nullptr) == 0;
}

#define SKIP_WITHOUT_MOUNTS(code) \
  if ((code) == kCannotTest) GTEST_SKIP() << "no mount namespaces here"

TEST_F(SqliteProcessTest, ReadOnlyFileSystem_ReadsAndIsWriteProtected) {
  ASSERT_TRUE(Insert(*Open(path())).ok());
  const int code = RunChild([&] {
    if (!OwnMounts() || !MakeReadOnly(path())) return kCannotTest;
    auto store = Open(path());
    if (store == nullptr || store->writable()) return 1;
    if (base::CkRv(Insert(*store).status()) != CKR_TOKEN_WRITE_PROTECTED) {
      return 2;
    }
    return CheckedIds(*store)->size() == 1 ? 0 : 3;
  });
  SKIP_WITHOUT_MOUNTS(code);
  EXPECT_EQ(code, 0);
}

TEST_F(SqliteProcessTest, ReadOnlyWithALog_ReadsTheLogOrRefuses) {
  EXPECT_EQ(RunChild([&] {
              // Leaves without closing, as a killed process does.
              return Insert(*Open(path()).release()).ok() ? 0 : 1;
            }),
            0);
  ASSERT_TRUE(fs::exists(directory_.file("hsm.db-wal")));
  int code = RunChild([&] {
    if (!OwnMounts() || !MakeReadOnly(path())) return kCannotTest;
    auto store = Open(path());
    return store != nullptr && CheckedIds(*store)->size() == 1 ? 0 : 1;
  });
  SKIP_WITHOUT_MOUNTS(code);
  EXPECT_EQ(code, 0);
  fs::remove(directory_.file("hsm.db-shm"));
  code = RunChild([&] {
    if (!OwnMounts() || !MakeReadOnly(path())) return kCannotTest;
    auto store = OpenSqliteStore(path());
    // Never the state before the log.
    return !store.ok() || CheckedIds(**store)->size() == 1 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(SqliteProcessTest, FullDisk_IsDeviceMemoryAndKeepsWhatWas) {
  const int code = RunChild([&] {
    if (!OwnMounts() ||
        mount("none", path().c_str(), "tmpfs", 0, "size=512k,mode=700") != 0) {
      return kCannotTest;
    }
    MakeStore(path());
    auto store = Open(path());
    size_t inserted = 0;
    absl::Status status;
    while (status.ok() && inserted < 1000) {
      status = Insert(*store, 8000).status();
      if (status.ok()) ++inserted;
    }
    if (base::CkRv(status) != CKR_DEVICE_MEMORY) return 1;
    if (CheckedIds(*store)->size() != inserted) return 2;
    if (store->Generation(kSpace) == Store::kBusy) return 3;
    store = nullptr;
    store = Open(path());
    return CheckedIds(*store)->size() == inserted ? 0 : 4;
  });
  SKIP_WITHOUT_MOUNTS(code);
  EXPECT_EQ(code, 0);
}

TEST_F(SqliteProcessTest, FileOfSomebodyElse_IsAnErrorThatNamesIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ASSERT_EQ(chmod(path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(directory_.file("hsm.db").c_str(), 0644), 0);
  EXPECT_EQ(RunChild([&] {
              if (setresuid(65534, 65534, 65534) != 0) return 1;
              const absl::Status status = OpenSqliteStore(path()).status();
              if (base::CkRv(status) != CKR_DEVICE_ERROR) return 2;
              const std::string text(status.message());
              return text.find("hsm.db") != text.npos &&
                             text.find("errno 13") != text.npos
                         ? 0
                         : 3;
            }),
            0);
}

}  // namespace
}  // namespace hsm
