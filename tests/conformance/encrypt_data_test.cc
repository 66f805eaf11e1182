// Keys that are the encryption of data. Answers are those of NIST SP 800-38A
// (AES), RFC 3713 (Camellia) and of the module's own ciphers.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

constexpr char kAesKey[] = "2b7e151628aed2a6abf7158809cf4f3c";
constexpr char kPlain[] =
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";

class EncryptDataTest : public TokenTest {
 protected:
  static Template Open(CK_ULONG size) {
    Template t = Template()
                     .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                     .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                     .Bool(CKA_TOKEN, false)
                     .Bool(CKA_SENSITIVE, false)
                     .Bool(CKA_EXTRACTABLE, true);
    return size == 0 ? t : t.Ulong(CKA_VALUE_LEN, size);
  }
  static Template Key(const Bytes& value, CK_KEY_TYPE type = CKK_AES) {
    return Template(GenericSecret(value))
        .Ulong(CKA_KEY_TYPE, type)
        .Bool(CKA_ENCRYPT, true)
        .Bool(CKA_DERIVE, true);
  }
  static Template Hidden(const Bytes& value) {
    return Key(value).Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false);
  }
  Mechanism Ecb(CK_MECHANISM_TYPE type, const Bytes& data) {
    data_ = data;
    return Mechanism(type,
                     CK_KEY_DERIVATION_STRING_DATA{data_.data(), data_.size()});
  }
  template <typename T>
  Mechanism Cbc(CK_MECHANISM_TYPE type, const Bytes& iv, const Bytes& data) {
    data_ = data;
    T params = {};
    std::memcpy(params.iv, iv.data(), sizeof(params.iv));
    params.pData = data_.data();
    params.length = data_.size();
    return Mechanism(type, params);
  }
  CK_RV Derive(const Mechanism& mechanism, CK_OBJECT_HANDLE base,
               const Template& t, CK_OBJECT_HANDLE* key = nullptr) {
    CK_OBJECT_HANDLE unused = CK_INVALID_HANDLE;
    return p11().C_DeriveKey(session_, mechanism.get(), base, t.data(),
                             t.size(), key == nullptr ? &unused : key);
  }
  Bytes Value(const Mechanism& mechanism, const Template& base,
              const Template& t) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_OK(Derive(mechanism, Create(base), t, &key));
    return key == CK_INVALID_HANDLE ? Bytes() : Get(key, CKA_VALUE);
  }

  Bytes data_;
};

TEST_F(EncryptDataTest, Aes) {
  NEEDS_MECHANISM(CKM_AES_ECB_ENCRYPT_DATA);
  const Template key = Key(FromHex(kAesKey));
  EXPECT_EQ(
      Value(Ecb(CKM_AES_ECB_ENCRYPT_DATA, FromHex(kPlain)), key, Open(32)),
      FromHex("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96"
              "fdbaaf"));
  const Mechanism cbc = Cbc<CK_AES_CBC_ENCRYPT_DATA_PARAMS>(
      CKM_AES_CBC_ENCRYPT_DATA, FromHex("000102030405060708090a0b0c0d0e0f"),
      FromHex(kPlain));
  const Bytes expected = FromHex(
      "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
  EXPECT_EQ(Value(cbc, key, Open(32)), expected);
  // The leading bytes; as a key that works.
  const Bytes first(expected.begin(), expected.begin() + 16);
  EXPECT_EQ(Value(cbc, key, Open(16)), first);
  CK_OBJECT_HANDLE aes = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(cbc, Create(key),
                   Template(Open(16)).Ulong(CKA_KEY_TYPE, CKK_AES), &aes));
  EXPECT_EQ(GetUlong(aes, CKA_KEY_TYPE), CK_ULONG{CKK_AES});
  EXPECT_EQ(Get(aes, CKA_VALUE), first);
}

TEST_F(EncryptDataTest, Camellia) {
  NEEDS_MECHANISM(CKM_CAMELLIA_ECB_ENCRYPT_DATA);
  const Bytes key = FromHex("0123456789abcdeffedcba9876543210");
  const Bytes expected = FromHex("67673138549669730857065648eabe43");
  EXPECT_EQ(Value(Ecb(CKM_CAMELLIA_ECB_ENCRYPT_DATA, key),
                  Key(key, CKK_CAMELLIA), Open(16)),
            expected);
  EXPECT_EQ(Value(Cbc<CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS>(
                      CKM_CAMELLIA_CBC_ENCRYPT_DATA, key, Bytes(16)),
                  Key(key, CKK_CAMELLIA), Open(16)),
            expected);
}

