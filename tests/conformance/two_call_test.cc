// What every operation that gives bytes has in common, for every mechanism of
// SignCases, CipherCases and DigestCases: the two-call convention with exact
// sizes, parts against one call, when an operation ends.
#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

enum class Kind { kDigest, kSign, kEncrypt, kDecrypt };

struct TwoCallCase {
  Kind kind;
  Case what;
};
std::ostream& operator<<(std::ostream& out, const TwoCallCase& each) {
  return out << each.what.name;
}

class TwoCallTest : public TokenTest,
                    public testing::WithParamInterface<TwoCallCase> {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    const Case& what = GetParam().what;
    NEEDS_CASE(what);
    switch (GetParam().kind) {
      case Kind::kDigest:
        calls_ = DigestCalls();
        break;
      case Kind::kSign:
        calls_ = SignCalls();
        key_ = Create(what.with);
        break;
      case Kind::kEncrypt:
        calls_ = EncryptCalls();
        key_ = Create(what.against);
        break;
      case Kind::kDecrypt:
        calls_ = DecryptCalls();
        key_ = Create(what.with);
        break;
    }
    input_ = Pattern(what.input);
    size_ = what.output;
    if (GetParam().kind == Kind::kDecrypt) {
      expected_ = input_;
      size_ = expected_.size();
      input_ = Whole(EncryptCalls(), session_, what.mechanism,
                     Create(what.against), input_)
                   .bytes;
      ASSERT_EQ(input_.size(), what.output);
    }
  }

  CK_RV Init() {
    return calls_.init(session_, GetParam().what.mechanism.get(), key_);
  }
  // One call with this much room; `size` gets what it told.
  CK_RV Call(Bytes* room, CK_ULONG* size) {
    return calls_.whole(session_, input_.data(), input_.size(),
                        room == nullptr ? nullptr : room->data(), size);
  }
  // The length of a plain text without its padding is not known before.
  bool SizeIsABound() const {
    const CK_MECHANISM_TYPE type = GetParam().what.mechanism.type();
    return GetParam().kind == Kind::kDecrypt &&
           (type == CKM_AES_CBC_PAD || type == CKM_RSA_PKCS ||
            type == CKM_RSA_PKCS_OAEP);
  }
  void ExpectSize(CK_ULONG told) {
    if (SizeIsABound()) {
      EXPECT_GE(told, size_);
      EXPECT_LE(told, input_.size());
    } else {
      EXPECT_EQ(told, size_);
    }
  }
  // The operation has ended.
  void ExpectEnded() {
    Bytes room(1024);
    CK_ULONG size = room.size();
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, Call(&room, &size));
  }

  Calls calls_;
  CK_OBJECT_HANDLE key_ = CK_INVALID_HANDLE;
  Bytes input_;
  Bytes expected_;  // of a decryption
  size_t size_ = 0;
};

TEST_P(TwoCallTest, Query_TellsTheSize) {
  ASSERT_OK(Init());
  CK_ULONG size = 7777;
  EXPECT_OK(Call(nullptr, &size));
  ExpectSize(size);
}

TEST_P(TwoCallTest, QueryThenRoomOfThatSize_GivesTheResult) {
  ASSERT_OK(Init());
  CK_ULONG size = 0;
  ASSERT_OK(Call(nullptr, &size));
  Bytes room(size);
  EXPECT_OK(Call(&room, &size));
  EXPECT_EQ(size, size_);
}

TEST_P(TwoCallTest, ManyQueries_AreAllowed) {
  ASSERT_OK(Init());
  CK_ULONG size = 0;
  EXPECT_OK(Call(nullptr, &size));
  EXPECT_OK(Call(nullptr, &size));
  EXPECT_OK(Call(nullptr, &size));
  Bytes room(size);
  EXPECT_OK(Call(&room, &size));
}

TEST_P(TwoCallTest, ExactRoom_IsEnough) {
  ASSERT_OK(Init());
  Bytes room(size_);
  CK_ULONG size = room.size();
  EXPECT_OK(Call(&room, &size));
  EXPECT_EQ(size, size_);
}

TEST_P(TwoCallTest, MoreRoom_IsNotTouched) {
  ASSERT_OK(Init());
  Bytes room(size_ + 300, 0xEE);
  CK_ULONG size = room.size();
  ASSERT_OK(Call(&room, &size));
  ASSERT_EQ(size, size_);
  // A bound may have been used meanwhile, never more than the input's size.
  const size_t used = SizeIsABound() ? std::max(size_, input_.size()) : size_;
  EXPECT_EQ(Bytes(room.begin() + used, room.end()),
            Bytes(room.size() - used, 0xEE));
}

TEST_P(TwoCallTest, OneByteTooLittle_IsBufferTooSmall_AndTellsTheSize) {
  ASSERT_OK(Init());
  Bytes room(size_ - 1, 0xEE);
  CK_ULONG size = room.size();
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, Call(&room, &size));
  ExpectSize(size);
  EXPECT_EQ(room, Bytes(size_ - 1, 0xEE));
}

