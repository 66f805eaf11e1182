// Every column of every row of every table, as the database's own schema lists
// them, is changed in each way that its type has; then everything that can be
// read is as it was, and the rest is an error. A table that is added later is
// in the list by itself.
#include <cstdlib>

#include "tests/fault/damage.h"

namespace e2e {
namespace {

// What is done to the value of a column (%); what the database refuses, and
// what changes nothing, is passed over.
constexpr const char* kChanges[] = {
    "% + 1",
    "% - 1",
    "0",
    "9223372036854775807",
    "x''",
    "zeroblob(length(%))",
    "substr(%, 1, length(%) - 1)",
    "CAST(% || x'00' AS BLOB)",
    // A byte in the middle.
    ("CAST(substr(%, 1, length(%) / 2) || x'a5' || "
     "substr(%, length(%) / 2 + 2) AS BLOB)"),
    "'text'",
    "NULL",
};

std::string Put(std::string change, const std::string& column) {
  for (size_t at = 0; (at = change.find('%', at)) != std::string::npos;) {
    change.replace(at, 1, column);
    at += column.size();
  }
  return change;
}

// How each row is named in a WHERE.
std::vector<std::string> RowsOf(Database& database, const std::string& table) {
  const bool has_row_ids =
      !database
           .Texts("SELECT 1 FROM sqlite_master WHERE name = '" + table +
                  "' AND sql NOT LIKE '%WITHOUT ROWID%'")
           .empty();
  return database.Texts(
      has_row_ids ? "SELECT 'rowid = ' || rowid FROM " + table
                  : "SELECT 'tag = x''' || hex(tag) || '''' FROM " + table);
}

// For a sample of the rows.
std::vector<std::string> Statements(Database& database) {
  constexpr size_t kRowsOfATable = 12;
  std::vector<std::string> statements;
  for (const std::string& table :
       database.Texts("SELECT name FROM sqlite_master WHERE type = 'table'")) {
    const std::vector<std::string> rows = RowsOf(database, table);
    const size_t step = rows.size() / kRowsOfATable + 1;
    for (const std::string& column : database.Texts(
             "SELECT name FROM pragma_table_info('" + table + "')")) {
      for (size_t i = 0; i < rows.size(); i += step) {
        for (const char* change : kChanges) {
          statements.push_back("UPDATE " + table + " SET " + column + " = " +
                               Put(change, column) + " WHERE " + rows[i]);
        }
      }
    }
  }
  return statements;
}

TEST(SchemaDamageTest, EveryColumn_GivesTheSameOrAnError) {
  Keys keys;
  keys.Save("good");
  std::vector<std::string> statements;
  {
    Database database(keys.file("hsm.db"));
    statements = Statements(database);
  }
  ASSERT_GT(statements.size(), 500u);
  // All of them take minutes: with PERIGEE_ALL_FAULTS, else every n-th.
  const size_t step = getenv("PERIGEE_ALL_FAULTS") != nullptr ? 1 : 7;
  size_t done = 0;
  for (size_t i = 0; i < statements.size(); i += step) {
    SCOPED_TRACE(statements[i]);
    if (!Database(keys.file("hsm.db")).TryRun(statements[i])) continue;
    ++done;
    keys.InAProcess([&](Host& host) { keys.ExpectSame(host); });
    keys.Restore("good");
    if (HasFailure()) return;
  }
  EXPECT_GT(done, 50u);
  keys.ExpectWhole();
}

}  // namespace
}  // namespace e2e
