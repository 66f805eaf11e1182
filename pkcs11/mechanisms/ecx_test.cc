// EdDSA and the agreement on Montgomery curves: forms of keys and points, and
// refusals. Known answers are in tests/vectors.
#include "pkcs11/mechanisms/ecx.h"

#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

KeyPair NewEcxPair(const EcxCurve& curve) {
  hsm::AttributeSet attributes;
  attributes.Set(CKA_EC_PARAMS, base::AsBytes(curve.oid));
  return NewPair(curve.key_type == CKK_EC_EDWARDS
                     ? CKM_EC_EDWARDS_KEY_PAIR_GEN
                     : CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
                 curve.key_type, attributes);
}

const EcxCurve& Named(absl::string_view name) {
  for (const EcxCurve& curve : EcxCurves()) {
    if (curve.name == name) return curve;
  }
  ADD_FAILURE() << name;
  return EcxCurves().front();
}

TEST(EddsaTest, SignsAndVerifiesInOneAndInParts) {
  for (const char* name : {"edwards25519", "edwards448"}) {
    const KeyPair pair = NewEcxPair(Named(name));
    const Bytes message = Counting(100);
    const Job job(CKM_EDDSA, pair.private_key);
    const auto signature = job.Sign(message);
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_EQ(signature->size(), Named(name).signature_size);
    auto signer = job.row().sign(job.use());
    ASSERT_TRUE((*signer)->Update(ByteSpan(message).subspan(0, 7)).ok());
    ASSERT_TRUE((*signer)->Update(ByteSpan(message).subspan(7)).ok());
    Bytes again((*signer)->size());
    ASSERT_TRUE((*signer)->Final(absl::MakeSpan(again)).ok());
    EXPECT_EQ(again, *signature);
    const Job verifier(CKM_EDDSA, pair.public_key);
    EXPECT_TRUE(verifier.Verify(message, *signature).ok());
    EXPECT_EQ(RvOf(verifier.Verify(Counting(99), *signature)),
              CKR_SIGNATURE_INVALID);
    EXPECT_EQ(RvOf(verifier.Verify(message, Bytes(63))),
              CKR_SIGNATURE_LEN_RANGE);
  }
}

TEST(EddsaTest, ASignerServesOneMessageAfterTheOther) {
  const KeyPair pair = NewEcxPair(Named("edwards25519"));
  const Job job(CKM_EDDSA, pair.private_key);
  auto signer = job.row().sign(job.use());
  Bytes first(64), second(64);
  ASSERT_TRUE((*signer)->Sign(Counting(10), absl::MakeSpan(first)).ok());
  ASSERT_TRUE((*signer)->Rest());
  ASSERT_TRUE((*signer)->Rearm(nullptr));
  ASSERT_TRUE((*signer)->Sign(Counting(11), absl::MakeSpan(second)).ok());
  EXPECT_EQ(first, *job.Sign(Counting(10)));
  EXPECT_EQ(second, *job.Sign(Counting(11)));
}

TEST(EddsaTest, EmptyContextIsThePureScheme) {
  const KeyPair pair = NewEcxPair(Named("edwards25519"));
  const CK_EDDSA_PARAMS parameters = {CK_FALSE, 0, nullptr};
  EXPECT_EQ(*Job(CKM_EDDSA, pair.private_key, parameters).Sign(Counting(5)),
            *Job(CKM_EDDSA, pair.private_key).Sign(Counting(5)));
}

// Contexts and pre-hashing came with OpenSSL 3.2: there they work, here they
// are refused; a signature without them is not given.
TEST(EddsaTest, ContextAndPrehashAreNotPassedOver) {
  for (const char* name : {"edwards25519", "edwards448"}) {
    const KeyPair pair = NewEcxPair(Named(name));
    uint8_t context[] = {1, 2, 3};
    for (const CK_EDDSA_PARAMS& parameters :
         {CK_EDDSA_PARAMS{CK_FALSE, sizeof(context), context},
          CK_EDDSA_PARAMS{CK_TRUE, sizeof(context), context},
          CK_EDDSA_PARAMS{CK_TRUE, 0, nullptr}}) {
      const auto signature =
          Job(CKM_EDDSA, pair.private_key, parameters).Sign(Counting(5));
      if (!signature.ok()) {
        EXPECT_EQ(RvOf(signature), CKR_MECHANISM_PARAM_INVALID);
        continue;
      }
      EXPECT_TRUE(Job(CKM_EDDSA, pair.public_key, parameters)
                      .Verify(Counting(5), *signature)
                      .ok());
      EXPECT_FALSE(
          Job(CKM_EDDSA, pair.public_key).Verify(Counting(5), *signature).ok());
    }
  }
}

TEST(EddsaTest, RefusesParameters) {
  EXPECT_EQ(ParseRv(CKM_EDDSA, CK_EDDSA_PARAMS{CK_FALSE, 1, nullptr}),
            CKR_MECHANISM_PARAM_INVALID);
  Bytes long_context(256);
  EXPECT_EQ(
      ParseRv(CKM_EDDSA, CK_EDDSA_PARAMS{CK_FALSE, 256, long_context.data()}),
      CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_EDDSA, long_context.data(), 1),
            CKR_MECHANISM_PARAM_INVALID);
}

