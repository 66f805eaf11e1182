// hsm init, showinfo, showpolicies, changehsmpolicy, zeroize, factoryreset.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/containers.h"
#include "tools/shell/facts.h"
#include "tools/shell/policies.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Option kInitOptions[] = {
    {"label", "l", Kind::kText, true, "label of the HSM, at most 32 bytes"},
    {"password", "p", Kind::kSecret, false, "of the HSM SO"},
    {"domain", "d", Kind::kSecret, false, "domain of the admin partition"},
    {"defaultdomain", "def", Kind::kFlag, false,
     "the domain that everybody knows"},
    {"ipwd", "ipw", Kind::kFlag, false,
     "password authentication (the only kind here)"},
    {"iped", "ipe", Kind::kFlag, false, "PED authentication: not modelled"},
    {"applytemplate", "at", Kind::kText, false,
     "file with policies to begin with"},
    kForce,
    kDryRun,
};

absl::Status Init(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.ActiveHsm());
  if (arguments.Has("iped")) {
    return Failure(CKR_FUNCTION_NOT_SUPPORTED,
                   "PED authentication is not modelled");
  }
  const std::string label = *arguments.Text("label");
  if (label.empty() || label.size() > 32) {
    return Failure(CKR_ARGUMENTS_BAD, "a label has 1 to 32 bytes");
  }
  ASSIGN_OR_RETURN(std::vector<CK_POLICY_INFO> policies,
                   TemplateFrom(shell.module(), arguments, true));
  const bool again = (hsm.flags & PERIGEE_HSM_INITIALIZED) != 0;
  if (again || arguments.Has("dryrun")) {
    RETURN_IF_ERROR(shell.Confirm(
        arguments,
        again ? "The HSM is initialised already: all its partitions and "
                "objects will be destroyed."
              : "The HSM is new: nothing will be destroyed."));
  }
  ASSIGN_OR_RETURN(const std::optional<SecretText> domain,
                   shell.DomainIfGiven(arguments));
  ASSIGN_OR_RETURN(
      const SecretText password,
      shell.Secret(
          arguments, "password",
          again ? "present password for HSM SO" : "password for HSM SO",
          again ? Shell::Entry::kOnce : Shell::Entry::kTwice));
  shell.CloseSessions(shell.slot());
  CK_UTF8CHAR padded[32];
  std::fill(std::begin(padded), std::end(padded), ' ');
  std::memcpy(padded, label.data(), label.size());
  const absl::Status status =
      shell.module().Check(shell.module().ca().CA_InitToken(
          shell.slot(), password.RevealBytes(), password.size(), padded,
          domain.has_value() ? domain->RevealBytes() : nullptr,
          domain.has_value() ? domain->size() : 0, 0, nullptr, policies.size(),
          policies.data()));
  return shell.ExplainPin(status, shell.slot(), PERIGEE_OWN_CONTAINER, CKU_SO);
}

constexpr Shown kShowInfoData[] = {
    {"hsm", "@hsm"},
    {"partition", "@partition"},
    {"released", "when the modelled firmware was; empty: unknown"},
    {"modelled_device", "its certificate; Perigee itself has none"},
    {"state", "of the session: \"CKS_RW_PUBLIC_SESSION\""},
    {"role", "who is logged in"},
    {"storage.total_bytes", "null: no limit"},
    {"storage.used_bytes", "number"},
    {"storage.free_bytes", "null: no limit"},
};

absl::Status PrintHsmStorage(Shell& shell, const PERIGEE_HSM_INFO& hsm) {
  const Module& module = shell.module();
  CK_ULONG overhead = 0, total = 0, used = 0, free = 0;
  RETURN_IF_ERROR(module.Check(module.ca().CA_GetHSMStorageInformation(
      hsm.adminSlot, &overhead, &total, &used, &free)));
  absl::PrintF("\n        HSM Storage:\n");
  absl::PrintF("                Total Storage Space:  %s\n", SizeText(total));
  absl::PrintF("                Used Storage Space:   %s\n", SizeText(used));
  absl::PrintF("                Free Storage Space:   %s\n", SizeText(free));
  absl::PrintF("                Allowed Partitions:   %s\n",
               SizeText(hsm.ulAllowedPartitions));
  absl::PrintF("                Number of Partitions: %d\n", hsm.ulPartitions);
  shell.Tell({{"storage",
               {{"total_bytes", NumberOrNull(total)},
                {"used_bytes", used},
                {"free_bytes", NumberOrNull(free)}}}});
  return absl::OkStatus();
}

