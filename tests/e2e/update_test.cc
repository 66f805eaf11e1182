// Another firmware: signed images, what refuses them, what an update keeps and
// a rollback destroys. Names begin with the id of the behaviour.
#include <sys/wait.h>

#include <cstdlib>

#include "tests/e2e/bench.h"
#include "tests/e2e/terminal.h"

namespace e2e {
namespace {

using testing::HasSubstr;

class UpdateTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_BOTH_LINKS(UpdateTest);

struct Image {
  std::string fuf, code;
};

// What the tool writes, under the fleet root of `site`.
Image MakeImage(const Site& site, const std::string& version,
                const std::string& kind = "backup") {
  const std::string name = site.path() + "/fw-" + kind + "-" + version;
  const std::string command = FirmwareToolPath() + " --fleet " + site.state() +
                              "/fleet --kind " + kind + " --version " +
                              version + " --out " + name;
  EXPECT_EQ(std::system(command.c_str()), 0);
  return {ReadFile(name + ".fuf"), ReadFile(name + ".txt")};
}

CK_BYTE* Bytes(std::string& text) {
  return text.empty() ? nullptr : reinterpret_cast<CK_BYTE*>(text.data());
}

CK_RV Install(const Host& host, CK_SESSION_HANDLE so, Image image) {
  return host.ca().CA_FirmwareUpdate(so, 0, image.code.size(),
                                     Bytes(image.code), 0, nullptr,
                                     image.fuf.size(), Bytes(image.fuf));
}

std::string FirmwareOf(const Host& host, CK_SLOT_ID slot) {
  CK_ULONG v[3] = {};
  EXPECT_OK(host.ca().CA_GetFirmwareVersion(slot, &v[0], &v[1], &v[2]));
  return std::to_string(v[0]) + "." + std::to_string(v[1]) + "." +
         std::to_string(v[2]);
}

CK_ULONG RollbackOf(const Host& host, CK_SLOT_ID slot) {
  CK_ULONG version = 1;
  EXPECT_OK(host.ca().CA_GetRollbackFirmwareVersion(slot, &version));
  return version;
}

Plan BackupAt(Link link, const std::string& firmware) {
  return FirmwarePlan(link, "luna-k7", "7.7.1", firmware);
}

TEST_P(UpdateTest, UP_1_FieldUpdateFromAnImage) {
  Bench bench(BackupAt(GetParam(), "7.3.2"));
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_RV(LUNA_RET_RM_ELEMENT_ID_INVALID,
            bench.host.ca().CA_SetHSMPolicy(so, 55, 1));
  EXPECT_EQ(RollbackOf(bench.host, slot), 0u);
  EXPECT_OK(Install(bench.host, so, MakeImage(bench.site, "7.7.1")));
  EXPECT_EQ(FirmwareOf(bench.host, slot), "7.7.1");
  EXPECT_EQ(RollbackOf(bench.host, slot), 0x070302u);
  EXPECT_OK(bench.host.ca().CA_SetHSMPolicy(so, 55, 1));
}

TEST_P(UpdateTest, UP_1_BackupsSurvive) {
  Bench bench(BackupAt(GetParam(), "7.7.1"));
  const CK_SESSION_HANDLE source = bench.Officer();
  bench.host.Create(source, Note("a"));
  bench.host.Create(source, Note("b"));
  const auto before = ReadPartition(bench.host, source);
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(source, archive), 2);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_OK(Install(bench.host, so, MakeImage(bench.site, "7.7.2")));
  EXPECT_EQ(FirmwareOf(bench.host, bench.host.backup()), "7.7.2");
  EXPECT_OK(bench.host.perigee().ClearPartition(source));
  ExpectAllStored(bench.host.Transfer(archive, source), 2);
  EXPECT_EQ(ReadPartition(bench.host, source), before);
}

TEST_P(UpdateTest, UP_1_WhatIsNoImageOfOurs_IsRefusedAndChangesNothing) {
  Bench bench(BackupAt(GetParam(), "7.7.1"));
  const CK_SLOT_ID slot = bench.host.backup();
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  const Image good = MakeImage(bench.site, "7.7.2");
  Image bad = good;
  bad.fuf[bad.fuf.find("7.7.2")] = '8';
  EXPECT_RV(CKR_SIGNATURE_INVALID, Install(bench.host, so, bad));
  bad = good;
  bad.code[20] = bad.code[20] == '0' ? '1' : '0';
  EXPECT_RV(CKR_SIGNATURE_INVALID, Install(bench.host, so, bad));
  bad.code = "no code";
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, Install(bench.host, so, bad));
  bad.code = "no codes";
  EXPECT_RV(CKR_SIGNATURE_INVALID, Install(bench.host, so, bad));
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, Install(bench.host, so, {good.fuf, ""}));
  EXPECT_RV(CKR_SIGNATURE_INVALID, Install(bench.host, so, {"", good.code}));
  EXPECT_RV(LUNA_RET_BAD_FW_VERSION,
            Install(bench.host, so, MakeImage(bench.site, "7.3.2")));
  EXPECT_RV(LUNA_RET_BAD_FW_VERSION,
            Install(bench.host, so, MakeImage(bench.site, "7.7.1")));
  EXPECT_RV(
      LUNA_RET_BAD_FW_VERSION,
      Install(bench.host, so, MakeImage(bench.site, "7.8.0", "application")));
  EXPECT_EQ(FirmwareOf(bench.host, slot), "7.7.1");
  EXPECT_EQ(RollbackOf(bench.host, slot), 0u);
  EXPECT_OK(Install(bench.host, so, good));
}

