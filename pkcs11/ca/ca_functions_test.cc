// docs/CA_FUNCTIONS.md against ca_functions.def.
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"

namespace {

using Table = std::map<std::string, std::string>;

// How the page calls the states of the rows.
constexpr char DONE[] = "works";
constexpr char PARTLY[] = "partly";
constexpr char LATER[] = "not yet";
constexpr char NEVER[] = "not modelled";

const Table& Rows() {
  static const auto* const rows = new Table{
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) {#name, state},
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
  };
  return *rows;
}

std::string PageText() {
  // Tests run in the source directory.
  std::ifstream in("docs/CA_FUNCTIONS.md");
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// | `CA_Name` | state | note |
Table Page() {
  Table page;
  const std::string text = PageText();
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, "| `CA_")) continue;
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells.size() < 2) continue;
    const std::string name =
        absl::StrCat("CA_", absl::StripSuffix(cells[0], "`"));
    EXPECT_TRUE(page.emplace(name, cells[1]).second) << name << " twice";
  }
  return page;
}

TEST(CaFunctionsPage, SaysWhatTheTableSays) { EXPECT_EQ(Page(), Rows()); }

// | state | meaning | count |
TEST(CaFunctionsPage, CountsThem) {
  std::map<std::string, int> counts;
  for (const auto& [name, state] : Rows()) ++counts[state];
  const std::string text = PageText();
  for (const auto& [state, count] : counts) {
    const std::string row = absl::StrCat("\n| ", state, " | ");
    const size_t at = text.find(row);
    ASSERT_NE(at, std::string::npos) << state;
    const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at);
    EXPECT_TRUE(absl::EndsWith(line, absl::StrCat(" | ", count, " |\n")))
        << line << " has " << count;
  }
}

}  // namespace
