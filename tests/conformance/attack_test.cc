// Attacks through the API: a sensitive key is made on the token, and every
// known way of getting at its value, or at its use, is tried. Each must end in
// a refusal or in a key that is as well protected as before.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class AttackTest : public TokenTest {
 protected:
  // The victim: sensitive, but may be wrapped.
  CK_OBJECT_HANDLE Victim() {
    return Generate(
        CKM_AES_KEY_GEN,
        NewAes().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, true));
  }
  Result Wrap(const Mechanism& mechanism, CK_OBJECT_HANDLE wrapper,
              CK_OBJECT_HANDLE key) {
    Bytes room(4096);
    CK_ULONG size = room.size();
    const CK_RV rv = p11().C_WrapKey(session_, mechanism.get(), wrapper, key,
                                     room.data(), &size);
    room.resize(rv == CKR_OK ? size : 0);
    return {rv, room};
  }
  CK_RV Unwrap(CK_OBJECT_HANDLE unwrapper, const Bytes& wrapped,
               const Template& t, CK_OBJECT_HANDLE* key) {
    return p11().C_UnwrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(),
                             unwrapper, const_cast<CK_BYTE*>(wrapped.data()),
                             wrapped.size(), t.data(), t.size(), key);
  }
  static Template Weak() {
    return Template()
        .Ulong(CKA_CLASS, CKO_SECRET_KEY)
        .Ulong(CKA_KEY_TYPE, CKK_AES)
        .Bool(CKA_TOKEN, false)
        .Bool(CKA_SENSITIVE, false)
        .Bool(CKA_EXTRACTABLE, true);
  }
  // A wrapping key whose own value is out of reach.
  CK_OBJECT_HANDLE SecretWrapper() {
    return Generate(CKM_AES_KEY_GEN, Template()
                                         .Ulong(CKA_VALUE_LEN, 32)
                                         .Bool(CKA_TOKEN, false)
                                         .Bool(CKA_SENSITIVE, true)
                                         .Bool(CKA_EXTRACTABLE, false)
                                         .Bool(CKA_WRAP, true)
                                         .Bool(CKA_UNWRAP, true));
  }
  // A key that both wraps and decrypts, if there can be one.
  CK_RV MakeWrapAndDecrypt(CK_OBJECT_HANDLE* key) {
    const Template t = NewAes().Bool(CKA_WRAP, true).Bool(CKA_UNWRAP, true);
    return p11().C_GenerateKey(session_, Mechanism(CKM_AES_KEY_GEN).get(),
                               t.data(), t.size(), key);
  }
};

// --- wrap, then decrypt (Clulow; peers' table A7, row 3)
// ------------------------------------

TEST_F(AttackTest, WrapThenDecrypt_KeyWrap_IsRefused) {
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (MakeWrapAndDecrypt(&both) != CKR_OK) return;
  EXPECT_NE(Wrap(CKM_AES_KEY_WRAP, both, Victim()).rv, CKR_OK);
}

TEST_F(AttackTest, WrapThenDecrypt_Cbc_IsRefused) {
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (MakeWrapAndDecrypt(&both) != CKR_OK) return;
  EXPECT_NE(Wrap(AesCbc(), both, Victim()).rv, CKR_OK);
}

TEST_F(AttackTest, WrapThenDecrypt_CbcPad_IsRefused) {
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (MakeWrapAndDecrypt(&both) != CKR_OK) return;
  EXPECT_NE(Wrap(AesCbc(CKM_AES_CBC_PAD), both, Victim()).rv, CKR_OK);
}

TEST_F(AttackTest, WrapThenDecrypt_Ecb_IsRefused) {
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (MakeWrapAndDecrypt(&both) != CKR_OK) return;
  EXPECT_NE(Wrap(CKM_AES_ECB, both, Victim()).rv, CKR_OK);
}

TEST_F(AttackTest, WrapThenDecrypt_Gcm_IsRefused) {
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (MakeWrapAndDecrypt(&both) != CKR_OK) return;
  EXPECT_NE(Wrap(AesGcm(), both, Victim()).rv, CKR_OK);
}

