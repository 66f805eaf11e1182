// The Backup HSM's firmware: binds the messages of the device link to an Hsm.
// The same code runs embedded in the library, in the daemon, and behind USB.
//
// It keeps nothing between messages but what belongs to a link: logins and
// cloning runs. Everything else is read in the transaction in which it acts,
// so several processes may serve one directory.
#ifndef PERIGEE_DEVICE_BACKUP_HSM_H_
#define PERIGEE_DEVICE_BACKUP_HSM_H_

#include <memory>
#include <string>

#include "hsm/hsm.h"
#include "hsm_io/server.h"

namespace device {

// Thread-safe; outlives the links it made.
class BackupHsm {
 public:
  // `hsm` is of kind backup (CKR_TOKEN_NOT_RECOGNIZED otherwise).
  static absl::StatusOr<std::unique_ptr<BackupHsm>> New(
      std::unique_ptr<hsm::Hsm> hsm);
  ~BackupHsm();

  // The device's end of a new link.
  absl::StatusOr<std::unique_ptr<hsm_io::Server>> PlugIn(bool allow_adoption);

  hsm::Hsm& hsm() { return *hsm_; }

 private:
  explicit BackupHsm(std::unique_ptr<hsm::Hsm> hsm) : hsm_(std::move(hsm)) {}
  std::unique_ptr<hsm::Hsm> hsm_;
};

}  // namespace device

#endif  // PERIGEE_DEVICE_BACKUP_HSM_H_
