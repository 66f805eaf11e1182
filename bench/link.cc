// What a link costs: messages of several sizes to a device that does nothing
// with them, over each transport and through the secure channel, beside the
// same bytes through a plain socket that echoes as much.
//
//   perigee-link-bench [--seconds S]
#include <getopt.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "hsm_io/link_loop.h"
#include "hsm_io/socket_server.h"
#include "hsm_io/socket_transport.h"
#include "hsm_io/test_link.h"
#include "hsm_io/usbip_server.h"
#include "hsm_io/usbip_transport.h"

namespace bench {
namespace {

using hsm_io::Bytes;
using Clock = std::chrono::steady_clock;

constexpr size_t kSizes[] = {64, 4096, 65536, 524288};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "perigee-link-bench: %s\n", what.c_str());
  std::exit(1);
}

// Exchanges a second.
double Rate(double seconds, const std::function<void()>& exchange) {
  exchange();  // what happens once
  int done = 0;
  const auto begun = Clock::now();
  double passed = 0;
  while (passed < seconds) {
    exchange();
    ++done;
    passed = std::chrono::duration<double>(Clock::now() - begun).count();
  }
  return done / passed;
}

void WriteAll(int fd, const Bytes& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = write(fd, bytes.data() + at, bytes.size() - at);
    if (n <= 0) Die("write");
    at += static_cast<size_t>(n);
  }
}

bool ReadAll(int fd, Bytes& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = read(fd, bytes.data() + at, bytes.size() - at);
    if (n <= 0) return false;
    at += static_cast<size_t>(n);
  }
  return true;
}

// A pair of Unix sockets whose other end, a thread, sends back what it gets.
double PlainEcho(size_t size, double seconds) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) Die("socketpair");
  std::thread echo([fd = pair[1], size] {
    Bytes bytes(size);
    while (ReadAll(fd, bytes)) WriteAll(fd, bytes);
  });
  const Bytes sent(size, 0x5a);
  Bytes received(size);
  const double rate = Rate(seconds, [&] {
    WriteAll(pair[0], sent);
    if (!ReadAll(pair[0], received)) Die("read");
  });
  close(pair[0]);
  echo.join();
  close(pair[1]);
  return rate;
}

// A device whose RunJoin answers with what it was sent.
class Device {
 public:
  explicit Device(hsm_io::IdentityRef identity)
      : device_(std::move(identity)) {}
  absl::StatusOr<std::unique_ptr<hsm_io::Server>> PlugIn() {
    auto server = device_.PlugIn();
    server->On<hsm_io::RunJoin>(
        [](const hsm_io::RunJoin& m,
           hsm_io::Call&) -> absl::StatusOr<hsm_io::RunJoin::Reply> {
          hsm_io::RunJoin::Reply reply;
          reply.reply = m.hello;
          return reply;
        });
    return server;
  }

 private:
  hsm_io::TestDevice device_;
};

// Serves a port until it goes.
class Service {
 public:
  explicit Service(std::vector<hsm_io::Port> ports)
      : stop_(eventfd(0, EFD_CLOEXEC)),
        thread_([this, ports = std::move(ports)] {
          const absl::Status status = hsm_io::ServePorts(ports, stop_);
          if (!status.ok()) Die(std::string(status.message()));
        }) {}
  ~Service() {
    const uint64_t one = 1;
    if (write(stop_, &one, sizeof one) != sizeof one) Die("eventfd");
    thread_.join();
    close(stop_);
  }

 private:
  const int stop_;
  std::thread thread_;
};

void Measure(const char* name, hsm_io::Client::TransportFactory factory,
             const hsm_io::IdentityRef& host, double seconds) {
  hsm_io::Client client(std::move(factory));
  const absl::Status opened =
      client.OpenChannel({.identity = host}, hsm_io::Soon());
  if (!opened.ok()) Die(std::string(opened.message()));
  for (const size_t size : kSizes) {
    hsm_io::RunJoin request;
    request.hello = Bytes(size, 0x5a);
    std::vector<double> ratios;
    double plain = 0, link = 0;
    for (int round = 0; round < 3; ++round) {
      plain = PlainEcho(size, seconds);
      link = Rate(seconds, [&] {
        const auto reply = client.Call(request, hsm_io::Soon());
        if (!reply.ok()) Die(std::string(reply.status().message()));
      });
      ratios.push_back(link / plain);
    }
    std::sort(ratios.begin(), ratios.end());
    std::printf(
        "%-9s %7zu B  %9.1f us there and back  %8.1f MB/s each way   plain "
        "%7.1f us (%.2f times as fast)\n",
        name, size, 1e6 / link, link * static_cast<double>(size) / 1e6,
        1e6 / plain, ratios[1]);
  }
}

int Main(int argc, char** argv) {
  double seconds = 0.3;
  static const option kLong[] = {{"seconds", 1, nullptr, 's'},
                                 {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    if (c != 's') Die("options: --seconds S");
    seconds = std::atof(optarg);
  }
  std::string scratch = "/var/tmp/perigee-link-XXXXXX";
  if (mkdtemp(scratch.data()) == nullptr) Die("no scratch directory");
  const auto root = hsm_io::TestRoot::New();
  const auto host = root.Issue("host", "1");
  Device device(root.Issue("backup", "2"));
  const hsm_io::PlugIn plug_in = [&device] { return device.PlugIn(); };

  Measure(
      "embedded", [&] { return hsm_io::NewEmbeddedTransport(plug_in); }, host,
      seconds);
  auto socket = hsm_io::Listener::Listen(scratch + "/socket");
  auto usbip = hsm_io::Listener::Listen(scratch + "/usbip");
  if (!socket.ok() || !usbip.ok()) Die("no listening socket");
  {
    const Service service(
        {hsm_io::SocketPort(**socket, plug_in),
         hsm_io::UsbipPort(**usbip, hsm_io::UsbSpeed::kHigh, "2", plug_in)});
    Measure(
        "socket",
        [&] { return hsm_io::NewSocketTransport((*socket)->address()); }, host,
        seconds);
    Measure(
        "USB/IP",
        [&] { return hsm_io::NewUsbipTransport((*usbip)->address()); }, host,
        seconds);
  }
  socket->reset();
  usbip->reset();
  std::filesystem::remove_all(scratch);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
