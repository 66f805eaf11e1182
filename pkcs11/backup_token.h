// A Backup HSM over the device link, as what sits in a slot.
#ifndef PERIGEE_PKCS11_BACKUP_TOKEN_H_
#define PERIGEE_PKCS11_BACKUP_TOKEN_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hsm_io/host_name.h"
#include "hsm_io/messages.h"
#include "hsm_io/transport.h"
#include "pkcs11/config.h"
#include "pkcs11/token.h"

namespace pkcs11 {

// How a Backup HSM is offered to other hosts (hsm_io/remote_backup.h).
struct RemoteOffer {
  std::string address;  // HOST:PORT to listen at
  std::vector<hsm_io::HostName> clients;
  std::optional<absl::Duration> answer_budget;  // else the service's own
  int stop_fd = -1;                             // readable: stop
  std::function<void(absl::string_view)> tell;
};

// What only a Backup HSM's slot can do. Thread-safe.
class BackupDevice {
 public:
  struct Found {
    hsm_io::DeviceInfo info;
    base::Bytes fingerprint;  // SHA-256 of its public key
    bool trusted = false;     // its certificate is under this host's root
  };
  // What answers there, before any trust; CKR_TOKEN_NOT_PRESENT.
  virtual absl::StatusOr<Found> FindDevice() = 0;
  // Makes the device with this fingerprint one of this host's fleet, if
  // `so_pin` is its SO's. Ends the channel and the logins on it.
  virtual absl::Status Adopt(ByteSpan fingerprint,
                             const SecretBytes& so_pin) = 0;
  // Serves other hosts until it is told to stop.
  virtual absl::Status Offer(const RemoteOffer& offer) = 0;
  // A container that is ready for use, or none at all: `pin` is its PO's and
  // its CO's; `domain` may be empty. By the HSM SO.
  virtual absl::StatusOr<SpaceId> CreateBackup(const hsm::PartitionSpec& spec,
                                               const SecretBytes& pin,
                                               ByteSpan domain) = 0;
  // A page of a container's manifests, by a role that is logged in there.
  virtual absl::StatusOr<hsm_io::ReadManifest::Reply> ReadManifest(
      SpaceId space, uint64_t page) = 0;
  // By the role that is logged in on its space.
  virtual absl::StatusOr<hsm_io::RunForecast::Reply> Forecast(
      const hsm_io::RunForecast& request) = 0;

 protected:
  ~BackupDevice() = default;
};

// Null for another kind of token. Lives as long as the token.
BackupDevice* AsBackupDevice(Token& token);

// Makes the token; talks to nobody yet. `fleet_directory` is where the host's
// identity and the trusted root are.
TokenRef NewBackupToken(CK_SLOT_ID slot, const HsmConfig& config,
                        const std::string& fleet_directory);

// For tests: each transport that is made goes through `wrap`.
using WrapTransport = std::function<std::unique_ptr<hsm_io::Transport>(
    std::unique_ptr<hsm_io::Transport>)>;
TokenRef NewBackupTokenForTest(CK_SLOT_ID slot, const HsmConfig& config,
                               const std::string& fleet_directory,
                               WrapTransport wrap);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_BACKUP_TOKEN_H_
