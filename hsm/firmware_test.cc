#include "hsm/firmware.h"

#include <gtest/gtest.h>

#include <cstring>

namespace hsm {
namespace {

const FirmwareProfile& App(uint8_t a, uint8_t b, uint8_t c) {
  const FirmwareProfile* row = FindFirmware(Kind::kApplication, {a, b, c});
  EXPECT_NE(row, nullptr);
  return *row;
}
const FirmwareProfile& Backup(uint8_t a, uint8_t b, uint8_t c) {
  const FirmwareProfile* row = FindFirmware(Kind::kBackup, {a, b, c});
  EXPECT_NE(row, nullptr);
  return *row;
}

TEST(Firmware, EveryDecidedProfileExists) {
  for (FirmwareVersion v :
       {FirmwareVersion{5, 9, 0}, FirmwareVersion{6, 24, 0},
        FirmwareVersion{7, 0, 1}, FirmwareVersion{7, 3, 3},
        FirmwareVersion{7, 4, 0}, FirmwareVersion{7, 7, 0},
        FirmwareVersion{7, 7, 1}, FirmwareVersion{7, 8, 0}}) {
    EXPECT_NE(FindFirmware(Kind::kApplication, v), nullptr) << v.ToString();
  }
  for (FirmwareVersion v : {FirmwareVersion{7, 3, 2}, FirmwareVersion{7, 7, 1},
                            FirmwareVersion{7, 7, 2}, FirmwareVersion{6, 24, 7},
                            FirmwareVersion{6, 28, 0}}) {
    EXPECT_NE(FindFirmware(Kind::kBackup, v), nullptr) << v.ToString();
  }
  EXPECT_EQ(FindFirmware(Kind::kBackup, {9, 9, 9}), nullptr);
}

TEST(Models, NamesFitAndDefaultsExist) {
  for (const ModelProfile& model : Models()) {
    EXPECT_LE(std::strlen(model.token_model), 16u) << model.name;
    EXPECT_LE(std::strlen(model.manufacturer), 32u) << model.name;
    EXPECT_NE(FindFirmware(model.kind, model.default_firmware), nullptr)
        << model.name;
    EXPECT_EQ(FindModel(model.name), &model);
  }
  EXPECT_EQ(FindModel("toaster"), nullptr);
}

TEST(Models, DefaultHsm_IsForEverybody) {
  const ModelProfile& model = *FindModel("perigee");
  const FirmwareProfile& firmware = App(7, 7, 1);
  EXPECT_EQ(MinimumPin(model, firmware), 4u);
  EXPECT_EQ(model.storage_bytes, 0u);
  EXPECT_FALSE(model.po_failures_zeroize);
  EXPECT_EQ(model.so_failures, 0u);
  const PolicyValues hsm = HsmPolicyDefaults(model, firmware);
  EXPECT_EQ(hsm.at(15), 1u);
  EXPECT_EQ(hsm.at(21), 0u);
  const PolicyValues partition = PartitionPolicyDefaults(model, firmware);
  EXPECT_EQ(partition.at(0), 1u);
  EXPECT_EQ(partition.at(1), 1u);
  EXPECT_EQ(partition.at(25), 251u);
}

TEST(Models, DefaultBackupHsm_KeepsLunaRules) {
  const ModelProfile& model = *FindModel("luna-g7-backup");
  EXPECT_EQ(model.default_firmware, (FirmwareVersion{7, 7, 1}));  // ID-1
  EXPECT_STREQ(model.token_model, "Luna G7");
  EXPECT_EQ(model.storage_bytes, uint64_t{16} << 30);
  EXPECT_EQ(model.so_failures, 3u);
  EXPECT_TRUE(model.po_failures_zeroize);
}

TEST(Models, BackupModels_DifferInStorage) {
  const FirmwareProfile& firmware = Backup(7, 7, 1);
  auto storage = [&](const char* name) {
    return HsmCapabilities(*FindModel(name), firmware).at(27);
  };
  EXPECT_EQ(storage("luna-b700"), 33554432u);
  EXPECT_EQ(storage("luna-b750"), 134217728u);
  EXPECT_EQ(storage("luna-b790"), 268435456u);
}

TEST(Policies, RestrictedRestore_ExistsFromBackup771On) {  // P55-1, P55-2
  const ModelProfile& model = *FindModel("luna-g7-backup");
  EXPECT_EQ(HsmPolicyDefaults(model, Backup(7, 7, 1)).at(55), 0u);
  EXPECT_EQ(HsmPolicyDefaults(model, Backup(7, 3, 2)).count(55), 0u);
  EXPECT_TRUE(Backup(7, 7, 1).restricted_restore);
  EXPECT_FALSE(Backup(7, 3, 2).restricted_restore);
  EXPECT_EQ(HsmPolicyDefaults(*FindModel("luna-k7"), App(7, 7, 1)).count(55),
            0u);
}

TEST(Policies, AppearWithTheirFirmware) {
  const ModelProfile& model = *FindModel("luna-k7");
  EXPECT_EQ(PartitionPolicyDefaults(model, App(7, 4, 0)).count(41), 0u);
  EXPECT_EQ(PartitionPolicyDefaults(model, App(7, 7, 0)).at(41), 0u);
  EXPECT_EQ(PartitionPolicyDefaults(model, App(7, 7, 0)).count(42), 0u);
  EXPECT_EQ(PartitionPolicyDefaults(model, App(7, 7, 1)).at(42), 0u);
  EXPECT_EQ(PartitionPolicyDefaults(model, App(7, 8, 0)).at(44), 0u);
}

TEST(Policies, MinimumPin_IsInverted) {
  const ModelProfile& model = *FindModel("luna-g7-backup");
  EXPECT_EQ(PartitionPolicyDefaults(model, Backup(7, 7, 1)).at(25), 248u);
  EXPECT_EQ(PartitionPolicyDefaults(model, Backup(7, 7, 2)).at(25), 247u);
}

TEST(Policies, BackupHsm_HasNoFullFunctionality) {
  EXPECT_EQ(
      HsmCapabilities(*FindModel("luna-g7-backup"), Backup(7, 7, 1)).at(9), 0u);
  EXPECT_EQ(HsmCapabilities(*FindModel("luna-k7"), App(7, 7, 1)).at(9), 1u);
}

// Decision 11: what a full partition of each release needs on a Backup HSM 7.
TEST(ObjectOverhead, OldReleasesGrowOnTheBackupHsm_NewOnesDoNot) {
  const uint32_t backup = Backup(7, 7, 1).object_overhead;
  EXPECT_GT(backup, App(5, 9, 0).object_overhead);
  EXPECT_GT(backup, App(6, 24, 0).object_overhead);
  EXPECT_LE(backup, App(7, 0, 1).object_overhead);
  EXPECT_LE(backup, App(7, 4, 0).object_overhead);
  EXPECT_LE(backup, App(7, 7, 1).object_overhead);
  EXPECT_GT(App(7, 7, 0).object_overhead, App(7, 4, 0).object_overhead);
}

}  // namespace
}  // namespace hsm
