// The grammar: splitting, parsing, help, completion; and the real table's
// own rules.
#include "tools/shell/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/algorithm/container.h"
#include "absl/strings/str_split.h"
#include "tools/shell/result.h"
#include "tools/shell/shell.h"

namespace shell {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

absl::Status Nothing(Shell&, const Arguments&) { return absl::OkStatus(); }

constexpr Option kLogin[] = {
    {"name", "n", Kind::kText, true, "role", Names::kRole},
    {"password", "p", Kind::kSecret, false, "its password"},
};
constexpr Option kSet[] = {
    {"slot", "s", Kind::kNumber, true, "slot", Names::kSlot},
    {"policy", "po", Kind::kNumbers, false, "numbers"},
    {"force", "f", Kind::kFlag, false, "no question"},
};

constexpr Option kCheck[] = {
    {"file", "f", Kind::kText, true, "a file", Names::kNone, /*bare=*/true},
    {"all", "a", Kind::kFlag, false, "everything"},
};

const Grammar& TestGrammar() {
  static const Grammar* const grammar =
      new Grammar({{"role login", "ro logi", kLogin, Nothing, "logs in"},
                   {"role list", "ro l", {}, Nothing, "lists"},
                   {"slot set", "s s", kSet, Nothing, "chooses"},
                   {"check", "c", kCheck, Nothing, "checks"},
                   {"group", "g", {}, nullptr, "not modelled"},
                   {"exit", "e", {}, Nothing, "ends"}});
  return *grammar;
}

std::vector<std::string> Split(absl::string_view line) {
  std::vector<std::string> texts;
  const std::vector<Word> words = SplitLine(line).value();
  for (const Word& word : words) {
    texts.emplace_back(word.text.RevealText());
  }
  return texts;
}

absl::StatusOr<Invocation> Parse(absl::string_view line) {
  return TestGrammar().Parse(SplitLine(line).value());
}

std::vector<std::string> Complete(absl::string_view line) {
  return TestGrammar().Complete(line, [](Names names, const Arguments& given) {
    if (names == Names::kRole) {
      return std::vector<std::string>{"so", "co", "a role"};
    }
    return std::vector<std::string>{given.Has("policy") ? "with" : "0", "12"};
  });
}

// ---- Splitting ----

TEST(SplitLine, Blanks_SeparateWords) {
  EXPECT_THAT(Split("  slot \t set  -slot 1 "),
              ElementsAre("slot", "set", "-slot", "1"));
}

TEST(SplitLine, DoubleQuotes_KeepBlanksTogether) {
  EXPECT_THAT(Split("a \"two words\" b\"c d\"e"),
              ElementsAre("a", "two words", "bc de"));
}

TEST(SplitLine, EmptyQuotes_AreAnEmptyWord) {
  EXPECT_THAT(Split("a \"\""), ElementsAre("a", ""));
}

TEST(SplitLine, OpenQuote_IsRefused) {
  EXPECT_EQ(RvOf(SplitLine("a \"b c").status()), CKR_ARGUMENTS_BAD);
}

TEST(SplitLine, CommentsAndBlankLines_HaveNoWords) {
  EXPECT_THAT(Split("# slot list"), IsEmpty());
  EXPECT_THAT(Split("   # slot list"), IsEmpty());
  EXPECT_THAT(Split(""), IsEmpty());
}

TEST(SplitLine, HashInsideALine_IsText) {
  EXPECT_THAT(Split("a #b"), ElementsAre("a", "#b"));
}

// ---- Parsing ----

TEST(Parse, CommandsAndOptions_AreCaseInsensitive_ValuesAreNot) {
  const auto call = Parse("ROLE Login -NAME Co -Password SeCret");
  ASSERT_TRUE(call.ok());
  EXPECT_STREQ(call->command->words, "role login");
  EXPECT_EQ(call->arguments.Text("name"), "Co");
  EXPECT_EQ(call->arguments.Secret("password")->RevealText(), "SeCret");
}

TEST(Parse, ShortForms_AreTaken) {
  const auto call = Parse("ro logi -n co -p secret");
  ASSERT_TRUE(call.ok());
  EXPECT_STREQ(call->command->words, "role login");
}

TEST(Parse, LongAndShortWords_Mix) {
  EXPECT_STREQ(Parse("ro list")->command->words, "role list");
  EXPECT_STREQ(Parse("role l")->command->words, "role list");
}

TEST(Parse, OtherAbbreviations_AreRefused) {
  EXPECT_EQ(RvOf(Parse("rol list").status()), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(RvOf(Parse("role logi -na co").status()), CKR_ARGUMENTS_BAD);
}

TEST(Parse, TwoHyphens_AreTaken) {
  EXPECT_EQ(Parse("slot set --slot 3")->arguments.Number("slot"), 3u);
}

TEST(Parse, ABareValue_IsTakenOnceAndIsNoOption) {
  EXPECT_EQ(Parse("check my.file -all")->arguments.Text("file"), "my.file");
  EXPECT_EQ(Parse("check -file my.file")->arguments.Text("file"), "my.file");
  EXPECT_FALSE(Parse("check one two").ok());
  EXPECT_FALSE(Parse("check -other").ok());
  EXPECT_FALSE(Parse("role login co").ok());
}

TEST(Parse, UnknownCommand_NamesWhatIsPossible) {
  const auto call = Parse("role lst");
  EXPECT_THAT(RemedyOf(call.status()), HasSubstr("list, login"));
}

TEST(Parse, IncompleteCommand_NamesWhatFollows) {
  const auto call = Parse("role");
  EXPECT_THAT(RemedyOf(call.status()), HasSubstr("list, login"));
}

TEST(Parse, MissingRequiredOption_IsRefused) {
  EXPECT_THAT(std::string(Parse("role login").status().message()),
              HasSubstr("-name is needed"));
}

TEST(Parse, RepeatedOption_IsRefused) {
  EXPECT_FALSE(Parse("slot set -slot 1 -s 2").ok());
}

TEST(Parse, MissingValue_IsRefused) {
  EXPECT_FALSE(Parse("role login -name").ok());
}

TEST(Parse, OptionAsValue_IsRefused) {
  EXPECT_FALSE(Parse("role login -password -name co").ok());
}

TEST(Parse, QuotedOptionAsValue_IsTaken) {
  const auto call = Parse("role login -name co -password \"-name\"");
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->arguments.Secret("password")->RevealText(), "-name");
}

TEST(Parse, StrayWord_IsRefusedWithoutRepeatingIt) {
  const auto call = Parse("role login -name co topsecret");
  EXPECT_EQ(RvOf(call.status()), CKR_ARGUMENTS_BAD);
  EXPECT_THAT(std::string(call.status().message()),
              Not(HasSubstr("topsecret")));
}

TEST(Parse, Flag_TakesNoValue) {
  const auto call = Parse("slot set -force -slot 0x10");
  ASSERT_TRUE(call.ok());
  EXPECT_TRUE(call->arguments.Has("force"));
  EXPECT_EQ(call->arguments.Number("slot"), 16u);
}

TEST(Parse, NumberOption_RefusesText) {
  EXPECT_FALSE(Parse("slot set -slot one").ok());
  EXPECT_FALSE(Parse("slot set -slot -1").ok());
  EXPECT_FALSE(Parse("slot set -slot 99999999999999999999").ok());
}

TEST(Parse, NumbersOption_TakesCommas) {
  const auto call = Parse("slot set -slot 0 -policy 33,37,40");
  ASSERT_TRUE(call.ok());
  EXPECT_THAT(call->arguments.Numbers("policy"), ElementsAre(33, 37, 40));
  EXPECT_FALSE(Parse("slot set -slot 0 -policy 33,").ok());
}

TEST(Parse, SecretFile_IsAnOptionOfEverySecret) {
  const auto call = Parse("role login -name co -passwordfile /x");
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->arguments.Text("passwordfile"), "/x");
  EXPECT_EQ(call->arguments.Secret("password"), nullptr);
  EXPECT_FALSE(call->has_secret);
}

