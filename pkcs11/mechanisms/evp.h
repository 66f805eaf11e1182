// OpenSSL as the mechanisms use it: owned types, algorithms fetched once, the
// table of hash functions, and keyed contexts that are lent instead of made
// anew. Everything is in base::OpenSslContext().
#ifndef PERIGEE_PKCS11_MECHANISMS_EVP_H_
#define PERIGEE_PKCS11_MECHANISMS_EVP_H_

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <atomic>
#include <memory>
#include <utility>

#include "base/crypto.h"
#include "hsm/object.h"

namespace pkcs11 {

using base::Bytes;
using base::ByteSpan;
using base::MutableByteSpan;
using base::SecretBytes;

template <auto kFree>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* p) const {
    kFree(p);
  }
};
template <typename T, auto kFree>
using UniqueOf = std::unique_ptr<T, OpenSslDeleter<kFree>>;

using base::UniquePkey;
using UniqueCipherCtx = UniqueOf<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using UniqueMacCtx = UniqueOf<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using UniqueMdCtx = UniqueOf<EVP_MD_CTX, EVP_MD_CTX_free>;
using UniquePkeyCtx = UniqueOf<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

// --- hash functions ---------------------------------------------------------

inline constexpr size_t kMaxHashSize = 64;

// One hash function and the numbers of everything that is made of it;
// CK_UNAVAILABLE_INFORMATION where the standard has no such thing.
struct Hash {
  CK_MECHANISM_TYPE digest;
  const char* openssl_name;
  size_t size;
  size_t block;  // bytes; what HMAC pads its key to
  bool legacy;   // for mechanisms of its own in the legacy profile only
  CK_RSA_PKCS_MGF_TYPE mgf;
  CK_MECHANISM_TYPE rsa_pkcs;
  CK_MECHANISM_TYPE rsa_pss;
  CK_MECHANISM_TYPE ecdsa;
  CK_MECHANISM_TYPE hmac;
  CK_MECHANISM_TYPE hmac_general;
  CK_KEY_TYPE hmac_key;
  CK_MECHANISM_TYPE key_gen;         // of an HMAC key
  CK_MECHANISM_TYPE key_derivation;  // the hash of a key as a key
  CK_EC_KDF_TYPE ec_kdf;
};

// All of them, also those that this process's OpenSSL has not.
absl::Span<const Hash> Hashes();

// The row whose `number` is `value`: FindHash(&Hash::ecdsa, CKM_ECDSA_SHA256).
// Null if there is none.
const Hash* FindHash(CK_ULONG Hash::*number, CK_ULONG value);
// For numbers in mechanism parameters: null for legacy ones too.
const Hash* FindNamedHash(CK_ULONG Hash::*number, CK_ULONG value);

// Fetched at the first call and kept; null when OpenSSL has it not.
const EVP_MD* Md(const Hash& hash);

template <CK_MECHANISM_TYPE kDigest>
bool HashIsAvailable() {
  return Md(*FindHash(&Hash::digest, kDigest)) != nullptr;
}

// --- ciphers ----------------------------------------------------------------

enum class CipherMode : uint8_t {
  kEcb,
  kCbc,
  kCtr,
  kOfb,
  kCfb1,
  kCfb8,
  kCfb128,
  kCts,
  kXts,
  kGcm,
  kCcm,
  kWrap,
  kWrapPad,
  kStream,
  kAead,
};
using AesMode = CipherMode;

// The cipher for a key of this type and size in bytes. Null when there is none
// or OpenSSL has it not.
const EVP_CIPHER* CipherFor(CK_KEY_TYPE type, CipherMode mode, size_t key_size);

inline const EVP_CIPHER* AesCipher(AesMode mode, size_t key_size) {
  return CipherFor(CKK_AES, mode, key_size);
}

template <CK_KEY_TYPE kType, CipherMode kMode, size_t kKeySize>
bool CipherIsAvailable() {
  return CipherFor(kType, kMode, kKeySize) != nullptr;
}
template <AesMode kMode>
bool AesIsAvailable() {
  return CipherIsAvailable<CKK_AES, kMode, 32>();
}

// EVP_CipherInit_ex2 with the value of a key of this type. Single DES is in
// OpenSSL's legacy provider only: it is triple DES with one key three times.
absl::Status SetCipherKey(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher,
                          CK_KEY_TYPE type, ByteSpan value, bool encrypt);

// EVP_CipherUpdate for inputs of any length, of stream or block modes. The
// caller has checked that `out` is large enough.
absl::StatusOr<size_t> CipherUpdate(EVP_CIPHER_CTX* context, ByteSpan in,
                                    uint8_t* out);

// True if the two share a byte.
inline bool Overlap(ByteSpan a, ByteSpan b) {
  return !a.empty() && !b.empty() && a.data() < b.data() + b.size() &&
         b.data() < a.data() + a.size();
}

// --- lent contexts ----------------------------------------------------------

