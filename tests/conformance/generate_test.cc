// C_GenerateKey and C_GenerateKeyPair.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using GenerateTest = TokenTest;

class GeneratePairTest : public TokenTest {
 protected:
  CK_RV Try(CK_MECHANISM_TYPE mechanism, const Template& pub,
            const Template& priv) {
    CK_OBJECT_HANDLE a, b;
    return p11().C_GenerateKeyPair(session_, Mechanism(mechanism).get(),
                                   pub.data(), pub.size(), priv.data(),
                                   priv.size(), &a, &b);
  }
};

// --- secret keys
// ---------------------------------------------------------------------------

TEST_F(GenerateTest, AesKey_HasWhatItsMechanismSays) {
  const CK_OBJECT_HANDLE key = Generate(CKM_AES_KEY_GEN, NewAes(24));
  EXPECT_EQ(GetUlong(key, CKA_CLASS), CKO_SECRET_KEY);
  EXPECT_EQ(GetUlong(key, CKA_KEY_TYPE), CKK_AES);
  EXPECT_EQ(GetUlong(key, CKA_VALUE_LEN), 24u);
  EXPECT_EQ(Get(key, CKA_VALUE).size(), 24u);
  EXPECT_TRUE(GetBool(key, CKA_LOCAL));
  EXPECT_EQ(GetUlong(key, CKA_KEY_GEN_MECHANISM), CKM_AES_KEY_GEN);
}

TEST_F(GenerateTest, AesKey_WithoutClassAndType_IsOne) {
  const CK_OBJECT_HANDLE key = Generate(
      CKM_AES_KEY_GEN, NewAes().Without(CKA_CLASS).Without(CKA_KEY_TYPE));
  EXPECT_EQ(GetUlong(key, CKA_KEY_TYPE), CKK_AES);
}

TEST_F(GenerateTest, SensitiveKey_WasAlwaysSensitive) {
  const CK_OBJECT_HANDLE key =
      Generate(CKM_AES_KEY_GEN,
               NewAes().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false));
  EXPECT_TRUE(GetBool(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_TRUE(GetBool(key, CKA_NEVER_EXTRACTABLE));
}

TEST_F(GenerateTest, ReadableKey_WasNeverPerfect) {
  const CK_OBJECT_HANDLE key = Generate(CKM_AES_KEY_GEN, NewAes());
  EXPECT_FALSE(GetBool(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_NEVER_EXTRACTABLE));
}

TEST_F(GenerateTest, MadeSensitiveLater_WasNotAlwaysSensitive) {
  const CK_OBJECT_HANDLE key = Generate(CKM_AES_KEY_GEN, NewAes());
  ASSERT_OK(TrySet(key, Template().Bool(CKA_SENSITIVE, true)));
  EXPECT_FALSE(GetBool(key, CKA_ALWAYS_SENSITIVE));
}

TEST_F(GenerateTest, TwoKeys_AreDifferent) {
  EXPECT_NE(Get(Generate(CKM_AES_KEY_GEN, NewAes()), CKA_VALUE),
            Get(Generate(CKM_AES_KEY_GEN, NewAes()), CKA_VALUE));
}

TEST_F(GenerateTest, TokenKey_OutlivesTheLibrary) {
  const Bytes value =
      Get(Generate(CKM_AES_KEY_GEN,
                   NewAes().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "kept")),
          CKA_VALUE);
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  session_ = Open();
  LoginUser();
  const auto found = Find(Template().Text(CKA_LABEL, "kept"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(Get(found[0], CKA_VALUE), value);
}

TEST_F(GenerateTest, GenericSecret_OfAnyLength) {
  EXPECT_EQ(Get(Generate(CKM_GENERIC_SECRET_KEY_GEN, NewSecret(33)), CKA_VALUE)
                .size(),
            33u);
}

TEST_F(GenerateTest, Aes_WithoutLength_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            TryGenerate(CKM_AES_KEY_GEN, NewAes().Without(CKA_VALUE_LEN)));
}

TEST_F(GenerateTest, Aes_OfAnOddLength_IsRefused) {
  EXPECT_RV_IS_ONE_OF(TryGenerate(CKM_AES_KEY_GEN, NewAes(17)),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_SIZE_RANGE);
}

TEST_F(GenerateTest, Aes_OfNoLength_IsRefused) {
  EXPECT_RV_IS_ONE_OF(TryGenerate(CKM_AES_KEY_GEN, NewAes(0)),
                      CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_SIZE_RANGE);
}

TEST_F(GenerateTest, OtherKeyType_IsTemplateInconsistent) {
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            TryGenerate(CKM_AES_KEY_GEN,
                        NewAes().Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)));
}

