#include "tools/shell/colour.h"

#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace shell {
namespace {

enum class When { kAuto, kAlways, kNever };
When when_painted = When::kAuto;

bool IsSet(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr && *value != '\0';
}

bool Painting() {
  if (when_painted != When::kAuto) return when_painted == When::kAlways;
  const char* const terminal = getenv("TERM");
  return !IsSet("NO_COLOR") && isatty(STDOUT_FILENO) && terminal != nullptr &&
         absl::string_view(terminal) != "dumb";
}

}  // namespace

bool ChooseColours(absl::string_view when) {
  if (when == "auto") {
    when_painted = When::kAuto;
  } else if (when == "always") {
    when_painted = When::kAlways;
  } else if (when == "never") {
    when_painted = When::kNever;
  } else {
    return false;
  }
  return true;
}

std::string Painted(Colour colour, absl::string_view text) {
  if (!Painting()) return std::string(text);
  return absl::StrCat(colour == Colour::kBad ? "\x1b[31m" : "\x1b[33m", text,
                      "\x1b[0m");
}

}  // namespace shell
