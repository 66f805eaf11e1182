#include "tools/shell/key_objects.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/shell/key_types.h"
#include "tools/shell/objects.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

// As many candidates as a refusal lists.
constexpr size_t kMostCandidates = 10;

std::string TextOf(const std::optional<WipedBytes>& bytes) {
  return bytes.has_value() ? std::string(bytes->text()) : std::string();
}

// What the URI says about the token, and what the active slot has.
absl::Status CheckToken(Shell& shell, const Uri& uri) {
  CK_TOKEN_INFO info = {};
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().c().C_GetTokenInfo(shell.slot(), &info)));
  struct Row {
    const char* name;
    const std::optional<std::string>& wanted;
    std::string there;
  };
  const Row rows[] = {
      {"token", uri.token, PaddedText(info.label)},
      {"manufacturer", uri.manufacturer, PaddedText(info.manufacturerID)},
      {"model", uri.model, PaddedText(info.model)},
      {"serial", uri.serial, PaddedText(info.serialNumber)},
      {"slot-id",
       uri.slot.has_value() ? std::optional(absl::StrCat(*uri.slot))
                            : std::nullopt,
       absl::StrCat(shell.slot())}};
  for (const Row& row : rows) {
    if (!row.wanted.has_value() || CleanText(*row.wanted) == row.there) {
      continue;
    }
    return Failure(CKR_SLOT_ID_INVALID,
                   absl::StrCat("the URI names the ", row.name, " \"",
                                CleanText(*row.wanted), "\", the active slot ",
                                shell.slot(), " has \"", row.there, "\""),
                   "slot set chooses another slot; slot list shows them.");
  }
  return absl::OkStatus();
}

}  // namespace

// --- one object --------------------------------------------------------------

KeyObject::KeyObject(const Module& module, CK_SESSION_HANDLE session,
                     CK_OBJECT_HANDLE handle)
    : module_(&module),
      session_(session),
      handle_(handle),
      class_(Number(CKA_CLASS).value_or(CK_UNAVAILABLE_INFORMATION)),
      type_(Number(CKA_KEY_TYPE).value_or(CK_UNAVAILABLE_INFORMATION)),
      label_(TextOf(Bytes(CKA_LABEL))),
      id_(TextOf(Bytes(CKA_ID))) {}

std::optional<WipedBytes> KeyObject::Bytes(CK_ATTRIBUTE_TYPE type) const {
  CK_ATTRIBUTE attribute = {type, nullptr, 0};
  const auto get = module_->c().C_GetAttributeValue;
  if (get(session_, handle_, &attribute, 1) != CKR_OK ||
      attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) {
    return std::nullopt;
  }
  WipedBytes value = WipedBytes::OfSize(attribute.ulValueLen);
  attribute.pValue = value.data();
  if (!value.empty() && get(session_, handle_, &attribute, 1) != CKR_OK) {
    return std::nullopt;
  }
  value.Truncate(attribute.ulValueLen);
  return value;
}

std::optional<CK_ULONG> KeyObject::Number(CK_ATTRIBUTE_TYPE type) const {
  const std::optional<WipedBytes> bytes = Bytes(type);
  CK_ULONG number = 0;
  if (!bytes.has_value() || bytes->size() != sizeof number) return std::nullopt;
  std::memcpy(&number, bytes->span().data(), sizeof number);
  return number;
}

bool KeyObject::IsTrue(CK_ATTRIBUTE_TYPE type) const {
  const std::optional<WipedBytes> bytes = Bytes(type);
  return bytes.has_value() && bytes->size() == 1 && bytes->span()[0] == CK_TRUE;
}

std::string KeyObject::Kind() const {
  std::string text = ClassText(class_);
  if (type_ == CK_UNAVAILABLE_INFORMATION) return text;
  const std::optional<WipedBytes> curve = Bytes(CKA_EC_PARAMS);
  if (curve.has_value()) {
    const std::string name = CurveName(curve->span());
    return absl::StrCat(type_ == CKK_EC ? "EC " : "", name, " ", text);
  }
  std::string size;
  if (const std::optional<WipedBytes> n = Bytes(CKA_MODULUS)) {
    size = absl::StrCat(" ", n->size() * 8);
  } else if (const std::optional<WipedBytes> p = Bytes(CKA_PRIME)) {
    size = absl::StrCat(" ", p->size() * 8);
  } else if (const std::optional<CK_ULONG> bytes = Number(CKA_VALUE_LEN)) {
    size = absl::StrCat(" ", *bytes * 8);
  } else if (const std::optional<CK_ULONG> set = Number(CKA_PARAMETER_SET)) {
    for (const KeyType& row : KeyTypes()) {
      if (row.type != type_ || row.set != *set) continue;
      return absl::StrCat(absl::AsciiStrToUpper(row.name), " ", text);
    }
  }
  return absl::StrCat(KeyTypeText(type_), size, " ", text);
}

std::string KeyObject::Usage() const {
  std::vector<std::string> names;
  const auto add = [&](CK_ATTRIBUTE_TYPE type, const char* name) {
    if (IsTrue(type)) names.push_back(name);
  };
  for (const Use& use : Uses()) {
    add(use.own, use.name);
    if (use.counterpart != use.own) add(use.counterpart, use.other);
  }
  return absl::StrJoin(names, ", ");
}

