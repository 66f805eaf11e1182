// Key agreements that a handshake takes in beside its own (docs/formats/
// cloning.md, "Suites"): one end sends a share, the other answers it with one,
// and both hold a secret of 32 bytes. One key is for one exchange.
#ifndef PERIGEE_BASE_CRYPTO_SHARE_H_
#define PERIGEE_BASE_CRYPTO_SHARE_H_

#include <utility>

#include "base/crypto.h"

namespace base {

enum class ShareKind { kX25519, kMlKem1024 };

inline constexpr size_t kSharedSecretSize = 32;

// Whether the OpenSSL underneath has it.
bool HasKeyShare(ShareKind kind);

// The first end's key.
class ShareKey {
 public:
  // CKR_FUNCTION_NOT_SUPPORTED where HasKeyShare is false.
  static absl::StatusOr<ShareKey> Generate(ShareKind kind);

  ShareKey(ShareKey&&) = default;
  ShareKey& operator=(ShareKey&&) = default;

  // 32 bytes for X25519, 1568 for ML-KEM-1024.
  const Bytes& share() const { return share_; }
  // The secret that `answer` belongs to. CKR_DATA_INVALID for one of a wrong
  // size and for a point of small order. An altered ciphertext of ML-KEM gives
  // a secret that nobody else has.
  absl::StatusOr<SecretBytes> Agree(ByteSpan answer) const;

 private:
  ShareKey(ShareKind kind, UniquePkey key, Bytes share)
      : kind_(kind), key_(std::move(key)), share_(std::move(share)) {}
  ShareKind kind_;
  UniquePkey key_;
  Bytes share_;
};

struct AnsweredShare {
  Bytes answer;  // 32 bytes for X25519, 1568 for ML-KEM-1024
  SecretBytes secret;
};

// What the other end does with a share. CKR_DATA_INVALID when it is none.
absl::StatusOr<AnsweredShare> AnswerKeyShare(ShareKind kind, ByteSpan share);

}  // namespace base

#endif  // PERIGEE_BASE_CRYPTO_SHARE_H_
