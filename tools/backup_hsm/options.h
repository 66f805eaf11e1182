// The command line of perigee-backup-hsm.
#ifndef PERIGEE_TOOLS_BACKUP_HSM_OPTIONS_H_
#define PERIGEE_TOOLS_BACKUP_HSM_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "hsm/hsm.h"
#include "hsm_io/gadget.h"
#include "hsm_io/usb_descriptors.h"

namespace backup_hsm {

struct Options {
  std::string state;
  std::string socket;
  std::vector<std::string> usbip;  // addresses
  hsm_io::UsbSpeed usb_speed = hsm_io::UsbSpeed::kHigh;
  bool gadget = false;
  hsm_io::GadgetPlace gadget_place;
  std::string fleet;
  bool adopt = false;
  bool fingerprint = false;
  bool help = false;
  std::string audit_export;
  hsm::AuditSettings audit;
  hsm::HsmSpec spec;
};

// CKR_ARGUMENTS_BAD with words for the user.
absl::StatusOr<Options> ParseOptions(int argc, char** argv);
const char* Usage();

}  // namespace backup_hsm

#endif  // PERIGEE_TOOLS_BACKUP_HSM_OPTIONS_H_
