// C_GenerateRandom and C_SeedRandom.
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using RandomTest = TokenTest;

TEST_F(RandomTest, FillsTheBuffer_AndNoMore) {
  Bytes room(40, 0);
  ASSERT_OK(p11().C_GenerateRandom(session_, room.data(), 32));
  EXPECT_NE(Bytes(room.begin(), room.begin() + 32), Bytes(32));
  EXPECT_EQ(Bytes(room.begin() + 32, room.end()), Bytes(8));
}

TEST_F(RandomTest, TwoDraws_Differ) {
  Bytes a(32), b(32);
  ASSERT_OK(p11().C_GenerateRandom(session_, a.data(), a.size()));
  ASSERT_OK(p11().C_GenerateRandom(session_, b.data(), b.size()));
  EXPECT_NE(a, b);
}

TEST_F(RandomTest, AMegabyte_Works) {
  Bytes room(1 << 20);
  EXPECT_OK(p11().C_GenerateRandom(session_, room.data(), room.size()));
}

TEST_F(RandomTest, WithoutLogin_Works) {
  Logout();
  CK_BYTE byte;
  EXPECT_OK(p11().C_GenerateRandom(session_, &byte, 1));
}

TEST_F(RandomTest, InAReadOnlySession_Works) {
  CK_BYTE byte;
  EXPECT_OK(p11().C_GenerateRandom(Open(kReadOnly), &byte, 1));
}

TEST_F(RandomTest, NullBuffer_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GenerateRandom(session_, nullptr, 8));
}

TEST_F(RandomTest, StaleSession_IsSessionHandleInvalid) {
  CK_BYTE byte;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_GenerateRandom(kStaleHandle, &byte, 1));
}

TEST_F(RandomTest, Seed_IsTakenOrNotSupported) {
  Bytes seed(32, 7);
  EXPECT_RV_IS_ONE_OF(p11().C_SeedRandom(session_, seed.data(), seed.size()),
                      CKR_OK, CKR_RANDOM_SEED_NOT_SUPPORTED);
}

TEST_F(RandomTest, SameSeed_DoesNotGiveTheSame) {
  Bytes seed(32, 7), a(32), b(32);
  p11().C_SeedRandom(session_, seed.data(), seed.size());
  ASSERT_OK(p11().C_GenerateRandom(session_, a.data(), a.size()));
  p11().C_SeedRandom(session_, seed.data(), seed.size());
  ASSERT_OK(p11().C_GenerateRandom(session_, b.data(), b.size()));
  EXPECT_NE(a, b);
}

TEST_F(RandomTest, NullSeed_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_SeedRandom(session_, nullptr, 8));
}

TEST_F(RandomTest, SeedOfAStaleSession_IsSessionHandleInvalid) {
  CK_BYTE byte = 0;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_SeedRandom(kStaleHandle, &byte, 1));
}

}  // namespace
}  // namespace conformance
