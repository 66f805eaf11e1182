// C_CreateObject: what it makes, and every refusal.
#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using CreateTest = TokenTest;

// --- data objects
// ----------------------------------------------------------------

TEST_F(CreateTest, Data_HasWhatWasAsked) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject()
                 .Text(CKA_LABEL, "a label")
                 .Text(CKA_APPLICATION, "an application")
                 .Set(CKA_OBJECT_ID, FromHex("06032a0304"))
                 .Set(CKA_VALUE, Pattern(100)));
  EXPECT_EQ(GetUlong(object, CKA_CLASS), CKO_DATA);
  EXPECT_EQ(Get(object, CKA_LABEL), FromText("a label"));
  EXPECT_EQ(Get(object, CKA_APPLICATION), FromText("an application"));
  EXPECT_EQ(Get(object, CKA_OBJECT_ID), FromHex("06032a0304"));
  EXPECT_EQ(Get(object, CKA_VALUE), Pattern(100));
}

TEST_F(CreateTest, Data_HasDefaults) {
  const CK_OBJECT_HANDLE object = Create(Template().Ulong(CKA_CLASS, CKO_DATA));
  EXPECT_FALSE(GetBool(object, CKA_TOKEN));
  EXPECT_TRUE(GetBool(object, CKA_MODIFIABLE));
  EXPECT_TRUE(GetBool(object, CKA_COPYABLE));
  EXPECT_TRUE(GetBool(object, CKA_DESTROYABLE));
  EXPECT_EQ(Get(object, CKA_LABEL), Bytes());
  EXPECT_EQ(Get(object, CKA_APPLICATION), Bytes());
  EXPECT_EQ(Get(object, CKA_OBJECT_ID), Bytes());
  EXPECT_EQ(Get(object, CKA_VALUE), Bytes());
}

// Decision 18.
TEST_F(CreateTest, Data_IsPrivateByDefault) {
  EXPECT_TRUE(
      GetBool(Create(Template().Ulong(CKA_CLASS, CKO_DATA)), CKA_PRIVATE));
}

TEST_F(CreateTest, TokenObject_IsOne) {
  EXPECT_TRUE(GetBool(Create(DataObject().Bool(CKA_TOKEN, true)), CKA_TOKEN));
}

TEST_F(CreateTest, TokenObject_OfSomeSize_ComesBackWhole) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject(Pattern(40000)).Bool(CKA_TOKEN, true));
  EXPECT_EQ(Get(object, CKA_VALUE), Pattern(40000));
}

TEST_F(CreateTest, TwoObjects_HaveDifferentHandles) {
  EXPECT_NE(Create(DataObject()), Create(DataObject()));
}

// --- keys and certificates
// ---------------------------------------------------------

TEST_F(CreateTest, SecretKey_HasItsHistory) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  EXPECT_FALSE(GetBool(key, CKA_LOCAL));
  EXPECT_FALSE(GetBool(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_NEVER_EXTRACTABLE));
  EXPECT_EQ(GetUlong(key, CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
}

TEST_F(CreateTest, SensitiveKey_WasNotAlwaysSensitive) {
  const CK_OBJECT_HANDLE key =
      Create(AesKey().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false));
  EXPECT_FALSE(GetBool(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_NEVER_EXTRACTABLE));
}

TEST_F(CreateTest, AesKey_KnowsItsLength) {
  EXPECT_EQ(GetUlong(Create(AesKey(Pattern(24))), CKA_VALUE_LEN), 24u);
}

// Three bytes of the zero block encrypted; NIST SP 800-38A's AES-128 key.
TEST_F(CreateTest, AesKey_HasItsCheckValue) {
  const CK_OBJECT_HANDLE key =
      Create(AesKey(FromHex("2b7e151628aed2a6abf7158809cf4f3c")));
  EXPECT_EQ(Get(key, CKA_CHECK_VALUE), FromHex("7df76b"));
}

TEST_F(CreateTest, RightCheckValue_IsAccepted) {
  Create(AesKey(FromHex("2b7e151628aed2a6abf7158809cf4f3c"))
             .Set(CKA_CHECK_VALUE, FromHex("7df76b")));
}

