// C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated, and wrapping under
// nonces that the token makes (PKCS#11 3.2, 5.18.6, 5.18.7, 6.13.6).
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class WrapAuthenticatedTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    if (!IsPerigee()) GTEST_SKIP() << "only of Perigee";
    wrapper_ = Create(WrappingKey());
  }

  // The message parameter of GCM; nonce and tag are members.
  CK_GCM_MESSAGE_PARAMS Gcm(CK_GENERATOR_FUNCTION generator) {
    return {nonce_.data(), nonce_.size(), 0, generator, tag_.data(), 128};
  }
  CK_RV Wrap(CK_MECHANISM mechanism, CK_OBJECT_HANDLE key, Bytes& out,
             Bytes aad = {}) {
    CK_ULONG size = out.size();
    const CK_RV rv =
        p11().C_WrapKeyAuthenticated(session_, &mechanism, wrapper_, key,
                                     aad.data(), aad.size(), out.data(), &size);
    if (rv == CKR_OK) out.resize(size);
    return rv;
  }
  CK_RV Unwrap(CK_MECHANISM mechanism, Bytes wrapped, CK_OBJECT_HANDLE* key,
               Bytes aad = {}) {
    const Template t = Template()
                           .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                           .Ulong(CKA_KEY_TYPE, CKK_AES)
                           .Bool(CKA_TOKEN, false)
                           .Bool(CKA_SENSITIVE, false)
                           .Bool(CKA_EXTRACTABLE, true);
    return p11().C_UnwrapKeyAuthenticated(
        session_, &mechanism, wrapper_, wrapped.data(), wrapped.size(),
        t.data(), t.size(), aad.data(), aad.size(), key);
  }
  static Template Secret() {
    return AesKey().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, true);
  }

  CK_OBJECT_HANDLE wrapper_ = CK_INVALID_HANDLE;
  Bytes nonce_ = Bytes(12), tag_ = Bytes(16);
};

template <typename Params>
CK_MECHANISM Of(CK_MECHANISM_TYPE type, Params& parameters) {
  return {type, &parameters, sizeof(parameters)};
}

TEST_F(WrapAuthenticatedTest, Gcm_ComesBackOnlyWithItsDataAndTag) {
  CK_GCM_MESSAGE_PARAMS parameters = Gcm(CKG_GENERATE_RANDOM);
  const CK_MECHANISM mechanism = Of(CKM_AES_GCM, parameters);
  Bytes wrapped(64);
  ASSERT_OK(Wrap(mechanism, Create(Secret()), wrapped, FromText("for A")));
  EXPECT_EQ(wrapped.size(), 32u);
  EXPECT_NE(nonce_, Bytes(12));
  EXPECT_NE(tag_, Bytes(16));
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(mechanism, wrapped, &key, FromText("for A")));
  EXPECT_EQ(Get(key, CKA_VALUE), Pattern(32));

  EXPECT_RV(Unwrap(mechanism, wrapped, &key, FromText("for B")),
            CKR_WRAPPED_KEY_INVALID);
  Bytes changed = wrapped;
  changed[3] ^= 1;
  EXPECT_RV(Unwrap(mechanism, changed, &key, FromText("for A")),
            CKR_WRAPPED_KEY_INVALID);
  tag_[15] ^= 1;
  EXPECT_RV(Unwrap(mechanism, wrapped, &key, FromText("for A")),
            CKR_WRAPPED_KEY_INVALID);
}

TEST_F(WrapAuthenticatedTest, Question_MakesNoNonce) {
  CK_GCM_MESSAGE_PARAMS parameters = Gcm(CKG_GENERATE_RANDOM);
  CK_MECHANISM mechanism = Of(CKM_AES_GCM, parameters);
  const CK_OBJECT_HANDLE key = Create(Secret());
  CK_ULONG size = 0;
  EXPECT_OK(p11().C_WrapKeyAuthenticated(session_, &mechanism, wrapper_, key,
                                         nullptr, 0, nullptr, &size));
  EXPECT_EQ(size, 32u);
  Bytes small(31);
  EXPECT_RV(Wrap(mechanism, key, small), CKR_BUFFER_TOO_SMALL);
  EXPECT_EQ(nonce_, Bytes(12));
  EXPECT_EQ(tag_, Bytes(16));
}

// Two keys under one nonce differ as their blobs do: with one of them known,
// the other is.
TEST_F(WrapAuthenticatedTest, SecretUnderTheCallersNonce_IsRefused) {
  CK_GCM_MESSAGE_PARAMS parameters = Gcm(CKG_NO_GENERATE);
  const CK_MECHANISM mechanism = Of(CKM_AES_GCM, parameters);
  Bytes wrapped(64);
  EXPECT_RV(Wrap(mechanism, Create(Secret()), wrapped),
            CKR_MECHANISM_PARAM_INVALID);
  parameters.ivGenerator = CKG_GENERATE_COUNTER_XOR;
  EXPECT_RV(Wrap(mechanism, Create(Secret()), wrapped),
            CKR_MECHANISM_PARAM_INVALID);
  parameters.ivGenerator = CKG_GENERATE_RANDOM;
  // Of few random bits two are soon equal.
  for (const CK_ULONG fixed : {96, 32, 8}) {
    parameters.ulIvFixedBits = fixed;
    EXPECT_RV(Wrap(mechanism, Create(Secret()), wrapped),
              CKR_MECHANISM_PARAM_INVALID);
  }
  parameters = Gcm(CKG_NO_GENERATE);
  EXPECT_OK(Wrap(mechanism, Create(AesKey()), wrapped));
}

