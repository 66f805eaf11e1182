// EC: generation, ECDSA and ECDH, and their refusals.
#include "pkcs11/mechanisms/test_keys.h"

namespace pkcs11 {
namespace {

// Short enough to be a digest, too.
const Bytes kMessage = Counting(32);

class EcCurveTest : public testing::TestWithParam<Bytes> {};

INSTANTIATE_TEST_SUITE_P(
    All, EcCurveTest,
    testing::Values(Bytes(std::begin(kP256Oid), std::end(kP256Oid)),
                    Bytes(std::begin(kP384Oid), std::end(kP384Oid)),
                    Bytes(std::begin(kP521Oid), std::end(kP521Oid))));

// The x and y halves of a signature's or point's length.
size_t SizeOf(const KeyPair& pair) {
  return (KeySizeOf(pair.public_key->attributes()) + 7) / 8;
}

Bytes RawPoint(const KeyPair& pair) {
  const ByteSpan der = pair.public_key->attributes().Value(CKA_EC_POINT);
  return base::ToBytes(der.subspan(der.size() - 2 * SizeOf(pair) - 1));
}

absl::StatusOr<Bytes> Derive(const hsm::ObjectRef& key, Bytes point,
                             CK_ULONG kdf, Bytes shared, size_t size) {
  const CK_ECDH1_DERIVE_PARAMS parameters = {
      kdf, shared.size(), shared.empty() ? nullptr : shared.data(),
      point.size(), point.data()};
  const Job job(CKM_ECDH1_DERIVE, key, parameters);
  ASSIGN_OR_RETURN(const SecretBytes secret, job.row().derive(job.use(), size));
  return base::ToBytes(secret.Expose());
}

TEST_P(EcCurveTest, GeneratedPairsSignAndVerify) {
  const KeyPair pair = NewEcPair(GetParam());
  for (const CK_MECHANISM_TYPE type :
       {CKM_ECDSA, CKM_ECDSA_SHA224, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384,
        CKM_ECDSA_SHA512}) {
    const auto signature = Job(type, pair.private_key).Sign(kMessage);
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_EQ(signature->size(), 2 * SizeOf(pair));
    const Job verifier(type, pair.public_key);
    EXPECT_TRUE(verifier.Verify(kMessage, *signature).ok());
    EXPECT_EQ(RvOf(verifier.Verify(Counting(31), *signature)),
              CKR_SIGNATURE_INVALID);
  }
}

TEST_P(EcCurveTest, GeneratedPairsAreComplete) {
  const KeyPair pair = NewEcPair(GetParam());
  for (const hsm::ObjectRef& key : {pair.public_key, pair.private_key}) {
    const auto added = CompleteKeyMaterial(key->attributes());
    ASSERT_TRUE(added.ok()) << added.status();
    EXPECT_TRUE(key->attributes().Matches(*added));
  }
}

TEST_P(EcCurveTest, BothSidesAgree) {
  const KeyPair one = NewEcPair(GetParam());
  const KeyPair two = NewEcPair(GetParam());
  const auto secret = Derive(one.private_key, RawPoint(two), CKD_NULL, {}, 0);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(secret->size(), SizeOf(one));
  EXPECT_EQ(*secret, *Derive(two.private_key, RawPoint(one), CKD_NULL, {}, 0));
}

TEST(EcGenerationTest, RefusesCurves) {
  const Mechanism& row = RowFor(CKM_EC_KEY_PAIR_GEN);
  const auto generate = [&](const hsm::AttributeSet& attributes) {
    return RvOf(row.generate_pair({row, nullptr, nullptr}, attributes, {}));
  };
  EXPECT_EQ(generate({}), CKR_TEMPLATE_INCOMPLETE);
  hsm::AttributeSet sect233r1;
  sect233r1.Set(CKA_EC_PARAMS, Bytes{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x1b});
  EXPECT_EQ(generate(sect233r1), CKR_CURVE_NOT_SUPPORTED);
  hsm::AttributeSet nothing_named_so;
  nothing_named_so.Set(CKA_EC_PARAMS, Bytes{0x13, 0x03, 'P', '-', '2'});
  EXPECT_EQ(generate(nothing_named_so), CKR_CURVE_NOT_SUPPORTED);
  hsm::AttributeSet explicit_curve;
  explicit_curve.Set(CKA_EC_PARAMS, Bytes{0x30, 0x00});
  EXPECT_EQ(generate(explicit_curve), CKR_DOMAIN_PARAMS_INVALID);
}

TEST(EcdsaTest, RawFormHasNoParts) {
  const KeyPair pair = NewEcPair(kP256Oid);
  const Job job(CKM_ECDSA, pair.private_key);
  auto signer = job.row().sign(job.use());
  EXPECT_EQ(RvOf((*signer)->Update(kMessage)), CKR_FUNCTION_NOT_SUPPORTED);
  EXPECT_EQ(RvOf(job.Sign({})), CKR_DATA_LEN_RANGE);
}

TEST(EcdsaTest, RawFormRefusesMessages) {
  const KeyPair pair = NewEcPair(kP256Oid);
  const Job job(CKM_ECDSA, pair.private_key);
  EXPECT_TRUE(job.Sign(Counting(64)).ok());
  EXPECT_EQ(RvOf(job.Sign(Counting(65))), CKR_DATA_LEN_RANGE);
}

TEST(EcdsaTest, VerifiesInPartsWhatWasSignedInOne) {
  const KeyPair pair = NewEcPair(kP256Oid);
  const auto signature = Job(CKM_ECDSA_SHA256, pair.private_key).Sign(kMessage);
  const Job job(CKM_ECDSA_SHA256, pair.public_key);
  auto verifier = job.row().verify(job.use());
  ASSERT_TRUE((*verifier)->Update(ByteSpan(kMessage).subspan(0, 1)).ok());
  ASSERT_TRUE((*verifier)->Update(ByteSpan(kMessage).subspan(1)).ok());
  EXPECT_TRUE((*verifier)->Final(*signature).ok());
}

TEST(EcdsaTest, TellsWrongSignaturesFromWrongLengths) {
  const KeyPair pair = NewEcPair(kP256Oid);
  const Job job(CKM_ECDSA_SHA256, pair.public_key);
  EXPECT_EQ(RvOf(job.Verify(kMessage, Bytes(64, 1))), CKR_SIGNATURE_INVALID);
  EXPECT_EQ(RvOf(job.Verify(kMessage, Bytes(64, 0))), CKR_SIGNATURE_INVALID);
  EXPECT_EQ(RvOf(job.Verify(kMessage, Bytes(66, 1))), CKR_SIGNATURE_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Verify(kMessage, Bytes(63, 1))), CKR_SIGNATURE_LEN_RANGE);
  EXPECT_EQ(RvOf(job.Verify(kMessage, {})), CKR_SIGNATURE_LEN_RANGE);
}

TEST(EcdhTest, TakesTheDerFormOfAPoint) {
  const KeyPair one = NewEcPair(kP256Oid);
  const KeyPair two = NewEcPair(kP256Oid);
  const Bytes der =
      base::ToBytes(two.public_key->attributes().Value(CKA_EC_POINT));
  EXPECT_EQ(*Derive(one.private_key, der, CKD_NULL, {}, 0),
            *Derive(one.private_key, RawPoint(two), CKD_NULL, {}, 0));
}

TEST(EcdhTest, RefusesPoints) {
  const KeyPair pair = NewEcPair(kP256Oid);
  Bytes point = RawPoint(pair);
  point[40] ^= 1;
  EXPECT_EQ(RvOf(Derive(pair.private_key, point, CKD_NULL, {}, 0)),
            CKR_PUBLIC_KEY_INVALID);
  EXPECT_EQ(RvOf(Derive(pair.private_key, {0}, CKD_NULL, {}, 0)),
            CKR_PUBLIC_KEY_INVALID);
  EXPECT_EQ(RvOf(Derive(pair.private_key, RawPoint(NewEcPair(kP384Oid)),
                        CKD_NULL, {}, 0)),
            CKR_PUBLIC_KEY_INVALID);
}

TEST(EcdhTest, TruncatesAtTheLeadingEnd) {
  const KeyPair one = NewEcPair(kP256Oid);
  const KeyPair two = NewEcPair(kP256Oid);
  const auto whole = Derive(one.private_key, RawPoint(two), CKD_NULL, {}, 0);
  const auto half = Derive(one.private_key, RawPoint(two), CKD_NULL, {}, 16);
  EXPECT_EQ(Bytes(whole->begin() + 16, whole->end()), *half);
  EXPECT_EQ(RvOf(Derive(one.private_key, RawPoint(two), CKD_NULL, {}, 33)),
            CKR_TEMPLATE_INCONSISTENT);
}

// X9.63 by its definition, over the raw secret and the digest's row.
Bytes X963(CK_MECHANISM_TYPE hash, const Bytes& secret, const Bytes& shared,
           size_t size) {
  Bytes out;
  for (uint8_t counter = 1; out.size() < size; ++counter) {
    auto digester = RowFor(hash).digest({RowFor(hash), nullptr, nullptr});
    Bytes block((*digester)->size());
    EXPECT_TRUE((*digester)->Update(secret).ok());
    EXPECT_TRUE((*digester)->Update(Bytes{0, 0, 0, counter}).ok());
    EXPECT_TRUE((*digester)->Update(shared).ok());
    EXPECT_TRUE((*digester)->Final(absl::MakeSpan(block)).ok());
    out.insert(out.end(), block.begin(), block.end());
  }
  out.resize(size);
  return out;
}

TEST(EcdhTest, DerivesByX963) {
  const KeyPair one = NewEcPair(kP256Oid);
  const KeyPair two = NewEcPair(kP256Oid);
  const Bytes secret = *Derive(one.private_key, RawPoint(two), CKD_NULL, {}, 0);
  EXPECT_EQ(*Derive(one.private_key, RawPoint(two), CKD_SHA256_KDF, {1, 2}, 80),
            X963(CKM_SHA256, secret, {1, 2}, 80));
  EXPECT_EQ(*Derive(one.private_key, RawPoint(two), CKD_SHA224_KDF, {}, 28),
            X963(CKM_SHA224, secret, {}, 28));
  EXPECT_EQ(*Derive(one.private_key, RawPoint(two), CKD_SHA384_KDF, {}, 1),
            X963(CKM_SHA384, secret, {}, 1));
  EXPECT_EQ(*Derive(one.private_key, RawPoint(two), CKD_SHA512_KDF, {}, 65),
            X963(CKM_SHA512, secret, {}, 65));
  EXPECT_EQ(RvOf(Derive(one.private_key, RawPoint(two), CKD_SHA256_KDF, {}, 0)),
            CKR_TEMPLATE_INCOMPLETE);
}

TEST(EcdhTest, RefusesNoPoint) {
  const KeyPair pair = NewEcPair(kP256Oid);
  EXPECT_EQ(RvOf(Derive(pair.private_key, {}, CKD_NULL, {}, 0)),
            CKR_MECHANISM_PARAM_INVALID);
}

TEST(EcdhTest, CofactorFormAgreesWithThePlainOneForCofactorOne) {
  const KeyPair one = NewEcPair(kP256Oid);
  const Bytes point = RawPoint(NewEcPair(kP256Oid));
  CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, nullptr, point.size(),
                                       const_cast<uint8_t*>(point.data())};
  const Job job(CKM_ECDH1_COFACTOR_DERIVE, one.private_key, parameters);
  const auto secret = job.row().derive(job.use(), 0);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(base::ToBytes(secret->Expose()),
            *Derive(one.private_key, point, CKD_NULL, {}, 0));
}

