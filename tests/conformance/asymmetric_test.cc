// Key pairs of every type through the whole interface: made, looked at, moved
// under a wrapping key, the public half made of the private one, used.
// Mechanisms that this OpenSSL does not have are skipped by their absence from
// the list.
#include <ostream>
#include <string>

#include "tests/conformance/keys.h"
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

struct PairType {
  std::string name;
  CK_MECHANISM_TYPE generation;
  CK_KEY_TYPE key_type;
  Template parameters;          // of the public key
  CK_MECHANISM_TYPE signature;  // 0: it does not sign
};
std::ostream& operator<<(std::ostream& out, const PairType& each) {
  return out << each.name;
}

Template OnCurve(const std::string& hex) {
  return Template().Set(CKA_EC_PARAMS, FromHex(hex));
}
Template OfSet(CK_ULONG set) {
  return Template().Ulong(CKA_PARAMETER_SET, set);
}

std::vector<PairType> PairTypes() {
  return {
      {"Secp256k1", CKM_EC_KEY_PAIR_GEN, CKK_EC, OnCurve("06052b8104000a"),
       CKM_ECDSA_SHA256},
      {"Brainpool", CKM_EC_KEY_PAIR_GEN, CKK_EC,
       OnCurve("06092b240303020801010b"), CKM_ECDSA_SHA3_384},
      {"Ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS,
       OnCurve("06032b6570"), CKM_EDDSA},
      {"Ed448ByName", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS,
       OnCurve("130a65647761726473343438"), CKM_EDDSA},
      {"X25519", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY,
       OnCurve("06032b656e"), 0},
      {"MlKem", CKM_ML_KEM_KEY_PAIR_GEN, CKK_ML_KEM, OfSet(CKP_ML_KEM_512), 0},
      {"MlDsa", CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, OfSet(CKP_ML_DSA_44),
       CKM_ML_DSA},
      {"SlhDsa", CKM_SLH_DSA_KEY_PAIR_GEN, CKK_SLH_DSA,
       OfSet(CKP_SLH_DSA_SHAKE_128F), CKM_SLH_DSA},
  };
}

class PairTest : public TokenTest {
 protected:
  // Everything that holds for a pair of any type.
  void Check(const PairType& type) {
    const Pair pair = GeneratePair(
        type.generation, Template(type.parameters).Bool(CKA_TOKEN, false),
        Template()
            .Bool(CKA_TOKEN, false)
            .Bool(CKA_EXTRACTABLE, true)
            .Bool(CKA_DERIVE, true));
    ASSERT_NE(pair.private_key, CK_INVALID_HANDLE);
    EXPECT_EQ(GetUlong(pair.private_key, CKA_KEY_TYPE), type.key_type);
    EXPECT_TRUE(GetBool(pair.private_key, CKA_LOCAL));
    EXPECT_EQ(TryGet(pair.private_key, CKA_VALUE), CKR_ATTRIBUTE_SENSITIVE);
    const Bytes info = Get(pair.public_key, CKA_PUBLIC_KEY_INFO);
    EXPECT_EQ(Get(pair.private_key, CKA_PUBLIC_KEY_INFO), info);
    EXPECT_EQ(Get(FromPrivate(pair.private_key), CKA_PUBLIC_KEY_INFO), info);
    const CK_OBJECT_HANDLE moved = Moved(pair.private_key, type.key_type);
    ASSERT_NE(moved, CK_INVALID_HANDLE);
    EXPECT_EQ(Get(moved, CKA_PUBLIC_KEY_INFO), info);
    if (type.signature == 0) return;
    const Bytes message = Pattern(77);
    const Bytes signature = Signature(type.signature, moved, message);
    EXPECT_OK(
        Verify(session_, type.signature, pair.public_key, message, signature));
    EXPECT_RV(CKR_SIGNATURE_INVALID,
              Verify(session_, type.signature, pair.public_key, Pattern(78),
                     signature));
  }

  // However long it is: 17 KiB for SLH-DSA.
  Bytes Signature(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key,
                  const Bytes& message) {
    EXPECT_OK(p11().C_SignInit(session_, Mechanism(type).get(), key));
    Bytes data = message;
    CK_ULONG size = 0;
    EXPECT_OK(p11().C_Sign(session_, data.data(), data.size(), nullptr, &size));
    Bytes signature(size);
    EXPECT_OK(p11().C_Sign(session_, data.data(), data.size(), signature.data(),
                           &size));
    signature.resize(size);
    return signature;
  }

  CK_OBJECT_HANDLE FromPrivate(CK_OBJECT_HANDLE key) {
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    const Template t = Template().Bool(CKA_TOKEN, false);
    EXPECT_OK(p11().C_DeriveKey(session_,
                                Mechanism(CKM_PUB_KEY_FROM_PRIV_KEY).get(), key,
                                t.data(), t.size(), &made));
    EXPECT_EQ(GetUlong(made, CKA_CLASS), CKO_PUBLIC_KEY);
    return made;
  }

  // Out under a wrapping key, and in again.
  CK_OBJECT_HANDLE Moved(CK_OBJECT_HANDLE key, CK_KEY_TYPE type) {
    const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
    const Mechanism mechanism(CKM_AES_KEY_WRAP_KWP);
    CK_ULONG size = 0;
    EXPECT_OK(p11().C_WrapKey(session_, mechanism.get(), wrapper, key, nullptr,
                              &size));
    Bytes wrapped(size);
    EXPECT_OK(p11().C_WrapKey(session_, mechanism.get(), wrapper, key,
                              wrapped.data(), &size));
    wrapped.resize(size);
    const Template t = Template()
                           .Ulong(CKA_CLASS, CKO_PRIVATE_KEY)
                           .Ulong(CKA_KEY_TYPE, type)
                           .Bool(CKA_TOKEN, false);
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    EXPECT_OK(p11().C_UnwrapKey(session_, mechanism.get(), wrapper,
                                wrapped.data(), wrapped.size(), t.data(),
                                t.size(), &made));
    return made;
  }
};

