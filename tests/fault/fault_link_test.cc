// A whole backup and restore in which the n-th exchange with the Backup HSM
// goes wrong, for every n, every kind of fault and every link that needs no
// hardware. Each time the call ends at once with a code that says so, nothing
// is done twice or lost, no PIN is counted as wrong, and the same steps taken
// again finish the work.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "device/backup_hsm.h"
#include "hsm/test_hsm.h"
#include "hsm_io/socket_server.h"
#include "hsm_io/usb_bulk_transport.h"
#include "hsm_io/usbip_initiator.h"
#include "hsm_io/usbip_server.h"
#include "pkcs11/test_backup.h"
#include "tests/fault/fault_share.h"
#include "tests/fault/fault_usb.h"

namespace pkcs11 {
namespace {

using hsm_io::FaultPlan;
using hsm_io::UsbFaultPlan;
using Outcome = backup::TransferItem::Outcome;

// With PERIGEE_ALL_FAULTS every exchange; else one for each kind of fault, not
// always the same.
using fault::WantsAll;

enum class Link { kEmbedded, kSocket, kUsbip };

// A device that serves from its directory, in a thread as the daemon does.
class Device {
 public:
  Device(std::string directory, std::string address, Link link)
      : directory_(std::move(directory)),
        address_(std::move(address)),
        link_(link) {}
  ~Device() { Stop(); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void Start() {
    auto opened = hsm::Hsm::Open(directory_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    hsm_ = *device::BackupHsm::New(*std::move(opened));
    if (link_ == Link::kEmbedded) return;
    listener_ = *hsm_io::Listener::Listen(address_);
    stop_ = eventfd(0, EFD_CLOEXEC);
    const auto plug_in = [this] { return hsm_->PlugIn(false); };
    const hsm_io::Port port =
        link_ == Link::kSocket
            ? hsm_io::SocketPort(*listener_, plug_in)
            : hsm_io::UsbipPort(*listener_, hsm_io::UsbSpeed::kHigh, "1",
                                plug_in);
    thread_ = std::thread([this, port] {
      EXPECT_EQ(hsm_io::ServePorts({port}, stop_), absl::OkStatus());
    });
  }
  void Stop() {
    if (thread_.joinable()) {
      const uint64_t one = 1;
      EXPECT_EQ(write(stop_, &one, sizeof one), ssize_t{sizeof one});
      thread_.join();
      close(stop_);
      listener_.reset();
    }
    hsm_.reset();
  }
  void Restart() {
    Stop();
    Start();
  }
  device::BackupHsm& hsm() { return *hsm_; }

 private:
  const std::string directory_, address_;
  const Link link_;
  std::unique_ptr<device::BackupHsm> hsm_;
  std::unique_ptr<hsm_io::Listener> listener_;
  int stop_ = -1;
  std::thread thread_;
};

// The steps of a user who makes a backup, loses his objects, restores them and
// gives the room back; taken again they go on where they ended.
class LinkFaultTest : public BackupTokenTest {
 protected:
  void Begin(Link link) {
    const std::string state = directory_.file("device");
    ASSERT_EQ(hsm::Hsm::Create(
                  ConfigOf("backup", hsm::Kind::kBackup, "luna-g7-backup").spec,
                  state, *hsm::Fleet::OpenOrCreate(fleet())),
              absl::OkStatus());
    const std::string address = directory_.file("wire");
    device_.emplace(state, address, link);
    device_->Start();
    transport_ =
        absl::StrCat(link == Link::kUsbip ? "usbip:" : "socket:", address);
    if (link == Link::kEmbedded) {
      wrap_ = [this](std::unique_ptr<hsm_io::Transport>) {
        return std::make_unique<hsm_io::FaultTransport>(
            hsm_io::NewEmbeddedTransport(
                [this] { return device_->hsm().PlugIn(false); }),
            plan_);
      };
    }
    Connect();
    InitBackup();
    app_token_ = NewPartition();
    Add(*app_token_);
    // Together they take more than one USB transfer.
    for (const char* label : {"large", "larger"}) {
      hsm::AttributeSet large = cloning::DataObject(label);
      large.Set(CKA_VALUE, cloning::Pattern(40'000, 1));
      const auto made = app_token_->Create(
          1,
          hsm::testkit::List(hsm::NewObject{std::move(large), std::nullopt}));
      ASSERT_TRUE(made.ok()) << made.status();
    }
    before_ = Contents();
    ASSERT_EQ(before_.size(), 6u);
  }
  void TearDown() override {
    token_.reset();  // before what it talks to
    device_.reset();
  }

  // By label; without the number that each HSM gives.
  std::map<std::string, hsm::AttributeSet> Contents() {
    std::map<std::string, hsm::AttributeSet> all;
    const std::vector<uint64_t> handles = *app_token_->Find(1, {});
    for (const uint64_t handle : handles) {
      hsm::AttributeSet object = (*app_token_->Get(1, handle))->attributes();
      object.Erase(CKA_UNIQUE_ID);
      const std::string label(base::AsText(object.Value(CKA_LABEL)));
      EXPECT_TRUE(all.emplace(label, object).second);
    }
    return all;
  }
  // The archive, made when there is none, its CO logged in.
  absl::StatusOr<SpaceId> Archive() {
    ASSIGN_OR_RETURN(const auto containers, token().Containers());
    EXPECT_LE(containers.size(), 1u) << "made twice";
    SpaceId space = 0;
    if (containers.empty()) {
      RETURN_IF_ERROR(SecurityOfficer());
      ASSIGN_OR_RETURN(space, NewBackup("archive"));
    } else {
      space = containers[0].space;
      EXPECT_TRUE(containers[0].initialized && containers[0].has_domain);
    }
    if (!token().application(space)->role().has_value()) {
      RETURN_IF_ERROR(LogIn(token(), space, hsm::Role::kCo, kCo));
    }
    return space;
  }
  absl::Status SecurityOfficer() {
    if (token().application(0)->role().has_value()) return absl::OkStatus();
    return LogIn(token(), 0, hsm::Role::kSo, kSo);
  }
  absl::Status Transferred(Token& from, SpaceId source, Token& to,
                           SpaceId target,
                           const std::vector<uint64_t>& handles) {
    backup::TransferReport report;
    RETURN_IF_ERROR(Carry(from, source, to, target, handles, report));
    EXPECT_EQ(report.FirstFailure(), absl::OkStatus());
    return report.FirstFailure();
  }

  enum class Phase { kBackUp, kAppend, kLose, kRestore, kDelete, kDone };
  absl::Status Take(Phase phase) {
    if (phase == Phase::kLose) return app_token_->Clear(1);
    if (phase == Phase::kDelete) {
      RETURN_IF_ERROR(SecurityOfficer());
      ASSIGN_OR_RETURN(const auto containers, token().Containers());
      return containers.empty() ? absl::OkStatus()
                                : token().DeleteContainer(containers[0].space);
    }
    ASSIGN_OR_RETURN(const SpaceId space, Archive());
    if (phase == Phase::kRestore) {
      ASSIGN_OR_RETURN(const auto kept, token().Find(space, {}));
      EXPECT_EQ(kept.size(), before_.size());
      return Transferred(token(), space, *app_token_, 1, kept);
    }
    std::vector<uint64_t> handles = *app_token_->Find(1, {});
    if (phase == Phase::kBackUp) handles.resize(2);
    return Transferred(*app_token_, 1, token(), space, handles);
  }
  // All phases from `phase_` on, up to the first error.
  absl::Status Go() {
    while (phase_ != Phase::kDone) {
      RETURN_IF_ERROR(Take(phase_));
      phase_ = static_cast<Phase>(static_cast<int>(phase_) + 1);
    }
    return absl::OkStatus();
  }
  // Breaks the n-th exchange, for every n there is or (not `all`) for one;
  // `arm` does it. `struck` tells whether it came to that, and ends the fault.
  void BreakEach(const char* fault, bool all, const std::vector<CK_RV>& codes,
                 const std::function<void(int n)>& arm,
                 const std::function<bool()>& struck) {
    ++faults_;
    const fault::FaultShare share = fault::TheFaultShare();
    int n = all ? share.FirstOf(faults_) : 1 + faults_ * 7 % kSomeExchanges;
    for (;; n += share.of) {
      SCOPED_TRACE(absl::StrCat(fault, ": exchange ", n));
      arm(n);
      GoThroughAFault(codes);
      const bool was_struck = struck();
      ExpectAllIsWell();
      EXPECT_TRUE(was_struck || all) << "there is no such exchange";
      if (HasFailure() || !was_struck || !all) break;
    }
    EXPECT_GT(n, all ? kSomeExchanges : 0) << fault;
  }
  void GoThroughAFault(const std::vector<CK_RV>& codes) {
    phase_ = Phase::kBackUp;
    struck_at_ = -1;
    absl::Status status = Go();
    if (!status.ok()) {
      // What one call may do after a fault: look twice, or open the channel
      // and ask for the outcome; and the end of a cloning run.
      ASSERT_GE(struck_at_, 0) << status;
      EXPECT_LE(messages() - struck_at_, 8) << status;
    }
    for (int again = 0; !status.ok() && again < 6; ++again) {
      EXPECT_TRUE(std::find(codes.begin(), codes.end(), base::CkRv(status)) !=
                  codes.end())
          << base::CkRvName(base::CkRv(status)) << " " << status;
      status = Go();
    }
    EXPECT_EQ(status, absl::OkStatus());
  }
  void ExpectAllIsWell() {
    EXPECT_TRUE(Contents() == before_);
    EXPECT_TRUE(token().Containers()->empty());
    EXPECT_EQ(token().RoleState(0, hsm::Role::kSo)->failures, 0u);
    EXPECT_EQ(plan_->repeated_requests, 0);
    plan_->requests.clear();
  }
  int messages() const { return plan_->writes + plan_->opens; }

  // A backup and restore has more than these.
  static constexpr int kSomeExchanges = 20;
  int faults_ = 0;
  std::optional<Device> device_;
  std::unique_ptr<LocalToken> app_token_;
  std::map<std::string, hsm::AttributeSet> before_;
  Phase phase_ = Phase::kBackUp;
  int struck_at_ = -1;  // messages then
};

// --- what any transport does -------------------------------------------------

struct Row {
  const char* name;
  FaultPlan::Kind kind;
  bool restarts = false;
  int absent = 0;
};
using Kind = FaultPlan::Kind;
const Row kRows[] = {
    {"CutBeforeTheRequest", Kind::kCutBeforeWrite},
    {"CutBeforeTheAnswer", Kind::kCutBeforeRead},
    {"RequestLost", Kind::kLostWrite},
    {"AnswerLost", Kind::kLostRead},
    {"ShortAnswer", Kind::kShortRead},
    {"LongAnswer", Kind::kLongRead},
    {"JunkBeforeTheAnswer", Kind::kJunkRead},
    {"BitOfTheRequest", Kind::kFlipWrite},
    {"BitOfTheAnswer", Kind::kFlipRead},
    {"AnswerOfBeforeAgain", Kind::kRepeatedAnswer},
    {"AnswerInTheNextLink", Kind::kLateAnswer},
    {"Reset", Kind::kReset},
    {"UnpluggedBeforeTheRequest", Kind::kCutBeforeWrite, false, 3},
    {"UnpluggedBeforeTheAnswer", Kind::kCutBeforeRead, false, 3},
    {"DeviceRestartsBeforeTheRequest", Kind::kCutBeforeWrite, true},
    {"DeviceRestartsBeforeTheAnswer", Kind::kCutBeforeRead, true},
};

class TransportFaultTest : public LinkFaultTest,
                           public testing::WithParamInterface<Link> {};

TEST_P(TransportFaultTest, AtEachExchange_TheSameStepsFinishIt) {
  Begin(GetParam());
  for (const Row& row : kRows) {
    std::vector<CK_RV> codes = {CKR_DEVICE_REMOVED};
    if (row.absent > 0) codes.push_back(CKR_TOKEN_NOT_PRESENT);
    // Where a channel was not open yet, nothing has been removed.
    const bool is_cut =
        row.kind == Kind::kCutBeforeWrite || row.kind == Kind::kCutBeforeRead;
    if (!is_cut) codes.push_back(CKR_DEVICE_ERROR);
    // What the host alone sees is the same over any link.
    const bool all = WantsAll() && (GetParam() == Link::kEmbedded || is_cut ||
                                    row.kind == Kind::kReset);
    plan_->struck = [&] {
      struck_at_ = messages();
      plan_->absent = row.absent;
      if (row.restarts) device_->Restart();
    };
    BreakEach(
        row.name, all, codes,
        [&](int n) {
          plan_->Arm(row.kind, n);
          plan_->bit = static_cast<size_t>(n) * 37;
        },
        [&] {
          plan_->kind = Kind::kNone;
          return struck_at_ >= 0;
        });
    if (HasFailure()) return;
  }
}

std::string LinkName(Link link) {
  constexpr const char* kNames[] = {"Embedded", "Socket", "Usbip"};
  return kNames[static_cast<int>(link)];
}

INSTANTIATE_TEST_SUITE_P(, TransportFaultTest,
                         testing::Values(Link::kEmbedded, Link::kSocket,
                                         Link::kUsbip),
                         [](const auto& info) { return LinkName(info.param); });

// --- what a USB bus does -----------------------------------------------------

struct UsbRow {
  const char* name;
  UsbFaultPlan::Kind kind;
  int status = 0;
};
const UsbRow kUsbRows[] = {
    {"Stall", UsbFaultPlan::Kind::kStatus, -EPIPE},
    {"Babble", UsbFaultPlan::Kind::kStatus, -EOVERFLOW},
    {"BadCable", UsbFaultPlan::Kind::kStatus, -EPROTO},
    {"Removal", UsbFaultPlan::Kind::kStatus, -ENODEV},
    {"Reset", UsbFaultPlan::Kind::kStatus, -ESHUTDOWN},
    {"Silence", UsbFaultPlan::Kind::kSilence},
    {"Part", UsbFaultPlan::Kind::kPart},
};

class UsbTransferFaultTest : public LinkFaultTest {
 protected:
  UsbTransferFaultTest() {
    wrap_ = [this](std::unique_ptr<hsm_io::Transport>) {
      return std::make_unique<hsm_io::FaultTransport>(
          hsm_io::NewUsbBulkTransport(
              [this](hsm_io::Deadline deadline) { return Attach(deadline); }),
          plan_);
    };
  }
  absl::StatusOr<hsm_io::OpenedUsb> Attach(hsm_io::Deadline deadline) {
    hsm_io::OpenedUsb opened;
    ASSIGN_OR_RETURN(const int fd,
                     hsm_io::ConnectSocket(directory_.file("wire"), deadline));
    ASSIGN_OR_RETURN(auto attached,
                     hsm_io::UsbipInitiator::Attach(fd, "1-1", deadline));
    ASSIGN_OR_RETURN(opened.pipes, attached->ReadPipes(deadline));
    hsm_io::UsbSetup configure;
    configure.request =
        static_cast<uint8_t>(hsm_io::UsbRequest::kSetConfiguration);
    configure.value = opened.pipes.configuration;
    RETURN_IF_ERROR(attached->Control(configure, deadline).status());
    opened.host =
        std::make_unique<hsm_io::FaultUsbHost>(std::move(attached), usb_plan_);
    return opened;
  }

  const std::shared_ptr<UsbFaultPlan> usb_plan_ =
      std::make_shared<UsbFaultPlan>();
};

TEST_F(UsbTransferFaultTest, AtEachTransfer_TheSameStepsFinishIt) {
  Begin(Link::kUsbip);
  usb_plan_->struck = [this] { struck_at_ = messages(); };
  for (const UsbRow& row : kUsbRows) {
    usb_plan_->status = row.status;
    BreakEach(
        row.name, WantsAll(), {CKR_DEVICE_REMOVED, CKR_DEVICE_ERROR},
        [&](int n) {
          usb_plan_->kind = row.kind;
          usb_plan_->at = usb_plan_->transfers + n;
        },
        [&] {
          usb_plan_->kind = UsbFaultPlan::Kind::kNone;
          return struck_at_ >= 0;
        });
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace pkcs11
