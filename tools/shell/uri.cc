#include "tools/shell/uri.h"

#include <iterator>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/shell/result.h"
#include "tools/shell/table.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr absl::string_view kScheme = "pkcs11:";

struct ClassName {
  const char* name;
  CK_OBJECT_CLASS object_class;
};
// The first name of a class is the one that is written.
constexpr ClassName kClasses[] = {{"private", CKO_PRIVATE_KEY},
                                  {"public", CKO_PUBLIC_KEY},
                                  {"secret-key", CKO_SECRET_KEY},
                                  {"cert", CKO_CERTIFICATE},
                                  {"data", CKO_DATA},
                                  {"secret", CKO_SECRET_KEY},
                                  {"certificate", CKO_CERTIFICATE}};

struct TextAttribute {
  const char* name;
  std::optional<std::string> Uri::*member;
};
constexpr TextAttribute kTexts[] = {
    {"token", &Uri::token}, {"manufacturer", &Uri::manufacturer},
    {"model", &Uri::model}, {"serial", &Uri::serial},
    {"id", &Uri::id},       {"object", &Uri::object}};

absl::Status Bad(absl::string_view cause) {
  return Failure(CKR_ARGUMENTS_BAD, cause,
                 "A URI is pkcs11: and any of token, manufacturer, model, "
                 "serial, slot-id, object, id, type, with ; between: "
                 "pkcs11:object=web;type=private. key list prints them.");
}

// May stand in a value as it is (pk11-pchar of RFC 7512, 2.3, without '&').
bool IsPlain(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::StrContains("-._~:[]@!$'()*+,=", absl::string_view(&c, 1));
}

absl::StatusOr<std::string> Decode(absl::string_view name,
                                   absl::string_view value) {
  std::string bytes;
  while (!value.empty()) {
    if (value[0] == '%') {
      const std::string byte = BytesOfHex(value.substr(1, 2));
      if (value.size() < 3 || byte.size() != 1) {
        return Bad(absl::StrCat("in the value of ", name,
                                " a % is not followed by two hexadecimal "
                                "digits"));
      }
      bytes += byte;
      value.remove_prefix(3);
      continue;
    }
    if (!IsPlain(value[0]) && value[0] != '&') {
      return Bad(absl::StrFormat(
          "the value of %s has a character that is written %%%02X in a URI",
          name, static_cast<unsigned char>(value[0])));
    }
    bytes += value[0];
    value.remove_prefix(1);
  }
  return bytes;
}

absl::Status Take(absl::string_view name, std::string value, Uri& uri) {
  for (const TextAttribute& row : kTexts) {
    if (name != row.name) continue;
    uri.*row.member = std::move(value);
    return absl::OkStatus();
  }
  if (name == "slot-id") {
    uri.slot = ParseNumber(value);
    if (uri.slot.has_value()) return absl::OkStatus();
    return Bad("slot-id is not a number");
  }
  if (name == "type") {
    uri.type = ClassOfName(value);
    if (uri.type.has_value()) return absl::OkStatus();
    return Bad(absl::StrCat("type=", CleanText(value),
                            " is none of private, public, secret-key, cert, "
                            "data"));
  }
  return Bad(absl::StrCat("the attribute \"", CleanText(name),
                          "\" is not known here"));
}

}  // namespace

bool IsUri(absl::string_view text) {
  return absl::StartsWithIgnoreCase(text, kScheme);
}

absl::StatusOr<Uri> ParseUri(absl::string_view text) {
  if (!IsUri(text)) return Bad("a URI begins with pkcs11:");
  text.remove_prefix(kScheme.size());
  if (absl::StrContains(text, '?')) {
    return Bad(
        "a query (? and what follows) has no meaning here: the shell has one "
        "module, and role login takes passwords");
  }
  Uri uri;
  if (text.empty()) return uri;
  std::set<absl::string_view> seen;
  for (const absl::string_view part : absl::StrSplit(text, ';')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (pair.first.size() == part.size()) {
      return Bad(absl::StrCat("\"", CleanText(part), "\" has no ="));
    }
    if (!seen.insert(pair.first).second) {
      return Bad(absl::StrCat(CleanText(pair.first), " is there twice"));
    }
    ASSIGN_OR_RETURN(std::string value,
                     Decode(CleanText(pair.first), pair.second));
    RETURN_IF_ERROR(Take(pair.first, std::move(value), uri));
  }
  return uri;
}

std::string UriText(const Uri& uri) {
  std::string text(kScheme);
  const auto add = [&](absl::string_view name, absl::string_view value) {
    absl::StrAppend(&text, text.size() == kScheme.size() ? "" : ";", name, "=",
                    value);
  };
  for (const TextAttribute& row : kTexts) {
    const std::optional<std::string>& value = uri.*row.member;
    if (!value.has_value()) continue;
    std::string encoded;
    for (const char c : *value) {
      if (row.member != &Uri::id && IsPlain(c)) {
        encoded += c;
      } else {
        absl::StrAppendFormat(&encoded, "%%%02X",
                              static_cast<unsigned char>(c));
      }
    }
    add(row.name, encoded);
  }
  if (uri.slot.has_value()) add("slot-id", absl::StrCat(*uri.slot));
  if (uri.type.has_value() && !NameOfClass(*uri.type).empty()) {
    add("type", NameOfClass(*uri.type));
  }
  return text;
}

std::optional<CK_OBJECT_CLASS> ClassOfName(absl::string_view name) {
  for (const ClassName& row : kClasses) {
    if (absl::EqualsIgnoreCase(name, row.name)) return row.object_class;
  }
  return std::nullopt;
}

absl::string_view NameOfClass(CK_OBJECT_CLASS object_class) {
  for (const ClassName& row : kClasses) {
    if (object_class == row.object_class) return row.name;
  }
  return "";
}

}  // namespace shell
