// Sequences of calls of the built module: the bytes choose functions, keys,
// mechanisms, templates and sizes. Nothing may crash or hang; and no byte
// string that comes out may hold a piece of the one key value that no call may
// show.
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <system_error>
#include <vector>

#include "base/cryptoki.h"

namespace {

constexpr CK_ULONG kPiece = 6;  // bytes of the secret that are a finding
CK_BYTE secret[32] = {0x9d, 0x3c, 0xe1, 0x55, 0x08, 0xb7, 0x62, 0xfa,
                      0x41, 0x86, 0x2e, 0xcb, 0x70, 0x19, 0xd4, 0xa3,
                      0x5f, 0xe8, 0x07, 0x9a, 0xb2, 0x34, 0xcd, 0x61,
                      0x8e, 0x1b, 0xf5, 0x47, 0xd0, 0x2c, 0x93, 0x78};

CK_FUNCTION_LIST_3_2* c;

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "calls_fuzzer: %s\n", what);
  abort();
}

// --- the bytes ---------------------------------------------------------------

class Choices {
 public:
  Choices(const uint8_t* bytes, size_t size) : at_(bytes), end_(bytes + size) {}
  bool empty() const { return at_ == end_; }
  uint8_t Byte() { return empty() ? 0 : *at_++; }
  CK_ULONG Below(CK_ULONG limit) { return Byte() % limit; }
  bool Coin() { return (Byte() & 1) != 0; }
  // Mostly small, now and then at an edge.
  CK_ULONG Size() {
    static constexpr CK_ULONG kEdges[] = {
        0,  1,  8,   15,  16,  17,  31,   32,
        33, 64, 128, 255, 256, 512, 4096, ~CK_ULONG{0} >> 1};
    return kEdges[Below(std::size(kEdges) - 1)];
  }
  template <typename T, size_t kSize>
  const T& Of(const T (&list)[kSize]) {
    return list[Below(kSize)];
  }

 private:
  const uint8_t* at_;
  const uint8_t* const end_;
};

// What calls write to; it is searched after each of them.
CK_BYTE out[8192];

void Search(const CK_BYTE* bytes, size_t size) {
  for (size_t at = 0; at + kPiece <= sizeof(secret); ++at) {
    if (std::search(bytes, bytes + size, secret + at, secret + at + kPiece) !=
        bytes + size) {
      Die("a piece of the hidden key came out");
    }
  }
}

// --- mechanisms --------------------------------------------------------------

// Parameters that stay alive as long as the input runs.
struct Parameters {
  CK_BYTE iv[16];
  CK_BYTE data[256];
  CK_BYTE tag[16];
  CK_GCM_PARAMS gcm;
  CK_GCM_MESSAGE_PARAMS gcm_message;
  CK_CCM_MESSAGE_PARAMS ccm_message;
  CK_CCM_PARAMS ccm;
  CK_AES_CTR_PARAMS ctr;
  CK_RSA_PKCS_OAEP_PARAMS oaep;
  CK_RSA_PKCS_PSS_PARAMS pss;
  CK_KEY_DERIVATION_STRING_DATA string;
  CK_AES_CBC_ENCRYPT_DATA_PARAMS cbc_data;
  CK_HKDF_PARAMS hkdf;
  CK_ECDH1_DERIVE_PARAMS ecdh;
  CK_ULONG number;
  CK_OBJECT_HANDLE handle;
};

struct World {
  std::vector<CK_SESSION_HANDLE> sessions;
  std::vector<CK_OBJECT_HANDLE> objects;
  std::deque<Parameters> parameters;
};

CK_OBJECT_HANDLE AnObject(Choices& choose, const World& world) {
  if (world.objects.empty() || choose.Below(16) == 0) return choose.Byte();
  return world.objects[choose.Below(world.objects.size())];
}

constexpr CK_MECHANISM_TYPE kHashes[] = {CKM_SHA_1, CKM_SHA256, CKM_SHA512,
                                         CKM_SHA3_256, CKM_MD5};
