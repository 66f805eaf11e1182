// A UsbDevice behind endpoints that a kernel owns: the kernel enumerates,
// packs and answers the standard requests; what is left are reads and writes
// of bulk endpoints, and the word that a host has configured us.
#ifndef PERIGEE_HSM_IO_GADGET_DEVICE_H_
#define PERIGEE_HSM_IO_GADGET_DEVICE_H_

#include <memory>
#include <string>

#include "hsm_io/usb_device.h"

namespace hsm_io {

// The bulk endpoints as a kernel offers them. Reads end in the order in which
// they began: at a short packet, or when they are full.
class GadgetEndpoints {
 public:
  virtual ~GadgetEndpoints() = default;
  // Each gives 0 or an errno: EBUSY, something else has to be looked at first,
  // try again; EAGAIN or ESHUTDOWN, nothing before the next Enable.
  virtual int StartRead(size_t length) = 0;
  virtual int StartWrite(Bytes data) = 0;
  // Nothing is under way any more, and no end of it will be told.
  virtual void Cancel() = 0;
  // Both stall until the host clears them.
  virtual void Stall() = 0;
};

class GadgetDevice {
 public:
  // Of one read, and of one write: the kernel wants the memory in one piece.
  static constexpr size_t kChunk = 16 * 1024;

  GadgetDevice(std::string serial, PlugIn plug_in, GadgetEndpoints& endpoints);

  // A host has configured the device or set its interface: a new session.
  void Enable(UsbSpeed speed);
  // It has no configuration any more, or the cable was pulled.
  void Disable();
  // What the kernel does not answer itself. nullopt is a stall.
  std::optional<Bytes> Setup(const UsbSetup& setup);
  // The ends of what was started; `status` is 0 or an errno.
  void ReadDone(size_t length, int status, Bytes data);
  void WriteDone(int status);
  // Does what can be done without waiting.
  void Proceed();

  bool has_been_trusted() const {
    return device_ != nullptr && device_->has_been_trusted();
  }

 private:
  static constexpr size_t kMaxReads = 8;

  void Offer();
  void Feed();
  // Takes what the device has done; the answer of a control request, if any.
  std::optional<UsbCompletion> Collect();
  void Halt();
  void ArmReads();
  void Failed(int error);
  UsbCompletion Control(const UsbSetup& setup);

  const std::string serial_;
  const PlugIn plug_in_;
  GadgetEndpoints& endpoints_;

  std::unique_ptr<UsbDevice> device_;  // of this session
  bool stopped_ = false;               // until the next Enable
  bool halted_ = false;
  bool writing_ = false;
  size_t packet_ = 0;
  size_t reads_ = 0;    // under way
  size_t armed_ = 0;    // bytes that they take at most
  size_t offered_ = 0;  // packets that the device may fill
  std::deque<Bytes> input_;
  Bytes output_;
};

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_GADGET_DEVICE_H_
