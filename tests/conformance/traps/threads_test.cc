// Many threads at once. Under the thread sanitizer these tell more.
#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/conformance/keys.h"
#include "tests/conformance/traps/trap.h"

namespace conformance {
namespace {

constexpr int kThreads = 6;

template <typename Body>
void InThreads(Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

bool IsOneOf(CK_RV rv, std::vector<CK_RV> allowed) {
  return std::find(allowed.begin(), allowed.end(), rv) != allowed.end();
}
#define MUST_BE_ONE_OF(call, ...)                                           \
  if (const CK_RV must_be_rv = (call); !IsOneOf(must_be_rv, {__VA_ARGS__})) \
  conformance::Fail(__FILE__, __LINE__,                                     \
                    #call " is " + conformance::RvName(must_be_rv))

// Of two at the same time one succeeds.
TRAP(ThreadsTrap, Initialize_ByManyAtOnce_SucceedsOnce) {
  const Module module;
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> succeeded = 0;
    InThreads([&](int) {
      const CK_RV rv = module->C_Initialize(nullptr);
      if (rv == CKR_OK) ++succeeded;
      MUST(rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED);
    });
    MUST(succeeded == 1);
    succeeded = 0;
    InThreads([&](int) {
      const CK_RV rv = module->C_Finalize(nullptr);
      if (rv == CKR_OK) ++succeeded;
      MUST(rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED);
    });
    MUST(succeeded == 1);
  }
}

TRAP(ThreadsTrap, InitializeAndFinalize_AgainstEachOther) {
  const Module module;
  InThreads([&](int i) {
    for (int n = 0; n < 100; ++n) {
      if (i % 2 == 0) {
        MUST_BE_ONE_OF(module->C_Initialize(nullptr), CKR_OK,
                       CKR_CRYPTOKI_ALREADY_INITIALIZED);
      } else {
        MUST_BE_ONE_OF(module->C_Finalize(nullptr), CKR_OK,
                       CKR_CRYPTOKI_NOT_INITIALIZED);
      }
    }
  });
  module->C_Finalize(nullptr);
  MUST_BE_OK(module->C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(module.functions());
  MUST_BE_OK(
      Sign(module.functions(), session, MakeKey(module.functions(), session)));
}

// Calls that a C_Finalize overtakes are refused, never worse.
TRAP(ThreadsTrap, Finalize_WhileOthersCall) {
  const Module module;
  MUST_BE_OK(module->C_Initialize(nullptr));
  EnterToken(module.functions());
  std::atomic<bool> stop = false;
  std::atomic<int> running = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
        CK_BYTE bytes[16];
        const CK_RV rv = module->C_OpenSession(0, CKF_SERIAL_SESSION, nullptr,
                                               nullptr, &session);
        if (rv == CKR_OK) {
          module->C_GenerateRandom(session, bytes, sizeof(bytes));
          module->C_FindObjectsInit(session, nullptr, 0);
          module->C_CloseSession(session);
        }
        ++running;
      }
    });
  }
  for (int round = 0; round < 30; ++round) {
    const int before = running;
    while (running < before + kThreads) std::this_thread::yield();
    MUST_BE_OK(module->C_Finalize(nullptr));
    MUST_BE_OK(module->C_Initialize(nullptr));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

// --- sessions
// ----------------------------------------------------------------------------------

struct Host {
  Module module;
  const Functions& p11 = module.functions();
  CK_SESSION_HANDLE session = 0;

  Host() {
    MUST_BE_OK(p11.C_Initialize(nullptr));
    session = EnterToken(p11);
  }
};

TRAP(ThreadsTrap, OwnSessions_SameKey_AllSign) {
  const Host host;
  const CK_OBJECT_HANDLE key = MakeKey(host.p11, host.session, true);
  InThreads([&](int) {
    const CK_SESSION_HANDLE session = OpenToken(host.p11);
    for (int n = 0; n < 100; ++n) MUST_BE_OK(Sign(host.p11, session, key));
    MUST_BE_OK(host.p11.C_CloseSession(session));
  });
}

TRAP(ThreadsTrap, OwnSessions_OwnObjects_AreMadeFoundAndDestroyed) {
  const Host host;
  InThreads([&](int i) {
    const CK_SESSION_HANDLE session = OpenToken(host.p11);
    for (int n = 0; n < 10; ++n) {
      const std::string label = std::to_string(i) + "/" + std::to_string(n);
      const Template made =
          DataObject().Bool(CKA_TOKEN, n % 2 == 0).Text(CKA_LABEL, label);
      CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
      MUST_BE_OK(
          host.p11.C_CreateObject(session, made.data(), made.size(), &object));
      const Template wanted = Template().Text(CKA_LABEL, label);
      CK_OBJECT_HANDLE found[2];
      CK_ULONG count = 0;
      MUST_BE_OK(
          host.p11.C_FindObjectsInit(session, wanted.data(), wanted.size()));
      MUST_BE_OK(host.p11.C_FindObjects(session, found, 2, &count));
      MUST_BE_OK(host.p11.C_FindObjectsFinal(session));
      MUST(count == 1 && found[0] == object);
      MUST_BE_OK(host.p11.C_DestroyObject(session, object));
    }
  });
}

TRAP(ThreadsTrap, OwnSessions_Ciphers_GiveWhatTheyShould) {
  const Host host;
  const Template made = AesKey();
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  MUST_BE_OK(
      host.p11.C_CreateObject(host.session, made.data(), made.size(), &key));
  InThreads([&](int i) {
    const CK_SESSION_HANDLE session = OpenToken(host.p11);
    const Bytes plain = Pattern(64, static_cast<CK_BYTE>(i));
    const Mechanism cbc(CKM_AES_CBC, Pattern(16));
    for (int n = 0; n < 200; ++n) {
      Bytes bytes = plain;
      CK_ULONG size = bytes.size();
      MUST_BE_OK(host.p11.C_EncryptInit(session, cbc.get(), key));
      MUST_BE_OK(host.p11.C_Encrypt(session, bytes.data(), bytes.size(),
                                    bytes.data(), &size));
      MUST(bytes != plain);
      MUST_BE_OK(host.p11.C_DecryptInit(session, cbc.get(), key));
      MUST_BE_OK(host.p11.C_Decrypt(session, bytes.data(), bytes.size(),
                                    bytes.data(), &size));
      MUST(bytes == plain);
    }
  });
}

// Threads on one session get in each other's way, and only that.
TRAP(ThreadsTrap, OneSession_CallsOfManyThreads_AreRefusedOrDone) {
  const Host host;
  const CK_OBJECT_HANDLE key = MakeKey(host.p11, host.session);
  InThreads([&](int) {
    for (int n = 0; n < 200; ++n) {
      MUST_BE_ONE_OF(Sign(host.p11, host.session, key), CKR_OK,
                     CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED);
    }
  });
}

TRAP(ThreadsTrap, LoginAndLogout_WhileOthersSign) {
  const Host host;
  const CK_OBJECT_HANDLE key = MakeKey(host.p11, host.session, true);
  std::atomic<bool> stop = false;
  std::atomic<int> signing = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const CK_SESSION_HANDLE session = OpenToken(host.p11);
      while (!stop) {
        MUST_BE_ONE_OF(Sign(host.p11, session, key), CKR_OK,
                       CKR_KEY_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN,
                       CKR_OPERATION_NOT_INITIALIZED);
        ++signing;
      }
    });
  }
  CK_UTF8CHAR pin[] = "12345678";
  for (int round = 0; round < 30; ++round) {
    const int before = signing;
    while (signing < before + kThreads) std::this_thread::yield();
    MUST_BE_OK(host.p11.C_Logout(host.session));
    MUST_BE_OK(host.p11.C_Login(host.session, CKU_USER, pin, 8));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  MUST_BE_OK(Sign(host.p11, host.session, key));
}

