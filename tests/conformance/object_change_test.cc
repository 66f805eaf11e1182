// C_CopyObject, C_SetAttributeValue and C_DestroyObject.
#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using CopyTest = TokenTest;
using SetTest = TokenTest;
using DestroyTest = TokenTest;

// --- copy
// --------------------------------------------------------------------------

TEST_F(CopyTest, EmptyTemplate_CopiesEverything) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject().Text(CKA_APPLICATION, "app"));
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(TryCopy(object, Template(), &copy));
  EXPECT_NE(copy, object);
  EXPECT_EQ(Get(copy, CKA_VALUE), FromText("value"));
  EXPECT_EQ(Get(copy, CKA_APPLICATION), FromText("app"));
}

TEST_F(CopyTest, IsIndependentOfTheOriginal) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(TryCopy(object, Template(), &copy));
  ASSERT_OK(p11().C_DestroyObject(session_, object));
  EXPECT_EQ(Get(copy, CKA_VALUE), FromText("value"));
}

TEST_F(CopyTest, NewLabel_IsTheCopysOnly) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(TryCopy(object, Template().Text(CKA_LABEL, "copy"), &copy));
  EXPECT_EQ(Get(copy, CKA_LABEL), FromText("copy"));
  EXPECT_EQ(Get(object, CKA_LABEL), FromText("data"));
}

TEST_F(CopyTest, SessionObject_BecomesATokenObject) {
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(
      TryCopy(Create(DataObject()), Template().Bool(CKA_TOKEN, true), &copy));
  EXPECT_TRUE(GetBool(copy, CKA_TOKEN));
  EXPECT_THAT(Find(Template().Bool(CKA_TOKEN, true)),
              testing::ElementsAre(copy));
}

TEST_F(CopyTest, PublicObject_BecomesPrivate) {
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(
      TryCopy(Create(DataObject()), Template().Bool(CKA_PRIVATE, true), &copy));
  EXPECT_TRUE(GetBool(copy, CKA_PRIVATE));
}

TEST_F(CopyTest, NotCopyable_IsActionProhibited) {
  EXPECT_RV(
      CKR_ACTION_PROHIBITED,
      TryCopy(Create(DataObject().Bool(CKA_COPYABLE, false)), Template()));
}

TEST_F(CopyTest, OtherClass_IsRefused) {
  EXPECT_RV_IS_ONE_OF(TryCopy(Create(DataObject()),
                              Template().Ulong(CKA_CLASS, CKO_CERTIFICATE)),
                      CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT);
}

TEST_F(CopyTest, OtherKeyValue_IsAttributeReadOnly) {
  EXPECT_RV(
      CKR_ATTRIBUTE_READ_ONLY,
      TryCopy(Create(AesKey()), Template().Set(CKA_VALUE, Pattern(32, 5))));
}

TEST_F(CopyTest, UnknownAttribute_IsAttributeTypeInvalid) {
  EXPECT_RV(
      CKR_ATTRIBUTE_TYPE_INVALID,
      TryCopy(Create(DataObject()), Template().Set(0x7ffffff0, Pattern(4))));
}

TEST_F(CopyTest, StaleObject_IsObjectHandleInvalid) {
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryCopy(kStaleHandle, Template()));
}

TEST_F(CopyTest, NullHandle_IsArgumentsBad) {
  EXPECT_RV(
      CKR_ARGUMENTS_BAD,
      p11().C_CopyObject(session_, Create(DataObject()), nullptr, 0, nullptr));
}

TEST_F(CopyTest, NullTemplateWithCount_IsArgumentsBad) {
  CK_OBJECT_HANDLE copy;
  EXPECT_RV(
      CKR_ARGUMENTS_BAD,
      p11().C_CopyObject(session_, Create(DataObject()), nullptr, 1, &copy));
}

TEST_F(CopyTest, NullTemplateWithoutCount_CopiesEverything) {
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(
      p11().C_CopyObject(session_, Create(DataObject()), nullptr, 0, &copy));
  EXPECT_EQ(Get(copy, CKA_VALUE), FromText("value"));
}

TEST_F(CopyTest, PrivateObject_ByNobody_IsObjectHandleInvalid) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject().Bool(CKA_TOKEN, true).Bool(CKA_PRIVATE, true));
  Logout();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryCopy(object, Template()));
}

TEST_F(CopyTest, ToPrivate_ByNobody_IsUserNotLoggedIn) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  Logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            TryCopy(object, Template().Bool(CKA_PRIVATE, true)));
}

