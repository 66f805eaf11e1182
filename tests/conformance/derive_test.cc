// C_DeriveKey with CKM_ECDH1_DERIVE.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class DeriveTest : public TokenTest {
 protected:
  Mechanism Ecdh(const Bytes& point, CK_EC_KDF_TYPE kdf = CKD_NULL,
                 const Bytes& shared = {}) {
    point_ = point;
    shared_ = shared;
    return Mechanism(
        CKM_ECDH1_DERIVE,
        CK_ECDH1_DERIVE_PARAMS{kdf, shared_.size(),
                               shared_.empty() ? nullptr : shared_.data(),
                               point_.size(), point_.data()});
  }
  CK_RV Derive(const Mechanism& mechanism, CK_OBJECT_HANDLE base,
               const Template& t, CK_OBJECT_HANDLE* key = nullptr) {
    CK_OBJECT_HANDLE unused = CK_INVALID_HANDLE;
    return p11().C_DeriveKey(session_, mechanism.get(), base, t.data(),
                             t.size(), key == nullptr ? &unused : key);
  }
  static Template Secret(CK_ULONG size) {
    return Template()
        .Ulong(CKA_CLASS, CKO_SECRET_KEY)
        .Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
        .Bool(CKA_TOKEN, false)
        .Bool(CKA_SENSITIVE, false)
        .Bool(CKA_EXTRACTABLE, true)
        .Ulong(CKA_VALUE_LEN, size);
  }
  Bytes DerivedValue(const Mechanism& mechanism, CK_OBJECT_HANDLE base,
                     CK_ULONG size) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_OK(Derive(mechanism, base, Secret(size), &key));
    return Get(key, CKA_VALUE);
  }

 private:
  Bytes point_;
  Bytes shared_;
};

// A new pair, its public point without DER around it.
Bytes RawPoint(const Bytes& der) {
  const size_t header = der[1] == 0x81 ? 3 : 2;
  return Bytes(der.begin() + header, der.end());
}

class AgreementTest : public DeriveTest,
                      public testing::WithParamInterface<Curve> {};

TEST_P(AgreementTest, BothSides_GetTheSame) {
  const size_t size = FieldSize(GetParam());
  const Pair other = GeneratePair(CKM_EC_KEY_PAIR_GEN, NewEcPublic(GetParam()),
                                  NewEcPrivate().Bool(CKA_DERIVE, true));
  const Bytes ours =
      DerivedValue(Ecdh(RawPoint(Get(other.public_key, CKA_EC_POINT))),
                   Create(EcPrivateKey(GetParam())), size);
  const Bytes theirs =
      DerivedValue(Ecdh(EcPoint(GetParam())), other.private_key, size);
  EXPECT_EQ(ours.size(), size);
  EXPECT_EQ(ours, theirs);
}

TEST_P(AgreementTest, PointInDer_IsTakenToo) {
  const CK_OBJECT_HANDLE base = Create(EcPrivateKey(GetParam()));
  const Bytes der = EcPublicKey(GetParam()).value(CKA_EC_POINT);
  EXPECT_EQ(DerivedValue(Ecdh(der), base, 16),
            DerivedValue(Ecdh(EcPoint(GetParam())), base, 16));
}

INSTANTIATE_TEST_SUITE_P(All, AgreementTest,
                         testing::Values(Curve::kP256, Curve::kP384,
                                         Curve::kP521),
                         [](const auto& info) {
                           return std::string("P") +
                                  std::to_string(FieldSize(info.param) * 8);
                         });

// Computed by hand: the fixed P-256 key with its own public point.
constexpr char kSharedSecret[] =
    "4843e1768844f5eeaddbcbc10524e301de5d55a2a21ac67489998e732ff50499";

TEST_F(DeriveTest, KnownAnswer) {
  EXPECT_EQ(DerivedValue(Ecdh(EcPoint(Curve::kP256)),
                         Create(EcPrivateKey(Curve::kP256)), 32),
            FromHex(kSharedSecret));
}

// "Removes bytes from the leading end" (section 6.3.18).
TEST_F(DeriveTest, ShorterKey_IsTheEndOfTheSecret) {
  const Bytes whole = FromHex(kSharedSecret);
  EXPECT_EQ(DerivedValue(Ecdh(EcPoint(Curve::kP256)),
                         Create(EcPrivateKey(Curve::kP256)), 16),
            Bytes(whole.begin() + 16, whole.end()));
}

TEST_F(DeriveTest, AesKey_Encrypts) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(
      Ecdh(EcPoint(Curve::kP256)), Create(EcPrivateKey(Curve::kP256)),
      Secret(32).Ulong(CKA_KEY_TYPE, CKK_AES).Bool(CKA_ENCRYPT, true), &key));
  EXPECT_OK(Whole(EncryptCalls(), session_, AesCbc(), key, Pattern(16)).rv);
}

TEST_F(DeriveTest, DerivedKey_IsNotLocal) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(Ecdh(EcPoint(Curve::kP256)),
                   Create(EcPrivateKey(Curve::kP256)), Secret(32), &key));
  EXPECT_FALSE(GetBool(key, CKA_LOCAL));
}

