// RSASSA-PSS, over a digest that the application brings (CKM_RSA_PKCS_PSS) and
// with hashing.
#include <openssl/rsa.h>

#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/pkey_sign.h"

namespace pkcs11 {
namespace {

// No salt is longer than the longest modulus.
constexpr CK_ULONG kMaxSalt = kMaxRsaBits / 8;

struct PssParameters : Parameters {
  const Hash* hash;
  const Hash* mgf;
  size_t salt;
};

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_RSA_PKCS_PSS_PARAMS>(mechanism));
  auto parsed = std::make_shared<PssParameters>();
  parsed->hash = FindNamedHash(&Hash::digest, given.hashAlg);
  parsed->mgf = FindNamedHash(&Hash::mgf, given.mgf);
  parsed->salt = given.sLen;
  if (parsed->hash == nullptr || parsed->mgf == nullptr) {
    return InvalidParameter("hash or mask generation function of PSS");
  }
  if (given.sLen > kMaxSalt) return InvalidParameter("PSS salt length");
  const Hash* implied = FindHash(&Hash::rsa_pss, mechanism.mechanism);
  if (implied != nullptr && implied != parsed->hash) {
    return InvalidParameter("the mechanism has another hash");
  }
  return ParametersRef(std::move(parsed));
}

absl::StatusOr<SignatureForm> FormOf(const Use& use) {
  const auto& pss = GivenParameters<PssParameters>(use);
  const hsm::AttributeSet& key = use.key->attributes();
  // RFC 8017, 9.1.1: the encoded message has one bit less than the modulus.
  const size_t encoded_size = (KeySizeOf(key) - 1 + 7) / 8;
  if (encoded_size < pss.hash->size + pss.salt + 2) {
    return InvalidParameter("the PSS salt is too long for the key");
  }
  SignatureForm form;
  form.hash = FindHash(&Hash::rsa_pss, use.mechanism.type);
  form.min_data = form.max_data = pss.hash->size;
  form.size = RsaSize(key);
  return form;
}

bool SetPss(EVP_PKEY_CTX* context, const PssParameters& pss) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context, Md(*pss.hash)) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, Md(*pss.mgf)) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context,
                                          static_cast<int>(pss.salt)) == 1;
}

// Contexts are cached for the usual parameters only, so that an application
// cannot fill the cache with salt lengths.
absl::StatusOr<PkeyLease> LendPss(const Use& use, int (*start)(EVP_PKEY_CTX*),
                                  bool is_signature) {
  const auto& pss = GivenParameters<PssParameters>(use);
  const auto prepare = [&](EVP_PKEY_CTX* context) {
    return start(context) == 1 && SetPss(context, pss);
  };
  if (pss.hash == pss.mgf && pss.salt == pss.hash->size) {
    const uint32_t variant = (pss.hash->digest << 1 | is_signature);
    return LendPkey(*use.key, CacheKind(CKM_RSA_PKCS_PSS, variant), prepare);
  }
  ASSIGN_OR_RETURN(auto pool, PreparePkey(*use.key, prepare));
  return PkeyLease::From(std::move(pool));
}

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(const SignatureForm form, FormOf(use));
  ASSIGN_OR_RETURN(PkeyLease key, LendPss(use, EVP_PKEY_sign_init, true));
  return NewPkeySigner(std::move(key), form);
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(const SignatureForm form, FormOf(use));
  ASSIGN_OR_RETURN(PkeyLease key, LendPss(use, EVP_PKEY_verify_init, false));
  return NewPkeyVerifier(std::move(key), form);
}

constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name,
                        bool (*available)() = nullptr) {
  return {.type = type,
          .name = name,
          .key_type = CKK_RSA,
          .min_key = kMinRsaVerifyBits,
          .max_key = kMaxRsaBits,
          .available = available,
          .parse = Parse,
          .sign = NewSigner,
          .verify = NewVerifier};
}

constexpr Mechanism kRsaPssRows[] = {
    Row(CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS"),
    Row(CKM_SHA1_RSA_PKCS_PSS, "CKM_SHA1_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA_1>),
    Row(CKM_SHA3_224_RSA_PKCS_PSS, "CKM_SHA3_224_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA3_224>),
    Row(CKM_SHA3_256_RSA_PKCS_PSS, "CKM_SHA3_256_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA3_256>),
    Row(CKM_SHA3_384_RSA_PKCS_PSS, "CKM_SHA3_384_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA3_384>),
    Row(CKM_SHA3_512_RSA_PKCS_PSS, "CKM_SHA3_512_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA3_512>),
    Row(CKM_SHA224_RSA_PKCS_PSS, "CKM_SHA224_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA224>),
    Row(CKM_SHA256_RSA_PKCS_PSS, "CKM_SHA256_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA256>),
    Row(CKM_SHA384_RSA_PKCS_PSS, "CKM_SHA384_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA384>),
    Row(CKM_SHA512_RSA_PKCS_PSS, "CKM_SHA512_RSA_PKCS_PSS",
        HashIsAvailable<CKM_SHA512>),
};

}  // namespace

absl::Span<const Mechanism> RsaPssRows() { return kRsaPssRows; }

}  // namespace pkcs11
