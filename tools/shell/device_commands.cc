// device show, adopt: what answers at a Backup HSM's slot before it is
// trusted, and how it becomes one of this host's.
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr Option kShowOptions[] = {
    {"slot", "s", Kind::kNumber, false, "one slot only", Names::kSlot},
};

constexpr Shown kDevice[] = {
    {"devices[].slot", "number"},
    {"devices[].label", "text"},
    {"devices[].serial", "text"},
    {"devices[].model", "text"},
    {"devices[].firmware", "\"7.7.1\""},
    {"devices[].initialized", "true or false"},
    {"devices[].trusted", "it belongs to this host's fleet"},
    {"devices[].adoption_allowed", "true or false"},
    {"devices[].fingerprint", "of its key, hexadecimal"},
};

Json DeviceFacts(CK_SLOT_ID slot, const PERIGEE_DEVICE& device) {
  const auto has = [&](CK_FLAGS flag) { return (device.flags & flag) != 0; };
  return {{"slot", slot},
          {"label", CleanText(device.label)},
          {"serial", CleanText(device.serial)},
          {"model", CleanText(device.model)},
          {"firmware", VersionText(device.ulFirmware)},
          {"initialized", has(PERIGEE_DEVICE_INITIALIZED)},
          {"trusted", has(PERIGEE_DEVICE_TRUSTED)},
          {"adoption_allowed", has(PERIGEE_DEVICE_ADOPTION_ALLOWED)},
          {"fingerprint", HexText(device.fingerprint)}};
}

absl::StatusOr<PERIGEE_DEVICE> DeviceAt(const Shell& shell, CK_SLOT_ID slot) {
  PERIGEE_DEVICE device = {};
  device.ulSize = sizeof device;
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().DeviceFingerprint(slot, &device)));
  return device;
}

void PrintFingerprint(const PERIGEE_DEVICE& device) {
  const std::string print = FingerprintText(device.fingerprint);
  absl::PrintF("%s", SlotField("Fingerprint", print.substr(0, 39)));
  absl::PrintF("%28s%s\n", "", print.substr(40));
}

void PrintDevice(CK_SLOT_ID slot, const PERIGEE_DEVICE& device) {
  const auto yes = [&](CK_FLAGS flag) {
    return device.flags & flag ? "Yes" : "No";
  };
  absl::PrintF("\n%s", SlotField("Slot Id", absl::StrCat(slot)));
  absl::PrintF("%s", SlotField("Label", CleanText(device.label)));
  absl::PrintF("%s", SlotField("Serial Number", CleanText(device.serial)));
  absl::PrintF("%s", SlotField("Model", CleanText(device.model)));
  absl::PrintF("%s",
               SlotField("Firmware Version", VersionText(device.ulFirmware)));
  absl::PrintF("%s", SlotField("Initialized", yes(PERIGEE_DEVICE_INITIALIZED)));
  absl::PrintF("%s", SlotField("Trusted", yes(PERIGEE_DEVICE_TRUSTED)));
  absl::PrintF("%s", SlotField("Adoption Allowed",
                               yes(PERIGEE_DEVICE_ADOPTION_ALLOWED)));
  PrintFingerprint(device);
}

absl::Status Show(Shell& shell, const Arguments& arguments) {
  if (arguments.Has("slot")) {
    ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
    ASSIGN_OR_RETURN(const PERIGEE_DEVICE device, DeviceAt(shell, slot));
    PrintDevice(slot, device);
    shell.Tell({{"devices", Json::array({DeviceFacts(slot, device)})}});
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, shell.Slots());
  size_t shown = 0;
  Json all = Json::array();
  for (const CK_SLOT_ID slot : slots) {
    const absl::StatusOr<PERIGEE_DEVICE> device = DeviceAt(shell, slot);
    if (!device.ok() && RvOf(device.status()) == CKR_SLOT_ID_INVALID) {
      continue;
    }
    ++shown;
    if (device.ok()) {
      PrintDevice(slot, *device);
      all.push_back(DeviceFacts(slot, *device));
      continue;
    }
    absl::PrintF("\n%s", SlotField("Slot Id", absl::StrCat(slot)));
    absl::PrintF("%s", SlotField("Device",
                                 shell.module().NameOf(RvOf(device.status()))));
    absl::PrintF("    %s\n", std::string(device.status().message()));
  }
  shell.Tell({{"devices", all}});
  if (shown == 0) absl::PrintF("\n    No slot is a Backup HSM's.\n");
  return absl::OkStatus();
}

