#include "pkcs11/mechanisms/nonce_source.h"

#include <algorithm>
#include <utility>

#include "base/crypto.h"
#include "pkcs11/mechanisms/parameters.h"

namespace pkcs11 {
namespace {

// A generated nonce has at least this many bits that are not fixed.
constexpr size_t kLeastGenerated = 32;
// Random ones repeat by chance much earlier.
constexpr size_t kLeastRandom = 64;
// SP 800-38D, 8.2.2. Of 64 bits two are equal after 2^32 wrapped keys, and a
// known key then tells a secret one.
constexpr size_t kLeastForWrapping = 96;

}  // namespace

absl::StatusOr<base::Bytes> MakeNonce(NonceForm form) {
  if (!form.is_ours()) return InvalidParameter("the generator of the nonce");
  if (form.fixed_bits > 8 * form.size ||
      8 * form.size - form.fixed_bits < kLeastForWrapping) {
    return InvalidParameter("too few bits of the nonce are random");
  }
  form.generator = CKG_GENERATE_RANDOM;
  base::Bytes own = form.Copy();
  CK_BYTE* const place = std::exchange(form.bytes, own.data());
  RETURN_IF_ERROR(NonceSource().Next(form));
  std::copy(own.begin(), own.end(), place);
  return own;
}

absl::Status NonceSource::Next(const NonceForm& form) {
  const absl::Span<CK_BYTE> nonce(form.bytes, form.size);
  if (form.generator == CKG_NO_GENERATE) return absl::OkStatus();
  RETURN_IF_ERROR(CheckForm(form));
  if (form.generator == CKG_GENERATE_COUNTER_XOR) return CountXor(nonce);
  switch (form.generator) {
    case CKG_GENERATE_COUNTER:
      RETURN_IF_ERROR(Count(form.size));
      break;
    case CKG_GENERATE:
    case CKG_GENERATE_RANDOM:
      made_.resize(form.size);
      RETURN_IF_ERROR(base::FillRandom(absl::MakeSpan(made_)));
      break;
    default:
      return InvalidParameter("the generator of nonces");
  }
  for (size_t i = 0; i < nonce.size(); ++i) {
    const uint8_t fixed =
        form.fixed_bits >= 8 * (i + 1) ? 0xff
        : form.fixed_bits <= 8 * i
            ? 0
            : static_cast<uint8_t>(0xff << (8 - form.fixed_bits % 8));
    nonce[i] = static_cast<uint8_t>((nonce[i] & fixed) | (made_[i] & ~fixed));
  }
  return absl::OkStatus();
}

// Another form in the middle would begin to count anew, and a nonce would
// come twice; so would one that counts beyond its end.
absl::Status NonceSource::CheckForm(const NonceForm& form) {
  const bool is_random = form.generator != CKG_GENERATE_COUNTER &&
                         form.generator != CKG_GENERATE_COUNTER_XOR;
  const size_t fixed =
      form.generator == CKG_GENERATE_COUNTER_XOR ? 0 : form.fixed_bits;
  const size_t bits = 8 * form.size;
  if (fixed > bits ||
      bits - fixed < (is_random ? kLeastRandom : kLeastGenerated)) {
    return InvalidParameter("too few bits of the nonce are not fixed");
  }
  if (messages_ != 0 &&
      (form.generator != generator_ || form.size != size_ || fixed != fixed_)) {
    return InvalidParameter("the nonces of one operation have one form");
  }
  const size_t free = std::min<size_t>(bits - fixed, 63);
  if (!is_random && messages_ >> free != 0) {
    return InvalidParameter("the nonces of this operation are used up");
  }
  generator_ = form.generator;
  size_ = form.size;
  fixed_ = fixed;
  ++messages_;
  return absl::OkStatus();
}

absl::Status NonceSource::Count(size_t size) {
  if (made_.size() != size) {
    made_.resize(size);
    return base::FillRandom(absl::MakeSpan(made_));
  }
  for (size_t i = size; i-- > 0;) {
    if (++made_[i] != 0) break;
  }
  return absl::OkStatus();
}

// The application's first value, xored with 0, 1, 2, ...
absl::Status NonceSource::CountXor(absl::Span<CK_BYTE> nonce) {
  if (made_.size() != nonce.size()) {
    made_.assign(nonce.begin(), nonce.end());
    count_ = 0;
  }
  for (size_t i = 0; i < nonce.size(); ++i) {
    const size_t from_end = nonce.size() - 1 - i;
    const uint8_t counted =
        from_end < 8 ? static_cast<uint8_t>(count_ >> (8 * from_end)) : 0;
    nonce[i] = made_[i] ^ counted;
  }
  ++count_;
  return absl::OkStatus();
}

}  // namespace pkcs11
