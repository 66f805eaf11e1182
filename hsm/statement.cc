// Text forms of firmware versions.
#include "hsm/statement.h"

#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hsm {

namespace {

std::optional<uint8_t> ParseNumber(absl::string_view digits) {
  if (digits.empty() || digits.size() > 3) return std::nullopt;
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  int number = 0;
  for (char c : digits) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    number = number * 10 + (c - '0');
  }
  if (number > 255) return std::nullopt;
  return static_cast<uint8_t>(number);
}

}  // namespace

std::string FirmwareVersion::ToString() const {
  return absl::StrCat(major_number, ".", minor_number, ".", patch);
}

absl::StatusOr<FirmwareVersion> FirmwareVersion::Parse(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  std::vector<uint8_t> numbers;
  for (absl::string_view part : parts) {
    const std::optional<uint8_t> number = ParseNumber(part);
    if (number.has_value()) numbers.push_back(*number);
  }
  if (numbers.size() != parts.size() || parts.size() < 2 || parts.size() > 3) {
    return base::Error(CKR_ARGUMENTS_BAD, "not a firmware version");
  }
  numbers.resize(3);
  return FirmwareVersion{numbers[0], numbers[1], numbers[2]};
}

}  // namespace hsm
