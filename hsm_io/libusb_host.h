// The host's end of a USB device that the kernel drives, by libusb. Its
// transfers are all asynchronous and are polled for in the calling thread.
//
// While a context is there, libusb has a thread that listens to udev; it is
// made with all signals blocked and gone when the context is.
#ifndef PERIGEE_HSM_IO_LIBUSB_HOST_H_
#define PERIGEE_HSM_IO_LIBUSB_HOST_H_

#include <sys/types.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hsm_io/usb_host.h"

struct libusb_context;
struct libusb_device;
struct libusb_device_handle;
struct libusb_transfer;

namespace hsm_io {

// A libusb context. In a forked child it and what is made of it are left as
// they are: they belong to the parent.
class LibusbContext {
 public:
  static absl::StatusOr<std::shared_ptr<LibusbContext>> New();
  ~LibusbContext();
  LibusbContext(const LibusbContext&) = delete;
  LibusbContext& operator=(const LibusbContext&) = delete;

  libusb_context* get() const { return context_; }
  bool is_ours() const;

 private:
  explicit LibusbContext(libusb_context* context);
  libusb_context* const context_;
  const pid_t owner_;
};

class LibusbHost : public UsbHost {
 public:
  // CKR_TOKEN_NOT_PRESENT when it cannot be opened, with the reason.
  static absl::StatusOr<std::unique_ptr<LibusbHost>> Open(
      std::shared_ptr<LibusbContext> context, libusb_device* device);
  ~LibusbHost() override;
  LibusbHost(const LibusbHost&) = delete;
  LibusbHost& operator=(const LibusbHost&) = delete;

  // The device's serial number, printable; another host may have the device.
  absl::StatusOr<std::string> ReadSerial(Deadline deadline);
  // Makes the interface ours and begins a new session on it. Waits a little
  // for another program to let it go; CKR_TOKEN_NOT_PRESENT when it does not.
  absl::Status Claim(const UsbPipes& pipes, Deadline deadline);

  uint32_t SubmitOut(uint8_t endpoint, ByteSpan data) override;
  uint32_t SubmitIn(uint8_t endpoint, uint32_t length) override;
  absl::Status Move() override;
  bool done(uint32_t number) const override;
  absl::Status Await(Deadline deadline) override;
  absl::StatusOr<Outcome> Cancel(uint32_t number, Deadline deadline) override;
  absl::StatusOr<Bytes> Control(UsbSetup setup, Deadline deadline) override;
  absl::Duration quiet() const override { return absl::Milliseconds(10); }

 protected:
  absl::StatusOr<Outcome> Take(uint32_t number) override;
  bool is_pending(uint32_t number) const override;

 private:
  struct Flight;

  LibusbHost(std::shared_ptr<LibusbContext> context,
             libusb_device_handle* handle);
  static void Landed(libusb_transfer* transfer);
  uint32_t Begin(std::unique_ptr<Flight> flight);
  // Submits those that the kernel had no memory for.
  void SubmitWaiting();
  absl::Status HandleEvents(absl::Duration at_most);
  // After an error that a pulled cable also gives.
  bool IsGone();
  void CancelAll();

  const std::shared_ptr<LibusbContext> context_;
  libusb_device_handle* const handle_;
  int claimed_ = -1;  // the interface
  uint32_t last_ = 0;
  std::map<uint32_t, std::unique_ptr<Flight>> flights_;
  std::deque<uint32_t> waiting_;  // in flights_, not submitted yet
  int landed_ = 0;                // since the last Await
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_LIBUSB_HOST_H_
