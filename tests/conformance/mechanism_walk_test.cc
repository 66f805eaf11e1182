// Every mechanism that the token lists, in every use that C_GetMechanismInfo
// says: done and undone again, and refused with a key of another type. A
// mechanism without a row here fails the run.
#include <algorithm>
#include <map>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

enum class Keys {
  kNone,
  kRsa,
  kEc,
  kEdwards,
  kMontgomery,
  kDsa,
  kDh,
  kX942,
  kAes,
  kXts,
  kCamellia,
  kDes3,
  kChaCha,
  kPoly,
  kSecret,
};

// How a mechanism is tried. `suite`: its parameters are a subject of their own,
// and the tests of that suite are about it.
struct Row {
  std::vector<CK_MECHANISM_TYPE> types;
  Keys keys = Keys::kNone;
  Mechanism parameter = Mechanism(0);  // its number is replaced
  Bytes input = Pattern(32);
  const char* suite = nullptr;
};

Bytes RawNumber() {
  Bytes number = Pattern(256);
  number[0] = 0;
  return number;
}

Row PssRow(std::vector<CK_MECHANISM_TYPE> types, CK_MECHANISM_TYPE hash,
           CK_RSA_PKCS_MGF_TYPE mgf) {
  return {std::move(types), Keys::kRsa,
          Mechanism(0, CK_RSA_PKCS_PSS_PARAMS{hash, mgf, 20})};
}

