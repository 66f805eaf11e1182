// Colours on a terminal, for what a person must not miss. They are off where
// nobody looks: no terminal, TERM=dumb, NO_COLOR (no-color.org), --color=never.
#ifndef PERIGEE_TOOLS_SHELL_COLOUR_H_
#define PERIGEE_TOOLS_SHELL_COLOUR_H_

#include <string>

#include "absl/strings/string_view.h"

namespace shell {

enum class Colour { kBad, kWarning };

// "auto", "always" or "never"; false for another word. Before it is called,
// and without it, auto.
bool ChooseColours(absl::string_view when);

// The text as standard output shows it.
std::string Painted(Colour colour, absl::string_view text);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_COLOUR_H_