hsm::AttributeSet PublicKey(const EcxCurve& curve, Bytes point) {
  hsm::AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_PUBLIC_KEY);
  key.SetUlong(CKA_KEY_TYPE, curve.key_type);
  key.Set(CKA_EC_PARAMS, base::AsBytes(curve.oid));
  key.Set(CKA_EC_POINT, point);
  return key;
}

TEST(EdwardsPointTest, HalfOfAllValuesAreNoPoints) {
  const EcxCurve& curve = Named("edwards25519");
  int refused = 0;
  for (uint8_t i = 2; i < 66; ++i) {
    Bytes point(32);
    point[0] = i;
    const auto added = CompleteKeyMaterial(PublicKey(curve, point));
    if (added.ok()) continue;
    EXPECT_EQ(RvOf(added), CKR_ATTRIBUTE_VALUE_INVALID);
    ++refused;
  }
  EXPECT_GT(refused, 16);
  EXPECT_LT(refused, 48);
}

TEST(EdwardsPointTest, SmallOrder_IsRefused) {
  const EcxCurve& curve = Named("edwards25519");
  Bytes order_one(32), order_eight(32), not_reduced(32, 0xff);
  order_one[0] = 1;
  order_eight = {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0,
                 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
                 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39,
                 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05};
  not_reduced[0] = 0xf0;
  not_reduced[31] = 0x7f;
  for (const Bytes& point : {order_one, order_eight, Bytes(32), not_reduced}) {
    EXPECT_EQ(RvOf(CompleteKeyMaterial(PublicKey(curve, point))),
              CKR_ATTRIBUTE_VALUE_INVALID);
  }
}

TEST(EcxCurveTest, HasNamesAndIdentifiers) {
  const Bytes old_oid = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x04,
                         0x01, 0xda, 0x47, 0x0f, 0x01};
  Bytes name = {0x13, 12};
  for (const char c : std::string("edwards25519")) name.push_back(c);
  EXPECT_EQ(*EcxCurveOf(CKK_EC_EDWARDS, old_oid), &Named("edwards25519"));
  EXPECT_EQ(*EcxCurveOf(CKK_EC_EDWARDS, name), &Named("edwards25519"));
  EXPECT_EQ(RvOf(EcxCurveOf(CKK_EC_MONTGOMERY, name)), CKR_CURVE_NOT_SUPPORTED);
  EXPECT_EQ(RvOf(EcxCurveOf(CKK_EC_EDWARDS, kP256Oid)),
            CKR_CURVE_NOT_SUPPORTED);
  EXPECT_EQ(RvOf(EcxCurveOf(CKK_EC_EDWARDS, Bytes{0x30, 0})),
            CKR_DOMAIN_PARAMS_INVALID);
}

absl::StatusOr<SecretBytes> Derive(const hsm::ObjectRef& key, Bytes point) {
  const CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, point.size(),
                                             point.data()};
  const Job job(CKM_ECDH1_DERIVE, key, parameters);
  return job.row().derive(job.use(), 0);
}

TEST(MontgomeryTest, BothSidesAgree) {
  for (const char* name : {"curve25519", "curve448"}) {
    const KeyPair one = NewEcxPair(Named(name));
    const KeyPair two = NewEcxPair(Named(name));
    const auto point = [](const KeyPair& pair) {
      return base::ToBytes(pair.public_key->attributes().Value(CKA_EC_POINT));
    };
    const auto secret = Derive(one.private_key, point(two));
    ASSERT_TRUE(secret.ok()) << secret.status();
    EXPECT_TRUE(secret->Equals(*Derive(two.private_key, point(one))));
    Bytes der = point(two);
    der.insert(der.begin(), {0x04, static_cast<uint8_t>(der.size())});
    EXPECT_TRUE(secret->Equals(*Derive(one.private_key, der)));
  }
}

TEST(MontgomeryTest, AllZeroSecret_IsRefused) {
  for (const char* name : {"curve25519", "curve448"}) {
    const KeyPair pair = NewEcxPair(Named(name));
    EXPECT_EQ(RvOf(Derive(pair.private_key, Bytes(Named(name).size))),
              CKR_PUBLIC_KEY_INVALID);
    EXPECT_EQ(RvOf(Derive(pair.private_key, Bytes(31))),
              CKR_PUBLIC_KEY_INVALID);
  }
}

TEST(MontgomeryTest, EncapsulatesWhatTheOwnerDecapsulates) {
  const KeyPair pair = NewEcxPair(Named("curve25519"));
  const CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, 0, nullptr};
  const Job sender(CKM_ECDH1_DERIVE, pair.public_key, parameters);
  const Job receiver(CKM_ECDH1_DERIVE, pair.private_key, parameters);
  const auto sent = sender.row().encapsulate(sender.use(), 0);
  ASSERT_TRUE(sent.ok()) << sent.status();
  const auto received =
      receiver.row().decapsulate(receiver.use(), sent->ciphertext, 0);
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_TRUE(sent->secret.Equals(*received));
}

}  // namespace
}  // namespace pkcs11
