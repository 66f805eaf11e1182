// Elliptic curves: generation, ECDSA in the r || s form, and ECDH with the
// raw secret or the X9.63 key derivation functions.
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/pkey_sign.h"

namespace pkcs11 {
namespace {

constexpr CK_ULONG kMinBits = 256;
constexpr CK_ULONG kMaxBits = 521;
constexpr CK_FLAGS kEcFlags =
    CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;

enum Variant : uint32_t { kSign, kVerify };

absl::StatusOr<const Curve*> CurveOfKey(const Use& use) {
  return CurveOf(use.key->attributes().Value(CKA_EC_PARAMS));
}

absl::StatusOr<GeneratedPair> GeneratePair(
    const Use&, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet&) {
  if (!public_attributes.Has(CKA_EC_PARAMS)) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_EC_PARAMS");
  }
  ASSIGN_OR_RETURN(const Curve* curve,
                   CurveOf(public_attributes.Value(CKA_EC_PARAMS)));
  return GenerateEc(*curve);
}

// --- ECDSA ------------------------------------------------------------------

absl::StatusOr<SignatureForm> FormOf(const Use& use) {
  ASSIGN_OR_RETURN(const Curve* curve, CurveOfKey(use));
  SignatureForm form;
  form.hash = FindHash(&Hash::ecdsa, use.mechanism.type);
  // Any digest; it is truncated to the order's bits. What is longer than all
  // digests is a message by mistake, of which only the beginning would count.
  form.min_data = 1;
  form.max_data = kMaxHashSize;
  form.size = 2 * curve->size;
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

// --- ECDH -------------------------------------------------------------------

// Far above any point or shared information in use.
constexpr size_t kMaxPoint = 1024;
constexpr size_t kMaxSharedInfo = 1 << 20;

struct EcdhParameters : Parameters {
  const Hash* kdf_hash;  // null: CKD_NULL
  Bytes shared_info;
  Bytes point;  // raw or DER, as it came
};

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_ECDH1_DERIVE_PARAMS>(mechanism));
  auto parsed = std::make_shared<EcdhParameters>();
  parsed->kdf_hash = FindHash(&Hash::ec_kdf, given.kdf);
  if (parsed->kdf_hash == nullptr && given.kdf != CKD_NULL) {
    return InvalidParameter("key derivation function");
  }
  if (given.kdf == CKD_NULL && given.ulSharedDataLen != 0) {
    return InvalidParameter("CKD_NULL with shared data");
  }
  ASSIGN_OR_RETURN(
      parsed->shared_info,
      CopyBuffer(given.pSharedData, given.ulSharedDataLen, kMaxSharedInfo));
  ASSIGN_OR_RETURN(parsed->point, CopyBuffer(given.pPublicData,
                                             given.ulPublicDataLen, kMaxPoint));
  if (parsed->point.empty()) return InvalidParameter("no public key");
  return ParametersRef(std::move(parsed));
}

// The x coordinate of the shared point.
absl::StatusOr<SecretBytes> Agree(const hsm::Object& key, const Curve& curve,
                                  ByteSpan peer_point) {
  const ByteSpan point = RawPoint(curve, peer_point);
  if (point.empty()) {
    return base::Error(CKR_PUBLIC_KEY_INVALID, "form of the other's point");
  }
  ASSIGN_OR_RETURN(const UniquePkey peer, ImportEcPoint(curve, point));
  ASSIGN_OR_RETURN(
      PkeyLease context,
      LendPkey(key, CacheKind(CKM_ECDH1_DERIVE, 0), [](EVP_PKEY_CTX* context) {
        return EVP_PKEY_derive_init(context) == 1;
      }));
  SecretBytes secret(curve.size);
  size_t size = secret.size();
  // Import checked that the point is on the curve, which is all there is to
  // check for cofactor 1; OpenSSL's own check would multiply by the order.
  if (EVP_PKEY_derive_set_peer_ex(context.get(), peer.get(), 0) != 1 ||
      EVP_PKEY_derive(context.get(), secret.ExposeMutable().data(), &size) !=
          1 ||
      size != secret.size()) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "ECDH");
  }
  return secret;
}

