// Sessions: opening, closing, states, what read-only ones refuse.
#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

using SessionTest = TokenTest;

// The token without any session of the fixture.
class SessionlessTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    Leave();
  }
};

TEST_F(SessionTest, Open_WithoutSerialFlag_IsParallelNotSupported) {
  CK_SESSION_HANDLE session;
  EXPECT_RV(
      CKR_SESSION_PARALLEL_NOT_SUPPORTED,
      p11().C_OpenSession(slot_, CKF_RW_SESSION, nullptr, nullptr, &session));
}

TEST_F(SessionTest, Open_NoSuchSlot_IsSlotIdInvalid) {
  CK_SESSION_HANDLE session;
  EXPECT_RV(
      CKR_SLOT_ID_INVALID,
      p11().C_OpenSession(kNoSlot, kReadWrite, nullptr, nullptr, &session));
}

TEST_F(SessionTest, Open_NullHandle_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_OpenSession(slot_, kReadWrite, nullptr, nullptr, nullptr));
}

TEST_F(SessionTest, Open_GivesAHandleThatIsNotZero) {
  EXPECT_NE(Open(), CK_INVALID_HANDLE);
}

TEST_F(SessionTest, Open_GivesADifferentHandleEachTime) {
  EXPECT_NE(Open(), Open());
}

TEST_F(SessionTest, Open_AnApplicationPointerIsNothingToUs) {
  int application = 0;
  CK_SESSION_HANDLE session;
  EXPECT_OK(
      p11().C_OpenSession(slot_, kReadOnly, &application, nullptr, &session));
}

TEST_F(SessionTest, Info_NullPointer_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_GetSessionInfo(session_, nullptr));
}

TEST_F(SessionTest, Info_StaleHandle_IsSessionHandleInvalid) {
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_GetSessionInfo(kStaleHandle, &info));
}

TEST_F(SessionTest, Info_TellsSlotAndFlags_ReadWrite) {
  CK_SESSION_INFO info = {};
  ASSERT_OK(p11().C_GetSessionInfo(session_, &info));
  EXPECT_EQ(info.slotID, slot_);
  EXPECT_EQ(info.flags, kReadWrite);
}

TEST_F(SessionTest, Info_TellsSlotAndFlags_ReadOnly) {
  CK_SESSION_INFO info = {};
  ASSERT_OK(p11().C_GetSessionInfo(Open(kReadOnly), &info));
  EXPECT_EQ(info.slotID, slot_);
  EXPECT_EQ(info.flags, kReadOnly);
}

TEST_F(SessionTest, Close_Twice_IsSessionHandleInvalid) {
  const CK_SESSION_HANDLE session = Open();
  EXPECT_OK(p11().C_CloseSession(session));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11().C_CloseSession(session));
}

TEST_F(SessionTest, Close_HandleZero_IsSessionHandleInvalid) {
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11().C_CloseSession(0));
}

TEST_F(SessionTest, CloseAll_NoSuchSlot_IsSlotIdInvalid) {
  EXPECT_RV(CKR_SLOT_ID_INVALID, p11().C_CloseAllSessions(kNoSlot));
}

TEST_F(SessionTest, CloseAll_EndsEverySession) {
  const CK_SESSION_HANDLE other = Open(kReadOnly);
  EXPECT_OK(p11().C_CloseAllSessions(slot_));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11().C_CloseSession(session_));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11().C_CloseSession(other));
}

TEST_F(SessionTest, CloseAll_LeavesOtherSlotsAlone) {
  NEEDS_PERIGEE();
  CK_SESSION_HANDLE admin = CK_INVALID_HANDLE;
  ASSERT_OK(p11().C_OpenSession(2, kReadWrite, nullptr, nullptr, &admin));
  EXPECT_OK(p11().C_CloseAllSessions(slot_));
  EXPECT_OK(p11().C_CloseSession(admin));
}

TEST_F(SessionTest, ManySessions_AreAllowed) {
  for (int i = 0; i < 500; ++i) ASSERT_NE(Open(), CK_INVALID_HANDLE);
}

TEST_F(SessionlessTest, ClosingTheLastSession_LogsOut) {
  session_ = Open();
  LoginUser();
  EXPECT_OK(p11().C_CloseSession(session_));
  EXPECT_EQ(State(Open()), CKS_RW_PUBLIC_SESSION);
}

