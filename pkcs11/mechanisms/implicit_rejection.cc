#include "pkcs11/mechanisms/implicit_rejection.h"

#include <algorithm>

#include "base/crypto.h"

namespace pkcs11 {
namespace {

using base::ByteSpan;
using base::SecretBytes;

// All ones or all zeros.
using Mask = uint32_t;

// Hides from the optimiser that a mask has only two values.
Mask Opaque(Mask mask) {
  __asm__("" : "+r"(mask));
  return mask;
}
Mask IsNegative(uint32_t v) { return Opaque(0 - (v >> 31)); }
Mask IsZero(uint32_t v) { return IsNegative(~v & (v - 1)); }
Mask IsEqual(uint32_t a, uint32_t b) { return IsZero(a ^ b); }
// For values below 2^31.
Mask IsLess(uint32_t a, uint32_t b) { return IsNegative(a - b); }
uint32_t Select(Mask mask, uint32_t yes, uint32_t no) {
  return (mask & yes) | (~mask & no);
}

constexpr size_t kSmallestPadding = 8;
constexpr size_t kLengthCandidates = 128;

// HMAC of (counter, label, length in bits) until there are `size` bytes.
SecretBytes Expand(ByteSpan key, absl::string_view label, size_t size) {
  const size_t bits = size * 8;
  const uint8_t tail[2] = {static_cast<uint8_t>(bits >> 8),
                           static_cast<uint8_t>(bits)};
  SecretBytes out(size);
  uint16_t counter = 0;
  for (size_t at = 0; at < size; at += base::kSha256Size, ++counter) {
    const uint8_t head[2] = {static_cast<uint8_t>(counter >> 8),
                             static_cast<uint8_t>(counter)};
    const SecretBytes block =
        base::HmacSha256(key, {head, base::AsBytes(label), tail});
    const size_t now = std::min(base::kSha256Size, size - at);
    std::copy_n(block.Expose().begin(), now, out.ExposeMutable().begin() + at);
  }
  return out;
}

// The last candidate that is below `limit`; 0 if none is.
uint32_t SyntheticLength(ByteSpan key, uint32_t limit) {
  uint32_t cover = limit;
  for (int shift : {1, 2, 4, 8}) cover |= cover >> shift;
  const SecretBytes candidates = Expand(key, "length", 2 * kLengthCandidates);
  const ByteSpan bytes = candidates.Expose();
  uint32_t length = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint32_t candidate = ((bytes[i] << 8) | bytes[i + 1]) & cover;
    length = Select(IsLess(candidate, limit), candidate, length);
  }
  return length;
}

}  // namespace

SecretBytes RejectionSecret(ByteSpan private_exponent, size_t modulus_size) {
  SecretBytes padded(modulus_size);
  const size_t size = std::min(private_exponent.size(), modulus_size);
  std::copy_n(private_exponent.end() - size, size,
              padded.ExposeMutable().end() - size);
  return SecretBytes::CopyOf(base::Sha256({padded.Expose()}));
}

size_t DepadPkcs1(ByteSpan secret, ByteSpan ciphertext, ByteSpan padded,
                  base::MutableByteSpan out) {
  const uint32_t size = static_cast<uint32_t>(padded.size());
  const SecretBytes key = base::HmacSha256(secret, {ciphertext});
  const SecretBytes synthetic = Expand(key.Expose(), "message", size);
  const uint32_t synthetic_start =
      size - SyntheticLength(key.Expose(), size - 2 - kSmallestPadding);

  Mask is_good = IsZero(padded[0]) & IsEqual(padded[1], 2);
  Mask is_found = 0;
  uint32_t zero_at = 0;
  for (uint32_t i = 2; i < size; ++i) {
    const Mask is_zero = IsZero(padded[i]);
    zero_at = Select(~is_found & is_zero, i, zero_at);
    is_found |= is_zero;
  }
  is_good &= ~IsLess(zero_at, 2 + kSmallestPadding);

  const uint32_t start = Select(is_good, zero_at + 1, synthetic_start);
  const ByteSpan other = synthetic.Expose();
  size_t written = 0;
  for (uint32_t i = start; i < size && written < out.size(); ++i) {
    out[written++] = static_cast<uint8_t>(Select(is_good, padded[i], other[i]));
  }
  return written;
}

}  // namespace pkcs11