// GCM and CCM decrypt by encrypting with the same nonce; each tag of a GMAC
// has a block of their key stream.
TEST_F(AttackTest, WrapThenEncryptOrSign_IsRefused) {
  for (const CK_ATTRIBUTE_TYPE use : {CKA_ENCRYPT, CKA_SIGN}) {
    const Template t = Template()
                           .Ulong(CKA_VALUE_LEN, 32)
                           .Bool(CKA_TOKEN, false)
                           .Bool(CKA_WRAP, true)
                           .Bool(use, true);
    CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
    if (p11().C_GenerateKey(session_, Mechanism(CKM_AES_KEY_GEN).get(),
                            t.data(), t.size(), &both) != CKR_OK) {
      continue;
    }
    EXPECT_NE(Wrap(CKM_AES_KEY_WRAP, both, Victim()).rv, CKR_OK);
  }
}

TEST_F(AttackTest, WrappingKey_GetsNoSignLater) {
  NEEDS_PERIGEE();
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(SecretWrapper(), Template().Bool(CKA_SIGN, true)));
}

TEST_F(AttackTest, WrapThenDecrypt_PrivateKey_IsRefused) {
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (MakeWrapAndDecrypt(&both) != CKR_OK) return;
  const CK_OBJECT_HANDLE victim =
      Create(RsaPrivateKey().Bool(CKA_SENSITIVE, true));
  EXPECT_NE(Wrap(AesCbc(CKM_AES_CBC_PAD), both, victim).rv, CKR_OK);
  EXPECT_NE(Wrap(CKM_AES_KEY_WRAP_KWP, both, victim).rv, CKR_OK);
}

TEST_F(AttackTest, WrapAndDecrypt_OfReadableKeys_StillWorks) {
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (MakeWrapAndDecrypt(&both) != CKR_OK) return;
  EXPECT_OK(Wrap(CKM_AES_KEY_WRAP, both, Create(AesKey())).rv);
}

TEST_F(AttackTest, WrappingKey_GetsNoDecryptLater) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(SecretWrapper(), Template().Bool(CKA_DECRYPT, true)));
}

TEST_F(AttackTest, DecryptingKey_GetsNoWrapLater) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(Create(AesKey()), Template().Bool(CKA_WRAP, true)));
}

TEST_F(AttackTest, CopyOfAWrappingKey_DoesNotDecrypt) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCopy(SecretWrapper(), Template().Bool(CKA_DECRYPT, true)));
}

// The same value once as wrapping and once as decrypting key, by wrapping the
// wrapping key itself.
TEST_F(AttackTest, WrappingKeyReimportedToDecrypt_DoesNotDecryptTheVictim) {
  const CK_OBJECT_HANDLE outer = SecretWrapper();
  const CK_OBJECT_HANDLE inner =
      Generate(CKM_AES_KEY_GEN, Template()
                                    .Ulong(CKA_VALUE_LEN, 32)
                                    .Bool(CKA_TOKEN, false)
                                    .Bool(CKA_SENSITIVE, true)
                                    .Bool(CKA_EXTRACTABLE, true)
                                    .Bool(CKA_WRAP, true));
  const Result wrapped = Wrap(CKM_AES_KEY_WRAP, outer, inner);
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE twin = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(outer, wrapped.bytes,
                   Weak().Bool(CKA_DECRYPT, true).Bool(CKA_ENCRYPT, true),
                   &twin));
  // What `inner` can wrap, `twin` must not be able to open: raw modes wrap no
  // sensitive key.
  EXPECT_NE(Wrap(CKM_AES_ECB, inner, Victim()).rv, CKR_OK);
  EXPECT_NE(Wrap(AesCbc(), inner, Victim()).rv, CKR_OK);
}

// --- unwrap with weaker attributes (row 2)
// ----------------------------------------------------

TEST_F(AttackTest, UnwrapAsReadable_StaysSensitive) {
  const CK_OBJECT_HANDLE wrapper = SecretWrapper();
  const Result wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Victim());
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  if (Unwrap(wrapper, wrapped.bytes, Weak(), &copy) != CKR_OK) return;
  EXPECT_TRUE(GetBool(copy, CKA_SENSITIVE));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(copy, CKA_VALUE));
}

