// What both ends of a run ask before an object leaves or enters.
#ifndef PERIGEE_CLONING_RULES_H_
#define PERIGEE_CLONING_RULES_H_

#include "cloning/protocol_version.h"
#include "hsm/partition.h"

namespace cloning {

// CKR_USER_NOT_LOGGED_IN without a live login, CKR_USER_NOT_AUTHORIZED for a
// role that clones nothing.
absl::Status CheckLogin(const hsm::LoginRef& login);

// What the partition and its HSM bring to CPv4: the clock, and the suites that
// are available and not switched off.
absl::StatusOr<Negotiation> NegotiationOf(hsm::Partition& partition,
                                          const hsm::Login& login);

// Whether the role and the policies of the partition let this object be
// cloned, out of it or into it.
absl::Status CheckObject(hsm::Partition& partition, hsm::Role role,
                         const hsm::AttributeSet& attributes);

// All that the target asks of an object before it looks for one like it:
// compatibility, role, policies.
absl::Status CheckArrival(hsm::Partition& partition, hsm::Role role,
                          const hsm::Statement& source,
                          const hsm::Statement& own,
                          const hsm::Statement& origin,
                          const hsm::AttributeSet& attributes);

// The target's storage while objects are decided on, in order: behind the first
// that does not fit nothing does.
class Room {
 public:
  explicit Room(uint64_t bytes) : bytes_(bytes) {}
  // Of a partition as it is now.
  static absl::StatusOr<Room> Of(hsm::Partition& partition);
  // CKR_CONTAINER_OBJECT_STORAGE_FULL.
  absl::Status Take(uint64_t cost, uint64_t given_back);
  uint64_t bytes() const { return bytes_; }
  bool full() const { return full_; }
  void set_full(bool full) { full_ = full; }

 private:
  uint64_t bytes_;
  bool full_ = false;
};

// Whether an error about one object is more than that: the run is over.
bool EndsRun(const absl::Status& status);

}  // namespace cloning

#endif  // PERIGEE_CLONING_RULES_H_
