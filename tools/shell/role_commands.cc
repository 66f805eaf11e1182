// role list, show, login, logout, deactivate, init, resetpw, changepw, and
// audit init, login, logout, the same for the Auditor: on the active slot.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/colour.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

absl::StatusOr<bool> IsAdminSlot(const Shell& shell) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.HsmAt(shell.slot()));
  return hsm.adminSlot == shell.slot();
}

absl::StatusOr<RoleName> RoleFrom(const Shell& shell,
                                  const Arguments& arguments) {
  ASSIGN_OR_RETURN(const bool admin, IsAdminSlot(shell));
  return FindRole(*arguments.Text("name"), admin);
}

std::string PasswordOf(const RoleName& role, absl::string_view which = "") {
  return absl::StrCat(which, "password for ", role.title);
}

std::string StateText(const PERIGEE_ROLE_INFO& info) {
  if ((info.flags & PERIGEE_ROLE_INITIALIZED) == 0) return "not initialized";
  std::string text = info.flags & PERIGEE_ROLE_LOCKED
                         ? "locked out"
                         : absl::StrCat(Count(info.ulAttemptsLeft,
                                              "login "
                                              "attempt"),
                                        " left");
  if (info.flags & PERIGEE_ROLE_MUST_CHANGE_PIN) {
    absl::StrAppend(&text, ", password to be changed");
  }
  return text;
}

constexpr Shown kRolesData[] = {{"roles[]", "@role"}};

absl::Status PrintRole(const Shell& shell, const RoleName& role, Json& all) {
  ASSIGN_OR_RETURN(
      const PERIGEE_ROLE_INFO info,
      shell.RoleAt(shell.slot(), PERIGEE_OWN_CONTAINER, role.user));
  absl::PrintF("        %-24s (%s)%*s %s\n", role.title, role.name,
               4 - static_cast<int>(absl::string_view(role.name).size()), "",
               StateText(info));
  all.push_back(RoleFacts(role, info));
  return absl::OkStatus();
}

absl::Status List(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const bool admin, IsAdminSlot(shell));
  absl::PrintF("\n");
  Json all = Json::array();
  for (const RoleName& role : RoleNames()) {
    if (role.on_admin != admin) continue;
    const absl::Status status = PrintRole(shell, role, all);
    // Not every slot has every role.
    if (!status.ok() && RvOf(status) != CKR_USER_TYPE_INVALID) return status;
  }
  shell.Tell({{"roles", all}});
  return absl::OkStatus();
}

constexpr Option kNameOptions[] = {
    {"name", "n", Kind::kText, true, "so, au; po, co, lco, cu", Names::kRole},
};

absl::Status Show(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, RoleFrom(shell, arguments));
  absl::PrintF("\n");
  Json all = Json::array();
  RETURN_IF_ERROR(PrintRole(shell, role, all));
  shell.Tell({{"roles", all}});
  return absl::OkStatus();
}

constexpr Option kLoginOptions[] = {
    {"name", "n", Kind::kText, true, "so, au; po, co, lco, cu", Names::kRole},
    {"password", "p", Kind::kSecret, false, "of the role"},
};

absl::Status LoginAs(Shell& shell, const Arguments& arguments,
                     const RoleName& role) {
  const auto before =
      shell.RoleAt(shell.slot(), PERIGEE_OWN_CONTAINER, role.user);
  if (before.ok() && before->ulAttemptsLeft == 1 &&
      (before->flags & PERIGEE_ROLE_INITIALIZED) != 0 &&
      (before->flags & PERIGEE_ROLE_LOCKED) == 0) {
    absl::PrintF(
        "\n    %s This is the last attempt before the role is locked%s.\n\n",
        Painted(Colour::kWarning, "*** WARNING ***"),
        role.user == CKU_SO ? "\n    or its contents are destroyed" : "");
  }
  ASSIGN_OR_RETURN(const SecretText password,
                   shell.Secret(arguments, "password", PasswordOf(role),
                                Shell::Entry::kOnce));
  RETURN_IF_ERROR(
      shell.Login(shell.slot(), PERIGEE_OWN_CONTAINER, role.user, password));
  const auto after =
      shell.RoleAt(shell.slot(), PERIGEE_OWN_CONTAINER, role.user);
  if (after.ok() && (after->flags & PERIGEE_ROLE_MUST_CHANGE_PIN) != 0) {
    absl::PrintF(
        "\n    This password is temporary. Before anything else:\n"
        "        role changepw -name %s\n",
        role.name);
  }
  return absl::OkStatus();
}

absl::Status Login(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, RoleFrom(shell, arguments));
  return LoginAs(shell, arguments, role);
}

absl::Status Logout(Shell& shell, const Arguments&) {
  return shell.Logout(shell.slot(), PERIGEE_OWN_CONTAINER);
}

// What is not modelled is a login that outlives the shell; this ends the
// shell's own.
absl::Status Deactivate(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, RoleFrom(shell, arguments));
  if (shell.LoggedIn(shell.slot()) != role.user) {
    return Failure(CKR_USER_NOT_LOGGED_IN,
                   absl::StrCat("the ", role.title, " is not logged in"));
  }
  return shell.Logout(shell.slot(), PERIGEE_OWN_CONTAINER);
}

constexpr Option kInitOptions[] = {
    {"name", "n", Kind::kText, true, "co (by po); lco, cu (by co); au",
     Names::kRole},
    {"password", "p", Kind::kSecret, false, "its first password"},
};

