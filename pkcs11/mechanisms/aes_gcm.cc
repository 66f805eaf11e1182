// AES-GCM; the tag stands behind the ciphertext. Decryption gives nothing
// before the tag has been checked, so its parts are kept until the end.
#include <openssl/params.h>

#include <climits>
#include <cstring>

#include "absl/container/inlined_vector.h"
#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/aead.h"
#include "pkcs11/mechanisms/aes.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/nonce_source.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/wrapping.h"

namespace pkcs11 {
namespace {

// OpenSSL's limit for an IV; its usual length.
constexpr size_t kMaxIv = 128;
constexpr size_t kUsualIv = 12;
constexpr size_t kMaxTag = 16;
constexpr CK_ULONG kMinTagBits = 32;

// CK_GCM_PARAMS of version 2.20 and of the headers of 2.40, without ulIvBits.
struct ShortGcmParams {
  CK_BYTE_PTR pIv;
  CK_ULONG ulIvLen;
  CK_BYTE_PTR pAAD;
  CK_ULONG ulAADLen;
  CK_ULONG ulTagBits;
};
static_assert(sizeof(ShortGcmParams) < sizeof(CK_GCM_PARAMS));

struct GcmParameters : NonceParameters<absl::InlinedVector<uint8_t, kUsualIv>> {
  Bytes aad;
  size_t tag_size;
};

absl::StatusOr<CK_GCM_PARAMS> CopyParams(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen != sizeof(ShortGcmParams)) {
    return CopyParameter<CK_GCM_PARAMS>(mechanism);
  }
  ASSIGN_OR_RETURN(const auto given, CopyParameter<ShortGcmParams>(mechanism));
  CK_GCM_PARAMS all = {};
  all.pIv = given.pIv;
  all.ulIvLen = given.ulIvLen;
  all.pAAD = given.pAAD;
  all.ulAADLen = given.ulAADLen;
  all.ulTagBits = given.ulTagBits;
  return all;
}

absl::StatusOr<std::shared_ptr<GcmParameters>> Parsed(
    const CK_GCM_PARAMS& given) {
  if (given.ulIvLen == 0 || given.ulIvLen > kMaxIv ||
      (given.ulIvBits != 0 && given.ulIvBits != 8 * given.ulIvLen)) {
    return InvalidParameter("length of the GCM IV");
  }
  if (given.ulTagBits < kMinTagBits || given.ulTagBits > 8 * kMaxTag ||
      given.ulTagBits % 8 != 0) {
    return InvalidParameter("length of the GCM tag");
  }
  auto parsed = std::make_shared<GcmParameters>();
  if (given.pIv == nullptr) return InvalidParameter("no GCM IV");
  parsed->nonce.resize(given.ulIvLen);
  std::memcpy(parsed->nonce.data(), given.pIv, given.ulIvLen);
  if (given.ulAADLen != 0) {
    ASSIGN_OR_RETURN(parsed->aad,
                     CopyBuffer(given.pAAD, given.ulAADLen, INT_MAX));
  }
  parsed->tag_size = given.ulTagBits / 8;
  return parsed;
}

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  if (mechanism.ulParameterLen != sizeof(CK_GCM_WRAP_PARAMS)) {
    ASSIGN_OR_RETURN(const CK_GCM_PARAMS given, CopyParams(mechanism));
    return Parsed(given);
  }
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_GCM_WRAP_PARAMS>(mechanism));
  CK_GCM_PARAMS usual = {};
  usual.pIv = given.pIv;
  usual.ulIvLen = given.ulIvLen;
  usual.pAAD = given.pAAD;
  usual.ulAADLen = given.ulAADLen;
  usual.ulTagBits = given.ulTagBits;
  ASSIGN_OR_RETURN(auto parsed, Parsed(usual));
  parsed->asked = {given.pIv, given.ulIvLen, given.ulIvFixedBits,
                   given.ivGenerator};
  return ParametersRef(std::move(parsed));
}

absl::Status SetIvAndAad(EVP_CIPHER_CTX* context, const GcmParameters& gcm) {
  RETURN_IF_ERROR(SetIv(context, gcm.nonce));
  if (gcm.aad.empty()) return absl::OkStatus();
  return CipherUpdate(context, gcm.aad, nullptr).status();
}

// The context of a former operation for another one: only where both have
// IVs of the usual length.
bool Restart(CipherLease& context, const Parameters* parameters,
             size_t& tag_size) {
  const auto& gcm = static_cast<const GcmParameters&>(*parameters);
  if (context.is_spoilt() || gcm.nonce.size() != kUsualIv ||
      gcm.asked.bytes != nullptr) {
    return false;
  }
  tag_size = gcm.tag_size;
  return SetIvAndAad(context.get(), gcm).ok();
}

// A context that has the IV and the additional data.
absl::StatusOr<CipherLease> Start(const Use& use, Direction direction) {
  const auto& gcm = GivenParameters<GcmParameters>(use);
  if (gcm.asked.bytes != nullptr) return OnlyForWrapping();
  ASSIGN_OR_RETURN(CipherLease context,
                   LendCipher(*use.key, AesMode::kGcm, direction));
  if (gcm.nonce.size() != kUsualIv) {
    context.Spoil();  // the next borrower expects the usual length
    if (EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN,
                            static_cast<int>(gcm.nonce.size()), nullptr) != 1) {
      return base::OpenSslError(CKR_MECHANISM_PARAM_INVALID, "GCM IV");
    }
  }
  RETURN_IF_ERROR(SetIvAndAad(context.get(), gcm));
  return context;
}

