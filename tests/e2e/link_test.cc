// The line to the device: a courier that attacks, a daemon that is killed,
// frozen or absent.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "tests/e2e/interrupted.h"
#include "tests/e2e/proxy.h"

namespace e2e {
namespace {

// A bench whose frames go through a proxy.
struct WiredBench {
  WiredBench() : site(DefaultPlan(Link::kSocket)) {
    const std::string device = site.socket();
    const std::string wire = site.path() + "/wire.sock";
    proxy = std::make_unique<Proxy>(wire, device);
    site.RedirectSocket("backup", wire);
    host = std::make_unique<Host>(site);
    host->InitPartition(0);
    host->InitHsm(host->backup());
    container = host->MakeContainer(host->backup());
    app = host->Officer(0);
    for (const char* label : {"a", "b", "c"}) host->Create(app, Note(label));
    before = ReadPartition(*host, app);
  }
  // Host (and with it the channel) goes before the proxy.
  ~WiredBench() { host.reset(); }

  CK_SESSION_HANDLE OpenArchive() {
    return host->OpenArchive(host->backup(), container);
  }
  std::set<std::string> Ouids(CK_SESSION_HANDLE session) {
    std::set<std::string> all;
    for (const CK_OBJECT_HANDLE object : host->Find(session)) {
      const Bytes ouid = host->Ouid(session, object);
      EXPECT_TRUE(all.insert(std::string(ouid.begin(), ouid.end())).second);
    }
    return all;
  }
  // What the archive holds is of the partition, and after an append it is all
  // of it, as it was.
  void ExpectArchiveIsSoundAndCanBeCompleted() {
    const CK_SESSION_HANDLE archive = OpenArchive();
    const std::set<std::string> source = Ouids(app), there = Ouids(archive);
    EXPECT_TRUE(std::includes(source.begin(), source.end(), there.begin(),
                              there.end()));
    EXPECT_EQ(ReadPartition(*host, app), before);
    const Report report = host->Transfer(app, archive);
    EXPECT_OK(report.rv) << report.error;
    EXPECT_EQ(report.Count(PERIGEE_OUTCOME_PRESENT), there.size());
    EXPECT_OK(host->perigee().ClearPartition(app));
    const Report back = host->Transfer(archive, app);
    EXPECT_OK(back.rv) << back.error;
    EXPECT_EQ(ReadPartition(*host, app), before);
    EXPECT_OK(host->perigee().ClearPartition(archive));
    EXPECT_OK(host->c().C_CloseSession(archive));
  }

