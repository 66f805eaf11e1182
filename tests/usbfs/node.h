// One device of the emulated bus: the ioctls on its device node, as Linux's
// usbfs answers them.
#ifndef PERIGEE_TESTS_USBFS_NODE_H_
#define PERIGEE_TESTS_USBFS_NODE_H_

#include <umockdev.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "tests/usbfs/backend.h"

namespace usbfs {

class Node {
 public:
  // `mutex` keeps all nodes' calls apart.
  Node(int name, std::shared_ptr<Backend> backend, std::mutex& mutex);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  std::string number() const;  // 002
  std::string path() const;    // of the device node
  // Device and configuration, as the file in sysfs has them.
  const std::string& descriptors() const { return descriptors_; }
  UMockdevIoctlBase* handler() const { return handler_; }
  // With the mutex held. Programs that have it open now.
  int openings();
  void PullOut();
  // More transfers than this are refused for want of memory.
  void SetLimit(size_t flying) { limit_ = flying; }
  bool gone() const { return gone_ || backend_->gone(); }

 private:
  using Client = UMockdevIoctlClient;
  struct Flight {
    Client* client;
    UMockdevIoctlData* urb;
    UMockdevIoctlData* buffer;
  };

  static gboolean OnIoctl(UMockdevIoctlBase*, Client* client, void* node);
  static void OnConnected(UMockdevIoctlBase*, Client* client, void* node);

  // The errno of an ioctl, 0 for success; nullopt: it was completed.
  std::optional<int> Answer(Client* client, unsigned long request,
                            UMockdevIoctlData* argument);
  void SubmitUrb(Client* client, UMockdevIoctlData* argument);
  std::optional<int> Reap(Client* client, UMockdevIoctlData* argument);
  int Discard(Client* client, UMockdevIoctlData* argument);
  int Claim(Client* client, unsigned interface);

  void ForgetVanished();
  void Forget(Client* client);
  // Takes what the device has done.
  void Collect();
  void Finish(uint32_t id, int status, uint32_t actual, hsm_io::ByteSpan data);
  // A control request of the bus's own; nullopt for a stall.
  std::optional<hsm_io::Bytes> Control(hsm_io::UsbSetup setup);

  const int name_;
  const std::shared_ptr<Backend> backend_;
  std::mutex& mutex_;
  UMockdevIoctlBase* const handler_;
  std::string descriptors_;
  bool gone_ = false;
  std::set<Client*> clients_;
  Client* owner_ = nullptr;  // of the interface
  size_t limit_ = SIZE_MAX;
  uint32_t last_ = 0;
  std::map<uint32_t, Flight> flying_;
  std::map<Client*, std::deque<Flight>> landed_;
  std::optional<hsm_io::Bytes> control_;
};

}  // namespace usbfs

#endif  // PERIGEE_TESTS_USBFS_NODE_H_
