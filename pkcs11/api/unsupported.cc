// Functions that are not made yet answer CKR_FUNCTION_NOT_SUPPORTED whatever
// their arguments. To make one, write it in its file and take its line out.
#include "pkcs11/api/api.h"
#include "pkcs11/argument_lists.h"

namespace pkcs11::api {

#define PERIGEE_ANSWER(name, arguments, rv)                               \
  absl::Status name(Library&, PERIGEE_ARGUMENTS_##arguments(CK_##name)) { \
    return base::Error(rv, "");                                           \
  }
#define PERIGEE_NOT_MADE(name, arguments) \
  PERIGEE_ANSWER(name, arguments, CKR_FUNCTION_NOT_SUPPORTED)

PERIGEE_NOT_MADE(C_WrapKeyAuthenticated, 8)
PERIGEE_NOT_MADE(C_UnwrapKeyAuthenticated, 10)

// Legacy functions of version 1 (PKCS#11 3.2 section 5.21).
PERIGEE_ANSWER(C_GetFunctionStatus, 1, CKR_FUNCTION_NOT_PARALLEL)
PERIGEE_ANSWER(C_CancelFunction, 1, CKR_FUNCTION_NOT_PARALLEL)

}  // namespace pkcs11::api
