#include "tests/e2e/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/e2e/library.h"
#include "tests/e2e/site.h"

namespace e2e {
namespace {

[[noreturn]] void Exec(const std::vector<std::string>& arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setenv("TERM", "dumb", 1);
  const std::string program = ShellPath();
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

int WaitFor(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Ended RunShell(const std::vector<std::string>& arguments,
               const std::string& input) {
  TemporaryDirectory directory;
  const auto file = [&](const char* name) {
    return directory.path() + "/" + name;
  };
  WriteFile(file("in"), input);
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[0], STDIN_FILENO);
    const int flags = O_CREAT | O_WRONLY | O_TRUNC;
    dup2(open(file("out").c_str(), flags, 0600), STDOUT_FILENO);
    dup2(open(file("err").c_str(), flags, 0600), STDERR_FILENO);
    Exec(arguments);
  }
  close(ends[0]);
  // Scripts of tests fit into a pipe; nobody waits for a shell that ended.
  signal(SIGPIPE, SIG_IGN);
  if (!input.empty()) {
    EXPECT_EQ(write(ends[1], input.data(), input.size()),
              static_cast<ssize_t>(input.size()));
  }
  close(ends[1]);
  Ended ended;
  ended.code = WaitFor(pid);
  ended.out = ReadFile(file("out"));
  ended.error = ReadFile(file("err"));
  return ended;
}

Ended RunCommands(const std::vector<std::string>& commands,
                  const std::vector<std::string>& options) {
  std::vector<std::string> arguments = options;
  for (const std::string& command : commands) {
    arguments.insert(arguments.end(), {"-c", command});
  }
  return RunShell(arguments);
}

Terminal::Terminal() {
  winsize size = {};
  size.ws_row = 50;
  size.ws_col = 200;
  pid_ = forkpty(&fd_, nullptr, nullptr, &size);
  if (pid_ == 0) Exec({});
  EXPECT_GT(pid_, 0);
}

Terminal::~Terminal() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    WaitFor(pid_);
  }
  if (fd_ >= 0) close(fd_);
}

std::string Terminal::Await(const std::string& text) {
  while (!lost_) {
    const size_t at = screen_.find(text, awaited_);
    if (at != std::string::npos) {
      const std::string shown =
          screen_.substr(awaited_, at + text.size() - awaited_);
      awaited_ = at + text.size();
      return shown;
    }
    if (!ReadSome()) {
      ADD_FAILURE() << "'" << text << "' is not shown, but:\n"
                    << screen_.substr(awaited_);
      lost_ = true;
    }
  }
  return "";
}

bool Terminal::ReadSome() {
  pollfd waits = {fd_, POLLIN, 0};
  if (poll(&waits, 1, 60000) != 1) {
    ADD_FAILURE() << "the shell is silent";
    lost_ = true;
    return false;
  }
  char some[4096];
  const ssize_t n = read(fd_, some, sizeof some);
  if (n > 0) screen_.append(some, n);
  return n > 0;
}

void Terminal::Type(const std::string& line) {
  const std::string keys = line + "\r";
  EXPECT_EQ(write(fd_, keys.data(), keys.size()),
            static_cast<ssize_t>(keys.size()));
}

std::string Terminal::Command(const std::string& line) {
  Await("perigee:> ");
  Type(line);
  return Await("Command Result : ");
}

int Terminal::End() {
  Await("perigee:> ");
  EXPECT_EQ(write(fd_, "\x04", 1), 1);
  while (!lost_ && ReadSome()) {
  }
  if (lost_) kill(pid_, SIGKILL);
  const int code = WaitFor(pid_);
  pid_ = -1;
  return code;
}

}  // namespace e2e
