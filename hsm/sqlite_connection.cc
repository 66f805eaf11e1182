#include "hsm/sqlite_connection.h"

#include <cctype>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/system_error.h"

namespace hsm {
namespace {

constexpr int kApplicationId = 0x50524745;  // "PRGE"
constexpr int kBusyTimeoutMs = 10000;

// Not SQLite's default one, which the host may have replaced.
const char* vfs_name = "unix";

// PRAGMA and CREATE cannot be prepared with parameters, so they are text.
constexpr char kSchema[] = R"sql(
CREATE TABLE store (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id BLOB NOT NULL
);
CREATE TABLE space (
  space INTEGER PRIMARY KEY,
  changes INTEGER NOT NULL,
  records INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  last_id INTEGER NOT NULL
);
CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  space INTEGER NOT NULL,
  version INTEGER NOT NULL,
  key INTEGER NOT NULL,
  class INTEGER NOT NULL,
  size INTEGER NOT NULL,
  tags BLOB NOT NULL,
  sealed BLOB NOT NULL
);
CREATE INDEX record_class ON record (space, key, class, version);
CREATE INDEX record_bucket ON record (space, key, id & 4095, version);
CREATE TABLE tag (
  space INTEGER NOT NULL,
  tag BLOB NOT NULL,
  id INTEGER NOT NULL,
  PRIMARY KEY (space, tag, id)
) WITHOUT ROWID;
CREATE TABLE value (
  space INTEGER NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (space, name)
);
)sql";

// Releases before the versions made it with the log's first line.
constexpr char kAuditSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS audit (
  seq INTEGER PRIMARY KEY,
  mark BLOB NOT NULL,
  line BLOB NOT NULL
);
)sql";

// kUpgrades[n] makes version n + 2 of version n + 1. A new store is version 1
// with all of them, so that no two ways lead to a version. Never changed once
// released: docs/formats/store.md tells each.
constexpr const char* kUpgrades[] = {kAuditSchema};
constexpr int kFormatVersion = 1 + static_cast<int>(std::size(kUpgrades));

constexpr const char* kSql[] = {
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT nested",
    "RELEASE nested",
    "ROLLBACK TO nested",
    "SELECT id FROM store",
    "SELECT changes FROM space WHERE space = ?",
    "SELECT space, changes FROM space",
    "SELECT max(coalesce((SELECT max(last_id) FROM space), 0), "
    "coalesce((SELECT max(id) FROM record), 0))",
    "SELECT version, key, class, size, sealed FROM record "
    "WHERE id = ? AND space = ?",
    "SELECT version, key, class FROM record WHERE id = ? AND space = ?",
    "SELECT id, version, key, class FROM record WHERE space = ?",
    "SELECT id, version, key, class FROM record WHERE space = ? AND key = ?",
    "SELECT id, version, key, class FROM record "
    "WHERE space = ? AND key = ? AND class = ?",
    "SELECT id, version FROM record INDEXED BY record_bucket "
    "WHERE space = ? AND key = ? AND id & 4095 = ?",
    "SELECT id, version, sealed FROM record WHERE space = ? AND key = ?",
    "SELECT id, version, sealed FROM record NOT INDEXED "
    "WHERE space = ? AND key = ?",
    "SELECT count(*) FROM record WHERE space = ? AND key = ?",
    "SELECT sum(records) FROM space",
    "SELECT id FROM tag WHERE space = ? AND tag = ? AND id >= ? "
    "ORDER BY id LIMIT 1",
    "SELECT records, bytes FROM space WHERE space = ?",
    "SELECT value FROM value WHERE space = ? AND name = ?",
    "SELECT name FROM value WHERE space = ? AND name >= ? ORDER BY name",
    "SELECT space, size, tags FROM record WHERE id = ?",
    "INSERT INTO record (id, space, version, key, class, size, tags, sealed) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "version = excluded.version, key = excluded.key, class = excluded.class, "
    "size = excluded.size, tags = excluded.tags, sealed = excluded.sealed",
    "DELETE FROM record WHERE id = ?",
    "INSERT OR IGNORE INTO tag (space, tag, id) VALUES (?, ?, ?)",
    "DELETE FROM tag WHERE space = ? AND tag = ? AND id = ?",
    "INSERT INTO value (space, name, value) VALUES (?, ?, ?) "
    "ON CONFLICT (space, name) DO UPDATE SET value = excluded.value",
    "DELETE FROM value WHERE space = ? AND name = ?",
    "DELETE FROM record WHERE space = ?",
    "DELETE FROM tag WHERE space = ?",
    "DELETE FROM value WHERE space = ?",
    "INSERT OR IGNORE INTO space (space, changes, records, bytes, last_id) "
    "VALUES (?, 0, 0, 0, 0)",
    "UPDATE space SET changes = ?2, records = records + ?3, "
    "bytes = bytes + ?4, last_id = max(last_id, ?5) WHERE space = ?1",
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'audit'",
    "SELECT seq, mark, line FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?",
    "SELECT seq, mark, line FROM audit ORDER BY seq DESC LIMIT 1",
    "SELECT max(seq) FROM audit",
    "UPDATE audit SET mark = ? WHERE seq = ?",
    "INSERT INTO audit (seq, mark, line) VALUES (?, ?, ?)",
    "DELETE FROM audit WHERE seq <= ?",
};
static_assert(std::size(kSql) == static_cast<size_t>(Sql::kCount));