constexpr Option kAdoptOptions[] = {
    {"slot", "s", Kind::kNumber, false, "slot of the device (the active one)",
     Names::kSlot},
    {"fingerprint", "fi", Kind::kText, false,
     "what the device itself shows; adopts no other"},
    {"sopassword", "sop", Kind::kSecret, false,
     "of the device's HSM SO, when it has one"},
    {"force", "f", Kind::kFlag, false, "no question; needs -fingerprint"},
};

absl::Status Adopt(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_DEVICE device, DeviceAt(shell, slot));
  PrintDevice(slot, device);
  const std::optional<std::string> expected = arguments.Text("fingerprint");
  if (expected.has_value()) {
    const std::string bytes = BytesOfHex(*expected);
    if (bytes.size() != sizeof device.fingerprint ||
        std::memcmp(bytes.data(), device.fingerprint, bytes.size()) != 0) {
      return Failure(CKR_CERTIFICATE_INVALID,
                     "the fingerprint is not that of the device that answers",
                     "Compare with perigee-backup-hsm --fingerprint; "
                     "somebody else may be answering.");
    }
  } else {
    if (arguments.Has("force")) {
      return Failure(CKR_ARGUMENTS_BAD, "-force needs a -fingerprint",
                     "Take it from the device itself: perigee-backup-hsm "
                     "--fingerprint.");
    }
    RETURN_IF_ERROR(shell.Confirm(
        arguments,
        "This device will be trusted with backups. Compare the fingerprint "
        "with the one\n    that the device itself shows (perigee-backup-hsm "
        "prints it when it starts)."));
  }
  SecretText password;
  if ((device.flags & PERIGEE_DEVICE_INITIALIZED) != 0) {
    ASSIGN_OR_RETURN(password, shell.Secret(arguments, "sopassword",
                                            "password for HSM SO of the device",
                                            Shell::Entry::kOnce));
  }
  shell.CloseSessions(slot);
  const absl::Status adopted =
      shell.module().Check(shell.module().perigee().AdoptDevice(
          slot, device.fingerprint, sizeof device.fingerprint,
          password.RevealBytes(), password.size()));
  RETURN_IF_ERROR(
      shell.ExplainPin(adopted, slot, PERIGEE_OWN_CONTAINER, CKU_SO));
  absl::PrintF(
      "\n    The device belongs to this host's fleet now; its contents "
      "are as before.\n");
  const absl::StatusOr<PERIGEE_DEVICE> now = DeviceAt(shell, slot);
  if (now.ok()) {
    absl::PrintF(
        "    Its fingerprint stays the same. Write it down: whoever has to "
        "adopt the device next\n    compares it.\n\n");
    PrintFingerprint(*now);
    shell.Tell({{"devices", Json::array({DeviceFacts(slot, *now)})}});
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> DeviceCommands() {
  return {
      {"device show", "dev s", kShowOptions, Show,
       "shows the Backup HSMs that answer, and their fingerprints", kDevice},
      {"device adopt", "dev a", kAdoptOptions, Adopt,
       "makes a Backup HSM one of this host's", kDevice},
      {"device enrol", "dev e", kAdoptOptions, Adopt,
       "the same, for one that belongs to nobody yet", kDevice},
  };
}

}  // namespace shell
