// The exported CA_* functions and the table of them, generated from
// ca_functions.def; no function has logic of its own here.
#include "pkcs11/argument_lists.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/call.h"

namespace pkcs11 {
namespace {

[[gnu::noinline]] CK_RV Refused(const char* name) {
  return Guarded(name, Guard::kFull, [](Library&) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "docs/CA_FUNCTIONS.md tells what is supported");
  });
}

struct NotSupported {
  const char* name;
  template <typename... A>
  CK_RV operator()(A... arguments) const noexcept {
    if (trace::IsOn()) [[unlikely]] {
      return Traced<A...>::Refuse(arguments..., name, &Refused);
    }
    return Refused(name);
  }
};

}  // namespace
}  // namespace pkcs11

#define PERIGEE_CA_CALL(name, ...) \
  pkcs11::Call(#name, &pkcs11::ca::name __VA_OPT__(, ) __VA_ARGS__)
#define PERIGEE_CA_DONE(name, arguments) \
  PERIGEE_CA_CALL(name, PERIGEE_VALUES_##arguments)
#define PERIGEE_CA_PARTLY(name, arguments) PERIGEE_CA_DONE(name, arguments)
#define PERIGEE_CA_LATER(name, arguments) \
  pkcs11::NotSupported{#name}(PERIGEE_VALUES_##arguments)
#define PERIGEE_CA_NEVER(name, arguments) PERIGEE_CA_LATER(name, arguments)

#define PERIGEE_CA_FUNCTION(name, arguments, need, state) \
  extern "C" [[gnu::visibility("default")]] CK_RV name(   \
      PERIGEE_ARGUMENTS_##arguments(CK_##name)) {         \
    return PERIGEE_CA_##state(name, arguments);           \
  }
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION

namespace pkcs11::ca {
namespace {

// Not const, because the interface hands out a pointer to mutable memory.
CK_SFNT_CA_FUNCTION_LIST list = {
    {1, 0},
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) &::name,
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION
};

}  // namespace

absl::Status CA_GetFunctionList(CK_SFNT_CA_FUNCTION_LIST_PTR_PTR out) {
  if (out == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "no place for the list");
  }
  *out = &list;
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
