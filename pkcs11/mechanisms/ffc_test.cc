// DSA and Diffie-Hellman: parameters, sizes, public values, refusals. Known
// answers are in tests/vectors/asymmetric.
#include "pkcs11/mechanisms/ffc.h"

#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

absl::StatusOr<hsm::AttributeSet> Parameters(CK_MECHANISM_TYPE type,
                                             CK_ULONG bits) {
  hsm::AttributeSet attributes;
  attributes.SetUlong(CKA_PRIME_BITS, bits);
  const Mechanism& row = RowFor(type);
  EXPECT_TRUE(row.makes_parameters);
  return row.generate({row, nullptr, nullptr}, attributes);
}

// One set for all tests: making it takes a second.
const hsm::AttributeSet& DsaParameters() {
  static const auto* const parameters = [] {
    auto made = Parameters(CKM_DSA_PARAMETER_GEN, 2048);
    EXPECT_TRUE(made.ok()) << made.status();
    return new hsm::AttributeSet(*made);
  }();
  return *parameters;
}

hsm::AttributeSet DomainOnly(const hsm::AttributeSet& from) {
  hsm::AttributeSet domain;
  for (CK_ATTRIBUTE_TYPE type : {CKA_PRIME, CKA_SUBPRIME, CKA_BASE}) {
    if (from.Has(type)) domain.Set(type, from.Value(type));
  }
  return domain;
}

TEST(FfcParametersTest, HaveTheSizesThatWereAskedFor) {
  EXPECT_EQ(DsaParameters().Value(CKA_PRIME).size(), 256u);
  EXPECT_EQ(DsaParameters().Value(CKA_SUBPRIME).size(), 32u);
  EXPECT_EQ(DsaParameters().Ulong(CKA_SUBPRIME_BITS), 256u);
  const auto dh = Parameters(CKM_DH_PKCS_PARAMETER_GEN, 3072);
  ASSERT_TRUE(dh.ok()) << dh.status();
  EXPECT_EQ(dh->Value(CKA_PRIME).size(), 384u);
  EXPECT_FALSE(dh->Has(CKA_SUBPRIME));
  EXPECT_EQ(dh->Ulong(CKA_PRIME_BITS), 3072u);
}

