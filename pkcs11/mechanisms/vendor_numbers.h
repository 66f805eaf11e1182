// Numbers that Luna clients use for what the standard numbers otherwise
// (docs/MECHANISMS.md). They are accepted wherever an application names a
// mechanism, a key type or a mask generation function, and become the standard
// ones there: nothing else here knows them, and nothing lists them.
#ifndef PERIGEE_PKCS11_MECHANISMS_VENDOR_NUMBERS_H_
#define PERIGEE_PKCS11_MECHANISMS_VENDOR_NUMBERS_H_

#include "absl/types/span.h"
#include "base/cryptoki.h"
#include "base/status.h"

namespace pkcs11 {

struct VendorNumber {
  CK_ULONG vendor;
  CK_ULONG standard;
  const char* name;  // of the vendor's
};

absl::Span<const VendorNumber> VendorMechanisms();

// Of other numbers, the number itself.
CK_MECHANISM_TYPE StandardMechanism(CK_MECHANISM_TYPE type);
CK_KEY_TYPE StandardKeyType(CK_KEY_TYPE type);
CK_RSA_PKCS_MGF_TYPE StandardMgf(CK_RSA_PKCS_MGF_TYPE mgf);

// The same with its parameter in the standard's form. The vendor's AES-GMAC
// may also have a CK_GCM_PARAMS without additional data and with a tag of 128
// bits. CKR_MECHANISM_PARAM_INVALID.
absl::StatusOr<CK_MECHANISM> StandardForm(const CK_MECHANISM& mechanism);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_VENDOR_NUMBERS_H_
