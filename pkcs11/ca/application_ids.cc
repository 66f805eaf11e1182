// CA_* functions about application ids, and the sessions opened under one.
// pkcs11/application_id.h tells what they are here.
#include <algorithm>

#include "base/crypto.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {
namespace {

using api::Need;

absl::StatusOr<ApplicationId> IdAt(const CK_APPLICATION_ID* place) {
  RETURN_IF_ERROR(Need(place, "no application id"));
  ApplicationId id;
  std::copy_n(place->id, id.size(), id.begin());
  return id;
}

absl::Status OpenId(const absl::StatusOr<Place>& place,
                    const ApplicationId& id) {
  RETURN_IF_ERROR(place.status());
  RETURN_IF_ERROR(place->token->Connect(place->space));
  return place->token->application(place->space)->Hold(id);
}

absl::Status CloseId(Library& library, const absl::StatusOr<Place>& place,
                     const ApplicationId& id) {
  RETURN_IF_ERROR(place.status());
  ASSIGN_OR_RETURN(const bool last,
                   place->token->application(place->space)->Release(id));
  if (last) library.Logout(*place->token, place->space).IgnoreError();
  return absl::OkStatus();
}

// Logs out as well, because the last session ends the login.
void Restart(Library& library, Token& token, SpaceId space) {
  const bool last = token.application(space)->ReleaseAll();
  library.CloseSessions(token, space);
  if (last) library.Logout(token, space).IgnoreError();
}

absl::Status OpenSession(Library& library, CK_SLOT_ID slot, CK_FLAGS flags,
                         const ApplicationId& id, CK_VOID_PTR argument,
                         CK_NOTIFY notify, CK_SESSION_HANDLE_PTR handle) {
  RETURN_IF_ERROR(CA_OpenSession(library, slot, kOwnContainer, flags, argument,
                                 notify, handle));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(*handle));
  session->set_application_id(id);
  return absl::OkStatus();
}

}  // namespace

absl::Status CA_SetApplicationID(Library& library, CK_ULONG ulHigh,
                                 CK_ULONG ulLow) {
  library.set_application_id(ApplicationIdOf(ulHigh, ulLow));
  return absl::OkStatus();
}

absl::Status CA_SetApplicationIDV2(Library& library,
                                   CK_APPLICATION_ID_PTR pAppID) {
  ASSIGN_OR_RETURN(const ApplicationId id, IdAt(pAppID));
  library.set_application_id(id);
  return absl::OkStatus();
}

absl::Status CA_GetApplicationID(Library& library,
                                 CK_APPLICATION_ID_PTR pAppID) {
  RETURN_IF_ERROR(Need(pAppID, "no place for the id"));
  const ApplicationId id = library.application_id();
  std::copy(id.begin(), id.end(), pAppID->id);
  return absl::OkStatus();
}

absl::Status CA_RandomizeApplicationID(Library& library) {
  ApplicationId id;
  RETURN_IF_ERROR(base::FillRandom(base::MutableByteSpan(id)));
  library.set_application_id(id);
  return absl::OkStatus();
}

absl::Status CA_OpenApplicationID(Library& library, CK_SLOT_ID slotID,
                                  CK_ULONG ulHigh, CK_ULONG ulLow) {
  return OpenId(PlaceOf(library, slotID), ApplicationIdOf(ulHigh, ulLow));
}

absl::Status CA_CloseApplicationID(Library& library, CK_SLOT_ID slotID,
                                   CK_ULONG ulHigh, CK_ULONG ulLow) {
  return CloseId(library, PlaceOf(library, slotID),
                 ApplicationIdOf(ulHigh, ulLow));
}

absl::Status CA_OpenApplicationIDForContainer(Library& library,
                                              CK_SLOT_ID slotID,
                                              CK_ULONG ulHigh, CK_ULONG ulLow,
                                              CK_ULONG ulContainer) {
  return OpenId(PlaceOf(library, slotID, ulContainer),
                ApplicationIdOf(ulHigh, ulLow));
}

