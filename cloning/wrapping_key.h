// The wrapping key of an HSM: an RSA key that stays with it, to which the
// sources of CPv1 runs wrap, and the certificate that its device key gives it.
#ifndef PERIGEE_CLONING_WRAPPING_KEY_H_
#define PERIGEE_CLONING_WRAPPING_KEY_H_

#include <memory>

#include "base/certificate.h"
#include "base/crypto_rsa.h"
#include "hsm/hsm.h"

namespace cloning {

using WrappingKeyRef = std::shared_ptr<const base::RsaTransportKey>;

// Made at its first use and kept with the HSM from then on.
absl::StatusOr<WrappingKeyRef> WrappingKeyOf(hsm::Hsm& hsm);

absl::StatusOr<base::Bytes> CertifyWrappingKey(const base::RsaTransportKey& key,
                                               const base::Identity& identity);

// The public key that `certificate` says is of the holder of `device`;
// CKR_DEVICE_ERROR when that did not sign it.
absl::StatusOr<base::Bytes> CheckWrappingCertificate(
    base::ByteSpan certificate, const base::Certificate& device);

}  // namespace cloning

#endif  // PERIGEE_CLONING_WRAPPING_KEY_H_
