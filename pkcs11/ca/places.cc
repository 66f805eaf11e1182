#include "pkcs11/ca/places.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "pkcs11/backup_token.h"

namespace pkcs11::ca {

absl::StatusOr<Place> PlaceOf(Library& library, CK_SLOT_ID slot) {
  Place place;
  ASSIGN_OR_RETURN(place.token, library.token(slot));
  place.space = place.token->own_space();
  return place;
}

absl::StatusOr<Place> PlaceOf(Library& library, CK_SLOT_ID slot,
                              CK_ULONG container) {
  ASSIGN_OR_RETURN(Place place, PlaceOf(library, slot));
  if (container == kOwnContainer || container == place.space) return place;
  const auto invalid = base::Error(CKR_CONTAINER_HANDLE_INVALID,
                                   absl::StrCat("no container ", container));
  if (container > UINT32_MAX) return invalid;
  place.space = static_cast<SpaceId>(container);
  if (AsBackupDevice(*place.token) != nullptr) return place;
  const auto own =
      library.slots()->SlotOf(place.token->hsm_name(), place.space);
  if (!own.ok()) return invalid;
  return PlaceOf(library, *own);
}

absl::StatusOr<TokenRef> AdminOf(Library& library, CK_SLOT_ID slot) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID admin, library.slots()->AdminSlotOf(slot));
  return library.token(admin);
}

absl::StatusOr<hsm::Role> RoleOf(bool admin, CK_USER_TYPE user) {
  if (user == CKU_SO) return hsm::Role::kSo;
  if (admin && user == CKU_AUDIT) return hsm::Role::kAuditor;
  if (!admin && user == CKU_USER) return hsm::Role::kCo;
  if (!admin && user == CKU_CRYPTO_USER) return hsm::Role::kCu;
  if (!admin && user == CKU_LIMITED_CRYPTO_OFFICER) return hsm::Role::kLco;
  return base::Error(CKR_USER_TYPE_INVALID,
                     admin ? "an HSM has an SO and an Auditor"
                           : "no such role of a partition");
}

absl::StatusOr<bool> Exists(Token& token) {
  ASSIGN_OR_RETURN(const hsm::HsmInfo info, token.Hsm());
  return !info.serial.empty();  // It is given when the state is made.
}

void LogoutEverywhere(Library& library, const std::string& hsm_name) {
  for (const TokenRef& token : library.slots()->all()) {
    if (token->hsm_name() != hsm_name) continue;
    library.Logout(*token, token->own_space()).IgnoreError();
  }
}

absl::StatusOr<SoForOneCall> SoForOneCall::Login(Library& library,
                                                 const Place& place,
                                                 const SecretBytes& pin) {
  ASSIGN_OR_RETURN(const SessionRef session,
                   library.OpenSession(place.token, place.space,
                                       /*read_write=*/true,
                                       CKF_SERIAL_SESSION | CKF_RW_SESSION));
  SoForOneCall so(&library, session->handle());
  RETURN_IF_ERROR(place.token->Login(place.space, hsm::Role::kSo, pin));
  return so;
}

SoForOneCall::~SoForOneCall() {
  if (library_ != nullptr) library_->CloseSession(session_).IgnoreError();
}

}  // namespace pkcs11::ca
