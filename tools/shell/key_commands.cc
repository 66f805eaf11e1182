// key list, show, delete: what there is, all that may be told of it, and its
// end.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/key_material.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/key_types.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

using Json = nlohmann::ordered_json;

void WarnOfLogin(Shell& shell) {
  if (shell.LoggedIn(shell.slot()).has_value()) return;
  absl::PrintF("\n        Nobody is logged in: public objects only.\n");
}

// --- key list
// ----------------------------------------------------------------

constexpr Option kListOptions[] = {
    {"object", "o", Kind::kText, false,
     "only what this pkcs11: URI, handle or label matches", Names::kObject,
     /*bare=*/true},
    {"label", "l", Kind::kText, false, "only of this label"},
    {"id", "i", Kind::kText, false, "only of this id, in hexadecimal"},
    {"type", "t", Kind::kText, false,
     "only private, public, secret-key, cert or data"},
};

constexpr Shown kListData[] = {{"objects[]", "@key-object"}};

absl::StatusOr<Uri> FilterFrom(const Arguments& arguments) {
  Uri uri;
  if (const auto object = arguments.Text("object")) {
    if (IsUri(*object)) {
      ASSIGN_OR_RETURN(uri, ParseUri(*object));
    } else if (!ParseNumber(*object).has_value()) {
      uri.object = *object;
    }
  }
  if (const auto label = arguments.Text("label")) uri.object = *label;
  if (const auto id = arguments.Text("id")) {
    uri.id = BytesOfHex(*id);
    if (uri.id->empty()) {
      return Failure(CKR_ARGUMENTS_BAD, "-id is not hexadecimal");
    }
  }
  if (const auto type = arguments.Text("type")) {
    uri.type = ClassOfName(*type);
    if (!uri.type.has_value()) {
      return Failure(CKR_ARGUMENTS_BAD,
                     absl::StrCat("there is no type ", CleanText(*type)),
                     "private, public, secret-key, cert, data.");
    }
  }
  return uri;
}

absl::Status List(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Uri uri, FilterFrom(arguments));
  ASSIGN_OR_RETURN(std::vector<KeyObject> found, FindObjects(shell, uri));
  if (const auto handle = ParseNumber(arguments.Text("object").value_or(""))) {
    found.erase(std::remove_if(found.begin(), found.end(),
                               [&](const KeyObject& one) {
                                 return one.handle() != *handle;
                               }),
                found.end());
  }
  WarnOfLogin(shell);
  Json objects = Json::array();
  for (const KeyObject& object : found) {
    absl::PrintF("\n        %s \"%s\", handle %d\n", object.Kind(),
                 CleanText(object.label()), object.handle());
    const std::string usage = object.Usage();
    if (!usage.empty()) absl::PrintF("            for: %s\n", usage);
    absl::PrintF("            %s\n", UriOf(shell, object));
    objects.push_back(KeyFacts(shell, object));
  }
  absl::PrintF("\n        %s.\n", Count(found.size(), "object"));
  shell.Tell({{"objects", objects}});
  return absl::OkStatus();
}

// --- key show
// ----------------------------------------------------------------

enum class Form : uint8_t {
  kBool,
  kNumber,
  kText,
  kBytes,
  kDate,
  kCurve,
  kName
};