TEST_F(GenerateTest, OtherClass_IsTemplateInconsistent) {
  EXPECT_RV(
      CKR_TEMPLATE_INCONSISTENT,
      TryGenerate(CKM_AES_KEY_GEN, NewAes().Ulong(CKA_CLASS, CKO_PRIVATE_KEY)));
}

TEST_F(GenerateTest, WithValue_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      TryGenerate(CKM_AES_KEY_GEN, NewAes().Set(CKA_VALUE, Pattern(32))),
      CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(GenerateTest, WithLocal_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryGenerate(CKM_AES_KEY_GEN, NewAes().Bool(CKA_LOCAL, true)));
}

TEST_F(GenerateTest, Trusted_ByUser_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryGenerate(CKM_AES_KEY_GEN, NewAes().Bool(CKA_TRUSTED, true)));
}

TEST_F(GenerateTest, UnknownMechanism_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID, TryGenerate(0x7FFFFFF0, NewAes()));
}

TEST_F(GenerateTest, MechanismThatDoesNotGenerate_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID, TryGenerate(CKM_AES_CBC, NewAes()));
}

TEST_F(GenerateTest, PairMechanism_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID, TryGenerate(CKM_EC_KEY_PAIR_GEN, NewAes()));
}

TEST_F(GenerateTest, ParameterWhereNoneBelongs_IsMechanismParamInvalid) {
  const Template t = NewAes();
  CK_OBJECT_HANDLE key;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            p11().C_GenerateKey(session_,
                                Mechanism(CKM_AES_KEY_GEN, Pattern(4)).get(),
                                t.data(), t.size(), &key));
}

TEST_F(GenerateTest, PrivateKey_ByNobody_IsUserNotLoggedIn) {
  Logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, TryGenerate(CKM_AES_KEY_GEN, NewAes()));
}

TEST_F(GenerateTest, PublicKey_ByNobody_Works) {
  Logout();
  EXPECT_OK(TryGenerate(CKM_AES_KEY_GEN, NewAes().Bool(CKA_PRIVATE, false)));
}

TEST_F(GenerateTest, NullPointers_AreArgumentsBad) {
  const Template t = NewAes();
  CK_OBJECT_HANDLE key;
  const Mechanism aes(CKM_AES_KEY_GEN);
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GenerateKey(session_, nullptr, t.data(), t.size(), &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GenerateKey(session_, aes.get(), nullptr, 2, &key));
  EXPECT_RV(
      CKR_ARGUMENTS_BAD,
      p11().C_GenerateKey(session_, aes.get(), t.data(), t.size(), nullptr));
}

// --- pairs
// -----------------------------------------------------------------------------------

TEST_F(GeneratePairTest, Rsa_HasWhatItsMechanismSays) {
  const Pair pair =
      GeneratePair(CKM_RSA_PKCS_KEY_PAIR_GEN, NewRsaPublic(), NewRsaPrivate());
  EXPECT_EQ(GetUlong(pair.public_key, CKA_CLASS), CKO_PUBLIC_KEY);
  EXPECT_EQ(GetUlong(pair.private_key, CKA_CLASS), CKO_PRIVATE_KEY);
  EXPECT_EQ(GetUlong(pair.public_key, CKA_KEY_TYPE), CKK_RSA);
  EXPECT_EQ(GetUlong(pair.public_key, CKA_MODULUS_BITS), 2048u);
  EXPECT_EQ(Get(pair.public_key, CKA_MODULUS).size(), 256u);
  EXPECT_EQ(Get(pair.public_key, CKA_MODULUS),
            Get(pair.private_key, CKA_MODULUS));
  EXPECT_TRUE(GetBool(pair.public_key, CKA_LOCAL));
  EXPECT_TRUE(GetBool(pair.private_key, CKA_LOCAL));
  EXPECT_EQ(GetUlong(pair.private_key, CKA_KEY_GEN_MECHANISM),
            CKM_RSA_PKCS_KEY_PAIR_GEN);
}

