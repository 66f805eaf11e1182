#include "hsm_io/usb_bulk_transport.h"

#include <errno.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hsm_io {
namespace {

// Of one transfer, and how many are under way in each direction: what a Linux
// host's limits for USB memory bear well.
constexpr size_t kTransfer = 64 * 1024;
constexpr size_t kInFlight = 8;
// What a device may send while it is being written to.
constexpr size_t kMaxReceived = 4u << 20;
// Old transfers that are taken off a device before it is given up.
constexpr int kMaxStale = 64;

absl::Status Bad(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("USB: ", what));
}

absl::Status CheckOutcome(const UsbHost::Outcome& outcome) {
  switch (outcome.status) {
    case 0:
      return absl::OkStatus();
    case -EPIPE:
      return Bad("the device stalls");
    case -EOVERFLOW:
      return Bad("the device sent more than a transfer holds");
    case -ENODEV:
    case -ESHUTDOWN:
      return base::Error(CKR_DEVICE_REMOVED, "USB: the device is gone");
    default:
      return Bad(absl::StrCat("a transfer failed with ", outcome.status));
  }
}

class UsbBulkTransport : public Transport {
 public:
  explicit UsbBulkTransport(OpenUsb open) : open_(std::move(open)) {}

  absl::Status Open(Deadline deadline) override {
    Close();
    absl::Status opened = Attach(deadline);
    if (!opened.ok()) Close();
    return opened;
  }

  void Close() override {
    usb_.reset();
    reading_.clear();
    asked_ = 0;
    received_.clear();
    taken_ = 0;
  }

  absl::Status Write(ByteSpan bytes, Deadline deadline) override {
    return CloseAfterError(DoWrite(bytes, deadline));
  }
  absl::StatusOr<Bytes> Read(size_t limit, Deadline deadline) override {
    absl::StatusOr<Bytes> bytes = DoRead(limit, deadline);
    if (!bytes.ok()) Close();
    return bytes;
  }

  bool exclusive() const override { return true; }

 private:
  struct Asked {
    uint32_t number;
    size_t length;
  };

  static absl::Status NotOpen() {
    return base::Error(CKR_DEVICE_REMOVED, "USB: the device is not open");
  }
  absl::Status CloseAfterError(absl::Status status) {
    if (!status.ok()) Close();
    return status;
  }

  absl::Status Attach(Deadline deadline) {
    ASSIGN_OR_RETURN(OpenedUsb opened, open_(deadline));
    usb_ = std::move(opened.host);
    pipes_ = opened.pipes;
    return Drain(deadline);
  }

  // Stale data that the device has in spite of the new session.
  absl::Status Drain(Deadline deadline) {
    for (int i = 0; i < kMaxStale; ++i) {
      const uint32_t number = usb_->SubmitIn(pipes_.in, kTransfer);
      const auto quiet = Deadline::After(usb_->quiet());
      while (!usb_->done(number) && !quiet.Passed()) {
        RETURN_IF_ERROR(usb_->Move());
        if (usb_->done(number)) break;
        const absl::Status more = usb_->Await(quiet);
        if (!more.ok() && !absl::IsDeadlineExceeded(more)) return more;
      }
      ASSIGN_OR_RETURN(auto outcome, usb_->Cancel(number, deadline));
      if (outcome.status == -ECONNRESET && outcome.actual == 0) {
        return absl::OkStatus();
      }
      if (outcome.status != -ECONNRESET) RETURN_IF_ERROR(CheckOutcome(outcome));
    }
    return Bad("the device does not stop talking");
  }

  absl::Status DoWrite(ByteSpan bytes, Deadline deadline) {
    if (usb_ == nullptr) return NotOpen();
    // The first packet of the answer is asked for before the device can have
    // it, which saves a round trip.
    if (reading_.empty()) Ask(pipes_.in_packet);
    std::deque<std::pair<uint32_t, size_t>> writing;
    while (!bytes.empty() || !writing.empty()) {
      while (!bytes.empty() && writing.size() < kInFlight) {
        const ByteSpan part = bytes.subspan(0, kTransfer);
        bytes.remove_prefix(part.size());
        writing.emplace_back(usb_->SubmitOut(pipes_.out, part), part.size());
      }
      RETURN_IF_ERROR(usb_->Move());
      if (usb_->done(writing.front().first)) {
        ASSIGN_OR_RETURN(auto outcome,
                         usb_->Wait(writing.front().first, deadline));
        RETURN_IF_ERROR(CheckOutcome(outcome));
        if (outcome.actual != writing.front().second) {
          return Bad("the device took a part of a transfer");
        }
        writing.pop_front();
      } else if (usb_->done(reading_.front().number)) {
        // A device that still answers something else takes nothing new
        // meanwhile.
        RETURN_IF_ERROR(TakeOne(deadline));
        if (received_.size() - taken_ > kMaxReceived) {
          return Bad("the device does not listen");
        }
        if (reading_.empty()) Ask(pipes_.in_packet);
      } else {
        RETURN_IF_ERROR(usb_->Await(deadline));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Bytes> DoRead(size_t limit, Deadline deadline) {
    if (usb_ == nullptr) return NotOpen();
    limit = std::min(limit, kTransfer * kInFlight);
    if (limit == 0) return Bytes();
    while (taken_ == received_.size()) {
      received_.clear();
      taken_ = 0;
      while (asked_ < limit && reading_.size() < kInFlight) {
        const size_t packet = pipes_.in_packet;
        const size_t missing = limit - asked_ + packet - 1;
        Ask(std::min(missing - missing % packet, kTransfer));
      }
      RETURN_IF_ERROR(TakeOne(deadline));
    }
    const size_t size = std::min(limit, received_.size() - taken_);
    const auto from = received_.begin() + taken_;
    Bytes out(from, from + size);
    taken_ += size;
    return out;
  }

  void Ask(size_t length) {
    reading_.push_back(
        {usb_->SubmitIn(pipes_.in, static_cast<uint32_t>(length)), length});
    asked_ += length;
  }

  // Waits for the oldest of what is asked for.
  absl::Status TakeOne(Deadline deadline) {
    // A device may answer for ever without saying anything.
    if (deadline.Passed()) {
      return absl::DeadlineExceededError("USB: no answer in time");
    }
    ASSIGN_OR_RETURN(auto outcome,
                     usb_->Wait(reading_.front().number, deadline));
    RETURN_IF_ERROR(CheckOutcome(outcome));
    asked_ -= reading_.front().length;
    reading_.pop_front();
    received_.insert(received_.end(), outcome.data.begin(), outcome.data.end());
    return absl::OkStatus();
  }

  const OpenUsb open_;
  std::unique_ptr<UsbHost> usb_;
  UsbPipes pipes_;
  std::deque<Asked> reading_;
  size_t asked_ = 0;  // the sum of reading_
  Bytes received_;
  size_t taken_ = 0;  // of received_
};

}  // namespace

std::unique_ptr<Transport> NewUsbBulkTransport(OpenUsb open) {
  return std::make_unique<UsbBulkTransport>(std::move(open));
}

}  // namespace hsm_io
