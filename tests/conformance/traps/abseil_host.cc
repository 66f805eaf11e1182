// A host program that uses Abseil itself. Built twice: with Debian's shared
// libraries, which the module uses too, and with static ones whose symbols the
// program exports. The argument says how the module is loaded.
#include <dlfcn.h>

#include <string>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/conformance/traps/trap.h"

namespace conformance {
namespace {

void Work(const Functions& p11, CK_SESSION_HANDLE session,
          CK_OBJECT_HANDLE key) {
  absl::Mutex mu;
  absl::flat_hash_map<std::string, absl::Status> seen;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const CK_SESSION_HANDLE mine = OpenToken(p11);
      for (int i = 0; i < 50; ++i) {
        MUST_BE_OK(Sign(p11, mine, key));
        absl::MutexLock lock(&mu);
        seen[absl::StrCat(t, "/", i)] = absl::NotFoundError("x");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  MUST(seen.size() == 200);
  MUST_BE_OK(Sign(p11, session, key));
}

void Host(int flags) {
  Module module(flags);
  const Functions& p11 = module.functions();
  MUST_BE_OK(p11.C_Initialize(nullptr));
  const CK_SESSION_HANDLE session = EnterToken(p11);
  Work(p11, session, MakeKey(p11, session));
  MUST_BE_OK(p11.C_Finalize(nullptr));
  module.Close();
}

TRAP(AbseilTrap, LoadedLocally) { Host(RTLD_NOW | RTLD_LOCAL); }
TRAP(AbseilTrap, LoadedGlobally) { Host(RTLD_NOW | RTLD_GLOBAL); }
TRAP(AbseilTrap, LoadedLazily) { Host(RTLD_LAZY | RTLD_LOCAL); }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// As OpenSSL's provider for PKCS#11 loads its module.
TRAP(AbseilTrap, LoadedDeeplyBound) {
  Host(RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
}
#endif

}  // namespace
}  // namespace conformance
