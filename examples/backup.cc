// Makes a key, backs it up to the Backup HSM, loses it and restores it.
//
//   c++ -std=c++17 -I/usr/include/nss -I/usr/include/nspr backup.cc -ldl
//   SO_PIN=... USER_PIN=... DOMAIN=... ./a.out MODULE
//
// As backup.c, with errors as exceptions and sessions as objects. A partition
// (slot 0) or Backup HSM (slot 1) that is new is initialised first. README.md
// tells the rest.
#include <dlfcn.h>
#include <pkcs11.h>
// After <pkcs11.h>, which it needs.
#include <perigee/luna_ca.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>

namespace {

constexpr CK_SLOT_ID kPartition = 0, kBackupHsm = 1;
constexpr CK_FLAGS kReadWrite = CKF_SERIAL_SESSION | CKF_RW_SESSION;
using Signature = std::array<CK_BYTE, 64>;

struct Error : std::runtime_error {
  Error(const char* call, CK_RV rv) : runtime_error(Text(call, rv)) {}
  static std::string Text(const char* call, CK_RV rv) {
    char text[96];
    snprintf(text, sizeof text, "%s failed: 0x%08lx", call, rv);
    return text;
  }
};

void Check(CK_RV rv, const char* call) {
  if (rv != CKR_OK) throw Error(call, rv);
}

// A password or the domain; it stays where the environment has it.
struct Secret {
  explicit Secret(const char* name)
      : bytes(reinterpret_cast<CK_UTF8CHAR_PTR>(std::getenv(name))),
        size(bytes == nullptr ? 0
                              : std::strlen(reinterpret_cast<char*>(bytes))) {
    if (size == 0) throw std::runtime_error(std::string("set ") + name);
  }
  CK_UTF8CHAR_PTR bytes;
  CK_ULONG size;
};

struct Secrets {
  Secret so_pin{"SO_PIN"}, user_pin{"USER_PIN"}, domain{"DOMAIN"};
};

// The library, from C_Initialize to C_Finalize.
class Module {
 public:
  explicit Module(const char* path) {
    void* const module = dlopen(path, RTLD_NOW);
    if (module == nullptr) throw std::runtime_error(dlerror());
    const auto standard = reinterpret_cast<CK_C_GetFunctionList>(
        dlsym(module, "C_GetFunctionList"));
    const auto vendor = reinterpret_cast<CK_CA_GetFunctionList>(
        dlsym(module, "CA_GetFunctionList"));
    if (standard == nullptr || vendor == nullptr) {
      throw std::runtime_error("no C_ and CA_ functions in the module");
    }
    Check(standard(&c), "C_GetFunctionList");
    Check(vendor(&ca), "CA_GetFunctionList");
    Check(c->C_Initialize(nullptr), "C_Initialize");
  }
  ~Module() { c->C_Finalize(nullptr); }
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  CK_FUNCTION_LIST_PTR c = nullptr;
  CK_SFNT_CA_FUNCTION_LIST_PTR ca = nullptr;
};

struct KeyPair {
  CK_OBJECT_HANDLE public_key, private_key;
};

// A session that somebody is logged in to; closed at the end.
class Session {
 public:
  Session(const Module& module, CK_SLOT_ID slot, CK_USER_TYPE user,
          const Secret& pin)
      : module_(module) {
    Check(module.c->C_OpenSession(slot, kReadWrite, nullptr, nullptr, &handle),
          "C_OpenSession");
    Login(user, pin);
  }
  // In a partition of the Backup HSM, which has no slot.
  Session(const Module& module, CK_ULONG container, const Secret& pin)
      : module_(module) {
    Check(module.ca->CA_OpenSession(kBackupHsm, container, kReadWrite, nullptr,
                                    nullptr, &handle),
          "CA_OpenSession");
    Login(CKU_USER, pin);
  }
  ~Session() { module_.c->C_CloseSession(handle); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  KeyPair MakeKey() const {
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48,
                      0xce, 0x3d, 0x03, 0x01, 0x07};
    char label[] = "example";
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE for_public[] = {{CKA_EC_PARAMS, p256, sizeof p256},
                                 {CKA_VERIFY, &yes, sizeof yes},
                                 {CKA_TOKEN, &yes, sizeof yes},
                                 {CKA_LABEL, label, sizeof label - 1}};
    CK_ATTRIBUTE for_private[] = {{CKA_SIGN, &yes, sizeof yes},
                                  {CKA_TOKEN, &yes, sizeof yes},
                                  {CKA_LABEL, label, sizeof label - 1}};
    CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    KeyPair pair{};
    Check(module_.c->C_GenerateKeyPair(handle, &generate, for_public, 4,
                                       for_private, 3, &pair.public_key,
                                       &pair.private_key),
          "C_GenerateKeyPair");
    return pair;
  }

  Signature Sign(CK_OBJECT_HANDLE key, std::string message) const {
    CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, nullptr, 0};
    Signature signature{};
    CK_ULONG size = signature.size();
    Check(module_.c->C_SignInit(handle, &ecdsa, key), "C_SignInit");
    Check(module_.c->C_Sign(handle, Bytes(message), message.size(),
                            signature.data(), &size),
          "C_Sign");
    return signature;
  }

