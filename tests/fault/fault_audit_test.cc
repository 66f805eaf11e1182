// Eight processes of four threads write one audit log; some of them are killed.
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "tests/e2e/host.h"
#include "tests/fault/processes.h"

namespace e2e {
namespace {

constexpr int kProcesses = 8;
constexpr int kThreads = 4;
constexpr int kRounds = 36;

std::string LogOf(const Host& host) {
  CK_ULONG line = 0;
  EXPECT_OK(host.perigee().AuditCheckpoint(0, CK_TRUE, &line));
  std::string text, page(1 << 16, '\0');
  for (CK_ULONG next = 0;;) {
    CK_ULONG size = page.size();
    EXPECT_OK(host.perigee().AuditLines(0, &next, page.data(), &size));
    if (size == 0) return text;
    text.append(page, 0, size);
  }
}

PERIGEE_AUDIT_REPORT Verify(const Host& host, const std::string& text) {
  PERIGEE_AUDIT_REPORT report = {};
  report.ulSize = sizeof report;
  EXPECT_OK(host.perigee().AuditVerify(text.data(), text.size(), nullptr, 0, 0,
                                       nullptr, &report));
  return report;
}

size_t Count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++n;
  }
  return n;
}

Plan OnePartition() {
  Plan plan;
  plan.backups.clear();
  return plan;
}

void Work(const Host& host, int rounds) {
  const CK_SESSION_HANDLE session = host.Officer(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&host, rounds] {
      const CK_SESSION_HANDLE own = host.Open(0);
      for (int round = 0; round < rounds; ++round) {
        const CK_OBJECT_HANDLE note = host.Create(own, Note("note"));
        EXPECT_OK(host.c().C_DestroyObject(own, note));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_OK(host.c().C_Logout(session));
}

TEST(AuditFaultTest, ManyProcesses_WriteOneSoundChain) {
  Site site(OnePartition());
  {
    Host host(site);
    host.InitPartition(0);
  }
  EXPECT_EQ(FailuresOf(kProcesses,
                       [&](int) {
                         Host host(site);
                         Work(host, kRounds);
                       }),
            0);
  Host host(site);
  const std::string text = LogOf(host);
  const PERIGEE_AUDIT_REPORT report = Verify(host, text);
  EXPECT_EQ(report.ulProblem, PERIGEE_AUDIT_SOUND) << report.text;
  EXPECT_EQ(report.ulUncovered, 0u);
  // One at each 1024th line of some 2,300, and that of the export.
  EXPECT_GE(report.ulCheckpoints, 3u);
  const size_t all = kProcesses * kThreads * kRounds;
  EXPECT_EQ(Count(text, "\"event\":\"object-created\""), all);
  EXPECT_EQ(Count(text, "\"event\":\"object-destroyed\""), all);
  EXPECT_GE(Count(text, "\"event\":\"logout\""), size_t{kProcesses});
}

TEST(AuditFaultTest, KilledWriters_LeaveASoundChain) {
  Site site(OnePartition());
  {
    Host host(site);
    host.InitPartition(0);
  }
  for (int kill_after_ms : {20, 60, 120, 200, 300}) {
    const pid_t child = fork();
    if (child == 0) {
      Host host(site);
      Work(host, 1000000);
      _exit(0);
    }
    usleep(static_cast<useconds_t>(kill_after_ms) * 1000);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  Host host(site);
  const std::string text = LogOf(host);
  const PERIGEE_AUDIT_REPORT report = Verify(host, text);
  EXPECT_EQ(report.ulProblem, PERIGEE_AUDIT_SOUND) << report.text;
  // What is there was recorded, and what was recorded is there.
  const CK_SESSION_HANDLE session = host.Officer(0);
  EXPECT_EQ(Count(text, "\"event\":\"object-created\"") -
                Count(text, "\"event\":\"object-destroyed\""),
            host.Find(session, Template().Text(CKA_LABEL, "note")).size());
}

}  // namespace
}  // namespace e2e
