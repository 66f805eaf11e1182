// Digests and HMAC, generic secrets, and the registry.
#include <set>

#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

const Bytes kMessage = Counting(200);

TEST(DigestTest, PartsEqualTheWhole) {
  for (const CK_MECHANISM_TYPE type :
       {CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512,
        CKM_SHA512_224, CKM_SHA512_256, CKM_SHA3_224, CKM_SHA3_256,
        CKM_SHA3_384, CKM_SHA3_512, CKM_BLAKE2B_512}) {
    const Mechanism& row = RowFor(type);
    auto whole = *row.digest({row, nullptr, nullptr});
    auto parts = *row.digest({row, nullptr, nullptr});
    Bytes one(whole->size());
    Bytes two(parts->size());
    ASSERT_TRUE(whole->Update(kMessage).ok());
    ASSERT_TRUE(whole->Final(absl::MakeSpan(one)).ok());
    for (const uint8_t byte : kMessage) {
      ASSERT_TRUE(parts->Update(ByteSpan(&byte, 1)).ok());
    }
    ASSERT_TRUE(parts->Update({}).ok());
    ASSERT_TRUE(parts->Final(absl::MakeSpan(two)).ok());
    EXPECT_EQ(one, two);
  }
}

TEST(DigestTest, AnAbandonedDigestLeavesNothingToTheNext) {
  const Mechanism& row = RowFor(CKM_SHA256);
  Bytes expected(32);
  Bytes out(32);
  ASSERT_TRUE((*row.digest({row, nullptr, nullptr}))
                  ->Final(absl::MakeSpan(expected))
                  .ok());
  ASSERT_TRUE((*row.digest({row, nullptr, nullptr}))->Update(kMessage).ok());
  ASSERT_TRUE(
      (*row.digest({row, nullptr, nullptr}))->Final(absl::MakeSpan(out)).ok());
  EXPECT_EQ(out, expected);
}

TEST(DigestTest, TruncatedSha512HasTheLengthOfItsParameter) {
  const Mechanism& row = RowFor(CKM_SHA512_T);
  const Job t224(CKM_SHA512_T, nullptr, CK_MAC_GENERAL_PARAMS{224});
  const Job t256(CKM_SHA512_T, nullptr, CK_MAC_GENERAL_PARAMS{256});
  auto digester = *row.digest(t224.use());
  EXPECT_EQ(digester->size(), 28u);
  // The spare tool of a session is of the first hash only.
  EXPECT_FALSE(digester->Rearm(t256.use().parameters));
  EXPECT_EQ((*row.digest(t256.use()))->size(), 32u);
  for (const CK_MAC_GENERAL_PARAMS bits : {0, 8, 255, 384, 512, 513}) {
    EXPECT_EQ(ParseRv(CKM_SHA512_T, bits), CKR_MECHANISM_PARAM_INVALID);
  }
}

TEST(HmacTest, SignsInPartsAsInOneAndVerifies) {
  const hsm::ObjectRef key = NewSecretKey(CKK_GENERIC_SECRET, Counting(40));
  for (const CK_MECHANISM_TYPE type :
       {CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC}) {
    const Job job(type, key);
    const auto whole = job.Sign(kMessage);
    ASSERT_TRUE(whole.ok()) << whole.status();
    auto signer = *job.row().sign(job.use());
    Bytes parts(signer->size());
    ASSERT_TRUE(signer->Update(ByteSpan(kMessage).subspan(0, 77)).ok());
    ASSERT_TRUE(signer->Update(ByteSpan(kMessage).subspan(77)).ok());
    ASSERT_TRUE(signer->Final(absl::MakeSpan(parts)).ok());
    EXPECT_EQ(*whole, parts);
    EXPECT_TRUE(job.Verify(kMessage, parts).ok());
    parts[5] ^= 1;
    EXPECT_EQ(RvOf(job.Verify(kMessage, parts)), CKR_SIGNATURE_INVALID);
    parts.pop_back();
    EXPECT_EQ(RvOf(job.Verify(kMessage, parts)), CKR_SIGNATURE_LEN_RANGE);
  }
}

TEST(HmacTest, AnAbandonedOperationLeavesNothingToTheNext) {
  const hsm::ObjectRef key = NewSecretKey(CKK_GENERIC_SECRET, Counting(40));
  const Job job(CKM_SHA256_HMAC, key);
  const Bytes expected = *job.Sign(kMessage);
  ASSERT_TRUE((*job.row().sign(job.use()))->Update(kMessage).ok());
  EXPECT_EQ(*job.Sign(kMessage), expected);
}