TEST_P(UpdateTest, UP_1_ImageOfAnotherFleet_IsRefused) {
  Image foreign;
  {
    Bench elsewhere(BackupAt(GetParam(), "7.7.1"));
    foreign = MakeImage(elsewhere.site, "7.7.2");
    elsewhere.host.Finalize();
  }
  Bench bench(BackupAt(GetParam(), "7.7.1"));
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_RV(CKR_SIGNATURE_INVALID, Install(bench.host, so, foreign));
  EXPECT_EQ(FirmwareOf(bench.host, bench.host.backup()), "7.7.1");
}

TEST_P(UpdateTest, UP_1_NobodyButTheSo) {
  Bench bench(BackupAt(GetParam(), "7.7.1"));
  const Image image = MakeImage(bench.site, "7.7.2");
  const CK_SESSION_HANDLE nobody = bench.host.Open(bench.host.backup());
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, Install(bench.host, nobody, image));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            bench.host.ca().CA_FirmwareRollback(nobody));
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, Install(bench.host, 9999, image));
}

TEST_P(UpdateTest, UP_2_TheApplianceCarriesTheImage) {
  Plan plan = BackupAt(GetParam(), "7.3.2");
  plan.backups[0].attached = "appliance";
  Bench bench(plan);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_OK(Install(bench.host, so, {}));
  EXPECT_EQ(FirmwareOf(bench.host, bench.host.backup()), "7.7.1");
}

TEST_P(UpdateTest, UP_2_AtAClientThereIsNone) {
  Bench bench(BackupAt(GetParam(), "7.3.2"));
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_RV(CKR_ARGUMENTS_BAD, Install(bench.host, so, {}));
  EXPECT_EQ(FirmwareOf(bench.host, bench.host.backup()), "7.3.2");
}

TEST_P(UpdateTest, UP_3_SixtyPercentInUse_IsRefused) {
  Plan plan = BackupAt(GetParam(), "7.7.1");
  plan.backups[0].storage = 20000;
  Bench bench(plan);
  const CK_SESSION_HANDLE source = bench.Officer();
  bench.host.Create(source, Note("a", std::string(2500, 'x')));
  ExpectAllStored(bench.host.Transfer(source, bench.NewArchive("a", 9000)), 1);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_RV(LUNA_RET_OPERATION_RESTRICTED,
            Install(bench.host, so, MakeImage(bench.site, "7.7.2")));
  EXPECT_EQ(FirmwareOf(bench.host, bench.host.backup()), "7.7.1");
}

