// One run of the shell: the library, the active slot, the sessions that hold
// the logins, and the questions that commands ask. Commands are functions over
// this; they print to standard output and return what they end with.
#ifndef PERIGEE_TOOLS_SHELL_SHELL_H_
#define PERIGEE_TOOLS_SHELL_SHELL_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "tools/shell/module.h"
#include "tools/shell/result.h"
#include "tools/shell/table.h"

namespace shell {

inline constexpr char kPrompt[] = "perigee:> ";

class Shell {
 public:
  // The first slot is the active one.
  Shell(std::unique_ptr<Module> module, std::vector<Command> commands);
  ~Shell();

  const Module& module() const { return *module_; }
  const Grammar& grammar() const { return grammar_; }

  struct Outcome {
    bool ok = true;
    bool has_secret = false;  // or may have: nothing that keeps the line
    bool was_command = true;  // false: a blank line or a comment
  };
  // Runs one line and prints how it ended.
  Outcome Run(absl::string_view line);
  // From now on how each command ends is told on `fd`, as one line of JSON
  // (docs/SHELL.md); what is printed for people should go nowhere.
  void SpeakJson(int fd) { json_fd_ = fd; }
  // What the running command has to tell with --json: the members of its row.
  void Tell(const nlohmann::ordered_json& data);
  void Exit() { exiting_ = true; }
  bool exiting() const { return exiting_; }
  // Runs each line of a file; the first that fails ends it unless `keep_going`.
  absl::Status RunFile(const std::string& path, bool keep_going);
  // The same from a descriptor: false when a command failed.
  bool RunLines(int fd, bool keep_going);

  // The values that complete an option.
  std::vector<std::string> NamesFor(Names names, const Arguments& given);

  // --- slots
  // ------------------------------------------------------------------

  CK_SLOT_ID slot() const { return slot_; }
  void SelectSlot(CK_SLOT_ID slot) { slot_ = slot; }
  absl::StatusOr<std::vector<CK_SLOT_ID>> Slots() const;
  // -slot, or the active one; CKR_SLOT_ID_INVALID.
  absl::StatusOr<CK_SLOT_ID> SlotFrom(const Arguments& arguments) const;
  absl::StatusOr<PERIGEE_HSM_INFO> HsmAt(CK_SLOT_ID slot) const;
  // The partition that the slot shows, or a container there.
  absl::StatusOr<PERIGEE_PARTITION_INFO> PartitionAt(
      CK_SLOT_ID slot, CK_ULONG container = PERIGEE_OWN_CONTAINER) const;
  absl::StatusOr<PERIGEE_ROLE_INFO> RoleAt(CK_SLOT_ID slot, CK_ULONG container,
                                           CK_USER_TYPE user) const;
  // The partitions of the HSM whose admin slot this is.
  absl::StatusOr<std::vector<PERIGEE_PARTITION_INFO>> Containers(
      CK_SLOT_ID admin_slot) const;
  // The one with this label; nothing when there is none.
  absl::StatusOr<std::optional<PERIGEE_PARTITION_INFO>> FindContainer(
      CK_SLOT_ID admin_slot, absl::string_view label) const;
  // The active slot's HSM, when that is an HSM's own slot.
  absl::StatusOr<PERIGEE_HSM_INFO> ActiveHsm() const;
  // Refuses when the active slot is an HSM's own and not a partition's.
  absl::Status NeedPartitionSlot() const;

  // --- sessions
  // ---------------------------------------------------------------

  // The one session of the shell on a slot (R/W where that is possible), or on
  // a container; opened as needed.
  absl::StatusOr<CK_SESSION_HANDLE> Session(
      CK_SLOT_ID slot, CK_ULONG container = PERIGEE_OWN_CONTAINER);
  void CloseSession(CK_SLOT_ID slot, CK_ULONG container);
  // All on a slot, containers too: before what ends them anyway.
  void CloseSessions(CK_SLOT_ID slot);
  CK_STATE StateOf(CK_SESSION_HANDLE session) const;
  // C_Login, with what is left of the attempts when it fails.
  absl::Status Login(CK_SLOT_ID slot, CK_ULONG container, CK_USER_TYPE user,
                     const SecretText& password);
  absl::Status Logout(CK_SLOT_ID slot, CK_ULONG container);
  // Who is logged in there; opens no session. States alone do not tell the
  // users apart.
  std::optional<CK_USER_TYPE> LoggedIn(
      CK_SLOT_ID slot, CK_ULONG container = PERIGEE_OWN_CONTAINER) const;
  // A wrong password's failure with the attempts that are left; others as
  // they are.
  absl::Status ExplainPin(const absl::Status& status, CK_SLOT_ID slot,
                          CK_ULONG container, CK_USER_TYPE user) const;

