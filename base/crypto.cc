#include "base/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <atomic>
#include <climits>
#include <new>

#include "absl/strings/str_cat.h"
#include "base/crypto_pkcs8.h"
#include "base/crypto_provider.h"
#include "base/openssl_errors.h"

namespace base {
namespace {

using UniqueCipherCtx = OpenSslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using UniqueKdfCtx = OpenSslPtr<EVP_KDF_CTX, EVP_KDF_CTX_free>;
using UniqueMacCtx = OpenSslPtr<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using UniqueMdCtx = OpenSslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using UniquePkeyCtx = OpenSslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

// Under the name "EC" OpenSSL would look for an engine of the host's first.
constexpr char kEcType[] = "1.2.840.10045.2.1";

// The context and what was fetched in it. Members are freed in reverse order.
struct Library {
  OpenSslPtr<OSSL_LIB_CTX, OSSL_LIB_CTX_free> context;
  OpenSslPtr<OSSL_PROVIDER, OSSL_PROVIDER_unload> provider;
  OpenSslPtr<EVP_MD, EVP_MD_free> sha384;
  OpenSslPtr<EVP_CIPHER, EVP_CIPHER_free> aes_gcm;
  // Null where the OpenSSL underneath was built without it.
  OpenSslPtr<EVP_KDF, EVP_KDF_free> scrypt;
  OpenSslPtr<EVP_KDF, EVP_KDF_free> pbkdf2;
  // A keyed template: a copy of one that is keyed again costs half of a new
  // one.
  UniqueMacCtx hmac_sha384;
};

std::atomic<const Library*> the_library{nullptr};
std::atomic<bool> openssl_is_gone{false};

void NoteOpenSslIsGone() { openssl_is_gone.store(true); }

// Empties the queue and fails as an allocation does.
[[noreturn]] void ThrowBroken() {
  ForgetOpenSslErrors();
  throw std::bad_alloc();
}

template <typename T>
void RequireMade(const T& pointer) {
  if (pointer == nullptr) ThrowBroken();
}

OSSL_PARAM DigestParam(const char* name) {
  return OSSL_PARAM_construct_utf8_string(OSSL_ALG_PARAM_DIGEST,
                                          const_cast<char*>(name), 0);
}

// OpenSSL takes a null pointer for "not given"; an empty input is given.
const uint8_t* NotNull(ByteSpan in) {
  static constexpr uint8_t kNothing = 0;
  return in.empty() ? &kNothing : in.data();
}

OSSL_PARAM OctetParam(const char* name, ByteSpan in) {
  return OSSL_PARAM_construct_octet_string(
      name, const_cast<uint8_t*>(NotNull(in)), in.size());
}

UniqueMacCtx NewHmacTemplate(OSSL_LIB_CTX* context, const char* digest) {
  OpenSslPtr<EVP_MAC, EVP_MAC_free> hmac(
      EVP_MAC_fetch(context, "HMAC", nullptr));
  RequireMade(hmac);
  UniqueMacCtx ctx(EVP_MAC_CTX_new(hmac.get()));
  RequireMade(ctx);
  const OSSL_PARAM params[] = {DigestParam(digest), OSSL_PARAM_construct_end()};
  const uint8_t key = 0;
  if (EVP_MAC_init(ctx.get(), &key, sizeof(key), params) != 1) ThrowBroken();
  return ctx;
}

std::unique_ptr<Library> NewLibrary() {
  auto library = std::make_unique<Library>();
  library->context.reset(OSSL_LIB_CTX_new());
  RequireMade(library->context);
  OSSL_LIB_CTX* context = library->context.get();
  library->provider.reset(LoadCryptoProvider(context));
  RequireMade(library->provider);
  library->sha384.reset(EVP_MD_fetch(context, "SHA2-384", nullptr));
  RequireMade(library->sha384);
  library->aes_gcm.reset(EVP_CIPHER_fetch(context, "AES-256-GCM", nullptr));
  RequireMade(library->aes_gcm);
  library->scrypt.reset(EVP_KDF_fetch(context, "SCRYPT", nullptr));
  library->pbkdf2.reset(EVP_KDF_fetch(context, "PBKDF2", nullptr));
  library->hmac_sha384 = NewHmacTemplate(context, "SHA2-384");
  return library;
}

// Made at the first call and leaked. No lock and no static guard is held
// while the host's configuration is loaded: that may re-enter this function
// in the same thread, and then the inner call makes the library. Racing
// threads each make one and the first wins, so a fork() leaves nothing locked.
const Library& TheLibrary() {
  const Library* made = the_library.load(std::memory_order_acquire);
  if (made != nullptr) return *made;

  if (OpenSslIsGone()) ThrowBroken();
  // A broken configuration is the host's affair, so the result is ignored.
  if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr) != 1) {
    ForgetOpenSslErrors();
  }
  made = the_library.load(std::memory_order_acquire);
  if (made != nullptr) return *made;

