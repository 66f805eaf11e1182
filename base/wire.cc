#include "base/wire.h"

#include "absl/strings/str_cat.h"

namespace wire {

absl::Status Reader::Finish(absl::string_view what) const {
  if (!ok_) {
    return base::Error(CKR_DEVICE_ERROR, absl::StrCat("malformed ", what));
  }
  if (!in_.empty()) {
    return base::Error(CKR_DEVICE_ERROR,
                       absl::StrCat("trailing bytes after ", what));
  }
  return absl::OkStatus();
}

}  // namespace wire
