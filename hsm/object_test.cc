#include "hsm/object.h"

#include <gtest/gtest.h>

namespace hsm {
namespace {

AttributeSet Key() {
  AttributeSet attributes;
  attributes.SetBool(CKA_TOKEN, true);
  attributes.SetBool(CKA_PRIVATE, true);
  return attributes;
}

absl::StatusOr<std::shared_ptr<void>> MakeSeven() {
  return std::make_shared<int>(7);
}

TEST(Object, FlagsComeFromAttributes) {
  const Object object(1, 1, Key());
  EXPECT_TRUE(object.is_token());
  EXPECT_TRUE(object.is_private());
  EXPECT_FALSE(object.origin().has_value());
}

TEST(Object, Decoded_MakesOnceAKind) {
  const Object object(1, 1, Key());
  int made = 0;
  auto make = [&]() -> absl::StatusOr<std::shared_ptr<void>> {
    return std::make_shared<int>(++made);
  };
  const auto first = object.Decoded(1, make).value();
  EXPECT_EQ(object.Decoded(1, make).value(), first);
  EXPECT_NE(object.Decoded(2, make).value(), first);
  EXPECT_EQ(made, 2);
}

TEST(Object, Decoded_KeepsNoError) {
  const Object object(1, 1, Key());
  auto fail = []() -> absl::StatusOr<std::shared_ptr<void>> {
    return base::Error(CKR_KEY_SIZE_RANGE, "too small");
  };
  EXPECT_EQ(base::CkRv(object.Decoded(1, fail).status()), CKR_KEY_SIZE_RANGE);
  EXPECT_TRUE(object.Decoded(1, MakeSeven).ok());
}

// Two threads that make the same thing at the same time: here the second one
// runs inside the first one's `make`.
TEST(Object, Decoded_TheFirstToFinishIsKept) {
  const Object object(1, 1, Key());
  std::shared_ptr<void> inner;
  auto outer = [&]() -> absl::StatusOr<std::shared_ptr<void>> {
    inner = object.Decoded(1, MakeSeven).value();
    return std::make_shared<int>(8);
  };
  EXPECT_EQ(object.Decoded(1, outer).value(), inner);
}

TEST(Object, DropDecoded_FreesWhatNobodyUses) {
  const Object object(1, 1, Key());
  std::weak_ptr<void> kept = object.Decoded(1, MakeSeven).value();
  EXPECT_FALSE(kept.expired());
  object.DropDecoded();
  EXPECT_TRUE(kept.expired());
}

TEST(Object, Retired_KeepsNothing) {
  const Object object(1, 1, Key());
  object.Retire();
  object.DropDecoded();
  EXPECT_TRUE(object.retired());
  std::weak_ptr<void> kept = object.Decoded(1, MakeSeven).value();
  EXPECT_TRUE(kept.expired());
}

}  // namespace
}  // namespace hsm
