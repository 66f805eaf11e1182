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

PERIGEE_NOT_MADE(C_GetOperationState, 3)
PERIGEE_NOT_MADE(C_SetOperationState, 5)
PERIGEE_NOT_MADE(C_SignRecoverInit, 3)
PERIGEE_NOT_MADE(C_SignRecover, 5)
PERIGEE_NOT_MADE(C_VerifyRecoverInit, 3)
PERIGEE_NOT_MADE(C_VerifyRecover, 5)
PERIGEE_NOT_MADE(C_DigestEncryptUpdate, 5)
PERIGEE_NOT_MADE(C_DecryptDigestUpdate, 5)
PERIGEE_NOT_MADE(C_SignEncryptUpdate, 5)
PERIGEE_NOT_MADE(C_DecryptVerifyUpdate, 5)
PERIGEE_NOT_MADE(C_MessageEncryptInit, 3)
PERIGEE_NOT_MADE(C_EncryptMessage, 9)
PERIGEE_NOT_MADE(C_EncryptMessageBegin, 5)
PERIGEE_NOT_MADE(C_EncryptMessageNext, 8)
PERIGEE_NOT_MADE(C_MessageEncryptFinal, 1)
PERIGEE_NOT_MADE(C_MessageDecryptInit, 3)
PERIGEE_NOT_MADE(C_DecryptMessage, 9)
PERIGEE_NOT_MADE(C_DecryptMessageBegin, 5)
PERIGEE_NOT_MADE(C_DecryptMessageNext, 8)
PERIGEE_NOT_MADE(C_MessageDecryptFinal, 1)
PERIGEE_NOT_MADE(C_MessageSignInit, 3)
PERIGEE_NOT_MADE(C_SignMessage, 7)
PERIGEE_NOT_MADE(C_SignMessageBegin, 3)
PERIGEE_NOT_MADE(C_SignMessageNext, 7)
PERIGEE_NOT_MADE(C_MessageSignFinal, 1)
PERIGEE_NOT_MADE(C_MessageVerifyInit, 3)
PERIGEE_NOT_MADE(C_VerifyMessage, 7)
PERIGEE_NOT_MADE(C_VerifyMessageBegin, 3)
PERIGEE_NOT_MADE(C_VerifyMessageNext, 7)
PERIGEE_NOT_MADE(C_MessageVerifyFinal, 1)
PERIGEE_NOT_MADE(C_EncapsulateKey, 8)
PERIGEE_NOT_MADE(C_DecapsulateKey, 8)
PERIGEE_NOT_MADE(C_VerifySignatureInit, 5)
PERIGEE_NOT_MADE(C_VerifySignature, 3)
PERIGEE_NOT_MADE(C_VerifySignatureUpdate, 3)
PERIGEE_NOT_MADE(C_VerifySignatureFinal, 1)
PERIGEE_NOT_MADE(C_GetSessionValidationFlags, 3)
PERIGEE_NOT_MADE(C_AsyncComplete, 3)
PERIGEE_NOT_MADE(C_AsyncGetID, 3)
PERIGEE_NOT_MADE(C_AsyncJoin, 5)
PERIGEE_NOT_MADE(C_WrapKeyAuthenticated, 8)
PERIGEE_NOT_MADE(C_UnwrapKeyAuthenticated, 10)

// Legacy functions of version 1 (PKCS#11 3.2 section 5.21).
PERIGEE_ANSWER(C_GetFunctionStatus, 1, CKR_FUNCTION_NOT_PARALLEL)
PERIGEE_ANSWER(C_CancelFunction, 1, CKR_FUNCTION_NOT_PARALLEL)

}  // namespace pkcs11::api
