#include "pkcs11/approved.h"

#include <algorithm>
#include <iterator>

namespace pkcs11 {
namespace {

// Sorted by use, not by number. What stands in kOld only reads.
constexpr CK_MECHANISM_TYPE kApproved[] = {
    CKM_SHA224,
    CKM_SHA256,
    CKM_SHA384,
    CKM_SHA512,
    CKM_SHA512_224,
    CKM_SHA512_256,
    CKM_SHA512_T,
    CKM_SHA3_224,
    CKM_SHA3_256,
    CKM_SHA3_384,
    CKM_SHA3_512,
    // MACs
    CKM_SHA224_HMAC,
    CKM_SHA256_HMAC,
    CKM_SHA384_HMAC,
    CKM_SHA512_HMAC,
    CKM_SHA512_224_HMAC,
    CKM_SHA512_256_HMAC,
    CKM_SHA3_224_HMAC,
    CKM_SHA3_256_HMAC,
    CKM_SHA3_384_HMAC,
    CKM_SHA3_512_HMAC,
    CKM_SHA224_HMAC_GENERAL,
    CKM_SHA256_HMAC_GENERAL,
    CKM_SHA384_HMAC_GENERAL,
    CKM_SHA512_HMAC_GENERAL,
    CKM_AES_CMAC,
    CKM_AES_CMAC_GENERAL,
    CKM_AES_GMAC,
    // ciphers
    CKM_AES_KEY_GEN,
    CKM_AES_ECB,
    CKM_AES_CBC,
    CKM_AES_CBC_PAD,
    CKM_AES_CTR,
    CKM_AES_CTS,
    CKM_AES_OFB,
    CKM_AES_CFB1,
    CKM_AES_CFB8,
    CKM_AES_CFB128,
    CKM_AES_CCM,
    CKM_AES_XTS,
    CKM_AES_XTS_KEY_GEN,
    CKM_AES_KEY_WRAP,
    CKM_AES_KEY_WRAP_KWP,
    CKM_AES_KEY_WRAP_PKCS7,
    // RSA
    CKM_RSA_PKCS_KEY_PAIR_GEN,
    CKM_SHA224_RSA_PKCS,
    CKM_SHA256_RSA_PKCS,
    CKM_SHA384_RSA_PKCS,
    CKM_SHA512_RSA_PKCS,
    CKM_SHA3_224_RSA_PKCS,
    CKM_SHA3_256_RSA_PKCS,
    CKM_SHA3_384_RSA_PKCS,
    CKM_SHA3_512_RSA_PKCS,
    CKM_SHA224_RSA_PKCS_PSS,
    CKM_SHA256_RSA_PKCS_PSS,
    CKM_SHA384_RSA_PKCS_PSS,
    CKM_SHA512_RSA_PKCS_PSS,
    CKM_SHA3_224_RSA_PKCS_PSS,
    CKM_SHA3_256_RSA_PKCS_PSS,
    CKM_SHA3_384_RSA_PKCS_PSS,
    CKM_SHA3_512_RSA_PKCS_PSS,
    CKM_RSA_PKCS_OAEP,
    // elliptic curves
    CKM_EC_KEY_PAIR_GEN,
    CKM_ECDSA_SHA224,
    CKM_ECDSA_SHA256,
    CKM_ECDSA_SHA384,
    CKM_ECDSA_SHA512,
    CKM_ECDSA_SHA3_224,
    CKM_ECDSA_SHA3_256,
    CKM_ECDSA_SHA3_384,
    CKM_ECDSA_SHA3_512,
    CKM_ECDH1_DERIVE,
    CKM_ECDH1_COFACTOR_DERIVE,
    CKM_EC_EDWARDS_KEY_PAIR_GEN,
    CKM_EDDSA,
    // finite fields, safe primes
    CKM_DH_PKCS_KEY_PAIR_GEN,
    CKM_DH_PKCS_DERIVE,
    // derivations
    CKM_HKDF_DERIVE,
    CKM_HKDF_KEY_GEN,
    CKM_SP800_108_COUNTER_KDF,
    CKM_SP800_108_FEEDBACK_KDF,
    CKM_SP800_108_DOUBLE_PIPELINE_KDF,
    CKM_PKCS5_PBKD2,
    CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
    CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH,
    CKM_TLS12_KEY_AND_MAC_DERIVE,
    CKM_TLS12_KEY_SAFE_DERIVE,
    // lattices and hashes
    CKM_ML_KEM_KEY_PAIR_GEN,
    CKM_ML_KEM,
    CKM_ML_DSA_KEY_PAIR_GEN,
    CKM_ML_DSA,
    CKM_SLH_DSA_KEY_PAIR_GEN,
    CKM_SLH_DSA,
    // an HMAC key is a generic secret
    CKM_GENERIC_SECRET_KEY_GEN,
};

// GCM as well: encryption under a nonce of the caller's is not approved (IG
// C.H); the message functions are not told apart here.
constexpr CK_MECHANISM_TYPE kOld[] = {
    CKM_AES_GCM,    CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS_PSS, CKM_ECDSA_SHA1,
    CKM_DSA_SHA1,   CKM_DSA_SHA224,    CKM_DSA_SHA256,        CKM_DSA_SHA384,
    CKM_DSA_SHA512, CKM_DES3_ECB,      CKM_DES3_CBC,          CKM_DES3_CBC_PAD,
    CKM_SHA_1_HMAC, CKM_DES3_CMAC,
};

template <size_t kSize>
bool Contains(const CK_MECHANISM_TYPE (&list)[kSize], CK_MECHANISM_TYPE type) {
  return std::find(std::begin(list), std::end(list), type) != std::end(list);
}

// P-224 to P-521 (SP 800-186); their names in CKA_EC_PARAMS.
bool IsNistCurve(base::ByteSpan params) {
  static constexpr absl::string_view kCurves[] = {
      {"\x06\x05\x2b\x81\x04\x00\x21", 7},
      {"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10},
      {"\x06\x05\x2b\x81\x04\x00\x22", 7},
      {"\x06\x05\x2b\x81\x04\x00\x23", 7}};
  return std::any_of(std::begin(kCurves), std::end(kCurves),
                     [&](absl::string_view curve) {
                       return base::SameBytes(base::AsBytes(curve), params);
                     });
}

// 112 bits of strength protect, 80 may still be processed.
bool IsStrong(const hsm::AttributeSet& key, int bits) {
  switch (key.key_type()) {
    case CKK_EC:
      return IsNistCurve(key.Value(CKA_EC_PARAMS));
    case CKK_BIP32:
    case CKK_EC_MONTGOMERY:
      return false;
    case CKK_RSA:
    case CKK_DSA:
    case CKK_DH:
      return StrengthOf(key) >= bits;
    default: {
      const CK_ULONG size = KeySizeOf(key);
      return key.object_class() != CKO_SECRET_KEY || size == 0 ||
             8 * size >= static_cast<CK_ULONG>(bits);
    }
  }
}

}  // namespace

bool IsApprovedService(const Mechanism& mechanism, Service service,
                       const hsm::AttributeSet* key) {
  const bool processes = service == Service::kProcess;
  return (Contains(kApproved, mechanism.type) ||
          (processes && Contains(kOld, mechanism.type))) &&
         (key == nullptr || IsStrong(*key, processes ? 80 : 112));
}

}  // namespace pkcs11
