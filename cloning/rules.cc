// Roles and policies of cloning; compatibility is hsm/compatibility.h.
#include "cloning/rules.h"

#include <algorithm>
#include <limits>

#include "hsm/compatibility.h"
#include "hsm/hsm.h"

namespace cloning {
namespace {

struct RoleRule {
  hsm::Role role;
  bool private_objects;
};
// Who clones at all.
constexpr RoleRule kRoles[] = {
    {hsm::Role::kCo, true}, {hsm::Role::kCu, false}, {hsm::Role::kLco, false}};

const RoleRule* FindRole(hsm::Role role) {
  const auto* end = std::end(kRoles);
  const auto* it =
      std::find_if(std::begin(kRoles), end,
                   [&](const RoleRule& r) { return r.role == role; });
  return it == end ? nullptr : it;
}

}  // namespace

absl::Status CheckLogin(const hsm::LoginRef& login) {
  if (login == nullptr || login->ended()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "cloning needs a login");
  }
  if (FindRole(login->role()) == nullptr) {
    return base::ErrorWithReason(CKR_USER_NOT_AUTHORIZED, "role",
                                 "cloning needs the Crypto Officer");
  }
  return absl::OkStatus();
}

absl::StatusOr<Negotiation> NegotiationOf(hsm::Partition& partition,
                                          const hsm::Login& login) {
  Negotiation negotiation;
  ASSIGN_OR_RETURN(const hsm::Hsm::ClockReading clock, partition.hsm().Clock());
  negotiation.clock_set = clock.set;
  ASSIGN_OR_RETURN(const std::vector<uint8_t> off, partition.SuitesOff(login));
  negotiation.suites = AvailableSuites(off);
  return negotiation;
}

absl::Status CheckArrival(hsm::Partition& partition, hsm::Role role,
                          const hsm::Statement& source,
                          const hsm::Statement& own,
                          const hsm::Statement& origin,
                          const hsm::AttributeSet& attributes) {
  RETURN_IF_ERROR(hsm::CheckTransfer(source, own, origin));
  return CheckObject(partition, role, attributes);
}

absl::StatusOr<Room> Room::Of(hsm::Partition& partition) {
  ASSIGN_OR_RETURN(const hsm::StorageInfo storage, partition.Storage());
  return Room(storage.total == CK_UNAVAILABLE_INFORMATION
                  ? std::numeric_limits<uint64_t>::max() / 2
                  : storage.free);
}

absl::Status Room::Take(uint64_t cost, uint64_t given_back) {
  full_ = full_ || cost > bytes_ + given_back;
  if (full_) {
    return base::Error(CKR_CONTAINER_OBJECT_STORAGE_FULL,
                       "the target partition is full");
  }
  bytes_ = bytes_ + given_back - cost;
  return absl::OkStatus();
}

absl::Status CheckObject(hsm::Partition& partition, hsm::Role who,
                         const hsm::AttributeSet& attributes) {
  const RoleRule* role = FindRole(who);
  // Absent counts as private: nothing is given away by leaving it out.
  const bool is_private = attributes.Bool(CKA_PRIVATE).value_or(true);
  if (role == nullptr || (is_private && !role->private_objects)) {
    return base::ErrorWithReason(
        CKR_USER_NOT_AUTHORIZED, "role",
        "only the Crypto Officer clones private objects");
  }
  return partition.CheckExport(attributes);
}

bool EndsRun(const absl::Status& status) {
  switch (base::CkRv(status)) {
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_DEVICE_REMOVED:
    case CKR_PIN_EXPIRED:
    case CKR_FUNCTION_FAILED:
    case CKR_GENERAL_ERROR:
    case CKR_HOST_MEMORY:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return true;
    default:
      return false;
  }
}

}  // namespace cloning
