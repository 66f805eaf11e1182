#include "pkcs11/mechanisms/evp.h"

#include <algorithm>
#include <iterator>

#include "base/openssl_errors.h"
#include "pkcs11/mechanisms/vendor_numbers.h"

namespace pkcs11 {
namespace {

constexpr CK_MECHANISM_TYPE kNone = CK_UNAVAILABLE_INFORMATION;

constexpr Hash kHashes[] = {
    {.digest = CKM_MD5,
     .openssl_name = "MD5",
     .size = 16,
     .block = 64,
     .legacy = true,
     .mgf = kNone,
     .rsa_pkcs = CKM_MD5_RSA_PKCS,
     .rsa_pss = kNone,
     .ecdsa = kNone,
     .hmac = CKM_MD5_HMAC,
     .hmac_general = CKM_MD5_HMAC_GENERAL,
     .hmac_key = CKK_MD5_HMAC,
     .key_gen = kNone,
     .key_derivation = CKM_MD5_KEY_DERIVATION,
     .ec_kdf = kNone},
    {.digest = CKM_SHA_1,
     .openssl_name = "SHA1",
     .size = 20,
     .block = 64,
     .mgf = CKG_MGF1_SHA1,
     .rsa_pkcs = CKM_SHA1_RSA_PKCS,
     .rsa_pss = CKM_SHA1_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA1,
     .hmac = CKM_SHA_1_HMAC,
     .hmac_general = CKM_SHA_1_HMAC_GENERAL,
     .hmac_key = CKK_SHA_1_HMAC,
     .key_gen = CKM_SHA_1_KEY_GEN,
     .key_derivation = CKM_SHA1_KEY_DERIVATION,
     .ec_kdf = CKD_SHA1_KDF},
    {.digest = CKM_SHA224,
     .openssl_name = "SHA2-224",
     .size = 28,
     .block = 64,
     .mgf = CKG_MGF1_SHA224,
     .rsa_pkcs = CKM_SHA224_RSA_PKCS,
     .rsa_pss = CKM_SHA224_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA224,
     .hmac = CKM_SHA224_HMAC,
     .hmac_general = CKM_SHA224_HMAC_GENERAL,
     .hmac_key = CKK_SHA224_HMAC,
     .key_gen = CKM_SHA224_KEY_GEN,
     .key_derivation = CKM_SHA224_KEY_DERIVATION,
     .ec_kdf = CKD_SHA224_KDF},
    {.digest = CKM_SHA256,
     .openssl_name = "SHA2-256",
     .size = 32,
     .block = 64,
     .mgf = CKG_MGF1_SHA256,
     .rsa_pkcs = CKM_SHA256_RSA_PKCS,
     .rsa_pss = CKM_SHA256_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA256,
     .hmac = CKM_SHA256_HMAC,
     .hmac_general = CKM_SHA256_HMAC_GENERAL,
     .hmac_key = CKK_SHA256_HMAC,
     .key_gen = CKM_SHA256_KEY_GEN,
     .key_derivation = CKM_SHA256_KEY_DERIVATION,
     .ec_kdf = CKD_SHA256_KDF},
    {.digest = CKM_SHA384,
     .openssl_name = "SHA2-384",
     .size = 48,
     .block = 128,
     .mgf = CKG_MGF1_SHA384,
     .rsa_pkcs = CKM_SHA384_RSA_PKCS,
     .rsa_pss = CKM_SHA384_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA384,
     .hmac = CKM_SHA384_HMAC,
     .hmac_general = CKM_SHA384_HMAC_GENERAL,
     .hmac_key = CKK_SHA384_HMAC,
     .key_gen = CKM_SHA384_KEY_GEN,
     .key_derivation = CKM_SHA384_KEY_DERIVATION,
     .ec_kdf = CKD_SHA384_KDF},
    {.digest = CKM_SHA512,
     .openssl_name = "SHA2-512",
     .size = 64,
     .block = 128,
     .mgf = CKG_MGF1_SHA512,
     .rsa_pkcs = CKM_SHA512_RSA_PKCS,
     .rsa_pss = CKM_SHA512_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA512,
     .hmac = CKM_SHA512_HMAC,
     .hmac_general = CKM_SHA512_HMAC_GENERAL,
     .hmac_key = CKK_SHA512_HMAC,
     .key_gen = CKM_SHA512_KEY_GEN,
     .key_derivation = CKM_SHA512_KEY_DERIVATION,
     .ec_kdf = CKD_SHA512_KDF},
    {.digest = CKM_SHA512_224,
     .openssl_name = "SHA2-512/224",
     .size = 28,
     .block = 128,
     .mgf = kNone,
     .rsa_pkcs = kNone,
     .rsa_pss = kNone,
     .ecdsa = kNone,
     .hmac = CKM_SHA512_224_HMAC,
     .hmac_general = CKM_SHA512_224_HMAC_GENERAL,
     .hmac_key = CKK_SHA512_224_HMAC,
     .key_gen = CKM_SHA512_224_KEY_GEN,
     .key_derivation = CKM_SHA512_224_KEY_DERIVATION,
     .ec_kdf = kNone},
    {.digest = CKM_SHA512_256,
     .openssl_name = "SHA2-512/256",
     .size = 32,
     .block = 128,
     .mgf = kNone,
     .rsa_pkcs = kNone,
     .rsa_pss = kNone,
     .ecdsa = kNone,
     .hmac = CKM_SHA512_256_HMAC,
     .hmac_general = CKM_SHA512_256_HMAC_GENERAL,
     .hmac_key = CKK_SHA512_256_HMAC,
     .key_gen = CKM_SHA512_256_KEY_GEN,
     .key_derivation = CKM_SHA512_256_KEY_DERIVATION,
     .ec_kdf = kNone},
    {.digest = CKM_SHA3_224,
     .openssl_name = "SHA3-224",
     .size = 28,
     .block = 144,
     .mgf = CKG_MGF1_SHA3_224,
     .rsa_pkcs = CKM_SHA3_224_RSA_PKCS,
     .rsa_pss = CKM_SHA3_224_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA3_224,
     .hmac = CKM_SHA3_224_HMAC,
     .hmac_general = CKM_SHA3_224_HMAC_GENERAL,
     .hmac_key = CKK_SHA3_224_HMAC,
     .key_gen = CKM_SHA3_224_KEY_GEN,
     .key_derivation = CKM_SHA3_224_KEY_DERIVATION,
     .ec_kdf = CKD_SHA3_224_KDF},
    {.digest = CKM_SHA3_256,
     .openssl_name = "SHA3-256",
     .size = 32,
     .block = 136,
     .mgf = CKG_MGF1_SHA3_256,
     .rsa_pkcs = CKM_SHA3_256_RSA_PKCS,
     .rsa_pss = CKM_SHA3_256_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA3_256,
     .hmac = CKM_SHA3_256_HMAC,
     .hmac_general = CKM_SHA3_256_HMAC_GENERAL,
     .hmac_key = CKK_SHA3_256_HMAC,
     .key_gen = CKM_SHA3_256_KEY_GEN,
     .key_derivation = CKM_SHA3_256_KEY_DERIVATION,
     .ec_kdf = CKD_SHA3_256_KDF},
    {.digest = CKM_SHA3_384,
     .openssl_name = "SHA3-384",
     .size = 48,
     .block = 104,
     .mgf = CKG_MGF1_SHA3_384,
     .rsa_pkcs = CKM_SHA3_384_RSA_PKCS,
     .rsa_pss = CKM_SHA3_384_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA3_384,
     .hmac = CKM_SHA3_384_HMAC,
     .hmac_general = CKM_SHA3_384_HMAC_GENERAL,
     .hmac_key = CKK_SHA3_384_HMAC,
     .key_gen = CKM_SHA3_384_KEY_GEN,
     .key_derivation = CKM_SHA3_384_KEY_DERIVATION,
     .ec_kdf = CKD_SHA3_384_KDF},
    {.digest = CKM_SHA3_512,
     .openssl_name = "SHA3-512",
     .size = 64,
     .block = 72,
     .mgf = CKG_MGF1_SHA3_512,
     .rsa_pkcs = CKM_SHA3_512_RSA_PKCS,
     .rsa_pss = CKM_SHA3_512_RSA_PKCS_PSS,
     .ecdsa = CKM_ECDSA_SHA3_512,
     .hmac = CKM_SHA3_512_HMAC,
     .hmac_general = CKM_SHA3_512_HMAC_GENERAL,
     .hmac_key = CKK_SHA3_512_HMAC,
     .key_gen = CKM_SHA3_512_KEY_GEN,
     .key_derivation = CKM_SHA3_512_KEY_DERIVATION,
     .ec_kdf = CKD_SHA3_512_KDF},
    // The shorter BLAKE2b are left out: HMAC in OpenSSL takes no hash function
    // by its length, and OpenSSL 3.0 has only this one.
    {.digest = CKM_BLAKE2B_512,
     .openssl_name = "BLAKE2B-512",
     .size = 64,
     .block = 128,
     .mgf = kNone,
     .rsa_pkcs = kNone,
     .rsa_pss = kNone,
     .ecdsa = kNone,
     .hmac = CKM_BLAKE2B_512_HMAC,
     .hmac_general = CKM_BLAKE2B_512_HMAC_GENERAL,
     .hmac_key = CKK_BLAKE2B_512_HMAC,
     .key_gen = CKM_BLAKE2B_512_KEY_GEN,
     .key_derivation = CKM_BLAKE2B_512_KEY_DERIVE,
     .ec_kdf = CKD_BLAKE2B_512_KDF},
};
constexpr size_t kHashCount = std::size(kHashes);

struct CipherName {
  CK_KEY_TYPE type;
  CipherMode mode;
  size_t key_size;
  const char* name;
};
#define PERIGEE_THREE_SIZES(type, prefix, mode, suffix) \
  {type, mode, 16, prefix "-128-" suffix},              \
      {type, mode, 24, prefix "-192-" suffix}, {        \
    type, mode, 32, prefix "-256-" suffix               \
  }
#define PERIGEE_AES(mode, suffix) \
  PERIGEE_THREE_SIZES(CKK_AES, "AES", CipherMode::mode, suffix)
#define PERIGEE_CAMELLIA(mode, suffix) \
  PERIGEE_THREE_SIZES(CKK_CAMELLIA, "CAMELLIA", CipherMode::mode, suffix)
constexpr CipherName kCiphers[] = {
    PERIGEE_AES(kEcb, "ECB"),
    PERIGEE_AES(kCbc, "CBC"),
    PERIGEE_AES(kCtr, "CTR"),
    PERIGEE_AES(kOfb, "OFB"),
    PERIGEE_AES(kCfb1, "CFB1"),
    PERIGEE_AES(kCfb8, "CFB8"),
    PERIGEE_AES(kCfb128, "CFB"),
    PERIGEE_AES(kCts, "CBC-CTS"),
    PERIGEE_AES(kGcm, "GCM"),
    PERIGEE_AES(kCcm, "CCM"),
    PERIGEE_AES(kWrap, "WRAP"),
    PERIGEE_AES(kWrapPad, "WRAP-PAD"),
    {CKK_AES_XTS, CipherMode::kXts, 32, "AES-128-XTS"},
    {CKK_AES_XTS, CipherMode::kXts, 64, "AES-256-XTS"},
    PERIGEE_CAMELLIA(kEcb, "ECB"),
    PERIGEE_CAMELLIA(kCbc, "CBC"),
    PERIGEE_CAMELLIA(kCtr, "CTR"),
    {CKK_DES, CipherMode::kEcb, 8, "DES-EDE3-ECB"},
    {CKK_DES, CipherMode::kCbc, 8, "DES-EDE3-CBC"},
    {CKK_DES2, CipherMode::kEcb, 16, "DES-EDE-ECB"},
    {CKK_DES2, CipherMode::kCbc, 16, "DES-EDE-CBC"},
    {CKK_DES3, CipherMode::kEcb, 24, "DES-EDE3-ECB"},
    {CKK_DES3, CipherMode::kCbc, 24, "DES-EDE3-CBC"},
    {CKK_CHACHA20, CipherMode::kStream, 32, "ChaCha20"},
    {CKK_CHACHA20, CipherMode::kAead, 32, "ChaCha20-Poly1305"},
};
#undef PERIGEE_CAMELLIA
#undef PERIGEE_AES
#undef PERIGEE_THREE_SIZES
constexpr size_t kCipherCount = std::size(kCiphers);

// Everything that is fetched once. Never freed.
struct Fetched {
  EVP_MD* hashes[kHashCount];
  std::shared_ptr<ContextPool<MdTraits>> hash_contexts[kHashCount];
  EVP_CIPHER* ciphers[kCipherCount];
};

std::shared_ptr<ContextPool<MdTraits>> NewMdPool(const EVP_MD* md) {
  UniqueMdCtx context(EVP_MD_CTX_new());
  if (context == nullptr || md == nullptr ||
      EVP_DigestInit_ex2(context.get(), md, nullptr) != 1) {
    return nullptr;
  }
  return std::make_shared<ContextPool<MdTraits>>(std::move(context));
}

const Fetched& TheFetched() {
  static const Fetched* const fetched = [] {
    auto* made = new Fetched;
    OSSL_LIB_CTX* context = base::OpenSslContext();
    for (size_t i = 0; i < kHashCount; ++i) {
      made->hashes[i] = EVP_MD_fetch(context, kHashes[i].openssl_name, nullptr);
      made->hash_contexts[i] = NewMdPool(made->hashes[i]);
    }
    for (size_t i = 0; i < kCipherCount; ++i) {
      made->ciphers[i] = EVP_CIPHER_fetch(context, kCiphers[i].name, nullptr);
    }
    base::ForgetOpenSslErrors();  // of what is not there
    return made;
  }();
  return *fetched;
}

}  // namespace

absl::Span<const Hash> Hashes() { return kHashes; }

const Hash* FindHash(CK_ULONG Hash::*number, CK_ULONG value) {
  if (value == kNone) return nullptr;
  value = number == &Hash::mgf ? StandardMgf(value) : StandardMechanism(value);
  for (const Hash& hash : kHashes) {
    if (hash.*number == value) return &hash;
  }
  return nullptr;
}

const Hash* FindNamedHash(CK_ULONG Hash::*number, CK_ULONG value) {
  const Hash* const hash = FindHash(number, value);
  return hash != nullptr && !hash->legacy ? hash : nullptr;
}

const EVP_MD* Md(const Hash& hash) {
  return TheFetched().hashes[&hash - kHashes];
}

absl::StatusOr<MdLease> LendMd(const Hash& hash) {
  const auto& pool = TheFetched().hash_contexts[&hash - kHashes];
  if (pool == nullptr) {
    return base::Error(CKR_MECHANISM_INVALID, "hash function not available");
  }
  return MdLease::From(pool);
}

const EVP_CIPHER* CipherFor(CK_KEY_TYPE type, CipherMode mode,
                            size_t key_size) {
  for (size_t i = 0; i < kCipherCount; ++i) {
    const CipherName& row = kCiphers[i];
    if (row.type == type && row.mode == mode && row.key_size == key_size) {
      return TheFetched().ciphers[i];
    }
  }
  return nullptr;
}

absl::Status SetCipherKey(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher,
                          CK_KEY_TYPE type, ByteSpan value, bool encrypt) {
  SecretBytes tripled;
  if (type == CKK_DES) {
    tripled = SecretBytes(3 * value.size());
    for (size_t i = 0; i < tripled.size(); ++i) {
      tripled.ExposeMutable()[i] = value[i % value.size()];
    }
    value = tripled.Expose();
  }
  if (EVP_CipherInit_ex2(context, cipher, value.data(), nullptr,
                         encrypt ? 1 : 0, nullptr) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "cipher key");
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> CipherUpdate(EVP_CIPHER_CTX* context, ByteSpan in,
                                    uint8_t* out) {
  // EVP takes an int; a multiple of the block keeps in-place work aligned.
  constexpr size_t kMostAtOnce = size_t{1} << 30;
  size_t written = 0;
  while (!in.empty()) {
    const size_t now = std::min(in.size(), kMostAtOnce);
    int size = 0;
    if (EVP_CipherUpdate(context, out == nullptr ? nullptr : out + written,
                         &size, in.data(), static_cast<int>(now)) != 1) {
      return base::OpenSslError(CKR_FUNCTION_FAILED, "cipher update");
    }
    if (out != nullptr) written += size;
    in.remove_prefix(now);
  }
  return written;
}

MdTraits::Unique MdTraits::Copy(const EVP_MD_CTX* from) {
  Unique copy(EVP_MD_CTX_new());
  if (copy == nullptr || EVP_MD_CTX_copy_ex(copy.get(), from) != 1) {
    return nullptr;
  }
  return copy;
}

// Also wipes what the hash function keeps of the message.
bool MdTraits::Reset(EVP_MD_CTX* context) {
  return EVP_DigestInit_ex2(context, nullptr, nullptr) == 1;
}

MacTraits::Unique MacTraits::Copy(const EVP_MAC_CTX* from) {
  return Unique(EVP_MAC_CTX_dup(from));
}

bool MacTraits::Reset(EVP_MAC_CTX* context) {
  return EVP_MAC_init(context, nullptr, 0, nullptr) == 1;
}

CipherTraits::Unique CipherTraits::Copy(const EVP_CIPHER_CTX* from) {
  Unique copy(EVP_CIPHER_CTX_new());
  if (copy == nullptr || EVP_CIPHER_CTX_copy(copy.get(), from) != 1) {
    return nullptr;
  }
  return copy;
}

PkeyTraits::Unique PkeyTraits::Copy(const EVP_PKEY_CTX* from) {
  return Unique(EVP_PKEY_CTX_dup(const_cast<EVP_PKEY_CTX*>(from)));
}

unsigned ThreadNumber() {
  static std::atomic<unsigned> next{0};
  thread_local const unsigned number = next.fetch_add(1);
  return number;
}

absl::Status HashUpdate(EVP_MD_CTX* context, ByteSpan part) {
  if (part.empty()) return absl::OkStatus();
  if (EVP_DigestUpdate(context, part.data(), part.size()) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "digest update");
  }
  return absl::OkStatus();
}

absl::StatusOr<HashValue> HashFinal(EVP_MD_CTX* context) {
  HashValue value;
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context, value.bytes.data(), &size) != 1) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "digest final");
  }
  value.size = size;
  return value;
}

}  // namespace pkcs11
