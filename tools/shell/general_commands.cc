// help, script, exit; roles and states as words; the whole command table.
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr RoleName kRoles[] = {
    {"so", "HSM SO", CKU_SO, true},
    {"au", "Auditor", CKU_AUDIT, true},
    {"po", "Partition SO", CKU_SO, false},
    {"co", "Crypto Officer", CKU_USER, false},
    {"lco", "Limited Crypto Officer", CKU_LIMITED_CRYPTO_OFFICER, false},
    {"cu", "Crypto User", CKU_CRYPTO_USER, false},
};

struct StateRow {
  CK_STATE state;
  const char* name;
  const char* admin_role;  // null: nobody
  const char* partition_role;
};
constexpr StateRow kStates[] = {
    {CKS_RO_PUBLIC_SESSION, "CKS_RO_PUBLIC_SESSION", nullptr, nullptr},
    {CKS_RW_PUBLIC_SESSION, "CKS_RW_PUBLIC_SESSION", nullptr, nullptr},
    {CKS_RO_USER_FUNCTIONS, "CKS_RO_USER_FUNCTIONS", "Crypto Officer",
     "Crypto Officer"},
    {CKS_RW_USER_FUNCTIONS, "CKS_RW_USER_FUNCTIONS", "Crypto Officer",
     "Crypto Officer"},
    {CKS_RW_SO_FUNCTIONS, "CKS_RW_SO_FUNCTIONS", "HSM SO", "Partition SO"},
    {CKS_RO_SO_FUNCTIONS, "CKS_RO_SO_FUNCTIONS", "HSM SO", "Partition SO"},
    {CKS_RW_AUDIT_FUNCTIONS, "CKS_RW_AUDIT_FUNCTIONS", "Auditor", "Auditor"},
};

const StateRow* FindState(CK_STATE state) {
  for (const StateRow& row : kStates) {
    if (row.state == state) return &row;
  }
  return nullptr;
}

absl::Status Help(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const std::string help, shell.grammar().Help({}));
  absl::PrintF("\n%s", help);
  return absl::OkStatus();
}

absl::Status Exit(Shell& shell, const Arguments&) {
  shell.Exit();
  return absl::OkStatus();
}

constexpr Option kScriptOptions[] = {
    {"file", "f", Kind::kText, true, "file with a command in each line"},
    {"keepgoing", "k", Kind::kFlag, false, "go on after a command that fails"},
};

absl::Status Script(Shell& shell, const Arguments& arguments) {
  return shell.RunFile(*arguments.Text("file"), arguments.Has("keepgoing"));
}

}  // namespace

absl::Span<const RoleName> RoleNames() { return kRoles; }

absl::StatusOr<RoleName> FindRole(absl::string_view name, bool admin_slot) {
  const RoleName* elsewhere = nullptr;
  std::string here;
  for (const RoleName& role : kRoles) {
    if (role.on_admin == admin_slot) {
      absl::StrAppend(&here, here.empty() ? "" : ", ", role.name);
    }
    if (!absl::EqualsIgnoreCase(name, role.name)) continue;
    if (role.on_admin == admin_slot) return role;
    elsewhere = &role;
  }
  return Failure(CKR_USER_TYPE_INVALID,
                 elsewhere == nullptr
                     ? "there is no such role"
                     : absl::StrCat("the ", elsewhere->title, " is a role of ",
                                    admin_slot ? "a partition" : "an HSM",
                                    ", and the active slot is not one"),
                 absl::StrCat("Roles of this slot: ", here, "."));
}

std::string StateName(CK_STATE state) {
  const StateRow* row = FindState(state);
  return row != nullptr ? row->name : absl::StrFormat("0x%x", state);
}

std::string StateRole(CK_STATE state, bool admin_slot) {
  const StateRow* row = FindState(state);
  const char* role = row == nullptr ? "another role"
                     : admin_slot   ? row->admin_role
                                    : row->partition_role;
  return role == nullptr ? "none logged in" : absl::StrCat(role, " logged in");
}

std::vector<Command> GeneralCommands() {
  return {
      {"help", "?", {}, Help, "lists the commands; help <command> explains"},
      {"script", "scr", kScriptOptions, Script, "runs the commands of a file"},
      {"exit", "e", {}, Exit, "ends the shell and all its logins"},
  };
}

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (std::vector<Command> (*part)() :
       {SlotCommands, HsmCommands, RoleCommands, PartitionCommands,
        ArchiveCommands, DeviceCommands, GeneralCommands}) {
    for (const Command& command : part()) all.push_back(command);
  }
  return all;
}

}  // namespace shell