// A URI, because only one can say `immutable`. Everything but the plainest
// characters is escaped.
std::string Uri(const std::string& path, SqliteConnection::Mode mode) {
  std::string uri = "file:";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 ||
        absl::string_view("/-_.").find(c) != absl::string_view::npos) {
      uri.push_back(c);
    } else {
      absl::StrAppend(&uri, "%", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  if (mode == SqliteConnection::Mode::kImmutable) uri += "?immutable=1";
  return uri;
}

// The text stays out of the log's format: path, what, SQLite's text, codes.
absl::Status ErrorOf(const std::string& path, absl::string_view what,
                     int extended, int system_error, absl::string_view text) {
  CK_RV rv = CKR_DEVICE_ERROR;
  switch (extended & 0xff) {
    case SQLITE_FULL:
      rv = CKR_DEVICE_MEMORY;
      break;
    case SQLITE_NOMEM:
      rv = CKR_HOST_MEMORY;
      break;
    case SQLITE_READONLY:
      rv = CKR_TOKEN_WRITE_PROTECTED;
      break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      if (system_error != 0) rv = CkRvOfErrno(system_error);
      // The directory was there a moment ago; it is no missing token.
      if (rv == CKR_TOKEN_NOT_PRESENT) rv = CKR_DEVICE_ERROR;
      break;
    default:
      break;
  }
  std::string message =
      absl::StrCat(path, ": ", what, ": ", text, " (SQLite ", extended);
  if (system_error != 0) absl::StrAppend(&message, ", errno ", system_error);
  return base::Error(rv, absl::StrCat(message, ")"));
}

}  // namespace

void UseSqliteVfsForTest(const char* name) { vfs_name = name; }

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::OpenFile(
    const std::string& path, Mode mode) {
  if (sqlite3_threadsafe() == 0) {
    return base::Error(CKR_GENERAL_ERROR, "SQLite was built without threads");
  }
  sqlite3* db = nullptr;
  // One thread at a time uses a connection, so SQLite need not lock it.
  const int flags = (mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE
                                              : SQLITE_OPEN_READONLY) |
                    SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
  const int rc = sqlite3_open_v2(Uri(path, mode).c_str(), &db, flags, vfs_name);
  if (db == nullptr) {
    return base::Error(CKR_HOST_MEMORY, absl::StrCat(path, ": no memory"));
  }
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(path, db));
  if (rc != SQLITE_OK) return connection->LastError("open");
  RETURN_IF_ERROR(connection->Configure(mode));
  return connection;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(
    const std::string& path, Mode mode) {
  ASSIGN_OR_RETURN(auto connection, OpenFile(path, mode));
  RETURN_IF_ERROR(connection->CheckFormat());
  return connection;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::OpenEmpty(
    const std::string& path) {
  return OpenFile(path, Mode::kReadWrite);
}

absl::Status SqliteConnection::Configure(Mode mode) {
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // Cell checks: a damaged page is an error and not a wrong answer.
  RETURN_IF_ERROR(
      Execute("PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY"));
  if (mode != Mode::kReadWrite) return absl::OkStatus();
  // The pages of an index are written again and again before they are moved to
  // their place, which waits for the disk twice: 40 MB of them may gather.
  return Execute(
      "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; "
      "PRAGMA wal_autocheckpoint = 10000");
}

absl::Status SqliteConnection::CheckFormat() {
  sqlite3_stmt* statement = nullptr;
  int numbers[2] = {};
  const char* const pragmas[2] = {"PRAGMA application_id",
                                  "PRAGMA user_version"};
  for (int i = 0; i < 2; ++i) {
    int rc = sqlite3_prepare_v2(db_, pragmas[i], -1, &statement, nullptr);
    if (rc == SQLITE_OK) rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) numbers[i] = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    if (rc != SQLITE_ROW) return OpeningError("read the header");
  }
  if (numbers[0] != kApplicationId) {
    return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                       absl::StrCat(path_, ": not a store of an HSM"));
  }
  version_ = numbers[1];
  if (version_ < 1 || version_ > kFormatVersion) {
    return base::Error(
        CKR_TOKEN_NOT_RECOGNIZED,
        absl::StrCat(path_, ": store version ", version_, ", where 1 to ",
                     kFormatVersion, " are known: made by a newer Perigee"));
  }
  return absl::OkStatus();
}

int SqliteConnection::NewestVersion() { return kFormatVersion; }

bool SqliteConnection::IsNewest() const { return version_ == kFormatVersion; }

absl::Status SqliteConnection::Upgrade() {
  RETURN_IF_ERROR(Run(Sql::kBeginImmediate));
  const absl::Status status = [&]() -> absl::Status {
    RETURN_IF_ERROR(CheckFormat());  // somebody may have been faster
    return RunUpgrades();
  }();
  if (status.ok()) return Run(Sql::kCommit);
  Run(Sql::kRollback).IgnoreError();
  return status;
}

