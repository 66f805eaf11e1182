// What the HSM SO does.
#include "hsm/hsm.h"

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "hsm/test_hsm.h"

namespace hsm {
namespace {

using testkit::AppSpec;
using testkit::BackupSpec;
using testkit::Data;
using testkit::List;
using testkit::LogInSo;
using testkit::MakeOfficer;
using testkit::Pin;
using testkit::Rv;
using testkit::SecretKey;
using testkit::TestHsm;

PartitionSpec Sized(const std::string& label, uint64_t capacity = 0) {
  return {.label = label, .version = 0, .capacity = capacity, .policies = {}};
}

TEST(Hsm, IsAsConfigured) {
  HsmSpec spec = BackupSpec("luna-b700");
  spec.attached_to_appliance = true;
  TestHsm hsm(spec);
  const HsmInfo info = *hsm->Info();
  EXPECT_EQ(info.name, "backup");
  EXPECT_STREQ(info.model->token_model, "Luna G7");
  EXPECT_EQ(info.firmware->version, (FirmwareVersion{7, 7, 1}));
  EXPECT_EQ(info.serial.size(), 7u);
  EXPECT_TRUE(info.attached_to_appliance);
  EXPECT_FALSE(info.initialized);
  EXPECT_TRUE(info.test_kdf);
  EXPECT_EQ(hsm->Capabilities()->at(27), 33554432u);
  EXPECT_EQ(hsm->Storage()->total, 33554432u);
  EXPECT_EQ(*hsm->AllowedPartitions(), 100u);
  EXPECT_EQ(hsm->identity()->certificate.name().serial, info.serial);
  EXPECT_EQ(hsm->identity()->certificate.name().kind, "backup");
  EXPECT_TRUE(hsm->identity()
                  ->certificate.VerifyUnder(testkit::TestFleet().root())
                  .ok());
}

TEST(Hsm, OfAnUnknownModelOrFirmware_IsNotMade) {
  HsmSpec spec = AppSpec("luna-k99");
  EXPECT_EQ(
      Rv(Hsm::CreateForTest(spec, NewMemoryStore(), testkit::TestFleet())),
      CK_RV{CKR_ARGUMENTS_BAD});
  spec = AppSpec();
  spec.firmware = {7, 7, 9};
  EXPECT_EQ(
      Rv(Hsm::CreateForTest(spec, NewMemoryStore(), testkit::TestFleet())),
      CK_RV{CKR_ARGUMENTS_BAD});
  spec = AppSpec("luna-g7-backup");
  EXPECT_EQ(
      Rv(Hsm::CreateForTest(spec, NewMemoryStore(), testkit::TestFleet())),
      CK_RV{CKR_ARGUMENTS_BAD});
}

TEST(Init, TheFirstOne_KeepsAnApplicationHsmsPartitions) {
  TestHsm hsm(AppSpec());
  LoginRef co = MakeOfficer(hsm.first());
  ASSERT_TRUE(hsm.first().Create(co.get(), List(SecretKey("1"))).ok());
  ASSERT_TRUE(hsm->Init("hsm", Pin("so-pin-1"), {}).ok());
  EXPECT_TRUE(hsm->Info()->initialized);
  EXPECT_EQ(hsm->Info()->label, "hsm");
  EXPECT_EQ(hsm.first().Find(co.get(), {})->size(), 1u);

  EXPECT_EQ(Rv(hsm->Init("again", Pin("wrong-pin"), {})),
            CK_RV{CKR_PIN_INCORRECT});
  ASSERT_TRUE(hsm->Init("again", Pin("so-pin-1"), {}).ok());
  EXPECT_TRUE(hsm->Partitions()->empty());
  EXPECT_EQ(hsm->Find(1), nullptr);
}

TEST(Init, Soft_KeepsThePolicies) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{55, 1}}, false).ok());
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("b")).ok());
  ASSERT_TRUE(hsm->Init("again", Pin("so-pin-1"), {}).ok());
  EXPECT_EQ(*hsm->Policy(55), 1u);
  EXPECT_TRUE(hsm->Partitions()->empty());
}

