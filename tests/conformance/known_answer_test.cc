// A few known answers, and what wrong data gets. (tests/vectors has the many;
// here the whole way through the C ABI counts.)
#include <set>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using KnownAnswerTest = TokenTest;
using BadDataTest = TokenTest;

// FIPS 180-4.
TEST_F(KnownAnswerTest, Sha256) {
  EXPECT_EQ(
      Whole(DigestCalls(), session_, CKM_SHA256, 0, FromText("abc")).bytes,
      FromHex("ba7816bf8f01cfea414140de5dae2223"
              "b00361a396177a9cb410ff61f20015ad"));
}

TEST_F(KnownAnswerTest, Sha384) {
  EXPECT_EQ(
      Whole(DigestCalls(), session_, CKM_SHA384, 0, FromText("abc")).bytes,
      FromHex("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
              "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"));
}

// RFC 4231, case 6.
TEST_F(KnownAnswerTest, Sha256Hmac) {
  const CK_OBJECT_HANDLE key = Create(GenericSecret(Bytes(131, 0xaa)));
  EXPECT_EQ(Whole(SignCalls(), session_, CKM_SHA256_HMAC, key,
                  FromText("Test Using Larger Than Block-Size Key - "
                           "Hash Key First"))
                .bytes,
            FromHex("60e431591ee0b67f0d8a26aacbf5b77f"
                    "8e0bc6213728c5140546040f0ee37f54"));
}

// NIST SP 800-38A, F.2.1 and F.5.1, first two blocks.
constexpr char kNistKey[] = "2b7e151628aed2a6abf7158809cf4f3c";
constexpr char kNistText[] =
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";

TEST_F(KnownAnswerTest, AesCbc) {
  const Mechanism cbc(CKM_AES_CBC, FromHex("000102030405060708090a0b0c0d0e0f"));
  EXPECT_EQ(Whole(EncryptCalls(), session_, cbc,
                  Create(AesKey(FromHex(kNistKey))), FromHex(kNistText))
                .bytes,
            FromHex("7649abac8119b246cee98e9b12e9197d"
                    "5086cb9b507219ee95db113a917678b2"));
}

TEST_F(KnownAnswerTest, AesCtr) {
  CK_AES_CTR_PARAMS params = {128, {}};
  for (CK_BYTE i = 0; i < 16; ++i) params.cb[i] = 0xf0 + i;
  EXPECT_EQ(Whole(EncryptCalls(), session_, Mechanism(CKM_AES_CTR, params),
                  Create(AesKey(FromHex(kNistKey))), FromHex(kNistText))
                .bytes,
            FromHex("874d6191b620e3261bef6864990db6ce"
                    "9806f66b7970fdff8617187bb9fffdff"));
}

// McGrew and Viega, test case 2: key, IV and text of zeros.
TEST_F(KnownAnswerTest, AesGcm) {
  Bytes iv(12);
  CK_GCM_PARAMS params = {};
  params.pIv = iv.data();
  params.ulIvLen = iv.size();
  params.ulIvBits = 96;
  params.ulTagBits = 128;
  EXPECT_EQ(Whole(EncryptCalls(), session_, Mechanism(CKM_AES_GCM, params),
                  Create(AesKey(Bytes(16))), Bytes(16))
                .bytes,
            FromHex("0388dace60b6a392f328c2b971b2fe78"
                    "ab6e47d42cec13bdf53a67b21257bddf"));
}

