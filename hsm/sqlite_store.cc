#include "hsm/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto.h"
#include "hsm/change_counter.h"
#include "hsm/room_reserve.h"
#include "hsm/sqlite_connection.h"
#include "hsm/sqlite_fork.h"
#include "hsm/sqlite_pool.h"
#include "hsm/sqlite_view.h"
#include "hsm/system_error.h"
#include "hsm/writer_lock.h"

namespace hsm {
namespace {

using Mode = SqliteConnection::Mode;

absl::StatusOr<std::string> RealPath(const std::string& directory) {
  // SQLite refuses a link anywhere in a path that it opens without following
  // links, so those above the directory are resolved here.
  std::unique_ptr<char, decltype(&std::free)> real(
      realpath(directory.c_str(), nullptr), &std::free);
  if (real == nullptr) return SystemError("resolve", directory);
  return std::string(real.get());
}

// One transaction that writes of several threads share, each in its own
// thread, one after the other, and one commit for all: a commit costs as much
// as the work of several writes.
class Group {
 public:
  Group(WriterLock::Hold hold, SqlitePool::Lease connection)
      : hold_(std::in_place, std::move(hold)),
        connection_(std::in_place, std::move(connection)),
        view_(**connection_, /*writing=*/true) {}

  // Runs one write. What fails is undone alone; when that cannot be done, and
  // when `write` throws, the group is broken.
  absl::Status Run(SpaceId touches,
                   absl::FunctionRef<absl::Status(Transaction&)> write) {
    hold_->PassToThisThread();
    absl::Cleanup put_down = [this] { hold_->PutDown(); };
    ++writes_;
    broken_ = true;  // unless it comes back
    const uint64_t edits = view_.edits();
    absl::Status inside = absl::OkStatus();
    absl::Status status =
        writes_ == 1 ? inside = write(view_)
                     : view_.Nested([&] { return inside = write(view_); });
    broken_ = status != inside || (writes_ == 1 && !status.ok());
    if (status.ok() && view_.edits() != edits) view_.Touch(touches);
    return status;
  }

  int writes() const { return writes_; }
  bool broken() const { return broken_; }
  SqliteConnection& connection() { return **connection_; }
  SqliteView& view() { return view_; }

  // Ends the transaction (an open one is rolled back), gives the writer's
  // place away and tells everybody.
  void End(absl::Status result) {
    connection_.reset();
    hold_.reset();
    {
      const std::lock_guard<std::mutex> lock(mu_);
      result_ = std::move(result);
    }
    ended_.notify_all();
  }
  absl::Status Wait() {
    std::unique_lock<std::mutex> lock(mu_);
    ended_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }

 private:
  std::optional<WriterLock::Hold> hold_;
  std::optional<SqlitePool::Lease> connection_;
  SqliteView view_;
  int writes_ = 0;
  bool broken_ = false;
  std::mutex mu_;
  std::condition_variable ended_;
  std::optional<absl::Status> result_;  // under mu_
};

// The newest unbroken run of commits of this process, for each space, that
// changed records only.
class QuietRuns {
 public:
  // A commit took `space` from one generation to the next.
  void Note(SpaceId space, uint64_t from, uint64_t to, bool only_records)
      ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    Run& run = runs_[space];
    if (!only_records || run.to != from) run.from = only_records ? from : to;
    run.to = to;
  }
  bool Covers(SpaceId space, uint64_t from, uint64_t to) const
      ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    const auto it = runs_.find(space);
    return it != runs_.end() && it->second.from <= from && from <= to &&
           to <= it->second.to;
  }

 private:
  struct Run {
    uint64_t from = 0;
    uint64_t to = 0;
  };
  mutable absl::Mutex mu_;
  std::map<SpaceId, Run> runs_ ABSL_GUARDED_BY(mu_);
};

// So that other processes get their turn.
constexpr int kWritesInGroup = 64;

absl::StatusOr<std::array<uint8_t, 16>> ReadStoreId(
    SqliteConnection& connection) {
  std::array<uint8_t, 16> id{};
  SqliteQuery query(connection, Sql::kStoreId);
  const absl::StatusOr<bool> found = query.Step();
  if (!found.ok()) return connection.OpeningError("read the store id");
  if (!*found || query.Blob(0).size() != id.size()) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       absl::StrCat(connection.path(), ": no store id"));
  }
  std::copy_n(query.Blob(0).begin(), id.size(), id.begin());
  return id;
}

