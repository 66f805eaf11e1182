// C_WrapKey and C_UnwrapKey. What attackers do with them is in attack_test.cc.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class WrapTest : public TokenTest {
 protected:
  Result Wrap(const Mechanism& mechanism, CK_OBJECT_HANDLE wrapper,
              CK_OBJECT_HANDLE key) {
    Bytes room(4096);
    CK_ULONG size = room.size();
    const CK_RV rv = p11().C_WrapKey(session_, mechanism.get(), wrapper, key,
                                     room.data(), &size);
    if (rv != CKR_OK) return {rv, {}};
    room.resize(size);
    return {rv, room};
  }
  CK_RV Unwrap(const Mechanism& mechanism, CK_OBJECT_HANDLE unwrapper,
               const Bytes& wrapped, const Template& t,
               CK_OBJECT_HANDLE* key = nullptr) {
    CK_OBJECT_HANDLE unused = CK_INVALID_HANDLE;
    return p11().C_UnwrapKey(session_, mechanism.get(), unwrapper,
                             const_cast<CK_BYTE*>(wrapped.data()),
                             wrapped.size(), t.data(), t.size(),
                             key == nullptr ? &unused : key);
  }
  static Template Unwrapped(CK_KEY_TYPE type = CKK_AES) {
    return Template()
        .Ulong(CKA_CLASS, CKO_SECRET_KEY)
        .Ulong(CKA_KEY_TYPE, type)
        .Bool(CKA_TOKEN, false)
        .Bool(CKA_SENSITIVE, false)
        .Bool(CKA_EXTRACTABLE, true);
  }
  static Template UnwrappedPrivate(CK_KEY_TYPE type) {
    return Template()
        .Ulong(CKA_CLASS, CKO_PRIVATE_KEY)
        .Ulong(CKA_KEY_TYPE, type)
        .Bool(CKA_TOKEN, false)
        .Bool(CKA_SENSITIVE, false)
        .Bool(CKA_EXTRACTABLE, true)
        .Bool(CKA_SIGN, true);
  }
};

// --- round trips
// ---------------------------------------------------------------------------

struct WrapCase {
  std::string name;
  Mechanism mechanism;
  Template wrapper;
  Template unwrapper;
  size_t wrapped;  // bytes for a key of 32
};
std::ostream& operator<<(std::ostream& out, const WrapCase& each) {
  return out << each.name;
}
std::vector<WrapCase> WrapCases() {
  return {
      {"AES_KEY_WRAP", CKM_AES_KEY_WRAP, WrappingKey(), WrappingKey(), 40},
      {"AES_KEY_WRAP_KWP", CKM_AES_KEY_WRAP_KWP, WrappingKey(), WrappingKey(),
       40},
      {"AES_KEY_WRAP_PKCS7", CKM_AES_KEY_WRAP_PKCS7, WrappingKey(),
       WrappingKey(), 48},
      {"AES_GCM", AesGcm(), WrappingKey(), WrappingKey(), 48},
      {"RSA_PKCS", CKM_RSA_PKCS, RsaPublicKey(), RsaPrivateKey(), 256},
      {"RSA_OAEP_SHA1", Oaep(CKM_SHA_1, CKG_MGF1_SHA1), RsaPublicKey(),
       RsaPrivateKey(), 256},
  };
}

class RoundTripTest : public WrapTest,
                      public testing::WithParamInterface<WrapCase> {
 protected:
  void SetUp() override {
    WrapTest::SetUp();
    NEEDS_MECHANISM(GetParam().mechanism.type());
    CK_MECHANISM_INFO info = {};
    ASSERT_OK(
        p11().C_GetMechanismInfo(slot_, GetParam().mechanism.type(), &info));
    if ((info.flags & CKF_WRAP) == 0) {
      if (IsPerigee()) FAIL() << "does not wrap";
      GTEST_SKIP() << "does not wrap";
    }
    wrapper_ = Create(GetParam().wrapper);
    unwrapper_ = Create(GetParam().unwrapper);
    key_ = Create(AesKey(Pattern(32)));
  }
  CK_OBJECT_HANDLE wrapper_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE unwrapper_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE key_ = CK_INVALID_HANDLE;
};

TEST_P(RoundTripTest, AesKey_ComesBack) {
  const Result wrapped = Wrap(GetParam().mechanism, wrapper_, key_);
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE back = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(GetParam().mechanism, unwrapper_, wrapped.bytes, Unwrapped(),
                   &back));
  EXPECT_EQ(GetUlong(back, CKA_VALUE_LEN), 32u);
  EXPECT_EQ(Get(back, CKA_VALUE), Pattern(32));
}

