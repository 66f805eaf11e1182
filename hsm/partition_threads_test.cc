// One partition under many threads; for ThreadSanitizer most of all.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::Data;
using testkit::Labelled;
using testkit::List;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TestHsm;

template <typename Work>
void InThreads(int count, Work work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

TEST(Threads, OfOneLogin_MakeFindAndDestroy) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  InThreads(4, [&](int thread) {
    const std::string label = "thread " + std::to_string(thread);
    for (int round = 0; round < 25; ++round) {
      auto made = p.Create(co.get(), List(Data(label, true)));
      ASSERT_TRUE(made.ok()) << made.status();
      auto object = p.Get(co.get(), (*made)[0]);
      ASSERT_TRUE(object.ok()) << object.status();
      EXPECT_TRUE(p.IsCurrent(co.get(), **object));
      EXPECT_EQ(*p.Find(co.get(), Labelled(label)), *made);
      AttributeSet changed = (*object)->attributes();
      changed.SetText(CKA_VALUE, "changed");
      ASSERT_TRUE(p.Replace(co.get(), **object, changed).ok());
      ASSERT_TRUE(p.Destroy(co.get(), (*made)[0]).ok());
      EXPECT_TRUE((*object)->retired());
    }
  });
  EXPECT_TRUE(p.Find(co.get(), {})->empty());
}

TEST(Threads, WhoReadOneKey_ShareOneSnapshot) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const uint64_t handle = (*p.Create(co.get(), List(SecretKey("1"))))[0];
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) ASSERT_TRUE(p.Create(co.get(), List(Data("x"))).ok());
  });
  InThreads(3, [&](int) {
    ObjectRef first = *p.Get(co.get(), handle);
    for (int i = 0; i < 200; ++i) {
      EXPECT_EQ(p.Get(co.get(), handle)->get(), first.get());
      EXPECT_FALSE(first->retired());
    }
  });
  stop = true;
  writer.join();
}

TEST(Threads, GuessingAtOnce_GetNoMoreThanTheLimit) {
  TestHsm hsm(AppSpec());
  MakeOfficer(hsm.first());
  std::atomic<int> incorrect{0}, locked{0};
  InThreads(8, [&](int) {
    for (int i = 0; i < 4; ++i) {
      const CK_RV rv = Rv(hsm.first().Unlock(Role::kCo, Pin("wrong-pin")));
      if (rv == CKR_PIN_INCORRECT) ++incorrect;
      if (rv == CKR_PIN_LOCKED) ++locked;
    }
  });
  EXPECT_EQ(incorrect, 10);
  EXPECT_EQ(locked, 22);
}

TEST(Threads, LoggingOutWhileOthersWork_LeavesNothingBehind) {
  TestHsm hsm(AppSpec());
  Partition& p = hsm.first();
  LoginRef co = MakeOfficer(p);
  const uint64_t handle = (*p.Create(co.get(), List(SecretKey("1"))))[0];
  std::vector<ObjectRef> held(3);
  std::thread ender([&] { co->End(); });
  InThreads(3, [&](int thread) {
    for (int i = 0; i < 100; ++i) {
      auto object = p.Get(co.get(), handle);
      if (!object.ok()) {
        EXPECT_EQ(Rv(object), CK_RV{CKR_USER_NOT_LOGGED_IN});
        break;
      }
      held[thread] = *object;
    }
  });
  ender.join();
  for (const ObjectRef& object : held) {
    EXPECT_TRUE(object == nullptr || object->retired());
  }
}

}  // namespace
}  // namespace hsm
