// The little DER that key formats need (PKCS#8, SubjectPublicKeyInfo, ECDSA
// signatures, EC points). Not a general ASN.1 library: definite lengths, low
// tags, and only the one encoding that DER allows.
#ifndef PERIGEE_PKCS11_MECHANISMS_DER_H_
#define PERIGEE_PKCS11_MECHANISMS_DER_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/secret_bytes.h"

namespace pkcs11 {

using base::ByteSpan;
using base::SecretBytes;

inline constexpr uint8_t kDerInteger = 0x02;
inline constexpr uint8_t kDerBitString = 0x03;
inline constexpr uint8_t kDerOctetString = 0x04;
inline constexpr uint8_t kDerNull = 0x05;
inline constexpr uint8_t kDerOid = 0x06;
inline constexpr uint8_t kDerPrintableString = 0x13;
inline constexpr uint8_t kDerSequence = 0x30;

// `number` (big-endian) without its leading zeros.
inline ByteSpan Stripped(ByteSpan number) {
  while (!number.empty() && number.front() == 0) number.remove_prefix(1);
  return number;
}

inline bool StartsWith(ByteSpan bytes, ByteSpan prefix) {
  return bytes.size() >= prefix.size() &&
         base::SameBytes(bytes.subspan(0, prefix.size()), prefix);
}

// Appends elements; an outer element is made of a finished inner writer. The
// buffer is wiped, so private keys may pass through it. Cannot fail.
class DerWriter {
 public:
  DerWriter& Element(uint8_t tag, ByteSpan contents) {
    Header(tag, contents.size());
    return Raw(contents);
  }
  DerWriter& Element(uint8_t tag, const DerWriter& inner) {
    return Element(tag, inner.bytes());
  }
  // A non-negative INTEGER of big-endian bytes.
  DerWriter& Integer(ByteSpan number);
  DerWriter& SmallInteger(uint8_t number) {
    return Integer(ByteSpan(&number, 1));
  }
  DerWriter& BitString(ByteSpan bits);  // whole bytes
  // Bytes that are DER already.
  DerWriter& Raw(ByteSpan der) {
    out_.Append(der.begin(), der.end());
    return *this;
  }

  ByteSpan bytes() const { return ByteSpan(out_.data(), out_.size()); }
  SecretBytes TakeSecret() && { return SecretBytes(std::move(out_)); }

 private:
  void Header(uint8_t tag, size_t size);
  base::WipedVector out_;
};

// Reads elements from a span that outlives it. The first failure sticks:
// later reads give empty spans.
class DerReader {
 public:
  explicit DerReader(ByteSpan in) : in_(in) {}

  // Contents of the next element, which must have this tag.
  ByteSpan Element(uint8_t tag);
  // Contents of the next element if it has this tag; otherwise nothing is read.
  ByteSpan Optional(uint8_t tag) {
    return ok_ && !in_.empty() && in_.front() == tag ? Element(tag)
                                                     : ByteSpan();
  }
  // A non-negative INTEGER without its leading zero; 0 is an empty span.
  ByteSpan Integer();

  bool AtEnd() const { return in_.empty(); }
  // Nothing failed and nothing is left.
  bool Finish() const { return ok_ && in_.empty(); }
  bool ok() const { return ok_; }

 private:
  ByteSpan Fail() {
    ok_ = false;
    in_ = {};
    return {};
  }
  ByteSpan in_;
  bool ok_ = true;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_DER_H_