TEST_P(UpdateTest, UP_3_RollbackZeroizesAndThereIsOne) {
  Bench bench(BackupAt(GetParam(), "7.7.1"));
  const CK_SLOT_ID slot = bench.host.backup();
  bench.host.MakeContainer(slot);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(slot);
  EXPECT_RV(CKR_OPERATION_NOT_ALLOWED, bench.host.ca().CA_FirmwareRollback(so));
  EXPECT_EQ(bench.host.Containers(slot).size(), 1u);
  EXPECT_OK(Install(bench.host, so, MakeImage(bench.site, "7.7.2")));
  EXPECT_OK(bench.host.ca().CA_FirmwareRollback(so));
  EXPECT_EQ(FirmwareOf(bench.host, slot), "7.7.1");
  EXPECT_EQ(RollbackOf(bench.host, slot), 0u);
  EXPECT_TRUE(bench.host.HsmInfo(slot).flags & PERIGEE_HSM_ZEROIZED);
  EXPECT_EQ(bench.host.Containers(slot).size(), 0u);
}

TEST_P(UpdateTest, UP_1_ApplicationHsm_BecomesV0) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.4.0", "7.7.1"));
  const CK_SLOT_ID admin = bench.host.HsmInfo(bench.host.partition()).adminSlot;
  bench.host.InitHsm(admin);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(admin);
  EXPECT_OK(
      Install(bench.host, so, MakeImage(bench.site, "7.7.1", "application")));
  EXPECT_EQ(FirmwareOf(bench.host, bench.host.partition()), "7.7.1");
}

TEST_P(UpdateTest, P55_11_SourceUpdatedSince_TakesItsOldBackupBack) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.4.0", "7.7.1"));
  const CK_SLOT_ID admin = bench.host.HsmInfo(bench.host.partition()).adminSlot;
  bench.host.InitHsm(admin);
  CK_SESSION_HANDLE source = bench.Officer();
  bench.host.Create(source, Note("a"));
  const auto before = ReadPartition(bench.host, source);
  const CK_SESSION_HANDLE archive = bench.NewArchive();
  ExpectAllStored(bench.host.Transfer(source, archive), 1);
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_OK(bench.host.ca().CA_SetHSMPolicy(so, 55, 1));
  EXPECT_OK(bench.host.perigee().ClearPartition(source));
  // P55-8: not before the update.
  EXPECT_RV(LUNA_RET_OPERATION_RESTRICTED,
            bench.host.Transfer(archive, source).rv);
  EXPECT_EQ(bench.host.Find(source).size(), 0u);

  EXPECT_OK(Install(bench.host, bench.host.SecurityOfficer(admin),
                    MakeImage(bench.site, "7.7.1", "application")));
  ASSERT_EQ(FirmwareOf(bench.host, bench.host.partition()), "7.7.1");
  bench.host.c().C_CloseSession(source);
  source = bench.Officer();
  ExpectAllStored(bench.host.Transfer(archive, source), 1);
  EXPECT_EQ(ReadPartition(bench.host, source), before);
}

// --- in the shell ------------------------------------------------------------

TEST_P(UpdateTest, UP_1_InTheShell) {
  Bench bench(BackupAt(GetParam(), "7.7.1"));
  MakeImage(bench.site, "7.7.2");
  bench.host.Finalize();
  const std::string files = bench.site.path() + "/fw-backup-7.7.2";
  const std::string login =
      std::string("role login -name so -password \"") + kSoPin + "\"";
  const std::string update =
      "hsm updatefw -fuf \"" + files + ".fuf\" -authcode \"" + files + ".txt\"";
  const Ended half = RunCommands(
      {"slot set -slot 1", login, "hsm updatefw -fuf \"" + files + ".fuf\""});
  EXPECT_NE(half.code, 0);
  EXPECT_THAT(half.out + half.error, HasSubstr("-fuf and -authcode"));
  const Ended done = RunCommands(
      {"slot set -slot 1", login, update + " -force", "hsm showinfo"});
  EXPECT_EQ(done.code, 0) << done.out << done.error;
  EXPECT_THAT(done.out, HasSubstr("The HSM now has firmware 7.7.2."));
  const Ended back = RunCommands(
      {"slot set -slot 1", login, "hsm rollbackfw -force", "slot list"});
  EXPECT_EQ(back.code, 0) << back.out << back.error;
  EXPECT_THAT(back.out,
              HasSubstr("The HSM now has firmware 7.7.1 and is zeroized."));
  const Ended again =
      RunCommands({"slot set -slot 1", login, "hsm rollbackfw -force"});
  EXPECT_NE(again.code, 0);
}

}  // namespace
}  // namespace e2e