const std::vector<Row>& Rows() {
  static CK_BYTE iv[16] = {9};
  static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256,
                                         CKZ_DATA_SPECIFIED, nullptr, 0};
  static CK_CCM_PARAMS ccm = {32, iv, 12, nullptr, 0, 16};
  static CK_CHACHA20_PARAMS chacha = {iv, 32, iv, 96};
  static CK_SALSA20_CHACHA20_POLY1305_PARAMS poly = {iv, 12, nullptr, 0};
  static CK_BYTE data[4] = {1, 2, 3, 4};
  static const auto& rows = *new std::vector<Row>{
      {{CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512,
        CKM_SHA512_224, CKM_SHA512_256, CKM_SHA3_224, CKM_SHA3_256,
        CKM_SHA3_384, CKM_SHA3_512, CKM_BLAKE2B_160, CKM_BLAKE2B_256,
        CKM_BLAKE2B_384, CKM_BLAKE2B_512}},
      {{CKM_SHA512_T}, Keys::kNone, Mechanism(0, CK_ULONG{256})},
      {{CKM_RSA_PKCS, CKM_RSA_9796, CKM_SHA1_RSA_PKCS, CKM_SHA224_RSA_PKCS,
        CKM_SHA256_RSA_PKCS, CKM_SHA384_RSA_PKCS, CKM_SHA512_RSA_PKCS,
        CKM_SHA3_224_RSA_PKCS, CKM_SHA3_256_RSA_PKCS, CKM_SHA3_384_RSA_PKCS,
        CKM_SHA3_512_RSA_PKCS, CKM_RSA_PKCS_KEY_PAIR_GEN},
       Keys::kRsa},
      {{CKM_RSA_X_509}, Keys::kRsa, Mechanism(0), RawNumber()},
      {{CKM_RSA_PKCS_OAEP}, Keys::kRsa, Mechanism(0, oaep)},
      {{CKM_RSA_AES_KEY_WRAP},
       Keys::kRsa,
       Mechanism(0, CK_RSA_AES_KEY_WRAP_PARAMS{256, &oaep})},
      PssRow({CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS}, CKM_SHA256,
             CKG_MGF1_SHA256),
      PssRow({CKM_SHA1_RSA_PKCS_PSS}, CKM_SHA_1, CKG_MGF1_SHA1),
      PssRow({CKM_SHA224_RSA_PKCS_PSS}, CKM_SHA224, CKG_MGF1_SHA224),
      PssRow({CKM_SHA384_RSA_PKCS_PSS}, CKM_SHA384, CKG_MGF1_SHA384),
      PssRow({CKM_SHA512_RSA_PKCS_PSS}, CKM_SHA512, CKG_MGF1_SHA512),
      PssRow({CKM_SHA3_224_RSA_PKCS_PSS}, CKM_SHA3_224, CKG_MGF1_SHA3_224),
      PssRow({CKM_SHA3_256_RSA_PKCS_PSS}, CKM_SHA3_256, CKG_MGF1_SHA3_256),
      PssRow({CKM_SHA3_384_RSA_PKCS_PSS}, CKM_SHA3_384, CKG_MGF1_SHA3_384),
      PssRow({CKM_SHA3_512_RSA_PKCS_PSS}, CKM_SHA3_512, CKG_MGF1_SHA3_512),
      {{CKM_ECDSA, CKM_ECDSA_SHA1, CKM_ECDSA_SHA224, CKM_ECDSA_SHA256,
        CKM_ECDSA_SHA384, CKM_ECDSA_SHA512, CKM_ECDSA_SHA3_224,
        CKM_ECDSA_SHA3_256, CKM_ECDSA_SHA3_384, CKM_ECDSA_SHA3_512,
        CKM_EC_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS},
       Keys::kEc},
      {{CKM_ECDH_AES_KEY_WRAP, CKM_ECDH_COF_AES_KEY_WRAP},
       Keys::kEc,
       Mechanism(0,
                 CK_ECDH_AES_KEY_WRAP_PARAMS{256, CKD_SHA256_KDF, 0, nullptr})},
      {{CKM_ECDH_X_AES_KEY_WRAP},
       Keys::kMontgomery,
       Mechanism(0,
                 CK_ECDH_AES_KEY_WRAP_PARAMS{256, CKD_SHA256_KDF, 0, nullptr})},
      {{CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN}, Keys::kEdwards},
      {{CKM_EC_MONTGOMERY_KEY_PAIR_GEN}, Keys::kMontgomery},
      {{CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE},
       Keys::kEc,
       Mechanism(0),
       {},
       "All/AgreementTest"},
      {{CKM_DSA, CKM_DSA_SHA1, CKM_DSA_SHA224, CKM_DSA_SHA256, CKM_DSA_SHA384,
        CKM_DSA_SHA512, CKM_DSA_SHA3_224, CKM_DSA_SHA3_256, CKM_DSA_SHA3_384,
        CKM_DSA_SHA3_512, CKM_DSA_KEY_PAIR_GEN, CKM_DSA_PARAMETER_GEN},
       Keys::kDsa},
      {{CKM_DH_PKCS_KEY_PAIR_GEN, CKM_DH_PKCS_PARAMETER_GEN}, Keys::kDh},
      {{CKM_X9_42_DH_KEY_PAIR_GEN, CKM_X9_42_DH_PARAMETER_GEN}, Keys::kX942},
      {{CKM_DH_PKCS_DERIVE, CKM_X9_42_DH_DERIVE},
       Keys::kDh,
       Mechanism(0),
       {},
       "DomainTest"},
      {{CKM_AES_ECB, CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP,
        CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_PKCS7, CKM_AES_CMAC,
        CKM_AES_KEY_GEN},
       Keys::kAes},
      {{CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTS, CKM_AES_OFB, CKM_AES_CFB1,
        CKM_AES_CFB8, CKM_AES_CFB64, CKM_AES_CFB128},
       Keys::kAes,
       Mechanism(0, Pattern(16))},
      {{CKM_AES_CTR}, Keys::kAes, Mechanism(0, CK_AES_CTR_PARAMS{128, {1}})},
      {{CKM_AES_GCM},
       Keys::kAes,
       Mechanism(0, CK_GCM_PARAMS{iv, 12, 96, nullptr, 0, 128})},
      {{CKM_AES_CCM}, Keys::kAes, Mechanism(0, ccm)},
      {{CKM_AES_CMAC_GENERAL}, Keys::kAes, Mechanism(0, CK_ULONG{8})},
      {{CKM_AES_GMAC}, Keys::kAes, Mechanism(0, Pattern(12))},
      {{CKM_AES_XTS, CKM_AES_XTS_KEY_GEN},
       Keys::kXts,
       Mechanism(0, Pattern(16))},
      {{CKM_CAMELLIA_ECB, CKM_CAMELLIA_KEY_GEN}, Keys::kCamellia},
      {{CKM_CAMELLIA_CBC, CKM_CAMELLIA_CBC_PAD},
       Keys::kCamellia,
       Mechanism(0, Pattern(16))},
      {{CKM_CAMELLIA_CTR},
       Keys::kCamellia,
       Mechanism(0, CK_AES_CTR_PARAMS{128, {1}})},
      {{CKM_DES3_ECB, CKM_DES3_CMAC, CKM_DES3_KEY_GEN, CKM_DES2_KEY_GEN},
       Keys::kDes3},
      {{CKM_DES3_CBC, CKM_DES3_CBC_PAD}, Keys::kDes3, Mechanism(0, Pattern(8))},
      {{CKM_DES3_CMAC_GENERAL}, Keys::kDes3, Mechanism(0, CK_ULONG{8})},
      {{CKM_CHACHA20, CKM_CHACHA20_KEY_GEN},
       Keys::kChaCha,
       Mechanism(0, chacha)},
      {{CKM_CHACHA20_POLY1305}, Keys::kChaCha, Mechanism(0, poly)},
      {{CKM_POLY1305, CKM_POLY1305_KEY_GEN}, Keys::kPoly},
      {{CKM_SHA_1_HMAC, CKM_SHA224_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC,
        CKM_SHA512_HMAC, CKM_SHA512_224_HMAC, CKM_SHA512_256_HMAC,
        CKM_SHA3_224_HMAC, CKM_SHA3_256_HMAC, CKM_SHA3_384_HMAC,
        CKM_SHA3_512_HMAC, CKM_BLAKE2B_160_HMAC, CKM_BLAKE2B_256_HMAC,
        CKM_BLAKE2B_384_HMAC, CKM_BLAKE2B_512_HMAC},
       Keys::kSecret},
      {{CKM_SHA_1_HMAC_GENERAL, CKM_SHA224_HMAC_GENERAL,
        CKM_SHA256_HMAC_GENERAL, CKM_SHA384_HMAC_GENERAL,
        CKM_SHA512_HMAC_GENERAL, CKM_SHA512_224_HMAC_GENERAL,
        CKM_SHA512_256_HMAC_GENERAL, CKM_SHA3_224_HMAC_GENERAL,
        CKM_SHA3_256_HMAC_GENERAL, CKM_SHA3_384_HMAC_GENERAL,
        CKM_SHA3_512_HMAC_GENERAL, CKM_BLAKE2B_160_HMAC_GENERAL,
        CKM_BLAKE2B_256_HMAC_GENERAL, CKM_BLAKE2B_384_HMAC_GENERAL,
        CKM_BLAKE2B_512_HMAC_GENERAL},
       Keys::kSecret,
       Mechanism(0, CK_ULONG{12})},
      {{CKM_GENERIC_SECRET_KEY_GEN, CKM_SHA_1_KEY_GEN, CKM_SHA224_KEY_GEN,
        CKM_SHA256_KEY_GEN, CKM_SHA384_KEY_GEN, CKM_SHA512_KEY_GEN,
        CKM_SHA512_224_KEY_GEN, CKM_SHA512_256_KEY_GEN, CKM_SHA3_224_KEY_GEN,
        CKM_SHA3_256_KEY_GEN, CKM_SHA3_384_KEY_GEN, CKM_SHA3_512_KEY_GEN,
        CKM_BLAKE2B_160_KEY_GEN, CKM_BLAKE2B_256_KEY_GEN,
        CKM_BLAKE2B_384_KEY_GEN, CKM_BLAKE2B_512_KEY_GEN, CKM_HKDF_KEY_GEN},
       Keys::kSecret},
      {{CKM_SHA1_KEY_DERIVATION, CKM_SHA224_KEY_DERIVATION,
        CKM_SHA256_KEY_DERIVATION, CKM_SHA384_KEY_DERIVATION,
        CKM_SHA512_KEY_DERIVATION, CKM_SHA512_224_KEY_DERIVATION,
        CKM_SHA512_256_KEY_DERIVATION, CKM_SHA3_224_KEY_DERIVATION,
        CKM_SHA3_256_KEY_DERIVATION, CKM_SHA3_384_KEY_DERIVATION,
        CKM_SHA3_512_KEY_DERIVATION, CKM_SHAKE_128_KEY_DERIVATION,
        CKM_SHAKE_256_KEY_DERIVATION, CKM_BLAKE2B_160_KEY_DERIVE,
        CKM_BLAKE2B_256_KEY_DERIVE, CKM_BLAKE2B_384_KEY_DERIVE,
        CKM_BLAKE2B_512_KEY_DERIVE},
       Keys::kSecret},
      {{CKM_CONCATENATE_BASE_AND_DATA, CKM_CONCATENATE_DATA_AND_BASE,
        CKM_XOR_BASE_AND_DATA},
       Keys::kSecret,
       Mechanism(0, CK_KEY_DERIVATION_STRING_DATA{data, 4}),
       Bytes(4)},
      {{CKM_EXTRACT_KEY_FROM_KEY},
       Keys::kSecret,
       Mechanism(0, CK_EXTRACT_PARAMS{8})},
      {{CKM_CONCATENATE_BASE_AND_KEY, CKM_HKDF_DERIVE, CKM_HKDF_DATA,
        CKM_PKCS5_PBKD2},
       Keys::kSecret,
       Mechanism(0),
       {},
       "KeyDerivationTest"},
      {{CKM_SP800_108_COUNTER_KDF, CKM_SP800_108_FEEDBACK_KDF,
        CKM_SP800_108_DOUBLE_PIPELINE_KDF},
       Keys::kSecret,
       Mechanism(0),
       {},
       "Sp800108Test"},
      {{CKM_TLS_PRE_MASTER_KEY_GEN, CKM_TLS_PRF, CKM_TLS_MAC, CKM_TLS_KDF,
        CKM_TLS12_MAC, CKM_TLS12_KDF, CKM_TLS12_MASTER_KEY_DERIVE,
        CKM_TLS12_MASTER_KEY_DERIVE_DH, CKM_TLS12_KEY_AND_MAC_DERIVE,
        CKM_TLS12_KEY_SAFE_DERIVE, CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
        CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH},
       Keys::kSecret,
       Mechanism(0),
       {},
       "Tls12Test"},
      {{CKM_BIP32_MASTER_DERIVE, CKM_BIP32_CHILD_DERIVE},
       Keys::kSecret,
       Mechanism(0),
       {},
       "Bip32InThisSuiteTest"},
      {{CKM_AES_ECB_ENCRYPT_DATA, CKM_AES_CBC_ENCRYPT_DATA,
        CKM_DES3_ECB_ENCRYPT_DATA, CKM_DES3_CBC_ENCRYPT_DATA,
        CKM_CAMELLIA_ECB_ENCRYPT_DATA, CKM_CAMELLIA_CBC_ENCRYPT_DATA},
       Keys::kAes,
       Mechanism(0),
       {},
       "EncryptDataTest"},
      {{CKM_PUB_KEY_FROM_PRIV_KEY, CKM_ML_KEM_KEY_PAIR_GEN, CKM_ML_KEM,
        CKM_ML_DSA_KEY_PAIR_GEN, CKM_ML_DSA, CKM_HASH_ML_DSA,
        CKM_SLH_DSA_KEY_PAIR_GEN, CKM_SLH_DSA, CKM_HASH_SLH_DSA},
       Keys::kNone,
       Mechanism(0),
       {},
       "All/PairTypeTest"},
  };
  return rows;
}

