// perigee-backup-hsm: a Backup HSM as a process of its own, reached over a
// socket, as a USB device over USB/IP, or as the USB device that this machine
// is. The firmware is device/; this file is the process only.
#include <errno.h>
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
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "device/backup_hsm.h"
#include "device/directory_lock.h"
#include "hsm/durable_files.h"
#include "hsm_io/gadget.h"
#include "hsm_io/socket_server.h"
#include "hsm_io/usbip_server.h"
#include "tools/backup_hsm/options.h"
#include "tools/backup_hsm/service_manager.h"

namespace {

using backup_hsm::Options;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "perigee-backup-hsm: %s: %s\n",
               base::CkRvName(base::CkRv(status)).c_str(),
               std::string(status.message()).c_str());
  return 1;
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
  std::unique_ptr<hsm_io::ServedLink> gadget;
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
  if (options.gadget) {
    const auto at_cable = [&device] { return device.PlugIn(true); };
    ASSIGN_OR_RETURN(served.gadget, hsm_io::NewGadget(options.gadget_place,
                                                      info.serial, at_cable));
    served.addresses.push_back("usb:" + info.serial);
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
  ASSIGN_OR_RETURN(backup_hsm::ServiceManager manager,
                   backup_hsm::ServiceManager::FromEnvironment());
  Served served;
  RETURN_IF_ERROR(Listen(options, info, *device, served));
  std::printf(
      "perigee-backup-hsm: serving %s (serial %s, firmware %s) at %s\n"
      "perigee-backup-hsm: fingerprint %s\n",
      info.name.c_str(), info.serial.c_str(),
      info.firmware->version.ToString().c_str(),
      absl::StrJoin(served.addresses, " and ").c_str(), fingerprint.c_str());
  std::fflush(stdout);
  manager.Tell("READY=1");
  std::vector<hsm_io::ServedLink*> standing;
  if (served.gadget != nullptr) standing.push_back(served.gadget.get());
  if (manager.watchdog() != nullptr) standing.push_back(manager.watchdog());
  const absl::Status end = hsm_io::ServePorts(served.ports, stop, standing);
  manager.Tell("STOPPING=1");
  return end;
}

}  // namespace

int main(int argc, char** argv) {
  // Debian's Abseil would abort when it believes to see a cycle of locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  absl::StatusOr<Options> options = backup_hsm::ParseOptions(argc, argv);
  if (!options.ok()) return Fail(options.status());
  if (options->help) {
    std::fputs(backup_hsm::Usage(), stdout);
    return 0;
  }
  absl::Status status = Run(*options);
  return status.ok() ? 0 : Fail(status);
}
