// C_GetAttributeValue, C_GetObjectSize, and who sees which object.
#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using GetTest = TokenTest;
using SizeTest = TokenTest;
using VisibilityTest = TokenTest;

constexpr CK_ULONG kUnavailable = CK_UNAVAILABLE_INFORMATION;

// --- lengths
// -------------------------------------------------------------------------

TEST_F(GetTest, NullValue_TellsTheLength) {
  const CK_OBJECT_HANDLE object = Create(DataObject(Pattern(33)));
  CK_ATTRIBUTE attribute = {CKA_VALUE, nullptr, 0};
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, &attribute, 1));
  EXPECT_EQ(attribute.ulValueLen, 33u);
}

TEST_F(GetTest, NullValueWithALength_TellsTheLength) {
  const CK_OBJECT_HANDLE object = Create(DataObject(Pattern(33)));
  CK_ATTRIBUTE attribute = {CKA_VALUE, nullptr, 7};
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, &attribute, 1));
  EXPECT_EQ(attribute.ulValueLen, 33u);
}

TEST_F(GetTest, ExactRoom_GetsTheValue) {
  const CK_OBJECT_HANDLE object = Create(DataObject(Pattern(33)));
  Bytes room(33);
  CK_ATTRIBUTE attribute = {CKA_VALUE, room.data(), room.size()};
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, &attribute, 1));
  EXPECT_EQ(room, Pattern(33));
}

TEST_F(GetTest, MoreRoom_GetsTheValueAndItsLength) {
  const CK_OBJECT_HANDLE object = Create(DataObject(Pattern(33)));
  Bytes room(40, 0xEE);
  CK_ATTRIBUTE attribute = {CKA_VALUE, room.data(), room.size()};
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, &attribute, 1));
  EXPECT_EQ(attribute.ulValueLen, 33u);
  EXPECT_EQ(room, Join({Pattern(33), Bytes(7, 0xEE)}));
}

TEST_F(GetTest, OneByteTooLittle_IsBufferTooSmall) {
  const CK_OBJECT_HANDLE object = Create(DataObject(Pattern(33)));
  Bytes room(32, 0xEE);
  CK_ATTRIBUTE attribute = {CKA_VALUE, room.data(), room.size()};
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            p11().C_GetAttributeValue(session_, object, &attribute, 1));
  EXPECT_EQ(attribute.ulValueLen, kUnavailable);
  EXPECT_EQ(room, Bytes(32, 0xEE));
}

TEST_F(GetTest, EmptyValue_HasLengthZero) {
  const CK_OBJECT_HANDLE object = Create(DataObject(Bytes()));
  CK_BYTE room = 0xEE;
  CK_ATTRIBUTE attribute = {CKA_VALUE, &room, 1};
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, &attribute, 1));
  EXPECT_EQ(attribute.ulValueLen, 0u);
}

// --- several attributes, some of them bad
// ----------------------------------------------

TEST_F(GetTest, SameAttributeTwice_IsGivenTwice) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  CK_BYTE a[16], b[16];
  CK_ATTRIBUTE attributes[] = {{CKA_VALUE, a, sizeof(a)},
                               {CKA_VALUE, b, sizeof(b)}};
  EXPECT_OK(p11().C_GetAttributeValue(session_, object, attributes, 2));
  EXPECT_EQ(attributes[0].ulValueLen, 5u);
  EXPECT_EQ(attributes[1].ulValueLen, 5u);
}

TEST_F(GetTest, UnknownAttribute_IsAttributeTypeInvalid) {
  CK_ATTRIBUTE attribute = {0x7ffffff0, nullptr, 0};
  EXPECT_RV(
      CKR_ATTRIBUTE_TYPE_INVALID,
      p11().C_GetAttributeValue(session_, Create(DataObject()), &attribute, 1));
  EXPECT_EQ(attribute.ulValueLen, kUnavailable);
}

TEST_F(GetTest, AttributeOfAnotherClass_IsAttributeTypeInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID,
            TryGet(Create(DataObject()), CKA_MODULUS));
}

TEST_F(GetTest, GoodAttributesBesideABadOne_AreGiven) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  CK_BYTE label[16], value[16], unknown[16];
  CK_ATTRIBUTE attributes[] = {{CKA_LABEL, label, sizeof(label)},
                               {0x7ffffff0, unknown, sizeof(unknown)},
                               {CKA_VALUE, value, sizeof(value)}};
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID,
            p11().C_GetAttributeValue(session_, object, attributes, 3));
  EXPECT_EQ(attributes[0].ulValueLen, 4u);
  EXPECT_EQ(attributes[1].ulValueLen, kUnavailable);
  EXPECT_EQ(attributes[2].ulValueLen, 5u);
  EXPECT_EQ(Bytes(value, value + 5), FromText("value"));
}

