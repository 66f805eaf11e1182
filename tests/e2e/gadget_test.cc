// The daemon as the USB device of a real kernel's controller, in a virtual
// machine (tests/vm) whose other end is the same kernel's USB: pulled cables,
// restarts and hosts that do what they should not. What all links have in
// common is tested for this one by the tests named */Usb.
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/e2e/interrupted.h"

namespace e2e {
namespace {

constexpr char kBinding[] = "/sys/kernel/config/usb_gadget/perigee/UDC";

void WriteAttribute(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0) << path;
  EXPECT_EQ(write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()))
      << path << ": errno " << errno;
  close(fd);
}

// Nobody is faster, and a host need not be.
void Pause() { usleep(300000); }

// The device's directory at the host's end; empty when there is none.
std::string DeviceAtHost() {
  std::error_code none;
  for (const auto& each :
       std::filesystem::directory_iterator("/sys/bus/usb/devices", none)) {
    if (ReadFile(each.path() / "product") == "Perigee Backup HSM\n") {
      return each.path();
    }
  }
  ADD_FAILURE() << "no device";
  return "";
}

// The port of the hub loses its power and has it again, which is what a pulled
// cable is to both ends. (The controller's soft_connect would be nearer, but
// after it dummy_hcd of Linux 6.1 answers nobody.)
void PullCable() {
  const std::string port =
      std::filesystem::canonical(DeviceAtHost() + "/port") / "disable";
  WriteAttribute(port, "1");
  Pause();
  WriteAttribute(port, "0");
}
// The gadget leaves its controller and comes back.
void Rebind() {
  WriteAttribute(kBinding, "\n");
  Pause();
  WriteAttribute(kBinding, "dummy_udc.0\n");
}

// The device at the host's end, as usbfs has it, with nothing of ours between.
class RawUsb {
 public:
  RawUsb() {
    const std::string path = DeviceAtHost();
    descriptors_ = ReadFile(path + "/descriptors");
    char node[64];
    snprintf(node, sizeof node, "/dev/bus/usb/%03d/%03d",
             atoi(ReadFile(path + "/busnum").c_str()),
             atoi(ReadFile(path + "/devnum").c_str()));
    fd_ = open(node, O_RDWR | O_CLOEXEC);
    EXPECT_GE(fd_, 0) << node << ": errno " << errno;
  }
  ~RawUsb() { close(fd_); }
  RawUsb(const RawUsb&) = delete;
  RawUsb& operator=(const RawUsb&) = delete;

  // Each gives the bytes that went, or a negative errno.
  int Reset() { return Call(USBDEVFS_RESET, nullptr); }
  int Claim() {
    unsigned int interface = 0;
    return Call(USBDEVFS_CLAIMINTERFACE, &interface);
  }
  int Control(uint8_t type, uint8_t request, uint16_t value, uint16_t index,
              uint16_t length) {
    std::vector<uint8_t> data(length);
    usbdevfs_ctrltransfer transfer = {};
    transfer.bRequestType = type;
    transfer.bRequest = request;
    transfer.wValue = value;
    transfer.wIndex = index;
    transfer.wLength = length;
    transfer.timeout = 2000;
    transfer.data = data.data();
    return Call(USBDEVFS_CONTROL, &transfer);
  }
  int Bulk(bool in, size_t length, uint8_t fill, unsigned timeout = 2000) {
    std::vector<uint8_t> data(length, fill);
    usbdevfs_bulktransfer transfer = {};
    transfer.ep = Endpoint(in);
    transfer.len = static_cast<unsigned>(length);
    transfer.timeout = timeout;
    transfer.data = data.data();
    return Call(USBDEVFS_BULK, &transfer);
  }
  int ClearHalt(bool in) {
    unsigned int endpoint = Endpoint(in);
    return Call(USBDEVFS_CLEAR_HALT, &endpoint);
  }

 private:
  int Call(unsigned long request, void* argument) {
    const int result = ioctl(fd_, request, argument);
    return result < 0 ? -errno : result;
  }
  // The controller has chosen the address.
  unsigned Endpoint(bool in) const {
    for (size_t at = 0; at + 2 < descriptors_.size();) {
      const auto size = static_cast<uint8_t>(descriptors_[at]);
      const auto address = static_cast<uint8_t>(descriptors_[at + 2]);
      if (descriptors_[at + 1] == 5 && ((address & 0x80) != 0) == in) {
        return address;
      }
      at += size > 0 ? size : 1;
    }
    ADD_FAILURE() << "no such endpoint";
    return 0;
  }

  int fd_ = -1;
  std::string descriptors_;
};

class GadgetTest : public testing::Test {
 protected:
  void SetUp() override {
    if (GadgetUser() < 0) GTEST_SKIP() << "needs a controller: tests/vm/run";
  }
};

TEST_F(GadgetTest, SaysWhatItIs) {
  Site site(DefaultPlan(Link::kUsb));
  const std::string device = DeviceAtHost();
  const auto attribute = [&device](const char* name) {
    return ReadFile(device + "/" + name);
  };
  EXPECT_EQ(ReadFile("/sys/class/udc/dummy_udc.0/current_speed"),
            std::string(getenv("PERIGEE_USB_GADGET_SPEED")) + "\n");
  EXPECT_EQ(attribute("idVendor"), "1209\n");
  EXPECT_EQ(attribute("idProduct"), "0001\n");
  EXPECT_EQ(attribute("bcdDevice"), "0100\n");
  EXPECT_EQ(attribute("manufacturer"), "Perigee\n");
  EXPECT_EQ(attribute("serial"), site.daemon().serial() + "\n");
  EXPECT_EQ(attribute("bmAttributes"), "80\n");
  EXPECT_EQ(attribute("bNumInterfaces"), " 1\n");
}

