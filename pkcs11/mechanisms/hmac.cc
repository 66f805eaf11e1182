// HMAC with every hash function, whole or truncated (_GENERAL), the generation
// of its keys and of generic secrets.
#include <openssl/params.h>

#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

// Shorter tags can be guessed, and serve attacks that vary keys.
constexpr CK_ULONG kMinTag = 4;

struct GeneralParameters : Parameters {
  explicit GeneralParameters(size_t s) : size(s) {}
  const size_t size;
};

const Hash& HashOf(CK_MECHANISM_TYPE type) {
  const Hash* general = FindHash(&Hash::hmac_general, type);
  return general != nullptr ? *general : *FindHash(&Hash::hmac, type);
}

absl::StatusOr<ParametersRef> ParseGeneral(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto size,
                   CopyParameter<CK_MAC_GENERAL_PARAMS>(mechanism));
  if (size < kMinTag || size > HashOf(mechanism.mechanism).size) {
    return InvalidParameter("length of the HMAC");
  }
  return ParametersRef(std::make_shared<GeneralParameters>(size));
}

size_t TagSize(const Use& use) {
  return use.parameters != nullptr
             ? GivenParameters<GeneralParameters>(use).size
             : HashOf(use.mechanism.type).size;
}

// Another operation of the same mechanism: its tag may have another length.
bool Rearmed(const Parameters* parameters, size_t& size) {
  if (parameters != nullptr) {
    size = static_cast<const GeneralParameters*>(parameters)->size;
  }
  return true;
}

// A context of HMAC with `hash`, keyed.
absl::StatusOr<std::shared_ptr<ContextPool<MacTraits>>> NewPool(
    const Hash& hash, ByteSpan key) {
  static EVP_MAC* const hmac =
      EVP_MAC_fetch(base::OpenSslContext(), "HMAC", nullptr);
  UniqueMacCtx context(hmac == nullptr ? nullptr : EVP_MAC_CTX_new(hmac));
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                       const_cast<char*>(hash.openssl_name), 0),
      OSSL_PARAM_construct_end()};
  if (context == nullptr ||
      EVP_MAC_init(context.get(), key.data(), key.size(), parameters) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "HMAC key");
  }
  return std::make_shared<ContextPool<MacTraits>>(std::move(context));
}

absl::StatusOr<MacLease> LendHmac(const Use& use) {
  const Hash& hash = HashOf(use.mechanism.type);
  const ByteSpan key = use.key->attributes().Value(CKA_VALUE);
  if (key.empty()) {
    return base::Error(CKR_KEY_SIZE_RANGE, "an empty HMAC key");
  }
  ASSIGN_OR_RETURN(auto pool, Cached<ContextPool<MacTraits>>(
                                  *use.key, CacheKind(hash.hmac, 0),
                                  [&] { return NewPool(hash, key); }));
  return MacLease::From(std::move(pool));
}

absl::Status MacUpdate(EVP_MAC_CTX* context, ByteSpan data) {
  if (data.empty()) return absl::OkStatus();
  if (EVP_MAC_update(context, data.data(), data.size()) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "HMAC update");
  }
  return absl::OkStatus();
}

absl::StatusOr<HashValue> MacFinal(EVP_MAC_CTX* context) {
  HashValue tag;
  if (EVP_MAC_final(context, tag.bytes.data(), &tag.size, tag.bytes.size()) !=
      1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "HMAC final");
  }
  return tag;
}

class HmacSigner final : public Signer {
 public:
  HmacSigner(MacLease context, size_t size)
      : context_(std::move(context)), size_(size) {}

  size_t size() const override { return size_; }

  absl::Status Update(ByteSpan data) override {
    return MacUpdate(context_.get(), data);
  }

  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    ASSIGN_OR_RETURN(const HashValue tag, MacFinal(context_.get()));
    std::copy_n(tag.bytes.begin(), size_, out.begin());
    return size_;
  }

  bool Rest() override { return MacTraits::Reset(context_.get()); }
  bool Rearm(const Parameters* parameters) override {
    return Rearmed(parameters, size_);
  }

 private:
  MacLease context_;
  size_t size_;
};

