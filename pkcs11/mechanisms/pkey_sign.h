// Signing and verification by an EVP_PKEY, of a digest that the application
// brings or of a message that is hashed here. RSA families and ECDSA choose
// the key's context and the sizes.
#ifndef PERIGEE_PKCS11_MECHANISMS_PKEY_SIGN_H_
#define PERIGEE_PKCS11_MECHANISMS_PKEY_SIGN_H_

#include <memory>
#include <optional>

#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/operation.h"

namespace pkcs11 {

struct SignatureForm {
  // Null: the application brings what is signed, of this many bytes
  // (CKR_DATA_LEN_RANGE).
  const Hash* hash = nullptr;
  size_t min_data = 0;
  size_t max_data = 0;
  // Bytes of a signature.
  size_t size = 0;
  // ECDSA: r || s of `size`/2 bytes each outside, DER inside.
  bool is_ecdsa = false;
};

absl::StatusOr<std::unique_ptr<Signer>> NewPkeySigner(
    PkeyLease key, const SignatureForm& form);
absl::StatusOr<std::unique_ptr<Verifier>> NewPkeyVerifier(
    PkeyLease key, const SignatureForm& form);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_PKEY_SIGN_H_
