#include "tests/e2e/daemon.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/library.h"

namespace e2e {
namespace {

// One line without its end; empty at the end of the output.
std::string ReadLine(int fd) {
  std::string line;
  for (char c = 0; read(fd, &c, 1) == 1 && c != '\n';) line.push_back(c);
  return line;
}

}  // namespace

Daemon::Daemon(std::vector<std::string> arguments, int user)
    : arguments_(std::move(arguments)), user_(user) {
  Start();
}

Daemon::~Daemon() { End(SIGKILL); }

int Daemon::Stop() { return End(SIGTERM); }
int Daemon::Kill() { return End(SIGKILL); }

void Daemon::Restart() {
  End(SIGTERM);
  Start();
}

void Daemon::Start() {
  const std::string program = DaemonPath();
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments_) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  pid_ = fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    if (user_ >= 0 && (setgroups(0, nullptr) != 0 || setgid(user_) != 0 ||
                       setuid(user_) != 0)) {
      _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  output_ = ends[0];
  const std::string serving = ReadLine(output_);
  ASSERT_NE(serving.find(": serving "), std::string::npos)
      << program << " said: " << serving;
  address_ = serving.substr(serving.find_last_of(' ') + 1);
  const std::string before = "(serial ";
  const size_t serial = serving.find(before) + before.size();
  serial_ =
      serving.substr(serial, serving.find_first_of(",)", serial) - serial);
  const std::string line = ReadLine(output_);
  fingerprint_ = line.substr(line.find_last_of(' ') + 1);
  ASSERT_EQ(fingerprint_.size(), 64u) << line;
}

int EndProcess(pid_t& pid, int& output, int signal) {
  int status = 0;
  if (pid > 0) {
    kill(pid, signal);
    waitpid(pid, &status, 0);
  }
  pid = -1;
  if (output >= 0) close(output);
  output = -1;
  return status;
}

int Daemon::End(int signal) { return EndProcess(pid_, output_, signal); }

}  // namespace e2e
