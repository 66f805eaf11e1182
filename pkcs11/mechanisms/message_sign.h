// Signing and verification by schemes that take the message itself, whole:
// EdDSA, ML-DSA, SLH-DSA. Parts are collected.
#ifndef PERIGEE_PKCS11_MECHANISMS_MESSAGE_SIGN_H_
#define PERIGEE_PKCS11_MECHANISMS_MESSAGE_SIGN_H_

#include <memory>
#include <optional>

#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/operation.h"

namespace pkcs11 {

struct MessageForm {
  size_t size = 0;  // bytes of a signature
  // Null: the key's only or usual scheme.
  const char* instance = nullptr;
  Bytes context;
  bool is_deterministic = false;
  // What is signed instead of the message (FIPS 204 and 205, pre-hash): the
  // prefix and the message's hash, without any encoding by OpenSSL.
  bool is_prehashed = false;
  Bytes prefix;
  size_t hash_size = 0;
  // Null: the application brings the hash.
  const EVP_MD* hash = nullptr;
};

// CKR_MECHANISM_PARAM_INVALID when this OpenSSL does not know the instance.
absl::StatusOr<std::unique_ptr<Signer>> NewMessageSigner(const hsm::Object& key,
                                                         MessageForm form);
absl::StatusOr<std::unique_ptr<Verifier>> NewMessageVerifier(
    const hsm::Object& key, MessageForm form);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_MESSAGE_SIGN_H_
