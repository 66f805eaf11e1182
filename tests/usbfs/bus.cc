#include "tests/usbfs/bus.h"

#include <mutex>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/usbfs/node.h"

namespace usbfs {

struct Bus::Testbed {
  UMockdevTestbed* const bed = umockdev_testbed_new();
  std::mutex mutex;
  // Never fewer: a program may have one open whose cable is out.
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<bool> there;
};

bool CanEmulate() { return umockdev_in_mock_environment() != 0; }

Bus::Bus() : testbed_(std::make_unique<Testbed>()) {}

Bus::~Bus() {
  for (size_t i = 0; i < testbed_->nodes.size(); ++i) {
    Unplug(static_cast<int>(i));
  }
  g_object_unref(testbed_->bed);
}

std::string Bus::root() const {
  char* const root = umockdev_testbed_get_root_dir(testbed_->bed);
  const std::string out = root;
  g_free(root);
  return out;
}

int Bus::Plug(std::shared_ptr<Backend> backend) {
  const int name = static_cast<int>(testbed_->nodes.size());
  auto node = std::make_unique<Node>(name, std::move(backend), testbed_->mutex);
  const std::string text = absl::StrCat(
      "P: /devices/usb1/1-", name + 1, "\nN: bus/usb/001/", node->number(),
      "\nE: DEVNAME=/dev/bus/usb/001/", node->number(),
      "\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nA: bConfigurationValue=1\n"
      "A: bNumConfigurations=1\nA: busnum=1\nA: devnum=",
      name + 2, "\nA: devpath=", name + 1,
      "\nA: speed=480\nA: idVendor=1209\nA: idProduct=0001\nH: descriptors=",
      absl::AsciiStrToUpper(absl::BytesToHexString(node->descriptors())), "\n");
  GError* error = nullptr;
  if (!umockdev_testbed_add_from_string(testbed_->bed, text.c_str(), &error) ||
      !umockdev_testbed_attach_ioctl(testbed_->bed, node->path().c_str(),
                                     node->handler(), &error)) {
    g_error("umockdev: %s", error->message);
  }
  testbed_->nodes.push_back(std::move(node));
  testbed_->there.push_back(true);
  return name;
}

void Bus::Unplug(int device) {
  if (!testbed_->there[device]) return;
  testbed_->there[device] = false;
  Node& node = *testbed_->nodes[device];
  {
    const std::lock_guard<std::mutex> lock(testbed_->mutex);
    node.PullOut();
  }
  const std::string path = absl::StrCat("/sys/devices/usb1/1-", device + 1);
  umockdev_testbed_uevent(testbed_->bed, path.c_str(), "remove");
  umockdev_testbed_remove_device(testbed_->bed, path.c_str());
}

void Bus::Settle() {
  for (size_t i = 0; i < testbed_->nodes.size(); ++i) {
    bool gone;
    AtRest([&] { gone = testbed_->nodes[i]->gone(); });
    if (gone) Unplug(static_cast<int>(i));
  }
}

void Bus::Lock() { testbed_->mutex.lock(); }
void Bus::Unlock() { testbed_->mutex.unlock(); }

void Bus::SetLimit(int device, size_t flying) {
  const std::lock_guard<std::mutex> lock(testbed_->mutex);
  testbed_->nodes[device]->SetLimit(flying);
}

int Bus::openings(int device) const {
  const std::lock_guard<std::mutex> lock(testbed_->mutex);
  return testbed_->nodes[device]->openings();
}

}  // namespace usbfs
