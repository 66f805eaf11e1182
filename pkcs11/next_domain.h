// The cloning domain that CA_SetCloningDomain left for the next token that this
// process initialises (C_InitToken, CA_InitToken, CA_CreateContainer).
#ifndef PERIGEE_PKCS11_NEXT_DOMAIN_H_
#define PERIGEE_PKCS11_NEXT_DOMAIN_H_

#include "base/secret_bytes.h"

namespace pkcs11 {

// Replaces it; empty: none.
void SetNextDomain(base::SecretBytes domain);
// A copy; empty when there is none.
base::SecretBytes NextDomain();
// Forgets it: it was used, or the library is finalised.
void ClearNextDomain();

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_NEXT_DOMAIN_H_
