// A Backup HSM in a slot: from no state at all to a restored partition, with a
// link that breaks. The device is the embedded one over a real directory.
#include "pkcs11/backup_token.h"

#include <sys/stat.h>

#include <functional>
#include <string>
#include <utility>

#include "device/directory_lock.h"
#include "gtest/gtest.h"
#include "pkcs11/test_backup.h"

namespace pkcs11 {
namespace {

using base::CkRv;
using hsm::Role;
using Kind = hsm_io::FaultPlan::Kind;
using Outcome = backup::TransferItem::Outcome;

bool IsThere(const std::string& path) {
  struct stat unused;
  return stat(path.c_str(), &unused) == 0;
}

// --- before there is state --------------------------------------------------

TEST_F(BackupTokenTest, BeforeInit_ShowsItselfAndMakesNothing) {
  EXPECT_TRUE(token().Slot().token_present);
  const auto facts = token().Facts();
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->model, "Luna G7");
  EXPECT_EQ(facts->firmware, (hsm::FirmwareVersion{7, 7, 1}));
  EXPECT_EQ(facts->flags & CKF_TOKEN_INITIALIZED, 0u);
  EXPECT_EQ(token().Connect(0), absl::OkStatus());
  EXPECT_TRUE(token().Containers()->empty());
  EXPECT_EQ(token().HsmPolicies()->at(55), 0u);
  EXPECT_FALSE(*token().InApprovedMode());
  EXPECT_EQ(CkRv(token().Connect(1)), CKR_CONTAINER_HANDLE_INVALID);
  EXPECT_EQ(CkRv(device().FindDevice().status()), CKR_TOKEN_NOT_PRESENT);
  EXPECT_EQ(CkRv(LogIn(token(), 0, Role::kSo, kSo)),
            CKR_USER_PIN_NOT_INITIALIZED);
  EXPECT_EQ(CkRv(token().SetHsmPolicies({{55, 1}}, false)),
            CKR_USER_NOT_LOGGED_IN);
  EXPECT_FALSE(IsThere(directory_.file("backup")));
  EXPECT_FALSE(IsThere(fleet()));
}

TEST_F(BackupTokenTest, InitToken_MakesDeviceAndHostIdentity) {
  InitBackup();
  const auto facts = token().Facts();
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->label, "backup");
  EXPECT_NE(facts->flags & CKF_TOKEN_INITIALIZED, 0u);
  EXPECT_FALSE(facts->serial.empty());
  EXPECT_TRUE(IsThere(fleet() + "/host.key"));
  EXPECT_TRUE(IsThere(fleet() + "/host.crt"));
  EXPECT_TRUE(device().FindDevice()->trusted);
}

TEST_F(BackupTokenTest, NextProcess_FindsItAsItWas) {
  InitBackup();
  ASSERT_TRUE(NewBackup("kept").ok());
  Connect();
  EXPECT_EQ(token().Containers()->at(0).label, "kept");
  EXPECT_EQ(LogIn(token(), 0, Role::kSo, kSo), absl::OkStatus());
}

TEST_F(BackupTokenTest, WhileTheDaemonServes_TheSlotHasNoToken) {
  InitBackup();
  Connect();
  auto daemon = device::DirectoryLock::Take(
      directory_.file("backup"), device::DirectoryLock::Mode::kDaemon);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  EXPECT_FALSE(token().Slot().token_present);
  EXPECT_EQ(CkRv(token().Facts().status()), CKR_TOKEN_NOT_PRESENT);
}

TEST_F(BackupTokenTest, SocketWithoutDaemon_HasNoToken) {
  HsmConfig config = ConfigOf("far", hsm::Kind::kBackup, "luna-g7-backup");
  config.transport = "socket:" + directory_.file("nobody.sock");
  const TokenRef far = NewBackupToken(2, config, fleet());
  EXPECT_FALSE(far->Slot().token_present);
  EXPECT_EQ(CkRv(far->Facts().status()), CKR_TOKEN_NOT_PRESENT);
  EXPECT_FALSE(far->has_crypto());
}

// --- administration ---------------------------------------------------------

TEST_F(BackupTokenTest, Policies12And55) {
  InitBackup();
  EXPECT_EQ(CkRv(token().SetHsmPolicies({{12, 0}}, false)), CKR_CANCEL);
  EXPECT_EQ(token().SetHsmPolicies({{55, 1}}, false), absl::OkStatus());
  EXPECT_TRUE(*token().InApprovedMode());
}

TEST_F(BackupTokenTest, ContainerIsReadyAndCanBeResizedAndDeleted) {
  InitBackup();
  const SpaceId space = *NewBackup("archive", 100000);
  EXPECT_TRUE(token().Container(space)->initialized);
  EXPECT_TRUE(token().Container(space)->has_domain);
  EXPECT_TRUE(token().RoleState(space, Role::kCo)->initialized);
  EXPECT_EQ(token().ResizeContainer(space, 200000), absl::OkStatus());
  EXPECT_EQ(token().Container(space)->capacity, 200000u);
  EXPECT_EQ(token().DeleteContainer(space), absl::OkStatus());
  EXPECT_EQ(CkRv(token().Container(space).status()),
            CKR_CONTAINER_HANDLE_INVALID);
}

