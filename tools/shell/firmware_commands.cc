// hsm updatefw, hsm rollbackfw: the HSM of the active slot gets another
// firmware.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/files.h"
#include "tools/shell/result.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Shown kFirmwareData[] = {
    {"firmware_before", "\"7.3.2\""},
    {"firmware", "that it has now"},
};

constexpr Option kUpdateOptions[] = {
    {"fuf", "fu", Kind::kText, false,
     "file with the image; without it the one that the appliance carries"},
    {"authcode", "a", Kind::kText, false,
     "file with the image's authentication code"},
    {"force", "fo", Kind::kFlag, false, "no question before the update"},
};

// The bytes of the file that an option names; none without the option.
absl::StatusOr<std::string> FileOf(const Arguments& arguments,
                                   absl::string_view option) {
  const auto path = arguments.Text(option);
  if (!path.has_value()) return std::string();
  return ReadFile(*path);
}

unsigned char* Bytes(std::string& text) {
  return text.empty() ? nullptr : reinterpret_cast<unsigned char*>(text.data());
}

absl::Status Update(Shell& shell, const Arguments& arguments) {
  if (arguments.Has("fuf") != arguments.Has("authcode")) {
    return Failure(CKR_ARGUMENTS_BAD, "-fuf and -authcode go together");
  }
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO before, shell.ActiveHsm());
  ASSIGN_OR_RETURN(std::string image, FileOf(arguments, "fuf"));
  ASSIGN_OR_RETURN(std::string code, FileOf(arguments, "authcode"));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      absl::StrCat(
          "The firmware of the HSM will be updated from ",
          VersionText(before.ulFirmware),
          ". Partitions and objects stay; going back destroys them.")));
  RETURN_IF_ERROR(shell.module().Check(shell.module().ca().CA_FirmwareUpdate(
      session, 0, code.size(), Bytes(code), 0, nullptr, image.size(),
      Bytes(image))));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO after, shell.ActiveHsm());
  absl::PrintF("\n    The HSM now has firmware %s.\n",
               VersionText(after.ulFirmware));
  shell.Tell({{"firmware_before", VersionText(before.ulFirmware)},
              {"firmware", VersionText(after.ulFirmware)}});
  return absl::OkStatus();
}

constexpr Option kRollbackOptions[] = {
    kForce,
    kDryRun,
};

absl::Status Rollback(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO before, shell.ActiveHsm());
  CK_ULONG target = 0;
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().ca().CA_GetRollbackFirmwareVersion(
          shell.slot(), &target)));
  if (target == 0) {
    return Failure(CKR_OPERATION_NOT_ALLOWED,
                   "there is no firmware to roll back to",
                   "One is kept by each update, and used up by a rollback.");
  }
  const CK_ULONG version[3] = {target >> 16 & 0xff, target >> 8 & 0xff,
                               target & 0xff};
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      absl::StrCat("The firmware of the HSM will go back from ",
                   VersionText(before.ulFirmware), " to ", VersionText(version),
                   ". The HSM will be zeroized: all partitions and objects "
                   "will be destroyed.")));
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().ca().CA_FirmwareRollback(session)));
  shell.CloseSessions(shell.slot());
  absl::PrintF("\n    The HSM now has firmware %s and is zeroized.\n",
               VersionText(version));
  shell.Tell({{"firmware_before", VersionText(before.ulFirmware)},
              {"firmware", VersionText(version)}});
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> FirmwareCommands() {
  return {
      {"hsm updatefw", "hsm uf", kUpdateOptions, Update,
       "installs a newer firmware", kFirmwareData},
      {"hsm rollbackfw", "hsm rb", kRollbackOptions, Rollback,
       "goes back to the firmware before the last update; destroys",
       kFirmwareData},
  };
}

}  // namespace shell
