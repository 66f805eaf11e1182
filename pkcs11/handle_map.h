// Handles of the C ABI to what stands behind them. Numbers start at 1 and are
// never used again in a process, so a stale handle is an error and never
// somebody else's object.
#ifndef PERIGEE_PKCS11_HANDLE_MAP_H_
#define PERIGEE_PKCS11_HANDLE_MAP_H_

#include <sched.h>

#include <array>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/cryptoki.h"

namespace pkcs11 {

// For the few instructions of a look-up, which every call makes: a mutex costs
// more than what it would guard. Who holds it is never waiting for anything.
class ABSL_LOCKABLE BriefLock {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    while (held_.exchange(true, std::memory_order_acquire)) {
      while (held_.load(std::memory_order_relaxed)) sched_yield();
    }
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    held_.store(false, std::memory_order_release);
  }

 private:
  std::atomic<bool> held_{false};
};

class ABSL_SCOPED_LOCKABLE BriefLockHolder {
 public:
  explicit BriefLockHolder(BriefLock* lock) ABSL_EXCLUSIVE_LOCK_FUNCTION(lock)
      : lock_(lock) {
    lock_->Lock();
  }
  ~BriefLockHolder() ABSL_UNLOCK_FUNCTION() { lock_->Unlock(); }
  BriefLockHolder(const BriefLockHolder&) = delete;
  BriefLockHolder& operator=(const BriefLockHolder&) = delete;

 private:
  BriefLock* const lock_;
};

// Thread-safe. Each lock is held for a look-up only, and is the first in the
// order of docs/ARCHITECTURE.md, "Locks". The map protects itself, not what it
// holds.
template <typename T>
class HandleMap {
 public:
  using Ref = std::shared_ptr<T>;

  // A handle for an object that is Put afterwards.
  CK_ULONG Next() { return next_.fetch_add(1, std::memory_order_relaxed); }

  void Put(CK_ULONG handle, Ref value) {
    Shard& shard = ShardOf(handle);
    const BriefLockHolder lock(&shard.mu);
    shard.recent = nullptr;
    shard.map.insert_or_assign(handle, std::move(value));
  }

  // Null when there is none.
  Ref Find(CK_ULONG handle) const {
    const Shard& shard = ShardOf(handle);
    const BriefLockHolder lock(&shard.mu);
    if (shard.recent != nullptr && shard.recent_handle == handle) {
      return *shard.recent;
    }
    const auto it = shard.map.find(handle);
    if (it == shard.map.end()) return nullptr;
    shard.recent_handle = handle;
    shard.recent = &it->second;
    return it->second;
  }

  // Takes it out; null when there is none (any more), so that of two threads
  // one gets it.
  Ref Take(CK_ULONG handle) {
    Shard& shard = ShardOf(handle);
    const BriefLockHolder lock(&shard.mu);
    const auto it = shard.map.find(handle);
    if (it == shard.map.end()) return nullptr;
    shard.recent = nullptr;
    Ref value = std::move(it->second);
    shard.map.erase(it);
    return value;
  }

  // A copy of what is there now, in no order.
  std::vector<std::pair<CK_ULONG, Ref>> All() const {
    std::vector<std::pair<CK_ULONG, Ref>> all;
    for (const Shard& shard : shards_) {
      const BriefLockHolder lock(&shard.mu);
      all.insert(all.end(), shard.map.begin(), shard.map.end());
    }
    return all;
  }

 private:
  struct alignas(64) Shard {
    mutable BriefLock mu;
    absl::flat_hash_map<CK_ULONG, Ref> map ABSL_GUARDED_BY(mu);
    // What was found last, which is mostly what is looked for next; null after
    // each change of the map, which may move it.
    mutable CK_ULONG recent_handle ABSL_GUARDED_BY(mu) = 0;
    mutable const Ref* recent ABSL_GUARDED_BY(mu) = nullptr;
  };
  static constexpr size_t kShards = 16;

  Shard& ShardOf(CK_ULONG handle) { return shards_[handle % kShards]; }
  const Shard& ShardOf(CK_ULONG handle) const {
    return shards_[handle % kShards];
  }

  std::atomic<CK_ULONG> next_{1};
  std::array<Shard, kShards> shards_;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_HANDLE_MAP_H_
