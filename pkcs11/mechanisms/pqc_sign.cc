// ML-DSA and SLH-DSA, pure and pre-hashed (FIPS 204 and 205; PKCS #11 3.2,
// 6.67 and 6.69).
#include <atomic>

#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/message_sign.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/pqc.h"

namespace pkcs11 {
namespace {

constexpr size_t kMaxContext = 255;

// A hash function of the pre-hash forms. Its identifier is
// 2.16.840.1.101.3.4.2.`arc`.
struct PreHash {
  CK_MECHANISM_TYPE ml_dsa;
  CK_MECHANISM_TYPE slh_dsa;
  CK_MECHANISM_TYPE digest;  // CK_HASH_SIGN_ADDITIONAL_CONTEXT
  const char* openssl_name;
  uint8_t arc;
  size_t size;
};
constexpr CK_MECHANISM_TYPE kNone = CK_UNAVAILABLE_INFORMATION;
constexpr PreHash kPreHashes[] = {
    {CKM_HASH_ML_DSA_SHA224, CKM_HASH_SLH_DSA_SHA224, CKM_SHA224, "SHA2-224", 4,
     28},
    {CKM_HASH_ML_DSA_SHA256, CKM_HASH_SLH_DSA_SHA256, CKM_SHA256, "SHA2-256", 1,
     32},
    {CKM_HASH_ML_DSA_SHA384, CKM_HASH_SLH_DSA_SHA384, CKM_SHA384, "SHA2-384", 2,
     48},
    {CKM_HASH_ML_DSA_SHA512, CKM_HASH_SLH_DSA_SHA512, CKM_SHA512, "SHA2-512", 3,
     64},
    {CKM_HASH_ML_DSA_SHA3_224, CKM_HASH_SLH_DSA_SHA3_224, CKM_SHA3_224,
     "SHA3-224", 7, 28},
    {CKM_HASH_ML_DSA_SHA3_256, CKM_HASH_SLH_DSA_SHA3_256, CKM_SHA3_256,
     "SHA3-256", 8, 32},
    {CKM_HASH_ML_DSA_SHA3_384, CKM_HASH_SLH_DSA_SHA3_384, CKM_SHA3_384,
     "SHA3-384", 9, 48},
    {CKM_HASH_ML_DSA_SHA3_512, CKM_HASH_SLH_DSA_SHA3_512, CKM_SHA3_512,
     "SHA3-512", 10, 64},
    {CKM_HASH_ML_DSA_SHAKE128, CKM_HASH_SLH_DSA_SHAKE128, kNone, "SHAKE-128",
     11, 32},
    {CKM_HASH_ML_DSA_SHAKE256, CKM_HASH_SLH_DSA_SHAKE256, kNone, "SHAKE-256",
     12, 64},
};
constexpr size_t kPreHashCount = std::size(kPreHashes);

const PreHash* PreHashOf(CK_MECHANISM_TYPE PreHash::*number,
                         CK_MECHANISM_TYPE value) {
  for (const PreHash& row : kPreHashes) {
    if (value != kNone && row.*number == value) return &row;
  }
  return nullptr;
}

// Fetched at first use and kept.
const EVP_MD* MdOf(const PreHash& hash) {
  static std::atomic<EVP_MD*> fetched[kPreHashCount];
  std::atomic<EVP_MD*>& md = fetched[&hash - kPreHashes];
  if (md.load() == nullptr) {
    EVP_MD* made =
        EVP_MD_fetch(base::OpenSslContext(), hash.openssl_name, nullptr);
    EVP_MD* before = nullptr;
    if (!md.compare_exchange_strong(before, made)) EVP_MD_free(made);
  }
  return md.load();
}

struct SignParameters : Parameters {
  CK_HEDGE_TYPE hedge = CKH_HEDGE_PREFERRED;
  Bytes context;
  const PreHash* hash = nullptr;  // of a hash that the application brings
};

template <typename T>
absl::StatusOr<std::shared_ptr<SignParameters>> ParseContext(const T& given) {
  auto parsed = std::make_shared<SignParameters>();
  if (given.hedgeVariant > CKH_DETERMINISTIC_REQUIRED) {
    return InvalidParameter("hedge variant");
  }
  parsed->hedge = given.hedgeVariant;
  ASSIGN_OR_RETURN(parsed->context,
                   CopyBuffer(given.pContext, given.ulContextLen, kMaxContext));
  return parsed;
}

// Without a parameter: hedged, no context.
absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  if (mechanism.pParameter == nullptr && mechanism.ulParameterLen == 0) {
    return ParametersRef();
  }
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_SIGN_ADDITIONAL_CONTEXT>(mechanism));
  ASSIGN_OR_RETURN(auto parsed, ParseContext(given));
  return ParametersRef(std::move(parsed));
}

absl::StatusOr<ParametersRef> ParseHashed(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_HASH_SIGN_ADDITIONAL_CONTEXT>(mechanism));
  ASSIGN_OR_RETURN(auto parsed, ParseContext(given));
  parsed->hash = PreHashOf(&PreHash::digest, given.hash);
  if (parsed->hash == nullptr) return InvalidParameter("hash");
  return ParametersRef(std::move(parsed));
}

