// OpenSSL's default provider in a library context where no engine of the host's
// comes before it.
//
// Engines belong to the process, not to a library context: an EVP_PKEY_CTX of a
// key asks their table first, with the type that the *first* name of the key's
// KEYMGMT stands for ("EC"), whichever context that key is of. A host that has
// made an engine the default one (the openssl program does for -engine) would
// so put it into all that we do with keys of that type; libp11's engine, which
// has us loaded, above all. A KEYMGMT whose first name is its object identifier
// has no such type and is asked itself. So the provider of our context is one
// of our own: the default provider's tables, with those names turned round.
#ifndef PERIGEE_BASE_CRYPTO_PROVIDER_H_
#define PERIGEE_BASE_CRYPTO_PROVIDER_H_

#include <openssl/crypto.h>
#include <openssl/provider.h>

namespace base {

// Loads it into `context`, for OSSL_PROVIDER_unload; null if OpenSSL fails.
OSSL_PROVIDER* LoadCryptoProvider(OSSL_LIB_CTX* context);

}  // namespace base

#endif  // PERIGEE_BASE_CRYPTO_PROVIDER_H_