TEST(HmacTest, GeneralFormTruncates) {
  const hsm::ObjectRef key = NewSecretKey(CKK_SHA256_HMAC, Counting(40));
  const Bytes whole = *Job(CKM_SHA256_HMAC, key).Sign(kMessage);
  const Job job(CKM_SHA256_HMAC_GENERAL, key, CK_ULONG{10});
  EXPECT_EQ(*job.Sign(kMessage), Bytes(whole.begin(), whole.begin() + 10));
  EXPECT_EQ(RvOf(job.Verify(kMessage, whole)), CKR_SIGNATURE_LEN_RANGE);
}

TEST(HmacTest, GeneralFormRefusesLengths) {
  EXPECT_EQ(ParseRv(CKM_SHA256_HMAC_GENERAL, CK_ULONG{4}), CKR_OK);
  EXPECT_EQ(ParseRv(CKM_SHA256_HMAC_GENERAL, CK_ULONG{32}), CKR_OK);
  EXPECT_EQ(ParseRv(CKM_SHA256_HMAC_GENERAL, CK_ULONG{3}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_SHA256_HMAC_GENERAL, CK_ULONG{33}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_SHA256_HMAC_GENERAL, nullptr, 0),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_SHA256_HMAC, CK_ULONG{32}),
            CKR_MECHANISM_PARAM_INVALID);
}

TEST(GenericSecretTest, IsGeneratedByLength) {
  const Mechanism& row = RowFor(CKM_GENERIC_SECRET_KEY_GEN);
  const auto generate = [&](CK_ULONG size) {
    hsm::AttributeSet attributes;
    attributes.SetUlong(CKA_VALUE_LEN, size);
    return row.generate({row, nullptr, nullptr}, attributes);
  };
  EXPECT_EQ(generate(1)->Value(CKA_VALUE).size(), 1u);
  EXPECT_EQ(generate(100)->Value(CKA_VALUE).size(), 100u);
  EXPECT_EQ(RvOf(generate(0)), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(RvOf(generate(5000)), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(RvOf(row.generate({row, nullptr, nullptr}, {})),
            CKR_TEMPLATE_INCOMPLETE);
}

TEST(RegistryTest, IsSortedAndFindsEveryRow) {
  const Registry& registry = Registry::Get();
  CK_MECHANISM_TYPE last = 0;
  for (const Mechanism* row : registry.rows()) {
    EXPECT_TRUE(row == registry.rows().front() || row->type > last);
    last = row->type;
    EXPECT_EQ(registry.Find(row->type), row);
  }
  EXPECT_EQ(registry.Find(CKM_SHA256, Profile::kStrict)->type, CKM_SHA256);
  EXPECT_EQ(registry.Find(CKM_MD5, Profile::kStrict), nullptr);
  EXPECT_EQ(registry.Find(CKM_MD5, Profile::kLegacy)->type, CKM_MD5);
  EXPECT_EQ(registry.Find(~CK_ULONG{0}), nullptr);
}

TEST(RegistryTest, FlagsSayWhatTheRowsDo) {
  EXPECT_EQ(InfoOf(RowFor(CKM_RSA_PKCS), Profile::kStrict).flags,
            CKF_SIGN | CKF_VERIFY | CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER |
                CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP);
  EXPECT_EQ(InfoOf(RowFor(CKM_SHA256), Profile::kStrict).flags, CKF_DIGEST);
  EXPECT_EQ(InfoOf(RowFor(CKM_AES_KEY_GEN), Profile::kStrict).flags,
            CKF_GENERATE);
  EXPECT_EQ(InfoOf(RowFor(CKM_ECDH1_DERIVE), Profile::kStrict).flags,
            CKF_DERIVE | CKF_ENCAPSULATE | CKF_DECAPSULATE | CKF_EC_F_P |
                CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME | CKF_EC_UNCOMPRESS);
  EXPECT_EQ(InfoOf(RowFor(CKM_RSA_PKCS_KEY_PAIR_GEN), Profile::kStrict).flags,
            CKF_GENERATE_KEY_PAIR);
  for (const Mechanism* row : Registry::Get().rows()) {
    EXPECT_EQ(InfoOf(*row, Profile::kStrict).flags & CKF_HW, 0u);
    EXPECT_NE(InfoOf(*row, Profile::kStrict).flags, 0u);
  }
}

}  // namespace
}  // namespace pkcs11
