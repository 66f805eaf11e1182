// Serves a device over a listening socket, to any number of hosts at a time.
#ifndef PERIGEE_HSM_IO_SOCKET_SERVER_H_
#define PERIGEE_HSM_IO_SOCKET_SERVER_H_

#include "hsm_io/embedded_transport.h"
#include "hsm_io/link_loop.h"

namespace hsm_io {

// Frames as they are; each link has a Server of its own. A link that sends
// what is not a frame is closed.
Port SocketPort(Listener& listener, PlugIn plug_in);

// ServePorts of this port alone.
absl::Status ServeSockets(Listener& listener, const PlugIn& plug_in,
                          int stop_fd);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_SOCKET_SERVER_H_