// Forms of pre-hashing, of which one number says the hash: their family's
// suite.
bool IsPrehashed(CK_MECHANISM_TYPE type) {
  return (type >= CKM_HASH_ML_DSA_SHA224 && type <= CKM_HASH_ML_DSA_SHAKE256) ||
         (type >= CKM_HASH_SLH_DSA_SHA224 && type <= CKM_HASH_SLH_DSA_SHAKE256);
}

const Row* FindRow(CK_MECHANISM_TYPE type) {
  for (const Row& row : Rows()) {
    if (std::find(row.types.begin(), row.types.end(), type) !=
        row.types.end()) {
      return &row;
    }
  }
  return nullptr;
}

bool SuiteExists(const std::string& name) {
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    if (all.GetTestSuite(i)->name() == name) return true;
  }
  return false;
}

class MechanismWalkTest : public TokenTest {
 protected:
  struct Halves {
    CK_OBJECT_HANDLE with = CK_INVALID_HANDLE;     // private, or the secret
    CK_OBJECT_HANDLE against = CK_INVALID_HANDLE;  // public, or the secret
  };

  static Template Uses(Template t) {
    for (const CK_ATTRIBUTE_TYPE use :
         {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP,
          CKA_DERIVE}) {
      t.Bool(use, true);
    }
    return t.Bool(CKA_TOKEN, false);
  }
  static Template Secret(CK_KEY_TYPE type, const Bytes& value) {
    return Uses(Template()
                    .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                    .Ulong(CKA_KEY_TYPE, type)
                    .Bool(CKA_SENSITIVE, false)
                    .Bool(CKA_EXTRACTABLE, true)
                    .Set(CKA_VALUE, value));
  }
  Halves One(CK_KEY_TYPE type, const Bytes& value) {
    const CK_OBJECT_HANDLE key = Create(Secret(type, value));
    return {key, key};
  }
  Halves Generated(CK_MECHANISM_TYPE type, const Template& of_public) {
    const Pair pair = GeneratePair(type,
                                   Template(of_public)
                                       .Bool(CKA_TOKEN, false)
                                       .Bool(CKA_VERIFY, true)
                                       .Bool(CKA_WRAP, true)
                                       .Bool(CKA_ENCAPSULATE, true),
                                   Template()
                                       .Bool(CKA_TOKEN, false)
                                       .Bool(CKA_SIGN, true)
                                       .Bool(CKA_DERIVE, true)
                                       .Bool(CKA_UNWRAP, true)
                                       .Bool(CKA_DECAPSULATE, true));
    return {pair.private_key, pair.public_key};
  }
  Template Domain(CK_MECHANISM_TYPE type,
                  const std::vector<CK_ATTRIBUTE_TYPE>& parts) {
    const CK_OBJECT_HANDLE domain = Generate(
        type, Template().Bool(CKA_TOKEN, false).Ulong(CKA_PRIME_BITS, 2048));
    Template t;
    for (const CK_ATTRIBUTE_TYPE part : parts) t.Set(part, Get(domain, part));
    return t;
  }
  // X9.42 takes the numbers that DSA has.
  Template DsaDomain() {
    if (dsa_domain_.size() == 0) {
      dsa_domain_ =
          Domain(CKM_DSA_PARAMETER_GEN, {CKA_PRIME, CKA_SUBPRIME, CKA_BASE});
    }
    return dsa_domain_;
  }
  Template PublicTemplate(Keys keys) {
    switch (keys) {
      case Keys::kRsa:
        return Template().Ulong(CKA_MODULUS_BITS, 2048);
      case Keys::kEc:
        return Template().Set(CKA_EC_PARAMS, EcParams(Curve::kP256));
      case Keys::kEdwards:
        return Template().Set(CKA_EC_PARAMS, FromHex("06032b6570"));
      case Keys::kMontgomery:
        return Template().Set(CKA_EC_PARAMS, FromHex("06032b656e"));
      case Keys::kDh:
        return Domain(CKM_DH_PKCS_PARAMETER_GEN, {CKA_PRIME, CKA_BASE});
      default:
        return DsaDomain();
    }
  }
  Halves MakeKeys(Keys keys) {
    switch (keys) {
      case Keys::kNone:
      case Keys::kDh:
      case Keys::kX942:
        return {};
      case Keys::kRsa:
        return {Create(RsaPrivateKey()
                           .Bool(CKA_UNWRAP, true)
                           .Bool(CKA_DECAPSULATE, true)
                           .Bool(CKA_SIGN_RECOVER, true)),
                Create(RsaPublicKey()
                           .Bool(CKA_WRAP, true)
                           .Bool(CKA_ENCAPSULATE, true)
                           .Bool(CKA_VERIFY_RECOVER, true))};
      case Keys::kEc:
        return {Create(EcPrivateKey(Curve::kP256).Bool(CKA_UNWRAP, true)),
                Create(EcPublicKey(Curve::kP256).Bool(CKA_WRAP, true))};
      case Keys::kEdwards:
        return Generated(CKM_EC_EDWARDS_KEY_PAIR_GEN, PublicTemplate(keys));
      case Keys::kMontgomery:
        return Generated(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, PublicTemplate(keys));
      case Keys::kDsa:
        return Generated(CKM_DSA_KEY_PAIR_GEN, DsaDomain());
      case Keys::kAes:
        return One(CKK_AES, Pattern(32));
      case Keys::kXts:
        return One(CKK_AES_XTS, Pattern(64));
      case Keys::kCamellia:
        return One(CKK_CAMELLIA, Pattern(32));
      case Keys::kDes3:
        return One(CKK_DES3, FromHex("0123456789abcdef23456789abcdef01"
                                     "456789abcdef0123"));
      case Keys::kChaCha:
        return One(CKK_CHACHA20, Pattern(32));
      case Keys::kPoly:
        return One(CKK_POLY1305, Pattern(32));
      case Keys::kSecret:
        return One(CKK_GENERIC_SECRET, Pattern(64));
    }
    return {};
  }