TEST_P(RoundTripTest, UnwrappedKey_HasItsHistory) {
  const Result wrapped = Wrap(GetParam().mechanism, wrapper_, key_);
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE back = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(GetParam().mechanism, unwrapper_, wrapped.bytes,
                   Unwrapped().Bool(CKA_SENSITIVE, true), &back));
  EXPECT_FALSE(GetBool(back, CKA_LOCAL));
  EXPECT_FALSE(GetBool(back, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(GetBool(back, CKA_NEVER_EXTRACTABLE));
}

TEST_P(RoundTripTest, Query_TellsTheSize) {
  CK_ULONG size = 7777;
  ASSERT_OK(p11().C_WrapKey(session_, GetParam().mechanism.get(), wrapper_,
                            key_, nullptr, &size));
  EXPECT_EQ(size, GetParam().wrapped);
}

TEST_P(RoundTripTest, OneByteTooLittle_IsBufferTooSmall) {
  Bytes room(GetParam().wrapped - 1, 0xEE);
  CK_ULONG size = room.size();
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            p11().C_WrapKey(session_, GetParam().mechanism.get(), wrapper_,
                            key_, room.data(), &size));
  EXPECT_EQ(size, GetParam().wrapped);
  EXPECT_EQ(room, Bytes(room.size(), 0xEE));
}

TEST_P(RoundTripTest, Truncated_IsRefused) {
  Result wrapped = Wrap(GetParam().mechanism, wrapper_, key_);
  ASSERT_OK(wrapped.rv);
  wrapped.bytes.pop_back();
  EXPECT_RV_IS_ONE_OF(
      Unwrap(GetParam().mechanism, unwrapper_, wrapped.bytes, Unwrapped()),
      CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE);
}

TEST_P(RoundTripTest, NotExtractableKey_IsKeyUnextractable) {
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE,
            Wrap(GetParam().mechanism, wrapper_,
                 Create(AesKey().Bool(CKA_EXTRACTABLE, false)))
                .rv);
}

// Not by GCM, whose caller chooses the IV: two keys wrapped under one IV give
// each other away.
TEST_P(RoundTripTest, SensitiveExtractableKey_IsWrapped) {
  const bool gcm = GetParam().mechanism.get()->mechanism == CKM_AES_GCM;
  EXPECT_RV(gcm ? CKR_KEY_NOT_WRAPPABLE : CKR_OK,
            Wrap(GetParam().mechanism, wrapper_,
                 Create(AesKey().Bool(CKA_SENSITIVE, true)))
                .rv);
}

TEST_P(RoundTripTest, WrapFlagFalse_IsNotPermitted) {
  Template wrapper = GetParam().wrapper;
  EXPECT_RV(
      CKR_KEY_FUNCTION_NOT_PERMITTED,
      Wrap(GetParam().mechanism, Create(wrapper.Bool(CKA_WRAP, false)), key_)
          .rv);
}

TEST_P(RoundTripTest, UnwrapFlagFalse_IsNotPermitted) {
  const Result wrapped = Wrap(GetParam().mechanism, wrapper_, key_);
  Template unwrapper = GetParam().unwrapper;
  EXPECT_RV(
      CKR_KEY_FUNCTION_NOT_PERMITTED,
      Unwrap(GetParam().mechanism, Create(unwrapper.Bool(CKA_UNWRAP, false)),
             wrapped.bytes, Unwrapped()));
}

INSTANTIATE_TEST_SUITE_P(All, RoundTripTest, testing::ValuesIn(WrapCases()),
                         CaseName<testing::TestParamInfo<WrapCase>>);

