// ECDH with the raw secret or a key derivation function, on prime and
// Montgomery curves: CKM_ECDH1_DERIVE and its cofactor form, for derivation
// and as a key encapsulation (PKCS #11 3.2, 6.3.17: the ciphertext is the
// point of a new pair).
#include "pkcs11/mechanisms/ecdh.h"

#include <algorithm>

#include "pkcs11/mechanisms/ecx.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"

namespace pkcs11 {
namespace {

enum Variant : uint32_t { kPlain, kCofactor };

// The functions of SP 800-56C over the digests of X9.63's.
struct Sp800Kdf {
  CK_EC_KDF_TYPE type;
  CK_MECHANISM_TYPE digest;
};
constexpr Sp800Kdf kSp800Kdfs[] = {
    {CKD_SHA1_KDF_SP800, CKM_SHA_1},
    {CKD_SHA224_KDF_SP800, CKM_SHA224},
    {CKD_SHA256_KDF_SP800, CKM_SHA256},
    {CKD_SHA384_KDF_SP800, CKM_SHA384},
    {CKD_SHA512_KDF_SP800, CKM_SHA512},
    {CKD_SHA3_224_KDF_SP800, CKM_SHA3_224},
    {CKD_SHA3_256_KDF_SP800, CKM_SHA3_256},
    {CKD_SHA3_384_KDF_SP800, CKM_SHA3_384},
    {CKD_SHA3_512_KDF_SP800, CKM_SHA3_512},
};

struct EcdhParameters : Parameters {
  EcKdf kdf;
  Bytes shared_info;
  Bytes point;  // raw or DER, as it came; empty for encapsulation
};

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_ECDH1_DERIVE_PARAMS>(mechanism));
  auto parsed = std::make_shared<EcdhParameters>();
  ASSIGN_OR_RETURN(parsed->kdf, EcKdfOf(given.kdf));
  if (given.kdf == CKD_NULL && given.ulSharedDataLen != 0) {
    return InvalidParameter("CKD_NULL with shared data");
  }
  ASSIGN_OR_RETURN(
      parsed->shared_info,
      CopyBuffer(given.pSharedData, given.ulSharedDataLen, kMaxSharedInfo));
  ASSIGN_OR_RETURN(parsed->point, CopyBuffer(given.pPublicData,
                                             given.ulPublicDataLen, kMaxPoint));
  return ParametersRef(std::move(parsed));
}

bool WithCofactor(const Use& use) {
  return use.mechanism.type == CKM_ECDH1_COFACTOR_DERIVE;
}

bool StartAgreement(EVP_PKEY_CTX* context, bool with_cofactor) {
  return EVP_PKEY_derive_init(context) == 1 &&
         (!with_cofactor ||
          EVP_PKEY_CTX_set_ecdh_cofactor_mode(context, 1) == 1);
}

// Import checked the point, so OpenSSL need not multiply it by the order. An
// all-zero secret of X25519 and X448 is refused by OpenSSL.
absl::StatusOr<SecretBytes> SharedSecret(EVP_PKEY_CTX* mine, EVP_PKEY* peer) {
  size_t size = 0;
  if (EVP_PKEY_derive_set_peer_ex(mine, peer, 0) != 1 ||
      EVP_PKEY_derive(mine, nullptr, &size) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "ECDH");
  }
  SecretBytes secret(size);
  if (EVP_PKEY_derive(mine, secret.ExposeMutable().data(), &size) != 1 ||
      size != secret.size()) {
    return base::OpenSslError(CKR_PUBLIC_KEY_INVALID, "ECDH");
  }
  return secret;
}

absl::StatusOr<UniquePkey> ImportPeer(const hsm::AttributeSet& key,
                                      ByteSpan peer_point) {
  if (key.key_type() == CKK_EC_MONTGOMERY) {
    ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(key));
    return ImportEcxPoint(*curve, RawEcxPoint(*curve, peer_point));
  }
  ASSIGN_OR_RETURN(const Curve* curve, CurveOf(key.Value(CKA_EC_PARAMS)));
  const ByteSpan point = RawPoint(*curve, peer_point);
  if (point.empty()) {
    return base::Error(CKR_PUBLIC_KEY_INVALID, "form of the other's point");
  }
  return ImportEcPoint(*curve, point);
}

