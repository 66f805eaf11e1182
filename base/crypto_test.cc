// Known answers of the primitives, and the rules of our library context.
#include "base/crypto.h"

#include <gtest/gtest.h>
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace base {
namespace {

Bytes Hex(absl::string_view hex) {
  return ToBytes(AsBytes(absl::HexStringToBytes(hex)));
}

std::string ToHex(ByteSpan bytes) {
  return absl::BytesToHexString(AsText(bytes));
}
std::string ToHex(const SecretBytes& bytes) { return ToHex(bytes.Expose()); }

Bytes Repeated(size_t count, uint8_t byte) { return Bytes(count, byte); }

TEST(OpenSslContextTest, IsOneAndNotTheDefault) {
  ASSERT_NE(OpenSslContext(), nullptr);
  EXPECT_EQ(OpenSslContext(), OpenSslContext());
  EXPECT_NE(OpenSslContext(), OSSL_LIB_CTX_get0_global_default());
}

TEST(OpenSslContextTest, RacingFirstCalls_SeeOneContext) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::vector<OSSL_LIB_CTX*> seen(8);
        std::vector<std::thread> threads;
        for (OSSL_LIB_CTX*& slot : seen) {
          threads.emplace_back([&slot] { slot = OpenSslContext(); });
        }
        for (std::thread& thread : threads) thread.join();
        bool same = true;
        for (OSSL_LIB_CTX* context : seen) same = same && context == seen[0];
        std::_Exit(same ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

// A module of the host's configuration that uses this library, as a provider
// that loads a PKCS#11 module does.
OSSL_LIB_CTX* seen_while_loading = nullptr;
int UseLibraryWhileLoading(CONF_IMODULE*, const CONF*) {
  seen_while_loading = OpenSslContext();
  return 1;
}

int ConfigurationReenters() {
  const std::string path = testing::TempDir() + "/perigee_reenter.cnf";
  std::ofstream(path) << "openssl_conf = top\n[top]\nreenter = nothing\n";
  setenv("OPENSSL_CONF", path.c_str(), 1);
  CONF_module_add("reenter", UseLibraryWhileLoading, nullptr);
  OSSL_LIB_CTX* context = OpenSslContext();
  unlink(path.c_str());
  if (seen_while_loading == nullptr) return 1;
  return seen_while_loading == context && RandomBytes(8).ok() ? 0 : 2;
}

TEST(OpenSslContextTest, HostsConfigurationReentersUs_SameContext) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(ConfigurationReenters()), testing::ExitedWithCode(0),
              "");
}

// The remaining functions of this group end OpenSSL for their process.
int AfterCleanup() {
  const SecretBytes key = RandomSecret(kAeadKeySize).value();
  P384Key pair = P384Key::Generate().value();
  if (OpenSslIsGone()) return 1;
  OPENSSL_cleanup();
  if (!OpenSslIsGone()) return 2;
  Bytes out(16);
  const CK_RV gone = CKR_CRYPTOKI_NOT_INITIALIZED;
  if (CkRv(FillRandom(absl::MakeSpan(out))) != gone) return 3;
  if (CkRv(RandomBytes(1).status()) != gone) return 4;
  if (CkRv(P384Key::Generate().status()) != gone) return 5;
  if (CkRv(pair.Sign(out).status()) != gone) return 6;
  if (CkRv(pair.Agree(pair.public_point()).status()) != gone) return 7;
  if (Sha256({out}).size() != kSha256Size) return 8;
  return 0;
}

TEST(OpenSslContextTest, HostHasCleanedUp_RandomnessIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(AfterCleanup()), testing::ExitedWithCode(0), "");
}

int FirstUseAfterCleanup() {
  OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr);
  OPENSSL_cleanup();
  Bytes out(16);
  const absl::Status status = FillRandom(absl::MakeSpan(out));
  if (!OpenSslIsGone()) return 1;
  return CkRv(status) == CKR_CRYPTOKI_NOT_INITIALIZED ? 0 : 2;
}

TEST(OpenSslContextTest, FirstUseAfterCleanup_IsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(FirstUseAfterCleanup()), testing::ExitedWithCode(0),
              "");
}

