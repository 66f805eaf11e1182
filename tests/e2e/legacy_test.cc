// The two profiles side by side: what the partition of slot 0 refuses, the one
// of slot 1, whose configuration says "legacy", does.
#include "tests/e2e/bench.h"
#include "tests/e2e/objects.h"

namespace e2e {
namespace {

constexpr size_t kStrict = 0, kLegacy = 1;

Plan TwoProfiles() {
  Plan plan;
  plan.apps[0].partitions = {"", "profile = \"legacy\""};
  return plan;
}

class LegacyTest : public testing::Test {
 protected:
  LegacyTest() : site_(TwoProfiles()), host_(site_) {
    for (const size_t partition : {kStrict, kLegacy}) {
      host_.InitPartition(host_.partition(partition));
      sessions_[partition] = host_.Officer(host_.partition(partition));
    }
  }

  static Template Aes(size_t size = 32) {
    return Template()
        .Ulong(CKA_CLASS, CKO_SECRET_KEY)
        .Ulong(CKA_KEY_TYPE, CKK_AES)
        .Bool(CKA_TOKEN, false)
        .Set(CKA_VALUE, Bytes(size, 7));
  }
  static Template Victim(size_t size = 32) {
    return Aes(size).Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, true);
  }
  CK_RV Wrap(size_t partition, CK_MECHANISM mechanism, const Template& wrapper,
             const Template& key, Bytes& out) const {
    const CK_SESSION_HANDLE session = sessions_[partition];
    out.resize(256);
    CK_ULONG size = out.size();
    const CK_RV rv =
        host_.c().C_WrapKey(session, &mechanism, host_.Create(session, wrapper),
                            host_.Create(session, key), out.data(), &size);
    out.resize(size);
    return rv;
  }
  CK_RV GenerateRsa(size_t partition, CK_ULONG bits, KeyPair& pair) const {
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
    const Template half =
        Template().Bool(CKA_TOKEN, false).Ulong(CKA_MODULUS_BITS, bits);
    const Template other =
        Template().Bool(CKA_TOKEN, false).Bool(CKA_SIGN, true);
    return host_.c().C_GenerateKeyPair(
        sessions_[partition], &mechanism, half.data(), half.size(),
        other.data(), other.size(), &pair.public_key, &pair.private_key);
  }

  Site site_;
  Host host_;
  CK_SESSION_HANDLE sessions_[2] = {};
};

TEST_F(LegacyTest, WrapThenDecrypt) {
  const Template both = Aes().Bool(CKA_WRAP, true).Bool(CKA_DECRYPT, true);
  Bytes wrapped;
  EXPECT_RV(
      CKR_KEY_HANDLE_INVALID,
      Wrap(kStrict, {CKM_AES_KEY_WRAP, nullptr, 0}, both, Victim(), wrapped));
  EXPECT_OK(
      Wrap(kLegacy, {CKM_AES_KEY_WRAP, nullptr, 0}, both, Victim(), wrapped));
}

TEST_F(LegacyTest, WrappingByModesOfBlockCiphers) {
  const Template wrapper = Aes().Bool(CKA_WRAP, true).Bool(CKA_UNWRAP, true);
  Bytes iv(16), wrapped;
  for (const CK_MECHANISM mechanism :
       {CK_MECHANISM{CKM_AES_ECB, nullptr, 0},
        CK_MECHANISM{CKM_AES_CBC, iv.data(), 16},
        CK_MECHANISM{CKM_AES_CBC_PAD, iv.data(), 16}}) {
    SCOPED_TRACE(mechanism.mechanism);
    EXPECT_RV(CKR_MECHANISM_INVALID,
              Wrap(kStrict, mechanism, wrapper, Aes(), wrapped));
    ASSERT_OK(Wrap(kLegacy, mechanism, wrapper, Victim(), wrapped));
    EXPECT_EQ(wrapped.size(),
              mechanism.mechanism == CKM_AES_CBC_PAD ? 48u : 32u);
    const Template t = Template()
                           .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                           .Ulong(CKA_KEY_TYPE, CKK_AES)
                           .Bool(CKA_TOKEN, false)
                           .Bool(CKA_SENSITIVE, false)
                           .Bool(CKA_EXTRACTABLE, true);
    CK_MECHANISM same = mechanism;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    ASSERT_OK(host_.c().C_UnwrapKey(
        sessions_[kLegacy], &same, host_.Create(sessions_[kLegacy], wrapper),
        wrapped.data(), wrapped.size(), t.data(), t.size(), &key));
    // The weaker attributes are believed: that is what "legacy" means.
    EXPECT_EQ(host_.Get(sessions_[kLegacy], key, CKA_VALUE), Bytes(32, 7));
  }
  CK_MECHANISM_INFO info = {};
  ASSERT_OK(host_.c().C_GetMechanismInfo(host_.partition(kStrict),
                                         CKM_AES_CBC_PAD, &info));
  EXPECT_EQ(info.flags & (CKF_WRAP | CKF_UNWRAP), 0u);
  ASSERT_OK(host_.c().C_GetMechanismInfo(host_.partition(kLegacy),
                                         CKM_AES_CBC_PAD, &info));
  EXPECT_EQ(info.flags & (CKF_WRAP | CKF_UNWRAP), CKF_WRAP | CKF_UNWRAP);
}

// Else a state would bring a mechanism along that the other has not.
TEST_F(LegacyTest, DigestState_StaysWithItsToken) {
  CK_MECHANISM md5 = {CKM_MD5, nullptr, 0};
  ASSERT_OK(host_.c().C_DigestInit(sessions_[kLegacy], &md5));
  Bytes state(64);
  CK_ULONG size = state.size();
  ASSERT_OK(
      host_.c().C_GetOperationState(sessions_[kLegacy], state.data(), &size));
  EXPECT_RV(CKR_SAVED_STATE_INVALID,
            host_.c().C_SetOperationState(sessions_[kStrict], state.data(),
                                          size, 0, 0));
}

TEST_F(LegacyTest, WeakWrapsStrong) {
  const Template wrapper = Aes(16).Bool(CKA_WRAP, true);
  const CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP, nullptr, 0};
  Bytes wrapped;
  EXPECT_RV(CKR_WRAPPING_KEY_SIZE_RANGE,
            Wrap(kStrict, mechanism, wrapper, Victim(32), wrapped));
  EXPECT_OK(Wrap(kStrict, mechanism, wrapper, Victim(16), wrapped));
  EXPECT_OK(Wrap(kStrict, mechanism, wrapper, Aes(32), wrapped));
  EXPECT_OK(Wrap(kLegacy, mechanism, wrapper, Victim(32), wrapped));
}

