// CA_* functions about slots and sessions.
#include <algorithm>
#include <vector>

#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"
#include "pkcs11/output.h"

namespace pkcs11::ca {
namespace {

using api::Need;

// The numbers of the vendor's access levels.
enum AccessLevel : CK_ULONG { kPublic = 1, kUser = 2, kSo = 3, kAudit = 4 };

AccessLevel LevelOf(const Application& application) {
  const auto role = application.role();
  if (!role.has_value()) return kPublic;
  if (*role == hsm::Role::kSo) return kSo;
  return *role == hsm::Role::kAuditor ? kAudit : kUser;
}

}  // namespace

// The callback and its argument are not used: nothing here calls back.
absl::Status CA_OpenSession(Library& library, CK_SLOT_ID slotID,
                            CK_ULONG ulContainer, CK_FLAGS flags, CK_VOID_PTR,
                            CK_NOTIFY, CK_SESSION_HANDLE_PTR phSession) {
  RETURN_IF_ERROR(Need(phSession, "no place for the session"));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  if ((flags & CKF_SERIAL_SESSION) == 0) {
    return base::Error(CKR_SESSION_PARALLEL_NOT_SUPPORTED, "");
  }
  const bool read_write = (flags & CKF_RW_SESSION) != 0;
  if (read_write && !place.token->writable()) {
    return base::Error(CKR_TOKEN_WRITE_PROTECTED, "");
  }
  ASSIGN_OR_RETURN(
      const SessionRef session,
      library.OpenSession(place.token, place.space, read_write, flags));
  *phSession = session->handle();
  return absl::OkStatus();
}

absl::Status CA_GetSessionInfo(Library& library, CK_SESSION_HANDLE hSession,
                               CK_ULONG_PTR pulAppIDHigh,
                               CK_ULONG_PTR pulAppIDLow,
                               CK_ULONG_PTR pulContainer,
                               CK_ULONG_PTR pulAuthLevel) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  Tell(pulAppIDHigh, HalfOf(session->application_id(), true));
  Tell(pulAppIDLow, HalfOf(session->application_id(), false));
  Tell<CK_ULONG>(pulContainer, session->space());
  Tell<CK_ULONG>(pulAuthLevel, LevelOf(session->application()));
  return absl::OkStatus();
}

absl::Status CA_SessionCancel(Library& library, CK_SESSION_HANDLE hSession,
                              CK_FLAGS flags) {
  return api::C_SessionCancel(library, hSession, flags);
}

absl::Status CA_WaitForSlotEvent(Library& library, CK_FLAGS flags,
                                 CK_ULONG_PTR pulEvent, CK_SLOT_ID_PTR pSlotID,
                                 CK_VOID_PTR pReserved) {
  RETURN_IF_ERROR(Need(pSlotID, "no place for the slot"));
  Tell<CK_ULONG>(pulEvent, 0);
  return api::C_WaitForSlotEvent(library, flags, pSlotID, pReserved);
}

// What the second output means was not published; it gets the same number.
absl::Status CA_FindAdminSlotForSlot(Library& library, CK_SLOT_ID slotID,
                                     CK_SLOT_ID_PTR pAdminSlotID,
                                     CK_SLOT_ID_PTR pOtherSlotID) {
  RETURN_IF_ERROR(Need(pAdminSlotID, "no place for the slot"));
  ASSIGN_OR_RETURN(*pAdminSlotID, library.slots()->AdminSlotOf(slotID));
  Tell(pOtherSlotID, *pAdminSlotID);
  return absl::OkStatus();
}

// Any slot of an HSM serves as its physical slot.
absl::Status CA_GetSlotIdForContainer(Library& library, CK_ULONG ulPhysicalSlot,
                                      CK_ULONG ulContainer,
                                      CK_SLOT_ID_PTR pSlotID) {
  RETURN_IF_ERROR(Need(pSlotID, "no place for the slot"));
  ASSIGN_OR_RETURN(const Place place,
                   PlaceOf(library, ulPhysicalSlot, ulContainer));
  if (place.space != place.token->own_space()) {
    return base::Error(CKR_SLOT_ID_INVALID,
                       "a backup partition has no slot of its own");
  }
  *pSlotID = place.token->slot();
  return absl::OkStatus();
}

// A physical slot is a slot here.
absl::Status CA_GetSlotIdForPhysicalSlot(Library& library,
                                         CK_ULONG ulPhysicalSlot,
                                         CK_SLOT_ID_PTR pSlotID) {
  RETURN_IF_ERROR(Need(pSlotID, "no place for the slot"));
  ASSIGN_OR_RETURN(const TokenRef token, library.token(ulPhysicalSlot));
  *pSlotID = token->slot();
  return absl::OkStatus();
}

// All slots whose token has this label of 32 bytes.
absl::Status CA_GetSlotId(Library& library, CK_UTF8CHAR_PTR pLabel,
                          CK_SLOT_ID_PTR pSlotID, CK_ULONG_PTR pulCount) {
  RETURN_IF_ERROR(Need(pLabel, "no label"));
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_SLOT_ID>::Make(pSlotID, pulCount));
  CK_ULONG count = 0;
  RETURN_IF_ERROR(api::C_GetSlotList(library, CK_TRUE, nullptr, &count));
  std::vector<CK_SLOT_ID> slots(count);
  RETURN_IF_ERROR(api::C_GetSlotList(library, CK_TRUE, slots.data(), &count));
  slots.resize(count);
  std::vector<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info = {};
    if (!api::C_GetTokenInfo(library, slot, &info).ok()) continue;
    if (std::equal(std::begin(info.label), std::end(info.label), pLabel)) {
      found.push_back(slot);
    }
  }
  return ToStatus(output.Give(found));
}

}  // namespace pkcs11::ca
