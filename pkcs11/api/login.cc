// C_Login, C_LoginUser, C_Logout: user types to roles (decisions 16).
#include "absl/strings/match.h"
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"

namespace pkcs11::api {
namespace {

struct UserType {
  CK_USER_TYPE type;
  hsm::Role role;
  bool on_admin;      // of the admin partition
  bool on_partition;  // of other partitions and containers
  const char* name;   // as C_LoginUser and the shell call it
};
constexpr UserType kUserTypes[] = {
    {CKU_SO, hsm::Role::kSo, true, true, "so"},
    {CKU_USER, hsm::Role::kCo, false, true, "co"},
    {CKU_CRYPTO_USER, hsm::Role::kCu, false, true, "cu"},
    {CKU_LIMITED_CRYPTO_OFFICER, hsm::Role::kLco, false, true, "lco"},
    {CKU_AUDIT, hsm::Role::kAuditor, true, false, "au"},
};

absl::StatusOr<const UserType*> FindUserType(CK_USER_TYPE type, SpaceId space) {
  for (const UserType& row : kUserTypes) {
    if (row.type != type) continue;
    if (space == 0 ? row.on_admin : row.on_partition) return &row;
  }
  return base::Error(CKR_USER_TYPE_INVALID, "there is no such role here");
}

}  // namespace

absl::Status C_Login(Library& library, CK_SESSION_HANDLE hSession,
                     CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
                     CK_ULONG ulPinLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  if (userType == CKU_CONTEXT_SPECIFIC) {
    ASSIGN_OR_RETURN(const SecretBytes pin, Pin(pPin, ulPinLen));
    return session->Authenticate(pin);
  }
  ASSIGN_OR_RETURN(const UserType* const type,
                   FindUserType(userType, session->space()));
  // Who is logged in is told before what is wrong with the PIN.
  RETURN_IF_ERROR(session->application().MayLogin(type->role));
  ASSIGN_OR_RETURN(const SecretBytes pin, Pin(pPin, ulPinLen));
  return session->token().Login(session->space(), type->role, pin);
}

absl::Status C_LoginUser(Library& library, CK_SESSION_HANDLE hSession,
                         CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
                         CK_ULONG ulPinLen, CK_UTF8CHAR_PTR pUsername,
                         CK_ULONG ulUsernameLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const ByteSpan name, Input(pUsername, ulUsernameLen));
  // A role has one holder, so a name can only be the role's.
  if (!name.empty() && userType != CKU_CONTEXT_SPECIFIC) {
    ASSIGN_OR_RETURN(const UserType* const type,
                     FindUserType(userType, session->space()));
    if (!absl::EqualsIgnoreCase(base::AsText(name), type->name)) {
      return base::Error(CKR_USER_TYPE_INVALID,
                         "the name is not the role's name");
    }
  }
  return C_Login(library, hSession, userType, pPin, ulPinLen);
}

absl::Status C_Logout(Library& library, CK_SESSION_HANDLE hSession) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return library.Logout(session->token(), session->space());
}

}  // namespace pkcs11::api
