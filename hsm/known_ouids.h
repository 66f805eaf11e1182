// The identities (OUIDs) that the objects of a space may have, so that the
// target of a long run need not look up each one that arrives. Begun where the
// space was seen empty, and kept up by one write after the other that makes
// objects (Partition::CreateAll, which is the only way); whatever else happens
// to the space, all is forgotten. What is known belongs to a generation of the
// space (Store::Generation). Thread-safe.
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
  // Beyond so many nothing is known: they would take 1 MiB.
  static constexpr size_t kMost = size_t{1} << 15;

  // A write based on `generation` finds no object. Nothing begins when one that
  // shares its commit has erased some: the commit may fail.
  void BeginEmpty(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  // A write based on `generation` erases objects (but not DropSpace, which
  // changes values).
  void Erased(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  // Forgets all when it is not.
  bool IsKnownAt(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether for certain no object has it, in a write based on `generation`.
  bool Lacks(uint64_t generation, const Ouid& ouid) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // A write based on `generation` makes an object with it; if it fails, that
  // does no harm. When that is not the generation of what is known, all is
  // forgotten: a commit may be under way whose Committed has not been told, and
  // what is known would become that of a state with this object.
  void Add(uint64_t generation, const Ouid& ouid) ABSL_LOCKS_EXCLUDED(mu_);
  // A write based on `generation` was committed: as the next generation, for a
  // write holds the store's lock from its base on.
  void Committed(uint64_t generation) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  bool KnownAt(uint64_t generation) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return generation != kBusyGeneration && generation == generation_;
  }
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;  // leaf
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = kBusyGeneration;
  uint64_t erased_at_ ABSL_GUARDED_BY(mu_) = kBusyGeneration;
  absl::flat_hash_set<Ouid> ouids_ ABSL_GUARDED_BY(mu_);
};

}  // namespace hsm

#endif  // PERIGEE_HSM_KNOWN_OUIDS_H_
