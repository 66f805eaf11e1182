// One SQLite connection to hsm.db with its prepared statements, and SQLite's
// errors as statuses. The schema and every statement of the store stand here
// and in sqlite_connection.cc; docs/formats/store.md describes them.
#ifndef PERIGEE_HSM_SQLITE_CONNECTION_H_
#define PERIGEE_HSM_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <array>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "base/bytes.h"
#include "base/status.h"

namespace hsm {

using base::Bytes;
using base::ByteSpan;

// Statements, in the order of kSql in sqlite_connection.cc.
enum class Sql {
  kBegin,
  kBeginImmediate,
  kCommit,
  kRollback,
  kSavepoint,
  kReleaseSavepoint,
  kRollbackSavepoint,
  kStoreId,
  kChanges,
  kAllChanges,
  kMaxId,
  kGet,
  kStamp,
  kFindAll,
  kFindKey,
  kFindClass,
  kBucket,
  kHeads,
  kHeadsOfMost,
  kCountKey,
  kCountAll,
  kTagSeek,
  kUsage,
  kGetValue,
  kListValues,
  kOldRecord,
  kPutRecord,
  kDeleteRecord,
  kPutTag,
  kDeleteTag,
  kPutValue,
  kDeleteValue,
  kDropRecords,
  kDropTags,
  kDropValues,
  kMakeSpace,
  kTouchSpace,
  kHasAudit,
  kReadAudit,
  kLastAudit,
  kLastAuditSeq,
  kMarkAudit,
  kAppendAudit,
  kDropAudit,
  kCount,
};

// The SQLite VFS of every connection that is opened from now on. For tests that
// put one of theirs under the store; call it while no other thread is here.
void UseSqliteVfsForTest(const char* name);

class SqliteConnection {
 public:
  enum class Mode { kReadWrite, kReadOnly, kImmutable };

  // `path` has no symbolic link in it. Checks application id and version but
  // for a file that MakeSchema is about to fill.
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(
      const std::string& path, Mode mode);
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenEmpty(
      const std::string& path);
  // Fills an empty database.
  absl::Status MakeSchema(ByteSpan store_id);

  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  // False for a store of an older version: Upgrade makes it the newest in one
  // transaction. Read-only ones stay as they are.
  bool IsNewest() const;
  static int NewestVersion();
  absl::Status Upgrade();

  // Runs a statement without parameters and results.
  absl::Status Run(Sql sql);
  // Runs a statement that is needed once, by its text, and shows its rows.
  absl::Status Ask(const char* sql,
                   absl::FunctionRef<void(sqlite3_stmt* row)> show);
  // True while a transaction is open.
  bool InTransaction() const { return sqlite3_get_autocommit(db_) == 0; }
  // The connection's last error, with the path and `what`.
  absl::Status LastError(absl::string_view what) const;
  // The same while the store is opened, when damage is
  // CKR_TOKEN_NOT_RECOGNIZED.
  absl::Status OpeningError(absl::string_view what) const;
  const std::string& path() const { return path_; }

 private:
  friend class SqliteQuery;
  SqliteConnection(std::string path, sqlite3* db)
      : path_(std::move(path)), db_(db) {}

  static absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenFile(
      const std::string& path, Mode mode);
  absl::Status Configure(Mode mode);
  absl::Status CheckFormat();
  absl::Status RunUpgrades();
  absl::Status Execute(const char* sql);
  // The prepared statement; null after an error.
  sqlite3_stmt* Prepared(Sql sql);

  const std::string path_;
  sqlite3* const db_;
  int version_ = 0;
  std::array<sqlite3_stmt*, static_cast<size_t>(Sql::kCount)> statements_{};
};

// One run of a prepared statement, reset at the end. Errors of Bind are kept
// until Step. Parameters are bound in the order of the calls; spans must live
// as long as the query.
class SqliteQuery {
 public:
  SqliteQuery(SqliteConnection& connection, Sql sql);
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;
  ~SqliteQuery();

  SqliteQuery& Bind(uint64_t value);
  SqliteQuery& Bind(ByteSpan value);
  SqliteQuery& BindText(absl::string_view value);

  // True when there is a row.
  absl::StatusOr<bool> Step();
  // Runs a statement that gives no rows.
  absl::Status Run();

  uint64_t Int(int column) const;
  ByteSpan Blob(int column) const;  // until the next Step
  std::string Text(int column) const;

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* statement_;
  int parameters_ = 0;
  int error_ = SQLITE_OK;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_SQLITE_CONNECTION_H_
