// The Backup HSM's firmware, message by message, as a host sees it.
#include <functional>

#include "device/directory_lock.h"
#include "device/test_bench.h"
#include "gtest/gtest.h"
#include "hsm/temporary_directory.h"

namespace device {
namespace {

using hsm::Role;

class DeviceTest : public testing::Test {
 protected:
  DeviceTest() {
    auto made = hsm::Hsm::CreateForTest(hsm::testkit::BackupSpec(),
                                        hsm::NewMemoryStore(),
                                        hsm::testkit::TestFleet());
    EXPECT_TRUE(made.ok()) << made.status();
    device_ = *BackupHsm::New(*std::move(made));
    host_.emplace(*device_, HostUnder(hsm::testkit::TestFleet(), "77"));
    EXPECT_EQ(host_->Open(), absl::OkStatus());
  }
  void InitAndLogIn() {
    ASSERT_EQ(host_->Rv(Init("backup")), CKR_OK);
    ASSERT_EQ(host_->Rv(LogIn(0, Role::kSo, kSoPin)), CKR_OK);
  }
  uint32_t NewContainer(const std::string& label) {
    const auto reply = host_->Ask(Create(label));
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? reply->space : 0;
  }
  std::vector<hsm_io::ContainerStatus> Containers() {
    return host_->Ask(hsm_io::ListContainers())->containers;
  }
  // `count` public data objects, put there behind the link's back.
  void Fill(uint32_t space, int count) {
    hsm::Partition& partition = *device_->hsm().Find(space);
    auto co = *partition.Unlock(Role::kCo, Secret(kCoPin));
    std::vector<hsm::NewObject> objects;
    for (int i = 0; i < count; ++i) {
      objects.push_back(hsm::testkit::Data("object"));
    }
    const auto made = partition.Create(co.get(), std::move(objects));
    ASSERT_TRUE(made.ok()) << made.status();
  }

