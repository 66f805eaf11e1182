// A PKCS#11 module, opened by path.
#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cryptoki.h"
#include "bench/contender.h"

namespace bench {
namespace {

constexpr char kSoPin[] = "12345678";
constexpr char kPin[] = "87654321";

void Check(CK_RV rv, const char* what) {
  if (rv != CKR_OK) Die(absl::StrCat(what, ": 0x", absl::Hex(rv)));
}

CK_FUNCTION_LIST* Load(const std::string& module) {
  void* library = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) Die(dlerror());
  auto get = reinterpret_cast<CK_C_GetFunctionList>(
      dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* list = nullptr;
  if (get == nullptr || get(&list) != CKR_OK) Die("no function list");
  return list;
}

CK_UTF8CHAR_PTR Text(const char* text) {
  return reinterpret_cast<CK_UTF8CHAR_PTR>(const_cast<char*>(text));
}

CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, const void* value, size_t size) {
  return {type, const_cast<void*>(value), static_cast<CK_ULONG>(size)};
}

template <typename T>
CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, const T& value) {
  return Attribute(type, &value, sizeof value);
}

CK_SLOT_ID InitialisedSlot(CK_FUNCTION_LIST* f) {
  CK_ULONG count = 0;
  Check(f->C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count);
  Check(f->C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  for (CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info;
    if (f->C_GetTokenInfo(slot, &info) == CKR_OK &&
        std::memcmp(info.label, "bench ", 6) == 0) {
      return slot;
    }
  }
  Die("no token called bench");
}

CK_SESSION_HANDLE LoggedIn(CK_FUNCTION_LIST* f, CK_SLOT_ID slot) {
  CK_SESSION_HANDLE session = 0;
  Check(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                         nullptr, &session),
        "C_OpenSession");
  Check(f->C_Login(session, CKU_USER, Text(kPin), sizeof kPin - 1), "C_Login");
  return session;
}

