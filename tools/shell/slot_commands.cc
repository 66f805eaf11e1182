// slot list, set, configshow, partitionlist.
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

// "Luna" for a modelled HSM, "Perigee" for our own model.
absl::string_view Maker(const PERIGEE_HSM_INFO& hsm) {
  return absl::StartsWith(hsm.model, "luna") ? "Luna" : "Perigee";
}

std::string Configuration(const PERIGEE_HSM_INFO& hsm, bool admin) {
  if (!admin) {
    return absl::StrCat(Maker(hsm),
                        " User Partition With SO (PW) Key Export With "
                        "Cloning Mode");
  }
  return absl::StrCat(
      Maker(hsm), " HSM Admin Partition (PW)",
      hsm.ulKind == PERIGEE_KIND_BACKUP ? " Backup Device" : "");
}

void PrintSlot(const Shell& shell, CK_SLOT_ID slot) {
  const Module& module = shell.module();
  CK_SLOT_INFO about = {};
  module.c().C_GetSlotInfo(slot, &about);
  CK_TOKEN_INFO token = {};
  const absl::Status token_status =
      module.Check(module.c().C_GetTokenInfo(slot, &token));
  const absl::StatusOr<PERIGEE_HSM_INFO> hsm = shell.HsmAt(slot);

  absl::PrintF("\n%s", SlotField("Slot Id", absl::StrCat(slot)));
  if (token_status.ok()) {
    absl::PrintF("%s", SlotField("Label", PaddedText(token.label)));
    absl::PrintF("%s",
                 SlotField("Serial Number", PaddedText(token.serialNumber)));
    absl::PrintF("%s", SlotField("Model", PaddedText(token.model)));
  }
  if (hsm.ok()) {
    const bool admin = hsm->adminSlot == slot;
    absl::PrintF("%s",
                 SlotField("Firmware Version", VersionText(hsm->ulFirmware)));
    const bool backup = hsm->ulKind == PERIGEE_KIND_BACKUP;
    absl::PrintF("%s", SlotField(backup ? "HSM Configuration" : "Configuration",
                                 Configuration(*hsm, admin)));
    absl::PrintF(
        "%s", SlotField("Slot Description", PaddedText(about.slotDescription)));
    if (admin) absl::PrintF("%s", SlotField("HSM Status", HsmStatusText(*hsm)));
    if (!admin && token_status.ok()) {
      absl::PrintF("%s", SlotField("Partition Status",
                                   token.flags & CKF_TOKEN_INITIALIZED
                                       ? "OK"
                                       : "OK, not initialized"));
    }
    return;
  }
  absl::PrintF(
      "%s", SlotField("Slot Description", PaddedText(about.slotDescription)));
  const absl::Status& why = token_status.ok() ? hsm.status() : token_status;
  absl::PrintF(
      "%s", SlotField("Token",
                      absl::StrCat("not usable: ", module.NameOf(RvOf(why)))));
  if (!why.message().empty()) {
    absl::PrintF("    %s\n", std::string(why.message()));
  }
}

constexpr Shown kListData[] = {
    {"slots[].slot", "number"},
    {"slots[].usable", "whether there is a token"},
    {"slots[].result", "why not: \"CKR_OK\""},
    {"slots[].label", "text; this and what follows where it is known"},
    {"slots[].serial", "text"},
    {"slots[].model", "text"},
    {"slots[].initialized", "true or false"},
    {"slots[].admin", "an HSM's own slot, not a partition's"},
    {"slots[].hsm", "@hsm"},
    {"current_slot", "number"},
};

Json SlotFacts(const Shell& shell, CK_SLOT_ID slot) {
  CK_TOKEN_INFO token = {};
  const CK_RV rv = shell.module().c().C_GetTokenInfo(slot, &token);
  Json facts = {{"slot", slot},
                {"usable", rv == CKR_OK},
                {"result", shell.module().NameOf(rv)}};
  if (rv == CKR_OK) {
    facts["label"] = PaddedText(token.label);
    facts["serial"] = PaddedText(token.serialNumber);
    facts["model"] = PaddedText(token.model);
    facts["initialized"] = (token.flags & CKF_TOKEN_INITIALIZED) != 0;
  }
  const absl::StatusOr<PERIGEE_HSM_INFO> hsm = shell.HsmAt(slot);
  if (hsm.ok()) {
    facts["admin"] = hsm->adminSlot == slot;
    facts["hsm"] = HsmFacts(*hsm);
  }
  return facts;
}

