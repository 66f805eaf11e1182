// The identities (OUIDs) that the objects of a space may have, so that the
// target of a long run need not look up each one that arrives. Known of a space
// that was seen empty, and as long as all writes that change it make objects
// through Partition::CreateAll of this process; forgotten with the first other
// one, by the space's generation (Store::Generation). Thread-safe.
#ifndef PERIGEE_HSM_KNOWN_OUIDS_H_
#define PERIGEE_HSM_KNOWN_OUIDS_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "hsm/object.h"
#include "hsm/store.h"

namespace hsm {

class KnownOuids {
 public:
  // Beyond so many nothing is known: 2 MiB.
  static constexpr size_t kMost = size_t{1} << 16;

  // A write based on `generation` finds no object. Nothing begins when one that
  // shares its commit has erased some: the commit may fail.
  void BeginEmpty(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  // A write based on `generation` erases objects (but not DropSpace, which
  // changes values).
  void Erased(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  bool IsKnownAt(uint64_t generation) const ABSL_LOCKS_EXCLUDED(mu_);
  // Whether for certain no object has it, in a write based on `generation`.
  bool Lacks(uint64_t generation, const Ouid& ouid) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // A write based on `generation` makes an object with it; if it fails, that
  // does no harm.
  void Add(uint64_t generation, const Ouid& ouid) ABSL_LOCKS_EXCLUDED(mu_);
  // A write based on `generation` that Add was told of was committed: as the
  // next generation, for a write holds the store's lock from its base on.
  void Committed(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  bool KnownAt(uint64_t generation) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return generation != kBusyGeneration && generation == generation_;
  }
  mutable absl::Mutex mu_;  // leaf
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = kBusyGeneration;
  uint64_t erased_at_ ABSL_GUARDED_BY(mu_) = kBusyGeneration;
  absl::flat_hash_set<Ouid> ouids_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hsm

#endif  // PERIGEE_HSM_KNOWN_OUIDS_H_
