// The host's end of USB/IP without a kernel: it attaches a device that a
// server exports and submits transfers to it. It knows endpoints and nothing
// of what passes through them.
#ifndef PERIGEE_HSM_IO_USBIP_INITIATOR_H_
#define PERIGEE_HSM_IO_USBIP_INITIATOR_H_

#include <map>
#include <memory>
#include <string>

#include "hsm_io/transport.h"
#include "hsm_io/usb_descriptors.h"
#include "hsm_io/usbip_protocol.h"

namespace hsm_io {

// Used by one thread at a time; polls, has no thread of its own. After an
// error it is of no use any more.
class UsbipInitiator {
 public:
  // What became of a transfer: 0 or the negative errno the server gave.
  struct Outcome {
    int status = 0;
    uint32_t actual = 0;
    Bytes data;  // in
  };

  // Imports the device called `bus_id` over a connected non-blocking socket,
  // which it takes. CKR_TOKEN_NOT_PRESENT when there is none or another host
  // has it.
  static absl::StatusOr<std::unique_ptr<UsbipInitiator>> Attach(
      int fd, const std::string& bus_id, Deadline deadline);
  ~UsbipInitiator();
  UsbipInitiator(const UsbipInitiator&) = delete;
  UsbipInitiator& operator=(const UsbipInitiator&) = delete;

  const usbip::DeviceRecord& device() const { return device_; }

  // Queue a transfer, and give its number.
  uint32_t SubmitOut(uint8_t endpoint, ByteSpan data);
  uint32_t SubmitIn(uint8_t endpoint, uint32_t length);
  // Waits for it. CKR_DEVICE_REMOVED when the other end went away,
  // CKR_DEVICE_ERROR for what no server may answer, DeadlineExceeded; an
  // Outcome also for a transfer that failed.
  absl::StatusOr<Outcome> Wait(uint32_t number, Deadline deadline);
  // For more transfers than one: sends and receives what goes at once; whether
  // one is done then; waits until there is more to move.
  absl::Status Move();
  bool done(uint32_t number) const { return done_.count(number) != 0; }
  absl::Status Await(Deadline deadline);
  // Cancels it: its outcome is then -ECONNRESET, unless it was done before.
  absl::StatusOr<Outcome> Cancel(uint32_t number, Deadline deadline);

  // One control request; the reply of an IN one. An Error for a stall.
  absl::StatusOr<Bytes> Control(UsbSetup setup, Deadline deadline);

 private:
  struct Pending {
    bool in = false;
    uint32_t length = 0;
  };

  explicit UsbipInitiator(int fd) : fd_(fd) {}
  absl::Status Import(const std::string& bus_id, Deadline deadline);
  uint32_t Submit(uint8_t endpoint, bool in, uint32_t length, ByteSpan data,
                  const std::array<uint8_t, 8>& setup);
  absl::Status Flush();
  absl::Status Receive();
  // Exactly `size` bytes of an answer before the device is attached.
  absl::StatusOr<Bytes> ReadOp(size_t size, Deadline deadline);
  // The bytes of the first reply, 0 when more have to come.
  absl::StatusOr<size_t> TakeReply(ByteSpan rest);

  const int fd_;
  usbip::DeviceRecord device_;
  uint32_t last_ = 0;
  std::map<uint32_t, Pending> pending_;
  std::map<uint32_t, Outcome> done_;
  std::map<uint32_t, uint32_t> unlinks_;  // to the number they are for
  Bytes output_;
  size_t sent_ = 0;
  Bytes input_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USBIP_INITIATOR_H_