  void Verify(CK_OBJECT_HANDLE key, std::string message,
              Signature signature) const {
    CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, nullptr, 0};
    Check(module_.c->C_VerifyInit(handle, &ecdsa, key), "C_VerifyInit");
    Check(module_.c->C_Verify(handle, Bytes(message), message.size(),
                              signature.data(), signature.size()),
          "C_Verify");
  }

  KeyPair CloneFrom(const Session& source, const KeyPair& pair) const {
    KeyPair copy{};
    Clone(source, pair.public_key, copy.public_key);
    Clone(source, pair.private_key, copy.private_key);
    return copy;
  }

  void Destroy(const KeyPair& pair) const {
    Check(module_.c->C_DestroyObject(handle, pair.public_key),
          "C_DestroyObject");
    Check(module_.c->C_DestroyObject(handle, pair.private_key),
          "C_DestroyObject");
  }

  static CK_BYTE_PTR Bytes(std::string& text) {
    return reinterpret_cast<CK_BYTE_PTR>(text.data());
  }

  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;

 private:
  void Login(CK_USER_TYPE user, const Secret& pin) const {
    const CK_RV rv = module_.c->C_Login(handle, user, pin.bytes, pin.size);
    if (rv == CKR_OK) return;
    module_.c->C_CloseSession(handle);
    throw Error("C_Login", rv);
  }
  void Clone(const Session& source, CK_OBJECT_HANDLE key,
             CK_OBJECT_HANDLE& copy) const {
    Check(module_.ca->CA_CloneObject(handle, source.handle, 0, key, &copy),
          "CA_CloneObject");
  }

  const Module& module_;
};

// False when the token has been initialised before.
bool Initialise(const Module& hsm, CK_SLOT_ID slot, std::string label,
                const Secret& so_pin, const Secret* domain) {
  CK_TOKEN_INFO token;
  Check(hsm.c->C_GetTokenInfo(slot, &token), "C_GetTokenInfo");
  if ((token.flags & CKF_TOKEN_INITIALIZED) != 0) return false;
  label.resize(32, ' ');
  Check(hsm.ca->CA_InitToken(
            slot, so_pin.bytes, so_pin.size, Session::Bytes(label),
            domain == nullptr ? nullptr : domain->bytes,
            domain == nullptr ? 0 : domain->size, 0, nullptr, 0, nullptr),
        "CA_InitToken");
  return true;
}

void InitialiseBoth(const Module& hsm, const Secrets& secrets) {
  if (Initialise(hsm, kPartition, "example", secrets.so_pin, &secrets.domain)) {
    const Session so(hsm, kPartition, CKU_SO, secrets.so_pin);
    Check(hsm.c->C_InitPIN(so.handle, secrets.user_pin.bytes,
                           secrets.user_pin.size),
          "C_InitPIN");
    std::cout << "initialised the partition in slot 0\n";
  }
  if (Initialise(hsm, kBackupHsm, "backup", secrets.so_pin, nullptr)) {
    std::cout << "initialised the Backup HSM in slot 1\n";
  }
}

// A new partition of the Backup HSM.
CK_ULONG NewBackup(const Module& hsm, std::string name,
                   const Secrets& secrets) {
  const Session so(hsm, kBackupHsm, CKU_SO, secrets.so_pin);
  Check(hsm.ca->CA_SetCloningDomain(secrets.domain.bytes, secrets.domain.size),
        "CA_SetCloningDomain");
  CK_ULONG container = 0;
  Check(hsm.ca->CA_CreateContainer(so.handle, 0, Session::Bytes(name),
                                   name.size(), secrets.user_pin.bytes,
                                   secrets.user_pin.size, ~0UL, ~0UL, 0, 0, 0,
                                   &container),
        "CA_CreateContainer");
  return container;
}

void Run(const char* path) {
  const Secrets secrets;
  const Module hsm(path);
  InitialiseBoth(hsm, secrets);

  const Session session(hsm, kPartition, CKU_USER, secrets.user_pin);
  const KeyPair key = session.MakeKey();
  const std::string message = "a message";
  const Signature signature = session.Sign(key.private_key, message);
  std::cout << "made a key and signed with it\n";

  const std::string name =
      "example-" +
      std::to_string(std::chrono::system_clock::now().time_since_epoch() /
                     std::chrono::milliseconds(1));
  const Session backup(hsm, NewBackup(hsm, name, secrets), secrets.user_pin);
  const KeyPair copy = backup.CloneFrom(session, key);
  std::cout << "backed it up to partition " << name << "\n";

  session.Destroy(key);
  std::cout << "destroyed it\n";

  const KeyPair restored = session.CloneFrom(backup, copy);
  session.Verify(restored.public_key, message, signature);
  session.Verify(restored.public_key, message,
                 session.Sign(restored.private_key, message));
  std::cout << "restored it: the old signature and a new one verify\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " MODULE\n";
    return 2;
  }
  try {
    Run(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "backup: " << error.what() << "\n";
    return 1;
  }
}
