#include "base/crypto_share.h"

#include <gtest/gtest.h>

#include <string>

namespace base {
namespace {

Bytes FromHex(absl::string_view hex) {
  Bytes bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(
        std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

class KeyShareTest : public ::testing::TestWithParam<ShareKind> {
 protected:
  void SetUp() override {
    if (!HasKeyShare(GetParam())) GTEST_SKIP() << "not in this OpenSSL";
  }
};

TEST_P(KeyShareTest, BothEndsHoldOneSecret) {
  const ShareKey key = *ShareKey::Generate(GetParam());
  const AnsweredShare answered = *AnswerKeyShare(GetParam(), key.share());
  EXPECT_EQ(answered.secret.size(), kSharedSecretSize);
  const auto secret = key.Agree(answered.answer);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_TRUE(secret->Equals(answered.secret));
}

TEST_P(KeyShareTest, EachExchangeHasItsOwnSecret) {
  const ShareKey key = *ShareKey::Generate(GetParam());
  const AnsweredShare one = *AnswerKeyShare(GetParam(), key.share());
  const AnsweredShare two = *AnswerKeyShare(GetParam(), key.share());
  EXPECT_FALSE(one.secret.Equals(two.secret));
  EXPECT_NE(key.share(), ShareKey::Generate(GetParam())->share());
}

TEST_P(KeyShareTest, AlteredAnswerGivesAnotherSecret) {
  const ShareKey key = *ShareKey::Generate(GetParam());
  AnsweredShare answered = *AnswerKeyShare(GetParam(), key.share());
  answered.answer[3] ^= 1;
  const auto secret = key.Agree(answered.answer);
  EXPECT_FALSE(secret.ok() && secret->Equals(answered.secret));
}

TEST_P(KeyShareTest, WrongSizesAreRefused) {
  const ShareKey key = *ShareKey::Generate(GetParam());
  for (const size_t size :
       {size_t{0}, key.share().size() - 1, key.share().size() + 1}) {
    const Bytes share(size, 9);
    EXPECT_EQ(CkRv(AnswerKeyShare(GetParam(), share).status()),
              CKR_DATA_INVALID);
    EXPECT_EQ(CkRv(key.Agree(share).status()), CKR_DATA_INVALID);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, KeyShareTest,
                         ::testing::Values(ShareKind::kX25519,
                                           ShareKind::kMlKem1024));

TEST(X25519Test, PointsOfSmallOrderAreRefused) {
  const ShareKey key = *ShareKey::Generate(ShareKind::kX25519);
  // Of orders 4, 1 and 8 (RFC 7748, section 6.1).
  for (const char* hex :
       {"0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"}) {
    EXPECT_EQ(CkRv(AnswerKeyShare(ShareKind::kX25519, FromHex(hex)).status()),
              CKR_DATA_INVALID);
    EXPECT_EQ(CkRv(key.Agree(FromHex(hex)).status()), CKR_DATA_INVALID);
  }
}

// A coefficient of 3329 or more (FIPS 203, 7.2).
TEST(MlKemTest, ShareThatIsNoKeyIsRefused) {
  if (!HasKeyShare(ShareKind::kMlKem1024)) GTEST_SKIP();
  EXPECT_EQ(
      CkRv(AnswerKeyShare(ShareKind::kMlKem1024, Bytes(1568, 0xff)).status()),
      CKR_DATA_INVALID);
}

}  // namespace
}  // namespace base
