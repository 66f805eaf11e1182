#include "tools/shell/result.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace shell {
namespace {

constexpr char kRvUrl[] = "perigee/rv";
constexpr char kReasonUrl[] = "perigee/reason";
constexpr char kRemedyUrl[] = "perigee/remedy";

// What an operator does about a refusal. Rows with a reason come before the
// row of the same value without one.
struct Remedy {
  CK_RV rv;
  const char* reason;  // null: any
  const char* text;
};

constexpr Remedy kRemedies[] = {
    {CKR_CANCEL, nullptr,
     "HSM policy 12 plays no part on a Backup HSM: restricted restore "
     "(policy 55) is what makes it FIPS compliant."},
    {CKR_USER_NOT_LOGGED_IN, nullptr,
     "Log in first: role login -name so (HSM), po or co (partition). A "
     "new HSM must be initialised before: hsm init."},
    {CKR_USER_PIN_NOT_INITIALIZED, nullptr,
     "The role does not exist yet: the HSM SO comes from hsm init, the "
     "partition SO from partition init, the others from role init."},
    {CKR_USER_ALREADY_LOGGED_IN, nullptr, "The role is logged in already."},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, nullptr,
     "Another role is logged in on this slot: role logout first."},
    {CKR_PIN_EXPIRED, nullptr,
     "The first password of a role is temporary: role changepw."},
    {CKR_PIN_LOCKED, nullptr,
     "CKR_USER_LOCKED_OUT: too many wrong passwords. The partition SO "
     "resets a locked crypto officer where HSM policy 15 allows it; "
     "otherwise initialise again and restore from a backup."},
    {CKR_PIN_LEN_RANGE, nullptr,
     "The password is too short or too long for this HSM."},
    {CKR_CLONING_PARAMETER_MISSING, nullptr,
     "A partition needs a cloning domain before its objects can be copied: "
     "partition domain set -domain <text>."},
    {CKR_CLONING_PARAMETER_ALREADY_EXISTS, nullptr,
     "The domain is set once; a new one needs partition init. From firmware "
     "7.8.0 on, partition domainadd adds further ones."},
    {CKR_CERTIFICATE_INVALID, nullptr,
     "The two partitions have different cloning domains, or the two HSMs "
     "do not belong to one fleet (device adopt)."},
    {CKR_CONTAINER_OBJECT_STORAGE_FULL, nullptr,
     "Make room with partition resize, then finish with partition archive "
     "backup ... -append."},
    {CKR_HSM_STORAGE_FULL, nullptr,
     "Delete a partition that is not needed (partition archive list shows "
     "sizes), or ask for less."},
    {CKR_TOO_MANY_CONTAINERS, nullptr,
     "Delete a partition that is not needed first."},
    {CKR_OBJECT_ALREADY_EXISTS, "conflict",
     "-replace takes the incoming object instead of the one that is there."},
    {CKR_OBJECT_ALREADY_EXISTS, nullptr, "Choose another name."},
    {LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE, nullptr,
     "The change destroys contents and must be confirmed."},
    {CKR_CONFIG_FAILS_DEPENDENCIES, nullptr,
     "Another policy forbids this value: partition policies 0 and 1 are "
     "never both on; set both in one command (-policy 0,1 -value 0,1)."},
    {CKR_TOKEN_NOT_PRESENT, nullptr,
     "Nothing answers in this slot: initialise it (hsm init, partition "
     "init), or start the device that the configuration names."},
    {CKR_TOKEN_NOT_RECOGNIZED, nullptr,
     "Not initialised: hsm init on an HSM's slot, partition init on a "
     "partition's."},
    {CKR_DEVICE_ERROR, "foreign-fleet",
     "The two HSMs do not belong to one fleet. After the loss of a host the "
     "new one takes the device over: device adopt."},
    {CKR_DEVICE_ERROR, "tampered",
     "What is stored was changed behind the HSM's back: perigee store check "
     "says where. Restore the file, or initialise and restore a backup."},
    {CKR_HSM_TAMPERED, nullptr,
     "The HSM SO looks at what happened and clears it: hsm tampershow, then "
     "hsm tamperclear."},
    {CKR_STM_CMD_NON_TRANSPORT, nullptr,
     "The HSM SO takes it out of Secure Transport Mode: stm recover."},
    {CKR_DEVICE_REMOVED, nullptr,
     "It was re-initialised, deleted or zeroized meanwhile, or the device "
     "is gone: slot list shows what is there now."},
    {CKR_SLOT_ID_INVALID, nullptr, "slot list shows the slots."},
    {CKR_SIGNATURE_INVALID, nullptr,
     "perigee-firmware-image makes both files, with the fleet root that the "
     "HSM trusts (the directory fleet of this host's state)."},
    {LUNA_RET_BAD_FW_VERSION, nullptr,
     "An update goes to a newer firmware of the same hardware: "
     "perigee-firmware-image --list shows them. hsm rollbackfw goes back."},
    {LUNA_RET_OPERATION_RESTRICTED, "transport-mode",
     "The HSM SO takes it out of Secure Transport Mode first: stm recover."},
    {LUNA_RET_OPERATION_RESTRICTED, "storage-in-use",
     "Delete backups (partition archive delete), update, and back up again."},
    {CKR_KEY_SIZE_RANGE, nullptr,
     "docs/KEY_PAIRS.md says which sizes of keys are taken."},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, nullptr,
     "key show tells what the key is for; -usage decides that when it is "
     "made."},
    {CKR_OBJECT_HANDLE_INVALID, nullptr,
     "partition contents (or partition archive contents) shows the "
     "handles."},
};

std::string Payload(const absl::Status& status, absl::string_view url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

absl::Status Failure(CK_RV rv, absl::string_view cause,
                     absl::string_view remedy, absl::string_view reason) {
  absl::Status status(absl::StatusCode::kUnknown, cause);
  status.SetPayload(kRvUrl, absl::Cord(absl::StrCat(rv)));
  if (!reason.empty()) status.SetPayload(kReasonUrl, absl::Cord(reason));
  if (!remedy.empty()) status.SetPayload(kRemedyUrl, absl::Cord(remedy));
  return status;
}

CK_RV RvOf(const absl::Status& status) {
  if (status.ok()) return CKR_OK;
  uint64_t rv = CKR_GENERAL_ERROR;
  if (!absl::SimpleAtoi(Payload(status, kRvUrl), &rv)) return CKR_GENERAL_ERROR;
  return rv;
}

std::string ReasonOf(const absl::Status& status) {
  return Payload(status, kReasonUrl);
}

std::string RemedyOf(const absl::Status& status) {
  std::string own = Payload(status, kRemedyUrl);
  if (!own.empty()) return own;
  const CK_RV rv = RvOf(status);
  const std::string reason = ReasonOf(status);
  for (const Remedy& row : kRemedies) {
    if (row.rv == rv && (row.reason == nullptr || reason == row.reason)) {
      return row.text;
    }
  }
  return "";
}

}  // namespace shell
