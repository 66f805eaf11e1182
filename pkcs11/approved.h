// Which uses of a mechanism are approved by NIST (SP 800-131A rev. 2, 800-140C
// and D; FIPS 140-3), for the indicators that PKCS#11 3.2 has: flags of the
// session's last service and of objects. Perigee has no certificate; the flag
// says that the service is of the kind that could be certified.
#ifndef PERIGEE_PKCS11_APPROVED_H_
#define PERIGEE_PKCS11_APPROVED_H_

#include "pkcs11/mechanism.h"

namespace pkcs11 {

enum class Service : uint8_t {
  kProtect,  // sign, encrypt, wrap, derive, generate, encapsulate, digest
  kProcess,  // verify, decrypt, unwrap: old data may be read
};

// `key`: null where the service has none.
bool IsApprovedService(const Mechanism& mechanism, Service service,
                       const hsm::AttributeSet* key);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_APPROVED_H_
