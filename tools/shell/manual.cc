#include "tools/shell/manual.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tools/shell/facts.h"

namespace shell {
namespace {

// "-slot <n>"; in brackets when it may be left out.
std::string OptionUse(const Option& option) {
  std::string use = absl::StrCat("-", option.name, ValueText(option.kind));
  if (option.bare)
    use = absl::StrCat("[-", option.name, "]", ValueText(option.kind));
  return option.required ? use : absl::StrCat("[", use, "]");
}

// --- markdown ----------------------------------------------------------------

// Of a table's cell.
std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"<", "\\<"}});
}

// "See `hsm` below" for a member that is a shape.
std::string HelpOf(const Shown& shown) {
  const absl::string_view help = shown.help;
  if (!absl::StartsWith(help, "@")) return Cell(help);
  const absl::string_view shape = help.substr(1);
  return absl::StrCat("[", shape, "](#", shape, ")");
}

void AddMembers(absl::Span<const Shown> members, std::string& text) {
  absl::StrAppend(&text, "\n| member | what |\n| --- | --- |\n");
  for (const Shown& shown : members) {
    absl::StrAppend(&text, "| `", shown.path, "` | ", HelpOf(shown), " |\n");
  }
}

void AddCommand(const Command& command, std::string& text) {
  absl::StrAppend(&text, "\n### ", command.words, "\n\n", "Short: `",
                  command.brief, "`. It ", Cell(command.help), ".\n");
  if (!command.options.empty()) {
    absl::StrAppend(&text,
                    "\n| option | short | what |\n| --- | --- | --- |\n");
    for (const Option& option : command.options) {
      absl::StrAppend(&text, "| `", OptionUse(option), "` | `-", option.brief,
                      "` | ", Cell(option.help), " |\n");
    }
  }
  if (command.data.empty()) return;
  absl::StrAppend(&text, "\nWith `--json`:\n");
  AddMembers(command.data, text);
}

// --- man ---------------------------------------------------------------------

// Text whose first character and backslashes mean nothing.
std::string Roff(absl::string_view text) {
  std::string safe = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}});
  if (!safe.empty() && (safe[0] == '.' || safe[0] == '\'')) {
    safe.insert(0, "\\&");
  }
  return safe;
}

void AddManCommand(const Command& command, std::string& page) {
  absl::StrAppend(&page, ".SS ", Roff(command.words), "\n(",
                  "short: ", Roff(command.brief), ") ", Roff(command.help),
                  "\n");
  for (const Option& option : command.options) {
    absl::StrAppend(&page, ".TP\n.B ", Roff(OptionUse(option)), "\n",
                    Roff(option.help), "\n");
  }
}

}  // namespace

std::string MarkdownOf(absl::Span<const Command> commands) {
  std::string text;
  absl::string_view group;
  for (const Command& command : commands) {
    const absl::string_view first =
        absl::string_view(command.words)
            .substr(0, absl::string_view(command.words).find(' '));
    if (first != group) absl::StrAppend(&text, "\n## ", first, "\n");
    group = first;
    AddCommand(command, text);
  }
  absl::StrAppend(&text,
                  "\n## Shapes\n\nMembers that several commands tell.\n");
  for (const Shape& shape : Shapes()) {
    absl::StrAppend(&text, "\n### ", shape.name, "\n");
    AddMembers(shape.members, text);
  }
  return text;
}

std::string JsonSchemaOf(absl::Span<const Command> commands) {
  Json all = Json::object();
  for (const Command& command : commands) {
    Json paths = Json::array();
    for (const Shown& shown : command.data) {
      const absl::string_view help = shown.help;
      if (!absl::StartsWith(help, "@")) {
        paths.push_back(shown.path);
        continue;
      }
      for (const Shape& shape : Shapes()) {
        if (help.substr(1) != shape.name) continue;
        for (const Shown& member : shape.members) {
          paths.push_back(absl::StrCat(shown.path, ".", member.path));
        }
      }
    }
    all[command.words] = paths;
  }
  return Json{{"commands", all}}.dump(2) + "\n";
}

std::string ManPageOf(absl::Span<const Command> commands,
                      absl::string_view usage) {
  std::string page =
      ".TH PERIGEE 1\n.SH NAME\nperigee \\- the shell of the PKCS#11 provider "
      "Perigee and its Backup HSM\n.SH SYNOPSIS\n.nf\n";
  for (const absl::string_view line : absl::StrSplit(usage, '\n')) {
    absl::StrAppend(&page, Roff(line), "\n");
  }
  absl::StrAppend(
      &page,
      ".fi\n.SH DESCRIPTION\n"
      "Commands and options are case\\-insensitive, and each word has a short "
      "form. Double quotes keep blanks together. A secret that is left out is "
      "asked for on a terminal; each option for one also exists as\n"
      ".BR \\-NAMEfile ,\nwhich reads the first line of a file.\n"
      "With\n.B \\-\\-json\neach command tells how it ended in one line of "
      "JSON; the members are listed in SHELL.md.\n.SH COMMANDS\n");
  for (const Command& command : commands) AddManCommand(command, page);
  absl::StrAppend(
      &page,
      ".SH ENVIRONMENT\n.TP\n.B PERIGEE_CONF\nthe configuration file\n"
      ".TP\n.B PERIGEE_STATE_DIR\nwhere state is kept without one\n"
      ".TP\n.B PERIGEE_MODULE\nthe library, instead of the one beside the "
      "program or where it is installed\n"
      ".SH SEE ALSO\n.BR pkcs11\\-tool (1),\n.BR p11\\-kit (8)\n");
  return page;
}

}  // namespace shell
