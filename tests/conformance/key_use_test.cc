// Which key may do what: type, class, usage flags, CKA_ALLOWED_MECHANISMS,
// CKA_ALWAYS_AUTHENTICATE, and what *Init says about bad mechanisms.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class KeyUseTest : public TokenTest {
 protected:
  CK_RV EncryptInit(const Mechanism& m, CK_OBJECT_HANDLE key) {
    return p11().C_EncryptInit(session_, m.get(), key);
  }
  CK_RV DecryptInit(const Mechanism& m, CK_OBJECT_HANDLE key) {
    return p11().C_DecryptInit(session_, m.get(), key);
  }
  CK_RV SignInit(const Mechanism& m, CK_OBJECT_HANDLE key) {
    return p11().C_SignInit(session_, m.get(), key);
  }
  CK_RV VerifyInit(const Mechanism& m, CK_OBJECT_HANDLE key) {
    return p11().C_VerifyInit(session_, m.get(), key);
  }
};

// --- handles
// ---------------------------------------------------------------------------

TEST_F(KeyUseTest, StaleKey_IsKeyHandleInvalid) {
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, EncryptInit(AesCbc(), kStaleHandle));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, DecryptInit(AesCbc(), kStaleHandle));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, SignInit(CKM_RSA_PKCS, kStaleHandle));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, VerifyInit(CKM_RSA_PKCS, kStaleHandle));
}

TEST_F(KeyUseTest, KeyZero_IsKeyHandleInvalid) {
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, SignInit(CKM_RSA_PKCS, 0));
}

TEST_F(KeyUseTest, DataObject_IsKeyHandleInvalid) {
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            EncryptInit(AesCbc(), Create(DataObject())));
}

TEST_F(KeyUseTest, DestroyedKey_IsKeyHandleInvalid) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  ASSERT_OK(p11().C_DestroyObject(session_, key));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, EncryptInit(AesCbc(), key));
}

TEST_F(KeyUseTest, PrivateKeyAfterLogout_IsKeyHandleInvalid) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_TOKEN, true));
  Logout();
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, EncryptInit(AesCbc(), key));
}

TEST_F(KeyUseTest, PublicKey_WorksWithoutLogin) {
  const CK_OBJECT_HANDLE key = Create(RsaPublicKey());
  Logout();
  EXPECT_OK(EncryptInit(CKM_RSA_PKCS, key));
}

// --- types and classes
// -----------------------------------------------------------------

TEST_F(KeyUseTest, SecretForAes_IsKeyTypeInconsistent) {
  EXPECT_RV(
      CKR_KEY_TYPE_INCONSISTENT,
      EncryptInit(AesCbc(), Create(GenericSecret(Pattern(32))
                                       .With(Template()
                                                 .Bool(CKA_ENCRYPT, true)
                                                 .Bool(CKA_DECRYPT, true)))));
}

TEST_F(KeyUseTest, AesForRsa_IsKeyTypeInconsistent) {
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            SignInit(CKM_SHA256_RSA_PKCS, Create(AesKey())));
}

TEST_F(KeyUseTest, EcForRsa_IsKeyTypeInconsistent) {
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            SignInit(CKM_SHA256_RSA_PKCS, Create(EcPrivateKey(Curve::kP256))));
}

TEST_F(KeyUseTest, RsaForEcdsa_IsKeyTypeInconsistent) {
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            SignInit(CKM_ECDSA, Create(RsaPrivateKey())));
}

TEST_F(KeyUseTest, RsaForHmac_IsKeyTypeInconsistent) {
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            SignInit(CKM_SHA256_HMAC, Create(RsaPrivateKey())));
}

TEST_F(KeyUseTest, PublicKeyToSign_IsRefused) {
  EXPECT_RV_IS_ONE_OF(SignInit(CKM_RSA_PKCS, Create(RsaPublicKey())),
                      CKR_KEY_FUNCTION_NOT_PERMITTED,
                      CKR_KEY_TYPE_INCONSISTENT);
}

TEST_F(KeyUseTest, PrivateKeyToVerify_IsRefused) {
  EXPECT_RV_IS_ONE_OF(VerifyInit(CKM_RSA_PKCS, Create(RsaPrivateKey())),
                      CKR_KEY_FUNCTION_NOT_PERMITTED,
                      CKR_KEY_TYPE_INCONSISTENT);
}

