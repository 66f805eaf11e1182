// Key forms: DER, PKCS#8, and the checks of what applications bring.
#include "pkcs11/mechanisms/key_material.h"

#include <openssl/x509.h>

#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

hsm::AttributeSet RsaKey() { return RsaPair().private_key->attributes(); }

hsm::AttributeSet EcKey() {
  return NewEcPair(kP256Oid).private_key->attributes();
}

// The attribute with its last byte changed.
hsm::AttributeSet Changed(hsm::AttributeSet key, CK_ATTRIBUTE_TYPE type) {
  Bytes value = base::ToBytes(key.Value(type));
  value.back() ^= 2;
  key.Set(type, value);
  return key;
}

// --- DER --------------------------------------------------------------------

TEST(DerTest, WritesShortAndLongLengths) {
  for (const size_t size : {0, 127, 128, 255, 256, 70000}) {
    DerWriter writer;
    writer.Element(kDerOctetString, Counting(size));
    DerReader reader(writer.bytes());
    EXPECT_EQ(reader.Element(kDerOctetString).size(), size);
    EXPECT_TRUE(reader.Finish());
  }
}

TEST(DerTest, IntegersAreNotNegative) {
  DerWriter writer;
  writer.Integer(Bytes{0, 0x80}).Integer(Bytes{}).Integer(Bytes{0, 1});
  EXPECT_EQ(base::ToBytes(writer.bytes()),
            (Bytes{2, 2, 0, 0x80, 2, 1, 0, 2, 1, 1}));
  for (const Bytes& bad :
       {Bytes{2, 0}, Bytes{2, 1, 0x80}, Bytes{2, 2, 0, 1}, Bytes{2, 2, 1}}) {
    DerReader reader(bad);
    reader.Integer();
    EXPECT_FALSE(reader.ok());
  }
}

TEST(DerTest, RefusesOtherEncodingsOfALength) {
  for (const Bytes& bad :
       {Bytes{4, 0x81, 1, 0}, Bytes{4, 0x80, 0, 0}, Bytes{4, 0x82, 0, 0x80},
        Bytes{4, 0x85, 0, 0, 0, 0, 1, 1},
        Bytes{4, 0x84, 0xff, 0xff, 0xff, 0xff}, Bytes{4}, Bytes{4, 1},
        Bytes{4, 0x81}}) {
    DerReader reader(bad);
    reader.Element(kDerOctetString);
    EXPECT_FALSE(reader.ok());
  }
}

// --- PKCS#8 -----------------------------------------------------------------

TEST(PrivateKeyInfoTest, ComesBack) {
  for (const hsm::AttributeSet& key :
       {RsaKey(), EcKey(), NewEcPair(kP521Oid).private_key->attributes()}) {
    const auto der = EncodePrivateKeyInfo(key);
    ASSERT_TRUE(der.ok()) << der.status();
    const auto decoded = DecodePrivateKeyInfo(der->Expose());
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_TRUE(key.Matches(*decoded));
  }
}

TEST(PrivateKeyInfoTest, IsWhatOpenSslReadsAndWrites) {
  for (const hsm::AttributeSet& key : {RsaKey(), EcKey()}) {
    const auto der = EncodePrivateKeyInfo(key);
    const uint8_t* at = der->Expose().data();
    const UniquePkey pkey(
        d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der->size())));
    ASSERT_NE(pkey, nullptr);
    UniqueOf<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
        EVP_PKEY2PKCS8(pkey.get()));
    uint8_t* out = nullptr;
    const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &out);
    ASSERT_GT(size, 0);
    const Bytes theirs(out, out + size);
    OPENSSL_free(out);
    const auto decoded = DecodePrivateKeyInfo(theirs);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_TRUE(key.Matches(*decoded));
  }
}

TEST(PrivateKeyInfoTest, TruncatedOrLongerIsInvalid) {
  const auto der = EncodePrivateKeyInfo(EcKey());
  const Bytes good = base::ToBytes(der->Expose());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(RvOf(DecodePrivateKeyInfo(ByteSpan(good).subspan(0, size))),
              CKR_WRAPPED_KEY_INVALID);
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(RvOf(DecodePrivateKeyInfo(longer)), CKR_WRAPPED_KEY_INVALID);
}