constexpr CK_MECHANISM_TYPE kMechanisms[] = {CKM_AES_ECB,
                                             CKM_AES_CBC,
                                             CKM_AES_CBC_PAD,
                                             CKM_AES_CTR,
                                             CKM_AES_GCM,
                                             CKM_AES_CCM,
                                             CKM_AES_CTS,
                                             CKM_AES_OFB,
                                             CKM_AES_CFB8,
                                             CKM_AES_CMAC,
                                             CKM_AES_CMAC_GENERAL,
                                             CKM_AES_GMAC,
                                             CKM_AES_KEY_WRAP,
                                             CKM_AES_KEY_WRAP_KWP,
                                             CKM_AES_KEY_WRAP_PKCS7,
                                             CKM_AES_KEY_GEN,
                                             CKM_GENERIC_SECRET_KEY_GEN,
                                             CKM_SHA256,
                                             CKM_SHA512_T,
                                             CKM_SHA256_HMAC,
                                             CKM_SHA256_HMAC_GENERAL,
                                             CKM_SHA256_KEY_DERIVATION,
                                             CKM_SHAKE_128_KEY_DERIVATION,
                                             CKM_CONCATENATE_BASE_AND_KEY,
                                             CKM_CONCATENATE_BASE_AND_DATA,
                                             CKM_CONCATENATE_DATA_AND_BASE,
                                             CKM_XOR_BASE_AND_DATA,
                                             CKM_EXTRACT_KEY_FROM_KEY,
                                             CKM_AES_ECB_ENCRYPT_DATA,
                                             CKM_AES_CBC_ENCRYPT_DATA,
                                             CKM_HKDF_DERIVE,
                                             CKM_HKDF_DATA,
                                             CKM_ECDSA,
                                             CKM_ECDSA_SHA256,
                                             CKM_ECDH1_DERIVE,
                                             CKM_EC_KEY_PAIR_GEN,
                                             CKM_RSA_PKCS,
                                             CKM_RSA_PKCS_OAEP,
                                             CKM_RSA_PKCS_PSS,
                                             CKM_RSA_X_509,
                                             CKM_SHA256_RSA_PKCS,
                                             CKM_POLY1305,
                                             CKM_CHACHA20_POLY1305,
                                             CKM_DES3_CBC_PAD,
                                             CKM_PUB_KEY_FROM_PRIV_KEY};

CK_MECHANISM AMechanism(Choices& choose, World& world) {
  Parameters& p = world.parameters.emplace_back();
  std::memset(&p, 0, sizeof(p));
  for (CK_BYTE& byte : p.iv) byte = choose.Byte();
  const CK_MECHANISM_TYPE type = choose.Of(kMechanisms);
  const CK_ULONG size = choose.Below(sizeof(p.data));
  p.handle = AnObject(choose, world);
  p.number = choose.Size();
  p.gcm = {p.iv, choose.Below(17),    choose.Below(129), p.data,
           size, choose.Below(17) * 8};
  p.ccm = {choose.Size(), p.iv, choose.Below(17),
           p.data,        size, choose.Below(17)};
  p.ctr.ulCounterBits = choose.Below(130);
  p.oaep = {choose.Of(kHashes), CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, p.data,
            size};
  p.pss = {choose.Of(kHashes), CKG_MGF1_SHA256, choose.Below(64)};
  p.string = {p.data, size};
  p.cbc_data.pData = p.data;
  p.cbc_data.length = size;
  p.hkdf = {choose.Coin(),   choose.Coin(), choose.Of(kHashes),
            choose.Below(4), p.data,        size,
            p.handle,        p.data,        size};
  p.ecdh = {choose.Below(10), size, p.data, 65, p.data};
  const auto with = [&](auto& value) {
    return CK_MECHANISM{type, &value, sizeof(value)};
  };
  switch (type) {
    case CKM_AES_GCM:
    case CKM_AES_GMAC:
      return with(p.gcm);
    case CKM_AES_CCM:
      return with(p.ccm);
    case CKM_AES_CTR:
      return with(p.ctr);
    case CKM_RSA_PKCS_OAEP:
      return with(p.oaep);
    case CKM_RSA_PKCS_PSS:
      return with(p.pss);
    case CKM_CONCATENATE_BASE_AND_DATA:
    case CKM_CONCATENATE_DATA_AND_BASE:
    case CKM_XOR_BASE_AND_DATA:
    case CKM_AES_ECB_ENCRYPT_DATA:
      return with(p.string);
    case CKM_AES_CBC_ENCRYPT_DATA:
      return with(p.cbc_data);
    case CKM_HKDF_DERIVE:
    case CKM_HKDF_DATA:
      return with(p.hkdf);
    case CKM_ECDH1_DERIVE:
      return with(p.ecdh);
    case CKM_CONCATENATE_BASE_AND_KEY:
      return with(p.handle);
    case CKM_EXTRACT_KEY_FROM_KEY:
    case CKM_AES_CMAC_GENERAL:
    case CKM_SHA256_HMAC_GENERAL:
    case CKM_SHA512_T:
      return with(p.number);
    case CKM_AES_CBC:
    case CKM_AES_CBC_PAD:
    case CKM_AES_CTS:
    case CKM_AES_OFB:
    case CKM_AES_CFB8:
    case CKM_DES3_CBC_PAD:
      return {type, p.iv, choose.Coin() ? CK_ULONG{16} : choose.Below(17)};
    default:
      return {type, nullptr, 0};
  }
}

