// The Remote Backup Service: offers a Backup HSM that this host reaches to
// named hosts of its fleet, over TLS. It passes frames on and reads nothing but
// their headers: the secure channel ends at the client and at the device.
#ifndef PERIGEE_HSM_IO_REMOTE_BACKUP_H_
#define PERIGEE_HSM_IO_REMOTE_BACKUP_H_

#include <functional>
#include <memory>
#include <vector>

#include "hsm_io/host_name.h"
#include "hsm_io/link_loop.h"

namespace hsm_io {

struct RemoteBackup {
  std::shared_ptr<const base::Identity> identity;  // of this host
  std::vector<HostName> clients;
  // A new way to the device, not open yet.
  std::function<absl::StatusOr<std::unique_ptr<Transport>>()> device;
  // Lines for an operator: who came, who was refused and why, who went.
  std::function<void(absl::string_view)> tell;

  // At most; fewer where there are many clients, so that none can keep the
  // others out.
  size_t links_per_client = 16;
  // A stranger is a client by then or nothing.
  absl::Duration handshake_budget = absl::Seconds(10);
  // For the rest of a frame that has begun, either way.
  absl::Duration frame_budget = absl::Minutes(1);
  // Without a request.
  absl::Duration idle_budget = absl::Minutes(30);
  // For the device to be there, and for its answer to one request.
  absl::Duration device_budget = absl::Seconds(5);
  absl::Duration answer_budget = absl::Minutes(5);
};

absl::StatusOr<Port> RemoteBackupPort(Listener& listener, RemoteBackup service);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_REMOTE_BACKUP_H_
