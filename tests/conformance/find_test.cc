// C_FindObjectsInit, C_FindObjects and C_FindObjectsFinal.
#include <algorithm>

#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class FindTest : public TokenTest {
 protected:
  CK_RV Begin(const Template& t = Template()) {
    return p11().C_FindObjectsInit(session_, t.data(), t.size());
  }
  // What one C_FindObjects with this room gives.
  std::vector<CK_OBJECT_HANDLE> Next(CK_ULONG room) {
    std::vector<CK_OBJECT_HANDLE> found(room + 1);
    CK_ULONG count = 0;
    EXPECT_OK(p11().C_FindObjects(session_, found.data(), room, &count));
    EXPECT_LE(count, room);
    found.resize(std::min(count, room));
    return found;
  }
  CK_RV End() { return p11().C_FindObjectsFinal(session_); }
};

TEST_F(FindTest, EmptyTemplate_FindsEverything) {
  const CK_OBJECT_HANDLE data = Create(DataObject());
  const CK_OBJECT_HANDLE key = Create(AesKey().Bool(CKA_TOKEN, true));
  EXPECT_THAT(Find(Template()), UnorderedElementsAre(data, key));
}

TEST_F(FindTest, NullTemplate_FindsEverything) {
  const CK_OBJECT_HANDLE data = Create(DataObject());
  ASSERT_OK(p11().C_FindObjectsInit(session_, nullptr, 0));
  EXPECT_THAT(Next(10), ElementsAre(data));
  EXPECT_OK(End());
}

TEST_F(FindTest, NothingThere_FindsNothing) {
  EXPECT_THAT(Find(Template()), IsEmpty());
}

TEST_F(FindTest, ByClass) {
  Create(DataObject());
  const CK_OBJECT_HANDLE key = Create(AesKey());
  EXPECT_THAT(Find(Template().Ulong(CKA_CLASS, CKO_SECRET_KEY)),
              ElementsAre(key));
}

TEST_F(FindTest, ByLabel) {
  Create(DataObject().Text(CKA_LABEL, "one"));
  const CK_OBJECT_HANDLE two = Create(DataObject().Text(CKA_LABEL, "two"));
  EXPECT_THAT(Find(Template().Text(CKA_LABEL, "two")), ElementsAre(two));
}

TEST_F(FindTest, ByLabel_OnTheToken) {
  Create(DataObject().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "one"));
  const CK_OBJECT_HANDLE two =
      Create(DataObject().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "two"));
  EXPECT_THAT(Find(Template().Text(CKA_LABEL, "two")), ElementsAre(two));
}

TEST_F(FindTest, ById_OnTheToken) {
  Create(AesKey().Bool(CKA_TOKEN, true).Set(CKA_ID, {1}));
  const CK_OBJECT_HANDLE two =
      Create(AesKey().Bool(CKA_TOKEN, true).Set(CKA_ID, {2}));
  EXPECT_THAT(Find(Template().Set(CKA_ID, {2})), ElementsAre(two));
}

TEST_F(FindTest, ByEmptyId_FindsThoseWithoutOne) {
  const CK_OBJECT_HANDLE none = Create(AesKey());
  Create(AesKey().Set(CKA_ID, {1}));
  EXPECT_THAT(Find(Template().Empty(CKA_ID)), ElementsAre(none));
}

TEST_F(FindTest, ByIdAndClass_FindsTheOneOfThePair) {
  Create(RsaPublicKey().Bool(CKA_TOKEN, true).Set(CKA_ID, {7}));
  const CK_OBJECT_HANDLE priv =
      Create(RsaPrivateKey().Bool(CKA_TOKEN, true).Set(CKA_ID, {7}));
  EXPECT_THAT(
      Find(Template().Set(CKA_ID, {7}).Ulong(CKA_CLASS, CKO_PRIVATE_KEY)),
      ElementsAre(priv));
}

TEST_F(FindTest, ByPartOfALabel_FindsNothing) {
  Create(DataObject().Text(CKA_LABEL, "label"));
  EXPECT_THAT(Find(Template().Text(CKA_LABEL, "lab")), IsEmpty());
}

TEST_F(FindTest, ByToken_KeepsThemApart) {
  const CK_OBJECT_HANDLE session = Create(DataObject());
  const CK_OBJECT_HANDLE token = Create(DataObject().Bool(CKA_TOKEN, true));
  EXPECT_THAT(Find(Template().Bool(CKA_TOKEN, false)), ElementsAre(session));
  EXPECT_THAT(Find(Template().Bool(CKA_TOKEN, true)), ElementsAre(token));
}

TEST_F(FindTest, ByUsage) {
  Create(AesKey().Bool(CKA_DECRYPT, false).Bool(CKA_TOKEN, true));
  const CK_OBJECT_HANDLE decrypts = Create(AesKey().Bool(CKA_TOKEN, true));
  EXPECT_THAT(Find(Template().Bool(CKA_DECRYPT, true)), ElementsAre(decrypts));
}

TEST_F(FindTest, ByModulus) {
  const CK_OBJECT_HANDLE key = Create(RsaPublicKey());
  Create(DataObject());
  EXPECT_THAT(
      Find(Template().Set(CKA_MODULUS, RsaPublicKey().value(CKA_MODULUS))),
      ElementsAre(key));
}

TEST_F(FindTest, BySubjectOfACertificate) {
  const CK_OBJECT_HANDLE object = Create(Certificate().Bool(CKA_TOKEN, true));
  EXPECT_THAT(
      Find(Template().Set(CKA_SUBJECT, Certificate().value(CKA_SUBJECT))),
      ElementsAre(object));
}

