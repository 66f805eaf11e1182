// perigee-backup-hsm: a Backup HSM as a process of its own, reached over a
// socket or as a USB device over USB/IP. The firmware is device/; this file is
// options and signals only.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "device/backup_hsm.h"
#include "device/directory_lock.h"
#include "hsm/durable_files.h"
#include "hsm_io/socket_server.h"
#include "hsm_io/usbip_server.h"

namespace {

constexpr char kUsage[] =
    "Usage: perigee-backup-hsm --state DIR --socket ADDRESS [options]\n"
    "       perigee-backup-hsm --state DIR --usbip PATH [options]\n"
    "\n"
    "Serves the Backup HSM in DIR, making it if there is none.\n"
    "\n"
    "  --state DIR          directory of the device (made, mode 0700)\n"
    "  --socket ADDRESS     a path, or HOST:PORT\n"
    "  --usbip PATH         as a USB device over USB/IP, for one host at a\n"
    "                       time; beside --socket if both are given\n"
    "  --usbip-tcp PORT     the same at 127.0.0.1\n"
    "  --usb-speed SPEED    high or super (high)\n"
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

struct Options {
  std::string state;
  std::string socket;
  std::vector<std::string> usbip;  // addresses
  hsm_io::UsbSpeed usb_speed = hsm_io::UsbSpeed::kHigh;
  std::string fleet;
  bool adopt = false;
  bool fingerprint = false;
  std::string audit_export;
  hsm::AuditSettings audit;
  hsm::HsmSpec spec;
};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "perigee-backup-hsm: %s: %s\n",
               base::CkRvName(base::CkRv(status)).c_str(),
               std::string(status.message()).c_str());
  return 1;
}

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

absl::StatusOr<Options> ParseOptions(int argc, char** argv) {
  static const option kLong[] = {
      {"state", required_argument, nullptr, 's'},
      {"socket", required_argument, nullptr, 'S'},
      {"usbip", required_argument, nullptr, 'u'},
      {"usbip-tcp", required_argument, nullptr, 'U'},
      {"usb-speed", required_argument, nullptr, 'V'},
      {"adopt", no_argument, nullptr, 'a'},
      {"fingerprint", no_argument, nullptr, 'p'},
      {"audit", required_argument, nullptr, 'w'},
      {"audit-journal", no_argument, nullptr, 'j'},
      {"witness", required_argument, nullptr, 'W'},
      {"audit-export", required_argument, nullptr, 'x'},
      {"name", required_argument, nullptr, 'n'},
      {"model", required_argument, nullptr, 'm'},
      {"firmware", required_argument, nullptr, 'f'},
      {"storage", required_argument, nullptr, 'b'},
      {"fleet", required_argument, nullptr, 'F'},
      {"kdf-cost", required_argument, nullptr, 'k'},
      {"attached", required_argument, nullptr, 'A'},
      {"help", no_argument, nullptr, 'h'},
      {nullptr, 0, nullptr, 0}};
  Options options;
  options.spec.name = "backup";
  options.spec.kind = hsm::Kind::kBackup;
  options.spec.model = "luna-g7-backup";
  for (int c; (c = getopt_long(argc, argv, "h", kLong, nullptr)) != -1;) {
    const std::string value = optarg != nullptr ? optarg : "";
    switch (c) {
      case 's':
        options.state = value;
        break;
      case 'S':
        options.socket = value;
        break;
      case 'u':
        options.usbip.push_back(value);
        break;
      case 'U': {
        ASSIGN_OR_RETURN(options.usbip.emplace_back(), ParseUsbipPort(value));
        break;
      }
      case 'V': {
        ASSIGN_OR_RETURN(options.usb_speed, ParseUsbSpeed(value));
        break;
      }
      case 'a':
        options.adopt = true;
        break;
      case 'p':
        options.fingerprint = true;
        break;
      case 'w': {
        ASSIGN_OR_RETURN(options.audit.standard.mode, ParseAudit(value));
        break;
      }
      case 'j':
        options.audit.journal = hsm::kJournalSocket;
        break;
      case 'W':
        RETURN_IF_ERROR(ParseWitness(value, options.audit));
        break;
      case 'x':
        options.audit_export = value;
        break;
      case 'n':
        options.spec.name = value;
        break;
      case 'm':
        options.spec.model = value;
        break;
      case 'F':
        options.fleet = value;
        break;
      case 'f': {
        ASSIGN_OR_RETURN(options.spec.firmware,
                         hsm::FirmwareVersion::Parse(value));
        break;
      }
      case 'b':
        if (!absl::SimpleAtoi(value, &options.spec.storage_bytes)) {
          return BadOption("storage", value);
        }
        break;
      case 'k': {
        ASSIGN_OR_RETURN(options.spec.kdf_cost, ParseKdfCost(value));
        break;
      }
      case 'A': {
        ASSIGN_OR_RETURN(options.spec.attached_to_appliance,
                         ParseAppliance(value));
        break;
      }
      case 'h':
        std::fputs(kUsage, stdout);
        exit(0);
      default:
        return base::Error(CKR_ARGUMENTS_BAD, "try --help");
    }
  }
  if (optind != argc || options.state.empty() ||
      (options.socket.empty() && options.usbip.empty() &&
       !options.fingerprint && options.audit_export.empty())) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "--state and --socket or --usbip are needed; try "
                       "--help");
  }
  if (options.audit.standard.mode == hsm::AuditSettings::Mode::kOff &&
      (!options.audit.witness.empty() || options.audit.tpm.has_value())) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "--witness sees nothing with --audit off");
  }
  return options;
}

