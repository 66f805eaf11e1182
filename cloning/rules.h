// What both ends of a run ask before an object leaves or enters.
#ifndef PERIGEE_CLONING_RULES_H_
#define PERIGEE_CLONING_RULES_H_

#include "hsm/partition.h"

namespace cloning {

// CKR_USER_NOT_LOGGED_IN without a live login, CKR_USER_NOT_AUTHORIZED for a
// role that clones nothing.
absl::Status CheckLogin(const hsm::LoginRef& login);

// Whether the role and the policies of the partition let this object be
// cloned, out of it or into it.
absl::Status CheckObject(hsm::Partition& partition, const hsm::Login& login,
                         const hsm::AttributeSet& attributes);

// Whether an error about one object is more than that: the run is over.
bool EndsRun(const absl::Status& status);

}  // namespace cloning

#endif  // PERIGEE_CLONING_RULES_H_
