// RSA by PKCS #1 v1.5: signatures, encryption, and the generation of pairs.
#include <openssl/rsa.h>

#include <algorithm>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/implicit_rejection.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/pkey_sign.h"
#include "pkcs11/mechanisms/wrapping.h"

namespace pkcs11 {
namespace {

constexpr size_t kPaddingSize = 11;
constexpr uint8_t kExponent65537[] = {1, 0, 1};
// OpenSSL computes with larger ones only for small moduli.
constexpr size_t kMaxExponentSize = 8;

// What the contexts cached under a mechanism do.
enum Variant : uint32_t {
  kSign,
  kVerify,
  kEncrypt,
  kDecrypt,
  kSecret,
  kRecover
};

// --- signatures -------------------------------------------------------------

SignatureForm FormOf(const Use& use) {
  const size_t size = RsaSize(use.key->attributes());
  SignatureForm form;
  form.hash = FindHash(&Hash::rsa_pkcs, use.mechanism.type);
  form.min_data = 1;
  form.max_data = size - kPaddingSize;
  form.size = size;
  return form;
}

bool SetPadding(EVP_PKEY_CTX* context, const Hash* hash) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
         (hash == nullptr ||
          EVP_PKEY_CTX_set_signature_md(context, Md(*hash)) == 1);
}

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  const SignatureForm form = FormOf(use);
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(use.mechanism.type, kSign),
                            [&](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_sign_init(context) == 1 &&
                                     SetPadding(context, form.hash);
                            }));
  return NewPkeySigner(std::move(key), form);
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  const SignatureForm form = FormOf(use);
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(use.mechanism.type, kVerify),
                            [&](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_verify_init(context) == 1 &&
                                     SetPadding(context, form.hash);
                            }));
  return NewPkeyVerifier(std::move(key), form);
}

// What was signed. The padding is of a public value: nothing to hide.
class Recoverer final : public Cipher {
 public:
  Recoverer(PkeyLease key, size_t size) : key_(std::move(key)), size_(size) {}

  size_t OneShotSize(size_t) const override { return size_ - kPaddingSize; }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() != size_) {
      return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of a signature");
    }
    Bytes data(size_);
    size_t size = size_;
    if (EVP_PKEY_verify_recover(key_.get(), data.data(), &size, in.data(),
                                in.size()) != 1 ||
        size > out.size()) {
      base::ForgetOpenSslErrors();
      return base::Error(CKR_SIGNATURE_INVALID, "the signature does not fit");
    }
    std::copy_n(data.begin(), size, out.begin());
    return size;
  }

 private:
  PkeyLease key_;
  const size_t size_;
};

absl::StatusOr<std::unique_ptr<Cipher>> NewRecoverer(const Use& use) {
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(CKM_RSA_PKCS, kRecover),
                            [](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_verify_recover_init(context) ==
                                         1 &&
                                     SetPadding(context, nullptr);
                            }));
  return std::make_unique<Recoverer>(std::move(key),
                                     RsaSize(use.key->attributes()));
}

// --- encryption -------------------------------------------------------------

class Encrypter final : public Cipher {
 public:
  Encrypter(PkeyLease key, size_t size) : key_(std::move(key)), size_(size) {}

  size_t OneShotSize(size_t) const override { return size_; }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() + kPaddingSize > size_) {
      return base::Error(CKR_DATA_LEN_RANGE, "too long for the RSA key");
    }
    static constexpr uint8_t kNothing = 0;
    size_t size = out.size();
    if (EVP_PKEY_encrypt(key_.get(), out.data(), &size,
                         in.empty() ? &kNothing : in.data(), in.size()) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "RSA encryption");
    }
    return size;
  }

 private:
  PkeyLease key_;
  const size_t size_;
};

// Gives a message for every ciphertext of the right length; see
// implicit_rejection.h.
class Decrypter final : public Cipher {
 public:
  Decrypter(PkeyLease key, std::shared_ptr<SecretBytes> secret, size_t size)
      : key_(std::move(key)), secret_(std::move(secret)), size_(size) {}

  size_t OneShotSize(size_t) const override { return size_ - kPaddingSize; }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() != size_) {
      return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE,
                         "length of an RSA ciphertext");
    }
    SecretBytes padded(size_);
    size_t size = size_;
    if (EVP_PKEY_decrypt(key_.get(), padded.ExposeMutable().data(), &size,
                         in.data(), in.size()) != 1 ||
        size != size_) {
      // The ciphertext is not below the modulus: nothing secret in that.
      return base::OpenSslError(CKR_ENCRYPTED_DATA_INVALID, "RSA ciphertext");
    }
    return DepadPkcs1(secret_->Expose(), in, padded.Expose(), out);
  }

 private:
  PkeyLease key_;
  std::shared_ptr<SecretBytes> secret_;
  const size_t size_;
};

absl::StatusOr<std::unique_ptr<Cipher>> NewEncrypter(const Use& use) {
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(CKM_RSA_PKCS, kEncrypt),
                            [](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_encrypt_init(context) == 1 &&
                                     EVP_PKEY_CTX_set_rsa_padding(
                                         context, RSA_PKCS1_PADDING) == 1;
                            }));
  return std::make_unique<Encrypter>(std::move(key),
                                     RsaSize(use.key->attributes()));
}

