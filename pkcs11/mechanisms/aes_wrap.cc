// AES key wrap: RFC 3394 (CKM_AES_KEY_WRAP), the same after the padding of
// PKCS #7 (..._PKCS7), and RFC 5649 (..._KWP), each with its own default or an
// initial value that the application gives. One-shot.
//
// CKM_AES_KEY_WRAP_PAD, of which PKCS#11 3.2 (6.16.3) no longer says what it
// is, is RFC 5649 as in SoftHSM; other implementations pad as PKCS #7 does.
#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/aes.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/wrapping.h"

namespace pkcs11 {
namespace {

constexpr size_t kUnit = 8;
// OpenSSL's limit for one message.
constexpr size_t kMaxPlain = size_t{1} << 30;

// What differs between the two.
struct Form {
  AesMode mode;
  size_t iv_size;
  uint8_t default_iv[8];
  size_t min_plain;
  size_t min_wrapped;
  bool is_padded;
  bool by_pkcs7;  // here, before OpenSSL sees it
};
constexpr Form kKw = {
    AesMode::kWrap, 8,         {0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6},
    2 * kUnit,      3 * kUnit, false,
    false};
// What is padded has two units at least.
constexpr Form kPkcs7 = {AesMode::kWrap,
                         8,
                         {0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6},
                         kUnit,
                         3 * kUnit,
                         true,
                         true};
constexpr Form kKwp = {
    AesMode::kWrapPad, 4, {0xa6, 0x59, 0x59, 0xa6}, 1, 2 * kUnit, true, false};

const Form& FormOf(CK_MECHANISM_TYPE type) {
  if (type == CKM_AES_KEY_WRAP_PKCS7) return kPkcs7;
  return type == CKM_AES_KEY_WRAP ? kKw : kKwp;
}

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  const Form& form = FormOf(mechanism.mechanism);
  if (mechanism.pParameter == nullptr && mechanism.ulParameterLen == 0) {
    return ParametersRef(std::make_shared<BytesParameters>(
        Bytes(form.default_iv, form.default_iv + form.iv_size)));
  }
  if (mechanism.ulParameterLen != form.iv_size) {
    return InvalidParameter("length of the initial value");
  }
  ASSIGN_OR_RETURN(
      Bytes iv,
      CopyBuffer(mechanism.pParameter, mechanism.ulParameterLen, form.iv_size));
  // What KW wraps under this, KWP would unwrap, and whether it does tells of
  // the last bytes.
  if (iv.size() > kKwp.iv_size &&
      std::equal(kKwp.default_iv, kKwp.default_iv + kKwp.iv_size, iv.begin())) {
    return InvalidParameter("the initial value of AES-KWP");
  }
  return ParametersRef(std::make_shared<BytesParameters>(std::move(iv)));
}

size_t RoundedUp(size_t size) { return (size + kUnit - 1) / kUnit * kUnit; }

// A byte at least, each says how many.
SecretBytes WithPkcs7(ByteSpan in) {
  SecretBytes out(RoundedUp(in.size() + 1));
  const MutableByteSpan bytes = out.ExposeMutable();
  std::copy(in.begin(), in.end(), bytes.begin());
  std::fill(bytes.begin() + in.size(), bytes.end(),
            static_cast<uint8_t>(bytes.size() - in.size()));
  return out;
}

// Bytes before the padding; 0 if that is wrong. Key wrap has authenticated
// `plain`, so no secret can be asked for in this way.
size_t WithoutPkcs7(ByteSpan plain) {
  const size_t padding = plain.back();
  if (padding == 0 || padding > kUnit) return 0;
  const ByteSpan tail = plain.subspan(plain.size() - padding);
  const bool is_right = std::all_of(
      tail.begin(), tail.end(), [&](uint8_t byte) { return byte == padding; });
  return is_right ? plain.size() - padding : 0;
}

class Wrapper final : public Cipher {
 public:
  Wrapper(UniqueCipherCtx context, const Form& form)
      : context_(std::move(context)), form_(form) {}

