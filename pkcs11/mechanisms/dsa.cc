// DSA: parameters, pairs, and signatures in the r || s form.
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/ffc.h"
#include "pkcs11/mechanisms/pkey_sign.h"

namespace pkcs11 {
namespace {

enum Variant : uint32_t { kSign, kVerify };

struct DsaHash {
  CK_MECHANISM_TYPE mechanism;
  CK_MECHANISM_TYPE digest;
};
constexpr DsaHash kHashes[] = {
    {CKM_DSA_SHA1, CKM_SHA_1},        {CKM_DSA_SHA224, CKM_SHA224},
    {CKM_DSA_SHA256, CKM_SHA256},     {CKM_DSA_SHA384, CKM_SHA384},
    {CKM_DSA_SHA512, CKM_SHA512},     {CKM_DSA_SHA3_224, CKM_SHA3_224},
    {CKM_DSA_SHA3_256, CKM_SHA3_256}, {CKM_DSA_SHA3_384, CKM_SHA3_384},
    {CKM_DSA_SHA3_512, CKM_SHA3_512},
};

const Hash* HashOf(CK_MECHANISM_TYPE mechanism) {
  for (const DsaHash& row : kHashes) {
    if (row.mechanism == mechanism) {
      return FindHash(&Hash::digest, row.digest);
    }
  }
  return nullptr;
}

template <CK_MECHANISM_TYPE kMechanism>
bool IsAvailable() {
  const Hash* hash = HashOf(kMechanism);
  return hash != nullptr && Md(*hash) != nullptr;
}

absl::StatusOr<hsm::AttributeSet> GenerateParameters(
    const Use&, const hsm::AttributeSet& attributes) {
  return GenerateFfcParameters(FfcTypeOf(CKK_DSA), attributes);
}

absl::StatusOr<GeneratedPair> GeneratePair(
    const Use&, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet&) {
  return GenerateFfc(FfcTypeOf(CKK_DSA), public_attributes, 0);
}

SignatureForm FormOf(const Use& use) {
  SignatureForm form;
  form.hash = HashOf(use.mechanism.type);
  form.min_data = 1;
  form.max_data = kMaxHashSize;
  form.size = 2 * Stripped(use.key->attributes().Value(CKA_SUBPRIME)).size();
  form.is_ecdsa = true;  // the same two numbers
  return form;
}

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(
      PkeyLease key,
      LendPkey(*use.key, CacheKind(CKM_DSA, kSign), [](EVP_PKEY_CTX* context) {
        return EVP_PKEY_sign_init(context) == 1;
      }));
  return NewPkeySigner(std::move(key), FormOf(use));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(CKM_DSA, kVerify),
                            [](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_verify_init(context) == 1;
                            }));
  return NewPkeyVerifier(std::move(key), FormOf(use));
}

template <CK_MECHANISM_TYPE kMechanism>
constexpr Mechanism Row(const char* name) {
  return {
      .type = kMechanism,
      .name = name,
      .key_type = CKK_DSA,
      .min_key = kLeastFfcBits,
      .max_key = kMaxDsaBits,
      .available = kMechanism == CKM_DSA ? nullptr : IsAvailable<kMechanism>,
      .sign = NewSigner,
      .verify = NewVerifier};
}

constexpr Mechanism kDsaRows[] = {
    {.type = CKM_DSA_PARAMETER_GEN,
     .name = "CKM_DSA_PARAMETER_GEN",
     .key_type = CKK_DSA,
     .min_key = kMinFfcBits,
     .max_key = kMaxDsaBits,
     .makes_parameters = true,
     .generate = GenerateParameters},
    {.type = CKM_DSA_KEY_PAIR_GEN,
     .name = "CKM_DSA_KEY_PAIR_GEN",
     .key_type = CKK_DSA,
     .min_key = kLeastFfcBits,
     .max_key = kMaxDsaBits,
     .generate_pair = GeneratePair},
    Row<CKM_DSA>("CKM_DSA"),
    Row<CKM_DSA_SHA1>("CKM_DSA_SHA1"),
    Row<CKM_DSA_SHA224>("CKM_DSA_SHA224"),
    Row<CKM_DSA_SHA256>("CKM_DSA_SHA256"),
    Row<CKM_DSA_SHA384>("CKM_DSA_SHA384"),
    Row<CKM_DSA_SHA512>("CKM_DSA_SHA512"),
    Row<CKM_DSA_SHA3_224>("CKM_DSA_SHA3_224"),
    Row<CKM_DSA_SHA3_256>("CKM_DSA_SHA3_256"),
    Row<CKM_DSA_SHA3_384>("CKM_DSA_SHA3_384"),
    Row<CKM_DSA_SHA3_512>("CKM_DSA_SHA3_512"),
};

}  // namespace

absl::Span<const Mechanism> DsaRows() { return kDsaRows; }

}  // namespace pkcs11
