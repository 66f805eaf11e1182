// More attacks: key types confused, attributes walked about, MACs cut short,
// padding asked about, nonces counted. Companion of attack_test.cc.
#include <random>
#include <set>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class KeyAttackTest : public TokenTest {
 protected:
  CK_RV TryGet(CK_OBJECT_HANDLE key) {
    Bytes room(64);
    CK_ATTRIBUTE value = {CKA_VALUE, room.data(), room.size()};
    return p11().C_GetAttributeValue(session_, key, &value, 1);
  }
};

// Unwrapped by KWP, whose padding has to be zero, it would tell whether the
// last bytes are.
TEST_F(KeyAttackTest, WrapUnderTheInitialValueOfKwp_IsRefused) {
  NEEDS_PERIGEE();
  Bytes iv = {0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 31};
  Bytes wrapped(64);
  CK_ULONG size = wrapped.size();
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const CK_OBJECT_HANDLE key = Create(AesKey(Pattern(32)));
  for (CK_MECHANISM_TYPE type : {CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PKCS7}) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              p11().C_WrapKey(session_, Mechanism(type, iv).get(), wrapper, key,
                              wrapped.data(), &size));
  }
  iv[3] = 0xa7;
  EXPECT_OK(p11().C_WrapKey(session_, Mechanism(CKM_AES_KEY_WRAP, iv).get(),
                            wrapper, key, wrapped.data(), &size));
}

TEST_F(KeyAttackTest, TripleDesThatIsSingleDes_IsRefused) {
  NEEDS_PERIGEE();
  const Template des3 = Template()
                            .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                            .Ulong(CKA_KEY_TYPE, CKK_DES3)
                            .Bool(CKA_TOKEN, false);
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  for (const char* value :
       {"0123456789abcdef0123456789abcdef23456789abcdef01",
        "23456789abcdef010123456789abcdef0123456789abcdef"}) {
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              TryCreate(Template(des3).Set(CKA_VALUE, FromHex(value))));
    const CK_OBJECT_HANDLE same = Create(AesKey(FromHex(value)));
    Bytes wrapped(64);
    CK_ULONG size = wrapped.size();
    const Mechanism kw(CKM_AES_KEY_WRAP);
    ASSERT_OK(p11().C_WrapKey(session_, kw.get(), wrapper, same, wrapped.data(),
                              &size));
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
              p11().C_UnwrapKey(session_, kw.get(), wrapper, wrapped.data(),
                                size, des3.data(), des3.size(), &key));
  }
}

// Tookan, section 3.2: three pieces of eight bytes are broken one by one.
TEST_F(KeyAttackTest, UnwrapAesAsTripleDes_IsRefused) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  Bytes wrapped(64);
  CK_ULONG size = wrapped.size();
  ASSERT_OK(p11().C_WrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(),
                            wrapper, Create(AesKey(Pattern(24))),
                            wrapped.data(), &size));
  const Template t = Template()
                         .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                         .Ulong(CKA_KEY_TYPE, CKK_DES3)
                         .Bool(CKA_TOKEN, false);
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  EXPECT_RV(
      CKR_WRAPPED_KEY_INVALID,
      p11().C_UnwrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(), wrapper,
                        wrapped.data(), size, t.data(), t.size(), &key));
}

