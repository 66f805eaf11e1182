// The one include for PKCS#11 names: the system's header (NSS on Debian,
// version 3.0), what that header lacks of 3.1 and 3.2, and the vendor
// extensions. Nobody else includes <pkcs11.h>.
//
// Three traps of the header:
//   - NSS's CK_C_INITIALIZE_ARGS has a member more than the specification's.
//     Never read it or take its sizeof; cast C_Initialize's argument to
//     PERIGEE_C_INITIALIZE_ARGS.
//   - NSS's CKA_TRUST_* are its own vendor attributes. The specification's
//     numbers are PERIGEE_CKA_TRUST_*.
//   - NSS_PCKS11_2_0_COMPAT changes structures, so it is refused here.
#ifndef PERIGEE_BASE_CRYPTOKI_H_
#define PERIGEE_BASE_CRYPTOKI_H_

#if defined(NSS_PCKS11_2_0_COMPAT) || defined(NSS_PKCS11_2_0_COMPAT)
#error "NSS's 2.0 compatibility mode changes CK_GCM_PARAMS and others"
#endif

// The originals of OASIS expect the includer to define these.
#if defined(P11_HEADERS_OASIS)
#ifndef CK_PTR
#define CK_PTR *
#endif
#ifndef CK_DECLARE_FUNCTION
#define CK_DECLARE_FUNCTION(type, name) type name
#endif
#ifndef CK_DECLARE_FUNCTION_POINTER
#define CK_DECLARE_FUNCTION_POINTER(type, name) type(*name)
#endif
#ifndef CK_CALLBACK_FUNCTION
#define CK_CALLBACK_FUNCTION(type, name) type(*name)
#endif
#ifndef NULL_PTR
#define NULL_PTR nullptr
#endif
#endif  // P11_HEADERS_OASIS

#include <pkcs11.h>  // IWYU pragma: export

#if CRYPTOKI_VERSION_MAJOR < 3
#error "PKCS#11 headers of version 3.0 or later are needed"
#endif

#include "base/cryptoki_extra.h"  // IWYU pragma: export
#include "base/luna.h"            // IWYU pragma: export

#endif  // PERIGEE_BASE_CRYPTOKI_H_
