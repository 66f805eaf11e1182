// Objects that the token shows of itself, trust objects, and the indicators of
// approved services (PKCS#11 3.2, 4.4, 4.6.5, 5.6.11).
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class BuiltInTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    if (!IsPerigee()) GTEST_SKIP() << "only of Perigee";
  }
  std::vector<CK_OBJECT_HANDLE> OfClass(CK_OBJECT_CLASS object_class) {
    return Find(Template().Ulong(CKA_CLASS, object_class));
  }
  CK_ULONG Number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    const Bytes value = Get(object, type);
    CK_ULONG number = CK_UNAVAILABLE_INFORMATION;
    EXPECT_EQ(value.size(), sizeof(number));
    if (value.size() == sizeof(number)) {
      std::memcpy(&number, value.data(), sizeof(number));
    }
    return number;
  }
  CK_FLAGS LastService() {
    CK_FLAGS flags = 0;
    EXPECT_OK(p11().C_GetSessionValidationFlags(
        session_, CKS_LAST_VALIDATION_OK, &flags));
    return flags;
  }
};

TEST_F(BuiltInTest, MechanismObjects_AreTheMechanismList) {
  CK_ULONG count = 0;
  ASSERT_OK(p11().C_GetMechanismList(slot_, nullptr, &count));
  std::vector<CK_MECHANISM_TYPE> list(count);
  ASSERT_OK(p11().C_GetMechanismList(slot_, list.data(), &count));
  std::vector<CK_MECHANISM_TYPE> shown;
  for (const CK_OBJECT_HANDLE object : OfClass(CKO_MECHANISM)) {
    shown.push_back(Number(object, CKA_MECHANISM_TYPE));
  }
  EXPECT_EQ(shown, list);
  EXPECT_EQ(Find(Template()
                     .Ulong(CKA_CLASS, CKO_MECHANISM)
                     .Ulong(CKA_MECHANISM_TYPE, CKM_RSA_PKCS))
                .size(),
            1u);
}

TEST_F(BuiltInTest, AnySearchButByClass_DoesNotFindThem) {
  EXPECT_TRUE(Find(Template()).empty());
  EXPECT_TRUE(Find(Template().Bool(CKA_TOKEN, true)).empty());
  EXPECT_TRUE(
      Find(Template().Ulong(CKA_CLASS, CKO_PROFILE).Bool(CKA_TOKEN, false))
          .empty());
}

TEST_F(BuiltInTest, Profiles_AreThoseThatHold) {
  std::vector<CK_ULONG> ids;
  for (const CK_OBJECT_HANDLE object : OfClass(CKO_PROFILE)) {
    ids.push_back(Number(object, CKA_PROFILE_ID));
  }
  EXPECT_THAT(
      ids, testing::ElementsAre(CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER));
}

TEST_F(BuiltInTest, NobodyChangesCopiesDestroysOrMakesThem) {
  const CK_OBJECT_HANDLE object = OfClass(CKO_PROFILE).at(0);
  const Template label = Template().Text(CKA_LABEL, "x");
  EXPECT_RV(
      CKR_ACTION_PROHIBITED,
      p11().C_SetAttributeValue(session_, object, label.data(), label.size()));
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  EXPECT_RV(
      CKR_ACTION_PROHIBITED,
      p11().C_CopyObject(session_, object, label.data(), label.size(), &made));
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11().C_DestroyObject(session_, object));
  for (const CK_OBJECT_CLASS object_class :
       {CKO_PROFILE, CKO_MECHANISM, CKO_VALIDATION}) {
    const Template t = Template().Ulong(CKA_CLASS, object_class);
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              p11().C_CreateObject(session_, t.data(), t.size(), &made));
  }
}

TEST_F(BuiltInTest, Trust_IsKept) {
  const Template t = Template()
                         .Ulong(CKA_CLASS, CKO_TRUST)
                         .Bool(CKA_TOKEN, false)
                         .Set(CKA_ISSUER, FromText("issuer"))
                         .Set(CKA_SERIAL_NUMBER, FromText("1"))
                         .Set(CKA_HASH_OF_CERTIFICATE, Pattern(32))
                         .Ulong(CKA_NAME_HASH_ALGORITHM, CKM_SHA256)
                         .Ulong(PERIGEE_CKA_TRUST_SERVER_AUTH, CKT_TRUSTED);
  const CK_OBJECT_HANDLE object = Create(t);
  EXPECT_EQ(Number(object, PERIGEE_CKA_TRUST_SERVER_AUTH), CKT_TRUSTED);
  EXPECT_EQ(Number(object, PERIGEE_CKA_TRUST_CLIENT_AUTH), 0u);
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  const Template incomplete = Template().Ulong(CKA_CLASS, CKO_TRUST);
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            p11().C_CreateObject(session_, incomplete.data(), incomplete.size(),
                                 &made));
}

// --- indicators
// --------------------------------------------------------------

TEST_F(BuiltInTest, Services_TellWhetherTheyAreApproved) {
  const std::vector<CK_OBJECT_HANDLE> shown = OfClass(CKO_VALIDATION);
  ASSERT_EQ(shown.size(), 1u);
  const CK_ULONG flag = Number(shown[0], CKA_VALIDATION_FLAG);
  EXPECT_EQ(flag, 1u);
  EXPECT_TRUE(Get(shown[0], CKA_VALIDATION_CERTIFICATE_IDENTIFIER).empty());

  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  EXPECT_EQ(LastService(), flag);
  ASSERT_OK(p11().C_DigestInit(session_, nullptr));
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA_1).get()));
  EXPECT_EQ(LastService(), 0u);
  // What may be read may not be made: GCM under the caller's nonce.
  ASSERT_OK(p11().C_EncryptInit(session_, AesGcm().get(), Create(AesKey())));
  EXPECT_EQ(LastService(), 0u);
  ASSERT_OK(p11().C_DecryptInit(session_, AesGcm().get(), Create(AesKey())));
  EXPECT_EQ(LastService(), flag);
  // The same mechanism, with curves of NIST's and of others.
  ASSERT_OK(p11().C_SignInit(session_, Mechanism(CKM_ECDSA_SHA256).get(),
                             Create(EcPrivateKey(Curve::kP256))));
  EXPECT_EQ(LastService(), flag);
}

TEST_F(BuiltInTest, MadeKeys_TellHow) {
  const CK_OBJECT_HANDLE aes = Generate(CKM_AES_KEY_GEN, NewAes());
  EXPECT_EQ(Number(aes, CKA_OBJECT_VALIDATION_FLAGS), 1u);
  EXPECT_EQ(LastService(), 1u);
  const CK_OBJECT_HANDLE des =
      Generate(CKM_DES3_KEY_GEN, Template().Bool(CKA_TOKEN, false));
  EXPECT_EQ(Number(des, CKA_OBJECT_VALIDATION_FLAGS), 0u);
  EXPECT_EQ(LastService(), 0u);
}

}  // namespace
}  // namespace conformance