TEST_F(CreateTest, WrongCheckValue_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey(FromHex("2b7e151628aed2a6abf7158809cf4f3c"))
                          .Set(CKA_CHECK_VALUE, FromHex("000000"))));
}

TEST_F(CreateTest, AesKey_OfAnOddLength_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, TryCreate(AesKey(Pattern(31))));
}

TEST_F(CreateTest, AesKey_Empty_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, TryCreate(AesKey(Bytes())));
}

TEST_F(CreateTest, AesKey_WithoutValue_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, TryCreate(AesKey().Without(CKA_VALUE)));
}

TEST_F(CreateTest, AesKey_WithValueLen_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCreate(AesKey().Ulong(CKA_VALUE_LEN, 32)));
}

TEST_F(CreateTest, RsaPublicKey_KnowsItsSize) {
  const CK_OBJECT_HANDLE key = Create(RsaPublicKey());
  EXPECT_EQ(GetUlong(key, CKA_MODULUS_BITS), 2048u);
  EXPECT_EQ(Get(key, CKA_PUBLIC_EXPONENT), (Bytes{1, 0, 1}));
}

TEST_F(CreateTest, RsaPublicKey_WithoutModulus_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            TryCreate(RsaPublicKey().Without(CKA_MODULUS)));
}

TEST_F(CreateTest, RsaPublicKey_EvenModulus_IsAttributeValueInvalid) {
  Bytes modulus = RsaPublicKey().value(CKA_MODULUS);
  modulus.back() ^= 1;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(RsaPublicKey().Set(CKA_MODULUS, modulus)));
}

TEST_F(CreateTest, RsaPublicKey_WithPrivateExponent_IsInconsistent) {
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            TryCreate(RsaPublicKey().Set(CKA_PRIVATE_EXPONENT, Pattern(256))));
}

TEST_F(CreateTest, RsaPrivateKey_WithoutExponent_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            TryCreate(RsaPrivateKey().Without(CKA_PRIVATE_EXPONENT)));
}

TEST_F(CreateTest, RsaPrivateKey_WrongPrime_IsAttributeValueInvalid) {
  Bytes prime = RsaPrivateKey().value(CKA_PRIME_1);
  prime[10] ^= 0x40;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(RsaPrivateKey().Set(CKA_PRIME_1, prime)));
}

TEST_F(CreateTest, RsaPrivateKey_WrongExponent_IsAttributeValueInvalid) {
  Bytes exponent = RsaPrivateKey().value(CKA_EXPONENT_2);
  exponent[10] ^= 0x40;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(RsaPrivateKey().Set(CKA_EXPONENT_2, exponent)));
}

TEST_F(CreateTest, RsaPrivateKey_WithoutPrimes_HasThemComputed) {
  const CK_OBJECT_HANDLE key = Create(RsaPrivateKey()
                                          .Without(CKA_PRIME_1)
                                          .Without(CKA_PRIME_2)
                                          .Without(CKA_EXPONENT_1)
                                          .Without(CKA_EXPONENT_2)
                                          .Without(CKA_COEFFICIENT));
  EXPECT_EQ(Get(key, CKA_MODULUS), RsaPrivateKey().value(CKA_MODULUS));
  EXPECT_EQ(Get(key, CKA_PRIME_1).size(), 128u);
}

TEST_F(CreateTest, EcPublicKey_HasItsPoint) {
  const CK_OBJECT_HANDLE key = Create(EcPublicKey(Curve::kP384));
  EXPECT_EQ(Get(key, CKA_EC_POINT),
            EcPublicKey(Curve::kP384).value(CKA_EC_POINT));
  EXPECT_EQ(Get(key, CKA_EC_PARAMS), EcParams(Curve::kP384));
}

TEST_F(CreateTest, EcPublicKey_PointOffTheCurve_IsAttributeValueInvalid) {
  Bytes point = EcPublicKey(Curve::kP256).value(CKA_EC_POINT);
  point.back() ^= 1;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(EcPublicKey(Curve::kP256).Set(CKA_EC_POINT, point)));
}