TEST(Parse, SecretInTheLine_IsTold) {
  EXPECT_TRUE(Parse("role login -name co -p x")->has_secret);
  EXPECT_FALSE(Parse("role login -name co")->has_secret);
}

// ---- Help ----

TEST(Help, All_NamesEveryCommand) {
  const std::string help = TestGrammar().Help({}).value();
  EXPECT_THAT(help, HasSubstr("role login"));
  EXPECT_THAT(help, HasSubstr("slot set"));
}

TEST(Help, Group_NamesItsCommandsOnly) {
  const std::string help =
      TestGrammar().Help(SplitLine("role").value()).value();
  EXPECT_THAT(help, HasSubstr("role login"));
  EXPECT_THAT(help, Not(HasSubstr("slot set")));
}

TEST(Help, Command_ShowsOptions) {
  const std::string help =
      TestGrammar().Help(SplitLine("ro logi").value()).value();
  EXPECT_THAT(help, HasSubstr("-password <secret>"));
  EXPECT_THAT(help, HasSubstr("(required)"));
}

TEST(Help, UnknownCommand_IsRefused) {
  EXPECT_FALSE(TestGrammar().Help(SplitLine("nothing").value()).ok());
}

// ---- Showing ----

std::string Display(absl::string_view line) {
  return TestGrammar().Display(SplitLine(line).value());
}

