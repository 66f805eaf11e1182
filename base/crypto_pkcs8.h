// Private keys as PKCS #8 DER, for the files of base/crypto that have keys of
// their own kind.
#ifndef PERIGEE_BASE_CRYPTO_PKCS8_H_
#define PERIGEE_BASE_CRYPTO_PKCS8_H_

#include "base/crypto.h"

namespace base {

// CKR_CRYPTOKI_NOT_INITIALIZED after the host has closed OpenSSL.
absl::Status RefuseWhenGone();

// Null when it is a key that OpenSSL does not know; CKR_DATA_INVALID when the
// bytes, all of them, are not PKCS #8.
absl::StatusOr<UniquePkey> PrivateKeyFromDer(ByteSpan der);
absl::StatusOr<SecretBytes> PrivateKeyToDer(EVP_PKEY* key);

}  // namespace base

#endif  // PERIGEE_BASE_CRYPTO_PKCS8_H_
