// Diffie-Hellman in finite fields, of PKCS #3 and of ANSI X9.42.
#include <openssl/dh.h>

#include "pkcs11/mechanisms/ecdh.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/ffc.h"
#include "pkcs11/mechanisms/parameters.h"

namespace pkcs11 {
namespace {

struct DhParameters : Parameters {
  EcKdf kdf;
  Bytes other_info;
  Bytes peer;  // the other's public value
};

constexpr size_t kMaxPeer = kMaxDhBits / 8 + 1;

// The parameter is the other's public value.
absl::StatusOr<ParametersRef> ParsePkcs(const CK_MECHANISM& mechanism) {
  auto parsed = std::make_shared<DhParameters>();
  ASSIGN_OR_RETURN(
      parsed->peer,
      CopyBuffer(mechanism.pParameter, mechanism.ulParameterLen, kMaxPeer));
  if (parsed->peer.empty()) return InvalidParameter("no public value");
  return ParametersRef(std::move(parsed));
}

// CKD_SHA1_KDF_ASN1 hashes a structure with a counter inside; what callers put
// into pOtherInfo for it differs, so it is left out.
absl::StatusOr<ParametersRef> ParseX942(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_X9_42_DH1_DERIVE_PARAMS>(mechanism));
  auto parsed = std::make_shared<DhParameters>();
  if (given.kdf == CKD_SHA1_KDF_CONCATENATE) {
    parsed->kdf.hash = FindHash(&Hash::digest, CKM_SHA_1);
  } else if (given.kdf != CKD_NULL || given.ulOtherInfoLen != 0) {
    return InvalidParameter("key derivation function");
  }
  ASSIGN_OR_RETURN(
      parsed->other_info,
      CopyBuffer(given.pOtherInfo, given.ulOtherInfoLen, kMaxSharedInfo));
  ASSIGN_OR_RETURN(parsed->peer, CopyBuffer(given.pPublicData,
                                            given.ulPublicDataLen, kMaxPeer));
  if (parsed->peer.empty()) return InvalidParameter("no public value");
  return ParametersRef(std::move(parsed));
}

template <CK_KEY_TYPE kType>
absl::StatusOr<hsm::AttributeSet> GenerateParameters(
    const Use&, const hsm::AttributeSet& attributes) {
  return GenerateFfcParameters(FfcTypeOf(kType), attributes);
}

template <CK_KEY_TYPE kType>
absl::StatusOr<GeneratedPair> GeneratePair(
    const Use&, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet& private_attributes) {
  return GenerateFfc(FfcTypeOf(kType), public_attributes,
                     private_attributes.Ulong(CKA_VALUE_BITS).value_or(0));
}

// The shared number, with the prime's length.
absl::StatusOr<SecretBytes> SharedNumber(const hsm::Object& key,
                                         ByteSpan peer) {
  ASSIGN_OR_RETURN(const UniquePkey other,
                   ImportFfcPeer(key.attributes(), peer));
  ASSIGN_OR_RETURN(
      PkeyLease context,
      LendPkey(key, CacheKind(CKM_DH_PKCS_DERIVE, 0), [](EVP_PKEY_CTX* made) {
        return EVP_PKEY_derive_init(made) == 1 &&
               EVP_PKEY_CTX_set_dh_pad(made, 1) == 1;
      }));
  SecretBytes secret(Stripped(key.attributes().Value(CKA_PRIME)).size());
  size_t size = secret.size();
  if (EVP_PKEY_derive_set_peer_ex(context.get(), other.get(), 0) != 1 ||
      EVP_PKEY_derive(context.get(), secret.ExposeMutable().data(), &size) !=
          1 ||
      size != secret.size()) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "Diffie-Hellman");
  }
  return secret;
}

absl::StatusOr<SecretBytes> Derive(const Use& use, size_t size) {
  const auto& dh = GivenParameters<DhParameters>(use);
  ASSIGN_OR_RETURN(SecretBytes secret, SharedNumber(*use.key, dh.peer));
  if (dh.kdf.hash != nullptr) {
    if (size == 0) return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
    return RunEcKdf(dh.kdf, secret.Expose(), dh.other_info, size);
  }
  if (size > secret.size()) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "CKA_VALUE_LEN is more than there is");
  }
  if (size == 0) return secret;
  // The specification removes bytes from the leading end.
  return SecretBytes::CopyOf(secret.Expose().subspan(secret.size() - size));
}

constexpr Mechanism Template(CK_MECHANISM_TYPE type, const char* name,
                             CK_KEY_TYPE key_type) {
  return {.type = type,
          .name = name,
          .key_type = key_type,
          .min_key = kMinFfcBits,
          .max_key = kMaxDhBits};
}

template <CK_KEY_TYPE kType>
constexpr Mechanism ParametersRow(CK_MECHANISM_TYPE type, const char* name) {
  Mechanism row = Template(type, name, kType);
  row.makes_parameters = true;
  row.generate = GenerateParameters<kType>;
  return row;
}

template <CK_KEY_TYPE kType>
constexpr Mechanism PairRow(CK_MECHANISM_TYPE type, const char* name) {
  Mechanism row = Template(type, name, kType);
  row.min_key = kLeastFfcBits;
  row.generate_pair = GeneratePair<kType>;
  return row;
}

constexpr Mechanism DeriveRow(
    CK_MECHANISM_TYPE type, const char* name, CK_KEY_TYPE key_type,
    absl::StatusOr<ParametersRef> (*parse)(const CK_MECHANISM&)) {
  Mechanism row = Template(type, name, key_type);
  row.min_key = kLeastFfcBits;
  row.parse = parse;
  row.derive = Derive;
  return row;
}

constexpr Mechanism kDhRows[] = {
    ParametersRow<CKK_DH>(CKM_DH_PKCS_PARAMETER_GEN,
                          "CKM_DH_PKCS_PARAMETER_GEN"),
    PairRow<CKK_DH>(CKM_DH_PKCS_KEY_PAIR_GEN, "CKM_DH_PKCS_KEY_PAIR_GEN"),
    DeriveRow(CKM_DH_PKCS_DERIVE, "CKM_DH_PKCS_DERIVE", CKK_DH, ParsePkcs),
    ParametersRow<CKK_X9_42_DH>(CKM_X9_42_DH_PARAMETER_GEN,
                                "CKM_X9_42_DH_PARAMETER_GEN"),
    PairRow<CKK_X9_42_DH>(CKM_X9_42_DH_KEY_PAIR_GEN,
                          "CKM_X9_42_DH_KEY_PAIR_GEN"),
    DeriveRow(CKM_X9_42_DH_DERIVE, "CKM_X9_42_DH_DERIVE", CKK_X9_42_DH,
              ParseX942),
};

}  // namespace

absl::Span<const Mechanism> DhRows() { return kDhRows; }

}  // namespace pkcs11
