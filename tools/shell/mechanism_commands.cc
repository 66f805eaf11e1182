// hsm showmechanism, partition showmechanism.
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"

namespace shell {
namespace {

constexpr Option kOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
    {"mechanism", "m", Kind::kText, false,
     "only those with this in their name, or with this number"},
};

constexpr Shown kData[] = {
    {"mechanisms[].type", "number"},
    {"mechanisms[].name", "\"CKM_AES_GCM\""},
    {"mechanisms[].min_key_size", "number, in the mechanism's own unit"},
    {"mechanisms[].max_key_size", "number"},
    {"mechanisms[].does[]", "\"encrypt\", \"sign\", ..."},
};

struct FlagName {
  CK_FLAGS flag;
  const char* name;
};
constexpr FlagName kFlags[] = {
    {CKF_ENCRYPT, "encrypt"},
    {CKF_DECRYPT, "decrypt"},
    {CKF_DIGEST, "digest"},
    {CKF_SIGN, "sign"},
    {CKF_SIGN_RECOVER, "sign-recover"},
    {CKF_VERIFY, "verify"},
    {CKF_VERIFY_RECOVER, "verify-recover"},
    {CKF_GENERATE, "generate"},
    {CKF_GENERATE_KEY_PAIR, "generate-pair"},
    {CKF_WRAP, "wrap"},
    {CKF_UNWRAP, "unwrap"},
    {CKF_DERIVE, "derive"},
};

std::vector<std::string> WhatItDoes(const CK_MECHANISM_INFO& info) {
  std::vector<std::string> does;
  for (const FlagName& row : kFlags) {
    if (info.flags & row.flag) does.emplace_back(row.name);
  }
  return does;
}

absl::StatusOr<std::vector<CK_MECHANISM_TYPE>> TypesAt(const Module& module,
                                                       CK_SLOT_ID slot) {
  CK_ULONG count = 0;
  RETURN_IF_ERROR(
      module.Check(module.c().C_GetMechanismList(slot, nullptr, &count)));
  std::vector<CK_MECHANISM_TYPE> types(count);
  if (count == 0) return types;
  RETURN_IF_ERROR(
      module.Check(module.c().C_GetMechanismList(slot, types.data(), &count)));
  types.resize(count);
  return types;
}

absl::Status Show(Shell& shell, const Arguments& arguments) {
  const Module& module = shell.module();
  // Names are in capitals.
  const std::string wanted =
      absl::AsciiStrToUpper(arguments.Text("mechanism").value_or(""));
  const std::optional<CK_ULONG> number =
      ParseNumber(arguments.Text("mechanism").value_or(""));
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const std::vector<CK_MECHANISM_TYPE> types,
                   TypesAt(module, slot));
  absl::PrintF("\n");
  Json all = Json::array();
  for (const CK_MECHANISM_TYPE type : types) {
    char name[64];
    RETURN_IF_ERROR(
        module.Check(module.perigee().MechanismName(type, name, sizeof name)));
    if (number.has_value() ? type != *number
                           : !absl::StrContains(name, wanted)) {
      continue;
    }
    CK_MECHANISM_INFO info = {};
    RETURN_IF_ERROR(
        module.Check(module.c().C_GetMechanismInfo(slot, type, &info)));
    const std::vector<std::string> does = WhatItDoes(info);
    absl::PrintF("        0x%08x  %-36s %d to %d  %s\n", type, name,
                 info.ulMinKeySize, info.ulMaxKeySize,
                 absl::StrJoin(does, ", "));
    all.push_back({{"type", type},
                   {"name", name},
                   {"min_key_size", info.ulMinKeySize},
                   {"max_key_size", info.ulMaxKeySize},
                   {"does", does}});
  }
  shell.Tell({{"mechanisms", all}});
  if (!all.empty()) return absl::OkStatus();
  return Failure(
      CKR_MECHANISM_INVALID,
      types.empty() ? absl::StrCat("slot ", slot, " does no cryptography")
                    : "no mechanism is called so",
      types.empty() ? "A Backup HSM and an HSM's own slot keep and copy only."
                    : "Without -mechanism all are shown.");
}

}  // namespace

std::vector<Command> MechanismCommands() {
  return {
      {"hsm showmechanism", "hsm sm", kOptions, Show,
       "shows what the slot's mechanisms do", kData},
      {"partition showmechanism", "par sm", kOptions, Show,
       "shows what the slot's mechanisms do", kData},
  };
}

}  // namespace shell
