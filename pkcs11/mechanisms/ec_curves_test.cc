// Every named curve: compared with OpenSSL, and used.
#include <openssl/obj_mac.h>
#include <openssl/objects.h>

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

TEST(CurvesTest, AreAllPrimeCurvesOfOpenSslButSm2) {
  std::vector<EC_builtin_curve> builtin(EC_get_builtin_curves(nullptr, 0));
  EC_get_builtin_curves(builtin.data(), builtin.size());
  std::set<std::string> theirs;
  for (const EC_builtin_curve& curve : builtin) {
    const UniqueOf<EC_GROUP, EC_GROUP_free> group(
        EC_GROUP_new_by_curve_name(curve.nid));
    if (EC_GROUP_get_field_type(group.get()) == NID_X9_62_prime_field &&
        curve.nid != NID_sm2) {
      theirs.insert(OBJ_nid2sn(curve.nid));
    }
  }
  std::set<std::string> ours;
  for (const Curve& curve : Curves()) ours.insert(curve.name);
  EXPECT_EQ(ours, theirs);
}

TEST(CurvesTest, HaveTheNumbersOfOpenSsl) {
  for (const Curve& curve : Curves()) {
    SCOPED_TRACE(curve.name);
    const EC_GROUP* group = GroupOf(curve);
    ASSERT_NE(group, nullptr);
    EXPECT_EQ(EC_GROUP_get_degree(group), static_cast<int>(curve.bits));
    EXPECT_EQ((curve.bits + 7) / 8, curve.size);
    EXPECT_EQ((EC_GROUP_order_bits(group) + 7) / 8,
              static_cast<int>(curve.order_size));
    EXPECT_TRUE(BN_is_word(EC_GROUP_get0_cofactor(group), curve.cofactor));
    uint8_t* der = nullptr;
    const int size = i2d_ASN1_OBJECT(OBJ_nid2obj(OBJ_sn2nid(curve.name)), &der);
    EXPECT_EQ(Bytes(der, der + size), base::ToBytes(curve.oid_bytes()));
    OPENSSL_free(der);
  }
}

TEST(CurvesTest, AreThoseOfTheDocument) {
  std::set<std::string> documented;
  std::ifstream page("docs/KEY_PAIRS.md");
  bool is_table = false;
  for (std::string line; std::getline(page, line);) {
    if (line.find("## Curves") == 0) is_table = true;
    if (is_table && line.find("| `") == 0) documented.insert(line);
  }
  std::set<std::string> ours;
  for (const Curve& curve : Curves()) {
    char identifier[80];
    OBJ_obj2txt(identifier, sizeof(identifier),
                OBJ_nid2obj(OBJ_sn2nid(curve.name)), 1);
    ours.insert(absl::StrCat("| `", curve.name, "` | ", identifier, " | ",
                             curve.bits, " | ", 2 * curve.order_size, " |"));
  }
  EXPECT_EQ(documented, ours);
}

TEST(CurvesTest, SignAndVerifyOrOnlyVerify) {
  for (const Curve& curve : Curves()) {
    SCOPED_TRACE(curve.name);
    const KeyPair pair = NewEcPair(curve.oid_bytes());
    EXPECT_EQ(base::CkRv(CheckStrength(pair.private_key->attributes(),
                                       Profile::kStrict)),
              curve.bits < kMinEcBits ? CKR_KEY_SIZE_RANGE : CKR_OK);
    const auto signature =
        Job(CKM_ECDSA_SHA256, pair.private_key).Sign(Counting(50));
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_EQ(signature->size(), 2 * curve.order_size);
    const Job verifier(CKM_ECDSA_SHA256, pair.public_key);
    EXPECT_TRUE(verifier.Verify(Counting(50), *signature).ok());
    EXPECT_EQ(RvOf(verifier.Verify(Counting(49), *signature)),
              CKR_SIGNATURE_INVALID);
  }
}

// secp112r2 has cofactor 4; this point has order 4 times the group's.
TEST(CurvesTest, PointOutsideTheGroup_IsRefused) {
  const auto curve = CurveOf(Bytes{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x07});
  ASSERT_TRUE(curve.ok());
  const EC_GROUP* group = GroupOf(**curve);
  const UniqueOf<EC_POINT, EC_POINT_free> point(EC_POINT_new(group));
  const UniqueOf<EC_POINT, EC_POINT_free> product(EC_POINT_new(group));
  const UniqueOf<BIGNUM, BN_free> x(BN_new());
  int refused = 0;
  for (BN_ULONG i = 1; i < 40; ++i) {
    BN_set_word(x.get(), i);
    if (EC_POINT_set_compressed_coordinates(group, point.get(), x.get(), 0,
                                            nullptr) != 1) {
      continue;
    }
    Bytes raw(29);
    EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED,
                       raw.data(), raw.size(), nullptr);
    EC_POINT_mul(group, product.get(), nullptr, point.get(),
                 EC_GROUP_get0_order(group), nullptr);
    const bool inside = EC_POINT_is_at_infinity(group, product.get()) == 1;
    hsm::AttributeSet key;
    key.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
    key.SetUlong(CKA_KEY_TYPE, CKK_EC);
    key.Set(CKA_EC_PARAMS, (*curve)->oid_bytes());
    key.Set(CKA_EC_POINT, raw);
    EXPECT_EQ(CompleteKeyMaterial(key).ok(), inside);
    refused += inside ? 0 : 1;
  }
  EXPECT_GT(refused, 0);
}

TEST(CurvesTest, HaveNames) {
  const auto by_name = [](absl::string_view name) {
    Bytes der = {0x13, static_cast<uint8_t>(name.size())};
    der.insert(der.end(), name.begin(), name.end());
    return CurveOf(der);
  };
  EXPECT_EQ((*by_name("secp256r1"))->name, (*by_name("P-256"))->name);
  EXPECT_EQ(*CurveOf(kP256Oid), *by_name("prime256v1"));
  EXPECT_EQ((*by_name("brainpoolP512t1"))->bits, 512u);
  EXPECT_EQ(RvOf(by_name("SM2")), CKR_CURVE_NOT_SUPPORTED);
}

TEST(CurvesTest, APairMadeByNameKeepsTheName) {
  const Bytes name = {0x13, 0x05, 'P', '-', '3', '8', '4'};
  const KeyPair pair = NewEcPair(name);
  EXPECT_EQ(base::ToBytes(pair.private_key->attributes().Value(CKA_EC_PARAMS)),
            name);
  EXPECT_TRUE(CheckNewPair(pair.public_key->attributes(),
                           pair.private_key->attributes())
                  .ok());
}

}  // namespace
}  // namespace pkcs11
