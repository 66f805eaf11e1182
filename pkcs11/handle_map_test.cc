#include "pkcs11/handle_map.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pkcs11 {
namespace {

TEST(HandleMapTest, FindsWhatWasPut) {
  HandleMap<int> map;
  const CK_ULONG handle = map.Next();
  EXPECT_NE(handle, CK_INVALID_HANDLE);
  EXPECT_EQ(map.Find(handle), nullptr);
  map.Put(handle, std::make_shared<int>(5));
  ASSERT_NE(map.Find(handle), nullptr);
  EXPECT_EQ(*map.Find(handle), 5);
}

TEST(HandleMapTest, HandlesAreNeverUsedAgain) {
  HandleMap<int> map;
  const CK_ULONG first = map.Next();
  map.Put(first, std::make_shared<int>(1));
  map.Take(first);
  EXPECT_NE(map.Next(), first);
  EXPECT_EQ(map.Find(first), nullptr);
}

TEST(HandleMapTest, StaleHandlesAreNotFound) {
  HandleMap<int> map;
  EXPECT_EQ(map.Find(0), nullptr);
  EXPECT_EQ(map.Find(~CK_ULONG{0}), nullptr);
  EXPECT_EQ(map.Take(12345), nullptr);
}

TEST(HandleMapTest, AllGivesEverything) {
  HandleMap<int> map;
  for (int i = 0; i < 100; ++i) map.Put(map.Next(), std::make_shared<int>(i));
  EXPECT_EQ(map.All().size(), 100U);
}

TEST(HandleMapTest, OfTwoTakersOneGetsIt) {
  HandleMap<int> map;
  std::atomic<int> taken{0};
  for (int round = 0; round < 200; ++round) {
    const CK_ULONG handle = map.Next();
    map.Put(handle, std::make_shared<int>(round));
    const auto take = [&] {
      if (map.Take(handle) != nullptr) ++taken;
    };
    std::thread other(take);
    take();
    other.join();
  }
  EXPECT_EQ(taken, 200);
}

}  // namespace
}  // namespace pkcs11
