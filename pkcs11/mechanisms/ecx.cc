// EdDSA (Ed25519, Ed448, with context and pre-hashed), and the generation of
// Edwards and Montgomery pairs. Agreement is in ecdh.cc.
#include "pkcs11/mechanisms/ecx.h"

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/message_sign.h"
#include "pkcs11/mechanisms/parameters.h"

namespace pkcs11 {
namespace {

constexpr CK_ULONG kMinBits = 255;
constexpr CK_ULONG kMaxBits = 448;
constexpr CK_FLAGS kFlags = CKF_EC_F_P | CKF_EC_OID | CKF_EC_CURVENAME;
// RFC 8032.
constexpr size_t kMaxContext = 255;

template <CK_KEY_TYPE kType>
absl::StatusOr<GeneratedPair> GeneratePair(
    const Use&, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet&) {
  if (!public_attributes.Has(CKA_EC_PARAMS)) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_EC_PARAMS");
  }
  return GenerateEcx(kType, public_attributes.Value(CKA_EC_PARAMS));
}

struct EddsaParameters : Parameters {
  bool prehash = false;
  Bytes context;
};

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  if (mechanism.pParameter == nullptr && mechanism.ulParameterLen == 0) {
    return ParametersRef();
  }
  ASSIGN_OR_RETURN(const auto given, CopyParameter<CK_EDDSA_PARAMS>(mechanism));
  auto parsed = std::make_shared<EddsaParameters>();
  parsed->prehash = given.phFlag != CK_FALSE;
  ASSIGN_OR_RETURN(
      parsed->context,
      CopyBuffer(given.pContextData, given.ulContextDataLen, kMaxContext));
  return ParametersRef(std::move(parsed));
}

// What OpenSSL calls the scheme (table "Mapping to RFC 8032 signature schemes"
// of the mechanism): without parameters the pure one; with them Ed25519ctx,
// Ed25519ph, Ed448 or Ed448ph.
const char* InstanceOf(const EcxCurve& curve, const EddsaParameters& given) {
  if (curve.bits == 255) return given.prehash ? "Ed25519ph" : "Ed25519ctx";
  return given.prehash ? "Ed448ph" : "Ed448";
}

absl::StatusOr<MessageForm> FormOf(const Use& use) {
  ASSIGN_OR_RETURN(const EcxCurve* curve, EcxCurveOf(use.key->attributes()));
  MessageForm form;
  form.size = curve->signature_size;
  if (use.parameters == nullptr) return form;
  const auto& given = GivenParameters<EddsaParameters>(use);
  // The pure schemes are the same as no parameters at all: Ed448 without a
  // context; and Ed25519 where a client means that by an empty context, which
  // RFC 8032 does not allow for Ed25519ctx.
  if (!given.prehash && given.context.empty()) return form;
  form.instance = InstanceOf(*curve, given);
  form.context = given.context;
  return form;
}

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(MessageForm form, FormOf(use));
  return NewMessageSigner(*use.key, std::move(form));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(MessageForm form, FormOf(use));
  return NewMessageVerifier(*use.key, std::move(form));
}

template <CK_KEY_TYPE kType>
constexpr Mechanism Generation(CK_MECHANISM_TYPE type, const char* name) {
  return {.type = type,
          .name = name,
          .key_type = kType,
          .min_key = kMinBits,
          .max_key = kMaxBits,
          .extra_flags = kFlags,
          .generate_pair = GeneratePair<kType>};
}

constexpr Mechanism kEcxRows[] = {
    Generation<CKK_EC_EDWARDS>(CKM_EC_EDWARDS_KEY_PAIR_GEN,
                               "CKM_EC_EDWARDS_KEY_PAIR_GEN"),
    Generation<CKK_EC_MONTGOMERY>(CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
                                  "CKM_EC_MONTGOMERY_KEY_PAIR_GEN"),
    {.type = CKM_EDDSA,
     .name = "CKM_EDDSA",
     .key_type = CKK_EC_EDWARDS,
     .min_key = kMinBits,
     .max_key = kMaxBits,
     .extra_flags = kFlags,
     .parse = Parse,
     .sign = NewSigner,
     .verify = NewVerifier},
};

}  // namespace

absl::Span<const Mechanism> EcxRows() { return kEcxRows; }

}  // namespace pkcs11
