#include "tools/shell/text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shell {
namespace {

// The length of the UTF-8 sequence at the front of `text` and its code point;
// 0 when there is none.
size_t Decode(absl::string_view text, uint32_t& point) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t length = first < 0x80           ? 1
                        : (first >> 5) == 0x06 ? 2
                        : (first >> 4) == 0x0e ? 3
                        : (first >> 3) == 0x1e ? 4
                                               : 0;
  if (length == 0 || text.size() < length) return 0;
  static constexpr uint8_t kMask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  point = first & kMask[length];
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = (point << 6) | (byte(i) & 0x3f);
  }
  return point < kLeast[length] || point > 0x10ffff ? 0 : length;
}

bool IsControl(uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
         (point >= 0x200b && point <= 0x200f) ||
         (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069) ||
         (point >= 0xd800 && point <= 0xdfff) || point == 0xfeff;
}

}  // namespace

std::string CleanText(absl::string_view text) {
  std::string clean;
  while (!text.empty()) {
    uint32_t point = 0;
    const size_t length = Decode(text, point);
    if (length == 0 || IsControl(point)) {
      clean += '?';
    } else {
      absl::StrAppend(&clean, text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return clean;
}

std::string VersionText(const CK_ULONG (&version)[3]) {
  return absl::StrFormat("%d.%d.%d", version[0], version[1], version[2]);
}

std::string SizeText(CK_ULONG bytes) {
  return bytes == CK_UNAVAILABLE_INFORMATION ? "unlimited"
                                             : absl::StrCat(bytes);
}

std::string HexText(absl::Span<const unsigned char> bytes) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string FingerprintText(absl::Span<const unsigned char> bytes) {
  const std::string hex = HexText(bytes);
  std::string text;
  for (size_t i = 0; i < hex.size(); i += 4) {
    absl::StrAppend(&text, i == 0 ? "" : " ", hex.substr(i, 4));
  }
  return text;
}

std::string BytesOfHex(absl::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == ':' || c == '-') continue;
    if (!absl::ascii_isxdigit(c)) return "";
    digits += c;
  }
  return digits.size() % 2 == 0 ? absl::HexStringToBytes(digits) : "";
}

std::string SlotField(absl::string_view name, absl::string_view value) {
  return absl::StrFormat("    %-23s %s\n", absl::StrCat(name, " ->"), value);
}

std::string Field(absl::string_view name, absl::string_view value) {
  return absl::StrCat("        ", name, " -> ", value, "\n");
}

std::string Count(CK_ULONG n, absl::string_view noun) {
  return absl::StrCat(n, " ", noun, n == 1 ? "" : "s");
}

std::string ObjectTypeText(CK_OBJECT_CLASS object_class) {
  struct Row {
    CK_OBJECT_CLASS object_class;
    const char* text;
  };
  static constexpr Row kRows[] = {{CKO_DATA, "Data"},
                                  {CKO_CERTIFICATE, "Certificate"},
                                  {CKO_PUBLIC_KEY, "Public Key"},
                                  {CKO_PRIVATE_KEY, "Private Key"},
                                  {CKO_SECRET_KEY, "Symmetric Key"},
                                  {CKO_HW_FEATURE, "Hardware Feature"},
                                  {CKO_DOMAIN_PARAMETERS, "Domain Parameters"},
                                  {CKO_MECHANISM, "Mechanism"}};
  for (const Row& row : kRows) {
    if (row.object_class == object_class) return row.text;
  }
  return absl::StrFormat("Class 0x%x", object_class);
}

}  // namespace shell
