// Keys in finite fields: DSA, Diffie-Hellman of PKCS #3 and of ANSI X9.42.
#ifndef PERIGEE_PKCS11_MECHANISMS_FFC_H_
#define PERIGEE_PKCS11_MECHANISMS_FFC_H_

#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {

inline constexpr size_t kMinFfcBits = 2048;
// Smaller keys only verify, but in the legacy profile; none is smaller than:
inline constexpr size_t kLeastFfcBits = 1024;
inline constexpr size_t kMaxDsaBits = 3072;
inline constexpr size_t kMaxDhBits = 8192;

// CKK_DSA, CKK_DH or CKK_X9_42_DH.
struct FfcType {
  CK_KEY_TYPE key_type;
  const char* openssl_type;
  absl::string_view oid;  // with its header
  bool has_subprime;
  size_t max_bits;
};
const FfcType& FfcTypeOf(CK_KEY_TYPE type);

// A pair with the domain parameters of the public key's template.
// `private_bits`: 0 when nobody said how long CKA_VALUE should be.
// CKR_TEMPLATE_INCOMPLETE, CKR_DOMAIN_PARAMS_INVALID, CKR_KEY_SIZE_RANGE.
absl::StatusOr<GeneratedPair> GenerateFfc(
    const FfcType& type, const hsm::AttributeSet& public_attributes,
    size_t private_bits);

// New domain parameters. CKR_ATTRIBUTE_VALUE_INVALID for other sizes.
absl::StatusOr<hsm::AttributeSet> GenerateFfcParameters(
    const FfcType& type, const hsm::AttributeSet& attributes);

// The other side's public value for an agreement with `key`.
// CKR_PUBLIC_KEY_INVALID.
absl::StatusOr<UniquePkey> ImportFfcPeer(const hsm::AttributeSet& key,
                                         ByteSpan value);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_FFC_H_