TEST_F(KeyUseTest, PrivateKeyToEncrypt_IsRefused) {
  EXPECT_RV_IS_ONE_OF(EncryptInit(CKM_RSA_PKCS, Create(RsaPrivateKey())),
                      CKR_KEY_FUNCTION_NOT_PERMITTED,
                      CKR_KEY_TYPE_INCONSISTENT);
}

TEST_F(KeyUseTest, PublicKeyToDecrypt_IsRefused) {
  EXPECT_RV_IS_ONE_OF(DecryptInit(CKM_RSA_PKCS, Create(RsaPublicKey())),
                      CKR_KEY_FUNCTION_NOT_PERMITTED,
                      CKR_KEY_TYPE_INCONSISTENT);
}

// --- usage flags
// -------------------------------------------------------------------------

TEST_F(KeyUseTest, EncryptFlagFalse_IsNotPermitted) {
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            EncryptInit(AesCbc(), Create(AesKey().Bool(CKA_ENCRYPT, false))));
}

TEST_F(KeyUseTest, DecryptFlagFalse_IsNotPermitted) {
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            DecryptInit(AesCbc(), Create(AesKey().Bool(CKA_DECRYPT, false))));
}

TEST_F(KeyUseTest, SignFlagFalse_IsNotPermitted) {
  EXPECT_RV(
      CKR_KEY_FUNCTION_NOT_PERMITTED,
      SignInit(CKM_SHA256_HMAC, Create(GenericSecret().Bool(CKA_SIGN, false))));
}

TEST_F(KeyUseTest, VerifyFlagFalse_IsNotPermitted) {
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            VerifyInit(CKM_SHA256_HMAC,
                       Create(GenericSecret().Bool(CKA_VERIFY, false))));
}

TEST_F(KeyUseTest, RsaSignFlagFalse_IsNotPermitted) {
  EXPECT_RV(
      CKR_KEY_FUNCTION_NOT_PERMITTED,
      SignInit(CKM_RSA_PKCS, Create(RsaPrivateKey().Bool(CKA_SIGN, false))));
}

TEST_F(KeyUseTest, FlagTakenAway_IsNotPermitted) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  ASSERT_OK(EncryptInit(AesCbc(), key));
  ASSERT_OK(p11().C_CloseSession(Open()));
  ASSERT_OK(TrySet(key, Template().Bool(CKA_ENCRYPT, false)));
  const CK_SESSION_HANDLE other = Open();
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            p11().C_EncryptInit(other, AesCbc().get(), key));
}

TEST_F(KeyUseTest, RefusedInit_LeavesNoOperation) {
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            EncryptInit(AesCbc(), Create(AesKey().Bool(CKA_ENCRYPT, false))));
  EXPECT_OK(EncryptInit(AesCbc(), Create(AesKey())));
}

// --- allowed mechanisms
// ------------------------------------------------------------------

TEST_F(KeyUseTest, MechanismInTheList_Works) {
  EXPECT_OK(EncryptInit(
      AesCbc(), Create(AesKey().Mechanisms({CKM_AES_CBC, CKM_AES_GCM}))));
}

TEST_F(KeyUseTest, MechanismNotInTheList_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID,
            EncryptInit(AesCbc(), Create(AesKey().Mechanisms({CKM_AES_GCM}))));
}

TEST_F(KeyUseTest, MechanismNotInTheList_DecryptToo) {
  EXPECT_RV(CKR_MECHANISM_INVALID,
            DecryptInit(AesCbc(), Create(AesKey().Mechanisms({CKM_AES_GCM}))));
}

TEST_F(KeyUseTest, MechanismNotInTheList_SignAndVerifyToo) {
  EXPECT_RV(
      CKR_MECHANISM_INVALID,
      SignInit(CKM_RSA_PKCS,
               Create(RsaPrivateKey().Mechanisms({CKM_SHA256_RSA_PKCS}))));
  EXPECT_RV(
      CKR_MECHANISM_INVALID,
      VerifyInit(CKM_RSA_PKCS,
                 Create(RsaPublicKey().Mechanisms({CKM_SHA256_RSA_PKCS}))));
}

TEST_F(KeyUseTest, AllowedMechanisms_OfAGeneratedTokenKey_AreKept) {
  const CK_OBJECT_HANDLE key =
      Generate(CKM_AES_KEY_GEN,
               NewAes().Bool(CKA_TOKEN, true).Mechanisms({CKM_AES_GCM}));
  EXPECT_RV(CKR_MECHANISM_INVALID, EncryptInit(AesCbc(), key));
}

