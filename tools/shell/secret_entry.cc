#include "tools/shell/secret_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tools/shell/result.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

volatile sig_atomic_t interrupted = 0;

void OnInterrupt(int) { interrupted = 1; }

void Say(absl::string_view text) {
  fflush(stdout);
  FILE* screen = isatty(STDOUT_FILENO) ? stdout : stderr;
  fwrite(text.data(), 1, text.size(), screen);
  fflush(screen);
}

absl::Status Canceled() {
  return Failure(CKR_FUNCTION_CANCELED, "stopped at the question");
}

absl::StatusOr<SecretText> Ask(absl::string_view prompt) {
  if (!HasTerminal()) {
    return Failure(CKR_FUNCTION_CANCELED, "there is no terminal to ask at");
  }
  TakeInterrupt();
  Say(prompt);
  SecretText line;
  const bool more = ReadLineFrom(STDIN_FILENO, line);
  if (Interrupted() || (!more && line.empty())) return Canceled();
  return line;
}

// Names of credentials are not paths.
absl::StatusOr<std::string> PathOfSecret(absl::string_view given) {
  if (!absl::ConsumePrefix(&given, "credential:")) return std::string(given);
  const char* const directory = getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0') {
    return Failure(CKR_ARGUMENTS_BAD, "there are no credentials",
                   "A unit has them by LoadCredential= or "
                   "LoadCredentialEncrypted=.");
  }
  if (given.empty() || absl::StrContains(given, '/') || given[0] == '.') {
    return Failure(CKR_ARGUMENTS_BAD, "that is no name of a credential");
  }
  return absl::StrCat(directory, "/", given);
}

}  // namespace

bool HasTerminal() {
  return isatty(STDIN_FILENO) &&
         (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO));
}

absl::StatusOr<SecretText> AskLine(absl::string_view prompt) {
  return Ask(prompt);
}

absl::StatusOr<SecretText> AskSecret(absl::string_view prompt) {
  termios before;
  const bool have = tcgetattr(STDIN_FILENO, &before) == 0;
  if (have) {
    termios hidden = before;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    hidden.c_lflag |= ICANON | ISIG;
    // Suspended here, the terminal would stay without an echo.
    hidden.c_cc[VSUSP] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  const absl::Cleanup restore = [&] {
    if (have) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  };
  absl::StatusOr<SecretText> secret = Ask(prompt);
  if (HasTerminal()) Say("\n");
  return secret;
}

absl::StatusOr<SecretText> ReadSecretFile(const std::string& given) {
  ASSIGN_OR_RETURN(const std::string path, PathOfSecret(given));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Failure(CKR_ARGUMENTS_BAD,
                   absl::StrCat(CleanText(path), ": ", strerror(errno)));
  }
  const absl::Cleanup close_it = [fd] { close(fd); };
  struct stat facts;
  if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) &&
      (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    fprintf(stderr, "Warning: others may read %s: chmod 600.\n",
            CleanText(path).c_str());
  }
  SecretText line;
  ReadLineFrom(fd, line);
  if (line.empty()) {
    return Failure(CKR_ARGUMENTS_BAD,
                   absl::StrCat(CleanText(path), ": its first line is empty"));
  }
  return line;
}

bool AwaitInput(int fd) {
  // Ctrl-C may come between a look at the flag and a read that waits, and
  // would be seen only after the next line. Blocked until the wait itself, it
  // cannot.
  sigset_t interrupt, before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  sigprocmask(SIG_BLOCK, &interrupt, &before);
  sigset_t waiting = before;
  sigdelset(&waiting, SIGINT);
  int ready = 0;
  do {
    pollfd waits = {fd, POLLIN, 0};
    ready = Interrupted() ? 0 : ppoll(&waits, 1, nullptr, &waiting);
  } while (ready < 0 && errno == EINTR);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return ready > 0;
}

bool ReadLineFrom(int fd, SecretText& line) {
  for (;;) {
    char c = 0;
    if (!AwaitInput(fd)) return false;
    const ssize_t n = read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    if (c == '\n') return true;
    if (c != '\r') line.Append(c);
  }
}

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;  // without SA_RESTART: reads must end
  sigaction(SIGINT, &action, nullptr);
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  sigprocmask(SIG_UNBLOCK, &interrupt, nullptr);
}

bool Interrupted() { return interrupted != 0; }

bool TakeInterrupt() {
  const bool was = interrupted != 0;
  interrupted = 0;
  return was;
}

}  // namespace shell