// The same for a call that takes the parameters of messages: no library can
// tell a pointer from a number in a structure of the same size.
CK_MECHANISM OfMessages(CK_MECHANISM mechanism, Choices& choose, World& world) {
  static constexpr CK_GENERATOR_FUNCTION kGenerators[] = {
      CKG_NO_GENERATE,          CKG_GENERATE,
      CKG_GENERATE_RANDOM,      CKG_GENERATE_COUNTER,
      CKG_GENERATE_COUNTER_XOR, 99};
  Parameters& p = world.parameters.back();
  const CK_ULONG nonce = choose.Below(17), fixed = choose.Below(129);
  const CK_GENERATOR_FUNCTION generator = choose.Of(kGenerators);
  if (mechanism.mechanism == CKM_AES_GCM) {
    p.gcm_message = {p.iv,      nonce, fixed,
                     generator, p.tag, choose.Below(17) * 8};
    return {CKM_AES_GCM, &p.gcm_message, sizeof p.gcm_message};
  }
  if (mechanism.mechanism == CKM_AES_CCM) {
    p.ccm_message = {choose.Size(), p.iv,  nonce,           fixed,
                     generator,     p.tag, choose.Below(17)};
    return {CKM_AES_CCM, &p.ccm_message, sizeof p.ccm_message};
  }
  return mechanism;
}

// --- templates ---------------------------------------------------------------

constexpr CK_ATTRIBUTE_TYPE kTypes[] = {CKA_CLASS,
                                        CKA_KEY_TYPE,
                                        CKA_TOKEN,
                                        CKA_PRIVATE,
                                        CKA_LABEL,
                                        CKA_ID,
                                        CKA_VALUE,
                                        CKA_VALUE_LEN,
                                        CKA_SENSITIVE,
                                        CKA_EXTRACTABLE,
                                        CKA_ENCRYPT,
                                        CKA_DECRYPT,
                                        CKA_SIGN,
                                        CKA_VERIFY,
                                        CKA_WRAP,
                                        CKA_UNWRAP,
                                        CKA_DERIVE,
                                        CKA_MODIFIABLE,
                                        CKA_COPYABLE,
                                        CKA_DESTROYABLE,
                                        CKA_TRUSTED,
                                        CKA_WRAP_WITH_TRUSTED,
                                        CKA_ALWAYS_SENSITIVE,
                                        CKA_NEVER_EXTRACTABLE,
                                        CKA_CHECK_VALUE,
                                        CKA_ALLOWED_MECHANISMS,
                                        CKA_WRAP_TEMPLATE,
                                        CKA_UNWRAP_TEMPLATE,
                                        CKA_DERIVE_TEMPLATE,
                                        CKA_EC_PARAMS,
                                        CKA_EC_POINT,
                                        CKA_MODULUS,
                                        CKA_PRIVATE_EXPONENT,
                                        CKA_PRIME_1,
                                        CKA_START_DATE,
                                        CKA_ALWAYS_AUTHENTICATE,
                                        CKA_UNIQUE_ID,
                                        CKA_LOCAL};

// Values of each kind, and storage for nested templates.
struct Template {
  CK_ATTRIBUTE list[12];
  CK_ATTRIBUTE inner[3];
  CK_ULONG numbers[12];
  CK_BBOOL flags[12];
  CK_BYTE bytes[12][40];
  CK_ULONG count = 0;
};