TEST_F(BackupTokenTest, UserWithoutContainer_IsNoRoleThere) {
  InitBackup();
  EXPECT_EQ(token().Logout(0), absl::OkStatus());
  EXPECT_NE(LogIn(token(), 0, Role::kCo, kCo), absl::OkStatus());
}

// --- backup and restore -----------------------------------------------------

// More than a message holds, so that the source seals while the target stores:
// to the device, back, and between two partitions of one HSM.
TEST_F(BackupTokenTest, ManyObjects_GoInSeveralMessages) {
  InitBackup();
  auto from = NewPartition();
  std::vector<uint64_t> handles;
  while (handles.size() < 600) {
    const std::vector<uint64_t> more = Add(*from);
    handles.insert(handles.end(), more.begin(), more.end());
  }
  const SpaceId space = *NewBackup("archive", 8 << 20);
  ASSERT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
  backup::TransferReport report;
  ASSERT_EQ(Carry(*from, 1, token(), space, handles, report), absl::OkStatus());
  ASSERT_EQ(report.Count(Outcome::kStored), handles.size());
  auto to = NewPartition();
  ASSERT_EQ(Carry(token(), space, *to, 2, *token().Find(space, {}), report),
            absl::OkStatus());
  ASSERT_EQ(report.Count(Outcome::kStored), handles.size());
  ASSERT_EQ(from->Clear(1), absl::OkStatus());
  ASSERT_EQ(Carry(*to, 2, *from, 1, *to->Find(2, {}), report),
            absl::OkStatus());
  EXPECT_EQ(report.Count(Outcome::kStored), handles.size());
}

TEST_F(BackupTokenTest, BackupDestroyRestore_GivesTheSameObjects) {
  InitBackup();
  auto from = NewPartition();
  const std::vector<uint64_t> handles = Add(*from);
  std::vector<hsm::AttributeSet> before;
  for (uint64_t handle : handles) {
    before.push_back((*from->Get(1, handle))->attributes());
  }
  const SpaceId space = *NewBackup("archive");
  ASSERT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
  backup::TransferReport report;
  ASSERT_EQ(Carry(*from, 1, token(), space, handles, report), absl::OkStatus());
  ASSERT_EQ(report.Count(Outcome::kStored), handles.size());
  ASSERT_EQ(from->Clear(1), absl::OkStatus());

  auto to = NewPartition();
  const std::vector<uint64_t> kept = *token().Find(space, {});
  ASSERT_EQ(kept.size(), handles.size());
  ASSERT_EQ(Carry(token(), space, *to, 2, kept, report), absl::OkStatus());
  ASSERT_EQ(report.Count(Outcome::kStored), handles.size());
  for (size_t i = 0; i < before.size(); ++i) {
    hsm::AttributeSet after =
        (*to->Get(2, report.items[i].target_handle))->attributes();
    after.Erase(CKA_UNIQUE_ID);
    before[i].Erase(CKA_UNIQUE_ID);
    EXPECT_TRUE(after == before[i]) << "object " << i;
  }
}

TEST_F(BackupTokenTest, SecondBackup_CopiesNothing) {
  InitBackup();
  auto from = NewPartition();
  const std::vector<uint64_t> handles = Add(*from);
  const SpaceId space = *NewBackup("archive");
  ASSERT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
  backup::TransferReport report;
  ASSERT_EQ(Carry(*from, 1, token(), space, handles, report), absl::OkStatus());
  ASSERT_EQ(Carry(*from, 1, token(), space, handles, report), absl::OkStatus());
  EXPECT_EQ(report.Count(Outcome::kPresent), handles.size());
  EXPECT_EQ(token().Find(space, {})->size(), handles.size());
}

TEST_F(BackupTokenTest, ObjectsShowWhatTheyAreAndNoValue) {
  InitBackup();
  auto from = NewPartition();
  const std::vector<uint64_t> handles = Add(*from);
  const SpaceId space = *NewBackup("archive");
  EXPECT_TRUE(token().Find(space, {})->empty()) << "without login";
  ASSERT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
  backup::TransferReport report;
  ASSERT_EQ(Carry(*from, 1, token(), space, handles, report), absl::OkStatus());
  hsm::AttributeSet pattern;
  pattern.SetText(CKA_LABEL, "aes");
  const std::vector<uint64_t> found = *token().Find(space, pattern);
  ASSERT_EQ(found.size(), 1u);
  const hsm::ObjectRef key = *token().Get(space, found[0]);
  const hsm::AttributeSet& seen = key->attributes();
  EXPECT_EQ(seen.object_class(), CKO_SECRET_KEY);
  EXPECT_EQ(seen.key_type(), CKK_AES);
  EXPECT_TRUE(seen.IsTrue(CKA_PRIVATE));
  EXPECT_EQ(
      base::ToBytes(seen.Value(CKA_OUID)),
      base::ToBytes((*from->Get(1, handles[0]))->attributes().Value(CKA_OUID)));
  EXPECT_FALSE(seen.Has(CKA_VALUE));
  EXPECT_GT(*token().CostOf(space, seen), 0u);
  EXPECT_TRUE(token().IsCurrent(space, *key));
  EXPECT_EQ(token().Destroy(space, found[0]), absl::OkStatus());
  EXPECT_EQ(CkRv(token().Get(space, found[0]).status()),
            CKR_OBJECT_HANDLE_INVALID);
}

