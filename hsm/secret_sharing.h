// A secret in n parts of which m give it back and fewer tell nothing: Shamir's
// scheme, byte by byte in GF(2^8). docs/formats/sks.md.
#ifndef PERIGEE_HSM_SECRET_SHARING_H_
#define PERIGEE_HSM_SECRET_SHARING_H_

#include <utility>
#include <vector>

#include "base/secret_bytes.h"
#include "base/status.h"

namespace hsm {

using base::ByteSpan;
using base::SecretBytes;

inline constexpr size_t kMostShares = 255;

// Share i is the value at i + 1. CKR_ARGUMENTS_BAD unless 1 <= needed <= count
// <= kMostShares.
absl::StatusOr<std::vector<SecretBytes>> SplitSecret(const SecretBytes& secret,
                                                     size_t needed,
                                                     size_t count);

// (number of the share from 0, share). With fewer than were needed, or wrong
// ones, it is another secret. CKR_ARGUMENTS_BAD when there is none, a number
// comes twice or is too large, or the lengths differ.
using NumberedShare = std::pair<size_t, SecretBytes>;
absl::StatusOr<SecretBytes> JoinSecret(
    const std::vector<NumberedShare>& shares);

}  // namespace hsm

#endif  // PERIGEE_HSM_SECRET_SHARING_H_