absl::Status List(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, shell.Slots());
  Json all = Json::array();
  for (const CK_SLOT_ID slot : slots) {
    PrintSlot(shell, slot);
    all.push_back(SlotFacts(shell, slot));
  }
  absl::PrintF("\n    Current Slot Id: %d\n", shell.slot());
  shell.Tell({{"slots", all}, {"current_slot", shell.slot()}});
  return absl::OkStatus();
}

constexpr Shown kSetData[] = {{"current_slot", "number"}};

constexpr Option kSetOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot that later commands act on",
     Names::kSlot},
};

absl::Status Set(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  shell.SelectSlot(slot);
  const absl::StatusOr<PERIGEE_HSM_INFO> hsm = shell.HsmAt(slot);
  absl::PrintF("\n    Current Slot Id:    %d", slot);
  if (hsm.ok()) {
    const bool admin = hsm->adminSlot == slot;
    absl::PrintF("     (%s %s Slot %s (PW)%s)", Maker(*hsm),
                 admin ? "Admin" : "User", VersionText(hsm->ulFirmware),
                 hsm->ulKind == PERIGEE_KIND_BACKUP ? " Backup Device"
                 : admin                            ? ""
                         : " Key Export With Cloning Mode");
  }
  absl::PrintF("\n");
  shell.Tell({{"current_slot", slot}});
  return absl::OkStatus();
}

constexpr Option kSlotOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
};

constexpr Shown kConfigData[] = {
    {"file", "path of the configuration file; empty: there is none"},
    {"state_directory", "path"},
    {"slot", "number"},
    {"hsm", "@hsm"},
};

// Where the slot comes from: the row of the configuration that made its HSM.
absl::Status ConfigShow(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.HsmAt(slot));
  PERIGEE_SETUP setup = {};
  setup.ulSize = sizeof setup;
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().Setup(&setup)));
  const std::string file = CleanText(setup.configFile);
  absl::PrintF("\n%s", SlotField("Slot Id", absl::StrCat(slot)));
  absl::PrintF("%s", SlotField("HSM", CleanText(hsm.configName)));
  absl::PrintF("%s", SlotField("Model", CleanText(hsm.model)));
  absl::PrintF("%s",
               SlotField("Firmware Version", VersionText(hsm.ulFirmware)));
  absl::PrintF("%s", SlotField("Reached By", CleanText(hsm.transport)));
  absl::PrintF("%s", SlotField("Configuration File",
                               file.empty() ? "none, all defaults" : file));
  absl::PrintF("%s",
               SlotField("State Directory", CleanText(setup.stateDirectory)));
  shell.Tell({{"file", file},
              {"state_directory", CleanText(setup.stateDirectory)},
              {"slot", slot},
              {"hsm", HsmFacts(hsm)}});
  return absl::OkStatus();
}

constexpr Shown kPartitionListData[] = {{"partitions[]", "@partition"}};

absl::Status PartitionList(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.HsmAt(slot));
  ASSIGN_OR_RETURN(const std::vector<PERIGEE_PARTITION_INFO> partitions,
                   shell.Containers(hsm.adminSlot));
  absl::PrintF("\n    Partitions of the HSM %s:\n\n",
               CleanText(hsm.configName));
  Json all = Json::array();
  for (const PERIGEE_PARTITION_INFO& one : partitions) {
    absl::PrintF(
        "        %-32s %-9s %s\n", CleanText(one.label),
        one.slot == PERIGEE_NONE ? "no slot" : absl::StrCat("slot ", one.slot),
        Count(one.ulObjects, "object"));
    all.push_back(PartitionFacts(one));
  }
  absl::PrintF("\n    %s.\n", Count(partitions.size(), "partition"));
  shell.Tell({{"partitions", all}});
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SlotCommands() {
  return {
      {"slot list", "s l", {}, List, "shows the slots", kListData},
      {"slot set", "s s", kSetOptions, Set, "chooses the active slot",
       kSetData},
      {"slot configshow", "s csh", kSlotOptions, ConfigShow,
       "tells where a slot comes from", kConfigData},
      {"slot partitionlist", "s pl", kSlotOptions, PartitionList,
       "lists the partitions of the slot's HSM", kPartitionListData},
  };
}

}  // namespace shell