TEST_F(CopyTest, UniqueId_IsNew) {
  NEEDS_PERIGEE();
  const CK_OBJECT_HANDLE object = Create(DataObject());
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(TryCopy(object, Template(), &copy));
  EXPECT_NE(Get(copy, CKA_UNIQUE_ID), Get(object, CKA_UNIQUE_ID));
}

TEST_F(CopyTest, History_GoesAlong) {
  const CK_OBJECT_HANDLE key =
      Generate(CKM_AES_KEY_GEN,
               NewAes().Bool(CKA_SENSITIVE, true).Bool(CKA_EXTRACTABLE, false));
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  ASSERT_OK(TryCopy(key, Template(), &copy));
  EXPECT_TRUE(GetBool(copy, CKA_ALWAYS_SENSITIVE));
  EXPECT_TRUE(GetBool(copy, CKA_NEVER_EXTRACTABLE));
}

// --- set
// ---------------------------------------------------------------------------

TEST_F(SetTest, Label_Changes) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  EXPECT_OK(TrySet(object, Template().Text(CKA_LABEL, "new")));
  EXPECT_EQ(Get(object, CKA_LABEL), FromText("new"));
}

TEST_F(SetTest, TokenObject_KeepsItsHandle_AndIsChangedForGood) {
  const CK_OBJECT_HANDLE object = Create(AesKey().Bool(CKA_TOKEN, true));
  EXPECT_OK(TrySet(object, Template().Set(CKA_ID, Pattern(5))));
  EXPECT_EQ(Get(object, CKA_ID), Pattern(5));
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  session_ = Open();
  LoginUser();
  EXPECT_EQ(Find(Template().Set(CKA_ID, Pattern(5))).size(), 1u);
}

TEST_F(SetTest, SeveralAttributes_AllChange) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  EXPECT_OK(
      TrySet(key, Template().Text(CKA_LABEL, "new").Set(CKA_ID, Pattern(3))));
  EXPECT_EQ(Get(key, CKA_LABEL), FromText("new"));
  EXPECT_EQ(Get(key, CKA_ID), Pattern(3));
}

TEST_F(SetTest, OneBadAttribute_ChangesNothing) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  EXPECT_RV(
      CKR_ATTRIBUTE_READ_ONLY,
      TrySet(key, Template().Text(CKA_LABEL, "new").Bool(CKA_LOCAL, true)));
  EXPECT_EQ(Get(key, CKA_LABEL), Bytes());
}

TEST_F(SetTest, NotModifiable_IsActionProhibited) {
  EXPECT_RV(CKR_ACTION_PROHIBITED,
            TrySet(Create(DataObject().Bool(CKA_MODIFIABLE, false)),
                   Template().Text(CKA_LABEL, "new")));
}

TEST_F(SetTest, Class_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(Create(DataObject()),
                   Template().Ulong(CKA_CLASS, CKO_CERTIFICATE)));
}

TEST_F(SetTest, Token_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(Create(DataObject()), Template().Bool(CKA_TOKEN, true)));
}

TEST_F(SetTest, Private_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(Create(DataObject()), Template().Bool(CKA_PRIVATE, true)));
}

TEST_F(SetTest, Modifiable_IsAttributeReadOnly) {
  EXPECT_RV(
      CKR_ATTRIBUTE_READ_ONLY,
      TrySet(Create(DataObject()), Template().Bool(CKA_MODIFIABLE, false)));
}

TEST_F(SetTest, KeyValue_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(Create(AesKey()), Template().Set(CKA_VALUE, Pattern(32))));
}

TEST_F(SetTest, UniqueId_IsAttributeReadOnly) {
  NEEDS_PERIGEE();
  EXPECT_RV(
      CKR_ATTRIBUTE_READ_ONLY,
      TrySet(Create(DataObject()), Template().Text(CKA_UNIQUE_ID, "mine")));
}

TEST_F(SetTest, Sensitive_GoesUp) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  EXPECT_OK(TrySet(key, Template().Bool(CKA_SENSITIVE, true)));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_VALUE));
}

TEST_F(SetTest, Sensitive_NeverGoesDown) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_SENSITIVE, true));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(key, Template().Bool(CKA_SENSITIVE, false)));
}

TEST_F(SetTest, Extractable_GoesDown) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  EXPECT_OK(TrySet(key, Template().Bool(CKA_EXTRACTABLE, false)));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, TryGet(key, CKA_VALUE));
}

TEST_F(SetTest, Extractable_NeverGoesUp) {
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_EXTRACTABLE, false));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(key, Template().Bool(CKA_EXTRACTABLE, true)));
}

