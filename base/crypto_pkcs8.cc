#include "base/crypto_pkcs8.h"

#include <openssl/x509.h>

namespace base {
namespace {

using UniquePkcs8 = OpenSslPtr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

}  // namespace

absl::Status RefuseWhenGone() {
  if (!OpenSslIsGone()) return absl::OkStatus();
  return Error(CKR_CRYPTOKI_NOT_INITIALIZED, "the host has closed OpenSSL");
}

absl::StatusOr<UniquePkey> PrivateKeyFromDer(ByteSpan der) {
  RETURN_IF_ERROR(RefuseWhenGone());
  const uint8_t* next = der.data();
  const UniquePkcs8 pkcs8(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &next, static_cast<long>(der.size())));
  if (pkcs8 == nullptr || next != der.data() + der.size()) {
    return OpenSslError(CKR_DATA_INVALID, "private key is not PKCS#8");
  }
  return UniquePkey(EVP_PKCS82PKEY_ex(pkcs8.get(), OpenSslContext(), nullptr));
}

absl::StatusOr<SecretBytes> PrivateKeyToDer(EVP_PKEY* key) {
  const UniquePkcs8 pkcs8(EVP_PKEY2PKCS8(key));
  const int size =
      pkcs8 == nullptr ? 0 : i2d_PKCS8_PRIV_KEY_INFO(pkcs8.get(), nullptr);
  if (size <= 0) return OpenSslError(CKR_GENERAL_ERROR, "private key to DER");
  SecretBytes der(static_cast<size_t>(size));
  uint8_t* next = der.ExposeMutable().data();
  if (i2d_PKCS8_PRIV_KEY_INFO(pkcs8.get(), &next) != size) {
    return OpenSslError(CKR_GENERAL_ERROR, "private key to DER");
  }
  return der;
}

}  // namespace base
