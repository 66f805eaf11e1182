// CA_Firmware*: the HSM of a slot is moved to another firmware.
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {
namespace {

absl::StatusOr<TokenRef> HsmOf(Library& library, CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  return AdminOf(library, session->token().slot());
}

}  // namespace

// The image and its authentication code; both empty for the one that the
// appliance carries. Target and manifest make no difference.
absl::Status CA_FirmwareUpdate(Library& library, CK_SESSION_HANDLE hSession,
                               CK_ULONG, CK_ULONG ulAuthCodeLen,
                               CK_BYTE_PTR pAuthCode, CK_ULONG, CK_BYTE_PTR,
                               CK_ULONG ulFirmwareLen, CK_BYTE_PTR pFirmware) {
  ASSIGN_OR_RETURN(const TokenRef admin, HsmOf(library, hSession));
  ASSIGN_OR_RETURN(const ByteSpan code, api::Input(pAuthCode, ulAuthCodeLen));
  ASSIGN_OR_RETURN(const ByteSpan image, api::Input(pFirmware, ulFirmwareLen));
  return admin->UpdateFirmware(image, code);
}

absl::Status CA_FirmwareRollback(Library& library, CK_SESSION_HANDLE hSession) {
  ASSIGN_OR_RETURN(const TokenRef admin, HsmOf(library, hSession));
  ASSIGN_OR_RETURN(const hsm::HsmInfo info, admin->Hsm());
  RETURN_IF_ERROR(admin->RollbackFirmware());
  LogoutEverywhere(library, info.name);
  return absl::OkStatus();
}

// 0x070701 for 7.7.1; 0 when there is nothing to go back to.
absl::Status CA_GetRollbackFirmwareVersion(Library& library, CK_SLOT_ID slotID,
                                           CK_ULONG_PTR pulVersion) {
  RETURN_IF_ERROR(api::Need(pulVersion, "no place for the version"));
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  ASSIGN_OR_RETURN(const hsm::HsmInfo info, admin->Hsm());
  const hsm::FirmwareVersion& version = info.rollback_firmware;
  *pulVersion = CK_ULONG{version.major_number} << 16 |
                CK_ULONG{version.minor_number} << 8 | version.patch;
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
