// The USB transport through the unmodified libusb, on an emulated usbfs.
#include "hsm_io/usb_transport.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "hsm_io/test_link.h"
#include "tests/usbfs/bus.h"

namespace usbfs {
namespace {

using hsm_io::Bytes;
using hsm_io::Client;
using hsm_io::Deadline;
using hsm_io::Id;
using hsm_io::IdentityRef;
using hsm_io::Soon;
using hsm_io::TestDevice;
using hsm_io::TestRoot;
using hsm_io::Transport;
using hsm_io::UsbSpeed;
using Kind = Fault::Kind;

size_t Threads() {
  size_t count = 0;
  DIR* const tasks = opendir("/proc/self/task");
  while (readdir(tasks) != nullptr) ++count;
  closedir(tasks);
  return count;
}

class UsbTransportTest : public testing::Test {
 protected:
  UsbTransportTest() {
    local_ = std::make_shared<LocalBackend>(UsbSpeed::kHigh, "1234567",
                                            [this] { return Serve(device_); });
    name_ = bus_.Plug(local_);
  }
  void SetUp() override { ASSERT_TRUE(CanEmulate()); }

  static absl::StatusOr<std::unique_ptr<hsm_io::Server>> Serve(
      TestDevice& device) {
    return device.PlugIn();
  }
  static Client::TransportFactory Factory(const std::string& serial = "") {
    return [serial]() -> absl::StatusOr<std::unique_ptr<Transport>> {
      return hsm_io::NewUsbTransport(serial);
    };
  }
  absl::Status OpenChannel(Client& client) {
    return client.OpenChannel({.identity = host_}, Soon());
  }
  std::shared_ptr<LocalBackend> PlugAnother(const std::string& serial) {
    auto other = std::make_shared<LocalBackend>(
        UsbSpeed::kHigh, serial, [this] { return Serve(other_); });
    bus_.Plug(other);
    return other;
  }
  // What becomes of a call that meets the fault, and how long that takes.
  absl::Status CallWith(Client& client, Fault fault) {
    bus_.AtRest([&] { local_->Set(fault); });
    const absl::Status status =
        client.Call(hsm_io::GetRoleStatus(), Deadline::After(absl::Seconds(2)))
            .status();
    bus_.AtRest([&] { EXPECT_TRUE(local_->has_happened()); });
    return status;
  }
  void ExpectDeviceIsWell() {
    Client client(Factory());
    EXPECT_EQ(OpenChannel(client), absl::OkStatus());
    EXPECT_TRUE(client.Call(hsm_io::GetRoleStatus(), Soon()).ok());
  }

