#include "hsm_io/tls_transport.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "hsm_io/host_name.h"
#include "hsm_io/socket_transport.h"
#include "hsm_io/tls_session.h"

namespace hsm_io {
namespace {

constexpr size_t kChunk = 64 * 1024;

struct TlsAddress {
  std::string server;                // HOST:PORT
  std::optional<HostName> expected;  // nothing: any host of the fleet
};

absl::StatusOr<TlsAddress> ParseTlsAddress(absl::string_view text) {
  TlsAddress address;
  const size_t at = text.rfind('@');
  if (at != absl::string_view::npos) {
    ASSIGN_OR_RETURN(address.expected, HostName::Parse(text.substr(at + 1)));
    text = text.substr(0, at);
  }
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 || text[0] == '/' ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 ||
      port > 65535) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       absl::StrCat("\"", text, "\" is not HOST:PORT"));
  }
  address.server = std::string(text);
  return address;
}

class TlsTransport : public Transport {
 public:
  TlsTransport(std::string address, IdentitySource identity)
      : address_(std::move(address)), identity_(std::move(identity)) {}
  ~TlsTransport() override { Close(); }

  absl::Status Open(Deadline deadline) override {
    Close();
    absl::Status opened = Connect(deadline);
    if (!opened.ok()) Close();
    return opened;
  }

  void Close() override {
    if (session_ != nullptr && fd_ >= 0) {
      session_->Close();
      const Bytes farewell = session_->TakeOutput();
      // If it does not go out at once, the end of the connection says it.
      (void)!send(fd_, farewell.data(), farewell.size(), MSG_NOSIGNAL);
    }
    session_.reset();
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  absl::Status Write(ByteSpan bytes, Deadline deadline) override {
    if (session_ == nullptr) return Removed("is not open");
    while (!bytes.empty()) {
      const size_t size = std::min(kChunk, bytes.size());
      RETURN_IF_ERROR(session_->Send(bytes.subspan(0, size)));
      RETURN_IF_ERROR(Flush(deadline));
      bytes.remove_prefix(size);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Bytes> Read(size_t limit, Deadline deadline) override {
    if (session_ == nullptr) return Removed("is not open");
    Bytes& received = session_->received();
    while (received.empty()) {
      const absl::Status got = Receive(deadline);
      // Last words may come with the end of the connection.
      if (!got.ok() && received.empty()) return got;
    }
    const size_t size = std::min(limit, received.size());
    Bytes out(received.begin(), received.begin() + size);
    received.erase(received.begin(), received.begin() + size);
    return out;
  }

  // A look at the device would else keep a connection of the server's.
  bool exclusive() const override { return true; }

 private:
  absl::Status Connect(Deadline deadline) {
    ASSIGN_OR_RETURN(TlsAddress address, ParseTlsAddress(address_));
    ASSIGN_OR_RETURN(auto identity, identity_());
    ASSIGN_OR_RETURN(auto context,
                     TlsContext::Make(TlsSide::kClient, std::move(identity)));
    ASSIGN_OR_RETURN(session_,
                     TlsSession::New(std::move(context),
                                     [expected = std::move(address.expected)](
                                         const base::Certificate& server) {
                                       return Judge(expected, server);
                                     }));
    ASSIGN_OR_RETURN(fd_, ConnectSocket(address.server, deadline));
    while (!session_->is_open()) {
      RETURN_IF_ERROR(Flush(deadline));
      RETURN_IF_ERROR(Receive(deadline));
    }
    return Flush(deadline);
  }

  static absl::Status Judge(const std::optional<HostName>& expected,
                            const base::Certificate& server) {
    if (!expected.has_value() || expected->Fits(server)) {
      return absl::OkStatus();
    }
    return base::Error(
        CKR_DEVICE_ERROR,
        absl::StrCat("the server is ", Describe(server), ", not ",
                     expected->text(), " as the configuration says"));
  }

  absl::Status Flush(Deadline deadline) {
    const Bytes output = session_->TakeOutput();
    ByteSpan rest = output;
    while (!rest.empty()) {
      const ssize_t n = send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n > 0) {
        rest.remove_prefix(static_cast<size_t>(n));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        RETURN_IF_ERROR(Wait(POLLOUT, deadline));
      } else if (errno != EINTR) {
        return Removed("the server closed it");
      }
    }
    return absl::OkStatus();
  }

  // Takes some bytes of the wire, which may be none of the frames' yet.
  absl::Status Receive(Deadline deadline) {
    RETURN_IF_ERROR(Wait(POLLIN, deadline));
    uint8_t buffer[kChunk];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
    if (n <= 0) return Removed("the server closed it");
    const absl::Status taken =
        session_->Take(ByteSpan(buffer, static_cast<size_t>(n)));
    if (taken.ok()) return taken;
    const Bytes why = session_->TakeOutput();  // the alert, if it can go
    (void)!send(fd_, why.data(), why.size(), MSG_NOSIGNAL);
    return base::Error(base::CkRv(taken),
                       absl::StrCat("tls:", address_, ": ", taken.message()));
  }

  absl::Status Wait(short events, Deadline deadline) {
    return WaitSocket(fd_, events, address_, deadline);
  }

  absl::Status Removed(absl::string_view why) const {
    return base::Error(CKR_DEVICE_REMOVED,
                       absl::StrCat("tls:", address_, ": ", why));
  }

  const std::string address_;
  const IdentitySource identity_;
  std::unique_ptr<TlsSession> session_;
  int fd_ = -1;
};

}  // namespace

std::unique_ptr<Transport> NewTlsTransport(const std::string& address,
                                           IdentitySource identity) {
  return std::make_unique<TlsTransport>(address, std::move(identity));
}

bool IsTlsAddress(absl::string_view text) { return ParseTlsAddress(text).ok(); }

}  // namespace hsm_io
