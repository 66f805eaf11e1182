#include "pkcs11/output.h"

#include <array>

#include "gtest/gtest.h"

namespace pkcs11 {
namespace {

const std::array<CK_BYTE, 4> kResult = {1, 2, 3, 4};

TEST(OutputTest, NullLength_IsBadArguments) {
  std::array<CK_BYTE, 4> buffer;
  EXPECT_EQ(base::CkRv(Output::Make(buffer.data(), nullptr).status()),
            CKR_ARGUMENTS_BAD);
}

TEST(OutputTest, NullBuffer_AsksForTheLength) {
  CK_ULONG size = 99;
  const auto output = Output::Make(nullptr, &size);
  ASSERT_TRUE(output.ok());
  EXPECT_TRUE(output->is_query());
  EXPECT_FALSE(output->Fits(0));
  EXPECT_EQ(output->Give(kResult), Answer::kQueried);
  EXPECT_EQ(size, 4U);
}

TEST(OutputTest, SmallBuffer_IsToldTheLengthAndNotTouched) {
  std::array<CK_BYTE, 3> buffer = {9, 9, 9};
  CK_ULONG size = buffer.size();
  const auto output = Output::Make(buffer.data(), &size);
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->Give(kResult), Answer::kTooSmall);
  EXPECT_EQ(size, 4U);
  EXPECT_EQ(buffer[0], 9);
  EXPECT_EQ(base::CkRv(ToStatus(Answer::kTooSmall)), CKR_BUFFER_TOO_SMALL);
}

TEST(OutputTest, LargeBuffer_IsGivenTheResultAndItsLength) {
  std::array<CK_BYTE, 6> buffer = {9, 9, 9, 9, 9, 9};
  CK_ULONG size = buffer.size();
  const auto output = Output::Make(buffer.data(), &size);
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->Give(kResult), Answer::kGiven);
  EXPECT_EQ(size, 4U);
  EXPECT_EQ(buffer[3], 4);
  EXPECT_EQ(buffer[4], 9);
}

TEST(OutputTest, ElementsAreCounted_NotBytes) {
  const std::array<CK_SLOT_ID, 2> slots = {7, 8};
  std::array<CK_SLOT_ID, 2> buffer = {};
  CK_ULONG count = 2;
  const auto output = OutputOf<CK_SLOT_ID>::Make(buffer.data(), &count);
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->Give(slots), Answer::kGiven);
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(buffer[1], 8U);
}

TEST(OutputTest, EmptyResult_FitsAnEmptyBuffer) {
  CK_BYTE buffer;
  CK_ULONG size = 0;
  const auto output = Output::Make(&buffer, &size);
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->Give({}), Answer::kGiven);
}

}  // namespace
}  // namespace pkcs11
