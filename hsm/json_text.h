// The one way in which this project writes lines of JSON that are hashed and
// signed (audit log, manifests): fixed order, no blanks, ASCII. Reading takes
// exactly that and nothing else.
#ifndef PERIGEE_HSM_JSON_TEXT_H_
#define PERIGEE_HSM_JSON_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hsm {

using base::Bytes;
using base::ByteSpan;

// Somebody else's text: other bytes than printable ASCII, and " and \, become
// \u00XX. UnescapedText turns only these back.
std::string EscapedText(absl::string_view text);
std::string UnescapedText(absl::string_view escaped);

// `,"name":"value"` and `,"name":value`.
void AppendText(std::string* out, const char* name, absl::string_view value);
void AppendNumber(std::string* out, const char* name, uint64_t value);

// Takes `"name":"text"` from the front of `rest`; text without quotes and
// backslashes.
bool TakeText(absl::string_view* rest, absl::string_view name,
              std::string* text);
// The same for a text that EscapedText made; gives it as it stands there.
bool TakeEscaped(absl::string_view* rest, absl::string_view name,
                 std::string* text);
// A number as we write it.
bool TakeNumber(absl::string_view* rest, absl::string_view name,
                uint64_t* number);
bool TakeComma(absl::string_view* rest);
// Takes `,"name":"text"` from the back.
bool TakeLastText(absl::string_view* rest, absl::string_view name,
                  std::string* text);

// 64 hexadecimal digits.
bool IsHash(absl::string_view text);
// Only the one way in which we write these bytes, and not empty.
bool FromBase64(absl::string_view text, Bytes* bytes);

}  // namespace hsm

#endif  // PERIGEE_HSM_JSON_TEXT_H_
