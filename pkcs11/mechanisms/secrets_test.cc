// Secret keys: lengths, check values, generation, and keys that are hashes.
#include "pkcs11/mechanisms/secrets.h"

#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

absl::StatusOr<hsm::AttributeSet> Generated(CK_MECHANISM_TYPE type,
                                            CK_ULONG size) {
  const Mechanism& row = RowFor(type);
  hsm::AttributeSet attributes;
  if (size != 0) attributes.SetUlong(CKA_VALUE_LEN, size);
  return row.generate({row, nullptr, nullptr}, attributes);
}

TEST(SecretsTest, HmacKeysHaveTheHashsLengthUnlessAskedOtherwise) {
  for (const Hash& hash : Hashes()) {
    if (hash.key_gen == CK_UNAVAILABLE_INFORMATION) continue;  // MD5
    EXPECT_EQ(Generated(hash.key_gen, 0)->Value(CKA_VALUE).size(), hash.size);
    EXPECT_EQ(Generated(hash.key_gen, 77)->Value(CKA_VALUE).size(), 77u);
    EXPECT_EQ(RvOf(Generated(hash.key_gen, kMaxSecretSize + 1)),
              CKR_ATTRIBUTE_VALUE_INVALID);
  }
}

TEST(SecretsTest, GeneratedKeysDiffer) {
  EXPECT_NE(base::ToBytes(Generated(CKM_SHA256_KEY_GEN, 0)->Value(CKA_VALUE)),
            base::ToBytes(Generated(CKM_SHA256_KEY_GEN, 0)->Value(CKA_VALUE)));
}

CK_RV CompletionRv(CK_KEY_TYPE type, ByteSpan value) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, type);
  key.Set(CKA_VALUE, value);
  return RvOf(CompleteKeyMaterial(key));
}

TEST(SecretsTest, XtsKeysHaveTwoDifferentHalves) {
  Bytes key = Counting(32);
  EXPECT_EQ(CompletionRv(CKK_AES_XTS, key), CKR_OK);
  std::copy(key.begin(), key.begin() + 16, key.begin() + 16);
  EXPECT_EQ(CompletionRv(CKK_AES_XTS, key), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(CompletionRv(CKK_AES_XTS, Counting(48)),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(SecretsTest, LengthsAreThoseOfTheType) {
  EXPECT_EQ(CompletionRv(CKK_CAMELLIA, Counting(24)), CKR_OK);
  EXPECT_EQ(CompletionRv(CKK_CAMELLIA, Counting(20)),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(CompletionRv(CKK_CHACHA20, Counting(32)), CKR_OK);
  EXPECT_EQ(CompletionRv(CKK_CHACHA20, Counting(16)),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(CompletionRv(CKK_SHA3_256_HMAC, Counting(1)), CKR_OK);
  EXPECT_EQ(CompletionRv(CKK_SHA3_256_HMAC, {}), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(SecretsTest, CheckValuesOfBlockCiphersAreAnEncryptedZeroBlock) {
  const Bytes zeros(16);
  const Bytes key = Counting(24);
  const Bytes block =
      *Job(CKM_AES_ECB, NewSecretKey(CKK_AES, key)).Encrypt(zeros);
  EXPECT_EQ(*CheckValueOf(CKK_AES, key),
            Bytes(block.begin(), block.begin() + 3));
}

TEST(HashDeriveTest, NeverGivesMoreThanADigest) {
  const Job job(CKM_SHA256_KEY_DERIVATION,
                NewSecretKey(CKK_GENERIC_SECRET, Counting(20)));
  EXPECT_EQ(job.row().derive(job.use(), 0)->size(), 32u);
  EXPECT_EQ(job.row().derive(job.use(), 32)->size(), 32u);
  EXPECT_EQ(RvOf(job.row().derive(job.use(), 33)), CKR_TEMPLATE_INCONSISTENT);
}

TEST(HashDeriveTest, ShakeNeedsALength) {
  const Job job(CKM_SHAKE_128_KEY_DERIVATION,
                NewSecretKey(CKK_GENERIC_SECRET, Counting(20)));
  EXPECT_EQ(job.row().derive(job.use(), 1000)->size(), 1000u);
  EXPECT_EQ(RvOf(job.row().derive(job.use(), 0)), CKR_TEMPLATE_INCOMPLETE);
}

TEST(HashDeriveTest, TakesSecretKeysOnly) {
  hsm::AttributeSet attributes;
  attributes.Set(CKA_VALUE, Counting(32));
  const Job job(CKM_SHA256_KEY_DERIVATION,
                NewKey(CKO_PRIVATE_KEY, CKK_EC, attributes));
  EXPECT_EQ(RvOf(job.row().derive(job.use(), 0)), CKR_KEY_TYPE_INCONSISTENT);
}

}  // namespace
}  // namespace pkcs11
