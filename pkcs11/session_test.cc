// The rule when an operation ends, with real mechanisms over session objects
// of a token that has nothing else.
#include "pkcs11/session.h"

#include <array>
#include <cstring>

#include "gtest/gtest.h"
#include "pkcs11/mechanisms/self_check.h"

namespace pkcs11 {
namespace {

class EmptyToken : public Token {
 public:
  EmptyToken() : Token(0) {}
  SpaceId own_space() const override { return 1; }
  const std::string& hsm_name() const override { return name_; }
  SlotFacts Slot() override { return {}; }
  absl::StatusOr<TokenFacts> Facts() override { return TokenFacts(); }
  absl::Status Connect(SpaceId) override { return absl::OkStatus(); }
  bool has_crypto() const override { return true; }
  absl::StatusOr<std::vector<uint64_t>> Find(SpaceId,
                                             const AttributeSet&) override {
    return std::vector<uint64_t>();
  }

 protected:
  absl::StatusOr<Authenticated> Authenticate(SpaceId, hsm::Role,
                                             const SecretBytes& pin) override {
    if (pin.Equals(base::AsBytes("right"))) return Authenticated();
    return base::Error(CKR_PIN_INCORRECT, "");
  }

 private:
  const std::string name_ = "none";
};

SecretBytes RightPin() { return SecretBytes::CopyOf(base::AsBytes("right")); }

class SessionTest : public testing::Test {
 protected:
  SessionTest() : session_(1, token_, 1, /*read_write=*/true, 0) {
    EXPECT_TRUE(session_.application().Enter(true).ok());
  }

  CK_OBJECT_HANDLE AesKey(bool is_private = false,
                          bool always_authenticate = false) {
    AttributeSet key;
    key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
    key.SetUlong(CKA_KEY_TYPE, CKK_AES);
    key.SetBool(CKA_TOKEN, false);
    key.SetBool(CKA_PRIVATE, is_private);
    key.SetBool(CKA_ALWAYS_AUTHENTICATE, always_authenticate);
    key.SetBool(CKA_ENCRYPT, true);
    key.SetBool(CKA_DECRYPT, true);
    key.SetText(CKA_VALUE, "0123456789abcdef");
    std::vector<AttributeSet> one;
    one.push_back(key);
    return session_.application().objects().Create(1, one)->front();
  }

  static constexpr auto kDigestSize = [](const Digester& d) {
    return d.size();
  };
  absl::Status Digest(CK_BYTE* out, CK_ULONG* size) {
    return session_.Finish<DigestKind>(
        Session::Last::kOneShot, Output::Make(out, size), kDigestSize,
        [](Digester& d, MutableByteSpan room) -> absl::StatusOr<size_t> {
          RETURN_IF_ERROR(d.Update(base::AsBytes("abc")));
          RETURN_IF_ERROR(d.Final(room));
          return d.size();
        });
  }
  absl::Status DecryptOnce(ByteSpan in, CK_BYTE* out, CK_ULONG* size) {
    return session_.Finish<DecryptKind>(
        Session::Last::kOneShot, Output::Make(out, size),
        [&](const Cipher& c) { return c.OneShotSize(in.size()); },
        [&](Cipher& c, MutableByteSpan room) {
          ++decryptions_;
          return c.OneShot(in, room);
        });
  }
  base::Bytes EncryptOnce(ByteSpan in, const CK_MECHANISM& mechanism,
                          CK_OBJECT_HANDLE key) {
    EXPECT_TRUE(session_.Begin<EncryptKind>(&mechanism, key).ok());
    base::Bytes out(in.size() + 32);
    CK_ULONG size = out.size();
    EXPECT_TRUE(
        session_
            .Finish<EncryptKind>(
                Session::Last::kOneShot, Output::Make(out.data(), &size),
                [&](const Cipher& c) { return c.OneShotSize(in.size()); },
                [&](Cipher& c, MutableByteSpan room) {
                  return c.OneShot(in, room);
                })
            .ok());
    out.resize(size);
    return out;
  }

