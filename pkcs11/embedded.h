// The embedded Backup HSM: the device's firmware in this process, over a
// directory of this host. The only place of the library, beside library.cc,
// that knows the device's code; everybody else sees bytes of the device link.
#ifndef PERIGEE_PKCS11_EMBEDDED_H_
#define PERIGEE_PKCS11_EMBEDDED_H_

#include <memory>
#include <string>

#include "base/status.h"
#include "hsm_io/server.h"
#include "pkcs11/config.h"

namespace pkcs11 {

// Thread-safe; outlives the links plugged into it.
class EmbeddedDevice {
 public:
  virtual ~EmbeddedDevice() = default;

  // Whether its state was made (by whomever). Makes nothing.
  virtual bool exists() = 0;
  // Makes the state when there is none; of a race one wins.
  virtual absl::Status Create() = 0;
  // The device's end of a new link. CKR_TOKEN_NOT_PRESENT while there is no
  // state, or while the daemon serves it (logged once).
  virtual absl::StatusOr<std::unique_ptr<hsm_io::Server>> PlugIn() = 0;
  // The log that the device keeps in its directory; lives as long as this. The
  // same errors.
  virtual absl::StatusOr<hsm::AuditLog*> AuditLog() = 0;
};

// Touches nothing yet.
std::shared_ptr<EmbeddedDevice> NewEmbeddedDevice(
    const HsmConfig& config, const std::string& fleet_directory);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_EMBEDDED_H_
