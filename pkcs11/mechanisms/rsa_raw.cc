// CKM_RSA_X_509: the bare function, without any padding, and CKM_RSA_9796,
// which is not far from it. What they give with a private key answers questions
// about every padding, so a key whose value is secret does them only where its
// CKA_ALLOWED_MECHANISMS names them.
#include <openssl/rsa.h>

#include <algorithm>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/iso9796.h"
#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {
namespace {

enum Variant : uint32_t { kPrivate, kPublic };

// The function of either half. In and out are numbers of the modulus' length.
class RawRsa {
 public:
  static absl::StatusOr<RawRsa> New(const Use& use, bool is_private) {
    const hsm::AttributeSet& key = use.key->attributes();
    if (is_private) RETURN_IF_ERROR(CheckNamed(use));
    const auto start =
        is_private ? EVP_PKEY_decrypt_init : EVP_PKEY_encrypt_init;
    ASSIGN_OR_RETURN(
        PkeyLease lease,
        LendPkey(
            *use.key, CacheKind(CKM_RSA_X_509, is_private ? kPrivate : kPublic),
            [&](EVP_PKEY_CTX* context) {
              return start(context) == 1 &&
                     EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1;
            }));
    return RawRsa(std::move(lease), RsaSize(key), is_private);
  }

  size_t size() const { return size_; }

  // `too_long` and `too_large` are what the caller's function calls these.
  absl::StatusOr<size_t> Run(ByteSpan in, MutableByteSpan out, CK_RV too_long,
                             CK_RV too_large) {
    if (in.empty() || in.size() > size_) {
      return base::Error(too_long, "length of a number");
    }
    SecretBytes number(size_);
    std::copy(in.begin(), in.end(), number.ExposeMutable().end() - in.size());
    SecretBytes result(size_);
    const auto run = is_private_ ? EVP_PKEY_decrypt : EVP_PKEY_encrypt;
    size_t size = size_;
    if (run(lease_.get(), result.ExposeMutable().data(), &size,
            number.Expose().data(), size_) != 1 ||
        size != size_) {
      base::ForgetOpenSslErrors();
      return base::Error(too_large, "a number not below the modulus");
    }
    std::copy_n(result.Expose().begin(), size_, out.begin());
    return size_;
  }

 private:
  RawRsa(PkeyLease lease, size_t size, bool is_private)
      : lease_(std::move(lease)), size_(size), is_private_(is_private) {}
  PkeyLease lease_;
  size_t size_;
  bool is_private_;
};

class RawSigner final : public Signer {
 public:
  explicit RawSigner(RawRsa rsa) : rsa_(std::move(rsa)) {}
  size_t size() const override { return rsa_.size(); }
  absl::StatusOr<size_t> Sign(ByteSpan data, MutableByteSpan out) override {
    return rsa_.Run(data, out, CKR_DATA_LEN_RANGE, CKR_DATA_INVALID);
  }

 private:
  RawRsa rsa_;
};

class RawVerifier final : public Verifier {
 public:
  explicit RawVerifier(RawRsa rsa) : rsa_(std::move(rsa)) {}
  absl::Status Verify(ByteSpan data, ByteSpan signature) override {
    if (signature.size() != rsa_.size()) {
      return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of a signature");
    }
    if (data.size() > rsa_.size()) {
      return base::Error(CKR_DATA_LEN_RANGE, "length of a number");
    }
    Bytes found(rsa_.size());
    RETURN_IF_ERROR(rsa_.Run(signature, absl::MakeSpan(found),
                             CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID)
                        .status());
    if (!base::SameBytes(Stripped(found), Stripped(data))) {
      return base::Error(CKR_SIGNATURE_INVALID, "the signature does not fit");
    }
    return absl::OkStatus();
  }

 private:
  RawRsa rsa_;
};

// Encryption, decryption, and what is in a signature.
class RawCipher final : public Cipher {
 public:
  RawCipher(RawRsa rsa, CK_RV too_long, CK_RV too_large, bool whole)
      : rsa_(std::move(rsa)),
        too_long_(too_long),
        too_large_(too_large),
        whole_(whole) {}
  size_t OneShotSize(size_t) const override { return rsa_.size(); }
  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (whole_ && in.size() != rsa_.size()) {
      return base::Error(too_long_, "length of a number");
    }
    return rsa_.Run(in, out, too_long_, too_large_);
  }

 private:
  RawRsa rsa_;
  const CK_RV too_long_;
  const CK_RV too_large_;
  const bool whole_;
};

