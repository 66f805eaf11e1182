// What holds for every type of key pair: PKCS#8 and back, the public key out
// of the private one, completeness of what was generated, and the check of
// new pairs, which a test makes fail.
#include <openssl/x509.h>

#include <string>

#include "hsm/attribute_rules.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/pqc.h"
#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

struct PairKind {
  const char* name;
  KeyPair (*make)();
};
void PrintTo(const PairKind& kind, std::ostream* out) { *out << kind.name; }

template <CK_MECHANISM_TYPE kMechanism, CK_KEY_TYPE kType>
KeyPair OnCurve(ByteSpan ec_params) {
  hsm::AttributeSet attributes;
  attributes.Set(CKA_EC_PARAMS, ec_params);
  return NewPair(kMechanism, kType, attributes);
}

template <uint8_t kLast>
KeyPair Edwards() {
  return OnCurve<CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS>(
      Bytes{0x06, 0x03, 0x2b, 0x65, kLast});
}
template <uint8_t kLast>
KeyPair Montgomery() {
  return OnCurve<CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY>(
      Bytes{0x06, 0x03, 0x2b, 0x65, kLast});
}

// In the 2048-bit group of RFC 5114 with a subgroup of 256 bits.
template <CK_MECHANISM_TYPE kMechanism, CK_KEY_TYPE kType>
KeyPair FiniteField() {
  return NewPair(kMechanism, kType, NamedGroup("dh_2048_256", kType != CKK_DH));
}

template <CK_MECHANISM_TYPE kMechanism, CK_KEY_TYPE kType, CK_ULONG kSet>
KeyPair PostQuantum() {
  hsm::AttributeSet attributes;
  attributes.SetUlong(CKA_PARAMETER_SET, kSet);
  return NewPair(kMechanism, kType, attributes);
}

std::vector<PairKind> Kinds() {
  std::vector<PairKind> kinds = {
      {"Rsa", [] { return RsaPair(); }},
      {"P256", [] { return NewEcPair(kP256Oid); }},
      {"Secp256k1",
       [] {
         return NewEcPair(Bytes{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a});
       }},
      {"Ed25519", Edwards<0x70>},
      {"Ed448", Edwards<0x71>},
      {"X25519", Montgomery<0x6e>},
      {"X448", Montgomery<0x6f>},
      {"Dsa", FiniteField<CKM_DSA_KEY_PAIR_GEN, CKK_DSA>},
      {"Dh", FiniteField<CKM_DH_PKCS_KEY_PAIR_GEN, CKK_DH>},
      {"X942Dh", FiniteField<CKM_X9_42_DH_KEY_PAIR_GEN, CKK_X9_42_DH>},
  };
  if (PqcIsAvailable(CKK_ML_KEM)) {
    kinds.push_back(
        {"MlKem768",
         PostQuantum<CKM_ML_KEM_KEY_PAIR_GEN, CKK_ML_KEM, CKP_ML_KEM_768>});
    kinds.push_back(
        {"MlDsa65",
         PostQuantum<CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, CKP_ML_DSA_65>});
    kinds.push_back(
        {"SlhDsa", PostQuantum<CKM_SLH_DSA_KEY_PAIR_GEN, CKK_SLH_DSA,
                               CKP_SLH_DSA_SHAKE_128F>});
  }
  return kinds;
}

class KeyPairsTest : public testing::TestWithParam<PairKind> {};

INSTANTIATE_TEST_SUITE_P(All, KeyPairsTest, testing::ValuesIn(Kinds()),
                         [](const testing::TestParamInfo<PairKind>& info) {
                           return std::string(info.param.name);
                         });

hsm::AttributeSet Merged(hsm::AttributeSet base,
                         const hsm::AttributeSet& added) {
  for (const auto& entry : added.entries()) {
    base.Set(entry.type, ByteSpan(entry.value.data(), entry.value.size()));
  }
  return base;
}

TEST_P(KeyPairsTest, WhatIsGeneratedIsComplete) {
  const KeyPair pair = GetParam().make();
  for (const hsm::ObjectRef& key : {pair.public_key, pair.private_key}) {
    const auto added = CompleteKeyMaterial(key->attributes());
    ASSERT_TRUE(added.ok()) << added.status();
    EXPECT_TRUE(key->attributes().Matches(*added));
  }
}

TEST_P(KeyPairsTest, ComesBackFromPkcs8) {
  const hsm::AttributeSet key = GetParam().make().private_key->attributes();
  const auto der = EncodePrivateKeyInfo(key);
  ASSERT_TRUE(der.ok()) << der.status();
  const auto decoded = DecodePrivateKeyInfo(der->Expose());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->key_type(), key.key_type());
  hsm::AttributeSet again = *decoded;
  again.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  const auto added = CompleteKeyMaterial(again);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_TRUE(key.Matches(Merged(again, *added)));
}

