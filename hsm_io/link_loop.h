// One thread that serves any number of links of any number of listening
// sockets, whatever each speaks.
#ifndef PERIGEE_HSM_IO_LINK_LOOP_H_
#define PERIGEE_HSM_IO_LINK_LOOP_H_

#include <functional>
#include <memory>
#include <vector>

#include "hsm_io/socket_transport.h"

namespace hsm_io {

// One connection; owns its descriptor.
class ServedLink {
 public:
  virtual ~ServedLink() = default;
  virtual int fd() const = 0;
  // What to poll for now.
  virtual short events() const = 0;
  // Does what can be done without waiting. False: the link is over.
  virtual bool Proceed(short events) = 0;
  // There is something to proceed with although nothing was polled. Links take
  // turns with it.
  virtual bool has_work() const { return false; }
  // When it passes without the link having set another one, the link is over.
  virtual Deadline deadline() const { return Deadline::Never(); }
  // A channel was opened on it: it belongs to an enrolled host.
  virtual bool has_been_trusted() const = 0;
  // Why it is over, where that matters to somebody.
  virtual absl::Status why() const {
    return base::Error(CKR_DEVICE_ERROR, "a link has ended");
  }
};

struct Port {
  Listener* listener;
  // Takes `fd` in any case; an error closes the connection.
  std::function<absl::StatusOr<std::unique_ptr<ServedLink>>(int fd)> new_link;
};

inline constexpr size_t kMaxLinks = 64;

// Runs until `stop_fd` becomes readable; then sends what is left of the answers
// under way, for two seconds at most. Of more than kMaxLinks links the oldest
// without a channel is closed. Errors of a listening socket end it.
//
// `standing` are served beside them and were there before: a USB gadget, a
// timer. The end of one is an error.
absl::Status ServePorts(const std::vector<Port>& ports, int stop_fd,
                        const std::vector<ServedLink*>& standing = {});

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_LINK_LOOP_H_
