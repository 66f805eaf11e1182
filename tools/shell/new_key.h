// What a person wants of a key that is made or imported: the options that
// `key generate` and `key import` share.
#ifndef PERIGEE_TOOLS_SHELL_NEW_KEY_H_
#define PERIGEE_TOOLS_SHELL_NEW_KEY_H_

#include <optional>
#include <string>
#include <vector>

#include "tools/shell/key_types.h"
#include "tools/shell/shell.h"

namespace shell {

inline constexpr char kUsageHelp[] =
    "with commas: sign, decrypt, wrap, derive, encapsulate";
inline constexpr char kExtractableHelp[] =
    "may leave the HSM wrapped under another key";
inline constexpr char kReadableHelp[] =
    "may leave the HSM in plaintext (CKA_SENSITIVE false)";

struct NewKey {
  std::optional<std::string> label;
  std::optional<std::string> id;  // bytes
  std::optional<std::vector<Use>> usage;
  bool extractable = false;
  bool readable = false;
};

// -label, -id, -usage, -extractable, -readable. CKR_ARGUMENTS_BAD.
absl::StatusOr<NewKey> NewKeyFrom(const Arguments& arguments);

// Token object, label, id, and for keys what protects them.
void SetPlace(const NewKey& wanted, CK_OBJECT_CLASS object_class,
              Template& attributes);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_NEW_KEY_H_
