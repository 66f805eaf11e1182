// The TLS transport: a Backup HSM at another host, which offers it as a Remote
// Backup Service (remote_backup.h). docs/formats/remote.md.
#ifndef PERIGEE_HSM_IO_TLS_TRANSPORT_H_
#define PERIGEE_HSM_IO_TLS_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>

#include "base/certificate.h"
#include "hsm_io/transport.h"

namespace hsm_io {

using IdentitySource =
    std::function<absl::StatusOr<std::shared_ptr<const base::Identity>>()>;

// "HOST:PORT", or "HOST:PORT@NAME" to accept no other server than the host of
// this name (HostName). The identity is asked for at each opening.
std::unique_ptr<Transport> NewTlsTransport(const std::string& address,
                                           IdentitySource identity);

// An address of that form.
bool IsTlsAddress(absl::string_view text);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_TLS_TRANSPORT_H_
