// The device's end of the link: frames in, frames out. Serves one channel a
// link; handlers are bound by message type.
//
//   server.On<ListContainers>([&](const ListContainers& request, Call& call) {
//     return ...;  // absl::StatusOr<ListContainers::Reply>
//   });
#ifndef PERIGEE_HSM_IO_SERVER_H_
#define PERIGEE_HSM_IO_SERVER_H_

#include <functional>
#include <memory>

#include "base/certificate.h"
#include "base/wire.h"
#include "hsm_io/frame.h"
#include "hsm_io/messages.h"

namespace hsm_io {

// What a handler may know of the call it serves.
struct Call {
  RequestId id;
  // The client's key_fingerprint: outcomes are kept per client.
  Bytes client;
  // The peer is unknown and this channel may only adopt.
  bool adoption_only = false;
};

struct ServerOptions {
  std::function<std::shared_ptr<const base::Identity>()> identity;
  std::function<absl::StatusOr<DeviceInfo>()> discover;
  bool allow_adoption = false;
  // A channel was opened or ended: logins and runs of the former one die.
  std::function<void()> on_channel_reset;
  // At most once: looks up and keeps (id, reply) for a client, around changing
  // requests. `atomically` makes the handler's effect and the kept outcome one
  // commit (by default: one after the other); when that fails
  // `on_failed_commit` is told, because what the handler has in memory is ahead
  // of what is stored.
  std::function<std::optional<Bytes>(ByteSpan client, const RequestId&)>
      find_outcome;
  std::function<absl::Status(ByteSpan client, const RequestId&, ByteSpan reply)>
      keep_outcome;
  std::function<absl::Status(absl::FunctionRef<absl::Status()>)> atomically =
      [](absl::FunctionRef<absl::Status()> work) { return work(); };
  std::function<void()> on_failed_commit;
};

// One link. Used by one thread at a time.
class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();

  template <typename Request, typename Function>
  void On(Function function) {
    Bind(Request::kOp, Request::kChanges, Request::kName,
         [function = std::move(function)](
             ByteSpan body, Call& call) -> absl::StatusOr<base::SecretBytes> {
           ASSIGN_OR_RETURN(auto request,
                            wire::Decode<Request>(body, Request::kName));
           absl::StatusOr<typename Request::Reply> reply =
               function(request, call);
           if (!reply.ok()) return reply.status();
           return wire::EncodeSecret(*reply);
         });
  }

  // Takes one frame and gives the frame to answer (every frame has one but
  // what cannot be parsed, which closes the link: an error is returned).
  absl::StatusOr<Frame> Serve(const Frame& frame);
  // The link is gone.
  void Reset();

 private:
  using Handler =
      std::function<absl::StatusOr<base::SecretBytes>(ByteSpan, Call&)>;
  void Bind(uint16_t op, bool changes, const char* name, Handler handler);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_SERVER_H_
