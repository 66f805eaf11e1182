#include "base/crypto_rsa.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <utility>

#include "base/crypto_pkcs8.h"

namespace base {
namespace {

using UniquePkeyCtx = OpenSslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

// Under the name "RSA" OpenSSL would look for an engine of the host's first.
constexpr char kRsaType[] = "1.2.840.113549.1.1.1";
constexpr unsigned int kBits = 3072;
constexpr size_t kMaxSecret = 64;
constexpr char kDigest[] = "SHA2-256";

bool IsRsa3072(const EVP_PKEY* key) {
  return key != nullptr && EVP_PKEY_is_a(key, "RSA") == 1 &&
         EVP_PKEY_get_bits(key) == static_cast<int>(kBits);
}

// OAEP with this label, given to EVP_PKEY_encrypt_init or its counterpart.
std::array<OSSL_PARAM, 5> OaepParams(ByteSpan label) {
  return {OSSL_PARAM_construct_utf8_string(
              OSSL_ASYM_CIPHER_PARAM_PAD_MODE,
              const_cast<char*>(OSSL_PKEY_RSA_PAD_MODE_OAEP), 0),
          OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST,
                                           const_cast<char*>(kDigest), 0),
          OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST,
                                           const_cast<char*>(kDigest), 0),
          OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL,
                                            const_cast<uint8_t*>(label.data()),
                                            label.size()),
          OSSL_PARAM_construct_end()};
}

UniquePkeyCtx NewContext(EVP_PKEY* key) {
  return UniquePkeyCtx(
      EVP_PKEY_CTX_new_from_pkey(OpenSslContext(), key, nullptr));
}

}  // namespace

absl::StatusOr<RsaTransportKey> RsaTransportKey::Of(UniquePkey key) {
  if (!IsRsa3072(key.get())) {
    return OpenSslError(CKR_DATA_INVALID, "not an RSA key of 3072 bits");
  }
  const int size = i2d_PUBKEY(key.get(), nullptr);
  if (size <= 0) return OpenSslError(CKR_GENERAL_ERROR, "RSA key to DER");
  Bytes der(static_cast<size_t>(size));
  uint8_t* next = der.data();
  if (i2d_PUBKEY(key.get(), &next) != size) {
    return OpenSslError(CKR_GENERAL_ERROR, "RSA key to DER");
  }
  return RsaTransportKey(std::move(key), std::move(der));
}

absl::StatusOr<RsaTransportKey> RsaTransportKey::Generate() {
  RETURN_IF_ERROR(CheckHostsRandom());
  RETURN_IF_ERROR(RefuseWhenGone());
  const UniquePkeyCtx ctx(
      EVP_PKEY_CTX_new_from_name(OpenSslContext(), kRsaType, nullptr));
  unsigned int bits = kBits;
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_BITS, &bits),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* made = nullptr;
  if (ctx == nullptr || EVP_PKEY_keygen_init(ctx.get()) != 1 ||
      EVP_PKEY_CTX_set_params(ctx.get(), params) != 1 ||
      EVP_PKEY_generate(ctx.get(), &made) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "RSA key");
  }
  return Of(UniquePkey(made));
}

absl::StatusOr<RsaTransportKey> RsaTransportKey::FromPrivateDer(ByteSpan der) {
  ASSIGN_OR_RETURN(UniquePkey key, PrivateKeyFromDer(der));
  return Of(std::move(key));
}

absl::StatusOr<SecretBytes> RsaTransportKey::PrivateDer() const {
  return PrivateKeyToDer(key_.get());
}

absl::StatusOr<SecretBytes> RsaTransportKey::Unwrap(ByteSpan label,
                                                    ByteSpan wrapped) const {
  RETURN_IF_ERROR(CheckHostsRandom());  // blinding
  RETURN_IF_ERROR(RefuseWhenGone());
  const UniquePkeyCtx ctx = NewContext(key_.get());
  if (ctx == nullptr ||
      EVP_PKEY_decrypt_init_ex(ctx.get(), OaepParams(label).data()) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "RSA-OAEP");
  }
  SecretBytes secret(kWrappedSize);
  size_t size = secret.size();
  if (wrapped.size() != kWrappedSize ||
      EVP_PKEY_decrypt(ctx.get(), secret.ExposeMutable().data(), &size,
                       wrapped.data(), wrapped.size()) != 1) {
    return OpenSslError(CKR_DEVICE_ERROR, "nothing wrapped to this key");
  }
  secret.Truncate(size);
  return secret;
}

absl::StatusOr<Bytes> RsaWrap(ByteSpan public_der, ByteSpan label,
                              ByteSpan secret) {
  RETURN_IF_ERROR(CheckHostsRandom());
  RETURN_IF_ERROR(RefuseWhenGone());
  if (secret.size() > kMaxSecret) {
    return Error(CKR_ARGUMENTS_BAD, "RSA-OAEP: secret is too long");
  }
  const uint8_t* next = public_der.data();
  const UniquePkey key(d2i_PUBKEY_ex(nullptr, &next,
                                     static_cast<long>(public_der.size()),
                                     OpenSslContext(), nullptr));
  if (next != public_der.data() + public_der.size() || !IsRsa3072(key.get())) {
    return OpenSslError(CKR_DATA_INVALID, "not an RSA key of 3072 bits");
  }
  const UniquePkeyCtx ctx = NewContext(key.get());
  Bytes wrapped(RsaTransportKey::kWrappedSize);
  size_t size = wrapped.size();
  if (ctx == nullptr ||
      EVP_PKEY_encrypt_init_ex(ctx.get(), OaepParams(label).data()) != 1 ||
      EVP_PKEY_encrypt(ctx.get(), wrapped.data(), &size, secret.data(),
                       secret.size()) != 1 ||
      size != wrapped.size()) {
    return OpenSslError(CKR_GENERAL_ERROR, "RSA-OAEP");
  }
  return wrapped;
}

}  // namespace base
