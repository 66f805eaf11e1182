#include "hsm_io/socket_server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace hsm_io {
namespace {

constexpr size_t kMaxLinks = 64;

// One connection. Reads no further request while an answer waits to be sent,
// so that a slow or hostile host bounds only itself.
class Link {
 public:
  Link(int fd, std::unique_ptr<Server> server)
      : fd_(fd), server_(std::move(server)) {}
  ~Link() {
    server_.reset();
    close(fd_);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int fd() const { return fd_; }
  // A channel was opened on it once: it belongs to an enrolled host.
  bool has_been_trusted() const { return has_been_trusted_; }
  bool has_output() const { return sent_ < output_.size(); }
  short events() const { return has_output() ? POLLOUT : POLLIN; }

  // False: the link is over.
  bool Proceed(short events) {
    if ((events & POLLOUT) != 0) return Flush() && Serve();
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
      return Receive() && Serve();
    }
    return true;
  }

 private:
  bool Receive() {
    uint8_t buffer[64 * 1024];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    input_.insert(input_.end(), buffer, buffer + n);
    return true;
  }

  // Answers what has arrived whole, until an answer has to wait.
  bool Serve() {
    while (!has_output()) {
      absl::StatusOr<std::optional<Frame>> frame = TakeFrame(input_);
      if (!frame.ok()) return false;
      if (!frame->has_value()) return true;
      absl::StatusOr<Frame> answer = server_->Serve(**frame);
      if (!answer.ok()) return false;
      has_been_trusted_ |= answer->op() == FrameOp::kReady;
      output_ = answer->Encode();
      sent_ = 0;
      if (!Flush()) return false;
    }
    return true;
  }

  bool Flush() {
    while (has_output()) {
      const ssize_t n = send(fd_, output_.data() + sent_,
                             output_.size() - sent_, MSG_NOSIGNAL);
      if (n > 0) {
        sent_ += static_cast<size_t>(n);
      } else {
        return errno == EAGAIN || errno == EINTR;
      }
    }
    output_.clear();
    sent_ = 0;
    return true;
  }

  const int fd_;
  std::unique_ptr<Server> server_;
  Bytes input_;
  Bytes output_;
  size_t sent_ = 0;
  bool has_been_trusted_ = false;
};

// Makes room for a new link: the oldest of those that never got further than
// knocking goes, so that strangers cannot keep the hosts out.
bool MakeRoom(std::vector<std::unique_ptr<Link>>& links) {
  if (links.size() < kMaxLinks) return true;
  const auto stranger =
      std::find_if(links.begin(), links.end(),
                   [](const auto& link) { return !link->has_been_trusted(); });
  if (stranger == links.end()) return false;
  links.erase(stranger);
  return true;
}

}  // namespace

absl::Status ServeSockets(Listener& listener, const PlugIn& plug_in,
                          int stop_fd) {
  std::vector<std::unique_ptr<Link>> links;
  for (;;) {
    std::vector<pollfd> waiting;
    waiting.push_back({stop_fd, POLLIN, 0});
    const bool full =
        links.size() >= kMaxLinks &&
        std::all_of(links.begin(), links.end(),
                    [](const auto& link) { return link->has_been_trusted(); });
    waiting.push_back({listener.fd(), full ? short{0} : short{POLLIN}, 0});
    for (const auto& link : links) {
      waiting.push_back({link->fd(), link->events(), 0});
    }
    if (poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return base::Error(CKR_DEVICE_ERROR, "poll failed");
    }
    if (waiting[0].revents != 0) return absl::OkStatus();
    for (size_t i = 0; i < links.size(); ++i) {
      const short events = waiting[i + 2].revents;
      if (events != 0 && !links[i]->Proceed(events)) links[i].reset();
    }
    links.erase(std::remove(links.begin(), links.end(), nullptr), links.end());
    if ((waiting[1].revents & POLLIN) != 0 && MakeRoom(links)) {
      absl::StatusOr<int> fd = listener.Accept();
      if (!fd.ok()) continue;  // The host gave up meanwhile.
      absl::StatusOr<std::unique_ptr<Server>> server = plug_in();
      if (!server.ok()) {
        close(*fd);
        continue;
      }
      links.push_back(std::make_unique<Link>(*fd, *std::move(server)));
    }
  }
}

}  // namespace hsm_io
