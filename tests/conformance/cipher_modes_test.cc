// Modes of block ciphers, ChaCha20, authenticated encryption in one operation
// and message by message, and MACs of block ciphers. Answers are those of NIST
// SP 800-38A to 38D and 800-67, IEEE 1619, RFC 3713, 4493 and 8439.
#include <set>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class CipherModesTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    if (!IsPerigee()) GTEST_SKIP() << "only of Perigee";
  }
  CK_OBJECT_HANDLE Key(CK_KEY_TYPE type, const std::string& hex) {
    const bool mac = type == CKK_AES || type == CKK_DES3;
    Template t = Template()
                     .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                     .Ulong(CKA_KEY_TYPE, type)
                     .Bool(CKA_TOKEN, false)
                     .Bool(CKA_SENSITIVE, false)
                     .Bool(CKA_EXTRACTABLE, true)
                     .Bool(CKA_ENCRYPT, true)
                     .Bool(CKA_DECRYPT, true)
                     .Set(CKA_VALUE, FromHex(hex));
    if (mac) t.Bool(CKA_SIGN, true).Bool(CKA_VERIFY, true);
    return Create(t);
  }
  Mechanism WithIv(CK_MECHANISM_TYPE type, const std::string& hex) {
    return Mechanism(type, FromHex(hex));
  }
  // Both ways, in one call and in parts.
  void Check(const Mechanism& mechanism, CK_OBJECT_HANDLE key,
             const Bytes& plain, const Bytes& sealed) {
    EXPECT_EQ(Whole(EncryptCalls(), session_, mechanism, key, plain).bytes,
              sealed);
    EXPECT_EQ(Whole(DecryptCalls(), session_, mechanism, key, sealed).bytes,
              plain);
    EXPECT_EQ(Parts(EncryptCalls(), session_, mechanism, key, plain, 5).bytes,
              sealed);
    EXPECT_EQ(Parts(DecryptCalls(), session_, mechanism, key, sealed, 7).bytes,
              plain);
  }

  Bytes aad_;
};

constexpr char kAes128[] = "2b7e151628aed2a6abf7158809cf4f3c";
constexpr char kIv[] = "000102030405060708090a0b0c0d0e0f";
constexpr char kBlock[] = "6bc1bee22e409f96e93d7e117393172a";