// RFC 3394, 4.1.
TEST_F(WrapTest, AesKeyWrap_KnownAnswer) {
  const CK_OBJECT_HANDLE wrapper =
      Create(WrappingKey(FromHex("000102030405060708090a0b0c0d0e0f")));
  const CK_OBJECT_HANDLE key =
      Create(AesKey(FromHex("00112233445566778899aabbccddeeff")));
  EXPECT_EQ(Wrap(CKM_AES_KEY_WRAP, wrapper, key).bytes,
            FromHex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"));
}

// RFC 5649, section 6; under the older number as well.
TEST_F(WrapTest, KwpAndPad_KnownAnswer) {
  for (const CK_MECHANISM_TYPE type :
       {CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD}) {
    NEEDS_MECHANISM(type);
    const CK_OBJECT_HANDLE wrapper = Create(WrappingKey(
        FromHex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")));
    const CK_OBJECT_HANDLE key = Create(
        GenericSecret(FromHex("c37b7e6492584340bed12207808941155068f738")));
    EXPECT_EQ(Wrap(type, wrapper, key).bytes,
              FromHex("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f37"
                      "3fa543b6a"));
  }
}

TEST_F(WrapTest, Kwp_RsaPrivateKey_ComesBackAndSigns) {
  NEEDS_MECHANISM(CKM_AES_KEY_WRAP_KWP);
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Result wrapped =
      Wrap(CKM_AES_KEY_WRAP_KWP, wrapper, Create(RsaPrivateKey()));
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE back = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(CKM_AES_KEY_WRAP_KWP, wrapper, wrapped.bytes,
                   UnwrappedPrivate(CKK_RSA), &back));
  EXPECT_EQ(Get(back, CKA_MODULUS), RsaPrivateKey().value(CKA_MODULUS));
  const Result signature =
      Whole(SignCalls(), session_, CKM_SHA256_RSA_PKCS, back, FromText("data"));
  EXPECT_OK(Verify(session_, CKM_SHA256_RSA_PKCS, Create(RsaPublicKey()),
                   FromText("data"), signature.bytes));
}

TEST_F(WrapTest, Kwp_EcPrivateKey_ComesBackAndSigns) {
  NEEDS_MECHANISM(CKM_AES_KEY_WRAP_KWP);
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Result wrapped =
      Wrap(CKM_AES_KEY_WRAP_KWP, wrapper, Create(EcPrivateKey(Curve::kP521)));
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE back = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(CKM_AES_KEY_WRAP_KWP, wrapper, wrapped.bytes,
                   UnwrappedPrivate(CKK_EC), &back));
  const Result signature =
      Whole(SignCalls(), session_, CKM_ECDSA, back, Pattern(32));
  EXPECT_OK(Verify(session_, CKM_ECDSA, Create(EcPublicKey(Curve::kP521)),
                   Pattern(32), signature.bytes));
}

TEST_F(WrapTest, Kwp_KeyOfAnOddLength_ComesBack) {
  NEEDS_MECHANISM(CKM_AES_KEY_WRAP_KWP);
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Result wrapped =
      Wrap(CKM_AES_KEY_WRAP_KWP, wrapper, Create(GenericSecret(Pattern(13))));
  ASSERT_OK(wrapped.rv);
  CK_OBJECT_HANDLE back = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(CKM_AES_KEY_WRAP_KWP, wrapper, wrapped.bytes,
                   Unwrapped(CKK_GENERIC_SECRET), &back));
  EXPECT_EQ(Get(back, CKA_VALUE), Pattern(13));
}

// RFC 3394's algorithm over the padded key, computed with another library.
TEST_F(WrapTest, Pkcs7_KnownAnswersAndOddLengths) {
  NEEDS_MECHANISM(CKM_AES_KEY_WRAP_PKCS7);
  const CK_OBJECT_HANDLE wrapper =
      Create(WrappingKey(FromHex("000102030405060708090a0b0c0d0e0f")));
  EXPECT_EQ(Wrap(CKM_AES_KEY_WRAP_PKCS7, wrapper,
                 Create(AesKey(FromHex("00112233445566778899aabbccddeeff"))))
                .bytes,
            FromHex("b05471fa00ab70570ea62b3cfc244f1001af95366e5fe1f430ed8ac55b"
                    "16c5da"));
  EXPECT_EQ(Wrap(CKM_AES_KEY_WRAP_PKCS7, wrapper,
                 Create(GenericSecret(FromHex("00112233445566778899aa"))))
                .bytes,
            FromHex("2a7fa42914a6864960695715bece8577d38bfc005722e77e"));
  for (size_t size = 8; size <= 17; ++size) {
    const Result wrapped = Wrap(CKM_AES_KEY_WRAP_PKCS7, wrapper,
                                Create(GenericSecret(Pattern(size))));
    ASSERT_OK(wrapped.rv);
    EXPECT_EQ(wrapped.bytes.size(), size / 8 * 8 + 16);
    CK_OBJECT_HANDLE back = CK_INVALID_HANDLE;
    ASSERT_OK(Unwrap(CKM_AES_KEY_WRAP_PKCS7, wrapper, wrapped.bytes,
                     Unwrapped(CKK_GENERIC_SECRET), &back));
    EXPECT_EQ(Get(back, CKA_VALUE), Pattern(size));
  }
  // Key wrap has no form for a single unit.
  EXPECT_RV(CKR_KEY_SIZE_RANGE, Wrap(CKM_AES_KEY_WRAP_PKCS7, wrapper,
                                     Create(GenericSecret(Pattern(7))))
                                    .rv);
}

