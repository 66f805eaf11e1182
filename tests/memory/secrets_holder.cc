// The program whose memory is looked through: it loads the module, gets keys
// and PINs over a pipe, uses them as a client does, and wipes its own copies.
// So nothing here may put a secret into a container or on the stack.
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <thread>

#include "base/cryptoki.h"
#include "tests/memory/secrets.h"

namespace memory {
namespace {

const CK_FUNCTION_LIST* c;
// Everything secret that this program itself holds.
Secrets given;
MadeSecrets made;
CK_BYTE scratch[4096];

void WipeOwnCopies() {
  explicit_bzero(&given, sizeof(given));
  explicit_bzero(&made, sizeof(made));
  explicit_bzero(scratch, sizeof(scratch));
}

// The vector registers as calls left them, kept as a signal or a lazily bound
// call of a host keeps them.
CK_BYTE registers[1 << 18];
size_t registers_used = 0;

#ifdef __x86_64__
[[gnu::target("avx512vl")]] void KeepUpperRegisters(CK_BYTE* at) {
  asm volatile(
      "vmovdqu64 %%xmm16, (%0)\n vmovdqu64 %%xmm17, 16(%0)\n"
      "vmovdqu64 %%xmm18, 32(%0)\n vmovdqu64 %%xmm19, 48(%0)\n"
      :
      : "r"(at)
      : "memory");
}

void KeepRegisters() {
  CK_BYTE* const at = registers + registers_used;
  asm volatile(
      "movups %%xmm0, (%0)\n movups %%xmm1, 16(%0)\n"
      "movups %%xmm2, 32(%0)\n movups %%xmm3, 48(%0)\n"
      "movups %%xmm4, 64(%0)\n movups %%xmm5, 80(%0)\n"
      "movups %%xmm6, 96(%0)\n movups %%xmm7, 112(%0)\n"
      :
      : "r"(at)
      : "memory");
  if (__builtin_cpu_supports("avx512vl")) KeepUpperRegisters(at + 128);
  registers_used = (registers_used + 192) % (sizeof(registers) - 192);
}
#else
void KeepRegisters() {}
#endif

[[gnu::noinline]] void Check(const char* call, CK_RV rv,
                             CK_RV expected = CKR_OK) {
  KeepRegisters();
  if (rv == expected) return;
  std::fprintf(stderr, "%s: 0x%lx\n", call, rv);
  std::_Exit(3);
}
#define CALL(name, ...) Check(#name, c->name(__VA_ARGS__))

void Read(void* to, size_t size) {
  for (auto* at = static_cast<char*>(to); size > 0;) {
    const ssize_t got = read(STDIN_FILENO, at, size);
    if (got <= 0) std::_Exit(4);
    at += got;
    size -= got;
  }
}

void Write(const void* from, size_t size) {
  for (auto* at = static_cast<const char*>(from); size > 0;) {
    const ssize_t put = write(STDOUT_FILENO, at, size);
    if (put <= 0) std::_Exit(4);
    at += put;
    size -= put;
  }
}

CK_SESSION_HANDLE Open() {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  CALL(C_OpenSession, 0, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr,
       &session);
  return session;
}

// --- templates that point to where the secrets are ---------------------------

CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY, private_key = CKO_PRIVATE_KEY;
CK_KEY_TYPE aes_type = CKK_AES, generic_type = CKK_GENERIC_SECRET,
            rsa_type = CKK_RSA, ec_type = CKK_EC;

CK_ATTRIBUTE Of(CK_ATTRIBUTE_TYPE type, Value& value) {
  return {type, value.bytes, value.size};
}
template <typename T>
CK_ATTRIBUTE Of(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof(value)};
}

struct Attributes {
  CK_ATTRIBUTE list[32];
  CK_ULONG count = 0;
  Attributes(std::initializer_list<CK_ATTRIBUTE> given) { Add(given); }
  void Add(std::initializer_list<CK_ATTRIBUTE> more) {
    for (const CK_ATTRIBUTE& attribute : more) list[count++] = attribute;
  }
};

CK_OBJECT_HANDLE Create(CK_SESSION_HANDLE session, Attributes attributes,
                        bool is_token) {
  attributes.Add({Of(CKA_TOKEN, is_token ? yes : no), Of(CKA_PRIVATE, yes)});
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  CALL(C_CreateObject, session, attributes.list, attributes.count, &object);
  return object;
}

Attributes AesKey() {
  return {Of(CKA_CLASS, secret_key), Of(CKA_KEY_TYPE, aes_type),
          Of(CKA_VALUE, given.aes),  Of(CKA_ENCRYPT, yes),
          Of(CKA_DECRYPT, yes),      Of(CKA_SIGN, yes),
          Of(CKA_SENSITIVE, yes),    Of(CKA_EXTRACTABLE, yes)};
}

Attributes GenericSecret() {
  return {Of(CKA_CLASS, secret_key),    Of(CKA_KEY_TYPE, generic_type),
          Of(CKA_VALUE, given.generic), Of(CKA_SIGN, yes),
          Of(CKA_DERIVE, yes),          Of(CKA_SENSITIVE, no),
          Of(CKA_EXTRACTABLE, yes)};
}

Attributes RsaPrivateKey() {
  RsaKey& key = given.rsa;
  return {Of(CKA_CLASS, private_key),
          Of(CKA_KEY_TYPE, rsa_type),
          Of(CKA_MODULUS, key.modulus),
          Of(CKA_PUBLIC_EXPONENT, key.public_exponent),
          Of(CKA_PRIVATE_EXPONENT, key.private_exponent),
          Of(CKA_PRIME_1, key.prime_1),
          Of(CKA_PRIME_2, key.prime_2),
          Of(CKA_EXPONENT_1, key.exponent_1),
          Of(CKA_EXPONENT_2, key.exponent_2),
          Of(CKA_COEFFICIENT, key.coefficient),
          Of(CKA_SIGN, yes),
          Of(CKA_DECRYPT, yes),
          Of(CKA_SENSITIVE, yes),
          Of(CKA_EXTRACTABLE, yes)};
}

Attributes EcPrivateKey() {
  return {Of(CKA_CLASS, private_key),
          Of(CKA_KEY_TYPE, ec_type),
          Of(CKA_EC_PARAMS, given.ec_params),
          Of(CKA_VALUE, given.ec_value),
          Of(CKA_SIGN, yes),
          Of(CKA_DERIVE, yes),
          Of(CKA_SENSITIVE, yes),
          Of(CKA_EXTRACTABLE, yes)};
}

// Of keys that the token makes and whose value may be read.
Attributes NewKey(CK_KEY_TYPE& type) {
  return {Of(CKA_CLASS, secret_key), Of(CKA_KEY_TYPE, type),
          Of(CKA_TOKEN, no),         Of(CKA_PRIVATE, yes),
          Of(CKA_SENSITIVE, no),     Of(CKA_EXTRACTABLE, yes),
          Of(CKA_ENCRYPT, yes),      Of(CKA_DERIVE, yes)};
}

void Tell(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, Value& value) {
  CK_ATTRIBUTE attribute = {CKA_VALUE, value.bytes, sizeof(value.bytes)};
  CALL(C_GetAttributeValue, session, key, &attribute, 1);
  value.size = attribute.ulValueLen;
}

// --- uses
// ----------------------------------------------------------------------

CK_BYTE iv[16] = {1, 2, 3};

CK_ULONG Sign(CK_SESSION_HANDLE session, CK_MECHANISM mechanism,
              CK_OBJECT_HANDLE key, CK_ULONG size) {
  CALL(C_SignInit, session, &mechanism, key);
  CK_ULONG out = sizeof(scratch) - 512;
  CALL(C_Sign, session, iv, size, scratch + 512, &out);
  return out;
}

void UseAes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  CK_GCM_PARAMS gcm = {};
  gcm.pIv = iv;
  gcm.ulIvLen = 12;
  gcm.ulTagBits = 128;
  CK_MECHANISM mechanisms[] = {{CKM_AES_GCM, &gcm, sizeof(gcm)},
                               {CKM_AES_CBC_PAD, iv, sizeof(iv)},
                               {CKM_AES_CTR, nullptr, 0}};
  CK_AES_CTR_PARAMS counter = {64, {}};
  mechanisms[2].pParameter = &counter;
  mechanisms[2].ulParameterLen = sizeof(counter);
  for (CK_MECHANISM& mechanism : mechanisms) {
    CK_ULONG size = 512, back = 512;
    CALL(C_EncryptInit, session, &mechanism, key);
    CALL(C_Encrypt, session, given.text.bytes, given.text.size, scratch, &size);
    CALL(C_DecryptInit, session, &mechanism, key);
    CALL(C_Decrypt, session, scratch, size, scratch + 512, &back);
    // The same in parts.
    CALL(C_DecryptInit, session, &mechanism, key);
    CK_ULONG part = 512, rest = 512;
    CALL(C_DecryptUpdate, session, scratch, size, scratch + 512, &part);
    CALL(C_DecryptFinal, session, scratch + 512 + part, &rest);
  }
  Sign(session, {CKM_AES_CMAC, nullptr, 0}, key, 16);
  // And some that do not end.
  CALL(C_EncryptInit, session, &mechanisms[0], key);
  CK_ULONG size = 512;
  CALL(C_EncryptUpdate, session, given.text.bytes, given.text.size, scratch,
       &size);
  CK_MECHANISM cmac = {CKM_AES_CMAC, nullptr, 0};
  CALL(C_SignInit, session, &cmac, key);
}

