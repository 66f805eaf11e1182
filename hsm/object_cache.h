// Opened objects, so that finding and using a key twice opens its record once.
// One cache for each login, and one a partition for those without: a snapshot
// is served only to whom its keys were opened for.
#ifndef PERIGEE_HSM_OBJECT_CACHE_H_
#define PERIGEE_HSM_OBJECT_CACHE_H_

#include <list>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "hsm/object.h"
#include "hsm/store.h"

namespace hsm {

// A generation is what Store::Generation says of the partition's space; no two
// moments are the same at kBusyGeneration.
//
// Thread-safe; its lock is a leaf. Holds the objects used last, up to a bound
// on their size, and whatever is in use elsewhere.
class ObjectCache {
 public:
  explicit ObjectCache(size_t limit_bytes = kDefaultLimit)
      : limit_(limit_bytes) {}
  ObjectCache(const ObjectCache&) = delete;
  ObjectCache& operator=(const ObjectCache&) = delete;

  // The object if nothing changed since it was last validated; null otherwise.
  ObjectRef Valid(uint64_t handle, uint64_t generation);
  // The object if it is at `version`, which the caller read at `generation`. An
  // older one is retired.
  ObjectRef AtVersion(uint64_t handle, uint64_t version, uint64_t generation);
  // Whether `object` is the one held and nothing changed since.
  bool IsValid(const Object& object, uint64_t generation);
  // Keeps `object`, read at `generation`, and gives it back; when another
  // thread has put the same version meanwhile, gives that one. An older one is
  // retired. After Close the object is retired at once. Read at kBusyGeneration
  // it is not kept: it may be a transaction's that fails.
  ObjectRef Put(ObjectRef object, size_t bytes, uint64_t generation);

  // Retires and forgets; the decoded keys are dropped before it returns.
  void Retire(uint64_t handle);
  void RetireAll();
  // RetireAll, and for ever.
  void Close();

  size_t size() const;

 private:
  static constexpr size_t kDefaultLimit = 64 * 1024 * 1024;
  struct Entry {
    ObjectRef object;
    size_t bytes;
    uint64_t valid;  // the generation of the space at which it was current
  };
  using Order = std::list<Entry>;  // used last stands first

  Order::iterator* Touch(uint64_t handle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Moves an entry's object to `out` and forgets it.
  void Take(Order::iterator entry, std::vector<ObjectRef>& out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Shrink(std::vector<ObjectRef>& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t limit_;
  mutable absl::Mutex mu_;
  Order order_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uint64_t, Order::iterator> index_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_OBJECT_CACHE_H_