TEST_F(GeneratePairTest, Rsa_SignsAndVerifies) {
  const Pair pair =
      GeneratePair(CKM_RSA_PKCS_KEY_PAIR_GEN, NewRsaPublic(), NewRsaPrivate());
  const Result signature = Whole(SignCalls(), session_, CKM_SHA256_RSA_PKCS,
                                 pair.private_key, Pattern(50));
  ASSERT_OK(signature.rv);
  EXPECT_OK(Verify(session_, CKM_SHA256_RSA_PKCS, pair.public_key, Pattern(50),
                   signature.bytes));
}

TEST_F(GeneratePairTest, Rsa_WithoutExponent_Has65537) {
  const Pair pair = GeneratePair(CKM_RSA_PKCS_KEY_PAIR_GEN,
                                 NewRsaPublic().Without(CKA_PUBLIC_EXPONENT),
                                 NewRsaPrivate());
  EXPECT_EQ(Get(pair.public_key, CKA_PUBLIC_EXPONENT), (Bytes{1, 0, 1}));
}

TEST_F(GeneratePairTest, Rsa_WithoutSize_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            Try(CKM_RSA_PKCS_KEY_PAIR_GEN,
                NewRsaPublic().Without(CKA_MODULUS_BITS), NewRsaPrivate()));
}

TEST_F(GeneratePairTest, Rsa_TooSmall_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      Try(CKM_RSA_PKCS_KEY_PAIR_GEN, NewRsaPublic(256), NewRsaPrivate()),
      CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST_F(GeneratePairTest, Rsa_FarTooLarge_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      Try(CKM_RSA_PKCS_KEY_PAIR_GEN, NewRsaPublic(1 << 20), NewRsaPrivate()),
      CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST_F(GeneratePairTest, Rsa_EvenExponent_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      Try(CKM_RSA_PKCS_KEY_PAIR_GEN,
          NewRsaPublic().Set(CKA_PUBLIC_EXPONENT, {1, 0, 0}), NewRsaPrivate()),
      CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(GeneratePairTest, Rsa_ExponentOne_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      Try(CKM_RSA_PKCS_KEY_PAIR_GEN,
          NewRsaPublic().Set(CKA_PUBLIC_EXPONENT, {1}), NewRsaPrivate()),
      CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT);
}

class EcPairTest : public GeneratePairTest,
                   public testing::WithParamInterface<Curve> {};

TEST_P(EcPairTest, HasItsPoint) {
  const Pair pair = GeneratePair(CKM_EC_KEY_PAIR_GEN, NewEcPublic(GetParam()),
                                 NewEcPrivate());
  // A DER OCTET STRING of 04, x, y.
  const size_t raw = 1 + 2 * FieldSize(GetParam());
  const Bytes point = Get(pair.public_key, CKA_EC_POINT);
  ASSERT_GE(point.size(), raw + 2);
  EXPECT_EQ(point[0], 0x04);
  EXPECT_EQ(point[point.size() - raw], 0x04);
  EXPECT_EQ(Get(pair.private_key, CKA_EC_PARAMS), EcParams(GetParam()));
}

TEST_P(EcPairTest, SignsAndVerifies) {
  const Pair pair = GeneratePair(CKM_EC_KEY_PAIR_GEN, NewEcPublic(GetParam()),
                                 NewEcPrivate());
  const Result signature =
      Whole(SignCalls(), session_, CKM_ECDSA, pair.private_key, Pattern(32));
  ASSERT_OK(signature.rv);
  EXPECT_OK(Verify(session_, CKM_ECDSA, pair.public_key, Pattern(32),
                   signature.bytes));
}

INSTANTIATE_TEST_SUITE_P(
    All, EcPairTest, testing::Values(Curve::kP256, Curve::kP384, Curve::kP521),
    [](const auto& info) {
      return std::string("P") + std::to_string(FieldSize(info.param) * 8);
    });

TEST_F(GeneratePairTest, Ec_WithoutParams_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            Try(CKM_EC_KEY_PAIR_GEN, NewEcPublic().Without(CKA_EC_PARAMS),
                NewEcPrivate()));
}

TEST_F(GeneratePairTest, Ec_UnknownCurve_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      Try(CKM_EC_KEY_PAIR_GEN,
          NewEcPublic().Set(CKA_EC_PARAMS, FromHex("06052b81047f01")),
          NewEcPrivate()),
      CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID);
}