TEST_F(GetTest, GoodAttributesBesideASensitiveOne_AreGiven) {
  const CK_OBJECT_HANDLE key =
      Create(AesKey().Bool(CKA_SENSITIVE, true).Text(CKA_LABEL, "a key"));
  CK_BYTE label[16], value[64];
  CK_ATTRIBUTE attributes[] = {{CKA_VALUE, value, sizeof(value)},
                               {CKA_LABEL, label, sizeof(label)}};
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
            p11().C_GetAttributeValue(session_, key, attributes, 2));
  EXPECT_EQ(attributes[0].ulValueLen, kUnavailable);
  EXPECT_EQ(attributes[1].ulValueLen, 5u);
}

TEST_F(GetTest, SensitiveValue_WithNullPointer_IsAttributeSensitive) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_SENSITIVE, true));
  CK_ATTRIBUTE attribute = {CKA_VALUE, nullptr, 0};
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
            p11().C_GetAttributeValue(session_, key, &attribute, 1));
  EXPECT_EQ(attribute.ulValueLen, kUnavailable);
}

TEST_F(GetTest, SensitiveValue_LeavesTheBufferAlone) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_SENSITIVE, true));
  Bytes room(64, 0xEE);
  CK_ATTRIBUTE attribute = {CKA_VALUE, room.data(), room.size()};
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
            p11().C_GetAttributeValue(session_, key, &attribute, 1));
  EXPECT_EQ(room, Bytes(64, 0xEE));
}

TEST_F(GetTest, NotExtractableValue_IsAttributeSensitive) {
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
            TryGet(Create(AesKey().Bool(CKA_EXTRACTABLE, false)), CKA_VALUE));
}

TEST_F(GetTest, SensitivePrivateKey_HidesEachSecretPart) {
  const CK_OBJECT_HANDLE key =
      Create(RsaPrivateKey().Bool(CKA_SENSITIVE, true));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_PRIVATE_EXPONENT));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_PRIME_1));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_PRIME_2));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_EXPONENT_1));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_EXPONENT_2));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_COEFFICIENT));
  EXPECT_OK(TryGet(key, CKA_MODULUS));
  EXPECT_OK(TryGet(key, CKA_PUBLIC_EXPONENT));
}

TEST_F(GetTest, SensitiveEcKey_HidesItsValueOnly) {
  const CK_OBJECT_HANDLE key =
      Create(EcPrivateKey(Curve::kP256).Bool(CKA_SENSITIVE, true));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_VALUE));
  EXPECT_OK(TryGet(key, CKA_EC_PARAMS));
}

TEST_F(GetTest, ReadableKey_GivesItsValue) {
  EXPECT_EQ(Get(Create(AesKey(Pattern(16))), CKA_VALUE), Pattern(16));
}

TEST_F(GetTest, ReadablePrivateKey_GivesItsParts) {
  const CK_OBJECT_HANDLE key = Create(RsaPrivateKey());
  EXPECT_EQ(Get(key, CKA_PRIVATE_EXPONENT),
            RsaPrivateKey().value(CKA_PRIVATE_EXPONENT));
  EXPECT_EQ(Get(key, CKA_PRIME_1), RsaPrivateKey().value(CKA_PRIME_1));
}

TEST_F(GetTest, StaleObject_IsObjectHandleInvalid) {
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(kStaleHandle, CKA_CLASS));
}

TEST_F(GetTest, HandleZero_IsObjectHandleInvalid) {
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(CK_INVALID_HANDLE, CKA_CLASS));
}

TEST_F(GetTest, NullTemplate_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetAttributeValue(
                                   session_, Create(DataObject()), nullptr, 1));
}

TEST_F(GetTest, StaleSession_IsSessionHandleInvalid) {
  CK_ATTRIBUTE attribute = {CKA_CLASS, nullptr, 0};
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_GetAttributeValue(kStaleHandle, Create(DataObject()),
                                      &attribute, 1));
}

TEST_F(GetTest, AllowedMechanisms_ComeBackAsNumbers) {
  const std::vector<CK_MECHANISM_TYPE> list = {CKM_AES_CBC, CKM_AES_GCM};
  const CK_OBJECT_HANDLE key = Create(AesKey().Mechanisms(list));
  EXPECT_EQ(Get(key, CKA_ALLOWED_MECHANISMS),
            AesKey().Mechanisms(list).value(CKA_ALLOWED_MECHANISMS));
}