  std::unique_ptr<Library> ours = NewLibrary();
  if (!the_library.compare_exchange_strong(made, ours.get(),
                                           std::memory_order_acq_rel)) {
    return *made;
  }
  OPENSSL_atexit(NoteOpenSslIsGone);
  return *ours.release();
}

// OpenSSL's SHA-256 without a context on the heap. OpenSSL would rather have
// these functions gone, but EVP_MAC takes six times as long for the few bytes
// of a tag or a derived key, and each stored object needs ten of those.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
class BareSha256 {
 public:
  static constexpr size_t kBlock = SHA256_CBLOCK;
  BareSha256() { SHA256_Init(&state_); }
  ~BareSha256() { Wipe(&state_, sizeof state_); }
  BareSha256(const BareSha256&) = delete;
  BareSha256& operator=(const BareSha256&) = delete;

  void Add(ByteSpan more) { SHA256_Update(&state_, more.data(), more.size()); }
  // `out` has kSha256Size bytes. Once.
  void Finish(uint8_t* out) { SHA256_Final(out, &state_); }

 private:
  SHA256_CTX state_;
};
#pragma GCC diagnostic pop

// RFC 2104; `out` has the size of the hash.
using HmacFunction = void(ByteSpan key, std::initializer_list<ByteSpan> parts,
                          MutableByteSpan out);

void HmacSha256Into(ByteSpan key, std::initializer_list<ByteSpan> parts,
                    MutableByteSpan out) {
  uint8_t pad[BareSha256::kBlock] = {};
  if (key.size() > sizeof pad) {
    BareSha256 hash;
    hash.Add(key);
    hash.Finish(pad);
  } else {
    std::copy(key.begin(), key.end(), pad);
  }
  BareSha256 inner, outer;
  for (uint8_t& byte : pad) byte ^= 0x36;
  inner.Add(pad);
  for (uint8_t& byte : pad) byte ^= 0x36 ^ 0x5c;
  outer.Add(pad);
  Wipe(pad, sizeof pad);
  for (const ByteSpan part : parts) inner.Add(part);
  inner.Finish(out.data());
  outer.Add(out);
  outer.Finish(out.data());
}

void HmacSha384Into(ByteSpan key, std::initializer_list<ByteSpan> parts,
                    MutableByteSpan out) {
  UniqueMacCtx ctx(EVP_MAC_CTX_dup(TheLibrary().hmac_sha384.get()));
  RequireMade(ctx);
  if (EVP_MAC_init(ctx.get(), NotNull(key), key.size(), nullptr) != 1) {
    ThrowBroken();
  }
  for (ByteSpan part : parts) {
    if (EVP_MAC_update(ctx.get(), part.data(), part.size()) != 1) ThrowBroken();
  }
  if (EVP_MAC_final(ctx.get(), out.data(), nullptr, out.size()) != 1) {
    ThrowBroken();
  }
}

absl::StatusOr<SecretBytes> Derive(EVP_KDF* kdf, const OSSL_PARAM* params,
                                   size_t size, absl::string_view what) {
  if (size == 0) return Error(CKR_ARGUMENTS_BAD, "empty derived key");
  UniqueKdfCtx ctx(kdf == nullptr ? nullptr : EVP_KDF_CTX_new(kdf));
  if (ctx == nullptr) return OpenSslError(CKR_FUNCTION_NOT_SUPPORTED, what);
  SecretBytes out(size);
  if (EVP_KDF_derive(ctx.get(), out.ExposeMutable().data(), size, params) !=
      1) {
    return OpenSslError(CKR_GENERAL_ERROR, what);
  }
  return out;
}