TEST(FfcParametersTest, OtherSizesAreRefused) {
  EXPECT_EQ(RvOf(Parameters(CKM_DSA_PARAMETER_GEN, 1024)),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(RvOf(Parameters(CKM_DH_PKCS_PARAMETER_GEN, 2047)),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(RvOf(Parameters(CKM_X9_42_DH_PARAMETER_GEN, 1024)),
            CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(DsaTest, SignsAndVerifies) {
  const KeyPair pair =
      NewPair(CKM_DSA_KEY_PAIR_GEN, CKK_DSA, DomainOnly(DsaParameters()));
  for (CK_MECHANISM_TYPE type :
       {CKM_DSA, CKM_DSA_SHA1, CKM_DSA_SHA256, CKM_DSA_SHA3_512}) {
    const auto signature = Job(type, pair.private_key).Sign(Counting(32));
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_EQ(signature->size(), 64u);
    const Job verifier(type, pair.public_key);
    EXPECT_TRUE(verifier.Verify(Counting(32), *signature).ok());
    EXPECT_EQ(RvOf(verifier.Verify(Counting(31), *signature)),
              CKR_SIGNATURE_INVALID);
  }
}

// Each change of one number breaks what holds the parameters together.
TEST(DsaTest, NumbersThatDoNotBelongTogether_AreRefused) {
  const KeyPair pair =
      NewPair(CKM_DSA_KEY_PAIR_GEN, CKK_DSA, DomainOnly(DsaParameters()));
  const hsm::AttributeSet good = pair.public_key->attributes();
  const auto changed = [&](CK_ATTRIBUTE_TYPE type) {
    hsm::AttributeSet key = good;
    Bytes value = base::ToBytes(key.Value(type));
    value.back() ^= 2;
    key.Set(type, value);
    key.Erase(CKA_PUBLIC_KEY_INFO);
    return RvOf(CompleteKeyMaterial(key));
  };
  EXPECT_TRUE(CompleteKeyMaterial(good).ok());
  EXPECT_EQ(changed(CKA_PRIME), CKR_DOMAIN_PARAMS_INVALID);
  EXPECT_EQ(changed(CKA_SUBPRIME), CKR_DOMAIN_PARAMS_INVALID);
  EXPECT_EQ(changed(CKA_BASE), CKR_DOMAIN_PARAMS_INVALID);
  EXPECT_EQ(changed(CKA_VALUE), CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST(DsaTest, SmallPrimesOnlyVerify) {
  hsm::AttributeSet key = NamedGroup("dh_1024_160", true);
  key.Set(CKA_VALUE, base::ToBytes(key.Value(CKA_BASE)));  // of the group
  key.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_DSA);
  EXPECT_TRUE(CompleteKeyMaterial(key).ok());
  key.SetUlong(CKA_CLASS, CKO_PRIVATE_KEY);
  EXPECT_EQ(base::CkRv(CheckStrength(key, Profile::kStrict)),
            CKR_KEY_SIZE_RANGE);
  EXPECT_TRUE(CheckStrength(key, Profile::kLegacy).ok());
}

KeyPair DhPair(CK_ULONG value_bits = 0) {
  const auto domain = Parameters(CKM_DH_PKCS_PARAMETER_GEN, 2048);
  const Mechanism& row = RowFor(CKM_DH_PKCS_KEY_PAIR_GEN);
  hsm::AttributeSet private_attributes;
  if (value_bits != 0) private_attributes.SetUlong(CKA_VALUE_BITS, value_bits);
  const hsm::AttributeSet numbers = DomainOnly(*domain);
  auto pair =
      row.generate_pair({row, nullptr, nullptr}, numbers, private_attributes);
  EXPECT_TRUE(pair.ok()) << pair.status();
  for (const auto& entry : numbers.entries()) {
    pair->public_key.Set(entry.type, ByteSpan(entry.value));
  }
  return {NewKey(CKO_PUBLIC_KEY, CKK_DH, pair->public_key),
          NewKey(CKO_PRIVATE_KEY, CKK_DH, pair->private_key)};
}

absl::StatusOr<SecretBytes> Derive(const KeyPair& mine, Bytes peer,
                                   size_t size = 0) {
  const Job job(CKM_DH_PKCS_DERIVE, mine.private_key, peer.data(), peer.size());
  return job.row().derive(job.use(), size);
}

Bytes ValueOf(const KeyPair& pair) {
  return base::ToBytes(pair.public_key->attributes().Value(CKA_VALUE));
}

TEST(DhTest, BothSidesAgree) {
  const KeyPair one = DhPair();
  const KeyPair two = DhPair(300);
  EXPECT_LE(*two.private_key->attributes().Ulong(CKA_VALUE_BITS), 300u);
  const auto secret = Derive(one, ValueOf(two));
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(secret->size(), 256u);
  EXPECT_TRUE(secret->Equals(*Derive(two, ValueOf(one))));
  const auto end = Derive(one, ValueOf(two), 16);
  EXPECT_TRUE(end->Equals(secret->Expose().subspan(240)));
  EXPECT_EQ(RvOf(Derive(one, ValueOf(two), 257)), CKR_TEMPLATE_INCONSISTENT);
}

TEST(DhTest, ValuesThatAreNone_AreRefused) {
  const KeyPair pair = DhPair();
  const Bytes p =
      base::ToBytes(pair.private_key->attributes().Value(CKA_PRIME));
  Bytes last = p;
  last.back() -= 1;
  for (const Bytes& value : {Bytes{0}, Bytes{1}, p, last}) {
    EXPECT_EQ(RvOf(Derive(pair, value)), CKR_PUBLIC_KEY_INVALID);
  }
  EXPECT_EQ(ParseRv(CKM_DH_PKCS_DERIVE, nullptr, 0),
            CKR_MECHANISM_PARAM_INVALID);
}

TEST(X942DhTest, DerivesByTheConcatenation) {
  const hsm::AttributeSet domain = NamedGroup("dh_2048_256", true);
  const KeyPair one = NewPair(CKM_X9_42_DH_KEY_PAIR_GEN, CKK_X9_42_DH, domain);
  const KeyPair two = NewPair(CKM_X9_42_DH_KEY_PAIR_GEN, CKK_X9_42_DH, domain);
  Bytes other_info = {1, 2, 3};
  const auto derive = [&](const KeyPair& mine, const KeyPair& other,
                          CK_ULONG kdf, size_t size) {
    Bytes peer = ValueOf(other);
    const CK_X9_42_DH1_DERIVE_PARAMS parameters = {
        kdf, kdf == CKD_NULL ? 0 : other_info.size(), other_info.data(),
        peer.size(), peer.data()};
    const Job job(CKM_X9_42_DH_DERIVE, mine.private_key, parameters);
    auto secret = job.row().derive(job.use(), size);
    EXPECT_TRUE(secret.ok()) << secret.status();
    return base::ToBytes(secret->Expose());
  };
  const Bytes raw = derive(one, two, CKD_NULL, 0);
  EXPECT_EQ(raw, derive(two, one, CKD_NULL, 0));
  const Bytes key = derive(one, two, CKD_SHA1_KDF_CONCATENATE, 20);
  EXPECT_EQ(key, derive(two, one, CKD_SHA1_KDF_CONCATENATE, 20));
  auto digester = RowFor(CKM_SHA_1).digest({RowFor(CKM_SHA_1), nullptr, {}});
  Bytes wanted(20);
  ASSERT_TRUE((*digester)->Update(raw).ok());
  ASSERT_TRUE((*digester)->Update(Bytes{0, 0, 0, 1}).ok());
  ASSERT_TRUE((*digester)->Update(other_info).ok());
  ASSERT_TRUE((*digester)->Final(absl::MakeSpan(wanted)).ok());
  EXPECT_EQ(key, wanted);
  // A value outside the subgroup of q.
  Bytes two_bytes = {2};
  const CK_X9_42_DH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, 1,
                                                 two_bytes.data()};
  const Job job(CKM_X9_42_DH_DERIVE, one.private_key, parameters);
  EXPECT_EQ(RvOf(job.row().derive(job.use(), 0)), CKR_PUBLIC_KEY_INVALID);
}

}  // namespace
}  // namespace pkcs11
