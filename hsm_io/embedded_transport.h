// The embedded transport: a device in the same process behind the same bytes.
// Each opened transport is one link with a Server of its own, so several
// processes and several links can work over one device directory.
#ifndef PERIGEE_HSM_IO_EMBEDDED_TRANSPORT_H_
#define PERIGEE_HSM_IO_EMBEDDED_TRANSPORT_H_

#include <functional>
#include <memory>

#include "hsm_io/server.h"
#include "hsm_io/transport.h"

namespace hsm_io {

// `plug_in` makes the device's end of a new link; its error is Open's.
using PlugIn = std::function<absl::StatusOr<std::unique_ptr<Server>>()>;
std::unique_ptr<Transport> NewEmbeddedTransport(PlugIn plug_in);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_EMBEDDED_TRANSPORT_H_