TEST_F(SessionlessTest, ClosingOneOfTwoSessions_DoesNotLogOut) {
  session_ = Open();
  const CK_SESSION_HANDLE other = Open();
  LoginUser();
  EXPECT_OK(p11().C_CloseSession(session_));
  EXPECT_EQ(State(other), CKS_RW_USER_FUNCTIONS);
}

TEST_F(SessionlessTest, CloseAll_LogsOut) {
  session_ = Open();
  LoginUser();
  EXPECT_OK(p11().C_CloseAllSessions(slot_));
  EXPECT_EQ(State(Open()), CKS_RW_PUBLIC_SESSION);
}

// --- states ------------------------------------------------------------------

TEST_F(SessionlessTest, State_ReadOnlyPublic) {
  EXPECT_EQ(State(Open(kReadOnly)), CKS_RO_PUBLIC_SESSION);
}

TEST_F(SessionlessTest, State_ReadWritePublic) {
  EXPECT_EQ(State(Open(kReadWrite)), CKS_RW_PUBLIC_SESSION);
}

TEST_F(SessionTest, State_ReadOnlyUser) {
  EXPECT_EQ(State(Open(kReadOnly)), CKS_RO_USER_FUNCTIONS);
}

TEST_F(SessionTest, State_ReadWriteUser) {
  EXPECT_EQ(State(Open(kReadWrite)), CKS_RW_USER_FUNCTIONS);
}

TEST_F(SessionlessTest, State_ReadWriteSo) {
  session_ = Open();
  LoginSo();
  EXPECT_EQ(State(Open(kReadWrite)), CKS_RW_SO_FUNCTIONS);
}

TEST_F(SessionlessTest, Login_ChangesEverySession) {
  const CK_SESSION_HANDLE read_only = Open(kReadOnly);
  session_ = Open();
  LoginUser();
  EXPECT_EQ(State(read_only), CKS_RO_USER_FUNCTIONS);
}

TEST_F(SessionTest, Logout_ChangesEverySession) {
  const CK_SESSION_HANDLE read_only = Open(kReadOnly);
  Logout();
  EXPECT_EQ(State(read_only), CKS_RO_PUBLIC_SESSION);
  EXPECT_EQ(State(session_), CKS_RW_PUBLIC_SESSION);
}

TEST_F(SessionlessTest, SoLogin_WithReadOnlySession_IsRefused) {
  Open(kReadOnly);
  session_ = Open();
  EXPECT_RV(CKR_SESSION_READ_ONLY_EXISTS, Login(session_, CKU_SO, kSoPin));
}

TEST_F(SessionlessTest, OpenReadOnly_WhileSoIsLoggedIn_IsRefused) {
  session_ = Open();
  LoginSo();
  CK_SESSION_HANDLE session;
  EXPECT_RV(CKR_SESSION_READ_WRITE_SO_EXISTS,
            p11().C_OpenSession(slot_, kReadOnly, nullptr, nullptr, &session));
}

TEST_F(SessionlessTest, SoLogin_AfterReadOnlySessionsClosed_Works) {
  const CK_SESSION_HANDLE read_only = Open(kReadOnly);
  session_ = Open();
  EXPECT_OK(p11().C_CloseSession(read_only));
  EXPECT_OK(Login(session_, CKU_SO, kSoPin));
}

// --- read-only sessions
// --------------------------------------------------------

class ReadOnlyTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    read_only_ = Open(kReadOnly);
  }
  CK_SESSION_HANDLE read_only_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE new_ = CK_INVALID_HANDLE;
};

TEST_F(ReadOnlyTest, CreateTokenObject_IsSessionReadOnly) {
  const Template t = DataObject().Bool(CKA_TOKEN, true);
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            p11().C_CreateObject(read_only_, t.data(), t.size(), &new_));
}

TEST_F(ReadOnlyTest, CreateSessionObject_Works) {
  const Template t = DataObject();
  EXPECT_OK(p11().C_CreateObject(read_only_, t.data(), t.size(), &new_));
}

TEST_F(ReadOnlyTest, DestroyTokenObject_IsSessionReadOnly) {
  const CK_OBJECT_HANDLE object = Create(DataObject().Bool(CKA_TOKEN, true));
  EXPECT_RV(CKR_SESSION_READ_ONLY, p11().C_DestroyObject(read_only_, object));
  EXPECT_EQ(Get(object, CKA_VALUE), FromText("value"));
}

