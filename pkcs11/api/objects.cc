// Objects: create, copy, destroy, look at, change.
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/attributes.h"
#include "pkcs11/object_access.h"

namespace pkcs11::api {
namespace {

using hsm::How;

bool IsKey(const AttributeSet& object) {
  const CK_OBJECT_CLASS object_class = object.object_class();
  return object_class == CKO_PUBLIC_KEY || object_class == CKO_PRIVATE_KEY ||
         object_class == CKO_SECRET_KEY;
}

// What stands beside the object.
constexpr CK_ATTRIBUTE_TYPE kRights[] = {
    CKA_USAGE_COUNT, CKA_ASSIGNED, CKA_KEY_STATUS, CKA_FAILED_KEY_AUTH_COUNT};

// How often a change is tried again when others change the object meanwhile.
constexpr int kMostRaces = 8;

absl::Status ChangeOnce(Session& session, CK_OBJECT_HANDLE handle,
                        const AttributeSet& changes) {
  ASSIGN_OR_RETURN(const hsm::ObjectRef object, session.FindObject(handle));
  RETURN_IF_ERROR(MayWrite(session, object->attributes()));
  hsm::ResolveContext context = ContextOf(session);
  context.base = &object->attributes();
  ASSIGN_OR_RETURN(AttributeSet attributes,
                   hsm::Resolve(How::kSet, changes, context));
  return ReplaceObject(session, *object, std::move(attributes));
}

}  // namespace

absl::Status C_CreateObject(Library& library, CK_SESSION_HANDLE hSession,
                            CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount,
                            CK_OBJECT_HANDLE_PTR phObject) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phObject, "no place for the handle"));
  ASSIGN_OR_RETURN(const AttributeSet input,
                   ParseTemplate(pTemplate, ulCount, TemplateUse::kObject));
  RETURN_IF_ERROR(MayWrite(*session, input));
  ASSIGN_OR_RETURN(AttributeSet attributes,
                   hsm::Resolve(How::kCreate, input, ContextOf(*session)));
  if (IsKey(attributes)) {
    ASSIGN_OR_RETURN(const AttributeSet added, CompleteKeyMaterial(attributes));
    Merge(added, attributes);
    if (attributes.object_class() == CKO_PRIVATE_KEY) {
      RETURN_IF_ERROR(CheckStrength(attributes, session->token().profile()));
    }
  }
  ASSIGN_OR_RETURN(*phObject, CreateObject(*session, Making::kCreated,
                                           std::move(attributes)));
  return absl::OkStatus();
}

absl::Status C_CopyObject(Library& library, CK_SESSION_HANDLE hSession,
                          CK_OBJECT_HANDLE hObject, CK_ATTRIBUTE_PTR pTemplate,
                          CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phNewObject) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(phNewObject, "no place for the handle"));
  ASSIGN_OR_RETURN(const hsm::ObjectRef object, session->FindObject(hObject));
  ASSIGN_OR_RETURN(const AttributeSet changes,
                   ParseTemplate(pTemplate, ulCount, TemplateUse::kObject));
  hsm::ResolveContext context = ContextOf(*session);
  context.base = &object->attributes();
  ASSIGN_OR_RETURN(AttributeSet copy,
                   hsm::Resolve(How::kCopy, changes, context));
  ASSIGN_OR_RETURN(*phNewObject,
                   CreateObject(*session, Making::kCopied, std::move(copy)));
  return absl::OkStatus();
}

absl::Status C_DestroyObject(Library& library, CK_SESSION_HANDLE hSession,
                             CK_OBJECT_HANDLE hObject) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const hsm::ObjectRef object, session->FindObject(hObject));
  RETURN_IF_ERROR(MayWrite(*session, object->attributes()));
  if (!object->attributes().Bool(CKA_DESTROYABLE).value_or(true)) {
    return base::Error(CKR_ACTION_PROHIBITED, "CKA_DESTROYABLE is false");
  }
  return DestroyObject(*session, *object);
}

absl::Status C_GetObjectSize(Library& library, CK_SESSION_HANDLE hSession,
                             CK_OBJECT_HANDLE hObject, CK_ULONG_PTR pulSize) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(pulSize, "no place for the size"));
  ASSIGN_OR_RETURN(const hsm::ObjectRef object, session->FindObject(hObject));
  ASSIGN_OR_RETURN(*pulSize, session->token().CostOf(session->space(),
                                                     object->attributes()));
  return absl::OkStatus();
}

absl::Status C_GetAttributeValue(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_OBJECT_HANDLE hObject,
                                 CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const hsm::ObjectRef object, session->FindObject(hObject));
  if (!object->is_token() || !AsksForAny(kRights, pTemplate, ulCount)) {
    return FillTemplate(object->attributes(), pTemplate, ulCount);
  }
  ASSIGN_OR_RETURN(hsm::KeyRights rights,
                   session->token().KeyRightsOn(session->space()));
  ASSIGN_OR_RETURN(const AttributeSet shown, rights.Shown(*object));
  return FillTemplate(shown, pTemplate, ulCount);
}

absl::Status C_SetAttributeValue(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_OBJECT_HANDLE hObject,
                                 CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  if (ulCount == 0) RETURN_IF_ERROR(Need(pTemplate, "no template"));
  ASSIGN_OR_RETURN(const AttributeSet changes,
                   ParseTemplate(pTemplate, ulCount, TemplateUse::kObject));
  absl::Status status;
  for (int i = 0; i < kMostRaces; ++i) {
    status = ChangeOnce(*session, hObject, changes);
    if (base::CkRv(status) != CKR_FUNCTION_FAILED) break;
  }
  return status;
}

}  // namespace pkcs11::api
