// What systemd asks of a service with Type=notify: a word when it serves, and
// one now and then as long as it does (sd_notify(3)), without its library.
#ifndef PERIGEE_TOOLS_BACKUP_HSM_SERVICE_MANAGER_H_
#define PERIGEE_TOOLS_BACKUP_HSM_SERVICE_MANAGER_H_

#include <memory>
#include <string>

#include "hsm_io/link_loop.h"

namespace backup_hsm {

class ServiceManager {
 public:
  // As NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say; without them there is
  // nobody to tell. An error when they cannot be meant.
  static absl::StatusOr<ServiceManager> FromEnvironment();

  // Best effort, as sd_notify is.
  void Tell(const std::string& text) const;
  // To be served with the rest; null when none is wanted.
  hsm_io::ServedLink* watchdog() const { return watchdog_.get(); }

 private:
  std::string socket_;
  std::unique_ptr<hsm_io::ServedLink> watchdog_;
};

}  // namespace backup_hsm

#endif  // PERIGEE_TOOLS_BACKUP_HSM_SERVICE_MANAGER_H_