TEST_F(WrapAuthenticatedTest, CcmAndChaCha_ComeBack) {
  Bytes nonce(13);
  CK_CCM_MESSAGE_PARAMS ccm = {
      32, nonce.data(), nonce.size(), 0, CKG_GENERATE, tag_.data(), 16};
  CK_MECHANISM mechanism = Of(CKM_AES_CCM, ccm);
  Bytes wrapped(64);
  ASSERT_OK(Wrap(mechanism, Create(Secret()), wrapped, Pattern(5)));
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(mechanism, wrapped, &key, Pattern(5)));
  EXPECT_EQ(Get(key, CKA_VALUE), Pattern(32));
  EXPECT_RV(Unwrap(mechanism, wrapped, &key), CKR_WRAPPED_KEY_INVALID);
  ccm.ulDataLen = 31;
  EXPECT_RV(Wrap(mechanism, Create(Secret()), wrapped),
            CKR_MECHANISM_PARAM_INVALID);

  wrapper_ = Create(WrappingKey(Pattern(32)).Ulong(CKA_KEY_TYPE, CKK_CHACHA20));
  CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS chacha = {nonce_.data(), 12,
                                                    tag_.data()};
  mechanism = Of(CKM_CHACHA20_POLY1305, chacha);
  wrapped.resize(64);
  EXPECT_RV(Wrap(mechanism, Create(Secret()), wrapped),
            CKR_MECHANISM_PARAM_INVALID);
  ASSERT_OK(Wrap(mechanism, Create(AesKey()), wrapped));
  ASSERT_OK(Unwrap(mechanism, wrapped, &key));
  EXPECT_EQ(Get(key, CKA_VALUE), Pattern(32));
}

TEST_F(WrapAuthenticatedTest, OtherMechanismsAndKeys_AreRefused) {
  Bytes wrapped(64);
  EXPECT_RV(Wrap({CKM_AES_KEY_WRAP, nullptr, 0}, Create(AesKey()), wrapped),
            CKR_MECHANISM_INVALID);
  CK_GCM_MESSAGE_PARAMS parameters = Gcm(CKG_GENERATE_RANDOM);
  const CK_MECHANISM mechanism = Of(CKM_AES_GCM, parameters);
  EXPECT_RV(
      Wrap(mechanism, Create(Secret().Bool(CKA_EXTRACTABLE, false)), wrapped),
      CKR_KEY_UNEXTRACTABLE);
  EXPECT_RV(Wrap({CKM_AES_GCM, nullptr, 0}, Create(AesKey()), wrapped),
            CKR_MECHANISM_PARAM_INVALID);
  wrapper_ = Create(WrappingKey().Bool(CKA_WRAP, false));
  EXPECT_RV(Wrap(mechanism, Create(AesKey()), wrapped),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
}

// --- C_WrapKey with the parameters that ask for a nonce
// ------------------------

TEST_F(WrapAuthenticatedTest, WrapKey_UnderTheTokensNonce_TakesSecrets) {
  CK_GCM_WRAP_PARAMS gcm = {nonce_.data(), 12, 0,  CKG_GENERATE_RANDOM,
                            nullptr,       0,  128};
  Bytes nonce(12);
  CK_CCM_WRAP_PARAMS ccm = {
      32, nonce.data(), 12, 0, CKG_GENERATE_RANDOM, nullptr, 0, 16};
  for (CK_MECHANISM mechanism : {Of(CKM_AES_GCM, gcm), Of(CKM_AES_CCM, ccm)}) {
    SCOPED_TRACE(mechanism.mechanism);
    Bytes wrapped(64);
    CK_ULONG size = wrapped.size();
    ASSERT_OK(p11().C_WrapKey(session_, &mechanism, wrapper_, Create(Secret()),
                              wrapped.data(), &size));
    EXPECT_EQ(size, 48u);
    const Template t = Template()
                           .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                           .Ulong(CKA_KEY_TYPE, CKK_AES)
                           .Bool(CKA_TOKEN, false)
                           .Bool(CKA_SENSITIVE, false)
                           .Bool(CKA_EXTRACTABLE, true);
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    ASSERT_OK(p11().C_UnwrapKey(session_, &mechanism, wrapper_, wrapped.data(),
                                size, t.data(), t.size(), &key));
    EXPECT_EQ(Get(key, CKA_VALUE), Pattern(32));
  }
  EXPECT_NE(nonce_, Bytes(12));
  EXPECT_NE(nonce, Bytes(12));
  gcm.ivGenerator = CKG_NO_GENERATE;
  CK_MECHANISM mechanism = Of(CKM_AES_GCM, gcm);
  Bytes wrapped(64);
  CK_ULONG size = wrapped.size();
  EXPECT_RV(p11().C_WrapKey(session_, &mechanism, wrapper_, Create(Secret()),
                            wrapped.data(), &size),
            CKR_KEY_NOT_WRAPPABLE);
  // The form is of no use to encryption.
  EXPECT_RV(p11().C_EncryptInit(session_, &mechanism, Create(AesKey())),
            CKR_MECHANISM_PARAM_INVALID);
}

}  // namespace
}  // namespace conformance