// RFC 5869. OpenSSL's own fetches HMAC and the hash anew each time, which costs
// several times as much as the derivation; each stored object needs one.
absl::StatusOr<SecretBytes> Hkdf(HmacFunction* hmac, size_t hash_size,
                                 ByteSpan key, ByteSpan salt, ByteSpan info,
                                 size_t size) {
  if (size == 0) return Error(CKR_ARGUMENTS_BAD, "empty derived key");
  if (size > 255 * hash_size) {
    return Error(CKR_ARGUMENTS_BAD, "derived key too long");
  }
  static constexpr uint8_t kNoSalt[64] = {};
  SecretBytes extracted(hash_size);
  hmac(salt.empty() ? ByteSpan(kNoSalt, hash_size) : salt, {key},
       extracted.ExposeMutable());
  SecretBytes out((size + hash_size - 1) / hash_size * hash_size);
  ByteSpan before;  // the block that was made last
  for (size_t done = 0; done < size; done += hash_size) {
    const uint8_t number = static_cast<uint8_t>(done / hash_size + 1);
    const MutableByteSpan block = out.ExposeMutable().subspan(done, hash_size);
    hmac(extracted.Expose(), {before, info, ByteSpan(&number, 1)}, block);
    before = block;
  }
  out.Truncate(size);
  return out;
}

absl::Status CheckAead(ByteSpan key, ByteSpan nonce, ByteSpan aad,
                       ByteSpan text) {
  if (key.size() != kAeadKeySize || nonce.size() != kAeadNonceSize ||
      aad.size() > INT_MAX || text.size() > INT_MAX) {
    return Error(CKR_ARGUMENTS_BAD, "AES-256-GCM input of a wrong size");
  }
  return absl::OkStatus();
}

// Feeds what an AEAD context of either direction takes before its end.
// `out` has room for `in`.
bool AeadUpdate(EVP_CIPHER_CTX* ctx, ByteSpan aad, ByteSpan in, uint8_t* out) {
  int written = 0;
  if (!aad.empty() && EVP_CipherUpdate(ctx, nullptr, &written, aad.data(),
                                       static_cast<int>(aad.size())) != 1) {
    return false;
  }
  return in.empty() || EVP_CipherUpdate(ctx, out, &written, in.data(),
                                        static_cast<int>(in.size())) == 1;
}

// The uncompressed point of a P-384 key; empty if `key` is not one.
Bytes PointOf(EVP_PKEY* key) {
  char group[32] = {};
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group, sizeof(group), nullptr) != 1 ||
      group != absl::string_view(SN_secp384r1)) {
    return {};
  }
  Bytes point(kP384PointSize);
  size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY,
                                      point.data(), point.size(), &size) != 1 ||
      size != kP384PointSize || point[0] != POINT_CONVERSION_UNCOMPRESSED) {
    return {};
  }
  return point;
}

}  // namespace

OSSL_LIB_CTX* OpenSslContext() { return TheLibrary().context.get(); }

bool OpenSslIsGone() {
  if (openssl_is_gone.load(std::memory_order_acquire)) return true;
  if (the_library.load(std::memory_order_acquire) != nullptr) return false;
  // Nobody asked OpenSSL to tell us yet. Initialising nothing fails only once
  // OPENSSL_cleanup has run.
  if (OPENSSL_init_crypto(0, nullptr) == 1) return false;
  NoteOpenSslIsGone();
  return true;
}

bool ForgetOpenSslErrors() {
  // Popping takes the mark away; it is the boundary's.
  return ERR_pop_to_mark() == 1 && ERR_set_mark() == 1;
}

absl::Status OpenSslError(CK_RV rv, absl::string_view what) {
  // The first one is nearest to the cause, unless it is the host's.
  const unsigned long first = ERR_peek_error();
  const unsigned long last = ERR_peek_last_error();
  const char* reason =
      ERR_reason_error_string(ForgetOpenSslErrors() ? last : first);
  if (reason == nullptr) return Error(rv, what);
  return Error(rv, absl::StrCat(what, ": ", reason));
}

