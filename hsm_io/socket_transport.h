// The socket transport: a Unix socket or loopback TCP to the daemon
// perigee-backup-hsm; and the listening side of it.
//
// An address is a path ("/run/perigee/backup.sock") or HOST:PORT.
#ifndef PERIGEE_HSM_IO_SOCKET_TRANSPORT_H_
#define PERIGEE_HSM_IO_SOCKET_TRANSPORT_H_

#include <memory>
#include <string>

#include "hsm_io/transport.h"

namespace hsm_io {

std::unique_ptr<Transport> NewSocketTransport(std::string address);

// A connected, non-blocking socket; the caller closes it.
// CKR_TOKEN_NOT_PRESENT when nobody answers there.
absl::StatusOr<int> ConnectSocket(const std::string& address,
                                  Deadline deadline);
// Waits until one of poll(2)'s `events` is there (or the other end is gone).
// DeadlineExceeded when time ran out; `name` is for the message.
absl::Status WaitSocket(int fd, short events, absl::string_view name,
                        Deadline deadline);

// A listening socket; closed, and its path removed, when destroyed.
class Listener {
 public:
  // Takes over a stale path (nobody answers there); CKR_FUNCTION_FAILED naming
  // path and errno when somebody does.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string& address);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int fd() const { return fd_; }
  bool is_tcp() const { return path_.empty(); }
  // "HOST:PORT" with the real port, or the path.
  const std::string& address() const { return address_; }
  // A connection that waits; non-blocking.
  absl::StatusOr<int> Accept();

 private:
  Listener(int fd, std::string address)
      : fd_(fd), address_(std::move(address)) {}
  int fd_;
  std::string address_;
  std::string path_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_SOCKET_TRANSPORT_H_
