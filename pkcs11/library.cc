#include "pkcs11/library.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <utility>

#include "base/crypto.h"
#include "base/log.h"
#include "pkcs11/config.h"
#include "pkcs11/fork_gate.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/mechanisms/self_check.h"
#include "pkcs11/next_domain.h"
#include "pkcs11/slots.h"
#include "pkcs11/trace.h"

namespace pkcs11 {
namespace {

// Tells a forked child in nanoseconds, also when it was not made by fork(3):
// the kernel empties the page in it.
class ForkMark {
 public:
  // In a process that is not marked yet. Where the kernel cannot do it, the
  // process id is asked for at each call.
  void Set() {
    if (page_ == nullptr) page_ = NewPage();
    pid_ = getpid();
    if (page_ != nullptr) *page_ = 1;
  }
  bool IsSet() const {
    return page_ != nullptr ? *page_ == 1 : pid_ == getpid();
  }

 private:
  static volatile char* NewPage() {
    const long size = sysconf(_SC_PAGESIZE);
    void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    if (madvise(page, size, MADV_WIPEONFORK) == 0) {
      return static_cast<char*>(page);
    }
    munmap(page, size);
    return nullptr;
  }

  volatile char* page_ = nullptr;  // never unmapped
  pid_t pid_ = 0;
};

absl::Status NotInitialized() {
  return base::Error(CKR_CRYPTOKI_NOT_INITIALIZED, "");
}

// CK_C_INITIALIZE_ARGS as the specification has it (NSS's is longer).
absl::Status CheckArguments(const void* arguments) {
  if (arguments == nullptr) return absl::OkStatus();
  PERIGEE_C_INITIALIZE_ARGS args;
  std::memcpy(&args, arguments, sizeof(args));
  if (args.pReserved != nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "pReserved is not null");
  }
  const int callbacks =
      (args.CreateMutex != nullptr) + (args.DestroyMutex != nullptr) +
      (args.LockMutex != nullptr) + (args.UnlockMutex != nullptr);
  if (callbacks != 0 && callbacks != 4) {
    return base::Error(CKR_ARGUMENTS_BAD, "some mutex functions are missing");
  }
  if (callbacks == 4 && (args.flags & CKF_OS_LOCKING_OK) == 0) {
    return base::Error(CKR_CANT_LOCK, "only the system's mutexes are used");
  }
  // CKF_LIBRARY_CANT_CREATE_OS_THREADS is always kept: we make none.
  return absl::OkStatus();
}

// How often C_Initialize succeeded in this thread, and whether the thread is
// inside the part of it (or of C_Finalize) that holds the lock.
thread_local uint64_t initialized_here = 0;
thread_local bool inside = false;

class Inside {
 public:
  Inside() { inside = true; }
  ~Inside() { inside = false; }
};

ForkMark fork_mark;

}  // namespace

// What there is once in a process. A child makes its own and leaves the
// inherited one alone.
struct Library::Process {
  const pid_t pid = getpid();
  Process* inherited = nullptr;  // kept reachable, never touched
  absl::Mutex mu;                // initialising and finalising
  std::atomic<bool> initialized{false};
  Library library;

  static std::atomic<Process*> current;
  static Process& Get();
};

std::atomic<Library::Process*> Library::Process::current{nullptr};

Library::Process& Library::Process::Get() {
  Process* known = current.load(std::memory_order_acquire);
  if (known != nullptr && known->pid == getpid()) return *known;
  // Debian's Abseil is built to abort the process when it believes to see a
  // cycle of locks, and looks for one at every lock. A host must not be ended,
  // and the order of ours is checked by the compiler and by TSan.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  auto* made = new Process;
  made->inherited = known;
  if (current.compare_exchange_strong(known, made)) return *made;
  delete made;
  return *known;
}

Library* Library::Usable() {
  Process* const process = Process::current.load(std::memory_order_acquire);
  if (process == nullptr ||
      !process->initialized.load(std::memory_order_acquire) ||
      !fork_mark.IsSet() || base::OpenSslIsGone()) {
    return nullptr;
  }
  return &process->library;
}

Library::Library()
    : config_(std::make_shared<const Config>()), slots_(Slots::Make(config_)) {}

absl::Status Library::Initialize(const void* arguments) {
  RETURN_IF_ERROR(CheckArguments(arguments));
  if (base::OpenSslIsGone()) return NotInitialized();
  if (inside) return base::Error(CKR_CRYPTOKI_ALREADY_INITIALIZED, "");
  Process& process = Process::Get();
  // Loads the host's OpenSSL configuration, which may load this very module
  // and initialise it, in this thread. So no lock is held, and a library that
  // came to be below us is what the caller asked for.
  const uint64_t before = initialized_here;
  base::OpenSslContext();
  absl::MutexLock lock(&process.mu);
  const Inside mark;
  if (process.initialized.load()) {
    if (initialized_here != before) return absl::OkStatus();
    return base::Error(CKR_CRYPTOKI_ALREADY_INITIALIZED, "");
  }
  RETURN_IF_ERROR(process.library.Start());
  ResetSelfTests();
  fork_gate::WatchForks();
  ++initialized_here;
  fork_mark.Set();
  process.initialized.store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status Library::Finalize(const void* reserved) {
  if (reserved != nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "pReserved is not null");
  }
  if (Usable() == nullptr || inside) return NotInitialized();
  Process& process = Process::Get();
  absl::MutexLock lock(&process.mu);
  const Inside mark;
  // Of two threads one finalises.
  if (!process.initialized.exchange(false)) return NotInitialized();
  process.library.Stop();
  return absl::OkStatus();
}