absl::Status FillRandom(MutableByteSpan out) {
  RETURN_IF_ERROR(RefuseWhenGone());
  constexpr unsigned kStrength = 256;
  // RAND_priv_bytes_ex would ask the host's RAND_METHOD first.
  EVP_RAND_CTX* const drbg = RAND_get0_private(OpenSslContext());
  constexpr size_t kMost = size_t{1} << 15;  // below the DRBG's own limit
  while (drbg != nullptr && !out.empty()) {
    const size_t size = std::min(out.size(), kMost);
    if (EVP_RAND_generate(drbg, out.data(), size, kStrength, 0, nullptr, 0) !=
        1) {
      return OpenSslError(CKR_GENERAL_ERROR, "random generator");
    }
    out.remove_prefix(size);
  }
  if (drbg == nullptr) {
    return OpenSslError(CKR_GENERAL_ERROR, "random generator");
  }
  return absl::OkStatus();
}

// The only way to ask, although OpenSSL would rather have it gone.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
absl::Status CheckHostsRandom() {
  RETURN_IF_ERROR(RefuseWhenGone());
  if (RAND_get_rand_method() == RAND_OpenSSL()) return absl::OkStatus();
  return Error(CKR_RANDOM_NO_RNG,
               "the host has put its own random generator (RAND_METHOD) in the "
               "place of OpenSSL's; keys would depend on it");
}
#pragma GCC diagnostic pop

absl::StatusOr<SecretBytes> RandomSecret(size_t size) {
  SecretBytes out(size);
  RETURN_IF_ERROR(FillRandom(out.ExposeMutable()));
  return out;
}

absl::StatusOr<Bytes> RandomBytes(size_t size) {
  Bytes out(size);
  RETURN_IF_ERROR(FillRandom(absl::MakeSpan(out)));
  return out;
}

Bytes Sha256(std::initializer_list<ByteSpan> parts) {
  BareSha256 hash;
  for (const ByteSpan part : parts) hash.Add(part);
  Bytes digest(kSha256Size);
  hash.Finish(digest.data());
  return digest;
}

Bytes Sha384(std::initializer_list<ByteSpan> parts) {
  UniqueMdCtx ctx(EVP_MD_CTX_new());
  RequireMade(ctx);
  Bytes digest(kSha384Size);
  const EVP_MD* const sha384 = TheLibrary().sha384.get();
  if (EVP_DigestInit_ex2(ctx.get(), sha384, nullptr) != 1) ThrowBroken();
  for (ByteSpan part : parts) {
    if (EVP_DigestUpdate(ctx.get(), part.data(), part.size()) != 1) {
      ThrowBroken();
    }
  }
  if (EVP_DigestFinal_ex(ctx.get(), digest.data(), nullptr) != 1) ThrowBroken();
  return digest;
}

SecretBytes HmacSha256(ByteSpan key, std::initializer_list<ByteSpan> parts) {
  SecretBytes mac(kSha256Size);
  HmacSha256Into(key, parts, mac.ExposeMutable());
  return mac;
}

std::array<uint8_t, kSha256Size> HmacSha256Tag(
    ByteSpan key, std::initializer_list<ByteSpan> parts) {
  std::array<uint8_t, kSha256Size> tag;
  HmacSha256Into(key, parts, absl::MakeSpan(tag));
  return tag;
}

SecretBytes HmacSha384(ByteSpan key, std::initializer_list<ByteSpan> parts) {
  SecretBytes mac(kSha384Size);
  HmacSha384Into(key, parts, mac.ExposeMutable());
  return mac;
}

absl::StatusOr<SecretBytes> HkdfSha256(ByteSpan key, ByteSpan salt,
                                       ByteSpan info, size_t size) {
  return Hkdf(HmacSha256Into, kSha256Size, key, salt, info, size);
}

absl::StatusOr<SecretBytes> HkdfSha384(ByteSpan key, ByteSpan salt,
                                       ByteSpan info, size_t size) {
  return Hkdf(HmacSha384Into, kSha384Size, key, salt, info, size);
}

absl::StatusOr<SecretBytes> Scrypt(ByteSpan pin, ByteSpan salt, int log2_n,
                                   size_t size) {
  if (log2_n < 1 || log2_n > 22) {
    return Error(CKR_ARGUMENTS_BAD, "scrypt cost out of range");
  }
  uint64_t n = uint64_t{1} << log2_n;
  uint64_t r = 8;
  uint64_t p = 1;
  // N blocks of 128 * r bytes and a little working space.
  uint64_t max_memory = 128 * r * (n + p + 2) + (uint64_t{1} << 20);
  const OSSL_PARAM params[] = {
      OctetParam(OSSL_KDF_PARAM_PASSWORD, pin),
      OctetParam(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max_memory),
      OSSL_PARAM_construct_end()};
  return Derive(TheLibrary().scrypt.get(), params, size, "scrypt");
}

