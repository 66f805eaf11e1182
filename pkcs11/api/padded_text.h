// Texts of the information structures: padded with blanks, not terminated.
#ifndef PERIGEE_PKCS11_API_PADDED_TEXT_H_
#define PERIGEE_PKCS11_API_PADDED_TEXT_H_

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/string_view.h"
#include "base/cryptoki.h"

namespace pkcs11::api {

// Cuts at the start of a UTF-8 character when the text is too long.
template <size_t N>
void PadText(absl::string_view text, CK_BYTE (&field)[N]) {
  size_t size = std::min(text.size(), N);
  const auto continues = [](char c) { return (c & 0xc0) == 0x80; };
  if (size < text.size()) {
    while (size > 0 && continues(text[size])) --size;
  }
  std::memset(field, ' ', N);
  if (size > 0) std::memcpy(field, text.data(), size);
}

}  // namespace pkcs11::api

#endif  // PERIGEE_PKCS11_API_PADDED_TEXT_H_