TEST(PrivateKeyInfoTest, SecretKeysHaveNone) {
  EXPECT_EQ(RvOf(EncodePrivateKeyInfo(NewAesKey()->attributes())),
            CKR_KEY_NOT_WRAPPABLE);
}

// --- RSA --------------------------------------------------------------------

TEST(CompleteRsaTest, RecoversWhatIsMissing) {
  const hsm::AttributeSet key = RsaKey();
  hsm::AttributeSet without_crt = key;
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2,
        CKA_COEFFICIENT, CKA_PUBLIC_EXPONENT, CKA_PUBLIC_KEY_INFO}) {
    without_crt.Erase(type);
  }
  hsm::AttributeSet only_primes = key;
  for (const CK_ATTRIBUTE_TYPE type : {CKA_PRIVATE_EXPONENT, CKA_EXPONENT_1,
                                       CKA_EXPONENT_2, CKA_COEFFICIENT}) {
    only_primes.Erase(type);
  }
  for (const hsm::AttributeSet& partial : {without_crt, only_primes}) {
    const auto added = CompleteKeyMaterial(partial);
    ASSERT_TRUE(added.ok()) << added.status();
    hsm::AttributeSet whole = partial;
    for (const auto& entry : added->entries()) {
      whole.Set(entry.type, ByteSpan(entry.value.data(), entry.value.size()));
    }
    const hsm::ObjectRef object = NewKey(CKO_PRIVATE_KEY, CKK_RSA, whole);
    const auto signature = Job(CKM_SHA256_RSA_PKCS, object).Sign(Counting(10));
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_TRUE(Job(CKM_SHA256_RSA_PKCS, RsaPair().public_key)
                    .Verify(Counting(10), *signature)
                    .ok());
  }
}

TEST(CompleteRsaTest, RefusesComponentsThatDoNotFit) {
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
        CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT}) {
    EXPECT_EQ(RvOf(CompleteKeyMaterial(Changed(RsaKey(), type))),
              CKR_ATTRIBUTE_VALUE_INVALID)
        << type;
  }
  EXPECT_EQ(RvOf(CompleteKeyMaterial(Changed(RsaKey(), CKA_PUBLIC_KEY_INFO))),
            CKR_TEMPLATE_INCONSISTENT);
}

TEST(CompleteRsaTest, RefusesAPrivateKeyWithoutItsSecret) {
  hsm::AttributeSet key = RsaPair().public_key->attributes();
  key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  EXPECT_EQ(RvOf(CompleteKeyMaterial(key)), CKR_TEMPLATE_INCOMPLETE);
}

