// fork: the child's library is not initialised, whatever the parent's threads
// did at that moment, and both go on.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "tests/conformance/traps/trap.h"

namespace conformance {
namespace {

// Runs `body` in a forked child, which must end with 0.
template <typename Body>
void InChild(Body body) {
  const pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    alarm(60);
    body();
    _exit(0);
  }
  int status = 0;
  MUST(waitpid(child, &status, 0) == child);
  MUST(WIFEXITED(status));
  MUST(WEXITSTATUS(status) == 0);
}

// The parent: a session with the user logged in, and a key on the token.
struct Parent {
  Module module;
  const Functions& p11 = module.functions();
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE key = 0;

  Parent() {
    MUST_BE_OK(p11.C_Initialize(nullptr));
    session = EnterToken(p11);
    key = MakeKey(p11, session, true);
    MUST_BE_OK(Sign(p11, session, key));
  }
};

TRAP(ForkTrap, Child_IsNotInitialized) {
  const Parent parent;
  InChild([&] {
    CK_INFO info;
    MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, parent.p11.C_GetInfo(&info));
    MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED,
            Sign(parent.p11, parent.session, parent.key));
    MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED,
            parent.p11.C_CloseSession(parent.session));
    MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, parent.p11.C_Finalize(nullptr));
  });
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

