// C_GetOperationState and C_SetOperationState (PKCS#11 3.2 section 5.6.6):
// digests. Operations with keys cannot be saved: their state would have to
// leave the library, and a state that comes back could be another key's.
#include <cstring>

#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"

namespace pkcs11::api {

absl::Status C_GetOperationState(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_BYTE_PTR pOperationState,
                                 CK_ULONG_PTR pulOperationStateLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Output output,
                   Output::Make(pOperationState, pulOperationStateLen));
  ASSIGN_OR_RETURN(SavedStates::State state, session->SaveDigest());
  if (!output.Fits(SavedStates::kNameSize)) {
    return ToStatus(output.Tell(SavedStates::kNameSize));
  }
  ASSIGN_OR_RETURN(const SavedStates::Name name,
                   library.saved_states().Keep(std::move(state)));
  return ToStatus(output.Give(name));
}

absl::Status C_SetOperationState(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_BYTE_PTR pOperationState,
                                 CK_ULONG ulOperationStateLen,
                                 CK_OBJECT_HANDLE hEncryptionKey,
                                 CK_OBJECT_HANDLE hAuthenticationKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(pOperationState, "no state"));
  ASSIGN_OR_RETURN(const ByteSpan name,
                   Input(pOperationState, ulOperationStateLen));
  ASSIGN_OR_RETURN(SavedStates::State state, library.saved_states().Copy(name));
  // Another token may not have the mechanism.
  if (state.application.get() != &session->application()) {
    return base::Error(CKR_SAVED_STATE_INVALID, "a state of another token");
  }
  if (hEncryptionKey != CK_INVALID_HANDLE ||
      hAuthenticationKey != CK_INVALID_HANDLE) {
    return base::Error(CKR_KEY_NOT_NEEDED, "a digest has no key");
  }
  return session->Resume(*state.mechanism, std::move(state.digester));
}

}  // namespace pkcs11::api