  const std::shared_ptr<EmptyToken> token_ = std::make_shared<EmptyToken>();
  Session session_;
  CK_MECHANISM sha256_ = {CKM_SHA256, nullptr, 0};
  std::array<CK_BYTE, 16> iv_ = {};
  CK_MECHANISM cbc_pad_ = {CKM_AES_CBC_PAD, iv_.data(), iv_.size()};
  int decryptions_ = 0;
};

TEST_F(SessionTest, WithoutInit_IsNotInitialized) {
  CK_ULONG size = 0;
  EXPECT_EQ(base::CkRv(Digest(nullptr, &size)), CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(SessionTest, SecondInit_IsActive) {
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
  EXPECT_EQ(base::CkRv(session_.Begin<DigestKind>(&sha256_)),
            CKR_OPERATION_ACTIVE);
}

TEST_F(SessionTest, NullMechanism_CancelsOnce) {
  EXPECT_EQ(base::CkRv(session_.Begin<DigestKind>(nullptr)), CKR_ARGUMENTS_BAD);
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
  EXPECT_TRUE(session_.Begin<DigestKind>(nullptr).ok());
  EXPECT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
}

TEST_F(SessionTest, QueryAndTooSmall_KeepTheOperation) {
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
  CK_ULONG size = 0;
  EXPECT_TRUE(Digest(nullptr, &size).ok());
  EXPECT_EQ(size, 32U);
  std::array<CK_BYTE, 32> out;
  size = 31;
  EXPECT_EQ(base::CkRv(Digest(out.data(), &size)), CKR_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, 32U);
  EXPECT_TRUE(Digest(out.data(), &size).ok());
  EXPECT_EQ(out[0], 0xba);
  EXPECT_EQ(base::CkRv(Digest(out.data(), &size)),
            CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(SessionTest, AnyOtherError_EndsTheOperation) {
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
  std::array<CK_BYTE, 32> out;
  EXPECT_EQ(base::CkRv(Digest(out.data(), nullptr)), CKR_ARGUMENTS_BAD);
  EXPECT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
}

TEST_F(SessionTest, OneShotAfterParts_IsRefusedAndEnds) {
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
  ASSERT_TRUE(session_
                  .Feed<DigestKind>([](Digester& d) {
                    return d.Update(base::AsBytes("abc"));
                  })
                  .ok());
  std::array<CK_BYTE, 32> out;
  CK_ULONG size = 32;
  EXPECT_EQ(base::CkRv(Digest(out.data(), &size)),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
}

TEST_F(SessionTest, PaddedPlaintext_IsMadeOnceAndDeliveredWhenItFits) {
  const CK_OBJECT_HANDLE key = AesKey();
  const base::Bytes sealed =
      EncryptOnce(base::AsBytes("twenty bytes of text"), cbc_pad_, key);
  ASSERT_EQ(sealed.size(), 32U);
  ASSERT_TRUE(session_.Begin<DecryptKind>(&cbc_pad_, key).ok());

  CK_ULONG size = 0;
  EXPECT_TRUE(DecryptOnce(sealed, nullptr, &size).ok());
  EXPECT_GE(size, 20U);
  EXPECT_EQ(decryptions_, 0);

  std::array<CK_BYTE, 20> out;
  size = 19;
  EXPECT_EQ(base::CkRv(DecryptOnce(sealed, out.data(), &size)),
            CKR_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, 20U);
  EXPECT_TRUE(DecryptOnce(sealed, nullptr, &size).ok());
  EXPECT_EQ(size, 20U);
  EXPECT_TRUE(DecryptOnce(sealed, out.data(), &size).ok());
  EXPECT_EQ(std::memcmp(out.data(), "twenty bytes of text", 20), 0);
  EXPECT_EQ(decryptions_, 1);
  EXPECT_EQ(base::CkRv(DecryptOnce(sealed, out.data(), &size)),
            CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(SessionTest, PlaintextOfExactRoom_FitsAtOnce) {
  const CK_OBJECT_HANDLE key = AesKey();
  const base::Bytes sealed = EncryptOnce(base::AsBytes("short"), cbc_pad_, key);
  ASSERT_TRUE(session_.Begin<DecryptKind>(&cbc_pad_, key).ok());
  std::array<CK_BYTE, 5> out;
  CK_ULONG size = out.size();
  EXPECT_TRUE(DecryptOnce(sealed, out.data(), &size).ok());
  EXPECT_EQ(size, 5U);
}

TEST_F(SessionTest, UsageFlagAndKeyType_AreChecked) {
  const CK_OBJECT_HANDLE key = AesKey();
  CK_MECHANISM hmac = {CKM_SHA256_HMAC, nullptr, 0};
  EXPECT_EQ(base::CkRv(session_.Begin<SignKind>(&hmac, key)),
            CKR_KEY_TYPE_INCONSISTENT);
  EXPECT_EQ(base::CkRv(session_.Begin<SignKind>(&cbc_pad_, key)),
            CKR_MECHANISM_INVALID);
  EXPECT_EQ(base::CkRv(session_.Begin<EncryptKind>(&cbc_pad_, 77)),
            CKR_KEY_HANDLE_INVALID);
}

TEST_F(SessionTest, DestroyedKey_EndsTheOperation) {
  const CK_OBJECT_HANDLE key = AesKey();
  ASSERT_TRUE(session_.Begin<DecryptKind>(&cbc_pad_, key).ok());
  ASSERT_TRUE(session_.application().objects().Destroy(key).ok());
  CK_ULONG size = 0;
  EXPECT_EQ(base::CkRv(DecryptOnce({}, nullptr, &size)),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(base::CkRv(session_.Begin<DecryptKind>(&cbc_pad_, key)),
            CKR_KEY_HANDLE_INVALID);
}

TEST_F(SessionTest, Logout_EndsTheOperationAtItsNextStep) {
  ASSERT_TRUE(token_->Login(1, hsm::Role::kCo, RightPin()).ok());
  const CK_OBJECT_HANDLE key = AesKey(/*is_private=*/true);
  ASSERT_TRUE(session_.Begin<DecryptKind>(&cbc_pad_, key).ok());
  ASSERT_TRUE(token_->Logout(1).ok());
  CK_ULONG size = 0;
  EXPECT_EQ(base::CkRv(DecryptOnce({}, nullptr, &size)),
            CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(base::CkRv(session_.FindObject(key).status()),
            CKR_OBJECT_HANDLE_INVALID);
}

TEST_F(SessionTest, AlwaysAuthenticate_WantsThePinForEachUse) {
  ASSERT_TRUE(token_->Login(1, hsm::Role::kCo, RightPin()).ok());
  const CK_OBJECT_HANDLE key = AesKey(true, /*always_authenticate=*/true);
  EXPECT_EQ(base::CkRv(session_.Authenticate(RightPin())),
            CKR_OPERATION_NOT_INITIALIZED);
  ASSERT_TRUE(session_.Begin<DecryptKind>(&cbc_pad_, key).ok());
  EXPECT_EQ(base::CkRv(session_.Authenticate(
                SecretBytes::CopyOf(base::AsBytes("wrong")))),
            CKR_PIN_INCORRECT);
  EXPECT_TRUE(session_.Authenticate(RightPin()).ok());

  std::array<CK_BYTE, 32> out;
  CK_ULONG size = out.size();
  const std::array<CK_BYTE, 16> in = {};
  // The padding is wrong, but the key was used.
  EXPECT_NE(base::CkRv(DecryptOnce(in, out.data(), &size)),
            CKR_USER_NOT_LOGGED_IN);
  ASSERT_TRUE(session_.Begin<DecryptKind>(&cbc_pad_, key).ok());
  EXPECT_EQ(base::CkRv(DecryptOnce(in, out.data(), &size)),
            CKR_USER_NOT_LOGGED_IN);
}

TEST_F(SessionTest, ClosedSession_RefusesEverything) {
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
  session_.Close();
  CK_ULONG size = 0;
  EXPECT_EQ(base::CkRv(Digest(nullptr, &size)), CKR_SESSION_HANDLE_INVALID);
  EXPECT_EQ(base::CkRv(session_.Begin<DigestKind>(&sha256_)),
            CKR_SESSION_HANDLE_INVALID);
}

TEST_F(SessionTest, Cancel_EndsWhatIsNamed) {
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
  session_.Cancel(CKF_SIGN);
  EXPECT_EQ(base::CkRv(session_.Begin<DigestKind>(&sha256_)),
            CKR_OPERATION_ACTIVE);
  session_.Cancel(CKF_DIGEST);
  EXPECT_TRUE(session_.Begin<DigestKind>(&sha256_).ok());
}

TEST_F(SessionTest, Search_DoesNotFindBySensitiveValues) {
  AttributeSet key;
  key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
  key.SetUlong(CKA_KEY_TYPE, CKK_AES);
  key.SetBool(CKA_SENSITIVE, true);
  key.SetText(CKA_VALUE, "0123456789abcdef");
  std::vector<AttributeSet> one;
  one.push_back(key);
  ASSERT_TRUE(session_.application().objects().Create(1, one).ok());
  AttributeSet guess;
  guess.SetText(CKA_VALUE, "0123456789abcdef");
  ASSERT_TRUE(session_.BeginFind(guess).ok());
  EXPECT_TRUE(session_.NextFound(10)->empty());
  ASSERT_TRUE(session_.EndFind().ok());
  ASSERT_TRUE(session_.BeginFind(AttributeSet()).ok());
  EXPECT_EQ(session_.NextFound(10)->size(), 1U);
}

// --- logins ------------------------------------------------------------------

TEST(ApplicationTest, SoAndReadOnlySessionsExcludeEachOther) {
  Application application;
  ASSERT_TRUE(application.Enter(/*read_write=*/false).ok());
  EXPECT_EQ(base::CkRv(application.MayLogin(hsm::Role::kSo)),
            CKR_SESSION_READ_ONLY_EXISTS);
  ASSERT_TRUE(application.Enter(true).ok());
  application.Leave(false);
  ASSERT_TRUE(application.BeginLogin(hsm::Role::kSo, nullptr, false).ok());
  EXPECT_EQ(base::CkRv(application.Enter(false)),
            CKR_SESSION_READ_WRITE_SO_EXISTS);
}

TEST(ApplicationTest, OneLoginAtATime) {
  Application application;
  ASSERT_TRUE(application.Enter(true).ok());
  ASSERT_TRUE(application.BeginLogin(hsm::Role::kCo, nullptr, false).ok());
  EXPECT_EQ(base::CkRv(application.MayLogin(hsm::Role::kCo)),
            CKR_USER_ALREADY_LOGGED_IN);
  EXPECT_EQ(base::CkRv(application.MayLogin(hsm::Role::kSo)),
            CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
  EXPECT_TRUE(application.EndLogin());
  EXPECT_FALSE(application.EndLogin());
  EXPECT_TRUE(application.MayLogin(hsm::Role::kSo).ok());
}

TEST(ApplicationTest, LoginAfterTheLastSessionClosed_IsRefused) {
  Application application;
  ASSERT_TRUE(application.Enter(true).ok());
  EXPECT_TRUE(application.Leave(true));
  EXPECT_EQ(base::CkRv(application.BeginLogin(hsm::Role::kCo, nullptr, false)),
            CKR_SESSION_HANDLE_INVALID);
}

// What is under way ends too, and what was used before is not used again.
TEST_F(SessionTest, AFailedSelfTest_EndsEverything) {
  const CK_MECHANISM sha = {CKM_SHA256, nullptr, 0};
  CK_BYTE out[32];
  CK_ULONG size = sizeof(out);
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha).ok());
  ASSERT_TRUE(Digest(out, &size).ok());
  ASSERT_TRUE(session_.Begin<DigestKind>(&sha).ok());
  EnterErrorState("for a test");
  EXPECT_EQ(base::CkRv(Digest(out, &size)), CKR_DEVICE_ERROR);
  EXPECT_EQ(base::CkRv(session_.Begin<DigestKind>(&sha)), CKR_DEVICE_ERROR);
  ResetSelfTests();
  EXPECT_TRUE(session_.Begin<DigestKind>(&sha).ok());
  EXPECT_TRUE(Digest(out, &size).ok());
}

}  // namespace
}  // namespace pkcs11