void UseRsa(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
  Sign(session, {CKM_SHA256_RSA_PKCS, nullptr, 0}, key, 16);
  Sign(session, {CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof(pss)}, key, 16);
}

CK_OBJECT_HANDLE Derive(CK_SESSION_HANDLE session, CK_MECHANISM mechanism,
                        CK_OBJECT_HANDLE base, CK_KEY_TYPE& type,
                        Value& value) {
  CK_ULONG size = 32;
  Attributes attributes = NewKey(type);
  attributes.Add({Of(CKA_VALUE_LEN, size)});
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  CALL(C_DeriveKey, session, &mechanism, base, attributes.list,
       attributes.count, &key);
  Tell(session, key, value);
  return key;
}

void UseGeneric(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  Sign(session, {CKM_SHA256_HMAC, nullptr, 0}, key, 16);
  Sign(session, {CKM_SHA512_HMAC, nullptr, 0}, key, 16);
  Derive(session, {CKM_SHA256_KEY_DERIVATION, nullptr, 0}, key, generic_type,
         made.values[kHashed]);
  CK_HKDF_PARAMS hkdf = {};
  hkdf.bExtract = CK_TRUE;
  hkdf.bExpand = CK_TRUE;
  hkdf.prfHashMechanism = CKM_SHA256;
  hkdf.ulSaltType = CKF_HKDF_SALT_NULL;
  const CK_OBJECT_HANDLE derived =
      Derive(session, {CKM_HKDF_DERIVE, &hkdf, sizeof(hkdf)}, key, aes_type,
             made.values[kExpanded]);
  CK_MECHANISM ecb = {CKM_AES_ECB, nullptr, 0};
  CK_ULONG size = 512;
  CALL(C_EncryptInit, session, &ecb, derived);
  CALL(C_Encrypt, session, iv, sizeof(iv), scratch, &size);
}

