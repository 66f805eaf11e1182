#include "hsm_io/usbip_server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "hsm_io/usb_device.h"
#include "hsm_io/usbip_protocol.h"

namespace hsm_io {
namespace {

// No more commands are read while more than this waits to be sent, so that a
// host that does not read bounds only itself.
constexpr size_t kMaxOutput = 256 * 1024;

// The device and whether a host has it.
struct Shared {
  Shared(UsbSpeed speed, std::string serial, PlugIn plug_in)
      : device(speed, std::move(serial), std::move(plug_in)) {}
  UsbDevice device;
  bool attached = false;
};

usbip::Exported Describe(UsbSpeed speed) {
  usbip::Exported exported;
  usbip::DeviceRecord& device = exported.device;
  device.path = usbip::ToField<256>("/perigee/backup-hsm/1-1");
  device.bus_id = usbip::ToField<usbip::kBusIdSize>(usbip::kBusId);
  device.bus = 1;
  device.device = 2;
  device.speed = static_cast<uint32_t>(speed);
  device.vendor = kUsbVendor;
  device.product = kUsbProduct;
  device.release = kUsbRelease;
  device.configuration = kUsbConfiguration;
  exported.interfaces.push_back({kUsbClass, kUsbSubclass, kUsbProtocol, 0});
  return exported;
}

class UsbipLink : public ServedLink {
 public:
  UsbipLink(int fd, std::shared_ptr<Shared> shared)
      : fd_(fd), shared_(std::move(shared)) {}
  ~UsbipLink() override {
    if (attached_) {
      shared_->device.Disconnect();
      shared_->attached = false;
    }
    close(fd_);
  }
  UsbipLink(const UsbipLink&) = delete;
  UsbipLink& operator=(const UsbipLink&) = delete;

  int fd() const override { return fd_; }
  bool has_been_trusted() const override {
    return attached_ && shared_->device.has_been_trusted();
  }
  short events() const override {
    const short out = output() > 0 ? POLLOUT : 0;
    return static_cast<short>(out | (MayRead() ? POLLIN : 0) |
                              (attached_ ? POLLRDHUP : 0));
  }

  bool Proceed(short events) override {
    // The cable is pulled: what it still has is of no use, and the next host
    // must not find the device busy.
    if ((events & POLLRDHUP) != 0) return false;
    if ((events & POLLOUT) != 0 && !Flush()) return false;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !Receive()) {
      return false;
    }
    for (size_t before = input_.size() + 1; before != input_.size();) {
      before = input_.size();
      if (!Serve() || !Flush()) return false;
    }
    return !last_ || output() > 0;
  }

 private:
  size_t output() const { return output_.size() - sent_; }
  bool MayRead() const { return !last_ && output() <= kMaxOutput; }

  bool Receive() {
    uint8_t buffer[64 * 1024];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    input_.insert(input_.end(), buffer, buffer + n);
    return true;
  }

  // Takes the records that have arrived whole. False ends the link.
  bool Serve() {
    size_t at = 0;
    for (bool whole = true; whole && MayRead();) {
      const ByteSpan rest = ByteSpan(input_).subspan(at);
      const absl::StatusOr<size_t> taken =
          attached_ ? TakeCommand(rest) : TakeOp(rest);
      if (!taken.ok()) return false;
      at += *taken;
      whole = *taken > 0;
    }
    input_.erase(input_.begin(), input_.begin() + at);
    return true;
  }