constexpr Option kSlotOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
};

absl::Status ShowInfo(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID asked, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(PERIGEE_HSM_INFO hsm, shell.HsmAt(asked));
  const CK_SLOT_ID slot = hsm.adminSlot;
  // A session brings up what is not known before one (the state of a Backup
  // HSM behind its channel).
  const absl::StatusOr<CK_SESSION_HANDLE> session = shell.Session(slot);
  ASSIGN_OR_RETURN(hsm, shell.HsmAt(slot));
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO partition,
                   shell.PartitionAt(slot));
  const bool zeroized = (hsm.flags & PERIGEE_HSM_ZEROIZED) != 0;
  shell.Tell({{"hsm", HsmFacts(hsm)},
              {"partition", PartitionFacts(partition)},
              {"released", CleanText(hsm.release)},
              {"modelled_device", CleanText(hsm.certificate)}});

  absl::PrintF("\n%s", Field("Partition Label", CleanText(hsm.label)));
  absl::PrintF("%s",
               Field("Partition Manufacturer", CleanText(hsm.manufacturer)));
  absl::PrintF("%s", Field("Partition Model", CleanText(hsm.tokenModel)));
  absl::PrintF("%s", Field("Partition Serial Number", CleanText(hsm.serial)));
  absl::PrintF("%s",
               Field("Partition Status", zeroized ? "Zeroized" : "L3 Device"));
  absl::PrintF("%s", Field("HSM Status", HsmStatusText(hsm)));
  absl::PrintF("%s", Field("HSM Initialized",
                           hsm.flags & PERIGEE_HSM_INITIALIZED ? "Yes" : "No"));
  absl::PrintF("%s", Field("Firmware Version", VersionText(hsm.ulFirmware)));
  if (hsm.release[0] != '\0') {
    absl::PrintF("%s", Field("Firmware Released", CleanText(hsm.release)));
  }
  if (hsm.certificate[0] != '\0') {
    absl::PrintF("%s", Field("Modelled Device", CleanText(hsm.certificate)));
  }
  absl::PrintF("%s", Field("RPV Initialized", "No"));
  absl::PrintF("%s", Field("Slot Id", absl::StrCat(slot)));
  if (session.ok()) {
    const CK_STATE state = shell.StateOf(*session);
    absl::PrintF("%s", Field("Session State", StateName(state)));
    const std::string who = WhoText(shell.LoggedIn(slot), true);
    absl::PrintF("%s", Field("Role Status", who));
    shell.Tell({{"state", StateName(state)}, {"role", who}});
  }
  absl::PrintF("%s", Field("Reached Through", CleanText(hsm.transport)));
  PrintStorage(partition);
  absl::PrintF(
      "\n        *** The HSM is %sin FIPS 140-2 approved operation mode. "
      "***\n",
      hsm.flags & PERIGEE_HSM_APPROVED_MODE ? "" : "NOT ");
  RETURN_IF_ERROR(PrintHsmStorage(shell, hsm));
  if (hsm.ulKind == PERIGEE_KIND_BACKUP &&
      (hsm.flags & PERIGEE_HSM_EMBEDDED) != 0) {
    absl::PrintF(
        "\n        Its state is on this computer: a rehearsal, not a "
        "backup.\n");
  }
  if (hsm.flags & PERIGEE_HSM_TEST_KDF) {
    absl::PrintF(
        "\n        Its passwords are protected for tests only: no real "
        "keys here.\n");
  }
  return absl::OkStatus();
}

constexpr Option kShowPoliciesOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
    {"verbose", "v", Kind::kFlag, false, "marks those that may destroy"},
    {"exporttemplate", "et", Kind::kText, false, "a new file for the policies"},
};

constexpr Shown kShowPoliciesData[] = {
    {"capabilities[]", "@policy"},
    {"policies[]", "@policy"},
    {"so_capabilities[]", "@policy"},
    {"so_policies[]", "@policy"},
};

