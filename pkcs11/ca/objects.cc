// CA_* functions about objects: identities, and destroying many.
#include <algorithm>

#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {
namespace {

using api::Need;

}  // namespace

// As this process may see the object, by its login there.
absl::Status CA_GetObjectUID(Library& library, CK_SLOT_ID slotID,
                             CK_ULONG ulContainer, CK_ULONG ulType,
                             CK_ULONG ulHandle, CK_BYTE_PTR pOuid) {
  RETURN_IF_ERROR(Need(pOuid, "no place for the OUID"));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  if (ulType != CK_CRYPTOKI_ELEMENT) {
    return base::Error(CKR_OBJECT_TYPE_INVALID, "only objects have an OUID");
  }
  ASSIGN_OR_RETURN(const hsm::ObjectRef object,
                   place.token->Get(place.space, ulHandle));
  const ByteSpan ouid = object->attributes().Value(CKA_OUID);
  if (ouid.size() != CK_OUID_SIZE) {
    return base::Error(CKR_ATTRIBUTE_TYPE_INVALID, "an object without OUID");
  }
  std::copy(ouid.begin(), ouid.end(), pOuid);
  return absl::OkStatus();
}

absl::Status CA_GetObjectHandle(Library& library, CK_SLOT_ID slotID,
                                CK_ULONG ulContainer, CK_BYTE_PTR pOuid,
                                CK_ULONG_PTR pulType, CK_ULONG_PTR pulHandle) {
  RETURN_IF_ERROR(Need(pOuid, "no OUID"));
  RETURN_IF_ERROR(Need(pulHandle, "no place for the handle"));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  AttributeSet pattern;
  pattern.Set(CKA_OUID, ByteSpan(pOuid, CK_OUID_SIZE));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> found,
                   place.token->Find(place.space, pattern));
  if (found.empty()) {
    return base::Error(CKR_OBJECT_HANDLE_INVALID, "no object with this OUID");
  }
  Tell<CK_ULONG>(pulType, CK_CRYPTOKI_ELEMENT);
  *pulHandle = found.front();
  return absl::OkStatus();
}

absl::Status CA_GetTokenObjectUID(Library& library, CK_SLOT_ID slotID,
                                  CK_ULONG ulType, CK_ULONG ulHandle,
                                  CK_BYTE_PTR pOuid) {
  return CA_GetObjectUID(library, slotID, kOwnContainer, ulType, ulHandle,
                         pOuid);
}

absl::Status CA_GetTokenObjectHandle(Library& library, CK_SLOT_ID slotID,
                                     CK_BYTE_PTR pOuid, CK_ULONG_PTR pulType,
                                     CK_ULONG_PTR pulHandle) {
  return CA_GetObjectHandle(library, slotID, kOwnContainer, pOuid, pulType,
                            pulHandle);
}

// Stops at the first object that could not be destroyed and tells its index;
// the count when all were.
absl::Status CA_DestroyMultipleObjects(Library& library,
                                       CK_SESSION_HANDLE hSession,
                                       CK_ULONG ulCount,
                                       CK_OBJECT_HANDLE_PTR phObjects,
                                       CK_ULONG_PTR pulStoppedAt) {
  RETURN_IF_ERROR(library.session(hSession).status());
  if (ulCount > 0) RETURN_IF_ERROR(Need(phObjects, "no objects"));
  for (CK_ULONG i = 0; i < ulCount; ++i) {
    Tell(pulStoppedAt, i);
    RETURN_IF_ERROR(api::C_DestroyObject(library, hSession, phObjects[i]));
  }
  Tell(pulStoppedAt, ulCount);
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
