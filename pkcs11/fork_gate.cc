#include "pkcs11/fork_gate.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace pkcs11::fork_gate {
namespace {

// Threads count themselves in different cache lines.
struct alignas(64) Shard {
  std::atomic<int32_t> calls{0};
};
constexpr uint32_t kShards = 32;  // a power of two
constinit Shard shards[kShards];
constinit std::atomic<int32_t> forks{0};  // that wait, or go on right now
constinit std::atomic<uint32_t> threads{0};

// What a thread knows of itself; found once a call.
struct Thread {
  uint32_t depth = 0;  // calls of this thread
  uint32_t number = 0;
};
constinit thread_local Thread this_thread;

constexpr int64_t kPatience = 1'000'000'000;  // ns
constexpr useconds_t kPause = 50;             // µs

Shard& ShardOf(Thread& thread) {
  if (thread.number == 0) {
    thread.number = 1 + threads.fetch_add(1, std::memory_order_relaxed);
  }
  return shards[thread.number % kShards];
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
  const int64_t end = Now() + kPatience;
  while (CallsOfOthers() > 0 && Now() < end) usleep(kPause);
}

void AfterForkInParent() { forks.fetch_sub(1); }

void AfterForkInChild() {
  for (Shard& shard : shards) shard.calls.store(0);
  if (this_thread.depth > 0) ShardOf(this_thread).calls.store(1);
  forks.store(0);
}

}  // namespace

void WatchForks() {
  static constinit std::atomic<bool> watching{false};
  if (watching.exchange(true)) return;
  pthread_atfork(BeforeFork, AfterForkInParent, AfterForkInChild);
}

void Enter() {
  Thread& thread = this_thread;
  if (thread.depth++ > 0) return;
  Shard& own = ShardOf(thread);
  // Sequentially consistent with BeforeFork: one of the two sees the other.
  while (own.calls.fetch_add(1), forks.load() != 0) {
    own.calls.fetch_sub(1);
    while (forks.load() != 0) usleep(kPause);
  }
}

void Leave() {
  Thread& thread = this_thread;
  if (--thread.depth == 0) {
    ShardOf(thread).calls.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace pkcs11::fork_gate
