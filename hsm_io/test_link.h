// For tests of the link: identities under a root, a device's end with a few
// handlers that count what they did, and ends that speak raw frames.
#ifndef PERIGEE_HSM_IO_TEST_LINK_H_
#define PERIGEE_HSM_IO_TEST_LINK_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/handshake.h"
#include "hsm_io/channel.h"
#include "hsm_io/client.h"
#include "hsm_io/embedded_transport.h"
#include "hsm_io/fault_transport.h"
#include "hsm_io/sealed_message.h"
#include "hsm_io/server.h"

namespace hsm_io {

using IdentityRef = std::shared_ptr<const base::Identity>;

inline Deadline Soon() { return Deadline::After(absl::Seconds(20)); }

// An owner's root and what it issues.
struct TestRoot {
  static TestRoot New() {
    base::P384Key key = *base::P384Key::Generate();
    base::Certificate root = *base::Certificate::Issue(
        {.serial = "fleet root", .model = "fleet", .kind = "root"},
        key.public_point(), key, nullptr);
    return {std::move(key), std::move(root)};
  }
  IdentityRef Issue(const std::string& kind, const std::string& serial) const {
    base::P384Key own = *base::P384Key::Generate();
    base::Certificate issued = *base::Certificate::Issue(
        {.serial = serial, .model = "test", .kind = kind}, own.public_point(),
        key, &certificate);
    return std::make_shared<const base::Identity>(
        base::Identity{std::move(own), std::move(issued), {certificate}});
  }

  base::P384Key key;
  base::Certificate certificate;
};

// A device that outlives its links, as a real one does.
class TestDevice {
 public:
  explicit TestDevice(IdentityRef identity) : identity_(std::move(identity)) {}

  std::unique_ptr<Server> PlugIn() {
    ServerOptions options;
    options.identity = [this] { return identity_; };
    options.discover = [this]() -> absl::StatusOr<DeviceInfo> { return info; };
    options.allow_adoption = allow_adoption;
    options.on_channel_reset = [this] { ++resets; };
    options.find_outcome = [this](ByteSpan client,
                                  const RequestId& id) -> std::optional<Bytes> {
      const auto it = outcomes.find({base::ToBytes(client), id});
      if (it == outcomes.end()) return std::nullopt;
      return it->second;
    };
    options.keep_outcome = [this](ByteSpan client, const RequestId& id,
                                  ByteSpan reply) {
      outcomes[{base::ToBytes(client), id}] = base::ToBytes(reply);
      return absl::OkStatus();
    };
    auto server = std::make_unique<Server>(std::move(options));
    server->On<ChangeLabel>(
        [this](const ChangeLabel& m, Call&) -> absl::StatusOr<Empty> {
          ++changes;
          label = m.label;
          return Empty{};
        });
    server->On<DeleteContainer>(
        [this](const DeleteContainer&, Call&) -> absl::StatusOr<Empty> {
          ++changes;
          return base::ErrorWithReason(CKR_CONTAINER_HANDLE_INVALID, "no-such",
                                       "no container\x1b[2J");
        });
    server->On<GetRoleStatus>(
        [this](const GetRoleStatus& m, Call&) -> absl::StatusOr<RoleStatus> {
          ++questions;
          RoleStatus status;
          status.failures = m.space;
          return status;
        });
    server->On<Adopt>([this](const Adopt&, Call&) -> absl::StatusOr<Empty> {
      ++adoptions;
      return Empty{};
    });
    return server;
  }

  const base::Identity& identity() const { return *identity_; }

  DeviceInfo info;
  bool allow_adoption = false;
  int resets = 0, changes = 0, questions = 0, adoptions = 0;
  std::string label;
  std::map<std::pair<Bytes, RequestId>, Bytes> outcomes;

 private:
  const IdentityRef identity_;
};

inline Client::TransportFactory FactoryFor(TestDevice& device,
                                           std::shared_ptr<FaultPlan> plan) {
  return [&device, plan]() -> absl::StatusOr<std::unique_ptr<Transport>> {
    std::unique_ptr<Transport> inner = NewEmbeddedTransport(
        [&device]() -> absl::StatusOr<std::unique_ptr<Server>> {
          return device.PlugIn();
        });
    return std::make_unique<FaultTransport>(std::move(inner), plan);
  };
}

inline RequestId Id(uint8_t n) {
  RequestId id{};
  id[0] = n;
  return id;
}

// A host that makes its own frames.
class RawHost {
 public:
  RawHost(Server& server, IdentityRef identity)
      : server_(server), identity_(std::move(identity)) {}

  absl::Status Open() {
    handshake::Options options;
    options.purpose = kChannelPurpose;
    options.identity = identity_.get();
    ASSIGN_OR_RETURN(auto initiator,
                     handshake::Initiator::Start(std::move(options)));
    ASSIGN_OR_RETURN(
        Frame reply,
        server_.Serve(Frame::Make(FrameOp::kHello, Id(1), initiator.hello())));
    if (reply.op() != FrameOp::kReply) return DecodeLinkError(reply.body());
    ASSIGN_OR_RETURN(auto result, std::move(initiator).Finish(reply.body()));
    ASSIGN_OR_RETURN(Frame ready,
                     server_.Serve(Frame::Make(FrameOp::kFinish, Id(1),
                                               std::move(result.finish))));
    if (ready.op() != FrameOp::kReady) return DecodeLinkError(ready.body());
    channel_.emplace(Channel::Side::kHost, std::move(result.established));
    return channel_->Open(ready).status();
  }

  template <typename Request>
  Frame Seal(const RequestId& id, const Request& request) {
    return SealMessage(
        id, EncodeRequest(Request::kOp, wire::Encode(request)).Expose());
  }
  Frame SealMessage(const RequestId& id, ByteSpan message) {
    return Frame::Make(FrameOp::kSealed, id,
                       *channel_->Seal(FrameOp::kSealed, id, message));
  }
  absl::StatusOr<base::SecretBytes> OpenMessage(const Frame& answer) {
    return channel_->Open(answer);
  }
  absl::Status StatusOf(const Frame& answer) {
    ASSIGN_OR_RETURN(base::SecretBytes reply, OpenMessage(answer));
    return DecodeReply(reply.Expose()).status();
  }

 private:
  Server& server_;
  const IdentityRef identity_;
  std::optional<Channel> channel_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_TEST_LINK_H_
