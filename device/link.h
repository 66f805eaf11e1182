// What one link of a Backup HSM holds: the logins and the cloning runs of its
// channel. Dropped when the channel ends.
#ifndef PERIGEE_DEVICE_LINK_H_
#define PERIGEE_DEVICE_LINK_H_

#include <map>
#include <memory>

#include "cloning/endpoint.h"
#include "hsm/hsm.h"
#include "hsm_io/server.h"

namespace device {

// Used by the link's one thread.
class Link {
 public:
  explicit Link(hsm::Hsm& hsm) : hsm_(hsm) {}

  void BindTo(hsm_io::Server& server);
  // Ends logins and runs.
  void Drop();

 private:
  void BindHsm(hsm_io::Server& server);
  void BindCondition(hsm_io::Server& server);
  void BindRoles(hsm_io::Server& server);
  void BindContainers(hsm_io::Server& server);
  void BindObjects(hsm_io::Server& server);
  void BindManifests(hsm_io::Server& server);
  void BindForecast(hsm_io::Server& server);
  void BindRuns(hsm_io::Server& server);

  // Ends a login and records that.
  void EndLogin(hsm::Login& login);
  // The partition of a message: 0 the admin partition, or a container;
  // CKR_CONTAINER_HANDLE_INVALID.
  absl::StatusOr<hsm::Partition*> Space(uint32_t space);
  // Null when nobody is logged in there.
  hsm::LoginRef LoginOf(uint32_t space);
  absl::StatusOr<hsm::LoginRef> NeedLogin(uint32_t space);
  absl::Status InitNew(uint32_t space, const hsm_io::CreateContainer& m);
  absl::StatusOr<cloning::Endpoint*> Run(uint32_t run);
  absl::StatusOr<uint32_t> Keep(std::unique_ptr<cloning::Endpoint> endpoint);

  static constexpr size_t kMaxRuns = 16;

  hsm::Hsm& hsm_;
  std::map<uint32_t, hsm::LoginRef> logins_;
  std::map<uint32_t, std::unique_ptr<cloning::Endpoint>> runs_;
  uint32_t next_run_ = 1;
};

}  // namespace device

#endif  // PERIGEE_DEVICE_LINK_H_
