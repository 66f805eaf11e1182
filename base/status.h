// Errors that carry the exact CK_RV from where it was known to the caller.
//
// Everything fallible returns absl::Status or absl::StatusOr. base::Error is
// the normal way to make one: the canonical code says what the caller can do
// (the table is in docs/ARCHITECTURE.md, "Errors"), the payload is the CK_RV.
// Messages are for the log and never hold secrets.
#ifndef PERIGEE_BASE_STATUS_H_
#define PERIGEE_BASE_STATUS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/cryptoki.h"

namespace base {

// An error with return value `rv` (not CKR_OK). The canonical code is derived
// from `rv` by one table in status.cc.
absl::Status Error(CK_RV rv, absl::string_view message);

// The same with a machine-readable reason beside it ("restricted-restore"),
// for a return value that has several causes. Crosses the device link.
absl::Status ErrorWithReason(CK_RV rv, absl::string_view reason,
                             absl::string_view message);

// The return value in `status`: CKR_OK for an OK status; the payload if there
// is one; otherwise the default of the canonical code.
CK_RV CkRv(const absl::Status& status);

// The reason in `status`, or an empty text.
std::string Reason(const absl::Status& status);

// The specification's (or the vendor's) name of `rv`, "CKR_PIN_LOCKED"; for
// an unknown number its hexadecimal form.
std::string CkRvName(CK_RV rv);

}  // namespace base

#define PERIGEE_CONCAT_INNER_(a, b) a##b
#define PERIGEE_CONCAT_(a, b) PERIGEE_CONCAT_INNER_(a, b)

// Returns from the enclosing function when `expr` is not OK.
#define RETURN_IF_ERROR(expr)                          \
  do {                                                 \
    absl::Status perigee_status_ = (expr);             \
    if (!perigee_status_.ok()) return perigee_status_; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, Make()); declares or assigns, or returns the error.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(PERIGEE_CONCAT_(status_or_, __COUNTER__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr)   \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = std::move(tmp).value()

#endif  // PERIGEE_BASE_STATUS_H_
