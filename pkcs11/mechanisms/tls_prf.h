// The PRFs of TLS: 1.2's with any hash function (RFC 5246, section 5), and that
// of 1.0 and 1.1 (RFC 2246, section 5).
#ifndef PERIGEE_PKCS11_MECHANISMS_TLS_PRF_H_
#define PERIGEE_PKCS11_MECHANISMS_TLS_PRF_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "pkcs11/mechanisms/evp.h"

namespace pkcs11 {

class TlsPrf {
 public:
  // By its hash mechanism, or CKM_TLS_PRF for the old one.
  // CKR_MECHANISM_PARAM_INVALID.
  static absl::StatusOr<TlsPrf> Find(CK_MECHANISM_TYPE mechanism);

  // Null: the old one.
  const Hash* hash() const { return hash_; }
  // Of the parts of the seed one after the other.
  absl::Status Run(ByteSpan secret, absl::string_view label,
                   absl::Span<const ByteSpan> seed, MutableByteSpan out) const;

 private:
  explicit TlsPrf(const Hash* hash) : hash_(hash) {}
  const Hash* hash_;
};

// Whether this process's OpenSSL has what the old PRF is made of.
bool OldTlsPrfIsAvailable();

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_TLS_PRF_H_
