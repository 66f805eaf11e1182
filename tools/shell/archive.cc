#include "tools/shell/archive.h"

#include "absl/strings/str_cat.h"
#include "tools/shell/containers.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

// Where HSM policy 21 makes a role's first password temporary, the officer
// changes it, here to the same: it was chosen by himself.
absl::Status SettlePassword(Shell& shell, CK_SLOT_ID slot, CK_ULONG container,
                            const SecretText& password) {
  const auto role = shell.RoleAt(slot, container, CKU_USER);
  if (!role.ok() || (role->flags & PERIGEE_ROLE_MUST_CHANGE_PIN) == 0) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(shell.Login(slot, container, CKU_USER, password));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(slot, container));
  // The login stays: the objects follow.
  return shell.module().Check(shell.module().c().C_SetPIN(
      session, password.RevealBytes(), password.size(), password.RevealBytes(),
      password.size()));
}

}  // namespace

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

// The active slot's session, its Crypto Officer logged in.
absl::StatusOr<CK_SESSION_HANDLE> OfficerSession(Shell& shell) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  if (shell.LoggedIn(shell.slot()) == CKU_USER) return session;
  return Failure(CKR_USER_NOT_LOGGED_IN,
                 absl::StrCat("the Crypto Officer is not logged in on slot ",
                              shell.slot()),
                 "role login -name co.");
}

absl::StatusOr<CK_ULONG> MakeArchive(Shell& shell, CK_SLOT_ID slot,
                                     const Arguments& arguments,
                                     const SecretText& password,
                                     const SecretText& domain, CK_ULONG size) {
  ASSIGN_OR_RETURN(const std::unique_ptr<BackupOfficer> officer,
                   BackupOfficer::Login(shell, slot, arguments));
  ASSIGN_OR_RETURN(
      const CK_ULONG container,
      CreateContainer(shell.module(), officer->session(),
                      *arguments.Text("partition"), password, &domain, size));
  const absl::Status status = SettlePassword(shell, slot, container, password);
  if (status.ok()) return container;
  shell.CloseSession(slot, container);
  shell.module().ca().CA_DeleteContainerWithHandle(officer->session(),
                                                   container);
  return status;
}

}  // namespace shell
