// Post-quantum mechanisms: there with OpenSSL 3.5 and newer, otherwise not
// listed. Known answers are in tests/vectors/asymmetric.
#include "pkcs11/mechanisms/pqc.h"

#include <openssl/crypto.h>

#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

bool IsNewOpenSsl() {
  return OPENSSL_version_major() > 3 ||
         (OPENSSL_version_major() == 3 && OPENSSL_version_minor() >= 5);
}

TEST(PqcTest, AreListedWithANewOpenSslOnly) {
  for (CK_MECHANISM_TYPE type :
       {CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN, CKM_ML_DSA, CKM_HASH_ML_DSA,
        CKM_HASH_ML_DSA_SHA3_512, CKM_ML_DSA_KEY_PAIR_GEN, CKM_SLH_DSA,
        CKM_HASH_SLH_DSA_SHAKE256, CKM_SLH_DSA_KEY_PAIR_GEN}) {
    EXPECT_EQ(Registry::Get().Find(type) != nullptr, IsNewOpenSsl()) << type;
  }
}

TEST(PqcTest, UnknownParameterSets_AreRefused) {
  EXPECT_EQ(RvOf(PqcSetOf(CKK_ML_KEM, 4)), CKR_PARAMETER_SET_NOT_SUPPORTED);
  EXPECT_EQ(RvOf(PqcSetOf(CKK_SLH_DSA, 0)), CKR_PARAMETER_SET_NOT_SUPPORTED);
  EXPECT_EQ(RvOf(PqcSetOf(CKK_RSA, 1)), CKR_PARAMETER_SET_NOT_SUPPORTED);
}

class NewOpenSslTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!IsNewOpenSsl()) GTEST_SKIP() << "OpenSSL 3.5 is needed";
  }
  static KeyPair Pair(CK_MECHANISM_TYPE mechanism, CK_KEY_TYPE type,
                      CK_ULONG set) {
    hsm::AttributeSet attributes;
    attributes.SetUlong(CKA_PARAMETER_SET, set);
    return NewPair(mechanism, type, attributes);
  }
};

TEST_F(NewOpenSslTest, EverySetHasTheSizesOfItsTable) {
  for (const PqcSet& set : PqcSets()) {
    SCOPED_TRACE(set.openssl_type);
    const CK_MECHANISM_TYPE generation =
        set.key_type == CKK_ML_KEM   ? CKM_ML_KEM_KEY_PAIR_GEN
        : set.key_type == CKK_ML_DSA ? CKM_ML_DSA_KEY_PAIR_GEN
                                     : CKM_SLH_DSA_KEY_PAIR_GEN;
    const KeyPair pair = Pair(generation, set.key_type, set.number);
    const hsm::AttributeSet& secret = pair.private_key->attributes();
    EXPECT_EQ(secret.Value(CKA_VALUE).size(), set.private_size);
    EXPECT_EQ(secret.Value(CKA_SEED).size(), set.seed_size);
    EXPECT_EQ(KeySizeOf(pair.public_key->attributes()), set.public_size);
  }
}

TEST_F(NewOpenSslTest, AKeyFollowsFromItsSeed) {
  const KeyPair pair = Pair(CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, CKP_ML_DSA_44);
  hsm::AttributeSet seed_only = pair.private_key->attributes();
  seed_only.Erase(CKA_VALUE);
  const auto added = CompleteKeyMaterial(seed_only);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_TRUE(base::SameBytes(added->Value(CKA_VALUE),
                              pair.private_key->attributes().Value(CKA_VALUE)));
  hsm::AttributeSet wrong = pair.private_key->attributes();
  Bytes seed = base::ToBytes(wrong.Value(CKA_SEED));
  seed[0] ^= 1;
  wrong.Set(CKA_SEED, seed);
  EXPECT_EQ(RvOf(CompleteKeyMaterial(wrong)), CKR_ATTRIBUTE_VALUE_INVALID);
}

