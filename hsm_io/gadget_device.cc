#include "hsm_io/gadget_device.h"

#include <errno.h>

#include <algorithm>
#include <utility>

namespace hsm_io {
namespace {

// Transfers of the device: control requests are waited for one by one.
constexpr uint32_t kControlId = 0;
constexpr uint32_t kBulkId = 1;

}  // namespace

GadgetDevice::GadgetDevice(std::string serial, PlugIn plug_in,
                           GadgetEndpoints& endpoints)
    : serial_(std::move(serial)),
      plug_in_(std::move(plug_in)),
      endpoints_(endpoints) {}

void GadgetDevice::Enable(UsbSpeed speed) {
  Disable();
  device_ = std::make_unique<UsbDevice>(speed, serial_, plug_in_);
  packet_ = BulkPacket(speed);
  UsbSetup configure;
  configure.request = static_cast<uint8_t>(UsbRequest::kSetConfiguration);
  configure.value = kUsbConfiguration;
  Control(configure);
}

void GadgetDevice::Disable() {
  endpoints_.Cancel();
  device_.reset();
  stopped_ = halted_ = writing_ = false;
  reads_ = armed_ = offered_ = 0;
  input_.clear();
  output_.clear();
}

std::optional<Bytes> GadgetDevice::Setup(const UsbSetup& setup) {
  // None that we have brings data, and to fetch it is to wait for the host.
  if (device_ == nullptr || (!setup.in() && setup.length > 0)) {
    return std::nullopt;
  }
  UsbCompletion completion = Control(setup);
  if (completion.status != 0) return std::nullopt;
  return std::move(completion.data);
}

UsbCompletion GadgetDevice::Control(const UsbSetup& setup) {
  UsbTransfer transfer;
  transfer.id = kControlId;
  transfer.in = setup.in();
  transfer.length = setup.length;
  transfer.setup = setup.Encode();
  UsbCompletion stall;
  stall.status = -EPIPE;
  if (!device_->Submit(std::move(transfer))) return stall;
  return Collect().value_or(stall);
}

void GadgetDevice::ReadDone(size_t length, int status, Bytes data) {
  if (device_ == nullptr) return;
  --reads_;
  armed_ -= length;
  if (status != 0) return Failed(status);
  if (halted_) {
    // The kernel has cleared the stall without a word to us.
    halted_ = false;
    for (const uint8_t endpoint : {kUsbOutEndpoint, kUsbInEndpoint}) {
      UsbSetup clear;
      clear.type = 0x02;  // to an endpoint
      clear.request = static_cast<uint8_t>(UsbRequest::kClearFeature);
      clear.index = endpoint;
      Control(clear);
    }
  }
  if (!data.empty()) input_.push_back(std::move(data));
}

void GadgetDevice::WriteDone(int status) {
  if (device_ == nullptr) return;
  writing_ = false;
  if (status != 0) Failed(status);
}

// As a device on a cable does, nothing new is taken while an answer waits to
// be fetched.
void GadgetDevice::Proceed() {
  while (device_ != nullptr && !stopped_ && !writing_) {
    if (!halted_) Offer();
    if (!output_.empty()) {
      const int error = endpoints_.StartWrite(output_);
      if (error == EBUSY) return;
      if (error != 0) return Failed(error);
      output_.clear();
      writing_ = true;
    } else if (!input_.empty()) {
      Feed();
    } else {
      return ArmReads();
    }
  }
}

// Packet by packet: a longer transfer would wait for a short packet, which an
// answer need not have.
void GadgetDevice::Offer() {
  const size_t most = std::min<size_t>(kChunk / packet_, 128);
  while (offered_ < most) {
    UsbTransfer transfer;
    transfer.id = kBulkId;
    transfer.endpoint = 1;
    transfer.in = true;
    transfer.length = static_cast<uint32_t>(packet_);
    ++offered_;
    if (!device_->Submit(std::move(transfer))) return Halt();
  }
  Collect();
}

void GadgetDevice::Feed() {
  UsbTransfer transfer;
  transfer.id = kBulkId;
  transfer.endpoint = 1;
  transfer.length = static_cast<uint32_t>(input_.front().size());
  transfer.data = std::move(input_.front());
  input_.pop_front();
  if (!device_->Submit(std::move(transfer))) return Halt();
  Collect();
}

std::optional<UsbCompletion> GadgetDevice::Collect() {
  std::optional<UsbCompletion> control;
  bool halt = false;
  for (UsbCompletion& done : device_->TakeCompletions()) {
    if (done.id == kControlId) {
      control = std::move(done);
      continue;
    }
    if (done.in) --offered_;
    halt |= done.status == -EPIPE;
    output_.insert(output_.end(), done.data.begin(), done.data.end());
  }
  if (halt) Halt();
  return control;
}

// One read stays, to see when the host has cleared the stall.
void GadgetDevice::Halt() {
  endpoints_.Cancel();
  halted_ = true;
  writing_ = false;
  reads_ = armed_ = 0;
  input_.clear();
  output_.clear();
  endpoints_.Stall();
}

// Never more than the frame under way needs, for a read ends at a short packet
// only, which a frame need not have.
void GadgetDevice::ArmReads() {
  const size_t wanted = halted_ ? 1 : device_->wanted();
  while (reads_ < kMaxReads && armed_ < wanted) {
    const size_t packets = (wanted - armed_ + packet_ - 1) / packet_;
    const size_t length = std::min(kChunk, packets * packet_);
    const int error = endpoints_.StartRead(length);
    if (error == EBUSY) return;
    if (error != 0) return Failed(error);
    ++reads_;
    armed_ += length;
  }
}

void GadgetDevice::Failed(int error) {
  if (error == EAGAIN || error == ESHUTDOWN || error == ECONNRESET) {
    stopped_ = true;  // A word of it waits at endpoint 0, or comes.
  } else if (!halted_) {
    // Bytes are lost: whatever comes next begins anew.
    UsbSetup configure;
    configure.request = static_cast<uint8_t>(UsbRequest::kSetConfiguration);
    configure.value = kUsbConfiguration;
    Control(configure);
    Halt();
  }
}

}  // namespace hsm_io
