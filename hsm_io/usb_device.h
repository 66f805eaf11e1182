// The Backup HSM as a USB device: it answers control requests and carries the
// frames of docs/formats/wire.md over one bulk endpoint of each direction. How
// transfers (URBs) arrive is not its business: usbip_server brings them, and
// gadget_device makes them of what a kernel hands over.
//
// Everything a host sends is taken as hostile. A frame ends where its header
// says; no zero-length packet is sent or needed.
#ifndef PERIGEE_HSM_IO_USB_DEVICE_H_
#define PERIGEE_HSM_IO_USB_DEVICE_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "hsm_io/embedded_transport.h"
#include "hsm_io/usb_descriptors.h"

namespace hsm_io {

// One transfer that a host asks for.
struct UsbTransfer {
  uint32_t id = 0;  // the host's; unique among those that wait
  uint8_t endpoint = 0;
  bool in = false;
  bool short_not_ok = false;
  uint32_t length = 0;
  std::array<uint8_t, 8> setup{};  // endpoint 0
  Bytes data;                      // out: `length` bytes
};

// What became of it. `status` is 0 or a negative errno, as hosts expect it.
struct UsbCompletion {
  uint32_t id = 0;
  bool in = false;
  int status = 0;
  uint32_t actual = 0;
  Bytes data;  // in: `actual` bytes
};

// Used by one thread at a time.
class UsbDevice {
 public:
  // Longer transfers, more of them or more bytes in them than this are
  // refused: they are the memory that a host can make us take.
  static constexpr uint32_t kMaxTransfer = 1u << 20;
  static constexpr size_t kMaxWaiting = 256;
  static constexpr size_t kMaxWaitingBytes = 4u << 20;

  // `plug_in` makes the frame server of each session.
  UsbDevice(UsbSpeed speed, std::string serial, PlugIn plug_in);
  ~UsbDevice();

  UsbSpeed speed() const { return speed_; }
  // A host enrolled here has opened a channel in this session.
  bool has_been_trusted() const { return has_been_trusted_; }
  // How many bytes the frame under way still needs, as far as is known.
  size_t wanted() const { return MissingFromFrame(input_); }

  // Takes a transfer; completions may follow at once. False when the host asks
  // for what no host may: its link must be ended.
  bool Submit(UsbTransfer transfer);
  // True when it waited here; it then has no completion.
  bool Unlink(uint32_t id);
  // What is done since the last call, in order.
  std::vector<UsbCompletion> TakeCompletions();
  // The cable was pulled, or put in again: nothing is left of before.
  void Disconnect();

 private:
  void Control(UsbTransfer& transfer);
  // The reply of an IN request or an empty success of an OUT request; nullopt
  // is a stall.
  std::optional<Bytes> Answer(const UsbSetup& setup);
  std::optional<Bytes> AnswerEndpoint(const UsbSetup& setup);
  std::optional<Bytes> Configure(uint8_t configuration);
  bool* HaltOf(uint8_t endpoint);

  // Moves bytes as long as anything moves.
  void Pump();
  // Turns a whole frame of `input_` into an answer; false when there is none.
  bool ServeFrame();
  bool TakeOutput(UsbTransfer& transfer, UsbCompletion& completion);
  // What cannot be parsed ends the session: both endpoints stall until the
  // host clears them.
  void Halt();
  void EndSession();
  void FailWaiting(std::deque<UsbTransfer>& waiting, int status);
  void Complete(UsbTransfer& transfer, int status);

  const UsbSpeed speed_;
  const size_t packet_;
  const std::string serial_;
  const PlugIn plug_in_;

  uint8_t configuration_ = 0;
  bool out_halted_ = false;
  bool in_halted_ = false;
  std::unique_ptr<Server> server_;  // made with the first frame
  bool has_been_trusted_ = false;
  Bytes input_;
  Bytes output_;     // one answer
  size_t sent_ = 0;  // of output_
  std::deque<UsbTransfer> out_;
  std::deque<UsbTransfer> in_;
  UsbCompletion filling_;     // the first of in_, so far
  size_t waiting_bytes_ = 0;  // of out_
  std::vector<UsbCompletion> done_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_USB_DEVICE_H_