  Site site;
  std::unique_ptr<Proxy> proxy;
  std::unique_ptr<Host> host;
  CK_ULONG container = 0;
  CK_SESSION_HANDLE app = 0;
  std::map<std::string, Everything> before;
};

using Frame = Proxy::Frame;
using Frames = std::vector<Frame>;
constexpr int kSealed = 7;

Frame Flipped(Frame frame, size_t at) {
  frame[at % frame.size()] ^= 0x04;
  return frame;
}

// Changes of one frame; `former` is the one before it on the same way.
struct Trick {
  const char* name;
  Frames (*play)(const Frame& frame, const Frame& former);
};
const Trick kTricks[] = {
    {"drops it", [](const Frame&, const Frame&) { return Frames{}; }},
    {"flips a bit of the first byte of its body",
     [](const Frame& f, const Frame&) {
       return Frames{Flipped(f, Proxy::kHeader)};
     }},
    {"flips a bit of its last byte",
     [](const Frame& f, const Frame&) {
       return Frames{Flipped(f, f.size() - 1)};
     }},
    {"flips a bit of its op",
     [](const Frame& f, const Frame&) { return Frames{Flipped(f, 7)}; }},
    {"flips a bit of its request id",
     [](const Frame& f, const Frame&) { return Frames{Flipped(f, 8)}; }},
    {"flips a bit of its magic",
     [](const Frame& f, const Frame&) { return Frames{Flipped(f, 0)}; }},
    {"makes it longer and cuts the line",
     [](const Frame& f, const Frame&) {
       return Frames{Flipped(f, 26), Frame()};
     }},
    {"makes it two gigabytes long",
     [](const Frame& f, const Frame&) {
       Frame huge = f;
       huge[24] = 0x7F;
       return Frames{huge, Frame()};
     }},
    {"cuts it in the middle",
     [](const Frame& f, const Frame&) {
       return Frames{Frame(f.begin(), f.begin() + f.size() / 2), Frame()};
     }},
    {"repeats it",
     [](const Frame& f, const Frame&) {
       return Frames{f, f};
     }},
    {"sends the former one again instead",
     [](const Frame& f, const Frame& former) {
       return former.empty() ? Frames{f} : Frames{former};
     }},
};

Proxy::Attack AttackAt(int n, const Trick& trick) {
  auto former = std::make_shared<std::map<Proxy::Way, Frame>>();
  return [=, &trick](int at, Proxy::Way way, const Frame& frame) {
    const Frame before = std::exchange((*former)[way], frame);
    return at == n ? trick.play(frame, before) : Frames{frame};
  };
}

TEST(CourierTest, InATransfer_MakesErrorsAtMost) {
  WiredBench bench;
  bench.proxy->SetNone();
  const CK_SESSION_HANDLE archive = bench.OpenArchive();
  bench.proxy->SetNone();
  ExpectAllStored(bench.host->Transfer(bench.app, archive), 3);
  const int frames = bench.proxy->frames();
  ASSERT_GE(frames, 6);
  ASSERT_OK(bench.host->perigee().ClearPartition(archive));
  ASSERT_OK(bench.host->c().C_CloseSession(archive));

  for (const Trick& trick : kTricks) {
    for (int n = 1; n <= frames; ++n) {
      SCOPED_TRACE(std::string("the courier ") + trick.name + ": frame " +
                   std::to_string(n));
      const CK_SESSION_HANDLE target = bench.OpenArchive();
      bench.proxy->Set(AttackAt(n, trick));
      const Report report = bench.host->Transfer(bench.app, target);
      bench.proxy->SetNone();
      if (report.rv == CKR_OK) {
        EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), 3u);
      }
      bench.host->c().C_CloseSession(target);
      bench.ExpectArchiveIsSoundAndCanBeCompleted();
      if (HasFailure()) return;
    }
  }
}

TEST(CourierTest, InARestore_MakesErrorsAtMost) {
  WiredBench bench;
  CK_SESSION_HANDLE archive = bench.OpenArchive();
  ExpectAllStored(bench.host->Transfer(bench.app, archive), 3);
  ASSERT_OK(bench.host->perigee().ClearPartition(bench.app));
  bench.proxy->SetNone();
  ExpectAllStored(bench.host->Transfer(archive, bench.app), 3);
  const int frames = bench.proxy->frames();

  for (const Trick& trick : kTricks) {
    for (int n = 1; n <= frames; ++n) {
      SCOPED_TRACE(std::string("the courier ") + trick.name + ": frame " +
                   std::to_string(n));
      bench.host->c().C_CloseSession(archive);
      archive = bench.OpenArchive();
      ASSERT_OK(bench.host->perigee().ClearPartition(bench.app));
      bench.proxy->Set(AttackAt(n, trick));
      const Report report = bench.host->Transfer(archive, bench.app);
      bench.proxy->SetNone();
      const auto restored = ReadPartition(*bench.host, bench.app);
      if (report.rv == CKR_OK) {
        EXPECT_EQ(restored, bench.before);
      }
      for (const auto& [ouid, object] : restored) {
        EXPECT_EQ(object, bench.before[ouid]);
      }
      if (HasFailure()) return;
    }
  }
  bench.host->c().C_CloseSession(archive);
  archive = bench.OpenArchive();
  EXPECT_OK(bench.host->Transfer(archive, bench.app).rv);
  EXPECT_EQ(ReadPartition(*bench.host, bench.app), bench.before);
}

