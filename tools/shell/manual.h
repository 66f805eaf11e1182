// The manual in the forms that others read, all from the command table:
// docs/SHELL.md, the man page, the candidates of bash's completion.
#ifndef PERIGEE_TOOLS_SHELL_MANUAL_H_
#define PERIGEE_TOOLS_SHELL_MANUAL_H_

#include <string>

#include "tools/shell/table.h"

namespace shell {

// Between the lines of docs/SHELL.md that say where it begins and ends.
std::string MarkdownOf(absl::Span<const Command> commands);

// What --json may tell, as JSON: {"commands": {"slot list": ["current_slot",
// ...]}}, shapes written out.
std::string JsonSchemaOf(absl::Span<const Command> commands);

// perigee(1), in man macros. `usage` is what --help prints.
std::string ManPageOf(absl::Span<const Command> commands,
                      absl::string_view usage);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_MANUAL_H_
