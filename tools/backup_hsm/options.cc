#include "tools/backup_hsm/options.h"

#include <getopt.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace backup_hsm {
namespace {

constexpr char kUsage[] =
    "Usage: perigee-backup-hsm --state DIR --socket ADDRESS [options]\n"
    "       perigee-backup-hsm --state DIR --usbip PATH [options]\n"
    "       perigee-backup-hsm --state DIR --gadget UDC [options]\n"
    "\n"
    "Serves the Backup HSM in DIR, making it if there is none.\n"
    "\n"
    "  --state DIR          directory of the device (made, mode 0700)\n"
    "  --socket ADDRESS     a path, or HOST:PORT\n"
    "  --usbip PATH         as a USB device over USB/IP, for one host at a\n"
    "                       time; beside --socket if both are given\n"
    "  --usbip-tcp PORT     the same at 127.0.0.1\n"
    "  --usb-speed SPEED    of --usbip: high or super (high)\n"
    "  --gadget UDC         as the USB device that this machine is, on that\n"
    "                       controller of /sys/class/udc or the only one "
    "(auto);\n"
    "                       perigee-gadget-setup, run by root, makes what it\n"
    "                       needs; beside --socket if both are given\n"
    "  --gadget-configfs DIR  the gadget in configfs\n"
    "                       (/sys/kernel/config/usb_gadget/perigee)\n"
    "  --gadget-mount DIR   its FunctionFS (/run/perigee-gadget)\n"
    "  --adopt              let a new host adopt the device also over TCP\n"
    "  --fingerprint        print the device's fingerprint and end\n"
    "  --audit MODE         open, closed or off: what happens when the audit\n"
    "                       log cannot be written (open)\n"
    "  --audit-journal      each line of it also goes to systemd's journal\n"
    "  --witness WHERE      a file elsewhere (absolute), or tpm:INDEX: what\n"
    "                       lets an older copy of DIR be refused\n"
    "  --audit-export FILE  sign the audit log, write it to a new file and "
    "end\n"
    "\n"
    "When the device is made:\n"
    "  --name NAME          its name (backup)\n"
    "  --model MODEL        row of the model table (luna-g7-backup)\n"
    "  --firmware VERSION   7.3.2, 7.7.1, 7.7.2 (the model's default)\n"
    "  --storage BYTES      capacity (the model's default)\n"
    "  --fleet DIR          the fleet root that signs it; without it the\n"
    "                       device waits for a host to adopt it\n"
    "  --kdf-cost COST      calibrated, approved or test\n"
    "  --attached TO        client or appliance\n";

absl::Status BadOption(absl::string_view name, absl::string_view value) {
  return base::Error(CKR_ARGUMENTS_BAD,
                     absl::StrCat("--", name, ": '", value, "' is not valid"));
}

absl::StatusOr<hsm::KdfCost> ParseKdfCost(absl::string_view text) {
  if (text == "calibrated") return hsm::KdfCost::kCalibrated;
  if (text == "approved") return hsm::KdfCost::kApproved;
  if (text == "test") return hsm::KdfCost::kTest;
  return BadOption("kdf-cost", text);
}

absl::StatusOr<hsm_io::UsbSpeed> ParseUsbSpeed(absl::string_view text) {
  if (text == "high") return hsm_io::UsbSpeed::kHigh;
  if (text == "super") return hsm_io::UsbSpeed::kSuper;
  return BadOption("usb-speed", text);
}

// USB/IP has no authentication of its own, so it never leaves the machine.
absl::StatusOr<std::string> ParseUsbipPort(absl::string_view text) {
  uint32_t port = 0;
  if (!absl::SimpleAtoi(text, &port) || port > 65535) {
    return BadOption("usbip-tcp", text);
  }
  return absl::StrCat("127.0.0.1:", port);
}

absl::StatusOr<bool> ParseAppliance(absl::string_view text) {
  if (text == "client") return false;
  if (text == "appliance") return true;
  return BadOption("attached", text);
}

absl::StatusOr<hsm::AuditSettings::Mode> ParseAudit(absl::string_view text) {
  using Mode = hsm::AuditSettings::Mode;
  if (text == "open") return Mode::kOpen;
  if (text == "closed") return Mode::kClosed;
  if (text == "off") return Mode::kOff;
  return BadOption("audit", text);
}

absl::Status ParseWitness(absl::string_view text, hsm::AuditSettings& audit) {
  const absl::Status set = audit.SetWitness(text);
  if (set.ok()) return set;
  return base::Error(CKR_ARGUMENTS_BAD,
                     absl::StrCat("--witness: ", set.message()));
}

// What an option does with its value (empty for one without).
struct Row {
  const char* name;
  bool has_value;
  absl::Status (*apply)(const std::string& value, Options& options);
};

template <typename T>
absl::Status Set(T& where, absl::StatusOr<T> value) {
  if (!value.ok()) return value.status();
  where = *std::move(value);
  return absl::OkStatus();
}

// An option that is a text, kept as it is.
template <std::string& (*field)(Options&)>
absl::Status Keep(const std::string& value, Options& options) {
  field(options) = value;
  return absl::OkStatus();
}

#define KEEP(field) Keep<+[](Options& o) -> std::string& { return o.field; }>

absl::Status AddUsbip(const std::string& value, Options& options) {
  options.usbip.push_back(value);
  return absl::OkStatus();
}

const Row kRows[] = {
    {"state", true, KEEP(state)},
    {"socket", true, KEEP(socket)},
    {"usbip", true, AddUsbip},
    {"usbip-tcp", true,
     [](const std::string& value, Options& options) {
       return Set(options.usbip.emplace_back(), ParseUsbipPort(value));
     }},
    {"usb-speed", true,
     [](const std::string& value, Options& options) {
       return Set(options.usb_speed, ParseUsbSpeed(value));
     }},
    {"gadget", true,
     [](const std::string& value, Options& options) {
       options.gadget = true;
       options.gadget_place.controller = value;
       return absl::OkStatus();
     }},
    {"gadget-configfs", true, KEEP(gadget_place.configfs)},
    {"gadget-mount", true, KEEP(gadget_place.mount)},
    {"adopt", false,
     [](const std::string&, Options& options) {
       options.adopt = true;
       return absl::OkStatus();
     }},
    {"fingerprint", false,
     [](const std::string&, Options& options) {
       options.fingerprint = true;
       return absl::OkStatus();
     }},
    {"audit", true,
     [](const std::string& value, Options& options) {
       return Set(options.audit.standard.mode, ParseAudit(value));
     }},
    {"audit-journal", false,
     [](const std::string&, Options& options) {
       options.audit.journal = hsm::kJournalSocket;
       return absl::OkStatus();
     }},
    {"witness", true,
     [](const std::string& value, Options& options) {
       return ParseWitness(value, options.audit);
     }},
    {"audit-export", true, KEEP(audit_export)},
    {"name", true, KEEP(spec.name)},
    {"model", true, KEEP(spec.model)},
    {"firmware", true,
     [](const std::string& value, Options& options) -> absl::Status {
       ASSIGN_OR_RETURN(options.spec.firmware,
                        hsm::FirmwareVersion::Parse(value));
       return absl::OkStatus();
     }},
    {"storage", true,
     [](const std::string& value, Options& options) {
       return absl::SimpleAtoi(value, &options.spec.storage_bytes)
                  ? absl::OkStatus()
                  : BadOption("storage", value);
     }},
    {"fleet", true, KEEP(fleet)},
    {"kdf-cost", true,
     [](const std::string& value, Options& options) -> absl::Status {
       ASSIGN_OR_RETURN(options.spec.kdf_cost, ParseKdfCost(value));
       return absl::OkStatus();
     }},
    {"attached", true,
     [](const std::string& value, Options& options) -> absl::Status {
       ASSIGN_OR_RETURN(options.spec.attached_to_appliance,
                        ParseAppliance(value));
       return absl::OkStatus();
     }},
    {"help", false,
     [](const std::string&, Options& options) {
       options.help = true;
       return absl::OkStatus();
     }},
};

#undef KEEP

absl::Status Check(const Options& options) {
  if (options.state.empty() ||
      (options.socket.empty() && options.usbip.empty() && !options.gadget &&
       !options.fingerprint && options.audit_export.empty())) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "--state and --socket, --usbip or --gadget are needed; "
                       "try --help");
  }
  if (options.audit.standard.mode == hsm::AuditSettings::Mode::kOff &&
      (!options.audit.witness.empty() || options.audit.tpm.has_value())) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "--witness sees nothing with --audit off");
  }
  return absl::OkStatus();
}

}  // namespace