TEST(Display, Secrets_AreAsterisks) {
  EXPECT_EQ(Display("role login -password s3cret -name co"),
            "role login -password ******** -name co");
  EXPECT_EQ(Display("ro logi -p \"my secret\" -n co"),
            "ro logi -p ******** -n co");
}

TEST(Display, SecretFiles_AreShown) {
  EXPECT_EQ(Display("role login -name \"a b\" -passwordfile /x"),
            "role login -name \"a b\" -passwordfile /x");
}

TEST(Display, WhatIsNotUnderstood_EndsAtTheFirstOption) {
  EXPECT_EQ(Display("role logn -pasword s3cret"), "role logn ...");
  EXPECT_EQ(Display("role login -pasword s3cret"), "role login ...");
}

// ---- Completion ----

// device adopt trusts and stm recover unlocks; neither destroys.
TEST(DryRun, WhatAsksBeforeItDestroys_HasADryRun) {
  for (const Command& command : AllCommands()) {
    const auto has = [&](absl::string_view name) {
      return absl::c_any_of(command.options, [&](const Option& option) {
        return option.name == name;
      });
    };
    const absl::string_view words = command.words;
    if (!has("force") || words == "device adopt" || words == "device enrol" ||
        words == "stm recover" || words == "hsm updatefw") {
      continue;
    }
    EXPECT_TRUE(has("dryrun")) << words;
  }
}

// It may hold a secret of a command that was never written.
TEST(NotModelled, WhatFollows_IsNotLookedAt) {
  const absl::StatusOr<Invocation> call = Parse("group make -password hush");
  ASSERT_TRUE(call.ok());
  EXPECT_TRUE(call->has_secret);
  EXPECT_FALSE(Parse("group")->has_secret);
  EXPECT_THAT(TestGrammar().Display(SplitLine("group -password hush").value()),
              Not(HasSubstr("hush")));
}

TEST(Complete, FirstWord) {
  EXPECT_THAT(Complete(""),
              ElementsAre("check ", "exit ", "group ", "role ", "slot "));
  EXPECT_THAT(Complete("ro"), ElementsAre("role "));
}

TEST(Complete, SecondWord) {
  EXPECT_THAT(Complete("role "), ElementsAre("list ", "login "));
  EXPECT_THAT(Complete("ROLE lo"), ElementsAre("login "));
}

