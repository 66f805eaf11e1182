#include "pkcs11/mechanisms/evp.h"

#include <algorithm>
#include <iterator>

#include "base/openssl_errors.h"

namespace pkcs11 {
namespace {

constexpr CK_MECHANISM_TYPE kNone = CK_UNAVAILABLE_INFORMATION;

constexpr Hash kHashes[] = {
    {CKM_SHA_1, "SHA1", 20, CKG_MGF1_SHA1, kNone, kNone, kNone, kNone, kNone,
     kNone, kNone},
    {CKM_SHA224, "SHA2-224", 28, CKG_MGF1_SHA224, CKM_SHA224_RSA_PKCS,
     CKM_SHA224_RSA_PKCS_PSS, CKM_ECDSA_SHA224, CKM_SHA224_HMAC,
     CKM_SHA224_HMAC_GENERAL, CKK_SHA224_HMAC, CKD_SHA224_KDF},
    {CKM_SHA256, "SHA2-256", 32, CKG_MGF1_SHA256, CKM_SHA256_RSA_PKCS,
     CKM_SHA256_RSA_PKCS_PSS, CKM_ECDSA_SHA256, CKM_SHA256_HMAC,
     CKM_SHA256_HMAC_GENERAL, CKK_SHA256_HMAC, CKD_SHA256_KDF},
    {CKM_SHA384, "SHA2-384", 48, CKG_MGF1_SHA384, CKM_SHA384_RSA_PKCS,
     CKM_SHA384_RSA_PKCS_PSS, CKM_ECDSA_SHA384, CKM_SHA384_HMAC,
     CKM_SHA384_HMAC_GENERAL, CKK_SHA384_HMAC, CKD_SHA384_KDF},
    {CKM_SHA512, "SHA2-512", 64, CKG_MGF1_SHA512, CKM_SHA512_RSA_PKCS,
     CKM_SHA512_RSA_PKCS_PSS, CKM_ECDSA_SHA512, CKM_SHA512_HMAC,
     CKM_SHA512_HMAC_GENERAL, CKK_SHA512_HMAC, CKD_SHA512_KDF},
};
constexpr size_t kHashCount = std::size(kHashes);

struct CipherName {
  AesMode mode;
  const char* names[3];  // for keys of 128, 192 and 256 bits
};
constexpr CipherName kCiphers[] = {
    {AesMode::kEcb, {"AES-128-ECB", "AES-192-ECB", "AES-256-ECB"}},
    {AesMode::kCbc, {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"}},
    {AesMode::kCtr, {"AES-128-CTR", "AES-192-CTR", "AES-256-CTR"}},
    {AesMode::kGcm, {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"}},
    {AesMode::kWrap, {"AES-128-WRAP", "AES-192-WRAP", "AES-256-WRAP"}},
    {AesMode::kWrapPad,
     {"AES-128-WRAP-PAD", "AES-192-WRAP-PAD", "AES-256-WRAP-PAD"}},
};
constexpr size_t kCipherCount = std::size(kCiphers);

// Everything that is fetched once. Never freed.
struct Fetched {
  EVP_MD* hashes[kHashCount];
  std::shared_ptr<ContextPool<MdTraits>> hash_contexts[kHashCount];
  EVP_CIPHER* ciphers[kCipherCount][3];
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
      for (size_t j = 0; j < 3; ++j) {
        made->ciphers[i][j] =
            EVP_CIPHER_fetch(context, kCiphers[i].names[j], nullptr);
      }
    }
    base::ForgetOpenSslErrors();  // of what is not there
    return made;
  }();
  return *fetched;
}

}  // namespace

const Hash* FindHash(CK_ULONG Hash::*number, CK_ULONG value) {
  if (value == kNone) return nullptr;
  for (const Hash& hash : kHashes) {
    if (hash.*number == value) return &hash;
  }
  return nullptr;
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

const EVP_CIPHER* AesCipher(AesMode mode, size_t key_size) {
  if (key_size != 16 && key_size != 24 && key_size != 32) return nullptr;
  for (size_t i = 0; i < kCipherCount; ++i) {
    if (kCiphers[i].mode == mode) {
      return TheFetched().ciphers[i][key_size / 8 - 2];
    }
  }
  return nullptr;
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
