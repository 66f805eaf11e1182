#include "hsm_io/usb_device.h"

#include <errno.h>

#include <algorithm>
#include <utility>

namespace hsm_io {
namespace {

// bmRequestType without the direction.
constexpr uint8_t kToDevice = 0x00;
constexpr uint8_t kToInterface = 0x01;
constexpr uint8_t kToEndpoint = 0x02;

constexpr uint16_t kEndpointHalt = 0;
constexpr uint16_t kU1Enable = 48;  // super speed power states, of no effect
constexpr uint16_t kU2Enable = 49;

}  // namespace

UsbDevice::UsbDevice(UsbSpeed speed, std::string serial, PlugIn plug_in)
    : speed_(speed),
      packet_(BulkPacket(speed)),
      serial_(std::move(serial)),
      plug_in_(std::move(plug_in)) {}

UsbDevice::~UsbDevice() = default;

bool UsbDevice::Submit(UsbTransfer transfer) {
  if (transfer.length > kMaxTransfer ||
      transfer.data.size() != (transfer.in ? 0 : transfer.length)) {
    return false;
  }
  if (transfer.endpoint == 0) {
    Control(transfer);
    return true;
  }
  const bool* halted = transfer.endpoint > 15
                           ? nullptr
                           : HaltOf(static_cast<uint8_t>(
                                 transfer.endpoint | (transfer.in ? 0x80 : 0)));
  if (halted == nullptr || *halted || configuration_ == 0) {
    Complete(transfer, -EPIPE);
    return true;
  }
  if (out_.size() + in_.size() >= kMaxWaiting ||
      waiting_bytes_ + transfer.data.size() > kMaxWaitingBytes) {
    return false;
  }
  waiting_bytes_ += transfer.data.size();
  (transfer.in ? in_ : out_).push_back(std::move(transfer));
  Pump();
  return true;
}

bool UsbDevice::Unlink(uint32_t id) {
  for (std::deque<UsbTransfer>* waiting : {&out_, &in_}) {
    const auto found = std::find_if(
        waiting->begin(), waiting->end(),
        [id](const UsbTransfer& transfer) { return transfer.id == id; });
    if (found == waiting->end()) continue;
    // What it had taken is lost: the host must start anew to know where it is.
    if (waiting == &in_ && found == in_.begin()) filling_ = UsbCompletion();
    waiting_bytes_ -= found->data.size();
    waiting->erase(found);
    return true;
  }
  return false;
}

std::vector<UsbCompletion> UsbDevice::TakeCompletions() {
  return std::exchange(done_, {});
}

void UsbDevice::Disconnect() {
  EndSession();
  out_.clear();
  in_.clear();
  waiting_bytes_ = 0;
  filling_ = UsbCompletion();
  done_.clear();
  configuration_ = 0;
  out_halted_ = in_halted_ = false;
}

// --- endpoint 0 --------------------------------------------------------------

void UsbDevice::Control(UsbTransfer& transfer) {
  const UsbSetup setup = UsbSetup::Parse(transfer.setup);
  // A stage of no bytes has no direction worth checking.
  if (setup.length != transfer.length ||
      (setup.length > 0 && setup.in() != transfer.in)) {
    return Complete(transfer, -EPIPE);
  }
  std::optional<Bytes> answer = Answer(setup);
  if (!answer.has_value()) return Complete(transfer, -EPIPE);
  UsbCompletion completion;
  completion.id = transfer.id;
  completion.in = transfer.in;
  if (transfer.in) {
    answer->resize(std::min<size_t>(answer->size(), setup.length));
    completion.actual = static_cast<uint32_t>(answer->size());
    completion.data = *std::move(answer);
  } else {
    completion.actual = transfer.length;
  }
  done_.push_back(std::move(completion));
}

std::optional<Bytes> UsbDevice::Answer(const UsbSetup& setup) {
  const uint8_t to = setup.type & 0x7F;
  if (to == kToEndpoint) return AnswerEndpoint(setup);
  if (to == kToInterface && (configuration_ == 0 || setup.index != 0)) {
    return std::nullopt;
  }
  if (to != kToDevice && to != kToInterface) return std::nullopt;
  const bool device = to == kToDevice;
  switch (static_cast<UsbRequest>(setup.request)) {
    case UsbRequest::kGetStatus:
      if (!setup.in()) return std::nullopt;
      return Bytes{0, 0};
    case UsbRequest::kClearFeature:
    case UsbRequest::kSetFeature:
      if (setup.in() || !device || speed_ != UsbSpeed::kSuper ||
          (setup.value != kU1Enable && setup.value != kU2Enable)) {
        return std::nullopt;
      }
      return Bytes();
    case UsbRequest::kGetDescriptor:
      if (!setup.in() || !device) return std::nullopt;
      return MakeUsbDescriptor(speed_, serial_,
                               static_cast<uint8_t>(setup.value >> 8),
                               static_cast<uint8_t>(setup.value));
    case UsbRequest::kSetAddress:
      if (setup.in() || !device) return std::nullopt;
      return Bytes();  // The carrier knows who is meant.
    case UsbRequest::kGetConfiguration:
      if (!setup.in() || !device) return std::nullopt;
      return Bytes{configuration_};
    case UsbRequest::kSetConfiguration:
      if (setup.in() || !device || setup.value > kUsbConfiguration) {
        return std::nullopt;
      }
      return Configure(static_cast<uint8_t>(setup.value));
    case UsbRequest::kGetInterface:
      if (!setup.in() || device) return std::nullopt;
      return Bytes{0};
    case UsbRequest::kSetInterface:
      if (setup.in() || device || setup.value != 0) return std::nullopt;
      return Configure(configuration_);
    case UsbRequest::kSetSel:
    case UsbRequest::kSetIsochDelay:
      if (setup.in() || !device || speed_ != UsbSpeed::kSuper) {
        return std::nullopt;
      }
      return Bytes();
    default:
      return std::nullopt;
  }
}

std::optional<Bytes> UsbDevice::AnswerEndpoint(const UsbSetup& setup) {
  bool* const halted = HaltOf(static_cast<uint8_t>(setup.index));
  if (halted == nullptr || setup.index > 0xFF || configuration_ == 0) {
    return std::nullopt;
  }
  const auto request = static_cast<UsbRequest>(setup.request);
  if (request == UsbRequest::kGetStatus && setup.in()) {
    return Bytes{static_cast<uint8_t>(*halted ? 1 : 0), 0};
  }
  if (setup.in() || setup.value != kEndpointHalt) return std::nullopt;
  if (request == UsbRequest::kClearFeature) {
    *halted = false;
    return Bytes();
  }
  if (request == UsbRequest::kSetFeature) {
    *halted = true;
    FailWaiting(halted == &in_halted_ ? in_ : out_, -EPIPE);
    return Bytes();
  }
  return std::nullopt;
}

// A bus reset is not always told to a device, a new configuration is: it is
// where a session ends and both directions are empty again.
std::optional<Bytes> UsbDevice::Configure(uint8_t configuration) {
  EndSession();
  FailWaiting(out_, -ESHUTDOWN);
  FailWaiting(in_, -ESHUTDOWN);
  configuration_ = configuration;
  out_halted_ = in_halted_ = false;
  return Bytes();
}

bool* UsbDevice::HaltOf(uint8_t endpoint) {
  if (endpoint == kUsbOutEndpoint) return &out_halted_;
  if (endpoint == kUsbInEndpoint) return &in_halted_;
  return nullptr;
}

// --- the bulk endpoints ------------------------------------------------------

// A host that does not fetch an answer has its next transfers wait, which is
// what a device on a cable does by NAK.
void UsbDevice::Pump() {
  for (bool moved = true; moved;) {
    moved = false;
    while (!in_.empty() && sent_ < output_.size()) {
      moved = true;
      if (!TakeOutput(in_.front(), filling_)) break;
      filling_.id = in_.front().id;
      filling_.in = true;
      in_.pop_front();
      done_.push_back(std::exchange(filling_, UsbCompletion()));
    }
    if (sent_ < output_.size()) continue;
    if (ServeFrame()) {
      moved = true;
    } else if (!out_.empty()) {
      UsbTransfer& first = out_.front();
      input_.insert(input_.end(), first.data.begin(), first.data.end());
      waiting_bytes_ -= first.data.size();
      Complete(first, 0);
      out_.pop_front();
      moved = true;
    }
  }
}

bool UsbDevice::ServeFrame() {
  if (input_.empty()) return false;
  absl::StatusOr<std::optional<Frame>> frame = TakeFrame(input_);
  if (frame.ok() && !frame->has_value()) return false;
  if (frame.ok() && server_ == nullptr) {
    absl::StatusOr<std::unique_ptr<Server>> made = plug_in_();
    if (made.ok()) server_ = *std::move(made);
  }
  if (!frame.ok() || server_ == nullptr) {
    Halt();
    return false;
  }
  absl::StatusOr<Frame> answer = server_->Serve(**frame);
  if (!answer.ok()) {
    Halt();
    return false;
  }
  has_been_trusted_ |= answer->op() == FrameOp::kReady;
  output_ = answer->Encode();
  sent_ = 0;
  return true;
}

// Fills a transfer packet by packet; true when it is complete.
bool UsbDevice::TakeOutput(UsbTransfer& transfer, UsbCompletion& completion) {
  for (;;) {
    const size_t left = transfer.length - completion.data.size();
    const size_t size = std::min(packet_, output_.size() - sent_);
    if (size == 0) return left == 0;
    if (left == 0) return true;
    const auto from = output_.begin() + sent_;
    // A packet that does not fit is babble, and what did not fit is lost.
    completion.data.insert(completion.data.end(), from,
                           from + std::min(size, left));
    completion.actual = static_cast<uint32_t>(completion.data.size());
    sent_ += size;
    if (size > left) {
      completion.status = -EOVERFLOW;
      return true;
    }
    if (size < packet_) {
      if (transfer.short_not_ok && completion.actual < transfer.length) {
        completion.status = -EREMOTEIO;
      }
      return true;
    }
  }
}

void UsbDevice::Halt() {
  EndSession();
  out_halted_ = in_halted_ = true;
  FailWaiting(out_, -EPIPE);
  FailWaiting(in_, -EPIPE);
}

void UsbDevice::EndSession() {
  server_.reset();
  has_been_trusted_ = false;
  input_.clear();
  output_.clear();
  sent_ = 0;
}

void UsbDevice::FailWaiting(std::deque<UsbTransfer>& waiting, int status) {
  if (&waiting == &in_) filling_ = UsbCompletion();
  while (!waiting.empty()) {
    waiting_bytes_ -= waiting.front().data.size();
    Complete(waiting.front(), status);
    waiting.pop_front();
  }
}

void UsbDevice::Complete(UsbTransfer& transfer, int status) {
  UsbCompletion completion;
  completion.id = transfer.id;
  completion.in = transfer.in;
  completion.status = status;
  if (status == 0 && !transfer.in) completion.actual = transfer.length;
  done_.push_back(std::move(completion));
}

}  // namespace hsm_io
