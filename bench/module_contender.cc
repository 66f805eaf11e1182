// A PKCS#11 module as a contender.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <vector>

#include "bench/contender.h"
#include "bench/module.h"

namespace bench {
namespace {

// The keys of the token that all lanes use; 0 where the module makes none.
struct Keys {
  CK_OBJECT_HANDLE rsa = 0, ec = 0, ed25519 = 0, aes = 0, hmac = 0;
};

class ModuleLane : public Lane {
 public:
  ModuleLane(const Module& module, const Keys& keys, int objects,
             std::atomic<int>& next)
      : module_(module),
        f_(module.f()),
        keys_(keys),
        objects_(objects),
        next_(next),
        session_(module.OpenSession()) {}
  ~ModuleLane() override { f_->C_CloseSession(session_); }

  void Run(const Workload& workload, int count) override {
    for (int i = 0; i < count; ++i) Once(workload);
  }

 private:
  void Once(const Workload& workload) {
    switch (workload.operation) {
      case Operation::kSignRsa:
        return module_.Sign(session_, CKM_SHA256_RSA_PKCS, keys_.rsa,
                            in_.data(), workload.size);
      case Operation::kSignP256:
        return module_.Sign(session_, CKM_ECDSA, keys_.ec, in_.data(),
                            workload.size);
      case Operation::kSignEd25519:
        return module_.Sign(session_, CKM_EDDSA, keys_.ed25519, in_.data(),
                            workload.size);
      case Operation::kAesGcm:
        return Encrypt(workload.size);
      case Operation::kSha256:
        return Digest(workload.size);
      case Operation::kHmacSha256:
        return module_.Sign(session_, CKM_SHA256_HMAC, keys_.hmac, in_.data(),
                            workload.size);
      case Operation::kFindId:
        return Find();
      case Operation::kCreate:
        module_.CreateSecret(session_, CKK_AES, CKA_ENCRYPT, IdOf(next_++));
    }
  }

  void Find() {
    seed_ = seed_ * 1103515245 + 12345;
    module_.Find(
        session_,
        IdOf(static_cast<int>(seed_ % static_cast<uint32_t>(objects_))));
  }

  void Encrypt(size_t bytes) {
    ++iv_[0];
    CK_GCM_PARAMS parameters{iv_, sizeof iv_, 96, nullptr, 0, 128};
    CK_MECHANISM mechanism{CKM_AES_GCM, &parameters, sizeof parameters};
    CK_ULONG size = out_.size();
    Check(f_->C_EncryptInit(session_, &mechanism, keys_.aes), "C_EncryptInit");
    Check(f_->C_Encrypt(session_, in_.data(), bytes, out_.data(), &size),
          "C_Encrypt");
  }

  void Digest(size_t bytes) {
    CK_MECHANISM mechanism{CKM_SHA256, nullptr, 0};
    CK_ULONG size = out_.size();
    Check(f_->C_DigestInit(session_, &mechanism), "C_DigestInit");
    Check(f_->C_Digest(session_, in_.data(), bytes, out_.data(), &size),
          "C_Digest");
  }

  const Module& module_;
  CK_FUNCTION_LIST* f_;
  const Keys& keys_;
  const int objects_;
  std::atomic<int>& next_;
  const CK_SESSION_HANDLE session_;
  uint32_t seed_ = 1;
  uint8_t iv_[12] = {};
  std::vector<uint8_t> in_ = std::vector<uint8_t>(kLargestInput, 7);
  std::vector<uint8_t> out_ = std::vector<uint8_t>(kLargestInput + 512);
};

class ModuleContender : public Contender {
 public:
  ModuleContender(std::string name, const std::string& path,
                  const Settings& settings)
      : name_(std::move(name)),
        objects_(settings.objects),
        next_(objects_),
        module_(path, name_, settings, /*make=*/true) {
    MakeKeys();
    for (int i = 0; i < objects_; ++i) {
      module_.CreateSecret(module_.session(), CKK_AES, CKA_ENCRYPT, IdOf(i));
    }
  }

  const std::string& name() const override { return name_; }

  bool Can(Operation operation) const override {
    return operation != Operation::kSignEd25519 || keys_.ed25519 != 0;
  }