TEST_F(SetTest, WrapWithTrusted_GoesUpAndStays) {
  const CK_OBJECT_HANDLE key = Create(AesKey());
  EXPECT_OK(TrySet(key, Template().Bool(CKA_WRAP_WITH_TRUSTED, true)));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(key, Template().Bool(CKA_WRAP_WITH_TRUSTED, false)));
}

TEST_F(SetTest, Copyable_GoesDownAndStays) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  EXPECT_OK(TrySet(object, Template().Bool(CKA_COPYABLE, false)));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(object, Template().Bool(CKA_COPYABLE, true)));
}

TEST_F(SetTest, Trusted_ByUser_IsAttributeReadOnly) {
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            TrySet(Create(Certificate()), Template().Bool(CKA_TRUSTED, true)));
}

TEST_F(SetTest, Trusted_BySo_Works) {
  const CK_OBJECT_HANDLE object = Create(Certificate().Bool(CKA_TOKEN, true));
  Logout();
  LoginSo();
  EXPECT_OK(TrySet(object, Template().Bool(CKA_TRUSTED, true)));
  EXPECT_TRUE(GetBool(object, CKA_TRUSTED));
}

TEST_F(SetTest, Trusted_SurvivesTheSo) {
  const CK_OBJECT_HANDLE object = Create(Certificate().Bool(CKA_TOKEN, true));
  Logout();
  LoginSo();
  ASSERT_OK(TrySet(object, Template().Bool(CKA_TRUSTED, true)));
  Logout();
  LoginUser();
  EXPECT_TRUE(GetBool(object, CKA_TRUSTED));
}

TEST_F(SetTest, UnknownAttribute_IsAttributeTypeInvalid) {
  EXPECT_RV(
      CKR_ATTRIBUTE_TYPE_INVALID,
      TrySet(Create(DataObject()), Template().Set(0x7ffffff0, Pattern(4))));
}

TEST_F(SetTest, AttributeOfAnotherClass_IsAttributeTypeInvalid) {
  EXPECT_RV(
      CKR_ATTRIBUTE_TYPE_INVALID,
      TrySet(Create(DataObject()), Template().Set(CKA_MODULUS, Pattern(4))));
}

TEST_F(SetTest, BadValue_IsAttributeValueInvalid) {
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            TrySet(Create(AesKey()), Template().Set(CKA_DERIVE, {1, 1})));
}

TEST_F(SetTest, StaleObject_IsObjectHandleInvalid) {
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID,
            TrySet(kStaleHandle, Template().Text(CKA_LABEL, "new")));
}

TEST_F(SetTest, NullTemplate_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_SetAttributeValue(
                                   session_, Create(DataObject()), nullptr, 1));
}

// --- destroy
// -------------------------------------------------------------------------

TEST_F(DestroyTest, Object_IsGone) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  EXPECT_OK(p11().C_DestroyObject(session_, object));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(object, CKA_VALUE));
}

TEST_F(DestroyTest, TokenObject_IsGone_AndNotFound) {
  const CK_OBJECT_HANDLE object = Create(DataObject().Bool(CKA_TOKEN, true));
  EXPECT_OK(p11().C_DestroyObject(session_, object));
  EXPECT_TRUE(Find(Template()).empty());
}

TEST_F(DestroyTest, Twice_IsObjectHandleInvalid) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  EXPECT_OK(p11().C_DestroyObject(session_, object));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11().C_DestroyObject(session_, object));
}

TEST_F(DestroyTest, InAnotherSession_IsGoneHere) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  EXPECT_OK(p11().C_DestroyObject(Open(), object));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(object, CKA_VALUE));
}

TEST_F(DestroyTest, NotDestroyable_IsActionProhibited) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject().Bool(CKA_DESTROYABLE, false));
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11().C_DestroyObject(session_, object));
  EXPECT_EQ(Get(object, CKA_VALUE), FromText("value"));
}

TEST_F(DestroyTest, PrivateObject_ByNobody_IsObjectHandleInvalid) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject().Bool(CKA_TOKEN, true).Bool(CKA_PRIVATE, true));
  Logout();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11().C_DestroyObject(session_, object));
}

TEST_F(DestroyTest, StaleSession_IsSessionHandleInvalid) {
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_DestroyObject(kStaleHandle, Create(DataObject())));
}

TEST_F(DestroyTest, AHandleIsNotUsedAgain) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  ASSERT_OK(p11().C_DestroyObject(session_, object));
  EXPECT_NE(Create(DataObject()), object);
}

}  // namespace
}  // namespace conformance
