// C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal.
#include <algorithm>

#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"

namespace pkcs11::api {

absl::Status C_FindObjectsInit(Library& library, CK_SESSION_HANDLE hSession,
                               CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const AttributeSet pattern,
                   ParseTemplate(pTemplate, ulCount, TemplateUse::kSearch));
  return session->BeginFind(pattern);
}

absl::Status C_FindObjects(Library& library, CK_SESSION_HANDLE hSession,
                           CK_OBJECT_HANDLE_PTR phObject,
                           CK_ULONG ulMaxObjectCount,
                           CK_ULONG_PTR pulObjectCount) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(pulObjectCount, "no place for the count"));
  if (ulMaxObjectCount > 0) RETURN_IF_ERROR(Need(phObject, "no place"));
  ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> found,
                   session->NextFound(ulMaxObjectCount));
  std::copy(found.begin(), found.end(), phObject);
  *pulObjectCount = found.size();
  return absl::OkStatus();
}

absl::Status C_FindObjectsFinal(Library& library, CK_SESSION_HANDLE hSession) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->EndFind();
}

}  // namespace pkcs11::api
