// Operations in parts, for every mechanism that has them: the same result
// whatever the parts, and the order of calls.
#include <algorithm>

#include "tests/conformance/operations.h"
#include "tests/conformance/token_test.h"

namespace conformance {
namespace {

class PartsTest : public TokenTest, public testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    TokenTest::SetUp();
    NEEDS_CASE(GetParam());
    if (!GetParam().with.is_empty()) with_ = Create(GetParam().with);
    if (!GetParam().against.is_empty()) against_ = Create(GetParam().against);
    input_ = Pattern(GetParam().input);
  }
  const Mechanism& mechanism() const { return GetParam().mechanism; }

  CK_OBJECT_HANDLE with_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE against_ = CK_INVALID_HANDLE;
  Bytes input_;
};

// --- digests
// ---------------------------------------------------------------------------

using DigestPartsTest = PartsTest;

TEST_P(DigestPartsTest, PartsOfOneByte_GiveTheSame) {
  const Result whole = Whole(DigestCalls(), session_, mechanism(), 0, input_);
  const Result parts =
      Parts(DigestCalls(), session_, mechanism(), 0, input_, 1);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, whole.bytes);
}

TEST_P(DigestPartsTest, PartsOf64Bytes_GiveTheSame) {
  const Result whole = Whole(DigestCalls(), session_, mechanism(), 0, input_);
  const Result parts =
      Parts(DigestCalls(), session_, mechanism(), 0, input_, 64);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, whole.bytes);
}

TEST_P(DigestPartsTest, NoParts_IsTheDigestOfNothing) {
  const Result whole = Whole(DigestCalls(), session_, mechanism(), 0, Bytes());
  const Result parts =
      Parts(DigestCalls(), session_, mechanism(), 0, Bytes(), 1);
  ASSERT_OK(whole.rv);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, whole.bytes);
}

TEST_P(DigestPartsTest, WholeAfterAPart_IsRefused) {
  ASSERT_OK(p11().C_DigestInit(session_, mechanism().get()));
  ASSERT_OK(p11().C_DigestUpdate(session_, input_.data(), 10));
  Bytes room(64);
  CK_ULONG size = room.size();
  EXPECT_RV_IS_ONE_OF(
      p11().C_Digest(session_, input_.data(), 10, room.data(), &size),
      CKR_OPERATION_NOT_INITIALIZED, CKR_OPERATION_ACTIVE);
}

TEST_P(DigestPartsTest, UpdateWithoutInit_IsOperationNotInitialized) {
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_DigestUpdate(session_, input_.data(), 1));
}

TEST_P(DigestPartsTest, FinalWithoutInit_IsOperationNotInitialized) {
  Bytes room(64);
  CK_ULONG size = room.size();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_DigestFinal(session_, room.data(), &size));
}

TEST_P(DigestPartsTest, FinalQuery_KeepsTheOperation) {
  ASSERT_OK(p11().C_DigestInit(session_, mechanism().get()));
  ASSERT_OK(p11().C_DigestUpdate(session_, input_.data(), input_.size()));
  CK_ULONG size = 0;
  EXPECT_OK(p11().C_DigestFinal(session_, nullptr, &size));
  EXPECT_EQ(size, GetParam().output);
  Bytes room(size);
  EXPECT_OK(p11().C_DigestFinal(session_, room.data(), &size));
  EXPECT_EQ(room, Whole(DigestCalls(), session_, mechanism(), 0, input_).bytes);
}

TEST_P(DigestPartsTest, FinalTooSmall_KeepsTheOperation) {
  ASSERT_OK(p11().C_DigestInit(session_, mechanism().get()));
  ASSERT_OK(p11().C_DigestUpdate(session_, input_.data(), input_.size()));
  Bytes room(64);
  CK_ULONG size = 3;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            p11().C_DigestFinal(session_, room.data(), &size));
  EXPECT_EQ(size, GetParam().output);
  EXPECT_OK(p11().C_DigestFinal(session_, room.data(), &size));
}

INSTANTIATE_TEST_SUITE_P(All, DigestPartsTest, testing::ValuesIn(DigestCases()),
                         CaseName<testing::TestParamInfo<Case>>);

// --- signatures
// ------------------------------------------------------------------------