std::string ClassText(CK_OBJECT_CLASS object_class) {
  if (object_class == CKO_SECRET_KEY) return "secret key";
  return absl::AsciiStrToLower(ObjectTypeText(object_class));
}

// --- finding -----------------------------------------------------------------

absl::StatusOr<CK_SESSION_HANDLE> KeySession(Shell& shell) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  return shell.Session(shell.slot());
}

absl::StatusOr<CK_SESSION_HANDLE> UserSession(Shell& shell,
                                              absl::string_view what) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, KeySession(shell));
  const std::optional<CK_USER_TYPE> user = shell.LoggedIn(shell.slot());
  if (user.has_value() && *user != CKU_SO) return session;
  return Failure(CKR_USER_NOT_LOGGED_IN,
                 absl::StrCat(what, " needs the Crypto Officer (or User)"),
                 "Log in with role login -name co.");
}

absl::StatusOr<std::vector<KeyObject>> FindObjects(Shell& shell,
                                                   const Uri& uri) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, KeySession(shell));
  RETURN_IF_ERROR(CheckToken(shell, uri));
  Template wanted;
  wanted.Bool(CKA_TOKEN, true);
  if (uri.type.has_value()) wanted.Number(CKA_CLASS, *uri.type);
  if (uri.object.has_value()) wanted.Text(CKA_LABEL, *uri.object);
  if (uri.id.has_value()) wanted.Text(CKA_ID, *uri.id);
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> handles,
                   MatchingObjects(shell.module(), session, wanted.Rows()));
  std::vector<KeyObject> found;
  for (const CK_OBJECT_HANDLE handle : handles) {
    found.emplace_back(shell.module(), session, handle);
  }
  return found;
}

absl::StatusOr<std::vector<KeyObject>> ObjectsNamed(
    Shell& shell, const std::string& name,
    absl::Span<const CK_OBJECT_CLASS> classes) {
  Uri uri;
  const std::optional<CK_ULONG> handle = ParseNumber(name);
  if (IsUri(name)) {
    ASSIGN_OR_RETURN(uri, ParseUri(name));
  } else if (!handle.has_value()) {
    uri.object = name;
  }
  ASSIGN_OR_RETURN(std::vector<KeyObject> found, FindObjects(shell, uri));
  std::string other;
  const auto unwanted = [&](const KeyObject& object) {
    if (handle.has_value() && object.handle() != *handle) return true;
    if (classes.empty() || std::find(classes.begin(), classes.end(),
                                     object.object_class()) != classes.end()) {
      return false;
    }
    other = object.Kind();
    return true;
  };
  found.erase(std::remove_if(found.begin(), found.end(), unwanted),
              found.end());
  if (!found.empty()) return found;
  if (!other.empty()) {
    std::vector<std::string> names;
    for (const CK_OBJECT_CLASS one : classes) names.push_back(ClassText(one));
    return Failure(CKR_OBJECT_HANDLE_INVALID,
                   absl::StrCat(CleanText(name), " is the ", other, ", not a ",
                                absl::StrJoin(names, " or ")),
                   "key list shows the objects.");
  }
  return Failure(
      CKR_OBJECT_HANDLE_INVALID,
      absl::StrCat("there is no object ", CleanText(name)),
      shell.LoggedIn(shell.slot()).has_value()
          ? "key list shows the objects."
          : "Nobody is logged in, so private objects are not seen: role login "
            "-name co.");
}

absl::Status Ambiguous(Shell& shell, const std::string& name,
                       absl::Span<const KeyObject> candidates) {
  std::string text = absl::StrCat(CleanText(name), " names ",
                                  Count(candidates.size(), "object"), ":");
  for (size_t i = 0; i < candidates.size() && i < kMostCandidates; ++i) {
    absl::StrAppend(&text, "\n        ", UriOf(shell, candidates[i]),
                    " (handle ", candidates[i].handle(), ", ",
                    candidates[i].Kind(), ")");
  }
  if (candidates.size() > kMostCandidates) absl::StrAppend(&text, "\n    ...");
  return Failure(CKR_ARGUMENTS_BAD, text,
                 "Give one of these URIs, or a handle.");
}

absl::StatusOr<KeyObject> OneObject(Shell& shell, const std::string& name,
                                    absl::Span<const CK_OBJECT_CLASS> classes) {
  ASSIGN_OR_RETURN(const std::vector<KeyObject> found,
                   ObjectsNamed(shell, name, classes));
  if (found.size() == 1) return found.front();
  return Ambiguous(shell, name, found);
}

// --- telling -----------------------------------------------------------------

std::string UriOf(Shell& shell, const KeyObject& object) {
  Uri uri;
  CK_TOKEN_INFO info = {};
  if (shell.module().c().C_GetTokenInfo(shell.slot(), &info) == CKR_OK) {
    uri.token = PaddedText(info.label);
  }
  if (!object.label().empty()) uri.object = object.label();
  if (!object.id().empty()) uri.id = object.id();
  uri.type = object.object_class();
  return UriText(uri);
}

nlohmann::ordered_json KeyFacts(Shell& shell, const KeyObject& object) {
  return {{"uri", UriOf(shell, object)},
          {"handle", object.handle()},
          {"class", ObjectTypeText(object.object_class())},
          {"kind", object.Kind()},
          {"label", CleanText(object.label())},
          {"id",
           HexText({reinterpret_cast<const unsigned char*>(object.id().data()),
                    object.id().size()})},
          {"usage", object.Usage()}};
}

}  // namespace shell
