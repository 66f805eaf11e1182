#include "base/status.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace base {
namespace {

constexpr absl::string_view kCkRvUrl = "perigee/ck_rv";
constexpr absl::string_view kReasonUrl = "perigee/reason";

struct Row {
  CK_RV rv;
  const char* name;
  absl::StatusCode code;
};

// ckr_names.def in the order of the values.
constexpr auto kRows = [] {
  auto rows = std::to_array<Row>({
#define PERIGEE_CKR(name, code) {name, #name, absl::StatusCode::code},
#include "base/ckr_names.def"
#undef PERIGEE_CKR
  });
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.rv < b.rv; });
  return rows;
}();

static_assert(std::adjacent_find(kRows.begin(), kRows.end(),
                                 [](const Row& a, const Row& b) {
                                   return a.rv == b.rv;
                                 }) == kRows.end(),
              "a value has two names in ckr_names.def");

// The row of `rv`, or null for a number nobody named.
const Row* FindRow(CK_RV rv) {
  const auto* it =
      std::lower_bound(kRows.begin(), kRows.end(), rv,
                       [](const Row& row, CK_RV v) { return row.rv < v; });
  return it != kRows.end() && it->rv == rv ? it : nullptr;
}

// What an error without a CK_RV of its own becomes.
CK_RV DefaultCkRv(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return CKR_OK;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return CKR_ARGUMENTS_BAD;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return CKR_FUNCTION_REJECTED;
    case absl::StatusCode::kResourceExhausted:
      return CKR_HOST_MEMORY;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kDataLoss:
      return CKR_DEVICE_ERROR;
    case absl::StatusCode::kUnimplemented:
      return CKR_FUNCTION_NOT_SUPPORTED;
    default:
      return CKR_GENERAL_ERROR;
  }
}

}  // namespace

absl::Status Error(CK_RV rv, absl::string_view message) {
  if (rv == CKR_OK) rv = CKR_GENERAL_ERROR;  // An error it is, all the same.
  const Row* row = FindRow(rv);
  absl::Status status(row != nullptr ? row->code : absl::StatusCode::kInternal,
                      message);
  status.SetPayload(kCkRvUrl, absl::Cord(absl::StrCat("0x", absl::Hex(rv))));
  return status;
}

absl::Status ErrorWithReason(CK_RV rv, absl::string_view reason,
                             absl::string_view message) {
  absl::Status status = Error(rv, message);
  status.SetPayload(kReasonUrl, absl::Cord(reason));
  return status;
}

CK_RV CkRv(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kCkRvUrl); payload.has_value()) {
    uint64_t rv = 0;
    if (absl::SimpleHexAtoi(std::string(*payload), &rv) && rv != CKR_OK) {
      return static_cast<CK_RV>(rv);
    }
  }
  return DefaultCkRv(status.code());
}

std::string Reason(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonUrl);
  return payload.has_value() ? std::string(*payload) : std::string();
}

std::string CkRvName(CK_RV rv) {
  if (rv == CKR_OK) return "CKR_OK";
  const Row* row = FindRow(rv);
  return row != nullptr ? row->name : absl::StrCat("0x", absl::Hex(rv));
}

}  // namespace base
