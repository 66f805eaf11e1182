// The same operations by OpenSSL's EVP calls: keyed contexts made beforehand,
// algorithms fetched once.
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>
#include <vector>

#include "bench/contender.h"

namespace bench {
namespace {

class RawContender : public Contender {
 public:
  RawContender() {
    sha256_ = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    rsa_ = Signing(EVP_RSA_gen(2048), sha256_);
    ec_ = Signing(EVP_EC_gen("P-256"), sha256_);
    gcm_ = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    if (!sha256_ || !gcm_) Die("OpenSSL set-up failed");
    cipher_ = EVP_CIPHER_CTX_new();
    if (EVP_EncryptInit_ex2(cipher_, gcm_, key_.data(), iv_.data(), nullptr) !=
        1) {
      Die("OpenSSL GCM set-up failed");
    }
  }

  const std::string& name() const override { return name_; }

  bool Can(Workload workload) const override {
    return workload == Workload::kSignRsa || workload == Workload::kSignP256 ||
           workload == Workload::kAesGcm;
  }

  void Run(Workload workload, int count) override {
    for (int i = 0; i < count; ++i) {
      switch (workload) {
        case Workload::kSignRsa:
          Sign(rsa_);
          break;
        case Workload::kSignP256:
          Sign(ec_);
          break;
        case Workload::kAesGcm:
          Encrypt();
          break;
        default:
          Die("raw cannot do this");
      }
    }
  }

 private:
  static EVP_PKEY_CTX* Signing(EVP_PKEY* key, EVP_MD* md) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key, nullptr);
    if (key == nullptr || EVP_PKEY_sign_init(context) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context, md) != 1) {
      Die("OpenSSL signing set-up failed");
    }
    return context;
  }

  // A digest and a signature, with a context that is ready for use.
  void Sign(EVP_PKEY_CTX* context) {
    uint8_t digest[32];
    size_t size = out_.size();
    unsigned int digest_size = sizeof digest;
    if (EVP_Digest(message_.data(), message_.size(), digest, &digest_size,
                   sha256_, nullptr) != 1 ||
        EVP_PKEY_sign(context, out_.data(), &size, digest, digest_size) != 1) {
      Die("OpenSSL signing failed");
    }
  }

  void Encrypt() {
    ++iv_[0];
    int size = 0, rest = 0;
    if (EVP_EncryptInit_ex2(cipher_, nullptr, nullptr, iv_.data(), nullptr) !=
            1 ||
        EVP_EncryptUpdate(cipher_, out_.data(), &size, block_.data(),
                          static_cast<int>(block_.size())) != 1 ||
        EVP_EncryptFinal_ex(cipher_, out_.data() + size, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_GET_TAG, 16,
                            out_.data() + 1024) != 1) {
      Die("OpenSSL GCM failed");
    }
  }

  const std::string name_ = "raw";
  EVP_PKEY_CTX* rsa_;
  EVP_PKEY_CTX* ec_;
  EVP_MD* sha256_;
  EVP_CIPHER* gcm_;
  EVP_CIPHER_CTX* cipher_;
  std::array<uint8_t, 32> key_{1, 2, 3};
  std::array<uint8_t, 12> iv_{};
  std::array<uint8_t, 32> message_{4, 5, 6};
  std::vector<uint8_t> block_ = std::vector<uint8_t>(1024, 7);
  std::vector<uint8_t> out_ = std::vector<uint8_t>(4096);
};

}  // namespace

std::unique_ptr<Contender> NewRawContender() {
  return std::make_unique<RawContender>();
}

}  // namespace bench