TEST(Init, ThroughTheAdminPartition_IsTheSame) {
  TestHsm hsm(AppSpec());
  ASSERT_TRUE(hsm->admin().Init("hsm", Pin("so-pin-1"), {}).ok());
  EXPECT_TRUE(hsm->Info()->initialized);
}

TEST(BackupHsm772, DoesNotTakeASevenCharacterPinAgain) {
  HsmSpec spec = BackupSpec();
  TestHsm older(spec);
  EXPECT_TRUE(older->Init("hsm", Pin("7-chars"), {}).ok());
  spec.firmware = {7, 7, 2};
  TestHsm newer(spec);
  EXPECT_EQ(Rv(newer->Init("hsm", Pin("7-chars"), {})),
            CK_RV{CKR_PIN_LEN_RANGE});
}

// --- policies
// ------------------------------------------------------------------

TEST(Policy12OfABackupHsm, AlwaysAnswersCancel) {  // P12-1
  TestHsm hsm(BackupSpec());
  EXPECT_EQ(Rv(hsm->SetPolicies(nullptr, {{12, 0}}, false)), CK_RV{CKR_CANCEL});
  LoginRef so = LogInSo(*hsm);
  for (uint64_t value : {0, 1}) {
    EXPECT_EQ(Rv(hsm->SetPolicies(so.get(), {{12, value}}, true)),
              CK_RV{CKR_CANCEL});
  }
  EXPECT_EQ(*hsm->Policy(12), 1u);
  EXPECT_TRUE(hsm->Info()->initialized);
}

TEST(Policy55, IsSetByTheSoOfAnInitialisedHsm) {
  TestHsm hsm(BackupSpec());
  EXPECT_EQ(*hsm->Policy(55), 0u);  // P55-2
  EXPECT_EQ(Rv(hsm->SetPolicies(nullptr, {{55, 1}}, false)),
            CK_RV{CKR_USER_NOT_LOGGED_IN});  // P55-4
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("b")).ok());
  EXPECT_FALSE(*hsm->InApprovedMode());                            // FIPS-2
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{55, 1}}, false).ok());  // P55-3
  EXPECT_EQ(*hsm->Policy(55), 1u);
  EXPECT_TRUE(*hsm->InApprovedMode());       // FIPS-1
  EXPECT_EQ(hsm->Partitions()->size(), 1u);  // P55-10
}

TEST(Policy55, NeedsTheSoAndNobodyElse) {  // P55-6
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  Partition& p = *hsm->Find(*hsm->CreatePartition(*so, Sized("b")));
  LoginRef co = MakeOfficer(p);
  EXPECT_EQ(Rv(hsm->SetPolicies(co.get(), {{55, 1}}, false)),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  LoginRef po = *p.Unlock(Role::kSo, Pin("po-pin-1"));
  EXPECT_EQ(Rv(hsm->SetPolicies(po.get(), {{55, 1}}, false)),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  so->End();
  EXPECT_EQ(Rv(hsm->SetPolicies(so.get(), {{55, 1}}, false)),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
}

TEST(Policy55, AtAnAppliance_CannotBeSet) {  // P55-5
  HsmSpec spec = BackupSpec();
  spec.attached_to_appliance = true;
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  EXPECT_EQ(Rv(hsm->SetPolicies(so.get(), {{55, 1}}, false)),
            CK_RV{CKR_OPERATION_NOT_ALLOWED});
}

TEST(Policy55, BackToZero_Zeroizes) {  // P55-12
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("b")).ok());
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{55, 1}}, false).ok());
  EXPECT_EQ(Rv(hsm->SetPolicies(so.get(), {{55, 0}}, false)),
            CK_RV{LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE});
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{55, 0}}, true).ok());
  EXPECT_EQ(*hsm->Policy(55), 0u);
  EXPECT_TRUE(hsm->Info()->zeroized);
  EXPECT_TRUE(hsm->Partitions()->empty());
}

