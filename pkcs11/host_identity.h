// Who this host is to a Backup HSM: a key and its certificate of kind "host"
// under the fleet root, in <state>/fleet/host.key and host.crt.
#ifndef PERIGEE_PKCS11_HOST_IDENTITY_H_
#define PERIGEE_PKCS11_HOST_IDENTITY_H_

#include <memory>
#include <string>

#include "base/certificate.h"
#include "base/status.h"

namespace pkcs11 {

// Opens the identity and makes what is missing of it, the fleet root included.
// Of processes that do so at the same time one wins, and all have its
// identity. CKR_GENERAL_ERROR names a file that does not fit.
absl::StatusOr<std::shared_ptr<const base::Identity>> OpenOrMakeHostIdentity(
    const std::string& fleet_directory);

// The same, and makes nothing: CKR_TOKEN_NOT_PRESENT when there is none.
absl::StatusOr<std::shared_ptr<const base::Identity>> OpenHostIdentity(
    const std::string& fleet_directory);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_HOST_IDENTITY_H_