TEST(Complete, Options_ThatAreNotThereYet) {
  EXPECT_THAT(Complete("role login -"), ElementsAre("-name ", "-password "));
  EXPECT_THAT(Complete("role login -name co -"), ElementsAre("-password "));
}

TEST(Complete, Values_QuotedWhereNeeded) {
  EXPECT_THAT(Complete("role login -name "),
              ElementsAre("so ", "co ", "\"a role\" "));
  EXPECT_THAT(Complete("role login -name \"a r"), ElementsAre("\"a role\" "));
}

TEST(Complete, Values_KnowTheOtherOptions) {
  EXPECT_THAT(Complete("slot set -policy 3 -slot w"), ElementsAre("with "));
}

TEST(Complete, Secrets_AreNotCompleted) {
  EXPECT_THAT(Complete("role login -name co -password "), IsEmpty());
}

TEST(Complete, HelpTakesCommands) {
  EXPECT_THAT(Complete("help role lo"), ElementsAre("login "));
}

// ---- Results ----

TEST(Failure, CarriesValueCauseAndRemedy) {
  const absl::Status status = Failure(0x10A0B, "cause", "remedy", "reason");
  EXPECT_EQ(RvOf(status), 0x10A0Bu);
  EXPECT_EQ(status.message(), "cause");
  EXPECT_EQ(RemedyOf(status), "remedy");
  EXPECT_EQ(ReasonOf(status), "reason");
}

TEST(Failure, RemedyComesFromTheTable) {
  EXPECT_THAT(RemedyOf(Failure(CKR_CONTAINER_OBJECT_STORAGE_FULL, "")),
              HasSubstr("partition resize"));
  EXPECT_THAT(RemedyOf(Failure(CKR_OBJECT_ALREADY_EXISTS, "", "", "conflict")),
              HasSubstr("-replace"));
}

// ---- The real table ----

class RealTable : public ::testing::TestWithParam<Command> {};

TEST_P(RealTable, ShortFormHasAsManyWords) {
  const Command& command = GetParam();
  const std::vector<std::string> words = absl::StrSplit(command.words, ' ');
  const std::vector<std::string> brief = absl::StrSplit(command.brief, ' ');
  EXPECT_EQ(words.size(), brief.size());
}

TEST_P(RealTable, OptionsHaveNamesOfTheirOwn) {
  const Command& command = GetParam();
  std::set<std::string> names;
  size_t expected = 0;
  for (const Option& option : command.options) {
    names.insert(option.name);
    expected += 1;
    if (std::string(option.name) != option.brief) {
      names.insert(option.brief);
      expected += 1;
    }
    if (option.kind == Kind::kSecret) {
      names.insert(std::string(option.name) + "file");
      expected += 1;
    }
  }
  EXPECT_EQ(names.size(), expected) << command.words;
}

TEST_P(RealTable, IsFoundByItsWordsAndByItsShortForm) {
  const Command& command = GetParam();
  const Grammar grammar(AllCommands());
  for (const char* words : {command.words, command.brief}) {
    const auto call = grammar.Parse(SplitLine(words).value());
    const auto help = grammar.Help(SplitLine(words).value());
    ASSERT_TRUE(help.ok()) << words;
    EXPECT_THAT(*help, HasSubstr(command.help)) << words;
    if (call.ok()) {
      EXPECT_STREQ(call->command->words, command.words);
    }
  }
}

TEST_P(RealTable, HelpFitsTheScreen) {
  const Grammar grammar(AllCommands());
  const std::string help =
      grammar.Help(SplitLine(GetParam().words).value()).value();
  for (absl::string_view line : absl::StrSplit(help, '\n')) {
    EXPECT_LE(line.size(), 110u) << line;
  }
}

std::string TestName(const ::testing::TestParamInfo<Command>& info) {
  std::string name = info.param.words;
  for (char& c : name) {
    if (c == ' ' || c == '-') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Commands, RealTable,
                         ::testing::ValuesIn(AllCommands()), TestName);

}  // namespace
}  // namespace shell
