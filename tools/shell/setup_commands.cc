// init: a working pair, an application partition and a Backup HSM, from
// nothing.
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/files.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Option kInitOptions[] = {
    {"label", "l", Kind::kText, false, "of the partition (keys)"},
    {"backuplabel", "bl", Kind::kText, false, "of the Backup HSM (backup)"},
    {"popassword", "pop", Kind::kSecret, false, "of the Partition SO"},
    {"copassword", "cop", Kind::kSecret, false,
     "of the Crypto Officer, who uses the keys"},
    {"sopassword", "sop", Kind::kSecret, false, "of the Backup HSM's SO"},
    {"domain", "d", Kind::kSecret, false,
     "cloning domain: whoever has it and the passwords can restore"},
    {"newdomain", "nd", Kind::kText, false,
     "a new file for a domain that is made up here"},
    {"slot", "s", Kind::kNumber, false, "of the partition (the active one)",
     Names::kSlot},
    {"backupslot", "bs", Kind::kNumber, false,
     "of the Backup HSM (the first one)", Names::kSlot},
};

constexpr Shown kInitData[] = {
    {"partition", "@partition"},
    {"backup_hsm", "@hsm"},
    {"made[]", "what was done, in words; what was there is left alone"},
};

// 32 characters of 160 random bits, none of which look alike.
absl::StatusOr<SecretText> MakeDomain() {
  constexpr absl::string_view kCharacters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  static_assert(kCharacters.size() == 32);
  uint8_t random[32];
  if (getrandom(random, sizeof random, 0) != sizeof random) {
    return Failure(CKR_FUNCTION_FAILED, "no random bytes");
  }
  SecretText domain;
  for (size_t i = 0; i < sizeof random; ++i) {
    domain.Append(kCharacters[random[i] % kCharacters.size()]);
  }
  explicit_bzero(random, sizeof random);
  return domain;
}

// Given, made up into a file, or asked for.
absl::StatusOr<SecretText> DomainFor(Shell& shell, const Arguments& arguments) {
  const std::optional<std::string> path = arguments.Text("newdomain");
  if (!path.has_value()) {
    return shell.Secret(arguments, "domain", "cloning domain",
                        Shell::Entry::kTwice);
  }
  if (arguments.Has("domain") || arguments.Has("domainfile")) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "-domain and -newdomain exclude each other");
  }
  ASSIGN_OR_RETURN(SecretText domain, MakeDomain());
  RETURN_IF_ERROR(WriteNewFile(*path, domain.RevealText()));
  absl::PrintF(
      "    The cloning domain is in %s: keep a copy with the backup's "
      "passwords.\n",
      CleanText(*path));
  return domain;
}

// The slots that the command is about.
struct Pair {
  CK_SLOT_ID partition;
  CK_SLOT_ID backup;
};

absl::StatusOr<CK_SLOT_ID> BackupSlot(Shell& shell,
                                      const Arguments& arguments) {
  const std::optional<CK_ULONG> given = arguments.Number("backupslot");
  ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, shell.Slots());
  for (const CK_SLOT_ID slot : slots) {
    if (given.has_value() && slot != *given) continue;
    const absl::StatusOr<PERIGEE_HSM_INFO> hsm = shell.HsmAt(slot);
    if (hsm.ok() && hsm->ulKind == PERIGEE_KIND_BACKUP) return slot;
  }
  return Failure(
      CKR_SLOT_ID_INVALID,
      given.has_value() ? absl::StrCat("slot ", *given, " is no Backup HSM's")
                        : "no slot is a Backup HSM's",
      "slot list shows what there is; docs/CONFIGURATION.md tells how "
      "a Backup HSM is added.");
}

absl::StatusOr<Pair> PairFrom(Shell& shell, const Arguments& arguments) {
  Pair pair{};
  ASSIGN_OR_RETURN(pair.partition, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.HsmAt(pair.partition));
  if (hsm.adminSlot == pair.partition) {
    return Failure(
        CKR_SLOT_ID_INVALID,
        absl::StrCat("slot ", pair.partition, " is not a partition's"),
        "-slot <n> says which partition; slot list shows them.");
  }
  ASSIGN_OR_RETURN(pair.backup, BackupSlot(shell, arguments));
  return pair;
}

absl::Status InitToken(Shell& shell, CK_SLOT_ID slot, const std::string& label,
                       const SecretText& password, const SecretText* domain) {
  if (label.empty() || label.size() > 32) {
    return Failure(CKR_ARGUMENTS_BAD, "a label has 1 to 32 bytes");
  }
  CK_UTF8CHAR padded[32];
  std::fill(std::begin(padded), std::end(padded), ' ');
  std::memcpy(padded, label.data(), label.size());
  shell.CloseSessions(slot);
  return shell.module().Check(shell.module().ca().CA_InitToken(
      slot, password.RevealBytes(), password.size(), padded,
      domain != nullptr ? domain->RevealBytes() : nullptr,
      domain != nullptr ? domain->size() : 0, 0, nullptr, 0, nullptr));
}

