// The vendor interface: where this process's configuration and state are.
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/config.h"

namespace pkcs11::ca {

absl::Status Setup(Library& library, PERIGEE_SETUP* pSetup) {
  RETURN_IF_ERROR(CheckSize(pSetup));
  PERIGEE_SETUP told = {};
  CopyText(told.configFile, library.config()->file);
  CopyText(told.stateDirectory, library.config()->state_directory);
  Give(told, pSetup);
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