// `secret` as a key of `size` bytes, 0 when nobody said how many.
absl::StatusOr<SecretBytes> KeyOf(const EcdhParameters& ecdh,
                                  SecretBytes secret, size_t size) {
  // Counter of 32 bits, and far more than any key.
  constexpr size_t kMaxDerived = 1 << 20;
  if (ecdh.kdf.hash != nullptr) {
    if (size == 0) return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
    if (size > kMaxDerived) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN");
    }
    return RunEcKdf(ecdh.kdf, secret.Expose(), ecdh.shared_info, size);
  }
  if (size > secret.size()) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "CKA_VALUE_LEN is more than there is");
  }
  if (size == 0) return secret;
  // The specification removes bytes from the leading end.
  return SecretBytes::CopyOf(secret.Expose().subspan(secret.size() - size));
}

absl::StatusOr<SecretBytes> Derive(const Use& use, size_t size) {
  const auto& ecdh = GivenParameters<EcdhParameters>(use);
  if (ecdh.point.empty()) return InvalidParameter("no public key");
  ASSIGN_OR_RETURN(SecretBytes secret,
                   Agree(*use.key, ecdh.point, WithCofactor(use)));
  return KeyOf(ecdh, std::move(secret), size);
}

absl::StatusOr<size_t> CiphertextSize(const Use& use) {
  return PointSize(use.key->attributes());
}

absl::StatusOr<Encapsulated> Encapsulate(const Use& use, size_t size) {
  const auto& ecdh = GivenParameters<EcdhParameters>(use);
  if (!ecdh.point.empty()) return InvalidParameter("a public key too much");
  ASSIGN_OR_RETURN(Ephemeral made, AgreeAnew(*use.key, WithCofactor(use)));
  ASSIGN_OR_RETURN(SecretBytes key, KeyOf(ecdh, std::move(made.secret), size));
  return Encapsulated{std::move(made.point), std::move(key)};
}

absl::StatusOr<SecretBytes> Decapsulate(const Use& use, ByteSpan ciphertext,
                                        size_t size) {
  const auto& ecdh = GivenParameters<EcdhParameters>(use);
  if (!ecdh.point.empty()) return InvalidParameter("a public key too much");
  ASSIGN_OR_RETURN(const size_t point_size, PointSize(use.key->attributes()));
  if (ciphertext.size() < point_size) {
    return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE, "length of a point");
  }
  auto secret = Agree(*use.key, ciphertext, WithCofactor(use));
  if (!secret.ok()) {
    if (base::CkRv(secret.status()) != CKR_PUBLIC_KEY_INVALID) {
      return secret.status();
    }
    return base::Error(CKR_ENCRYPTED_DATA_INVALID, "not a point of the curve");
  }
  return KeyOf(ecdh, *std::move(secret), size);
}

constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name,
                        CK_KEY_TYPE also) {
  return {.type = type,
          .name = name,
          .key_type = CKK_EC,
          .also_key_type = also,
          .min_key = kMinEcBits,
          .max_key = kMaxEcBits,
          .extra_flags = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME |
                         CKF_EC_UNCOMPRESS,
          .parse = Parse,
          .derive = Derive,
          .ciphertext_size = CiphertextSize,
          .encapsulate = Encapsulate,
          .decapsulate = Decapsulate};
}

constexpr Mechanism kEcdhRows[] = {
    Row(CKM_ECDH1_DERIVE, "CKM_ECDH1_DERIVE", CKK_EC_MONTGOMERY),
    Row(CKM_ECDH1_COFACTOR_DERIVE, "CKM_ECDH1_COFACTOR_DERIVE",
        CK_UNAVAILABLE_INFORMATION),
};

}  // namespace

absl::StatusOr<EcKdf> EcKdfOf(CK_EC_KDF_TYPE type) {
  if (type == CKD_NULL) return EcKdf();
  EcKdf kdf;
  kdf.hash = FindHash(&Hash::ec_kdf, type);
  for (const Sp800Kdf& row : kSp800Kdfs) {
    if (row.type == type) {
      kdf = {FindHash(&Hash::digest, row.digest), /*counter_first=*/true};
    }
  }
  if (kdf.hash == nullptr || Md(*kdf.hash) == nullptr) {
    return InvalidParameter("key derivation function");
  }
  return kdf;
}