TEST(Policy55, OfAnOldBackupHsm_IsNotThere) {
  HsmSpec spec = BackupSpec();
  spec.firmware = {7, 3, 2};
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  EXPECT_EQ(Rv(hsm->SetPolicies(so.get(), {{55, 1}}, false)),
            CK_RV{LUNA_RET_RM_ELEMENT_ID_INVALID});
}

TEST(Policy12OfAnApplicationHsm, IsTheApprovedMode) {  // P12-2
  TestHsm hsm(AppSpec("luna-k7"));
  LoginRef so = LogInSo(*hsm);
  EXPECT_FALSE(*hsm->InApprovedMode());
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{12, 0}}, true).ok());
  EXPECT_TRUE(*hsm->InApprovedMode());
}

TEST(Policy50, OnceOn_IsRememberedForGood) {
  TestHsm hsm(AppSpec("luna-k7"));
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{50, 1}}, true).ok());
  EXPECT_EQ(hsm->Info()->fm, FmState::kEnabledOnce);
  ASSERT_TRUE(hsm->FactoryReset().ok());
  EXPECT_EQ(*hsm->Policy(50), 0u);
  EXPECT_EQ(hsm->Info()->fm, FmState::kEnabledOnce);
}

// --- zeroization
// ---------------------------------------------------------------

TEST(Zeroize, DestroysPartitionsAndKeepsPolicies) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{55, 1}}, false).ok());
  const SpaceId space = *hsm->CreatePartition(*so, Sized("b"));
  Partition& p = *hsm->Find(space);
  LoginRef co = MakeOfficer(p);
  auto other = hsm.Another();
  LoginRef there = *other->Find(space)->Unlock(Role::kCo, Pin("co-pin-1"));
  ASSERT_TRUE(hsm->Zeroize().ok());
  EXPECT_EQ(*hsm->Policy(55), 1u);
  EXPECT_EQ(Rv(p.Find(co.get(), {})), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_EQ(Rv(p.Info()), CK_RV{CKR_DEVICE_REMOVED});
  EXPECT_EQ(other->Find(space), nullptr);
  // Zeroized: anybody may initialise it, with a new PIN.
  ASSERT_TRUE(hsm->Init("new", Pin("new-so-pin"), {}).ok());
  EXPECT_FALSE(hsm->Info()->zeroized);
  EXPECT_EQ(Rv(hsm->CreatePartition(*so, Sized("b"))),
            CK_RV{CKR_DEVICE_REMOVED});
}

TEST(FactoryReset, AlsoPutsPoliciesBack) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{55, 1}, {25, 0}}, false).ok());
  ASSERT_TRUE(hsm->FactoryReset().ok());
  EXPECT_EQ(*hsm->Policy(55), 0u);
  EXPECT_EQ(*hsm->Policy(25), 1u);
  EXPECT_FALSE(hsm->Info()->initialized);
}

TEST(Auditor, OutlivesZeroizationButNotAFactoryReset) {
  TestHsm hsm(AppSpec("luna-k7"));
  LogInSo(*hsm);
  ASSERT_TRUE(hsm->admin().InitAuditor(Pin("auditor-pin")).ok());
  ASSERT_TRUE(hsm->Zeroize().ok());
  EXPECT_TRUE(hsm->admin().Unlock(Role::kAuditor, Pin("auditor-pin")).ok());
  ASSERT_TRUE(hsm->Init("again", Pin("so-pin-2"), {}).ok());
  EXPECT_TRUE(hsm->admin().Unlock(Role::kAuditor, Pin("auditor-pin")).ok());
  ASSERT_TRUE(hsm->FactoryReset().ok());
  EXPECT_EQ(Rv(hsm->admin().Unlock(Role::kAuditor, Pin("auditor-pin"))),
            CK_RV{CKR_USER_PIN_NOT_INITIALIZED});
}

