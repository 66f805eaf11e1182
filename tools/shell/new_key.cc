#include "tools/shell/new_key.h"

#include "tools/shell/text.h"

namespace shell {

absl::StatusOr<NewKey> NewKeyFrom(const Arguments& arguments) {
  NewKey wanted;
  wanted.label = arguments.Text("label");
  if (const std::optional<std::string> id = arguments.Text("id")) {
    wanted.id = BytesOfHex(*id);
    if (wanted.id->empty()) {
      return Failure(CKR_ARGUMENTS_BAD, "-id is not hexadecimal",
                     "An id is bytes: -id 01, -id 0a:1b:2c.");
    }
  }
  if (const std::optional<std::string> usage = arguments.Text("usage")) {
    ASSIGN_OR_RETURN(wanted.usage, ParseUsage(*usage));
  }
  wanted.readable = arguments.Has("readable");
  wanted.extractable = wanted.readable || arguments.Has("extractable");
  return wanted;
}

void SetPlace(const NewKey& wanted, CK_OBJECT_CLASS object_class,
              Template& attributes) {
  attributes.Bool(CKA_TOKEN, true);
  attributes.Text(CKA_LABEL, wanted.label.value_or(""));
  if (wanted.id.has_value()) attributes.Text(CKA_ID, *wanted.id);
  const bool hidden =
      object_class == CKO_PRIVATE_KEY || object_class == CKO_SECRET_KEY;
  attributes.Bool(CKA_PRIVATE, hidden);
  if (!hidden) return;
  attributes.Bool(CKA_SENSITIVE, !wanted.readable);
  attributes.Bool(CKA_EXTRACTABLE, wanted.extractable);
}

}  // namespace shell