  // --- questions
  // ----------------------------------------------------------------

  // OK with -force or after `proceed`; CKR_FUNCTION_CANCELED otherwise, and
  // always without a terminal. With -dryrun the warning is told, what this
  // returns ends the command, and the command has succeeded. Before anything
  // is changed.
  absl::Status Confirm(const Arguments& arguments, absl::string_view warning);
  enum class Entry { kOnce, kTwice };
  // From -<option>, -<option>file or the terminal. `what`: "password for
  // Partition SO".
  absl::StatusOr<SecretText> Secret(const Arguments& arguments,
                                    absl::string_view option,
                                    absl::string_view what, Entry entry);
  // The same from options only; nothing when there is none.
  absl::StatusOr<std::optional<SecretText>> SecretIfGiven(
      const Arguments& arguments, absl::string_view option);
  // -domain, -domainfile or -defaultdomain; nothing when there is none.
  absl::StatusOr<std::optional<SecretText>> DomainIfGiven(
      const Arguments& arguments);

 private:
  absl::Status RunWords(absl::Span<const Word> words, Outcome& outcome);
  void PrintFailure(const absl::Status& status) const;
  void WriteJson(absl::string_view line, const absl::Status& status) const;
  void Echo(absl::string_view line) const;

  std::unique_ptr<Module> module_;
  Grammar grammar_;
  CK_SLOT_ID slot_ = 0;
  // By slot and container. Only this process's calls log in or out.
  struct Open {
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_USER_TYPE user = CKU_INVALID_USER_TYPE;  // who logged in last
  };
  std::map<std::pair<CK_SLOT_ID, CK_ULONG>, Open> sessions_;
  bool exiting_ = false;
  int script_depth_ = 0;
  int json_fd_ = -1;
  std::unique_ptr<nlohmann::ordered_json> data_;
  std::optional<std::string> would_;  // the warning of a -dryrun
};

// Firmware whose partitions are neither V0 nor V1.
inline bool IsBefore770(const PERIGEE_HSM_INFO& hsm) {
  const CK_ULONG(&v)[3] = hsm.ulFirmware;
  return v[0] < 7 || (v[0] == 7 && v[1] < 7);
}

// "OK", "Transport Mode, zeroized".
std::string HsmStatusText(const PERIGEE_HSM_INFO& hsm);

// A role as operators name it.
struct RoleName {
  const char* name;
  const char* title;
  CK_USER_TYPE user;
  bool on_admin;        // a role of an HSM, not of a partition
  const char* made_by;  // what comes before its role init
};
absl::Span<const RoleName> RoleNames();
// The role `name` of this kind of slot. CKR_USER_TYPE_INVALID.
absl::StatusOr<RoleName> FindRole(absl::string_view name, bool admin_slot);
// "CKS_RW_SO_FUNCTIONS"
std::string StateName(CK_STATE state);
// "Crypto Officer logged in", "none logged in"
std::string WhoText(std::optional<CK_USER_TYPE> user, bool admin_slot);

// Key files are read as this program has it, not as openssl.cnf of the host
// says, which may load PKCS#11 modules by itself. Before any command.
void IgnoreOpenSslConfiguration();

// The parts of the command table, one a file.
std::vector<Command> GeneralCommands();
std::vector<Command> SlotCommands();
std::vector<Command> HsmCommands();
std::vector<Command> FirmwareCommands();
std::vector<Command> ConditionCommands();
std::vector<Command> CloningCommands();
std::vector<Command> RoleCommands();
std::vector<Command> PartitionCommands();
std::vector<Command> ArchiveCommands();
std::vector<Command> DeviceCommands();
std::vector<Command> RemoteCommands();
std::vector<Command> AuditCommands();
std::vector<Command> ManifestCommands();
std::vector<Command> ImportCommands();
std::vector<Command> KeyGenerateCommands();
std::vector<Command> KeyImportCommands();
std::vector<Command> KeyExportCommands();
std::vector<Command> KeyCommands();
std::vector<Command> KeySignCommands();
std::vector<Command> KeyRequestCommands();
std::vector<Command> StoreCommands();
std::vector<Command> SetupCommands();
std::vector<Command> DoctorCommands();
std::vector<Command> MechanismCommands();
std::vector<Command> ApplicationIdCommands();
std::vector<Command> ArchiveUpkeepCommands();
std::vector<Command> NotModelledCommands();
std::vector<Command> AllCommands();

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_SHELL_H_
