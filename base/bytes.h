// Vocabulary for byte strings that are not secret. Secrets use
// base/secret_bytes.h.
#ifndef PERIGEE_BASE_BYTES_H_
#define PERIGEE_BASE_BYTES_H_

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace base {

using Bytes = std::vector<uint8_t>;
using ByteSpan = absl::Span<const uint8_t>;
using MutableByteSpan = absl::Span<uint8_t>;

// Bytes of a text, without a terminator.
inline ByteSpan AsBytes(absl::string_view text) {
  return ByteSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// Text over bytes; the caller knows that they are text.
inline absl::string_view AsText(ByteSpan bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()),
                           bytes.size());
}

inline Bytes ToBytes(ByteSpan bytes) {
  return Bytes(bytes.begin(), bytes.end());
}

inline bool SameBytes(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace base

#endif  // PERIGEE_BASE_BYTES_H_
