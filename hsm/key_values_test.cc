#include "hsm/key_values.h"

#include <gtest/gtest.h>

namespace hsm {
namespace {

constexpr uint8_t kP256[] = {0x06, 0x08, 0x2A, 0x86, 0x48,
                             0xCE, 0x3D, 0x03, 0x01, 0x07};

// 04 || x || y with the given first byte of x.
Bytes Point(size_t coordinate_size, uint8_t x0 = 0x11, uint8_t x1 = 0x22) {
  Bytes point(1 + 2 * coordinate_size, 0x33);
  point[0] = 0x04;
  point[1] = x0;
  point[2] = x1;
  return point;
}

Bytes Concat(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

AttributeSet EcKey(ByteSpan point) {
  AttributeSet key;
  key.Set(CKA_EC_PARAMS, kP256);
  key.Set(CKA_EC_POINT, point);
  return key;
}

AttributeSet RsaPrivate() {
  AttributeSet key;
  key.Set(CKA_MODULUS, Bytes{0xC1, 0x01});
  key.Set(CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1});
  key.Set(CKA_PRIVATE_EXPONENT, Bytes{0x55});
  return key;
}

CK_RV Check(absl::Status (*check)(How, AttributeSet&), AttributeSet key,
            How how = How::kCreate) {
  return base::CkRv(check(how, key));
}

// ---- RSA ----

TEST(RsaValues, Public_GetsItsSize) {
  AttributeSet key;
  key.Set(CKA_MODULUS, Bytes{0x01, 0x01});
  key.Set(CKA_PUBLIC_EXPONENT, Bytes{3});
  ASSERT_TRUE(CheckRsaPublic(How::kCreate, key).ok());
  EXPECT_EQ(key.Ulong(CKA_MODULUS_BITS), 9u);
}

TEST(RsaValues, Public_EvenNumbers_AreRefused) {
  AttributeSet key;
  key.Set(CKA_MODULUS, Bytes{0xC1, 0x02});
  EXPECT_EQ(Check(CheckRsaPublic, key), CKR_ATTRIBUTE_VALUE_INVALID);
  key.Set(CKA_MODULUS, Bytes{0xC1, 0x01});
  key.Set(CKA_PUBLIC_EXPONENT, Bytes{2});
  EXPECT_EQ(Check(CheckRsaPublic, key), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(RsaValues, Public_ExponentOne_IsRefused) {
  AttributeSet key;
  key.Set(CKA_PUBLIC_EXPONENT, Bytes{1});
  EXPECT_EQ(Check(CheckRsaPublic, key, How::kGenerate),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(RsaValues, Private_WithoutCrt) {
  EXPECT_EQ(Check(CheckRsaPrivate, RsaPrivate()), CKR_OK);
}

TEST(RsaValues, Private_WithPrimesOnly) {
  AttributeSet key = RsaPrivate();
  key.Set(CKA_PRIME_1, Bytes{3});
  key.Set(CKA_PRIME_2, Bytes{5});
  EXPECT_EQ(Check(CheckRsaPrivate, key), CKR_OK);
}

TEST(RsaValues, Private_WithAllCrt) {
  AttributeSet key = RsaPrivate();
  key.Set(CKA_PRIME_1, Bytes{3});
  key.Set(CKA_PRIME_2, Bytes{5});
  key.Set(CKA_EXPONENT_1, Bytes{1});
  key.Set(CKA_EXPONENT_2, Bytes{1});
  key.Set(CKA_COEFFICIENT, Bytes{2});
  EXPECT_EQ(Check(CheckRsaPrivate, key), CKR_OK);
}

TEST(RsaValues, Private_WithHalfOfTheCrt_IsIncomplete) {
  AttributeSet key = RsaPrivate();
  key.Set(CKA_PRIME_1, Bytes{3});
  EXPECT_EQ(Check(CheckRsaPrivate, key), CKR_TEMPLATE_INCOMPLETE);
  key.Set(CKA_EXPONENT_1, Bytes{1});
  EXPECT_EQ(Check(CheckRsaPrivate, key), CKR_TEMPLATE_INCOMPLETE);
}

TEST(RsaValues, Private_EmptyCrtCountsAsAbsent) {
  AttributeSet key = RsaPrivate();
  key.Set(CKA_PRIME_1, {});
  key.Set(CKA_COEFFICIENT, {});
  ASSERT_TRUE(CheckRsaPrivate(How::kCreate, key).ok());
  EXPECT_FALSE(key.Has(CKA_PRIME_1));
  EXPECT_FALSE(key.Has(CKA_COEFFICIENT));
}

TEST(RsaValues, Private_EmptyExponent_IsRefused) {
  AttributeSet key = RsaPrivate();
  key.Set(CKA_PRIVATE_EXPONENT, {});
  EXPECT_EQ(Check(CheckRsaPrivate, key), CKR_ATTRIBUTE_VALUE_INVALID);
}

// ---- EC ----

TEST(EcValues, DerPoint_StaysAsItIs) {
  const Bytes der = Concat({0x04, 65}, Point(32));
  AttributeSet key = EcKey(der);
  ASSERT_TRUE(CheckEcPublic(How::kCreate, key).ok());
  EXPECT_EQ(base::ToBytes(key.Value(CKA_EC_POINT)), der);
}

TEST(EcValues, BarePoint_IsStoredAsDer) {
  AttributeSet key = EcKey(Point(32));
  ASSERT_TRUE(CheckEcPublic(How::kCreate, key).ok());
  EXPECT_EQ(base::ToBytes(key.Value(CKA_EC_POINT)),
            Concat({0x04, 65}, Point(32)));
}

TEST(EcValues, BareP521Point_GetsALongLength) {
  AttributeSet key = EcKey(Point(66));
  ASSERT_TRUE(CheckEcPublic(How::kCreate, key).ok());
  EXPECT_EQ(base::ToBytes(key.Value(CKA_EC_POINT)),
            Concat({0x04, 0x81, 133}, Point(66)));
}

// 04 3F 04 ... is a bare P-256 point and at the same time an OCTET STRING with
// 63 bytes that begin with 04; no curve has coordinates of 31 bytes.
TEST(EcValues, BarePointThatLooksLikeDer) {
  const Bytes bare = Point(32, 0x3F, 0x04);
  AttributeSet key = EcKey(bare);
  ASSERT_TRUE(CheckEcPublic(How::kCreate, key).ok());
  EXPECT_EQ(base::ToBytes(key.Value(CKA_EC_POINT)), Concat({0x04, 65}, bare));
}

TEST(EcValues, NoTwoSizesAreAmbiguous) {
  for (size_t size : {14, 16, 20, 24, 28, 32, 40, 48, 64, 66}) {
    // The worst first bytes of x: they make it a well-formed OCTET STRING.
    Bytes bare = Point(size, static_cast<uint8_t>(2 * size - 1), 0x04);
    AttributeSet key = EcKey(bare);
    ASSERT_TRUE(CheckEcPublic(How::kCreate, key).ok()) << size;
    EXPECT_GT(key.Value(CKA_EC_POINT).size(), bare.size()) << size;
  }
}

TEST(EcValues, CompressedPoint_IsInconsistent) {
  Bytes compressed(33, 0x33);
  compressed[0] = 0x02;
  EXPECT_EQ(Check(CheckEcPublic, EcKey(compressed)), CKR_TEMPLATE_INCONSISTENT);
  EXPECT_EQ(Check(CheckEcPublic, EcKey(Concat({0x04, 33}, compressed))),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST(EcValues, Garbage_IsRefused) {
  EXPECT_EQ(Check(CheckEcPublic, EcKey({})), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(Check(CheckEcPublic, EcKey(Bytes{0x04})),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(Check(CheckEcPublic, EcKey(Bytes(64, 0x33))),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(EcValues, ExplicitParameters_AreNotANamedCurve) {
  AttributeSet key = EcKey(Point(32));
  key.Set(CKA_EC_PARAMS, Bytes{0x30, 0x03, 0x02, 0x01, 0x01});
  EXPECT_EQ(Check(CheckEcPublic, key), CKR_DOMAIN_PARAMS_INVALID);
}

TEST(EcValues, CutIdentifier_IsRefused) {
  AttributeSet key = EcKey(Point(32));
  key.Set(CKA_EC_PARAMS, ByteSpan(kP256).subspan(0, 9));
  EXPECT_EQ(Check(CheckEcPublic, key), CKR_DOMAIN_PARAMS_INVALID);
  key.Set(CKA_EC_PARAMS, {});
  EXPECT_EQ(Check(CheckEcPublic, key), CKR_DOMAIN_PARAMS_INVALID);
}

TEST(EcValues, Private_DropsThePoint) {
  AttributeSet key = EcKey(Point(32));
  key.Set(CKA_VALUE, Bytes(32, 1));
  ASSERT_TRUE(CheckEcPrivate(How::kCreate, key).ok());
  EXPECT_FALSE(key.Has(CKA_EC_POINT));
}

TEST(EcValues, Private_EmptyValue_IsRefused) {
  AttributeSet key = EcKey(Point(32));
  key.Set(CKA_VALUE, {});
  EXPECT_EQ(Check(CheckEcPrivate, key), CKR_ATTRIBUTE_VALUE_INVALID);
}

// ---- Secret keys ----

TEST(AesValues, Lengths) {
  AttributeSet key;
  key.Set(CKA_VALUE, Bytes(24, 1));
  EXPECT_EQ(Check(CheckAes, key), CKR_OK);
  key.Set(CKA_VALUE, Bytes(17, 1));
  EXPECT_EQ(Check(CheckAes, key), CKR_ATTRIBUTE_VALUE_INVALID);
  AttributeSet generated;
  generated.SetUlong(CKA_VALUE_LEN, 33);
  EXPECT_EQ(Check(CheckAes, generated, How::kGenerate),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(AesValues, LengthFollowsFromTheValue) {
  AttributeSet key;
  key.Set(CKA_VALUE, Bytes(32, 1));
  ASSERT_TRUE(CheckAes(How::kCreate, key).ok());
  EXPECT_EQ(key.Ulong(CKA_VALUE_LEN), 32u);
}

TEST(AesValues, LengthThatContradictsTheValue) {
  AttributeSet key;
  key.Set(CKA_VALUE, Bytes(32, 1));
  key.SetUlong(CKA_VALUE_LEN, 16);
  EXPECT_EQ(Check(CheckAes, key, How::kClone), CKR_TEMPLATE_INCONSISTENT);
}

TEST(GenericSecretValues, Empty_IsRefused) {
  AttributeSet key;
  key.Set(CKA_VALUE, {});
  EXPECT_EQ(Check(CheckGenericSecret, key), CKR_ATTRIBUTE_VALUE_INVALID);
  key.Set(CKA_VALUE, Bytes{1});
  EXPECT_EQ(Check(CheckGenericSecret, key), CKR_OK);
}

// ---- Certificates ----

TEST(X509Values, NeedsAValueOrAUrl) {
  AttributeSet certificate;
  EXPECT_EQ(Check(CheckX509, certificate), CKR_TEMPLATE_INCOMPLETE);
  certificate.Set(CKA_VALUE, Bytes{0x30});
  EXPECT_EQ(Check(CheckX509, certificate), CKR_OK);
}

TEST(X509Values, UrlNeedsHashes) {
  AttributeSet certificate;
  certificate.SetText(CKA_URL, "http://example.com/c");
  EXPECT_EQ(Check(CheckX509, certificate), CKR_TEMPLATE_INCOMPLETE);
  certificate.Set(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes(20, 1));
  certificate.Set(CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes(20, 2));
  EXPECT_EQ(Check(CheckX509, certificate), CKR_OK);
}

}  // namespace
}  // namespace hsm
