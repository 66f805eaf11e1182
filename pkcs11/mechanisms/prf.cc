#include "pkcs11/mechanisms/prf.h"

#include <openssl/params.h>

namespace pkcs11 {
namespace {

// A keyed context of the MAC `name`, whose parameter `with` says over what.
absl::StatusOr<UniqueMacCtx> Keyed(const char* name, const char* parameter,
                                   const char* with, ByteSpan key) {
  UniqueOf<EVP_MAC, EVP_MAC_free> mac(
      EVP_MAC_fetch(base::OpenSslContext(), name, nullptr));
  UniqueMacCtx context(mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac.get()));
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(parameter, const_cast<char*>(with), 0),
      OSSL_PARAM_construct_end()};
  if (context == nullptr ||
      EVP_MAC_init(context.get(), key.data(), key.size(), parameters) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, name);
  }
  return context;
}

}  // namespace

Prf::Prf(UniqueMacCtx keyed)
    : keyed_(std::move(keyed)), size_(EVP_MAC_CTX_get_mac_size(keyed_.get())) {}

absl::StatusOr<Prf> Prf::Hmac(const char* hash, ByteSpan key) {
  ASSIGN_OR_RETURN(UniqueMacCtx context,
                   Keyed("HMAC", OSSL_MAC_PARAM_DIGEST, hash, key));
  return Prf(std::move(context));
}

absl::StatusOr<Prf> Prf::Cmac(CK_KEY_TYPE type, ByteSpan key) {
  const EVP_CIPHER* cipher = CipherFor(type, CipherMode::kCbc, key.size());
  if (cipher == nullptr) {
    return base::Error(CKR_KEY_SIZE_RANGE, "length of a CMAC key");
  }
  ASSIGN_OR_RETURN(
      UniqueMacCtx context,
      Keyed("CMAC", OSSL_MAC_PARAM_CIPHER, EVP_CIPHER_get0_name(cipher), key));
  return Prf(std::move(context));
}

absl::Status Prf::Run(absl::Span<const ByteSpan> parts,
                      MutableByteSpan out) const {
  const UniqueMacCtx context = MacTraits::Copy(keyed_.get());
  bool works = context != nullptr;
  for (const ByteSpan part : parts) {
    works = works && (part.empty() || EVP_MAC_update(context.get(), part.data(),
                                                     part.size()) == 1);
  }
  size_t size = 0;
  if (!works ||
      EVP_MAC_final(context.get(), out.data(), &size, out.size()) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "PRF");
  }
  return absl::OkStatus();
}

}  // namespace pkcs11
