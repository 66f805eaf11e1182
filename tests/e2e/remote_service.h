// A host that holds a Backup HSM and offers it: the shell's `remotebackup
// start` as a process, with a state of its own under the fleet of another host.
// It dies with the test.
#ifndef PERIGEE_TESTS_E2E_REMOTE_SERVICE_H_
#define PERIGEE_TESTS_E2E_REMOTE_SERVICE_H_

#include <sys/types.h>

#include <string>

namespace e2e {

// What the fleet's other hosts call the one with this state directory: its
// serial number, or its key's fingerprint.
std::string SerialOfHost(const std::string& state);
std::string KeyOfHost(const std::string& state);
// Makes `state` the state of a new host of the fleet of another one's.
void JoinFleet(const std::string& state, const std::string& of_state);

class RemoteService {
 public:
  // Waits until it serves. `directory` is made; `of_state`: the fleet's.
  RemoteService(const std::string& directory, const std::string& of_state,
                const std::string& transport, const std::string& clients);
  ~RemoteService();
  RemoteService(const RemoteService&) = delete;
  RemoteService& operator=(const RemoteService&) = delete;

  // HOST:PORT; the same after a restart.
  const std::string& address() const { return address_; }
  std::string state() const { return directory_ + "/state"; }
  // Reads what it says until a line with `text`; a failure when it ends.
  std::string Await(const std::string& text);
  // SIGTERM or SIGKILL; the status of waitpid.
  int Stop();
  int Kill();
  void Start();

 private:
  int End(int signal);

  const std::string directory_;
  const std::string clients_;
  std::string address_;
  pid_t pid_ = -1;
  int output_ = -1;
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_REMOTE_SERVICE_H_