absl::Status Library::Start() {
  // Of an initialisation that another thread's C_Finalize overtook.
  CloseIf([](const Session&) { return true; });
  const Environment environment = Environment::OfProcess();
  // So that an error of the file has a place to go.
  ASSIGN_OR_RETURN(const base::LogSettings log, LogOf(environment));
  base::SetLog(log);
  ASSIGN_OR_RETURN(Config loaded, LoadConfig(environment));
  base::SetLog(loaded.log);
  trace::Start(loaded.trace);
  auto config = std::make_shared<const Config>(std::move(loaded));
  auto slots = Slots::Make(config);
  Registry::Get();
  absl::MutexLock lock(&mu_);
  config_ = std::move(config);
  slots_ = std::move(slots);
  return absl::OkStatus();
}

void Library::Stop() {
  CloseIf([](const Session&) { return true; });
  // What open application ids kept.
  for (const TokenRef& token : slots()->all()) {
    for (const SpaceId space : token->spaces_in_use()) {
      if (token->application(space)->ReleaseAll()) {
        token->Logout(space).IgnoreError();
      }
    }
  }
  auto no_config = std::make_shared<const Config>();
  auto no_slots = Slots::Make(no_config);
  {
    absl::MutexLock lock(&mu_);
    application_id_ = {};
    config_.swap(no_config);
    slots_.swap(no_slots);
  }
  saved_states_.Clear();
  ClearNextDomain();
  base::SetLog(base::LogSettings());
  trace::Stop();
}

std::shared_ptr<const Config> Library::config() const {
  absl::ReaderMutexLock lock(&mu_);
  return config_;
}

std::shared_ptr<Slots> Library::slots() const {
  absl::ReaderMutexLock lock(&mu_);
  return slots_;
}

ApplicationId Library::application_id() const {
  absl::ReaderMutexLock lock(&mu_);
  return application_id_;
}

void Library::set_application_id(const ApplicationId& id) {
  absl::MutexLock lock(&mu_);
  application_id_ = id;
}

absl::StatusOr<TokenRef> Library::token(CK_SLOT_ID slot) const {
  return slots()->Find(slot);
}

// --- sessions ----------------------------------------------------------------

absl::StatusOr<SessionRef> Library::session(CK_SESSION_HANDLE handle) const {
  SessionRef session = sessions_.Find(handle);
  if (session == nullptr) {
    return base::Error(CKR_SESSION_HANDLE_INVALID, "no such session");
  }
  return session;
}

absl::StatusOr<SessionRef> Library::OpenSession(TokenRef token, SpaceId space,
                                                bool read_write,
                                                CK_FLAGS flags) {
  RETURN_IF_ERROR(token->Connect(space));
  auto session = std::make_shared<Session>(sessions_.Next(), std::move(token),
                                           space, read_write, flags);
  session->set_application_id(application_id());
  RETURN_IF_ERROR(session->application().Enter(read_write));
  sessions_.Put(session->handle(), session);
  return session;
}

void Library::Retire(Session& session) {
  session.Close();
  Application& application = session.application();
  application.objects().DestroyOf(session.handle());
  if (!application.Leave(session.read_write())) return;
  // The last session ends the login (PKCS#11 3.2 section 5.6.3).
  session.token().Logout(session.space()).IgnoreError();
  saved_states_.DropEnded();
}

absl::Status Library::CloseSession(CK_SESSION_HANDLE handle) {
  const SessionRef session = sessions_.Take(handle);
  if (session == nullptr) {
    return base::Error(CKR_SESSION_HANDLE_INVALID, "no such session");
  }
  Retire(*session);
  return absl::OkStatus();
}

void Library::CloseIf(absl::FunctionRef<bool(const Session&)> doomed) {
  for (const auto& [handle, session] : sessions_.All()) {
    if (!doomed(*session)) continue;
    if (sessions_.Take(handle) != nullptr) Retire(*session);
  }
}

void Library::CloseSessions(const Token& token, SpaceId space) {
  CloseIf([&](const Session& session) {
    return &session.token() == &token && session.space() == space;
  });
}

void Library::CloseAllSessions(const Token& token) {
  CloseIf([&](const Session& session) { return &session.token() == &token; });
}

std::vector<SessionRef> Library::sessions(const Token& token,
                                          SpaceId space) const {
  std::vector<SessionRef> found;
  for (auto& [handle, session] : sessions_.All()) {
    if (&session->token() != &token || session->space() != space) continue;
    found.push_back(std::move(session));
  }
  return found;
}

absl::Status Library::Logout(Token& token, SpaceId space) {
  RETURN_IF_ERROR(token.Logout(space));
  for (const SessionRef& session : sessions(token, space)) {
    session->EndOperations();
  }
  saved_states_.DropEnded();
  return absl::OkStatus();
}

}  // namespace pkcs11
