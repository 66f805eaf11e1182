#include "hsm/known_ouids.h"

namespace hsm {

void KnownOuids::BeginEmpty(uint64_t generation) {
  absl::MutexLock lock(&mu_);
  if (generation == erased_at_) return;
  generation_ = generation;
  ouids_.clear();
}

void KnownOuids::Erased(uint64_t generation) {
  absl::MutexLock lock(&mu_);
  erased_at_ = generation;
}

bool KnownOuids::IsKnownAt(uint64_t generation) {
  absl::MutexLock lock(&mu_);
  if (KnownAt(generation)) return true;
  Forget();
  return false;
}

bool KnownOuids::Lacks(uint64_t generation, const Ouid& ouid) const {
  absl::MutexLock lock(&mu_);
  return KnownAt(generation) && !ouids_.contains(ouid);
}

void KnownOuids::Add(uint64_t generation, const Ouid& ouid) {
  absl::MutexLock lock(&mu_);
  if (!KnownAt(generation) || ouids_.size() == kMost) return Forget();
  ouids_.insert(ouid);
}

void KnownOuids::Committed(uint64_t generation) {
  absl::MutexLock lock(&mu_);
  if (KnownAt(generation)) generation_ = generation + 1;
}

void KnownOuids::Forget() {
  generation_ = kBusyGeneration;
  absl::flat_hash_set<Ouid>().swap(ouids_);
}

}  // namespace hsm
