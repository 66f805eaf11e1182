// Serves a device over a listening socket: one thread, any number of links,
// each with a Server of its own.
#ifndef PERIGEE_HSM_IO_SOCKET_SERVER_H_
#define PERIGEE_HSM_IO_SOCKET_SERVER_H_

#include "hsm_io/embedded_transport.h"
#include "hsm_io/socket_transport.h"

namespace hsm_io {

// Runs until `stop_fd` becomes readable; then finishes the answers under way.
// A link that sends what is not a frame is closed; of more than 64 links the
// oldest without a channel is closed. Errors of the listening socket end it.
absl::Status ServeSockets(Listener& listener, const PlugIn& plug_in,
                          int stop_fd);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_SOCKET_SERVER_H_
