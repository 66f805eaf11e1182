// RSAES-OAEP with any of our hashes, a label, and a mask generation function
// that may differ from the hash.
#include <openssl/rsa.h>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/families.h"
#include "pkcs11/mechanisms/key_material.h"
#include "pkcs11/mechanisms/parameters.h"
#include "pkcs11/mechanisms/wrapping.h"

namespace pkcs11 {
namespace {

constexpr size_t kMaxLabel = 1 << 20;

struct OaepParameters : Parameters {
  const Hash* hash;
  const Hash* mgf;
  Bytes label;
};

absl::StatusOr<ParametersRef> Parse(const CK_MECHANISM& mechanism) {
  ASSIGN_OR_RETURN(const auto given,
                   CopyParameter<CK_RSA_PKCS_OAEP_PARAMS>(mechanism));
  auto parsed = std::make_shared<OaepParameters>();
  parsed->hash = FindNamedHash(&Hash::digest, given.hashAlg);
  parsed->mgf = FindNamedHash(&Hash::mgf, given.mgf);
  if (parsed->hash == nullptr || parsed->mgf == nullptr) {
    return InvalidParameter("hash or mask generation function of OAEP");
  }
  // Without a label, callers leave the source 0.
  if (given.source != CKZ_DATA_SPECIFIED &&
      (given.source != 0 || given.ulSourceDataLen != 0)) {
    return InvalidParameter("OAEP source");
  }
  ASSIGN_OR_RETURN(parsed->label, CopyBuffer(given.pSourceData,
                                             given.ulSourceDataLen, kMaxLabel));
  return ParametersRef(std::move(parsed));
}

bool SetLabel(EVP_PKEY_CTX* context, const Bytes& label) {
  void* copy = OPENSSL_memdup(label.data(), label.size());
  if (copy == nullptr) return false;
  if (EVP_PKEY_CTX_set0_rsa_oaep_label(context, copy,
                                       static_cast<int>(label.size())) != 1) {
    OPENSSL_free(copy);
    return false;
  }
  return true;
}

bool SetOaep(EVP_PKEY_CTX* context, const OaepParameters& oaep) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_oaep_md(context, Md(*oaep.hash)) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, Md(*oaep.mgf)) == 1 &&
         (oaep.label.empty() || SetLabel(context, oaep.label));
}

// Labels are not cached.
absl::StatusOr<PkeyLease> LendOaep(const Use& use, int (*start)(EVP_PKEY_CTX*),
                                   bool is_encryption) {
  const auto& oaep = GivenParameters<OaepParameters>(use);
  const auto prepare = [&](EVP_PKEY_CTX* context) {
    return start(context) == 1 && SetOaep(context, oaep);
  };
  if (oaep.label.empty()) {
    const uint32_t variant = (oaep.hash->digest & 0xfff) << 9 |
                             (oaep.mgf->mgf & 0xff) << 1 | is_encryption;
    return LendPkey(*use.key, CacheKind(CKM_RSA_PKCS_OAEP, variant), prepare);
  }
  ASSIGN_OR_RETURN(auto pool, PreparePkey(*use.key, prepare));
  return PkeyLease::From(std::move(pool));
}

// Bytes that OAEP adds.
size_t Overhead(const OaepParameters& oaep) { return 2 * oaep.hash->size + 2; }

absl::Status CheckKey(const Use& use) {
  const hsm::AttributeSet& key = use.key->attributes();
  if (RsaSize(key) < Overhead(GivenParameters<OaepParameters>(use))) {
    return base::Error(CKR_KEY_SIZE_RANGE, "the key is too short for OAEP");
  }
  return absl::OkStatus();
}

class Encrypter final : public Cipher {
 public:
  Encrypter(PkeyLease key, size_t size, size_t overhead)
      : key_(std::move(key)), size_(size), overhead_(overhead) {}

  size_t OneShotSize(size_t) const override { return size_; }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() > size_ - overhead_) {
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
  const size_t overhead_;
};

class Decrypter final : public Cipher {
 public:
  Decrypter(PkeyLease key, size_t size, size_t overhead)
      : key_(std::move(key)), size_(size), overhead_(overhead) {}

  size_t OneShotSize(size_t) const override { return size_ - overhead_; }

