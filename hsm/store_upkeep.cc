#include "hsm/store_upkeep.h"

#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/hsm.h"
#include "hsm/sqlite_connection.h"
#include "hsm/sqlite_store.h"
#include "hsm/writer_lock.h"

namespace hsm {
namespace {

using Mode = SqliteConnection::Mode;

// Each gives a row for each thing that is wrong: what, and where.
struct Rule {
  const char* sql;
  const char* what;
  uint64_t since = 1;  // version of the store
};
constexpr Rule kRules[] = {
    {"SELECT space FROM record GROUP BY space "
     "HAVING space NOT IN (SELECT space FROM space)",
     "records of a space that is not listed"},
    {"SELECT s.space FROM space s LEFT JOIN "
     "(SELECT space, count(*) AS n, sum(size) AS b FROM record GROUP BY space) "
     "r ON r.space = s.space "
     "WHERE s.records <> ifnull(r.n, 0) OR s.bytes <> ifnull(r.b, 0)",
     "the counts of a space are not those of its records"},
    {"SELECT space FROM record GROUP BY space HAVING max(id) > "
     "(SELECT max(last_id) FROM space)",
     "a record has an id that was never given out"},
    {"SELECT t.space FROM tag t LEFT JOIN record r "
     "ON r.id = t.id AND r.space = t.space WHERE r.id IS NULL "
     "GROUP BY t.space",
     "tags of records that are not there"},
    {"SELECT r.space FROM "
     "(SELECT space, sum(length(tags) / 16) AS n FROM record GROUP BY space) r "
     "LEFT JOIN (SELECT space, count(*) AS n FROM tag GROUP BY space) t "
     "ON t.space = r.space WHERE r.n <> ifnull(t.n, 0)",
     "records whose tags are missing: searches do not find them"},
    {"SELECT space FROM record WHERE length(tags) % 16 <> 0 OR version < 1 "
     "OR key > 1 GROUP BY space",
     "records that no HSM writes"},
    {"SELECT 0 FROM (SELECT count(*) AS n, max(seq) - min(seq) + 1 AS m "
     "FROM audit) WHERE n <> 0 AND n <> m",
     "lines of the audit log are missing", 2},
    {"SELECT 0 FROM audit WHERE (length(mark) > 0) <> "
     "(seq = (SELECT max(seq) FROM audit)) LIMIT 1",
     "the audit log does not end where the HSM left it", 2},
};

uint64_t SizeOf(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0
             ? static_cast<uint64_t>(status.st_size)
             : 0;
}

absl::StatusOr<uint64_t> Number(SqliteConnection& connection, const char* sql) {
  uint64_t number = 0;
  RETURN_IF_ERROR(connection.Ask(sql, [&](sqlite3_stmt* row) {
    number = static_cast<uint64_t>(sqlite3_column_int64(row, 0));
  }));
  return number;
}

absl::StatusOr<StoreReport> Measure(SqliteConnection& connection) {
  StoreReport report;
  ASSIGN_OR_RETURN(report.version, Number(connection, "PRAGMA user_version"));
  ASSIGN_OR_RETURN(report.spaces,
                   Number(connection, "SELECT count(*) FROM space"));
  ASSIGN_OR_RETURN(report.records,
                   Number(connection, "SELECT count(*) FROM record"));
  ASSIGN_OR_RETURN(const uint64_t page, Number(connection, "PRAGMA page_size"));
  ASSIGN_OR_RETURN(const uint64_t unused,
                   Number(connection, "PRAGMA freelist_count"));
  report.file_bytes = SizeOf(connection.path());
  report.free_bytes = page * unused;
  report.log_bytes = SizeOf(absl::StrCat(connection.path(), "-wal"));
  return report;
}

void Note(StoreReport& report, std::string problem) {
  if (report.problems.size() < kMostProblems) {
    report.problems.push_back(std::move(problem));
  }
}

// SQLite's own check, of pages, indexes and constraints.
absl::Status CheckPages(SqliteConnection& connection, StoreReport& report) {
  return connection.Ask("PRAGMA integrity_check", [&](sqlite3_stmt* row) {
    const auto* text =
        reinterpret_cast<const char*>(sqlite3_column_text(row, 0));
    const std::string line = text == nullptr ? "unreadable" : text;
    if (line != "ok") Note(report, line);
  });
}

absl::Status CheckTables(SqliteConnection& connection, StoreReport& report) {
  for (const Rule& rule : kRules) {
    if (report.version < rule.since) continue;
    RETURN_IF_ERROR(connection.Ask(rule.sql, [&](sqlite3_stmt* row) {
      Note(report, absl::StrCat("space ", sqlite3_column_int64(row, 0), ": ",
                                rule.what));
    }));
  }
  return absl::OkStatus();
}

// Values of an earlier time, which only the log's end tells from the newest. A
// directory that is no HSM has no log.
void CheckSeals(const std::string& directory, StoreReport& report) {
  const auto hsm = Hsm::Open(directory);
  if (!hsm.ok()) return;
  std::vector<SpaceId> spaces = {(*hsm)->admin().space()};
  const auto partitions = (*hsm)->Partitions();
  if (!partitions.ok()) return;  // told by the tables' check, or at its use
  for (const PartitionInfo& one : *partitions) spaces.push_back(one.space);
  for (const SpaceId space : spaces) {
    const absl::Status status = (*hsm)->store().Read([&](Reader& reader) {
      return (*hsm)->audit().CheckSeals(reader, space);
    });
    if (!status.ok()) Note(report, std::string(status.message()));
  }
}

// The opened store keeps the process's lock and repairs what a crash left.
struct Opened {
  std::unique_ptr<Store> store;
  std::unique_ptr<SqliteConnection> connection;
};

absl::StatusOr<Opened> Open(const std::string& directory) {
  Opened opened;
  ASSIGN_OR_RETURN(opened.store, OpenSqliteStore(directory));
  // No symbolic link in it, as the connection wants it.
  std::error_code ignored;
  const std::string real =
      std::filesystem::canonical(directory, ignored).string();
  ASSIGN_OR_RETURN(
      opened.connection,
      SqliteConnection::Open(
          absl::StrCat(real, "/hsm.db"),
          opened.store->writable() ? Mode::kReadWrite : Mode::kReadOnly));
  return opened;
}

}  // namespace

const uint64_t kNewestStoreVersion = SqliteConnection::NewestVersion();

absl::StatusOr<StoreReport> CheckSqliteStore(const std::string& directory) {
  ASSIGN_OR_RETURN(const Opened opened, Open(directory));
  SqliteConnection& connection = *opened.connection;
  RETURN_IF_ERROR(connection.Run(Sql::kBegin));
  ASSIGN_OR_RETURN(StoreReport report, Measure(connection));
  for (const auto check : {CheckPages, CheckTables}) {
    const absl::Status status = check(connection, report);
    // Damage that ends the reading is a finding too.
    if (!status.ok()) Note(report, std::string(status.message()));
  }
  CheckSeals(directory, report);
  return report;
}

absl::StatusOr<StoreReport> CompactSqliteStore(const std::string& directory) {
  ASSIGN_OR_RETURN(const Opened opened, Open(directory));
  if (!opened.store->writable()) {
    return base::Error(CKR_TOKEN_WRITE_PROTECTED,
                       absl::StrCat(directory, ": read-only file system"));
  }
  ASSIGN_OR_RETURN(const auto writer,
                   WriterLock::Open(absl::StrCat(directory, "/writer")));
  ASSIGN_OR_RETURN(const auto hold, writer->Acquire());
  SqliteConnection& connection = *opened.connection;
  const auto ignore = [](sqlite3_stmt*) {};
  RETURN_IF_ERROR(connection.Ask("VACUUM", ignore));
  // Only that it is not done now, if somebody reads an older state.
  RETURN_IF_ERROR(connection.Ask("PRAGMA wal_checkpoint(TRUNCATE)", ignore));
  return Measure(connection);
}

}  // namespace hsm
