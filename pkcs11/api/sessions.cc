// Sessions: open, close, look at, cancel.
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/built_in_objects.h"

namespace pkcs11::api {

absl::Status C_OpenSession(Library& library, CK_SLOT_ID slotID, CK_FLAGS flags,
                           CK_VOID_PTR /*pApplication*/, CK_NOTIFY /*Notify*/,
                           CK_SESSION_HANDLE_PTR phSession) {
  RETURN_IF_ERROR(Need(phSession, "no place for the handle"));
  if ((flags & CKF_SERIAL_SESSION) == 0) {
    return base::Error(CKR_SESSION_PARALLEL_NOT_SUPPORTED,
                       "CKF_SERIAL_SESSION must be set");
  }
  ASSIGN_OR_RETURN(TokenRef token, library.token(slotID));
  if (flags & CKF_ASYNC_SESSION) {
    return base::Error(CKR_SESSION_ASYNC_NOT_SUPPORTED, "");
  }
  const bool read_write = (flags & CKF_RW_SESSION) != 0;
  if (read_write && !token->writable()) {
    return base::Error(CKR_TOKEN_WRITE_PROTECTED, "");
  }
  const SpaceId space = token->own_space();
  ASSIGN_OR_RETURN(
      const SessionRef session,
      library.OpenSession(std::move(token), space, read_write, flags));
  *phSession = session->handle();
  return absl::OkStatus();
}

absl::Status C_CloseSession(Library& library, CK_SESSION_HANDLE hSession) {
  return library.CloseSession(hSession);
}

absl::Status C_CloseAllSessions(Library& library, CK_SLOT_ID slotID) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  library.CloseAllSessions(*token);
  return absl::OkStatus();
}

absl::Status C_GetSessionInfo(Library& library, CK_SESSION_HANDLE hSession,
                              CK_SESSION_INFO_PTR pInfo) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(pInfo, "no place for the information"));
  CK_SESSION_INFO info = {};
  info.slotID = session->token().slot();
  info.state = session->state();
  info.flags = CKF_SERIAL_SESSION;
  if (session->read_write()) info.flags |= CKF_RW_SESSION;
  *pInfo = info;
  return absl::OkStatus();
}

absl::Status C_SessionCancel(Library& library, CK_SESSION_HANDLE hSession,
                             CK_FLAGS flags) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  session->Cancel(flags);
  return absl::OkStatus();
}

// Perigee holds no validation certificate, so no operation was ever one of a
// validated module (PKCS#11 3.2 section 5.6.11).
absl::Status C_GetSessionValidationFlags(Library& library,
                                         CK_SESSION_HANDLE hSession,
                                         CK_SESSION_VALIDATION_FLAGS_TYPE type,
                                         CK_FLAGS_PTR pFlags) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(pFlags, "no place for the flags"));
  if (type != CKS_LAST_VALIDATION_OK) {
    return base::Error(CKR_ARGUMENTS_BAD, "an unknown type of flags");
  }
  *pFlags = session->last_approved() ? kApprovedService : 0;
  return absl::OkStatus();
}

// --- asynchronous calls ------------------------------------------------------
//
// Every call finishes before it returns: a session that asks for another way is
// refused (CKR_SESSION_ASYNC_NOT_SUPPORTED), so no session has a call pending.

namespace {

absl::Status NothingPending(Library& library, CK_SESSION_HANDLE handle,
                            const CK_UTF8CHAR* function, const void* result) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  RETURN_IF_ERROR(Need(function, "no function name"));
  RETURN_IF_ERROR(Need(result, "no place for the result"));
  return base::Error(CKR_OPERATION_NOT_INITIALIZED,
                     "the session has no asynchronous call");
}

}  // namespace

absl::Status C_AsyncComplete(Library& library, CK_SESSION_HANDLE hSession,
                             CK_UTF8CHAR_PTR pFunctionName,
                             CK_ASYNC_DATA_PTR pResult) {
  return NothingPending(library, hSession, pFunctionName, pResult);
}

absl::Status C_AsyncGetID(Library& library, CK_SESSION_HANDLE hSession,
                          CK_UTF8CHAR_PTR pFunctionName, CK_ULONG_PTR pulID) {
  return NothingPending(library, hSession, pFunctionName, pulID);
}

absl::Status C_AsyncJoin(Library& library, CK_SESSION_HANDLE hSession,
                         CK_UTF8CHAR_PTR pFunctionName, CK_ULONG /*ulID*/,
                         CK_BYTE_PTR pData, CK_ULONG /*ulData*/) {
  return NothingPending(library, hSession, pFunctionName, pData);
}

}  // namespace pkcs11::api
