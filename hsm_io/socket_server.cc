#include "hsm_io/socket_server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "hsm_io/sealed_message.h"

namespace hsm_io {
namespace {

// One connection. Reads no further request while an answer waits to be sent,
// so that a slow or hostile host bounds only itself.
class Link : public ServedLink {
 public:
  Link(int fd, std::unique_ptr<Server> server)
      : fd_(fd), server_(std::move(server)) {}
  ~Link() override {
    server_.reset();
    close(fd_);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int fd() const override { return fd_; }
  bool has_been_trusted() const override { return has_been_trusted_; }
  bool has_output() const { return sent_ < output_.size(); }
  short events() const override { return has_output() ? POLLOUT : POLLIN; }

  bool Proceed(short events) override {
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
      if (!frame.ok()) {
        Refuse(frame.status());
        return false;
      }
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

  // What is no frame gets no answer, a frame of another version does.
  void Refuse(const absl::Status& status) {
    if (base::Reason(status) != kOtherVersion) return;
    output_ =
        Frame::Make(FrameOp::kError, {}, EncodeLinkError(status)).Encode();
    sent_ = 0;
    Flush();
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

}  // namespace

Port SocketPort(Listener& listener, PlugIn plug_in) {
  return {&listener,
          [plug_in = std::move(plug_in)](
              int fd) -> absl::StatusOr<std::unique_ptr<ServedLink>> {
            absl::StatusOr<std::unique_ptr<Server>> server = plug_in();
            if (!server.ok()) {
              close(fd);
              return server.status();
            }
            return std::make_unique<Link>(fd, *std::move(server));
          }};
}

absl::Status ServeSockets(Listener& listener, const PlugIn& plug_in,
                          int stop_fd) {
  return ServePorts({SocketPort(listener, plug_in)}, stop_fd);
}

}  // namespace hsm_io
