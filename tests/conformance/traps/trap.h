// A trap is a test whose body runs in a process of its own, as the host
// program of the module: it may fork, exit, clean up OpenSSL or load the module
// a thousand times. The process must end with 0, in time, and print nothing.
//
//   TRAP(LifetimeTrap, InitializesAgain) {
//     Module module;
//     MUST_BE_OK(module->C_Initialize(nullptr));
//   }
#ifndef PERIGEE_TESTS_CONFORMANCE_TRAPS_TRAP_H_
#define PERIGEE_TESTS_CONFORMANCE_TRAPS_TRAP_H_

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/conformance/module.h"
#include "tests/conformance/rv.h"

namespace conformance {

// --- running
// -----------------------------------------------------------------------------

struct Ending {
  bool exited = false;
  int code = 0;        // exit status, or the signal
  std::string output;  // of stdout and stderr
};
// Runs a program with a new place (place.h) in its environment and `variables`
// ("NAME=value") besides. Killed after two minutes.
Ending RunProgram(const std::vector<std::string>& command,
                  const std::vector<std::string>& variables = {});
// The same of a trap's body.
Ending RunTrap(const std::string& name,
               const std::vector<std::string>& variables = {});
void ExpectClean(const Ending& ending);

using TrapBody = void (*)();
bool AddTrap(const char* name, TrapBody body);

#define TRAP_NAME_(suite, name) #suite "." #name
#define TRAP(suite, name)                                                    \
  void suite##_##name##_Body();                                              \
  const bool suite##_##name##_added =                                        \
      conformance::AddTrap(TRAP_NAME_(suite, name), suite##_##name##_Body);  \
  TEST(suite, name) {                                                        \
    ASSERT_TRUE(suite##_##name##_added);                                     \
    conformance::ExpectClean(conformance::RunTrap(TRAP_NAME_(suite, name))); \
  }                                                                          \
  void suite##_##name##_Body()

// --- inside
// --------------------------------------------------------------------------------

// Ends the process with a message (from any thread, also a forked child).
[[noreturn]] void Fail(const char* file, int line, const std::string& what);

#define MUST(condition) \
  if (!(condition)) conformance::Fail(__FILE__, __LINE__, #condition)
#define MUST_BE(expected, call)                                  \
  if (const CK_RV must_be_rv = (call); must_be_rv != (expected)) \
  conformance::Fail(                                             \
      __FILE__, __LINE__,                                        \
      #call " is " + conformance::RvName(must_be_rv) + ", not " #expected)
#define MUST_BE_OK(call) MUST_BE(CKR_OK, call)

// The module, loaded by the object and never closed unless asked.
class Module {
 public:
  explicit Module(int flags = RTLD_NOW | RTLD_LOCAL);
  void Close();
  const Functions* operator->() const { return &functions_; }
  const Functions& functions() const { return functions_; }
  void* handle() const { return handle_; }

 private:
  void* handle_;
  Functions functions_;
};

// A read/write session on slot 0 with the user logged in; initialises the token
// the first time. The library must be initialised.
CK_SESSION_HANDLE EnterToken(const Functions& p11);
// A session without login.
CK_SESSION_HANDLE OpenToken(const Functions& p11);
// A new P-256 pair in the session; the private key.
CK_OBJECT_HANDLE MakeKey(const Functions& p11, CK_SESSION_HANDLE session,
                         bool on_token = false);
// A signature by that key.
CK_RV Sign(const Functions& p11, CK_SESSION_HANDLE session,
           CK_OBJECT_HANDLE key);

// Of this process, from /proc.
size_t CountThreads();
size_t CountFiles();
size_t ResidentKib();

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_TRAPS_TRAP_H_