void UseEc(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  Sign(session, {CKM_ECDSA_SHA256, nullptr, 0}, key, 16);
  CK_ECDH1_DERIVE_PARAMS ecdh = {};
  ecdh.kdf = CKD_NULL;
  ecdh.pPublicData = given.ec_point.bytes;
  ecdh.ulPublicDataLen = given.ec_point.size;
  Derive(session, {CKM_ECDH1_DERIVE, &ecdh, sizeof(ecdh)}, key, generic_type,
         made.values[kAgreed]);
}

void Generate(CK_SESSION_HANDLE session) {
  CK_MECHANISM aes = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_ULONG size = 32;
  Attributes attributes = NewKey(aes_type);
  attributes.Add({Of(CKA_VALUE_LEN, size), Of(CKA_WRAP, yes)});
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  CALL(C_GenerateKey, session, &aes, attributes.list, attributes.count, &key);
  Tell(session, key, made.values[kGenerated]);

  CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  Attributes of_public = {Of(CKA_EC_PARAMS, given.ec_params)};
  Attributes of_private = {Of(CKA_TOKEN, no), Of(CKA_PRIVATE, yes),
                           Of(CKA_SENSITIVE, no), Of(CKA_EXTRACTABLE, yes)};
  CK_OBJECT_HANDLE public_key = 0, private_key = 0;
  CALL(C_GenerateKeyPair, session, &ec, of_public.list, of_public.count,
       of_private.list, of_private.count, &public_key, &private_key);
  Tell(session, private_key, made.values[kEcGenerated]);
}