absl::Status SqliteConnection::RunUpgrades() {
  for (; version_ < kFormatVersion; ++version_) {
    RETURN_IF_ERROR(Execute(kUpgrades[version_ - 1]));
  }
  return Execute(absl::StrCat("PRAGMA user_version = ", version_).c_str());
}

absl::Status SqliteConnection::MakeSchema(ByteSpan store_id) {
  RETURN_IF_ERROR(
      Execute("PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; "
              "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE"));
  RETURN_IF_ERROR(Execute(kSchema));
  RETURN_IF_ERROR(Execute(
      absl::StrCat("PRAGMA application_id = ", kApplicationId).c_str()));
  version_ = 1;
  RETURN_IF_ERROR(RunUpgrades());
  sqlite3_stmt* statement = nullptr;
  int rc = sqlite3_prepare_v2(db_, "INSERT INTO store (one, id) VALUES (1, ?)",
                              -1, &statement, nullptr);
  if (rc == SQLITE_OK) {
    sqlite3_bind_blob64(statement, 1, store_id.data(), store_id.size(),
                        SQLITE_STATIC);
    rc = sqlite3_step(statement);
  }
  sqlite3_finalize(statement);
  if (rc != SQLITE_DONE) return LastError("make");
  return Execute("COMMIT");
}

absl::Status SqliteConnection::Ask(
    const char* sql, absl::FunctionRef<void(sqlite3_stmt* row)> show) {
  sqlite3_stmt* statement = nullptr;
  int rc = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
  if (rc == SQLITE_OK) {
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) show(statement);
  }
  const absl::Status status =
      rc == SQLITE_DONE ? absl::OkStatus() : LastError("read");
  sqlite3_finalize(statement);
  return status;
}

SqliteConnection::~SqliteConnection() {
  for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

absl::Status SqliteConnection::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) {
    return absl::OkStatus();
  }
  return OpeningError("prepare");
}

absl::Status SqliteConnection::Run(Sql sql) {
  return SqliteQuery(*this, sql).Run();
}

absl::Status SqliteConnection::LastError(absl::string_view what) const {
  return ErrorOf(path_, what, sqlite3_extended_errcode(db_),
                 sqlite3_system_errno(db_), sqlite3_errmsg(db_));
}

absl::Status SqliteConnection::OpeningError(absl::string_view what) const {
  const int code = sqlite3_errcode(db_) & 0xff;
  if (code != SQLITE_NOTADB && code != SQLITE_CORRUPT) return LastError(what);
  return base::Error(CKR_TOKEN_NOT_RECOGNIZED,
                     absl::StrCat(path_, ": damaged, or not a database: ",
                                  sqlite3_errmsg(db_)));
}

sqlite3_stmt* SqliteConnection::Prepared(Sql sql) {
  const auto i = static_cast<size_t>(sql);
  if (statements_[i] == nullptr) {
    sqlite3_prepare_v3(db_, kSql[i], -1, SQLITE_PREPARE_PERSISTENT,
                       &statements_[i], nullptr);
  }
  return statements_[i];
}

SqliteQuery::SqliteQuery(SqliteConnection& connection, Sql sql)
    : connection_(connection), statement_(connection.Prepared(sql)) {}

SqliteQuery::~SqliteQuery() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteQuery& SqliteQuery::Bind(uint64_t value) {
  if (statement_ == nullptr) return *this;
  const int rc = sqlite3_bind_int64(statement_, ++parameters_,
                                    static_cast<sqlite3_int64>(value));
  if (rc != SQLITE_OK) error_ = rc;
  return *this;
}

SqliteQuery& SqliteQuery::Bind(ByteSpan value) {
  if (statement_ == nullptr) return *this;
  // A null pointer would bind NULL and not an empty blob.
  const void* data =
      value.empty() ? "" : static_cast<const void*>(value.data());
  const int rc = sqlite3_bind_blob64(statement_, ++parameters_, data,
                                     value.size(), SQLITE_STATIC);
  if (rc != SQLITE_OK) error_ = rc;
  return *this;
}

SqliteQuery& SqliteQuery::BindText(absl::string_view value) {
  if (statement_ == nullptr) return *this;
  const char* data = value.empty() ? "" : value.data();
  const int rc = sqlite3_bind_text64(statement_, ++parameters_, data,
                                     value.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (rc != SQLITE_OK) error_ = rc;
  return *this;
}

absl::StatusOr<bool> SqliteQuery::Step() {
  if (statement_ == nullptr) return connection_.LastError("prepare");
  const int rc = error_ != SQLITE_OK ? error_ : sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  return connection_.LastError("access");
}

absl::Status SqliteQuery::Run() {
  ASSIGN_OR_RETURN([[maybe_unused]] const bool row, Step());
  return absl::OkStatus();
}

uint64_t SqliteQuery::Int(int column) const {
  return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
}

ByteSpan SqliteQuery::Blob(int column) const {
  const auto* data =
      static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? ByteSpan() : ByteSpan(data, size);
}

std::string SqliteQuery::Text(int column) const {
  const auto* data =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(data, size);
}

}  // namespace hsm
