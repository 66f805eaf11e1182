// What a derivation makes is a secret key, whatever the template asks for: a
// data object would show it.
#include <map>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class DerivedClassTest : public TokenTest {
 protected:
  struct Job {
    Mechanism mechanism;
    Template base;
  };

  static Template Secret(size_t size, CK_KEY_TYPE type = CKK_GENERIC_SECRET) {
    return Template(GenericSecret(Pattern(size)))
        .Ulong(CKA_KEY_TYPE, type)
        .Bool(CKA_DERIVE, true);
  }
  static Template TripleDes() {
    return Secret(24, CKK_DES3)
        .Set(CKA_VALUE,
             FromHex("0123456789abcdef23456789abcdef01456789abcdef0123"));
  }

  void AddTls() {
    const CK_SSL3_RANDOM_DATA randoms = {bytes_.data(), 32, bytes_.data(), 32};
    for (const CK_MECHANISM_TYPE type :
         {CKM_TLS12_MASTER_KEY_DERIVE, CKM_TLS12_MASTER_KEY_DERIVE_DH}) {
      Add(type, CK_TLS12_MASTER_KEY_DERIVE_PARAMS{randoms, nullptr, CKM_SHA256},
          Secret(48));
    }
    for (const CK_MECHANISM_TYPE type :
         {CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
          CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH}) {
      Add(type,
          CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS{CKM_SHA256, bytes_.data(),
                                                     32, nullptr},
          Secret(48));
    }
    for (const CK_MECHANISM_TYPE type :
         {CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_KEY_SAFE_DERIVE}) {
      Add(type,
          CK_TLS12_KEY_MAT_PARAMS{0, 128, 0, CK_FALSE, randoms, &out_,
                                  CKM_SHA256},
          Secret(48));
    }
    for (const CK_MECHANISM_TYPE type : {CKM_TLS_KDF, CKM_TLS12_KDF}) {
      Add(type,
          CK_TLS_KDF_PARAMS{CKM_SHA256, bytes_.data(), 8, randoms, nullptr, 0},
          Secret(48));
    }
  }
  void AddSp800108() {
    Add(CKM_SP800_108_COUNTER_KDF,
        CK_SP800_108_KDF_PARAMS{CKM_SHA256_HMAC, 1, &counter_, 0, nullptr},
        Secret(32));
    Add(CKM_SP800_108_DOUBLE_PIPELINE_KDF,
        CK_SP800_108_KDF_PARAMS{CKM_SHA256_HMAC, 1, &iteration_, 0, nullptr},
        Secret(32));
    Add(CKM_SP800_108_FEEDBACK_KDF,
        CK_SP800_108_FEEDBACK_KDF_PARAMS{CKM_SHA256_HMAC, 1, &iteration_, 0,
                                         nullptr, 0, nullptr},
        Secret(32));
  }
  void AddEncryptions() {
    const CK_KEY_DERIVATION_STRING_DATA data = {bytes_.data(), 16};
    Add(CKM_AES_ECB_ENCRYPT_DATA, data, Secret(32, CKK_AES));
    Add(CKM_CAMELLIA_ECB_ENCRYPT_DATA, data, Secret(32, CKK_CAMELLIA));
    Add(CKM_DES3_ECB_ENCRYPT_DATA, data, TripleDes());
    Add(CKM_AES_CBC_ENCRYPT_DATA,
        CK_AES_CBC_ENCRYPT_DATA_PARAMS{{}, bytes_.data(), 16},
        Secret(32, CKK_AES));
    Add(CKM_CAMELLIA_CBC_ENCRYPT_DATA,
        CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS{{}, bytes_.data(), 16},
        Secret(32, CKK_CAMELLIA));
    Add(CKM_DES3_CBC_ENCRYPT_DATA,
        CK_DES_CBC_ENCRYPT_DATA_PARAMS{{}, bytes_.data(), 16}, TripleDes());
  }
  void AddOthers() {
    const CK_KEY_DERIVATION_STRING_DATA data = {bytes_.data(), 16};
    for (const CK_MECHANISM_TYPE type :
         {CKM_CONCATENATE_BASE_AND_DATA, CKM_CONCATENATE_DATA_AND_BASE,
          CKM_XOR_BASE_AND_DATA}) {
      Add(type, data, Secret(32));
    }
    Add(CKM_CONCATENATE_BASE_AND_KEY, Create(Secret(32)), Secret(32));
    Add(CKM_EXTRACT_KEY_FROM_KEY, CK_EXTRACT_PARAMS{8}, Secret(32));
    CK_HKDF_PARAMS hkdf = {};
    hkdf.bExtract = hkdf.bExpand = CK_TRUE;
    hkdf.prfHashMechanism = CKM_SHA256;
    hkdf.ulSaltType = CKF_HKDF_SALT_NULL;
    Add(CKM_HKDF_DERIVE, hkdf, Secret(32));
    point_ = EcPoint(Curve::kP256);
    for (const CK_MECHANISM_TYPE type :
         {CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE}) {
      Add(type,
          CK_ECDH1_DERIVE_PARAMS{CKD_NULL, 0, nullptr, point_.size(),
                                 point_.data()},
          EcPrivateKey(Curve::kP256));
    }
    for (const CK_MECHANISM_TYPE type :
         {CKM_SHA1_KEY_DERIVATION, CKM_SHA224_KEY_DERIVATION,
          CKM_SHA256_KEY_DERIVATION, CKM_SHA384_KEY_DERIVATION,
          CKM_SHA512_KEY_DERIVATION, CKM_SHA512_224_KEY_DERIVATION,
          CKM_SHA512_256_KEY_DERIVATION, CKM_SHA3_224_KEY_DERIVATION,
          CKM_SHA3_256_KEY_DERIVATION, CKM_SHA3_384_KEY_DERIVATION,
          CKM_SHA3_512_KEY_DERIVATION, CKM_BLAKE2B_512_KEY_DERIVE,
          CKM_SHAKE_128_KEY_DERIVATION, CKM_SHAKE_256_KEY_DERIVATION}) {
      jobs_.insert({type, {Mechanism(type), Secret(32)}});
    }
  }
  template <typename T>
  void Add(CK_MECHANISM_TYPE type, const T& params, const Template& base) {
    jobs_.insert({type, {Mechanism(type, params), base}});
  }

  std::vector<CK_MECHANISM_TYPE> Derivations() {
    CK_ULONG count = 0;
    EXPECT_OK(p11().C_GetMechanismList(slot_, nullptr, &count));
    std::vector<CK_MECHANISM_TYPE> list(count);
    EXPECT_OK(p11().C_GetMechanismList(slot_, list.data(), &count));
    std::vector<CK_MECHANISM_TYPE> found;
    for (const CK_MECHANISM_TYPE type : list) {
      CK_MECHANISM_INFO info = {};
      EXPECT_OK(p11().C_GetMechanismInfo(slot_, type, &info));
      if ((info.flags & CKF_DERIVE) != 0) found.push_back(type);
    }
    return found;
  }

  std::map<CK_MECHANISM_TYPE, Job> jobs_;
  Bytes bytes_ = Pattern(32), point_;
  CK_SSL3_KEY_MAT_OUT out_ = {};
  CK_SP800_108_COUNTER_FORMAT format_ = {CK_FALSE, 8};
  CK_PRF_DATA_PARAM counter_ = {CK_SP800_108_ITERATION_VARIABLE, &format_,
                                sizeof(format_)};
  CK_PRF_DATA_PARAM iteration_ = {CK_SP800_108_ITERATION_VARIABLE, nullptr, 0};
};