TEST_F(LegacyTest, SmallRsaKeys) {
  KeyPair pair;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, GenerateRsa(kStrict, 1024, pair));
  ASSERT_OK(GenerateRsa(kLegacy, 1024, pair));
  const Bytes signature =
      Sign(host_, sessions_[kLegacy], CKM_SHA256_RSA_PKCS, pair.private_key);
  EXPECT_EQ(signature.size(), 128u);
  EXPECT_OK(Verify(host_, sessions_[kLegacy], CKM_SHA256_RSA_PKCS,
                   pair.public_key, signature));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, GenerateRsa(kLegacy, 512, pair));
}

TEST_F(LegacyTest, RawRsaWithASecretKey) {
  for (const size_t partition : {kStrict, kLegacy}) {
    const CK_SESSION_HANDLE session = sessions_[partition];
    KeyPair pair;
    ASSERT_OK(GenerateRsa(partition, 2048, pair));
    CK_MECHANISM raw = {CKM_RSA_X_509, nullptr, 0};
    EXPECT_RV(partition == kStrict ? CKR_KEY_FUNCTION_NOT_PERMITTED : CKR_OK,
              host_.c().C_SignInit(session, &raw, pair.private_key));
  }
}

// --- MD5 and single DES: mechanisms that the strict profile does not have ----

constexpr CK_MECHANISM_TYPE kLegacyMechanisms[] = {CKM_MD5,
                                                   CKM_MD5_HMAC,
                                                   CKM_MD5_HMAC_GENERAL,
                                                   CKM_MD5_KEY_DERIVATION,
                                                   CKM_MD5_RSA_PKCS,
                                                   CKM_DES_KEY_GEN,
                                                   CKM_DES_ECB,
                                                   CKM_DES_CBC,
                                                   CKM_DES_CBC_PAD,
                                                   CKM_DES_ECB_ENCRYPT_DATA,
                                                   CKM_DES_CBC_ENCRYPT_DATA};