TEST_F(AttackTest, UnwrapAsReadable_DoesNotSayAlwaysSensitive) {
  const CK_OBJECT_HANDLE wrapper = SecretWrapper();
  const Result wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Victim());
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  if (Unwrap(wrapper, wrapped.bytes, Weak(), &copy) != CKR_OK) return;
  EXPECT_FALSE(GetBool(copy, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(GetBool(copy, CKA_NEVER_EXTRACTABLE));
}

TEST_F(AttackTest, UnwrapAsGenericSecret_StaysSensitive) {
  const CK_OBJECT_HANDLE wrapper = SecretWrapper();
  const Result wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Victim());
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  if (Unwrap(wrapper, wrapped.bytes,
             Weak().Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET), &copy) != CKR_OK) {
    return;
  }
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(copy, CKA_VALUE));
}

TEST_F(AttackTest, UnwrapWithKnownKeyOfTheAttacker_IsHisOwnValue) {
  // The attacker knows this key's value, so what it unwraps is no secret.
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Result wrapped =
      Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey(Pattern(16))));
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(wrapper, wrapped.bytes, Weak(), &copy));
  EXPECT_EQ(Get(copy, CKA_VALUE), Pattern(16));
}

TEST_F(AttackTest, WrapTemplateTrick_UnwrappedKeyThatWrapsAndDecrypts) {
  const CK_OBJECT_HANDLE wrapper = SecretWrapper();
  const Result wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Victim());
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE both = CK_INVALID_HANDLE;
  if (Unwrap(wrapper, wrapped.bytes,
             Weak().Bool(CKA_WRAP, true).Bool(CKA_DECRYPT, true),
             &both) != CKR_OK) {
    return;
  }
  EXPECT_NE(Wrap(CKM_AES_KEY_WRAP, both, Victim()).rv, CKR_OK);
}

// --- what may not be wrapped
// ------------------------------------------------------------------

TEST_F(AttackTest, NotExtractableKey_LeavesByNoMechanism) {
  const CK_OBJECT_HANDLE key =
      Generate(CKM_AES_KEY_GEN,
               NewAes().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false));
  const CK_OBJECT_HANDLE wrapper = SecretWrapper();
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE, Wrap(CKM_AES_KEY_WRAP, wrapper, key).rv);
  const CK_OBJECT_HANDLE rsa = Create(RsaPublicKey());
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE, Wrap(CKM_RSA_PKCS, rsa, key).rv);
}

TEST_F(AttackTest, WrapWithTrusted_UnderAnUntrustedKey_IsNotWrappable) {
  const CK_OBJECT_HANDLE key = Generate(
      CKM_AES_KEY_GEN,
      NewAes().Bool(CKA_SENSITIVE, true).Bool(CKA_WRAP_WITH_TRUSTED, true));
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE,
            Wrap(CKM_AES_KEY_WRAP, SecretWrapper(), key).rv);
}

TEST_F(AttackTest, WrapWithTrusted_UnderAKeyThatTheSoTrusts_Works) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey()
                                              .Bool(CKA_TOKEN, true)
                                              .Bool(CKA_PRIVATE, false)
                                              .Bool(CKA_SENSITIVE, true)
                                              .Bool(CKA_EXTRACTABLE, false));
  Logout();
  LoginSo();
  ASSERT_OK(TrySet(wrapper, Template().Bool(CKA_TRUSTED, true)));
  Logout();
  LoginUser();
  const CK_OBJECT_HANDLE key =
      Create(AesKey().Bool(CKA_WRAP_WITH_TRUSTED, true));
  EXPECT_OK(Wrap(CKM_AES_KEY_WRAP, wrapper, key).rv);
}

// It would leave under another trusted key and come back as one that decrypts.
TEST_F(AttackTest, TrustingAnExtractableKey_IsRefused) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey()
                                              .Bool(CKA_TOKEN, true)
                                              .Bool(CKA_PRIVATE, false)
                                              .Bool(CKA_SENSITIVE, true)
                                              .Bool(CKA_EXTRACTABLE, true));
  Logout();
  LoginSo();
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            TrySet(wrapper, Template().Bool(CKA_TRUSTED, true)));
}

TEST_F(AttackTest, CopyOfATrustedKey_IsNotTrusted) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey()
                                              .Bool(CKA_TOKEN, true)
                                              .Bool(CKA_PRIVATE, false)
                                              .Bool(CKA_SENSITIVE, true)
                                              .Bool(CKA_EXTRACTABLE, false));
  Logout();
  LoginSo();
  ASSERT_OK(TrySet(wrapper, Template().Bool(CKA_TRUSTED, true)));
  Logout();
  LoginUser();
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  if (TryCopy(wrapper, Template(), &copy) != CKR_OK) return;
  EXPECT_FALSE(GetBool(copy, CKA_TRUSTED));
}