absl::Status CA_CloseApplicationIDForContainer(Library& library,
                                               CK_SLOT_ID slotID,
                                               CK_ULONG ulHigh, CK_ULONG ulLow,
                                               CK_ULONG ulContainer) {
  return CloseId(library, PlaceOf(library, slotID, ulContainer),
                 ApplicationIdOf(ulHigh, ulLow));
}

absl::Status CA_OpenApplicationIDV2(Library& library, CK_SLOT_ID slotID,
                                    CK_APPLICATION_ID_PTR pAppID) {
  ASSIGN_OR_RETURN(const ApplicationId id, IdAt(pAppID));
  return OpenId(PlaceOf(library, slotID), id);
}

absl::Status CA_CloseApplicationIDV2(Library& library, CK_SLOT_ID slotID,
                                     CK_APPLICATION_ID_PTR pAppID) {
  ASSIGN_OR_RETURN(const ApplicationId id, IdAt(pAppID));
  return CloseId(library, PlaceOf(library, slotID), id);
}

absl::Status CA_OpenApplicationIDForContainerV2(Library& library,
                                                CK_SLOT_ID slotID,
                                                CK_APPLICATION_ID_PTR pAppID,
                                                CK_ULONG ulContainer) {
  ASSIGN_OR_RETURN(const ApplicationId id, IdAt(pAppID));
  return OpenId(PlaceOf(library, slotID, ulContainer), id);
}

absl::Status CA_CloseApplicationIDForContainerV2(Library& library,
                                                 CK_SLOT_ID slotID,
                                                 CK_APPLICATION_ID_PTR pAppID,
                                                 CK_ULONG ulContainer) {
  ASSIGN_OR_RETURN(const ApplicationId id, IdAt(pAppID));
  return CloseId(library, PlaceOf(library, slotID, ulContainer), id);
}

absl::Status CA_OpenSessionWithAppID(Library& library, CK_SLOT_ID slotID,
                                     CK_FLAGS flags, CK_ULONG ulHigh,
                                     CK_ULONG ulLow, CK_VOID_PTR pApplication,
                                     CK_NOTIFY Notify,
                                     CK_SESSION_HANDLE_PTR phSession) {
  return OpenSession(library, slotID, flags, ApplicationIdOf(ulHigh, ulLow),
                     pApplication, Notify, phSession);
}

absl::Status CA_OpenSessionWithAppIDV2(Library& library, CK_SLOT_ID slotID,
                                       CK_FLAGS flags,
                                       CK_APPLICATION_ID_PTR pAppID,
                                       CK_VOID_PTR pApplication,
                                       CK_NOTIFY Notify,
                                       CK_SESSION_HANDLE_PTR phSession) {
  ASSIGN_OR_RETURN(const ApplicationId id, IdAt(pAppID));
  return OpenSession(library, slotID, flags, id, pApplication, Notify,
                     phSession);
}

absl::Status CA_Restart(Library& library, CK_SLOT_ID slotID) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  for (const SpaceId space : token->spaces_in_use()) {
    Restart(library, *token, space);
  }
  return absl::OkStatus();
}

// The HSM of the slot as after a restart, for this process: on all of its slots
// sessions and logins end, and a link to a device is opened anew. The flags
// make no difference.
absl::Status CA_ResetDevice(Library& library, CK_SLOT_ID slotID, CK_FLAGS) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  for (const TokenRef& other : library.slots()->all()) {
    if (other->hsm_name() != token->hsm_name()) continue;
    for (const SpaceId space : other->spaces_in_use()) {
      Restart(library, *other, space);
    }
    other->Disconnect();
  }
  return absl::OkStatus();
}

absl::Status CA_RestartForContainer(Library& library, CK_SLOT_ID slotID,
                                    CK_ULONG ulContainer) {
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  Restart(library, *place.token, place.space);
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
