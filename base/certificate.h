// X.509 certificates of HSMs and of the fleet root: P-384, issued by us,
// checked by us. Times are not checked (a small board has no clock);
// notAfter is 99991231235959Z. Every field: docs/formats/handshake.md.
#ifndef PERIGEE_BASE_CERTIFICATE_H_
#define PERIGEE_BASE_CERTIFICATE_H_

#include <memory>
#include <string>
#include <vector>

#include "base/crypto.h"

namespace base {

// What a certificate says of its holder; travels in the subject:
// CN = serial, OU = model, O = "Perigee", and the kind in title.
struct CertifiedName {
  std::string serial;  // decimal digits, 1 to 20; "fleet root" for the root
  std::string model;   // printable ASCII, up to 64; may be empty
  std::string kind;    // "application", "backup", "host", "root"
};

// A parsed certificate: the right form and a valid name, which is safe to
// print. Who signed it is not checked, except that a root is self-signed.
// Immutable; copies share the key.
class Certificate {
 public:
  // CKR_DEVICE_ERROR for anything but a certificate of this project's form.
  static absl::StatusOr<Certificate> Parse(ByteSpan der);

  // Issues a certificate for `public_point` (uncompressed P-384) under
  // `issuer_key`; self-signed when `issuer` is null. CA bit only for "root",
  // which must be self-signed. CKR_ARGUMENTS_BAD for a bad name or for an
  // issuer that is not a root or has another key than `issuer_key`.
  static absl::StatusOr<Certificate> Issue(const CertifiedName& subject,
                                           ByteSpan public_point,
                                           const P384Key& issuer_key,
                                           const Certificate* issuer);

  const Bytes& der() const { return der_; }
  const CertifiedName& name() const { return name_; }
  bool is_root() const { return name_.kind == "root"; }
  const Bytes& public_point() const { return public_point_; }
  // SHA-256 over the DER. It names this certificate and not its holder, who
  // can make a second valid form of it: revoke and count by public_point().
  Bytes fingerprint() const;
  // SHA-256 over the public point: names the holder, whatever certificate it
  // has. It is what a person compares, and survives adoption.
  Bytes key_fingerprint() const;

  // OK when `root` (a CA, self-signed) signed this certificate and it is not
  // itself a CA; CKR_DEVICE_ERROR otherwise.
  absl::Status VerifyUnder(const Certificate& root) const;
  // ECDSA-SHA-384 by the certified key; CKR_SIGNATURE_INVALID if it does not
  // fit.
  absl::Status VerifySignature(ByteSpan message, ByteSpan signature) const;

 private:
  Certificate() = default;
  Bytes der_;
  CertifiedName name_;
  Bytes public_point_;
  std::shared_ptr<EVP_PKEY> key_;
  Bytes subject_der_;
  Bytes issuer_der_;
  Bytes signed_part_;  // TBSCertificate, what `signature_` is over
  Bytes signature_;
};

// A holder's own key, its certificate, and the roots it trusts.
struct Identity {
  P384Key key;
  Certificate certificate;
  std::vector<Certificate> roots;
};

}  // namespace base

#endif  // PERIGEE_BASE_CERTIFICATE_H_