// Finite fields go the way of ECDH; public keys from private ones and the bytes
// of CKM_TLS_PRF are no secret keys; CKM_HKDF_DATA has tests of its own.
constexpr CK_MECHANISM_TYPE kElsewhere[] = {CKM_DH_PKCS_DERIVE,
                                            CKM_X9_42_DH_DERIVE,
                                            CKM_X9_42_DH_HYBRID_DERIVE,
                                            CKM_PUB_KEY_FROM_PRIV_KEY,
                                            CKM_TLS_PRF,
                                            CKM_HKDF_DATA,
                                            CKM_BIP32_MASTER_DERIVE,
                                            CKM_BIP32_CHILD_DERIVE};

TEST_F(DerivedClassTest, SecretKeysOnly) {
  NEEDS_PERIGEE();
  AddTls();
  AddSp800108();
  AddEncryptions();
  AddOthers();
  for (const CK_MECHANISM_TYPE type : Derivations()) {
    SCOPED_TRACE(type);
    const auto at = jobs_.find(type);
    if (at == jobs_.end()) {
      EXPECT_NE(std::count(std::begin(kElsewhere), std::end(kElsewhere), type),
                0)
          << "a derivation that no test asks for a data object";
      continue;
    }
    const CK_OBJECT_HANDLE base = Create(at->second.base);
    const auto derive = [&](const Template& t) {
      CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
      return p11().C_DeriveKey(session_, at->second.mechanism.get(), base,
                               t.data(), t.size(), &key);
    };
    const bool is_master = type == CKM_TLS12_MASTER_KEY_DERIVE ||
                           type == CKM_TLS12_MASTER_KEY_DERIVE_DH ||
                           type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE ||
                           type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH;
    const Template good = Template()
                              .Bool(CKA_TOKEN, false)
                              .Ulong(CKA_VALUE_LEN, is_master ? 48 : 16);
    EXPECT_OK(derive(good));
    for (const CK_OBJECT_CLASS other :
         {CKO_DATA, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_CERTIFICATE}) {
      EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
                derive(Template(good).Ulong(CKA_CLASS, other)))
          << "class " << other;
      EXPECT_RV(
          CKR_TEMPLATE_INCONSISTENT,
          derive(Template().Bool(CKA_TOKEN, false).Ulong(CKA_CLASS, other)))
          << "class " << other;
    }
  }
}

}  // namespace
}  // namespace conformance
