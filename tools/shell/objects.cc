#include "tools/shell/objects.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "tools/shell/facts.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

// An attribute's bytes; empty when it is not there.
std::vector<unsigned char> Attribute(const Module& module,
                                     CK_SESSION_HANDLE session,
                                     CK_OBJECT_HANDLE object,
                                     CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE attribute = {type, nullptr, 0};
  const auto get = module.c().C_GetAttributeValue;
  if (get(session, object, &attribute, 1) != CKR_OK ||
      attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) {
    return {};
  }
  std::vector<unsigned char> value(attribute.ulValueLen);
  attribute.pValue = value.data();
  if (get(session, object, &attribute, 1) != CKR_OK) return {};
  value.resize(attribute.ulValueLen);
  return value;
}

}  // namespace

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> TokenObjects(
    const Module& module, CK_SESSION_HANDLE session) {
  CK_BBOOL yes = CK_TRUE;
  return MatchingObjects(module, session, {{CKA_TOKEN, &yes, sizeof yes}});
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> MatchingObjects(
    const Module& module, CK_SESSION_HANDLE session,
    std::vector<CK_ATTRIBUTE> wanted) {
  const CK_FUNCTION_LIST& c = module.c();
  RETURN_IF_ERROR(
      module.Check(c.C_FindObjectsInit(session, wanted.data(), wanted.size())));
  std::vector<CK_OBJECT_HANDLE> objects;
  CK_OBJECT_HANDLE some[256];
  CK_ULONG n = 0;
  CK_RV rv = CKR_OK;
  do {
    rv = c.C_FindObjects(session, some, 256, &n);
    if (rv == CKR_OK) objects.insert(objects.end(), some, some + n);
  } while (rv == CKR_OK && n > 0);
  const absl::Status status = module.Check(rv);
  c.C_FindObjectsFinal(session);
  RETURN_IF_ERROR(status);
  std::sort(objects.begin(), objects.end());
  return objects;
}

std::string LabelOf(const Module& module, CK_SESSION_HANDLE session,
                    CK_OBJECT_HANDLE object) {
  const std::vector<unsigned char> label =
      Attribute(module, session, object, CKA_LABEL);
  return CleanText(absl::string_view(
      reinterpret_cast<const char*>(label.data()), label.size()));
}

ObjectFacts FactsOf(const Module& module, CK_SESSION_HANDLE session,
                    CK_OBJECT_HANDLE object) {
  const std::vector<unsigned char> kind =
      Attribute(module, session, object, CKA_CLASS);
  CK_OBJECT_CLASS object_class = CK_UNAVAILABLE_INFORMATION;
  if (kind.size() == sizeof object_class) {
    std::copy(kind.begin(), kind.end(),
              reinterpret_cast<unsigned char*>(&object_class));
  }
  return {ObjectTypeText(object_class), LabelOf(module, session, object),
          HexText(Attribute(module, session, object, CKA_ID)),
          HexText(Attribute(module, session, object, CKA_OUID))};
}

const Shown kObjectsData[1] = {{"objects[]", "@object"}};

absl::Status ShowObjects(Shell& shell, CK_SESSION_HANDLE session) {
  const Module& module = shell.module();
  Json all = Json::array();
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> objects,
                   TokenObjects(module, session));
  if (!objects.empty()) absl::PrintF("\n        Object list:\n");
  for (const CK_OBJECT_HANDLE object : objects) {
    const ObjectFacts facts = FactsOf(module, session, object);
    absl::PrintF("\n        Label:         %s\n", facts.label);
    absl::PrintF("        Handle:        %d\n", object);
    absl::PrintF("        Object Type:   %s\n", facts.type);
    absl::PrintF("        Object UID:    %s\n", facts.uid);
    all.push_back(ObjectJson(object, facts));
  }
  absl::PrintF("\n        Number of objects:  %d\n", objects.size());
  shell.Tell({{"objects", all}});
  return absl::OkStatus();
}

}  // namespace shell
