// Prime curves: generation and ECDSA in the r || s form. Agreement is in
// ecdh.cc.
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/pkey_sign.h"

namespace pkcs11 {
namespace {

constexpr CK_FLAGS kEcFlags =
    CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME | CKF_EC_UNCOMPRESS;

enum Variant : uint32_t { kSign, kVerify };

absl::StatusOr<GeneratedPair> GeneratePair(
    const Use&, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet&) {
  if (!public_attributes.Has(CKA_EC_PARAMS)) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_EC_PARAMS");
  }
  return GenerateEc(public_attributes.Value(CKA_EC_PARAMS));
}

// --- ECDSA ------------------------------------------------------------------

absl::StatusOr<SignatureForm> FormOf(const Use& use) {
  ASSIGN_OR_RETURN(const Curve* curve,
                   CurveOf(use.key->attributes().Value(CKA_EC_PARAMS)));
  SignatureForm form;
  form.hash = FindHash(&Hash::ecdsa, use.mechanism.type);
  // Any digest; it is truncated to the order's bits. What is longer than all
  // digests is a message by mistake, of which only the beginning would count.
  form.min_data = 1;
  form.max_data = kMaxHashSize;
  form.size = 2 * curve->order_size;
  form.is_ecdsa = true;
  return form;
}

// The digest is always made here, so the context needs no hash and serves all
// mechanisms.
absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(const SignatureForm form, FormOf(use));
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(CKM_ECDSA, kSign),
                            [](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_sign_init(context) == 1;
                            }));
  return NewPkeySigner(std::move(key), form);
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(const SignatureForm form, FormOf(use));
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(CKM_ECDSA, kVerify),
                            [](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_verify_init(context) == 1;
                            }));
  return NewPkeyVerifier(std::move(key), form);
}

constexpr Mechanism GenerationRow(CK_MECHANISM_TYPE type, const char* name) {
  return {.type = type,
          .name = name,
          .key_type = CKK_EC,
          .min_key = kMinEcBits,
          .max_key = kMaxEcBits,
          .extra_flags = kEcFlags,
          .generate_pair = GeneratePair};
}

constexpr Mechanism EcdsaRow(CK_MECHANISM_TYPE type, const char* name,
                             bool (*available)() = nullptr) {
  return {.type = type,
          .name = name,
          .key_type = CKK_EC,
          .also_key_type = CKK_BIP32,
          .min_key = kMinEcVerifyBits,
          .max_key = kMaxEcBits,
          .extra_flags = kEcFlags,
          .available = available,
          .sign = NewSigner,
          .verify = NewVerifier};
}

constexpr Mechanism kEcRows[] = {
    GenerationRow(CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN"),
    // OpenSSL draws private keys by rejection (FIPS 186-5, A.2.2), whose
    // result has the distribution that the extra bits only come near to.
    GenerationRow(CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS,
                  "CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS"),
    EcdsaRow(CKM_ECDSA, "CKM_ECDSA"),
    EcdsaRow(CKM_ECDSA_SHA1, "CKM_ECDSA_SHA1", HashIsAvailable<CKM_SHA_1>),
    EcdsaRow(CKM_ECDSA_SHA224, "CKM_ECDSA_SHA224", HashIsAvailable<CKM_SHA224>),
    EcdsaRow(CKM_ECDSA_SHA256, "CKM_ECDSA_SHA256", HashIsAvailable<CKM_SHA256>),
    EcdsaRow(CKM_ECDSA_SHA384, "CKM_ECDSA_SHA384", HashIsAvailable<CKM_SHA384>),
    EcdsaRow(CKM_ECDSA_SHA512, "CKM_ECDSA_SHA512", HashIsAvailable<CKM_SHA512>),
    EcdsaRow(CKM_ECDSA_SHA3_224, "CKM_ECDSA_SHA3_224",
             HashIsAvailable<CKM_SHA3_224>),
    EcdsaRow(CKM_ECDSA_SHA3_256, "CKM_ECDSA_SHA3_256",
             HashIsAvailable<CKM_SHA3_256>),
    EcdsaRow(CKM_ECDSA_SHA3_384, "CKM_ECDSA_SHA3_384",
             HashIsAvailable<CKM_SHA3_384>),
    EcdsaRow(CKM_ECDSA_SHA3_512, "CKM_ECDSA_SHA3_512",
             HashIsAvailable<CKM_SHA3_512>),
};

}  // namespace

absl::Span<const Mechanism> EcRows() { return kEcRows; }

}  // namespace pkcs11
