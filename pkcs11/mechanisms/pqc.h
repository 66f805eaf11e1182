// ML-KEM (FIPS 203), ML-DSA (204) and SLH-DSA (205) keys. OpenSSL has them
// from 3.5 on; with an older one the mechanisms are not listed and keys cannot
// be brought in.
#ifndef PERIGEE_PKCS11_MECHANISMS_PQC_H_
#define PERIGEE_PKCS11_MECHANISMS_PQC_H_

#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {

struct PqcSet {
  CK_KEY_TYPE key_type;
  CK_ULONG number;           // CKA_PARAMETER_SET
  const char* openssl_type;  // the identifier, for NewKeyTypeContext
  absl::string_view oid;     // the same with its header
  size_t public_size;
  size_t private_size;
  size_t seed_size;    // 0: keys have no seed
  size_t output_size;  // bytes of a signature or a ciphertext
};

absl::Span<const PqcSet> PqcSets();
// Whether this process's OpenSSL has keys of this type.
bool PqcIsAvailable(CK_KEY_TYPE type);
// CKR_PARAMETER_SET_NOT_SUPPORTED.
absl::StatusOr<const PqcSet*> PqcSetOf(CK_KEY_TYPE type, CK_ULONG number);
absl::StatusOr<const PqcSet*> PqcSetOf(const hsm::AttributeSet& key);

template <CK_KEY_TYPE kType>
bool HasPqc() {
  return PqcIsAvailable(kType);
}

// `generate_pair` of the three key types.
absl::StatusOr<GeneratedPair> GeneratePqc(
    const Use& use, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet& private_attributes);

// Sizes in mechanism rows: bytes of public keys.
struct PqcSizes {
  CK_ULONG least;
  CK_ULONG most;
};
inline constexpr PqcSizes kMlKemSizes = {800, 1568};
inline constexpr PqcSizes kMlDsaSizes = {1312, 2592};
inline constexpr PqcSizes kSlhDsaSizes = {32, 64};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_PQC_H_