// What is asked for before anything is done.
struct Plan {
  bool partition = false, officer = false, backup = false;
  std::string label, backup_label;
  SecretText po, co, so, domain;
};

absl::StatusOr<Plan> PlanFrom(Shell& shell, const Arguments& arguments,
                              const Pair& pair) {
  Plan plan;
  plan.label = arguments.Text("label").value_or("keys");
  plan.backup_label = arguments.Text("backuplabel").value_or("backup");
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO partition,
                   shell.PartitionAt(pair.partition));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO backup, shell.HsmAt(pair.backup));
  plan.partition = (partition.flags & PERIGEE_PARTITION_INITIALIZED) == 0;
  plan.backup = (backup.flags & PERIGEE_HSM_INITIALIZED) == 0;
  const auto officer =
      shell.RoleAt(pair.partition, PERIGEE_OWN_CONTAINER, CKU_USER);
  plan.officer = plan.partition || !officer.ok() ||
                 (officer->flags & PERIGEE_ROLE_INITIALIZED) == 0;
  if (plan.partition || plan.officer) {
    ASSIGN_OR_RETURN(
        plan.po,
        shell.Secret(
            arguments, "popassword", "password for Partition SO",
            plan.partition ? Shell::Entry::kTwice : Shell::Entry::kOnce));
    ASSIGN_OR_RETURN(plan.co, shell.Secret(arguments, "copassword",
                                           "password for Crypto Officer",
                                           Shell::Entry::kTwice));
  }
  if (plan.backup) {
    ASSIGN_OR_RETURN(plan.so, shell.Secret(arguments, "sopassword",
                                           "password for HSM SO of the Backup "
                                           "HSM",
                                           Shell::Entry::kTwice));
  }
  if (plan.partition) {
    ASSIGN_OR_RETURN(plan.domain, DomainFor(shell, arguments));
  }
  return plan;
}

// The PO makes the Crypto Officer, who changes a password that is temporary.
absl::Status MakeOfficer(Shell& shell, CK_SLOT_ID slot, const Plan& plan) {
  const Module& module = shell.module();
  RETURN_IF_ERROR(shell.Login(slot, PERIGEE_OWN_CONTAINER, CKU_SO, plan.po));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, shell.Session(slot));
  const absl::Status made = module.Check(module.ca().CA_InitRolePIN(
      session, CKU_USER, plan.co.RevealBytes(), plan.co.size()));
  shell.Logout(slot, PERIGEE_OWN_CONTAINER).IgnoreError();
  RETURN_IF_ERROR(made);
  const auto role = shell.RoleAt(slot, PERIGEE_OWN_CONTAINER, CKU_USER);
  if (role.ok() && (role->flags & PERIGEE_ROLE_MUST_CHANGE_PIN) != 0) {
    absl::PrintF(
        "    The Crypto Officer's password is temporary: role changepw "
        "-name co.\n");
  }
  return absl::OkStatus();
}

absl::Status Init(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Pair pair, PairFrom(shell, arguments));
  absl::PrintF("\n");
  ASSIGN_OR_RETURN(const Plan plan, PlanFrom(shell, arguments, pair));
  Json made = Json::array();
  const auto done = [&](const std::string& what) {
    absl::PrintF("    %s\n", what);
    made.push_back(what);
  };
  if (plan.partition) {
    const absl::Status made_token =
        InitToken(shell, pair.partition, plan.label, plan.po, &plan.domain);
    if (const auto path = arguments.Text("newdomain");
        path.has_value() && !made_token.ok()) {
      unlink(path->c_str());  // nobody is in this domain
      absl::PrintF("    %s was removed again.\n", CleanText(*path));
    }
    RETURN_IF_ERROR(made_token);
    done(absl::StrCat("Partition ", CleanText(plan.label), " in slot ",
                      pair.partition, " was initialised."));
  }
  if (plan.officer) {
    RETURN_IF_ERROR(MakeOfficer(shell, pair.partition, plan));
    done("Its Crypto Officer was made.");
  }
  if (plan.backup) {
    RETURN_IF_ERROR(
        InitToken(shell, pair.backup, plan.backup_label, plan.so, nullptr));
    done(absl::StrCat("Backup HSM ", CleanText(plan.backup_label), " in slot ",
                      pair.backup, " was initialised."));
  }
  if (made.empty()) absl::PrintF("    Everything was there already.\n");
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO partition,
                   shell.PartitionAt(pair.partition));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO backup, shell.HsmAt(pair.backup));
  shell.Tell({{"partition", PartitionFacts(partition)},
              {"backup_hsm", HsmFacts(backup)},
              {"made", made}});
  absl::PrintF(
      "\n    Next: role login -name co, key generate -type ec -label signer "
      "(or "
      "any PKCS#11\n    program, slot %d), partition archive backup -slot %d "
      "-partition <name>.\n    doctor checks the rest.\n",
      pair.partition, pair.backup);
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SetupCommands() {
  return {{"init", "in", kInitOptions, Init,
           "sets up a partition and a Backup HSM that work together",
           kInitData}};
}

}  // namespace shell
