// appid info, set, open, close: a login that stays when its last session
// closes, for as long as the process lives.
#include <cstdio>

#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Option kSetOptions[] = {
    {"major", "m", Kind::kNumber, true, "the first half of the id"},
    {"minor", "i", Kind::kNumber, true, "the second half"},
};

constexpr Option kSlotOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
    {"major", "m", Kind::kNumber, true, "the first half of the id"},
    {"minor", "i", Kind::kNumber, true, "the second half"},
};

constexpr Shown kInfoData[] = {{"id", "16 bytes in hexadecimal"}};

absl::Status Info(Shell& shell, const Arguments&) {
  CK_APPLICATION_ID id = {};
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().ca().CA_GetApplicationID(&id)));
  const std::string text = HexText(id.id);
  absl::PrintF("\n%s", Field("Application Id", text));
  absl::PrintF(
      "    A login belongs to this process; other processes do not share "
      "it.\n");
  shell.Tell({{"id", text}});
  return absl::OkStatus();
}

absl::Status Set(Shell& shell, const Arguments& arguments) {
  return shell.module().Check(shell.module().ca().CA_SetApplicationID(
      *arguments.Number("major"), *arguments.Number("minor")));
}

absl::Status Open(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  return shell.module().Check(shell.module().ca().CA_OpenApplicationID(
      slot, *arguments.Number("major"), *arguments.Number("minor")));
}

absl::Status Close(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  return shell.module().Check(shell.module().ca().CA_CloseApplicationID(
      slot, *arguments.Number("major"), *arguments.Number("minor")));
}

}  // namespace

std::vector<Command> ApplicationIdCommands() {
  return {
      {"appid info",
       "app i",
       {},
       Info,
       "shows the application id of this process",
       kInfoData},
      {"appid set", "app s", kSetOptions, Set,
       "sets it for the sessions to come"},
      {"appid open", "app o", kSlotOptions, Open,
       "keeps the login of a slot while the id is open"},
      {"appid close", "app c", kSlotOptions, Close,
       "ends that; logs out when no session is open"},
  };
}

}  // namespace shell