// Made with OpenSSL and the key of keys.cc.
TEST_F(KnownAnswerTest, Sha256RsaPkcs) {
  const Result signature =
      Whole(SignCalls(), session_, CKM_SHA256_RSA_PKCS, Create(RsaPrivateKey()),
            FromText("conformance"));
  EXPECT_EQ(
      signature.bytes,
      FromHex(
          "97a684bc536338aff7fde86fc506983a39d414daed2ba814e5857ad7866de955"
          "85716b6ff5049b9b3c2b50f57ff0acb8d677dd09aa2266840152c877f2acfb8c"
          "e5f838426a0c0ae4115678e9bb5d9383a7acf83540060d288d367bcb91452cca"
          "172a6f35def13bea7236ddf00780b8721876b9eb4c61f845ae64cf0109a22583"
          "984330d6668d1a085ca482f14fb6ba613f5da2bff824fce9dfc77e9b00cca292"
          "2df9b76e65589b19f0349c9fcc2ceea67b2035993cc489791c2db304d4d84843"
          "12a129a409bb51e48080320a4f06fff88318c980eb5e968915a6c4c12019701e"
          "fcaefea45ffe740db4c5d105d217a16519dadede88c8cf210eee8253b81a28c4"));
}

// --- signatures that are wrong
// -----------------------------------------------------------

class BadSignatureTest : public TokenTest,
                         public testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    NEEDS_CASE(GetParam());
    against_ = Create(GetParam().against);
    data_ = Pattern(GetParam().input);
    signature_ = Whole(SignCalls(), session_, GetParam().mechanism,
                       Create(GetParam().with), data_)
                     .bytes;
    ASSERT_EQ(signature_.size(), GetParam().output);
  }
  CK_RV Check() {
    return Verify(session_, GetParam().mechanism, against_, data_, signature_);
  }
  CK_OBJECT_HANDLE against_ = CK_INVALID_HANDLE;
  Bytes data_;
  Bytes signature_;
};

TEST_P(BadSignatureTest, Unchanged_Verifies) { EXPECT_OK(Check()); }

TEST_P(BadSignatureTest, OtherData_IsSignatureInvalid) {
  data_.front() ^= 1;
  EXPECT_RV(CKR_SIGNATURE_INVALID, Check());
}

TEST_P(BadSignatureTest, ChangedAtTheEnd_IsSignatureInvalid) {
  signature_.back() ^= 1;
  EXPECT_RV(CKR_SIGNATURE_INVALID, Check());
}

TEST_P(BadSignatureTest, ChangedAtTheFront_IsSignatureInvalid) {
  signature_.front() ^= 1;
  EXPECT_RV(CKR_SIGNATURE_INVALID, Check());
}

TEST_P(BadSignatureTest, Zeros_IsSignatureInvalid) {
  signature_.assign(signature_.size(), 0);
  EXPECT_RV(CKR_SIGNATURE_INVALID, Check());
}

TEST_P(BadSignatureTest, AllOnes_IsSignatureInvalid) {
  signature_.assign(signature_.size(), 0xff);
  EXPECT_RV(CKR_SIGNATURE_INVALID, Check());
}

TEST_P(BadSignatureTest, OneByteShort_IsSignatureLenRange) {
  signature_.pop_back();
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, Check());
}

TEST_P(BadSignatureTest, OneByteLong_IsSignatureLenRange) {
  signature_.push_back(0);
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, Check());
}

TEST_P(BadSignatureTest, Empty_IsSignatureLenRange) {
  signature_.clear();
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, Check());
}

TEST_P(BadSignatureTest, Wrong_EndsTheOperation) {
  signature_.back() ^= 1;
  EXPECT_RV(CKR_SIGNATURE_INVALID, Check());
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_Verify(session_, data_.data(), data_.size(),
                           signature_.data(), signature_.size()));
}

TEST_P(BadSignatureTest, NullSignature_IsArgumentsBad) {
  ASSERT_OK(p11().C_VerifyInit(session_, GetParam().mechanism.get(), against_));
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_Verify(session_, data_.data(), data_.size(), nullptr,
                           signature_.size()));
}

INSTANTIATE_TEST_SUITE_P(All, BadSignatureTest, testing::ValuesIn(SignCases()),
                         CaseName<testing::TestParamInfo<Case>>);

// --- lengths and contents
// ------------------------------------------------------------------

