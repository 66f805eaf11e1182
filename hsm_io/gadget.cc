#include "hsm_io/gadget.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usb/functionfs.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm_io/aio_queue.h"
#include "hsm_io/functionfs.h"
#include "hsm_io/gadget_binding.h"
#include "hsm_io/gadget_device.h"

namespace hsm_io {
namespace {

constexpr unsigned kAioDepth = 64;

absl::Status Bad(const std::string& path, absl::string_view what,
                 int error = errno) {
  return base::Error(CKR_DEVICE_ERROR,
                     absl::StrCat("USB gadget: ", path, ": ", what, ": ",
                                  std::generic_category().message(error),
                                  " (errno ", error, ")"));
}

// A descriptor of an open file, with its path for errors.
struct File {
  explicit File(std::string path_) : path(std::move(path_)) {}
  ~File() {
    if (fd >= 0) close(fd);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  absl::Status Open() {
    fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 ? absl::OkStatus() : Bad(path, "open");
  }
  absl::Status Write(const Bytes& bytes, absl::string_view what) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n == static_cast<ssize_t>(bytes.size())) return absl::OkStatus();
    return Bad(path, absl::StrCat("write of the ", what), n < 0 ? errno : EIO);
  }

  const std::string path;
  int fd = -1;
};

class Gadget : public ServedLink, private GadgetEndpoints {
 public:
  Gadget(const GadgetPlace& place, const std::string& serial, PlugIn plug_in)
      : control_(place.mount + "/ep0"),
        out_(place.mount + "/" + kGadgetOutFile),
        in_(place.mount + "/" + kGadgetInFile),
        device_(serial, std::move(plug_in), *this) {}
  ~Gadget() override {
    binding_.reset();
    device_.Disable();
    if (epoll_ >= 0) close(epoll_);
  }

  absl::Status Open(const GadgetPlace& place, const std::string& serial) {
    ASSIGN_OR_RETURN(const std::string controller,
                     FindController(place.controller));
    ASSIGN_OR_RETURN(aio_, AioQueue::New(kAioDepth));
    RETURN_IF_ERROR(control_.Open());
    RETURN_IF_ERROR(control_.Write(FunctionFsDescriptors(), "descriptors"));
    RETURN_IF_ERROR(control_.Write(FunctionFsStrings(), "strings"));
    RETURN_IF_ERROR(out_.Open());
    RETURN_IF_ERROR(in_.Open());
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) return Bad(control_.path, "epoll_create1");
    for (const int fd : {control_.fd, aio_->event_fd()}) {
      epoll_event event{};
      event.events = EPOLLIN;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
        return Bad(control_.path, "epoll_ctl");
      }
    }
    ASSIGN_OR_RETURN(binding_,
                     GadgetBinding::Bind(place.configfs, controller, serial));
    return absl::OkStatus();
  }

  int fd() const override { return epoll_; }
  short events() const override { return POLLIN; }
  bool has_been_trusted() const override { return device_.has_been_trusted(); }
  absl::Status why() const override { return why_; }

  // What the host has done to the device comes before what it has sent.
  bool Proceed(short) override {
    do {
      again_ = false;
      if (!TakeEvents()) return false;
      for (AioQueue::Done& done : aio_->Take()) {
        again_ = true;
        if (done.write) {
          device_.WriteDone(done.status);
        } else {
          device_.ReadDone(done.length, done.status, std::move(done.data));
        }
      }
      device_.Proceed();
    } while (again_);
    return true;
  }

 private:
  bool HasEvents() const {
    pollfd waiting{control_.fd, POLLIN, 0};
    return poll(&waiting, 1, 0) > 0 && (waiting.revents & POLLIN) != 0;
  }

  bool TakeEvents() {
    while (HasEvents()) {
      uint8_t buffer[8 * kGadgetEventSize];
      const ssize_t n = read(control_.fd, buffer, sizeof buffer);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
      if (n < 0 && errno == EIDRM) continue;  // The host gave a request up.
      if (n <= 0) {
        why_ = Bad(control_.path, "read", n < 0 ? errno : EIO);
        return false;
      }
      again_ = true;
      for (const GadgetEvent& event :
           ParseGadgetEvents({buffer, static_cast<size_t>(n)})) {
        Take(event);
      }
    }
    return true;
  }

  void Take(const GadgetEvent& event) {
    switch (event.kind) {
      case GadgetEvent::Kind::kEnable:
        return Enable();
      case GadgetEvent::Kind::kDisable:
      case GadgetEvent::Kind::kUnbind:
        return device_.Disable();
      case GadgetEvent::Kind::kSetup:
        return Answer(event.setup);
      default:
        return;  // A host that sleeps finds its session again.
    }
  }

  void Enable() {
    usb_endpoint_descriptor endpoint{};
    if (ioctl(in_.fd, FUNCTIONFS_ENDPOINT_DESC, &endpoint) != 0) {
      return device_.Disable();  // Not any more; a word of it waits.
    }
    for (const UsbSpeed speed :
         {UsbSpeed::kFull, UsbSpeed::kHigh, UsbSpeed::kSuper}) {
      if (le16toh(endpoint.wMaxPacketSize) == BulkPacket(speed)) {
        return device_.Enable(speed);
      }
    }
    device_.Disable();
  }

  // Endpoint 0 stalls when it is used the wrong way.
  void Answer(const UsbSetup& setup) {
    const std::optional<Bytes> answer = device_.Setup(setup);
    ssize_t n;
    if (setup.in() == answer.has_value()) {
      n = write(control_.fd, answer.has_value() ? answer->data() : nullptr,
                answer.has_value() ? answer->size() : 0);
    } else {
      n = read(control_.fd, nullptr, 0);
    }
    // A stall is told as an error, and a host may have given up meanwhile.
    static_cast<void>(n);
  }

  // --- GadgetEndpoints ---
  int StartRead(size_t length) override {
    if (HasEvents()) return Again();
    return aio_->Read(out_.fd, length);
  }
  int StartWrite(Bytes data) override {
    if (HasEvents()) return Again();
    return aio_->Write(in_.fd, std::move(data));
  }
  void Cancel() override {
    if (aio_ != nullptr) aio_->Cancel();
  }
  void Stall() override {
    uint8_t byte = 0;
    static_cast<void>(!write(out_.fd, &byte, 1));
    static_cast<void>(!read(in_.fd, &byte, 1));
  }
  int Again() {
    again_ = true;
    return EBUSY;
  }

  File control_;
  File out_;
  File in_;
  int epoll_ = -1;
  std::unique_ptr<AioQueue> aio_;
  GadgetDevice device_;
  std::unique_ptr<GadgetBinding> binding_;
  bool again_ = false;
  absl::Status why_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServedLink>> NewGadget(const GadgetPlace& place,
                                                      const std::string& serial,
                                                      PlugIn plug_in) {
  auto gadget = std::make_unique<Gadget>(place, serial, std::move(plug_in));
  RETURN_IF_ERROR(gadget->Open(place, serial));
  return gadget;
}

}  // namespace hsm_io