bool IsNested(CK_ATTRIBUTE_TYPE type) {
  return (type & CKF_ARRAY_ATTRIBUTE) != 0 && type != CKA_ALLOWED_MECHANISMS;
}

void AddAttribute(Choices& choose, Template& t) {
  const CK_ULONG i = t.count++;
  CK_ATTRIBUTE& attribute = t.list[i];
  attribute.type = choose.Of(kTypes);
  const uint8_t kind = choose.Byte();
  t.flags[i] = kind & 1;
  static constexpr CK_ULONG kNumbers[] = {CKO_SECRET_KEY,
                                          CKO_PRIVATE_KEY,
                                          CKO_PUBLIC_KEY,
                                          CKO_DATA,
                                          CKK_AES,
                                          CKK_GENERIC_SECRET,
                                          CKK_EC,
                                          CKK_RSA,
                                          CKK_DES3,
                                          16,
                                          24,
                                          32,
                                          8,
                                          1};
  t.numbers[i] = choose.Of(kNumbers);
  for (CK_BYTE& byte : t.bytes[i]) byte = static_cast<CK_BYTE>(kind);
  if (IsNested(attribute.type)) {
    t.inner[0] = {CKA_SENSITIVE, &t.flags[i], 1};
    t.inner[1] = {CKA_EXTRACTABLE, &t.flags[i], 1};
    t.inner[2] = {CKA_KEY_TYPE, &t.numbers[i], sizeof(CK_ULONG)};
    attribute.pValue = t.inner;
    attribute.ulValueLen = (kind % 4) * sizeof(CK_ATTRIBUTE);
    return;
  }
  switch (kind >> 5) {
    case 0:
    case 1:
    case 2:
      attribute.pValue = &t.flags[i];
      attribute.ulValueLen = sizeof(CK_BBOOL);
      return;
    case 3:
    case 4:
      attribute.pValue = &t.numbers[i];
      attribute.ulValueLen = sizeof(CK_ULONG);
      return;
    case 5:
      attribute.pValue = nullptr;
      attribute.ulValueLen = 0;
      return;
    default:
      attribute.pValue = t.bytes[i];
      attribute.ulValueLen = kind % sizeof(t.bytes[i]);
  }
}

Template ATemplate(Choices& choose, std::initializer_list<CK_ATTRIBUTE> begin) {
  Template t;
  for (const CK_ATTRIBUTE& attribute : begin) t.list[t.count++] = attribute;
  for (CK_ULONG more = choose.Below(8); more > 0 && t.count < 12; --more) {
    AddAttribute(choose, t);
  }
  return t;
}

CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
CK_KEY_TYPE aes = CKK_AES, generic = CKK_GENERIC_SECRET;
CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
CK_ULONG key_size = 32;
CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

// A few templates that mostly work, and any others.
Template KeyTemplate(Choices& choose) {
  switch (choose.Below(4)) {
    case 0:
      return ATemplate(choose, {{CKA_CLASS, &secret_class, sizeof secret_class},
                                {CKA_KEY_TYPE, &generic, sizeof generic},
                                {CKA_SENSITIVE, &no, 1},
                                {CKA_EXTRACTABLE, &yes, 1}});
    case 1:
      return ATemplate(choose, {{CKA_CLASS, &secret_class, sizeof secret_class},
                                {CKA_KEY_TYPE, &aes, sizeof aes},
                                {CKA_VALUE_LEN, &key_size, sizeof key_size},
                                {CKA_EXTRACTABLE, &yes, 1}});
    case 2:
      return ATemplate(choose, {{CKA_KEY_TYPE, &aes, sizeof aes}});
    default:
      return ATemplate(choose, {});
  }
}

// --- one call ----------------------------------------------------------------

void Keep(World& world, CK_RV rv, CK_OBJECT_HANDLE handle) {
  if (rv == CKR_OK && world.objects.size() < 64) {
    world.objects.push_back(handle);
  }
}

void Read(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, Choices& choose) {
  CK_ATTRIBUTE wanted[4];
  const CK_ULONG count = 1 + choose.Below(4);
  for (CK_ULONG i = 0; i < count; ++i) {
    wanted[i] = {choose.Of(kTypes), choose.Coin() ? out + 1024 * i : nullptr,
                 choose.Below(4) == 0 ? choose.Below(40) : 1024};
    // A nested one wants attributes in its place, not bytes.
    if (IsNested(wanted[i].type)) wanted[i].pValue = nullptr;
  }
  c->C_GetAttributeValue(session, object, wanted, count);
}

