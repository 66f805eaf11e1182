// Keyed contexts of block and stream ciphers.
#ifndef PERIGEE_PKCS11_MECHANISMS_AES_H_
#define PERIGEE_PKCS11_MECHANISMS_AES_H_

#include "pkcs11/mechanisms/evp.h"

namespace pkcs11 {

inline constexpr size_t kAesBlockSize = 16;
inline constexpr CK_ULONG kMinAesKey = 16;
inline constexpr CK_ULONG kMaxAesKey = 32;

enum class Direction : uint8_t { kDecrypt, kEncrypt };

// A context keyed with the key object, whose type says which cipher it is; in
// it the caller sets the IV. `padded` is of kCbc only. CKR_KEY_SIZE_RANGE.
absl::StatusOr<CipherLease> LendCipher(const hsm::Object& key, CipherMode mode,
                                       Direction direction,
                                       bool padded = false);

// A context of its own: for modes whose contexts OpenSSL does not copy.
absl::StatusOr<UniqueCipherCtx> NewCipherContext(const hsm::Object& key,
                                                 CipherMode mode,
                                                 Direction direction);

// Starts a message: the IV, for the key that the context has.
absl::Status SetIv(EVP_CIPHER_CTX* context, ByteSpan iv);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_AES_H_
