// The host's end of one USB device: transfers are queued, moved by polling and
// waited for. usbip_initiator brings them to a USB/IP server, libusb_host to
// the kernel's USB; usb_bulk_transport makes a transport of either.
#ifndef PERIGEE_HSM_IO_USB_HOST_H_
#define PERIGEE_HSM_IO_USB_HOST_H_

#include "hsm_io/transport.h"
#include "hsm_io/usb_descriptors.h"

namespace hsm_io {

// Used by one thread at a time; polls, has no thread of its own. After an
// error other than DeadlineExceeded it is of no use any more.
class UsbHost {
 public:
  // What became of a transfer: 0 or a negative errno as Linux gives it.
  struct Outcome {
    int status = 0;
    uint32_t actual = 0;
    Bytes data;  // in
  };

  virtual ~UsbHost() = default;

  // Queue a transfer, and give its number. A transfer that cannot even be
  // begun has its outcome at once.
  virtual uint32_t SubmitOut(uint8_t endpoint, ByteSpan data) = 0;
  virtual uint32_t SubmitIn(uint8_t endpoint, uint32_t length) = 0;
  // Sends and receives what goes at once. CKR_DEVICE_REMOVED when the other
  // end went away.
  virtual absl::Status Move() = 0;
  virtual bool done(uint32_t number) const = 0;
  // Waits until there may be more to move; DeadlineExceeded.
  virtual absl::Status Await(Deadline deadline) = 0;
  // Cancels it: its outcome is then -ECONNRESET, unless it was done before.
  virtual absl::StatusOr<Outcome> Cancel(uint32_t number,
                                         Deadline deadline) = 0;
  // One control request; the reply of an IN one. An Error for a stall.
  virtual absl::StatusOr<Bytes> Control(UsbSetup setup, Deadline deadline) = 0;
  // An IN endpoint that gives nothing for so long has nothing.
  virtual absl::Duration quiet() const { return absl::ZeroDuration(); }

  // Waits for a transfer: an Outcome also for one that failed;
  // DeadlineExceeded.
  absl::StatusOr<Outcome> Wait(uint32_t number, Deadline deadline);
  // GET_DESCRIPTOR.
  absl::StatusOr<Bytes> Describe(UsbDescriptor type, uint16_t length,
                                 Deadline deadline);
  // The pipes of a Perigee device; CKR_DEVICE_ERROR for any other.
  absl::StatusOr<UsbPipes> ReadPipes(Deadline deadline);

 protected:
  // The outcome of a transfer that is done, which is forgotten with it;
  // CKR_DEVICE_ERROR when there is no such transfer, or it is not done.
  virtual absl::StatusOr<Outcome> Take(uint32_t number) = 0;
  // It was queued and is not done.
  virtual bool is_pending(uint32_t number) const = 0;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USB_HOST_H_
