// CA_* functions that initialise tokens and roles, or undo that.
#include <algorithm>
#include <string>
#include <utility>

#include "pkcs11/api/arguments.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"
#include "pkcs11/next_domain.h"

namespace pkcs11::ca {
namespace {

using api::Input;
using api::Need;
using api::Pin;

constexpr size_t kLabelSize = 32;

// 32 bytes, blank padded.
std::string TokenLabel(const CK_UTF8CHAR* label) {
  std::string text(reinterpret_cast<const char*>(label), kLabelSize);
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

absl::StatusOr<hsm::PolicyValues> Policies(CK_ULONG count,
                                           const CK_POLICY_INFO* rows) {
  hsm::PolicyValues values;
  if (count > 0) RETURN_IF_ERROR(Need(rows, "no policies"));
  for (CK_ULONG i = 0; i < count; ++i) {
    if (rows[i].ulId > UINT32_MAX) {
      return base::Error(LUNA_RET_RM_ELEMENT_ID_INVALID, "no such policy");
    }
    values[static_cast<uint32_t>(rows[i].ulId)] = rows[i].ulValue;
  }
  return values;
}

// Without those that are as wanted: some may not be set at all.
hsm::PolicyValues Differing(hsm::PolicyValues wanted,
                            const hsm::PolicyValues& now) {
  for (const auto& [number, value] : now) {
    const auto it = wanted.find(number);
    if (it != wanted.end() && it->second == value) wanted.erase(it);
  }
  return wanted;
}

absl::Status InitRoleOn(const Place& place, CK_USER_TYPE user,
                        const CK_CHAR* pin, CK_ULONG size) {
  ASSIGN_OR_RETURN(const hsm::Role role, RoleOf(place.space == 0, user));
  ASSIGN_OR_RETURN(const SecretBytes secret, Pin(pin, size));
  return place.token->InitRole(place.space, role, secret);
}

absl::StatusOr<SessionRef> ReadWriteSession(Library& library,
                                            CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(SessionRef session, library.session(handle));
  if (session->read_write()) return session;
  return base::Error(CKR_SESSION_READ_ONLY, "");
}

absl::Status Erase(Library& library, CK_SLOT_ID slot,
                   absl::Status (Token::*erase)()) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slot));
  ASSIGN_OR_RETURN(const bool exists, Exists(*admin));
  if (!exists) return absl::OkStatus();
  RETURN_IF_ERROR(((*admin).*erase)());
  LogoutEverywhere(library, admin->hsm_name());
  library.slots()->Refresh();
  return absl::OkStatus();
}

}  // namespace

// Nothing can be lost on what was initialised just now.
absl::Status SetFirstPolicies(Library& library, const Place& place,
                              const SecretBytes& pin,
                              const hsm::PolicyValues& partition,
                              const hsm::PolicyValues& of_hsm) {
  if (partition.empty() && of_hsm.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const SoForOneCall so,
                   SoForOneCall::Login(library, place, pin));
  if (!of_hsm.empty()) {
    ASSIGN_OR_RETURN(const hsm::PolicyValues now, place.token->HsmPolicies());
    const hsm::PolicyValues changes = Differing(of_hsm, now);
    if (!changes.empty()) {
      RETURN_IF_ERROR(place.token->SetHsmPolicies(changes, true));
    }
  }
  if (partition.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const hsm::PolicyValues now,
                   place.token->ContainerPolicies(place.space));
  const hsm::PolicyValues changes = Differing(partition, now);
  if (changes.empty()) return absl::OkStatus();
  return place.token->SetContainerPolicies(place.space, changes, true);
}

// The domain given, else that of CA_SetCloningDomain, else none.
absl::Status CA_InitToken(Library& library, CK_SLOT_ID slotID,
                          CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen,
                          CK_UTF8CHAR_PTR pLabel, CK_BYTE_PTR pDomain,
                          CK_ULONG ulDomainLen, CK_ULONG ulPartitionPolicyCount,
                          CK_POLICY_INFO_PTR pPartitionPolicies,
                          CK_ULONG ulHsmPolicyCount,
                          CK_POLICY_INFO_PTR pHsmPolicies) {
  RETURN_IF_ERROR(Need(pLabel, "no label"));
  ASSIGN_OR_RETURN(const SecretBytes pin, Pin(pPin, ulPinLen));
  ASSIGN_OR_RETURN(const ByteSpan given, Input(pDomain, ulDomainLen));
  ASSIGN_OR_RETURN(const hsm::PolicyValues partition,
                   Policies(ulPartitionPolicyCount, pPartitionPolicies));
  ASSIGN_OR_RETURN(const hsm::PolicyValues of_hsm,
                   Policies(ulHsmPolicyCount, pHsmPolicies));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID));
  if (!of_hsm.empty() && !place.token->is_admin()) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "HSM policies are set on the HSM's admin slot");
  }
  for (const auto& application : place.token->applications()) {
    if (application->sessions().all() > 0) {
      return base::Error(CKR_SESSION_EXISTS, "");
    }
  }
  const SecretBytes domain =
      given.empty() ? NextDomain() : SecretBytes::CopyOf(given);
  RETURN_IF_ERROR(
      place.token->InitToken(TokenLabel(pLabel), pin, domain.Expose()));
  if (given.empty()) ClearNextDomain();
  library.slots()->Refresh();
  return SetFirstPolicies(library, place, pin, partition, of_hsm);
}