TEST_F(EncryptDataTest, TripleDes) {
  NEEDS_MECHANISM(CKM_DES3_ECB_ENCRYPT_DATA);
  const Template key = Key(
      FromHex("0123456789abcdef23456789abcdef01456789abcdef0123"), CKK_DES3);
  const Bytes iv = FromHex("1122334455667788"), data = Pattern(24);
  EXPECT_EQ(Value(Ecb(CKM_DES3_ECB_ENCRYPT_DATA, data), key, Open(24)),
            Whole(EncryptCalls(), session_, Mechanism(CKM_DES3_ECB),
                  Create(key), data)
                .bytes);
  const Mechanism cbc =
      Cbc<CK_DES_CBC_ENCRYPT_DATA_PARAMS>(CKM_DES3_CBC_ENCRYPT_DATA, iv, data);
  Bytes expected = Whole(EncryptCalls(), session_, Mechanism(CKM_DES3_CBC, iv),
                         Create(key), data)
                       .bytes;
  EXPECT_EQ(Value(cbc, key, Open(24)), expected);
  // As a key of its own kind it gets odd parity.
  for (CK_BYTE& byte : expected) {
    int ones = 0;
    for (int bit = 0; bit < 8; ++bit) ones += byte >> bit & 1;
    if (ones % 2 == 0) byte ^= 1;
  }
  EXPECT_EQ(Value(cbc, key, Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_DES3)),
            expected);
}

// Three equal blocks make three equal parts, of which one can be tried.
TEST_F(EncryptDataTest, SingleDesInAnotherForm_DoesNothing) {
  NEEDS_MECHANISM(CKM_DES3_ECB_ENCRYPT_DATA);
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Create(Key(
      FromHex("0123456789abcdef23456789abcdef01456789abcdef0123"), CKK_DES3));
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(
      Ecb(CKM_DES3_ECB_ENCRYPT_DATA, Bytes(24)), base,
      Template(Open(0)).Ulong(CKA_KEY_TYPE, CKK_DES3).Bool(CKA_ENCRYPT, true),
      &key));
  EXPECT_RV(CKR_KEY_SIZE_RANGE,
            p11().C_EncryptInit(session_, Mechanism(CKM_DES3_ECB).get(), key));
}

TEST_F(EncryptDataTest, BadParameters) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE aes = Create(Key(FromHex(kAesKey)));
  for (const size_t size : {size_t{0}, size_t{15}, size_t{17}}) {
    EXPECT_RV(
        CKR_MECHANISM_PARAM_INVALID,
        Derive(Ecb(CKM_AES_ECB_ENCRYPT_DATA, Pattern(size)), aes, Open(0)));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              Derive(Cbc<CK_AES_CBC_ENCRYPT_DATA_PARAMS>(
                         CKM_AES_CBC_ENCRYPT_DATA, Bytes(16), Pattern(size)),
                     aes, Open(0)));
  }
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_AES_ECB_ENCRYPT_DATA,
                             CK_KEY_DERIVATION_STRING_DATA{nullptr, 16}),
                   aes, Open(16)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_AES_CBC_ENCRYPT_DATA), aes, Open(16)));
  EXPECT_RV(CKR_DATA_LEN_RANGE,
            Derive(Ecb(CKM_AES_ECB_ENCRYPT_DATA, Pattern(16)), aes, Open(17)));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            Derive(Ecb(CKM_DES3_ECB_ENCRYPT_DATA, Pattern(16)), aes, Open(16)));
  EXPECT_RV(
      CKR_KEY_FUNCTION_NOT_PERMITTED,
      Derive(Ecb(CKM_AES_ECB_ENCRYPT_DATA, Pattern(16)),
             Create(Key(FromHex(kAesKey)).Bool(CKA_DERIVE, false)), Open(16)));
}

// A key that may only derive encrypts nothing that anybody sees.
TEST_F(EncryptDataTest, HiddenKey_IsNoEncryptionOracle) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base =
      Create(Hidden(FromHex(kAesKey)).Bool(CKA_ENCRYPT, false));
  const Mechanism ecb = Ecb(CKM_AES_ECB_ENCRYPT_DATA, FromHex(kPlain));
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(ecb, base, Open(32), &key));
  EXPECT_TRUE(GetBool(key, CKA_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_EXTRACTABLE));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_VALUE));
  EXPECT_RV(CKR_KEY_SIZE_RANGE, Derive(ecb, base, Open(13)));
  EXPECT_RV(CKR_KEY_SIZE_RANGE, Derive(ecb, base, Open(1)));
  EXPECT_RV(
      CKR_TEMPLATE_INCONSISTENT,
      Derive(ecb, base,
             Template().Ulong(CKA_CLASS, CKO_DATA).Bool(CKA_TOKEN, false)));
}

}  // namespace
}  // namespace conformance
