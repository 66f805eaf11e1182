// Whether an object may go from one HSM to another: the compatibility matrix
// (docs/COMPATIBILITY.md) as one table, asked by source and by target, for
// each object from the origin that it carries.
#ifndef PERIGEE_HSM_COMPATIBILITY_H_
#define PERIGEE_HSM_COMPATIBILITY_H_

#include "hsm/statement.h"

namespace hsm {

// `origin` is where the object was first backed up from: the source itself
// for an object that never went through a Backup HSM. OK, or
// LUNA_RET_OPERATION_RESTRICTED with a reason ("restricted-restore",
// "backup-firmware", "functionality-modules", "lower-security", "cpv1-policy",
// "partition-version") and a text that names the remedy.
absl::Status CheckTransfer(const Statement& source, const Statement& target,
                           const Statement& origin);

// The refusal that every object of `source` would meet at `target`, whatever
// its origin; OK when there is no such one.
absl::Status CheckRoute(const Statement& source, const Statement& target);

}  // namespace hsm

#endif  // PERIGEE_HSM_COMPATIBILITY_H_
