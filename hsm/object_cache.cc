#include "hsm/object_cache.h"

#include <utility>

namespace hsm {
namespace {

// What an object costs beside its values: entries, vectors, decoded keys.
constexpr size_t kEntryBytes = 2048;

bool Same(uint64_t a, uint64_t b) { return a == b && a != kBusyGeneration; }

void RetireThese(const std::vector<ObjectRef>& objects) {
  for (const ObjectRef& object : objects) {
    object->Retire();
    object->DropDecoded();
  }
}

}  // namespace

ObjectCache::Order::iterator* ObjectCache::Touch(uint64_t handle) {
  auto found = index_.find(handle);
  if (found == index_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return &found->second;
}

void ObjectCache::Take(Order::iterator entry, std::vector<ObjectRef>& out) {
  bytes_ -= entry->bytes;
  index_.erase(entry->object->handle());
  out.push_back(std::move(entry->object));
  order_.erase(entry);
}

void ObjectCache::Shrink(std::vector<ObjectRef>& out) {
  // What somebody else holds saves nothing when it goes, and could no longer
  // be retired from here. So many may be held that a look at each costs more
  // than it saves.
  auto entry = order_.end();
  for (int looks = 0; bytes_ > limit_ && entry != order_.begin() && looks < 64;
       ++looks) {
    --entry;
    if (entry->object.use_count() > 1) continue;
    auto victim = entry++;
    Take(victim, out);
  }
}

ObjectRef ObjectCache::Valid(uint64_t handle, uint64_t generation) {
  absl::MutexLock lock(&mu_);
  Order::iterator* entry = Touch(handle);
  if (entry == nullptr || !Same((*entry)->valid, generation)) return nullptr;
  return (*entry)->object;
}

ObjectRef ObjectCache::AtVersion(uint64_t handle, uint64_t version,
                                 uint64_t generation) {
  std::vector<ObjectRef> old;
  ObjectRef object;
  {
    absl::MutexLock lock(&mu_);
    Order::iterator* entry = Touch(handle);
    if (entry == nullptr) return nullptr;
    if ((*entry)->object->version() == version) {
      (*entry)->valid = generation;
      object = (*entry)->object;
    } else {
      Take(*entry, old);
    }
  }
  RetireThese(old);
  return object;
}

bool ObjectCache::IsValid(const Object& object, uint64_t generation) {
  absl::MutexLock lock(&mu_);
  auto found = index_.find(object.handle());
  return found != index_.end() && found->second->object.get() == &object &&
         Same(found->second->valid, generation);
}

ObjectRef ObjectCache::Put(ObjectRef object, size_t bytes,
                           uint64_t generation) {
  std::vector<ObjectRef> gone, evicted;
  if (generation == kBusyGeneration) return object;
  {
    absl::MutexLock lock(&mu_);
    if (closed_) {
      gone.push_back(object);
    } else {
      const uint64_t handle = object->handle();
      if (Order::iterator* entry = Touch(handle)) {
        const ObjectRef& held = (*entry)->object;
        if (held->version() == object->version()) {
          (*entry)->valid = generation;
          return held;
        }
        // The reader was slower than a writer.
        if (held->version() > object->version()) return object;
        Take(*entry, gone);
      }
      order_.push_front({object, bytes + kEntryBytes, generation});
      index_[handle] = order_.begin();
      bytes_ += bytes + kEntryBytes;
      Shrink(evicted);
    }
  }
  RetireThese(gone);
  return object;
}

void ObjectCache::Retire(uint64_t handle) {
  std::vector<ObjectRef> gone;
  {
    absl::MutexLock lock(&mu_);
    if (Order::iterator* entry = Touch(handle)) Take(*entry, gone);
  }
  RetireThese(gone);
}

void ObjectCache::RetireAll() {
  std::vector<ObjectRef> gone;
  {
    absl::MutexLock lock(&mu_);
    gone.reserve(order_.size());
    while (!order_.empty()) Take(order_.begin(), gone);
  }
  RetireThese(gone);
}

void ObjectCache::Close() {
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
  }
  RetireAll();
}

size_t ObjectCache::size() const {
  absl::MutexLock lock(&mu_);
  return order_.size();
}

}  // namespace hsm