TEST(CourierTest, AtALogin_IsNeverCountedAsAWrongPin) {
  WiredBench bench;
  Host& host = *bench.host;
  host.c().C_CloseAllSessions(host.backup());
  const auto login = [&] {
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_RV rv = host.c().C_OpenSession(host.backup(), kReadWrite, nullptr,
                                      nullptr, &session);
    if (rv == CKR_OK) rv = host.TryLogin(session, CKU_SO, kSoPin);
    host.c().C_CloseAllSessions(host.backup());
    return rv;
  };
  host.Reload();
  bench.proxy->SetNone();
  ASSERT_OK(login());
  const int frames = bench.proxy->frames();
  for (const Trick& trick : kTricks) {
    for (int n = 1; n <= frames; ++n) {
      SCOPED_TRACE(std::string("the courier ") + trick.name + ": frame " +
                   std::to_string(n));
      host.Reload();
      bench.proxy->Set(AttackAt(n, trick));
      const CK_RV rv = login();
      bench.proxy->SetNone();
      EXPECT_NE(rv, CK_RV{CKR_PIN_INCORRECT});
      EXPECT_NE(rv, CK_RV{CKR_PIN_LOCKED});
      // What the courier broke may show at the next call, and only there.
      if (login() != CKR_OK) {
        EXPECT_OK(login());
      }
      EXPECT_EQ(host.RoleInfo(host.backup(), PERIGEE_OWN_CONTAINER, CKU_SO)
                    .ulFailures,
                0u);
      if (HasFailure()) return;
    }
  }
  bench.app = host.Officer(0);  // The others ended with the library.
}

TEST(CourierTest, SeesNoSecretPass) {
  WiredBench bench;
  std::string seen;
  bench.proxy->Set([&](int, Proxy::Way, const Frame& frame) {
    seen.append(frame.begin(), frame.end());
    return Frames{frame};
  });
  bench.host->Create(bench.app, Note("the label", "the secret value"));
  const CK_SESSION_HANDLE archive = bench.OpenArchive();
  EXPECT_OK(bench.host->Transfer(bench.app, archive).rv);
  bench.proxy->SetNone();
  EXPECT_GT(seen.size(), 1000u);
  for (const char* secret :
       {kOfficerPin, kSoPin, kDomain, "the secret value", "the label"}) {
    EXPECT_EQ(seen.find(secret), std::string::npos) << secret;
  }
}

// --- a daemon that dies ------------------------------------------------------

TEST(KilledDaemonTest, AtAnyFrameOfABackup_AppendCompletesIt) {
  WiredBench bench;
  CK_SESSION_HANDLE archive = bench.OpenArchive();
  bench.proxy->SetNone();
  ExpectAllStored(bench.host->Transfer(bench.app, archive), 3);
  const int frames = bench.proxy->frames();
  ASSERT_OK(bench.host->perigee().ClearPartition(archive));
  for (int n = 1; n <= frames; ++n) {
    SCOPED_TRACE("killed at frame " + std::to_string(n));
    bench.host->c().C_CloseSession(archive);
    archive = bench.OpenArchive();
    Daemon& daemon = bench.site.daemon();
    bool killed = false;
    bench.proxy->Set([&, n](int at, Proxy::Way, const Frame& frame) {
      if (at != n) return Frames{frame};
      daemon.Kill();
      killed = true;
      return Frames{};
    });
    const Report report = bench.host->Transfer(bench.app, archive);
    bench.proxy->SetNone();
    // The last frames only say good-bye.
    if (report.rv == CKR_OK) {
      EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), 3u);
    } else {
      EXPECT_TRUE(killed) << report.error;
    }
    daemon.Restart();
    bench.host->c().C_CloseSession(archive);
    bench.ExpectArchiveIsSoundAndCanBeCompleted();
    archive = bench.OpenArchive();
    if (HasFailure()) return;
  }
}

TEST(KilledDaemonTest, BetweenBatches_WhatItAnsweredForIsThere) {
  Bench bench(Link::kSocket);
  InterruptedTransfer cut(bench, [&] { bench.site.daemon().Kill(); });
  EXPECT_NE(cut.rv(), CK_RV{CKR_OK});
  bench.site.daemon().Restart();
  cut.ExpectAnAppendCompletesIt();
}