// 300 objects, interrupted after the first of them; nothing is lost, and the
// daemon need not be started again.
void InterruptATransfer(const std::function<void()>& interrupt) {
  Bench bench(Link::kUsb);
  InterruptedTransfer cut(bench, interrupt);
  EXPECT_RV(CKR_DEVICE_REMOVED, cut.rv());
  AwaitGadget();
  cut.ExpectAnAppendCompletesIt();
  // And back.
  const auto before = ReadPartition(bench.host, cut.app());
  ASSERT_OK(bench.host.perigee().ClearPartition(cut.app()));
  ExpectAllStored(bench.host.Transfer(cut.archive(), cut.app()), 300);
  EXPECT_TRUE(ReadPartition(bench.host, cut.app()) == before);
  EXPECT_EQ(bench.site.daemon().Stop(), 0);
  EXPECT_EQ(ReadFile(kBinding), "\n");
}

TEST_F(GadgetTest, CablePulledInATransfer_AnAppendCompletesIt) {
  InterruptATransfer(PullCable);
}

TEST_F(GadgetTest, UnboundInATransfer_AnAppendCompletesIt) {
  InterruptATransfer(Rebind);
}

TEST_F(GadgetTest, CablePulledSixTimes_EachTimeItIsThereAgain) {
  Bench bench(Link::kUsb);
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  for (int i = 0; i < 6; ++i) {
    const CK_SESSION_HANDLE archive =
        bench.NewArchive("archive " + std::to_string(i));
    ExpectAllStored(bench.host.Transfer(app, archive), 1);
    (i % 2 == 0 ? PullCable : Rebind)();
    bench.host.c().C_CloseAllSessions(bench.host.backup());
    AwaitGadget();
    if (HasFailure()) return;
  }
}

TEST_F(GadgetTest, DaemonRestarted_TheNextSessionFindsIt) {
  Bench bench(Link::kUsb);
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  bench.site.Replug();
  EXPECT_RV(CKR_DEVICE_REMOVED, bench.host.Transfer(app, archive).rv);
  bench.host.c().C_CloseSession(archive);
  ExpectAllStored(bench.host.Transfer(app, bench.NewArchive("another")), 1);
}

TEST_F(GadgetTest, ResetByAHost_EndsTheSessionOnly) {
  Bench bench(Link::kUsb);
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  EXPECT_EQ(RawUsb().Reset(), 0);
  EXPECT_RV(CKR_DEVICE_REMOVED, bench.host.Transfer(app, archive).rv);
  bench.host.c().C_CloseSession(archive);
  ExpectAllStored(bench.host.Transfer(app, bench.NewArchive("another")), 1);
}

TEST_F(GadgetTest, RequestsThatItDoesNotHave_Stall) {
  const Site site(DefaultPlan(Link::kUsb));
  RawUsb raw;
  ASSERT_EQ(raw.Claim(), 0);
  for (const uint8_t type : {0xC1, 0xA1, 0x41, 0x21, 0xC2, 0x42}) {
    for (const int request : {0, 1, 6, 9, 11, 0x30, 255}) {
      const uint16_t index = (type & 3) == 2 ? 1 : 0;
      for (const uint16_t length : {0, 1, 64, 4096}) {
        const int got =
            raw.Control(type, static_cast<uint8_t>(request), 0, index, length);
        EXPECT_TRUE(got == -EPIPE || got == -ENOENT || got == -EINVAL)
            << int{type} << ' ' << request << ' ' << length << ": " << got;
      }
    }
  }
  EXPECT_EQ(raw.Control(0x80, 6, 0x0100, 0, 18), 18);
}

// What is not a frame ends the session with a stall on both sides; a host that
// clears it may begin again.
TEST_F(GadgetTest, BytesThatAreNoFrame_StallUntilCleared) {
  Bench bench(Link::kUsb);
  bench.host.Finalize();
  {
    RawUsb raw;
    ASSERT_EQ(raw.Claim(), 0);
    for (int round = 0; round < 3; ++round) {
      for (const size_t size : {32, 512, 1024, 4096}) {
        // What it has not taken when it sees the first of it is refused.
        const int taken = raw.Bulk(false, size, 0x5A);
        EXPECT_TRUE(taken == static_cast<int>(size) ||
                    (size > 512 && taken == -EPIPE))
            << size << ": " << taken;
        EXPECT_EQ(raw.Bulk(true, 1024, 0), -EPIPE) << size;
        EXPECT_EQ(raw.Bulk(false, 1, 0), -EPIPE) << size;
        EXPECT_EQ(raw.ClearHalt(true), 0);
        EXPECT_EQ(raw.ClearHalt(false), 0);
      }
    }
    // Half a header, and the cable goes.
    EXPECT_EQ(raw.Bulk(false, 16, 0x50), 16);
  }
  EXPECT_OK(bench.host.c().C_Initialize(nullptr));
  const CK_SESSION_HANDLE app = bench.Officer();
  bench.host.Create(app, Note("a"));
  ExpectAllStored(bench.host.Transfer(app, bench.NewArchive()), 1);
}

}  // namespace
}  // namespace e2e
