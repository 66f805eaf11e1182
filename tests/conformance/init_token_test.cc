// C_InitToken: the first time, again, and what it refuses.
#include <unistd.h>

#include <cstring>

#include "tests/conformance/keys.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

std::string PaddedLabel(const std::string& label) {
  return label + std::string(32 - label.size(), ' ');
}

CK_RV InitTokenAt(CK_SLOT_ID slot, const std::string& pin,
                  const std::string& label) {
  return p11().C_InitToken(
      slot, reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(pin.data())),
      pin.size(),
      reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(label.data())));
}

class InitTokenTest : public LibraryTest {
 protected:
  InitTokenTest() : LibraryTest(std::make_shared<Place>()) {}
};

TEST_F(InitTokenTest, Works) {
  EXPECT_OK(InitTokenAt(EmptySlot(), kSoPin, PaddedLabel("one")));
}

TEST_F(InitTokenTest, NoSuchSlot_IsSlotIdInvalid) {
  EXPECT_RV(CKR_SLOT_ID_INVALID,
            InitTokenAt(kNoSlot, kSoPin, PaddedLabel("one")));
}

TEST_F(InitTokenTest, NullPin_IsArgumentsBad) {
  std::string label = PaddedLabel("one");
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            p11().C_InitToken(EmptySlot(), nullptr, 8,
                              reinterpret_cast<CK_UTF8CHAR*>(label.data())));
}

TEST_F(InitTokenTest, NullLabel_IsArgumentsBad) {
  std::string pin = kSoPin;
  EXPECT_RV(
      CKR_ARGUMENTS_BAD,
      p11().C_InitToken(EmptySlot(), reinterpret_cast<CK_UTF8CHAR*>(pin.data()),
                        pin.size(), nullptr));
}

TEST_F(InitTokenTest, PinTooShort_IsRefused) {
  const CK_SLOT_ID slot = EmptySlot();
  const CK_ULONG shortest = TokenInfo(slot).ulMinPinLen;
  EXPECT_RV_IS_ONE_OF(
      InitTokenAt(slot, std::string(shortest - 1, 'p'), PaddedLabel("one")),
      CKR_PIN_LEN_RANGE, CKR_PIN_INCORRECT);
  EXPECT_EQ(TokenInfo(slot).flags & CKF_TOKEN_INITIALIZED, 0u);
}

TEST_F(InitTokenTest, SetsTheLabel) {
  const CK_SLOT_ID slot =
      InitToken(EmptySlot(), "a label of 32 bytes, no blanks!!");
  const CK_TOKEN_INFO info = TokenInfo(slot);
  EXPECT_EQ(std::string(std::begin(info.label), std::end(info.label)),
            "a label of 32 bytes, no blanks!!");
}

TEST_F(InitTokenTest, LooksAtTokenInfo_MakeNoState) {
  NEEDS_PERIGEE();
  for (CK_SLOT_ID slot : Slots(false)) TokenInfo(slot);
  EXPECT_NE(access((place().path() + "/state").c_str(), F_OK), 0);
}

// --- again
// -----------------------------------------------------------------------

class InitTokenAgainTest : public FreshTokenTest {
 protected:
  // Without the session of the fixture.
  void SetUp() override {
    FreshTokenTest::SetUp();
    Create(DataObject().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "old"));
    Create(AesKey().Bool(CKA_TOKEN, true).Text(CKA_LABEL, "old"));
    Leave();
  }
  // The token may have no user any more.
  void TearDown() override { Leave(); }
};

TEST_F(InitTokenAgainTest, RightPin_Works) {
  EXPECT_OK(InitTokenAt(slot_, kSoPin, PaddedLabel(kLabel)));
}

TEST_F(InitTokenAgainTest, WrongPin_IsPinIncorrect) {
  EXPECT_RV(CKR_PIN_INCORRECT,
            InitTokenAt(slot_, "wrong-pin", PaddedLabel(kLabel)));
}

TEST_F(InitTokenAgainTest, WrongPin_DestroysNothing) {
  InitTokenAt(slot_, "wrong-pin", PaddedLabel("other"));
  session_ = Open();
  LoginUser();
  EXPECT_EQ(Find(Template().Text(CKA_LABEL, "old")).size(), 2u);
}

TEST_F(InitTokenAgainTest, WithOpenSession_IsSessionExists) {
  Open(kReadOnly);
  EXPECT_RV(CKR_SESSION_EXISTS,
            InitTokenAt(slot_, kSoPin, PaddedLabel(kLabel)));
}

TEST_F(InitTokenAgainTest, DestroysObjects) {
  ASSERT_OK(InitTokenAt(slot_, kSoPin, PaddedLabel(kLabel)));
  session_ = Open();
  EXPECT_TRUE(Find(Template()).empty());
}

TEST_F(InitTokenAgainTest, TakesTheUsersPinAway) {
  ASSERT_OK(InitTokenAt(slot_, kSoPin, PaddedLabel(kLabel)));
  session_ = Open();
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED, Login(session_, CKU_USER, kUserPin));
  EXPECT_EQ(Info().flags & CKF_USER_PIN_INITIALIZED, 0u);
}

TEST_F(InitTokenAgainTest, PrivateObjects_DoNotComeBackWithANewUser) {
  ASSERT_OK(InitTokenAt(slot_, kSoPin, PaddedLabel(kLabel)));
  session_ = Open();
  LoginSo();
  ASSERT_OK(p11().C_InitPIN(
      session_, reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(kUserPin)),
      strlen(kUserPin)));
  Logout();
  LoginUser();
  EXPECT_TRUE(Find(Template()).empty());
}

TEST_F(InitTokenAgainTest, ChangesTheLabel) {
  ASSERT_OK(InitTokenAt(slot_, kSoPin, PaddedLabel("another")));
  const CK_TOKEN_INFO info = Info();
  EXPECT_EQ(std::string(std::begin(info.label), std::end(info.label)),
            PaddedLabel("another"));
}

TEST_F(InitTokenAgainTest, KeepsTheSosPin) {
  ASSERT_OK(InitTokenAt(slot_, kSoPin, PaddedLabel(kLabel)));
  session_ = Open();
  EXPECT_OK(Login(session_, CKU_SO, kSoPin));
}

}  // namespace
}  // namespace conformance