TEST_F(WrapTest, Pkcs7_WrongPadding_IsRefused) {
  NEEDS_MECHANISM(CKM_AES_KEY_WRAP_PKCS7);
  const CK_OBJECT_HANDLE key = Create(AesKey());
  for (const char* plain :
       {"00112233445566778899aabbccddee00", "00112233445566778899aabbccddee09",
        "00112233445566778899aabbccdd0203", "00112233445566778899aabb04030404",
        "000000000000000010101010101010ff"}) {
    const Result sealed =
        Whole(EncryptCalls(), session_, CKM_AES_KEY_WRAP, key, FromHex(plain));
    ASSERT_OK(sealed.rv);
    EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID,
              Whole(DecryptCalls(), session_, CKM_AES_KEY_WRAP_PKCS7, key,
                    sealed.bytes)
                  .rv)
        << plain;
  }
  const Result sealed =
      Whole(EncryptCalls(), session_, CKM_AES_KEY_WRAP_PKCS7, key, Pattern(21));
  EXPECT_EQ(
      Whole(DecryptCalls(), session_, CKM_AES_KEY_WRAP_PKCS7, key, sealed.bytes)
          .bytes,
      Pattern(21));
}

TEST_F(WrapTest, AesKeyWrap_KeyOfAnOddLength_IsRefused) {
  EXPECT_RV_IS_ONE_OF(Wrap(CKM_AES_KEY_WRAP, Create(WrappingKey()),
                           Create(GenericSecret(Pattern(13))))
                          .rv,
                      CKR_KEY_SIZE_RANGE, CKR_KEY_NOT_WRAPPABLE);
}

TEST_F(WrapTest, Changed_IsWrappedKeyInvalid) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  Bytes wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).bytes;
  wrapped[3] ^= 1;
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
            Unwrap(CKM_AES_KEY_WRAP, wrapper, wrapped, Unwrapped()));
}

TEST_F(WrapTest, UnderAnotherKey_IsWrappedKeyInvalid) {
  const Bytes wrapped =
      Wrap(CKM_AES_KEY_WRAP, Create(WrappingKey()), Create(AesKey())).bytes;
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
            Unwrap(CKM_AES_KEY_WRAP, Create(WrappingKey(Pattern(32, 1))),
                   wrapped, Unwrapped()));
}

TEST_F(WrapTest, SecretAsPrivateKey_IsWrappedKeyInvalid) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Bytes wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).bytes;
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, Unwrap(CKM_AES_KEY_WRAP, wrapper, wrapped,
                                            UnwrappedPrivate(CKK_RSA)));
}

// --- handles and types
// -----------------------------------------------------------------------

TEST_F(WrapTest, StaleWrappingKey_IsWrappingKeyHandleInvalid) {
  EXPECT_RV(CKR_WRAPPING_KEY_HANDLE_INVALID,
            Wrap(CKM_AES_KEY_WRAP, kStaleHandle, Create(AesKey())).rv);
}

TEST_F(WrapTest, StaleKey_IsKeyHandleInvalid) {
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            Wrap(CKM_AES_KEY_WRAP, Create(WrappingKey()), kStaleHandle).rv);
}

TEST_F(WrapTest, WrongWrappingKey_IsWrappingKeyTypeInconsistent) {
  EXPECT_RV(
      CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
      Wrap(CKM_AES_KEY_WRAP, Create(RsaPublicKey()), Create(AesKey())).rv);
}

TEST_F(WrapTest, StaleUnwrappingKey_IsUnwrappingKeyHandleInvalid) {
  EXPECT_RV(CKR_UNWRAPPING_KEY_HANDLE_INVALID,
            Unwrap(CKM_AES_KEY_WRAP, kStaleHandle, Pattern(40), Unwrapped()));
}

TEST_F(WrapTest, WrongUnwrappingKey_IsUnwrappingKeyTypeInconsistent) {
  EXPECT_RV(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
            Unwrap(CKM_AES_KEY_WRAP, Create(RsaPrivateKey()), Pattern(40),
                   Unwrapped()));
}

TEST_F(WrapTest, UnknownMechanism_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID,
            Wrap(0x7FFFFFF0, Create(WrappingKey()), Create(AesKey())).rv);
}

