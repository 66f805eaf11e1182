// The manual: docs/SHELL.md and perigee(1) say what the table says.
// PERIGEE_WRITE_PAGES=1 writes the page anew.
#include "tools/shell/manual.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"

namespace shell {
namespace {

using ::testing::HasSubstr;

constexpr char kPage[] = PERIGEE_DOCS "/SHELL.md";
constexpr char kBegin[] = "<!-- What follows is written from the tables. -->\n";

std::string PageNow() {
  std::ifstream file(kPage);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(ManualTest, Page_IsWrittenFromTheTable) {
  const std::string page = PageNow();
  const size_t at = page.find(kBegin);
  ASSERT_NE(at, std::string::npos) << kPage;
  const std::string wanted =
      page.substr(0, at) + kBegin + MarkdownOf(AllCommands());
  if (std::getenv("PERIGEE_WRITE_PAGES") != nullptr) {
    std::ofstream(kPage) << wanted;
    return;
  }
  EXPECT_EQ(page, wanted) << "write it anew with PERIGEE_WRITE_PAGES=1";
}

TEST(ManualTest, ManPage_HasEveryCommandAndOption) {
  const std::vector<Command> commands = AllCommands();
  const std::string page = ManPageOf(commands, "Usage: perigee\n");
  const Grammar grammar(commands);
  for (const Command& command : commands) {
    SCOPED_TRACE(command.words);
    std::string words = command.words;
    for (size_t at = 0; (at = words.find('-', at)) != std::string::npos;
         at += 2) {
      words.insert(at, "\\");
    }
    const size_t begin = page.find(absl::StrCat(".SS ", words, "\n"));
    ASSERT_NE(begin, std::string::npos);
    const std::string part =
        page.substr(begin, page.find("\n.SS ", begin + 1) - begin);
    const std::string help =
        grammar.Help(SplitLine(command.words).value()).value();
    for (const Option& option : command.options) {
      EXPECT_THAT(part, HasSubstr(absl::StrCat("\\-", option.name)));
      EXPECT_THAT(help, HasSubstr(absl::StrCat("-", option.name)));
    }
  }
}

// A member is one thing or a shape that exists, and is named once.
TEST(ManualTest, MembersOfJson_AreWellNamed) {
  std::set<std::string> shapes;
  for (const Shape& shape : Shapes()) shapes.insert(shape.name);
  for (const Command& command : AllCommands()) {
    std::set<std::string> seen;
    for (const Shown& shown : command.data) {
      EXPECT_TRUE(seen.insert(shown.path).second)
          << command.words << ": " << shown.path;
      if (!absl::StartsWith(shown.help, "@")) continue;
      EXPECT_EQ(shapes.count(shown.help + 1), 1u) << shown.help;
    }
  }
}

}  // namespace
}  // namespace shell
