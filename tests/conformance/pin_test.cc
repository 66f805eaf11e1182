// C_InitPIN, C_SetPIN, and what wrong PINs do.
#include <cstring>

#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

constexpr char kNewPin[] = "a-new-pin-0001";
// No lockout may need more wrong PINs than this.
constexpr int kEnough = 30;

CK_UTF8CHAR* Utf8(const char* text) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text));
}

class PinTest : public FreshTokenTest {
 protected:
  CK_RV InitPin(const std::string& pin) {
    return p11().C_InitPIN(session_, Utf8(pin.data()), pin.size());
  }
  CK_RV SetPin(const std::string& old_pin, const std::string& new_pin) {
    return p11().C_SetPIN(session_, Utf8(old_pin.data()), old_pin.size(),
                          Utf8(new_pin.data()), new_pin.size());
  }
  void BecomeSo() {
    Logout();
    LoginSo();
  }
  // Wrong PINs until the role says that it is locked; how many were taken.
  int Lock(CK_USER_TYPE user) {
    for (int tried = 0; tried < kEnough; ++tried) {
      const CK_RV rv = Login(session_, user, "wrong-pin");
      if (rv == CKR_PIN_LOCKED) return tried;
      EXPECT_RV(CKR_PIN_INCORRECT, rv);
    }
    ADD_FAILURE() << "never locked";
    return kEnough;
  }
};

// --- C_InitPIN
// -----------------------------------------------------------------

TEST_F(PinTest, InitPin_ByUser_IsNotLoggedIn) {
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, InitPin(kNewPin));
}

TEST_F(PinTest, InitPin_ByNobody_IsNotLoggedIn) {
  Logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, InitPin(kNewPin));
}

TEST_F(PinTest, InitPin_NullPin_IsArgumentsBad) {
  BecomeSo();
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_InitPIN(session_, nullptr, 8));
}

TEST_F(PinTest, InitPin_TooShort_IsPinLenRange) {
  const CK_ULONG shortest = Info().ulMinPinLen;
  BecomeSo();
  EXPECT_RV(CKR_PIN_LEN_RANGE, InitPin(std::string(shortest - 1, 'p')));
}

TEST_F(PinTest, InitPin_Shortest_Works) {
  const CK_ULONG shortest = Info().ulMinPinLen;
  BecomeSo();
  EXPECT_OK(InitPin(std::string(shortest, 'p')));
}

TEST_F(PinTest, InitPin_Longest_Works) {
  const CK_ULONG longest = Info().ulMaxPinLen;
  BecomeSo();
  EXPECT_OK(InitPin(std::string(longest, 'p')));
  Logout();
  EXPECT_OK(Login(session_, CKU_USER, std::string(longest, 'p')));
}

TEST_F(PinTest, InitPin_TooLong_IsPinLenRange) {
  const CK_ULONG longest = Info().ulMaxPinLen;
  BecomeSo();
  EXPECT_RV(CKR_PIN_LEN_RANGE, InitPin(std::string(longest + 1, 'p')));
}

TEST_F(PinTest, InitPin_Again_GivesTheUserANewPin) {
  BecomeSo();
  ASSERT_OK(InitPin(kNewPin));
  Logout();
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, kUserPin));
  EXPECT_OK(Login(session_, CKU_USER, kNewPin));
}

// Decision 17.
TEST_F(PinTest, InitPin_Again_KeepsPrivateObjects) {
  Create(AesKey().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "kept"));
  BecomeSo();
  ASSERT_OK(InitPin(kNewPin));
  Logout();
  ASSERT_OK(Login(session_, CKU_USER, kNewPin));
  const auto found = Find(Template().Text(CKA_LABEL, "kept"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(Get(found[0], CKA_VALUE), Pattern(32));
}

// --- C_SetPIN
// ------------------------------------------------------------------

TEST_F(PinTest, SetPin_ByUser_ChangesTheUsersPin) {
  ASSERT_OK(SetPin(kUserPin, kNewPin));
  Logout();
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, kUserPin));
  EXPECT_OK(Login(session_, CKU_USER, kNewPin));
}