TEST_F(LegacyTest, OldMechanisms_AreListedAndShownThereOnly) {
  for (const CK_MECHANISM_TYPE type : kLegacyMechanisms) {
    SCOPED_TRACE(type);
    CK_MECHANISM_INFO info;
    EXPECT_RV(
        CKR_MECHANISM_INVALID,
        host_.c().C_GetMechanismInfo(host_.partition(kStrict), type, &info));
    EXPECT_OK(
        host_.c().C_GetMechanismInfo(host_.partition(kLegacy), type, &info));
    for (const size_t partition : {kStrict, kLegacy}) {
      CK_ULONG count = 0;
      ASSERT_OK(host_.c().C_GetMechanismList(host_.partition(partition),
                                             nullptr, &count));
      std::vector<CK_MECHANISM_TYPE> list(count);
      ASSERT_OK(host_.c().C_GetMechanismList(host_.partition(partition),
                                             list.data(), &count));
      EXPECT_EQ(std::count(list.begin(), list.end(), type), partition);
      const Template object = Template()
                                  .Ulong(CKA_CLASS, CKO_MECHANISM)
                                  .Ulong(CKA_MECHANISM_TYPE, type);
      EXPECT_EQ(host_.Find(sessions_[partition], object).size(), partition);
    }
  }
}

TEST_F(LegacyTest, Md5) {
  CK_MECHANISM mechanism = {CKM_MD5, nullptr, 0};
  EXPECT_RV(CKR_MECHANISM_INVALID,
            host_.c().C_DigestInit(sessions_[kStrict], &mechanism));
  ASSERT_OK(host_.c().C_DigestInit(sessions_[kLegacy], &mechanism));
  CK_BYTE abc[] = {'a', 'b', 'c'}, digest[16];
  CK_ULONG size = sizeof(digest);
  ASSERT_OK(host_.c().C_Digest(sessions_[kLegacy], abc, 3, digest, &size));
  EXPECT_EQ(Bytes(digest, digest + 3), (Bytes{0x90, 0x01, 0x50}));
  const Template hmac = Template()
                            .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                            .Ulong(CKA_KEY_TYPE, CKK_MD5_HMAC)
                            .Bool(CKA_TOKEN, false)
                            .Set(CKA_VALUE, Bytes(16, 1));
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            host_.c().C_CreateObject(sessions_[kStrict], hmac.data(),
                                     hmac.size(), &key));
  EXPECT_OK(host_.c().C_CreateObject(sessions_[kLegacy], hmac.data(),
                                     hmac.size(), &key));
}

// Nor does it come in as a parameter of something that is not old.
TEST_F(LegacyTest, Md5AsAParameter_IsRefusedEverywhere) {
  for (const size_t partition : {kStrict, kLegacy}) {
    const CK_SESSION_HANDLE session = sessions_[partition];
    KeyPair pair;
    ASSERT_OK(GenerateRsa(partition, 2048, pair));
    CK_RSA_PKCS_PSS_PARAMS pss = {CKM_MD5, CKG_MGF1_SHA1, 16};
    CK_MECHANISM sign = {CKM_RSA_PKCS_PSS, &pss, sizeof(pss)};
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              host_.c().C_SignInit(session, &sign, pair.private_key));
    CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_MD5, CKG_MGF1_SHA1, 0, nullptr, 0};
    CK_MECHANISM encrypt = {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)};
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              host_.c().C_EncryptInit(session, &encrypt, pair.public_key));
  }
}

TEST_F(LegacyTest, SingleDes) {
  CK_MECHANISM generate = {CKM_DES_KEY_GEN, nullptr, 0};
  const Template t = Template().Bool(CKA_TOKEN, false).Bool(CKA_DERIVE, true);
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_MECHANISM_INVALID,
            host_.c().C_GenerateKey(sessions_[kStrict], &generate, t.data(),
                                    t.size(), &key));
  const CK_SESSION_HANDLE session = sessions_[kLegacy];
  ASSERT_OK(
      host_.c().C_GenerateKey(session, &generate, t.data(), t.size(), &key));
  CK_BYTE iv[8] = {1}, data[21] = "twenty letters, here", made[24], back[24];
  CK_MECHANISM padded = {CKM_DES_CBC_PAD, iv, sizeof(iv)};
  CK_ULONG size = sizeof(made), back_size = sizeof(back);
  ASSERT_OK(host_.c().C_EncryptInit(session, &padded, key));
  ASSERT_OK(host_.c().C_Encrypt(session, data, sizeof(data), made, &size));
  EXPECT_EQ(size, 24u);
  ASSERT_OK(host_.c().C_DecryptInit(session, &padded, key));
  ASSERT_OK(host_.c().C_Decrypt(session, made, size, back, &back_size));
  EXPECT_EQ(Bytes(back, back + back_size), Bytes(data, data + sizeof(data)));

  // A key from its encryption of data.
  CK_KEY_DERIVATION_STRING_DATA string = {data, 16};
  CK_MECHANISM derive = {CKM_DES_ECB_ENCRYPT_DATA, &string, sizeof(string)};
  CK_DES_CBC_ENCRYPT_DATA_PARAMS cbc = {{}, data, 16};
  CK_MECHANISM derive_cbc = {CKM_DES_CBC_ENCRYPT_DATA, &cbc, sizeof(cbc)};
  const Template generic = Template()
                               .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                               .Bool(CKA_TOKEN, false)
                               .Bool(CKA_SENSITIVE, false)
                               .Bool(CKA_EXTRACTABLE, true);
  for (CK_MECHANISM* mechanism : {&derive, &derive_cbc}) {
    CK_OBJECT_HANDLE derived = CK_INVALID_HANDLE;
    ASSERT_OK(host_.c().C_DeriveKey(session, mechanism, key, generic.data(),
                                    generic.size(), &derived));
    EXPECT_EQ(host_.Get(session, derived, CKA_VALUE).size(), 16u);
  }
}