// --- copies
// -----------------------------------------------------------------------------------

TEST_F(AttackTest, CopyAsReadable_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCopy(Victim(), Template().Bool(CKA_SENSITIVE, false)));
}

TEST_F(AttackTest, CopyAsExtractable_IsAttributeReadOnly) {
  const CK_OBJECT_HANDLE key =
      Generate(CKM_AES_KEY_GEN,
               NewAes().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCopy(key, Template().Bool(CKA_EXTRACTABLE, true)));
}

TEST_F(AttackTest, CopyAsPublic_IsRefused) {
  EXPECT_RV_IS_ONE_OF(TryCopy(Victim(), Template().Bool(CKA_PRIVATE, false)),
                      CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(AttackTest, CopyAsModifiable_IsRefused) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_MODIFIABLE, false));
  EXPECT_RV_IS_ONE_OF(TryCopy(key, Template().Bool(CKA_MODIFIABLE, true)),
                      CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(AttackTest, CopyAsTrusted_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCopy(Create(WrappingKey()), Template().Bool(CKA_TRUSTED, true)));
}

TEST_F(AttackTest, CopyWithOtherAllowedMechanisms_IsAttributeReadOnly) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Mechanisms({CKM_AES_GCM}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCopy(key, Template().Mechanisms({CKM_AES_ECB})));
}

TEST_F(AttackTest, CopyWithoutWrapWithTrusted_IsAttributeReadOnly) {
  const CK_OBJECT_HANDLE key =
      Create(AesKey().Bool(CKA_WRAP_WITH_TRUSTED, true));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCopy(key, Template().Bool(CKA_WRAP_WITH_TRUSTED, false)));
}

TEST_F(AttackTest, CopyWithoutAlwaysAuthenticate_IsAttributeReadOnly) {
  const CK_OBJECT_HANDLE key =
      Create(RsaPrivateKey().Bool(CKA_ALWAYS_AUTHENTICATE, true));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TryCopy(key, Template().Bool(CKA_ALWAYS_AUTHENTICATE, false)));
}

// --- operations that outlive their right (row 4, softhsm/SoftHSMv2#900)
// -----------------------

class LostRightTest : public TokenTest {
 protected:
  // The operation has begun with this key.
  void Begin(const Template& key) {
    key_ = Create(key);
    ASSERT_OK(
        p11().C_SignInit(session_, Mechanism(CKM_SHA256_RSA_PKCS).get(), key_));
  }
  CK_RV Sign() {
    CK_BYTE data[] = {1, 2, 3};
    CK_BYTE signature[256];
    CK_ULONG size = sizeof(signature);
    return p11().C_Sign(session_, data, sizeof(data), signature, &size);
  }
  CK_OBJECT_HANDLE key_ = CK_INVALID_HANDLE;
};

TEST_F(LostRightTest, SignAfterLogout_IsRefused) {
  Begin(RsaPrivateKey().Bool(CKA_TOKEN, true));
  Logout();
  EXPECT_RV_IS_ONE_OF(Sign(), CKR_OPERATION_NOT_INITIALIZED,
                      CKR_USER_NOT_LOGGED_IN);
}

TEST_F(LostRightTest, SignAfterLogout_OfASessionKey_IsRefused) {
  Begin(RsaPrivateKey());
  Logout();
  EXPECT_RV_IS_ONE_OF(Sign(), CKR_OPERATION_NOT_INITIALIZED,
                      CKR_USER_NOT_LOGGED_IN);
}

TEST_F(LostRightTest, SignAfterLogoutAndLogin_IsRefused) {
  Begin(RsaPrivateKey().Bool(CKA_TOKEN, true));
  Logout();
  LoginUser();
  EXPECT_RV_IS_ONE_OF(Sign(), CKR_OPERATION_NOT_INITIALIZED,
                      CKR_USER_NOT_LOGGED_IN);
}