  Mechanism With(const Row& row, CK_MECHANISM_TYPE type) {
    const CK_MECHANISM* given = row.parameter.get();
    const auto* bytes = static_cast<const CK_BYTE*>(given->pParameter);
    // Generation of keys takes none.
    CK_MECHANISM_INFO info = {};
    EXPECT_OK(p11().C_GetMechanismInfo(slot_, type, &info));
    const bool generates = info.flags & (CKF_GENERATE | CKF_GENERATE_KEY_PAIR);
    if (generates || given->ulParameterLen == 0) return Mechanism(type);
    return Mechanism(type, Bytes(bytes, bytes + given->ulParameterLen));
  }

  void TrySigning(const Mechanism& mechanism, const Halves& keys,
                  const Row& row) {
    const Result signature =
        Whole(SignCalls(), session_, mechanism, keys.with, row.input);
    ASSERT_OK(signature.rv);
    EXPECT_OK(
        Verify(session_, mechanism, keys.against, row.input, signature.bytes));
    Bytes other = row.input;
    other.back() ^= 1;
    EXPECT_RV(CKR_SIGNATURE_INVALID, Verify(session_, mechanism, keys.against,
                                            other, signature.bytes));
  }
  void TryCiphers(const Mechanism& mechanism, const Halves& keys,
                  const Row& row) {
    const Result sealed =
        Whole(EncryptCalls(), session_, mechanism, keys.against, row.input);
    ASSERT_OK(sealed.rv);
    EXPECT_NE(sealed.bytes, row.input);
    const Result opened =
        Whole(DecryptCalls(), session_, mechanism, keys.with, sealed.bytes);
    ASSERT_OK(opened.rv);
    EXPECT_EQ(opened.bytes, row.input);
  }
  void TryRecovery(const Mechanism& mechanism, const Halves& keys,
                   const Row& row) {
    Bytes data = row.input, signature(512), back(512);
    CK_ULONG size = signature.size();
    ASSERT_OK(p11().C_SignRecoverInit(session_, mechanism.get(), keys.with));
    ASSERT_OK(p11().C_SignRecover(session_, data.data(), data.size(),
                                  signature.data(), &size));
    ASSERT_OK(
        p11().C_VerifyRecoverInit(session_, mechanism.get(), keys.against));
    CK_ULONG given = back.size();
    ASSERT_OK(p11().C_VerifyRecover(session_, signature.data(), size,
                                    back.data(), &given));
    back.resize(given);
    EXPECT_EQ(back, data);
  }
  void TryWrapping(const Mechanism& mechanism, const Halves& keys) {
    const CK_OBJECT_HANDLE key = Create(AesKey());
    Bytes wrapped(1024);
    CK_ULONG size = wrapped.size();
    ASSERT_OK(p11().C_WrapKey(session_, mechanism.get(), keys.against, key,
                              wrapped.data(), &size));
    const Template t = Template()
                           .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                           .Ulong(CKA_KEY_TYPE, CKK_AES)
                           .Bool(CKA_TOKEN, false)
                           .Bool(CKA_ENCRYPT, true);
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    ASSERT_OK(p11().C_UnwrapKey(session_, mechanism.get(), keys.with,
                                wrapped.data(), size, t.data(), t.size(),
                                &made));
    EXPECT_EQ(Get(made, CKA_CHECK_VALUE), Get(key, CKA_CHECK_VALUE));
  }
  void TryDerivation(const Mechanism& mechanism, const Halves& keys,
                     const Row& row) {
    const CK_ULONG size = row.input.size() < 16 ? row.input.size() : 16;
    const Template t = Template()
                           .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                           .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                           .Ulong(CKA_VALUE_LEN, size)
                           .Bool(CKA_TOKEN, false)
                           .Bool(CKA_SENSITIVE, false)
                           .Bool(CKA_EXTRACTABLE, true);
    Bytes values[2];
    for (Bytes& value : values) {
      CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
      ASSERT_OK(p11().C_DeriveKey(session_, mechanism.get(), keys.with,
                                  t.data(), t.size(), &made));
      value = Get(made, CKA_VALUE);
      EXPECT_EQ(value.size(), size);
    }
    EXPECT_EQ(values[0], values[1]);
  }
  void TryEncapsulation(const Mechanism& mechanism, const Halves& keys) {
    const Template t = Template()
                           .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                           .Ulong(CKA_VALUE_LEN, 32)
                           .Bool(CKA_TOKEN, false)
                           .Bool(CKA_SENSITIVE, false)
                           .Bool(CKA_EXTRACTABLE, true);
    Bytes ciphertext(2048);
    CK_ULONG size = ciphertext.size();
    CK_OBJECT_HANDLE sent = CK_INVALID_HANDLE, received = CK_INVALID_HANDLE;
    ASSERT_OK(p11().C_EncapsulateKey(session_, mechanism.get(), keys.against,
                                     t.data(), t.size(), ciphertext.data(),
                                     &size, &sent));
    ASSERT_OK(p11().C_DecapsulateKey(session_, mechanism.get(), keys.with,
                                     t.data(), t.size(), ciphertext.data(),
                                     size, &received));
    EXPECT_EQ(Get(sent, CKA_CHECK_VALUE), Get(received, CKA_CHECK_VALUE));
  }
  void TryGeneration(CK_MECHANISM_TYPE type, const Row& row, CK_FLAGS flags) {
    if (flags & CKF_GENERATE_KEY_PAIR) {
      const Halves made = Generated(type, PublicTemplate(row.keys));
      EXPECT_EQ(GetUlong(made.with, CKA_KEY_GEN_MECHANISM), type);
      return;
    }
    const bool parameters = type == CKM_DSA_PARAMETER_GEN ||
                            type == CKM_DH_PKCS_PARAMETER_GEN ||
                            type == CKM_X9_42_DH_PARAMETER_GEN;
    if (parameters) return;  // made for the keys, above and in DomainTest
    Template t = Template().Bool(CKA_TOKEN, false);
    if (row.keys == Keys::kAes || row.keys == Keys::kSecret ||
        row.keys == Keys::kCamellia) {
      t.Ulong(CKA_VALUE_LEN, 32);
    }
    if (row.keys == Keys::kXts) t.Ulong(CKA_VALUE_LEN, 64);
    const CK_OBJECT_HANDLE made = Generate(type, t);
    EXPECT_EQ(GetUlong(made, CKA_CLASS), CKO_SECRET_KEY);
    EXPECT_EQ(GetUlong(made, CKA_KEY_GEN_MECHANISM), type);
  }
  // A certificate is no key, and a key of another type is not for it.
  void TryWrongKeys(const Mechanism& mechanism, CK_FLAGS flags, Keys keys) {
    if (keys == Keys::kNone || keys == Keys::kSecret) return;
    const CK_OBJECT_HANDLE other = Create(Secret(CKK_HKDF, Pattern(32)));
    if (flags & CKF_SIGN) {
      EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
                p11().C_SignInit(session_, mechanism.get(), other));
    }
    if (flags & CKF_ENCRYPT) {
      EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
                p11().C_EncryptInit(session_, mechanism.get(), other));
    }
    if (flags & CKF_WRAP) {
      Bytes room(512);
      CK_ULONG size = room.size();
      EXPECT_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
                p11().C_WrapKey(session_, mechanism.get(), other,
                                Create(AesKey()), room.data(), &size));
    }
    if (flags & CKF_SIGN) {
      EXPECT_RV(
          CKR_KEY_HANDLE_INVALID,
          p11().C_SignInit(session_, mechanism.get(), Create(DataObject())));
    }
  }

  Template dsa_domain_;
};

