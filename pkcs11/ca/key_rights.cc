// CA_* functions about what single keys demand: authorisation data, and counts
// of uses.
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/key_use.h"
#include "pkcs11/object_access.h"

namespace pkcs11::ca {
namespace {

// Longer data is refused by what it is for, not by its length.
constexpr CK_ULONG kLongestInput = 4096;

absl::StatusOr<SecretBytes> AuthData(const CK_UTF8CHAR* data, CK_ULONG size) {
  if (size > kLongestInput) {
    return base::Error(CKR_AUTH_DATA_TOO_LARGE, "at most 255 bytes");
  }
  ASSIGN_OR_RETURN(const ByteSpan given, api::Input(data, size));
  return SecretBytes::CopyOf(given);
}

absl::StatusOr<hsm::ObjectRef> KeyIn(const Session& session,
                                     CK_OBJECT_HANDLE handle) {
  absl::StatusOr<hsm::ObjectRef> key = session.FindObject(handle);
  if (!key.ok()) return AsKeyError(key.status(), CKR_KEY_HANDLE_INVALID);
  return key;
}

absl::StatusOr<hsm::KeyRights> RightsIn(const Session& session) {
  return session.token().KeyRightsOn(session.space());
}

absl::Status TokenKeysOnly(const hsm::Object& key, CK_RV refusal) {
  if (key.is_token()) return absl::OkStatus();
  return base::Error(refusal, "of token keys only");
}

}  // namespace

absl::Status CA_SetAuthorizationData(
    Library& library, CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey,
    CK_UTF8CHAR_PTR pOldData, CK_ULONG ulOldDataLen, CK_UTF8CHAR_PTR pNewData,
    CK_ULONG ulNewDataLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const SecretBytes old, AuthData(pOldData, ulOldDataLen));
  ASSIGN_OR_RETURN(const SecretBytes wanted, AuthData(pNewData, ulNewDataLen));
  ASSIGN_OR_RETURN(const hsm::ObjectRef key, KeyIn(*session, hKey));
  RETURN_IF_ERROR(MayWrite(*session, key->attributes()));
  RETURN_IF_ERROR(TokenKeysOnly(*key, CKR_AUTH_DATA_NOT_ALLOWED));
  ASSIGN_OR_RETURN(hsm::KeyRights rights, RightsIn(*session));
  return rights.Set(*key, old, wanted);
}

absl::Status CA_ResetAuthorizationData(Library& library,
                                       CK_SESSION_HANDLE hSession,
                                       CK_OBJECT_HANDLE hKey,
                                       CK_UTF8CHAR_PTR pNewData,
                                       CK_ULONG ulNewDataLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const SecretBytes wanted, AuthData(pNewData, ulNewDataLen));
  ASSIGN_OR_RETURN(const hsm::ObjectRef key, KeyIn(*session, hKey));
  RETURN_IF_ERROR(MayWrite(*session, key->attributes()));
  RETURN_IF_ERROR(TokenKeysOnly(*key, CKR_AUTH_DATA_NOT_ALLOWED));
  ASSIGN_OR_RETURN(hsm::KeyRights rights, RightsIn(*session));
  return rights.Reset(*key, wanted);
}

// No data withdraws the authorisation.
absl::Status CA_AuthorizeKey(Library& library, CK_SESSION_HANDLE hSession,
                             CK_OBJECT_HANDLE hKey, CK_UTF8CHAR_PTR pData,
                             CK_ULONG ulDataLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const SecretBytes given, AuthData(pData, ulDataLen));
  ASSIGN_OR_RETURN(const hsm::ObjectRef key, KeyIn(*session, hKey));
  RETURN_IF_ERROR(hsm::CheckHasAuthData(key->attributes()));
  if (given.empty()) {
    session->Withdraw(*key);
    return absl::OkStatus();
  }
  const uint64_t epoch = session->application().epoch();
  ASSIGN_OR_RETURN(hsm::KeyRights rights, RightsIn(*session));
  RETURN_IF_ERROR(rights.Authorize(*key, given));
  session->Authorize(*key, epoch);
  return absl::OkStatus();
}

absl::Status CA_AssignKey(Library& library, CK_SESSION_HANDLE hSession,
                          CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const hsm::ObjectRef key, KeyIn(*session, hKey));
  RETURN_IF_ERROR(MayWrite(*session, key->attributes()));
  RETURN_IF_ERROR(TokenKeysOnly(*key, CKR_ASSIGNED_KEY_NOT_ALLOWED));
  ASSIGN_OR_RETURN(hsm::KeyRights rights, RightsIn(*session));
  return rights.Assign(*key);
}

absl::Status CA_IncrementFailedAuthCount(Library& library,
                                         CK_SESSION_HANDLE hSession,
                                         CK_OBJECT_HANDLE hKey) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const hsm::ObjectRef key, KeyIn(*session, hKey));
  RETURN_IF_ERROR(hsm::CheckHasAuthData(key->attributes()));
  ASSIGN_OR_RETURN(hsm::KeyRights rights, RightsIn(*session));
  return rights.CountFailure(*key);
}

absl::Status CA_ModifyUsageCount(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_OBJECT_HANDLE hKey, CK_ULONG ulCommand,
                                 CK_ULONG ulValue) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const hsm::ObjectRef key, KeyIn(*session, hKey));
  RETURN_IF_ERROR(MayWrite(*session, key->attributes()));
  RETURN_IF_ERROR(TokenKeysOnly(*key, CKR_KEY_TYPE_INCONSISTENT));
  ASSIGN_OR_RETURN(hsm::KeyRights rights, RightsIn(*session));
  switch (ulCommand) {
    case CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_INCREMENT:
      return rights.AddUses(*key, ulValue);
    case CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_SET:
      return rights.SetUses(*key, ulValue);
    default:
      return base::Error(CKR_ARGUMENTS_BAD, "no such command");
  }
}

}  // namespace pkcs11::ca
