#include "tools/shell/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

bool SameWord(absl::string_view a, absl::string_view b) {
  return absl::EqualsIgnoreCase(a, b);
}

std::vector<absl::string_view> WordsOf(const char* words) {
  return absl::StrSplit(words, ' ');
}

// How many leading words of `words` fit those of the command.
size_t CommonWords(const Command& command, absl::Span<const Word> words) {
  const std::vector<absl::string_view> names = WordsOf(command.words);
  const std::vector<absl::string_view> briefs = WordsOf(command.brief);
  size_t n = 0;
  while (n < names.size() && n < words.size() && !words[n].quoted &&
         (SameWord(words[n].text.RevealText(), names[n]) ||
          SameWord(words[n].text.RevealText(), briefs[n]))) {
    ++n;
  }
  return n;
}

bool LooksLikeOption(const Word& word) {
  const absl::string_view text = word.text.RevealText();
  return !word.quoted && text.size() > 1 && text[0] == '-';
}

absl::Status Usage(const Command& command, absl::string_view what) {
  return Failure(CKR_ARGUMENTS_BAD, what,
                 absl::StrCat("help ", command.words, " shows the options."));
}

absl::Status CheckValue(const Command& command, const Option& option,
                        absl::string_view value) {
  if (option.kind == Kind::kNumber && !ParseNumber(value).has_value()) {
    return Usage(command, absl::StrCat("-", option.name, " takes a number"));
  }
  if (option.kind == Kind::kNumbers) {
    for (absl::string_view part : absl::StrSplit(value, ',')) {
      if (!ParseNumber(part).has_value()) {
        return Usage(command, absl::StrCat("-", option.name,
                                           " takes numbers: 1 or 1,2,3"));
      }
    }
  }
  return absl::OkStatus();
}

std::string OptionHelp(const Option& option) {
  const std::string name =
      absl::StrCat("-", option.name, ValueText(option.kind));
  return absl::StrFormat("    %-24s -%-6s %s%s\n", name, option.brief,
                         option.help, option.required ? " (required)" : "");
}

// The members of --json, wrapped.
std::string JsonHelp(const Command& command) {
  constexpr size_t kWidth = 76;
  if (command.data.empty()) return "";
  std::string help = "\n", line = "    --json:";
  for (const Shown& shown : command.data) {
    const std::string word = absl::StrCat(
        " ", shown.path, &shown == &command.data.back() ? "" : ",");
    if (line.size() + word.size() > kWidth) {
      absl::StrAppend(&help, line, "\n");
      line = "       ";
    }
    line += word;
  }
  return absl::StrCat(help, line, "\n");
}

std::string CommandHelp(const Command& command) {
  std::string help = absl::StrCat(command.words, "   (short: ", command.brief,
                                  ")\n    ", command.help, "\n");
  bool secrets = false;
  if (!command.options.empty()) absl::StrAppend(&help, "\n");
  for (const Option& option : command.options) {
    absl::StrAppend(&help, OptionHelp(option));
    secrets = secrets || option.kind == Kind::kSecret;
  }
  absl::StrAppend(&help, JsonHelp(command));
  if (secrets) {
    absl::StrAppend(&help,
                    "\n    A <secret> that is left out is asked for on a "
                    "terminal. -<name>file <path>\n    reads it from the "
                    "first line of a file.\n");
  }
  return help;
}

// The values given before the last, unfinished word; nothing is checked.
Arguments GivenSoFar(const Command& command, absl::Span<const Word> words) {
  Arguments given;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    bool is_file = false;
    const Option* option = FindOption(command, words[i], is_file);
    if (option == nullptr || option->kind == Kind::kFlag) continue;
    if (option->kind == Kind::kSecret) continue;
    given.Set(option->name, SecretText(words[i + 1].text.RevealText()));
  }
  return given;
}

std::string QuoteIfNeeded(absl::string_view value) {
  if (!value.empty() && !absl::StrContains(value, ' ') && value[0] != '-') {
    return std::string(value);
  }
  return absl::StrCat("\"", value, "\"");
}

}  // namespace

const char* ValueText(Kind kind) {
  static constexpr const char* kValues[] = {"", " <n>", " <n,...>", " <text>",
                                            " <secret>"};
  return kValues[static_cast<int>(kind)];
}

std::optional<CK_ULONG> ParseNumber(absl::string_view text) {
  CK_ULONG value = 0;
  const bool hex = absl::StartsWithIgnoreCase(text, "0x");
  // Abseil takes signs and blanks; a number of ours has digits only.
  const absl::string_view digits = hex ? text.substr(2) : text;
  const bool plain =
      !digits.empty() &&
      std::all_of(digits.begin(), digits.end(), [hex](char c) {
        return hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c);
      });
  if (!plain) return std::nullopt;
  const bool ok = hex ? absl::SimpleHexAtoi(digits, &value)
                      : absl::SimpleAtoi(digits, &value);
  return ok ? std::optional<CK_ULONG>(value) : std::nullopt;
}

