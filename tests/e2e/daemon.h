// A perigee-backup-hsm process on a Unix socket. It dies with the test.
#ifndef PERIGEE_TESTS_E2E_DAEMON_H_
#define PERIGEE_TESTS_E2E_DAEMON_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace e2e {

// Sends the signal to a child, if there is one, waits for its end and closes
// the pipe of its output. The status of waitpid.
int EndProcess(pid_t& pid, int& output, int signal);

class Daemon {
 public:
  // Starts it and waits until it serves; a test failure when it ends instead.
  // `user`: its user and group, when not the test's.
  explicit Daemon(std::vector<std::string> arguments, int user = -1);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  bool running() const { return pid_ > 0; }
  // As it prints it, 64 hexadecimal digits.
  const std::string& fingerprint() const { return fingerprint_; }
  const std::string& serial() const { return serial_; }
  // Where it serves: a path, or HOST:PORT with the port that it got.
  const std::string& address() const { return address_; }
  pid_t pid() const { return pid_; }

  // SIGTERM, or SIGKILL; returns when it is gone. The status of waitpid.
  int Stop();
  int Kill();
  // The same again with the same arguments.
  void Restart();

 private:
  void Start();
  int End(int signal);

  const std::vector<std::string> arguments_;
  const int user_;
  pid_t pid_ = -1;
  int output_ = -1;
  std::string fingerprint_;
  std::string serial_;
  std::string address_;
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_DAEMON_H_
