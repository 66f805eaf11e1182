#include "hsm/secret_sharing.h"

#include <gtest/gtest.h>

#include "base/crypto.h"

namespace hsm {
namespace {

// The shares with these numbers.
std::vector<NumberedShare> Pick(const std::vector<SecretBytes>& shares,
                                const std::vector<size_t>& numbers) {
  std::vector<NumberedShare> picked;
  for (const size_t number : numbers) {
    picked.emplace_back(number, shares[number].Clone());
  }
  return picked;
}

// Worked out by hand: 0x53 + 0xca x at 1 and 2 (0x53 and 0xca are inverses of
// each other in the field of AES).
TEST(SecretSharing, JoinsWhatWasDividedElsewhere) {
  std::vector<NumberedShare> shares;
  shares.emplace_back(0, SecretBytes::CopyOf(base::Bytes{0x99}));
  shares.emplace_back(1, SecretBytes::CopyOf(base::Bytes{0xdc}));
  EXPECT_TRUE(JoinSecret(shares)->Equals(base::Bytes{0x53}));
}

TEST(SecretSharing, AnyTwoOfThree) {
  const SecretBytes secret = base::RandomSecret(32).value();
  const auto shares = SplitSecret(secret, 2, 3).value();
  EXPECT_TRUE(JoinSecret(Pick(shares, {0, 1}))->Equals(secret));
  EXPECT_TRUE(JoinSecret(Pick(shares, {2, 0}))->Equals(secret));
  EXPECT_TRUE(JoinSecret(Pick(shares, {1, 2}))->Equals(secret));
  EXPECT_TRUE(JoinSecret(Pick(shares, {0, 1, 2}))->Equals(secret));
  EXPECT_FALSE(JoinSecret(Pick(shares, {0}))->Equals(secret));
}

TEST(SecretSharing, AllOfSixteen) {
  const SecretBytes secret = base::RandomSecret(32).value();
  const auto shares = SplitSecret(secret, 16, 16).value();
  std::vector<size_t> all;
  for (size_t i = 0; i < 16; ++i) all.push_back(i);
  EXPECT_TRUE(JoinSecret(Pick(shares, all))->Equals(secret));
  all.pop_back();
  EXPECT_FALSE(JoinSecret(Pick(shares, all))->Equals(secret));
}

TEST(SecretSharing, OneOfOne_IsTheSecret) {
  const SecretBytes secret = base::RandomSecret(32).value();
  EXPECT_TRUE(SplitSecret(secret, 1, 1)->front().Equals(secret));
}

TEST(SecretSharing, WhatDoesNotGoTogether_IsRefused) {
  const SecretBytes secret = base::RandomSecret(32).value();
  EXPECT_EQ(base::CkRv(SplitSecret(secret, 0, 1).status()), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(base::CkRv(SplitSecret(secret, 3, 2).status()), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(base::CkRv(SplitSecret(secret, 1, 256).status()),
            CKR_ARGUMENTS_BAD);
  const auto shares = SplitSecret(secret, 2, 2).value();
  EXPECT_EQ(base::CkRv(JoinSecret({}).status()), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(base::CkRv(JoinSecret(Pick(shares, {0, 0})).status()),
            CKR_ARGUMENTS_BAD);
  std::vector<NumberedShare> uneven = Pick(shares, {0, 1});
  uneven[1].second.Truncate(31);
  EXPECT_EQ(base::CkRv(JoinSecret(uneven).status()), CKR_ARGUMENTS_BAD);
  std::vector<NumberedShare> far;
  far.emplace_back(255, secret.Clone());
  EXPECT_EQ(base::CkRv(JoinSecret(far).status()), CKR_ARGUMENTS_BAD);
}

}  // namespace
}  // namespace hsm
