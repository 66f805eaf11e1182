#include "bench/module.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace bench {
namespace {

constexpr char kSoPin[] = "12345678";
constexpr char kPin[] = "87654321";

CK_UTF8CHAR_PTR Text(const char* text) {
  return reinterpret_cast<CK_UTF8CHAR_PTR>(const_cast<char*>(text));
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

}  // namespace

void Check(CK_RV rv, const char* what) {
  if (rv != CKR_OK) Die(absl::StrCat(what, ": 0x", absl::Hex(rv)));
}

CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, const void* value, size_t size) {
  return {type, const_cast<void*>(value), static_cast<CK_ULONG>(size)};
}

std::string IdOf(int number) { return absl::StrCat("object ", number); }

Module::Module(const std::string& path, const std::string& name,
               const Settings& settings, bool make)
    : f_(Load(path)) {
  PointAtState(name, settings);
  CK_C_INITIALIZE_ARGS threads{};
  threads.flags = CKF_OS_LOCKING_OK;
  Check(f_->C_Initialize(&threads), "C_Initialize");
  if (make) MakeToken();
  slot_ = InitialisedSlot();
  session_ = OpenSession();
  Check(f_->C_Login(session_, CKU_USER, Text(kPin), sizeof kPin - 1),
        "C_Login");
}

CK_SESSION_HANDLE Module::OpenSession() const {
  CK_SESSION_HANDLE session = 0;
  Check(f_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                          nullptr, &session),
        "C_OpenSession");
  return session;
}

CK_SLOT_ID Module::InitialisedSlot() const {
  CK_ULONG count = 0;
  Check(f_->C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count);
  Check(f_->C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  for (CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info;
    if (f_->C_GetTokenInfo(slot, &info) == CKR_OK &&
        std::memcmp(info.label, "bench ", 6) == 0) {
      return slot;
    }
  }
  Die("no token called bench");
}

void Module::MakeToken() {
  CK_ULONG count = 0;
  Check(f_->C_GetSlotList(CK_FALSE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count);
  Check(f_->C_GetSlotList(CK_FALSE, slots.data(), &count), "C_GetSlotList");
  char label[33];
  std::snprintf(label, sizeof label, "%-32s", "bench");
  Check(f_->C_InitToken(slots.at(0), Text(kSoPin), sizeof kSoPin - 1,
                        Text(label)),
        "C_InitToken");
  const CK_SLOT_ID slot = InitialisedSlot();
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

CK_OBJECT_HANDLE Module::CreateSecret(CK_SESSION_HANDLE session,
                                      CK_KEY_TYPE type, CK_ATTRIBUTE_TYPE usage,
                                      const std::string& id,
                                      bool on_token) const {
  const CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  const CK_BBOOL yes = CK_TRUE, token = on_token ? CK_TRUE : CK_FALSE;
  uint8_t value[32] = {1, 2, 3};
  std::memcpy(value + 4, id.data(), std::min<size_t>(id.size(), 28));
  std::vector<CK_ATTRIBUTE> set = {
      Attribute(CKA_CLASS, secret), Attribute(CKA_KEY_TYPE, type),
      Attribute(CKA_TOKEN, token),  Attribute(CKA_PRIVATE, yes),
      Attribute(usage, yes),        Attribute(CKA_SENSITIVE, yes),
      Attribute(CKA_VALUE, value),  Attribute(CKA_ID, id.data(), id.size())};
  CK_OBJECT_HANDLE handle = 0;
  Check(f_->C_CreateObject(session, set.data(), set.size(), &handle),
        "C_CreateObject");
  return handle;
}

CK_OBJECT_HANDLE Module::Find(CK_SESSION_HANDLE session,
                              std::vector<CK_ATTRIBUTE> pattern) const {
  CK_OBJECT_HANDLE found = 0;
  CK_ULONG count = 0;
  Check(f_->C_FindObjectsInit(session, pattern.data(), pattern.size()),
        "C_FindObjectsInit");
  Check(f_->C_FindObjects(session, &found, 1, &count), "C_FindObjects");
  Check(f_->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  if (count != 1) Die("an object is not found");
  return found;
}

CK_OBJECT_HANDLE Module::Find(CK_SESSION_HANDLE session,
                              const std::string& id) const {
  return Find(session, {Attribute(CKA_ID, id.data(), id.size())});
}

std::vector<CK_OBJECT_HANDLE> Module::FindAll(CK_SESSION_HANDLE session) const {
  std::vector<CK_OBJECT_HANDLE> all;
  CK_OBJECT_HANDLE some[1024];
  CK_ULONG count = 0;
  Check(f_->C_FindObjectsInit(session, nullptr, 0), "C_FindObjectsInit");
  do {
    Check(f_->C_FindObjects(session, some, 1024, &count), "C_FindObjects");
    all.insert(all.end(), some, some + count);
  } while (count != 0);
  Check(f_->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  return all;
}

void Module::Sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type,
                  CK_OBJECT_HANDLE key, uint8_t* message,
                  CK_ULONG bytes) const {
  CK_MECHANISM mechanism{type, nullptr, 0};
  uint8_t signature[512];
  CK_ULONG size = sizeof signature;
  Check(f_->C_SignInit(session, &mechanism, key), "C_SignInit");
  Check(f_->C_Sign(session, message, bytes, signature, &size), "C_Sign");
}

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

}  // namespace bench
