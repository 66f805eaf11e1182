#include "hsm_io/socket_transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hsm_io {
namespace {

// strerror_r's GNU form: thread-safe, unlike strerror.
std::string ErrnoText(int error) {
  char buffer[128];
  return strerror_r(error, buffer, sizeof buffer);
}

absl::Status SystemError(CK_RV rv, absl::string_view what,
                         absl::string_view address, int error) {
  return base::Error(
      rv, absl::StrCat("socket ", address, ": ", what, ": ", ErrnoText(error)));
}

struct Address {
  int family = AF_UNSPEC;
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string path;  // Unix sockets
};

absl::StatusOr<Address> ParseAddress(const std::string& text) {
  Address address;
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  const bool tcp = colon != std::string::npos && text.front() != '/' &&
                   absl::SimpleAtoi(text.substr(colon + 1), &port) &&
                   port <= 65535;
  if (!tcp) {
    auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (text.empty() || text.size() >= sizeof un->sun_path) {
      return base::Error(CKR_ARGUMENTS_BAD,
                         absl::StrCat("socket path of ", text.size(),
                                      " bytes is not usable: ", text));
    }
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, text.c_str(), text.size() + 1);
    address.family = AF_UNIX;
    address.size = sizeof *un;
    address.path = text;
    return address;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(text.substr(0, colon).c_str(),
                                text.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) {
    return base::Error(CKR_ARGUMENTS_BAD, absl::StrCat("socket ", text, ": ",
                                                       gai_strerror(error)));
  }
  absl::Cleanup release = [found] { freeaddrinfo(found); };
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  address.family = found->ai_family;
  return address;
}

absl::StatusOr<int> NewSocket(const Address& address, const std::string& text) {
  const int fd =
      socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SystemError(CKR_DEVICE_ERROR, "socket", text, errno);
  return fd;
}

// Small records must not wait for the acknowledgement of those before.
void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

class SocketTransport : public Transport {
 public:
  explicit SocketTransport(std::string address)
      : address_(std::move(address)) {}
  ~SocketTransport() override { Close(); }

  absl::Status Open(Deadline deadline) override {
    Close();
    ASSIGN_OR_RETURN(fd_, ConnectSocket(address_, deadline));
    return absl::OkStatus();
  }

  void Close() override {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  absl::Status Write(ByteSpan bytes, Deadline deadline) override {
    if (fd_ < 0) return Removed("is not open");
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) {
        bytes.remove_prefix(static_cast<size_t>(n));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        RETURN_IF_ERROR(Wait(POLLOUT, deadline));
      } else if (errno != EINTR) {
        return Removed(ErrnoText(errno));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Bytes> Read(size_t limit, Deadline deadline) override {
    if (fd_ < 0) return Removed("is not open");
    Bytes out(std::min<size_t>(limit, 64 * 1024));
    for (;;) {
      const ssize_t n = recv(fd_, out.data(), out.size(), 0);
      if (n > 0) {
        out.resize(static_cast<size_t>(n));
        return out;
      }
      if (n == 0) return Removed("the other end closed it");
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        RETURN_IF_ERROR(Wait(POLLIN, deadline));
      } else if (errno != EINTR) {
        return Removed(ErrnoText(errno));
      }
    }
  }

 private:
  absl::Status Removed(absl::string_view why) const {
    return base::Error(CKR_DEVICE_REMOVED,
                       absl::StrCat("socket ", address_, ": ", why));
  }

  absl::Status Wait(short events, Deadline deadline) {
    return WaitSocket(fd_, events, address_, deadline);
  }

  const std::string address_;
  int fd_ = -1;
};

// True when somebody accepts connections at the address.
bool Answers(const Address& address) {
  const int fd = socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answers =
      connect(fd, reinterpret_cast<const sockaddr*>(&address.storage),
              address.size) == 0;
  close(fd);
  return answers;
}

}  // namespace

absl::Status WaitSocket(int fd, short events, absl::string_view name,
                        Deadline deadline) {
  for (;;) {
    pollfd waiting{fd, events, 0};
    const int n = poll(&waiting, 1, deadline.PollMilliseconds());
    if (n > 0) return absl::OkStatus();
    if (n == 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("socket ", name, ": no answer in time"));
    }
    if (errno != EINTR) {
      return SystemError(CKR_DEVICE_REMOVED, "poll", name, errno);
    }
  }
}

absl::StatusOr<int> ConnectSocket(const std::string& text, Deadline deadline) {
  ASSIGN_OR_RETURN(Address address, ParseAddress(text));
  ASSIGN_OR_RETURN(const int fd, NewSocket(address, text));
  absl::Cleanup release = [fd] { close(fd); };
  if (address.path.empty()) SendAtOnce(fd);
  int error = 0;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address.storage),
              address.size) != 0) {
    error = errno;
  }
  if (error == EINPROGRESS) {
    RETURN_IF_ERROR(WaitSocket(fd, POLLOUT, text, deadline));
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) {
    return SystemError(CKR_TOKEN_NOT_PRESENT, "no Backup HSM answers there",
                       text, error);
  }
  std::move(release).Cancel();
  return fd;
}

std::unique_ptr<Transport> NewSocketTransport(std::string address) {
  return std::make_unique<SocketTransport>(std::move(address));
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Listen(
    const std::string& text) {
  ASSIGN_OR_RETURN(Address address, ParseAddress(text));
  if (!address.path.empty()) {
    if (Answers(address)) {
      return base::Error(
          CKR_FUNCTION_FAILED,
          absl::StrCat("socket ", text, ": another process serves it"));
    }
    struct stat there {};
    if (lstat(text.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) {
      unlink(text.c_str());
    }
  }
  ASSIGN_OR_RETURN(int fd, NewSocket(address, text));
  // Owns the descriptor from here; the path only once it is bound.
  std::unique_ptr<Listener> listener(new Listener(fd, text));
  const int on = 1;
  if (address.path.empty()) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  // Only the owner may connect: the mode is there from the first moment.
  const mode_t old = umask(0077);
  const int bound = bind(
      fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size);
  const int error = errno;
  umask(old);
  if (bound != 0) return SystemError(CKR_FUNCTION_FAILED, "bind", text, error);
  listener->path_ = address.path;
  if (listen(fd, SOMAXCONN) != 0) {
    return SystemError(CKR_FUNCTION_FAILED, "listen", text, errno);
  }
  if (address.path.empty()) {
    address.size = sizeof address.storage;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    auto* sa = reinterpret_cast<sockaddr*>(&address.storage);
    if (getsockname(fd, sa, &address.size) == 0 &&
        getnameinfo(sa, address.size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
      listener->address_ = absl::StrCat(host, ":", port);
    }
  }
  return listener;
}

Listener::~Listener() {
  close(fd_);
  if (!path_.empty()) unlink(path_.c_str());
}

absl::StatusOr<int> Listener::Accept() {
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return SystemError(CKR_DEVICE_ERROR, "accept", address_, errno);
  if (is_tcp()) SendAtOnce(fd);
  return fd;
}

}  // namespace hsm_io