TEST_F(BadDataTest, RsaPkcs_DataTooLongToSign_IsDataLenRange) {
  EXPECT_RV(CKR_DATA_LEN_RANGE, Whole(SignCalls(), session_, CKM_RSA_PKCS,
                                      Create(RsaPrivateKey()), Pattern(246))
                                    .rv);
}

TEST_F(BadDataTest, RsaPkcs_LongestData_IsSigned) {
  EXPECT_OK(Whole(SignCalls(), session_, CKM_RSA_PKCS, Create(RsaPrivateKey()),
                  Pattern(245))
                .rv);
}

TEST_F(BadDataTest, RsaPkcs_DataTooLongToEncrypt_IsDataLenRange) {
  EXPECT_RV(CKR_DATA_LEN_RANGE, Whole(EncryptCalls(), session_, CKM_RSA_PKCS,
                                      Create(RsaPublicKey()), Pattern(246))
                                    .rv);
}

TEST_F(BadDataTest, RsaOaep_DataTooLong_IsDataLenRange) {
  EXPECT_RV(CKR_DATA_LEN_RANGE,
            Whole(EncryptCalls(), session_, Oaep(CKM_SHA_1, CKG_MGF1_SHA1),
                  Create(RsaPublicKey()), Pattern(215))
                .rv);
}

TEST_F(BadDataTest, RsaOaep_LongestData_IsEncrypted) {
  EXPECT_OK(Whole(EncryptCalls(), session_, Oaep(CKM_SHA_1, CKG_MGF1_SHA1),
                  Create(RsaPublicKey()), Pattern(214))
                .rv);
}

TEST_F(BadDataTest, RsaPss_HashOfTheWrongLength_IsDataLenRange) {
  EXPECT_RV(CKR_DATA_LEN_RANGE,
            Whole(SignCalls(), session_,
                  Pss(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32),
                  Create(RsaPrivateKey()), Pattern(31))
                .rv);
}

TEST_F(BadDataTest, AesCbc_PartOfABlock_IsDataLenRange) {
  EXPECT_RV(CKR_DATA_LEN_RANGE, Whole(EncryptCalls(), session_, AesCbc(),
                                      Create(AesKey()), Pattern(17))
                                    .rv);
}

TEST_F(BadDataTest, AesCbc_PartOfABlockInParts_IsDataLenRange) {
  EXPECT_RV(CKR_DATA_LEN_RANGE, Parts(EncryptCalls(), session_, AesCbc(),
                                      Create(AesKey()), Pattern(17), 17)
                                    .rv);
}

TEST_F(BadDataTest, AesCbc_PartOfABlockToDecrypt_IsEncryptedDataLenRange) {
  EXPECT_RV(
      CKR_ENCRYPTED_DATA_LEN_RANGE,
      Whole(DecryptCalls(), session_, AesCbc(), Create(AesKey()), Pattern(17))
          .rv);
}

TEST_F(BadDataTest, AesCbcPad_BadPadding_IsEncryptedDataInvalid) {
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID,
            Whole(DecryptCalls(), session_, AesCbc(CKM_AES_CBC_PAD),
                  Create(AesKey()), Pattern(32))
                .rv);
}

TEST_F(BadDataTest, AesCbcPad_NothingToDecrypt_IsEncryptedDataLenRange) {
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE,
            Whole(DecryptCalls(), session_, AesCbc(CKM_AES_CBC_PAD),
                  Create(AesKey()), Bytes())
                .rv);
}

class BadGcmTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    key_ = Create(AesKey());
    sealed_ =
        Whole(EncryptCalls(), session_, AesGcm(), key_, Pattern(40)).bytes;
    ASSERT_EQ(sealed_.size(), 56u);
  }
  CK_RV Open() {
    return Whole(DecryptCalls(), session_, AesGcm(), key_, sealed_).rv;
  }
  CK_OBJECT_HANDLE key_ = CK_INVALID_HANDLE;
  Bytes sealed_;
};

