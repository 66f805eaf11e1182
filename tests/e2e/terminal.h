// The shell as a process: with its output caught, or at a pseudo terminal
// where a test is the person.
#ifndef PERIGEE_TESTS_E2E_TERMINAL_H_
#define PERIGEE_TESTS_E2E_TERMINAL_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace e2e {

struct Ended {
  int code = -1;  // exit code; 128 + n for a signal
  std::string out;
  std::string error;
};

// Runs the shell with these arguments and this standard input (a pipe).
Ended RunShell(const std::vector<std::string>& arguments,
               const std::string& input = "");
// One -c for each command.
Ended RunCommands(const std::vector<std::string>& commands,
                  const std::vector<std::string>& options = {});

class Terminal {
 public:
  // Starts the shell without arguments.
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Waits until `text` is shown after what was awaited before; a failure when
  // the shell ends, or is silent for a minute; nothing is awaited after that.
  // Gives all that was shown meanwhile.
  std::string Await(const std::string& text);
  // Types a line.
  void Type(const std::string& line);
  // At a prompt: types a command and gives what it says until its result.
  std::string Command(const std::string& line);
  // Ctrl-D and the exit code.
  int End();
  // Everything that was shown.
  const std::string& screen() const { return screen_; }

 private:
  // False when the shell has ended; a failure when it is silent for a minute.
  bool ReadSome();

  pid_t pid_ = -1;
  int fd_ = -1;
  std::string screen_;
  size_t awaited_ = 0;
  bool lost_ = false;
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_TERMINAL_H_