TEST_F(WrapTest, MechanismThatDoesNotWrap_IsMechanismInvalid) {
  EXPECT_RV(CKR_MECHANISM_INVALID,
            Wrap(CKM_SHA256, Create(WrappingKey()), Create(AesKey())).rv);
}

TEST_F(WrapTest, PublicKey_CannotBeWrapped) {
  EXPECT_RV(
      CKR_KEY_NOT_WRAPPABLE,
      Wrap(CKM_AES_KEY_WRAP, Create(WrappingKey()), Create(RsaPublicKey())).rv);
}

TEST_F(WrapTest, AllowedMechanisms_HoldForWrappingToo) {
  EXPECT_RV(
      CKR_MECHANISM_INVALID,
      Wrap(CKM_AES_KEY_WRAP, Create(WrappingKey().Mechanisms({CKM_AES_GCM})),
           Create(AesKey()))
          .rv);
}

TEST_F(WrapTest, NullSize_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_WrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(),
                            Create(WrappingKey()), Create(AesKey()), nullptr,
                            nullptr));
}

TEST_F(WrapTest, UnwrapNullData_IsArgumentsBad) {
  const Template t = Unwrapped();
  CK_OBJECT_HANDLE key;
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_UnwrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(),
                              Create(WrappingKey()), nullptr, 40, t.data(),
                              t.size(), &key));
}

TEST_F(WrapTest, UnwrapNullHandle_IsArgumentsBad) {
  const Template t = Unwrapped();
  Bytes wrapped = Pattern(40);
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_UnwrapKey(session_, Mechanism(CKM_AES_KEY_WRAP).get(),
                              Create(WrappingKey()), wrapped.data(),
                              wrapped.size(), t.data(), t.size(), nullptr));
}

// --- templates
// -------------------------------------------------------------------------------

TEST_F(WrapTest, UnwrapWithoutClass_IsTemplateIncomplete) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Bytes wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).bytes;
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, Unwrap(CKM_AES_KEY_WRAP, wrapper, wrapped,
                                            Unwrapped().Without(CKA_CLASS)));
}

TEST_F(WrapTest, UnwrapWithValue_IsRefused) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Bytes wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).bytes;
  EXPECT_RV_IS_ONE_OF(Unwrap(CKM_AES_KEY_WRAP, wrapper, wrapped,
                             Unwrapped().Set(CKA_VALUE, Pattern(32))),
                      CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(WrapTest, UnwrapAPublicKey_IsTemplateInconsistent) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey());
  const Bytes wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).bytes;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Unwrap(CKM_AES_KEY_WRAP, wrapper, wrapped,
                   Template()
                       .Ulong(CKA_CLASS, CKO_PUBLIC_KEY)
                       .Ulong(CKA_KEY_TYPE, CKK_RSA)));
}

// Section 4.10.1: a key that does not match is as if it were not there.
TEST_F(WrapTest, WrapTemplate_KeyThatDoesNotMatch_IsKeyHandleInvalid) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey().Nested(
      CKA_WRAP_TEMPLATE, Template().Ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).rv);
}

TEST_F(WrapTest, WrapTemplate_KeyThatMatches_IsWrapped) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey().Nested(
      CKA_WRAP_TEMPLATE, Template().Ulong(CKA_KEY_TYPE, CKK_AES)));
  EXPECT_OK(Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).rv);
}

TEST_F(WrapTest, UnwrapTemplate_IsAdded) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey().Nested(
      CKA_UNWRAP_TEMPLATE, Template().Bool(CKA_DECRYPT, false)));
  const Bytes wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).bytes;
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  ASSERT_OK(Unwrap(CKM_AES_KEY_WRAP, wrapper, wrapped, Unwrapped(), &key));
  EXPECT_FALSE(GetBool(key, CKA_DECRYPT));
}

TEST_F(WrapTest, UnwrapTemplate_Contradicted_IsTemplateInconsistent) {
  const CK_OBJECT_HANDLE wrapper = Create(WrappingKey().Nested(
      CKA_UNWRAP_TEMPLATE, Template().Bool(CKA_EXTRACTABLE, false)));
  const Bytes wrapped = Wrap(CKM_AES_KEY_WRAP, wrapper, Create(AesKey())).bytes;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            Unwrap(CKM_AES_KEY_WRAP, wrapper, wrapped,
                   Unwrapped().Bool(CKA_EXTRACTABLE, true)));
}

}  // namespace
}  // namespace conformance
