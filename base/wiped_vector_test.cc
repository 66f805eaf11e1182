#include "base/wiped_vector.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/bytes.h"

namespace base {
namespace {

WipedVector Of(absl::string_view text) {
  return WipedVector(text.begin(), text.end());
}

TEST(WipedVectorTest, HoldsWhatAVectorHolds) {
  EXPECT_TRUE(WipedVector().empty());
  EXPECT_EQ(WipedVector(3), Of(absl::string_view("\0\0\0", 3)));
  EXPECT_EQ(WipedVector(2, 'x'), Of("xx"));
  WipedVector v = Of("abc");
  v.push_back('d');
  EXPECT_EQ(v, Of("abcd"));
  v.resize(2);
  v.resize(3, 'z');
  EXPECT_EQ(v, Of("abz"));
  EXPECT_EQ(v.back(), 'z');
  v.clear();
  EXPECT_EQ(v, WipedVector());
  v.Append(v.begin(), v.end());
  EXPECT_TRUE(v.empty());
}

TEST(WipedVectorTest, CopiesAndMoves) {
  WipedVector a = Of("secret");
  WipedVector b = a;
  b[0] = 'S';
  EXPECT_EQ(a, Of("secret"));
  WipedVector c = std::move(b);
  EXPECT_EQ(c, Of("Secret"));
  EXPECT_TRUE(b.empty());  // NOLINT: moved from, and defined
  const WipedVector& itself = c;
  c = itself;
  EXPECT_EQ(c, Of("Secret"));
  c = Of("");
  EXPECT_TRUE(c.empty());
}

TEST(WipedVectorTest, GrowsByItsOwnBytes) {
  WipedVector v = Of("ab");
  std::string same = "ab";
  for (int i = 0; i < 12; ++i) {
    v.Append(v.begin(), v.end());
    same += same;
    ASSERT_EQ(v, Of(same));
  }
}

TEST(WipedVectorTest, ReservedRoomDoesNotMove) {
  WipedVector v;
  v.reserve(1000);
  const uint8_t* const place = v.data();
  for (int i = 0; i < 1000; ++i) v.push_back(static_cast<uint8_t>(i));
  EXPECT_EQ(v.data(), place);
  EXPECT_EQ(v.size(), 1000u);
  v.push_back(0);
  EXPECT_GE(v.capacity(), 2000u);  // Amortised.
}

}  // namespace
}  // namespace base
