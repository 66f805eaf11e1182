// The questions that commands ask: whether to go on, and for secrets.
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/colour.h"
#include "tools/shell/secret_entry.h"
#include "tools/shell/shell.h"

namespace shell {
namespace {

// What -defaultdomain stands for: known to everybody, so it keeps nobody out.
constexpr char kDefaultDomain[] = "defaultdomain";

}  // namespace

absl::Status Shell::Confirm(const Arguments& arguments,
                            absl::string_view warning) {
  if (arguments.Has("dryrun")) {
    would_ = std::string(warning);
    absl::PrintF("\n    %s\n    A dry run: nothing was changed.\n", warning);
    return Failure(CKR_FUNCTION_CANCELED, "a dry run");
  }
  if (arguments.Has("force")) return absl::OkStatus();
  if (!HasTerminal()) {
    return Failure(CKR_FUNCTION_CANCELED,
                   absl::StrCat(warning, " Nothing was done."),
                   "There is no terminal to confirm at: add -force.");
  }
  absl::PrintF("\n    %s\n    Are you sure you wish to continue?\n\n",
               Painted(Colour::kWarning, warning));
  for (;;) {
    ASSIGN_OR_RETURN(
        const SecretText answer,
        AskLine("    Type 'proceed' to continue, or 'quit' to quit now -> "));
    if (answer.RevealText() == "proceed") return absl::OkStatus();
    if (answer.RevealText() == "quit") {
      return Failure(CKR_FUNCTION_CANCELED, "Nothing was done.");
    }
  }
}

absl::StatusOr<std::optional<SecretText>> Shell::SecretIfGiven(
    const Arguments& arguments, absl::string_view option) {
  if (const SecretText* given = arguments.Secret(option)) {
    return std::optional(SecretText(given->RevealText()));
  }
  const std::optional<std::string> file =
      arguments.Text(absl::StrCat(option, "file"));
  if (!file.has_value()) return std::optional<SecretText>();
  ASSIGN_OR_RETURN(SecretText read, ReadSecretFile(*file));
  return std::optional(std::move(read));
}

absl::StatusOr<SecretText> Shell::Secret(const Arguments& arguments,
                                         absl::string_view option,
                                         absl::string_view what, Entry entry) {
  ASSIGN_OR_RETURN(std::optional<SecretText> given,
                   SecretIfGiven(arguments, option));
  if (given.has_value()) return *std::move(given);
  if (!HasTerminal()) {
    return Failure(CKR_ARGUMENTS_BAD, absl::StrCat("the ", what, " is needed"),
                   absl::StrCat("There is no terminal to ask at: give -",
                                option, "file <path>, or -", option, "."));
  }
  for (;;) {
    ASSIGN_OR_RETURN(SecretText first,
                     AskSecret(absl::StrCat("    Enter ", what, ": ")));
    if (entry == Entry::kOnce) return first;
    ASSIGN_OR_RETURN(const SecretText second,
                     AskSecret(absl::StrCat("    Re-enter ", what, ": ")));
    if (first.RevealText() == second.RevealText()) return first;
    absl::PrintF("    They are not equal; once more.\n");
  }
}

absl::StatusOr<std::optional<SecretText>> Shell::DomainIfGiven(
    const Arguments& arguments) {
  ASSIGN_OR_RETURN(std::optional<SecretText> domain,
                   SecretIfGiven(arguments, "domain"));
  if (domain.has_value() && arguments.Has("defaultdomain")) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "-domain and -defaultdomain exclude "
                   "each other");
  }
  if (!domain.has_value() && arguments.Has("defaultdomain")) {
    absl::PrintF(
        "    Warning: everybody knows the default domain; it "
        "protects nothing.\n");
    domain = SecretText(kDefaultDomain);
  }
  return domain;
}

}  // namespace shell