  std::unique_ptr<Lane> NewLane() override {
    return std::make_unique<ModuleLane>(module_, keys_, objects_, next_);
  }

 private:
  void MakeKeys() {
    const CK_BBOOL yes = CK_TRUE;
    const CK_ULONG bits = 2048;
    const uint8_t exponent[] = {1, 0, 1};
    const uint8_t p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    const uint8_t ed25519[] = {6, 3, 0x2b, 0x65, 0x70};  // RFC 8410
    keys_.rsa = MakePair(CKM_RSA_PKCS_KEY_PAIR_GEN,
                         {Attribute(CKA_MODULUS_BITS, bits),
                          Attribute(CKA_PUBLIC_EXPONENT, exponent, 3),
                          Attribute(CKA_VERIFY, yes)},
                         "rsa");
    keys_.ec = MakePair(CKM_EC_KEY_PAIR_GEN,
                        {Attribute(CKA_EC_PARAMS, p256, sizeof p256),
                         Attribute(CKA_VERIFY, yes)},
                        "ec");
    keys_.aes =
        module_.CreateSecret(module_.session(), CKK_AES, CKA_ENCRYPT, "aes");
    keys_.hmac = module_.CreateSecret(module_.session(), CKK_GENERIC_SECRET,
                                      CKA_SIGN, "hmac");
    CK_MECHANISM_INFO info;
    if (module_.f()->C_GetMechanismInfo(module_.slot(), CKM_EDDSA, &info) ==
        CKR_OK) {
      keys_.ed25519 =
          MakePair(CKM_EC_EDWARDS_KEY_PAIR_GEN,
                   {Attribute(CKA_EC_PARAMS, ed25519, sizeof ed25519),
                    Attribute(CKA_VERIFY, yes)},
                   "ed");
      // SoftHSM2 2.6 lists CKM_EDDSA and makes the key, but with the OpenSSL
      // of Debian 12 it cannot always sign with it.
      CK_MECHANISM eddsa{CKM_EDDSA, nullptr, 0};
      if (module_.f()->C_SignInit(module_.session(), &eddsa, keys_.ed25519) !=
          CKR_OK) {
        std::fprintf(stderr, "%s does not sign with Ed25519\n", name_.c_str());
        keys_.ed25519 = 0;
      } else {
        uint8_t message[32] = {}, signature[64];
        CK_ULONG size = sizeof signature;
        Check(module_.f()->C_Sign(module_.session(), message, sizeof message,
                                  signature, &size),
              "C_Sign Ed25519");
      }
    }
  }

  CK_OBJECT_HANDLE MakePair(CK_MECHANISM_TYPE type,
                            std::vector<CK_ATTRIBUTE> public_template,
                            const char* id) {
    const CK_BBOOL yes = CK_TRUE;
    std::vector<CK_ATTRIBUTE> private_template = {
        Attribute(CKA_TOKEN, yes), Attribute(CKA_PRIVATE, yes),
        Attribute(CKA_SENSITIVE, yes), Attribute(CKA_SIGN, yes),
        Attribute(CKA_ID, id, std::strlen(id))};
    CK_MECHANISM mechanism{type, nullptr, 0};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    Check(module_.f()->C_GenerateKeyPair(
              module_.session(), &mechanism, public_template.data(),
              public_template.size(), private_template.data(),
              private_template.size(), &public_key, &private_key),
          "C_GenerateKeyPair");
    return private_key;
  }

  const std::string name_;
  const int objects_;
  std::atomic<int> next_;
  const Module module_;
  Keys keys_;
};

}  // namespace

std::unique_ptr<Contender> NewModuleContender(const std::string& name,
                                              const std::string& module,
                                              const Settings& settings) {
  return std::make_unique<ModuleContender>(name, module, settings);
}

void StartToFirstSignature(const std::string& name, const std::string& path,
                           const Settings& settings) {
  const Module module(path, name, settings, /*make=*/false);
  const CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  uint8_t message[32] = {4, 5, 6};
  module.Sign(module.session(), CKM_ECDSA,
              module.Find(module.session(), {Attribute(CKA_CLASS, private_key),
                                             Attribute(CKA_ID, "ec", 2)}),
              message, sizeof message);
}

}  // namespace bench
