// Text for the screen: what comes from tokens is stripped of control
// characters, numbers and bytes are spelled, forms are aligned.
#ifndef PERIGEE_TOOLS_SHELL_TEXT_H_
#define PERIGEE_TOOLS_SHELL_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cryptoki.h"

namespace shell {

// Without control characters (also C1 ones and those that turn the writing
// direction) and without what is not UTF-8, each replaced by '?'.
std::string CleanText(absl::string_view text);

// A blank-padded field of a PKCS#11 structure, clean and without the padding.
template <size_t n>
std::string PaddedText(const CK_UTF8CHAR (&field)[n]) {
  absl::string_view text(reinterpret_cast<const char*>(field), n);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) {
    text.remove_suffix(1);
  }
  return CleanText(text);
}

// "7.7.1"
std::string VersionText(const CK_ULONG (&version)[3]);

// Bytes, or "unlimited" for the numbers that mean so.
std::string SizeText(CK_ULONG bytes);

// Lower-case hexadecimal.
std::string HexText(absl::Span<const unsigned char> bytes);
// In groups of four with blanks between, as a fingerprint is compared.
std::string FingerprintText(absl::Span<const unsigned char> bytes);
// The bytes of hexadecimal text, blanks, colons and hyphens ignored; empty
// when it is not hexadecimal.
std::string BytesOfHex(absl::string_view text);

// "    Slot Id ->              0\n"
std::string SlotField(absl::string_view name, absl::string_view value);
// "        Partition Label -> value\n"
std::string Field(absl::string_view name, absl::string_view value);

// "1 object", "2 objects"
std::string Count(CK_ULONG n, absl::string_view noun);

// "Private Key", "Public Key", ...: as `partition contents` names a class.
std::string ObjectTypeText(CK_OBJECT_CLASS object_class);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_TEXT_H_
