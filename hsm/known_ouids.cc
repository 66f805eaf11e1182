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

bool KnownOuids::IsKnownAt(uint64_t generation) const {
  absl::MutexLock lock(&mu_);
  return KnownAt(generation);
}

bool KnownOuids::Lacks(uint64_t generation, const Ouid& ouid) const {
  absl::MutexLock lock(&mu_);
  return KnownAt(generation) && !ouids_.contains(ouid);
}

void KnownOuids::Add(uint64_t generation, const Ouid& ouid) {
  absl::MutexLock lock(&mu_);
  if (!KnownAt(generation)) return;
  ouids_.insert(ouid);
  if (ouids_.size() <= kMost) return;
  generation_ = kBusyGeneration;
  absl::flat_hash_set<Ouid>().swap(ouids_);
}

void KnownOuids::Committed(uint64_t generation) {
  absl::MutexLock lock(&mu_);
  if (KnownAt(generation)) generation_ = generation + 1;
}

}  // namespace hsm