// 1, context, hash identifier (FIPS 204, algorithm 4; FIPS 205, algorithm 23).
Bytes PreHashPrefix(const Bytes& context, const PreHash& hash) {
  Bytes prefix = {1, static_cast<uint8_t>(context.size())};
  prefix.insert(prefix.end(), context.begin(), context.end());
  prefix.insert(prefix.end(), {0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                               0x04, 0x02, hash.arc});
  return prefix;
}

absl::StatusOr<MessageForm> FormOf(const Use& use) {
  ASSIGN_OR_RETURN(const PqcSet* set, PqcSetOf(use.key->attributes()));
  MessageForm form;
  form.size = set->output_size;
  const auto* given = static_cast<const SignParameters*>(use.parameters);
  form.is_deterministic =
      given != nullptr && given->hedge == CKH_DETERMINISTIC_REQUIRED;
  const Bytes context = given != nullptr ? given->context : Bytes();
  const auto number =
      set->key_type == CKK_ML_DSA ? &PreHash::ml_dsa : &PreHash::slh_dsa;
  const PreHash* hash = PreHashOf(number, use.mechanism.type);
  if (hash != nullptr) form.hash = MdOf(*hash);
  if (hash == nullptr && given != nullptr) hash = given->hash;
  if (hash == nullptr) {
    form.context = context;
    return form;
  }
  form.is_prehashed = true;
  form.hash_size = hash->size;
  form.prefix = PreHashPrefix(context, *hash);
  return form;
}

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(MessageForm form, FormOf(use));
  return NewMessageSigner(*use.key, std::move(form));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(MessageForm form, FormOf(use));
  // Verification does not ask how it was signed.
  form.is_deterministic = false;
  return NewMessageVerifier(*use.key, std::move(form));
}

template <CK_KEY_TYPE kType>
constexpr Mechanism Template(CK_MECHANISM_TYPE type, const char* name) {
  constexpr PqcSizes kSizes = kType == CKK_ML_DSA ? kMlDsaSizes : kSlhDsaSizes;
  return {.type = type,
          .name = name,
          .key_type = kType,
          .min_key = kSizes.least,
          .max_key = kSizes.most,
          .available = HasPqc<kType>};
}

template <CK_KEY_TYPE kType>
constexpr Mechanism PairRow(CK_MECHANISM_TYPE type, const char* name) {
  Mechanism row = Template<kType>(type, name);
  row.generate_pair = GeneratePqc;
  return row;
}

template <CK_KEY_TYPE kType>
constexpr Mechanism SignRow(CK_MECHANISM_TYPE type, const char* name) {
  Mechanism row = Template<kType>(type, name);
  row.parse =
      type == CKM_HASH_ML_DSA || type == CKM_HASH_SLH_DSA ? ParseHashed : Parse;
  row.sign = NewSigner;
  row.verify = NewVerifier;
  return row;
}

#define ML_DSA(type) SignRow<CKK_ML_DSA>(type, #type)
#define SLH_DSA(type) SignRow<CKK_SLH_DSA>(type, #type)

constexpr Mechanism kPqcSignRows[] = {
    PairRow<CKK_ML_DSA>(CKM_ML_DSA_KEY_PAIR_GEN, "CKM_ML_DSA_KEY_PAIR_GEN"),
    ML_DSA(CKM_ML_DSA),
    ML_DSA(CKM_HASH_ML_DSA),
    ML_DSA(CKM_HASH_ML_DSA_SHA224),
    ML_DSA(CKM_HASH_ML_DSA_SHA256),
    ML_DSA(CKM_HASH_ML_DSA_SHA384),
    ML_DSA(CKM_HASH_ML_DSA_SHA512),
    ML_DSA(CKM_HASH_ML_DSA_SHA3_224),
    ML_DSA(CKM_HASH_ML_DSA_SHA3_256),
    ML_DSA(CKM_HASH_ML_DSA_SHA3_384),
    ML_DSA(CKM_HASH_ML_DSA_SHA3_512),
    ML_DSA(CKM_HASH_ML_DSA_SHAKE128),
    ML_DSA(CKM_HASH_ML_DSA_SHAKE256),
    PairRow<CKK_SLH_DSA>(CKM_SLH_DSA_KEY_PAIR_GEN, "CKM_SLH_DSA_KEY_PAIR_GEN"),
    SLH_DSA(CKM_SLH_DSA),
    SLH_DSA(CKM_HASH_SLH_DSA),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA224),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA256),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA384),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA512),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA3_224),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA3_256),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA3_384),
    SLH_DSA(CKM_HASH_SLH_DSA_SHA3_512),
    SLH_DSA(CKM_HASH_SLH_DSA_SHAKE128),
    SLH_DSA(CKM_HASH_SLH_DSA_SHAKE256),
};

#undef ML_DSA
#undef SLH_DSA

}  // namespace

absl::Span<const Mechanism> PqcSignRows() { return kPqcSignRows; }

}  // namespace pkcs11