// CVE-2017-15361: here 65537 to the power of 12345 modulo the product of all
// primes up to 167, brought to 2048 bits by multiples of that product.
TEST(CompleteRsaTest, RefusesTheFingerprintOfWeakPrimes) {
  const UniqueOf<BN_CTX, BN_CTX_free> context(BN_CTX_new());
  const UniqueOf<BIGNUM, BN_free> product(BN_new()), n(BN_new()), e(BN_new());
  BN_one(product.get());
  for (BN_ULONG i = 2; i <= 167; ++i) {
    bool is_prime = true;
    for (BN_ULONG d = 2; d * d <= i; ++d) is_prime &= i % d != 0;
    if (is_prime) BN_mul_word(product.get(), i);
  }
  BN_set_word(n.get(), 65537);
  BN_set_word(e.get(), 12345);
  BN_mod_exp(n.get(), n.get(), e.get(), product.get(), context.get());
  // An even multiple, so that the number stays odd.
  BN_lshift(e.get(), product.get(), 2047 - BN_num_bits(product.get()));
  BN_add(n.get(), n.get(), e.get());
  BN_add(n.get(), n.get(), e.get());
  Bytes modulus(BN_num_bytes(n.get()));
  BN_bn2bin(n.get(), modulus.data());
  hsm::AttributeSet key = RsaKey();
  key.Set(CKA_MODULUS, modulus);
  const absl::Status refused = CompleteKeyMaterial(key).status();
  EXPECT_EQ(base::CkRv(refused), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(refused.message(), "a weak key");
  // One more is not of that form, and refused as not fitting its exponent.
  BN_add_word(n.get(), 2);
  BN_bn2bin(n.get(), modulus.data());
  key.Set(CKA_MODULUS, modulus);
  EXPECT_NE(CompleteKeyMaterial(key).status().message(), "a weak key");
}

CK_RV PublicRsaRv(size_t size, uint8_t first, Bytes exponent) {
  Bytes modulus(size, 0xff);
  modulus[0] = first;
  hsm::AttributeSet key;
  key.Set(CKA_MODULUS, modulus);
  key.Set(CKA_PUBLIC_EXPONENT, exponent);
  return RvOf(
      CompleteKeyMaterial(NewKey(CKO_PUBLIC_KEY, CKK_RSA, key)->attributes()));
}

TEST(CompleteRsaTest, PublicKeysHaveARange) {
  EXPECT_EQ(PublicRsaRv(128, 0x80, {3}), CKR_OK);
  EXPECT_EQ(PublicRsaRv(128, 0x7f, {3}), CKR_KEY_SIZE_RANGE);
  EXPECT_EQ(PublicRsaRv(1024, 0xff, {1, 0, 1}), CKR_OK);
  EXPECT_EQ(PublicRsaRv(1025, 0xff, {1, 0, 1}), CKR_KEY_SIZE_RANGE);
  EXPECT_EQ(PublicRsaRv(256, 0xff, {1}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(PublicRsaRv(256, 0xff, {4}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(PublicRsaRv(256, 0xff, {}), CKR_TEMPLATE_INCOMPLETE);
  EXPECT_EQ(PublicRsaRv(512, 0xff, Bytes(9, 0xff)),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

// --- EC ---------------------------------------------------------------------

CK_RV ScalarRv(Bytes scalar) {
  hsm::AttributeSet key;
  key.Set(CKA_EC_PARAMS, kP256Oid);
  key.Set(CKA_VALUE, scalar);
  return RvOf(
      CompleteKeyMaterial(NewKey(CKO_PRIVATE_KEY, CKK_EC, key)->attributes()));
}

TEST(CompleteEcTest, ScalarsHaveARange) {
  Bytes order = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
  EXPECT_EQ(ScalarRv(order), CKR_ATTRIBUTE_VALUE_INVALID);
  order.back() -= 1;
  EXPECT_EQ(ScalarRv(order), CKR_OK);
  EXPECT_EQ(ScalarRv({1}), CKR_OK);
  EXPECT_EQ(ScalarRv({0, 0}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ScalarRv({}), CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(ScalarRv(Bytes(33, 1)), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(CompleteEcTest, PointsComeRawOrInDer) {
  hsm::AttributeSet key = NewEcPair(kP256Oid).public_key->attributes();
  const Bytes der = base::ToBytes(key.Value(CKA_EC_POINT));
  const Bytes raw(der.begin() + 2, der.end());
  key.Set(CKA_EC_POINT, raw);
  const auto added = CompleteKeyMaterial(key);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(base::ToBytes(added->Value(CKA_EC_POINT)), der);
}

TEST(CompleteEcTest, RefusesPoints) {
  const hsm::AttributeSet key = NewEcPair(kP256Oid).public_key->attributes();
  EXPECT_EQ(RvOf(CompleteKeyMaterial(Changed(key, CKA_EC_POINT))),
            CKR_ATTRIBUTE_VALUE_INVALID);
  hsm::AttributeSet other_curve = key;
  other_curve.Set(CKA_EC_PARAMS, kP384Oid);
  EXPECT_EQ(RvOf(CompleteKeyMaterial(other_curve)),
            CKR_ATTRIBUTE_VALUE_INVALID);
  hsm::AttributeSet infinity = key;
  infinity.Set(CKA_EC_POINT, Bytes{4, 1, 0});
  EXPECT_EQ(RvOf(CompleteKeyMaterial(infinity)), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(CompleteEcTest, RefusesCurves) {
  hsm::AttributeSet key = EcKey();
  key.Set(CKA_EC_PARAMS, Bytes{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x1b});
  EXPECT_EQ(RvOf(CompleteKeyMaterial(key)), CKR_CURVE_NOT_SUPPORTED);
  key.Set(CKA_EC_PARAMS, Bytes{0x05, 0x00});
  EXPECT_EQ(RvOf(CompleteKeyMaterial(key)), CKR_DOMAIN_PARAMS_INVALID);
}

TEST(CompleteEcTest, PublicKeyInfoIsTheSameForBothHalves) {
  const KeyPair pair = NewEcPair(kP384Oid);
  const ByteSpan info =
      pair.public_key->attributes().Value(CKA_PUBLIC_KEY_INFO);
  EXPECT_TRUE(base::SameBytes(
      info, pair.private_key->attributes().Value(CKA_PUBLIC_KEY_INFO)));
  const uint8_t* at = info.data();
  const UniquePkey pkey(
      d2i_PUBKEY(nullptr, &at, static_cast<long>(info.size())));
  EXPECT_NE(pkey, nullptr);
}

// --- secret keys ------------------------------------------------------------

TEST(CompleteSecretTest, AddsLengthAndCheckValue) {
  // FIPS 197 and SP 800-38A have no zero block; these are from OpenSSL.
  const auto added =
      CompleteKeyMaterial(NewSecretKey(CKK_AES, Bytes(16))->attributes());
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->Ulong(CKA_VALUE_LEN), 16u);
  EXPECT_EQ(base::ToBytes(added->Value(CKA_CHECK_VALUE)),
            (Bytes{0x66, 0xe9, 0x4b}));
  const auto generic = CompleteKeyMaterial(
      NewSecretKey(CKK_GENERIC_SECRET, base::AsBytes("abc"))->attributes());
  EXPECT_EQ(base::ToBytes(generic->Value(CKA_CHECK_VALUE)),
            (Bytes{0xa9, 0x99, 0x3e}));
}

TEST(CompleteSecretTest, AGivenCheckValueMustBeRight) {
  hsm::AttributeSet key = NewSecretKey(CKK_AES, Bytes(16))->attributes();
  key.Set(CKA_CHECK_VALUE, Bytes{0x66, 0xe9, 0x4b});
  EXPECT_TRUE(CompleteKeyMaterial(key).ok());
  key.Set(CKA_CHECK_VALUE, Bytes{0x66, 0xe9, 0x4c});
  EXPECT_EQ(RvOf(CompleteKeyMaterial(key)), CKR_ATTRIBUTE_VALUE_INVALID);
  key.Set(CKA_CHECK_VALUE, Bytes{});
  EXPECT_FALSE(CompleteKeyMaterial(key)->Has(CKA_CHECK_VALUE));
}

TEST(CompleteSecretTest, RefusesLengths) {
  EXPECT_EQ(
      RvOf(CompleteKeyMaterial(NewSecretKey(CKK_AES, Bytes(17))->attributes())),
      CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(RvOf(CompleteKeyMaterial(
                NewSecretKey(CKK_GENERIC_SECRET, {})->attributes())),
            CKR_ATTRIBUTE_VALUE_INVALID);
  hsm::AttributeSet key = NewAesKey(16)->attributes();
  key.SetUlong(CKA_VALUE_LEN, 32);
  EXPECT_EQ(RvOf(CompleteKeyMaterial(key)), CKR_TEMPLATE_INCONSISTENT);
}

TEST(KeySizeTest, HasTheUnitOfTheMechanisms) {
  EXPECT_EQ(KeySizeOf(RsaKey()), 2048u);
  EXPECT_EQ(KeySizeOf(NewEcPair(kP521Oid).private_key->attributes()), 521u);
  EXPECT_EQ(KeySizeOf(NewAesKey(24)->attributes()), 24u);
  EXPECT_EQ(KeySizeOf(hsm::AttributeSet()), 0u);
}

}  // namespace
}  // namespace pkcs11