// ANSI X9.63: the hashes of secret, counter and shared information.
absl::StatusOr<SecretBytes> X963(const Hash& hash, ByteSpan secret,
                                 ByteSpan shared_info, size_t size) {
  SecretBytes out(size);
  uint32_t counter = 1;
  for (size_t at = 0; at < size; at += hash.size, ++counter) {
    const uint8_t count[4] = {static_cast<uint8_t>(counter >> 24),
                              static_cast<uint8_t>(counter >> 16),
                              static_cast<uint8_t>(counter >> 8),
                              static_cast<uint8_t>(counter)};
    ASSIGN_OR_RETURN(MdLease context, LendMd(hash));
    RETURN_IF_ERROR(HashUpdate(context.get(), secret));
    RETURN_IF_ERROR(HashUpdate(context.get(), count));
    RETURN_IF_ERROR(HashUpdate(context.get(), shared_info));
    ASSIGN_OR_RETURN(HashValue block, HashFinal(context.get()));
    std::copy_n(block.bytes.begin(), std::min(hash.size, size - at),
                out.ExposeMutable().begin() + at);
    base::Wipe(block.bytes.data(), block.bytes.size());
  }
  return out;
}

absl::StatusOr<SecretBytes> Derive(const Use& use, size_t size) {
  // Counter of 32 bits, and far more than any key.
  constexpr size_t kMaxDerived = 1 << 20;
  const auto& ecdh = GivenParameters<EcdhParameters>(use);
  ASSIGN_OR_RETURN(const Curve* curve, CurveOfKey(use));
  if (ecdh.kdf_hash != nullptr && size == 0) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
  }
  const size_t most = ecdh.kdf_hash != nullptr ? kMaxDerived : curve->size;
  if (size > most) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "CKA_VALUE_LEN is more than there is");
  }
  ASSIGN_OR_RETURN(SecretBytes secret, Agree(*use.key, *curve, ecdh.point));
  if (ecdh.kdf_hash != nullptr) {
    return X963(*ecdh.kdf_hash, secret.Expose(), ecdh.shared_info, size);
  }
  if (size == 0) return secret;
  // The specification removes bytes from the leading end.
  return SecretBytes::CopyOf(secret.Expose().subspan(secret.size() - size));
}

constexpr Mechanism EcdsaRow(CK_MECHANISM_TYPE type, const char* name,
                             bool (*available)() = nullptr) {
  return {.type = type,
          .name = name,
          .key_type = CKK_EC,
          .min_key = kMinBits,
          .max_key = kMaxBits,
          .extra_flags = kEcFlags,
          .available = available,
          .sign = NewSigner,
          .verify = NewVerifier};
}

constexpr Mechanism kRows[] = {
    {.type = CKM_EC_KEY_PAIR_GEN,
     .name = "CKM_EC_KEY_PAIR_GEN",
     .key_type = CKK_EC,
     .min_key = kMinBits,
     .max_key = kMaxBits,
     .extra_flags = kEcFlags,
     .generate_pair = GeneratePair},
    EcdsaRow(CKM_ECDSA, "CKM_ECDSA"),
    EcdsaRow(CKM_ECDSA_SHA224, "CKM_ECDSA_SHA224", HashIsAvailable<CKM_SHA224>),
    EcdsaRow(CKM_ECDSA_SHA256, "CKM_ECDSA_SHA256", HashIsAvailable<CKM_SHA256>),
    EcdsaRow(CKM_ECDSA_SHA384, "CKM_ECDSA_SHA384", HashIsAvailable<CKM_SHA384>),
    EcdsaRow(CKM_ECDSA_SHA512, "CKM_ECDSA_SHA512", HashIsAvailable<CKM_SHA512>),
    {.type = CKM_ECDH1_DERIVE,
     .name = "CKM_ECDH1_DERIVE",
     .key_type = CKK_EC,
     .min_key = kMinBits,
     .max_key = kMaxBits,
     .extra_flags = kEcFlags,
     .parse = Parse,
     .derive = Derive},
};

}  // namespace

absl::Span<const Mechanism> EcRows() { return kRows; }

}  // namespace pkcs11
