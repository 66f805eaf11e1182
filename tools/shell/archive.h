// A Backup HSM and its partitions, as the commands about them find and open
// them.
#ifndef PERIGEE_TOOLS_SHELL_ARCHIVE_H_
#define PERIGEE_TOOLS_SHELL_ARCHIVE_H_

#include <memory>
#include <string>

#include "tools/shell/shell.h"

namespace shell {

// The HSM at -slot, when it is a Backup HSM.
absl::StatusOr<PERIGEE_HSM_INFO> BackupHsm(const Shell& shell,
                                           const Arguments& arguments);

// Its partition of this name; CKR_CONTAINER_HANDLE_INVALID when it has none.
absl::StatusOr<PERIGEE_PARTITION_INFO> ExistingArchive(
    const Shell& shell, const PERIGEE_HSM_INFO& hsm, const std::string& name);

// The active slot's session, its Crypto Officer logged in.
absl::StatusOr<CK_SESSION_HANDLE> OfficerSession(Shell& shell);

// The HSM SO on the Backup HSM for as long as a partition is made; logged out
// again unless he was there before.
class BackupOfficer {
 public:
  static absl::StatusOr<std::unique_ptr<BackupOfficer>> Login(
      Shell& shell, CK_SLOT_ID slot, const Arguments& arguments) {
    std::unique_ptr<BackupOfficer> officer(new BackupOfficer(shell));
    ASSIGN_OR_RETURN(officer->session_, shell.Session(slot));
    if (shell.LoggedIn(slot) == CKU_SO) return officer;
    ASSIGN_OR_RETURN(const SecretText password,
                     shell.Secret(arguments, "sopassword",
                                  "password for HSM SO of the Backup HSM",
                                  Shell::Entry::kOnce));
    RETURN_IF_ERROR(shell.Login(slot, PERIGEE_OWN_CONTAINER, CKU_SO, password));
    officer->logged_in_ = true;
    return officer;
  }
  ~BackupOfficer() {
    if (logged_in_) shell_.module().c().C_Logout(session_);
  }
  CK_SESSION_HANDLE session() const { return session_; }

 private:
  explicit BackupOfficer(Shell& shell) : shell_(shell) {}
  Shell& shell_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  bool logged_in_ = false;
};

// Makes the backup partition -partition with its SO, Crypto Officer and domain,
// by -sopassword; size 0: no limit of its own.
absl::StatusOr<CK_ULONG> MakeArchive(Shell& shell, CK_SLOT_ID slot,
                                     const Arguments& arguments,
                                     const SecretText& password,
                                     const SecretText& domain, CK_ULONG size);

// One backup partition with its Crypto Officer logged in; logged out and
// closed at the end.
class OpenArchive {
 public:
  static absl::StatusOr<std::unique_ptr<OpenArchive>> Open(
      Shell& shell, CK_SLOT_ID slot, CK_ULONG container,
      const SecretText& password) {
    std::unique_ptr<OpenArchive> open(new OpenArchive(shell, slot, container));
    ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                     shell.Session(slot, container));
    if (shell.LoggedIn(slot, container) != CKU_USER) {
      RETURN_IF_ERROR(shell.Login(slot, container, CKU_USER, password));
    }
    open->session_ = session;
    return open;
  }
  // The same with the password of -password, or asked for.
  static absl::StatusOr<std::unique_ptr<OpenArchive>> Ask(
      Shell& shell, const Arguments& arguments, CK_SLOT_ID slot,
      CK_ULONG container) {
    ASSIGN_OR_RETURN(
        const SecretText password,
        shell.Secret(arguments, "password",
                     "password for Crypto Officer of the backup partition",
                     Shell::Entry::kOnce));
    return Open(shell, slot, container, password);
  }
  ~OpenArchive() {
    if (session_ != CK_INVALID_HANDLE) {
      shell_.module().c().C_Logout(session_);
    }
    shell_.CloseSession(slot_, container_);
  }

  CK_SESSION_HANDLE session() const { return session_; }

 private:
  OpenArchive(Shell& shell, CK_SLOT_ID slot, CK_ULONG container)
      : shell_(shell), slot_(slot), container_(container) {}

  Shell& shell_;
  const CK_SLOT_ID slot_;
  const CK_ULONG container_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_ARCHIVE_H_