TRAP(ThreadsTrap, SessionClosed_WhileOthersUseIt) {
  const Host host;
  const CK_OBJECT_HANDLE key = MakeKey(host.p11, host.session, true);
  for (int round = 0; round < 20; ++round) {
    const CK_SESSION_HANDLE session = OpenToken(host.p11);
    std::atomic<int> started = 0;
    InThreads([&](int i) {
      ++started;
      if (i == 0) {
        while (started < kThreads) std::this_thread::yield();
        MUST_BE_OK(host.p11.C_CloseSession(session));
        return;
      }
      for (int n = 0; n < 20; ++n) {
        MUST_BE_ONE_OF(Sign(host.p11, session, key), CKR_OK,
                       CKR_SESSION_HANDLE_INVALID, CKR_OPERATION_ACTIVE,
                       CKR_OPERATION_NOT_INITIALIZED);
      }
    });
  }
}

TRAP(ThreadsTrap, KeyDestroyed_WhileOthersSign) {
  const Host host;
  for (int round = 0; round < 10; ++round) {
    const CK_OBJECT_HANDLE key =
        MakeKey(host.p11, host.session, round % 2 == 0);
    std::atomic<int> started = 0;
    InThreads([&](int i) {
      const CK_SESSION_HANDLE session = OpenToken(host.p11);
      ++started;
      if (i == 0) {
        while (started < kThreads) std::this_thread::yield();
        MUST_BE_OK(host.p11.C_DestroyObject(session, key));
      }
      for (int n = 0; n < 20; ++n) {
        MUST_BE_ONE_OF(Sign(host.p11, session, key), CKR_OK,
                       CKR_KEY_HANDLE_INVALID, CKR_OPERATION_NOT_INITIALIZED);
      }
    });
    MUST_BE(CKR_KEY_HANDLE_INVALID, Sign(host.p11, host.session, key));
  }
}

TRAP(ThreadsTrap, ManySessionsOpenedAndClosed_EachHandleOnce) {
  const Host host;
  std::vector<std::vector<CK_SESSION_HANDLE>> opened(kThreads);
  InThreads([&](int i) {
    for (int n = 0; n < 200; ++n) opened[i].push_back(OpenToken(host.p11));
  });
  std::vector<CK_SESSION_HANDLE> all;
  for (const auto& some : opened) {
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end());
  MUST(std::unique(all.begin(), all.end()) == all.end());
  InThreads([&](int i) {
    for (CK_SESSION_HANDLE session : opened[i]) {
      MUST_BE_OK(host.p11.C_CloseSession(session));
    }
  });
  MUST_BE_OK(host.p11.C_CloseSession(host.session));
}

}  // namespace
}  // namespace conformance