class HmacVerifier final : public Verifier {
 public:
  HmacVerifier(MacLease context, size_t size)
      : context_(std::move(context)), size_(size) {}

  absl::Status Update(ByteSpan data) override {
    return MacUpdate(context_.get(), data);
  }

  absl::Status Final(ByteSpan signature) override {
    if (signature.size() != size_) {
      return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of an HMAC");
    }
    ASSIGN_OR_RETURN(const HashValue tag, MacFinal(context_.get()));
    if (!base::ConstantTimeEquals(tag.span().subspan(0, size_), signature)) {
      return base::Error(CKR_SIGNATURE_INVALID, "the HMAC does not fit");
    }
    return absl::OkStatus();
  }

  bool Rest() override { return MacTraits::Reset(context_.get()); }
  bool Rearm(const Parameters* parameters) override {
    return Rearmed(parameters, size_);
  }

 private:
  MacLease context_;
  size_t size_;
};

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(MacLease context, LendHmac(use));
  return std::make_unique<HmacSigner>(std::move(context), TagSize(use));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(MacLease context, LendHmac(use));
  return std::make_unique<HmacVerifier>(std::move(context), TagSize(use));
}

constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name,
                        CK_KEY_TYPE key_type, bool (*available)(),
                        bool is_general) {
  return {.type = type,
          .name = name,
          .key_type = key_type,
          .also_key_type = CKK_GENERIC_SECRET,
          .min_key = 1,
          .max_key = kMaxSecretSize,
          .legacy = key_type == CKK_MD5_HMAC,
          .available = available,
          .parse = is_general ? ParseGeneral : nullptr,
          .sign = NewSigner,
          .verify = NewVerifier};
}

constexpr Mechanism GenerationRow(CK_MECHANISM_TYPE type, const char* name,
                                  CK_KEY_TYPE key_type, bool (*available)()) {
  return {.type = type,
          .name = name,
          .key_type = key_type,
          .min_key = 1,
          .max_key = kMaxSecretSize,
          .available = available,
          .generate = GenerateSecret};
}

// The three rows of a hash function.
#define PERIGEE_HMAC(hash)                                         \
  Row(CKM_##hash##_HMAC, "CKM_" #hash "_HMAC", CKK_##hash##_HMAC,  \
      HashIsAvailable<CKM_##hash>, false),                         \
      Row(CKM_##hash##_HMAC_GENERAL, "CKM_" #hash "_HMAC_GENERAL", \
          CKK_##hash##_HMAC, HashIsAvailable<CKM_##hash>, true),   \
      GenerationRow(CKM_##hash##_KEY_GEN, "CKM_" #hash "_KEY_GEN", \
                    CKK_##hash##_HMAC, HashIsAvailable<CKM_##hash>)

constexpr Mechanism kHmacRows[] = {
    {.type = CKM_GENERIC_SECRET_KEY_GEN,
     .name = "CKM_GENERIC_SECRET_KEY_GEN",
     .key_type = CKK_GENERIC_SECRET,
     .min_key = 8,  // bits, in this one mechanism
     .max_key = kMaxSecretSize * 8,
     .generate = GenerateSecret},
    Row(CKM_MD5_HMAC, "CKM_MD5_HMAC", CKK_MD5_HMAC, HashIsAvailable<CKM_MD5>,
        false),
    Row(CKM_MD5_HMAC_GENERAL, "CKM_MD5_HMAC_GENERAL", CKK_MD5_HMAC,
        HashIsAvailable<CKM_MD5>, true),
    PERIGEE_HMAC(SHA_1),
    PERIGEE_HMAC(SHA224),
    PERIGEE_HMAC(SHA256),
    PERIGEE_HMAC(SHA384),
    PERIGEE_HMAC(SHA512),
    PERIGEE_HMAC(SHA512_224),
    PERIGEE_HMAC(SHA512_256),
    PERIGEE_HMAC(SHA3_224),
    PERIGEE_HMAC(SHA3_256),
    PERIGEE_HMAC(SHA3_384),
    PERIGEE_HMAC(SHA3_512),
    PERIGEE_HMAC(BLAKE2B_512),
};

}  // namespace

absl::Span<const Mechanism> HmacRows() { return kHmacRows; }

}  // namespace pkcs11
