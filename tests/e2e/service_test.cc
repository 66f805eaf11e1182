// The daemon as a service: what it tells who started it, and what becomes of
// work under way when it is asked to end.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "tests/e2e/interrupted.h"

namespace e2e {
namespace {

// Where systemd would listen.
class NotifySocket {
 public:
  NotifySocket() : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const std::string path = directory_.path() + "/notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    EXPECT_EQ(
        bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address),
        0);
    const timeval patience{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    setenv("WATCHDOG_USEC", "100000", 1);
  }
  ~NotifySocket() {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(fd_);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // Empty after ten seconds without one.
  std::string Next() {
    char text[256];
    const ssize_t n = recv(fd_, text, sizeof text, 0);
    return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
  }

 private:
  const TemporaryDirectory directory_;
  const int fd_;
};

TEST(ServiceTest, TellsWhenItServesThatItLivesAndThatItEnds) {
  NotifySocket manager;
  Site site(DefaultPlan(Link::kSocket));
  EXPECT_EQ(manager.Next(), "READY=1");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(manager.Next(), "WATCHDOG=1");
  EXPECT_EQ(site.daemon().Stop(), 0);
  std::string last;
  do {
    last = manager.Next();
  } while (last == "WATCHDOG=1");
  EXPECT_EQ(last, "STOPPING=1");
}

TEST(ServiceTest, AskedToEndInATransfer_WhatItAnsweredForIsThere) {
  Bench bench(Link::kSocket);
  int status = -1;
  InterruptedTransfer cut(bench, [&] { status = bench.site.daemon().Stop(); });
  EXPECT_NE(cut.rv(), CK_RV{CKR_OK});
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  bench.site.daemon().Restart();
  cut.ExpectAnAppendCompletesIt();
}

}  // namespace
}  // namespace e2e