// --- firmware ---------------------------------------------------------------

TEST(Firmware, AnUpdate_KeepsBackupsAndAddsPolicies) {
  HsmSpec spec = BackupSpec();
  spec.firmware = {7, 3, 2};
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{25, 0}}, false).ok());
  Partition& p = *hsm->Find(*hsm->CreatePartition(*so, Sized("b")));
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Create(co.get(), List(Data("a"))).ok());
  EXPECT_EQ(hsm->Policies()->count(55), 0u);
  for (FirmwareVersion bad :
       {FirmwareVersion{7, 3, 2}, FirmwareVersion{6, 28, 0},
        FirmwareVersion{7, 7, 9}}) {
    EXPECT_EQ(Rv(hsm->UpdateFirmware(*so, bad)),
              CK_RV{LUNA_RET_BAD_FW_VERSION});
  }
  EXPECT_EQ(Rv(hsm->UpdateFirmware(*co, {7, 7, 1})),
            CK_RV{CKR_USER_NOT_LOGGED_IN});
  ASSERT_TRUE(hsm->UpdateFirmware(*so, {7, 7, 1}).ok());
  EXPECT_EQ(hsm->Info()->firmware->version, (FirmwareVersion{7, 7, 1}));
  EXPECT_EQ(hsm->Info()->rollback_firmware, (FirmwareVersion{7, 3, 2}));
  EXPECT_EQ(hsm->Policies()->at(55), 0u);
  EXPECT_EQ(hsm->Policies()->at(25), 0u);
  EXPECT_TRUE(hsm->SetPolicies(so.get(), {{55, 1}}, false).ok());
  EXPECT_EQ(p.Find(co.get(), {})->size(), 1u);
  EXPECT_TRUE(p.Unlock(Role::kCo, Pin("co-pin-1")).ok());
}

TEST(Firmware, AnUpdate_MakesPartitionsV0) {
  HsmSpec spec = AppSpec("luna-k7");
  spec.firmware = {7, 4, 0};
  TestHsm hsm(spec);
  MakeOfficer(hsm.first());
  LoginRef so = LogInSo(*hsm);
  EXPECT_EQ(hsm.first().Policies()->count(41), 0u);
  ASSERT_TRUE(hsm->UpdateFirmware(*so, {7, 8, 0}).ok());
  EXPECT_EQ(hsm.first().Policies()->at(41), 0u);
  LoginRef po = *hsm.first().Unlock(Role::kSo, Pin("po-pin-1"));
  ASSERT_TRUE(hsm.first().SetPolicies(*po, {{41, 1}}, false).ok());
  EXPECT_EQ(hsm.first().Info()->version, 1);
}

TEST(Firmware, AFullBackupHsm_IsNotUpdated) {
  HsmSpec spec = BackupSpec();
  spec.storage_bytes = 20000;
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  Partition& p = *hsm->Find(*hsm->CreatePartition(*so, Sized("b")));
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(
      p.Create(co.get(), List(Data("a", false, std::string(3000, 'x')))).ok());
  const absl::Status status = hsm->UpdateFirmware(*so, {7, 7, 2});
  EXPECT_EQ(Rv(status), CK_RV{LUNA_RET_OPERATION_RESTRICTED});
  EXPECT_EQ(base::Reason(status), "storage-in-use");
  ASSERT_TRUE(p.Clear(co.get()).ok());
  EXPECT_TRUE(hsm->UpdateFirmware(*so, {7, 7, 2}).ok());
}