absl::StatusOr<std::vector<Word>> SplitLine(absl::string_view line) {
  std::vector<Word> words;
  bool in_word = false;
  bool in_quotes = false;
  for (const char c : line) {
    if (words.empty() && c == '#') return words;
    if (!in_quotes && absl::ascii_isspace(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) {
      words.emplace_back();
      in_word = true;
    }
    if (c == '"') {
      in_quotes = !in_quotes;
      words.back().quoted = true;
      continue;
    }
    words.back().text.Append(c);
  }
  if (in_quotes) {
    return Failure(CKR_ARGUMENTS_BAD, "a double quote is not closed");
  }
  return words;
}

bool Arguments::Has(absl::string_view name) const {
  return values_.find(name) != values_.end();
}

std::optional<CK_ULONG> Arguments::Number(absl::string_view name) const {
  const auto at = values_.find(name);
  if (at == values_.end()) return std::nullopt;
  return ParseNumber(at->second.RevealText());
}

std::vector<CK_ULONG> Arguments::Numbers(absl::string_view name) const {
  std::vector<CK_ULONG> numbers;
  const auto at = values_.find(name);
  if (at == values_.end()) return numbers;
  for (absl::string_view part : absl::StrSplit(at->second.RevealText(), ',')) {
    numbers.push_back(ParseNumber(part).value_or(0));
  }
  return numbers;
}

std::optional<std::string> Arguments::Text(absl::string_view name) const {
  const auto at = values_.find(name);
  if (at == values_.end()) return std::nullopt;
  return std::string(at->second.RevealText());
}

const SecretText* Arguments::Secret(absl::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? nullptr : &at->second;
}

void Arguments::Set(std::string name, SecretText value) {
  values_[std::move(name)] = std::move(value);
}

const Option* FindOption(const Command& command, const Word& word,
                         bool& is_file) {
  is_file = false;
  if (!LooksLikeOption(word)) return nullptr;
  absl::string_view name = word.text.RevealText().substr(1);
  if (name[0] == '-') name.remove_prefix(1);
  for (const Option& option : command.options) {
    if (SameWord(name, option.name) || SameWord(name, option.brief)) {
      return &option;
    }
    if (option.kind == Kind::kSecret &&
        absl::EndsWithIgnoreCase(name, "file") &&
        SameWord(name.substr(0, name.size() - 4), option.name)) {
      is_file = true;
      return &option;
    }
  }
  return nullptr;
}

Grammar::Grammar(std::vector<Command> commands)
    : commands_(std::move(commands)) {}

const Command* Grammar::Find(absl::Span<const Word> words, size_t& used) const {
  const Command* found = nullptr;
  used = 0;
  for (const Command& command : commands_) {
    const size_t n = WordsOf(command.words).size();
    if (n > used && CommonWords(command, words) == n) {
      found = &command;
      used = n;
    }
  }
  return found;
}

// The words that may follow when `words` is the beginning of commands.
std::vector<std::string> Grammar::NextWords(
    absl::Span<const Word> words) const {
  std::vector<std::string> next;
  for (const Command& command : commands_) {
    const std::vector<absl::string_view> names = WordsOf(command.words);
    if (CommonWords(command, words) == words.size() &&
        names.size() > words.size()) {
      next.emplace_back(names[words.size()]);
    }
  }
  std::sort(next.begin(), next.end());
  next.erase(std::unique(next.begin(), next.end()), next.end());
  return next;
}

namespace {

// The option whose value may stand alone, if it is not given yet.
const Option* FindBare(const Command& command, const Arguments& given) {
  for (const Option& option : command.options) {
    if (option.bare && !given.Has(option.name)) return &option;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Invocation> Grammar::Parse(absl::Span<const Word> words) const {
  Invocation call;
  size_t used = 0;
  call.command = Find(words, used);
  if (call.command == nullptr) {
    size_t known = 0;
    for (const Command& command : commands_) {
      known = std::max(known, CommonWords(command, words));
    }
    const std::vector<std::string> next = NextWords(words.first(known));
    return Failure(
        CKR_ARGUMENTS_BAD,
        known == words.size() ? "the command is not complete"
                              : "there is no such command",
        absl::StrCat("Possible here: ", absl::StrJoin(next, ", "), "."));
  }
  const Command& command = *call.command;
  if (command.run == nullptr) {
    call.has_secret = used < words.size();  // or may have
    return call;
  }
  for (size_t i = used; i < words.size(); ++i) {
    bool is_file = false;
    const Option* option = FindOption(command, words[i], is_file);
    if (option == nullptr) {
      const Option* const bare = FindBare(command, call.arguments);
      if (bare != nullptr && !LooksLikeOption(words[i])) {
        call.arguments.Set(bare->name, SecretText(words[i].text.RevealText()));
        continue;
      }
      // The word itself might be a mistyped secret: only options are quoted.
      return Usage(command, LooksLikeOption(words[i])
                                ? absl::StrCat("there is no option ",
                                               words[i].text.RevealText())
                                : "a word here is neither an option nor the "
                                  "value of one");
    }
    const std::string name = absl::StrCat(option->name, is_file ? "file" : "");
    if (call.arguments.Has(name)) {
      return Usage(command, absl::StrCat("-", name, " is given twice"));
    }
    if (option->kind == Kind::kFlag) {
      call.arguments.Set(name, SecretText());
      continue;
    }
    bool unused = false;
    if (i + 1 == words.size() ||
        FindOption(command, words[i + 1], unused) != nullptr) {
      return Usage(command, absl::StrCat("-", name,
                                         " needs a value (one that begins "
                                         "with - goes into double quotes)"));
    }
    const absl::string_view value = words[++i].text.RevealText();
    RETURN_IF_ERROR(CheckValue(command, *option, value));
    call.has_secret |= option->kind == Kind::kSecret && !is_file;
    call.arguments.Set(name, SecretText(value));
  }
  for (const Option& option : command.options) {
    if (option.required && !call.arguments.Has(option.name)) {
      return Usage(command, absl::StrCat("-", option.name, " is needed"));
    }
  }
  return call;
}

absl::StatusOr<std::string> Grammar::Help(absl::Span<const Word> words) const {
  size_t used = 0;
  const Command* exact = Find(words, used);
  if (exact != nullptr && used == words.size()) return CommandHelp(*exact);
  std::string help;
  for (const Command& command : commands_) {
    if (CommonWords(command, words) != words.size()) continue;
    absl::StrAppend(&help, absl::StrFormat("  %-28s %-12s %s\n", command.words,
                                           command.brief, command.help));
  }
  if (help.empty()) {
    return Failure(CKR_ARGUMENTS_BAD, "there is no such command",
                   "help lists all of them.");
  }
  return absl::StrCat(
      "  command                      short        what it "
      "does\n",
      help, "\nhelp <command> shows its options; Tab completes.\n");
}

std::string Grammar::Display(absl::Span<const Word> words) const {
  std::string shown;
  const auto add = [&shown](absl::string_view text) {
    absl::StrAppend(&shown, shown.empty() ? "" : " ", CleanText(text));
  };
  const absl::StatusOr<Invocation> call = Parse(words);
  size_t used = 0;
  const Command* command = Find(words, used);
  const bool understood =
      call.ok() && (command->run != nullptr || used == words.size());
  bool secret = false;
  for (const Word& word : words) {
    const absl::string_view text = word.text.RevealText();
    if (!understood && LooksLikeOption(word)) {
      add("...");
      break;
    }
    bool is_file = false;
    const Option* option =
        command == nullptr ? nullptr : FindOption(*command, word, is_file);
    add(secret        ? "********"
        : word.quoted ? absl::StrCat("\"", text, "\"")
                      : std::string(text));
    secret = option != nullptr && option->kind == Kind::kSecret && !is_file;
  }
  return shown;
}

std::vector<std::string> Grammar::Complete(
    absl::string_view line,
    absl::FunctionRef<std::vector<std::string>(Names, const Arguments&)> names)
    const {
  absl::StatusOr<std::vector<Word>> split = SplitLine(line);
  if (!split.ok()) split = SplitLine(absl::StrCat(line, "\""));
  if (!split.ok()) return {};
  std::vector<Word>& words = *split;
  if (words.empty() || absl::ascii_isspace(line.back())) words.emplace_back();
  if (!words.empty() && SameWord(words[0].text.RevealText(), "help")) {
    words.erase(words.begin());
    if (words.empty()) return {};
  }
  const absl::string_view last = words.back().text.RevealText();
  const absl::Span<const Word> before(words.data(), words.size() - 1);

  std::vector<std::string> candidates;
  const auto offer = [&](std::string text) {
    if (absl::StartsWithIgnoreCase(text, last)) {
      candidates.push_back(std::move(text));
    }
  };
  size_t used = 0;
  const Command* command = Find(before, used);
  for (std::string& word : NextWords(before)) offer(absl::StrCat(word, " "));
  if (command == nullptr) return candidates;

  bool is_file = false;
  const Option* pending = before.size() > used
                              ? FindOption(*command, before.back(), is_file)
                              : nullptr;
  if (pending != nullptr && pending->kind != Kind::kFlag) {
    if (is_file || pending->names == Names::kNone) return {};
    for (const std::string& name :
         names(pending->names, GivenSoFar(*command, words))) {
      if (absl::StartsWithIgnoreCase(name, last)) {
        candidates.push_back(absl::StrCat(QuoteIfNeeded(name), " "));
      }
    }
    return candidates;
  }
  for (const Option& option : command->options) {
    const auto given = [&](const Word& word) {
      bool file = false;
      return FindOption(*command, word, file) == &option;
    };
    if (std::any_of(before.begin() + used, before.end(), given)) continue;
    offer(absl::StrCat("-", option.name, " "));
  }
  return candidates;
}

}  // namespace shell
