// Blocks up to kLargestClass come out of size classes: free lists, fed with
// runs of pages, which come out of chunks. What was taken for a class stays
// with it. Each class has a list for each of a few groups of threads, so that a
// thread rarely waits for another; who finds its own empty takes from the
// others'. Larger blocks are mappings of their own.
//
// Everything here is constant-initialised and has no destructor, so it works
// before main and after exit.
#include "base/secret_memory.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include "base/secret_bytes.h"

#if defined(__SANITIZE_ADDRESS__)
#define PERIGEE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PERIGEE_ASAN 1
#endif
#endif
#ifdef PERIGEE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, size) ((void)(block), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(block, size) ((void)(block), (void)(size))
#endif

namespace base {
namespace {

constexpr size_t kPage = 4096;  // larger pages divide kChunk too
constexpr size_t kChunk = 64 * 1024;
constexpr size_t kSmallestClass = 16;  // room for a link, aligned as malloc's
constexpr size_t kLargestClass = 16 * 1024;
constexpr size_t kLargestSpare = 4 * 1024 * 1024;

// 16, 32, 48, 64, 96, 128, ... : two to each power of two from 32 on.
constexpr size_t ClassOf(size_t size) {
  if (size <= kSmallestClass) return 0;
  const int bits = std::bit_width(size - 1);  // size <= 2^bits
  if (bits == 5) return 1;
  const bool upper_half = size > size_t{3} << (bits - 2);
  return 2 * (bits - 6) + 2 + (upper_half ? 1 : 0);
}
constexpr size_t SizeOfClass(size_t index) {
  if (index < 2) return kSmallestClass << index;
  const size_t power = (index - 2) / 2 + 6;
  return index % 2 == 0 ? size_t{3} << (power - 2) : size_t{1} << power;
}
constexpr size_t kClasses = ClassOf(kLargestClass) + 1;
static_assert(SizeOfClass(kClasses - 1) == kLargestClass);
static_assert([] {
  for (size_t size = 1; size <= kLargestClass; ++size) {
    const size_t index = ClassOf(size);
    if (SizeOfClass(index) < size || SizeOfClass(index) % 16 != 0) return false;
    if (index > 0 && SizeOfClass(index - 1) >= size) return false;
  }
  return true;
}());

constexpr size_t RoundUp(size_t size, size_t to) {
  return (size + to - 1) / to * to;
}

// A mutex that a forked child makes anew if another thread, which the child
// has not, held it. Says then that what it guards may be half changed.
class ForkableMutex {
 public:
  void lock() { mu_->lock(); }
  void unlock() { mu_->unlock(); }
  // In the child, before anything else there.
  bool WasHeld() {
    if (mu_->try_lock()) {
      mu_->unlock();
      return false;
    }
    auto* const made = new (std::nothrow) std::mutex;
    if (made != nullptr) mu_ = made;
    return true;
  }

 private:
  std::mutex own_;
  std::mutex* mu_ = &own_;
};

struct FreeBlock {
  FreeBlock* next;
};

struct alignas(64) SizeClass {  // no two in one cache line
  ForkableMutex mu;
  FreeBlock* free = nullptr;
  std::byte* fresh = nullptr;  // never used yet
  std::byte* end = nullptr;
};

// --- pages -------------------------------------------------------------------

// Before each block that is a mapping of its own.
struct alignas(16) LargeHeader {
  size_t size;  // of the mapping
  bool is_locked;
  unsigned forks;  // where it was locked: the kernel hands no locks on
};

struct Pages {
  ForkableMutex mu;
  std::byte* fresh = nullptr;  // of the chunk begun last
  std::byte* end = nullptr;
  // The large block that was freed last; the next one may fit into it.
  LargeHeader* spare = nullptr;
  bool watches_forks = false;

