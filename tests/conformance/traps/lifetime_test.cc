// Loading, unloading, threads that stay, the end of the process.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <latch>
#include <thread>

#include "tests/conformance/traps/trap.h"

namespace conformance {
namespace {

void LoadAndUnload() {
  Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  MUST_BE_OK(module->C_Finalize(nullptr));
  module.Close();
}

TRAP(LifetimeTrap, LoadedAThousandTimes_LeavesNothing) {
  for (int i = 0; i < 50; ++i) LoadAndUnload();
  const size_t before = ResidentKib();
  const size_t files = CountFiles();
  for (int i = 0; i < 1000; ++i) LoadAndUnload();
  MUST(ResidentKib() < before + 2048);
  MUST(CountFiles() == files);
  MUST(CountThreads() == 1);
}

void UseAndFinalize(const Module& module) {
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  const CK_OBJECT_HANDLE key = MakeKey(module.functions(), session);
  MUST_BE_OK(Sign(module.functions(), session, key));
  MUST_BE_OK(module->C_Finalize(nullptr));
}

TRAP(LifetimeTrap, UsedAndFinalizedManyTimes_LeavesNothing) {
  const Module module;
  for (int i = 0; i < 20; ++i) UseAndFinalize(module);
  const size_t before = ResidentKib();
  const size_t files = CountFiles();
  for (int i = 0; i < 100; ++i) UseAndFinalize(module);
  MUST(ResidentKib() < before + 4096);
  MUST(CountFiles() == files);
}

TRAP(LifetimeTrap, MakesNoThreads) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  MUST_BE_OK(Sign(module.functions(), session,
                  MakeKey(module.functions(), session, true)));
  MUST(CountThreads() == 1);
  MUST_BE_OK(module->C_Finalize(nullptr));
  MUST(CountThreads() == 1);
}

// Also opens the Backup HSM's slot: its firmware runs in this process.
TRAP(LifetimeTrap, EmbeddedDevice_MakesNoThreads) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  EnterToken(module.functions());
  CK_TOKEN_INFO info;
  MUST_BE_OK(module->C_GetTokenInfo(1, &info));
  MUST(CountThreads() == 1);
}

// The threads fight for the same session, so that whatever a lock keeps for
// each thread is there when they exit.
TRAP(LifetimeTrap, ThreadsThatOutliveDlclose_ExitInPeace) {
  Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  constexpr int kThreads = 4;
  std::latch used(kThreads), closed(1);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      CK_BYTE bytes[16];
      for (int n = 0; n < 2000; ++n) {
        MUST_BE_OK(module->C_GenerateRandom(session, bytes, sizeof(bytes)));
      }
      used.count_down();
      closed.wait();
    });
  }
  used.wait();
  MUST_BE_OK(module->C_Finalize(nullptr));
  module.Close();
  closed.count_down();
  for (std::thread& thread : threads) thread.join();
}

TRAP(LifetimeTrap, LoadedAgain_IsNotInitialized) {
  Module first;
  MUST_BE_OK(first->C_Initialize(nullptr));
  MUST_BE_OK(first->C_Finalize(nullptr));
  first.Close();
  const Module second;
  CK_INFO info;
  MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, second->C_GetInfo(&info));
}

TRAP(LifetimeTrap, LoadedTwice_IsOneLibrary) {
  const Module first, second;
  MUST_BE_OK(first->C_Initialize(nullptr));
  MUST_BE(CKR_CRYPTOKI_ALREADY_INITIALIZED, second->C_Initialize(nullptr));
}

// --- the end of the process
// ------------------------------------------------------------------

const Functions* at_exit = nullptr;
CK_SESSION_HANDLE session_at_exit = 0;

void FinalizeAtExit() {
  const CK_RV rv = at_exit->C_Finalize(nullptr);
  MUST(rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED);
}

// Everything that an orderly program does at its end.
void LeaveAtExit() {
  at_exit->C_Logout(session_at_exit);
  at_exit->C_CloseSession(session_at_exit);
  at_exit->C_CloseAllSessions(0);
  FinalizeAtExit();
}