// A disk without room. (A full audit log has a reason.)
bool IsFull(const absl::Status& status) {
  return base::CkRv(status) == CKR_DEVICE_MEMORY &&
         base::Reason(status).empty();
}

absl::StatusOr<SpaceChanges> ReadChanges(SqliteConnection& connection) {
  SqliteQuery query(connection, Sql::kAllChanges);
  SpaceChanges changes;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, query.Step());
    if (!more) return changes;
    changes.emplace_back(static_cast<SpaceId>(query.Int(0)), query.Int(1));
  }
}

class SqliteStore : public Store {
 public:
  static absl::StatusOr<std::unique_ptr<Store>> Open(
      const std::string& directory, Mode mode);

  ~SqliteStore() override {
    // In a forked child nothing of the parent's may be closed or unlocked.
    if (getpid() != pid_) static_cast<void>(parts_.release());
  }

  const std::array<uint8_t, 16>& store_id() const override { return id_; }
  bool writable() const override { return mode_ == Mode::kReadWrite; }
  absl::Status Read(absl::FunctionRef<absl::Status(Reader&)> read) override;
  absl::Status Write(
      SpaceId touches,
      absl::FunctionRef<absl::Status(Transaction&)> write) override;
  absl::Status WriteFreeing(
      SpaceId touches,
      absl::FunctionRef<absl::Status(Transaction&)> write) override;
  uint64_t Generation(SpaceId space) override {
    if (parts_->changes == nullptr) return kBusy;
    return parts_->changes->Generation(space);
  }
  bool OnlyRecordsChanged(SpaceId space, uint64_t from, uint64_t to) override {
    return parts_->quiet.Covers(space, from, to);
  }

 private:
  struct Parts {
    Parts(const std::string& directory, Mode mode)
        : pool(absl::StrCat(directory, "/hsm.db"), mode),
          reserve(absl::StrCat(directory, "/reserve")) {}
    SqlitePool pool;
    std::shared_ptr<WriterLock> writer;  // null when read-only
    // Null when read-only and there is none.
    std::unique_ptr<ChangeCounter> changes;
    QuietRuns quiet;
    RoomReserve reserve;

    // The writes of this process: how many wait for their turn, whose turn it
    // is, and the group that the next one joins.
    std::atomic<int> waiting{0};
    absl::Mutex turn;
    std::shared_ptr<Group> group ABSL_GUARDED_BY(turn);
  };

  SqliteStore(std::string directory, Mode mode)
      : directory_(std::move(directory)),
        mode_(mode),
        parts_(std::make_unique<Parts>(directory_, mode)) {}

  absl::Status OpenChanges(SqliteConnection& connection);
  absl::Status CheckProcess() const;
  absl::StatusOr<std::shared_ptr<Group>> BeginGroup();
  // Waits for the turn, works in the group and ends it unless somebody waits
  // who will. `status` is that of `write`.
  absl::StatusOr<std::shared_ptr<Group>> TakeTurn(
      SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write,
      absl::Status& status);
  absl::Status Commit(SqliteConnection& connection, SqliteView& view);

  const std::string directory_;
  const Mode mode_;
  const pid_t pid_ = getpid();
  std::array<uint8_t, 16> id_{};
  std::unique_ptr<Parts> parts_;
};

absl::StatusOr<std::unique_ptr<Store>> SqliteStore::Open(
    const std::string& directory, Mode mode) {
  std::unique_ptr<SqliteStore> store(new SqliteStore(directory, mode));
  ASSIGN_OR_RETURN(SqlitePool::Lease connection, store->parts_->pool.Borrow());
  ASSIGN_OR_RETURN(store->id_, ReadStoreId(*connection));
  RETURN_IF_ERROR(store->OpenChanges(*connection));
  if (store->writable() && !connection->IsNewest()) {
    ASSIGN_OR_RETURN(const auto hold, store->parts_->writer->Acquire());
    RETURN_IF_ERROR(connection->Upgrade());
  }
  if (store->writable()) store->parts_->reserve.Fill();
  return store;
}

absl::Status SqliteStore::WriteFreeing(
    SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write) {
  absl::Status status = Write(touches, write);
  if (!IsFull(status)) {
    if (status.ok()) parts_->reserve.Fill();
    return status;
  }
  // The log may have room that was written to the database already.
  if (auto connection = parts_->pool.Borrow(); connection.ok()) {
    (*connection)
        ->Ask("PRAGMA wal_checkpoint(PASSIVE)", [](sqlite3_stmt*) {})
        .IgnoreError();
  }
  do {
    status = Write(touches, write);
  } while (IsFull(status) && parts_->reserve.Release());
  return status;
}

