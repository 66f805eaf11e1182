// The few primitives that sealing, cloning and the channel are made of, over
// OpenSSL in a library context of our own. Mechanisms that applications ask
// for are in pkcs11/mechanisms and not here.
//
// The context never reads the host's openssl.cnf and never sees its
// providers, nor its engines for keys (base/crypto_provider.h). It is made once
// a process and never freed (no static destructor may have an effect). Every
// algorithm is fetched once. All functions may be called from any thread. Where
// no status is returned, an OpenSSL that cannot allocate (or lacks SHA-2) shows
// as std::bad_alloc, as from a container.
#ifndef PERIGEE_BASE_CRYPTO_H_
#define PERIGEE_BASE_CRYPTO_H_

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace base {

// Our library context, never null (std::bad_alloc if OpenSslIsGone() at the
// first call). The first call loads the host's default configuration into the
// host's own context first: a later implicit load might re-enter C_Initialize
// in the same thread, below our locks. This load may do so too, which is
// harmless here; so make the first call with no lock held.
OSSL_LIB_CTX* OpenSslContext();

// True once the host has run OPENSSL_cleanup: nothing that draws randomness
// may be called any more, and entry points refuse. What is declared here and
// draws some refuses by itself, with CKR_CRYPTOKI_NOT_INITIALIZED.
bool OpenSslIsGone();

// Owns an OpenSSL object: OpenSslPtr<EVP_MD_CTX, EVP_MD_CTX_free>.
template <auto kFree>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* p) const {
    kFree(p);
  }
};
template <typename T, auto kFree>
using OpenSslPtr = std::unique_ptr<T, OpenSslDeleter<kFree>>;
using UniquePkey = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;

// An error from the OpenSSL queue, which is emptied: `rv` and `what` plus
// OpenSSL's reason text.
absl::Status OpenSslError(CK_RV rv, absl::string_view what);

// Inside OpenSSL, key generation and signatures draw from the process's
// RAND_METHOD, if the host has set one: a generator of which we know nothing,
// for all library contexts. CKR_RANDOM_NO_RNG then; nothing that draws there
// may go on.
absl::Status CheckHostsRandom();

// Random bytes of our context's private DRBG, whatever the host's RAND_METHOD
// is. Fails only when OpenSSL does.
absl::Status FillRandom(MutableByteSpan out);
absl::StatusOr<SecretBytes> RandomSecret(size_t size);
absl::StatusOr<Bytes> RandomBytes(size_t size);

inline constexpr size_t kSha256Size = 32;
inline constexpr size_t kSha384Size = 48;
Bytes Sha256(std::initializer_list<ByteSpan> parts);
Bytes Sha384(std::initializer_list<ByteSpan> parts);

// HMAC over the concatenation of `parts`. Callers separate fields themselves.
SecretBytes HmacSha256(ByteSpan key, std::initializer_list<ByteSpan> parts);
SecretBytes HmacSha384(ByteSpan key, std::initializer_list<ByteSpan> parts);
// The same where the result is no secret: a tag that is stored.
std::array<uint8_t, kSha256Size> HmacSha256Tag(
    ByteSpan key, std::initializer_list<ByteSpan> parts);

// HKDF (RFC 5869) with SHA-256 and SHA-384. `info` of up to 1024 bytes.
absl::StatusOr<SecretBytes> HkdfSha256(ByteSpan key, ByteSpan salt,
                                       ByteSpan info, size_t size);
absl::StatusOr<SecretBytes> HkdfSha384(ByteSpan key, ByteSpan salt,
                                       ByteSpan info, size_t size);

// scrypt (RFC 7914), r = 8, p = 1, N = 2^log2_n with log2_n of 1 to 22 (it
// takes 1 KiB * N of memory); and PBKDF2-HMAC-SHA-256. Both are slow: hold no
// lock.
absl::StatusOr<SecretBytes> Scrypt(ByteSpan pin, ByteSpan salt, int log2_n,
                                   size_t size);
absl::StatusOr<SecretBytes> Pbkdf2Sha256(ByteSpan pin, ByteSpan salt,
                                         uint32_t iterations, size_t size);

// AES-256-GCM, 96-bit nonce, 128-bit tag behind the ciphertext.
inline constexpr size_t kAeadKeySize = 32;
inline constexpr size_t kAeadNonceSize = 12;
inline constexpr size_t kAeadTagSize = 16;
absl::StatusOr<Bytes> AeadSeal(ByteSpan key, ByteSpan nonce, ByteSpan aad,
                               ByteSpan plaintext);
// CKR_DEVICE_ERROR (DataLoss) when the tag does not fit.
absl::StatusOr<SecretBytes> AeadOpen(ByteSpan key, ByteSpan nonce, ByteSpan aad,
                                     ByteSpan sealed);

// The public key for an uncompressed P-384 point; CKR_DATA_INVALID if that is
// not on the curve or is infinity.
inline constexpr size_t kP384PointSize = 97;
absl::StatusOr<UniquePkey> P384PublicKey(ByteSpan point);
// ECDSA with SHA-384, DER form; CKR_SIGNATURE_INVALID if it does not fit.
absl::Status VerifyP384(EVP_PKEY* key, ByteSpan message, ByteSpan signature);

// A P-384 key of a device or of one exchange. Immutable after it was made.
class P384Key {
 public:
  static absl::StatusOr<P384Key> Generate();
  // From the PKCS#8 DER that `PrivateDer` gave.
  static absl::StatusOr<P384Key> FromPrivateDer(ByteSpan der);

  P384Key(P384Key&&) = default;
  P384Key& operator=(P384Key&&) = default;

  absl::StatusOr<SecretBytes> PrivateDer() const;
  // Uncompressed point, 97 bytes.
  const Bytes& public_point() const { return public_point_; }
  // ECDSA with SHA-384, DER form.
  absl::StatusOr<Bytes> Sign(ByteSpan message) const;
  // The x coordinate of the shared point, 48 bytes. The peer's point is fully
  // validated; CKR_DATA_INVALID if it is not on the curve or is infinity.
  absl::StatusOr<SecretBytes> Agree(ByteSpan peer_point) const;
  EVP_PKEY* pkey() const { return key_.get(); }

 private:
  P384Key(UniquePkey key, Bytes point)
      : key_(std::move(key)), public_point_(std::move(point)) {}
  UniquePkey key_;
  Bytes public_point_;
};

}  // namespace base

#endif  // PERIGEE_BASE_CRYPTO_H_
