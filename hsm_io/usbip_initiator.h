// The host's end of USB/IP without a kernel: it attaches a device that a
// server exports and submits transfers to it. It knows endpoints and nothing
// of what passes through them.
#ifndef PERIGEE_HSM_IO_USBIP_INITIATOR_H_
#define PERIGEE_HSM_IO_USBIP_INITIATOR_H_

#include <map>
#include <memory>
#include <string>

#include "hsm_io/usb_host.h"
#include "hsm_io/usbip_protocol.h"

namespace hsm_io {

// A reply that no server may give is CKR_DEVICE_ERROR.
class UsbipInitiator : public UsbHost {
 public:
  // Imports the device called `bus_id` over a connected non-blocking socket,
  // which it takes. CKR_TOKEN_NOT_PRESENT when there is none or another host
  // has it.
  static absl::StatusOr<std::unique_ptr<UsbipInitiator>> Attach(
      int fd, const std::string& bus_id, Deadline deadline);
  ~UsbipInitiator() override;
  UsbipInitiator(const UsbipInitiator&) = delete;
  UsbipInitiator& operator=(const UsbipInitiator&) = delete;

  const usbip::DeviceRecord& device() const { return device_; }

  uint32_t SubmitOut(uint8_t endpoint, ByteSpan data) override;
  uint32_t SubmitIn(uint8_t endpoint, uint32_t length) override;
  absl::Status Move() override;
  bool done(uint32_t number) const override { return done_.count(number) != 0; }
  absl::Status Await(Deadline deadline) override;
  absl::StatusOr<Outcome> Cancel(uint32_t number, Deadline deadline) override;
  absl::StatusOr<Bytes> Control(UsbSetup setup, Deadline deadline) override;

 protected:
  absl::StatusOr<Outcome> Take(uint32_t number) override;
  bool is_pending(uint32_t number) const override {
    return pending_.count(number) != 0;
  }

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