absl::Status SqliteStore::OpenChanges(SqliteConnection& connection) {
  const std::string path = absl::StrCat(directory_, "/changes");
  auto mapped = ChangeCounter::Map(path, writable());
  if (!writable()) {
    if (mapped.ok()) parts_->changes = *std::move(mapped);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(parts_->writer,
                   WriterLock::Open(absl::StrCat(directory_, "/writer")));
  if (!mapped.ok()) {
    const CK_RV rv = base::CkRv(mapped.status());
    if (rv != CKR_TOKEN_NOT_PRESENT && rv != CKR_TOKEN_NOT_RECOGNIZED) {
      return mapped.status();
    }
    ASSIGN_OR_RETURN(auto hold, parts_->writer->Acquire());
    // Somebody else may have made it while we waited.
    mapped = ChangeCounter::Map(path, true);
    if (!mapped.ok()) {
      ASSIGN_OR_RETURN(const SpaceChanges changes, ReadChanges(connection));
      RETURN_IF_ERROR(ChangeCounter::Make(path, changes));
      ASSIGN_OR_RETURN(mapped, ChangeCounter::Map(path, true));
    }
  }
  parts_->changes = *std::move(mapped);
  // After a power cut the counters may be stale. A writer at work repairs them
  // itself, so there is nothing to wait for.
  if (auto hold = parts_->writer->TryAcquire(); hold.ok()) {
    ASSIGN_OR_RETURN(const SpaceChanges changes, ReadChanges(connection));
    return parts_->changes->Repair(changes);
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::CheckProcess() const {
  if (getpid() == pid_) return absl::OkStatus();
  return base::Error(
      CKR_DEVICE_ERROR,
      absl::StrCat(directory_, ": opened before a fork, by process ", pid_));
}

absl::Status SqliteStore::Read(absl::FunctionRef<absl::Status(Reader&)> read) {
  RETURN_IF_ERROR(CheckProcess());
  ASSIGN_OR_RETURN(SqlitePool::Lease connection, parts_->pool.Borrow());
  RETURN_IF_ERROR(connection->Run(Sql::kBegin));
  SqliteView view(*connection, /*writing=*/false);
  return read(view);  // The lease ends the transaction.
}

absl::Status SqliteStore::Write(
    SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write) {
  RETURN_IF_ERROR(CheckProcess());
  if (!writable()) {
    return base::Error(CKR_TOKEN_WRITE_PROTECTED,
                       absl::StrCat(directory_, ": read-only file system"));
  }
  if (parts_->writer->HeldByMe()) {
    return base::Error(CKR_GENERAL_ERROR, "a write inside a write");
  }
  absl::Status status;
  ASSIGN_OR_RETURN(const std::shared_ptr<Group> group,
                   TakeTurn(touches, write, status));
  const absl::Status committed = group->Wait();
  // What it failed for may be the work of another one in the group, so it too
  // answers after the commit.
  return status.ok() ? committed : status;
}

absl::StatusOr<std::shared_ptr<Group>> SqliteStore::BeginGroup() {
  ASSIGN_OR_RETURN(auto hold, parts_->writer->Acquire());
  ASSIGN_OR_RETURN(SqlitePool::Lease connection, parts_->pool.Borrow());
  if (parts_->changes->LeftBusy()) {
    ASSIGN_OR_RETURN(const SpaceChanges changes, ReadChanges(*connection));
    RETURN_IF_ERROR(parts_->changes->Repair(changes));
  }
  RETURN_IF_ERROR(connection->Run(Sql::kBeginImmediate));
  return std::make_shared<Group>(std::move(hold), std::move(connection));
}

absl::StatusOr<std::shared_ptr<Group>> SqliteStore::TakeTurn(
    SpaceId touches, absl::FunctionRef<absl::Status(Transaction&)> write,
    absl::Status& status) {
  parts_->waiting.fetch_add(1);
  absl::MutexLock lock(&parts_->turn);
  parts_->waiting.fetch_sub(1);
  if (parts_->group == nullptr) {
    ASSIGN_OR_RETURN(parts_->group, BeginGroup());
  }
  const std::shared_ptr<Group> group = parts_->group;
  // Also when `write` throws.
  absl::Cleanup end_broken = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    parts_->group = nullptr;
    group->End(base::Error(CKR_DEVICE_ERROR,
                           "a write in the same commit could not be undone"));
  };
  status = group->Run(touches, write);
  if (group->broken()) return group;
  std::move(end_broken).Cancel();
  if (parts_->waiting.load() != 0 && group->writes() < kWritesInGroup) {
    return group;  // they come for certain, and the last of them ends it
  }
  parts_->group = nullptr;
  group->End(group->view().dirty() ? Commit(group->connection(), group->view())
                                   : absl::OkStatus());
  return group;
}

absl::Status SqliteStore::Commit(SqliteConnection& connection,
                                 SqliteView& view) {
  ASSIGN_OR_RETURN(auto next, view.Touched());
  SpaceChanges before;
  for (auto& [space, changes] : next) {
    before.emplace_back(space, parts_->changes->Generation(space));
    changes = parts_->changes->Next(space, changes);
  }
  RETURN_IF_ERROR(view.Finish(next));
  RETURN_IF_ERROR(parts_->changes->Begin(next));
  absl::Status status = connection.Run(Sql::kCommit);
  if (status.ok()) {
    for (size_t i = 0; i < next.size(); ++i) {
      const auto& [space, generation] = before[i];
      parts_->quiet.Note(space, generation, next[i].second,
                         view.revalued().count(space) == 0);
    }
    parts_->changes->End(next);
    return status;
  }
  connection.Run(Sql::kRollback).IgnoreError();
  // Otherwise the counters stay busy, and the next writer repairs them.
  if (!connection.InTransaction()) parts_->changes->Cancel(next);
  return status;
}

// How the files can be used; docs/formats/store.md, "Read-only".
absl::StatusOr<Mode> ModeFor(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/hsm.db");
  if (faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0) {
    return SystemError("read", path);
  }
  const bool file_ok = faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
  if (file_ok &&
      faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0) {
    return Mode::kReadWrite;
  }
  if (errno != EROFS) return SystemError("write", file_ok ? directory : path);
  struct stat log;
  const bool has_log =
      lstat(absl::StrCat(path, "-wal").c_str(), &log) == 0 && log.st_size > 0;
  return has_log ? Mode::kReadOnly : Mode::kImmutable;
}

absl::Status SyncDirectory(const std::string& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError("open", directory);
  absl::Cleanup closer = [fd] { close(fd); };
  if (fsync(fd) != 0) return SystemError("fsync", directory);
  return absl::OkStatus();
}

absl::Status MakeFile(const std::string& path) {
  const int fd = open(path.c_str(),
                      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError("create", path);
  close(fd);
  return absl::OkStatus();
}

}  // namespace

absl::Status CreateSqliteStore(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::string real, RealPath(directory));
  const std::string path = absl::StrCat(real, "/hsm.db");
  // SQLite would choose the mode by the umask.
  RETURN_IF_ERROR(MakeFile(path));
  absl::Cleanup undo = [&real] {
    for (const char* name :
         {"/hsm.db", "/hsm.db-wal", "/hsm.db-shm", "/changes", "/writer"}) {
      unlink(absl::StrCat(real, name).c_str());
    }
  };
  RETURN_IF_ERROR(MakeFile(absl::StrCat(real, "/writer")));
  RETURN_IF_ERROR(ChangeCounter::Make(absl::StrCat(real, "/changes"), {}));
  ASSIGN_OR_RETURN(const Bytes store_id, base::RandomBytes(16));
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) return SystemError("lstat", path);
  NoteSqliteFile(file);
  {
    ASSIGN_OR_RETURN(auto connection, SqliteConnection::OpenEmpty(path));
    RETURN_IF_ERROR(connection->MakeSchema(store_id));
  }
  RETURN_IF_ERROR(SyncDirectory(real));
  std::move(undo).Cancel();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(
    const std::string& directory) {
  ASSIGN_OR_RETURN(const std::string real, RealPath(directory));
  const std::string path = absl::StrCat(real, "/hsm.db");
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) return SystemError("open", path);
  if (!S_ISREG(file.st_mode)) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       absl::StrCat(path, ": not a regular file"));
  }
  ASSIGN_OR_RETURN(const Mode mode, ModeFor(real));
  NoteSqliteFile(file);
  auto opened = SqliteStore::Open(real, mode);
  if (opened.ok() || mode != Mode::kReadWrite || !IsFull(opened.status())) {
    return opened;
  }
  // SQLite needs two files beside the database.
  if (!RoomReserve(absl::StrCat(real, "/reserve")).Release()) {
    return opened;
  }
  return SqliteStore::Open(real, mode);
}

}  // namespace hsm
