// The person at the terminal, if there is one: hidden entry of passwords,
// confirmations, and Ctrl-C. Secrets from files are read here too. Without a
// terminal nothing is asked.
#ifndef PERIGEE_TOOLS_SHELL_SECRET_ENTRY_H_
#define PERIGEE_TOOLS_SHELL_SECRET_ENTRY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/shell/secret_text.h"

namespace shell {

// True when standard input and the screen are a terminal.
bool HasTerminal();

// Asks with the echo off. CKR_FUNCTION_CANCELED at Ctrl-C and end of input.
absl::StatusOr<SecretText> AskSecret(absl::string_view prompt);
// One line with the echo on.
absl::StatusOr<SecretText> AskLine(absl::string_view prompt);

// The first line of a file (also /dev/fd/N), without its end. Warns when
// others than its owner may read it.
// "credential:NAME" is the credential of this name that systemd gave the
// service.
absl::StatusOr<SecretText> ReadSecretFile(const std::string& path);

// Waits until a read of `fd` would not wait; false when Ctrl-C came.
bool AwaitInput(int fd);
// One line from `fd`, read byte by byte so that nothing is left in a buffer;
// false at the end of input and at Ctrl-C (`line` may hold a last line without
// an end).
bool ReadLineFrom(int fd, SecretText& line);

// From here on Ctrl-C interrupts what is asked or carried instead of ending
// the program.
void CatchInterrupts();
// Whether Ctrl-C came since the last TakeInterrupt; that one also forgets it.
bool Interrupted();
bool TakeInterrupt();

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_SECRET_ENTRY_H_
