// Wrapping of keys of any size under a public key: a new AES key wraps
// (CKM_AES_KEY_WRAP_KWP), and is itself encrypted by RSA-OAEP or agreed on by
// ECDH with a new pair. CKM_RSA_AES_KEY_WRAP, CKM_ECDH_AES_KEY_WRAP and its
// Montgomery and cofactor forms.
#include "base/crypto.h"
#include "pkcs11/mechanisms/ecdh.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"

namespace pkcs11 {
namespace {

absl::StatusOr<size_t> AesKeySize(CK_ULONG bits) {
  if (bits != 128 && bits != 192 && bits != 256) {
    return InvalidParameter("ulAESKeyBits");
  }
  return bits / 8;
}

// `value` as an AES key under CKM_AES_KEY_WRAP_KWP.
class Kwp {
 public:
  static absl::StatusOr<Kwp> New(const SecretBytes& value) {
    const Mechanism* row = Registry::Get().Find(CKM_AES_KEY_WRAP_KWP);
    if (row == nullptr) {
      return base::Error(CKR_MECHANISM_INVALID, "no AES key wrap");
    }
    hsm::AttributeSet key;
    key.SetUlong(CKA_CLASS, CKO_SECRET_KEY);
    key.SetUlong(CKA_KEY_TYPE, CKK_AES);
    key.Set(CKA_VALUE, value.Expose());
    ASSIGN_OR_RETURN(ParametersRef parameters,
                     ParseParameters(*row, {row->type, nullptr, 0}));
    return Kwp(*row, std::move(parameters),
               std::make_shared<hsm::Object>(0, 0, std::move(key)));
  }
  Use use() const { return {row_, parameters_.get(), key_}; }

