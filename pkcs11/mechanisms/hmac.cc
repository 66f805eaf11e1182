// HMAC with SHA-2, whole or truncated (_GENERAL), and generic secrets.
#include <openssl/params.h>

#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/parameters.h"

namespace pkcs11 {
namespace {

// Bytes. Longer keys are hashed first, so they gain nothing.
constexpr CK_ULONG kMaxKey = 4096;
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
    return parameters == nullptr;  // the length of the tag is the same
  }

 private:
  MacLease context_;
  const size_t size_;
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

 private:
  MacLease context_;
  const size_t size_;
};

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(MacLease context, LendHmac(use));
  return std::make_unique<HmacSigner>(std::move(context), TagSize(use));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(MacLease context, LendHmac(use));
  return std::make_unique<HmacVerifier>(std::move(context), TagSize(use));
}

absl::StatusOr<hsm::AttributeSet> GenerateSecret(
    const Use&, const hsm::AttributeSet& attributes) {
  const auto size = attributes.Ulong(CKA_VALUE_LEN);
  if (!size.has_value()) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
  }
  if (*size == 0 || *size > kMaxKey) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN");
  }
  ASSIGN_OR_RETURN(const SecretBytes value, base::RandomSecret(*size));
  ASSIGN_OR_RETURN(const Bytes check,
                   CheckValueOf(CKK_GENERIC_SECRET, value.Expose()));
  hsm::AttributeSet added;
  added.Set(CKA_VALUE, value.Expose());
  added.Set(CKA_CHECK_VALUE, check);
  return added;
}

constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name,
                        CK_KEY_TYPE key_type, bool (*available)(),
                        bool is_general) {
  return {.type = type,
          .name = name,
          .key_type = key_type,
          .also_key_type = CKK_GENERIC_SECRET,
          .min_key = 1,
          .max_key = kMaxKey,
          .available = available,
          .parse = is_general ? ParseGeneral : nullptr,
          .sign = NewSigner,
          .verify = NewVerifier};
}

constexpr Mechanism kRows[] = {
    {.type = CKM_GENERIC_SECRET_KEY_GEN,
     .name = "CKM_GENERIC_SECRET_KEY_GEN",
     .key_type = CKK_GENERIC_SECRET,
     .min_key = 8,  // bits, in this one mechanism
     .max_key = kMaxKey * 8,
     .generate = GenerateSecret},
    Row(CKM_SHA224_HMAC, "CKM_SHA224_HMAC", CKK_SHA224_HMAC,
        HashIsAvailable<CKM_SHA224>, false),
    Row(CKM_SHA224_HMAC_GENERAL, "CKM_SHA224_HMAC_GENERAL", CKK_SHA224_HMAC,
        HashIsAvailable<CKM_SHA224>, true),
    Row(CKM_SHA256_HMAC, "CKM_SHA256_HMAC", CKK_SHA256_HMAC,
        HashIsAvailable<CKM_SHA256>, false),
    Row(CKM_SHA256_HMAC_GENERAL, "CKM_SHA256_HMAC_GENERAL", CKK_SHA256_HMAC,
        HashIsAvailable<CKM_SHA256>, true),
    Row(CKM_SHA384_HMAC, "CKM_SHA384_HMAC", CKK_SHA384_HMAC,
        HashIsAvailable<CKM_SHA384>, false),
    Row(CKM_SHA384_HMAC_GENERAL, "CKM_SHA384_HMAC_GENERAL", CKK_SHA384_HMAC,
        HashIsAvailable<CKM_SHA384>, true),
    Row(CKM_SHA512_HMAC, "CKM_SHA512_HMAC", CKK_SHA512_HMAC,
        HashIsAvailable<CKM_SHA512>, false),
    Row(CKM_SHA512_HMAC_GENERAL, "CKM_SHA512_HMAC_GENERAL", CKK_SHA512_HMAC,
        HashIsAvailable<CKM_SHA512>, true),
};

}  // namespace

absl::Span<const Mechanism> HmacRows() { return kRows; }

}  // namespace pkcs11