TEST_F(LostRightTest, SignInAnotherSessionAfterLogout_IsRefused) {
  Begin(RsaPrivateKey().Bool(CKA_TOKEN, true));
  ASSERT_OK(p11().C_Logout(Open()));
  EXPECT_RV_IS_ONE_OF(Sign(), CKR_OPERATION_NOT_INITIALIZED,
                      CKR_USER_NOT_LOGGED_IN);
}

TEST_F(LostRightTest, SignInPartsAfterLogout_IsRefused) {
  Begin(RsaPrivateKey().Bool(CKA_TOKEN, true));
  CK_BYTE data[] = {1, 2, 3};
  ASSERT_OK(p11().C_SignUpdate(session_, data, sizeof(data)));
  Logout();
  CK_BYTE signature[256];
  CK_ULONG size = sizeof(signature);
  EXPECT_RV_IS_ONE_OF(p11().C_SignFinal(session_, signature, &size),
                      CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN);
}

TEST_F(LostRightTest, DecryptAfterLogout_IsRefused) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_TOKEN, true));
  ASSERT_OK(p11().C_DecryptInit(session_, AesCbc().get(), key));
  Logout();
  Bytes data = Pattern(16);
  CK_ULONG size = data.size();
  EXPECT_RV_IS_ONE_OF(
      p11().C_Decrypt(session_, data.data(), 16, data.data(), &size),
      CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN);
}

TEST_F(LostRightTest, SignAfterTheKeyWasDestroyed_IsRefused) {
  Begin(RsaPrivateKey().Bool(CKA_TOKEN, true));
  ASSERT_OK(p11().C_DestroyObject(Open(), key_));
  EXPECT_RV_IS_ONE_OF(Sign(), CKR_OPERATION_NOT_INITIALIZED,
                      CKR_KEY_HANDLE_INVALID);
}

TEST_F(LostRightTest, SignAfterTheSessionKeyWasDestroyed_IsRefused) {
  Begin(RsaPrivateKey());
  ASSERT_OK(p11().C_DestroyObject(session_, key_));
  EXPECT_RV_IS_ONE_OF(Sign(), CKR_OPERATION_NOT_INITIALIZED,
                      CKR_KEY_HANDLE_INVALID);
}

TEST_F(LostRightTest, SignAfterItsUseWasTakenAway_IsRefused) {
  Begin(RsaPrivateKey().Bool(CKA_TOKEN, true));
  ASSERT_OK(TrySet(key_, Template().Bool(CKA_SIGN, false)));
  EXPECT_RV_IS_ONE_OF(Sign(), CKR_OPERATION_NOT_INITIALIZED,
                      CKR_KEY_FUNCTION_NOT_PERMITTED);
}

TEST_F(LostRightTest, DigestAfterLogout_GoesOnOrIsRefused) {
  // A digest has no key to lose; both answers are right, a crash is not.
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  Logout();
  CK_BYTE data[] = {1, 2, 3};
  CK_BYTE digest[32];
  CK_ULONG size = sizeof(digest);
  EXPECT_RV_IS_ONE_OF(
      p11().C_Digest(session_, data, sizeof(data), digest, &size), CKR_OK,
      CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN);
}

// --- one IV for two keys
// ------------------------------------------------------------------------

// The blob of a known key would give the key stream that hides the victim.
TEST_F(AttackTest, WrapUnderAChosenIv_TakesNoSensitiveKey) {
  const CK_OBJECT_HANDLE wrapper = SecretWrapper();
  EXPECT_NE(Wrap(AesGcm(), wrapper, Victim()).rv, CKR_OK);
  EXPECT_NE(Wrap(AesCtr(), wrapper, Victim()).rv, CKR_OK);
}

// --- digests of secrets
// -------------------------------------------------------------------------

TEST_F(AttackTest, DigestOfASensitiveKey_GivesNoValue) {
  ASSERT_OK(p11().C_DigestInit(session_, Mechanism(CKM_SHA256).get()));
  EXPECT_RV_IS_ONE_OF(p11().C_DigestKey(session_, Victim()),
                      CKR_KEY_INDIGESTIBLE, CKR_FUNCTION_NOT_SUPPORTED);
}

TEST_F(AttackTest, FindByValue_IsNoOracle) {
  Create(AesKey(Pattern(16)).Bool(CKA_SENSITIVE, true));
  EXPECT_TRUE(Find(Template().Set(CKA_VALUE, Pattern(16))).empty());
}

}  // namespace
}  // namespace conformance
