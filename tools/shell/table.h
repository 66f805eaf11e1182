// The grammar of the shell: commands and options are rows of tables, and
// parsing, help and completion are derived from them. Nothing here knows what
// a command does.
//
// Commands and options are case-insensitive, values are not. Each word of a
// command and each option has one exact short form. Every option that takes a
// secret also exists as <name>file, which reads the first line of a file.
#ifndef PERIGEE_TOOLS_SHELL_TABLE_H_
#define PERIGEE_TOOLS_SHELL_TABLE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cryptoki.h"
#include "tools/shell/secret_text.h"

namespace shell {

class Shell;
class Arguments;

enum class Kind : uint8_t {
  kFlag,     // no value
  kNumber,   // decimal, or hexadecimal after 0x
  kNumbers,  // one or more with commas between
  kText,
  kSecret,
};

// What completes a value.
enum class Names : uint8_t {
  kNone,
  kSlot,
  kRole,
  kPartition,
  kObject,
  kKeyType
};

// What stands behind an option of this kind: "" or " <n>".
const char* ValueText(Kind kind);

struct Option {
  const char* name;   // "password"
  const char* brief;  // "p"
  Kind kind;
  bool required;
  const char* help;
  Names names = Names::kNone;
  bool bare = false;  // its value may stand there without its name
};

// What Shell::Confirm looks at. Whatever destroys something has both.
inline constexpr Option kForce = {"force", "f", Kind::kFlag, false,
                                  "no question before destroying"};
inline constexpr Option kDryRun = {
    "dryrun", "dry", Kind::kFlag, false,
    "only say what would be destroyed, and change nothing"};

// A member of what `--json` tells: a path ("slots[].slot") and what it is. A
// text that begins with @ names a shape (facts.h) whose members follow.
struct Shown {
  const char* path;
  const char* help;
};

struct Command {
  const char* words;  // "partition archive backup"
  const char* brief;  // "par ar b": as many words
  absl::Span<const Option> options;
  // Null: the model has no such thing. Then `help` says why, and what follows
  // the words of the command is not looked at.
  absl::Status (*run)(Shell& shell, const Arguments& arguments);
  const char* help;
  absl::Span<const Shown> data = {};  // of --json
};

// One word of a line; a quoted one is never an option.
struct Word {
  SecretText text;
  bool quoted = false;
};

// Splits at blanks; double quotes keep blanks together. A line that begins
// with # has no words. An open quote is an error.
absl::StatusOr<std::vector<Word>> SplitLine(absl::string_view line);

// The options of one call, by their long name. Asking for an option that the
// command's table has not is a bug, and answers "not given".
class Arguments {
 public:
  bool Has(absl::string_view name) const;
  std::optional<CK_ULONG> Number(absl::string_view name) const;
  std::vector<CK_ULONG> Numbers(absl::string_view name) const;
  std::optional<std::string> Text(absl::string_view name) const;
  // Null when not given. The file of "<name>file" is Text(that).
  const SecretText* Secret(absl::string_view name) const;

  void Set(std::string name, SecretText value);

 private:
  std::map<std::string, SecretText, std::less<>> values_;
};

struct Invocation {
  const Command* command = nullptr;
  Arguments arguments;
  bool has_secret = false;  // a secret stands in the line itself
};

class Grammar {
 public:
  explicit Grammar(std::vector<Command> commands);

  absl::Span<const Command> commands() const { return commands_; }

  // CKR_ARGUMENTS_BAD, with what is wrong and what is possible.
  absl::StatusOr<Invocation> Parse(absl::Span<const Word> words) const;

  // Help on everything, a group of commands, or one command.
  // CKR_ARGUMENTS_BAD when no command begins with these words.
  absl::StatusOr<std::string> Help(absl::Span<const Word> words) const;

  // The line as it may be shown: secrets are asterisks, and of a line that is
  // not understood only the words before its first option are there.
  std::string Display(absl::Span<const Word> words) const;

  // What may stand at the end of `line`, each as a whole word with the blank
  // or nothing that follows it; `names` gives the values of a kind, with the
  // options that are there already.
  std::vector<std::string> Complete(
      absl::string_view line,
      absl::FunctionRef<std::vector<std::string>(Names, const Arguments&)>
          names) const;

 private:
  // The command that `words` begins with; `used` of them name it.
  const Command* Find(absl::Span<const Word> words, size_t& used) const;
  std::vector<std::string> NextWords(absl::Span<const Word> words) const;

  std::vector<Command> commands_;
};

// The option that a word names ("-Password", "-p", "--password"), or null.
// `is_file` tells the <name>file form of a secret.
const Option* FindOption(const Command& command, const Word& word,
                         bool& is_file);

// Decimal or 0x; nothing else.
std::optional<CK_ULONG> ParseNumber(absl::string_view text);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_TABLE_H_