using SignPartsTest = PartsTest;

TEST_P(SignPartsTest, SignedInParts_VerifiesInOneCall) {
  const Result signature =
      Parts(SignCalls(), session_, mechanism(), with_, input_, 7);
  ASSERT_OK(signature.rv);
  EXPECT_OK(Verify(session_, mechanism(), against_, input_, signature.bytes));
}

TEST_P(SignPartsTest, SignedInOneCall_VerifiesInParts) {
  const Result signature =
      Whole(SignCalls(), session_, mechanism(), with_, input_);
  ASSERT_OK(signature.rv);
  EXPECT_OK(
      VerifyParts(session_, mechanism(), against_, input_, signature.bytes, 7));
}

TEST_P(SignPartsTest, PartsOfOneByte_GiveTheSame) {
  const Result parts =
      Parts(SignCalls(), session_, mechanism(), with_, input_, 1);
  ASSERT_OK(parts.rv);
  // Where each signature is another, "the same" is what it is good for.
  if (!GetParam().is_fixed) {
    EXPECT_OK(Verify(session_, mechanism(), against_, input_, parts.bytes));
    return;
  }
  EXPECT_EQ(parts.bytes,
            Whole(SignCalls(), session_, mechanism(), with_, input_).bytes);
}

TEST_P(SignPartsTest, NothingSigned_Verifies) {
  const Result signature =
      Parts(SignCalls(), session_, mechanism(), with_, Bytes(), 1);
  ASSERT_OK(signature.rv);
  EXPECT_OK(Verify(session_, mechanism(), against_, Bytes(), signature.bytes));
}

TEST_P(SignPartsTest, VerifyInParts_OtherData_IsSignatureInvalid) {
  const Result signature =
      Whole(SignCalls(), session_, mechanism(), with_, input_);
  Bytes other = input_;
  other.back() ^= 1;
  EXPECT_RV(CKR_SIGNATURE_INVALID, VerifyParts(session_, mechanism(), against_,
                                               other, signature.bytes, 7));
}

TEST_P(SignPartsTest, SignAfterAPart_IsRefused) {
  ASSERT_OK(p11().C_SignInit(session_, mechanism().get(), with_));
  ASSERT_OK(p11().C_SignUpdate(session_, input_.data(), 10));
  Bytes room(1024);
  CK_ULONG size = room.size();
  EXPECT_RV_IS_ONE_OF(
      p11().C_Sign(session_, input_.data(), 10, room.data(), &size),
      CKR_OPERATION_NOT_INITIALIZED, CKR_OPERATION_ACTIVE);
}

TEST_P(SignPartsTest, FinalQuery_KeepsTheOperation) {
  ASSERT_OK(p11().C_SignInit(session_, mechanism().get(), with_));
  ASSERT_OK(p11().C_SignUpdate(session_, input_.data(), input_.size()));
  CK_ULONG size = 0;
  EXPECT_OK(p11().C_SignFinal(session_, nullptr, &size));
  EXPECT_EQ(size, GetParam().output);
  Bytes room(size);
  EXPECT_OK(p11().C_SignFinal(session_, room.data(), &size));
  EXPECT_OK(Verify(session_, mechanism(), against_, input_, room));
}

TEST_P(SignPartsTest, FinalTooSmall_KeepsTheOperation) {
  ASSERT_OK(p11().C_SignInit(session_, mechanism().get(), with_));
  ASSERT_OK(p11().C_SignUpdate(session_, input_.data(), input_.size()));
  Bytes room(1024);
  CK_ULONG size = 3;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            p11().C_SignFinal(session_, room.data(), &size));
  EXPECT_EQ(size, GetParam().output);
  EXPECT_OK(p11().C_SignFinal(session_, room.data(), &size));
}

TEST_P(SignPartsTest, NullPartWithLength_IsArgumentsBad_AndEnds) {
  ASSERT_OK(p11().C_SignInit(session_, mechanism().get(), with_));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11().C_SignUpdate(session_, nullptr, 10));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_SignUpdate(session_, input_.data(), 10));
}

TEST_P(SignPartsTest, UpdateWithoutInit_IsOperationNotInitialized) {
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_SignUpdate(session_, input_.data(), 1));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_VerifyUpdate(session_, input_.data(), 1));
}

