// A software TPM for tests, swtpm, in a directory of its own. It dies with the
// test. docs/
// DEPENDENCIES.md; cmake/setup-debian installs it.
#ifndef PERIGEE_HSM_TEST_TPM_H_
#define PERIGEE_HSM_TEST_TPM_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

namespace hsm {
namespace testkit {

class SoftTpm {
 public:
  static constexpr uint32_t kIndex = 0x1500020;
  // authread, authwrite, no_da, type counter.
  static constexpr uint32_t kCounter = 1 << 18 | 1 << 2 | 1 << 25 | 1 << 4;

  // A system without swtpm has no test of TPMs, which whoever uses this says.
  static bool IsThere() {
    const bool there = access("/usr/bin/swtpm", X_OK) == 0;
    if (!there) {
      std::fprintf(stderr, "NOT TESTED: no /usr/bin/swtpm (package swtpm)\n");
    }
    return there;
  }

  explicit SoftTpm(std::string directory) : directory_(std::move(directory)) {
    EXPECT_EQ(mkdir(directory_.c_str(), 0700), 0);
    Start();
  }
  ~SoftTpm() {
    if (pid_ > 0) Stop();
  }

  std::string socket() const { return directory_ + "/socket"; }
  std::string name() const { return "tpm:0x1500020?device=" + socket(); }

  void Start() {
    const std::string state = "dir=" + directory_;
    const std::string log = "file=" + directory_ + "/log";
    const std::string server = "type=unixio,path=" + socket();
    const char* arguments[] = {
        "swtpm",        "socket",      "--tpm2",
        "--tpmstate",   state.c_str(), "--server",
        server.c_str(), "--flags",     "not-need-init,startup-clear",
        "--log",        log.c_str(),   nullptr};
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      execv("/usr/bin/swtpm", const_cast<char**>(arguments));
      _exit(127);
    }
    int file = -1;
    for (int i = 0; i < 500 && file < 0; ++i) {
      file = Connect();
      if (file < 0) usleep(10000);
    }
    ASSERT_GE(file, 0) << "swtpm does not listen at " << socket();
    close(file);
  }
  void Stop() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    unlink(socket().c_str());
    pid_ = 0;
  }

  // Of the owner, who has no password.
  void Define(uint32_t attributes = kCounter) {
    std::string area = Number(kIndex, 4);
    area += Number(0x000b, 2);  // SHA-256 names it
    area += Number(attributes, 4);
    area += Number(0, 2);  // no policy
    area += Number(8, 2);
    // No password.
    EXPECT_EQ(AsOwner(0x12a, "", Number(0, 2) + Number(area.size(), 2) + area),
              0u);
  }
  void Undefine() { EXPECT_EQ(AsOwner(0x122, Number(kIndex, 4), ""), 0u); }

 private:
  int Connect() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string path = socket();
    EXPECT_LT(path.size(), sizeof address.sun_path);
    std::copy(path.begin(), path.end(), address.sun_path);
    const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(file, reinterpret_cast<sockaddr*>(&address), sizeof address) ==
        0) {
      return file;
    }
    close(file);
    return -1;
  }

  static std::string Number(uint64_t value, int width) {
    std::string bytes;
    while (width-- > 0) bytes += static_cast<char>(value >> (8 * width));
    return bytes;
  }

  // The TPM_RC.
  uint32_t AsOwner(uint32_t code, const std::string& handle,
                   const std::string& parameters) const {
    const std::string owner = Number(0x40000001, 4) + handle;
    // A password, which is empty.
    const std::string password =
        Number(9, 4) + Number(0x40000009, 4) + Number(0, 5);
    const std::string body = owner + password + parameters;
    const std::string command = Number(0x8002, 2) +
                                Number(10 + body.size(), 4) + Number(code, 4) +
                                body;
    const int file = Connect();
    EXPECT_EQ(write(file, command.data(), command.size()),
              static_cast<ssize_t>(command.size()));
    uint8_t answer[4096];
    const ssize_t size = read(file, answer, sizeof answer);
    close(file);
    if (size < 10) return ~0u;
    return static_cast<uint32_t>(answer[6]) << 24 | answer[7] << 16 |
           answer[8] << 8 | answer[9];
  }

  const std::string directory_;
  pid_t pid_ = 0;
};

}  // namespace testkit
}  // namespace hsm

#endif  // PERIGEE_HSM_TEST_TPM_H_