TEST(Firmware, ARollback_ZeroizesAndCanBeDoneOnce) {
  HsmSpec spec = BackupSpec();
  spec.firmware = {7, 3, 2};
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  EXPECT_EQ(Rv(hsm->RollbackFirmware(*so)), CK_RV{CKR_OPERATION_NOT_ALLOWED});
  ASSERT_TRUE(hsm->UpdateFirmware(*so, {7, 7, 1}).ok());
  ASSERT_TRUE(hsm->RollbackFirmware(*so).ok());
  EXPECT_EQ(hsm->Info()->firmware->version, (FirmwareVersion{7, 3, 2}));
  EXPECT_TRUE(hsm->Info()->zeroized);
  EXPECT_EQ(hsm->Policies()->count(55), 0u);
  so = LogInSo(*hsm);
  EXPECT_EQ(Rv(hsm->RollbackFirmware(*so)), CK_RV{CKR_OPERATION_NOT_ALLOWED});
}

// --- partitions and room
// ---------------------------------------------------------

TEST(Partitions, AreNumberedOnceAndForAll) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  const SpaceId first = *hsm->CreatePartition(*so, Sized("a"));
  const SpaceId second = *hsm->CreatePartition(*so, Sized("b"));
  EXPECT_EQ(Rv(hsm->CreatePartition(*so, Sized("a"))),
            CK_RV{CKR_OBJECT_ALREADY_EXISTS});
  ASSERT_TRUE(hsm->DeletePartition(*so, first).ok());
  EXPECT_EQ(hsm->Find(first), nullptr);
  EXPECT_EQ(Rv(hsm->DeletePartition(*so, first)),
            CK_RV{CKR_CONTAINER_HANDLE_INVALID});
  const SpaceId third = *hsm->CreatePartition(*so, Sized("a"));
  EXPECT_GT(third, second);
  const std::vector<PartitionInfo> infos = *hsm->Partitions();
  ASSERT_EQ(infos.size(), 2u);
  EXPECT_EQ(infos[0].space, second);
  EXPECT_EQ(infos[1].space, third);
  EXPECT_TRUE(infos[0].backup_container);
  EXPECT_EQ(infos[0].serial.substr(0, 7), hsm->Info()->serial);
  EXPECT_NE(infos[0].serial, infos[1].serial);
  EXPECT_NE(infos[0].id, infos[1].id);
}

TEST(Partitions, AreNoMoreThanAllowed) {
  TestHsm hsm(BackupSpec());
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->SetPolicies(so.get(), {{33, 2}}, false).ok());
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("a")).ok());
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("b")).ok());
  EXPECT_EQ(Rv(hsm->CreatePartition(*so, Sized("c"))),
            CK_RV{CKR_TOO_MANY_CONTAINERS});
}

TEST(Room, OfTheHsm_IsReservedByItsPartitions) {
  HsmSpec spec = BackupSpec();
  spec.storage_bytes = 100000;
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("a", 50000)).ok());
  StorageInfo storage = *hsm->Storage();
  EXPECT_EQ(storage.total, 100000u);
  EXPECT_EQ(storage.used, 50000u + 9648);
  EXPECT_EQ(storage.overhead, 9648u);
  EXPECT_EQ(storage.free, 100000u - 50000 - 9648);
  EXPECT_EQ(Rv(hsm->CreatePartition(*so, Sized("b", 40000))),
            CK_RV{CKR_HSM_STORAGE_FULL});
  EXPECT_TRUE(hsm->CreatePartition(*so, Sized("b", 30000)).ok());
}

TEST(Room, APartitionWithoutLimit_GrowsIntoWhatIsFree) {
  HsmSpec spec = BackupSpec();
  spec.storage_bytes = 2 * 9648 + 10000;
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  Partition& p = *hsm->Find(*hsm->CreatePartition(*so, Sized("a")));
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("b", 6000)).ok());
  LoginRef co = MakeOfficer(p);
  EXPECT_EQ(p.Storage()->total, 4000u);
  absl::Status last;
  while (last.ok()) last = p.Create(co.get(), List(Data("a"))).status();
  EXPECT_EQ(Rv(last), CK_RV{CKR_HSM_STORAGE_FULL});
  EXPECT_GT(p.Storage()->used, 0u);
  EXPECT_LE(p.Storage()->used, 4000u);
}