TEST_F(CreateTest, EcPublicKey_PointAtInfinity_IsAttributeValueInvalid) {
  EXPECT_RV(
      CKR_ATTRIBUTE_VALUE_INVALID,
      TryCreate(EcPublicKey(Curve::kP256).Set(CKA_EC_POINT, {0x04, 1, 0})));
}

TEST_F(CreateTest, EcPublicKey_PointOfAnotherCurve_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(EcPublicKey(Curve::kP256)
                          .Set(CKA_EC_PARAMS, EcParams(Curve::kP384))));
}

TEST_F(CreateTest, EcPublicKey_UnknownCurve_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      TryCreate(EcPublicKey(Curve::kP256)
                    .Set(CKA_EC_PARAMS, FromHex("06052b81047f01"))),
      CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID);
}

TEST_F(CreateTest, EcPrivateKey_ValueOfZero_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(EcPrivateKey(Curve::kP256).Set(CKA_VALUE, Bytes(32))));
}

TEST_F(CreateTest, EcPrivateKey_ValueAboveTheOrder_IsAttributeValueInvalid) {
  EXPECT_RV(
      CKR_ATTRIBUTE_VALUE_INVALID,
      TryCreate(EcPrivateKey(Curve::kP256).Set(CKA_VALUE, Bytes(32, 0xff))));
}

TEST_F(CreateTest, Certificate_HasWhatWasAsked) {
  const CK_OBJECT_HANDLE object =
      Create(Certificate().Bool(CKA_TOKEN, true).Set(CKA_ID, Pattern(20)));
  EXPECT_EQ(GetUlong(object, CKA_CERTIFICATE_TYPE), CKC_X_509);
  EXPECT_EQ(Get(object, CKA_VALUE), Certificate().value(CKA_VALUE));
  EXPECT_EQ(Get(object, CKA_SUBJECT), Certificate().value(CKA_SUBJECT));
  EXPECT_EQ(Get(object, CKA_ID), Pattern(20));
  EXPECT_FALSE(GetBool(object, CKA_TRUSTED));
}

TEST_F(CreateTest, Certificate_WithoutSubject_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            TryCreate(Certificate().Without(CKA_SUBJECT)));
}

TEST_F(CreateTest, Certificate_TrustedByUser_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCreate(Certificate().Bool(CKA_TRUSTED, true)));
}

// --- what is missing, wrong or not the caller's to say
// ----------------------------

TEST_F(CreateTest, WithoutClass_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            TryCreate(DataObject().Without(CKA_CLASS)));
}

TEST_F(CreateTest, EmptyTemplate_IsTemplateIncomplete) {
  CK_OBJECT_HANDLE object;
  CK_ATTRIBUTE none;
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            p11().C_CreateObject(session_, &none, 0, &object));
}

TEST_F(CreateTest, KeyWithoutType_IsTemplateIncomplete) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, TryCreate(AesKey().Without(CKA_KEY_TYPE)));
}

TEST_F(CreateTest, UnknownClass_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(DataObject().Ulong(CKA_CLASS, 0x7fff)));
}

TEST_F(CreateTest, UnknownKeyType_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey().Ulong(CKA_KEY_TYPE, 0x7fff)));
}

TEST_F(CreateTest, UnknownAttribute_IsAttributeTypeInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID,
            TryCreate(DataObject().Set(0x7ffffff0, Pattern(4))));
}

// Section 4.1.1: the attribute is valid, the template inconsistent.
TEST_F(CreateTest, AttributeOfAnotherClass_IsTemplateInconsistent) {
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            TryCreate(DataObject().Set(CKA_MODULUS, Pattern(4))));
}

TEST_F(CreateTest, Local_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, TryCreate(AesKey().Bool(CKA_LOCAL, true)));
}

TEST_F(CreateTest, AlwaysSensitive_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCreate(AesKey().Bool(CKA_ALWAYS_SENSITIVE, true)));
}

TEST_F(CreateTest, NeverExtractable_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCreate(AesKey().Bool(CKA_NEVER_EXTRACTABLE, true)));
}