 private:
  Kwp(const Mechanism& row, ParametersRef parameters, hsm::ObjectRef key)
      : row_(row), parameters_(std::move(parameters)), key_(std::move(key)) {}
  const Mechanism& row_;
  ParametersRef parameters_;
  hsm::ObjectRef key_;
};

// `head` and, behind it, `plain` under the AES key.
absl::StatusOr<Bytes> WrapUnder(const SecretBytes& aes_key, Bytes head,
                                ByteSpan plain) {
  ASSIGN_OR_RETURN(const Kwp kwp, Kwp::New(aes_key));
  ASSIGN_OR_RETURN(const Bytes tail,
                   kwp.use().mechanism.wrap(kwp.use(), plain));
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

absl::StatusOr<SecretBytes> UnwrapUnder(const SecretBytes& aes_key,
                                        ByteSpan tail) {
  ASSIGN_OR_RETURN(const Kwp kwp, Kwp::New(aes_key));
  return kwp.use().mechanism.unwrap(kwp.use(), tail);
}

absl::Status TooShort() {
  return base::Error(CKR_WRAPPED_KEY_LEN_RANGE, "length of a wrapped key");
}

// --- RSA ---------------------------------------------------------------------

struct RsaParameters : Parameters {
  size_t aes_size;
  ParametersRef oaep;
};

absl::StatusOr<ParametersRef> ParseRsa(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_RSA_AES_KEY_WRAP_PARAMS>(mechanism));
  auto parsed = std::make_shared<RsaParameters>();
  ASSIGN_OR_RETURN(parsed->aes_size, AesKeySize(given.ulAESKeyBits));
  const Mechanism* oaep = Registry::Get().Find(CKM_RSA_PKCS_OAEP);
  if (oaep == nullptr || given.pOAEPParams == nullptr) {
    return InvalidParameter("no OAEP parameters");
  }
  ASSIGN_OR_RETURN(parsed->oaep,
                   ParseParameters(*oaep, {oaep->type, given.pOAEPParams,
                                           sizeof(CK_RSA_PKCS_OAEP_PARAMS)}));
  return ParametersRef(std::move(parsed));
}

Use OaepOf(const Use& use) {
  return {*Registry::Get().Find(CKM_RSA_PKCS_OAEP),
          GivenParameters<RsaParameters>(use).oaep.get(), use.key};
}

absl::StatusOr<Bytes> WrapRsa(const Use& use, ByteSpan plain) {
  const auto& parameters = GivenParameters<RsaParameters>(use);
  const Use oaep = OaepOf(use);
  ASSIGN_OR_RETURN(const SecretBytes aes_key,
                   base::RandomSecret(parameters.aes_size));
  ASSIGN_OR_RETURN(Bytes head, oaep.mechanism.wrap(oaep, aes_key.Expose()));
  return WrapUnder(aes_key, std::move(head), plain);
}

absl::StatusOr<SecretBytes> UnwrapRsa(const Use& use, ByteSpan wrapped) {
  const auto& parameters = GivenParameters<RsaParameters>(use);
  const Use oaep = OaepOf(use);
  const size_t head_size = RsaSize(use.key->attributes());
  if (wrapped.size() <= head_size) return TooShort();
  ASSIGN_OR_RETURN(const SecretBytes aes_key,
                   oaep.mechanism.unwrap(oaep, wrapped.subspan(0, head_size)));
  if (aes_key.size() != parameters.aes_size) {
    return base::Error(CKR_WRAPPED_KEY_INVALID, "a wrapped key");
  }
  return UnwrapUnder(aes_key, wrapped.subspan(head_size));
}

// --- ECDH --------------------------------------------------------------------

struct EcdhParameters : Parameters {
  size_t aes_size;
  EcKdf kdf;
  Bytes shared_info;
};

absl::StatusOr<ParametersRef> ParseEcdh(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_ECDH_AES_KEY_WRAP_PARAMS>(mechanism));
  auto parsed = std::make_shared<EcdhParameters>();
  ASSIGN_OR_RETURN(parsed->aes_size, AesKeySize(given.ulAESKeyBits));
  ASSIGN_OR_RETURN(parsed->kdf, EcKdfOf(given.kdf));
  // The raw coordinate is no key.
  if (parsed->kdf.hash == nullptr) {
    return InvalidParameter("no key derivation function");
  }
  ASSIGN_OR_RETURN(
      parsed->shared_info,
      CopyBuffer(given.pSharedData, given.ulSharedDataLen, kMaxSharedInfo));
  return ParametersRef(std::move(parsed));
}

bool WithCofactor(const Use& use) {
  return use.mechanism.type == CKM_ECDH_COF_AES_KEY_WRAP;
}

absl::StatusOr<SecretBytes> AesKeyOf(const Use& use,
                                     const SecretBytes& secret) {
  const auto& parameters = GivenParameters<EcdhParameters>(use);
  return RunEcKdf(parameters.kdf, secret.Expose(), parameters.shared_info,
                  parameters.aes_size);
}

absl::StatusOr<Bytes> WrapEcdh(const Use& use, ByteSpan plain) {
  ASSIGN_OR_RETURN(Ephemeral made, AgreeAnew(*use.key, WithCofactor(use)));
  ASSIGN_OR_RETURN(const SecretBytes aes_key, AesKeyOf(use, made.secret));
  return WrapUnder(aes_key, std::move(made.point), plain);
}

absl::StatusOr<SecretBytes> UnwrapEcdh(const Use& use, ByteSpan wrapped) {
  ASSIGN_OR_RETURN(const size_t head_size, PointSize(use.key->attributes()));
  if (wrapped.size() <= head_size) return TooShort();
  const auto secret =
      Agree(*use.key, wrapped.subspan(0, head_size), WithCofactor(use));
  if (!secret.ok()) {
    return base::Error(CKR_WRAPPED_KEY_INVALID, "a wrapped key");
  }
  ASSIGN_OR_RETURN(const SecretBytes aes_key, AesKeyOf(use, *secret));
  return UnwrapUnder(aes_key, wrapped.subspan(head_size));
}

constexpr Mechanism EcdhRow(CK_MECHANISM_TYPE type, const char* name,
                            CK_KEY_TYPE key_type) {
  return {.type = type,
          .name = name,
          .key_type = key_type,
          .min_key = kMinEcBits,
          .max_key = kMaxEcBits,
          .extra_flags = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME |
                         CKF_EC_UNCOMPRESS,
          .parse = ParseEcdh,
          .wraps_secrets = true,
          .wrap = WrapEcdh,
          .unwrap = UnwrapEcdh};
}

constexpr Mechanism kHybridWrapRows[] = {
    {.type = CKM_RSA_AES_KEY_WRAP,
     .name = "CKM_RSA_AES_KEY_WRAP",
     .key_type = CKK_RSA,
     .min_key = kMinRsaVerifyBits,
     .max_key = kMaxRsaBits,
     .parse = ParseRsa,
     .wraps_secrets = true,
     .wrap = WrapRsa,
     .unwrap = UnwrapRsa},
    EcdhRow(CKM_ECDH_AES_KEY_WRAP, "CKM_ECDH_AES_KEY_WRAP", CKK_EC),
    EcdhRow(CKM_ECDH_COF_AES_KEY_WRAP, "CKM_ECDH_COF_AES_KEY_WRAP", CKK_EC),
    EcdhRow(CKM_ECDH_X_AES_KEY_WRAP, "CKM_ECDH_X_AES_KEY_WRAP",
            CKK_EC_MONTGOMERY),
};

}  // namespace

absl::Span<const Mechanism> HybridWrapRows() { return kHybridWrapRows; }

}  // namespace pkcs11