absl::StatusOr<SecretBytes> Pbkdf2Sha256(ByteSpan pin, ByteSpan salt,
                                         uint32_t iterations, size_t size) {
  uint64_t count = iterations;
  const OSSL_PARAM params[] = {
      DigestParam("SHA2-256"), OctetParam(OSSL_KDF_PARAM_PASSWORD, pin),
      OctetParam(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &count),
      OSSL_PARAM_construct_end()};
  return Derive(TheLibrary().pbkdf2.get(), params, size, "PBKDF2");
}

absl::StatusOr<Bytes> AeadSeal(ByteSpan key, ByteSpan nonce, ByteSpan aad,
                               ByteSpan plaintext) {
  RETURN_IF_ERROR(CheckAead(key, nonce, aad, plaintext));
  UniqueCipherCtx ctx(EVP_CIPHER_CTX_new());
  Bytes sealed(plaintext.size() + kAeadTagSize);
  uint8_t* tag = sealed.data() + plaintext.size();
  int written = 0;
  if (ctx == nullptr ||
      EVP_EncryptInit_ex2(ctx.get(), TheLibrary().aes_gcm.get(), key.data(),
                          nonce.data(), nullptr) != 1 ||
      !AeadUpdate(ctx.get(), aad, plaintext, sealed.data()) ||
      EVP_EncryptFinal_ex(ctx.get(), tag, &written) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize,
                          tag) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "AES-256-GCM");
  }
  return sealed;
}

absl::StatusOr<SecretBytes> AeadOpen(ByteSpan key, ByteSpan nonce, ByteSpan aad,
                                     ByteSpan sealed) {
  RETURN_IF_ERROR(CheckAead(key, nonce, aad, sealed));
  if (sealed.size() < kAeadTagSize) {
    return Error(CKR_DEVICE_ERROR, "sealed bytes are too short");
  }
  ByteSpan text = sealed.first(sealed.size() - kAeadTagSize);
  ByteSpan tag = sealed.last(kAeadTagSize);
  UniqueCipherCtx ctx(EVP_CIPHER_CTX_new());
  // One byte more than the text, so that the end has a place to point to.
  SecretBytes opened(text.size() + 1);
  uint8_t* out = opened.ExposeMutable().data();
  int written = 0;
  if (ctx == nullptr ||
      EVP_DecryptInit_ex2(ctx.get(), TheLibrary().aes_gcm.get(), key.data(),
                          nonce.data(), nullptr) != 1 ||
      !AeadUpdate(ctx.get(), aad, text, out) ||
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagSize,
                          const_cast<uint8_t*>(tag.data())) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "AES-256-GCM");
  }
  if (EVP_DecryptFinal_ex(ctx.get(), out + text.size(), &written) != 1) {
    return OpenSslError(CKR_DEVICE_ERROR, "sealed bytes do not authenticate");
  }
  opened.Truncate(text.size());
  return opened;
}

absl::StatusOr<UniquePkey> P384PublicKey(ByteSpan point) {
  if (point.size() != kP384PointSize ||
      point[0] != POINT_CONVERSION_UNCOMPRESSED) {
    return Error(CKR_DATA_INVALID, "not an uncompressed P-384 point");
  }
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                       const_cast<char*>("P-384"), 0),
      OctetParam(OSSL_PKEY_PARAM_PUB_KEY, point), OSSL_PARAM_construct_end()};
  UniquePkeyCtx ctx(
      EVP_PKEY_CTX_new_from_name(OpenSslContext(), kEcType, nullptr));
  EVP_PKEY* key = nullptr;
  if (ctx == nullptr || EVP_PKEY_fromdata_init(ctx.get()) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "P-384");
  }
  if (EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY,
                        const_cast<OSSL_PARAM*>(params)) != 1) {
    return OpenSslError(CKR_DATA_INVALID, "P-384 point");
  }
  return UniquePkey(key);
}