TEST(EcdhTest, EncapsulatesWhatTheOwnerDecapsulates) {
  const KeyPair pair = NewEcPair(kP384Oid);
  uint8_t shared[] = {1, 2, 3};
  const CK_ECDH1_DERIVE_PARAMS parameters = {CKD_SHA256_KDF, sizeof(shared),
                                             shared, 0, nullptr};
  const Job sender(CKM_ECDH1_DERIVE, pair.public_key, parameters);
  const Job receiver(CKM_ECDH1_DERIVE, pair.private_key, parameters);
  const auto sent = sender.row().encapsulate(sender.use(), 32);
  ASSERT_TRUE(sent.ok()) << sent.status();
  EXPECT_EQ(sent->ciphertext.size(),
            *sender.row().ciphertext_size(sender.use()));
  const auto received =
      receiver.row().decapsulate(receiver.use(), sent->ciphertext, 32);
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_TRUE(sent->secret.Equals(*received));
  Bytes changed = sent->ciphertext;
  changed.back() ^= 1;
  EXPECT_EQ(RvOf(receiver.row().decapsulate(receiver.use(), changed, 32)),
            CKR_ENCRYPTED_DATA_INVALID);
  EXPECT_EQ(RvOf(receiver.row().decapsulate(receiver.use(), Bytes(9), 32)),
            CKR_ENCRYPTED_DATA_LEN_RANGE);
}

TEST(EcdhTest, RefusesParameters) {
  Bytes bytes(65, 4);
  using Params = CK_ECDH1_DERIVE_PARAMS;
  EXPECT_EQ(ParseRv(CKM_ECDH1_DERIVE,
                    Params{99, 0, nullptr, bytes.size(), bytes.data()}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_ECDH1_DERIVE, Params{CKD_NULL, 1, bytes.data(),
                                             bytes.size(), bytes.data()}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(
      ParseRv(CKM_ECDH1_DERIVE, Params{CKD_NULL, 0, nullptr, 65, nullptr}),
      CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_ECDH1_DERIVE,
                    Params{CKD_NULL, 0, nullptr, ~0ul, bytes.data()}),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(ParseRv(CKM_ECDH1_DERIVE, bytes.data(), bytes.size()),
            CKR_MECHANISM_PARAM_INVALID);
}

}  // namespace
}  // namespace pkcs11