  absl::StatusOr<size_t> OneShot(ByteSpan in, MutableByteSpan out) override {
    if (in.size() != size_) {
      return base::Error(CKR_ENCRYPTED_DATA_LEN_RANGE,
                         "length of an RSA ciphertext");
    }
    // OpenSSL wants room for a whole modulus.
    SecretBytes plain(size_);
    size_t size = plain.size();
    const bool is_done =
        EVP_PKEY_decrypt(key_.get(), plain.ExposeMutable().data(), &size,
                         in.data(), in.size()) == 1 &&
        size <= out.size();
    if (!is_done) {
      // Without OpenSSL's reason: which check failed is Manger's oracle.
      base::ForgetOpenSslErrors();
      return base::Error(CKR_ENCRYPTED_DATA_INVALID, "OAEP ciphertext");
    }
    std::copy_n(plain.Expose().begin(), size, out.begin());
    return size;
  }

 private:
  PkeyLease key_;
  const size_t size_;
  const size_t overhead_;
};

absl::StatusOr<std::unique_ptr<Cipher>> NewEncrypter(const Use& use) {
  RETURN_IF_ERROR(CheckKey(use));
  ASSIGN_OR_RETURN(PkeyLease key, LendOaep(use, EVP_PKEY_encrypt_init, true));
  return std::make_unique<Encrypter>(
      std::move(key), RsaSize(use.key->attributes()),
      Overhead(GivenParameters<OaepParameters>(use)));
}

absl::StatusOr<std::unique_ptr<Cipher>> NewDecrypter(const Use& use) {
  RETURN_IF_ERROR(CheckKey(use));
  ASSIGN_OR_RETURN(PkeyLease key, LendOaep(use, EVP_PKEY_decrypt_init, false));
  return std::make_unique<Decrypter>(
      std::move(key), RsaSize(use.key->attributes()),
      Overhead(GivenParameters<OaepParameters>(use)));
}

absl::StatusOr<Bytes> Wrap(const Use& use, ByteSpan plain) {
  return WrapBy(NewEncrypter, use, plain);
}

absl::StatusOr<SecretBytes> Unwrap(const Use& use, ByteSpan wrapped) {
  return UnwrapBy(NewDecrypter, use, wrapped);
}

// As a key encapsulation (PKCS #11 3.2, 6.1.8): the secret is random and its
// length is the template's.
absl::StatusOr<size_t> CiphertextSize(const Use& use) {
  return RsaSize(use.key->attributes());
}

absl::StatusOr<Encapsulated> Encapsulate(const Use& use, size_t size) {
  if (size == 0) return base::Error(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN");
  ASSIGN_OR_RETURN(SecretBytes secret, base::RandomSecret(size));
  ASSIGN_OR_RETURN(auto cipher, NewEncrypter(use));
  Encapsulated made{Bytes(RsaSize(use.key->attributes())), std::move(secret)};
  const auto written =
      cipher->OneShot(made.secret.Expose(), absl::MakeSpan(made.ciphertext));
  if (!written.ok()) {
    if (base::CkRv(written.status()) != CKR_DATA_LEN_RANGE) {
      return written.status();
    }
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "CKA_VALUE_LEN is more than the key encrypts");
  }
  return made;
}

absl::StatusOr<SecretBytes> Decapsulate(const Use& use, ByteSpan ciphertext,
                                        size_t size) {
  ASSIGN_OR_RETURN(auto cipher, NewDecrypter(use));
  SecretBytes secret(cipher->OneShotSize(ciphertext.size()));
  ASSIGN_OR_RETURN(const size_t written,
                   cipher->OneShot(ciphertext, secret.ExposeMutable()));
  if (written == 0 || (size != 0 && written != size)) {
    return base::Error(CKR_ENCRYPTED_DATA_INVALID, "OAEP ciphertext");
  }
  secret.Truncate(written);
  return secret;
}

constexpr Mechanism kRsaOaepRows[] = {
    {.type = CKM_RSA_PKCS_OAEP,
     .name = "CKM_RSA_PKCS_OAEP",
     .key_type = CKK_RSA,
     .min_key = kMinRsaVerifyBits,
     .max_key = kMaxRsaBits,
     .parse = Parse,
     .encrypt = NewEncrypter,
     .decrypt = NewDecrypter,
     .wraps_secrets = true,
     .wrap = Wrap,
     .unwrap = Unwrap,
     .ciphertext_size = CiphertextSize,
     .encapsulate = Encapsulate,
     .decapsulate = Decapsulate},
};

}  // namespace

absl::Span<const Mechanism> RsaOaepRows() { return kRsaOaepRows; }

}  // namespace pkcs11
