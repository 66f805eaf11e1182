#include "hsm/object_cache.h"

#include <gtest/gtest.h>

namespace hsm {
namespace {

ObjectRef Make(uint64_t handle, uint64_t version = 1) {
  AttributeSet attributes;
  attributes.SetUlong(CKA_CLASS, CKO_DATA);
  return std::make_shared<const Object>(handle, version, std::move(attributes));
}

TEST(ObjectCache, AnObjectIsValidAtTheGenerationItWasReadAt) {
  ObjectCache cache;
  ObjectRef object = cache.Put(Make(1), 10, 7);
  EXPECT_EQ(cache.Valid(1, 7), object);
  EXPECT_TRUE(cache.IsValid(*object, 7));
  EXPECT_EQ(cache.Valid(1, 8), nullptr);
  EXPECT_EQ(cache.Valid(2, 7), nullptr);
  EXPECT_EQ(cache.Valid(1, kBusyGeneration), nullptr);
}

TEST(ObjectCache, AnObjectAtTheLiveVersion_IsValidAgain) {
  ObjectCache cache;
  ObjectRef object = cache.Put(Make(1), 10, 7);
  EXPECT_EQ(cache.AtVersion(1, 1, 8), object);
  EXPECT_EQ(cache.Valid(1, 8), object);
}

TEST(ObjectCache, AnObjectThatWasReplaced_IsRetired) {
  ObjectCache cache;
  ObjectRef object = cache.Put(Make(1), 10, 7);
  EXPECT_EQ(cache.AtVersion(1, 2, 8), nullptr);
  EXPECT_TRUE(object->retired());
  EXPECT_EQ(cache.size(), 0u);
}

TEST(ObjectCache, TwoReadersOfOneVersion_ShareTheFirstSnapshot) {
  ObjectCache cache;
  ObjectRef first = cache.Put(Make(1), 10, 7);
  EXPECT_EQ(cache.Put(Make(1), 10, 8), first);
  EXPECT_FALSE(first->retired());
}

TEST(ObjectCache, ASlowReader_DoesNotPutAnOldVersionBack) {
  ObjectCache cache;
  ObjectRef newer = cache.Put(Make(1, 2), 10, 8);
  cache.Put(Make(1, 1), 10, 7);
  EXPECT_EQ(cache.Valid(1, 8), newer);
}

TEST(ObjectCache, WhatWasReadInATransaction_IsNotKept) {
  ObjectCache cache;
  EXPECT_NE(cache.Put(Make(1), 10, kBusyGeneration), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(ObjectCache, DropsWhatWasUsedLongestAgo) {
  ObjectCache cache(5 * 2100);
  for (uint64_t handle = 1; handle <= 5; ++handle) {
    cache.Put(Make(handle), 10, 7);
  }
  EXPECT_NE(cache.Valid(1, 7), nullptr);
  cache.Put(Make(6), 10, 7);
  EXPECT_NE(cache.Valid(1, 7), nullptr);
  EXPECT_EQ(cache.Valid(2, 7), nullptr);
}

TEST(ObjectCache, KeepsWhatSomebodyHolds_SoThatItCanBeRetired) {
  ObjectCache cache(2 * 2100);
  ObjectRef held = cache.Put(Make(1), 10, 7);
  for (uint64_t handle = 2; handle <= 9; ++handle) {
    cache.Put(Make(handle), 10, 7);
  }
  cache.RetireAll();
  EXPECT_TRUE(held->retired());
}

TEST(ObjectCache, AfterClose_EverythingIsRetired) {
  ObjectCache cache;
  ObjectRef before = cache.Put(Make(1), 10, 7);
  cache.Close();
  ObjectRef after = cache.Put(Make(2), 10, 7);
  EXPECT_TRUE(before->retired());
  EXPECT_TRUE(after->retired());
  EXPECT_EQ(cache.size(), 0u);
}

TEST(ObjectCache, Retiring_DropsDecodedKeys) {
  ObjectCache cache;
  ObjectRef object = cache.Put(Make(1), 10, 7);
  std::weak_ptr<void> decoded =
      *object->Decoded(1, []() -> absl::StatusOr<std::shared_ptr<void>> {
        return std::shared_ptr<void>(std::make_shared<int>(5));
      });
  EXPECT_FALSE(decoded.expired());
  cache.Retire(1);
  EXPECT_TRUE(decoded.expired());
}

}  // namespace
}  // namespace hsm