// Out of the token under another key, and in again.
void Carry(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE aes,
           CK_OBJECT_HANDLE rsa) {
  CK_MECHANISM generate = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_ULONG size = 32;
  Attributes wrapping = {Of(CKA_TOKEN, no),   Of(CKA_PRIVATE, yes),
                         Of(CKA_WRAP, yes),   Of(CKA_UNWRAP, yes),
                         Of(CKA_ENCRYPT, no), Of(CKA_VALUE_LEN, size)};
  CK_OBJECT_HANDLE with = CK_INVALID_HANDLE, again = CK_INVALID_HANDLE;
  CALL(C_GenerateKey, session, &generate, wrapping.list, wrapping.count, &with);
  CK_MECHANISM wrap = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  for (const CK_OBJECT_HANDLE key : {aes, rsa}) {
    CK_ULONG wrapped = sizeof(scratch);
    CALL(C_WrapKey, session, &wrap, with, key, scratch, &wrapped);
    Attributes unwrapped = {
        key == aes ? Of(CKA_CLASS, secret_key) : Of(CKA_CLASS, private_key),
        key == aes ? Of(CKA_KEY_TYPE, aes_type) : Of(CKA_KEY_TYPE, rsa_type),
        Of(CKA_TOKEN, no), Of(CKA_PRIVATE, yes)};
    CALL(C_UnwrapKey, session, &wrap, with, scratch, wrapped, unwrapped.list,
         unwrapped.count, &again);
  }
}

// New versions of an object and copies; then a search for its value.
void Change(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  CK_ATTRIBUTE label = {CKA_LABEL, iv, 3};
  CALL(C_SetAttributeValue, session, key, &label, 1);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  CALL(C_CopyObject, session, key, &label, 1, &copy);
  CALL(C_DestroyObject, session, copy);
  CK_ATTRIBUTE wanted = Of(CKA_VALUE, given.generic);
  CALL(C_FindObjectsInit, session, &wanted, 1);
  CK_OBJECT_HANDLE found[4];
  CK_ULONG count = 0;
  CALL(C_FindObjects, session, found, 4, &count);
  CALL(C_FindObjectsFinal, session);
}

// Operations that are not finished, in sessions that stay open.
void LeaveOpen(CK_OBJECT_HANDLE generic, CK_OBJECT_HANDLE aes) {
  CK_SESSION_HANDLE session = Open();
  CK_MECHANISM sha256 = {CKM_SHA256, nullptr, 0};
  CALL(C_DigestInit, session, &sha256);
  CALL(C_DigestKey, session, generic);
  CK_ULONG size = sizeof(scratch);
  CALL(C_GetOperationState, session, scratch, &size);
  CALL(C_SetOperationState, Open(), scratch, size, 0, 0);
  CK_MECHANISM hmac = {CKM_SHA256_HMAC, nullptr, 0};
  CALL(C_SignInit, session, &hmac, generic);
  CALL(C_SignUpdate, session, iv, sizeof(iv));
  // A decrypted text that waits for a larger buffer, and one for its end.
  CK_GCM_PARAMS gcm = {};
  gcm.pIv = iv;
  gcm.ulIvLen = 12;
  gcm.ulTagBits = 128;
  CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof(gcm)};
  CK_ULONG sealed = 512, opened = 20;
  CALL(C_EncryptInit, session, &mechanism, aes);
  CALL(C_Encrypt, session, given.text.bytes, given.text.size, scratch, &sealed);
  CALL(C_DecryptInit, session, &mechanism, aes);
  Check("C_Decrypt into too little room",
        c->C_Decrypt(session, scratch, sealed, scratch + 512, &opened),
        CKR_BUFFER_TOO_SMALL);
  session = Open();
  CALL(C_DecryptInit, session, &mechanism, aes);
  opened = 512;
  CALL(C_DecryptUpdate, session, scratch, sealed, scratch + 512, &opened);
}

