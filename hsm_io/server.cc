#include "hsm_io/server.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/handshake.h"
#include "hsm_io/channel.h"
#include "hsm_io/sealed_message.h"

namespace hsm_io {

struct Server::State {
  struct Binding {
    bool changes;
    const char* name;
    Handler handler;
  };

  ServerOptions options;
  std::map<uint16_t, Binding> bindings;

  // Between hello and finish; then the channel.
  std::optional<handshake::Responder> responder;
  std::optional<Channel> channel;
  std::shared_ptr<const base::Identity> identity;
  bool adoption_only = false;

  void Drop() {
    responder.reset();
    const bool had_channel = channel.has_value();
    channel.reset();
    adoption_only = false;
    if (had_channel && options.on_channel_reset) options.on_channel_reset();
  }

  absl::StatusOr<Frame> Hello(const Frame& frame);
  absl::StatusOr<Frame> Finish(const Frame& frame);
  absl::StatusOr<Frame> Sealed(const Frame& frame);
  base::SecretBytes Answer(const SealedRequest& request, const RequestId& id);
};

namespace {

absl::Status CheckHost(const base::Certificate& certificate, ByteSpan) {
  if (certificate.name().kind == "host") return absl::OkStatus();
  return base::Error(
      CKR_DEVICE_ERROR,
      absl::StrCat("a certificate of kind '", certificate.name().kind,
                   "' does not open a channel"));
}

bool ChainsToKnownRoot(const base::Certificate& certificate,
                       const base::Identity& identity) {
  for (const base::Certificate& root : identity.roots) {
    if (certificate.VerifyUnder(root).ok()) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<Frame> Server::State::Hello(const Frame& frame) {
  Drop();
  identity = options.identity();
  handshake::Options exchange;
  exchange.purpose = kChannelPurpose;
  exchange.identity = identity.get();
  exchange.check_peer = CheckHost;
  exchange.accept_unknown_peer = options.allow_adoption;
  ASSIGN_OR_RETURN(
      handshake::Responder answer,
      handshake::Responder::Answer(std::move(exchange), frame.body()));
  adoption_only = !ChainsToKnownRoot(answer.peer().certificate, *identity);
  Frame reply = Frame::Make(FrameOp::kReply, frame.id(), answer.reply());
  responder.emplace(std::move(answer));
  return reply;
}

absl::StatusOr<Frame> Server::State::Finish(const Frame& frame) {
  if (!responder.has_value()) {
    return base::Error(CKR_DEVICE_ERROR, "finish without hello");
  }
  handshake::Responder pending = *std::move(responder);
  responder.reset();
  ASSIGN_OR_RETURN(handshake::Established established,
                   std::move(pending).Confirm(frame.body()));
  channel.emplace(Channel::Side::kDevice, std::move(established));
  ASSIGN_OR_RETURN(Bytes ready, channel->Seal(FrameOp::kReady, frame.id(), {}));
  return Frame::Make(FrameOp::kReady, frame.id(), std::move(ready));
}

base::SecretBytes Server::State::Answer(const SealedRequest& request,
                                        const RequestId& id) {
  const auto refuse = [](CK_RV rv, absl::string_view text) {
    return EncodeReply(base::Error(rv, text));
  };
  Call call{id, channel->peer().key_fingerprint(), adoption_only};
  if (adoption_only && request.op != Adopt::kOp) {
    return refuse(CKR_FUNCTION_REJECTED,
                  "this device does not know the host: only adoption is "
                  "allowed on this channel");
  }
  if (request.op == Outcome::kOp) {
    auto asked = wire::Decode<Outcome>(request.body.Expose(), Outcome::kName);
    if (!asked.ok()) return EncodeReply(asked.status());
    Outcome::Reply reply;
    std::optional<Bytes> kept =
        options.find_outcome ? options.find_outcome(call.client, asked->id)
                             : std::nullopt;
    reply.done = kept.has_value();
    if (kept) reply.reply = base::SecretBytes::CopyOf(*kept);
    return EncodeReply(wire::EncodeSecret(reply));
  }
  auto binding = bindings.find(request.op);
  if (binding == bindings.end()) {
    return refuse(CKR_FUNCTION_NOT_SUPPORTED,
                  absl::StrCat("this device does not know message ", request.op,
                               ": update it"));
  }
  if (!binding->second.changes || !options.find_outcome) {
    return EncodeReply(binding->second.handler(request.body.Expose(), call));
  }
  // The same id again is not done again.
  if (auto kept = options.find_outcome(call.client, id)) {
    return base::SecretBytes::CopyOf(*kept);
  }
  base::SecretBytes reply;
  const absl::Status committed = options.atomically([&]() -> absl::Status {
    reply = EncodeReply(binding->second.handler(request.body.Expose(), call));
    return options.keep_outcome(call.client, id, reply.Expose());
  });
  if (committed.ok()) return reply;
  if (options.on_failed_commit) options.on_failed_commit();
  return EncodeReply(committed);
}

absl::StatusOr<Frame> Server::State::Sealed(const Frame& frame) {
  if (!channel.has_value()) {
    return base::Error(CKR_DEVICE_ERROR, "no channel is open");
  }
  ASSIGN_OR_RETURN(base::SecretBytes message, channel->Open(frame));
  absl::StatusOr<SealedRequest> request = DecodeRequest(message.Expose());
  base::SecretBytes reply = request.ok() ? Answer(*request, frame.id())
                                         : EncodeReply(request.status());
  ASSIGN_OR_RETURN(Bytes sealed,
                   channel->Seal(FrameOp::kSealed, frame.id(), reply.Expose()));
  return Frame::Make(FrameOp::kSealed, frame.id(), std::move(sealed));
}

Server::Server(ServerOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
}

Server::~Server() { state_->Drop(); }

void Server::Bind(uint16_t op, bool changes, const char* name,
                  Handler handler) {
  state_->bindings[op] = {changes, name, std::move(handler)};
}

absl::StatusOr<Frame> Server::Serve(const Frame& frame) {
  absl::StatusOr<Frame> answer = [&]() -> absl::StatusOr<Frame> {
    switch (frame.op()) {
      case FrameOp::kDiscover: {
        ASSIGN_OR_RETURN(DeviceInfo info, state_->options.discover());
        return Frame::Make(FrameOp::kDiscoverReply, frame.id(),
                           wire::Encode(info));
      }
      case FrameOp::kHello:
        return state_->Hello(frame);
      case FrameOp::kFinish:
        return state_->Finish(frame);
      case FrameOp::kSealed:
        return state_->Sealed(frame);
      default:
        return base::Error(CKR_DEVICE_ERROR, "a host does not send this");
    }
  }();
  if (answer.ok()) return answer;
  state_->Drop();
  return Frame::Make(FrameOp::kError, frame.id(),
                     EncodeLinkError(answer.status()));
}

void Server::Reset() { state_->Drop(); }

}  // namespace hsm_io
