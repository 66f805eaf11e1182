// C_Login, C_LoginUser and C_Logout.
#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

// Nobody is logged in; `session_` is read/write.
class LoginTest : public TokenTest {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    Logout();
  }
};

TEST_F(LoginTest, User_GetsIn) {
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, So_GetsIn) { EXPECT_OK(Login(session_, CKU_SO, kSoPin)); }

TEST_F(LoginTest, User_InReadOnlySession_GetsIn) {
  EXPECT_OK(Login(Open(kReadOnly), CKU_USER, kUserPin));
}

TEST_F(LoginTest, WrongPin_IsPinIncorrect) {
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, "wrong-pin"));
  EXPECT_EQ(State(session_), CKS_RW_PUBLIC_SESSION);
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, SoPinForUser_IsPinIncorrect) {
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, kSoPin));
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, UserPinForSo_IsPinIncorrect) {
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_SO, kUserPin));
  EXPECT_OK(Login(session_, CKU_SO, kSoPin));
}

TEST_F(LoginTest, PinWithOneByteMore_IsPinIncorrect) {
  EXPECT_RV(CKR_PIN_INCORRECT,
            Login(session_, CKU_USER, std::string(kUserPin) + "x"));
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, PinWithAZeroByte_IsPinIncorrect) {
  EXPECT_RV(CKR_PIN_INCORRECT,
            Login(session_, CKU_USER, std::string(kUserPin) + '\0'));
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, EmptyPin_IsPinIncorrect) {
  EXPECT_RV_IS_ONE_OF(Login(session_, CKU_USER, ""), CKR_PIN_INCORRECT,
                      CKR_PIN_LEN_RANGE);
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, NullPinWithLength_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_Login(session_, CKU_USER, nullptr, 8));
}

TEST_F(LoginTest, UnknownUserType_IsUserTypeInvalid) {
  EXPECT_RV(CKR_USER_TYPE_INVALID, Login(session_, 77, kUserPin));
}

TEST_F(LoginTest, StaleSession_IsSessionHandleInvalid) {
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            Login(kStaleHandle, CKU_USER, kUserPin));
}

TEST_F(LoginTest, Twice_IsAlreadyLoggedIn) {
  LoginUser();
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, Twice_InAnotherSession_IsAlreadyLoggedIn) {
  LoginUser();
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, Login(Open(), CKU_USER, kUserPin));
}

TEST_F(LoginTest, SoTwice_IsAlreadyLoggedIn) {
  LoginSo();
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, Login(session_, CKU_SO, kSoPin));
}

TEST_F(LoginTest, SoWhileUser_IsAnotherAlreadyLoggedIn) {
  LoginUser();
  EXPECT_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
            Login(session_, CKU_SO, kSoPin));
}

TEST_F(LoginTest, UserWhileSo_IsAnotherAlreadyLoggedIn) {
  LoginSo();
  EXPECT_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
            Login(session_, CKU_USER, kUserPin));
}

TEST_F(LoginTest, WrongPinWhileLoggedIn_IsAlreadyLoggedIn) {
  LoginUser();
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, Login(session_, CKU_USER, "wrong"));
  EXPECT_EQ(Info().flags & CKF_USER_PIN_COUNT_LOW, 0u);
}

TEST_F(LoginTest, ContextSpecific_WithoutOperation_IsNotInitialized) {
  LoginUser();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            Login(session_, CKU_CONTEXT_SPECIFIC, kUserPin));
}

TEST_F(LoginTest, Logout_WithoutLogin_IsNotLoggedIn) {
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11().C_Logout(session_));
}

TEST_F(LoginTest, Logout_StaleSession_IsSessionHandleInvalid) {
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11().C_Logout(kStaleHandle));
}

TEST_F(LoginTest, Logout_InAnotherSession_LogsOut) {
  LoginUser();
  EXPECT_OK(p11().C_Logout(Open(kReadOnly)));
  EXPECT_EQ(State(session_), CKS_RW_PUBLIC_SESSION);
}

TEST_F(LoginTest, LogoutThenLogin_Works) {
  LoginUser();
  Logout();
  EXPECT_OK(Login(session_, CKU_SO, kSoPin));
}

TEST_F(LoginTest, LoginUser_WithoutName_IsALogin) {
  NEEDS_PERIGEE();
  CK_UTF8CHAR* pin =
      reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(kUserPin));
  const CK_RV rv = p11().C_LoginUser(session_, CKU_USER, pin,
                                     sizeof(kUserPin) - 1, nullptr, 0);
  EXPECT_RV_IS_ONE_OF(rv, CKR_OK, CKR_FUNCTION_NOT_SUPPORTED);
  const CK_STATE state =
      rv == CKR_OK ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION;
  EXPECT_EQ(State(session_), state);
}

// --- what a logout does to objects
// ---------------------------------------------

TEST_F(LoginTest, Logout_PrivateSessionObject_IsGoneForEver) {
  LoginUser();
  const CK_OBJECT_HANDLE object = Create(DataObject().Bool(CKA_PRIVATE, true));
  Logout();
  LoginUser();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(object, CKA_VALUE));
}

TEST_F(LoginTest, Logout_PublicSessionObject_Stays) {
  LoginUser();
  const CK_OBJECT_HANDLE object = Create(DataObject());
  Logout();
  EXPECT_OK(TryGet(object, CKA_VALUE));
}

TEST_F(LoginTest, Logout_PrivateTokenObject_CannotBeSeen) {
  LoginUser();
  const CK_OBJECT_HANDLE object =
      Create(DataObject().Bool(CKA_TOKEN, true).Bool(CKA_PRIVATE, true));
  Logout();
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, TryGet(object, CKA_VALUE));
}

TEST_F(LoginTest, LoginAgain_PrivateTokenObject_IsFound) {
  LoginUser();
  Create(DataObject()
             .Bool(CKA_TOKEN, true)
             .Bool(CKA_PRIVATE, true)
             .Text(CKA_LABEL, "kept"));
  Logout();
  LoginUser();
  EXPECT_EQ(Find(Template().Text(CKA_LABEL, "kept")).size(), 1u);
}

// --- a token without a user PIN
// ------------------------------------------------

class NoUserPinTest : public LibraryTest {
 protected:
  NoUserPinTest() : LibraryTest(std::make_shared<Place>()) {}
  void SetUp() override {
    LibraryTest::SetUp();
    slot_ = InitToken(EmptySlot());
    ASSERT_OK(
        p11().C_OpenSession(slot_, kReadWrite, nullptr, nullptr, &session_));
  }
  CK_RV Login(CK_USER_TYPE user, std::string pin) {
    return p11().C_Login(
        session_, user, reinterpret_cast<CK_UTF8CHAR*>(pin.data()), pin.size());
  }
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE session_ = 0;
};

TEST_F(NoUserPinTest, UserLogin_IsUserPinNotInitialized) {
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED, Login(CKU_USER, kUserPin));
}

TEST_F(NoUserPinTest, SoLogin_Works) { EXPECT_OK(Login(CKU_SO, kSoPin)); }

TEST_F(NoUserPinTest, Flags_HaveNoUserPin) {
  const CK_FLAGS flags = TokenInfo(slot_).flags;
  EXPECT_NE(flags & CKF_TOKEN_INITIALIZED, 0u);
  EXPECT_EQ(flags & CKF_USER_PIN_INITIALIZED, 0u);
}

}  // namespace
}  // namespace conformance
