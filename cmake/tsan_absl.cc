// Tells ThreadSanitizer of the locks of Debian's Abseil, which is not built
// with it: without this every use of an absl::Mutex looks like a race. Linked
// into thread-sanitized builds only, with --wrap for each name below
// (cmake/PerigeeModule.cmake). `debian3` is the inline namespace of Debian 12.
#include "absl/synchronization/mutex.h"

extern "C" {

void __tsan_acquire(void* address);
void __tsan_release(void* address);

#define PERIGEE_WRAP_LOCK(name)            \
  void __real_##name(absl::Mutex* mutex);  \
  void __wrap_##name(absl::Mutex* mutex) { \
    __real_##name(mutex);                  \
    __tsan_acquire(mutex);                 \
  }
#define PERIGEE_WRAP_UNLOCK(name)          \
  void __real_##name(absl::Mutex* mutex);  \
  void __wrap_##name(absl::Mutex* mutex) { \
    __tsan_release(mutex);                 \
    __real_##name(mutex);                  \
  }

PERIGEE_WRAP_LOCK(_ZN4absl7debian35Mutex4LockEv)
PERIGEE_WRAP_UNLOCK(_ZN4absl7debian35Mutex6UnlockEv)
PERIGEE_WRAP_LOCK(_ZN4absl7debian35Mutex10ReaderLockEv)
PERIGEE_WRAP_UNLOCK(_ZN4absl7debian35Mutex12ReaderUnlockEv)

bool __real__ZN4absl7debian35Mutex7TryLockEv(absl::Mutex* mutex);
bool __wrap__ZN4absl7debian35Mutex7TryLockEv(absl::Mutex* mutex) {
  const bool locked = __real__ZN4absl7debian35Mutex7TryLockEv(mutex);
  if (locked) __tsan_acquire(mutex);
  return locked;
}

}  // extern "C"

// The search for lock cycles has a lock of its own that TSan does not see.
__attribute__((constructor)) void PerigeeNoLockGraph() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}