TEST_F(BackupTokenTest, AnotherDomain_LetsNothingThrough) {
  InitBackup();
  auto from = NewPartition();
  const std::vector<uint64_t> handles = Add(*from);
  const SpaceId space = *NewBackup("archive", 1 << 20, "another domain");
  ASSERT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
  backup::TransferReport report;
  EXPECT_EQ(CkRv(Carry(*from, 1, token(), space, handles, report)),
            CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(report.Count(Outcome::kNotTried), handles.size());
  EXPECT_TRUE(token().Find(space, {})->empty());
}

TEST_F(BackupTokenTest, FullContainer_IsFinishedAfterAResize) {
  InitBackup();
  auto from = NewPartition();
  const std::vector<uint64_t> handles = Add(*from);
  const SpaceId space = *NewBackup("archive", 2000);
  ASSERT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
  backup::TransferReport report;
  ASSERT_EQ(Carry(*from, 1, token(), space, handles, report), absl::OkStatus());
  EXPECT_EQ(CkRv(report.FirstFailure()), CKR_CONTAINER_OBJECT_STORAGE_FULL);
  const size_t arrived = report.Count(Outcome::kStored);
  EXPECT_LT(arrived, handles.size());
  ASSERT_EQ(token().ResizeContainer(space, 100000), absl::OkStatus());
  ASSERT_EQ(Carry(*from, 1, token(), space, handles, report), absl::OkStatus());
  EXPECT_EQ(report.Count(Outcome::kPresent), arrived);
  EXPECT_EQ(report.Count(Outcome::kStored), handles.size() - arrived);
}

// --- a link that breaks -----------------------------------------------------

TEST_F(BackupTokenTest, BrokenLink_EndsTheLoginAndIsToldOnce) {
  InitBackup();
  const SpaceId space = *NewBackup("archive");
  ASSERT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
  plan_->Arm(Kind::kCutBeforeWrite, 1);
  EXPECT_TRUE(token().Slot().token_present) << "found again at once";
  EXPECT_FALSE(token().application(space)->role().has_value());
  EXPECT_EQ(CkRv(token().Find(space, {}).status()), CKR_DEVICE_REMOVED);
  EXPECT_TRUE(token().Find(space, {})->empty()) << "as without login";
  EXPECT_EQ(CkRv(token().MakeEndpoint(space).status()), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(LogIn(token(), space, Role::kCo, kCo), absl::OkStatus());
}

TEST_F(BackupTokenTest, InitByAnotherProcess_EndsTheLoginHere) {
  InitBackup();
  const TokenRef here = token_;
  Connect();
  ASSERT_EQ(token().InitToken("again", Secret(kSo), {}), absl::OkStatus());
  hsm::PartitionSpec spec;
  spec.label = "late";
  EXPECT_EQ(CkRv(here->CreateContainer(spec).status()), CKR_DEVICE_REMOVED);
  EXPECT_FALSE(here->application(0)->role().has_value());
}

// --- adoption ---------------------------------------------------------------

TEST_F(BackupTokenTest, NewHost_AdoptsTheDeviceAndFindsItsBackups) {
  InitBackup();
  const SpaceId space = *NewBackup("archive");
  const HsmConfig config =
      ConfigOf("backup", hsm::Kind::kBackup, "luna-g7-backup");
  const TokenRef host =
      NewBackupToken(1, config, directory_.file("fleet of a new host"));
  EXPECT_NE(host->Connect(0), absl::OkStatus());
  BackupDevice& device = *AsBackupDevice(*host);
  const auto found = device.FindDevice();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->trusted);
  EXPECT_EQ(CkRv(device.Adopt(base::Bytes(32, 1), Secret(kSo))),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(CkRv(device.Adopt(found->fingerprint, Secret("wrong-password"))),
            CKR_PIN_INCORRECT);
  EXPECT_EQ(device.Adopt(found->fingerprint, Secret(kSo)), absl::OkStatus());
  EXPECT_TRUE(device.FindDevice()->trusted);
  EXPECT_EQ(LogIn(*host, 0, Role::kSo, kSo), absl::OkStatus());
  EXPECT_EQ(LogIn(*host, space, Role::kCo, kCo), absl::OkStatus());
  EXPECT_EQ(host->Containers()->at(0).label, "archive");
}

}  // namespace
}  // namespace pkcs11