TEST_P(SignPartsTest, FinalWithoutInit_IsOperationNotInitialized) {
  Bytes room(1024);
  CK_ULONG size = room.size();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_SignFinal(session_, room.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_VerifyFinal(session_, room.data(), size));
}

INSTANTIATE_TEST_SUITE_P(All, SignPartsTest,
                         testing::ValuesIn(WithParts(SignCases())),
                         CaseName<testing::TestParamInfo<Case>>);

// --- ciphers
// ---------------------------------------------------------------------------

class CipherPartsTest : public PartsTest {
 protected:
  Bytes Encrypted() {
    const Result result =
        Whole(EncryptCalls(), session_, mechanism(), against_, input_);
    EXPECT_OK(result.rv);
    return result.bytes;
  }
};

TEST_P(CipherPartsTest, EncryptPartsOfOneByte_GiveTheSame) {
  const Result parts =
      Parts(EncryptCalls(), session_, mechanism(), against_, input_, 1);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, Encrypted());
}

TEST_P(CipherPartsTest, EncryptPartsOf16Bytes_GiveTheSame) {
  const Result parts =
      Parts(EncryptCalls(), session_, mechanism(), against_, input_, 16);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, Encrypted());
}

TEST_P(CipherPartsTest, EncryptPartsOf17Bytes_GiveTheSame) {
  const Result parts =
      Parts(EncryptCalls(), session_, mechanism(), against_, input_, 17);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, Encrypted());
}

TEST_P(CipherPartsTest, DecryptPartsOfOneByte_GiveThePlainText) {
  const Result parts =
      Parts(DecryptCalls(), session_, mechanism(), with_, Encrypted(), 1);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, input_);
}

TEST_P(CipherPartsTest, DecryptPartsOf16Bytes_GiveThePlainText) {
  const Result parts =
      Parts(DecryptCalls(), session_, mechanism(), with_, Encrypted(), 16);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, input_);
}

TEST_P(CipherPartsTest, DecryptPartsOf33Bytes_GiveThePlainText) {
  const Result parts =
      Parts(DecryptCalls(), session_, mechanism(), with_, Encrypted(), 33);
  ASSERT_OK(parts.rv);
  EXPECT_EQ(parts.bytes, input_);
}

// The query of a part tells at least what the part then gives, and takes
// nothing.
TEST_P(CipherPartsTest, UpdateQuery_TakesNothing) {
  ASSERT_OK(p11().C_EncryptInit(session_, mechanism().get(), against_));
  Bytes all;
  for (size_t at = 0; at < input_.size(); at += 10) {
    const size_t part = std::min<size_t>(10, input_.size() - at);
    CK_ULONG told = 0;
    ASSERT_OK(p11().C_EncryptUpdate(session_, input_.data() + at, part, nullptr,
                                    &told));
    Bytes room(told + 1);
    CK_ULONG given = told;
    ASSERT_OK(p11().C_EncryptUpdate(session_, input_.data() + at, part,
                                    room.data(), &given));
    ASSERT_LE(given, told);
    all.insert(all.end(), room.begin(), room.begin() + given);
  }
  CK_ULONG told = 0;
  ASSERT_OK(p11().C_EncryptFinal(session_, nullptr, &told));
  Bytes room(told + 1);
  ASSERT_OK(p11().C_EncryptFinal(session_, room.data(), &told));
  all.insert(all.end(), room.begin(), room.begin() + told);
  EXPECT_EQ(all, Encrypted());
}

TEST_P(CipherPartsTest, UpdateTooSmall_TakesNothing) {
  ASSERT_OK(p11().C_EncryptInit(session_, mechanism().get(), against_));
  Bytes room(1024);
  CK_ULONG size = 1;
  ASSERT_RV(CKR_BUFFER_TOO_SMALL,
            p11().C_EncryptUpdate(session_, input_.data(), input_.size(),
                                  room.data(), &size));
  CK_ULONG given = room.size();
  ASSERT_OK(p11().C_EncryptUpdate(session_, input_.data(), input_.size(),
                                  room.data(), &given));
  CK_ULONG rest = room.size() - given;
  ASSERT_OK(p11().C_EncryptFinal(session_, room.data() + given, &rest));
  room.resize(given + rest);
  EXPECT_EQ(room, Encrypted());
}

