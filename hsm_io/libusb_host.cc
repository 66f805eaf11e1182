#include "hsm_io/libusb_host.h"

#include <errno.h>
#include <libusb.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hsm_io {
namespace {

// Of one step of polling; more than enough for any deadline.
constexpr absl::Duration kLongWait = absl::Seconds(60);
// The kernel's memory for USB is shared by all programs: when it is short.
constexpr absl::Duration kMemoryWait = absl::Milliseconds(10);
// For another program that is about to let the device go.
constexpr absl::Duration kBusyWait = absl::Seconds(1);
constexpr absl::Duration kBusyStep = absl::Milliseconds(20);
// From the first failed transfer to the kernel's word that the device is gone.
constexpr absl::Duration kGoneWait = absl::Milliseconds(300);
// For transfers that are cancelled because the device is closed.
constexpr absl::Duration kCancelWait = absl::Milliseconds(500);
constexpr uint16_t kEnglish = 0x0409;

absl::Status Bad(absl::string_view what, int error) {
  return base::Error(
      error == LIBUSB_ERROR_NO_DEVICE ? CKR_DEVICE_REMOVED : CKR_DEVICE_ERROR,
      absl::StrCat("USB: ", what, ": ", libusb_error_name(error)));
}

absl::Status NotPresent(absl::string_view what) {
  return base::Error(CKR_TOKEN_NOT_PRESENT, absl::StrCat("USB: ", what));
}

int StatusOf(libusb_transfer_status status) {
  switch (status) {
    case LIBUSB_TRANSFER_COMPLETED:
      return 0;
    case LIBUSB_TRANSFER_STALL:
      return -EPIPE;
    case LIBUSB_TRANSFER_OVERFLOW:
      return -EOVERFLOW;
    case LIBUSB_TRANSFER_NO_DEVICE:
      return -ENODEV;
    case LIBUSB_TRANSFER_CANCELLED:
      return -ECONNRESET;
    default:
      return -EIO;
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<LibusbContext>> LibusbContext::New() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  libusb_context* context = nullptr;
  const int error = libusb_init(&context);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return NotPresent(
        absl::StrCat("libusb does not start: ", libusb_error_name(error)));
  }
  return std::shared_ptr<LibusbContext>(new LibusbContext(context));
}

LibusbContext::LibusbContext(libusb_context* context)
    : context_(context), owner_(getpid()) {}

LibusbContext::~LibusbContext() {
  if (is_ours()) libusb_exit(context_);
}

bool LibusbContext::is_ours() const { return owner_ == getpid(); }

struct LibusbHost::Flight {
  explicit Flight(size_t size)
      : transfer(libusb_alloc_transfer(0)), buffer(size) {}
  ~Flight() { libusb_free_transfer(transfer); }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  libusb_transfer* const transfer;
  Bytes buffer;  // a control request's begins with its setup
  bool in = false;
  bool landed = false;
  Outcome outcome;
  int* count = nullptr;  // of those that landed
};

absl::StatusOr<std::unique_ptr<LibusbHost>> LibusbHost::Open(
    std::shared_ptr<LibusbContext> context, libusb_device* device) {
  libusb_device_handle* handle = nullptr;
  const int error = libusb_open(device, &handle);
  if (error == 0) {
    return std::unique_ptr<LibusbHost>(
        new LibusbHost(std::move(context), handle));
  }
  const std::string where =
      absl::StrCat("device ", libusb_get_device_address(device), " of bus ",
                   libusb_get_bus_number(device));
  if (error == LIBUSB_ERROR_ACCESS) {
    return NotPresent(absl::StrCat("no permission to open ", where,
                                   ": is the udev rule installed?"));
  }
  return NotPresent(
      absl::StrCat(where, " cannot be opened: ", libusb_error_name(error)));
}

LibusbHost::LibusbHost(std::shared_ptr<LibusbContext> context,
                       libusb_device_handle* handle)
    : context_(std::move(context)), handle_(handle) {}

LibusbHost::~LibusbHost() {
  if (!context_->is_ours()) {
    for (auto& [number, flight] : flights_) flight.release();
    return;
  }
  CancelAll();
  // A forked child may still have the file: what is not released stays
  // claimed.
  if (claimed_ >= 0) libusb_release_interface(handle_, claimed_);
  libusb_close(handle_);
}

void LibusbHost::CancelAll() {
  while (!waiting_.empty()) {
    flights_.erase(waiting_.front());
    waiting_.pop_front();
  }
  for (auto each = flights_.rbegin(); each != flights_.rend(); ++each) {
    if (!each->second->landed) libusb_cancel_transfer(each->second->transfer);
  }
  const auto deadline = Deadline::After(kCancelWait);
  for (auto& [number, flight] : flights_) {
    while (!flight->landed && Await(deadline).ok()) {
    }
    // The kernel may still write to it.
    if (!flight->landed) {
      flight->count = nullptr;
      flight.release();
    }
  }
}

absl::StatusOr<std::string> LibusbHost::ReadSerial(Deadline deadline) {
  ASSIGN_OR_RETURN(Bytes bytes, Describe(UsbDescriptor::kDevice, 18, deadline));
  ASSIGN_OR_RETURN(auto device, UsbDeviceDescriptor::Parse(bytes));
  if (device.serial_index == 0) return std::string();
  UsbSetup setup;
  setup.type = 0x80;
  setup.request = static_cast<uint8_t>(UsbRequest::kGetDescriptor);
  setup.value = static_cast<uint16_t>(
      static_cast<uint8_t>(UsbDescriptor::kString) << 8 | device.serial_index);
  setup.index = kEnglish;
  setup.length = 255;
  ASSIGN_OR_RETURN(Bytes string, Control(setup, deadline));
  if (string.size() < 2 || string[0] != string.size() ||
      string[1] != static_cast<uint8_t>(UsbDescriptor::kString)) {
    return base::Error(CKR_DEVICE_ERROR, "USB: not a string descriptor");
  }
  std::string serial;
  for (size_t i = 2; i + 1 < string.size(); i += 2) {
    const bool ascii =
        string[i + 1] == 0 && string[i] > 0x20 && string[i] < 0x7F;
    serial.push_back(ascii ? static_cast<char>(string[i]) : '?');
  }
  return serial;
}

absl::Status LibusbHost::Claim(const UsbPipes& pipes, Deadline deadline) {
  const auto patience =
      Deadline::After(std::min(kBusyWait, deadline.Remaining()));
  for (;;) {
    int active = 0;
    int error = libusb_get_configuration(handle_, &active);
    if (error == 0 && active != pipes.configuration) {
      error = libusb_set_configuration(handle_, pipes.configuration);
    }
    if (error == 0) error = libusb_claim_interface(handle_, pipes.interface);
    if (error == 0) break;
    if (error == LIBUSB_ERROR_NO_DEVICE) return NotPresent("it is gone again");
    if (error != LIBUSB_ERROR_BUSY) return Bad("claiming it", error);
    if (patience.Passed()) return NotPresent("another program has the device");
    absl::SleepFor(std::min(kBusyStep, patience.Remaining()));
  }
  claimed_ = pipes.interface;
  // This also ends what the device may still have of a former session, and
  // clears stalls on both sides.
  const int error =
      libusb_set_interface_alt_setting(handle_, pipes.interface, 0);
  return error == 0 ? absl::OkStatus() : Bad("beginning a session", error);
}

uint32_t LibusbHost::SubmitOut(uint8_t endpoint, ByteSpan data) {
  auto flight = std::make_unique<Flight>(data.size());
  std::copy(data.begin(), data.end(), flight->buffer.begin());
  libusb_fill_bulk_transfer(
      flight->transfer, handle_, endpoint, flight->buffer.data(),
      static_cast<int>(data.size()), Landed, flight.get(), 0);
  return Begin(std::move(flight));
}

uint32_t LibusbHost::SubmitIn(uint8_t endpoint, uint32_t length) {
  auto flight = std::make_unique<Flight>(length);
  flight->in = true;
  libusb_fill_bulk_transfer(flight->transfer, handle_,
                            static_cast<uint8_t>(endpoint | LIBUSB_ENDPOINT_IN),
                            flight->buffer.data(), static_cast<int>(length),
                            Landed, flight.get(), 0);
  return Begin(std::move(flight));
}

absl::StatusOr<Bytes> LibusbHost::Control(UsbSetup setup, Deadline deadline) {
  auto flight =
      std::make_unique<Flight>(LIBUSB_CONTROL_SETUP_SIZE + setup.length);
  const std::array<uint8_t, 8> head = setup.Encode();
  std::copy(head.begin(), head.end(), flight->buffer.begin());
  flight->in = setup.in();
  libusb_fill_control_transfer(flight->transfer, handle_, flight->buffer.data(),
                               Landed, flight.get(), 0);
  const uint32_t number = Begin(std::move(flight));
  ASSIGN_OR_RETURN(Outcome outcome, Wait(number, deadline));
  if (outcome.status != 0) {
    return base::Error(
        outcome.status == -ENODEV ? CKR_DEVICE_REMOVED : CKR_DEVICE_ERROR,
        absl::StrCat("USB: control request ", setup.request, " failed with ",
                     outcome.status));
  }
  return std::move(outcome.data);
}

uint32_t LibusbHost::Begin(std::unique_ptr<Flight> flight) {
  flight->count = &landed_;
  flights_[++last_] = std::move(flight);
  waiting_.push_back(last_);
  const uint32_t number = last_;
  SubmitWaiting();
  return number;
}

void LibusbHost::SubmitWaiting() {
  while (!waiting_.empty()) {
    Flight& flight = *flights_.at(waiting_.front());
    const int error = libusb_submit_transfer(flight.transfer);
    if (error == LIBUSB_ERROR_NO_MEM) return;
    if (error != 0) {
      flight.landed = true;
      flight.outcome.status = error == LIBUSB_ERROR_NO_DEVICE ? -ENODEV : -EIO;
    }
    waiting_.pop_front();
  }
}

void LibusbHost::Landed(libusb_transfer* transfer) {
  auto& flight = *static_cast<Flight*>(transfer->user_data);
  flight.landed = true;
  flight.outcome.status = StatusOf(transfer->status);
  flight.outcome.actual = static_cast<uint32_t>(transfer->actual_length);
  if (flight.in) {
    const size_t head = transfer->type == LIBUSB_TRANSFER_TYPE_CONTROL
                            ? size_t{LIBUSB_CONTROL_SETUP_SIZE}
                            : 0;
    const ByteSpan data = ByteSpan(flight.buffer).subspan(head);
    flight.outcome.data = base::ToBytes(data.subspan(0, flight.outcome.actual));
  }
  if (flight.count != nullptr) ++*flight.count;
}

absl::Status LibusbHost::HandleEvents(absl::Duration at_most) {
  timeval time = absl::ToTimeval(at_most);
  const int error =
      libusb_handle_events_timeout_completed(context_->get(), &time, &landed_);
  if (error == 0 || error == LIBUSB_ERROR_INTERRUPTED) return absl::OkStatus();
  return Bad("waiting for it", error);
}

absl::Status LibusbHost::Move() {
  SubmitWaiting();
  landed_ = 0;
  return HandleEvents(absl::ZeroDuration());
}

absl::Status LibusbHost::Await(Deadline deadline) {
  if (deadline.Passed()) {
    return absl::DeadlineExceededError("USB: no answer in time");
  }
  landed_ = 0;
  return HandleEvents(std::min(waiting_.empty() ? kLongWait : kMemoryWait,
                               deadline.Remaining()));
}

bool LibusbHost::done(uint32_t number) const {
  const auto found = flights_.find(number);
  return found != flights_.end() && found->second->landed;
}

bool LibusbHost::is_pending(uint32_t number) const {
  const auto found = flights_.find(number);
  return found != flights_.end() && !found->second->landed;
}

absl::StatusOr<UsbHost::Outcome> LibusbHost::Take(uint32_t number) {
  if (!done(number)) {
    return base::Error(CKR_DEVICE_ERROR, "USB: no such transfer");
  }
  auto flight = std::move(flights_.extract(number).mapped());
  if (flight->outcome.status == -EIO && IsGone()) {
    flight->outcome.status = -ENODEV;
  }
  return std::move(flight->outcome);
}

absl::StatusOr<UsbHost::Outcome> LibusbHost::Cancel(uint32_t number,
                                                    Deadline deadline) {
  const auto found = std::find(waiting_.begin(), waiting_.end(), number);
  if (found != waiting_.end()) {
    waiting_.erase(found);
    Flight& flight = *flights_.at(number);
    flight.landed = true;
    flight.outcome.status = -ECONNRESET;
  } else if (is_pending(number)) {
    libusb_cancel_transfer(flights_.at(number)->transfer);
  }
  return Wait(number, deadline);
}

bool LibusbHost::IsGone() {
  for (const auto deadline = Deadline::After(kGoneWait);;) {
    int active = 0;
    if (libusb_get_configuration(handle_, &active) == LIBUSB_ERROR_NO_DEVICE) {
      return true;
    }
    if (deadline.Passed()) return false;
    absl::SleepFor(kBusyStep);
  }
}

}  // namespace hsm_io
