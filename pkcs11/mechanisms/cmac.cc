// MACs of block ciphers: CMAC (NIST SP 800-38B; PKCS#11 3.2, 6.13.8) whole or
// truncated, and GMAC (SP 800-38D; 6.13.9); and Poly1305 (RFC 8439; 6.60),
// whose key is for one message: two tags under it tell what it is.
//
// CKM_AES_MAC and its kin are left out: of two messages with their CBC-MACs
// anybody makes a third.
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "hsm/key_protection.h"
#include "pkcs11/mechanisms/aes.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {
namespace {

// Shorter tags can be guessed.
constexpr size_t kMinTag = 4;
constexpr size_t kGmacTag = 16;
constexpr size_t kPoly1305Tag = 16;
constexpr size_t kMaxIv = 128;

struct TagParameters : Parameters {
  explicit TagParameters(size_t s) : size(s) {}
  const size_t size;
};

absl::StatusOr<ParametersRef> ParseTagSize(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto size,
                   CopyParameter<CK_MAC_GENERAL_PARAMS>(mechanism));
  const size_t block =
      mechanism.mechanism == CKM_DES3_CMAC_GENERAL ? 8 : kAesBlockSize;
  if (size < kMinTag || size > block) return InvalidParameter("length of MAC");
  return ParametersRef(std::make_shared<TagParameters>(size));
}

absl::StatusOr<ParametersRef> ParseGmacIv(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen == 0) return InvalidParameter("no IV");
  ASSIGN_OR_RETURN(Bytes iv, CopyBuffer(mechanism.pParameter,
                                        mechanism.ulParameterLen, kMaxIv));
  return ParametersRef(std::make_shared<BytesParameters>(std::move(iv)));
}

// A context of the MAC `name` over the key's cipher in this mode.
absl::StatusOr<UniqueMacCtx> NewMac(const Use& use, const char* name,
                                    CipherMode mode, ByteSpan iv) {
  const ByteSpan key = use.key->attributes().Value(CKA_VALUE);
  const EVP_CIPHER* cipher =
      CipherFor(use.key->attributes().key_type(), mode, key.size());
  if (cipher == nullptr) {
    return base::Error(CKR_KEY_SIZE_RANGE, "length of the key");
  }
  UniqueOf<EVP_MAC, EVP_MAC_free> mac(
      EVP_MAC_fetch(base::OpenSslContext(), name, nullptr));
  UniqueMacCtx context(mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac.get()));
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(
          OSSL_MAC_PARAM_CIPHER,
          const_cast<char*>(EVP_CIPHER_get0_name(cipher)), 0),
      OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
  if (!iv.empty()) {
    parameters[1] = OSSL_PARAM_construct_octet_string(
        OSSL_MAC_PARAM_IV, const_cast<uint8_t*>(iv.data()), iv.size());
  }
  if (context == nullptr ||
      EVP_MAC_init(context.get(), key.data(), key.size(), parameters) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, name);
  }
  return context;
}

absl::Status Feed(EVP_MAC_CTX* context, ByteSpan data) {
  if (data.empty()) return absl::OkStatus();
  if (EVP_MAC_update(context, data.data(), data.size()) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "MAC update");
  }
  return absl::OkStatus();
}

absl::StatusOr<HashValue> End(EVP_MAC_CTX* context) {
  HashValue tag;
  if (EVP_MAC_final(context, tag.bytes.data(), &tag.size, tag.bytes.size()) !=
      1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "MAC final");
  }
  return tag;
}

class MacSigner final : public Signer {
 public:
  MacSigner(UniqueMacCtx context, size_t size)
      : context_(std::move(context)), size_(size) {}
  size_t size() const override { return size_; }
  absl::Status Update(ByteSpan data) override {
    return Feed(context_.get(), data);
  }
  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    ASSIGN_OR_RETURN(const HashValue tag, End(context_.get()));
    std::copy_n(tag.bytes.begin(), size_, out.begin());
    return size_;
  }

 private:
  UniqueMacCtx context_;
  const size_t size_;
};

class MacVerifier final : public Verifier {
 public:
  MacVerifier(UniqueMacCtx context, size_t size)
      : context_(std::move(context)), size_(size) {}
  absl::Status Update(ByteSpan data) override {
    return Feed(context_.get(), data);
  }
  absl::Status Final(ByteSpan signature) override {
    if (signature.size() != size_) {
      return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of a MAC");
    }
    ASSIGN_OR_RETURN(const HashValue tag, End(context_.get()));
    if (!base::ConstantTimeEquals(tag.span().subspan(0, size_), signature)) {
      return base::Error(CKR_SIGNATURE_INVALID, "the MAC does not fit");
    }
    return absl::OkStatus();
  }

 private:
  UniqueMacCtx context_;
  const size_t size_;
};