// What fails leaves nothing either.
void MakeWhatIsRefused(CK_SESSION_HANDLE session) {
  Attributes attributes = {
      Of(CKA_CLASS, secret_key), Of(CKA_KEY_TYPE, aes_type),
      Of(CKA_VALUE, given.refused), Of(CKA_MODULUS, given.rsa.modulus)};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  if (c->C_CreateObject(session, attributes.list, attributes.count, &key) ==
      CKR_OK) {
    Check("C_CreateObject of nonsense", CKR_OK, CKR_GENERAL_ERROR);
  }
}

void UseKeys(bool are_token_objects) {
  const CK_SESSION_HANDLE session = Open();
  const CK_OBJECT_HANDLE aes = Create(session, AesKey(), are_token_objects);
  const CK_OBJECT_HANDLE rsa =
      Create(session, RsaPrivateKey(), are_token_objects);
  const CK_OBJECT_HANDLE generic =
      Create(session, GenericSecret(), are_token_objects);
  UseAes(Open(), aes);
  UseRsa(session, rsa);
  UseGeneric(session, generic);
  UseEc(session, Create(session, EcPrivateKey(), are_token_objects));
  Carry(session, aes, rsa);
  Change(session, generic);
  LeaveOpen(generic, aes);
}

void UseEverything() {
  const CK_SESSION_HANDLE session = Open();
  CALL(C_Login, session, CKU_USER, given.pin.bytes, given.pin.size);
  CALL(C_SetPIN, session, given.pin.bytes, given.pin.size, given.new_pin.bytes,
       given.new_pin.size);
  // What a thread leaves on its stack, the system may take back at its end.
  std::thread(UseKeys, true).join();
  UseKeys(false);
  Generate(session);
  MakeWhatIsRefused(session);
}

void Serve(uint8_t command) {
  CK_RV rv = CKR_OK;
  switch (command) {
    case kUse:
      Read(&given, sizeof(given));
      UseEverything();
      Write(&rv, sizeof(rv));
      Write(&made, sizeof(made));
      break;
    case kLoginAs:
      Read(&given.pin, sizeof(given.pin));
      rv = c->C_Login(Open(), CKU_USER, given.pin.bytes, given.pin.size);
      Write(&rv, sizeof(rv));
      break;
    case kLogout:
      rv = c->C_Logout(Open());
      Write(&rv, sizeof(rv));
      break;
    case kCloseAll:
      rv = c->C_CloseAllSessions(0);
      Write(&rv, sizeof(rv));
      break;
    case kFinalize:
      rv = c->C_Finalize(nullptr);
      Write(&rv, sizeof(rv));
      break;
    default:
      std::_Exit(5);
  }
}

void Run(const char* path) {
  void* const module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::_Exit(2);
  }
  CK_FUNCTION_LIST* list = nullptr;
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(
      dlsym(module, "C_GetFunctionList"));
  Check("C_GetFunctionList", get(&list));
  c = list;
  CALL(C_Initialize, nullptr);
  for (uint8_t command = 0; read(STDIN_FILENO, &command, 1) == 1;) {
    Serve(command);
    WipeOwnCopies();
    Write("!", 1);
  }
}

}  // namespace
}  // namespace memory

int main(int argc, char** argv) {
  if (argc == 2) memory::Run(argv[1]);
}