TEST_F(PinTest, SetPin_ByNobody_ChangesTheUsersPin) {
  Logout();
  ASSERT_OK(SetPin(kUserPin, kNewPin));
  EXPECT_OK(Login(session_, CKU_USER, kNewPin));
}

TEST_F(PinTest, SetPin_BySo_ChangesTheSosPin) {
  BecomeSo();
  ASSERT_OK(SetPin(kSoPin, kNewPin));
  Logout();
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_SO, kSoPin));
  EXPECT_OK(Login(session_, CKU_SO, kNewPin));
}

TEST_F(PinTest, SetPin_BySo_LeavesTheUserAlone) {
  BecomeSo();
  ASSERT_OK(SetPin(kSoPin, kNewPin));
  Logout();
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(PinTest, SetPin_KeepsTheLogin) {
  ASSERT_OK(SetPin(kUserPin, kNewPin));
  EXPECT_EQ(State(session_), CKS_RW_USER_FUNCTIONS);
}

TEST_F(PinTest, SetPin_KeepsObjects) {
  Create(AesKey().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "kept"));
  ASSERT_OK(SetPin(kUserPin, kNewPin));
  Logout();
  ASSERT_OK(Login(session_, CKU_USER, kNewPin));
  const auto found = Find(Template().Text(CKA_LABEL, "kept"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(Get(found[0], CKA_VALUE), Pattern(32));
}

TEST_F(PinTest, SetPin_SurvivesARestart) {
  ASSERT_OK(SetPin(kUserPin, kNewPin));
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  session_ = Open();
  EXPECT_OK(Login(session_, CKU_USER, kNewPin));
}

TEST_F(PinTest, SetPin_WrongOldPin_IsPinIncorrect) {
  EXPECT_RV(CKR_PIN_INCORRECT, SetPin("wrong-pin", kNewPin));
  Logout();
  EXPECT_OK(Login(session_, CKU_USER, kUserPin));
}

TEST_F(PinTest, SetPin_TooShort_IsPinLenRange) {
  EXPECT_RV(CKR_PIN_LEN_RANGE,
            SetPin(kUserPin, std::string(Info().ulMinPinLen - 1, 'p')));
}

TEST_F(PinTest, SetPin_TooLong_IsPinLenRange) {
  EXPECT_RV(CKR_PIN_LEN_RANGE,
            SetPin(kUserPin, std::string(Info().ulMaxPinLen + 1, 'p')));
}

TEST_F(PinTest, SetPin_NullOldPin_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_SetPIN(session_, nullptr, 8,
                                              Utf8(kNewPin), strlen(kNewPin)));
}

TEST_F(PinTest, SetPin_NullNewPin_IsArgumentsBad) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_SetPIN(session_, Utf8(kUserPin),
                                              strlen(kUserPin), nullptr, 8));
}

TEST_F(PinTest, SetPin_StaleSession_IsSessionHandleInvalid) {
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID,
            p11().C_SetPIN(kStaleHandle, Utf8(kUserPin), strlen(kUserPin),
                           Utf8(kNewPin), strlen(kNewPin)));
}

TEST_F(PinTest, SetPin_BinaryPin_IsTakenAsItIs) {
  const std::string pin("\x01\xff\x00\x7fnot text", 12);
  ASSERT_OK(SetPin(kUserPin, pin));
  Logout();
  EXPECT_OK(Login(session_, CKU_USER, pin));
}

// --- wrong PINs
// ----------------------------------------------------------------

TEST_F(PinTest, OneWrongPin_SetsCountLow) {
  Logout();
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, "wrong-pin"));
  EXPECT_NE(Info().flags & CKF_USER_PIN_COUNT_LOW, 0u);
}

TEST_F(PinTest, RightPin_ClearsCountLow) {
  Logout();
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, "wrong-pin"));
  LoginUser();
  EXPECT_EQ(Info().flags & CKF_USER_PIN_COUNT_LOW, 0u);
}

