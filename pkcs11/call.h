// The boundary to C, once: every exported function runs its body through
// Guarded, which refuses calls out of time, stops exceptions, gives the host
// its OpenSSL error queue back, turns the status into a CK_RV and logs a
// failure in one line. Call is where a trace sees it all.
#ifndef PERIGEE_PKCS11_CALL_H_
#define PERIGEE_PKCS11_CALL_H_

#include <utility>

#include "absl/functional/function_ref.h"
#include "base/cryptoki.h"
#include "base/status.h"
#include "pkcs11/library.h"
#include "pkcs11/trace.h"

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

// A call while there is a trace. Its arguments travel as words, so that little
// code is made for each type of function and none for each function.
struct TracedFunction {
  const char* name;
  uint32_t pointers;  // which arguments are: a bit for each
  // Calls `function`, of the type it was made for.
  using Any = void (*)();
  absl::Status (*call)(Library*, Any function, const uintptr_t* words);
  Any function;
};
[[gnu::cold]] CK_RV RunTraced(const TracedFunction& traced,
                              absl::Span<const uintptr_t> words,
                              bool needs_library) noexcept;
// One that is not supported.
[[gnu::cold]] CK_RV RunTraced(const char* name, uint32_t pointers,
                              absl::Span<const uintptr_t> words,
                              CK_RV (*refuse)(const char* name)) noexcept;

// Not inlined. The arguments come first, so that they stay in their registers.
template <typename... P>
struct Traced {
  using Function = absl::Status (*)(Library&, P...);
  [[gnu::noinline, gnu::cold]] static CK_RV Run(P... arguments,
                                                const char* name,
                                                Function function) noexcept {
    const uintptr_t words[] = {trace::Word(arguments)..., 0};
    return RunTraced({name, trace::PointersAmong<P...>(), CallWords,
                      reinterpret_cast<TracedFunction::Any>(function)},
                     {words, sizeof...(P)}, /*needs_library=*/true);
  }
  using FunctionAlways = absl::Status (*)(P...);
  [[gnu::noinline, gnu::cold]] static CK_RV RunAlways(
      P... arguments, const char* name, FunctionAlways function) noexcept {
    const uintptr_t words[] = {trace::Word(arguments)...};
    return RunTraced({name, trace::PointersAmong<P...>(), CallWordsAlways,
                      reinterpret_cast<TracedFunction::Any>(function)},
                     words, /*needs_library=*/false);
  }
  [[gnu::noinline, gnu::cold]] static CK_RV Refuse(
      P... arguments, const char* name,
      CK_RV (*refuse)(const char* name)) noexcept {
    const uintptr_t words[] = {trace::Word(arguments)..., 0};
    return RunTraced(name, trace::PointersAmong<P...>(), {words, sizeof...(P)},
                     refuse);
  }

 private:
  [[gnu::cold]] static absl::Status CallWords(Library* library,
                                              TracedFunction::Any function,
                                              const uintptr_t* words) {
    return [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
      return reinterpret_cast<Function>(function)(
          *library, trace::FromWord<P>(words[kIndex])...);
    }
    (std::index_sequence_for<P...>());
  }
  [[gnu::cold]] static absl::Status CallWordsAlways(
      Library*, TracedFunction::Any function, const uintptr_t* words) {
    return [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
      return reinterpret_cast<FunctionAlways>(function)(
          trace::FromWord<P>(words[kIndex])...);
    }
    (std::index_sequence_for<P...>());
  }
};

// Call("C_Sign", &api::C_Sign, hSession, ...).
template <typename... P, typename... A>
CK_RV Call(const char* name, absl::Status (*function)(Library&, P...),
           A... arguments) noexcept {
  if (trace::IsOn()) [[unlikely]] {
    return Traced<P...>::Run(arguments..., name, function);
  }
  return Guarded(name, GuardOf(name), [&](Library& library) {
    return function(library, arguments...);
  });
}
template <typename... P, typename... A>
CK_RV Call(const char* name, absl::Status (*function)(P...),
           A... arguments) noexcept {
  if (trace::IsOn()) [[unlikely]] {
    return Traced<P...>::RunAlways(arguments..., name, function);
  }
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