struct Row {
  CK_ATTRIBUTE_TYPE type;
  const char* name;
  Form form;
};
// In the order in which they are shown. What is secret is not here; CKA_VALUE
// of what is not secret is.
constexpr Row kRows[] = {
    {CKA_LABEL, "CKA_LABEL", Form::kText},
    {CKA_ID, "CKA_ID", Form::kBytes},
    {CKA_OUID, "CKA_OUID", Form::kBytes},
    {CKA_UNIQUE_ID, "CKA_UNIQUE_ID", Form::kText},
    {CKA_APPLICATION, "CKA_APPLICATION", Form::kText},
    {CKA_OBJECT_ID, "CKA_OBJECT_ID", Form::kBytes},
    {CKA_TOKEN, "CKA_TOKEN", Form::kBool},
    {CKA_PRIVATE, "CKA_PRIVATE", Form::kBool},
    {CKA_MODIFIABLE, "CKA_MODIFIABLE", Form::kBool},
    {CKA_COPYABLE, "CKA_COPYABLE", Form::kBool},
    {CKA_DESTROYABLE, "CKA_DESTROYABLE", Form::kBool},
    {CKA_SENSITIVE, "CKA_SENSITIVE", Form::kBool},
    {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", Form::kBool},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", Form::kBool},
    {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", Form::kBool},
    {CKA_LOCAL, "CKA_LOCAL", Form::kBool},
    {CKA_TRUSTED, "CKA_TRUSTED", Form::kBool},
    {CKA_WRAP_WITH_TRUSTED, "CKA_WRAP_WITH_TRUSTED", Form::kBool},
    {CKA_ALWAYS_AUTHENTICATE, "CKA_ALWAYS_AUTHENTICATE", Form::kBool},
    {CKA_ENCRYPT, "CKA_ENCRYPT", Form::kBool},
    {CKA_DECRYPT, "CKA_DECRYPT", Form::kBool},
    {CKA_SIGN, "CKA_SIGN", Form::kBool},
    {CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", Form::kBool},
    {CKA_VERIFY, "CKA_VERIFY", Form::kBool},
    {CKA_VERIFY_RECOVER, "CKA_VERIFY_RECOVER", Form::kBool},
    {CKA_WRAP, "CKA_WRAP", Form::kBool},
    {CKA_UNWRAP, "CKA_UNWRAP", Form::kBool},
    {CKA_DERIVE, "CKA_DERIVE", Form::kBool},
    {CKA_ENCAPSULATE, "CKA_ENCAPSULATE", Form::kBool},
    {CKA_DECAPSULATE, "CKA_DECAPSULATE", Form::kBool},
    {CKA_START_DATE, "CKA_START_DATE", Form::kDate},
    {CKA_END_DATE, "CKA_END_DATE", Form::kDate},
    {CKA_VALUE_LEN, "CKA_VALUE_LEN", Form::kNumber},
    {CKA_MODULUS_BITS, "CKA_MODULUS_BITS", Form::kNumber},
    {CKA_PARAMETER_SET, "CKA_PARAMETER_SET", Form::kNumber},
    {CKA_EC_PARAMS, "CKA_EC_PARAMS", Form::kCurve},
    {CKA_EC_POINT, "CKA_EC_POINT", Form::kBytes},
    {CKA_PUBLIC_EXPONENT, "CKA_PUBLIC_EXPONENT", Form::kBytes},
    {CKA_MODULUS, "CKA_MODULUS", Form::kBytes},
    {CKA_PRIME, "CKA_PRIME", Form::kBytes},
    {CKA_SUBPRIME, "CKA_SUBPRIME", Form::kBytes},
    {CKA_BASE, "CKA_BASE", Form::kBytes},
    {CKA_CHECK_VALUE, "CKA_CHECK_VALUE", Form::kBytes},
    {CKA_SUBJECT, "CKA_SUBJECT", Form::kName},
    {CKA_ISSUER, "CKA_ISSUER", Form::kName},
    {CKA_SERIAL_NUMBER, "CKA_SERIAL_NUMBER", Form::kBytes},
    {CKA_PUBLIC_KEY_INFO, "CKA_PUBLIC_KEY_INFO", Form::kBytes},
    {CKA_VALUE, "CKA_VALUE", Form::kBytes},
};

bool IsSecretClass(CK_OBJECT_CLASS object_class) {
  return object_class == CKO_PRIVATE_KEY || object_class == CKO_SECRET_KEY;
}

// What is shown and told of a value; nothing when it is not there.
std::optional<Json> ValueOf(const KeyObject& object, const Row& row) {
  if (row.type == CKA_VALUE && IsSecretClass(object.object_class())) {
    return std::nullopt;
  }
  if (row.form == Form::kNumber) {
    const std::optional<CK_ULONG> number = object.Number(row.type);
    if (!number.has_value()) return std::nullopt;
    return Json(*number);
  }
  const std::optional<WipedBytes> bytes = object.Bytes(row.type);
  if (!bytes.has_value() || bytes->empty()) return std::nullopt;
  switch (row.form) {
    case Form::kBool:
      return Json(bytes->span()[0] != CK_FALSE);
    case Form::kCurve: {
      const std::string name = CurveName(bytes->span());
      return Json(name.empty() ? HexText(bytes->span()) : name);
    }
    case Form::kName: {
      const std::string name = NameText(bytes->span());
      return Json(name.empty() ? HexText(bytes->span()) : name);
    }
    case Form::kDate:
      if (bytes->size() == 8) {
        return Json(CleanText(absl::StrCat(bytes->text().substr(0, 4), "-",
                                           bytes->text().substr(4, 2), "-",
                                           bytes->text().substr(6))));
      }
      return Json(HexText(bytes->span()));
    case Form::kText:
      return Json(CleanText(bytes->text()));
    default:
      return Json(HexText(bytes->span()));
  }
}

constexpr Option kShowOptions[] = {
    {"object", "o", Kind::kText, true, "pkcs11: URI, handle or label",
     Names::kObject, /*bare=*/true},
};

constexpr Shown kShowData[] = {
    {"object", "@key-object"},
    {"attributes",
     "a member for each attribute that may be told, by its name: "
     "\"CKA_SENSITIVE\""},
};

absl::Status Show(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const KeyObject object,
                   OneObject(shell, *arguments.Text("object"), {}));
  absl::PrintF("\n        %s, handle %d\n        %s\n\n", object.Kind(),
               object.handle(), UriOf(shell, object));
  Json attributes = Json::object();
  for (const Row& row : kRows) {
    const std::optional<Json> value = ValueOf(object, row);
    if (!value.has_value()) continue;
    attributes[row.name] = *value;
    absl::PrintF(
        "        %-24s %s\n", row.name,
        value->is_string() ? value->get<std::string>() : value->dump());
  }
  shell.Tell({{"object", KeyFacts(shell, object)}, {"attributes", attributes}});
  return absl::OkStatus();
}

// --- key delete
// --------------------------------------------------------------

constexpr Option kDeleteOptions[] = {
    {"object", "o", Kind::kText, true, "pkcs11: URI, handle or label",
     Names::kObject, /*bare=*/true},
    {"pair", "p", Kind::kFlag, false, "the other half of the pair too"},
    kForce,
    {"dryrun", "dr", Kind::kFlag, false, "only tells what would go"},
};

constexpr Shown kDeleteData[] = {
    {"dryrun", "true or false"},
    {"objects[]", "@key-object"},
};

bool IsHalf(const KeyObject& object) {
  return object.object_class() == CKO_PRIVATE_KEY ||
         object.object_class() == CKO_PUBLIC_KEY;
}

// The same key type, id and class on the other side.
bool AreHalves(const KeyObject& one, const KeyObject& other) {
  if (!IsHalf(one) || !IsHalf(other) ||
      one.object_class() == other.object_class() ||
      one.key_type() != other.key_type()) {
    return false;
  }
  const std::optional<WipedBytes> a = one.Bytes(CKA_PUBLIC_KEY_INFO);
  const std::optional<WipedBytes> b = other.Bytes(CKA_PUBLIC_KEY_INFO);
  return a.has_value() && b.has_value() && !a->empty() &&
         a->text() == b->text();
}

// What -object and -pair mean. A name that both halves have is the pair's.
absl::StatusOr<std::vector<KeyObject>> Doomed(Shell& shell,
                                              const Arguments& arguments) {
  const std::string name = *arguments.Text("object");
  ASSIGN_OR_RETURN(std::vector<KeyObject> found, ObjectsNamed(shell, name, {}));
  if (!arguments.Has("pair")) {
    if (found.size() == 1) return found;
    return Ambiguous(shell, name, found);
  }
  found.erase(std::remove_if(found.begin(), found.end(),
                             [](const KeyObject& one) { return !IsHalf(one); }),
              found.end());
  if (found.size() == 2 && AreHalves(found[0], found[1])) return found;
  if (found.size() > 1) return Ambiguous(shell, name, found);
  if (found.empty()) {
    return Failure(CKR_ARGUMENTS_BAD,
                   absl::StrCat(CleanText(name), " is no half of a key pair"),
                   "Leave -pair out.");
  }
  ASSIGN_OR_RETURN(const std::vector<KeyObject> all, FindObjects(shell, {}));
  const KeyObject half = found.front();
  for (const KeyObject& other : all) {
    if (AreHalves(half, other)) found.push_back(other);
  }
  return found;
}

absl::Status Delete(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, KeySession(shell));
  ASSIGN_OR_RETURN(const std::vector<KeyObject> doomed,
                   Doomed(shell, arguments));
  Json objects = Json::array();
  const bool dry = arguments.Has("dryrun");
  std::string names;
  absl::PrintF("\n");
  for (const KeyObject& object : doomed) {
    absl::StrAppend(&names, names.empty() ? "The " : " and the ", object.Kind(),
                    " \"", CleanText(object.label()), "\"");
    absl::PrintF("        %s, handle %d\n            %s\n", object.Kind(),
                 object.handle(), UriOf(shell, object));
    objects.push_back(KeyFacts(shell, object));
  }
  shell.Tell({{"dryrun", dry}, {"objects", objects}});
  if (dry) {
    absl::PrintF("\n        %s would be destroyed.\n",
                 Count(doomed.size(), "object"));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(shell.Confirm(
      arguments, absl::StrCat(names,
                              " will be destroyed; without a backup "
                              "nothing brings back what is lost.")));
  for (const KeyObject& object : doomed) {
    RETURN_IF_ERROR(shell.module().Check(
        shell.module().c().C_DestroyObject(session, object.handle())));
  }
  absl::PrintF("\n        %s destroyed.\n", Count(doomed.size(), "object"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> KeyCommands() {
  return {
      {"key list", "k l", kListOptions, List,
       "lists objects with the URIs that name them", kListData},
      {"key show", "k s", kShowOptions, Show,
       "shows all attributes of an object that are not secret", kShowData},
      {"key delete", "k d", kDeleteOptions, Delete,
       "destroys an object, or a key pair", kDeleteData},
  };
}

}  // namespace shell
