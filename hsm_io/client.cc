#include "hsm_io/client.h"

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/handshake.h"
#include "hsm_io/channel.h"
#include "hsm_io/sealed_message.h"

namespace hsm_io {
namespace {

absl::StatusOr<RequestId> NewRequestId() {
  RequestId id;
  RETURN_IF_ERROR(
      base::FillRandom(base::MutableByteSpan(id.data(), id.size())));
  return id;
}

absl::Status Removed(const absl::Status& cause) {
  return base::Error(
      CKR_DEVICE_REMOVED,
      absl::StrCat("the link to the Backup HSM broke: ", cause.message()));
}

}  // namespace

struct Client::State {
  TransportFactory make_transport;
  mutable absl::Mutex mu;
  std::unique_ptr<Transport> transport ABSL_GUARDED_BY(mu);
  std::optional<Channel> channel ABSL_GUARDED_BY(mu);
  std::optional<ChannelOptions> options ABSL_GUARDED_BY(mu);
  uint64_t epoch ABSL_GUARDED_BY(mu) = 0;

  void Drop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (channel.has_value()) ++epoch;
    channel.reset();
    if (transport != nullptr) transport->Close();
    transport.reset();
  }

  absl::Status Connect(Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (transport != nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(std::unique_ptr<Transport> made, make_transport());
    RETURN_IF_ERROR(made->Open(deadline));
    transport = std::move(made);
    return absl::OkStatus();
  }

  // One frame out, its answer in. Anything wrong drops the link.
  absl::StatusOr<Frame> Exchange(const Frame& frame, FrameOp expected,
                                 Deadline deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    absl::StatusOr<Frame> answer =
        [&, &link = *transport]() -> absl::StatusOr<Frame> {
      RETURN_IF_ERROR(WriteFrame(link, frame, deadline));
      ASSIGN_OR_RETURN(Frame got, ReadFrame(link, deadline));
      if (got.id() != frame.id()) {
        return base::Error(CKR_DEVICE_ERROR, "link: answer to another request");
      }
      if (got.op() == FrameOp::kError) return DecodeLinkError(got.body());
      if (got.op() != expected) {
        return base::Error(CKR_DEVICE_ERROR, "link: unexpected answer");
      }
      return got;
    }();
    if (!answer.ok()) Drop();
    return answer;
  }

  absl::Status Handshake(Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  absl::StatusOr<base::SecretBytes> Send(const RequestId& id, uint16_t op,
                                         ByteSpan body, Deadline deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  absl::StatusOr<base::SecretBytes> AskOutcome(const RequestId& id,
                                               const absl::Status& cause,
                                               Deadline deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
};

absl::Status Client::State::Handshake(Deadline deadline) {
  handshake::Options exchange;
  exchange.purpose = kChannelPurpose;
  exchange.identity = options->identity.get();
  const std::optional<Bytes> pinned = options->adopt_fingerprint;
  exchange.accept_unknown_peer = pinned.has_value();
  exchange.check_peer = [pinned](const base::Certificate& certificate,
                                 ByteSpan) -> absl::Status {
    if (certificate.name().kind != "backup") {
      return base::Error(CKR_DEVICE_ERROR,
                         "the device's certificate is not a Backup HSM's");
    }
    if (pinned.has_value() && certificate.key_fingerprint() != *pinned) {
      return base::Error(CKR_DEVICE_ERROR,
                         "the device is not the one with this fingerprint");
    }
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(handshake::Initiator initiator,
                   handshake::Initiator::Start(std::move(exchange)));
  ASSIGN_OR_RETURN(RequestId id, NewRequestId());
  ASSIGN_OR_RETURN(Frame reply,
                   Exchange(Frame::Make(FrameOp::kHello, id, initiator.hello()),
                            FrameOp::kReply, deadline));
  absl::StatusOr<handshake::Initiator::Result> result =
      std::move(initiator).Finish(reply.body());
  if (!result.ok()) {
    Drop();
    return result.status();
  }
  ASSIGN_OR_RETURN(Frame ready, Exchange(Frame::Make(FrameOp::kFinish, id,
                                                     std::move(result->finish)),
                                         FrameOp::kReady, deadline));
  Channel opened(Channel::Side::kHost, std::move(result->established));
  absl::StatusOr<base::SecretBytes> empty = opened.Open(ready);
  if (!empty.ok()) {
    Drop();
    return empty.status();
  }
  channel.emplace(std::move(opened));
  ++epoch;
  return absl::OkStatus();
}

absl::StatusOr<base::SecretBytes> Client::State::Send(const RequestId& id,
                                                      uint16_t op,
                                                      ByteSpan body,
                                                      Deadline deadline) {
  base::SecretBytes message = EncodeRequest(op, body);
  ASSIGN_OR_RETURN(Bytes sealed,
                   channel->Seal(FrameOp::kSealed, id, message.Expose()));
  ASSIGN_OR_RETURN(Frame answer, Exchange(Frame::Make(FrameOp::kSealed, id,
                                                      std::move(sealed)),
                                          FrameOp::kSealed, deadline));
  absl::StatusOr<base::SecretBytes> reply = channel->Open(answer);
  if (!reply.ok()) Drop();
  return reply;
}

// The link broke after a changing request went out: what became of it? Asked
// once on a new channel; the request itself is never sent again.
absl::StatusOr<base::SecretBytes> Client::State::AskOutcome(
    const RequestId& id, const absl::Status& cause, Deadline deadline) {
  if (!options.has_value() || options->adopt_fingerprint.has_value()) {
    return Removed(cause);
  }
  absl::StatusOr<base::SecretBytes> asked =
      [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(
          mu) -> absl::StatusOr<base::SecretBytes> {
    RETURN_IF_ERROR(Connect(deadline));
    RETURN_IF_ERROR(Handshake(deadline));
    ASSIGN_OR_RETURN(RequestId question, NewRequestId());
    Outcome outcome;
    outcome.id = id;
    return Send(question, Outcome::kOp, wire::Encode(outcome), deadline);
  }();
  if (!asked.ok()) return Removed(cause);
  absl::StatusOr<base::SecretBytes> body = DecodeReply(asked->Expose());
  if (!body.ok()) return Removed(cause);
  auto reply = wire::Decode<Outcome::Reply>(body->Expose(), Outcome::kName);
  if (!reply.ok() || !reply->done) return Removed(cause);
  return std::move(reply->reply);
}

Client::Client(TransportFactory make_transport)
    : state_(std::make_unique<State>()) {
  state_->make_transport = std::move(make_transport);
}

Client::~Client() { CloseChannel(); }

absl::StatusOr<DeviceInfo> Client::Discover(Deadline deadline) {
  absl::MutexLock lock(&state_->mu);
  RETURN_IF_ERROR(state_->Connect(deadline));
  ASSIGN_OR_RETURN(RequestId id, NewRequestId());
  ASSIGN_OR_RETURN(Frame answer,
                   state_->Exchange(Frame::Make(FrameOp::kDiscover, id, {}),
                                    FrameOp::kDiscoverReply, deadline));
  // Looking must not keep others out.
  if (!state_->channel.has_value() && state_->transport->exclusive()) {
    state_->Drop();
  }
  ASSIGN_OR_RETURN(DeviceInfo info,
                   wire::Decode<DeviceInfo>(answer.body(), "DeviceInfo"));
  for (std::string* text : {&info.serial, &info.model, &info.token_model,
                            &info.manufacturer, &info.label}) {
    *text = Printable(*text);
  }
  return info;
}

absl::Status Client::OpenChannel(ChannelOptions options, Deadline deadline) {
  absl::MutexLock lock(&state_->mu);
  state_->Drop();
  state_->options = std::move(options);
  RETURN_IF_ERROR(state_->Connect(deadline));
  return state_->Handshake(deadline);
}

void Client::CloseChannel() {
  absl::MutexLock lock(&state_->mu);
  state_->Drop();
}

bool Client::channel_open() const {
  absl::MutexLock lock(&state_->mu);
  return state_->channel.has_value();
}

uint64_t Client::channel_epoch() const {
  absl::MutexLock lock(&state_->mu);
  return state_->epoch;
}

absl::StatusOr<base::Certificate> Client::peer() const {
  absl::MutexLock lock(&state_->mu);
  if (!state_->channel.has_value()) {
    return base::Error(CKR_DEVICE_REMOVED, "no channel to the Backup HSM");
  }
  return state_->channel->peer();
}

absl::StatusOr<base::SecretBytes> Client::CallBytes(uint16_t op, bool changes,
                                                    base::SecretBytes body,
                                                    Deadline deadline) {
  absl::MutexLock lock(&state_->mu);
  if (!state_->channel.has_value()) {
    return base::Error(CKR_DEVICE_REMOVED, "no channel to the Backup HSM");
  }
  ASSIGN_OR_RETURN(RequestId id, NewRequestId());
  absl::StatusOr<base::SecretBytes> reply =
      state_->Send(id, op, body.Expose(), deadline);
  if (!reply.ok()) {
    if (!changes) return Removed(reply.status());
    ASSIGN_OR_RETURN(reply, state_->AskOutcome(id, reply.status(), deadline));
  }
  return DecodeReply(reply->Expose());
}

}  // namespace hsm_io
