#include "tests/e2e/remote_service.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/e2e/daemon.h"
#include "tests/e2e/library.h"
#include "tests/e2e/site.h"

namespace e2e {
namespace {

constexpr int kPatience = 60000;  // milliseconds

// One command of the shell with this state and configuration; its output can
// be read from `output`.
pid_t RunShellThere(const std::string& state, const std::string& config,
                    const std::string& command, int& output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  const std::string program = ShellPath();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("PERIGEE_STATE_DIR", state.c_str(), 1);
    setenv("PERIGEE_CONF", config.c_str(), 1);
    unsetenv("LD_PRELOAD");
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    execl(program.c_str(), program.c_str(), "-c", command.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  output = ends[0];
  return pid;
}

// One line without its end; false at the end of the output.
bool ReadLine(int fd, std::string& line) {
  line.clear();
  for (;;) {
    pollfd waiting{fd, POLLIN, 0};
    char c = 0;
    if (poll(&waiting, 1, kPatience) <= 0 || read(fd, &c, 1) != 1) return false;
    if (c == '\n') return true;
    line.push_back(c);
  }
}

// The last word of the identity's line that begins so.
std::string IdentityOf(const std::string& state, const std::string& field) {
  const std::string config = state + ".identity.toml";
  WriteFile(config, "");
  int output = -1;
  const pid_t pid =
      RunShellThere(state, config, "remotebackup identity", output);
  std::string all, line, found;
  while (ReadLine(output, line)) {
    all += line + "\n";
    if (line.find(" " + field + " ") != std::string::npos) {
      found = line.substr(line.find_last_of(' ') + 1);
    }
  }
  close(output);
  waitpid(pid, nullptr, 0);
  EXPECT_FALSE(found.empty()) << all;
  return found;
}

}  // namespace

std::string SerialOfHost(const std::string& state) {
  return IdentityOf(state, "Host");
}
std::string KeyOfHost(const std::string& state) {
  return IdentityOf(state, "Key");
}

void JoinFleet(const std::string& state, const std::string& of_state) {
  std::filesystem::create_directories(state + "/fleet");
  for (const char* file : {"/fleet/root.key", "/fleet/root.crt"}) {
    std::filesystem::copy_file(of_state + file, state + file);
  }
}

RemoteService::RemoteService(const std::string& directory,
                             const std::string& of_state,
                             const std::string& transport,
                             const std::string& clients)
    : directory_(directory), clients_(clients) {
  JoinFleet(state(), of_state);
  WriteFile(directory_ + "/perigee.toml",
            "[[hsm]]\nname = \"shared\"\nkind = \"backup\"\n"
            "kdf_cost = \"test\"\ntransport = \"" +
                transport + "\"\n");
  Start();
}

RemoteService::~RemoteService() { End(SIGKILL); }

int RemoteService::Stop() { return End(SIGTERM); }
int RemoteService::Kill() { return End(SIGKILL); }

void RemoteService::Start() {
  const size_t colon = address_.rfind(':');
  const std::string port =
      colon == std::string::npos ? "0" : address_.substr(colon + 1);
  pid_ = RunShellThere(
      state(), directory_ + "/perigee.toml",
      "remotebackup start -slot 0 -debug -hostname 127.0.0.1 -port " + port +
          " -client " + clients_,
      output_);
  const std::string line = Await(" serves at ");
  address_ = line.substr(line.find_last_of(' ') + 1);
}

std::string RemoteService::Await(const std::string& text) {
  std::string line, all;
  while (ReadLine(output_, line)) {
    all += line + "\n";
    if (line.find(text) != std::string::npos) return line;
  }
  ADD_FAILURE() << "no line with \"" << text << "\" in:\n" << all;
  return "";
}

int RemoteService::End(int signal) { return EndProcess(pid_, output_, signal); }

}  // namespace e2e