TEST_P(TwoCallTest, TooSmallThenEnough_GivesTheResult) {
  ASSERT_OK(Init());
  Bytes room(1);
  CK_ULONG size = 1;
  ASSERT_RV(CKR_BUFFER_TOO_SMALL, Call(&room, &size));
  room.resize(size);
  EXPECT_OK(Call(&room, &size));
  EXPECT_EQ(size, size_);
  room.resize(size);
  if (!expected_.empty()) {
    EXPECT_EQ(room, expected_);
  }
}

TEST_P(TwoCallTest, NoRoom_IsBufferTooSmall_AndTheOperationGoesOn) {
  ASSERT_OK(Init());
  CK_BYTE room = 0xEE;
  CK_ULONG size = 0;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            calls_.whole(session_, input_.data(), input_.size(), &room, &size));
  Bytes more(size);
  EXPECT_OK(Call(&more, &size));
}

TEST_P(TwoCallTest, Result_EndsTheOperation) {
  ASSERT_OK(Init());
  Bytes room(1024);
  CK_ULONG size = room.size();
  ASSERT_OK(Call(&room, &size));
  ExpectEnded();
}

TEST_P(TwoCallTest, WithoutInit_IsOperationNotInitialized) { ExpectEnded(); }

TEST_P(TwoCallTest, QueryWithoutInit_IsOperationNotInitialized) {
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, Call(nullptr, &size));
}

TEST_P(TwoCallTest, InitTwice_IsOperationActive) {
  ASSERT_OK(Init());
  EXPECT_RV(CKR_OPERATION_ACTIVE, Init());
}

TEST_P(TwoCallTest, InitAfterTheEnd_Works) {
  ASSERT_OK(Init());
  Bytes room(1024);
  CK_ULONG size = room.size();
  ASSERT_OK(Call(&room, &size));
  EXPECT_OK(Init());
}

TEST_P(TwoCallTest, NullSize_IsArgumentsBad_AndEndsTheOperation) {
  ASSERT_OK(Init());
  Bytes room(1024);
  EXPECT_RV(CKR_ARGUMENTS_BAD, Call(&room, nullptr));
  ExpectEnded();
}

TEST_P(TwoCallTest, NullInputWithLength_IsArgumentsBad) {
  ASSERT_OK(Init());
  Bytes room(1024);
  CK_ULONG size = room.size();
  EXPECT_RV(CKR_ARGUMENTS_BAD,
            calls_.whole(session_, nullptr, 10, room.data(), &size));
}

// PKCS#11 3.0: C_*Init with a null mechanism.
TEST_P(TwoCallTest, NullMechanism_CancelsTheOperation) {
  ASSERT_OK(Init());
  EXPECT_OK(calls_.init(session_, nullptr, CK_INVALID_HANDLE));
  ExpectEnded();
}

TEST_P(TwoCallTest, NullMechanismWithoutOperation_IsRefused) {
  EXPECT_RV_IS_ONE_OF(calls_.init(session_, nullptr, CK_INVALID_HANDLE),
                      CKR_ARGUMENTS_BAD, CKR_OPERATION_NOT_INITIALIZED);
}

TEST_P(TwoCallTest, ClosedSession_EndsTheOperation) {
  ASSERT_OK(Init());
  const CK_SESSION_HANDLE other = Open();
  ASSERT_OK(p11().C_CloseSession(session_));
  Bytes room(1024);
  CK_ULONG size = room.size();
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, Call(&room, &size));
  session_ = other;
}

TEST_P(TwoCallTest, InAnotherSession_IsNotInitialized) {
  ASSERT_OK(Init());
  session_ = Open();
  ExpectEnded();
}

// In place: input and output are one buffer.
TEST_P(TwoCallTest, InPlace_GivesTheSame) {
  const Bytes input = input_;
  if (GetParam().what.is_fixed || !expected_.empty()) {
    const Result apart =
        Whole(calls_, session_, GetParam().what.mechanism, key_, input);
    ASSERT_OK(apart.rv);
    Bytes room = input;
    room.resize(1024);
    CK_ULONG size = room.size();
    ASSERT_OK(Init());
    ASSERT_OK(
        calls_.whole(session_, room.data(), input.size(), room.data(), &size));
    room.resize(size);
    EXPECT_EQ(room, apart.bytes);
  }
}

std::vector<TwoCallCase> Of(Kind kind, const std::vector<Case>& cases) {
  std::vector<TwoCallCase> all;
  for (const Case& each : cases) all.push_back({kind, each});
  return all;
}
std::string Name(const testing::TestParamInfo<TwoCallCase>& info) {
  return info.param.what.name;
}
INSTANTIATE_TEST_SUITE_P(Digest, TwoCallTest,
                         testing::ValuesIn(Of(Kind::kDigest, DigestCases())),
                         Name);
INSTANTIATE_TEST_SUITE_P(Sign, TwoCallTest,
                         testing::ValuesIn(Of(Kind::kSign, SignCases())), Name);
INSTANTIATE_TEST_SUITE_P(Encrypt, TwoCallTest,
                         testing::ValuesIn(Of(Kind::kEncrypt, CipherCases())),
                         Name);
INSTANTIATE_TEST_SUITE_P(Decrypt, TwoCallTest,
                         testing::ValuesIn(Of(Kind::kDecrypt, CipherCases())),
                         Name);

}  // namespace
}  // namespace conformance
