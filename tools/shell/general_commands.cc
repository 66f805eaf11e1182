// help, script, exit; roles and states as words; the whole command table.
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr RoleName kRoles[] = {
    {"so", "HSM SO", CKU_SO, true, "hsm init."},
    {"au", "Auditor", CKU_AUDIT, true, "role logout of the SO."},
    {"po", "Partition SO", CKU_SO, false, "partition init."},
    {"co", "Crypto Officer", CKU_USER, false, "role login -name po."},
    {"lco", "Limited Crypto Officer", CKU_LIMITED_CRYPTO_OFFICER, false,
     "role login -name co."},
    {"cu", "Crypto User", CKU_CRYPTO_USER, false, "role login -name co."},
};

struct StateRow {
  CK_STATE state;
  const char* name;
};
constexpr StateRow kStates[] = {
    {CKS_RO_PUBLIC_SESSION, "CKS_RO_PUBLIC_SESSION"},
    {CKS_RW_PUBLIC_SESSION, "CKS_RW_PUBLIC_SESSION"},
    {CKS_RO_USER_FUNCTIONS, "CKS_RO_USER_FUNCTIONS"},
    {CKS_RW_USER_FUNCTIONS, "CKS_RW_USER_FUNCTIONS"},
    {CKS_RW_SO_FUNCTIONS, "CKS_RW_SO_FUNCTIONS"},
    {CKS_RO_SO_FUNCTIONS, "CKS_RO_SO_FUNCTIONS"},
    {CKS_RW_AUDIT_FUNCTIONS, "CKS_RW_AUDIT_FUNCTIONS"},
};

constexpr Shown kHelpData[] = {{"text", "the lines of the help"}};

absl::Status Help(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const std::string help, shell.grammar().Help({}));
  absl::PrintF("\n%s", help);
  shell.Tell({{"text", help}});
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

// The documented texts of a slot listing; the last one is ours.
std::string HsmStatusText(const PERIGEE_HSM_INFO& hsm) {
  const bool zeroized = (hsm.flags & PERIGEE_HSM_ZEROIZED) != 0;
  const bool decommissioned = (hsm.flags & PERIGEE_HSM_DECOMMISSIONED) != 0;
  if (hsm.flags & PERIGEE_HSM_TRANSPORT) {
    if (decommissioned) return "Transport Mode, Decommissioned";
    return zeroized ? "Transport Mode, zeroized" : "Transport Mode";
  }
  if (hsm.flags & PERIGEE_HSM_TAMPERED) {
    if (decommissioned) return "HSM Tamper, Decommissioned";
    return zeroized ? "Hardware Tamper, Zeroized" : "Hardware Tamper";
  }
  if (decommissioned) return "Decommissioned";
  if (zeroized) return "Zeroized";
  return hsm.flags & PERIGEE_HSM_INITIALIZED ? "OK" : "OK, not initialized";
}

std::string StateName(CK_STATE state) {
  for (const StateRow& row : kStates) {
    if (row.state == state) return row.name;
  }
  return absl::StrFormat("0x%x", state);
}

std::string WhoText(std::optional<CK_USER_TYPE> user, bool admin_slot) {
  if (!user.has_value()) return "none logged in";
  for (const RoleName& role : kRoles) {
    if (role.user == *user && role.on_admin == admin_slot) {
      return absl::StrCat(role.title, " logged in");
    }
  }
  return "another role logged in";
}

std::vector<Command> GeneralCommands() {
  return {
      {"help",
       "?",
       {},
       Help,
       "lists the commands; help <command> explains",
       kHelpData},
      {"script", "scr", kScriptOptions, Script, "runs the commands of a file"},
      {"exit", "e", {}, Exit, "ends the shell and all its logins"},
  };
}

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (std::vector<Command> (*part)() :
       {SlotCommands,       HsmCommands,           FirmwareCommands,
        ConditionCommands,  MechanismCommands,     CloningCommands,
        RoleCommands,       ApplicationIdCommands, PartitionCommands,
        ArchiveCommands,    ArchiveUpkeepCommands, DeviceCommands,
        RemoteCommands,     AuditCommands,         ManifestCommands,
        ImportCommands,     KeyGenerateCommands,   KeyImportCommands,
        KeyExportCommands,  KeyCommands,           KeySignCommands,
        KeyRequestCommands, StoreCommands,         SetupCommands,
        DoctorCommands,     GeneralCommands,       NotModelledCommands}) {
    for (const Command& command : part()) all.push_back(command);
  }
  return all;
}

}  // namespace shell