absl::Status CA_InitRolePIN(Library& library, CK_SESSION_HANDLE hSession,
                            CK_USER_TYPE userType, CK_CHAR_PTR pPin,
                            CK_ULONG ulPinLen) {
  ASSIGN_OR_RETURN(const SessionRef session,
                   ReadWriteSession(library, hSession));
  return InitRoleOn({session->token_ref(), session->space()}, userType, pPin,
                    ulPinLen);
}

// By the role that this process has logged in on that slot.
absl::Status CA_InitSlotRolePIN(Library& library, CK_SESSION_HANDLE hSession,
                                CK_SLOT_ID slotID, CK_USER_TYPE userType,
                                CK_CHAR_PTR pPin, CK_ULONG ulPinLen) {
  RETURN_IF_ERROR(ReadWriteSession(library, hSession).status());
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID));
  return InitRoleOn(place, userType, pPin, ulPinLen);
}

absl::Status CA_ResetPIN(Library& library, CK_SESSION_HANDLE hSession,
                         CK_CHAR_PTR pPin, CK_ULONG ulPinLen) {
  return CA_InitRolePIN(library, hSession, CKU_USER, pPin, ulPinLen);
}

absl::Status CA_RoleStateGet(Library& library, CK_SLOT_ID slotID,
                             CK_USER_TYPE userType, CA_ROLE_STATE_PTR pState) {
  RETURN_IF_ERROR(Need(pState, "no place for the state"));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID));
  ASSIGN_OR_RETURN(const hsm::Role role, RoleOf(place.space == 0, userType));
  ASSIGN_OR_RETURN(const hsm::RoleState state,
                   place.token->RoleState(place.space, role));
  CA_ROLE_STATE told = {};
  if (state.initialized) told.flags |= CAF_ROLE_STATE_INITIALIZED;
  if (state.locked) told.flags |= CAF_ROLE_STATE_LOCKED_OUT;
  if (state.must_change_pin) told.flags |= CAF_ROLE_STATE_PIN_CHANGE;
  told.loginAttemptsLeft =
      static_cast<CK_BYTE>(std::min<uint32_t>(state.attempts_left, 255));
  told.primaryAuthMech =
      state.initialized ? CKA_ROLE_AUTH_PASSWORD : CKA_ROLE_AUTH_NONE;
  *pState = told;
  return absl::OkStatus();
}

// Activation (a login that outlives the processes) is not modelled: this ends
// the process's own login.
absl::Status CA_Deactivate(Library& library, CK_SLOT_ID slotID,
                           CK_USER_TYPE userType) {
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID));
  ASSIGN_OR_RETURN(const hsm::Role role, RoleOf(place.space == 0, userType));
  if (place.token->application(place.space)->role() != role) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "");
  }
  return library.Logout(*place.token, place.space);
}

absl::Status CA_Zeroize(Library& library, CK_SLOT_ID slotID, CK_FLAGS) {
  return Erase(library, slotID, &Token::ZeroizeHsm);
}

absl::Status CA_FactoryReset(Library& library, CK_SLOT_ID slotID, CK_FLAGS) {
  return Erase(library, slotID, &Token::FactoryResetHsm);
}

// --- the cloning domain ------------------------------------------------------

absl::Status CA_SetCloningDomain(Library&, CK_BYTE_PTR pDomain,
                                 CK_ULONG ulDomainLen) {
  ASSIGN_OR_RETURN(const ByteSpan domain, Input(pDomain, ulDomainLen));
  SetNextDomain(SecretBytes::CopyOf(domain));
  return absl::OkStatus();
}

// Gives the session's partition its domain; once.
absl::Status CA_SetKCV(Library& library, CK_SESSION_HANDLE hSession,
                       CK_BYTE_PTR pKCV, CK_ULONG ulKCVLen) {
  ASSIGN_OR_RETURN(const ByteSpan domain, Input(pKCV, ulKCVLen));
  if (domain.empty()) return base::Error(CKR_ARGUMENTS_BAD, "no domain");
  ASSIGN_OR_RETURN(const SessionRef session,
                   ReadWriteSession(library, hSession));
  return session->token().SetDomain(session->space(), domain);
}

// The legacy domain of an application's partition: what comes in over CPv1 may
// be of it too. By CO or PO, once; CKR_CLONING_PARAMETER_ALREADY_EXISTS.
absl::Status CA_SetLKCV(Library& library, CK_SESSION_HANDLE hSession,
                        CK_BYTE_PTR pLKCV, CK_ULONG ulLKCVLen) {
  ASSIGN_OR_RETURN(const ByteSpan domain, Input(pLKCV, ulLKCVLen));
  if (domain.empty()) return base::Error(CKR_ARGUMENTS_BAD, "no domain");
  ASSIGN_OR_RETURN(const SessionRef session,
                   ReadWriteSession(library, hSession));
  return session->token().SetLegacyDomain(session->space(), domain);
}

}  // namespace pkcs11::ca