TEST_F(LegacyTest, SingleDesKeys_ComeInThereOnly) {
  const auto des = [](Bytes value) {
    return Template()
        .Ulong(CKA_CLASS, CKO_SECRET_KEY)
        .Ulong(CKA_KEY_TYPE, CKK_DES)
        .Bool(CKA_TOKEN, false)
        .Set(CKA_VALUE, std::move(value));
  };
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  const Template good = des({1, 1, 1, 1, 1, 1, 1, 2});
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            host_.c().C_CreateObject(sessions_[kStrict], good.data(),
                                     good.size(), &key));
  EXPECT_OK(host_.c().C_CreateObject(sessions_[kLegacy], good.data(),
                                     good.size(), &key));
  for (const Template& bad :
       {des(Bytes(8, 0)), des(Bytes(7, 1)), des(Bytes(16, 1))}) {
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              host_.c().C_CreateObject(sessions_[kLegacy], bad.data(),
                                       bad.size(), &key));
  }
}

// The first block of keys, where the IVs are told to be.
TEST_F(LegacyTest, TlsIvsOfAHiddenMasterSecret) {
  Bytes random(32, 5);
  CK_BYTE client_iv[16], server_iv[16];
  CK_SSL3_KEY_MAT_OUT out = {0, 0, 0, 0, client_iv, server_iv};
  CK_TLS12_KEY_MAT_PARAMS params = {
      0,    128,       128, CK_FALSE, {random.data(), 32, random.data(), 32},
      &out, CKM_SHA256};
  CK_MECHANISM mechanism = {CKM_TLS12_KEY_AND_MAC_DERIVE, &params,
                            sizeof(params)};
  const Template master = Template()
                              .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                              .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                              .Bool(CKA_TOKEN, false)
                              .Bool(CKA_SENSITIVE, true)
                              .Bool(CKA_DERIVE, true)
                              .Set(CKA_VALUE, Bytes(48, 9));
  const Template aes = Template().Ulong(CKA_KEY_TYPE, CKK_AES);
  for (const size_t partition : {kStrict, kLegacy}) {
    const CK_SESSION_HANDLE session = sessions_[partition];
    EXPECT_RV(partition == kStrict ? CKR_KEY_FUNCTION_NOT_PERMITTED : CKR_OK,
              host_.c().C_DeriveKey(session, &mechanism,
                                    host_.Create(session, master), aes.data(),
                                    aes.size(), nullptr));
  }
}

// The profile is of the configuration, not of the store.
TEST_F(LegacyTest, LeavingTheProfile_LeavesTheKeysButNotTheirUse) {
  KeyPair pair;
  CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  const Template half =
      Template().Bool(CKA_TOKEN, true).Ulong(CKA_MODULUS_BITS, 1024);
  const Template other = Template().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "s");
  ASSERT_OK(host_.c().C_GenerateKeyPair(
      sessions_[kLegacy], &mechanism, half.data(), half.size(), other.data(),
      other.size(), &pair.public_key, &pair.private_key));
  std::string config = ReadFile(site_.config());
  config.replace(config.find("profile = \"legacy\""), 18, "");
  WriteFile(site_.config(), config);
  host_.Reload();
  const CK_SESSION_HANDLE session = host_.Officer(host_.partition(kLegacy));
  const CK_OBJECT_HANDLE key = Only(host_, session, CKO_PRIVATE_KEY, "s");
  CK_MECHANISM sign = {CKM_SHA256_RSA_PKCS, nullptr, 0};
  EXPECT_RV(CKR_KEY_SIZE_RANGE, host_.c().C_SignInit(session, &sign, key));
}

}  // namespace
}  // namespace e2e