// CKM_HASH_ML_DSA with a SHA-256 value, and CKM_HASH_ML_DSA_SHA256.
TEST_F(NewOpenSslTest, HashingMayBeDoneOutside) {
  struct Forms {
    CK_MECHANISM_TYPE generation;
    CK_KEY_TYPE key_type;
    CK_ULONG set;
    CK_MECHANISM_TYPE outside;
    CK_MECHANISM_TYPE inside;
  };
  for (const Forms& forms :
       {Forms{CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, CKP_ML_DSA_44,
              CKM_HASH_ML_DSA, CKM_HASH_ML_DSA_SHA256},
        Forms{CKM_SLH_DSA_KEY_PAIR_GEN, CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F,
              CKM_HASH_SLH_DSA, CKM_HASH_SLH_DSA_SHA256}}) {
    const KeyPair pair = Pair(forms.generation, forms.key_type, forms.set);
    Bytes context = {7, 8};
    const Bytes message = Counting(99);
    const Bytes hash = base::Sha256({message});
    const CK_HASH_SIGN_ADDITIONAL_CONTEXT outside = {
        CKH_DETERMINISTIC_REQUIRED, context.data(), context.size(), CKM_SHA256};
    const CK_SIGN_ADDITIONAL_CONTEXT inside = {CKH_DETERMINISTIC_REQUIRED,
                                               context.data(), context.size()};
    const auto one = Job(forms.outside, pair.private_key, outside).Sign(hash);
    const auto two = Job(forms.inside, pair.private_key, inside).Sign(message);
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_EQ(*one, *two);
    EXPECT_EQ(RvOf(Job(forms.outside, pair.private_key, outside).Sign(message)),
              CKR_DATA_LEN_RANGE);
    EXPECT_FALSE(Job(forms.inside, pair.public_key).Verify(message, *one).ok());
  }
}

TEST_F(NewOpenSslTest, HedgedSignaturesDiffer) {
  const KeyPair pair = Pair(CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, CKP_ML_DSA_65);
  const Job job(CKM_ML_DSA, pair.private_key);
  EXPECT_NE(*job.Sign(Counting(9)), *job.Sign(Counting(9)));
}

TEST_F(NewOpenSslTest, RefusesParameters) {
  EXPECT_EQ(ParseRv(CKM_ML_DSA, CK_SIGN_ADDITIONAL_CONTEXT{3, nullptr, 0}),
            CKR_MECHANISM_PARAM_INVALID);
  Bytes context(256);
  EXPECT_EQ(
      ParseRv(CKM_ML_DSA, CK_SIGN_ADDITIONAL_CONTEXT{0, context.data(), 256}),
      CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_HASH_ML_DSA, nullptr, 0), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(
      ParseRv(CKM_HASH_ML_DSA,
              CK_HASH_SIGN_ADDITIONAL_CONTEXT{0, nullptr, 0, CKM_AES_CBC}),
      CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(NewOpenSslTest, KemRefusesOtherSizes) {
  const KeyPair pair =
      Pair(CKM_ML_KEM_KEY_PAIR_GEN, CKK_ML_KEM, CKP_ML_KEM_512);
  const Job job(CKM_ML_KEM, pair.private_key);
  EXPECT_EQ(RvOf(job.row().decapsulate(job.use(), Bytes(767), 0)),
            CKR_ENCRYPTED_DATA_LEN_RANGE);
  EXPECT_EQ(RvOf(job.row().decapsulate(job.use(), Bytes(768), 31)),
            CKR_TEMPLATE_INCONSISTENT);
  // Implicit rejection: some secret, and the same each time.
  const auto one = job.row().decapsulate(job.use(), Bytes(768), 0);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_TRUE(one->Equals(*job.row().decapsulate(job.use(), Bytes(768), 0)));
}

}  // namespace
}  // namespace pkcs11
