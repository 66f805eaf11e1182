// The configuration: which HSMs there are, where their state is, logging.
// docs/CONFIGURATION.md describes the file for users.
#ifndef PERIGEE_PKCS11_CONFIG_H_
#define PERIGEE_PKCS11_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "hsm/hsm.h"
#include "pkcs11/mechanism.h"

namespace pkcs11 {

struct PartitionConfig {
  hsm::PartitionSpec spec;
  std::optional<uint64_t> slot;  // asked for; else the next number
  // Read at each start, not kept in the store.
  Profile profile = Profile::kStrict;
};

struct HsmConfig {
  // What to create when there is no state yet; its `partitions` are those
  // below.
  hsm::HsmSpec spec;
  std::vector<PartitionConfig> partitions;
  std::optional<uint64_t> slot;  // of the HSM's own (admin, backup) slot
  // "embedded", "socket:PATH", "socket:HOST:PORT", "usbip:PATH",
  // "usbip:HOST:PORT" (with "@BUSID" behind it if wanted), "usb:SERIAL", "usb:"
  // (the only one there), "tls:HOST:PORT" (with "@NAME" of the server).
  // Application HSMs are embedded.
  std::string transport = "embedded";
  std::string store;  // absolute; the HSM's directory
  hsm::AuditSettings audit;

  bool embedded() const { return transport == "embedded"; }
};

// Immutable once loaded.
struct Config {
  std::string file;             // empty: the built-in defaults
  std::string state_directory;  // absolute
  bool list_admin_slots = false;
  base::LogSettings log;
  std::string trace;  // where to, as pkcs11/trace.h says
  std::vector<HsmConfig> hsms;

  std::string fleet_directory() const { return state_directory + "/fleet"; }
};

// What the rules for directories and files look at. Tests make their own.
struct Environment {
  // Each empty when not set (or not to be trusted: secure_getenv).
  std::string perigee_conf, perigee_state_dir, perigee_log, perigee_trace;
  std::string xdg_config_home, xdg_state_home, home;
  // Of a Luna client: ChrystokiConfigurationPath, and the file of the system.
  std::string chrystoki_directory, chrystoki_system_file;
  bool is_root = false;
  bool system_state_usable = false;  // /var/lib/perigee can be written

  static Environment OfProcess();
};

// Finds and reads the file, or gives the defaults. Errors are
// CKR_GENERAL_ERROR and name file, line and cause. Touches no state.
absl::StatusOr<Config> LoadConfig(const Environment& environment);

// What PERIGEE_LOG says; the default when it is not set. CKR_GENERAL_ERROR.
absl::StatusOr<base::LogSettings> LogOf(const Environment& environment);

// The text of a file; `file` is its name for messages.
absl::StatusOr<Config> ParseConfig(absl::string_view text,
                                   const std::string& file,
                                   const Environment& environment);

// Where state lives when neither the environment nor the file says.
std::string DefaultStateDirectory(const Environment& environment);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_CONFIG_H_