// --- always authenticate
// -------------------------------------------------------------------

class AlwaysAuthenticateTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    key_ = Create(RsaPrivateKey().Bool(CKA_ALWAYS_AUTHENTICATE, true));
  }
  CK_RV Init() {
    return p11().C_SignInit(session_, Mechanism(CKM_SHA256_RSA_PKCS).get(),
                            key_);
  }
  CK_RV Sign() {
    CK_BYTE data[] = {1, 2, 3};
    CK_BYTE signature[256];
    CK_ULONG size = sizeof(signature);
    return p11().C_Sign(session_, data, sizeof(data), signature, &size);
  }
  CK_OBJECT_HANDLE key_ = CK_INVALID_HANDLE;
};

TEST_F(AlwaysAuthenticateTest, WithoutPin_IsUserNotLoggedIn) {
  ASSERT_OK(Init());
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Sign());
}

TEST_F(AlwaysAuthenticateTest, WithPin_Signs) {
  ASSERT_OK(Init());
  ASSERT_OK(Login(session_, CKU_CONTEXT_SPECIFIC, kUserPin));
  EXPECT_OK(Sign());
}

TEST_F(AlwaysAuthenticateTest, PinIsForOneOperation) {
  ASSERT_OK(Init());
  ASSERT_OK(Login(session_, CKU_CONTEXT_SPECIFIC, kUserPin));
  ASSERT_OK(Sign());
  ASSERT_OK(Init());
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Sign());
}

TEST_F(AlwaysAuthenticateTest, WrongPin_IsPinIncorrect_AndDoesNotSign) {
  ASSERT_OK(Init());
  EXPECT_RV(CKR_PIN_INCORRECT,
            Login(session_, CKU_CONTEXT_SPECIFIC, "wrong-pin"));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Sign());
  Logout();
  LoginUser();  // which resets the count
}

TEST_F(AlwaysAuthenticateTest, PinBeforeInit_IsOperationNotInitialized) {
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            Login(session_, CKU_CONTEXT_SPECIFIC, kUserPin));
}

TEST_F(AlwaysAuthenticateTest, PinForAnOrdinaryKey_IsNotInitialized) {
  ASSERT_OK(p11().C_SignInit(session_, Mechanism(CKM_SHA256_RSA_PKCS).get(),
                             Create(RsaPrivateKey())));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            Login(session_, CKU_CONTEXT_SPECIFIC, kUserPin));
}

TEST_F(AlwaysAuthenticateTest, PinInAnotherSession_DoesNotHelp) {
  ASSERT_OK(Init());
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            Login(Open(), CKU_CONTEXT_SPECIFIC, kUserPin));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Sign());
}

TEST_F(AlwaysAuthenticateTest, SizeQuery_NeedsNoPin) {
  ASSERT_OK(Init());
  CK_BYTE data[] = {1, 2, 3};
  CK_ULONG size = 0;
  ASSERT_OK(p11().C_Sign(session_, data, sizeof(data), nullptr, &size));
  EXPECT_EQ(size, 256u);
}

TEST_F(AlwaysAuthenticateTest, InParts_WithoutPin_IsUserNotLoggedIn) {
  ASSERT_OK(Init());
  CK_BYTE data[] = {1, 2, 3};
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            p11().C_SignUpdate(session_, data, sizeof(data)));
}

TEST_F(AlwaysAuthenticateTest, InParts_WithPin_Signs) {
  ASSERT_OK(Init());
  ASSERT_OK(Login(session_, CKU_CONTEXT_SPECIFIC, kUserPin));
  CK_BYTE data[] = {1, 2, 3};
  ASSERT_OK(p11().C_SignUpdate(session_, data, sizeof(data)));
  CK_BYTE signature[256];
  CK_ULONG size = sizeof(signature);
  EXPECT_OK(p11().C_SignFinal(session_, signature, &size));
}

TEST_F(AlwaysAuthenticateTest, Decrypt_WithoutPin_IsUserNotLoggedIn) {
  const Result sealed = Whole(EncryptCalls(), session_, CKM_RSA_PKCS,
                              Create(RsaPublicKey()), Pattern(10));
  ASSERT_OK(sealed.rv);
  EXPECT_RV(
      CKR_USER_NOT_LOGGED_IN,
      Whole(DecryptCalls(), session_, CKM_RSA_PKCS, key_, sealed.bytes).rv);
}