template <typename T, typename Tool>
absl::StatusOr<std::unique_ptr<Tool>> NewCmac(const Use& use) {
  ASSIGN_OR_RETURN(UniqueMacCtx context,
                   NewMac(use, "CMAC", CipherMode::kCbc, {}));
  size_t size = EVP_MAC_CTX_get_mac_size(context.get());
  if (use.parameters != nullptr) {
    size = GivenParameters<TagParameters>(use).size;
  }
  return std::make_unique<T>(std::move(context), size);
}

template <typename T, typename Tool>
absl::StatusOr<std::unique_ptr<Tool>> NewGmac(const Use& use) {
  ASSIGN_OR_RETURN(UniqueMacCtx context,
                   NewMac(use, "GMAC", CipherMode::kGcm,
                          GivenParameters<BytesParameters>(use).bytes));
  return std::make_unique<T>(std::move(context), kGmacTag);
}

absl::StatusOr<UniqueMacCtx> NewPoly1305(const Use& use) {
  const ByteSpan key = use.key->attributes().Value(CKA_VALUE);
  UniqueOf<EVP_MAC, EVP_MAC_free> mac(
      EVP_MAC_fetch(base::OpenSslContext(), "POLY1305", nullptr));
  UniqueMacCtx context(mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac.get()));
  if (context == nullptr ||
      EVP_MAC_init(context.get(), key.data(), key.size(), nullptr) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "Poly1305");
  }
  return context;
}

absl::StatusOr<std::unique_ptr<Signer>> SignByPoly1305(const Use& use) {
  RETURN_IF_ERROR(CheckNamed(use));
  // What was derived or unwrapped may be another key's value, whose owner never
  // agreed.
  const hsm::AttributeSet& key = use.key->attributes();
  if (use.profile == Profile::kStrict && hsm::HidesValue(key) &&
      !key.IsTrue(CKA_LOCAL)) {
    return base::Error(CKR_KEY_FUNCTION_NOT_PERMITTED,
                       "a hidden key that was not made for Poly1305");
  }
  ASSIGN_OR_RETURN(UniqueMacCtx context, NewPoly1305(use));
  return std::make_unique<MacSigner>(std::move(context), kPoly1305Tag);
}

absl::StatusOr<std::unique_ptr<Verifier>> VerifyByPoly1305(const Use& use) {
  ASSIGN_OR_RETURN(UniqueMacCtx context, NewPoly1305(use));
  return std::make_unique<MacVerifier>(std::move(context), kPoly1305Tag);
}

template <CK_KEY_TYPE kType>
constexpr Mechanism CmacRow(CK_MECHANISM_TYPE type, const char* name,
                            bool is_general) {
  return {.type = type,
          .name = name,
          .key_type = kType,
          .also_key_type = kType == CKK_DES3
                               ? CK_KEY_TYPE{CKK_DES2}
                               : CK_KEY_TYPE{CK_UNAVAILABLE_INFORMATION},
          .min_key = kType == CKK_DES3 ? 0 : kMinAesKey,
          .max_key = kType == CKK_DES3 ? 0 : kMaxAesKey,
          .available = CipherIsAvailable < kType,
          CipherMode::kCbc,
          kType == CKK_DES3 ? size_t{24} : size_t{32} >,
          .parse = is_general ? ParseTagSize : nullptr,
          .sign = NewCmac<MacSigner, Signer>,
          .verify = NewCmac<MacVerifier, Verifier>};
}

constexpr Mechanism kCmacRows[] = {
    CmacRow<CKK_AES>(CKM_AES_CMAC, "CKM_AES_CMAC", false),
    CmacRow<CKK_AES>(CKM_AES_CMAC_GENERAL, "CKM_AES_CMAC_GENERAL", true),
    CmacRow<CKK_DES3>(CKM_DES3_CMAC, "CKM_DES3_CMAC", false),
    CmacRow<CKK_DES3>(CKM_DES3_CMAC_GENERAL, "CKM_DES3_CMAC_GENERAL", true),
    {.type = CKM_AES_GMAC,
     .name = "CKM_AES_GMAC",
     .key_type = CKK_AES,
     .min_key = kMinAesKey,
     .max_key = kMaxAesKey,
     .available = AesIsAvailable<CipherMode::kGcm>,
     .parse = ParseGmacIv,
     .sign = NewGmac<MacSigner, Signer>,
     .verify = NewGmac<MacVerifier, Verifier>},
    {.type = CKM_POLY1305,
     .name = "CKM_POLY1305",
     .key_type = CKK_POLY1305,
     .min_key = 32,
     .max_key = 32,
     .sign = SignByPoly1305,
     .verify = VerifyByPoly1305},
    {.type = CKM_POLY1305_KEY_GEN,
     .name = "CKM_POLY1305_KEY_GEN",
     .key_type = CKK_POLY1305,
     .min_key = 32,
     .max_key = 32,
     .generate = GenerateSecret},
};

}  // namespace

absl::Span<const Mechanism> CmacRows() { return kCmacRows; }

}  // namespace pkcs11