TEST_P(CipherPartsTest, EncryptAfterAPart_IsRefused) {
  ASSERT_OK(p11().C_EncryptInit(session_, mechanism().get(), against_));
  Bytes room(1024);
  CK_ULONG size = room.size();
  ASSERT_OK(
      p11().C_EncryptUpdate(session_, input_.data(), 16, room.data(), &size));
  size = room.size();
  EXPECT_RV_IS_ONE_OF(
      p11().C_Encrypt(session_, input_.data(), 16, room.data(), &size),
      CKR_OPERATION_NOT_INITIALIZED, CKR_OPERATION_ACTIVE);
}

TEST_P(CipherPartsTest, UpdateWithoutInit_IsOperationNotInitialized) {
  Bytes room(1024);
  CK_ULONG size = room.size();
  EXPECT_RV(
      CKR_OPERATION_NOT_INITIALIZED,
      p11().C_EncryptUpdate(session_, input_.data(), 1, room.data(), &size));
  EXPECT_RV(
      CKR_OPERATION_NOT_INITIALIZED,
      p11().C_DecryptUpdate(session_, input_.data(), 1, room.data(), &size));
}

TEST_P(CipherPartsTest, FinalWithoutInit_IsOperationNotInitialized) {
  Bytes room(1024);
  CK_ULONG size = room.size();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_EncryptFinal(session_, room.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11().C_DecryptFinal(session_, room.data(), &size));
}

TEST_P(CipherPartsTest, EncryptAndDecryptAtTheSameTime_AreIndependent) {
  const Bytes sealed = Encrypted();
  ASSERT_OK(p11().C_EncryptInit(session_, mechanism().get(), against_));
  const Result opened =
      Whole(DecryptCalls(), session_, mechanism(), with_, sealed);
  EXPECT_EQ(opened.bytes, input_);
  Bytes room(1024);
  CK_ULONG size = room.size();
  ASSERT_OK(p11().C_Encrypt(session_, input_.data(), input_.size(), room.data(),
                            &size));
  room.resize(size);
  EXPECT_EQ(room, sealed);
}

INSTANTIATE_TEST_SUITE_P(All, CipherPartsTest,
                         testing::ValuesIn(WithParts(CipherCases())),
                         CaseName<testing::TestParamInfo<Case>>);

// --- mechanisms without parts
// --------------------------------------------------------------

std::vector<Case> WithoutParts(std::vector<Case> cases) {
  std::erase_if(cases, [](const Case& each) { return each.has_parts; });
  return cases;
}

using SignNoPartsTest = PartsTest;

TEST_P(SignNoPartsTest, Update_IsRefused) {
  ASSERT_OK(p11().C_SignInit(session_, mechanism().get(), with_));
  EXPECT_RV_IS_ONE_OF(p11().C_SignUpdate(session_, input_.data(), 10),
                      CKR_FUNCTION_NOT_SUPPORTED, CKR_OPERATION_NOT_INITIALIZED,
                      CKR_MECHANISM_INVALID);
}

INSTANTIATE_TEST_SUITE_P(All, SignNoPartsTest,
                         testing::ValuesIn(WithoutParts(SignCases())),
                         CaseName<testing::TestParamInfo<Case>>);

using CipherNoPartsTest = PartsTest;

TEST_P(CipherNoPartsTest, Update_IsRefused) {
  ASSERT_OK(p11().C_EncryptInit(session_, mechanism().get(), against_));
  Bytes room(1024);
  CK_ULONG size = room.size();
  EXPECT_RV_IS_ONE_OF(
      p11().C_EncryptUpdate(session_, input_.data(), 10, room.data(), &size),
      CKR_FUNCTION_NOT_SUPPORTED, CKR_OPERATION_NOT_INITIALIZED,
      CKR_MECHANISM_INVALID);
}

INSTANTIATE_TEST_SUITE_P(All, CipherNoPartsTest,
                         testing::ValuesIn(WithoutParts(CipherCases())),
                         CaseName<testing::TestParamInfo<Case>>);

}  // namespace
}  // namespace conformance
