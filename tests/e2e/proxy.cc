#include "tests/e2e/proxy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

namespace e2e {
namespace {

sockaddr_un Address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof address.sun_path);
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

int NewSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

bool ReadAll(int fd, CK_BYTE* to, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t n = read(fd, to + done, size - done);
    if (n <= 0) return false;
    done += n;
  }
  return true;
}

bool WriteAll(int fd, const Proxy::Frame& frame) {
  for (size_t done = 0; done < frame.size();) {
    const ssize_t n =
        send(fd, frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += n;
  }
  return true;
}

bool ReadFrame(int fd, Proxy::Frame& frame) {
  frame.resize(Proxy::kHeader);
  if (!ReadAll(fd, frame.data(), frame.size())) return false;
  size_t body = 0;
  for (int i = 24; i < 28; ++i) body = body << 8 | frame[i];
  frame.resize(Proxy::kHeader + body);
  return ReadAll(fd, frame.data() + Proxy::kHeader, body);
}

}  // namespace

Proxy::Proxy(std::string address, std::string device)
    : address_(std::move(address)), device_(std::move(device)) {
  listener_ = NewSocket();
  const sockaddr_un at = Address(address_);
  EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at),
            0);
  EXPECT_EQ(listen(listener_, 8), 0);
  // Not for daemons that are started meanwhile.
  EXPECT_EQ(pipe2(stop_, O_CLOEXEC), 0);
  accepting_ = std::thread([this] { Accept(); });
}

Proxy::~Proxy() {
  close(stop_[1]);  // Everybody who polls sees it.
  accepting_.join();
  for (std::thread& line : lines_) line.join();
  close(stop_[0]);
  close(listener_);
  unlink(address_.c_str());
}

void Proxy::Set(Attack attack) {
  std::lock_guard lock(mu_);
  attack_ = std::move(attack);
  count_ = 0;
}

void Proxy::Accept() {
  for (;;) {
    pollfd waits[] = {{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 || waits[1].revents != 0) return;
    const int host = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (host < 0) return;
    lines_.emplace_back([this, host] { Serve(host); });
  }
}

void Proxy::Serve(int host) {
  const int device = NewSocket();
  const sockaddr_un at = Address(device_);
  if (connect(device, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) {
    for (;;) {
      pollfd waits[] = {
          {host, POLLIN, 0}, {device, POLLIN, 0}, {stop_[0], POLLIN, 0}};
      if (poll(waits, 3, -1) < 0 || waits[2].revents != 0) break;
      if (waits[0].revents != 0 && !Move(host, device, Way::kToDevice)) break;
      if (waits[1].revents != 0 && !Move(device, host, Way::kToHost)) break;
    }
  }
  close(device);
  close(host);
}

bool Proxy::Move(int from, int to, Way way) {
  Frame frame;
  if (!ReadFrame(from, frame)) return false;
  std::vector<Frame> out = {frame};
  {
    std::lock_guard lock(mu_);
    const int n = ++count_;
    if (attack_) out = attack_(n, way, frame);
  }
  return !out.empty() &&
         std::all_of(out.begin(), out.end(), [&](const Frame& each) {
           return !each.empty() && WriteAll(to, each);
         });
}

}  // namespace e2e
