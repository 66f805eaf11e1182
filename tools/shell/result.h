// What a command ends with: OK, or a PKCS#11 return value with its cause, the
// machine-readable reason and what to do about it.
#ifndef PERIGEE_TOOLS_SHELL_RESULT_H_
#define PERIGEE_TOOLS_SHELL_RESULT_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/cryptoki.h"

namespace shell {

// `cause` is a sentence for the operator. An empty `remedy` is looked up by
// the return value (result.cc has the table).
absl::Status Failure(CK_RV rv, absl::string_view cause,
                     absl::string_view remedy = "",
                     absl::string_view reason = "");

CK_RV RvOf(const absl::Status& status);
std::string ReasonOf(const absl::Status& status);
std::string RemedyOf(const absl::Status& status);

}  // namespace shell

#define SHELL_JOIN_(a, b) a##b
#define SHELL_JOIN(a, b) SHELL_JOIN_(a, b)

#define RETURN_IF_ERROR(expression)              \
  do {                                           \
    absl::Status shell_status = (expression);    \
    if (!shell_status.ok()) return shell_status; \
  } while (false)

#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_(SHELL_JOIN(shell_or_, __COUNTER__), target, expression)
#define ASSIGN_OR_RETURN_(temporary, target, expression) \
  auto temporary = (expression);                         \
  if (!temporary.ok()) return temporary.status();        \
  target = std::move(temporary).value()

#endif  // PERIGEE_TOOLS_SHELL_RESULT_H_