// --- mechanisms
// ------------------------------------------------------------------------------

TEST_F(KeyUseTest, UnknownMechanism_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID, EncryptInit(0x7FFFFFF0, Create(AesKey())));
  EXPECT_RV(CKR_MECHANISM_INVALID, SignInit(0x7FFFFFF0, Create(AesKey())));
  EXPECT_RV(CKR_MECHANISM_INVALID,
            p11().C_DigestInit(session_, Mechanism(0x7FFFFFF0).get()));
}

TEST_F(KeyUseTest, MechanismOfAnotherUse_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID, EncryptInit(CKM_SHA256, Create(AesKey())));
  EXPECT_RV(CKR_MECHANISM_INVALID, SignInit(AesCbc(), Create(AesKey())));
  EXPECT_RV(CKR_MECHANISM_INVALID,
            p11().C_DigestInit(session_, AesCbc().get()));
}

TEST_F(KeyUseTest, CbcWithoutIv_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            EncryptInit(CKM_AES_CBC, Create(AesKey())));
}

TEST_F(KeyUseTest, CbcWithShortIv_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            EncryptInit(Mechanism(CKM_AES_CBC, Pattern(8)), Create(AesKey())));
}

TEST_F(KeyUseTest, NullParameterWithLength_IsMechanismParamInvalid) {
  CK_MECHANISM mechanism = {CKM_AES_CBC, nullptr, 16};
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            p11().C_EncryptInit(session_, &mechanism, Create(AesKey())));
}

TEST_F(KeyUseTest, ParameterWhereNoneBelongs_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            SignInit(Mechanism(CKM_SHA256_RSA_PKCS, Pattern(4)),
                     Create(RsaPrivateKey())));
}

TEST_F(KeyUseTest, PssWithoutParameter_IsMechanismParamInvalid) {
  EXPECT_RV_IS_ONE_OF(SignInit(CKM_RSA_PKCS_PSS, Create(RsaPrivateKey())),
                      CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(KeyUseTest, PssWithTheWrongHash_IsMechanismParamInvalid) {
  EXPECT_RV_IS_ONE_OF(
      SignInit(Pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA256, 32),
               Create(RsaPrivateKey())),
      CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(KeyUseTest, PssWithAHugeSalt_IsMechanismParamInvalid) {
  EXPECT_RV_IS_ONE_OF(
      SignInit(Pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, ~0UL),
               Create(RsaPrivateKey())),
      CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(KeyUseTest, GcmWithoutParameter_IsMechanismParamInvalid) {
  EXPECT_RV_IS_ONE_OF(EncryptInit(CKM_AES_GCM, Create(AesKey())),
                      CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(KeyUseTest, GcmWithAShortStructure_IsMechanismParamInvalid) {
  EXPECT_RV_IS_ONE_OF(
      EncryptInit(Mechanism(CKM_AES_GCM, Bytes(8)), Create(AesKey())),
      CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
}

TEST_F(KeyUseTest, GcmWithNullAad_IsMechanismParamInvalid) {
  Bytes iv = Pattern(12);
  CK_GCM_PARAMS params = {};
  params.pIv = iv.data();
  params.ulIvLen = iv.size();
  params.ulAADLen = 10;
  params.ulTagBits = 128;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            EncryptInit(Mechanism(CKM_AES_GCM, params), Create(AesKey())));
}

TEST_F(KeyUseTest, GcmWithATagOf7Bits_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            EncryptInit(AesGcm(7), Create(AesKey())));
}

TEST_F(KeyUseTest, GcmWithATagOf256Bits_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            EncryptInit(AesGcm(256), Create(AesKey())));
}

TEST_F(KeyUseTest, CtrWithZeroCounterBits_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            EncryptInit(Mechanism(CKM_AES_CTR, CK_AES_CTR_PARAMS{0, {}}),
                        Create(AesKey())));
}

TEST_F(KeyUseTest, CtrWith129CounterBits_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            EncryptInit(Mechanism(CKM_AES_CTR, CK_AES_CTR_PARAMS{129, {}}),
                        Create(AesKey())));
}

TEST_F(KeyUseTest, OaepWithUnknownHash_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      EncryptInit(Oaep(CKM_AES_CBC, CKG_MGF1_SHA256), Create(RsaPublicKey())),
      CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
}

}  // namespace
}  // namespace conformance
