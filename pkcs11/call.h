// The boundary to C, once: every exported function runs its body through
// Guarded, which refuses calls out of time, stops exceptions, gives the host
// its OpenSSL error queue back, turns the status into a CK_RV and logs a
// failure in one line.
#ifndef PERIGEE_PKCS11_CALL_H_
#define PERIGEE_PKCS11_CALL_H_

#include "absl/functional/function_ref.h"
#include "base/cryptoki.h"
#include "base/status.h"
#include "pkcs11/library.h"

namespace pkcs11 {

// How much a call needs. A digest of a short message takes no longer than the
// whole guard, has no cancellation point, and leaves OpenSSL errors behind only
// when there is no memory.
enum class Guard : uint8_t { kFull, kBrief };

constexpr Guard GuardOf(absl::string_view name) {
  return name == "C_DigestInit" || name == "C_Digest" ||
                 name == "C_DigestUpdate" || name == "C_DigestFinal"
             ? Guard::kBrief
             : Guard::kFull;
}

// For functions that need an initialised library, and for those that do not.
CK_RV Guarded(const char* name, Guard guard,
              absl::FunctionRef<absl::Status(Library&)> body) noexcept;
CK_RV Guarded(const char* name, Guard guard,
              absl::FunctionRef<absl::Status()> body) noexcept;

// Call("C_Sign", &api::C_Sign, hSession, ...).
template <typename... P, typename... A>
CK_RV Call(const char* name, absl::Status (*function)(Library&, P...),
           A... arguments) noexcept {
  return Guarded(name, GuardOf(name), [&](Library& library) {
    return function(library, arguments...);
  });
}
template <typename... P, typename... A>
CK_RV Call(const char* name, absl::Status (*function)(P...),
           A... arguments) noexcept {
  return Guarded(name, GuardOf(name), [&] { return function(arguments...); });
}

// The last failure of this thread, for the vendor interface: what the C ABI
// cannot say. Texts are cut to their buffers.
struct LastError {
  CK_RV rv;
  char function[40];
  char reason[40];  // machine-readable, may be empty
  char text[400];
};
const LastError& LastErrorOfThread();

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_CALL_H_