  std::atomic<size_t> mapped{0};
  std::atomic<size_t> locked{0};
  std::atomic<unsigned> forks{0};  // from the first of these processes to here
};

constexpr size_t kGroups = 4;
using Groups = std::array<SizeClass, kGroups>;

size_t GroupOfThisThread() {
  const auto self = static_cast<uint64_t>(pthread_self());
  return self * 0x9e3779b97f4a7c15 >> 62;  // the best mixed bits
}
static_assert(kGroups == size_t{1} << (64 - 62));

constinit std::array<Groups, kClasses> classes;
constinit Pages pages;
static_assert(std::is_trivially_destructible_v<SizeClass> &&
              std::is_trivially_destructible_v<Pages>);

void AfterForkInChild() {
  // What a held lock guarded is given up: some pages, which nobody uses.
  for (Groups& groups : classes) {
    for (SizeClass& size_class : groups) {
      if (!size_class.mu.WasHeld()) continue;
      size_class.free = nullptr;
      size_class.fresh = size_class.end = nullptr;
    }
  }
  if (pages.mu.WasHeld()) {
    pages.fresh = pages.end = nullptr;
    pages.spare = nullptr;
  }
  pages.locked.store(0);
  pages.forks.fetch_add(1);
}

struct Mapping {
  std::byte* begin;
  bool is_locked;
};

Mapping Map(size_t size) {
  void* const begin = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) throw std::bad_alloc();
  // Both are refused by systems that cannot, and that is all.
  madvise(begin, size, MADV_DONTDUMP);
  const bool is_locked = mlock(begin, size) == 0;
  pages.mapped.fetch_add(size, std::memory_order_relaxed);
  if (is_locked) pages.locked.fetch_add(size, std::memory_order_relaxed);
  return {static_cast<std::byte*>(begin), is_locked};
}

void Unmap(LargeHeader* large) {
  const size_t size = large->size;
  if (large->is_locked && large->forks == pages.forks.load()) {
    pages.locked.fetch_sub(size, std::memory_order_relaxed);
  }
  pages.mapped.fetch_sub(size, std::memory_order_relaxed);
  munmap(large, size);
}

// Pages for a class, which keeps them; called with its lock.
std::byte* TakePages(size_t size) {
  const std::lock_guard lock(pages.mu);
  if (!pages.watches_forks) {
    pthread_atfork(nullptr, nullptr, AfterForkInChild);
    pages.watches_forks = true;
  }
  if (static_cast<size_t>(pages.end - pages.fresh) < size) {
    pages.fresh = Map(kChunk).begin;
    pages.end = pages.fresh + kChunk;
  }
  return std::exchange(pages.fresh, pages.fresh + size);
}

// --- blocks ------------------------------------------------------------------

void* TakeFree(SizeClass& from, size_t size) {
  FreeBlock* const block = from.free;
  if (block == nullptr) return nullptr;
  ASAN_UNPOISON_MEMORY_REGION(block, size);
  from.free = block->next;
  block->next = nullptr;
  return block;
}

void* TakeSmall(size_t index) {
  const size_t size = SizeOfClass(index);
  SizeClass& mine = classes[index][GroupOfThisThread()];
  {
    const std::lock_guard lock(mine.mu);
    if (void* const block = TakeFree(mine, size)) return block;
    if (static_cast<size_t>(mine.end - mine.fresh) >= size) {
      std::byte* const block = std::exchange(mine.fresh, mine.fresh + size);
      ASAN_UNPOISON_MEMORY_REGION(block, size);
      return block;
    }
  }
  for (SizeClass& other : classes[index]) {
    const std::lock_guard lock(other.mu);
    if (void* const block = TakeFree(other, size)) return block;
  }
  const std::lock_guard lock(mine.mu);
  if (static_cast<size_t>(mine.end - mine.fresh) < size) {
    const size_t run = RoundUp(size, kPage);
    mine.fresh = TakePages(run);
    mine.end = mine.fresh + run;
    ASAN_POISON_MEMORY_REGION(mine.fresh, run);
  }
  std::byte* const block = std::exchange(mine.fresh, mine.fresh + size);
  ASAN_UNPOISON_MEMORY_REGION(block, size);
  return block;
}

void GiveSmall(void* block, size_t index) {
  SizeClass& mine = classes[index][GroupOfThisThread()];
  const std::lock_guard lock(mine.mu);
  ASAN_UNPOISON_MEMORY_REGION(block, sizeof(FreeBlock));
  mine.free = new (block) FreeBlock{mine.free};
  ASAN_POISON_MEMORY_REGION(block, SizeOfClass(index));
}

void* TakeLarge(size_t size) {
  if (size > SIZE_MAX / 2) throw std::bad_alloc();
  const size_t needed = RoundUp(sizeof(LargeHeader) + size, kPage);
  {
    const std::lock_guard lock(pages.mu);
    if (pages.spare != nullptr && pages.spare->size >= needed &&
        pages.spare->size / 4 <= needed) {
      return std::exchange(pages.spare, nullptr) + 1;
    }
  }
  const Mapping made = Map(needed);
  return new (made.begin)
             LargeHeader{needed, made.is_locked, pages.forks.load()} +
         1;
}

void GiveLarge(void* block) {
  LargeHeader* large = static_cast<LargeHeader*>(block) - 1;
  if (large->size <= kLargestSpare) {
    const std::lock_guard lock(pages.mu);
    std::swap(large, pages.spare);
  }
  if (large != nullptr) Unmap(large);
}

}  // namespace

void* AllocateSecret(size_t size) {
  if (size > kLargestClass) return TakeLarge(size);
  void* const block = TakeSmall(ClassOf(size));
  ASAN_POISON_MEMORY_REGION(static_cast<std::byte*>(block) + size,
                            SizeOfClass(ClassOf(size)) - size);
  return block;
}

void FreeSecret(void* block, size_t size) noexcept {
  if (block == nullptr) return;
  Wipe(block, size);
  if (size > kLargestClass) return GiveLarge(block);
  GiveSmall(block, ClassOf(size));
}

SecretMemory SecretMemoryNow() {
  return {pages.mapped.load(), pages.locked.load()};
}

}  // namespace base