TEST_F(BadGcmTest, ChangedText_IsEncryptedDataInvalid) {
  sealed_.front() ^= 1;
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, Open());
}

TEST_F(BadGcmTest, ChangedTag_IsEncryptedDataInvalid) {
  sealed_.back() ^= 1;
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, Open());
}

TEST_F(BadGcmTest, ShorterByOne_IsEncryptedDataInvalid) {
  sealed_.pop_back();
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, Open());
}

TEST_F(BadGcmTest, NotEvenATag_IsEncryptedDataLenRange) {
  sealed_.resize(15);
  EXPECT_RV_IS_ONE_OF(Open(), CKR_ENCRYPTED_DATA_LEN_RANGE,
                      CKR_ENCRYPTED_DATA_INVALID);
}

TEST_F(BadGcmTest, OtherAad_IsEncryptedDataInvalid) {
  Bytes iv = Pattern(12, 5);
  CK_GCM_PARAMS params = {};
  params.pIv = iv.data();
  params.ulIvLen = iv.size();
  params.ulIvBits = 96;
  params.ulTagBits = 128;
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID,
            Whole(DecryptCalls(), session_, Mechanism(CKM_AES_GCM, params),
                  key_, sealed_)
                .rv);
}

TEST_F(BadGcmTest, BadTagInParts_GivesNothingBefore) {
  sealed_.back() ^= 1;
  ASSERT_OK(p11().C_DecryptInit(session_, AesGcm().get(), key_));
  Bytes room(100, 0xEE);
  CK_ULONG size = room.size();
  ASSERT_OK(p11().C_DecryptUpdate(session_, sealed_.data(), sealed_.size(),
                                  room.data(), &size));
  EXPECT_EQ(size, 0u);
  size = room.size();
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID,
            p11().C_DecryptFinal(session_, room.data(), &size));
}

TEST_F(BadDataTest, RsaCiphertextOfTheWrongLength_IsEncryptedDataLenRange) {
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE,
            Whole(DecryptCalls(), session_, CKM_RSA_PKCS,
                  Create(RsaPrivateKey()), Pattern(255))
                .rv);
}

TEST_F(BadDataTest, OaepGarbage_IsEncryptedDataInvalid) {
  Bytes garbage = Pattern(256);
  garbage[0] = 0;
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID,
            Whole(DecryptCalls(), session_, Oaep(CKM_SHA_1, CKG_MGF1_SHA1),
                  Create(RsaPrivateKey()), garbage)
                .rv);
}

// Implicit rejection: no error tells whether the padding was right.
TEST_F(BadDataTest, RsaPkcsGarbage_DecryptsToSomething) {
  const CK_OBJECT_HANDLE key = Create(RsaPrivateKey());
  std::set<CK_RV> answers;
  for (CK_BYTE seed = 0; seed < 20; ++seed) {
    Bytes garbage = Pattern(256, seed);
    garbage[0] = 0;
    answers.insert(
        Whole(DecryptCalls(), session_, CKM_RSA_PKCS, key, garbage).rv);
  }
  EXPECT_EQ(answers, std::set<CK_RV>{CKR_OK});
}

TEST_F(BadDataTest, RsaPkcsGarbage_AlwaysDecryptsToTheSame) {
  const CK_OBJECT_HANDLE key = Create(RsaPrivateKey());
  Bytes garbage = Pattern(256);
  garbage[0] = 0;
  const Result first =
      Whole(DecryptCalls(), session_, CKM_RSA_PKCS, key, garbage);
  const Result second =
      Whole(DecryptCalls(), session_, CKM_RSA_PKCS, key, garbage);
  EXPECT_OK(first.rv);
  EXPECT_EQ(first.bytes, second.bytes);
}

}  // namespace
}  // namespace conformance