TEST_F(FindTest, ByUnknownAttribute_FindsNothing) {
  Create(DataObject());
  EXPECT_THAT(Find(Template().Set(0x7ffffff0, {1})), IsEmpty());
}

TEST_F(FindTest, AfterSet_FindsTheNewLabelOnly) {
  const CK_OBJECT_HANDLE object =
      Create(DataObject().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "old"));
  ASSERT_OK(TrySet(object, Template().Text(CKA_LABEL, "new")));
  EXPECT_THAT(Find(Template().Text(CKA_LABEL, "old")), IsEmpty());
  EXPECT_EQ(Find(Template().Text(CKA_LABEL, "new")).size(), 1u);
}

TEST_F(FindTest, ByTheValueOfASensitiveKey_FindsNothing) {
  Create(AesKey(Pattern(32)).Bool(CKA_SENSITIVE, true));
  EXPECT_THAT(Find(Template().Set(CKA_VALUE, Pattern(32))), IsEmpty());
}

TEST_F(FindTest, ByTheValueOfASensitiveTokenKey_FindsNothing) {
  Create(AesKey(Pattern(32)).Bool(CKA_SENSITIVE, true).Bool(CKA_TOKEN, true));
  EXPECT_THAT(Find(Template().Set(CKA_VALUE, Pattern(32))), IsEmpty());
}

// --- paging
// ----------------------------------------------------------------------------

TEST_F(FindTest, InPages_GivesEachObjectOnce) {
  std::vector<CK_OBJECT_HANDLE> made;
  for (CK_BYTE i = 0; i < 10; ++i) {
    made.push_back(Create(DataObject().Bool(CKA_TOKEN, i % 2 == 0)));
  }
  ASSERT_OK(Begin());
  std::vector<CK_OBJECT_HANDLE> found;
  for (int page = 0; page < 10; ++page) {
    const auto some = Next(3);
    found.insert(found.end(), some.begin(), some.end());
    if (some.empty()) break;
  }
  EXPECT_OK(End());
  EXPECT_THAT(found, testing::UnorderedElementsAreArray(made));
}

TEST_F(FindTest, AtTheEnd_GivesNothingAgainAndAgain) {
  Create(DataObject());
  ASSERT_OK(Begin());
  EXPECT_EQ(Next(10).size(), 1u);
  EXPECT_THAT(Next(10), IsEmpty());
  EXPECT_THAT(Next(10), IsEmpty());
  EXPECT_OK(End());
}

TEST_F(FindTest, ObjectsMadeMeanwhile_MayBeMissing_ButTheSearchGoesOn) {
  Create(DataObject());
  Create(DataObject());
  ASSERT_OK(Begin());
  EXPECT_EQ(Next(1).size(), 1u);
  Create(DataObject());
  EXPECT_GE(Next(10).size(), 1u);
  EXPECT_OK(End());
}

// --- order of calls
// ----------------------------------------------------------------------

TEST_F(FindTest, InitTwice_IsOperationActive) {
  ASSERT_OK(Begin());
  EXPECT_RV(CKR_OPERATION_ACTIVE, Begin());
}

TEST_F(FindTest, InAnotherSession_IsIndependent) {
  ASSERT_OK(Begin());
  EXPECT_THAT(Find(Open(), Template()), IsEmpty());
}

TEST_F(FindTest, FindWithoutInit_IsOperationNotInitialized) {
  CK_OBJECT_HANDLE found;
  CK_ULONG count;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_FindObjects(session_, &found, 1, &count));
}

TEST_F(FindTest, FinalWithoutInit_IsOperationNotInitialized) {
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, End());
}

TEST_F(FindTest, FinalTwice_IsOperationNotInitialized) {
  ASSERT_OK(Begin());
  ASSERT_OK(End());
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, End());
}

TEST_F(FindTest, NullTemplateWithCount_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_FindObjectsInit(session_, nullptr, 1));
}

TEST_F(FindTest, BadTemplate_LeavesNoSearch) {
  p11().C_FindObjectsInit(session_, nullptr, 1);
  EXPECT_OK(Begin());
}

TEST_F(FindTest, NullRoom_IsArgumentsBad) {
  ASSERT_OK(Begin());
  CK_ULONG count;
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_FindObjects(session_, nullptr, 1, &count));
}

TEST_F(FindTest, NullCount_IsArgumentsBad) {
  ASSERT_OK(Begin());
  CK_OBJECT_HANDLE found;
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_FindObjects(session_, &found, 1, nullptr));
}

TEST_F(FindTest, StaleSession_IsSessionHandleInvalid) {
  CK_OBJECT_HANDLE found;
  CK_ULONG count;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_FindObjectsInit(kStaleHandle, nullptr, 0));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_FindObjects(kStaleHandle, &found, 1, &count));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11().C_FindObjectsFinal(kStaleHandle));
}

TEST_F(FindTest, LogoutEndsASearchForPrivateObjects) {
  Create(AesKey().Bool(CKA_TOKEN, true));
  ASSERT_OK(Begin());
  Logout();
  CK_OBJECT_HANDLE found;
  CK_ULONG count = 0;
  const CK_RV rv = p11().C_FindObjects(session_, &found, 1, &count);
  EXPECT_RV_IS_ONE_OF(rv, CKR_OPERATION_NOT_INITIALIZED,
                      CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(count, 0u);
}

}  // namespace
}  // namespace conformance
