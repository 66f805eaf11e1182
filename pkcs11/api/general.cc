// C_Initialize, C_Finalize, C_GetInfo.
#include <cstring>

#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/padded_text.h"

namespace pkcs11::api {

absl::Status C_Initialize(CK_VOID_PTR pInitArgs) {
  return Library::Initialize(pInitArgs);
}

absl::Status C_Finalize(CK_VOID_PTR pReserved) {
  return Library::Finalize(pReserved);
}

absl::Status C_GetInfo(Library&, CK_INFO_PTR pInfo) {
  RETURN_IF_ERROR(Need(pInfo, "no place for the information"));
  CK_INFO info = {};
  info.cryptokiVersion = {3, 2};
  PadText("Perigee", info.manufacturerID);
  PadText("Perigee PKCS#11 library", info.libraryDescription);
  info.libraryVersion = {0, 1};
  *pInfo = info;
  return absl::OkStatus();
}

}  // namespace pkcs11::api
