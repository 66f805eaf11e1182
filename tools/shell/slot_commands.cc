// slot list, slot set.
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

absl::Status List(Shell& shell, const Arguments&) {
  ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, shell.Slots());
  for (const CK_SLOT_ID slot : slots) PrintSlot(shell, slot);
  absl::PrintF("\n    Current Slot Id: %d\n", shell.slot());
  return absl::OkStatus();
}

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
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SlotCommands() {
  return {
      {"slot list", "s l", {}, List, "shows the slots"},
      {"slot set", "s s", kSetOptions, Set, "chooses the active slot"},
  };
}

}  // namespace shell