absl::Status ShowPolicies(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID asked, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.HsmAt(asked));
  const CK_SLOT_ID slot = hsm.adminSlot;
  RETURN_IF_ERROR(ExportTemplate(shell.module(), arguments, slot, true));
  const bool verbose = arguments.Has("verbose");
  RETURN_IF_ERROR(ShowPolicyList(shell, {slot, false, 0, true},
                                 {"HSM Capabilities", "capabilities"},
                                 verbose));
  RETURN_IF_ERROR(ShowPolicyList(shell, {slot, false, 0, false},
                                 {"HSM Policies", "policies"}, verbose));
  // The admin partition's own, where it has any.
  const absl::StatusOr<PERIGEE_PARTITION_INFO> admin = shell.PartitionAt(slot);
  if (!admin.ok()) return absl::OkStatus();
  const PolicyScope so{slot, true, admin->ulContainer, true};
  if (!ShowPolicyList(shell, so, {"SO Capabilities", "so_capabilities"},
                      verbose)
           .ok()) {
    return absl::OkStatus();
  }
  return ShowPolicyList(shell, {slot, true, admin->ulContainer, false},
                        {"SO Policies", "so_policies"}, verbose);
}

constexpr Option kChangePolicyOptions[] = {
    {"policy", "p", Kind::kNumbers, true, "number of the policy, or several"},
    {"value", "v", Kind::kNumbers, true, "its new value, as many as policies"},
    kForce,
    kDryRun,
};

absl::Status ChangePolicy(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.ActiveHsm());
  ASSIGN_OR_RETURN(PolicyChanges changes, ChangesFrom(arguments));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  const Module& module = shell.module();
  if (arguments.Has("dryrun")) {
    return shell.Confirm(
        arguments,
        ForecastOf(module, {shell.slot(), false, 0, false}, changes,
                   absl::StrCat("zeroizes the HSM: ",
                                Count(hsm.ulPartitions, "partition"),
                                " and all objects will be destroyed")));
  }
  const absl::Status gentle = module.Check(module.ca().CA_SetHSMPolicies(
      session, changes.numbers.size(), changes.numbers.data(),
      changes.values.data()));
  if (RvOf(gentle) != LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE) return gentle;
  RETURN_IF_ERROR(shell.Confirm(
      arguments, absl::StrCat("This change zeroizes the HSM: ",
                              Count(hsm.ulPartitions, "partition"),
                              " and all objects will be destroyed.")));
  RETURN_IF_ERROR(module.Check(module.ca().CA_SetDestructiveHSMPolicies(
      session, changes.numbers.size(), changes.numbers.data(),
      changes.values.data())));
  shell.CloseSessions(shell.slot());
  return absl::OkStatus();
}

constexpr Option kForceOptions[] = {
    kForce,
    kDryRun,
};

absl::Status Zeroize(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.ActiveHsm().status());
  RETURN_IF_ERROR(
      shell.Confirm(arguments,
                    "All partitions and objects of this HSM will be destroyed; "
                    "its policies stay."));
  shell.CloseSessions(shell.slot());
  return shell.module().Check(shell.module().ca().CA_Zeroize(shell.slot(), 0));
}

absl::Status FactoryReset(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.ActiveHsm().status());
  RETURN_IF_ERROR(
      shell.Confirm(arguments,
                    "All partitions, objects and policies of this HSM will be "
                    "destroyed."));
  shell.CloseSessions(shell.slot());
  return shell.module().Check(
      shell.module().ca().CA_FactoryReset(shell.slot(), 0));
}

}  // namespace

std::vector<Command> HsmCommands() {
  return {
      {"hsm init", "hsm i", kInitOptions, Init,
       "initialises the HSM of the active slot"},
      {"hsm showinfo", "hsm si", kSlotOptions, ShowInfo,
       "shows the HSM, its mode and its storage", kShowInfoData},
      {"hsm showpolicies", "hsm sp", kShowPoliciesOptions, ShowPolicies,
       "shows capabilities and policies", kShowPoliciesData},
      {"hsm changehsmpolicy", "hsm changehp", kChangePolicyOptions,
       ChangePolicy, "changes policies of the HSM"},
      {"hsm zeroize", "hsm z", kForceOptions, Zeroize,
       "destroys all contents, keeps policies"},
      {"hsm factoryreset", "hsm fr", kForceOptions, FactoryReset,
       "destroys all contents and policies"},
  };
}

}  // namespace shell