CK_OBJECT_HANDLE FindOne(CK_FUNCTION_LIST* f, CK_SESSION_HANDLE session,
                         std::vector<CK_ATTRIBUTE> pattern) {
  CK_OBJECT_HANDLE found = 0;
  CK_ULONG count = 0;
  Check(f->C_FindObjectsInit(session, pattern.data(), pattern.size()),
        "C_FindObjectsInit");
  Check(f->C_FindObjects(session, &found, 1, &count), "C_FindObjects");
  Check(f->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  if (count != 1) Die("an object is not found");
  return found;
}

void Sign(CK_FUNCTION_LIST* f, CK_SESSION_HANDLE session,
          CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, uint8_t* message,
          CK_ULONG bytes) {
  CK_MECHANISM mechanism{type, nullptr, 0};
  uint8_t signature[512];
  CK_ULONG size = sizeof signature;
  Check(f->C_SignInit(session, &mechanism, key), "C_SignInit");
  Check(f->C_Sign(session, message, bytes, signature, &size), "C_Sign");
}

// The keys of the token that all lanes use; 0 where the module makes none.
struct Keys {
  CK_OBJECT_HANDLE rsa = 0, ec = 0, ed25519 = 0, aes = 0, hmac = 0;
};

// A stored secret key of 32 bytes; `number` makes its id and value.
CK_OBJECT_HANDLE CreateSecret(CK_FUNCTION_LIST* f, CK_SESSION_HANDLE session,
                              CK_KEY_TYPE type, CK_ATTRIBUTE_TYPE usage,
                              const std::string& id) {
  const CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  const CK_BBOOL yes = CK_TRUE;
  uint8_t value[32] = {1, 2, 3};
  std::memcpy(value + 4, id.data(), std::min<size_t>(id.size(), 28));
  std::vector<CK_ATTRIBUTE> set = {
      Attribute(CKA_CLASS, secret), Attribute(CKA_KEY_TYPE, type),
      Attribute(CKA_TOKEN, yes),    Attribute(CKA_PRIVATE, yes),
      Attribute(usage, yes),        Attribute(CKA_SENSITIVE, yes),
      Attribute(CKA_VALUE, value),  Attribute(CKA_ID, id.data(), id.size())};
  CK_OBJECT_HANDLE handle = 0;
  Check(f->C_CreateObject(session, set.data(), set.size(), &handle),
        "C_CreateObject");
  return handle;
}

std::string IdOf(int number) { return absl::StrCat("object ", number); }

class ModuleLane : public Lane {
 public:
  ModuleLane(CK_FUNCTION_LIST* f, CK_SLOT_ID slot, const Keys& keys,
             int objects, std::atomic<int>& next)
      : f_(f), keys_(keys), objects_(objects), next_(next) {
    Check(f_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                            nullptr, &session_),
          "C_OpenSession");
  }
  ~ModuleLane() override { f_->C_CloseSession(session_); }

  void Run(const Workload& workload, int count) override {
    for (int i = 0; i < count; ++i) Once(workload);
  }

 private:
  void Once(const Workload& workload) {
    switch (workload.operation) {
      case Operation::kSignRsa:
        return Sign(f_, session_, CKM_SHA256_RSA_PKCS, keys_.rsa, in_.data(),
                    workload.size);
      case Operation::kSignP256:
        return Sign(f_, session_, CKM_ECDSA, keys_.ec, in_.data(),
                    workload.size);
      case Operation::kSignEd25519:
        return Sign(f_, session_, CKM_EDDSA, keys_.ed25519, in_.data(),
                    workload.size);
      case Operation::kAesGcm:
        return Encrypt(workload.size);
      case Operation::kSha256:
        return Digest(workload.size);
      case Operation::kHmacSha256:
        return Sign(f_, session_, CKM_SHA256_HMAC, keys_.hmac, in_.data(),
                    workload.size);
      case Operation::kFindId:
        return Find();
      case Operation::kCreate:
        CreateSecret(f_, session_, CKK_AES, CKA_ENCRYPT, IdOf(next_++));
    }
  }

  void Find() {
    seed_ = seed_ * 1103515245 + 12345;
    const std::string id =
        IdOf(static_cast<int>(seed_ % static_cast<uint32_t>(objects_)));
    FindOne(f_, session_, {Attribute(CKA_ID, id.data(), id.size())});
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

  CK_FUNCTION_LIST* f_;
  const Keys& keys_;
  const int objects_;
  std::atomic<int>& next_;
  CK_SESSION_HANDLE session_ = 0;
  uint32_t seed_ = 1;
  uint8_t iv_[12] = {};
  std::vector<uint8_t> in_ = std::vector<uint8_t>(kLargestInput, 7);
  std::vector<uint8_t> out_ = std::vector<uint8_t>(kLargestInput + 512);
};

class ModuleContender : public Contender {
 public:
  ModuleContender(std::string name, const std::string& module,
                  const Settings& settings)
      : name_(std::move(name)),
        objects_(settings.objects),
        next_(objects_),
        f_(Load(module)) {
    PointAtState(name_, settings);
    CK_C_INITIALIZE_ARGS threads{};
    threads.flags = CKF_OS_LOCKING_OK;
    Check(f_->C_Initialize(&threads), "C_Initialize");
    MakeToken();
    slot_ = InitialisedSlot(f_);
    session_ = LoggedIn(f_, slot_);
    MakeKeys();
    for (int i = 0; i < objects_; ++i) {
      CreateSecret(f_, session_, CKK_AES, CKA_ENCRYPT, IdOf(i));
    }
  }

  const std::string& name() const override { return name_; }

  bool Can(Operation operation) const override {
    return operation != Operation::kSignEd25519 || keys_.ed25519 != 0;
  }

  std::unique_ptr<Lane> NewLane() override {
    return std::make_unique<ModuleLane>(f_, slot_, keys_, objects_, next_);
  }

 private:
  void MakeToken() {
    CK_ULONG count = 0;
    Check(f_->C_GetSlotList(CK_FALSE, nullptr, &count), "C_GetSlotList");
    std::vector<CK_SLOT_ID> slots(count);
    Check(f_->C_GetSlotList(CK_FALSE, slots.data(), &count), "C_GetSlotList");
    char label[33];
    std::snprintf(label, sizeof label, "%-32s", "bench");
    Check(f_->C_InitToken(slots.at(0), Text(kSoPin), sizeof kSoPin - 1,
                          Text(label)),
          "C_InitToken");
    const CK_SLOT_ID slot = InitialisedSlot(f_);
    CK_SESSION_HANDLE session = 0;
    Check(f_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                            nullptr, &session),
          "C_OpenSession");
    Check(f_->C_Login(session, CKU_SO, Text(kSoPin), sizeof kSoPin - 1),
          "C_Login SO");
    Check(f_->C_InitPIN(session, Text(kPin), sizeof kPin - 1), "C_InitPIN");
    Check(f_->C_Logout(session), "C_Logout");
    Check(f_->C_CloseSession(session), "C_CloseSession");
  }

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
    keys_.aes = CreateSecret(f_, session_, CKK_AES, CKA_ENCRYPT, "aes");
    keys_.hmac =
        CreateSecret(f_, session_, CKK_GENERIC_SECRET, CKA_SIGN, "hmac");
    CK_MECHANISM_INFO info;
    if (f_->C_GetMechanismInfo(slot_, CKM_EDDSA, &info) == CKR_OK) {
      keys_.ed25519 =
          MakePair(CKM_EC_EDWARDS_KEY_PAIR_GEN,
                   {Attribute(CKA_EC_PARAMS, ed25519, sizeof ed25519),
                    Attribute(CKA_VERIFY, yes)},
                   "ed");
      // SoftHSM2 2.6 lists CKM_EDDSA and makes the key, but with the OpenSSL
      // of Debian 12 it cannot always sign with it.
      CK_MECHANISM eddsa{CKM_EDDSA, nullptr, 0};
      if (f_->C_SignInit(session_, &eddsa, keys_.ed25519) != CKR_OK) {
        std::fprintf(stderr, "%s does not sign with Ed25519\n", name_.c_str());
        keys_.ed25519 = 0;
      } else {
        uint8_t message[32] = {}, signature[64];
        CK_ULONG size = sizeof signature;
        Check(f_->C_Sign(session_, message, sizeof message, signature, &size),
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
    Check(f_->C_GenerateKeyPair(session_, &mechanism, public_template.data(),
                                public_template.size(), private_template.data(),
                                private_template.size(), &public_key,
                                &private_key),
          "C_GenerateKeyPair");
    return private_key;
  }

  const std::string name_;
  const int objects_;
  std::atomic<int> next_;
  CK_FUNCTION_LIST* f_;
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE session_ = 0;
  Keys keys_;
};

}  // namespace

void PointAtState(const std::string& name, const Settings& settings) {
  const std::string home = settings.scratch + "/" + name;
  mkdir(home.c_str(), 0700);
  const std::string file = home + ".conf";
  if (std::FILE* conf = std::fopen(file.c_str(), "w")) {
    if (name == "softhsm2") {
      std::fprintf(conf, "directories.tokendir = %s\nlog.level = ERROR\n",
                   home.c_str());
    } else {
      std::fprintf(conf,
                   "state_dir = \"%s\"\n[[hsm]]\nname = \"app\"\n"
                   "kind = \"application\"\nkdf_cost = \"%s\"\n"
                   "[[hsm.partition]]\nlabel = \"bench\"\n",
                   home.c_str(), settings.kdf_cost.c_str());
    }
    std::fclose(conf);
  }
  setenv(name == "softhsm2" ? "SOFTHSM2_CONF" : "PERIGEE_CONF", file.c_str(),
         1);
}

std::unique_ptr<Contender> NewModuleContender(const std::string& name,
                                              const std::string& module,
                                              const Settings& settings) {
  return std::make_unique<ModuleContender>(name, module, settings);
}

void StartToFirstSignature(const std::string& module) {
  CK_FUNCTION_LIST* f = Load(module);
  Check(f->C_Initialize(nullptr), "C_Initialize");
  const CK_SESSION_HANDLE session = LoggedIn(f, InitialisedSlot(f));
  const CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  uint8_t message[32] = {4, 5, 6};
  Sign(f, session, CKM_ECDSA,
       FindOne(f, session,
               {Attribute(CKA_CLASS, private_key), Attribute(CKA_ID, "ec", 2)}),
       message, sizeof message);
}

}  // namespace bench
