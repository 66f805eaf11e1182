// Keys that are the hash of another key (PKCS#11 3.2 sections 6.20.5 to 6.32):
// a fixed digest, cut to the length asked for, or as much as is asked for of
// SHAKE. In the secure default what comes out is as protected as the base key.
#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

// Byte by byte the check values of short keys would tell the digest, which HMAC
// uses in a long key's place. The legacy profile shows digests anyway.
absl::Status CheckDigestPart(const Use& use, size_t size) {
  if (use.profile == Profile::kLegacy) return absl::OkStatus();
  return CheckPart(*use.key, size);
}

absl::StatusOr<SecretBytes> DeriveByHash(const Use& use, size_t size) {
  const Hash& hash = *FindHash(&Hash::key_derivation, use.mechanism.type);
  ASSIGN_OR_RETURN(const ByteSpan base, SecretValue(*use.key));
  if (size > hash.size) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "CKA_VALUE_LEN is more than a digest");
  }
  RETURN_IF_ERROR(CheckDigestPart(use, size == 0 ? hash.size : size));
  ASSIGN_OR_RETURN(MdLease context, LendMd(hash));
  RETURN_IF_ERROR(HashUpdate(context.get(), base));
  SecretBytes value(hash.size);
  if (EVP_DigestFinal_ex(context.get(), value.ExposeMutable().data(),
                         nullptr) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "digest final");
  }
  if (size != 0) value.Truncate(size);
  return value;
}

const EVP_MD* Shake(CK_MECHANISM_TYPE type) {
  static const EVP_MD* const shake128 =
      EVP_MD_fetch(base::OpenSslContext(), "SHAKE-128", nullptr);
  static const EVP_MD* const shake256 =
      EVP_MD_fetch(base::OpenSslContext(), "SHAKE-256", nullptr);
  return type == CKM_SHAKE_128_KEY_DERIVATION ? shake128 : shake256;
}

absl::StatusOr<SecretBytes> DeriveByShake(const Use& use, size_t size) {
  ASSIGN_OR_RETURN(const ByteSpan base, SecretValue(*use.key));
  if (size == 0) return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
  RETURN_IF_ERROR(CheckDigestPart(use, size));
  UniqueMdCtx context(EVP_MD_CTX_new());
  SecretBytes value(size);
  if (context == nullptr ||
      EVP_DigestInit_ex2(context.get(), Shake(use.mechanism.type), nullptr) !=
          1 ||
      EVP_DigestUpdate(context.get(), base.data(), base.size()) != 1 ||
      EVP_DigestFinalXOF(context.get(), value.ExposeMutable().data(), size) !=
          1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "SHAKE");
  }
  return value;
}

template <CK_MECHANISM_TYPE kDigest>
constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name) {
  return {.type = type,
          .name = name,
          .min_key = 1,
          .max_key = kMaxSecretSize,
          .legacy = kDigest == CKM_MD5,
          .available = HashIsAvailable<kDigest>,
          .derive = DeriveByHash};
}

template <CK_MECHANISM_TYPE kType>
constexpr Mechanism ShakeRow(const char* name) {
  return {.type = kType,
          .name = name,
          .min_key = 1,
          .max_key = kMaxSecretSize,
          .available = [] { return Shake(kType) != nullptr; },
          .derive = DeriveByShake};
}

constexpr Mechanism kHashDeriveRows[] = {
    Row<CKM_MD5>(CKM_MD5_KEY_DERIVATION, "CKM_MD5_KEY_DERIVATION"),
    Row<CKM_SHA_1>(CKM_SHA1_KEY_DERIVATION, "CKM_SHA1_KEY_DERIVATION"),
    Row<CKM_SHA224>(CKM_SHA224_KEY_DERIVATION, "CKM_SHA224_KEY_DERIVATION"),
    Row<CKM_SHA256>(CKM_SHA256_KEY_DERIVATION, "CKM_SHA256_KEY_DERIVATION"),
    Row<CKM_SHA384>(CKM_SHA384_KEY_DERIVATION, "CKM_SHA384_KEY_DERIVATION"),
    Row<CKM_SHA512>(CKM_SHA512_KEY_DERIVATION, "CKM_SHA512_KEY_DERIVATION"),
    Row<CKM_SHA512_224>(CKM_SHA512_224_KEY_DERIVATION,
                        "CKM_SHA512_224_KEY_DERIVATION"),
    Row<CKM_SHA512_256>(CKM_SHA512_256_KEY_DERIVATION,
                        "CKM_SHA512_256_KEY_DERIVATION"),
    Row<CKM_SHA3_224>(CKM_SHA3_224_KEY_DERIVATION,
                      "CKM_SHA3_224_KEY_DERIVATION"),
    Row<CKM_SHA3_256>(CKM_SHA3_256_KEY_DERIVATION,
                      "CKM_SHA3_256_KEY_DERIVATION"),
    Row<CKM_SHA3_384>(CKM_SHA3_384_KEY_DERIVATION,
                      "CKM_SHA3_384_KEY_DERIVATION"),
    Row<CKM_SHA3_512>(CKM_SHA3_512_KEY_DERIVATION,
                      "CKM_SHA3_512_KEY_DERIVATION"),
    Row<CKM_BLAKE2B_512>(CKM_BLAKE2B_512_KEY_DERIVE,
                         "CKM_BLAKE2B_512_KEY_DERIVE"),
    ShakeRow<CKM_SHAKE_128_KEY_DERIVATION>("CKM_SHAKE_128_KEY_DERIVATION"),
    ShakeRow<CKM_SHAKE_256_KEY_DERIVATION>("CKM_SHAKE_256_KEY_DERIVATION"),
};

}  // namespace

absl::Span<const Mechanism> HashDeriveRows() { return kHashDeriveRows; }

}  // namespace pkcs11
