#include "pkcs11/call.h"

#include <openssl/err.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "base/crypto.h"
#include "base/log.h"
#include "pkcs11/fork_gate.h"
#include "pkcs11/vector_registers.h"

namespace pkcs11 {
namespace {

// Plain bytes: a thread that outlives the library runs no destructor of ours.
thread_local LastError last_error;

template <size_t N>
void CopyText(char (&to)[N], absl::string_view text) {
  const size_t size = std::min(text.size(), N - 1);
  std::memcpy(to, text.data(), size);
  to[size] = '\0';
}

// A thread cancelled in the middle of a commit would leave locks behind, and
// unwinding may not cross this boundary.
class NotCancelled {
 public:
  NotCancelled() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NotCancelled() { pthread_setcancelstate(before_, nullptr); }

 private:
  int before_;
};

// The error queue belongs to the host: what we add goes, what was there stays.
class HostErrorQueue {
 public:
  HostErrorQueue() { ERR_set_mark(); }
  ~HostErrorQueue() {
    if (!base::OpenSslIsGone()) ERR_pop_to_mark();
  }
};

// Ordinary answers that only look like errors.
bool IsOrdinary(CK_RV rv) {
  return rv == CKR_BUFFER_TOO_SMALL || rv == CKR_NO_EVENT ||
         rv == CKR_FUNCTION_NOT_PARALLEL;
}

base::LogLevel LevelOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
      return base::LogLevel::kError;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return base::LogLevel::kWarning;
    default:
      return base::LogLevel::kInfo;
  }
}

void LogFailure(const char* name, CK_RV rv, const std::string& reason,
                const absl::Status& status) {
  const base::LogLevel level = LevelOf(status);
  const bool integrity = status.code() == absl::StatusCode::kDataLoss;
  if (!integrity && !base::LogIs(level)) return;
  std::string line = absl::StrCat(name, ": ", base::CkRvName(rv));
  if (!reason.empty()) absl::StrAppend(&line, " (reason: ", reason, ")");
  if (!status.message().empty()) {
    absl::StrAppend(&line, ": ", status.message());
  }
  if (integrity) return base::LogIntegrity(line);
  base::LogLine(level, line);
}

CK_RV Report(const char* name, const absl::Status& status) {
  const CK_RV rv = base::CkRv(status);
  if (IsOrdinary(rv)) return rv;
  const std::string reason = base::Reason(status);
  last_error.rv = rv;
  CopyText(last_error.function, name);
  CopyText(last_error.reason, reason);
  CopyText(last_error.text, status.message());
  LogFailure(name, rv, reason, status);
  return rv;
}

template <typename Body>
CK_RV Run(const char* name, const Body& body) {
  try {
    const absl::Status status = body();
    return status.ok() ? CKR_OK : Report(name, status);
  } catch (const std::bad_alloc&) {
    return CKR_HOST_MEMORY;
  } catch (const std::exception& e) {
    base::LogLine(base::LogLevel::kError, e.what());
    return CKR_GENERAL_ERROR;
  } catch (...) {
    return CKR_GENERAL_ERROR;
  }
}

template <typename Body>
CK_RV RunGuarded(const char* name, Guard guard, const Body& body) {
  const fork_gate::InCall in_call;
  if (guard == Guard::kBrief) return Run(name, body);
  const EmptyVectorRegisters empty;
  const NotCancelled not_cancelled;
  const HostErrorQueue queue;
  return Run(name, body);
}

}  // namespace

CK_RV Guarded(const char* name, Guard guard,
              absl::FunctionRef<absl::Status()> body) noexcept {
  return RunGuarded(name, guard, body);
}

CK_RV Guarded(const char* name, Guard guard,
              absl::FunctionRef<absl::Status(Library&)> body) noexcept {
  Library* const library = Library::Usable();
  if (library == nullptr) return CKR_CRYPTOKI_NOT_INITIALIZED;
  return RunGuarded(name, guard, [&] { return body(*library); });
}

CK_RV RunTraced(const TracedFunction& traced, absl::Span<const uintptr_t> words,
                bool needs_library) noexcept {
  trace::TracedCall call(traced.name, words, traced.pointers);
  const Guard guard = GuardOf(traced.name);
  const auto body = [&](Library* library) {
    return traced.call(library, traced.function, words.data());
  };
  if (!needs_library) {
    return call.Ended(
        Guarded(traced.name, guard, [&] { return body(nullptr); }));
  }
  return call.Ended(Guarded(traced.name, guard,
                            [&](Library& library) { return body(&library); }));
}

CK_RV RunTraced(const char* name, uint32_t pointers,
                absl::Span<const uintptr_t> words,
                CK_RV (*refuse)(const char* name)) noexcept {
  trace::TracedCall call(name, words, pointers);
  return call.Ended(refuse(name));
}

const LastError& LastErrorOfThread() { return last_error; }

}  // namespace pkcs11
