#include "base/status.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace base {
namespace {

TEST(ErrorTest, CarriesTheReturnValueAndTheMessage) {
  const absl::Status status = Error(CKR_PIN_LOCKED, "crypto officer");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(CkRv(status), CKR_PIN_LOCKED);
  EXPECT_EQ(status.message(), "crypto officer");
}

TEST(ErrorTest, CarriesVendorValuesExactly) {
  EXPECT_EQ(CkRv(Error(CKR_CONTAINER_OBJECT_STORAGE_FULL, "")), 0x8000002CUL);
  EXPECT_EQ(CkRv(Error(LUNA_RET_OPERATION_RESTRICTED, "")), 0x00010A0BUL);
}

TEST(ErrorTest, CarriesAValueNobodyNamed) {
  const absl::Status status = Error(0xDEADBEEFUL, "");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(CkRv(status), 0xDEADBEEFUL);
}

TEST(ErrorTest, OkIsStillAnError) {
  EXPECT_EQ(CkRv(Error(CKR_OK, "")), CKR_GENERAL_ERROR);
}

TEST(ErrorTest, SurvivesACopy) {
  const absl::Status copy = Error(CKR_PIN_INCORRECT, "");
  EXPECT_EQ(CkRv(absl::Status(copy)), CKR_PIN_INCORRECT);
}

TEST(ErrorTest, CanonicalCodeSaysWhatTheCallerCanDo) {
  using absl::StatusCode;
  EXPECT_EQ(Error(CKR_ARGUMENTS_BAD, "").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Error(CKR_OPERATION_ACTIVE, "").code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(Error(CKR_USER_NOT_LOGGED_IN, "").code(),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(Error(CKR_HSM_STORAGE_FULL, "").code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(Error(CKR_DEVICE_REMOVED, "").code(), StatusCode::kUnavailable);
  EXPECT_EQ(Error(CKR_DEVICE_ERROR, "").code(), StatusCode::kDataLoss);
  EXPECT_EQ(Error(CKR_FUNCTION_NOT_SUPPORTED, "").code(),
            StatusCode::kUnimplemented);
  EXPECT_EQ(Error(CKR_GENERAL_ERROR, "").code(), StatusCode::kInternal);
}

TEST(ReasonTest, IsBesideTheReturnValue) {
  const absl::Status status =
      ErrorWithReason(LUNA_RET_OPERATION_RESTRICTED, "restricted-restore", "");
  EXPECT_EQ(Reason(status), "restricted-restore");
  EXPECT_EQ(CkRv(status), LUNA_RET_OPERATION_RESTRICTED);
}

TEST(ReasonTest, IsEmptyWhenThereIsNone) {
  EXPECT_EQ(Reason(Error(CKR_PIN_LOCKED, "")), "");
  EXPECT_EQ(Reason(absl::OkStatus()), "");
}

TEST(CkRvTest, OkStatusIsCkrOk) { EXPECT_EQ(CkRv(absl::OkStatus()), CKR_OK); }

TEST(CkRvTest, DefaultsOfTheCanonicalCodes) {
  EXPECT_EQ(CkRv(absl::InvalidArgumentError("")), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(CkRv(absl::FailedPreconditionError("")), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(CkRv(absl::PermissionDeniedError("")), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(CkRv(absl::NotFoundError("")), CKR_GENERAL_ERROR);
  EXPECT_EQ(CkRv(absl::AlreadyExistsError("")), CKR_GENERAL_ERROR);
  EXPECT_EQ(CkRv(absl::ResourceExhaustedError("")), CKR_HOST_MEMORY);
  EXPECT_EQ(CkRv(absl::UnavailableError("")), CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(absl::DeadlineExceededError("")), CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(absl::DataLossError("")), CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(absl::UnimplementedError("")), CKR_FUNCTION_NOT_SUPPORTED);
  EXPECT_EQ(CkRv(absl::InternalError("")), CKR_GENERAL_ERROR);
}

TEST(CkRvNameTest, Standard) {
  EXPECT_EQ(CkRvName(CKR_OK), "CKR_OK");
  EXPECT_EQ(CkRvName(0xA4), "CKR_PIN_LOCKED");
  EXPECT_EQ(CkRvName(0x209), "CKR_PARAMETER_SET_NOT_SUPPORTED");
}

TEST(CkRvNameTest, Vendor) {
  EXPECT_EQ(CkRvName(0x10A0B), "LUNA_RET_OPERATION_RESTRICTED");
  EXPECT_EQ(CkRvName(0x8000000B), "CKR_CERTIFICATE_INVALID");
  EXPECT_EQ(CkRvName(0x10A07), "CKR_CONFIG_FAILS_DEPENDENCIES");
  EXPECT_EQ(CkRvName(0x8000002C), "CKR_CONTAINER_OBJECT_STORAGE_FULL");
}

TEST(CkRvNameTest, UnknownIsHexadecimal) {
  EXPECT_EQ(CkRvName(0xDEADBEEFUL), "0xdeadbeef");
}

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return Error(CKR_DATA_INVALID, "odd");
  return n / 2;
}

absl::StatusOr<int> SumOfHalves(int a, int b) {
  ASSIGN_OR_RETURN(const int x, Half(a));
  ASSIGN_OR_RETURN(const int y, Half(b));
  return x + y;
}

TEST(AssignOrReturnTest, AssignsOrReturnsTheError) {
  EXPECT_EQ(SumOfHalves(4, 6).value(), 5);
  EXPECT_EQ(CkRv(SumOfHalves(4, 5).status()), CKR_DATA_INVALID);
}

absl::Status CheckEven(int n) {
  RETURN_IF_ERROR(Half(n).status());
  return absl::OkStatus();
}

TEST(ReturnIfErrorTest, ReturnsTheErrorOrGoesOn) {
  EXPECT_TRUE(CheckEven(2).ok());
  EXPECT_EQ(CkRv(CheckEven(3)), CKR_DATA_INVALID);
}

}  // namespace
}  // namespace base
