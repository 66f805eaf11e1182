// The cache of decoded keys; the rest of an object never changes.
#include "hsm/object.h"

namespace hsm {

absl::StatusOr<std::shared_ptr<void>> Object::Decoded(
    uint64_t kind,
    absl::FunctionRef<absl::StatusOr<std::shared_ptr<void>>()> make) const {
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [known, decoded] : decoded_) {
      if (known == kind) return decoded;
    }
  }
  ASSIGN_OR_RETURN(std::shared_ptr<void> made, make());
  absl::MutexLock lock(&mu_);
  for (const auto& [known, decoded] : decoded_) {
    if (known == kind) return decoded;
  }
  if (!retired()) decoded_.emplace_back(kind, made);
  return made;
}

void Object::DropDecoded() const {
  decltype(decoded_) dropped;
  {
    absl::MutexLock lock(&mu_);
    dropped.swap(decoded_);
  }
  // Wiping and freeing keys happens here, without the lock.
}

}  // namespace hsm
