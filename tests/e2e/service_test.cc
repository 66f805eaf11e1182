// The daemon as a service: what it tells who started it, and what becomes of
// work under way when it is asked to end.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "tests/e2e/bench.h"

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
  const CK_SESSION_HANDLE app = bench.Officer();
  for (int i = 0; i < 300; ++i) {
    bench.host.Create(app, Note("note " + std::to_string(i)));
  }
  CK_SESSION_HANDLE archive = bench.NewArchive();
  struct Stopper {
    Daemon* daemon;
    int status = -1;
    CK_ULONG done = 0;
    static CK_RV Note(void* context, CK_ULONG done, CK_ULONG) {
      auto& self = *static_cast<Stopper*>(context);
      if (self.done == 0) self.status = self.daemon->Stop();
      self.done = done;
      return CKR_OK;
    }
  } stopper{&bench.site.daemon()};
  PERIGEE_TRANSFER transfer = {};
  transfer.ulSize = sizeof transfer;
  transfer.pProgress = Stopper::Note;
  transfer.pContext = &stopper;
  EXPECT_NE(bench.host.perigee().Transfer(app, archive, &transfer),
            CK_RV{CKR_OK});
  EXPECT_TRUE(WIFEXITED(stopper.status) && WEXITSTATUS(stopper.status) == 0);
  ASSERT_GT(stopper.done, 0u);
  bench.site.daemon().Restart();
  bench.host.c().C_CloseSession(archive);
  archive =
      bench.host.OpenArchive(bench.host.backup(), bench.ContainerOf("archive"));
  EXPECT_EQ(bench.host.Find(archive).size(), stopper.done);
  const Report report = bench.host.Transfer(app, archive);
  EXPECT_OK(report.rv) << report.error;
  EXPECT_EQ(bench.host.Find(archive).size(), 300u);
}

}  // namespace
}  // namespace e2e