absl::Status InitAs(Shell& shell, const Arguments& arguments,
                    const RoleName& role) {
  if (role.user == CKU_SO) {
    return Failure(
        CKR_USER_TYPE_INVALID,
        absl::StrCat("the ", role.title, " is made by initialising its ",
                     role.on_admin ? "HSM" : "partition"),
        role.on_admin ? "hsm init." : "partition init.");
  }
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  ASSIGN_OR_RETURN(const SecretText password,
                   shell.Secret(arguments, "password", PasswordOf(role),
                                Shell::Entry::kTwice));
  const absl::Status status =
      shell.module().Check(shell.module().ca().CA_InitRolePIN(
          session, role.user, password.RevealBytes(), password.size()));
  if (RvOf(status) != CKR_USER_NOT_LOGGED_IN) return status;
  return Failure(
      CKR_USER_NOT_LOGGED_IN,
      absl::StrCat("the role that makes the ", role.title, " is not logged in"),
      role.made_by);
}

absl::Status Init(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, RoleFrom(shell, arguments));
  return InitAs(shell, arguments, role);
}

constexpr Option kResetOptions[] = {
    {"name", "n", Kind::kText, true, "co (by po); lco, cu (by co)",
     Names::kRole},
    {"password", "p", Kind::kSecret, false, "its new password"},
};

// As init, of a role that is there: its objects stay.
absl::Status ResetPassword(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, RoleFrom(shell, arguments));
  ASSIGN_OR_RETURN(
      const PERIGEE_ROLE_INFO info,
      shell.RoleAt(shell.slot(), PERIGEE_OWN_CONTAINER, role.user));
  if ((info.flags & PERIGEE_ROLE_INITIALIZED) == 0) {
    return Failure(CKR_USER_PIN_NOT_INITIALIZED,
                   absl::StrCat("there is no ", role.title, " yet"),
                   absl::StrCat("role init -name ", role.name, "."));
  }
  return InitAs(shell, arguments, role);
}

// --- the Auditor's own words

absl::StatusOr<RoleName> Auditor(const Shell& shell) {
  ASSIGN_OR_RETURN(const bool admin, IsAdminSlot(shell));
  return FindRole("au", admin);
}

constexpr Option kAuditorOptions[] = {
    {"password", "p", Kind::kSecret, false, "of the Auditor"},
};

absl::Status AuditInit(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, Auditor(shell));
  return InitAs(shell, arguments, role);
}

absl::Status AuditLogin(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, Auditor(shell));
  return LoginAs(shell, arguments, role);
}

constexpr Option kChangeOptions[] = {
    {"name", "n", Kind::kText, true, "so, au; po, co, lco, cu", Names::kRole},
    {"oldpw", "o", Kind::kSecret, false, "the present password"},
    {"newpw", "new", Kind::kSecret, false, "the new password"},
};

// C_SetPIN changes the password of the role that is logged in; when nobody
// is, the role logs in for the change and out again.
absl::Status ChangePassword(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const RoleName role, RoleFrom(shell, arguments));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  ASSIGN_OR_RETURN(
      const SecretText old_password,
      shell.Secret(arguments, "oldpw", PasswordOf(role, "present "),
                   Shell::Entry::kOnce));
  ASSIGN_OR_RETURN(const SecretText new_password,
                   shell.Secret(arguments, "newpw", PasswordOf(role, "new "),
                                Shell::Entry::kTwice));
  const CK_FUNCTION_LIST& c = shell.module().c();
  const std::optional<CK_USER_TYPE> before = shell.LoggedIn(shell.slot());
  if (!before.has_value()) {
    RETURN_IF_ERROR(shell.Login(shell.slot(), PERIGEE_OWN_CONTAINER, role.user,
                                old_password));
  } else if (*before != role.user) {
    return Failure(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
                   WhoText(before, role.on_admin));
  }
  const absl::Status status = shell.module().Check(
      c.C_SetPIN(session, old_password.RevealBytes(), old_password.size(),
                 new_password.RevealBytes(), new_password.size()));
  if (!before.has_value()) c.C_Logout(session);
  return shell.ExplainPin(status, shell.slot(), PERIGEE_OWN_CONTAINER,
                          role.user);
}

}  // namespace

std::vector<Command> RoleCommands() {
  return {
      {"role list",
       "ro l",
       {},
       List,
       "shows the roles of the active slot",
       kRolesData},
      {"role show", "ro s", kNameOptions, Show, "shows the state of a role",
       kRolesData},
      {"role login", "ro logi", kLoginOptions, Login,
       "logs a role in on the active slot"},
      {"role logout", "ro logo", {}, Logout, "logs out on the active slot"},
      {"role deactivate", "ro d", kNameOptions, Deactivate,
       "the same, of this role only"},
      {"role init", "ro i", kInitOptions, Init,
       "makes a role, or gives it a new password"},
      {"role resetpw", "ro r", kResetOptions, ResetPassword,
       "gives a role a new password; its objects stay"},
      {"role changepw", "ro c", kChangeOptions, ChangePassword,
       "changes the password of a role"},
      {"audit init", "au i", kAuditorOptions, AuditInit,
       "makes the Auditor, as role init -name au"},
      {"audit login", "au logi", kAuditorOptions, AuditLogin,
       "logs the Auditor in"},
      {"audit logout", "au logo", {}, Logout, "logs out on the active slot"},
  };
}

}  // namespace shell