  size_t OneShotSize(size_t input) const override {
    return RoundedUp(input + (form_.by_pkcs7 ? 1 : 0)) + kUnit;
  }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() < form_.min_plain || in.size() > kMaxPlain ||
        (!form_.is_padded && in.size() % kUnit != 0)) {
      return base::Error(CKR_DATA_LEN_RANGE, "length of what is wrapped");
    }
    int size = 0;
    const SecretBytes copy =  // it may overlap
        form_.by_pkcs7 ? WithPkcs7(in) : SecretBytes::CopyOf(in);
    if (EVP_CipherUpdate(context_.get(), out.data(), &size,
                         copy.Expose().data(),
                         static_cast<int>(copy.size())) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "AES key wrap");
    }
    return size;
  }

 private:
  UniqueCipherCtx context_;
  const Form& form_;
};

class Unwrapper final : public Cipher {
 public:
  Unwrapper(UniqueCipherCtx context, const Form& form)
      : context_(std::move(context)), form_(form) {}

  size_t OneShotSize(size_t input) const override {
    return input < kUnit ? 0 : input - kUnit;
  }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() < form_.min_wrapped || in.size() > kMaxPlain ||
        in.size() % kUnit != 0) {
      return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE,
                         "length of what is unwrapped");
    }
    int size = 0;
    // OpenSSL works in the output before it knows whether it fits.
    SecretBytes plain(in.size());
    if (EVP_CipherUpdate(context_.get(), plain.ExposeMutable().data(), &size,
                         in.data(), static_cast<int>(in.size())) != 1 ||
        size <= 0) {
      base::ForgetOpenSslErrors();
      return base::Error(CKR_ENCRYPTED_DATA_INVALID, "AES key wrap");
    }
    size_t kept = static_cast<size_t>(size);
    if (form_.by_pkcs7) {
      kept = WithoutPkcs7(plain.Expose().subspan(0, kept));
      if (kept == 0) return base::Error(CKR_ENCRYPTED_DATA_INVALID, "padding");
    }
    std::copy_n(plain.Expose().begin(), kept, out.begin());
    return kept;
  }

 private:
  UniqueCipherCtx context_;
  const Form& form_;
};

template <typename T>
absl::StatusOr<std::unique_ptr<Cipher>> New(const Use& use,
                                            Direction direction) {
  const Form& form = FormOf(use.mechanism.type);
  ASSIGN_OR_RETURN(UniqueCipherCtx context,
                   NewCipherContext(*use.key, form.mode, direction));
  RETURN_IF_ERROR(
      SetIv(context.get(), GivenParameters<BytesParameters>(use).bytes));
  return std::make_unique<T>(std::move(context), form);
}

absl::StatusOr<std::unique_ptr<Cipher>> NewWrapper(const Use& use) {
  return New<Wrapper>(use, Direction::kEncrypt);
}

absl::StatusOr<std::unique_ptr<Cipher>> NewUnwrapper(const Use& use) {
  return New<Unwrapper>(use, Direction::kDecrypt);
}

absl::StatusOr<Bytes> Wrap(const Use& use, ByteSpan plain) {
  return WrapBy(NewWrapper, use, plain);
}

absl::StatusOr<SecretBytes> Unwrap(const Use& use, ByteSpan wrapped) {
  return UnwrapBy(NewUnwrapper, use, wrapped);
}

template <AesMode kMode>
constexpr Mechanism Row(CK_MECHANISM_TYPE type, const char* name) {
  return {.type = type,
          .name = name,
          .key_type = CKK_AES,
          .min_key = kMinAesKey,
          .max_key = kMaxAesKey,
          .available = AesIsAvailable<kMode>,
          .parse = Parse,
          .encrypt = NewWrapper,
          .decrypt = NewUnwrapper,
          .wraps_secrets = true,
          .wrap = Wrap,
          .unwrap = Unwrap};
}

constexpr Mechanism kAesWrapRows[] = {
    Row<AesMode::kWrap>(CKM_AES_KEY_WRAP, "CKM_AES_KEY_WRAP"),
    Row<AesMode::kWrap>(CKM_AES_KEY_WRAP_PKCS7, "CKM_AES_KEY_WRAP_PKCS7"),
    Row<AesMode::kWrapPad>(CKM_AES_KEY_WRAP_KWP, "CKM_AES_KEY_WRAP_KWP"),
    Row<AesMode::kWrapPad>(CKM_AES_KEY_WRAP_PAD, "CKM_AES_KEY_WRAP_PAD"),
};

}  // namespace

absl::Span<const Mechanism> AesWrapRows() { return kAesWrapRows; }

}  // namespace pkcs11