class Encrypter final : public Cipher {
 public:
  Encrypter(CipherLease context, size_t tag_size)
      : context_(std::move(context)), tag_size_(tag_size) {}

  size_t UpdateSize(size_t input) const override { return input; }
  size_t FinalSize() const override { return tag_size_; }
  size_t OneShotSize(size_t input) const override { return input + tag_size_; }

  absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan out) override {
    if (Overlap(in, ByteSpan(out)) && in.data() != out.data()) {
      const SecretBytes copy = SecretBytes::CopyOf(in);
      return CipherUpdate(context_.get(), copy.Expose(), out.data());
    }
    return CipherUpdate(context_.get(), in, out.data());
  }

  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    int size = 0;
    uint8_t nothing[kAesBlockSize];
    if (EVP_CipherFinal_ex(context_.get(), nothing, &size) != 1 || size != 0 ||
        EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG,
                            static_cast<int>(tag_size_), out.data()) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "GCM tag");
    }
    return tag_size_;
  }

  bool Rest() override { return true; }
  bool Rearm(const Parameters* parameters) override {
    return Restart(context_, parameters, tag_size_);
  }

 private:
  CipherLease context_;
  size_t tag_size_;
};

class Decrypter final : public Cipher {
 public:
  Decrypter(CipherLease context, size_t tag_size)
      : context_(std::move(context)), tag_size_(tag_size) {}

  size_t FinalSize() const override { return PlainSize(kept_.size()); }
  size_t OneShotSize(size_t input) const override { return PlainSize(input); }

  absl::StatusOr<size_t> Update(ByteSpan in, MutableByteSpan) override {
    kept_.insert(kept_.end(), in.begin(), in.end());
    return 0;
  }

  absl::StatusOr<size_t> Final(MutableByteSpan out) override {
    return Open(kept_, out);
  }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (Overlap(in, ByteSpan(out)) && in.data() != out.data()) {
      return Open(base::ToBytes(in), out);
    }
    return Open(in, out);
  }

  bool Rest() override { return kept_.empty(); }
  bool Rearm(const Parameters* parameters) override {
    return Restart(context_, parameters, tag_size_);
  }

 private:
  size_t PlainSize(size_t sealed) const {
    return sealed < tag_size_ ? 0 : sealed - tag_size_;
  }

  absl::StatusOr<size_t> Open(ByteSpan sealed, MutableByteSpan out) {
    if (sealed.size() < tag_size_) {
      return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE, "no room for the tag");
    }
    const size_t size = PlainSize(sealed.size());
    // A copy: in place, the output may lie over it.
    uint8_t tag[kMaxTag];
    std::copy_n(sealed.begin() + size, tag_size_, tag);
    if (EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG,
                            static_cast<int>(tag_size_), tag) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "GCM tag");
    }
    const auto written =
        CipherUpdate(context_.get(), sealed.subspan(0, size), out.data());
    int more = 0;
    uint8_t nothing[kAesBlockSize];
    if (!written.ok() ||
        EVP_CipherFinal_ex(context_.get(), nothing, &more) != 1) {
      base::Wipe(out.data(), size);
      base::ForgetOpenSslErrors();
      return base::Error(CKR_ENCRYPTED_DATA_INVALID, "the tag does not fit");
    }
    return size;
  }

  CipherLease context_;
  size_t tag_size_;
  Bytes kept_;
};

absl::StatusOr<std::unique_ptr<Cipher>> NewEncrypter(const Use& use) {
  ASSIGN_OR_RETURN(CipherLease context, Start(use, Direction::kEncrypt));
  return std::make_unique<Encrypter>(
      std::move(context), GivenParameters<GcmParameters>(use).tag_size);
}

absl::StatusOr<std::unique_ptr<Cipher>> NewDecrypter(const Use& use) {
  ASSIGN_OR_RETURN(CipherLease context, Start(use, Direction::kDecrypt));
  return std::make_unique<Decrypter>(
      std::move(context), GivenParameters<GcmParameters>(use).tag_size);
}

absl::StatusOr<Bytes> Wrap(const Use& use, ByteSpan plain) {
  ASSIGN_OR_RETURN(const auto own,
                   ForWrapping(GivenParameters<GcmParameters>(use), true));
  return WrapBy(NewEncrypter, Use{use.mechanism, &own, use.key, nullptr},
                plain);
}

absl::StatusOr<SecretBytes> Unwrap(const Use& use, ByteSpan wrapped) {
  ASSIGN_OR_RETURN(const auto own,
                   ForWrapping(GivenParameters<GcmParameters>(use), false));
  return UnwrapBy(NewDecrypter, Use{use.mechanism, &own, use.key, nullptr},
                  wrapped);
}

constexpr Mechanism kAesGcmRows[] = {
    {.type = CKM_AES_GCM,
     .name = "CKM_AES_GCM",
     .key_type = CKK_AES,
     .min_key = kMinAesKey,
     .max_key = kMaxAesKey,
     .available = AesIsAvailable<AesMode::kGcm>,
     .parse = Parse,
     .encrypt = NewEncrypter,
     .decrypt = NewDecrypter,
     .message_encrypt = NewMessages<CipherMode::kGcm, true>,
     .message_decrypt = NewMessages<CipherMode::kGcm, false>,
     .wrap = Wrap,
     .unwrap = Unwrap,
     .wrap_authenticated = WrapAead<CipherMode::kGcm>,
     .unwrap_authenticated = UnwrapAead<CipherMode::kGcm>},
};

}  // namespace

absl::Span<const Mechanism> AesGcmRows() { return kAesGcmRows; }

}  // namespace pkcs11