TEST_F(MechanismWalkTest, EveryMechanism_InEveryUse) {
  NEEDS_PERIGEE();
  CK_ULONG count = 0;
  ASSERT_OK(p11().C_GetMechanismList(slot_, nullptr, &count));
  std::vector<CK_MECHANISM_TYPE> list(count);
  ASSERT_OK(p11().C_GetMechanismList(slot_, list.data(), &count));
  EXPECT_GT(count, 150u);
  std::map<Keys, Halves> made;
  for (const CK_MECHANISM_TYPE type : list) {
    testing::Message name;
    name << "mechanism 0x" << std::hex << type;
    SCOPED_TRACE(name);
    const Row* row = FindRow(type);
    if (IsPrehashed(type)) row = FindRow(CKM_ML_DSA);
    ASSERT_NE(row, nullptr) << "has no row in this test";
    if (row->suite != nullptr) {
      EXPECT_TRUE(SuiteExists(row->suite)) << row->suite;
      continue;
    }
    CK_MECHANISM_INFO info = {};
    ASSERT_OK(p11().C_GetMechanismInfo(slot_, type, &info));
    const Mechanism mechanism = With(*row, type);
    if (made.count(row->keys) == 0) made[row->keys] = MakeKeys(row->keys);
    const Halves& keys = made[row->keys];
    if (info.flags & CKF_DIGEST) {
      const Result one =
          Whole(DigestCalls(), session_, mechanism, 0, row->input);
      ASSERT_OK(one.rv);
      EXPECT_EQ(
          Parts(DigestCalls(), session_, mechanism, 0, row->input, 7).bytes,
          one.bytes);
    }
    if (info.flags & CKF_SIGN) TrySigning(mechanism, keys, *row);
    if (info.flags & CKF_ENCRYPT) TryCiphers(mechanism, keys, *row);
    if (info.flags & CKF_SIGN_RECOVER) TryRecovery(mechanism, keys, *row);
    if (info.flags & CKF_WRAP) TryWrapping(mechanism, keys);
    if (info.flags & CKF_DERIVE) TryDerivation(mechanism, keys, *row);
    if (info.flags & CKF_ENCAPSULATE) TryEncapsulation(mechanism, keys);
    if (info.flags & (CKF_GENERATE | CKF_GENERATE_KEY_PAIR)) {
      TryGeneration(type, *row, info.flags);
    }
    TryWrongKeys(mechanism, info.flags, row->keys);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace conformance
