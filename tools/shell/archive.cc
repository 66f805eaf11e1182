#include "tools/shell/archive.h"

#include "absl/strings/str_cat.h"
#include "tools/shell/text.h"

namespace shell {

absl::StatusOr<PERIGEE_HSM_INFO> BackupHsm(const Shell& shell,
                                           const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(PERIGEE_HSM_INFO hsm, shell.HsmAt(slot));
  if (hsm.ulKind == PERIGEE_KIND_BACKUP) return hsm;
  return Failure(CKR_SLOT_ID_INVALID,
                 absl::StrCat("slot ", slot, " is not a Backup HSM's"),
                 "slot list shows which one is.");
}

absl::StatusOr<PERIGEE_PARTITION_INFO> ExistingArchive(
    const Shell& shell, const PERIGEE_HSM_INFO& hsm, const std::string& name) {
  ASSIGN_OR_RETURN(const std::optional<PERIGEE_PARTITION_INFO> found,
                   shell.FindContainer(hsm.adminSlot, name));
  if (found.has_value()) return *found;
  return Failure(CKR_CONTAINER_HANDLE_INVALID,
                 absl::StrCat("the Backup HSM has no partition of the name ",
                              CleanText(name)),
                 absl::StrCat("partition archive list -slot ", hsm.adminSlot,
                              " shows what it has."));
}

}  // namespace shell
