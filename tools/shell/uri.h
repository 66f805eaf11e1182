// pkcs11: URIs (RFC 7512) as far as they name objects: path attributes only.
// A query (pin-value, module-path, ...) is refused, as are attributes that
// would have no effect here.
#ifndef PERIGEE_TOOLS_SHELL_URI_H_
#define PERIGEE_TOOLS_SHELL_URI_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/cryptoki.h"

namespace shell {

// What is not given matches everything.
struct Uri {
  std::optional<std::string> token;  // label of the token
  std::optional<std::string> manufacturer;
  std::optional<std::string> model;
  std::optional<std::string> serial;
  std::optional<CK_SLOT_ID> slot;
  std::optional<std::string> object;  // CKA_LABEL, bytes
  std::optional<std::string> id;      // CKA_ID, bytes
  std::optional<CK_OBJECT_CLASS> type;
};

// Whether the text begins with "pkcs11:".
bool IsUri(absl::string_view text);

// CKR_ARGUMENTS_BAD with what is wrong and what is possible.
absl::StatusOr<Uri> ParseUri(absl::string_view text);

// "pkcs11:token=app;id=%01;object=web;type=private". An id is encoded byte by
// byte; a class that RFC 7512 has no name for is left out.
std::string UriText(const Uri& uri);

// The class that RFC 7512 (or a common other word) names: "private",
// "public", "secret-key", "cert", "data".
std::optional<CK_OBJECT_CLASS> ClassOfName(absl::string_view name);
// Empty for a class without a name.
absl::string_view NameOfClass(CK_OBJECT_CLASS object_class);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_URI_H_
