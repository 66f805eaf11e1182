// Where the transfers of an emulated USB device go: a device in this process
// (which a test can make misbehave), or one that a USB/IP server exports.
#ifndef PERIGEE_TESTS_USBFS_BACKEND_H_
#define PERIGEE_TESTS_USBFS_BACKEND_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hsm_io/usb_device.h"
#include "hsm_io/usbip_initiator.h"

namespace usbfs {

// Used by one thread at a time.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual void Submit(hsm_io::UsbTransfer transfer) = 0;
  // True when it waited; it then has no completion.
  virtual bool Unlink(uint32_t id) = 0;
  virtual std::vector<hsm_io::UsbCompletion> TakeCompletions() = 0;
  // The cable is out.
  virtual bool gone() const = 0;
};

// What a test lets a device do to a bulk transfer, in place of serving it.
struct Fault {
  enum class Kind {
    kNone,
    kStall,      // -EPIPE
    kBabble,     // -EOVERFLOW
    kTruncate,   // its answer is cut in the middle of a packet
    kPartly,     // an OUT transfer is taken in part
    kSilence,    // nothing is ever heard of it
    kFail,       // -EPROTO, as a bad cable gives
    kUnplug,     // the device is gone
    kFailFirst,  // -EPROTO, and a little later the device is gone
  };
  Kind kind = Kind::kNone;
  bool in = false;  // the direction that is counted
  int at = 0;       // 0: the next transfer of that direction
};

class LocalBackend : public Backend {
 public:
  LocalBackend(hsm_io::UsbSpeed speed, std::string serial,
               hsm_io::PlugIn plug_in)
      : device_(speed, std::move(serial), std::move(plug_in)) {}

  void Submit(hsm_io::UsbTransfer transfer) override;
  bool Unlink(uint32_t id) override;
  std::vector<hsm_io::UsbCompletion> TakeCompletions() override;
  bool gone() const override { return gone_; }

  // The bus calls all of the above; these, a test while the bus is at rest.
  void Set(Fault fault) { fault_ = fault; }
  // It answers no control request any more.
  void SetDumb() { dumb_ = true; }
  bool has_happened() const { return fault_.kind == Fault::Kind::kNone; }

 private:
  void Inject(const hsm_io::UsbTransfer& transfer, int status);

  hsm_io::UsbDevice device_;
  Fault fault_;
  bool gone_ = false;
  bool dumb_ = false;
  uint32_t truncated_ = 0;  // the transfer whose answer is cut
  std::vector<uint32_t> silent_;
  std::vector<hsm_io::UsbCompletion> injected_;
};

class UsbipBackend : public Backend {
 public:
  // Attaches what is exported at the address.
  static absl::StatusOr<std::unique_ptr<UsbipBackend>> Attach(
      const std::string& address);

  void Submit(hsm_io::UsbTransfer transfer) override;
  bool Unlink(uint32_t id) override;
  std::vector<hsm_io::UsbCompletion> TakeCompletions() override;
  bool gone() const override { return gone_; }

 private:
  struct Pending {
    uint32_t number;
    bool in;
  };
  std::unique_ptr<hsm_io::UsbipInitiator> usb_;
  bool gone_ = false;
  std::map<uint32_t, Pending> pending_;  // by the bus's numbers
  std::vector<hsm_io::UsbCompletion> done_;
};

}  // namespace usbfs

#endif  // PERIGEE_TESTS_USBFS_BACKEND_H_
