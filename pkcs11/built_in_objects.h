// Objects that a token shows of itself (PKCS#11 3.2, section 4.4): a mechanism
// object for each mechanism, a profile object for each profile that holds, one
// validation object. They have no place in the store; a search finds them when
// its template names their class.
#ifndef PERIGEE_PKCS11_BUILT_IN_OBJECTS_H_
#define PERIGEE_PKCS11_BUILT_IN_OBJECTS_H_

#include <vector>

#include "hsm/object.h"
#include "pkcs11/mechanism.h"

namespace pkcs11 {

// Handles of these lie between those of token objects and of session objects.
inline constexpr CK_OBJECT_HANDLE kFirstBuiltIn =
    hsm::kFirstSessionHandle - 0x100000;

inline bool IsBuiltIn(CK_OBJECT_HANDLE handle) {
  return handle >= kFirstBuiltIn && handle < hsm::kFirstSessionHandle;
}

// The bit of the validation object's CKA_VALIDATION_FLAG, in
// CKA_OBJECT_VALIDATION_FLAGS and of C_GetSessionValidationFlags.
inline constexpr CK_FLAGS kApprovedService = 1;

// Null when there is none with this handle.
hsm::ObjectRef FindBuiltIn(CK_OBJECT_HANDLE handle, Profile profile);
// Empty unless `pattern` has the class of such objects.
std::vector<CK_OBJECT_HANDLE> SearchBuiltIn(const hsm::AttributeSet& pattern,
                                            Profile profile);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_BUILT_IN_OBJECTS_H_