TEST_F(DeriveTest, FromAnImportedKey_HasNoPerfectHistory) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Derive(
      Ecdh(EcPoint(Curve::kP256)), Create(EcPrivateKey(Curve::kP256)),
      Secret(32).Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false), &key));
  EXPECT_FALSE(GetBool(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(GetBool(key, CKA_NEVER_EXTRACTABLE));
}

// ANSI X9.63 with SHA-256 over the shared secret of KnownAnswer.
TEST_F(DeriveTest, Sha256Kdf_IsNotTheRawSecret) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE base = Create(EcPrivateKey(Curve::kP256));
  const Bytes secret = FromHex(kSharedSecret);
  const Bytes info = FromText("info");
  const Bytes expected = Whole(DigestCalls(), session_, CKM_SHA256, 0,
                               Join({secret, FromHex("00000001"), info}))
                             .bytes;
  EXPECT_EQ(
      DerivedValue(Ecdh(EcPoint(Curve::kP256), CKD_SHA256_KDF, info), base, 32),
      expected);
}

TEST_F(DeriveTest, Sha256Kdf_GivesMoreThanTheSecret) {
  NEEDS_PERIGEE();
  EXPECT_EQ(DerivedValue(Ecdh(EcPoint(Curve::kP256), CKD_SHA256_KDF),
                         Create(EcPrivateKey(Curve::kP256)), 100)
                .size(),
            100u);
}

TEST_F(DeriveTest, MoreThanThereIs_IsRefused) {
  EXPECT_RV_IS_ONE_OF(Derive(Ecdh(EcPoint(Curve::kP256)),
                             Create(EcPrivateKey(Curve::kP256)), Secret(33)),
                      CKR_TEMPLATE_INCONSISTENT, CKR_KEY_SIZE_RANGE,
                      CKR_ATTRIBUTE_VALUE_INVALID);
}

TEST_F(DeriveTest, PointOffTheCurve_IsRefused) {
  Bytes point = EcPoint(Curve::kP256);
  point.back() ^= 1;
  EXPECT_RV_IS_ONE_OF(
      Derive(Ecdh(point), Create(EcPrivateKey(Curve::kP256)), Secret(32)),
      CKR_PUBLIC_KEY_INVALID, CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(DeriveTest, PointAtInfinity_IsRefused) {
  EXPECT_RV_IS_ONE_OF(
      Derive(Ecdh({0}), Create(EcPrivateKey(Curve::kP256)), Secret(32)),
      CKR_PUBLIC_KEY_INVALID, CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(DeriveTest, PointOfAnotherCurve_IsRefused) {
  EXPECT_RV_IS_ONE_OF(Derive(Ecdh(EcPoint(Curve::kP384)),
                             Create(EcPrivateKey(Curve::kP256)), Secret(32)),
                      CKR_PUBLIC_KEY_INVALID, CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(DeriveTest, TruncatedPoint_IsRefused) {
  Bytes point = EcPoint(Curve::kP256);
  point.pop_back();
  EXPECT_RV_IS_ONE_OF(
      Derive(Ecdh(point), Create(EcPrivateKey(Curve::kP256)), Secret(32)),
      CKR_PUBLIC_KEY_INVALID, CKR_MECHANISM_PARAM_INVALID);
}

TEST_F(DeriveTest, NullPointWithLength_IsMechanismParamInvalid) {
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            Derive(Mechanism(CKM_ECDH1_DERIVE,
                             CK_ECDH1_DERIVE_PARAMS{CKD_NULL, 0, nullptr, 65,
                                                    nullptr}),
                   Create(EcPrivateKey(Curve::kP256)), Secret(32)));
}

TEST_F(DeriveTest, NoParameter_IsMechanismParamInvalid) {
  EXPECT_RV(
      CKR_MECHANISM_PARAM_INVALID,
      Derive(CKM_ECDH1_DERIVE, Create(EcPrivateKey(Curve::kP256)), Secret(32)));
}

TEST_F(DeriveTest, DeriveFlagFalse_IsNotPermitted) {
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            Derive(Ecdh(EcPoint(Curve::kP256)),
                   Create(EcPrivateKey(Curve::kP256).Bool(CKA_DERIVE, false)),
                   Secret(32)));
}

TEST_F(DeriveTest, RsaBaseKey_IsKeyTypeInconsistent) {
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            Derive(Ecdh(EcPoint(Curve::kP256)),
                   Create(RsaPrivateKey().Bool(CKA_DERIVE, true)), Secret(32)));
}

TEST_F(DeriveTest, StaleBaseKey_IsKeyHandleInvalid) {
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            Derive(Ecdh(EcPoint(Curve::kP256)), kStaleHandle, Secret(32)));
}

TEST_F(DeriveTest, UnknownMechanism_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID,
            Derive(0x7FFFFFF0, Create(EcPrivateKey(Curve::kP256)), Secret(32)));
}

TEST_F(DeriveTest, NullHandle_IsArgumentsBad) {
  const Template t = Secret(32);
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_DeriveKey(session_, Ecdh(EcPoint(Curve::kP256)).get(),
                              Create(EcPrivateKey(Curve::kP256)), t.data(),
                              t.size(), nullptr));
}

}  // namespace
}  // namespace conformance
