// Functions that always give the same answer, whatever their arguments.
#include "pkcs11/api/api.h"
#include "pkcs11/argument_lists.h"

namespace pkcs11::api {

#define PERIGEE_ANSWER(name, arguments, rv)                               \
  absl::Status name(Library&, PERIGEE_ARGUMENTS_##arguments(CK_##name)) { \
    return base::Error(rv, "");                                           \
  }

// Legacy functions of version 1 (PKCS#11 3.2 section 5.21).
PERIGEE_ANSWER(C_GetFunctionStatus, 1, CKR_FUNCTION_NOT_PARALLEL)
PERIGEE_ANSWER(C_CancelFunction, 1, CKR_FUNCTION_NOT_PARALLEL)

}  // namespace pkcs11::api
