#include "hsm_io/remote_backup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm_io/frame.h"
#include "hsm_io/sealed_message.h"
#include "hsm_io/tls_session.h"

namespace hsm_io {
namespace {

// After the last words, for the other end to read them: closing before would
// reset the connection and take them away.
constexpr absl::Duration kFarewellBudget = absl::Seconds(2);

// What the links of one service share; one thread.
struct Shared {
  RemoteBackup service;
  std::shared_ptr<const TlsContext> context;
  std::map<Bytes, size_t> links;  // open ones of each client, by key
  const void* holder = nullptr;   // the link that has a device of one host
};

// A host that died without a word must not hold the device.
void WatchForDeath(int fd) {
  const int on = 1, idle = 30, interval = 10, count = 3;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

std::string AddressOf(int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  auto* sa = reinterpret_cast<sockaddr*>(&peer);
  if (getpeername(fd, sa, &size) != 0 ||
      getnameinfo(sa, size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "an unknown address";
  }
  return absl::StrCat(host, ":", port);
}

// One connection. Takes one frame at a time to the device, and reads no further
// ones while an answer waits to be sent.
class RemoteLink : public ServedLink {
 public:
  RemoteLink(int fd, std::shared_ptr<Shared> shared)
      : fd_(fd),
        shared_(std::move(shared)),
        address_(AddressOf(fd)),
        deadline_(Deadline::After(service().handshake_budget)) {}

  ~RemoteLink() override {
    CloseDevice();
    if (phase_ == Phase::kClient) Tell("left");
    if (counted_ && --shared_->links[client_key_] == 0) {
      shared_->links.erase(client_key_);
    }
    close(fd_);
  }
  RemoteLink(const RemoteLink&) = delete;
  RemoteLink& operator=(const RemoteLink&) = delete;

  absl::Status Start() {
    ASSIGN_OR_RETURN(session_, TlsSession::New(shared_->context,
                                               [](const base::Certificate&) {
                                                 return absl::OkStatus();
                                               }));
    return absl::OkStatus();
  }

  int fd() const override { return fd_; }
  bool has_been_trusted() const override { return phase_ == Phase::kClient; }
  Deadline deadline() const override { return deadline_; }
  bool has_work() const override { return next_.has_value() && !has_output(); }
  short events() const override {
    if (has_output()) return POLLOUT;
    return next_.has_value() ? 0 : POLLIN;
  }

  bool Proceed(short events) override {
    if (has_output()) return Flush();
    if (phase_ == Phase::kFarewell) return Discard();
    if (next_.has_value()) {
      Serve();
    } else if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
      if (!Receive()) return false;
    }
    return Flush();
  }

 private:
  enum class Phase : uint8_t {
    kStranger,  // the handshake, and a host that is not named: it is told so
    kClient,
    kFarewell,  // everything is said; waits for the other end to close
  };

  const RemoteBackup& service() const { return shared_->service; }
  bool has_output() const { return sent_ < output_.size(); }
  void Tell(absl::string_view what) const {
    service().tell(absl::StrCat(address_, " ", who_, what));
  }

  bool Receive() {
    uint8_t buffer[64 * 1024];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    const absl::Status taken =
        session_->Take(ByteSpan(buffer, static_cast<size_t>(n)));
    if (session_->is_open() && who_.empty()) Greet();
    if (taken.ok()) {
      LookForFrame();
      return true;
    }
    if (base::CkRv(taken) == CKR_DEVICE_REMOVED) {
      // A request that came whole is served, whoever waits for the answer.
      LookForFrame();
      if (next_.has_value()) Serve();
      return false;
    }
    Tell(absl::StrCat("refused: ", taken.message()));
    SayFarewell();
    return true;
  }

  // The handshake is over: is it one of ours?
  void Greet() {
    const base::Certificate& peer = session_->peer();
    who_ = absl::StrCat(Describe(peer), " ");
    client_key_ = peer.key_fingerprint();
    const auto& names = service().clients;
    const auto open = shared_->links.find(client_key_);
    if (std::none_of(names.begin(), names.end(),
                     [&](const HostName& each) { return each.Fits(peer); })) {
      refusal_ =
          base::Error(CKR_DEVICE_ERROR,
                      absl::StrCat("this Remote Backup Service does not name ",
                                   Describe(peer), " as a client"));
    } else if (open != shared_->links.end() &&
               open->second >= service().links_per_client) {
      refusal_ = base::Error(
          CKR_DEVICE_ERROR,
          "this host has as many connections to the Remote Backup Service as "
          "it may have");
    } else {
      ++shared_->links[client_key_];
      counted_ = true;
      phase_ = Phase::kClient;
      Tell("connected");
      return;
    }
    Tell(absl::StrCat("refused: ", refusal_.message()));
  }

  // Of what has arrived.
  void LookForFrame() {
    if (!session_->is_open()) return;
    absl::StatusOr<std::optional<Frame>> frame =
        TakeFrame(session_->received());
    if (!frame.ok()) {
      Tell(absl::StrCat("refused: ", frame.status().message()));
      return SayFarewell();
    }
    next_ = *std::move(frame);
  }

  void Serve() {
    const Frame frame = *std::exchange(next_, std::nullopt);
    absl::StatusOr<Frame> answer =
        refusal_.ok() ? Ask(frame) : absl::StatusOr<Frame>(refusal_);
    const bool failed = !answer.ok();
    if (failed) {
      if (refusal_.ok()) {
        Tell(absl::StrCat("not served: ", answer.status().message()));
      }
      CloseDevice();
      answer = Frame::Make(FrameOp::kError, frame.id(),
                           EncodeLinkError(answer.status()));
    }
    const absl::Status sent = session_->Send(answer->Encode());
    if (failed || !sent.ok()) return SayFarewell();
    LookForFrame();
  }

  // The device's answer.
  absl::StatusOr<Frame> Ask(const Frame& frame) {
    RETURN_IF_ERROR(OpenDevice());
    const auto deadline = Deadline::After(service().answer_budget);
    RETURN_IF_ERROR(WriteFrame(*device_, frame, deadline));
    return ReadFrame(*device_, deadline);
  }

  absl::Status OpenDevice() {
    if (device_ != nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(std::unique_ptr<Transport> device, service().device());
    if (device->exclusive() && shared_->holder != nullptr) {
      return base::Error(CKR_DEVICE_ERROR,
                         "another client is using the Backup HSM, which "
                         "serves one host at a time");
    }
    RETURN_IF_ERROR(device->Open(Deadline::After(service().device_budget)));
    if (device->exclusive()) shared_->holder = this;
    device_ = std::move(device);
    return absl::OkStatus();
  }

  void CloseDevice() {
    if (shared_->holder == this) shared_->holder = nullptr;
    device_.reset();
  }

  void SayFarewell() {
    CloseDevice();
    if (phase_ == Phase::kClient) Tell("left");
    session_->Close();
    next_.reset();
    phase_ = Phase::kFarewell;
    deadline_ = Deadline::After(kFarewellBudget);
  }

  // Puts what TLS has to say on the way, as far as it goes.
  bool Flush() {
    if (!has_output()) {
      output_ = session_->TakeOutput();
      sent_ = 0;
    }
    while (has_output()) {
      const ssize_t n = send(fd_, output_.data() + sent_,
                             output_.size() - sent_, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) return false;
      sent_ += static_cast<size_t>(n);
    }
    if (phase_ == Phase::kFarewell && !has_output()) shutdown(fd_, SHUT_WR);
    RenewDeadline();
    return true;
  }

  // There was progress. A stranger's time goes on.
  void RenewDeadline() {
    if (phase_ != Phase::kClient) return;
    const bool amid = has_output() || !session_->received().empty();
    deadline_ =
        Deadline::After(amid ? service().frame_budget : service().idle_budget);
  }

  bool Discard() {
    uint8_t buffer[64 * 1024];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  }

  const int fd_;
  const std::shared_ptr<Shared> shared_;
  const std::string address_;
  Deadline deadline_;
  Phase phase_ = Phase::kStranger;
  std::unique_ptr<TlsSession> session_;
  std::string who_;  // once it has shown its certificate
  Bytes client_key_;
  bool counted_ = false;
  absl::Status refusal_;
  std::unique_ptr<Transport> device_;
  std::optional<Frame> next_;
  Bytes output_;
  size_t sent_ = 0;
};

}  // namespace

absl::StatusOr<Port> RemoteBackupPort(Listener& listener,
                                      RemoteBackup service) {
  auto shared = std::make_shared<Shared>();
  ASSIGN_OR_RETURN(shared->context,
                   TlsContext::Make(TlsSide::kServer, service.identity));
  shared->service = std::move(service);
  size_t& per_client = shared->service.links_per_client;
  const size_t share = kMaxLinks / (shared->service.clients.size() + 1);
  per_client = std::max<size_t>(1, std::min(per_client, share));
  return Port{&listener,
              [shared](int fd) -> absl::StatusOr<std::unique_ptr<ServedLink>> {
                WatchForDeath(fd);
                auto link = std::make_unique<RemoteLink>(fd, shared);
                RETURN_IF_ERROR(link->Start());
                return link;
              }};
}

}  // namespace hsm_io
