// The tables: rows of attributes in groups, object types made of groups. A new
// attribute is a row, a new key type a row of kTypes (and a check of its
// values in key_values.cc). Facts from PKCS#11 3.2, sections 4 and 6.
//
// Defaults that the specification leaves to the token ("footnote 9"), and why:
//
//  - Usage flags. What the key type can ordinarily do, except wrapping by
//    secret keys: SoftHSM, openCryptoki and NSS are permissive too, and clients
//    that import a key without flags (SunPKCS11) expect it to work. Secret keys
//    do not wrap unless asked (resolve.cc says what asking implies). CKA_DERIVE
//    is false: the specification says so.
//  - CKA_SENSITIVE true and CKA_EXTRACTABLE false for generated and derived
//    keys and for created private keys, as SoftHSM does: what was never outside
//    should not leave because somebody forgot a flag. For created secret keys
//    CKA_SENSITIVE is false, the specification's default, and CKA_EXTRACTABLE
//    is its opposite: whoever imports one knows it, and clients read it back.
//    Unwrapped keys are extractable (C_UnwrapKey says so) but sensitive.
//  - CKA_PRIVATE: false for certificates and public keys, true for the rest.
#include "hsm/attribute_rules.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "hsm/key_values.h"

namespace hsm {

namespace {

using Kind = AttributeKind;
using Default = AttributeDefault;

constexpr uint32_t F() { return 0; }
template <typename... Numbers>
constexpr uint32_t F(int first, Numbers... rest) {
  return Footnote(first) | F(rest...);
}

#define ROW(type, ...) \
  { type, #type, __VA_ARGS__ }

constexpr AttributeRule kStorage[] = {
    ROW(CKA_CLASS, Kind::kUlong, F(1)),
    ROW(CKA_TOKEN, Kind::kBool, F(), Default::kFalse),
    ROW(CKA_PRIVATE, Kind::kBool, F(9), Default::kComputed),
    ROW(CKA_LABEL, Kind::kText, F(8), Default::kEmpty),
    ROW(CKA_UNIQUE_ID, Kind::kText, F(2, 4, 6)),
    ROW(CKA_MODIFIABLE, Kind::kBool, F(), Default::kTrue),
    ROW(CKA_COPYABLE, Kind::kBool, F(12), Default::kTrue),
    ROW(CKA_DESTROYABLE, Kind::kBool, F(), Default::kTrue),
    ROW(CKA_OUID, Kind::kBytes, F(2, 4, 6)),
};

constexpr AttributeRule kData[] = {
    ROW(CKA_APPLICATION, Kind::kText, F(), Default::kEmpty),
    ROW(CKA_OBJECT_ID, Kind::kBytes, F(), Default::kEmpty),
    ROW(CKA_VALUE, Kind::kBytes, F(), Default::kEmpty),
};

constexpr AttributeRule kCertificate[] = {
    ROW(CKA_CERTIFICATE_TYPE, Kind::kUlong, F(1)),
    ROW(CKA_TRUSTED, Kind::kBool, F(10), Default::kFalse),
    ROW(CKA_CERTIFICATE_CATEGORY, Kind::kUlong, F(), Default::kZero),
    ROW(CKA_CHECK_VALUE, Kind::kBytes, F()),
    ROW(CKA_START_DATE, Kind::kDate, F(), Default::kEmpty),
    ROW(CKA_END_DATE, Kind::kDate, F(), Default::kEmpty),
    ROW(CKA_PUBLIC_KEY_INFO, Kind::kBytes, F(), Default::kEmpty),
};

constexpr AttributeRule kX509[] = {
    ROW(CKA_SUBJECT, Kind::kBytes, F(1)),
    ROW(CKA_ID, Kind::kBytes, F(8), Default::kEmpty),
    ROW(CKA_ISSUER, Kind::kBytes, F(8), Default::kEmpty),
    ROW(CKA_SERIAL_NUMBER, Kind::kBytes, F(8), Default::kEmpty),
    // "Must be specified", but may be missing beside a URL: CheckX509.
    ROW(CKA_VALUE, Kind::kBytes, F(), Default::kEmpty),
    ROW(CKA_URL, Kind::kText, F(), Default::kEmpty),
    ROW(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Kind::kBytes, F(), Default::kEmpty),
    ROW(CKA_HASH_OF_ISSUER_PUBLIC_KEY, Kind::kBytes, F(), Default::kEmpty),
    ROW(CKA_JAVA_MIDP_SECURITY_DOMAIN, Kind::kUlong, F(), Default::kZero),
    ROW(CKA_NAME_HASH_ALGORITHM, Kind::kUlong, F()),
};

constexpr AttributeRule kKey[] = {
    ROW(CKA_KEY_TYPE, Kind::kUlong, F(1, 5)),
    ROW(CKA_ID, Kind::kBytes, F(8), Default::kEmpty),
    ROW(CKA_START_DATE, Kind::kDate, F(8), Default::kEmpty),
    ROW(CKA_END_DATE, Kind::kDate, F(8), Default::kEmpty),
    ROW(CKA_DERIVE, Kind::kBool, F(8), Default::kFalse),
    ROW(CKA_LOCAL, Kind::kBool, F(2, 4, 6), Default::kComputed),
    ROW(CKA_KEY_GEN_MECHANISM, Kind::kUlong, F(2, 4, 6), Default::kComputed),
    // Empty: any mechanism. Present always, because clients read it.
    ROW(CKA_ALLOWED_MECHANISMS, Kind::kMechanisms, F(), Default::kEmpty),
    ROW(CKA_OBJECT_VALIDATION_FLAGS, Kind::kUlong, F(2, 4, 6, 9)),
};

constexpr AttributeRule kPublicKey[] = {
    ROW(CKA_SUBJECT, Kind::kBytes, F(8), Default::kEmpty),
    ROW(CKA_ENCRYPT, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_VERIFY, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_VERIFY_RECOVER, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_WRAP, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_ENCAPSULATE, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_TRUSTED, Kind::kBool, F(10), Default::kFalse),
    ROW(CKA_WRAP_TEMPLATE, Kind::kTemplate, F()),
    ROW(CKA_ENCAPSULATE_TEMPLATE, Kind::kTemplate, F()),
    ROW(CKA_PUBLIC_KEY_INFO, Kind::kBytes, F()),
};

constexpr AttributeRule kPrivateKey[] = {
    ROW(CKA_SUBJECT, Kind::kBytes, F(8), Default::kEmpty),
    ROW(CKA_DECRYPT, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_SIGN, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_SIGN_RECOVER, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_UNWRAP, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_DECAPSULATE, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_DECAPSULATE_TEMPLATE, Kind::kTemplate, F()),
    ROW(CKA_ALWAYS_AUTHENTICATE, Kind::kBool, F(), Default::kFalse),
    ROW(CKA_PUBLIC_KEY_INFO, Kind::kBytes, F(8)),
};

constexpr AttributeRule kSecretKey[] = {
    ROW(CKA_ENCRYPT, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_DECRYPT, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_SIGN, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_VERIFY, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_WRAP, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_UNWRAP, Kind::kBool, F(8, 9), Default::kUsage),
    ROW(CKA_CHECK_VALUE, Kind::kBytes, F()),
    ROW(CKA_TRUSTED, Kind::kBool, F(10), Default::kFalse),
    ROW(CKA_WRAP_TEMPLATE, Kind::kTemplate, F()),
};

// Common to private and secret keys.
constexpr AttributeRule kProtected[] = {
    ROW(CKA_SENSITIVE, Kind::kBool, F(8, 9, 11), Default::kComputed),
    ROW(CKA_EXTRACTABLE, Kind::kBool, F(8, 9, 12), Default::kComputed),
    ROW(CKA_ALWAYS_SENSITIVE, Kind::kBool, F(2, 4, 6), Default::kComputed),
    ROW(CKA_NEVER_EXTRACTABLE, Kind::kBool, F(2, 4, 6), Default::kComputed),
    ROW(CKA_WRAP_WITH_TRUSTED, Kind::kBool, F(11), Default::kFalse),
    ROW(CKA_UNWRAP_TEMPLATE, Kind::kTemplate, F()),
    ROW(CKA_DERIVE_TEMPLATE, Kind::kTemplate, F()),
    // hsm/key_rights.h. Shown when there is no value: as none, false, 0.
    ROW(CKA_USAGE_COUNT, Kind::kUlong, F(2, 4, 6)),
    ROW(CKA_USAGE_LIMIT, Kind::kUlong, F(8)),
    ROW(CKA_AUTH_DATA, Kind::kBytes, F()),
    ROW(CKA_ASSIGNED, Kind::kBool, F()),
    ROW(CKA_KEY_STATUS, Kind::kBytes, F(2, 4, 6)),
    ROW(CKA_FAILED_KEY_AUTH_COUNT, Kind::kUlong, F(2, 4, 6)),
};

constexpr AttributeRule kRsaPublic[] = {
    ROW(CKA_MODULUS, Kind::kBigInteger, F(1, 4)),
    ROW(CKA_MODULUS_BITS, Kind::kUlong, F(2, 3)),
    ROW(CKA_PUBLIC_EXPONENT, Kind::kBigInteger, F(1)),
};

constexpr AttributeRule kRsaPrivate[] = {
    ROW(CKA_MODULUS, Kind::kBigInteger, F(1, 4, 6)),
    ROW(CKA_PUBLIC_EXPONENT, Kind::kBigInteger, F(1, 4, 6)),
    ROW(CKA_PRIVATE_EXPONENT, Kind::kBigInteger, F(1, 4, 6, 7)),
    ROW(CKA_PRIME_1, Kind::kBigInteger, F(4, 6, 7)),
    ROW(CKA_PRIME_2, Kind::kBigInteger, F(4, 6, 7)),
    ROW(CKA_EXPONENT_1, Kind::kBigInteger, F(4, 6, 7)),
    ROW(CKA_EXPONENT_2, Kind::kBigInteger, F(4, 6, 7)),
    ROW(CKA_COEFFICIENT, Kind::kBigInteger, F(4, 6, 7)),
};

constexpr AttributeRule kEcPublic[] = {
    ROW(CKA_EC_PARAMS, Kind::kBytes, F(1, 3)),
    ROW(CKA_EC_POINT, Kind::kBytes, F(1, 4)),
};

constexpr AttributeRule kEcPrivate[] = {
    ROW(CKA_EC_PARAMS, Kind::kBytes, F(1, 4, 6)),
    ROW(CKA_EC_POINT, Kind::kBytes, F(4, 6)),  // not in the table: tolerated
    ROW(CKA_VALUE, Kind::kBigInteger, F(1, 4, 6, 7)),
};

// Vendor: the keys of BIP 32. CKA_EC_PARAMS may be left out.
constexpr AttributeRule kBip32[] = {
    ROW(CKA_EC_PARAMS, Kind::kBytes, F()),
    ROW(CKA_BIP32_VERSION_BYTES, Kind::kBytes, F()),
    ROW(CKA_BIP32_CHILD_INDEX, Kind::kUlong, F(4, 6), Default::kZero),
    ROW(CKA_BIP32_CHILD_DEPTH, Kind::kUlong, F(4, 6), Default::kZero),
    ROW(CKA_BIP32_ID, Kind::kBytes, F(2, 4, 6)),
    ROW(CKA_BIP32_FINGERPRINT, Kind::kBytes, F(2, 4, 6)),
    ROW(CKA_BIP32_PARENT_FINGERPRINT, Kind::kBytes, F(4, 6)),
};
constexpr AttributeRule kBip32Public[] = {
    ROW(CKA_EC_POINT, Kind::kBytes, F(1, 4, 6)),
    ROW(CKA_BIP32_CHAIN_CODE, Kind::kBytes, F(1, 4, 6)),
};
constexpr AttributeRule kBip32Private[] = {
    ROW(CKA_VALUE, Kind::kBigInteger, F(1, 4, 6, 7)),
    ROW(CKA_BIP32_CHAIN_CODE, Kind::kBytes, F(1, 4, 6, 7)),
};

// Edwards and Montgomery curves: byte strings, not numbers.
constexpr AttributeRule kEcxPrivate[] = {
    ROW(CKA_EC_PARAMS, Kind::kBytes, F(1, 4, 6)),
    ROW(CKA_EC_POINT, Kind::kBytes, F(4, 6)),  // not in the table: tolerated
    ROW(CKA_VALUE, Kind::kBytes, F(1, 4, 6, 7)),
};

constexpr AttributeRule kDsaPublic[] = {
    ROW(CKA_PRIME, Kind::kBigInteger, F(1, 3)),
    ROW(CKA_SUBPRIME, Kind::kBigInteger, F(1, 3)),
    ROW(CKA_BASE, Kind::kBigInteger, F(1, 3)),
    ROW(CKA_VALUE, Kind::kBigInteger, F(1, 4)),
};
constexpr AttributeRule kDsaPrivate[] = {
    ROW(CKA_PRIME, Kind::kBigInteger, F(1, 4, 6)),
    ROW(CKA_SUBPRIME, Kind::kBigInteger, F(1, 4, 6)),
    ROW(CKA_BASE, Kind::kBigInteger, F(1, 4, 6)),
    ROW(CKA_VALUE, Kind::kBigInteger, F(1, 4, 6, 7)),
};
constexpr AttributeRule kDhPublic[] = {
    ROW(CKA_PRIME, Kind::kBigInteger, F(1, 3)),
    ROW(CKA_BASE, Kind::kBigInteger, F(1, 3)),
    ROW(CKA_VALUE, Kind::kBigInteger, F(1, 4)),
};
constexpr AttributeRule kDhPrivate[] = {
    ROW(CKA_PRIME, Kind::kBigInteger, F(1, 4, 6)),
    ROW(CKA_BASE, Kind::kBigInteger, F(1, 4, 6)),
    ROW(CKA_VALUE, Kind::kBigInteger, F(1, 4, 6, 7)),
    ROW(CKA_VALUE_BITS, Kind::kUlong, F(2, 6)),
};

constexpr AttributeRule kDomainParameters[] = {
    ROW(CKA_KEY_TYPE, Kind::kUlong, F(1)),
    ROW(CKA_LOCAL, Kind::kBool, F(2, 4), Default::kComputed),
};
constexpr AttributeRule kDsaDomain[] = {
    ROW(CKA_PRIME, Kind::kBigInteger, F(1, 4)),
    ROW(CKA_SUBPRIME, Kind::kBigInteger, F(1, 4)),
    ROW(CKA_BASE, Kind::kBigInteger, F(1, 4)),
    ROW(CKA_PRIME_BITS, Kind::kUlong, F(2, 3)),
    ROW(CKA_SUBPRIME_BITS, Kind::kUlong, F(2)),
};
constexpr AttributeRule kDhDomain[] = {
    ROW(CKA_PRIME, Kind::kBigInteger, F(1, 4)),
    ROW(CKA_BASE, Kind::kBigInteger, F(1, 4)),
    ROW(CKA_PRIME_BITS, Kind::kUlong, F(2, 3)),
};

// ML-KEM, ML-DSA, SLH-DSA.
constexpr AttributeRule kPqcPublic[] = {
    ROW(CKA_PARAMETER_SET, Kind::kUlong, F(1, 3)),
    ROW(CKA_VALUE, Kind::kBytes, F(1, 4)),
};
// Created from a seed, a value, or both: CheckPqcPrivate.
constexpr AttributeRule kSeededPrivate[] = {
    ROW(CKA_PARAMETER_SET, Kind::kUlong, F(1, 4, 6)),
    ROW(CKA_SEED, Kind::kBytes, F(4, 6, 7)),
    ROW(CKA_VALUE, Kind::kBytes, F(4, 6, 7)),
};
constexpr AttributeRule kSlhDsaPrivate[] = {
    ROW(CKA_PARAMETER_SET, Kind::kUlong, F(1, 4, 6)),
    ROW(CKA_VALUE, Kind::kBytes, F(1, 4, 6, 7)),
};

constexpr AttributeRule kSecretValue[] = {
    ROW(CKA_VALUE, Kind::kBytes, F(1, 4, 6, 7)),
    ROW(CKA_VALUE_LEN, Kind::kUlong, F(2, 3)),
};

// Keys of one hash or of one length: the generating mechanism knows a length.
constexpr AttributeRule kHmacValue[] = {
    ROW(CKA_VALUE, Kind::kBytes, F(1, 4, 6, 7)),
    ROW(CKA_VALUE_LEN, Kind::kUlong, F(2)),
};

// Known kinds without an object type so far, for search templates.
constexpr AttributeRule kOther[] = {
    ROW(CKA_AC_ISSUER, Kind::kBytes, F()),
    ROW(CKA_OWNER, Kind::kBytes, F()),
    ROW(CKA_ATTR_TYPES, Kind::kBytes, F()),
    ROW(CKA_HW_FEATURE_TYPE, Kind::kUlong, F()),
};

// Sections 4.4 (mechanism, profile, validation) and 4.6.5 (trust).
constexpr AttributeRule kMechanism[] = {
    ROW(CKA_MECHANISM_TYPE, Kind::kUlong, F()),
};
constexpr AttributeRule kProfile[] = {
    ROW(CKA_PROFILE_ID, Kind::kUlong, F()),
};
constexpr AttributeRule kValidation[] = {
    ROW(CKA_VALIDATION_TYPE, Kind::kUlong, F()),
    ROW(CKA_VALIDATION_VERSION, Kind::kBytes, F()),
    ROW(CKA_VALIDATION_LEVEL, Kind::kUlong, F()),
    ROW(CKA_VALIDATION_MODULE_ID, Kind::kText, F()),
    ROW(CKA_VALIDATION_FLAG, Kind::kUlong, F()),
    ROW(CKA_VALIDATION_AUTHORITY_TYPE, Kind::kUlong, F()),
    ROW(CKA_VALIDATION_COUNTRY, Kind::kText, F()),
    ROW(CKA_VALIDATION_CERTIFICATE_IDENTIFIER, Kind::kText, F()),
    ROW(CKA_VALIDATION_CERTIFICATE_URI, Kind::kText, F()),
    ROW(CKA_VALIDATION_VENDOR_URI, Kind::kText, F()),
    ROW(CKA_VALIDATION_PROFILE, Kind::kText, F()),
};
constexpr AttributeRule kTrust[] = {
    ROW(CKA_ISSUER, Kind::kBytes, F(1)),
    ROW(CKA_SERIAL_NUMBER, Kind::kBytes, F(1)),
    ROW(CKA_HASH_OF_CERTIFICATE, Kind::kBytes, F(1)),
    ROW(CKA_NAME_HASH_ALGORITHM, Kind::kUlong, F(1)),
    ROW(PERIGEE_CKA_TRUST_SERVER_AUTH, Kind::kUlong, F(), Default::kZero),
    ROW(PERIGEE_CKA_TRUST_CLIENT_AUTH, Kind::kUlong, F(), Default::kZero),
    ROW(PERIGEE_CKA_TRUST_CODE_SIGNING, Kind::kUlong, F(), Default::kZero),
    ROW(PERIGEE_CKA_TRUST_EMAIL_PROTECTION, Kind::kUlong, F(), Default::kZero),
    ROW(PERIGEE_CKA_TRUST_IPSEC_IKE, Kind::kUlong, F(), Default::kZero),
    ROW(PERIGEE_CKA_TRUST_TIME_STAMPING, Kind::kUlong, F(), Default::kZero),
    ROW(PERIGEE_CKA_TRUST_OCSP_SIGNING, Kind::kUlong, F(), Default::kZero),
};

#undef ROW

constexpr ObjectClass kClasses[] = {
    {CKO_DATA, CK_UNAVAILABLE_INFORMATION, true},
    {CKO_CERTIFICATE, CKA_CERTIFICATE_TYPE, false},
    {CKO_PUBLIC_KEY, CKA_KEY_TYPE, false},
    {CKO_PRIVATE_KEY, CKA_KEY_TYPE, true},
    {CKO_SECRET_KEY, CKA_KEY_TYPE, true},
    {CKO_DOMAIN_PARAMETERS, CKA_KEY_TYPE, false},
    {CKO_TRUST, CK_UNAVAILABLE_INFORMATION, false},
    {CKO_MECHANISM, CK_UNAVAILABLE_INFORMATION, false, true},
    {CKO_PROFILE, CK_UNAVAILABLE_INFORMATION, false, true},
    {CKO_VALIDATION, CK_UNAVAILABLE_INFORMATION, false, true},
};

constexpr RuleGroup kDataGroups[] = {kStorage, kData};
constexpr RuleGroup kTrustGroups[] = {kStorage, kTrust};
constexpr RuleGroup kMechanismGroups[] = {kStorage, kMechanism};
constexpr RuleGroup kProfileGroups[] = {kStorage, kProfile};
constexpr RuleGroup kValidationGroups[] = {kStorage, kValidation};
constexpr RuleGroup kX509Groups[] = {kStorage, kCertificate, kX509};
constexpr RuleGroup kRsaPublicGroups[] = {kStorage, kKey, kPublicKey,
                                          kRsaPublic};
constexpr RuleGroup kRsaPrivateGroups[] = {kStorage, kKey, kPrivateKey,
                                           kProtected, kRsaPrivate};
constexpr RuleGroup kEcPublicGroups[] = {kStorage, kKey, kPublicKey, kEcPublic};
constexpr RuleGroup kEcPrivateGroups[] = {kStorage, kKey, kPrivateKey,
                                          kProtected, kEcPrivate};
constexpr RuleGroup kBip32PublicGroups[] = {kStorage, kKey, kPublicKey, kBip32,
                                            kBip32Public};
constexpr RuleGroup kBip32PrivateGroups[] = {kStorage,   kKey,   kPrivateKey,
                                             kProtected, kBip32, kBip32Private};
constexpr RuleGroup kEcxPrivateGroups[] = {kStorage, kKey, kPrivateKey,
                                           kProtected, kEcxPrivate};
constexpr RuleGroup kDsaPublicGroups[] = {kStorage, kKey, kPublicKey,
                                          kDsaPublic};
constexpr RuleGroup kDsaPrivateGroups[] = {kStorage, kKey, kPrivateKey,
                                           kProtected, kDsaPrivate};
constexpr RuleGroup kDhPublicGroups[] = {kStorage, kKey, kPublicKey, kDhPublic};
constexpr RuleGroup kDhPrivateGroups[] = {kStorage, kKey, kPrivateKey,
                                          kProtected, kDhPrivate};
constexpr RuleGroup kDsaDomainGroups[] = {kStorage, kDomainParameters,
                                          kDsaDomain};
constexpr RuleGroup kDhDomainGroups[] = {kStorage, kDomainParameters,
                                         kDhDomain};
constexpr RuleGroup kPqcPublicGroups[] = {kStorage, kKey, kPublicKey,
                                          kPqcPublic};
constexpr RuleGroup kSeededPrivateGroups[] = {kStorage, kKey, kPrivateKey,
                                              kProtected, kSeededPrivate};
constexpr RuleGroup kSlhDsaPrivateGroups[] = {kStorage, kKey, kPrivateKey,
                                              kProtected, kSlhDsaPrivate};
constexpr RuleGroup kSecretGroups[] = {kStorage, kKey, kSecretKey, kProtected,
                                       kSecretValue};
constexpr RuleGroup kHmacGroups[] = {kStorage, kKey, kSecretKey, kProtected,
                                     kHmacValue};

constexpr CK_ATTRIBUTE_TYPE kRsaPublicUses[] = {CKA_ENCRYPT, CKA_VERIFY,
                                                CKA_VERIFY_RECOVER, CKA_WRAP};
constexpr CK_ATTRIBUTE_TYPE kRsaPrivateUses[] = {CKA_DECRYPT, CKA_SIGN,
                                                 CKA_SIGN_RECOVER, CKA_UNWRAP};
constexpr CK_ATTRIBUTE_TYPE kVerify[] = {CKA_VERIFY};
constexpr CK_ATTRIBUTE_TYPE kSign[] = {CKA_SIGN};
constexpr CK_ATTRIBUTE_TYPE kEncapsulate[] = {CKA_ENCAPSULATE};
constexpr CK_ATTRIBUTE_TYPE kDecapsulate[] = {CKA_DECAPSULATE};
constexpr CK_ATTRIBUTE_TYPE kDerive[] = {CKA_DERIVE};
constexpr CK_ATTRIBUTE_TYPE kMac[] = {CKA_SIGN, CKA_VERIFY};
constexpr CK_ATTRIBUTE_TYPE kCipher[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN,
                                         CKA_VERIFY};
constexpr CK_ATTRIBUTE_TYPE kEncryption[] = {CKA_ENCRYPT, CKA_DECRYPT};

constexpr ObjectType Hmac(CK_KEY_TYPE type) {
  return {CKO_SECRET_KEY, type, kHmacGroups, kMac, CheckGenericSecret};
}

constexpr ObjectType kTypes[] = {
    {CKO_DATA, 0, kDataGroups, {}, CheckNothing},
    {CKO_TRUST, 0, kTrustGroups, {}, CheckNothing},
    {CKO_MECHANISM, 0, kMechanismGroups, {}, CheckNothing},
    {CKO_PROFILE, 0, kProfileGroups, {}, CheckNothing},
    {CKO_VALIDATION, 0, kValidationGroups, {}, CheckNothing},
    {CKO_CERTIFICATE, CKC_X_509, kX509Groups, {}, CheckX509},
    {CKO_PUBLIC_KEY, CKK_RSA, kRsaPublicGroups, kRsaPublicUses, CheckRsaPublic},
    {CKO_PRIVATE_KEY, CKK_RSA, kRsaPrivateGroups, kRsaPrivateUses,
     CheckRsaPrivate},
    {CKO_PUBLIC_KEY, CKK_EC, kEcPublicGroups, kVerify, CheckEcPublic},
    {CKO_PRIVATE_KEY, CKK_EC, kEcPrivateGroups, kSign, CheckEcPrivate},
    {CKO_PUBLIC_KEY, CKK_BIP32, kBip32PublicGroups, kVerify, CheckBip32},
    {CKO_PRIVATE_KEY, CKK_BIP32, kBip32PrivateGroups, kSign, CheckBip32},
    {CKO_PUBLIC_KEY, CKK_EC_EDWARDS, kEcPublicGroups, kVerify, CheckEcxPublic},
    {CKO_PRIVATE_KEY, CKK_EC_EDWARDS, kEcxPrivateGroups, kSign,
     CheckEcxPrivate},
    {CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, kEcPublicGroups, {}, CheckEcxPublic},
    {CKO_PRIVATE_KEY,
     CKK_EC_MONTGOMERY,
     kEcxPrivateGroups,
     {},
     CheckEcxPrivate},
    {CKO_PUBLIC_KEY, CKK_DSA, kDsaPublicGroups, kVerify, CheckFiniteField},
    {CKO_PRIVATE_KEY, CKK_DSA, kDsaPrivateGroups, kSign, CheckFiniteField},
    {CKO_PUBLIC_KEY, CKK_DH, kDhPublicGroups, {}, CheckFiniteField},
    {CKO_PRIVATE_KEY, CKK_DH, kDhPrivateGroups, {}, CheckFiniteField},
    {CKO_PUBLIC_KEY, CKK_X9_42_DH, kDsaPublicGroups, {}, CheckFiniteField},
    {CKO_PRIVATE_KEY, CKK_X9_42_DH, kDsaPrivateGroups, {}, CheckFiniteField},
    {CKO_DOMAIN_PARAMETERS, CKK_DSA, kDsaDomainGroups, {}, CheckDomain},
    {CKO_DOMAIN_PARAMETERS, CKK_DH, kDhDomainGroups, {}, CheckDomain},
    {CKO_DOMAIN_PARAMETERS, CKK_X9_42_DH, kDsaDomainGroups, {}, CheckDomain},
    {CKO_PUBLIC_KEY, CKK_ML_KEM, kPqcPublicGroups, kEncapsulate,
     CheckPqcPublic},
    {CKO_PRIVATE_KEY, CKK_ML_KEM, kSeededPrivateGroups, kDecapsulate,
     CheckPqcPrivate},
    {CKO_PUBLIC_KEY, CKK_ML_DSA, kPqcPublicGroups, kVerify, CheckPqcPublic},
    {CKO_PRIVATE_KEY, CKK_ML_DSA, kSeededPrivateGroups, kSign, CheckPqcPrivate},
    {CKO_PUBLIC_KEY, CKK_SLH_DSA, kPqcPublicGroups, kVerify, CheckPqcPublic},
    {CKO_PRIVATE_KEY, CKK_SLH_DSA, kSlhDsaPrivateGroups, kSign,
     CheckPqcPrivate},
    {CKO_SECRET_KEY, CKK_GENERIC_SECRET, kSecretGroups, kMac,
     CheckGenericSecret},
    {CKO_SECRET_KEY, CKK_AES, kSecretGroups, kCipher, CheckAes},
    {CKO_SECRET_KEY, CKK_HKDF, kSecretGroups, kDerive, CheckGenericSecret},
    {CKO_SECRET_KEY, CKK_MD5_HMAC, kHmacGroups, kMac, CheckGenericSecret, true},
    Hmac(CKK_SHA_1_HMAC),
    Hmac(CKK_SHA224_HMAC),
    Hmac(CKK_SHA256_HMAC),
    Hmac(CKK_SHA384_HMAC),
    Hmac(CKK_SHA512_HMAC),
    Hmac(CKK_SHA512_224_HMAC),
    Hmac(CKK_SHA512_256_HMAC),
    Hmac(CKK_SHA3_224_HMAC),
    Hmac(CKK_SHA3_256_HMAC),
    Hmac(CKK_SHA3_384_HMAC),
    Hmac(CKK_SHA3_512_HMAC),
    Hmac(CKK_BLAKE2B_512_HMAC),
    {CKO_SECRET_KEY, CKK_AES_XTS, kSecretGroups, kEncryption, CheckAesXts},
    {CKO_SECRET_KEY, CKK_CAMELLIA, kSecretGroups, kCipher, CheckAes},
    {CKO_SECRET_KEY, CKK_DES, kHmacGroups, kCipher, CheckDes, true},
    {CKO_SECRET_KEY, CKK_DES2, kHmacGroups, kCipher, CheckDes},
    {CKO_SECRET_KEY, CKK_DES3, kHmacGroups, kCipher, CheckDes},
    {CKO_SECRET_KEY, CKK_CHACHA20, kHmacGroups, kEncryption, CheckKeyOf32},
    {CKO_SECRET_KEY, CKK_POLY1305, kHmacGroups, kMac, CheckKeyOf32},
};

using Rules = std::vector<const AttributeRule*>;

bool ByType(const AttributeRule* a, const AttributeRule* b) {
  return a->type < b->type;
}

const AttributeRule* FindIn(const Rules& rules, CK_ATTRIBUTE_TYPE type) {
  auto it =
      std::lower_bound(rules.begin(), rules.end(), type,
                       [](const AttributeRule* rule, CK_ATTRIBUTE_TYPE t) {
                         return rule->type < t;
                       });
  return it != rules.end() && (*it)->type == type ? *it : nullptr;
}

Rules Sorted(absl::Span<const RuleGroup> groups) {
  Rules rules;
  for (RuleGroup group : groups) {
    for (const AttributeRule& rule : group) rules.push_back(&rule);
  }
  std::stable_sort(rules.begin(), rules.end(), ByType);
  return rules;
}

// The sorted rules of every object type, in the order of kTypes. Made once and
// never freed.
const std::vector<Rules>& RulesOfTypes() {
  static const auto& all = *[] {
    auto* rules = new std::vector<Rules>;
    for (const ObjectType& type : kTypes) rules->push_back(Sorted(type.groups));
    return rules;
  }();
  return all;
}

// The row of every known attribute. Where rows differ (CKA_VALUE), the first in
// the order of kTypes stands for all: bytes. Where the standard's numbers are a
// table, because the encoding of attribute sets asks for each attribute of each
// object.
const AttributeRule* FindKnown(CK_ATTRIBUTE_TYPE type) {
  struct Known {
    std::array<const AttributeRule*, 0x800> low{};
    absl::flat_hash_map<CK_ATTRIBUTE_TYPE, const AttributeRule*> others;
  };
  static const Known& known = *[] {
    auto* rules = new Known;
    const auto add = [&](RuleGroup group) {
      for (const AttributeRule& rule : group) {
        if (rule.type >= rules->low.size()) {
          rules->others.emplace(rule.type, &rule);
        } else if (rules->low[rule.type] == nullptr) {
          rules->low[rule.type] = &rule;
        }
      }
    };
    for (const ObjectType& type : kTypes) {
      for (const RuleGroup group : type.groups) add(group);
    }
    add(kOther);
    return rules;
  }();
  if (type < known.low.size()) return known.low[type];
  const auto it = known.others.find(type);
  return it == known.others.end() ? nullptr : it->second;
}

}  // namespace

std::optional<AttributeKind> KindOf(CK_ATTRIBUTE_TYPE type) {
  const AttributeRule* rule = FindKnown(type);
  if (rule == nullptr) return std::nullopt;
  return rule->kind;
}

const char* AttributeName(CK_ATTRIBUTE_TYPE type) {
  const AttributeRule* rule = FindKnown(type);
  return rule == nullptr ? nullptr : rule->name;
}

const ObjectClass* FindObjectClass(CK_OBJECT_CLASS object_class) {
  for (const ObjectClass& row : kClasses) {
    if (row.object_class == object_class) return &row;
  }
  return nullptr;
}

const ObjectType* FindObjectType(CK_OBJECT_CLASS object_class, CK_ULONG type) {
  const ObjectClass* known = FindObjectClass(object_class);
  if (known == nullptr) return nullptr;
  const bool typed = known->type_attribute != CK_UNAVAILABLE_INFORMATION;
  for (const ObjectType& row : kTypes) {
    if (row.object_class == object_class && (!typed || row.type == type)) {
      return &row;
    }
  }
  return nullptr;
}

const ObjectType* FindObjectType(const AttributeSet& attributes) {
  const ObjectClass* known = FindObjectClass(attributes.object_class());
  if (known == nullptr) return nullptr;
  const CK_ULONG type = attributes.Ulong(known->type_attribute)
                            .value_or(CK_UNAVAILABLE_INFORMATION);
  return FindObjectType(known->object_class, type);
}

const Rules& RulesFor(const ObjectType& type) {
  return RulesOfTypes()[&type - kTypes];
}

const Rules& RulesFor(CK_OBJECT_CLASS object_class, CK_ULONG type) {
  static const Rules& none = *new Rules;
  const ObjectType* known = FindObjectType(object_class, type);
  return known == nullptr ? none : RulesFor(*known);
}

const AttributeRule* FindRule(const ObjectType& type, CK_ATTRIBUTE_TYPE which) {
  return FindIn(RulesFor(type), which);
}

}  // namespace hsm