  std::unique_ptr<BackupHsm> device_;
  std::optional<Host> host_;
};

// --- the HSM ----------------------------------------------------------------

TEST_F(DeviceTest, DiscoverTellsModelFirmwareAndCertificate) {
  const auto info = host_->client().Discover(Soon());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->model, "luna-g7-backup");
  EXPECT_EQ(info->firmware, (std::array<uint8_t, 3>{7, 7, 1}));
  EXPECT_FALSE(info->initialized);
  EXPECT_EQ(info->certificate, device_->hsm().identity()->certificate.der());
}

TEST_F(DeviceTest, BeforeInit_TheSoCannotLogIn) {
  EXPECT_EQ(host_->Rv(LogIn(0, Role::kSo, kSoPin)),
            CKR_USER_PIN_NOT_INITIALIZED);
}

TEST_F(DeviceTest, InitEndsLogins) {
  InitAndLogIn();
  ASSERT_EQ(host_->Rv(Init("again")), CKR_OK);
  EXPECT_EQ(host_->Rv(On<hsm_io::Logout>(0)), CKR_USER_NOT_LOGGED_IN);
}

TEST_F(DeviceTest, Policy12_IsCancelAndChangesNothing) {
  InitAndLogIn();
  hsm_io::SetHsmPolicies set;
  set.changes = {{12, 0}};
  EXPECT_EQ(host_->Rv(set), CKR_CANCEL);
  set.allow_destructive = true;
  EXPECT_EQ(host_->Rv(set), CKR_CANCEL);
  EXPECT_EQ(host_->Ask(hsm_io::GetHsmStatus())->info.initialized, true);
}

TEST_F(DeviceTest, Policy55_NeedsTheSoAndMakesTheApprovedMode) {
  ASSERT_EQ(host_->Rv(Init("backup")), CKR_OK);
  hsm_io::SetHsmPolicies set;
  set.changes = {{55, 1}};
  EXPECT_EQ(host_->Rv(set), CKR_USER_NOT_LOGGED_IN);
  ASSERT_EQ(host_->Rv(LogIn(0, Role::kSo, kSoPin)), CKR_OK);
  EXPECT_FALSE(host_->Ask(hsm_io::GetHsmStatus())->approved_mode);
  EXPECT_EQ(host_->Rv(set), CKR_OK);
  EXPECT_TRUE(host_->Ask(hsm_io::GetHsmStatus())->approved_mode);
}

TEST_F(DeviceTest, Zeroize_TakesContainersAndLogins) {
  InitAndLogIn();
  NewContainer("one");
  EXPECT_EQ(host_->Rv(hsm_io::ZeroizeHsm()), CKR_OK);
  EXPECT_TRUE(Containers().empty());
  EXPECT_EQ(host_->Rv(Create("two")), CKR_USER_NOT_LOGGED_IN);
}

// --- roles ------------------------------------------------------------------

TEST_F(DeviceTest, SecondLoginOnAPlace_IsRefused) {
  InitAndLogIn();
  EXPECT_EQ(host_->Rv(LogIn(0, Role::kSo, kSoPin)), CKR_USER_ALREADY_LOGGED_IN);
  EXPECT_EQ(host_->Rv(LogIn(0, Role::kAuditor, kSoPin)),
            CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
}

TEST_F(DeviceTest, UnknownRoleNumber_IsRefused) {
  hsm_io::Login login = LogIn(0, Role::kSo, kSoPin);
  login.role = 5;
  EXPECT_EQ(host_->Rv(login), CKR_USER_TYPE_INVALID);
}

TEST_F(DeviceTest, WrongPinsCount) {
  InitAndLogIn();
  const uint32_t space = NewContainer("one");
  EXPECT_EQ(host_->Rv(LogIn(space, Role::kCo, "wrong-password")),
            CKR_PIN_INCORRECT);
  auto status = On<hsm_io::GetRoleStatus>(space);
  status.role = static_cast<uint8_t>(Role::kCo);
  EXPECT_EQ(host_->Ask(status)->failures, 1u);
}

TEST_F(DeviceTest, NoLogin_IsToldByItsReason) {
  InitAndLogIn();
  const uint32_t space = NewContainer("one");
  const absl::Status status =
      host_->Ask(On<hsm_io::ListObjects>(space)).status();
  EXPECT_EQ(base::CkRv(status), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(base::Reason(status), hsm_io::kNoLogin);
}

TEST_F(DeviceTest, LoginOnOneLink_AuthorisesNothingOnAnother) {
  InitAndLogIn();
  Host other(*device_, HostUnder(hsm::testkit::TestFleet(), "78"));
  ASSERT_EQ(other.Open(), absl::OkStatus());
  EXPECT_EQ(other.Rv(Create("by another")), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(other.Rv(LogIn(0, Role::kSo, kSoPin)), CKR_OK);
}

TEST_F(DeviceTest, NewChannel_EndsTheLogin) {
  InitAndLogIn();
  ASSERT_EQ(host_->Open(), absl::OkStatus());
  EXPECT_EQ(host_->Rv(Create("after")), CKR_USER_NOT_LOGGED_IN);
}

// --- containers -------------------------------------------------------------

TEST_F(DeviceTest, CreateWithAPin_MakesPoCoAndDomain) {
  InitAndLogIn();
  const uint32_t space = NewContainer("archive");
  const auto all = Containers();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].space, space);
  EXPECT_EQ(all[0].label, "archive");
  EXPECT_TRUE(all[0].initialized);
  EXPECT_TRUE(all[0].has_domain);
  EXPECT_TRUE(all[0].co.initialized);
  const auto login = host_->Ask(LogIn(space, Role::kCo, kCoPin));
  ASSERT_TRUE(login.ok()) << login.status();
  EXPECT_FALSE(login->must_change_pin);
}

TEST_F(DeviceTest, CreateWithABadPin_LeavesNothing) {
  InitAndLogIn();
  hsm_io::CreateContainer create = Create("archive");
  create.pin = Secret("x");
  EXPECT_EQ(host_->Rv(create), CKR_PIN_LEN_RANGE);
  EXPECT_TRUE(Containers().empty());
}

TEST_F(DeviceTest, CreateWithoutPin_OnlyMakesIt) {
  InitAndLogIn();
  hsm_io::CreateContainer create = Create("bare");
  create.pin = base::SecretBytes();
  ASSERT_EQ(host_->Rv(create), CKR_OK);
  EXPECT_FALSE(Containers().at(0).initialized);
}

TEST_F(DeviceTest, UnknownContainer_IsRefusedByEveryMessage) {
  InitAndLogIn();
  EXPECT_EQ(host_->Rv(LogIn(9, Role::kCo, kCoPin)),
            CKR_CONTAINER_HANDLE_INVALID);
  EXPECT_EQ(host_->Rv(On<hsm_io::ListObjects>(9)),
            CKR_CONTAINER_HANDLE_INVALID);
  EXPECT_EQ(host_->Rv(On<hsm_io::RunStart>(9)), CKR_CONTAINER_HANDLE_INVALID);
  EXPECT_EQ(host_->Rv(On<hsm_io::GetContainerPolicies>(9)),
            CKR_CONTAINER_HANDLE_INVALID);
}

TEST_F(DeviceTest, InitContainerOfTheAdminPartition_IsRefused) {
  InitAndLogIn();
  auto init = On<hsm_io::InitContainer>(0);
  init.so_pin = Secret(kSoPin);
  EXPECT_EQ(host_->Rv(init), CKR_CONTAINER_HANDLE_INVALID);
}

TEST_F(DeviceTest, Delete_EndsTheLoginThere) {
  InitAndLogIn();
  const uint32_t space = NewContainer("one");
  ASSERT_EQ(host_->Rv(LogIn(space, Role::kCo, kCoPin)), CKR_OK);
  ASSERT_EQ(host_->Rv(On<hsm_io::DeleteContainer>(space)), CKR_OK);
  EXPECT_TRUE(Containers().empty());
  EXPECT_NE(host_->Rv(On<hsm_io::ListObjects>(space)), CKR_OK);
}

TEST_F(DeviceTest, ChangeLabel_IsThePosToDo) {
  InitAndLogIn();
  const uint32_t space = NewContainer("old");
  auto change = On<hsm_io::ChangeLabel>(space);
  change.label = "new";
  EXPECT_EQ(host_->Rv(change), CKR_USER_NOT_LOGGED_IN);
  ASSERT_EQ(host_->Rv(LogIn(space, Role::kSo, kCoPin)), CKR_OK);
  EXPECT_EQ(host_->Rv(change), CKR_OK);
  EXPECT_EQ(Containers().at(0).label, "new");
}

// --- objects and runs -------------------------------------------------------

TEST_F(DeviceTest, ListObjects_ComesInPagesOfAThousand) {
  InitAndLogIn();
  const uint32_t space = NewContainer("one");
  Fill(space, 1001);
  ASSERT_EQ(host_->Rv(LogIn(space, Role::kCo, kCoPin)), CKR_OK);
  auto list = On<hsm_io::ListObjects>(space);
  const auto first = *host_->Ask(list);
  ASSERT_EQ(first.objects.size(), 1000u);
  list.after = first.objects.back().handle;
  const auto second = *host_->Ask(list);
  ASSERT_EQ(second.objects.size(), 1u);
  EXPECT_EQ(second.objects[0].label, "object");
  EXPECT_FALSE(second.objects[0].is_private);
}

TEST_F(DeviceTest, DestroyObjects_OneAndAll) {
  InitAndLogIn();
  const uint32_t space = NewContainer("one");
  Fill(space, 3);
  ASSERT_EQ(host_->Rv(LogIn(space, Role::kCo, kCoPin)), CKR_OK);
  const auto list = On<hsm_io::ListObjects>(space);
  auto destroy = On<hsm_io::DestroyObjects>(space);
  destroy.handles = {host_->Ask(list)->objects.at(0).handle};
  EXPECT_EQ(host_->Rv(destroy), CKR_OK);
  EXPECT_EQ(host_->Rv(destroy), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(host_->Ask(list)->objects.size(), 2u);
  destroy.handles.clear();
  EXPECT_EQ(host_->Rv(destroy), CKR_OK);
  EXPECT_TRUE(host_->Ask(list)->objects.empty());
}

TEST_F(DeviceTest, RunsOfNobody_AreNotInitialized) {
  hsm_io::RunNext next;
  next.run = 1;
  EXPECT_EQ(host_->Rv(next), CKR_OPERATION_NOT_INITIALIZED);
  hsm_io::RunAccept accept;
  accept.run = 1;
  EXPECT_EQ(host_->Rv(accept), CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(DeviceTest, SeventeenthRun_PushesOutTheOldest) {
  InitAndLogIn();
  const uint32_t space = NewContainer("one");
  ASSERT_EQ(host_->Rv(LogIn(space, Role::kCo, kCoPin)), CKR_OK);
  const uint32_t first = host_->Ask(On<hsm_io::RunStart>(space))->run;
  for (int i = 0; i < 16; ++i) {
    ASSERT_EQ(host_->Rv(On<hsm_io::RunStart>(space)), CKR_OK) << i;
  }
  hsm_io::RunBind bind;
  bind.run = first;
  EXPECT_EQ(host_->Rv(bind), CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(DeviceTest, RunEndsWithTheLogin) {
  InitAndLogIn();
  const uint32_t space = NewContainer("one");
  ASSERT_EQ(host_->Rv(LogIn(space, Role::kCo, kCoPin)), CKR_OK);
  hsm_io::RunNext next;
  next.run = host_->Ask(On<hsm_io::RunStart>(space))->run;
  ASSERT_EQ(host_->Rv(On<hsm_io::Logout>(space)), CKR_OK);
  EXPECT_NE(host_->Rv(next), CKR_OK);
}

// --- at most once, with the real store --------------------------------------

// Cuts the link at each write and read of `act`. What the host is told is what
// happened: OK means done, CKR_DEVICE_REMOVED means done or not, never half.
void CutEverywhere(Host& host, const std::function<CK_RV()>& act,
                   const std::function<int()>& count_done,
                   const std::function<void()>& prepare) {
  using Kind = hsm_io::FaultPlan::Kind;
  for (const Kind kind : {Kind::kCutBeforeWrite, Kind::kCutBeforeRead}) {
    for (int n = 1; n <= 6; ++n) {
      prepare();
      const int before = count_done();
      host.plan().Arm(kind, n);
      const CK_RV rv = act();
      host.plan().kind = Kind::kNone;
      if (!host.client().channel_open()) {
        ASSERT_EQ(host.Open(), absl::OkStatus());
      }
      const int done = count_done() - before;
      if (rv == CKR_OK) {
        EXPECT_EQ(done, 1) << "cut " << n;
      } else {
        EXPECT_EQ(rv, CKR_DEVICE_REMOVED) << "cut " << n;
        EXPECT_TRUE(done == 0 || done == 1) << "cut " << n;
      }
    }
  }
}

TEST_F(DeviceTest, CutWhileAContainerIsMade_LeavesAllOfItOrNothing) {
  ASSERT_EQ(host_->Rv(Init("backup")), CKR_OK);
  int made = 0;
  CutEverywhere(
      *host_, [&] { return host_->Rv(Create("c" + std::to_string(++made))); },
      [&] { return static_cast<int>(Containers().size()); },
      [&] { host_->Rv(LogIn(0, Role::kSo, kSoPin)); });
  for (const hsm_io::ContainerStatus& container : Containers()) {
    EXPECT_TRUE(container.initialized) << container.label;
    EXPECT_TRUE(container.has_domain) << container.label;
    EXPECT_TRUE(container.co.initialized) << container.label;
  }
}

TEST_F(DeviceTest, CutWhileAContainerIsDeleted_LeavesItOrNot) {
  ASSERT_EQ(host_->Rv(Init("backup")), CKR_OK);
  uint32_t space = 0;
  int made = 0;
  CutEverywhere(
      *host_, [&] { return host_->Rv(On<hsm_io::DeleteContainer>(space)); },
      [&] { return -static_cast<int>(Containers().size()); },
      [&] {
        host_->Rv(LogIn(0, Role::kSo, kSoPin));
        space = NewContainer("c" + std::to_string(++made));
      });
}

// --- adoption ---------------------------------------------------------------

TEST_F(DeviceTest, Adoption_NeedsTheSosPinAndTrustsTheNewRoot) {
  InitAndLogIn();
  const uint32_t space = NewContainer("kept");
  const hsm::Fleet fleet =
      *hsm::Fleet::OpenOrCreate(hsm::testkit::TemporaryDirectory() + "/fleet");
  const auto identity = HostUnder(fleet, "90");
  Host stranger(*device_, identity, /*allow_adoption=*/true);
  EXPECT_EQ(base::CkRv(stranger.Open()), CKR_DEVICE_ERROR);

  const base::Certificate old = device_->hsm().identity()->certificate;
  hsm_io::ChannelOptions options;
  options.identity = identity;
  options.adopt_fingerprint = old.key_fingerprint();
  ASSERT_EQ(stranger.client().OpenChannel(options, Soon()), absl::OkStatus());
  hsm_io::Adopt adopt;
  adopt.root = fleet.root().der();
  adopt.certificate = fleet.Issue(old.name(), old.public_point())->der();
  adopt.so_pin = Secret("wrong-password");
  EXPECT_EQ(stranger.Rv(adopt), CKR_PIN_INCORRECT);
  adopt.so_pin = Secret(kSoPin);
  EXPECT_EQ(stranger.Rv(adopt), CKR_OK);

  ASSERT_EQ(stranger.Open(), absl::OkStatus());
  EXPECT_EQ(stranger.Rv(LogIn(0, Role::kSo, kSoPin)), CKR_OK);
  EXPECT_EQ(stranger.Rv(LogIn(space, Role::kCo, kCoPin)), CKR_OK);
  EXPECT_NE(host_->Open(), absl::OkStatus()) << "the old owner is out";
}

// --- who may serve a directory ----------------------------------------------

TEST(BackupHsmTest, ApplicationHsm_IsNotOne) {
  auto made =
      hsm::Hsm::CreateForTest(hsm::testkit::AppSpec(), hsm::NewMemoryStore(),
                              hsm::testkit::TestFleet());
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(base::CkRv(BackupHsm::New(*std::move(made)).status()),
            CKR_TOKEN_NOT_RECOGNIZED);
}

TEST(DirectoryLockTest, EmbeddedDevicesShareAndADaemonDoesNot) {
  const hsm::TemporaryDirectory directory;
  using Mode = DirectoryLock::Mode;
  auto one = DirectoryLock::Take(directory.path(), Mode::kEmbedded);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_TRUE(DirectoryLock::Take(directory.path(), Mode::kEmbedded).ok());
  EXPECT_EQ(
      base::CkRv(DirectoryLock::Take(directory.path(), Mode::kDaemon).status()),
      CKR_TOKEN_NOT_PRESENT);
}

TEST(DirectoryLockTest, UnderADaemon_NobodyElseServes) {
  const hsm::TemporaryDirectory directory;
  using Mode = DirectoryLock::Mode;
  {
    auto daemon = DirectoryLock::Take(directory.path(), Mode::kDaemon);
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    for (const Mode mode : {Mode::kEmbedded, Mode::kDaemon}) {
      EXPECT_EQ(
          base::CkRv(DirectoryLock::Take(directory.path(), mode).status()),
          CKR_TOKEN_NOT_PRESENT);
    }
  }
  EXPECT_TRUE(DirectoryLock::Take(directory.path(), Mode::kDaemon).ok());
}

}  // namespace
}  // namespace device
