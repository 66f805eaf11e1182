#include "pkcs11/trace_names.h"

namespace pkcs11::trace {
namespace {

#define PERIGEE_NAME(name) \
  { name, #name }

constexpr NumberName kClasses[] = {
    PERIGEE_NAME(CKO_DATA),
    PERIGEE_NAME(CKO_CERTIFICATE),
    PERIGEE_NAME(CKO_PUBLIC_KEY),
    PERIGEE_NAME(CKO_PRIVATE_KEY),
    PERIGEE_NAME(CKO_SECRET_KEY),
    PERIGEE_NAME(CKO_HW_FEATURE),
    PERIGEE_NAME(CKO_DOMAIN_PARAMETERS),
    PERIGEE_NAME(CKO_MECHANISM),
    PERIGEE_NAME(CKO_OTP_KEY),
    PERIGEE_NAME(CKO_PROFILE),
    PERIGEE_NAME(CKO_VALIDATION),
    PERIGEE_NAME(CKO_TRUST),
};
constexpr NumberName kKeyTypes[] = {
    PERIGEE_NAME(CKK_RSA),
    PERIGEE_NAME(CKK_DSA),
    PERIGEE_NAME(CKK_DH),
    PERIGEE_NAME(CKK_EC),
    PERIGEE_NAME(CKK_BIP32),
    PERIGEE_NAME(CKK_X9_42_DH),
    PERIGEE_NAME(CKK_GENERIC_SECRET),
    PERIGEE_NAME(CKK_RC2),
    PERIGEE_NAME(CKK_RC4),
    PERIGEE_NAME(CKK_DES),
    PERIGEE_NAME(CKK_DES2),
    PERIGEE_NAME(CKK_DES3),
    PERIGEE_NAME(CKK_CAMELLIA),
    PERIGEE_NAME(CKK_ARIA),
    PERIGEE_NAME(CKK_SEED),
    PERIGEE_NAME(CKK_AES),
    PERIGEE_NAME(CKK_AES_XTS),
    PERIGEE_NAME(CKK_CHACHA20),
    PERIGEE_NAME(CKK_POLY1305),
    PERIGEE_NAME(CKK_HKDF),
    PERIGEE_NAME(CKK_EC_EDWARDS),
    PERIGEE_NAME(CKK_EC_MONTGOMERY),
    PERIGEE_NAME(CKK_HSS),
    PERIGEE_NAME(CKK_XMSS),
    PERIGEE_NAME(CKK_XMSSMT),
    PERIGEE_NAME(CKK_ML_KEM),
    PERIGEE_NAME(CKK_ML_DSA),
    PERIGEE_NAME(CKK_SLH_DSA),
    PERIGEE_NAME(CKK_MD5_HMAC),
    PERIGEE_NAME(CKK_SHA_1_HMAC),
    PERIGEE_NAME(CKK_SHA224_HMAC),
    PERIGEE_NAME(CKK_SHA256_HMAC),
    PERIGEE_NAME(CKK_SHA384_HMAC),
    PERIGEE_NAME(CKK_SHA512_HMAC),
    PERIGEE_NAME(CKK_SHA512_224_HMAC),
    PERIGEE_NAME(CKK_SHA512_256_HMAC),
    PERIGEE_NAME(CKK_SHA3_224_HMAC),
    PERIGEE_NAME(CKK_SHA3_256_HMAC),
    PERIGEE_NAME(CKK_SHA3_384_HMAC),
    PERIGEE_NAME(CKK_SHA3_512_HMAC),
    PERIGEE_NAME(CKK_BLAKE2B_160_HMAC),
    PERIGEE_NAME(CKK_BLAKE2B_256_HMAC),
    PERIGEE_NAME(CKK_BLAKE2B_384_HMAC),
    PERIGEE_NAME(CKK_BLAKE2B_512_HMAC),
};
constexpr NumberName kUsers[] = {
    PERIGEE_NAME(CKU_SO),
    PERIGEE_NAME(CKU_USER),
    PERIGEE_NAME(CKU_CONTEXT_SPECIFIC),
    PERIGEE_NAME(CKU_CRYPTO_USER),
    PERIGEE_NAME(CKU_AUDIT),
    PERIGEE_NAME(CKU_LIMITED_CRYPTO_OFFICER),
};
constexpr NumberName kInitFlags[] = {
    PERIGEE_NAME(CKF_LIBRARY_CANT_CREATE_OS_THREADS),
    PERIGEE_NAME(CKF_OS_LOCKING_OK),
};
constexpr NumberName kSessionFlags[] = {
    PERIGEE_NAME(CKF_RW_SESSION),
    PERIGEE_NAME(CKF_SERIAL_SESSION),
    PERIGEE_NAME(CKF_ASYNC_SESSION),
};
constexpr NumberName kEventFlags[] = {
    PERIGEE_NAME(CKF_DONT_BLOCK),
};
constexpr NumberName kMessageFlags[] = {
    PERIGEE_NAME(CKF_END_OF_MESSAGE),
};
constexpr NumberName kOperationFlags[] = {
    PERIGEE_NAME(CKF_MESSAGE_ENCRYPT),
    PERIGEE_NAME(CKF_MESSAGE_DECRYPT),
    PERIGEE_NAME(CKF_MESSAGE_SIGN),
    PERIGEE_NAME(CKF_MESSAGE_VERIFY),
    PERIGEE_NAME(CKF_FIND_OBJECTS),
    PERIGEE_NAME(CKF_ENCRYPT),
    PERIGEE_NAME(CKF_DECRYPT),
    PERIGEE_NAME(CKF_DIGEST),
    PERIGEE_NAME(CKF_SIGN),
    PERIGEE_NAME(CKF_SIGN_RECOVER),
    PERIGEE_NAME(CKF_VERIFY),
    PERIGEE_NAME(CKF_VERIFY_RECOVER),
};

#undef PERIGEE_NAME

const char* NameIn(absl::Span<const NumberName> names, CK_ULONG number) {
  for (const NumberName& each : names) {
    if (each.number == number) return each.name;
  }
  return nullptr;
}

}  // namespace

const char* ClassName(CK_OBJECT_CLASS number) {
  return NameIn(kClasses, number);
}
const char* KeyTypeName(CK_KEY_TYPE number) {
  return NameIn(kKeyTypes, number);
}
const char* UserName(CK_USER_TYPE number) { return NameIn(kUsers, number); }

absl::Span<const NumberName> InitFlags() { return kInitFlags; }
absl::Span<const NumberName> SessionFlags() { return kSessionFlags; }
absl::Span<const NumberName> EventFlags() { return kEventFlags; }
absl::Span<const NumberName> MessageFlags() { return kMessageFlags; }
absl::Span<const NumberName> OperationFlags() { return kOperationFlags; }

}  // namespace pkcs11::trace