TRAP(ForkTrap, Child_InitializesAgain_AndSigns) {
  const Parent parent;
  InChild([&] {
    MUST_BE_OK(parent.p11.C_Initialize(nullptr));
    const CK_SESSION_HANDLE session = EnterToken(parent.p11);
    MUST_BE_OK(Sign(parent.p11, session, parent.key));
    MUST_BE_OK(Sign(parent.p11, session, MakeKey(parent.p11, session, true)));
    MUST_BE_OK(parent.p11.C_Finalize(nullptr));
  });
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

TRAP(ForkTrap, ChildInitialized_HasNotTheParentsLogin) {
  const Parent parent;
  InChild([&] {
    MUST_BE_OK(parent.p11.C_Initialize(nullptr));
    MUST_BE(CKR_SESSION_HANDLE_INVALID,
            Sign(parent.p11, parent.session, parent.key));
    MUST_BE(CKR_KEY_HANDLE_INVALID,
            Sign(parent.p11, OpenToken(parent.p11), parent.key));
  });
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

TRAP(ForkTrap, Child_ExitsThroughItsHandlers) {
  const Parent parent;
  InChild([&] { std::exit(0); });
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

TRAP(ForkTrap, ChildInitialized_ExitsThroughItsHandlers) {
  const Parent parent;
  InChild([&] {
    MUST_BE_OK(parent.p11.C_Initialize(nullptr));
    MUST_BE_OK(Sign(parent.p11, EnterToken(parent.p11), parent.key));
    std::exit(0);
  });
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

TRAP(ForkTrap, Grandchild_InitializesAgain_AndSigns) {
  const Parent parent;
  InChild([&] {
    MUST_BE_OK(parent.p11.C_Initialize(nullptr));
    const CK_SESSION_HANDLE session = EnterToken(parent.p11);
    InChild([&] {
      MUST_BE_OK(parent.p11.C_Initialize(nullptr));
      MUST_BE_OK(Sign(parent.p11, EnterToken(parent.p11), parent.key));
    });
    MUST_BE_OK(Sign(parent.p11, session, parent.key));
  });
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

TRAP(ForkTrap, ForkBeforeInitialize_ChildInitializes) {
  const Module module;
  InChild([&] {
    MUST_BE_OK(module->C_Initialize(nullptr));
    EnterToken(module.functions());
  });
  MUST_BE_OK(module->C_Initialize(nullptr));
  EnterToken(module.functions());
}

TRAP(ForkTrap, ForkAfterFinalize_ChildInitializes) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  EnterToken(module.functions());
  MUST_BE_OK(module->C_Finalize(nullptr));
  InChild([&] {
    MUST_BE_OK(module->C_Initialize(nullptr));
    EnterToken(module.functions());
  });
}

TRAP(ForkTrap, DaemonHost_ParentLeaves_ChildGoesOn) {
  const Parent parent;
  const pid_t child = fork();
  MUST(child >= 0);
  if (child > 0) {
    // What the first process of a daemon does, after it saw the child live.
    int status = 0;
    MUST(waitpid(child, &status, 0) == child);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    std::exit(0);
  }
  MUST_BE_OK(parent.p11.C_Initialize(nullptr));
  MUST_BE_OK(Sign(parent.p11, EnterToken(parent.p11), parent.key));
  MUST_BE_OK(parent.p11.C_Finalize(nullptr));
  std::exit(0);
}

// Threads keep the library's and OpenSSL's locks busy while the host forks.
TRAP(ForkTrap, ThreadedHost_EveryChildSigns_ParentGoesOn) {
  const Parent parent;
  std::atomic<bool> stop = false;
  std::atomic<int> running = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const CK_SESSION_HANDLE session = OpenToken(parent.p11);
      for (int n = 0; !stop; ++n) {
        MUST_BE_OK(Sign(parent.p11, session, parent.key));
        // A write to the store now and then.
        if (n % 16 == i) MakeKey(parent.p11, session, n % 32 == i);
        if (n == 0) ++running;
      }
    });
  }
  while (running < 3) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) {
    InChild([&] {
      CK_INFO info;
      MUST_BE(CKR_CRYPTOKI_NOT_INITIALIZED, parent.p11.C_GetInfo(&info));
      MUST_BE_OK(parent.p11.C_Initialize(nullptr));
      const CK_SESSION_HANDLE session = EnterToken(parent.p11);
      MUST_BE_OK(Sign(parent.p11, session, parent.key));
      MUST_BE_OK(Sign(parent.p11, session, MakeKey(parent.p11, session, true)));
      MUST_BE_OK(parent.p11.C_Finalize(nullptr));
    });
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

// A thread is inside the derivation of a PIN while the host forks.
TRAP(ForkTrap, ThreadLogsIn_EveryChildLogsIn) {
  const Parent parent;
  std::atomic<bool> stop = false;
  std::atomic<int> logins = 0;
  std::thread thread([&] {
    CK_UTF8CHAR pin[] = "12345678";
    while (!stop) {
      MUST_BE_OK(parent.p11.C_Logout(parent.session));
      MUST_BE_OK(parent.p11.C_Login(parent.session, CKU_USER, pin, 8));
      ++logins;
    }
  });
  for (int i = 0; i < 30; ++i) {
    const int before = logins;
    while (logins == before) std::this_thread::yield();
    InChild([&] {
      MUST_BE_OK(parent.p11.C_Initialize(nullptr));
      MUST_BE_OK(Sign(parent.p11, EnterToken(parent.p11), parent.key));
    });
  }
  stop = true;
  thread.join();
  MUST_BE_OK(Sign(parent.p11, parent.session, parent.key));
}

// Two children that draw random numbers must not draw the same.
TRAP(ForkTrap, Children_DrawDifferentRandomNumbers) {
  const Parent parent;
  int ends[2];
  MUST(pipe(ends) == 0);
  for (int i = 0; i < 2; ++i) {
    InChild([&] {
      CK_BYTE bytes[32];
      MUST_BE_OK(parent.p11.C_Initialize(nullptr));
      MUST_BE_OK(parent.p11.C_GenerateRandom(OpenToken(parent.p11), bytes,
                                             sizeof(bytes)));
      MUST(write(ends[1], bytes, sizeof(bytes)) == sizeof(bytes));
    });
  }
  std::vector<CK_BYTE> first(32), second(32), own(32);
  MUST(read(ends[0], first.data(), 32) == 32);
  MUST(read(ends[0], second.data(), 32) == 32);
  MUST_BE_OK(parent.p11.C_GenerateRandom(parent.session, own.data(), 32));
  MUST(first != second);
  MUST(first != own);
}

}  // namespace
}  // namespace conformance
