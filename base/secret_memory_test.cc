#include "base/secret_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <new>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/secret_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace base {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Not;

constexpr size_t kSizes[] = {0,     1,     8,     16,     17,
                             33,    64,    100,   1000,   4096,
                             16383, 16384, 16385, 100000, 1 << 21};

// The flags that the kernel shows of the mapping around `address`.
std::vector<std::string> FlagsOf(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  bool is_inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      is_inside = begin <= at && at < end;
    } else if (is_inside && line.starts_with("VmFlags:")) {
      std::istringstream words(line.substr(8));
      return {std::istream_iterator<std::string>(words), {}};
    }
  }
  return {};
}

// AddressSanitizer replaces mlock by a function that does nothing and says OK.
bool MlockIsReal() {
  alignas(4096) static char page[4096];
  if (mlock(page, sizeof(page)) != 0) return true;
  const std::vector<std::string> flags = FlagsOf(page);
  munlock(page, sizeof(page));
  return std::find(flags.begin(), flags.end(), "lo") != flags.end();
}

// As another process would see it: nothing here watches the access.
std::vector<uint8_t> LookAt(const void* address, size_t size) {
  std::vector<uint8_t> seen(size);
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(pread(memory, seen.data(), size, reinterpret_cast<off_t>(address)),
            static_cast<ssize_t>(size));
  close(memory);
  return seen;
}

// Whether `work` succeeds in a process of its own.
bool SucceedsInChild(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(SecretMemoryTest, Blocks_AreInNoCoreFile) {
  for (const size_t size : kSizes) {
    void* const block = AllocateSecret(size);
    EXPECT_THAT(FlagsOf(block), Contains("dd")) << size;
    FreeSecret(block, size);
  }
}

TEST(SecretMemoryTest, Blocks_AreLockedWhereTheLimitAllows) {
  if (!MlockIsReal()) GTEST_SKIP() << "a sanitizer took mlock away";
  const size_t before = SecretMemoryNow().locked;
  constexpr size_t kSize = 32 * 1024;  // below the least limit there is
  void* const block = AllocateSecret(kSize);
  const bool is_counted = SecretMemoryNow().locked > before;
  EXPECT_EQ(testing::Value(FlagsOf(block), Contains("lo")), is_counted);
  rlimit limit = {};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  if (geteuid() == 0 || limit.rlim_cur >= before + 2 * kSize) {
    EXPECT_TRUE(is_counted);
  }
  FreeSecret(block, kSize);
}

TEST(SecretMemoryTest, WithoutLocks_WorksAndIsCounted) {
  if (!MlockIsReal()) GTEST_SKIP() << "a sanitizer took mlock away";
  EXPECT_TRUE(SucceedsInChild([] {
    const rlimit none = {0, 0};
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0) return false;
    // The administrator's locks have no limit.
    if (geteuid() == 0 && setuid(65534) != 0) return false;
    const SecretMemory before = SecretMemoryNow();
    void* const block = AllocateSecret(3 << 20);
    std::memset(block, 1, 3 << 20);
    const SecretMemory after = SecretMemoryNow();
    return before.locked == 0 && after.locked == 0 &&
           after.mapped >= before.mapped + (3 << 20);
  }));
}

TEST(SecretMemoryTest, FreedBlocks_AreEmpty) {
  for (const size_t size : kSizes) {
    void* const block = AllocateSecret(size);
    std::memset(block, 0xA5, size);
    FreeSecret(block, size);
    // The link to the next free block may have any byte in it, not all of them.
    const auto seen = LookAt(block, size);
    const size_t link = std::min(size, sizeof(void*));
    if (link == sizeof(void*)) {
      EXPECT_LT(std::count(seen.begin(), seen.begin() + link, 0xA5), 8) << size;
    }
    EXPECT_EQ(std::count(seen.begin() + link, seen.end(), 0xA5), 0) << size;
  }
}

TEST(SecretMemoryTest, Blocks_AreApartAndAligned) {
  struct Block {
    uint8_t* bytes;
    size_t size;
    uint8_t mark;
  };
  std::mt19937 random(1);
  std::vector<Block> held;
  const auto check_and_free = [&](const Block& block) {
    for (size_t i = 0; i < block.size; ++i) {
      ASSERT_EQ(block.bytes[i], block.mark) << block.size;
    }
    FreeSecret(block.bytes, block.size);
  };
  for (int i = 0; i < 20000; ++i) {
    const size_t size = random() % 8 == 0 ? random() % 70000 : random() % 700;
    auto* const bytes = static_cast<uint8_t*>(AllocateSecret(size));
    ASSERT_EQ(reinterpret_cast<uintptr_t>(bytes) % 16, 0u);
    const auto mark = static_cast<uint8_t>(random());
    std::memset(bytes, mark, size);
    held.push_back({bytes, size, mark});
    if (held.size() < 500) continue;
    std::swap(held[random() % held.size()], held.back());
    check_and_free(held.back());
    held.pop_back();
  }
  for (const Block& block : held) check_and_free(block);
}

TEST(SecretMemoryTest, FreedBlocks_AreUsedAgain) {
  const auto churn = [] {
    for (int i = 0; i < 100; ++i) {
      for (const size_t size : kSizes) FreeSecret(AllocateSecret(size), size);
    }
  };
  churn();
  const size_t before = SecretMemoryNow().mapped;
  churn();
  // Taken here, freed there.
  for (int i = 0; i < 200; ++i) {
    std::vector<void*> blocks;
    for (int n = 0; n < 50; ++n) blocks.push_back(AllocateSecret(64));
    std::thread([&] {
      for (void* const block : blocks) FreeSecret(block, 64);
    }).join();
  }
  EXPECT_LE(SecretMemoryNow().mapped, before + (64 << 10));
}

TEST(SecretMemoryTest, ImpossibleSizes_AreBadAlloc) {
  EXPECT_THROW(AllocateSecret(~size_t{0}), std::bad_alloc);
  EXPECT_THROW(AllocateSecret(~size_t{0} / 2), std::bad_alloc);
  EXPECT_THROW(AllocateSecret(size_t{1} << 60), std::bad_alloc);
  FreeSecret(nullptr, 0);
}

// Allocates and frees until told to stop; false if a block changed meanwhile.
bool Churn(unsigned seed, const std::function<bool()>& goes_on) {
  std::mt19937 random(seed);
  std::vector<SecretBytes> held(50);
  while (goes_on()) {
    SecretBytes& place = held[random() % held.size()];
    for (const uint8_t byte : place.Expose()) {
      if (byte != static_cast<uint8_t>(place.size())) return false;
    }
    const size_t size = random() % 100 == 0 ? random() % 40000 : random() % 200;
    place = SecretBytes(WipedVector(size, static_cast<uint8_t>(size)));
  }
  return true;
}

TEST(SecretMemoryTest, ThreadsAtOnce_DoNotShareBlocks) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&good, seed] {
      int rounds = 5000;
      if (Churn(seed, [&] { return rounds-- > 0; })) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
}

TEST(SecretMemoryTest, ForkWhileThreadsAllocate_ChildGoesOn) {
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&, seed] { Churn(seed, [&] { return !over; }); });
  }
  const SecretBytes mine(WipedVector(48, 7));
  for (unsigned i = 0; i < 40; ++i) {
    EXPECT_TRUE(SucceedsInChild([&] {
      alarm(20);  // rather than wait for ever for a lock
      int rounds = 200;
      return mine.Equals(SecretBytes(WipedVector(48, 7))) &&
             Churn(i, [&] { return rounds-- > 0; });
    }));
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace base