void Cipher(CK_SESSION_HANDLE s, Choices& choose, CK_BYTE* in, CK_ULONG size) {
  CK_ULONG room = choose.Below(4) == 0 ? choose.Size() : sizeof(out);
  room = std::min<CK_ULONG>(room, sizeof(out));
  CK_BYTE* const to = choose.Below(8) == 0 ? nullptr : out;
  switch (choose.Below(14)) {
    case 0:
      c->C_Encrypt(s, in, size, to, &room);
      return;
    case 1:
      c->C_EncryptUpdate(s, in, size, to, &room);
      return;
    case 2:
      c->C_EncryptFinal(s, to, &room);
      return;
    case 3:
      c->C_Decrypt(s, in, size, to, &room);
      return;
    case 4:
      c->C_DecryptUpdate(s, in, size, to, &room);
      return;
    case 5:
      c->C_DecryptFinal(s, to, &room);
      return;
    case 6:
      c->C_Sign(s, in, size, to, &room);
      return;
    case 7:
      c->C_SignUpdate(s, in, size);
      return;
    case 8:
      c->C_SignFinal(s, to, &room);
      return;
    case 9:
      c->C_Verify(s, in, size, in, choose.Below(64));
      return;
    case 10:
      c->C_Digest(s, in, size, to, &room);
      return;
    case 11:
      c->C_DigestUpdate(s, in, size);
      return;
    case 12:
      c->C_DigestFinal(s, to, &room);
      return;
    default:
      c->C_SignRecover(s, in, size, to, &room);
  }
}

void Begin(CK_SESSION_HANDLE s, Choices& choose, World& world) {
  CK_MECHANISM mechanism = AMechanism(choose, world);
  CK_MECHANISM* const given = choose.Below(12) == 0 ? nullptr : &mechanism;
  const CK_OBJECT_HANDLE key = AnObject(choose, world);
  switch (choose.Below(9)) {
    case 0:
      c->C_EncryptInit(s, given, key);
      return;
    case 1:
      c->C_DecryptInit(s, given, key);
      return;
    case 2:
      c->C_SignInit(s, given, key);
      return;
    case 3:
      c->C_VerifyInit(s, given, key);
      return;
    case 4:
      c->C_DigestInit(s, given);
      return;
    case 5:
      c->C_DigestKey(s, key);
      return;
    case 6:
      c->C_SignRecoverInit(s, given, key);
      return;
    case 7:
      c->C_MessageEncryptInit(s, given, key);
      return;
    default:
      c->C_MessageDecryptInit(s, given, key);
  }
}

CK_UTF8CHAR pin[] = "user-87654321";