TEST(Resize, GrowsAndShrinksWithinLimits) {  // SP-4
  HsmSpec spec = BackupSpec();
  spec.storage_bytes = 2 * 9648 + 20000;
  TestHsm hsm(spec);
  LoginRef so = LogInSo(*hsm);
  const SpaceId space = *hsm->CreatePartition(*so, Sized("a", 5000));
  ASSERT_TRUE(hsm->CreatePartition(*so, Sized("b", 5000)).ok());
  Partition& p = *hsm->Find(space);
  LoginRef co = MakeOfficer(p);
  ASSERT_TRUE(p.Create(co.get(), List(Data("a"), Data("b"), Data("c"))).ok());
  const uint64_t used = p.Storage()->used;
  EXPECT_EQ(Rv(hsm->ResizePartition(*so, space, used - 1)),
            CK_RV{CKR_CONTAINER_OBJECT_STORAGE_FULL});
  ASSERT_TRUE(hsm->ResizePartition(*so, space, used).ok());
  EXPECT_EQ(p.Info()->capacity, used);
  EXPECT_EQ(Rv(p.Create(co.get(), List(Data("d")))),
            CK_RV{CKR_CONTAINER_OBJECT_STORAGE_FULL});
  EXPECT_EQ(Rv(hsm->ResizePartition(*so, space, 15001)),
            CK_RV{CKR_HSM_STORAGE_FULL});
  ASSERT_TRUE(hsm->ResizePartition(*so, space, 0).ok());
  EXPECT_EQ(p.Info()->capacity, 15000u);
  EXPECT_TRUE(p.Create(co.get(), List(Data("d"))).ok());
  EXPECT_EQ(p.Find(co.get(), {})->size(), 4u);
}

// --- adoption
// ---------------------------------------------------------------------

TEST(Adoption, ReplacesTheRootAndRemembersTheOldOne) {
  TestHsm hsm(BackupSpec());
  LogInSo(*hsm);
  const Fleet other =
      *Fleet::OpenOrCreate(testkit::TemporaryDirectory() + "/fleet");
  const base::CertifiedName name = hsm->identity()->certificate.name();
  const base::Certificate certificate =
      *other.Issue(name, hsm->identity()->key.public_point());
  auto elsewhere = hsm.Another();
  EXPECT_EQ(Rv(hsm->Adopt(Pin("wrong-pin"), other.root(), certificate)),
            CK_RV{CKR_PIN_INCORRECT});
  EXPECT_EQ(hsm->admin().State(Role::kSo)->failures, 1u);
  EXPECT_EQ(
      Rv(hsm->Adopt(Pin("so-pin-1"), testkit::TestFleet().root(), certificate)),
      CK_RV{CKR_CERTIFICATE_DATA_INVALID});
  ASSERT_TRUE(hsm->Adopt(Pin("so-pin-1"), other.root(), certificate).ok());
  for (Hsm* seen : {&*hsm, elsewhere.get()}) {
    ASSERT_EQ(seen->identity()->roots.size(), 1u);
    EXPECT_EQ(seen->identity()->roots[0].der(), other.root().der());
    EXPECT_TRUE(seen->identity()->certificate.VerifyUnder(other.root()).ok());
    ASSERT_EQ(seen->FormerRoots()->size(), 1u);
    EXPECT_EQ((*seen->FormerRoots())[0].der(),
              testkit::TestFleet().root().der());
  }
}

TEST(Adoption, OfAnHsmWithoutSo_NeedsNoPin) {
  TestHsm hsm(BackupSpec());
  const Fleet other =
      *Fleet::OpenOrCreate(testkit::TemporaryDirectory() + "/fleet");
  const base::Certificate certificate = *other.Issue(
      hsm->identity()->certificate.name(), hsm->identity()->key.public_point());
  ASSERT_TRUE(hsm->Adopt(base::SecretBytes(), other.root(), certificate).ok());
  EXPECT_EQ(hsm->identity()->roots[0].der(), other.root().der());
}

}  // namespace
}  // namespace hsm