TEST(KilledDaemonTest, ItsSessions_SayThatItIsGone) {
  Bench bench(Link::kSocket);
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  bench.site.daemon().Kill();
  EXPECT_RV_IS_ONE_OF(bench.host.Transfer(app, archive).rv, CKR_DEVICE_REMOVED,
                      CKR_TOKEN_NOT_PRESENT);
  bench.site.daemon().Restart();
  // Nobody is logged in there any more, and the next call says so.
  const Report report = bench.host.Transfer(app, archive);
  EXPECT_RV_IS_ONE_OF(report.rv, CKR_DEVICE_REMOVED, CKR_USER_NOT_LOGGED_IN);
  EXPECT_OK(bench.host.TryLogin(archive, CKU_USER, kOfficerPin));
  ExpectAllStored(bench.host.Transfer(app, archive), 1);
}

// --- a daemon that is not there ----------------------------------------------

// Runs `work`; it must not take longer than any deadline of the library.
template <typename Work>
void InBoundedTime(Work work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::minutes(2));
}

void ExpectNotPresent(const Host& host) {
  CK_TOKEN_INFO token;
  EXPECT_RV_IS_ONE_OF(host.c().C_GetTokenInfo(host.backup(), &token),
                      CKR_TOKEN_NOT_PRESENT, CKR_DEVICE_REMOVED);
  CK_SESSION_HANDLE session;
  EXPECT_RV_IS_ONE_OF(host.c().C_OpenSession(host.backup(), kReadWrite, nullptr,
                                             nullptr, &session),
                      CKR_TOKEN_NOT_PRESENT, CKR_DEVICE_REMOVED);
  CK_SLOT_INFO slot = {};
  EXPECT_OK(host.c().C_GetSlotInfo(host.backup(), &slot));
  EXPECT_FALSE(slot.flags & CKF_TOKEN_PRESENT);
  EXPECT_TRUE(slot.flags & CKF_REMOVABLE_DEVICE);
  CK_ULONG count = 0;
  EXPECT_OK(host.c().C_GetSlotList(CK_TRUE, nullptr, &count));
  EXPECT_EQ(count, 1u);
  EXPECT_OK(host.c().C_GetSlotList(CK_FALSE, nullptr, &count));
  EXPECT_EQ(count, 2u);
  // Keys are not concerned.
  const CK_SESSION_HANDLE app = host.Officer(0);
  GenerateAes(host, app, "aes");
  EXPECT_OK(host.c().C_CloseSession(app));
}

TEST(AbsentDaemonTest, TokenIsNotPresentAndPartitionsWork) {
  Bench bench(Link::kSocket);
  bench.host.Reload();
  bench.site.daemon().Stop();
  InBoundedTime([&] { ExpectNotPresent(bench.host); });
  bench.site.daemon().Restart();
  EXPECT_OK(bench.host.c().C_CloseSession(
      bench.host.SecurityOfficer(bench.host.backup())));
}

TEST(AbsentDaemonTest, AfterAKill_TheSame) {
  Bench bench(Link::kSocket);
  bench.host.c().C_CloseSession(
      bench.host.SecurityOfficer(bench.host.backup()));
  bench.site.daemon().Kill();
  InBoundedTime([&] { ExpectNotPresent(bench.host); });
}

TEST(FrozenDaemonTest, AnswersAreGivenUpInBoundedTime) {
  Bench bench(Link::kSocket);
  bench.host.Reload();
  kill(bench.site.daemon().pid(), SIGSTOP);
  InBoundedTime([&] {
    CK_TOKEN_INFO token;
    EXPECT_NE(bench.host.c().C_GetTokenInfo(bench.host.backup(), &token),
              CK_RV{CKR_OK});
  });
  kill(bench.site.daemon().pid(), SIGCONT);
  EXPECT_OK(bench.host.c().C_CloseSession(
      bench.host.SecurityOfficer(bench.host.backup())));
}

}  // namespace
}  // namespace e2e