  // Each gives the bytes that it took, 0 when more have to come.
  absl::StatusOr<size_t> TakeOp(ByteSpan rest) {
    if (rest.size() < usbip::kOpSize) return 0;
    ASSIGN_OR_RETURN(usbip::OpHeader header,
                     usbip::ParseOp(rest.subspan(0, usbip::kOpSize)));
    const usbip::Exported exported = Describe(shared_->device.speed());
    if (header.op == usbip::Op::kDevlistRequest) {
      Push(usbip::EncodeDevlist({exported}));
      last_ = true;
      return usbip::kOpSize;
    }
    if (header.op != usbip::Op::kImportRequest) {
      return base::Error(CKR_DEVICE_ERROR, "USB/IP: a reply from a host");
    }
    if (rest.size() < usbip::kImportRequestSize) return 0;
    ASSIGN_OR_RETURN(
        const std::string bus_id,
        usbip::FromField(rest.subspan(usbip::kOpSize, usbip::kBusIdSize)));
    usbip::OpHeader reply;
    reply.op = usbip::Op::kImportReply;
    if (bus_id != usbip::kBusId) {
      reply.status = usbip::OpStatus::kNoDevice;
    } else if (shared_->attached) {
      reply.status = usbip::OpStatus::kBusy;
    }
    Push(wire::Encode(reply));
    if (reply.status == usbip::OpStatus::kOk) {
      Push(wire::Encode(exported.device));
      shared_->device.Disconnect();
      attached_ = shared_->attached = true;
    } else {
      last_ = true;
    }
    return usbip::kImportRequestSize;
  }

  absl::StatusOr<size_t> TakeCommand(ByteSpan rest) {
    if (rest.size() < usbip::kHeaderSize) return 0;
    ASSIGN_OR_RETURN(usbip::Command command,
                     usbip::ParseCommand(rest.subspan(0, usbip::kHeaderSize),
                                         UsbDevice::kMaxTransfer));
    if (const auto* unlink = std::get_if<usbip::Unlink>(&command)) {
      usbip::UnlinkReply reply;
      reply.sequence = unlink->sequence;
      if (shared_->device.Unlink(unlink->victim)) {
        reply.status = static_cast<uint32_t>(-ECONNRESET);
      }
      Push(wire::Encode(reply));
      return usbip::kHeaderSize;
    }
    const auto& submit = std::get<usbip::Submit>(command);
    const bool in = submit.direction == usbip::kIn;
    const size_t size = usbip::kHeaderSize + (in ? 0 : submit.length);
    if (rest.size() < size) return 0;
    UsbTransfer transfer;
    transfer.id = submit.sequence;
    transfer.endpoint = static_cast<uint8_t>(submit.endpoint);
    transfer.in = in;
    transfer.short_not_ok = (submit.flags & usbip::kShortNotOk) != 0;
    transfer.length = submit.length;
    transfer.setup = submit.setup;
    transfer.data = base::ToBytes(
        rest.subspan(usbip::kHeaderSize, size - usbip::kHeaderSize));
    if (submit.device != Describe(shared_->device.speed()).device.id() ||
        !shared_->device.Submit(std::move(transfer))) {
      return base::Error(CKR_DEVICE_ERROR, "USB/IP: no such transfer");
    }
    for (const UsbCompletion& done : shared_->device.TakeCompletions()) {
      usbip::SubmitReply reply;
      reply.sequence = done.id;
      reply.status = static_cast<uint32_t>(done.status);
      reply.actual = done.actual;
      Push(wire::Encode(reply));
      Push(done.data);
    }
    return size;
  }

  void Push(const Bytes& bytes) {
    output_.insert(output_.end(), bytes.begin(), bytes.end());
  }

  bool Flush() {
    while (output() > 0) {
      const ssize_t n =
          send(fd_, output_.data() + sent_, output(), MSG_NOSIGNAL);
      if (n <= 0) return errno == EAGAIN || errno == EINTR;
      sent_ += static_cast<size_t>(n);
    }
    output_.clear();
    sent_ = 0;
    return true;
  }

  const int fd_;
  const std::shared_ptr<Shared> shared_;
  bool attached_ = false;
  bool last_ = false;  // nothing comes after what waits to be sent
  Bytes input_;
  Bytes output_;
  size_t sent_ = 0;
};

}  // namespace

Port UsbipPort(Listener& listener, UsbSpeed speed, std::string serial,
               PlugIn plug_in) {
  auto shared =
      std::make_shared<Shared>(speed, std::move(serial), std::move(plug_in));
  return {&listener,
          [shared](int fd) -> absl::StatusOr<std::unique_ptr<ServedLink>> {
            return std::make_unique<UsbipLink>(fd, shared);
          }};
}

}  // namespace hsm_io
