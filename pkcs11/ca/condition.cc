// Secure Transport Mode and tampering: CA_STM*, CA_TamperClear, and the
// functions of the vendor interface that have the strings.
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {
namespace {

absl::StatusOr<TokenRef> HsmOf(Library& library, CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return AdminOf(library, session->token().slot());
}

}  // namespace

// On without the strings; Perigee.EnterTransport tells them.
absl::Status CA_STMToggle(Library& library, CK_SESSION_HANDLE hSession,
                          CK_ULONG ulOn) {
  ASSIGN_OR_RETURN(const TokenRef admin, HsmOf(library, hSession));
  return ulOn != 0 ? admin->EnterTransport().status() : admin->LeaveTransport();
}

absl::Status CA_STMGetState(Library& library, CK_SLOT_ID slotID,
                            CK_ULONG_PTR pulState) {
  RETURN_IF_ERROR(api::Need(pulState, "no place for the state"));
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  ASSIGN_OR_RETURN(const hsm::Condition condition, admin->GetCondition());
  *pulState = condition.transport ? CK_STM_STATE_FLAG_STM_TURNED_ON : 0;
  return absl::OkStatus();
}

absl::Status CA_TamperClear(Library& library, CK_SESSION_HANDLE hSession) {
  ASSIGN_OR_RETURN(const TokenRef admin, HsmOf(library, hSession));
  return admin->ClearTamper();
}

// --- the vendor interface ----------------------------------------------------

absl::Status EnterTransport(Library& library, CK_SESSION_HANDLE hSession,
                            PERIGEE_TRANSPORT* pStrings) {
  RETURN_IF_ERROR(CheckSize(pStrings));
  ASSIGN_OR_RETURN(const TokenRef admin, HsmOf(library, hSession));
  ASSIGN_OR_RETURN(const hsm::TransportStrings strings,
                   admin->EnterTransport());
  PERIGEE_TRANSPORT told = {};
  CopyText(told.user, hsm::Grouped(strings.user));
  CopyText(told.verification, hsm::Grouped(strings.verification));
  Give(told, pStrings);
  return absl::OkStatus();
}

absl::Status CheckTransport(Library& library, CK_SESSION_HANDLE hSession,
                            PERIGEE_TRANSPORT* pStrings) {
  RETURN_IF_ERROR(CheckSize(pStrings));
  ASSIGN_OR_RETURN(const TokenRef admin, HsmOf(library, hSession));
  PERIGEE_TRANSPORT told = *pStrings;
  const absl::string_view user(told.user, strnlen(told.user, sizeof told.user));
  ASSIGN_OR_RETURN(const std::string parsed, hsm::ParseTransportString(user));
  ASSIGN_OR_RETURN(const std::string verification,
                   admin->TransportVerification(parsed));
  CopyText(told.verification, hsm::Grouped(verification));
  Give(told, pStrings);
  return absl::OkStatus();
}

absl::Status TamperHsm(Library& library, CK_SLOT_ID slotID) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  ASSIGN_OR_RETURN(const bool exists, Exists(*admin));
  if (!exists) {
    return base::Error(CKR_TOKEN_NOT_PRESENT, "the HSM was never initialised");
  }
  RETURN_IF_ERROR(admin->Tamper());
  LogoutEverywhere(library, admin->hsm_name());
  library.slots()->Refresh();
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
