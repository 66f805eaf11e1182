#include "tools/backup_hsm/service_manager.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace backup_hsm {
namespace {

absl::Status Bad(absl::string_view what, absl::string_view cause) {
  return base::Error(CKR_ARGUMENTS_BAD, absl::StrCat(what, ": ", cause));
}

std::string Variable(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr ? value : "";
}

// A path, or a name that has none and begins with @.
void Send(const std::string& socket_path, const std::string& text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(socket_path.begin(), socket_path.end(), address.sun_path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                           socket_path.size());
  static_cast<void>(sendto(fd, text.data(), text.size(), MSG_NOSIGNAL,
                           reinterpret_cast<const sockaddr*>(&address), size));
  close(fd);
}

class Watchdog : public hsm_io::ServedLink {
 public:
  Watchdog(int timer, std::string socket)
      : timer_(timer), socket_(std::move(socket)) {}
  ~Watchdog() override { close(timer_); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  int fd() const override { return timer_; }
  short events() const override { return POLLIN; }
  bool has_been_trusted() const override { return true; }
  bool Proceed(short) override {
    uint64_t times;
    if (read(timer_, &times, sizeof times) > 0) Send(socket_, "WATCHDOG=1");
    return true;
  }

 private:
  const int timer_;
  const std::string socket_;
};

}  // namespace

absl::StatusOr<ServiceManager> ServiceManager::FromEnvironment() {
  ServiceManager manager;
  manager.socket_ = Variable("NOTIFY_SOCKET");
  if (manager.socket_.empty()) return manager;
  if (manager.socket_.size() >= sizeof(sockaddr_un::sun_path) ||
      (manager.socket_[0] != '/' && manager.socket_[0] != '@')) {
    return Bad("NOTIFY_SOCKET", "neither a path nor a name");
  }
  const std::string period = Variable("WATCHDOG_USEC");
  const std::string process = Variable("WATCHDOG_PID");
  if (period.empty() ||
      (!process.empty() && process != absl::StrCat(getpid()))) {
    return manager;
  }
  int64_t microseconds = 0;
  if (!absl::SimpleAtoi(period, &microseconds) || microseconds < 2) {
    return Bad("WATCHDOG_USEC", absl::StrCat("'", period, "'"));
  }
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer < 0) {
    return Bad("timerfd_create", std::generic_category().message(errno));
  }
  // Twice as often as is asked for.
  const int64_t half = microseconds / 2;
  const timespec time{half / 1000000, half % 1000000 * 1000};
  const itimerspec every{time, time};
  timerfd_settime(timer, 0, &every, nullptr);
  manager.watchdog_ = std::make_unique<Watchdog>(timer, manager.socket_);
  return manager;
}

void ServiceManager::Tell(const std::string& text) const {
  if (!socket_.empty()) Send(socket_, text);
}

}  // namespace backup_hsm
