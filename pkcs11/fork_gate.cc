#include "pkcs11/fork_gate.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace pkcs11::fork_gate {
namespace {

// Threads count themselves in different cache lines. The first ones have a
// shard each, for ever, and so need no atomic additions: the fork makes the
// others' stores visible by membarrier(2). The rest share shard 0.
struct alignas(64) Shard {
  std::atomic<int32_t> calls{0};
};
constexpr uint32_t kShards = 64;
constinit Shard shards[kShards];
constinit std::atomic<int32_t> forks{0};  // that wait, or go on right now
constinit std::atomic<uint32_t> threads{0};
// Before that, and where the kernel has no membarrier, all share.
constinit std::atomic<bool> has_barrier{false};

// What a thread knows of itself; found once a call.
struct Thread {
  uint32_t depth = 0;  // calls of this thread
  uint32_t number = 0;
  Shard* own = nullptr;  // null: shard 0, with others
};
constinit thread_local Thread this_thread;

constexpr int64_t kPatience = 1'000'000'000;  // ns
constexpr useconds_t kPause = 50;             // µs

int MemoryBarrier(int command) {
  return static_cast<int>(syscall(SYS_membarrier, command, 0, 0));
}

// Only outside of any call: a call ends on the shard on which it began.
void FindShard(Thread& thread) {
  if (!has_barrier.load(std::memory_order_relaxed)) return;
  thread.number = 1 + threads.fetch_add(1, std::memory_order_relaxed);
  if (thread.number < kShards) thread.own = &shards[thread.number];
}

int64_t Now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int32_t CallsOfOthers() {
  int32_t calls = this_thread.depth > 0 ? -1 : 0;
  for (const Shard& shard : shards) calls += shard.calls.load();
  return calls;
}

void BeforeFork() {
  forks.fetch_add(1);
  // From here on, who enters sees that, or was seen to have entered.
  if (has_barrier.load()) MemoryBarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  const int64_t end = Now() + kPatience;
  while (CallsOfOthers() > 0 && Now() < end) usleep(kPause);
}

void AfterForkInParent() { forks.fetch_sub(1); }

void AfterForkInChild() {
  if (has_barrier.load()) {
    MemoryBarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  }
  for (Shard& shard : shards) shard.calls.store(0);
  if (this_thread.depth > 0) {
    (this_thread.own != nullptr ? *this_thread.own : shards[0]).calls.store(1);
  }
  forks.store(0);
}

void WaitForForks() {
  while (forks.load() != 0) usleep(kPause);
}

void EnterOwn(Shard& own) {
  for (;;) {
    own.calls.store(1, std::memory_order_relaxed);
    // The compiler's half of the barrier; the fork does the processor's.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (forks.load(std::memory_order_relaxed) == 0) break;
    own.calls.store(0, std::memory_order_release);
    WaitForForks();
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Sequentially consistent with BeforeFork: one of the two sees the other.
void EnterShared() {
  while (shards[0].calls.fetch_add(1), forks.load() != 0) {
    shards[0].calls.fetch_sub(1);
    WaitForForks();
  }
}

}  // namespace

void WatchForks() {
  static constinit std::atomic<bool> watching{false};
  if (watching.exchange(true)) return;
  has_barrier.store(MemoryBarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ==
                    0);
  pthread_atfork(BeforeFork, AfterForkInParent, AfterForkInChild);
}

void Enter() {
  Thread& thread = this_thread;
  if (thread.depth++ > 0) return;
  if (thread.number == 0) FindShard(thread);
  if (thread.own != nullptr) {
    EnterOwn(*thread.own);
  } else {
    EnterShared();
  }
}

void Leave() {
  Thread& thread = this_thread;
  if (--thread.depth > 0) return;
  if (thread.own != nullptr) {
    thread.own->calls.store(0, std::memory_order_release);
  } else {
    shards[0].calls.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace pkcs11::fork_gate