absl::StatusOr<std::unique_ptr<Signer>> NewSigner(const Use& use) {
  ASSIGN_OR_RETURN(RawRsa rsa, RawRsa::New(use, /*is_private=*/true));
  return std::make_unique<RawSigner>(std::move(rsa));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewVerifier(const Use& use) {
  ASSIGN_OR_RETURN(RawRsa rsa, RawRsa::New(use, /*is_private=*/false));
  return std::make_unique<RawVerifier>(std::move(rsa));
}

absl::StatusOr<std::unique_ptr<Cipher>> NewEncrypter(const Use& use) {
  ASSIGN_OR_RETURN(RawRsa rsa, RawRsa::New(use, /*is_private=*/false));
  return std::make_unique<RawCipher>(std::move(rsa), CKR_DATA_LEN_RANGE,
                                     CKR_DATA_INVALID, /*whole=*/false);
}

absl::StatusOr<std::unique_ptr<Cipher>> NewDecrypter(const Use& use) {
  ASSIGN_OR_RETURN(RawRsa rsa, RawRsa::New(use, /*is_private=*/true));
  return std::make_unique<RawCipher>(
      std::move(rsa), CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID,
      /*whole=*/true);
}

absl::StatusOr<std::unique_ptr<Cipher>> NewRecoverer(const Use& use) {
  ASSIGN_OR_RETURN(RawRsa rsa, RawRsa::New(use, /*is_private=*/false));
  return std::make_unique<RawCipher>(std::move(rsa), CKR_SIGNATURE_LEN_RANGE,
                                     CKR_SIGNATURE_INVALID, /*whole=*/true);
}

// --- ISO 9796 ----------------------------------------------------------------

struct IsoKey {
  RawRsa rsa;
  Bytes modulus;
  size_t bits;
};

absl::StatusOr<IsoKey> NewIsoKey(const Use& use, bool is_private) {
  const hsm::AttributeSet& key = use.key->attributes();
  ASSIGN_OR_RETURN(RawRsa rsa, RawRsa::New(use, is_private));
  return IsoKey{std::move(rsa), base::ToBytes(Stripped(key.Value(CKA_MODULUS))),
                KeySizeOf(key)};
}

// The message in a signature. CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID.
absl::StatusOr<Bytes> Recover(IsoKey& key, ByteSpan signature) {
  if (signature.size() != key.rsa.size()) {
    return base::Error(CKR_SIGNATURE_LEN_RANGE, "length of a signature");
  }
  Bytes found(key.rsa.size());
  RETURN_IF_ERROR(key.rsa
                      .Run(signature, absl::MakeSpan(found),
                           CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID)
                      .status());
  // The signature is the smaller of a root and its complement.
  if (found.back() % 16 != 6) found = Iso9796Complement(key.modulus, found);
  const auto message = Iso9796Decode(found, key.bits);
  if (!message.has_value()) {
    return base::Error(CKR_SIGNATURE_INVALID, "the signature does not fit");
  }
  return *message;
}

class IsoSigner final : public Signer {
 public:
  explicit IsoSigner(IsoKey key) : key_(std::move(key)) {}
  size_t size() const override { return key_.rsa.size(); }
  absl::StatusOr<size_t> Sign(ByteSpan data, MutableByteSpan out) override {
    if (data.empty() || data.size() > Iso9796MaxMessage(key_.bits)) {
      return base::Error(CKR_DATA_LEN_RANGE, "length of what is signed");
    }
    ASSIGN_OR_RETURN(const size_t size,
                     key_.rsa.Run(Iso9796Encode(data, 0, key_.bits), out,
                                  CKR_DATA_LEN_RANGE, CKR_DATA_INVALID));
    const Bytes other = Iso9796Complement(key_.modulus, out.subspan(0, size));
    if (std::lexicographical_compare(other.begin(), other.end(), out.begin(),
                                     out.begin() + size)) {
      std::copy(other.begin(), other.end(), out.begin());
    }
    return size;
  }

 private:
  IsoKey key_;
};

class IsoVerifier final : public Verifier {
 public:
  explicit IsoVerifier(IsoKey key) : key_(std::move(key)) {}
  absl::Status Verify(ByteSpan data, ByteSpan signature) override {
    ASSIGN_OR_RETURN(const Bytes message, Recover(key_, signature));
    if (!base::SameBytes(message, data)) {
      return base::Error(CKR_SIGNATURE_INVALID, "the signature does not fit");
    }
    return absl::OkStatus();
  }

 private:
  IsoKey key_;
};

class IsoRecoverer final : public Cipher {
 public:
  explicit IsoRecoverer(IsoKey key) : key_(std::move(key)) {}
  size_t OneShotSize(size_t) const override {
    return Iso9796MaxMessage(key_.bits);
  }
  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    ASSIGN_OR_RETURN(const Bytes message, Recover(key_, in));
    std::copy(message.begin(), message.end(), out.begin());
    return message.size();
  }

 private:
  IsoKey key_;
};

absl::StatusOr<std::unique_ptr<Signer>> NewIsoSigner(const Use& use) {
  ASSIGN_OR_RETURN(IsoKey key, NewIsoKey(use, /*is_private=*/true));
  return std::make_unique<IsoSigner>(std::move(key));
}

absl::StatusOr<std::unique_ptr<Verifier>> NewIsoVerifier(const Use& use) {
  ASSIGN_OR_RETURN(IsoKey key, NewIsoKey(use, /*is_private=*/false));
  return std::make_unique<IsoVerifier>(std::move(key));
}

absl::StatusOr<std::unique_ptr<Cipher>> NewIsoRecoverer(const Use& use) {
  ASSIGN_OR_RETURN(IsoKey key, NewIsoKey(use, /*is_private=*/false));
  return std::make_unique<IsoRecoverer>(std::move(key));
}

// Not for wrapping: a key under it is protected by nothing.
constexpr Mechanism kRsaRawRows[] = {{.type = CKM_RSA_X_509,
                                      .name = "CKM_RSA_X_509",
                                      .key_type = CKK_RSA,
                                      .min_key = kMinRsaVerifyBits,
                                      .max_key = kMaxRsaBits,
                                      .sign = NewSigner,
                                      .verify = NewVerifier,
                                      .encrypt = NewEncrypter,
                                      .decrypt = NewDecrypter,
                                      .sign_recover = NewSigner,
                                      .verify_recover = NewRecoverer},
                                     {.type = CKM_RSA_9796,
                                      .name = "CKM_RSA_9796",
                                      .key_type = CKK_RSA,
                                      .min_key = kMinRsaVerifyBits,
                                      .max_key = kMaxRsaBits,
                                      .sign = NewIsoSigner,
                                      .verify = NewIsoVerifier,
                                      .sign_recover = NewIsoSigner,
                                      .verify_recover = NewIsoRecoverer}};

}  // namespace

absl::Span<const Mechanism> RsaRawRows() { return kRsaRawRows; }

}  // namespace pkcs11
