// The host's end of the link: discovers a device, opens the secure channel,
// calls, and asks for the outcome of a call whose answer was lost.
//
//   ASSIGN_OR_RETURN(auto reply, client.Call(OpenContainer{...}, deadline));
#ifndef PERIGEE_HSM_IO_CLIENT_H_
#define PERIGEE_HSM_IO_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "base/certificate.h"
#include "base/wire.h"
#include "hsm_io/frame.h"
#include "hsm_io/messages.h"

namespace hsm_io {

struct ChannelOptions {
  // The host library's own identity, enrolled under the fleet root.
  std::shared_ptr<const base::Identity> identity;
  // Adoption: the device is recognised by this fingerprint of its key
  // (base::Certificate::key_fingerprint) instead of by a root; only Adopt may
  // be called then.
  std::optional<Bytes> adopt_fingerprint;
};

// Thread-safe: calls queue on the link. A login lives and dies with the
// channel; `channel_epoch` tells users of a login that it ended.
class Client {
 public:
  using TransportFactory =
      std::function<absl::StatusOr<std::unique_ptr<Transport>>()>;
  explicit Client(TransportFactory make_transport);
  ~Client();

  // The one unauthenticated message. CKR_TOKEN_NOT_PRESENT when nobody
  // answers.
  absl::StatusOr<DeviceInfo> Discover(Deadline deadline);
  // Opens the channel (again). Nothing else is sent before.
  absl::Status OpenChannel(ChannelOptions options, Deadline deadline);
  void CloseChannel();
  bool channel_open() const;
  uint64_t channel_epoch() const;
  // The device's certificate; after OpenChannel.
  absl::StatusOr<base::Certificate> peer() const;

  // Sends `request` and gives its reply, or the status the device answered.
  // CKR_DEVICE_REMOVED when the link broke: for a changing request the client
  // has then opened a new channel and asked once for the outcome of the same
  // request id, and never sent it again.
  template <typename Request>
  absl::StatusOr<typename Request::Reply> Call(const Request& request,
                                               Deadline deadline) {
    ASSIGN_OR_RETURN(base::SecretBytes body,
                     CallBytes(Request::kOp, Request::kChanges,
                               wire::EncodeSecret(request), deadline));
    return wire::Decode<typename Request::Reply>(body.Expose(), Request::kName);
  }

 private:
  absl::StatusOr<base::SecretBytes> CallBytes(uint16_t op, bool changes,
                                              base::SecretBytes body,
                                              Deadline deadline);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_CLIENT_H_