TEST_F(ReadOnlyTest, DestroySessionObject_Works) {
  EXPECT_OK(p11().C_DestroyObject(read_only_, Create(DataObject())));
}

TEST_F(ReadOnlyTest, SetOnTokenObject_IsSessionReadOnly) {
  const CK_OBJECT_HANDLE object = Create(DataObject().Bool(CKA_TOKEN, true));
  const Template t = Template().Text(CKA_LABEL, "new");
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            p11().C_SetAttributeValue(read_only_, object, t.data(), t.size()));
}

TEST_F(ReadOnlyTest, SetOnSessionObject_Works) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  const Template t = Template().Text(CKA_LABEL, "new");
  EXPECT_OK(p11().C_SetAttributeValue(read_only_, object, t.data(), t.size()));
}

TEST_F(ReadOnlyTest, CopyToTokenObject_IsSessionReadOnly) {
  const CK_OBJECT_HANDLE object = Create(DataObject());
  const Template t = Template().Bool(CKA_TOKEN, true);
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            p11().C_CopyObject(read_only_, object, t.data(), t.size(), &new_));
}

TEST_F(ReadOnlyTest, GenerateTokenKey_IsSessionReadOnly) {
  const Template t = NewAes().Bool(CKA_TOKEN, true);
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            p11().C_GenerateKey(read_only_, Mechanism(CKM_AES_KEY_GEN).get(),
                                t.data(), t.size(), &new_));
}

TEST_F(ReadOnlyTest, GenerateSessionKey_Works) {
  const Template t = NewAes();
  EXPECT_OK(p11().C_GenerateKey(read_only_, Mechanism(CKM_AES_KEY_GEN).get(),
                                t.data(), t.size(), &new_));
}

TEST_F(ReadOnlyTest, GenerateTokenPair_IsSessionReadOnly) {
  const Template pub = NewEcPublic();
  const Template priv = NewEcPrivate().Bool(CKA_TOKEN, true);
  CK_OBJECT_HANDLE other;
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            p11().C_GenerateKeyPair(
                read_only_, Mechanism(CKM_EC_KEY_PAIR_GEN).get(), pub.data(),
                pub.size(), priv.data(), priv.size(), &new_, &other));
}

TEST_F(ReadOnlyTest, InitPin_IsRefused) {
  CK_UTF8CHAR pin[] = "12345678";
  EXPECT_RV_IS_ONE_OF(p11().C_InitPIN(read_only_, pin, 8),
                      CKR_SESSION_READ_ONLY, CKR_USER_NOT_LOGGED_IN);
}

TEST_F(ReadOnlyTest, SetPin_IsSessionReadOnly) {
  CK_UTF8CHAR* pin =
      reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(kUserPin));
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            p11().C_SetPIN(read_only_, pin, sizeof(kUserPin) - 1, pin,
                           sizeof(kUserPin) - 1));
}

// --- functions that are legacy
// -------------------------------------------------

TEST_F(SessionTest, GetFunctionStatus_IsFunctionNotParallel) {
  EXPECT_RV(CKR_FUNCTION_NOT_PARALLEL, p11().C_GetFunctionStatus(session_));
}

TEST_F(SessionTest, CancelFunction_IsFunctionNotParallel) {
  EXPECT_RV(CKR_FUNCTION_NOT_PARALLEL, p11().C_CancelFunction(session_));
}

// "Should simply return" the one; the other is in its list of values too.
TEST_F(SessionTest, GetFunctionStatus_StaleHandle_IsRefused) {
  EXPECT_RV_IS_ONE_OF(p11().C_GetFunctionStatus(kStaleHandle),
                      CKR_FUNCTION_NOT_PARALLEL, CKR_SESSION_HANDLE_INVALID);
}

TEST_F(SessionTest, CancelFunction_StaleHandle_IsRefused) {
  EXPECT_RV_IS_ONE_OF(p11().C_CancelFunction(kStaleHandle),
                      CKR_FUNCTION_NOT_PARALLEL, CKR_SESSION_HANDLE_INVALID);
}

}  // namespace
}  // namespace conformance