TEST_P(KeyPairsTest, IsThePkcs8ThatOpenSslReads) {
  const KeyPair pair = GetParam().make();
  const auto der = EncodePrivateKeyInfo(pair.private_key->attributes());
  ASSERT_TRUE(der.ok()) << der.status();
  const uint8_t* at = der->Expose().data();
  const UniquePkey pkey(
      d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der->size())));
  ASSERT_NE(pkey, nullptr);
  uint8_t* out = nullptr;
  const int size = i2d_PUBKEY(pkey.get(), &out);
  ASSERT_GT(size, 0);
  EXPECT_EQ(
      Bytes(out, out + size),
      base::ToBytes(pair.public_key->attributes().Value(CKA_PUBLIC_KEY_INFO)));
  OPENSSL_free(out);
}

TEST_P(KeyPairsTest, ThePublicKeyFollowsFromThePrivateOne) {
  const KeyPair pair = GetParam().make();
  const auto found = PublicKeyOf(pair.private_key->attributes());
  ASSERT_TRUE(found.ok()) << found.status();
  const auto added = CompleteKeyMaterial(*found);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_TRUE(pair.public_key->attributes().Matches(Merged(*found, *added)));
  EXPECT_EQ(RvOf(PublicKeyOf(pair.public_key->attributes())),
            CKR_KEY_TYPE_INCONSISTENT);
}

TEST_P(KeyPairsTest, HalvesOfTwoPairsDoNotPassTheCheck) {
  const KeyPair one = GetParam().make();
  EXPECT_TRUE(
      CheckNewPair(one.public_key->attributes(), one.private_key->attributes())
          .ok());
  const std::string name = GetParam().name;
  const KeyPair two = name == "Rsa" ? [] {
    hsm::AttributeSet attributes;
    attributes.SetUlong(CKA_MODULUS_BITS, 2048);
    return NewPair(CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, attributes);
  }() : GetParam().make();
  EXPECT_EQ(RvOf(CheckNewPair(one.public_key->attributes(),
                              two.private_key->attributes())),
            CKR_GENERAL_ERROR);
}

// As C_GenerateKeyPair, C_CreateObject and C_UnwrapKey make them, and as a
// Backup HSM takes them: the rules know every attribute that there is.
TEST_P(KeyPairsTest, ObjectsCanBeCreatedUnwrappedAndCloned) {
  const KeyPair pair = GetParam().make();
  hsm::ResolveContext context;
  context.logged_in = true;
  for (const hsm::ObjectRef& key : {pair.public_key, pair.private_key}) {
    hsm::AttributeSet given = key->attributes();
    for (CK_ATTRIBUTE_TYPE type :
         {CKA_PUBLIC_KEY_INFO, CKA_MODULUS_BITS, CKA_VALUE_BITS}) {
      given.Erase(type);
    }
    const auto created = hsm::Resolve(hsm::How::kCreate, given, context);
    ASSERT_TRUE(created.ok()) << created.status();
    const auto added = CompleteKeyMaterial(*created);
    ASSERT_TRUE(added.ok()) << added.status();
    const hsm::AttributeSet object = Merged(*created, *added);
    EXPECT_TRUE(object.Matches(key->attributes()));
    const auto cloned = hsm::Resolve(hsm::How::kClone, object, context);
    EXPECT_TRUE(cloned.ok()) << cloned.status();
  }
  hsm::AttributeSet unwrap;
  unwrap.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  unwrap.SetUlong(CKA_KEY_TYPE, pair.private_key->attributes().key_type());
  const auto resolved = hsm::Resolve(hsm::How::kUnwrap, unwrap, context);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const auto der = EncodePrivateKeyInfo(pair.private_key->attributes());
  const hsm::AttributeSet unwrapped =
      Merged(*resolved, *DecodePrivateKeyInfo(der->Expose()));
  const auto added = CompleteKeyMaterial(unwrapped);
  ASSERT_TRUE(added.ok()) << added.status();
  const auto cloned =
      hsm::Resolve(hsm::How::kClone, Merged(unwrapped, *added), context);
  EXPECT_TRUE(cloned.ok()) << cloned.status();
}

TEST(PublicKeyFromPrivateKeyTest, IsADerivation) {
  const Mechanism& row = RowFor(CKM_PUB_KEY_FROM_PRIV_KEY);
  EXPECT_EQ(InfoOf(row, Profile::kStrict).flags, CKF_DERIVE);
  const KeyPair pair = NewEcPair(kP256Oid);
  const auto found = row.derive_public({row, nullptr, pair.private_key});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->object_class(), CKO_PUBLIC_KEY);
}

}  // namespace
}  // namespace pkcs11