const char* Usage() { return kUsage; }

absl::StatusOr<Options> ParseOptions(int argc, char** argv) {
  Options options;
  options.spec.name = "backup";
  options.spec.kind = hsm::Kind::kBackup;
  options.spec.model = "luna-g7-backup";
  std::vector<option> list;
  int help = 0;
  for (const Row& row : kRows) {
    if (std::string(row.name) == "help") help = static_cast<int>(list.size());
    list.push_back({row.name, row.has_value ? required_argument : no_argument,
                    nullptr, static_cast<int>(list.size() + 1000)});
  }
  list.push_back({nullptr, 0, nullptr, 0});
  for (int c; (c = getopt_long(argc, argv, "h", list.data(), nullptr)) != -1;) {
    if (c == 'h') c = help + 1000;
    if (c < 1000) return base::Error(CKR_ARGUMENTS_BAD, "try --help");
    RETURN_IF_ERROR(
        kRows[c - 1000].apply(optarg != nullptr ? optarg : "", options));
    if (options.help) return options;
  }
  if (optind != argc) {
    return base::Error(
        CKR_ARGUMENTS_BAD,
        absl::StrCat("'", argv[optind], "' is no option; try --help"));
  }
  RETURN_IF_ERROR(Check(options));
  return options;
}

}  // namespace backup_hsm