TEST_F(PinTest, OneWrongSoPin_SetsCountLow) {
  Logout();
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_SO, "wrong-pin"));
  EXPECT_NE(Info().flags & CKF_SO_PIN_COUNT_LOW, 0u);
}

TEST_F(PinTest, ManyWrongPins_LockTheUser) {
  Logout();
  Lock(CKU_USER);
  EXPECT_NE(Info().flags & CKF_USER_PIN_LOCKED, 0u);
}

TEST_F(PinTest, LockedUser_RightPin_IsPinLocked) {
  Logout();
  Lock(CKU_USER);
  EXPECT_RV(CKR_PIN_LOCKED, Login(session_, CKU_USER, kUserPin));
}

TEST_F(PinTest, LockedUser_StaysLockedAfterARestart) {
  Logout();
  Lock(CKU_USER);
  ASSERT_OK(p11().C_Finalize(nullptr));
  ASSERT_OK(p11().C_Initialize(nullptr));
  session_ = Open();
  EXPECT_RV(CKR_PIN_LOCKED, Login(session_, CKU_USER, kUserPin));
}

TEST_F(PinTest, LockedUser_SetPin_IsPinLocked) {
  Logout();
  Lock(CKU_USER);
  EXPECT_RV(CKR_PIN_LOCKED, SetPin(kUserPin, kNewPin));
}

TEST_F(PinTest, LockedUser_SoCanStillLogIn) {
  Logout();
  Lock(CKU_USER);
  EXPECT_OK(Login(session_, CKU_SO, kSoPin));
}

TEST_F(PinTest, LockedUser_InitPin_Unlocks) {
  Logout();
  Lock(CKU_USER);
  LoginSo();
  ASSERT_OK(InitPin(kNewPin));
  Logout();
  EXPECT_OK(Login(session_, CKU_USER, kNewPin));
  EXPECT_EQ(Info().flags & CKF_USER_PIN_LOCKED, 0u);
}

TEST_F(PinTest, LastTry_SetsFinalTry) {
  Logout();
  for (int tried = 0; tried < kEnough; ++tried) {
    if (Info().flags & CKF_USER_PIN_FINAL_TRY) break;
    ASSERT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, "wrong-pin"));
  }
  ASSERT_NE(Info().flags & CKF_USER_PIN_FINAL_TRY, 0u);
  EXPECT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, "wrong-pin"));
  EXPECT_RV(CKR_PIN_LOCKED, Login(session_, CKU_USER, kUserPin));
}

TEST_F(PinTest, WrongOldPinsInSetPin_Count) {
  Logout();
  EXPECT_RV(CKR_PIN_INCORRECT, SetPin("wrong-pin", kNewPin));
  EXPECT_NE(Info().flags & CKF_USER_PIN_COUNT_LOW, 0u);
}

TEST_F(PinTest, RightPinResetsTheCount) {
  Logout();
  const int limit = Lock(CKU_USER);
  LoginSo();
  ASSERT_OK(InitPin(kUserPin));
  Logout();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i + 1 < limit; ++i) {
      ASSERT_RV(CKR_PIN_INCORRECT, Login(session_, CKU_USER, "wrong-pin"));
    }
    ASSERT_OK(Login(session_, CKU_USER, kUserPin));
    Logout();
  }
}

// Decision 21: ten bad logins of the partition's SO lock him and destroy
// nothing.
TEST_F(PinTest, TenWrongSoPins_LockTheSoAndDestroyNothing) {
  Create(DataObject().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "kept"));
  Logout();
  EXPECT_EQ(Lock(CKU_SO), 10);
  EXPECT_NE(Info().flags & CKF_SO_PIN_LOCKED, 0u);
  EXPECT_RV(CKR_PIN_LOCKED, Login(session_, CKU_SO, kSoPin));
  LoginUser();
  EXPECT_EQ(Find(Template().Text(CKA_LABEL, "kept")).size(), 1u);
}

}  // namespace
}  // namespace conformance
