// The checks that stand before every use of a key by a mechanism.
#ifndef PERIGEE_PKCS11_KEY_USE_H_
#define PERIGEE_PKCS11_KEY_USE_H_

#include "base/cryptoki.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/token.h"

namespace pkcs11 {

// What a wrong key is called depends on the part it plays.
struct KeyErrors {
  CK_RV handle;
  CK_RV type;
  CK_RV size;
};
inline constexpr KeyErrors kKeyErrors = {
    CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_SIZE_RANGE};
inline constexpr KeyErrors kWrappingKeyErrors = {
    CKR_WRAPPING_KEY_HANDLE_INVALID, CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_WRAPPING_KEY_SIZE_RANGE};
inline constexpr KeyErrors kUnwrappingKeyErrors = {
    CKR_UNWRAPPING_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_UNWRAPPING_KEY_SIZE_RANGE};

// The row of `mechanism` on this token: CKR_ARGUMENTS_BAD for a null pointer,
// CKR_MECHANISM_INVALID for an unknown number, CKR_FUNCTION_NOT_SUPPORTED on a
// token without cryptography, CKR_DEVICE_ERROR after a failed self-test.
// Whether it has the factory is the caller's check.
absl::StatusOr<const Mechanism*> FindMechanism(const Token& token,
                                               const CK_MECHANISM* mechanism);

// What may have changed since the row was found: CKR_DEVICE_ERROR,
// CKR_RANDOM_NO_RNG.
absl::Status CheckStillUsable(const Mechanism& mechanism);

// CKR_MECHANISM_INVALID for a mechanism that does not do the thing.
absl::Status NoSuchUse(const Mechanism& mechanism);

// Class and type fit the mechanism, CKA_ALLOWED_MECHANISMS names it, the flag
// `usage` is set, and the size is in range; in this order.
absl::Status CheckKeyUse(const Mechanism& mechanism, const AttributeSet& key,
                         CK_ATTRIBUTE_TYPE usage, const KeyErrors& errors,
                         Profile profile);

// The error of a look-up, with the code for this part in place of
// CKR_OBJECT_HANDLE_INVALID.
absl::Status AsKeyError(const absl::Status& status, CK_RV handle_invalid);

// True if each use of the key needs the PIN again.
inline bool AlwaysAuthenticates(const AttributeSet& key) {
  return key.IsTrue(CKA_PRIVATE) && key.IsTrue(CKA_ALWAYS_AUTHENTICATE);
}

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_KEY_USE_H_