absl::StatusOr<std::unique_ptr<Cipher>> NewDecrypter(const Use& use) {
  const hsm::AttributeSet& attributes = use.key->attributes();
  ASSIGN_OR_RETURN(PkeyLease key,
                   LendPkey(*use.key, CacheKind(CKM_RSA_PKCS, kDecrypt),
                            [](EVP_PKEY_CTX* context) {
                              return EVP_PKEY_decrypt_init(context) == 1 &&
                                     EVP_PKEY_CTX_set_rsa_padding(
                                         context, RSA_NO_PADDING) == 1;
                            }));
  const size_t size = RsaSize(attributes);
  ASSIGN_OR_RETURN(
      auto secret,
      Cached<SecretBytes>(
          *use.key, CacheKind(CKM_RSA_PKCS, kSecret),
          [&]() -> absl::StatusOr<std::shared_ptr<SecretBytes>> {
            return std::make_shared<SecretBytes>(RejectionSecret(
                Stripped(attributes.Value(CKA_PRIVATE_EXPONENT)), size));
          }));
  return std::make_unique<Decrypter>(std::move(key), std::move(secret), size);
}

absl::StatusOr<Bytes> Wrap(const Use& use, ByteSpan plain) {
  return WrapBy(NewEncrypter, use, plain);
}

absl::StatusOr<SecretBytes> Unwrap(const Use& use, ByteSpan wrapped) {
  return UnwrapBy(NewDecrypter, use, wrapped);
}

// --- generation -------------------------------------------------------------

absl::StatusOr<GeneratedPair> GeneratePair(
    const Use& use, const hsm::AttributeSet& public_attributes,
    const hsm::AttributeSet&) {
  const auto bits = public_attributes.Ulong(CKA_MODULUS_BITS);
  if (!bits.has_value()) {
    return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_MODULUS_BITS");
  }
  const size_t least =
      use.profile == Profile::kLegacy ? kMinRsaVerifyBits : kMinRsaBits;
  if (*bits < least || *bits > kMaxRsaBits || *bits % 64 != 0) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_MODULUS_BITS");
  }
  ByteSpan exponent = kExponent65537;
  if (public_attributes.Has(CKA_PUBLIC_EXPONENT)) {
    exponent = Stripped(public_attributes.Value(CKA_PUBLIC_EXPONENT));
  }
  // Odd and at least 65537, so of three bytes or more.
  if (exponent.size() < sizeof(kExponent65537) ||
      exponent.size() > kMaxExponentSize || exponent.back() % 2 == 0) {
    return base::Error(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_PUBLIC_EXPONENT");
  }
  return GenerateRsa(*bits, exponent);
}

constexpr Mechanism kTemplate = {
    .key_type = CKK_RSA, .min_key = kMinRsaVerifyBits, .max_key = kMaxRsaBits};

constexpr Mechanism HashRow(CK_MECHANISM_TYPE type, const char* name,
                            bool (*available)()) {
  Mechanism row = kTemplate;
  row.type = type;
  row.name = name;
  row.available = available;
  row.legacy = type == CKM_MD5_RSA_PKCS;
  row.sign = NewSigner;
  row.verify = NewVerifier;
  return row;
}

constexpr Mechanism kRsaPkcsRows[] = {
    {.type = CKM_RSA_PKCS_KEY_PAIR_GEN,
     .name = "CKM_RSA_PKCS_KEY_PAIR_GEN",
     .key_type = CKK_RSA,
     .min_key = kMinRsaVerifyBits,
     .max_key = kMaxRsaBits,
     .generate_pair = GeneratePair},
    {.type = CKM_RSA_PKCS,
     .name = "CKM_RSA_PKCS",
     .key_type = CKK_RSA,
     .min_key = kMinRsaVerifyBits,
     .max_key = kMaxRsaBits,
     .sign = NewSigner,
     .verify = NewVerifier,
     .encrypt = NewEncrypter,
     .decrypt = NewDecrypter,
     .sign_recover = NewSigner,
     .verify_recover = NewRecoverer,
     .wraps_secrets = true,
     .wrap = Wrap,
     .unwrap = Unwrap},
    HashRow(CKM_MD5_RSA_PKCS, "CKM_MD5_RSA_PKCS", HashIsAvailable<CKM_MD5>),
    HashRow(CKM_SHA1_RSA_PKCS, "CKM_SHA1_RSA_PKCS", HashIsAvailable<CKM_SHA_1>),
    HashRow(CKM_SHA3_224_RSA_PKCS, "CKM_SHA3_224_RSA_PKCS",
            HashIsAvailable<CKM_SHA3_224>),
    HashRow(CKM_SHA3_256_RSA_PKCS, "CKM_SHA3_256_RSA_PKCS",
            HashIsAvailable<CKM_SHA3_256>),
    HashRow(CKM_SHA3_384_RSA_PKCS, "CKM_SHA3_384_RSA_PKCS",
            HashIsAvailable<CKM_SHA3_384>),
    HashRow(CKM_SHA3_512_RSA_PKCS, "CKM_SHA3_512_RSA_PKCS",
            HashIsAvailable<CKM_SHA3_512>),
    HashRow(CKM_SHA224_RSA_PKCS, "CKM_SHA224_RSA_PKCS",
            HashIsAvailable<CKM_SHA224>),
    HashRow(CKM_SHA256_RSA_PKCS, "CKM_SHA256_RSA_PKCS",
            HashIsAvailable<CKM_SHA256>),
    HashRow(CKM_SHA384_RSA_PKCS, "CKM_SHA384_RSA_PKCS",
            HashIsAvailable<CKM_SHA384>),
    HashRow(CKM_SHA512_RSA_PKCS, "CKM_SHA512_RSA_PKCS",
            HashIsAvailable<CKM_SHA512>),
};

}  // namespace

absl::Span<const Mechanism> RsaPkcsRows() { return kRsaPkcsRows; }

}  // namespace pkcs11
