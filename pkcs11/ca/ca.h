// The bodies of the CA_* functions, one declaration for each row of
// ca_functions.def: ca::CA_CloneObject takes the arguments of CA_CloneObject
// behind the library and returns a status. Here, and in the .cc files of this
// folder, the application's pointers end.
#ifndef PERIGEE_PKCS11_CA_CA_H_
#define PERIGEE_PKCS11_CA_CA_H_

#include <string_view>

#include "base/cryptoki.h"
#include "base/status.h"
#include "perigee/luna_ca.h"
#include "pkcs11/library.h"

namespace pkcs11::ca {

// The function that works before C_Initialize.
constexpr bool WorksAlways(std::string_view name) {
  return name == "CA_GetFunctionList";
}

template <typename Pointer, bool kAlways>
struct BodyOf;
template <typename... P>
struct BodyOf<CK_RV (*)(P...), false> {
  using Type = absl::Status(Library&, P...);
};
template <typename... P>
struct BodyOf<CK_RV (*)(P...), true> {
  using Type = absl::Status(P...);
};

// Only the rows DONE and PARTLY have a definition.
#define PERIGEE_CA_FUNCTION(name, arguments, need, state) \
  BodyOf<CK_##name, WorksAlways(#name)>::Type name;
#include "pkcs11/ca_functions.def"
#undef PERIGEE_CA_FUNCTION

}  // namespace pkcs11::ca

#endif  // PERIGEE_PKCS11_CA_CA_H_