class PairTypeTest : public PairTest,
                     public testing::WithParamInterface<PairType> {};

INSTANTIATE_TEST_SUITE_P(All, PairTypeTest, testing::ValuesIn(PairTypes()),
                         CaseName<testing::TestParamInfo<PairType>>);

TEST_P(PairTypeTest, IsMadeMovedAndUsed) {
  NEEDS_PERIGEE();
  if (!HasMechanism(GetParam().generation)) {
    GTEST_SKIP() << "this OpenSSL does not have it";
  }
  Check(GetParam());
}

class DomainTest : public PairTest {
 protected:
  CK_OBJECT_HANDLE Parameters(CK_MECHANISM_TYPE mechanism) {
    return Generate(
        mechanism,
        Template().Bool(CKA_TOKEN, false).Ulong(CKA_PRIME_BITS, 2048));
  }
  Template Numbers(CK_OBJECT_HANDLE parameters, bool with_subprime) {
    Template numbers;
    numbers.Set(CKA_PRIME, Get(parameters, CKA_PRIME));
    if (with_subprime) {
      numbers.Set(CKA_SUBPRIME, Get(parameters, CKA_SUBPRIME));
    }
    return numbers.Set(CKA_BASE, Get(parameters, CKA_BASE));
  }
};

TEST_F(DomainTest, Dsa_FromNewParametersToASignature) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE parameters = Parameters(CKM_DSA_PARAMETER_GEN);
  EXPECT_EQ(GetUlong(parameters, CKA_CLASS), CKO_DOMAIN_PARAMETERS);
  EXPECT_EQ(GetUlong(parameters, CKA_KEY_TYPE), CKK_DSA);
  EXPECT_TRUE(GetBool(parameters, CKA_LOCAL));
  EXPECT_EQ(GetUlong(parameters, CKA_SUBPRIME_BITS), 256u);
  Check({"Dsa", CKM_DSA_KEY_PAIR_GEN, CKK_DSA, Numbers(parameters, true),
         CKM_DSA_SHA256});
}

TEST_F(DomainTest, Dh_FromNewParametersToAPair) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE parameters = Parameters(CKM_DH_PKCS_PARAMETER_GEN);
  EXPECT_EQ(TryGet(parameters, CKA_SUBPRIME), CKR_ATTRIBUTE_TYPE_INVALID);
  Check(
      {"Dh", CKM_DH_PKCS_KEY_PAIR_GEN, CKK_DH, Numbers(parameters, false), 0});
}

TEST_F(DomainTest, ParametersCanBeBroughtIn) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE made = Parameters(CKM_DH_PKCS_PARAMETER_GEN);
  const CK_OBJECT_HANDLE copy =
      Create(Numbers(made, false)
                 .Ulong(CKA_CLASS, CKO_DOMAIN_PARAMETERS)
                 .Ulong(CKA_KEY_TYPE, CKK_DH)
                 .Bool(CKA_TOKEN, false));
  EXPECT_FALSE(GetBool(copy, CKA_LOCAL));
  EXPECT_EQ(GetUlong(copy, CKA_PRIME_BITS), 2048u);
}

TEST_F(PairTest, HybridWrapping_MovesAKeyUnderAPublicKey) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE secret =
      Create(AesKey().Bool(CKA_EXTRACTABLE, true).Bool(CKA_SENSITIVE, false));
  const Pair pair = GeneratePair(
      CKM_EC_KEY_PAIR_GEN,
      NewEcPublic().Bool(CKA_TOKEN, false).Bool(CKA_WRAP, true),
      NewEcPrivate().Bool(CKA_TOKEN, false).Bool(CKA_UNWRAP, true));
  const Mechanism mechanism(
      CKM_ECDH_AES_KEY_WRAP,
      CK_ECDH_AES_KEY_WRAP_PARAMS{256, CKD_SHA256_KDF, 0, nullptr});
  Bytes wrapped(200);
  CK_ULONG size = wrapped.size();
  ASSERT_OK(p11().C_WrapKey(session_, mechanism.get(), pair.public_key, secret,
                            wrapped.data(), &size));
  EXPECT_EQ(size, 65u + 40u);
  const Template t = Template()
                         .Ulong(CKA_CLASS, CKO_SECRET_KEY)
                         .Ulong(CKA_KEY_TYPE, CKK_AES)
                         .Bool(CKA_TOKEN, false);
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  ASSERT_OK(p11().C_UnwrapKey(session_, mechanism.get(), pair.private_key,
                              wrapped.data(), size, t.data(), t.size(), &made));
  EXPECT_EQ(Get(made, CKA_CHECK_VALUE), Get(secret, CKA_CHECK_VALUE));
  wrapped[70] ^= 1;
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
            p11().C_UnwrapKey(session_, mechanism.get(), pair.private_key,
                              wrapped.data(), size, t.data(), t.size(), &made));
}

// Peers' padding oracles begin here: the bare function with somebody's key.
TEST_F(PairTest, RawRsa_IsNotForSecretKeysThatDoNotNameIt) {
  NEEDS_PERIGEE();
  const Pair pair = GeneratePair(CKM_RSA_PKCS_KEY_PAIR_GEN,
                                 NewRsaPublic().Bool(CKA_TOKEN, false),
                                 NewRsaPrivate().Bool(CKA_TOKEN, false));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            p11().C_DecryptInit(session_, Mechanism(CKM_RSA_X_509).get(),
                                pair.private_key));
}

}  // namespace
}  // namespace conformance