void MakeKeys(CK_SESSION_HANDLE s, Choices& choose, World& world) {
  static CK_BYTE wrapped[4096];
  static CK_ULONG wrapped_size = 40;
  CK_MECHANISM mechanism = AMechanism(choose, world);
  Template t = KeyTemplate(choose);
  CK_OBJECT_HANDLE made = 0, other = 0;
  const CK_OBJECT_HANDLE key = AnObject(choose, world);
  switch (choose.Below(13)) {
    case 0:
      return Keep(world, c->C_CreateObject(s, t.list, t.count, &made), made);
    case 1:
      return Keep(world, c->C_CopyObject(s, key, t.list, t.count, &made), made);
    case 2:
      return Keep(
          world, c->C_GenerateKey(s, &mechanism, t.list, t.count, &made), made);
    case 3:
      return Keep(world,
                  c->C_DeriveKey(s, &mechanism, key, t.list, t.count, &made),
                  made);
    case 4: {
      CK_ULONG size = sizeof(wrapped);
      if (c->C_WrapKey(s, &mechanism, key, AnObject(choose, world), wrapped,
                       &size) == CKR_OK) {
        wrapped_size = size;
        Search(wrapped, size);
      }
      return;
    }
    case 5:
      return Keep(world,
                  c->C_UnwrapKey(s, &mechanism, key, wrapped, wrapped_size,
                                 t.list, t.count, &made),
                  made);
    case 6: {
      CK_ATTRIBUTE curve[] = {{CKA_EC_PARAMS, p256, sizeof p256}};
      const CK_RV rv = c->C_GenerateKeyPair(s, &mechanism, curve, 1, t.list,
                                            t.count, &made, &other);
      Keep(world, rv, made);
      return Keep(world, rv, other);
    }
    case 7:
      c->C_SetAttributeValue(s, key, t.list, t.count);
      return;
    case 8: {
      CK_ULONG size = sizeof(wrapped);
      const CK_RV rv = c->C_EncapsulateKey(s, &mechanism, key, t.list, t.count,
                                           wrapped, &size, &made);
      if (rv == CKR_OK) Search(wrapped, wrapped_size = size);
      return Keep(world, rv, made);
    }
    case 9:
      return Keep(world,
                  c->C_DecapsulateKey(s, &mechanism, key, t.list, t.count,
                                      wrapped, wrapped_size, &made),
                  made);
    case 10: {
      mechanism = OfMessages(mechanism, choose, world);
      CK_ULONG size = sizeof(wrapped);
      if (c->C_WrapKeyAuthenticated(s, &mechanism, key, AnObject(choose, world),
                                    pin, 4, wrapped, &size) == CKR_OK) {
        Search(wrapped, wrapped_size = size);
      }
      return;
    }
    case 11:
      mechanism = OfMessages(mechanism, choose, world);
      return Keep(
          world,
          c->C_UnwrapKeyAuthenticated(s, &mechanism, key, wrapped, wrapped_size,
                                      t.list, t.count, pin, 4, &made),
          made);
    default: {
      CK_OBJECT_HANDLE found[8];
      CK_ULONG count = 0;
      c->C_FindObjectsInit(s, t.list, t.count);
      c->C_FindObjects(s, found, 8, &count);
      for (CK_ULONG i = 0; i < count; ++i) Keep(world, CKR_OK, found[i]);
      c->C_FindObjectsFinal(s);
    }
  }
}

void Others(CK_SESSION_HANDLE s, Choices& choose, World& world) {
  static CK_BYTE state[4096];
  static CK_ULONG state_size = 0;
  switch (choose.Below(8)) {
    case 0:
      if (world.objects.size() > 3) {
        c->C_DestroyObject(s, world.objects.back());
        world.objects.pop_back();
      }
      return;
    case 1:
      c->C_SessionCancel(s, CK_FLAGS{1} << choose.Below(20));
      return;
    case 2: {
      CK_ULONG size = sizeof(state);
      if (c->C_GetOperationState(s, state, &size) == CKR_OK) {
        state_size = size;
        Search(state, size);
      }
      return;
    }
    case 3:
      c->C_SetOperationState(s, state, state_size, AnObject(choose, world),
                             AnObject(choose, world));
      return;
    case 4:
      c->C_Logout(s);
      return;
    case 5:
    case 6:
      c->C_Login(s, choose.Below(8) == 0 ? CKU_CONTEXT_SPECIFIC : CKU_USER, pin,
                 sizeof(pin) - 1);
      return;
    default: {
      CK_ULONG size = 0;
      c->C_GetObjectSize(s, AnObject(choose, world), &size);
    }
  }
}

void Step(Choices& choose, World& world) {
  const CK_SESSION_HANDLE session =
      world.sessions[choose.Below(world.sessions.size())];
  std::memset(out, 0, sizeof(out));
  switch (choose.Below(8)) {
    case 0:
    case 1:
      Begin(session, choose, world);
      break;
    case 2:
    case 3: {
      static CK_BYTE in[512];
      const CK_BYTE filler = choose.Byte();
      std::memset(in, filler, sizeof(in));
      const CK_ULONG size = std::min<CK_ULONG>(choose.Size(), sizeof(in));
      Cipher(session, choose, in, size);
      break;
    }
    case 4:
    case 5:
      MakeKeys(session, choose, world);
      break;
    case 6:
      Read(session, AnObject(choose, world), choose);
      break;
    default:
      Others(session, choose, world);
  }
  Search(out, sizeof(out));
}

// --- the token ---------------------------------------------------------------

void Need(CK_RV rv, const char* what) {
  if (rv != CKR_OK) Die(what);
}