TEST_F(CipherModesTest, Aes_OfbAndCfb) {
  const CK_OBJECT_HANDLE key = Key(CKK_AES, kAes128);
  Check(WithIv(CKM_AES_OFB, kIv), key, FromHex(kBlock),
        FromHex("3b3fd92eb72dad20333449f8e83cfb4a"));
  Check(WithIv(CKM_AES_CFB128, kIv), key, FromHex(kBlock),
        FromHex("3b3fd92eb72dad20333449f8e83cfb4a"));
  Check(WithIv(CKM_AES_CFB8, kIv), key, FromHex(kBlock),
        FromHex("3b79424c9c0dd436bace9e0ed4586a4f"));
  // F.3.1, of 16 bits.
  Check(WithIv(CKM_AES_CFB1, kIv), key, FromHex("6bc1"), FromHex("68b3"));
  EXPECT_RV(
      p11().C_EncryptInit(session_, WithIv(CKM_AES_OFB, "0011").get(), key),
      CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(CipherModesTest, Aes_Xts) {
  const CK_OBJECT_HANDLE key =
      Key(CKK_AES_XTS,
          "1111111111111111111111111111111122222222222222222222222222222222");
  Check(WithIv(CKM_AES_XTS, "33333333330000000000000000000000"), key,
        Bytes(32, 0x44),
        FromHex("c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394"
                "f0"));
  EXPECT_RV(
      Whole(EncryptCalls(), session_, WithIv(CKM_AES_XTS, kIv), key, Bytes(15))
          .rv,
      CKR_DATA_LEN_RANGE);
}

// CBC-CS1: whole blocks are plain CBC, others keep their length.
TEST_F(CipherModesTest, Aes_Cts) {
  const CK_OBJECT_HANDLE key = Key(CKK_AES, kAes128);
  const Mechanism cts = WithIv(CKM_AES_CTS, kIv);
  const Bytes cbc = Whole(EncryptCalls(), session_, WithIv(CKM_AES_CBC, kIv),
                          key, Pattern(32))
                        .bytes;
  Check(cts, key, Pattern(32), cbc);
  for (size_t size : {16, 17, 31, 47}) {
    const Bytes sealed =
        Whole(EncryptCalls(), session_, cts, key, Pattern(size)).bytes;
    EXPECT_EQ(sealed.size(), size);
    Check(cts, key, Pattern(size), sealed);
  }
}

TEST_F(CipherModesTest, Des3AndCamellia) {
  const CK_OBJECT_HANDLE des =
      Key(CKK_DES3, "0123456789abcdef23456789abcdef01456789abcdef0123");
  Check(Mechanism(CKM_DES3_ECB), des,
        FromHex("54686520717566636b2062726f776e20666f78206a756d70"),
        FromHex("a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900"));
  const Bytes padded =
      Whole(EncryptCalls(), session_,
            WithIv(CKM_DES3_CBC_PAD, "0001020304050607"), des, Pattern(13))
          .bytes;
  EXPECT_EQ(padded.size(), 16u);
  Check(WithIv(CKM_DES3_CBC_PAD, "0001020304050607"), des, Pattern(13), padded);
  const CK_OBJECT_HANDLE camellia =
      Key(CKK_CAMELLIA, "0123456789abcdeffedcba9876543210");
  Check(Mechanism(CKM_CAMELLIA_ECB), camellia,
        FromHex("0123456789abcdeffedcba9876543210"),
        FromHex("67673138549669730857065648eabe43"));
  const Bytes sealed =
      Whole(EncryptCalls(), session_, WithIv(CKM_CAMELLIA_CBC_PAD, kIv),
            camellia, Pattern(40))
          .bytes;
  Check(WithIv(CKM_CAMELLIA_CBC_PAD, kIv), camellia, Pattern(40), sealed);
}

// OpenSSL's test vectors of EDE3; SP 800-38A's blocks under Camellia (NTT); RFC
// 5528, test vector 1.
TEST_F(CipherModesTest, Des3AndCamellia_ChainAndCount) {
  const CK_OBJECT_HANDLE des =
      Key(CKK_DES3, "0123456789abcdeff1e0d3c2b5a49786fedcba9876543210");
  Check(WithIv(CKM_DES3_CBC, "fedcba9876543210"), des,
        FromHex("37363534333231204e6f77206973207468652074696d6520666f722000000"
                "000"),
        FromHex("3fe301c962ac01d02213763c1cbd4cdc799657c064ecf5d41c673812cfde9"
                "675"));
  Check(WithIv(CKM_CAMELLIA_CBC, kIv),
        Key(CKK_CAMELLIA, "2b7e151628aed2a6abf7158809cf4f3c"),
        FromHex("6bc1bee22e409f96e93d7e117393172a"),
        FromHex("1607cf494b36bbf00daeb0b503c831ab"));
  CK_CAMELLIA_CTR_PARAMS counter = {32, {}};
  const Bytes first = FromHex("00000030000000000000000000000001");
  std::copy(first.begin(), first.end(), counter.cb);
  Check(Mechanism(CKM_CAMELLIA_CTR, counter),
        Key(CKK_CAMELLIA, "ae6852f8121067cc4bf7a5765577f39e"),
        FromText("Single block msg"),
        FromHex("d09dc29a8214619a20877c76db1f0b3f"));
}

TEST_F(CipherModesTest, NewKeys_AreGenerated) {
  struct Row {
    CK_MECHANISM_TYPE generation;
    CK_KEY_TYPE type;
    CK_ULONG size, asked;
  };
  constexpr Row kRows[] = {{CKM_DES2_KEY_GEN, CKK_DES2, 16, 0},
                           {CKM_DES3_KEY_GEN, CKK_DES3, 24, 0},
                           {CKM_CHACHA20_KEY_GEN, CKK_CHACHA20, 32, 0},
                           {CKM_CAMELLIA_KEY_GEN, CKK_CAMELLIA, 24, 24},
                           {CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, 64, 64}};
  for (const Row& row : kRows) {
    Template t = Template()
                     .Bool(CKA_TOKEN, false)
                     .Bool(CKA_SENSITIVE, false)
                     .Bool(CKA_EXTRACTABLE, true);
    if (row.asked != 0) t.Ulong(CKA_VALUE_LEN, row.asked);
    const CK_OBJECT_HANDLE key = Generate(row.generation, t);
    EXPECT_EQ(GetUlong(key, CKA_KEY_TYPE), row.type);
    const Bytes value = Get(key, CKA_VALUE);
    EXPECT_EQ(value.size(), row.size);
    if (row.type != CKK_DES2 && row.type != CKK_DES3) continue;
    for (uint8_t byte : value) EXPECT_EQ(__builtin_parity(byte), 1);
  }
}

TEST_F(CipherModesTest, ChaCha20) {
  Bytes counter = FromHex("01000000");
  Bytes nonce = FromHex("000000000000004a00000000");
  const Mechanism mechanism(
      CKM_CHACHA20, CK_CHACHA20_PARAMS{counter.data(), 32, nonce.data(), 96});
  std::string key;
  for (int i = 0; i < 32; ++i) {
    const char* digits = "0123456789abcdef";
    key += {digits[i >> 4], digits[i & 15]};
  }
  Check(mechanism, Key(CKK_CHACHA20, key), FromText("Ladies and Gentl"),
        FromHex("6e2e359a2568f98041ba0728dd0d6981"));
}

// --- authenticated encryption
// -----------------------------------------------------------------

TEST_F(CipherModesTest, Ccm) {
  const CK_OBJECT_HANDLE key = Key(CKK_AES, "404142434445464748494a4b4c4d4e4f");
  Bytes nonce = FromHex("10111213141516");
  aad_ = FromHex("0001020304050607");
  const auto ccm = [&](CK_ULONG length) {
    return Mechanism(CKM_AES_CCM,
                     CK_CCM_PARAMS{length, nonce.data(), nonce.size(),
                                   aad_.data(), aad_.size(), 4});
  };
  const Bytes plain = FromHex("20212223");
  Bytes sealed = FromHex("7162015b4dac255d");
  Check(ccm(4), key, plain, sealed);
  EXPECT_RV(Whole(EncryptCalls(), session_, ccm(5), key, plain).rv,
            CKR_DATA_LEN_RANGE);
  for (size_t i = 0; i < sealed.size(); ++i) {
    sealed[i] ^= 1;
    EXPECT_RV(Whole(DecryptCalls(), session_, ccm(4), key, sealed).rv,
              CKR_ENCRYPTED_DATA_INVALID);
    sealed[i] ^= 1;
  }
  EXPECT_RV(Whole(DecryptCalls(), session_, ccm(4), key, Bytes(3)).rv,
            CKR_ENCRYPTED_DATA_LEN_RANGE);
  const Bytes empty =
      Whole(EncryptCalls(), session_, ccm(0), key, Bytes()).bytes;
  EXPECT_EQ(empty.size(), 4u);
  EXPECT_OK(Whole(DecryptCalls(), session_, ccm(0), key, empty).rv);
}

TEST_F(CipherModesTest, ChaCha20Poly1305) {
  const CK_OBJECT_HANDLE key =
      Key(CKK_CHACHA20,
          "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  Bytes nonce = FromHex("070000004041424344454647");
  aad_ = FromHex("50515253c0c1c2c3c4c5c6c7");
  const Mechanism mechanism(
      CKM_CHACHA20_POLY1305,
      CK_SALSA20_CHACHA20_POLY1305_PARAMS{nonce.data(), nonce.size(),
                                          aad_.data(), aad_.size()});
  const Bytes plain = FromText(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one "
      "tip for the future, sunscreen would be it.");
  Bytes sealed = Whole(EncryptCalls(), session_, mechanism, key, plain).bytes;
  ASSERT_EQ(sealed.size(), plain.size() + 16);
  EXPECT_EQ(Bytes(sealed.end() - 16, sealed.end()),
            FromHex("1ae10b594f09e26a7e902ecbd0600691"));
  Check(mechanism, key, plain, sealed);
  sealed.back() ^= 1;
  EXPECT_RV(Whole(DecryptCalls(), session_, mechanism, key, sealed).rv,
            CKR_ENCRYPTED_DATA_INVALID);
}

// --- MACs
// -------------------------------------------------------------------------------------

TEST_F(CipherModesTest, CmacAndGmac) {
  const CK_OBJECT_HANDLE key = Key(CKK_AES, kAes128);
  const Bytes tag = FromHex("070a16b46b4d4144f79bdd9dd04a287c");
  const auto check = [&](const Mechanism& mechanism, CK_OBJECT_HANDLE by,
                         const Bytes& data, const Bytes& expected) {
    EXPECT_EQ(Whole(SignCalls(), session_, mechanism, by, data).bytes,
              expected);
    EXPECT_OK(Verify(session_, mechanism, by, data, expected));
    EXPECT_OK(VerifyParts(session_, mechanism, by, data, expected, 3));
    Bytes wrong = expected;
    wrong[0] ^= 1;
    EXPECT_RV(Verify(session_, mechanism, by, data, wrong),
              CKR_SIGNATURE_INVALID);
  };
  check(Mechanism(CKM_AES_CMAC), key, Bytes(),
        FromHex("bb1d6929e95937287fa37d129b756746"));
  check(Mechanism(CKM_AES_CMAC), key, FromHex(kBlock), tag);
  check(Mechanism(CKM_AES_CMAC_GENERAL, CK_MAC_GENERAL_PARAMS{8}), key,
        FromHex(kBlock), Bytes(tag.begin(), tag.begin() + 8));
  EXPECT_RV(
      p11().C_SignInit(
          session_,
          Mechanism(CKM_AES_CMAC_GENERAL, CK_MAC_GENERAL_PARAMS{3}).get(), key),
      CKR_MECHANISM_PARAM_INVALID);
  check(WithIv(CKM_AES_GMAC, "000000000000000000000000"),
        Key(CKK_AES, "00000000000000000000000000000000"), Bytes(),
        FromHex("58e2fccefa7e3061367f1d57a4e7455a"));
}

// NIST's examples of SP 800-38B, three-key TDEA.
TEST_F(CipherModesTest, Des3Cmac) {
  NEEDS_MECHANISM(CKM_DES3_CMAC);
  const CK_OBJECT_HANDLE key =
      Key(CKK_DES3, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5");
  const std::pair<Bytes, Bytes> answers[] = {
      {Bytes(), FromHex("b7a688e122ffaf95")},
      {FromHex("6bc1bee22e409f96"), FromHex("8e8f293136283797")},
      {FromHex("6bc1bee22e409f96e93d7e117393172aae2d8a57"),
       FromHex("743ddbe0ce2dc2ed")}};
  for (const auto& [data, tag] : answers) {
    EXPECT_EQ(
        Whole(SignCalls(), session_, Mechanism(CKM_DES3_CMAC), key, data).bytes,
        tag);
    EXPECT_OK(Verify(session_, Mechanism(CKM_DES3_CMAC), key, data, tag));
    const Mechanism half(CKM_DES3_CMAC_GENERAL, CK_MAC_GENERAL_PARAMS{4});
    EXPECT_EQ(Whole(SignCalls(), session_, half, key, data).bytes,
              Bytes(tag.begin(), tag.begin() + 4));
  }
}

// RFC 8439, 2.5.2.
TEST_F(CipherModesTest, Poly1305) {
  NEEDS_MECHANISM(CKM_POLY1305);
  const CK_OBJECT_HANDLE key =
      Key(CKK_POLY1305,
          "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
  const Bytes data = FromText("Cryptographic Forum Research Group");
  const Bytes tag = FromHex("a8061dc1305136c6c22b8baf0c0127a9");
  EXPECT_EQ(
      Whole(SignCalls(), session_, Mechanism(CKM_POLY1305), key, data).bytes,
      tag);
  EXPECT_EQ(
      Parts(SignCalls(), session_, Mechanism(CKM_POLY1305), key, data, 5).bytes,
      tag);
  EXPECT_OK(Verify(session_, Mechanism(CKM_POLY1305), key, data, tag));
  Bytes wrong = tag;
  wrong[15] ^= 1;
  EXPECT_RV(Verify(session_, Mechanism(CKM_POLY1305), key, data, wrong),
            CKR_SIGNATURE_INVALID);
  wrong.pop_back();
  EXPECT_RV(Verify(session_, Mechanism(CKM_POLY1305), key, data, wrong),
            CKR_SIGNATURE_LEN_RANGE);
}

// Two tags of a Poly1305 key tell what it is.
TEST_F(CipherModesTest, Poly1305_HiddenKeySignsOnlyIfItSaysSo) {
  NEEDS_PERIGEE();
  const Template hidden =
      Template().Bool(CKA_TOKEN, false).Bool(CKA_SENSITIVE, true);
  const CK_OBJECT_HANDLE silent = Generate(CKM_POLY1305_KEY_GEN, hidden);
  const CK_OBJECT_HANDLE named = Generate(
      CKM_POLY1305_KEY_GEN, Template(hidden).Mechanisms({CKM_POLY1305}));
  Mechanism mechanism(CKM_POLY1305);
  EXPECT_RV(p11().C_SignInit(session_, mechanism.get(), silent),
            CKR_KEY_FUNCTION_NOT_PERMITTED);
  EXPECT_EQ(
      Whole(SignCalls(), session_, mechanism, named, Pattern(9)).bytes.size(),
      16u);
  EXPECT_RV(Verify(session_, mechanism, silent, Pattern(9), Bytes(16)),
            CKR_SIGNATURE_INVALID);
}

// --- message by message
// -----------------------------------------------------------------------

class MessageCipherTest : public CipherModesTest {
 protected:
  CK_GCM_MESSAGE_PARAMS Gcm(CK_GENERATOR_FUNCTION generator,
                            CK_ULONG fixed = 0) {
    return {nonce_.data(), nonce_.size(), fixed,
            generator,     tag_.data(),   8 * tag_.size()};
  }
  CK_RV Encrypt(CK_GCM_MESSAGE_PARAMS& parameter, Bytes& plain, Bytes& out) {
    out.resize(plain.size());
    CK_ULONG size = out.size();
    return p11().C_EncryptMessage(session_, &parameter, sizeof parameter,
                                  aad_.data(), aad_.size(), plain.data(),
                                  plain.size(), out.data(), &size);
  }
  CK_RV Decrypt(CK_GCM_MESSAGE_PARAMS& parameter, Bytes& sealed, Bytes& out) {
    out.resize(sealed.size());
    CK_ULONG size = out.size();
    return p11().C_DecryptMessage(session_, &parameter, sizeof parameter,
                                  aad_.data(), aad_.size(), sealed.data(),
                                  sealed.size(), out.data(), &size);
  }

  Bytes nonce_ = Bytes(12), tag_ = Bytes(16);
};

TEST_F(MessageCipherTest, Gcm_EqualsOneOperation) {
  const CK_OBJECT_HANDLE key = Key(CKK_AES, kAes128);
  Mechanism gcm(CKM_AES_GCM);
  nonce_ = Pattern(12);
  aad_ = Pattern(20);
  Bytes plain = Pattern(33), sealed, opened;
  const Bytes expected =
      Whole(EncryptCalls(), session_,
            Mechanism(CKM_AES_GCM, CK_GCM_PARAMS{nonce_.data(), 12, 96,
                                                 aad_.data(), 20, 128}),
            key, plain)
          .bytes;
  ASSERT_OK(p11().C_MessageEncryptInit(session_, gcm.get(), key));
  auto parameter = Gcm(CKG_NO_GENERATE);
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(Encrypt(parameter, plain, sealed));
    Bytes whole = sealed;
    whole.insert(whole.end(), tag_.begin(), tag_.end());
    EXPECT_EQ(whole, expected);
  }
  // In parts.
  Bytes out(33);
  ASSERT_OK(p11().C_EncryptMessageBegin(session_, &parameter, sizeof parameter,
                                        aad_.data(), aad_.size()));
  CK_ULONG size = 0;
  ASSERT_OK(p11().C_EncryptMessageNext(session_, &parameter, sizeof parameter,
                                       plain.data(), 20, out.data(), &size, 0));
  EXPECT_EQ(size, 0u);
  size = 32;
  EXPECT_RV(p11().C_EncryptMessageNext(session_, &parameter, sizeof parameter,
                                       plain.data() + 20, 13, out.data(), &size,
                                       CKF_END_OF_MESSAGE),
            CKR_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, 33u);
  ASSERT_OK(p11().C_EncryptMessageNext(session_, &parameter, sizeof parameter,
                                       plain.data() + 20, 13, out.data(), &size,
                                       CKF_END_OF_MESSAGE));
  EXPECT_EQ(out, sealed);
  EXPECT_RV(p11().C_EncryptMessageNext(session_, &parameter, sizeof parameter,
                                       plain.data(), 1, out.data(), &size,
                                       CKF_END_OF_MESSAGE),
            CKR_OPERATION_NOT_INITIALIZED);
  ASSERT_OK(p11().C_MessageEncryptFinal(session_));

  ASSERT_OK(p11().C_MessageDecryptInit(session_, gcm.get(), key));
  ASSERT_OK(Decrypt(parameter, sealed, opened));
  EXPECT_EQ(opened, plain);
  // A wrong message gives nothing and ends nothing.
  tag_[3] ^= 1;
  EXPECT_RV(Decrypt(parameter, sealed, opened), CKR_AEAD_DECRYPT_FAILED);
  EXPECT_EQ(opened, Bytes(33));
  tag_[3] ^= 1;
  EXPECT_OK(Decrypt(parameter, sealed, opened));
  ASSERT_OK(p11().C_MessageDecryptFinal(session_));
}

TEST_F(MessageCipherTest, Gcm_GeneratedNoncesDiffer) {
  const CK_OBJECT_HANDLE key = Key(CKK_AES, kAes128);
  Bytes plain = Pattern(5), sealed, opened;
  for (CK_GENERATOR_FUNCTION generator :
       {CKG_GENERATE, CKG_GENERATE_RANDOM, CKG_GENERATE_COUNTER,
        CKG_GENERATE_COUNTER_XOR}) {
    ASSERT_OK(p11().C_MessageEncryptInit(session_, Mechanism(CKM_AES_GCM).get(),
                                         key));
    std::set<Bytes> seen;
    nonce_ = FromHex("a1b2c3d4e5f60708090a0b0c");
    const CK_ULONG fixed = generator == CKG_GENERATE_COUNTER_XOR ? 0 : 28;
    for (int i = 0; i < 300; ++i) {
      auto parameter = Gcm(generator, fixed);
      ASSERT_OK(Encrypt(parameter, plain, sealed)) << generator;
      EXPECT_TRUE(seen.insert(nonce_).second) << generator;
      EXPECT_EQ(Bytes(nonce_.begin(), nonce_.begin() + 3), FromHex("a1b2c3"));
      EXPECT_EQ(fixed == 0 ? 0xd0 : nonce_[3] & 0xf0, 0xd0);
    }
    // Another form would make the count begin again.
    auto other = Gcm(generator, fixed + 8);
    if (fixed != 0) {
      EXPECT_RV(Encrypt(other, plain, opened), CKR_MECHANISM_PARAM_INVALID);
    }
    other = Gcm(generator, fixed);
    other.ulIvLen = 13;
    EXPECT_RV(Encrypt(other, plain, opened), CKR_MECHANISM_PARAM_INVALID);
    ASSERT_OK(p11().C_MessageEncryptFinal(session_));
    ASSERT_OK(p11().C_MessageDecryptInit(session_, Mechanism(CKM_AES_GCM).get(),
                                         key));
    auto parameter = Gcm(generator, fixed);
    ASSERT_OK(Decrypt(parameter, sealed, opened));
    EXPECT_EQ(opened, plain);
    ASSERT_OK(p11().C_MessageDecryptFinal(session_));
  }
}

TEST_F(MessageCipherTest, BadParameters_AreRefused) {
  const CK_OBJECT_HANDLE key = Key(CKK_AES, kAes128);
  Bytes plain = Pattern(5), sealed;
  ASSERT_OK(
      p11().C_MessageEncryptInit(session_, Mechanism(CKM_AES_GCM).get(), key));
  const auto refused = [&](CK_GCM_MESSAGE_PARAMS parameter) {
    EXPECT_RV(Encrypt(parameter, plain, sealed), CKR_MECHANISM_PARAM_INVALID);
  };
  auto p = Gcm(CKG_NO_GENERATE);
  p.pIv = nullptr;
  refused(p);
  p = Gcm(CKG_NO_GENERATE);
  p.pTag = nullptr;
  refused(p);
  p = Gcm(CKG_NO_GENERATE);
  p.ulTagBits = 24;
  refused(p);
  p = Gcm(CKG_GENERATE, 97);
  refused(p);
  p = Gcm(CKG_GENERATE, 96);
  refused(p);
  refused(Gcm(99));
  p = Gcm(CKG_NO_GENERATE);
  CK_ULONG size = 5;
  sealed.resize(5);
  EXPECT_RV(p11().C_EncryptMessage(session_, &p, sizeof p - 1, nullptr, 0,
                                   plain.data(), 5, sealed.data(), &size),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_OK(Encrypt(p, plain, sealed));
}

}  // namespace
}  // namespace conformance
