#include "hsm/json_text.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace hsm {

std::string EscapedText(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string UnescapedText(absl::string_view escaped) {
  std::string out;
  while (!escaped.empty()) {
    uint32_t byte = 0;
    if (absl::StartsWith(escaped, "\\u00") && escaped.size() >= 6 &&
        absl::SimpleHexAtoi(escaped.substr(4, 2), &byte)) {
      out.push_back(static_cast<char>(byte));
      escaped.remove_prefix(6);
    } else {
      out.push_back(escaped.front());
      escaped.remove_prefix(1);
    }
  }
  return out;
}

void AppendText(std::string* out, const char* name, absl::string_view value) {
  absl::StrAppend(out, ",\"", name, "\":\"", value, "\"");
}
void AppendNumber(std::string* out, const char* name, uint64_t value) {
  absl::StrAppend(out, ",\"", name, "\":", value);
}

bool TakeText(absl::string_view* rest, absl::string_view name,
              std::string* text) {
  absl::string_view in = *rest;
  if (!absl::ConsumePrefix(&in, absl::StrCat("\"", name, "\":\""))) {
    return false;
  }
  const size_t end = in.find_first_of("\"\\");
  if (end == absl::string_view::npos || in[end] != '"') return false;
  *text = std::string(in.substr(0, end));
  in.remove_prefix(end + 1);
  *rest = in;
  return true;
}

bool TakeNumber(absl::string_view* rest, absl::string_view name,
                uint64_t* number) {
  absl::string_view in = *rest;
  if (!absl::ConsumePrefix(&in, absl::StrCat("\"", name, "\":"))) return false;
  const size_t end = std::min(in.find_first_not_of("0123456789"), in.size());
  const absl::string_view digits = in.substr(0, end);
  if (!absl::SimpleAtoi(digits, number) || absl::StrCat(*number) != digits) {
    return false;
  }
  in.remove_prefix(end);
  *rest = in;
  return true;
}

bool TakeComma(absl::string_view* rest) {
  return absl::ConsumePrefix(rest, ",");
}

bool TakeLastText(absl::string_view* rest, absl::string_view name,
                  std::string* text) {
  const std::string begin = absl::StrCat(",\"", name, "\":\"");
  const size_t at = rest->rfind(begin);
  if (at == absl::string_view::npos) return false;
  absl::string_view in = rest->substr(at + 1);
  if (!TakeText(&in, name, text) || !in.empty()) return false;
  rest->remove_suffix(rest->size() - at);
  return true;
}

bool IsHash(absl::string_view text) {
  return text.size() == 64 &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

bool FromBase64(absl::string_view text, Bytes* bytes) {
  std::string raw;
  if (!absl::Base64Unescape(text, &raw) || absl::Base64Escape(raw) != text) {
    return false;
  }
  *bytes = base::ToBytes(base::AsBytes(raw));
  return !bytes->empty();
}

bool TakeEscaped(absl::string_view* rest, absl::string_view name,
                 std::string* text) {
  absl::string_view in = *rest;
  if (!absl::ConsumePrefix(&in, absl::StrCat("\"", name, "\":\""))) {
    return false;
  }
  const size_t end = in.find('"');
  if (end == absl::string_view::npos) return false;
  *text = std::string(in.substr(0, end));
  // Nothing but what EscapedText writes.
  if (EscapedText(UnescapedText(*text)) != *text) return false;
  in.remove_prefix(end + 1);
  *rest = in;
  return true;
}

}  // namespace hsm