TEST_F(GetTest, WrapTemplate_ComesBackNested) {
  const CK_OBJECT_HANDLE key = Create(WrappingKey().Nested(
      CKA_WRAP_TEMPLATE, Template().Ulong(CKA_KEY_TYPE, CKK_AES)));
  CK_ATTRIBUTE outer = {CKA_WRAP_TEMPLATE, nullptr, 0};
  ASSERT_OK(p11().C_GetAttributeValue(session_, key, &outer, 1));
  ASSERT_EQ(outer.ulValueLen, sizeof(CK_ATTRIBUTE));
  CK_KEY_TYPE type = 0;
  CK_ATTRIBUTE inner = {0, &type, sizeof(type)};
  outer.pValue = &inner;
  ASSERT_OK(p11().C_GetAttributeValue(session_, key, &outer, 1));
  EXPECT_EQ(inner.type, CKA_KEY_TYPE);
  EXPECT_EQ(type, CKK_AES);
}

// --- sizes
// ---------------------------------------------------------------------------

TEST_F(SizeTest, OfAnObject_IsToldOrUnavailable) {
  CK_ULONG size = 0;
  EXPECT_OK(
      p11().C_GetObjectSize(session_, Create(DataObject(Pattern(100))), &size));
  EXPECT_GE(size, 100u);
}

TEST_F(SizeTest, NullPointer_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_GetObjectSize(session_, Create(DataObject()), nullptr));
}

TEST_F(SizeTest, StaleObject_IsObjectHandleInvalid) {
  CK_ULONG size;
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
            p11().C_GetObjectSize(session_, kStaleHandle, &size));
}

TEST_F(SizeTest, StaleSession_IsSessionHandleInvalid) {
  CK_ULONG size;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_GetObjectSize(kStaleHandle, Create(DataObject()), &size));
}

// --- who sees what
// ---------------------------------------------------------------------

TEST_F(VisibilityTest, SessionObject_IsSeenInOtherSessions) {
  Create(DataObject().Text(CKA_LABEL, "mine"));
  EXPECT_EQ(Find(Open(), Template().Text(CKA_LABEL, "mine")).size(), 1u);
}

TEST_F(VisibilityTest, SessionObject_GoesWithItsSession) {
  const CK_SESSION_HANDLE other = Open();
  const CK_OBJECT_HANDLE object = Create(other, DataObject());
  ASSERT_OK(p11().C_CloseSession(other));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(object, CKA_VALUE));
}

TEST_F(VisibilityTest, TokenObject_OutlivesItsSession) {
  const CK_SESSION_HANDLE other = Open();
  const CK_OBJECT_HANDLE object =
      Create(other, DataObject().Bool(CKA_TOKEN, true));
  ASSERT_OK(p11().C_CloseSession(other));
  EXPECT_OK(TryGet(object, CKA_VALUE));
}

TEST_F(VisibilityTest, TokenObject_OutlivesTheLibrary) {
  Create(DataObject().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "kept"));
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  session_ = Open();
  EXPECT_EQ(Find(Template().Text(CKA_LABEL, "kept")).size(), 1u);
}

TEST_F(VisibilityTest, PublicTokenObject_IsSeenByNobody) {
  Create(DataObject().Bool(CKA_TOKEN, true));
  Logout();
  EXPECT_EQ(Find(Template()).size(), 1u);
}

TEST_F(VisibilityTest, PrivateTokenObject_IsNotFoundByNobody) {
  Create(DataObject().Bool(CKA_TOKEN, true).Bool(CKA_PRIVATE, true));
  Logout();
  EXPECT_TRUE(Find(Template()).empty());
}

// Decision 17: the PO never sees private objects.
TEST_F(VisibilityTest, PrivateTokenObject_IsNotFoundBySo) {
  Create(DataObject().Bool(CKA_TOKEN, true).Bool(CKA_PRIVATE, true));
  Logout();
  LoginSo();
  EXPECT_TRUE(Find(Template()).empty());
}

TEST_F(VisibilityTest, PrivateTokenObject_BySo_IsObjectHandleInvalid) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject().Bool(CKA_TOKEN, true).Bool(CKA_PRIVATE, true));
  Logout();
  LoginSo();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(object, CKA_VALUE));
}

TEST_F(VisibilityTest, PrivateObject_ByHandle_IsObjectHandleInvalid) {
  const CK_OBJECT_HANDLE object = Create(AesKey().Bool(CKA_TOKEN, true));
  Logout();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(object, CKA_CLASS));
  CK_ULONG size;
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
            p11().C_GetObjectSize(session_, object, &size));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
            TrySet(object, Template().Text(CKA_LABEL, "new")));
}

}  // namespace
}  // namespace conformance