void Start() {
  static char place[] = "/tmp/perigee-calls-XXXXXX";
  if (mkdtemp(place) == nullptr) Die("no directory");
  atexit([] {
    std::error_code ignored;
    std::filesystem::remove_all(place, ignored);
  });
  const std::string config = std::string(place) + "/perigee.toml";
  FILE* const file = std::fopen(config.c_str(), "w");
  if (file == nullptr) Die("no configuration");
  std::fputs(
      "[[hsm]]\nname = \"app\"\nkind = \"application\"\n"
      "kdf_cost = \"test\"\n[[hsm.partition]]\n",
      file);
  std::fclose(file);
  setenv("PERIGEE_STATE_DIR", place, 1);
  setenv("PERIGEE_CONF", config.c_str(), 1);
  void* const module = dlopen(PERIGEE_MODULE_PATH, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) Die(dlerror());
  const auto get =
      reinterpret_cast<CK_C_GetInterface>(dlsym(module, "C_GetInterface"));
  CK_INTERFACE* interface = nullptr;
  CK_VERSION version = {3, 2};
  Need(get(nullptr, &version, &interface, 0), "C_GetInterface");
  c = static_cast<CK_FUNCTION_LIST_3_2*>(interface->pFunctionList);
  Need(c->C_Initialize(nullptr), "C_Initialize");
  CK_UTF8CHAR so_pin[] = "so-12345678";
  CK_UTF8CHAR label[33] = "calls                           ";
  Need(c->C_InitToken(0, so_pin, sizeof(so_pin) - 1, label), "C_InitToken");
  CK_SESSION_HANDLE session = 0;
  Need(c->C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                        nullptr, &session),
       "C_OpenSession");
  Need(c->C_Login(session, CKU_SO, so_pin, sizeof(so_pin) - 1), "C_Login");
  Need(c->C_InitPIN(session, pin, sizeof(pin) - 1), "C_InitPIN");
  Need(c->C_CloseAllSessions(0), "C_CloseAllSessions");
}

CK_OBJECT_HANDLE Hidden(CK_SESSION_HANDLE session, CK_BBOOL extractable,
                        CK_BBOOL wraps) {
  CK_ATTRIBUTE t[] = {{CKA_CLASS, &secret_class, sizeof secret_class},
                      {CKA_KEY_TYPE, &aes, sizeof aes},
                      {CKA_VALUE, secret, sizeof secret},
                      {CKA_SENSITIVE, &yes, 1},
                      {CKA_EXTRACTABLE, &extractable, 1},
                      {CKA_ENCRYPT, &yes, 1},
                      {CKA_SIGN, &yes, 1},
                      {CKA_DERIVE, &yes, 1},
                      {CKA_WRAP, &wraps, 1},
                      {CKA_UNWRAP, &wraps, 1}};
  CK_OBJECT_HANDLE object = 0;
  Need(c->C_CreateObject(session, t, std::size(t), &object), "hidden key");
  return object;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const bool started = (Start(), true);
  (void)started;
  World world;
  for (int i = 0; i < 2; ++i) {
    CK_SESSION_HANDLE session = 0;
    Need(c->C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                          nullptr, &session),
         "C_OpenSession");
    world.sessions.push_back(session);
  }
  Need(c->C_Login(world.sessions[0], CKU_USER, pin, sizeof(pin) - 1),
       "C_Login");
  for (const CK_BBOOL extractable : {no, yes}) {
    for (const CK_BBOOL wraps : {no, yes}) {
      world.objects.push_back(Hidden(world.sessions[0], extractable, wraps));
    }
  }
  Choices choose(bytes, size);
  for (int step = 0; step < 64 && !choose.empty(); ++step) Step(choose, world);
  // Token objects that an input made stay out of the next one's way.
  c->C_Login(world.sessions[0], CKU_USER, pin, sizeof(pin) - 1);
  CK_ATTRIBUTE on_token = {CKA_TOKEN, &yes, 1};
  c->C_FindObjectsFinal(world.sessions[0]);
  c->C_FindObjectsInit(world.sessions[0], &on_token, 1);
  CK_OBJECT_HANDLE found[64];
  CK_ULONG count = 0;
  c->C_FindObjects(world.sessions[0], found, 64, &count);
  c->C_FindObjectsFinal(world.sessions[0]);
  for (CK_ULONG i = 0; i < count; ++i) {
    c->C_DestroyObject(world.sessions[0], found[i]);
  }
  c->C_CloseAllSessions(0);
  return 0;
}
