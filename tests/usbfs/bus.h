// A USB bus that is not there: sysfs entries, device nodes and the ioctls of
// Linux's usbfs, made by umockdev for the programs that run with its
// libumockdev-preload.so.0. An unmodified libusb finds the devices and talks
// to them; no privileges and no kernel's USB are needed.
//
// It knows exclusion (claims), removal and cancellation as the kernel does,
// and limits of memory only where a test sets one. poll(2) on a node always
// says "ready".
#ifndef PERIGEE_TESTS_USBFS_BUS_H_
#define PERIGEE_TESTS_USBFS_BUS_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/usbfs/backend.h"

namespace usbfs {

// True when this process runs with umockdev's preloaded library and has a bus.
bool CanEmulate();

// One in a process. Its devices are served by a thread of umockdev's.
class Bus {
 public:
  Bus();
  ~Bus();
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // What UMOCKDEV_DIR is for another process that shall see this bus.
  std::string root() const;
  // Plugs a device in; it is configured. A name that Unplug takes.
  int Plug(std::shared_ptr<Backend> backend);
  void Unplug(int device);
  // Nodes whose cable came out by themselves are taken away.
  void Settle();
  // Holds the devices still while `work` runs.
  template <typename Work>
  void AtRest(Work work) {
    Lock();
    work();
    Unlock();
  }
  // The memory of the kernel: it bears so many transfers of a device at once.
  void SetLimit(int device, size_t flying);
  // How many programs have a device open.
  int openings(int device) const;

 private:
  struct Testbed;
  void Lock();
  void Unlock();
  const std::unique_ptr<Testbed> testbed_;
};

}  // namespace usbfs

#endif  // PERIGEE_TESTS_USBFS_BUS_H_