// How the kinds of contexts are copied, and put back into the state of the
// prototype. `Reset` false: throw the context away.
struct MdTraits {
  using Unique = UniqueMdCtx;
  static Unique Copy(const EVP_MD_CTX* from);
  static bool Reset(EVP_MD_CTX* context);
};
struct MacTraits {
  using Unique = UniqueMacCtx;
  static Unique Copy(const EVP_MAC_CTX* from);
  static bool Reset(EVP_MAC_CTX* context);
};
// Borrowers set the IV themselves.
struct CipherTraits {
  using Unique = UniqueCipherCtx;
  static Unique Copy(const EVP_CIPHER_CTX* from);
  static bool Reset(EVP_CIPHER_CTX*) { return true; }
};
struct PkeyTraits {
  using Unique = UniquePkeyCtx;
  static Unique Copy(const EVP_PKEY_CTX* from);
  static bool Reset(EVP_PKEY_CTX*) { return true; }
};

// The next of the numbers that spread threads over the slots of pools.
unsigned ThreadNumber();

// A prepared context and some spare copies of it: making and keying one costs
// as much as a small operation. Shared between threads, without a lock.
template <typename Traits>
class ContextPool {
 public:
  using Unique = typename Traits::Unique;
  using Context = typename Unique::element_type;

  explicit ContextPool(Unique prototype) : prototype_(std::move(prototype)) {}
  ContextPool(const ContextPool&) = delete;
  ContextPool& operator=(const ContextPool&) = delete;
  ~ContextPool() {
    for (Slot& slot : slots_) Unique(slot.spare.load());
  }

  // Null when OpenSSL has no memory.
  Unique Take() {
    Context* spare = Mine().exchange(nullptr, std::memory_order_acq_rel);
    if (spare != nullptr) return Unique(spare);
    return Traits::Copy(prototype_.get());
  }
  void Give(Unique context) {
    if (!Traits::Reset(context.get())) return;
    Unique(Mine().exchange(context.release(), std::memory_order_acq_rel));
  }

 private:
  // A cache line of its own, so that threads do not wait for each other.
  struct alignas(64) Slot {
    std::atomic<Context*> spare{nullptr};
  };
  std::atomic<Context*>& Mine() {
    return slots_[ThreadNumber() % kSlots].spare;
  }

  static constexpr size_t kSlots = 8;
  const Unique prototype_;
  std::array<Slot, kSlots> slots_;
};

// One context out of a pool, given back at the end of the operation. Keeps
// the pool alive, also when the key's cache has dropped it.
template <typename Traits>
class Lease {
 public:
  using Pool = ContextPool<Traits>;

  static absl::StatusOr<Lease> From(std::shared_ptr<Pool> pool) {
    auto context = pool->Take();
    if (context == nullptr) {
      return base::OpenSslError(CKR_HOST_MEMORY, "copy of a context");
    }
    return Lease(std::move(pool), std::move(context));
  }

  Lease(Lease&&) = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (context_ != nullptr && !spoilt_) pool_->Give(std::move(context_));
  }

  typename Pool::Context* get() const { return context_.get(); }
  // The context was changed so that nobody else may have it.
  void Spoil() { spoilt_ = true; }
  bool is_spoilt() const { return spoilt_; }

 private:
  Lease(std::shared_ptr<Pool> pool, typename Pool::Unique context)
      : pool_(std::move(pool)), context_(std::move(context)) {}
  std::shared_ptr<Pool> pool_;
  typename Pool::Unique context_;
  bool spoilt_ = false;
};

using MdLease = Lease<MdTraits>;
using MacLease = Lease<MacTraits>;
using CipherLease = Lease<CipherTraits>;
using PkeyLease = Lease<PkeyTraits>;

// A context in which nothing was hashed yet.
absl::StatusOr<MdLease> LendMd(const Hash& hash);

// --- what objects cache -----------------------------------------------------

// Cache numbers: a mechanism's own contexts, and what several mechanisms
// share. `variant` is below 2^31.
constexpr uint64_t CacheKind(CK_MECHANISM_TYPE mechanism, uint32_t variant) {
  return (uint64_t{1} << 63) | (uint64_t{mechanism} << 31) | variant;
}
inline constexpr uint64_t kPkeyKind = 1;

// `key`'s cached T of this kind, made by `make() -> StatusOr<shared_ptr<T>>`.
template <typename T, typename Make>
absl::StatusOr<std::shared_ptr<T>> Cached(const hsm::Object& key, uint64_t kind,
                                          const Make& make) {
  ASSIGN_OR_RETURN(
      std::shared_ptr<void> found,
      key.Decoded(kind, [&]() -> absl::StatusOr<std::shared_ptr<void>> {
        ASSIGN_OR_RETURN(std::shared_ptr<T> made, make());
        return std::shared_ptr<void>(std::move(made));
      }));
  return std::static_pointer_cast<T>(std::move(found));
}

// --- hashing in one call ----------------------------------------------------

// A hash of at most kMaxHashSize bytes, on the stack.
struct HashValue {
  std::array<uint8_t, kMaxHashSize> bytes;
  size_t size = 0;
  ByteSpan span() const { return ByteSpan(bytes.data(), size); }
};

absl::Status HashUpdate(EVP_MD_CTX* context, ByteSpan part);
absl::StatusOr<HashValue> HashFinal(EVP_MD_CTX* context);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_EVP_H_
