// The same operations by OpenSSL's EVP calls: algorithms fetched once, keyed
// signing contexts made beforehand. A cipher or MAC context is reused, but its
// key (and IV) are set anew for each operation, as a C_*Init does.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <array>
#include <vector>

#include "bench/contender.h"

namespace bench {
namespace {

void Check(bool ok, const char* what) {
  if (!ok) Die(std::string("OpenSSL failed: ") + what);
}

// Shared by all lanes; nothing here changes.
struct Algorithms {
  EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_CIPHER* gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_PKEY* rsa = EVP_RSA_gen(2048);
  EVP_PKEY* ec = EVP_EC_gen("P-256");
  EVP_PKEY* ed25519 = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
};

EVP_PKEY_CTX* Signing(EVP_PKEY* key, EVP_MD* md) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key, nullptr);
  Check(EVP_PKEY_sign_init(context) == 1, "sign_init");
  if (md != nullptr) {
    Check(EVP_PKEY_CTX_set_signature_md(context, md) == 1, "signature_md");
  }
  return context;
}

class RawLane : public Lane {
 public:
  explicit RawLane(const Algorithms& algorithms)
      : a_(algorithms),
        rsa_(Signing(a_.rsa, a_.sha256)),
        ec_(Signing(a_.ec, nullptr)),
        hmac_(EVP_MAC_CTX_new(a_.hmac)) {
    Check(
        EVP_CipherInit_ex2(cipher_, a_.gcm, nullptr, nullptr, 1, nullptr) == 1,
        "GCM");
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    Check(EVP_MAC_init(hmac_, key_.data(), key_.size(), params) == 1, "HMAC");
  }

  ~RawLane() override {
    EVP_PKEY_CTX_free(rsa_);
    EVP_PKEY_CTX_free(ec_);
    EVP_CIPHER_CTX_free(cipher_);
    EVP_MD_CTX_free(digest_);
    EVP_MD_CTX_free(ed25519_);
    EVP_MAC_CTX_free(hmac_);
  }

  void Run(const Workload& workload, int count) override {
    for (int i = 0; i < count; ++i) Once(workload);
  }

 private:
  void Once(const Workload& workload) {
    switch (workload.operation) {
      case Operation::kSignRsa:
        return SignRsa();
      case Operation::kSignP256:
        return SignEc();
      case Operation::kSignEd25519:
        return SignEd25519();
      case Operation::kAesGcm:
        return Encrypt(workload.size);
      case Operation::kSha256:
        return Digest(workload.size);
      case Operation::kHmacSha256:
        return Mac(workload.size);
      case Operation::kFindId:
      case Operation::kCreate:
        Die("raw OpenSSL stores nothing");
    }
  }

  void SignRsa() {
    uint8_t digest[32];
    size_t size = out_.size();
    unsigned int digest_size = sizeof digest;
    Check(EVP_Digest(in_.data(), 32, digest, &digest_size, a_.sha256,
                     nullptr) == 1 &&
              EVP_PKEY_sign(rsa_, out_.data(), &size, digest, digest_size) == 1,
          "RSA signature");
  }

  void SignEc() {
    size_t size = out_.size();
    Check(EVP_PKEY_sign(ec_, out_.data(), &size, in_.data(), 32) == 1,
          "EC signature");
  }

  void SignEd25519() {
    size_t size = out_.size();
    Check(EVP_DigestSignInit(ed25519_, nullptr, nullptr, nullptr, a_.ed25519) ==
                  1 &&
              EVP_DigestSign(ed25519_, out_.data(), &size, in_.data(), 32) == 1,
          "Ed25519 signature");
  }

  void Encrypt(size_t bytes) {
    ++iv_[0];
    int size = 0, rest = 0;
    Check(EVP_EncryptInit_ex2(cipher_, nullptr, key_.data(), iv_.data(),
                              nullptr) == 1 &&
              EVP_EncryptUpdate(cipher_, out_.data(), &size, in_.data(),
                                static_cast<int>(bytes)) == 1 &&
              EVP_EncryptFinal_ex(cipher_, out_.data() + size, &rest) == 1 &&
              EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_GET_TAG, 16,
                                  out_.data() + bytes) == 1,
          "GCM");
  }

  void Digest(size_t bytes) {
    unsigned int size = 0;
    Check(EVP_DigestInit_ex2(digest_, a_.sha256, nullptr) == 1 &&
              EVP_DigestUpdate(digest_, in_.data(), bytes) == 1 &&
              EVP_DigestFinal_ex(digest_, out_.data(), &size) == 1,
          "SHA-256");
  }

  void Mac(size_t bytes) {
    size_t size = 0;
    Check(EVP_MAC_init(hmac_, key_.data(), key_.size(), nullptr) == 1 &&
              EVP_MAC_update(hmac_, in_.data(), bytes) == 1 &&
              EVP_MAC_final(hmac_, out_.data(), &size, out_.size()) == 1,
          "HMAC");
  }

  const Algorithms& a_;
  EVP_PKEY_CTX* rsa_;
  EVP_PKEY_CTX* ec_;
  EVP_CIPHER_CTX* cipher_ = EVP_CIPHER_CTX_new();
  EVP_MD_CTX* digest_ = EVP_MD_CTX_new();
  EVP_MD_CTX* ed25519_ = EVP_MD_CTX_new();
  EVP_MAC_CTX* hmac_;
  std::array<uint8_t, 32> key_{1, 2, 3};
  std::array<uint8_t, 12> iv_{};
  std::vector<uint8_t> in_ = std::vector<uint8_t>(kLargestInput, 7);
  std::vector<uint8_t> out_ = std::vector<uint8_t>(kLargestInput + 512);
};

class RawContender : public Contender {
 public:
  const std::string& name() const override { return name_; }
  bool Can(Operation operation) const override {
    return operation != Operation::kFindId && operation != Operation::kCreate;
  }
  std::unique_ptr<Lane> NewLane() override {
    return std::make_unique<RawLane>(algorithms_);
  }

 private:
  const std::string name_ = "raw";
  const Algorithms algorithms_;
};

}  // namespace

std::unique_ptr<Contender> NewRawContender() {
  return std::make_unique<RawContender>();
}

}  // namespace bench
