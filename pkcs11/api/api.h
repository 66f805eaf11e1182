// The bodies of the C_* functions, one declaration for each row of
// functions.def: api::C_Sign takes the arguments of C_Sign behind the library
// and returns a status. Here, and in the .cc files of this folder, the
// application's pointers end.
#ifndef PERIGEE_PKCS11_API_API_H_
#define PERIGEE_PKCS11_API_API_H_

#include <string_view>

#include "base/cryptoki.h"
#include "base/status.h"
#include "pkcs11/library.h"

namespace pkcs11::api {

// The functions that work before C_Initialize.
constexpr bool WorksAlways(std::string_view name) {
  return name == "C_Initialize" || name == "C_Finalize" ||
         name == "C_GetFunctionList" || name == "C_GetInterfaceList" ||
         name == "C_GetInterface";
}

template <typename Pointer, bool kAlways>
struct BodyOf;
template <typename... A>
struct BodyOf<CK_RV (*)(A...), false> {
  using Type = absl::Status(Library&, A...);
};
template <typename... A>
struct BodyOf<CK_RV (*)(A...), true> {
  using Type = absl::Status(A...);
};

#define PERIGEE_FUNCTION(version, name, arguments) \
  BodyOf<CK_##name, WorksAlways(#name)>::Type name;
#include "pkcs11/functions.def"
#undef PERIGEE_FUNCTION

}  // namespace pkcs11::api

#endif  // PERIGEE_PKCS11_API_API_H_
