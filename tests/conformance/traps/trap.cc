#include "tests/conformance/traps/trap.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/conformance/keys.h"
#include "tests/conformance/place.h"

namespace conformance {
namespace {

constexpr char kTrap[] = "--trap=";
constexpr unsigned kPatience = 120;  // seconds
constexpr char kPin[] = "12345678";

std::map<std::string, TrapBody>& Traps() {
  static auto& traps = *new std::map<std::string, TrapBody>;
  return traps;
}

CK_UTF8CHAR* Utf8(const char* text) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text));
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::string ReadAll(int from) {
  std::string all;
  char some[4096];
  for (ssize_t n; (n = read(from, some, sizeof(some))) > 0;)
    all.append(some, n);
  return all;
}

size_t CountEntries(const char* directory) {
  const auto begin = std::filesystem::directory_iterator(directory);
  return std::distance(begin, std::filesystem::directory_iterator());
}

}  // namespace

bool AddTrap(const char* name, TrapBody body) {
  return Traps().emplace(name, body).second;
}

Ending RunProgram(const std::vector<std::string>& command,
                  const std::vector<std::string>& variables) {
  const Place place;
  const std::vector<char*> arguments = Pointers(command);
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    place.Use();
    unsetenv("PERIGEE_LOG");
    unsetenv("PERIGEE_TRACE");
    for (char* each : Pointers(variables)) {
      if (each != nullptr) putenv(each);
    }
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    alarm(kPatience);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  Ending ending;
  ending.output = ReadAll(ends[0]);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ending.exited = WIFEXITED(status);
  ending.code = ending.exited ? WEXITSTATUS(status) : WTERMSIG(status);
  return ending;
}

Ending RunTrap(const std::string& name,
               const std::vector<std::string>& variables) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  return RunProgram({self, kTrap + name}, variables);
}

void ExpectClean(const Ending& ending) {
  EXPECT_TRUE(ending.exited) << "killed by signal " << ending.code;
  if (ending.exited) {
    EXPECT_EQ(ending.code, 0);
  }
  EXPECT_EQ(ending.output, "");
}

void Fail(const char* file, int line, const std::string& what) {
  const std::string text =
      std::string(file) + ":" + std::to_string(line) + ": " + what + "\n";
  const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
  _exit(ignored > 0 ? 1 : 2);
}

Module::Module(int flags) : handle_(dlopen(ModulePath().c_str(), flags)) {
  if (handle_ == nullptr) Fail(__FILE__, __LINE__, dlerror());
  functions_ = FunctionsOf(handle_);
}

void Module::Close() { MUST(dlclose(handle_) == 0); }

CK_SESSION_HANDLE OpenToken(const Functions& p11) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  MUST_BE_OK(p11.C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                               nullptr, &session));
  return session;
}

CK_SESSION_HANDLE EnterToken(const Functions& p11) {
  CK_TOKEN_INFO info;
  MUST_BE_OK(p11.C_GetTokenInfo(0, &info));
  if ((info.flags & CKF_USER_PIN_INITIALIZED) == 0) {
    std::string label(32, ' ');
    MUST_BE_OK(
        p11.C_InitToken(0, Utf8(kPin), strlen(kPin), Utf8(label.c_str())));
    const CK_SESSION_HANDLE so = OpenToken(p11);
    MUST_BE_OK(p11.C_Login(so, CKU_SO, Utf8(kPin), strlen(kPin)));
    MUST_BE_OK(p11.C_InitPIN(so, Utf8(kPin), strlen(kPin)));
    MUST_BE_OK(p11.C_CloseSession(so));
  }
  const CK_SESSION_HANDLE session = OpenToken(p11);
  MUST_BE_OK(p11.C_Login(session, CKU_USER, Utf8(kPin), strlen(kPin)));
  return session;
}

CK_OBJECT_HANDLE MakeKey(const Functions& p11, CK_SESSION_HANDLE session,
                         bool on_token) {
  const Template pub = NewEcPublic();
  const Template priv = NewEcPrivate().Bool(CKA_TOKEN, on_token);
  CK_OBJECT_HANDLE public_key, private_key;
  MUST_BE_OK(p11.C_GenerateKeyPair(
      session, Mechanism(CKM_EC_KEY_PAIR_GEN).get(), pub.data(), pub.size(),
      priv.data(), priv.size(), &public_key, &private_key));
  return private_key;
}

CK_RV Sign(const Functions& p11, CK_SESSION_HANDLE session,
           CK_OBJECT_HANDLE key) {
  CK_BYTE digest[32] = {1, 2, 3};
  CK_BYTE signature[64];
  CK_ULONG size = sizeof(signature);
  const CK_RV rv = p11.C_SignInit(session, Mechanism(CKM_ECDSA).get(), key);
  if (rv != CKR_OK) return rv;
  return p11.C_Sign(session, digest, sizeof(digest), signature, &size);
}

size_t CountThreads() { return CountEntries("/proc/self/task"); }
size_t CountFiles() { return CountEntries("/proc/self/fd"); }

size_t ResidentKib() {
  std::ifstream in("/proc/self/statm");
  size_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

}  // namespace conformance

int main(int argc, char** argv) {
  using conformance::kTrap;
  const std::string argument = argc > 1 ? argv[1] : "";
  if (argument.rfind(kTrap, 0) == 0) {
    const auto found =
        conformance::Traps().find(argument.substr(sizeof(kTrap) - 1));
    if (found == conformance::Traps().end()) return 126;
    found->second();
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