absl::Status VerifyP384(EVP_PKEY* key, ByteSpan message, ByteSpan signature) {
  UniqueMdCtx ctx(EVP_MD_CTX_new());
  if (ctx == nullptr ||
      EVP_DigestVerifyInit_ex(ctx.get(), nullptr, "SHA2-384", OpenSslContext(),
                              nullptr, key, nullptr) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "ECDSA");
  }
  if (EVP_DigestVerify(ctx.get(), NotNull(signature), signature.size(),
                       NotNull(message), message.size()) != 1) {
    return OpenSslError(CKR_SIGNATURE_INVALID, "signature does not fit");
  }
  return absl::OkStatus();
}

absl::StatusOr<P384Key> P384Key::Generate() {
  RETURN_IF_ERROR(CheckHostsRandom());
  RETURN_IF_ERROR(RefuseWhenGone());
  UniquePkeyCtx ctx(
      EVP_PKEY_CTX_new_from_name(OpenSslContext(), kEcType, nullptr));
  EVP_PKEY* made = nullptr;
  if (ctx == nullptr || EVP_PKEY_keygen_init(ctx.get()) != 1 ||
      EVP_PKEY_CTX_set_group_name(ctx.get(), "P-384") != 1 ||
      EVP_PKEY_generate(ctx.get(), &made) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "P-384 key");
  }
  UniquePkey key(made);
  Bytes point = PointOf(key.get());
  if (point.empty()) return OpenSslError(CKR_GENERAL_ERROR, "P-384 point");
  return P384Key(std::move(key), std::move(point));
}

absl::StatusOr<P384Key> P384Key::FromPrivateDer(ByteSpan der) {
  ASSIGN_OR_RETURN(UniquePkey key, PrivateKeyFromDer(der));
  Bytes point = key == nullptr ? Bytes() : PointOf(key.get());
  if (point.empty()) {
    return OpenSslError(CKR_DATA_INVALID, "private key is not a P-384 key");
  }
  UniquePkeyCtx ctx(
      EVP_PKEY_CTX_new_from_pkey(OpenSslContext(), key.get(), nullptr));
  if (ctx == nullptr || EVP_PKEY_check(ctx.get()) != 1) {
    return OpenSslError(CKR_DATA_INVALID, "private key is inconsistent");
  }
  return P384Key(std::move(key), std::move(point));
}

absl::StatusOr<SecretBytes> P384Key::PrivateDer() const {
  return PrivateKeyToDer(key_.get());
}

absl::StatusOr<Bytes> P384Key::Sign(ByteSpan message) const {
  RETURN_IF_ERROR(CheckHostsRandom());
  RETURN_IF_ERROR(RefuseWhenGone());
  UniqueMdCtx ctx(EVP_MD_CTX_new());
  size_t size = 0;
  if (ctx == nullptr ||
      EVP_DigestSignInit_ex(ctx.get(), nullptr, "SHA2-384", OpenSslContext(),
                            nullptr, key_.get(), nullptr) != 1 ||
      EVP_DigestSign(ctx.get(), nullptr, &size, NotNull(message),
                     message.size()) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "ECDSA");
  }
  Bytes signature(size);
  if (EVP_DigestSign(ctx.get(), signature.data(), &size, NotNull(message),
                     message.size()) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "ECDSA");
  }
  signature.resize(size);
  return signature;
}

absl::StatusOr<SecretBytes> P384Key::Agree(ByteSpan peer_point) const {
  RETURN_IF_ERROR(RefuseWhenGone());
  ASSIGN_OR_RETURN(UniquePkey peer, P384PublicKey(peer_point));
  UniquePkeyCtx ctx(
      EVP_PKEY_CTX_new_from_pkey(OpenSslContext(), key_.get(), nullptr));
  if (ctx == nullptr || EVP_PKEY_derive_init(ctx.get()) != 1) {
    return OpenSslError(CKR_GENERAL_ERROR, "ECDH");
  }
  constexpr int kValidate = 1;
  if (EVP_PKEY_derive_set_peer_ex(ctx.get(), peer.get(), kValidate) != 1) {
    return OpenSslError(CKR_DATA_INVALID, "P-384 point");
  }
  SecretBytes shared(48);
  size_t size = shared.size();
  if (EVP_PKEY_derive(ctx.get(), shared.ExposeMutable().data(), &size) != 1 ||
      size != shared.size()) {
    return OpenSslError(CKR_GENERAL_ERROR, "ECDH");
  }
  return shared;
}

}  // namespace base