// Still in use at the end: a session and an operation.
void UseUntilTheEnd(const Module& module) {
  MUST_BE_OK(module->C_Initialize(nullptr));
  session_at_exit = EnterToken(module.functions());
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  MUST_BE_OK(module->C_SignInit(session_at_exit, &mechanism,
                                MakeKey(module.functions(), session_at_exit)));
}

// Runs before OpenSSL's own handler.
TRAP(ExitTrap, HandlerAfterInitialize_Finalizes) {
  static const Module module;
  UseUntilTheEnd(module);
  at_exit = &module.functions();
  MUST(std::atexit(LeaveAtExit) == 0);
  std::exit(0);
}

// Runs after OpenSSL has cleaned up.
TRAP(ExitTrap, HandlerBeforeInitialize_Finalizes) {
  static const Module module;
  at_exit = &module.functions();
  MUST(std::atexit(LeaveAtExit) == 0);
  UseUntilTheEnd(module);
  std::exit(0);
}

TRAP(ExitTrap, HandlerBeforeTheModuleIsLoaded_Finalizes) {
  MUST(std::atexit(LeaveAtExit) == 0);
  static const Module module;
  at_exit = &module.functions();
  UseUntilTheEnd(module);
  std::exit(0);
}

TRAP(ExitTrap, NoFinalizeAtAll_IsFine) {
  const Module module;
  UseUntilTheEnd(module);
  std::exit(0);
}

TRAP(ExitTrap, ClosedWithoutFinalize_IsFine) {
  Module module;
  UseUntilTheEnd(module);
  module.Close();
  std::exit(0);
}

struct FinalizesWhenDestroyed {
  ~FinalizesWhenDestroyed() {
    if (at_exit != nullptr) LeaveAtExit();
  }
};
// Destroyed after everything that was made later, OpenSSL's state included.
FinalizesWhenDestroyed global;

TRAP(ExitTrap, GlobalObjectOfTheHost_Finalizes) {
  static const Module module;
  UseUntilTheEnd(module);
  at_exit = &module.functions();
  std::exit(0);
}

TRAP(ExitTrap, OtherThreadsStillCalling_IsFine) {
  static const Module module;
  UseUntilTheEnd(module);
  static std::atomic<int> running = 0;
  for (int i = 0; i < 2; ++i) {
    std::thread([] {
      const CK_SESSION_HANDLE mine = OpenToken(module.functions());
      ++running;
      for (;;) {
        CK_BYTE bytes[16];
        if (module->C_GenerateRandom(mine, bytes, sizeof(bytes)) != CKR_OK) {
          for (;;) pause();
        }
      }
    }).detach();
  }
  while (running < 2) std::this_thread::yield();
  std::exit(0);
}

TRAP(ExitTrap, QuickExit_IsFine) {
  const Module module;
  UseUntilTheEnd(module);
  std::quick_exit(0);
}

// --- output
// ----------------------------------------------------------------------------------

// Every trap checks that nothing was printed; this one fails in many ways.
TRAP(OutputTrap, Failures_PrintNothing) {
  const Module module;
  MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, module->C_Finalize(nullptr));
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  MUST_BE_OK(module->C_Logout(session));
  CK_UTF8CHAR wrong[] = "wrong-pin";
  for (int i = 0; i < 12; ++i) {
    MUST(module->C_Login(session, CKU_USER, wrong, 9) != CKR_OK);
  }
  MUST(module->C_Login(9999, CKU_USER, wrong, 9) != CKR_OK);
  MUST(module->C_GetInfo(nullptr) != CKR_OK);
  MUST(module->C_Sign(session, nullptr, 5, nullptr, nullptr) != CKR_OK);
  MUST(module->C_OpenSession(77, 0, nullptr, nullptr, nullptr) != CKR_OK);
}

TEST(OutputTrap, BrokenConfiguration_PrintsNothing) {
  ExpectClean(RunTrap("OutputTrap.InitializeFails_Body",
                      {"PERIGEE_CONF=/nowhere/perigee.toml"}));
}
void InitializeFails() {
  const Module module;
  MUST(module->C_Initialize(nullptr) != CKR_OK);
  CK_INFO info;
  MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, module->C_GetInfo(&info));
}
const bool initialize_fails_added =
    AddTrap("OutputTrap.InitializeFails_Body", InitializeFails);

}  // namespace
}  // namespace conformance