TEST_F(GeneratePairTest, Ec_GarbageParams_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      Try(CKM_EC_KEY_PAIR_GEN, NewEcPublic().Set(CKA_EC_PARAMS, Pattern(7)),
          NewEcPrivate()),
      CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID,
      CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST_F(GeneratePairTest, PrivateKey_IsProtectedByDefault) {
  const Pair pair =
      GeneratePair(CKM_EC_KEY_PAIR_GEN, NewEcPublic(), NewEcPrivate());
  EXPECT_TRUE(GetBool(pair.private_key, CKA_SENSITIVE));
  EXPECT_FALSE(GetBool(pair.private_key, CKA_EXTRACTABLE));
  EXPECT_TRUE(GetBool(pair.private_key, CKA_PRIVATE));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(pair.private_key, CKA_VALUE));
}

TEST_F(GeneratePairTest, PublicKey_IsPublicByDefault) {
  const Pair pair =
      GeneratePair(CKM_EC_KEY_PAIR_GEN, NewEcPublic(), NewEcPrivate());
  EXPECT_FALSE(GetBool(pair.public_key, CKA_PRIVATE));
}

TEST_F(GeneratePairTest, BadPrivateTemplate_MakesNothing) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            Try(CKM_EC_KEY_PAIR_GEN, NewEcPublic().Bool(CKA_TOKEN, true),
                NewEcPrivate().Bool(CKA_TOKEN, true).Bool(CKA_LOCAL, true)));
  EXPECT_TRUE(Find(Template()).empty());
}

TEST_F(GeneratePairTest, OneOfThePairOnTheToken_Works) {
  const Pair pair = GeneratePair(CKM_EC_KEY_PAIR_GEN, NewEcPublic(),
                                 NewEcPrivate().Bool(CKA_TOKEN, true));
  EXPECT_TRUE(GetBool(pair.private_key, CKA_TOKEN));
  EXPECT_FALSE(GetBool(pair.public_key, CKA_TOKEN));
}

TEST_F(GeneratePairTest, WrongClassInATemplate_IsTemplateInconsistent) {
  EXPECT_RV(
      CKR_TEMPLATE_INCONSISTENT,
      Try(CKM_EC_KEY_PAIR_GEN, NewEcPublic().Ulong(CKA_CLASS, CKO_PRIVATE_KEY),
          NewEcPrivate()));
}

TEST_F(GeneratePairTest, PrivateKey_ByNobody_IsUserNotLoggedIn) {
  Logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            Try(CKM_EC_KEY_PAIR_GEN, NewEcPublic(), NewEcPrivate()));
}

TEST_F(GeneratePairTest, SecretMechanism_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID,
            Try(CKM_AES_KEY_GEN, NewEcPublic(), NewEcPrivate()));
}

TEST_F(GeneratePairTest, NullPointers_AreArgumentsBad) {
  const Template pub = NewEcPublic(), priv = NewEcPrivate();
  const Mechanism ec(CKM_EC_KEY_PAIR_GEN);
  CK_OBJECT_HANDLE a, b;
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GenerateKeyPair(session_, nullptr, pub.data(), pub.size(),
                                    priv.data(), priv.size(), &a, &b));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GenerateKeyPair(session_, ec.get(), nullptr, 1, priv.data(),
                                    priv.size(), &a, &b));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GenerateKeyPair(session_, ec.get(), pub.data(), pub.size(),
                                    nullptr, 1, &a, &b));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GenerateKeyPair(session_, ec.get(), pub.data(), pub.size(),
                                    priv.data(), priv.size(), nullptr, &b));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GenerateKeyPair(session_, ec.get(), pub.data(), pub.size(),
                                    priv.data(), priv.size(), &a, nullptr));
}

}  // namespace
}  // namespace conformance