  const TestRoot root_ = TestRoot::New();
  const IdentityRef host_ = root_.Issue("host", "2");
  TestDevice device_{root_.Issue("backup", "1")};
  TestDevice other_{root_.Issue("backup", "3")};
  Bus bus_;
  std::shared_ptr<LocalBackend> local_;
  int name_ = -1;
};

TEST_F(UsbTransportTest, CarriesACallOfAMegabyte) {
  Client client(Factory());
  ASSERT_EQ(OpenChannel(client), absl::OkStatus());
  hsm_io::ChangeLabel request;
  request.label = std::string(1 << 20, 'x');
  EXPECT_EQ(client.Call(request, Soon()).status(), absl::OkStatus());
  client.CloseChannel();
  EXPECT_EQ(device_.label, request.label);
}

TEST_F(UsbTransportTest, AnswersAroundPacketsAndTransfers_Arrive) {
  const size_t empty =
      hsm_io::kFrameHeaderSize + wire::Encode(hsm_io::DeviceInfo()).size();
  for (const size_t size : {511, 512, 513, 1024, 4096, 65535, 65536, 65537,
                            131072, 524288, 524289, 700001}) {
    SCOPED_TRACE(size);
    bus_.AtRest([&] { device_.info.label = std::string(size - empty, 'x'); });
    const auto transport = hsm_io::NewUsbTransport("");
    ASSERT_EQ(transport->Open(Soon()), absl::OkStatus());
    for (uint8_t i = 1; i < 3; ++i) {
      const auto request =
          hsm_io::Frame::Make(hsm_io::FrameOp::kDiscover, Id(i), {});
      ASSERT_EQ(hsm_io::WriteFrame(*transport, request, Soon()),
                absl::OkStatus());
      const auto answer = hsm_io::ReadFrame(*transport, Soon());
      ASSERT_EQ(answer.status(), absl::OkStatus());
      EXPECT_EQ(answer->Encode().size(), size);
      EXPECT_EQ(answer->id(), Id(i));
    }
  }
}

TEST_F(UsbTransportTest, ClosedAndLookedAt_LeavesNothingInTheProcess) {
  const size_t before = Threads();
  Client client(Factory());
  EXPECT_TRUE(client.Discover(Soon()).ok());
  EXPECT_EQ(Threads(), before);
  EXPECT_EQ(OpenChannel(client), absl::OkStatus());
  client.CloseChannel();
  EXPECT_EQ(Threads(), before);
  for (int i = 0; i < 100 && bus_.openings(name_) != 0; ++i) usleep(10000);
  EXPECT_EQ(bus_.openings(name_), 0);
}

TEST_F(UsbTransportTest, WithLittleMemoryInTheKernel_GoesSlowlyAndArrives) {
  bus_.SetLimit(name_, 2);
  Client client(Factory());
  ASSERT_EQ(OpenChannel(client), absl::OkStatus());
  hsm_io::ChangeLabel request;
  request.label = std::string(1 << 20, 'x');
  EXPECT_EQ(client.Call(request, Soon()).status(), absl::OkStatus());
  client.CloseChannel();
  EXPECT_EQ(device_.label, request.label);
}

TEST_F(UsbTransportTest, WithoutMemoryInTheKernel_TheDeadlineHolds) {
  Client client(Factory());
  ASSERT_EQ(OpenChannel(client), absl::OkStatus());
  bus_.SetLimit(name_, 0);
  const auto begun = absl::Now();
  const absl::Status status =
      client.Call(hsm_io::GetRoleStatus(), Deadline::After(absl::Seconds(1)))
          .status();
  EXPECT_LT(absl::Now() - begun, absl::Seconds(3));
  EXPECT_EQ(base::CkRv(status), CK_RV{CKR_DEVICE_REMOVED});
  bus_.SetLimit(name_, 64);
  ExpectDeviceIsWell();
}

// --- which device ------------------------------------------------------------

absl::Status OpenStatus(const std::string& serial) {
  return hsm_io::NewUsbTransport(serial)->Open(Soon());
}

void ExpectNotPresent(const absl::Status& status, const std::string& why) {
  EXPECT_EQ(base::CkRv(status), CK_RV{CKR_TOKEN_NOT_PRESENT});
  EXPECT_EQ(status.message(), why);
}

TEST_F(UsbTransportTest, BySerial_FindsThatOne) {
  PlugAnother("7654321");
  for (const auto& [serial, device] : std::map<std::string, TestDevice*>{
           {"1234567", &device_}, {"7654321", &other_}}) {
    bus_.AtRest([&, d = device] { d->info.label = "here"; });
    Client client(Factory(serial));
    const auto info = client.Discover(Soon());
    ASSERT_EQ(info.status(), absl::OkStatus());
    EXPECT_EQ(info->label, "here");
    bus_.AtRest([&, d = device] { d->info.label = ""; });
  }
}

TEST_F(UsbTransportTest, AnotherSerial_TellsWhoIsThere) {
  ExpectNotPresent(OpenStatus("7654321"),
                   "USB: no Backup HSM fits \"usb:7654321\": usb:1234567");
}

TEST_F(UsbTransportTest, NoSerialAndTwoDevices_TellsBoth) {
  PlugAnother("7654321");
  ExpectNotPresent(
      OpenStatus(""),
      "USB: more than one Backup HSM fits \"usb:\": usb:1234567, usb:7654321");
}

TEST_F(UsbTransportTest, ADumbDevice_HidesNoOther) {
  PlugAnother("7654321");
  bus_.AtRest([&] { local_->SetDumb(); });
  const auto begun = absl::Now();
  EXPECT_EQ(OpenStatus("7654321"), absl::OkStatus());
  ExpectNotPresent(OpenStatus("1234567"),
                   "USB: no Backup HSM fits \"usb:1234567\": usb:7654321, "
                   "USB: no answer in time");
  EXPECT_LT(absl::Now() - begun, absl::Seconds(3));
}

TEST_F(UsbTransportTest, NoDevice_SaysSo) {
  bus_.Unplug(name_);
  ExpectNotPresent(OpenStatus(""),
                   "USB: no Backup HSM fits \"usb:\": there is none");
}

TEST_F(UsbTransportTest, InUse_IsBusyAfterABoundedWait) {
  Client owner(Factory());
  ASSERT_EQ(OpenChannel(owner), absl::OkStatus());
  const auto begun = absl::Now();
  ExpectNotPresent(OpenStatus(""), "USB: another program has the device");
  EXPECT_LT(absl::Now() - begun, absl::Seconds(5));
  // And the owner does not notice.
  EXPECT_TRUE(owner.Call(hsm_io::GetRoleStatus(), Soon()).ok());
}

TEST_F(UsbTransportTest, InUseForAMoment_IsWaitedFor) {
  auto owner = hsm_io::NewUsbTransport("");
  ASSERT_EQ(owner->Open(Soon()), absl::OkStatus());
  std::thread closing([&] {
    absl::SleepFor(absl::Milliseconds(200));
    owner->Close();
  });
  EXPECT_EQ(OpenStatus(""), absl::OkStatus());
  closing.join();
}

// --- faults ------------------------------------------------------------------

struct Case {
  const char* name;
  Fault fault;
  const char* says;
};

class UsbFaultTest : public UsbTransportTest,
                     public testing::WithParamInterface<Case> {};

TEST_P(UsbFaultTest, EndsTheCallInTimeAndTheDeviceIsUsableAgain) {
  Client client(Factory());
  ASSERT_EQ(OpenChannel(client), absl::OkStatus());
  const auto begun = absl::Now();
  const absl::Status status = CallWith(client, GetParam().fault);
  EXPECT_LT(absl::Now() - begun, absl::Seconds(4));
  EXPECT_EQ(base::CkRv(status), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_NE(status.message().find(GetParam().says), std::string::npos)
      << status;
  EXPECT_FALSE(client.channel_open());
  ExpectDeviceIsWell();
}

// The first IN transfer is asked for before anything is sent; it carries the
// first packet of the answer, the second one the rest.
INSTANTIATE_TEST_SUITE_P(
    , UsbFaultTest,
    testing::Values(
        Case{"StallOut", {Kind::kStall, false}, "the device stalls"},
        Case{"StallIn", {Kind::kStall, true}, "the device stalls"},
        Case{"Babble", {Kind::kBabble, true}, "more than a transfer holds"},
        Case{"ShortPacket", {Kind::kTruncate, true}, "no answer in time"},
        Case{"PartOfAnOut", {Kind::kPartly, false}, "a part of a transfer"},
        Case{"SilenceOut", {Kind::kSilence, false}, "no answer in time"},
        Case{"SilenceIn", {Kind::kSilence, true}, "no answer in time"},
        Case{"BadCableOut", {Kind::kFail, false}, "a transfer failed"},
        Case{"BadCableIn", {Kind::kFail, true}, "a transfer failed"}),
    [](const auto& info) { return std::string(info.param.name); });

class UsbRemovalTest : public UsbTransportTest,
                       public testing::WithParamInterface<Case> {};

TEST_P(UsbRemovalTest, MidExchange_IsDeviceRemovedAndAReplugWorks) {
  Client client(Factory());
  ASSERT_EQ(OpenChannel(client), absl::OkStatus());
  std::atomic<bool> stop = false;
  std::thread hub([&] {
    while (!stop) {
      absl::SleepFor(absl::Milliseconds(100));
      bus_.Settle();
    }
  });
  const auto begun = absl::Now();
  const absl::Status status = CallWith(client, GetParam().fault);
  EXPECT_LT(absl::Now() - begun, absl::Seconds(4));
  EXPECT_EQ(base::CkRv(status), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_NE(status.message().find("USB: the device is gone"), std::string::npos)
      << status;
  stop = true;
  hub.join();
  bus_.Settle();
  ExpectNotPresent(OpenStatus(""),
                   "USB: no Backup HSM fits \"usb:\": there is none");
  PlugAnother("1234567");
  ExpectDeviceIsWell();
}

INSTANTIATE_TEST_SUITE_P(
    , UsbRemovalTest,
    testing::Values(Case{"Out", {Kind::kUnplug, false}, ""},
                    Case{"In", {Kind::kUnplug, true}, ""},
                    Case{"FirstAnErrorOut", {Kind::kFailFirst, false}, ""},
                    Case{"FirstAnErrorIn", {Kind::kFailFirst, true}, ""}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(UsbTransportTest, RemovedBetweenCalls_IsDeviceRemoved) {
  Client client(Factory());
  ASSERT_EQ(OpenChannel(client), absl::OkStatus());
  bus_.Unplug(name_);
  EXPECT_EQ(base::CkRv(client.Call(hsm_io::GetRoleStatus(), Soon()).status()),
            CK_RV{CKR_DEVICE_REMOVED});
}

// What a host left behind that went away in the middle.
TEST_F(UsbTransportTest, StaleBytesOfAnotherHost_AreNotSeen) {
  auto first = hsm_io::NewUsbTransport("");
  ASSERT_EQ(first->Open(Soon()), absl::OkStatus());
  const Bytes frame =
      hsm_io::Frame::Make(hsm_io::FrameOp::kDiscover, Id(1), {}).Encode();
  ASSERT_EQ(first->Write(frame, Soon()), absl::OkStatus());
  ASSERT_EQ(first->Write(Bytes(frame.begin(), frame.begin() + 9), Soon()),
            absl::OkStatus());
  first.reset();
  ExpectDeviceIsWell();
}

// --- fork --------------------------------------------------------------------

TEST_F(UsbTransportTest, AForkedChild_DisturbsNothing) {
  auto transport = hsm_io::NewUsbTransport("");
  ASSERT_EQ(transport->Open(Soon()), absl::OkStatus());
  const pid_t child = fork();
  if (child == 0) {
    transport.reset();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const Bytes frame =
      hsm_io::Frame::Make(hsm_io::FrameOp::kDiscover, Id(1), {}).Encode();
  EXPECT_EQ(transport->Write(frame, Soon()), absl::OkStatus());
  EXPECT_TRUE(transport->Read(64, Soon()).ok());
}

}  // namespace
}  // namespace usbfs