// Delaune, Kremer, Steel: whatever the order in which attributes are set,
// unset and copied, nothing comes out of a sensitive key, and nothing that was
// never extractable leaves.
TEST_F(KeyAttackTest, AttributeWalk_NeverShowsTheValue) {
  NEEDS_PERIGEE();
  std::mt19937 random(20261126);
  const auto pick = [&](size_t n) { return random() % n; };
  constexpr CK_ATTRIBUTE_TYPE kFlags[] = {
      CKA_SENSITIVE,        CKA_EXTRACTABLE,       CKA_WRAP,
      CKA_UNWRAP,           CKA_ENCRYPT,           CKA_DECRYPT,
      CKA_DERIVE,           CKA_MODIFIABLE,        CKA_COPYABLE,
      CKA_PRIVATE,          CKA_WRAP_WITH_TRUSTED, CKA_DESTROYABLE,
      CKA_TRUSTED,          CKA_ALWAYS_SENSITIVE,  CKA_LOCAL,
      CKA_NEVER_EXTRACTABLE};
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  int changed = 0, copied = 0;
  for (int round = 0; round < 20; ++round) {
    const bool extractable = round % 2 == 0;
    std::vector<CK_OBJECT_HANDLE> keys = {Generate(
        CKM_AES_KEY_GEN,
        NewAes().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, extractable))};
    for (int step = 0; step < 100; ++step) {
      const CK_OBJECT_HANDLE key = keys[pick(keys.size())];
      Template t;
      for (size_t i = 0; i <= pick(3); ++i) {
        t.Bool(kFlags[pick(std::size(kFlags))], pick(2) == 0);
      }
      if (pick(3) == 0 && keys.size() < 8) {
        CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
        if (p11().C_CopyObject(session_, key, t.data(), t.size(), &copy) ==
            CKR_OK) {
          keys.push_back(copy);
          ++copied;
        }
      } else if (p11().C_SetAttributeValue(session_, key, t.data(), t.size()) ==
                 CKR_OK) {
        ++changed;
      }
    }
    for (const CK_OBJECT_HANDLE key : keys) {
      EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key));
      EXPECT_TRUE(GetBool(key, CKA_SENSITIVE));
      if (extractable) continue;
      EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
      Bytes wrapped(64);
      CK_ULONG size = wrapped.size();
      EXPECT_RV(CKR_KEY_UNEXTRACTABLE,
                p11().C_WrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(),
                                wrapper, key, wrapped.data(), &size));
    }
  }
  EXPECT_GT(changed, 20);
  EXPECT_GT(copied, 20);
}

TEST_F(KeyAttackTest, ShortMacs_AreRefused) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE secret = Create(GenericSecret());
  const CK_OBJECT_HANDLE aes = Create(AesKey().Bool(CKA_SIGN, true));
  for (const CK_MAC_GENERAL_PARAMS size : {0, 1, 3}) {
    EXPECT_RV(
        CKR_MECHANISM_PARAM_INVALID,
        p11().C_SignInit(
            session_, Mechanism(CKM_SHA256_HMAC_GENERAL, size).get(), secret));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              p11().C_SignInit(
                  session_, Mechanism(CKM_AES_CMAC_GENERAL, size).get(), aes));
  }
}

// A short tag would tell a caller in few tries what to forge.
TEST_F(KeyAttackTest, ShortGcmTags_AreRefused) {
  NEEDS_PERIGEE();
  for (const CK_ULONG bits : {0, 8, 24}) {
    EXPECT_RV(
        CKR_MECHANISM_PARAM_INVALID,
        p11().C_DecryptInit(session_, AesGcm(bits).get(), Create(AesKey())));
  }
}

// CVE-2023-6135, CVE-2024-45678: a nonce that repeats, or begins with zeros
// more often than chance has it, gives the key away.
TEST_F(KeyAttackTest, EcdsaNonces_DoNotRepeat) {
  const CK_OBJECT_HANDLE key = Create(EcPrivateKey(Curve::kP256));
  std::set<Bytes> seen;
  int small = 0;
  constexpr int kSignatures = 4096;
  for (int i = 0; i < kSignatures; ++i) {
    const Result signature =
        Whole(SignCalls(), session_, CKM_ECDSA, key, Bytes(32, 1));
    ASSERT_OK(signature.rv);
    const Bytes r(signature.bytes.begin(), signature.bytes.begin() + 32);
    small += r[0] == 0;
    EXPECT_TRUE(seen.insert(r).second);
  }
  // 16 on average; beyond 50 less often than once in 10^10 runs.
  EXPECT_LT(small, 50);
}

// Bardou and others, 2012: one error for whatever is wrong with the contents.
TEST_F(KeyAttackTest, UnwrapTellsNothingAboutThePadding) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE key =
      Create(RsaPrivateKey().Bool(CKA_UNWRAP, true).Bool(CKA_DECRYPT, true));
  const Template t = Template()
                         .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                         .Ulong(CKA_KEY_TYPE, CKK_AES)
                         .Bool(CKA_TOKEN, false);
  std::set<CK_RV> answers;
  for (uint8_t seed = 0; seed < 64; ++seed) {
    Bytes garbage = Pattern(256, seed);
    garbage[0] = 0;
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    const CK_RV rv = p11().C_UnwrapKey(session_, Mechanism(CKM_RSA_PKCS).get(),
                                       key, garbage.data(), garbage.size(),
                                       t.data(), t.size(), &made);
    // By chance an invented message has the length of a key.
    if (rv != CKR_OK) answers.insert(rv);
  }
  EXPECT_EQ(answers, std::set<CK_RV>{CKR_WRAPPED_KEY_INVALID});
}

}  // namespace
}  // namespace conformance