// Opens the device, making it first when there is none.
absl::StatusOr<std::unique_ptr<hsm::Hsm>> OpenOrCreate(const Options& options) {
  const std::string directory = options.state + "/hsm";
  absl::StatusOr<std::unique_ptr<hsm::Hsm>> opened = hsm::Hsm::Open(directory);
  if (opened.ok() || base::CkRv(opened.status()) != CKR_TOKEN_NOT_PRESENT) {
    return opened;
  }
  if (mkdir(options.state.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat(options.state, ": cannot be made"));
  }
  const std::string fleet_directory =
      options.fleet.empty() ? options.state + "/factory-root" : options.fleet;
  ASSIGN_OR_RETURN(hsm::Fleet fleet, hsm::Fleet::OpenOrCreate(fleet_directory));
  RETURN_IF_ERROR(hsm::Hsm::Create(options.spec, directory, fleet));
  return hsm::Hsm::Open(directory);
}

// The whole log in a new file.
absl::Status ExportAudit(hsm::AuditLog& log, const std::string& path) {
  RETURN_IF_ERROR(log.Checkpoint(/*exported=*/true).status());
  std::string text;
  for (uint64_t next = 0;;) {
    ASSIGN_OR_RETURN(const hsm::AuditLog::Page page, log.Lines(next, 1 << 20));
    if (page.text.empty()) break;
    text += page.text;
    next = page.next;
  }
  return hsm::WriteNewFile(path, base::AsBytes(text), 0600);
}

// A file descriptor that becomes readable at SIGTERM and SIGINT.
int StopDescriptor() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

// Where the device is reached. USB/IP is named as a host's configuration has
// it.
struct Served {
  std::vector<std::unique_ptr<hsm_io::Listener>> listeners;
  std::vector<hsm_io::Port> ports;
  std::vector<std::string> addresses;
};

absl::Status Listen(const Options& options, const hsm::HsmInfo& info,
                    device::BackupHsm& device, Served& served) {
  const auto listen =
      [&](const std::string& address) -> absl::StatusOr<hsm_io::Listener*> {
    ASSIGN_OR_RETURN(served.listeners.emplace_back(),
                     hsm_io::Listener::Listen(address));
    return served.listeners.back().get();
  };
  const auto plug_in = [&](const hsm_io::Listener& listener) {
    // Over TCP a stranger may knock; adoption then needs the operator's word.
    const bool adoption = options.adopt || !listener.is_tcp();
    return [&device, adoption] { return device.PlugIn(adoption); };
  };
  if (!options.socket.empty()) {
    ASSIGN_OR_RETURN(hsm_io::Listener * listener, listen(options.socket));
    served.ports.push_back(hsm_io::SocketPort(*listener, plug_in(*listener)));
    served.addresses.push_back(listener->address());
  }
  for (const std::string& address : options.usbip) {
    ASSIGN_OR_RETURN(hsm_io::Listener * listener, listen(address));
    served.ports.push_back(hsm_io::UsbipPort(*listener, options.usb_speed,
                                             info.serial, plug_in(*listener)));
    served.addresses.push_back("usbip:" + listener->address());
  }
  return absl::OkStatus();
}

absl::Status Run(const Options& options) {
  // Keys must not reach a core file.
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);

  ASSIGN_OR_RETURN(std::unique_ptr<hsm::Hsm> hsm, OpenOrCreate(options));
  const std::string fingerprint = absl::BytesToHexString(
      base::AsText(hsm->identity()->certificate.key_fingerprint()));
  if (options.fingerprint) {
    std::printf("%s\n", fingerprint.c_str());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      device::DirectoryLock lock,
      device::DirectoryLock::Take(options.state + "/hsm",
                                  device::DirectoryLock::Mode::kDaemon));
  hsm->audit().Configure(options.audit);
  RETURN_IF_ERROR(hsm->audit().CheckWitness());
  if (!options.audit_export.empty()) {
    return ExportAudit(hsm->audit(), options.audit_export);
  }
  ASSIGN_OR_RETURN(hsm::HsmInfo info, hsm->Info());
  ASSIGN_OR_RETURN(std::unique_ptr<device::BackupHsm> device,
                   device::BackupHsm::New(std::move(hsm)));
  const int stop = StopDescriptor();
  Served served;
  RETURN_IF_ERROR(Listen(options, info, *device, served));
  std::printf(
      "perigee-backup-hsm: serving %s (serial %s, firmware %s) at %s\n"
      "perigee-backup-hsm: fingerprint %s\n",
      info.name.c_str(), info.serial.c_str(),
      info.firmware->version.ToString().c_str(),
      absl::StrJoin(served.addresses, " and ").c_str(), fingerprint.c_str());
  std::fflush(stdout);
  return hsm_io::ServePorts(served.ports, stop);
}

}  // namespace

int main(int argc, char** argv) {
  // Debian's Abseil would abort when it believes to see a cycle of locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  absl::StatusOr<Options> options = ParseOptions(argc, argv);
  if (!options.ok()) return Fail(options.status());
  absl::Status status = Run(*options);
  return status.ok() ? 0 : Fail(status);
}