absl::StatusOr<SecretBytes> RunEcKdf(const EcKdf& kdf, ByteSpan secret,
                                     ByteSpan shared_info, size_t size) {
  SecretBytes out(size);
  uint32_t counter = 1;
  for (size_t at = 0; at < size; at += kdf.hash->size, ++counter) {
    const uint8_t count[4] = {static_cast<uint8_t>(counter >> 24),
                              static_cast<uint8_t>(counter >> 16),
                              static_cast<uint8_t>(counter >> 8),
                              static_cast<uint8_t>(counter)};
    const ByteSpan first = kdf.counter_first ? ByteSpan(count) : secret;
    const ByteSpan second = kdf.counter_first ? secret : ByteSpan(count);
    ASSIGN_OR_RETURN(MdLease context, LendMd(*kdf.hash));
    RETURN_IF_ERROR(HashUpdate(context.get(), first));
    RETURN_IF_ERROR(HashUpdate(context.get(), second));
    RETURN_IF_ERROR(HashUpdate(context.get(), shared_info));
    ASSIGN_OR_RETURN(HashValue block, HashFinal(context.get()));
    std::copy_n(block.bytes.begin(), std::min(kdf.hash->size, size - at),
                out.ExposeMutable().begin() + at);
    base::Wipe(block.bytes.data(), block.bytes.size());
  }
  return out;
}

absl::StatusOr<SecretBytes> Agree(const hsm::Object& key, ByteSpan peer_point,
                                  bool with_cofactor) {
  ASSIGN_OR_RETURN(const UniquePkey peer,
                   ImportPeer(key.attributes(), peer_point));
  const uint32_t variant = with_cofactor ? kCofactor : kPlain;
  ASSIGN_OR_RETURN(PkeyLease context,
                   LendPkey(key, CacheKind(CKM_ECDH1_DERIVE, variant),
                            [&](EVP_PKEY_CTX* made) {
                              return StartAgreement(made, with_cofactor);
                            }));
  return SharedSecret(context.get(), peer.get());
}

absl::StatusOr<Ephemeral> AgreeAnew(const hsm::Object& public_key,
                                    bool with_cofactor) {
  ASSIGN_OR_RETURN(const std::shared_ptr<EVP_PKEY> peer, PkeyOf(public_key));
  const UniquePkeyCtx generator(
      EVP_PKEY_CTX_new_from_pkey(base::OpenSslContext(), peer.get(), nullptr));
  EVP_PKEY* raw = nullptr;
  if (generator == nullptr || EVP_PKEY_keygen_init(generator.get()) != 1 ||
      EVP_PKEY_generate(generator.get(), &raw) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "a pair for one use");
  }
  const UniquePkey pair(raw);
  const UniquePkeyCtx mine(
      EVP_PKEY_CTX_new_from_pkey(base::OpenSslContext(), raw, nullptr));
  ASSIGN_OR_RETURN(const size_t size, PointSize(public_key.attributes()));
  Ephemeral made{Bytes(size), SecretBytes()};
  size_t written = 0;
  if (mine == nullptr || !StartAgreement(mine.get(), with_cofactor) ||
      EVP_PKEY_get_octet_string_param(raw, OSSL_PKEY_PARAM_PUB_KEY,
                                      made.point.data(), size, &written) != 1 ||
      written != size) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "a pair for one use");
  }
  ASSIGN_OR_RETURN(made.secret, SharedSecret(mine.get(), peer.get()));
  return made;
}

absl::StatusOr<size_t> PointSize(const hsm::AttributeSet& key) {
  if (key.key_type() == CKK_EC_MONTGOMERY) {
    ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(key));
    return curve->size;
  }
  ASSIGN_OR_RETURN(const Curve* curve, CurveOf(key.Value(CKA_EC_PARAMS)));
  return 1 + 2 * curve->size;
}

absl::Span<const Mechanism> EcdhRows() { return kEcdhRows; }

}  // namespace pkcs11
