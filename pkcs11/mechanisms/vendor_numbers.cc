#include "pkcs11/mechanisms/vendor_numbers.h"

#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/perigee/luna_types.h"

namespace pkcs11 {
namespace {

#define PERIGEE_VENDOR(vendor, standard) \
  { vendor, standard, #vendor }
constexpr VendorNumber kMechanisms[] = {
    PERIGEE_VENDOR(CKM_SHA224_RSA_PKCS_OLD, CKM_SHA224_RSA_PKCS),
    PERIGEE_VENDOR(CKM_SHA224_RSA_PKCS_PSS_OLD, CKM_SHA224_RSA_PKCS_PSS),
    PERIGEE_VENDOR(CKM_SHA224_OLD, CKM_SHA224),
    PERIGEE_VENDOR(CKM_SHA224_HMAC_OLD, CKM_SHA224_HMAC),
    PERIGEE_VENDOR(CKM_SHA224_HMAC_GENERAL_OLD, CKM_SHA224_HMAC_GENERAL),
    PERIGEE_VENDOR(CKM_SHA224_KEY_DERIVATION_OLD, CKM_SHA224_KEY_DERIVATION),
    PERIGEE_VENDOR(LUNA_CKM_AES_CFB8, CKM_AES_CFB8),
    PERIGEE_VENDOR(LUNA_CKM_AES_CFB128, CKM_AES_CFB128),
    PERIGEE_VENDOR(LUNA_CKM_AES_OFB, CKM_AES_OFB),
    PERIGEE_VENDOR(LUNA_CKM_ECDSA_SHA224, CKM_ECDSA_SHA224),
    PERIGEE_VENDOR(LUNA_CKM_ECDSA_SHA256, CKM_ECDSA_SHA256),
    PERIGEE_VENDOR(LUNA_CKM_ECDSA_SHA384, CKM_ECDSA_SHA384),
    PERIGEE_VENDOR(LUNA_CKM_ECDSA_SHA512, CKM_ECDSA_SHA512),
    PERIGEE_VENDOR(LUNA_CKM_AES_GMAC, CKM_AES_GMAC),
    PERIGEE_VENDOR(LUNA_CKM_DSA_SHA224, CKM_DSA_SHA224),
    PERIGEE_VENDOR(LUNA_CKM_DSA_SHA256, CKM_DSA_SHA256),
    // How the random numbers are found differs from case to case in the
    // vendor's; here all pairs are made in one way.
    PERIGEE_VENDOR(CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN,
                   CKM_RSA_PKCS_KEY_PAIR_GEN),
    PERIGEE_VENDOR(CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN,
                   CKM_RSA_PKCS_KEY_PAIR_GEN),
    PERIGEE_VENDOR(CKM_ECDSA_KEY_PAIR_GEN_W_EXTRA_BITS, CKM_EC_KEY_PAIR_GEN),
    PERIGEE_VENDOR(CKM_AES_KW, CKM_AES_KEY_WRAP),
    PERIGEE_VENDOR(CKM_AES_KWP, CKM_AES_KEY_WRAP_KWP),
    PERIGEE_VENDOR(LUNA_CKM_AES_XTS, CKM_AES_XTS),
    PERIGEE_VENDOR(LUNA_CKM_EC_EDWARDS_KEY_PAIR_GEN,
                   CKM_EC_EDWARDS_KEY_PAIR_GEN),
    PERIGEE_VENDOR(LUNA_CKM_EDDSA, CKM_EDDSA),
};
constexpr VendorNumber kKeyTypes[] = {
    PERIGEE_VENDOR(LUNA_CKK_EC_EDWARDS, CKK_EC_EDWARDS),
    PERIGEE_VENDOR(LUNA_CKK_EC_MONTGOMERY, CKK_EC_MONTGOMERY),
};
constexpr VendorNumber kMgfs[] = {
    PERIGEE_VENDOR(LUNA_CKG_MGF1_SHA3_224, CKG_MGF1_SHA3_224),
    PERIGEE_VENDOR(LUNA_CKG_MGF1_SHA3_256, CKG_MGF1_SHA3_256),
    PERIGEE_VENDOR(LUNA_CKG_MGF1_SHA3_384, CKG_MGF1_SHA3_384),
    PERIGEE_VENDOR(LUNA_CKG_MGF1_SHA3_512, CKG_MGF1_SHA3_512),
};
#undef PERIGEE_VENDOR

CK_ULONG Standard(absl::Span<const VendorNumber> numbers, CK_ULONG number) {
  if (number < CKM_VENDOR_DEFINED) return number;
  for (const VendorNumber& one : numbers) {
    if (one.vendor == number) return one.standard;
  }
  return number;
}

absl::StatusOr<CK_MECHANISM> GmacForm(CK_MECHANISM mechanism) {
  if (mechanism.ulParameterLen != sizeof(CK_GCM_PARAMS)) return mechanism;
  ASSIGN_OR_RETURN(const auto given, CopyParameter<CK_GCM_PARAMS>(mechanism));
  if (given.ulAADLen != 0 || given.ulTagBits != 128) {
    return InvalidParameter("additional data, or a tag that is cut");
  }
  mechanism.pParameter = given.pIv;
  mechanism.ulParameterLen = given.ulIvLen;
  return mechanism;
}

}  // namespace

absl::Span<const VendorNumber> VendorMechanisms() { return kMechanisms; }

CK_MECHANISM_TYPE StandardMechanism(CK_MECHANISM_TYPE type) {
  return Standard(kMechanisms, type);
}

CK_KEY_TYPE StandardKeyType(CK_KEY_TYPE type) {
  return Standard(kKeyTypes, type);
}

CK_RSA_PKCS_MGF_TYPE StandardMgf(CK_RSA_PKCS_MGF_TYPE mgf) {
  return Standard(kMgfs, mgf);
}

absl::StatusOr<CK_MECHANISM> StandardForm(const CK_MECHANISM& mechanism) {
  CK_MECHANISM standard = mechanism;
  standard.mechanism = StandardMechanism(mechanism.mechanism);
  if (mechanism.mechanism == LUNA_CKM_AES_GMAC) return GmacForm(standard);
  return standard;
}

}  // namespace pkcs11