TEST(OpenSslErrorTest, EmptiesTheQueueAndKeepsTheReturnValue) {
  ERR_raise(ERR_LIB_EVP, EVP_R_WRONG_FINAL_BLOCK_LENGTH);
  ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
  const absl::Status status = OpenSslError(CKR_DATA_INVALID, "what");
  EXPECT_EQ(CkRv(status), CKR_DATA_INVALID);
  EXPECT_EQ(status.message(), "what: wrong final block length");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// pkcs11/call.cc marks the host's entries; only what came after them goes.
TEST(OpenSslErrorTest, LeavesWhatWasMarked) {
  ERR_raise(ERR_LIB_EVP, EVP_R_DECODE_ERROR);
  ERR_set_mark();
  ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
  EXPECT_EQ(OpenSslError(CKR_DATA_INVALID, "what").message(),
            "what: bad decrypt");
  ERR_raise(ERR_LIB_EVP, EVP_R_BAD_KEY_LENGTH);
  EXPECT_EQ(OpenSslError(CKR_DATA_INVALID, "what").message(),
            "what: bad key length");
  EXPECT_EQ(ERR_pop_to_mark(), 1);
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), EVP_R_DECODE_ERROR);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(RandomTest, TwoDrawsDiffer) {
  EXPECT_FALSE(RandomSecret(32)->Equals(*RandomSecret(32)));
  EXPECT_NE(*RandomBytes(32), *RandomBytes(32));
}

TEST(RandomTest, NothingIsFine) { EXPECT_TRUE(RandomBytes(0)->empty()); }

