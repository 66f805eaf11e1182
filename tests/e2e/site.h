// A host's files and its devices: a directory with the configuration, the
// state, and a daemon for each Backup HSM that is not embedded.
#ifndef PERIGEE_TESTS_E2E_SITE_H_
#define PERIGEE_TESTS_E2E_SITE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/e2e/remote_service.h"
#include "tests/e2e/usb_bus.h"

namespace e2e {

// How Backup HSMs are reached: in the process, the daemon over a socket, the
// daemon as a USB device (which one host at a time may have) over USB/IP, or
// through libusb as one of an emulated bus (usb_bus.h); or over another host,
// which reaches the daemon over a socket and offers it (remote_service.h).
enum class Link { kEmbedded, kSocket, kUsbip, kUsb, kRemote };
std::string LinkName(Link link);

struct AppHsm {
  std::string name = "app";
  std::string model = "perigee";
  std::string firmware = "";  // the model's
  std::string fm = "never";
  // Lines of each partition's table: "policies = { 42 = 1 }".
  std::vector<std::string> partitions = {""};
};

struct BackupHsm {
  std::string name = "backup";
  std::string model = "luna-g7-backup";
  std::string firmware = "";
  std::string attached = "client";
  unsigned long long storage = 0;  // the model's
};

// Slots in this order: the partitions of `apps`, the Backup HSMs, the admin
// slots of `apps`.
struct Plan {
  Link link = Link::kEmbedded;
  std::vector<AppHsm> apps = {AppHsm()};
  std::vector<BackupHsm> backups = {BackupHsm()};
};

// A temporary directory, gone with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void WriteFile(const std::string& path, const std::string& text);
std::string ReadFile(const std::string& path);

class Site {
 public:
  // Writes the configuration and starts the daemons, enrolled under the fleet
  // root of this host. Every PIN costs next to nothing.
  explicit Site(Plan plan);
  // A new host beside the devices of another one, which keep running: same
  // plan, nothing else in common.
  Site(const Site& devices_of, Plan plan);

  const Plan& plan() const { return plan_; }
  const std::string& path() const { return directory_.path(); }
  std::string state() const { return path() + "/state"; }
  std::string config() const { return path() + "/perigee.toml"; }
  std::string socket(const std::string& backup = "backup") const;
  Daemon& daemon(const std::string& backup = "backup");
  // Of Link::kRemote.
  RemoteService& remote(const std::string& backup = "backup");
  // After daemons of Link::kUsb have ended: starts them and plugs all in.
  void Replug();

  // Writes the configuration anew with other sockets; the next Initialize
  // reads it.
  void RedirectSocket(const std::string& backup, const std::string& address);
  // Points this process's environment here.
  void Use() const;

 private:
  void WriteConfig() const;
  std::string AddressOf(const BackupHsm& backup) const;
  void StartDaemon(const BackupHsm& backup);
  void StartRemote(const std::string& backup);
  void Plug();

  const Plan plan_;
  TemporaryDirectory directory_;
  std::map<std::string, std::string> sockets_;  // that are not here
  std::map<std::string, std::unique_ptr<Daemon>> daemons_;
  std::map<std::string, std::unique_ptr<RemoteService>> remotes_;
  std::unique_ptr<UsbBus> bus_;  // goes first
};

}  // namespace e2e

#endif  // PERIGEE_TESTS_E2E_SITE_H_