TEST_F(CreateTest, KeyGenMechanism_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCreate(AesKey().Ulong(CKA_KEY_GEN_MECHANISM, CKM_AES_KEY_GEN)));
}

TEST_F(CreateTest, UniqueId_IsAttributeReadOnly) {
  NEEDS_PERIGEE();
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCreate(DataObject().Text(CKA_UNIQUE_ID, "mine")));
}

TEST_F(CreateTest, BadDate_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TryCreate(AesKey().Text(CKA_START_DATE, "20261301")));
}

TEST_F(CreateTest, GoodDates_AreKept) {
  const CK_OBJECT_HANDLE key = Create(
      AesKey().Text(CKA_START_DATE, "20260101").Text(CKA_END_DATE, "20301231"));
  EXPECT_EQ(Get(key, CKA_START_DATE), FromText("20260101"));
  EXPECT_EQ(Get(key, CKA_END_DATE), FromText("20301231"));
}

TEST_F(CreateTest, AlwaysAuthenticate_OnAPublicObject_IsInconsistent) {
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            TryCreate(RsaPrivateKey()
                          .Bool(CKA_ALWAYS_AUTHENTICATE, true)
                          .Bool(CKA_PRIVATE, false)));
}

// --- who may
// -----------------------------------------------------------------------

TEST_F(CreateTest, PrivateObject_ByNobody_IsUserNotLoggedIn) {
  Logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            TryCreate(DataObject().Bool(CKA_PRIVATE, true)));
}

TEST_F(CreateTest, PrivateByDefault_ByNobody_IsUserNotLoggedIn) {
  Logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            TryCreate(DataObject().Without(CKA_PRIVATE)));
}

TEST_F(CreateTest, PrivateObject_BySo_IsUserNotLoggedIn) {
  Logout();
  LoginSo();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            TryCreate(DataObject().Bool(CKA_PRIVATE, true)));
}

TEST_F(CreateTest, PublicSessionObject_ByNobody_Works) {
  Logout();
  EXPECT_OK(TryCreate(DataObject()));
}

TEST_F(CreateTest, PublicTokenObject_ByNobody_Works) {
  Logout();
  EXPECT_OK(TryCreate(DataObject().Bool(CKA_TOKEN, true)));
}

TEST_F(CreateTest, NullHandle_IsArgumentsBad) {
  const Template t = DataObject();
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_CreateObject(session_, t.data(), t.size(), nullptr));
}

TEST_F(CreateTest, NullTemplate_IsArgumentsBad) {
  CK_OBJECT_HANDLE object;
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_CreateObject(session_, nullptr, 3, &object));
}

TEST_F(CreateTest, StaleSession_IsSessionHandleInvalid) {
  const Template t = DataObject();
  CK_OBJECT_HANDLE object;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_CreateObject(kStaleHandle, t.data(), t.size(), &object));
}

// --- CKA_UNIQUE_ID
// -------------------------------------------------------------------

TEST_F(CreateTest, UniqueId_IsThere_AndUnique) {
  NEEDS_PERIGEE();
  const Bytes first = Get(Create(DataObject()), CKA_UNIQUE_ID);
  const Bytes second = Get(Create(DataObject()), CKA_UNIQUE_ID);
  EXPECT_FALSE(first.empty());
  EXPECT_NE(first, second);
}

TEST_F(CreateTest, UniqueId_OfATokenObject_FindsIt) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE object = Create(DataObject().Bool(CKA_TOKEN, true));
  Create(DataObject().Bool(CKA_TOKEN, true));
  EXPECT_THAT(Find(Template().Set(CKA_UNIQUE_ID, Get(object, CKA_UNIQUE_ID))),
              testing::ElementsAre(object));
}

TEST_F(CreateTest, UniqueId_SurvivesARestart) {
  NEEDS_PERIGEE();
  const Bytes id =
      Get(Create(DataObject().Bool(CKA_TOKEN, true)), CKA_UNIQUE_ID);
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  session_ = Open();
  LoginUser();
  EXPECT_EQ(Find(Template().Set(CKA_UNIQUE_ID, id)).size(), 1u);
}

}  // namespace
}  // namespace conformance
