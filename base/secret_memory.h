// Where secrets live: pages of their own that no core file has, and that are
// not swapped as far as RLIMIT_MEMLOCK allows.
#ifndef PERIGEE_BASE_SECRET_MEMORY_H_
#define PERIGEE_BASE_SECRET_MEMORY_H_

#include <cstddef>

namespace base {

// `size` bytes, aligned as malloc's; std::bad_alloc. From any thread, also
// while the process exits, and in a child made by fork. A child inherits what
// its parent holds: emptied pages (MADV_WIPEONFORK) would be keys of zeros to a
// call that forks and goes on.
void* AllocateSecret(size_t size);
// Wipes before it frees; `size` as at AllocateSecret.
void FreeSecret(void* block, size_t size) noexcept;

// Bytes of whole pages that the process holds for secrets, now. What is not
// locked the system had no room for, which is no error.
struct SecretMemory {
  size_t mapped = 0;
  size_t locked = 0;  // of these: never swapped
};
SecretMemory SecretMemoryNow();

}  // namespace base

#endif  // PERIGEE_BASE_SECRET_MEMORY_H_