// FIPS 180-4 examples.
TEST(ShaTest, Abc) {
  EXPECT_EQ(ToHex(Sha256({AsBytes("abc")})),
            "ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha384({AsBytes("abc")})),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
            "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
}

TEST(ShaTest, PartsAreConcatenated) {
  EXPECT_EQ(Sha384({AsBytes("a"), {}, AsBytes("bc")}),
            Sha384({AsBytes("abc")}));
  EXPECT_EQ(Sha256({}), Sha256({AsBytes("")}));
}

// RFC 4231, cases 1, 2 and 6.
TEST(HmacTest, Rfc4231Case1) {
  const Bytes key = Repeated(20, 0x0b);
  EXPECT_EQ(ToHex(HmacSha256(key, {AsBytes("Hi There")})),
            "b0344c61d8db38535ca8afceaf0bf12b"
            "881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(ToHex(HmacSha384(key, {AsBytes("Hi There")})),
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec6"
            "82aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6");
}

TEST(HmacTest, ATagIsTheSame) {
  const Bytes key(20, 0x0b);
  EXPECT_TRUE(HmacSha256(key, {AsBytes("Hi There")})
                  .Equals(HmacSha256Tag(key, {AsBytes("Hi There")})));
}

TEST(HmacTest, Rfc4231Case2_InParts) {
  const ByteSpan key = AsBytes("Jefe");
  const ByteSpan a = AsBytes("what do ya want ");
  const ByteSpan b = AsBytes("for nothing?");
  EXPECT_EQ(ToHex(HmacSha256(key, {a, b})),
            "5bdcc146bf60754e6a042426089575c7"
            "5a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(ToHex(HmacSha384(key, {a, b})),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
            "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
}

TEST(HmacTest, Rfc4231Case6_KeyLongerThanABlock) {
  const Bytes key = Repeated(131, 0xaa);
  const ByteSpan text =
      AsBytes("Test Using Larger Than Block-Size Key - Hash Key First");
  EXPECT_EQ(ToHex(HmacSha256(key, {text})),
            "60e431591ee0b67f0d8a26aacbf5b77f"
            "8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(ToHex(HmacSha384(key, {text})),
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f"
            "3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952");
}

// HMAC pads its key with zeros, so these two are the same key.
TEST(HmacTest, EmptyKey_IsAKeyOfZeros) {
  EXPECT_TRUE(HmacSha256({}, {AsBytes("x")})
                  .Equals(HmacSha256(Repeated(64, 0), {AsBytes("x")})));
  EXPECT_TRUE(
      HmacSha384({}, {}).Equals(HmacSha384(Repeated(128, 0), {AsBytes("")})));
}

// RFC 5869, cases A.1 and A.3.
TEST(HkdfTest, Rfc5869Case1) {
  const auto okm =
      HkdfSha256(Repeated(22, 0x0b), Hex("000102030405060708090a0b0c"),
                 Hex("f0f1f2f3f4f5f6f7f8f9"), 42);
  EXPECT_EQ(ToHex(*okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db0"
            "2d56ecc4c5bf34007208d5b887185865");
}

TEST(HkdfTest, Rfc5869Case3_NoSaltNoInfo) {
  EXPECT_EQ(ToHex(*HkdfSha256(Repeated(22, 0x0b), {}, {}, 42)),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec345"
            "4e5f3c738d2d9d201395faa4b61a96c8");
}

// The RFC has no SHA-384 case; its definition in terms of HMAC stands in.
TEST(HkdfTest, Sha384_IsItsDefinition) {
  const Bytes key = Repeated(48, 7), salt = Repeated(32, 8);
  const ByteSpan info = AsBytes("info");
  const uint8_t one = 1, two = 2;
  const SecretBytes prk = HmacSha384(salt, {key});
  const SecretBytes t1 = HmacSha384(prk.Expose(), {info, ByteSpan(&one, 1)});
  const SecretBytes t2 =
      HmacSha384(prk.Expose(), {t1.Expose(), info, ByteSpan(&two, 1)});
  EXPECT_EQ(ToHex(*HkdfSha384(key, salt, info, 96)), ToHex(t1) + ToHex(t2));
}

TEST(HkdfTest, Sha384_NoSalt_IsASaltOfZeros) {
  const Bytes key = Repeated(48, 7);
  EXPECT_TRUE(HkdfSha384(key, {}, {}, 32)
                  ->Equals(*HkdfSha384(key, Repeated(48, 0), {}, 32)));
}

TEST(HkdfTest, ImpossibleSize_IsAnError) {
  EXPECT_FALSE(HkdfSha256(Repeated(32, 1), {}, {}, 255 * 32 + 1).ok());
  EXPECT_FALSE(HkdfSha256(Repeated(32, 1), {}, {}, 0).ok());
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// RFC 7914, section 12, the case with r = 8 and p = 1.
TEST(ScryptTest, Rfc7914) {
  EXPECT_EQ(ToHex(*Scrypt(AsBytes("pleaseletmein"), AsBytes("SodiumChloride"),
                          14, 64)),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

TEST(ScryptTest, CostOfTheDomainSecret_FitsTheMemoryLimit) {
  EXPECT_TRUE(Scrypt(AsBytes("domain"), AsBytes("salt"), 16, 32).ok());
}

TEST(ScryptTest, EmptyPin_IsAPin) {
  EXPECT_TRUE(Scrypt({}, AsBytes("salt"), 4, 32).ok());
}

TEST(ScryptTest, CostOutOfRange_IsRefused) {
  EXPECT_EQ(CkRv(Scrypt({}, {}, 0, 32).status()), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(CkRv(Scrypt({}, {}, 23, 32).status()), CKR_ARGUMENTS_BAD);
}

// RFC 7914, section 11.
TEST(Pbkdf2Test, Rfc7914_OneIteration) {
  EXPECT_EQ(ToHex(*Pbkdf2Sha256(AsBytes("passwd"), AsBytes("salt"), 1, 64)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

TEST(Pbkdf2Test, Rfc7914_EightyThousandIterations) {
  EXPECT_EQ(
      ToHex(*Pbkdf2Sha256(AsBytes("Password"), AsBytes("NaCl"), 80000, 64)),
      "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
      "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
}

// The GCM specification (McGrew and Viega), test cases 13, 14 and 16.
TEST(AeadTest, GcmCase13_Empty) {
  EXPECT_EQ(ToHex(*AeadSeal(Repeated(32, 0), Repeated(12, 0), {}, {})),
            "530f8afbc74536b9a963b4f1c4cb738b");
}

TEST(AeadTest, GcmCase14) {
  EXPECT_EQ(
      ToHex(*AeadSeal(Repeated(32, 0), Repeated(12, 0), {}, Repeated(16, 0))),
      "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(AeadTest, GcmCase16_BothWays) {
  const Bytes key =
      Hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const Bytes nonce = Hex("cafebabefacedbaddecaf888");
  const Bytes aad = Hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes plain =
      Hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  const Bytes sealed =
      Hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
          "76fc6ece0f4e1768cddf8853bb2d551b");
  EXPECT_EQ(*AeadSeal(key, nonce, aad, plain), sealed);
  EXPECT_TRUE(AeadOpen(key, nonce, aad, sealed)->Equals(plain));
}

class AeadOpenTest : public testing::Test {
 protected:
  CK_RV Open(ByteSpan key, ByteSpan nonce, ByteSpan aad, ByteSpan sealed) {
    return CkRv(AeadOpen(key, nonce, aad, sealed).status());
  }
  const Bytes key_ = Repeated(32, 1);
  const Bytes nonce_ = Repeated(12, 2);
  const Bytes aad_ = Repeated(5, 3);
  const Bytes sealed_ = *AeadSeal(key_, nonce_, aad_, AsBytes("secret"));
};

TEST_F(AeadOpenTest, Unaltered_Opens) {
  EXPECT_EQ(Open(key_, nonce_, aad_, sealed_), CKR_OK);
}

TEST_F(AeadOpenTest, AnyFlippedBit_IsRefused) {
  for (size_t bit = 0; bit < 8 * sealed_.size(); ++bit) {
    Bytes altered = sealed_;
    altered[bit / 8] ^= 1 << (bit % 8);
    EXPECT_EQ(Open(key_, nonce_, aad_, altered), CKR_DEVICE_ERROR) << bit;
  }
}

TEST_F(AeadOpenTest, OtherKeyNonceOrData_IsRefused) {
  EXPECT_EQ(Open(Repeated(32, 9), nonce_, aad_, sealed_), CKR_DEVICE_ERROR);
  EXPECT_EQ(Open(key_, Repeated(12, 9), aad_, sealed_), CKR_DEVICE_ERROR);
  EXPECT_EQ(Open(key_, nonce_, {}, sealed_), CKR_DEVICE_ERROR);
}

TEST_F(AeadOpenTest, ShorterThanATag_IsRefused) {
  EXPECT_EQ(Open(key_, nonce_, aad_, Repeated(15, 0)), CKR_DEVICE_ERROR);
  EXPECT_EQ(Open(key_, nonce_, aad_, {}), CKR_DEVICE_ERROR);
}

TEST_F(AeadOpenTest, WrongKeyOrNonceSize_IsOurMistake) {
  EXPECT_EQ(Open(Repeated(16, 1), nonce_, aad_, sealed_), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(Open(key_, Repeated(16, 2), aad_, sealed_), CKR_ARGUMENTS_BAD);
}

// RFC 5903, section 8.2: a 384-bit random ECP group.
constexpr char kPkcs8Prefix[] =
    "3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430";
constexpr char kPkcs8Middle[] = "a164036200";
constexpr char kInitiatorPrivate[] =
    "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f16"
    "0647b67414dce655e35b538041e649ee3faef896783ab194";
constexpr char kInitiatorPoint[] =
    "04"
    "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e3"
    "1634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa"
    "9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ad"
    "a024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c";
constexpr char kResponderPoint[] =
    "04"
    "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d"
    "83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571"
    "dcfbec7aacf3196472169e838430367f66eebe3c6e70c416"
    "dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c";

Bytes Pkcs8(absl::string_view private_hex, absl::string_view point_hex) {
  return Hex(absl::StrCat(kPkcs8Prefix, private_hex, kPkcs8Middle, point_hex));
}

TEST(P384KeyTest, Agree_Rfc5903) {
  const auto key =
      P384Key::FromPrivateDer(Pkcs8(kInitiatorPrivate, kInitiatorPoint));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(ToHex(key->public_point()), kInitiatorPoint);
  EXPECT_EQ(ToHex(*key->Agree(Hex(kResponderPoint))),
            "11187331c279962d93d604243fd592cb9d0a926f422e4718"
            "7521287e7156c5c4d603135569b9e9d09cf5d4a270f59746");
}

TEST(P384KeyTest, PrivateDer_GivesTheKeyBack) {
  const auto key =
      P384Key::FromPrivateDer(Pkcs8(kInitiatorPrivate, kInitiatorPoint));
  EXPECT_EQ(ToHex(*key->PrivateDer()),
            ToHex(Pkcs8(kInitiatorPrivate, kInitiatorPoint)));
}

TEST(P384KeyTest, FromPrivateDer_PointOfAnotherKey_IsRefused) {
  EXPECT_EQ(
      CkRv(P384Key::FromPrivateDer(Pkcs8(kInitiatorPrivate, kResponderPoint))
               .status()),
      CKR_DATA_INVALID);
}

TEST(P384KeyTest, FromPrivateDer_TrailingOrMissingBytes_AreRefused) {
  Bytes der = Pkcs8(kInitiatorPrivate, kInitiatorPoint);
  der.push_back(0);
  EXPECT_EQ(CkRv(P384Key::FromPrivateDer(der).status()), CKR_DATA_INVALID);
  der.resize(der.size() - 2);
  EXPECT_EQ(CkRv(P384Key::FromPrivateDer(der).status()), CKR_DATA_INVALID);
  EXPECT_EQ(CkRv(P384Key::FromPrivateDer({}).status()), CKR_DATA_INVALID);
}

TEST(P384KeyTest, FromPrivateDer_OtherCurve_IsRefused) {
  UniquePkey p256(EVP_PKEY_Q_keygen(OpenSslContext(), nullptr, "EC", "P-256"));
  unsigned char* der = nullptr;
  const int size = i2d_PrivateKey(p256.get(), &der);
  ASSERT_GT(size, 0);
  EXPECT_FALSE(P384Key::FromPrivateDer(ByteSpan(der, size)).ok());
  OPENSSL_free(der);
}

class AgreeTest : public testing::Test {
 protected:
  CK_RV Agree(ByteSpan point) { return CkRv(key_.Agree(point).status()); }
  const P384Key key_ = *P384Key::Generate();
  const Bytes good_ = Hex(kResponderPoint);
};

TEST_F(AgreeTest, BothEndsAgree) {
  const P384Key other = *P384Key::Generate();
  EXPECT_TRUE(key_.Agree(other.public_point())
                  ->Equals(*other.Agree(key_.public_point())));
}

TEST_F(AgreeTest, OffTheCurve_IsRefused) {
  Bytes point = good_;
  point.back() ^= 1;
  EXPECT_EQ(Agree(point), CKR_DATA_INVALID);
}

TEST_F(AgreeTest, CoordinateBeyondThePrime_IsRefused) {
  Bytes point = good_;
  std::fill(point.begin() + 1, point.begin() + 49, 0xff);
  EXPECT_EQ(Agree(point), CKR_DATA_INVALID);
}

TEST_F(AgreeTest, InfinityInAnyForm_IsRefused) {
  EXPECT_EQ(Agree(Repeated(1, 0)), CKR_DATA_INVALID);
  EXPECT_EQ(Agree(Repeated(97, 0)), CKR_DATA_INVALID);
  Bytes point = Repeated(97, 0);
  point[0] = 4;
  EXPECT_EQ(Agree(point), CKR_DATA_INVALID);
}

TEST_F(AgreeTest, CompressedOrEmpty_IsRefused) {
  Bytes point(good_.begin(), good_.begin() + 49);
  point[0] = 2;
  EXPECT_EQ(Agree(point), CKR_DATA_INVALID);
  EXPECT_EQ(Agree({}), CKR_DATA_INVALID);
}

TEST(SignTest, FitsItsMessageAndKeyOnly) {
  const P384Key key = *P384Key::Generate();
  const UniquePkey pub = *P384PublicKey(key.public_point());
  const Bytes signature = *key.Sign(AsBytes("message"));
  EXPECT_TRUE(VerifyP384(pub.get(), AsBytes("message"), signature).ok());
  EXPECT_EQ(CkRv(VerifyP384(pub.get(), AsBytes("massage"), signature)),
            CKR_SIGNATURE_INVALID);
  EXPECT_EQ(CkRv(VerifyP384(pub.get(), AsBytes("message"), {})),
            CKR_SIGNATURE_INVALID);
  const UniquePkey other = *P384PublicKey(Hex(kResponderPoint));
  EXPECT_EQ(CkRv(VerifyP384(other.get(), AsBytes("message"), signature)),
            CKR_SIGNATURE_INVALID);
}

TEST(SignTest, EmptyMessage_IsAMessage) {
  const P384Key key = *P384Key::Generate();
  EXPECT_TRUE(VerifyP384(key.pkey(), {}, *key.Sign({})).ok());
}

}  // namespace
}  // namespace base
