// The documented behaviours of backup and restore between firmwares, with FMs
// and between sizes of objects. Names begin with the id of the behaviour. HSMs
// before 7.7.0, and partitions with policy 42 on, speak CPv1 only.
#include "tests/e2e/bench.h"

namespace e2e {
namespace {

constexpr CK_ULONG kRestrictedRestore = 55;

class FirmwareTest : public testing::TestWithParam<Link> {};
INSTANTIATE_FOR_BOTH_LINKS(FirmwareTest);

void ExpectRestricted(const Report& report, const std::string& reason) {
  EXPECT_RV(LUNA_RET_OPERATION_RESTRICTED, report.rv) << report.error;
  const bool in_error =
      report.error.find("(" + reason + ")") != std::string::npos;
  const bool in_items =
      !report.items.empty() && report.items[0].reason == reason;
  EXPECT_TRUE(in_error || in_items) << report.error;
  EXPECT_EQ(report.Count(PERIGEE_OUTCOME_STORED), 0u);
}

// Partitions 0 of two application HSMs, and a Backup HSM between them.
Plan TwoApps(Link link, const AppHsm& from, const AppHsm& to,
             const std::string& backup) {
  Plan plan;
  plan.link = link;
  plan.apps = {from, to};
  plan.apps[0].name = "from";
  plan.apps[1].name = "to";
  plan.backups[0].firmware = backup;
  return plan;
}

AppHsm App(const std::string& firmware, const std::string& partition = "") {
  AppHsm app;
  app.model = firmware[0] == '5'   ? "luna-k5"
              : firmware[0] == '6' ? "luna-k6"
                                   : "luna-k7";
  app.firmware = firmware;
  app.partitions = {partition};
  return app;
}

AppHsm WithFm(AppHsm app) {
  app.fm = "enabled";
  return app;
}

constexpr char kV1[] = "version = 1";
constexpr char kCpv1On[] = "policies = { 42 = 1 }";

// A backup of one object of partition 0.
struct Backup {
  explicit Backup(Bench& bench) {
    source = bench.Officer(0);
    bench.host.Create(source, Note("a"));
    archive = bench.NewArchive();
    report = bench.host.Transfer(source, archive);
  }
  CK_SESSION_HANDLE source = 0, archive = 0;
  Report report;
};

void Restrict(const Bench& bench) {
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_OK(bench.host.ca().CA_SetHSMPolicy(so, kRestrictedRestore, 1));
}

// --- 7.7.0 and newer ---------------------------------------------------------

TEST_P(FirmwareTest, BR_1_BackupOf770_IsAllowed) {
  for (const char* firmware : {"7.7.0", "7.7.1", "7.8.0"}) {
    Bench bench(FirmwarePlan(GetParam(), "luna-k7", firmware, "7.7.1"));
    ExpectAllStored(Backup(bench).report, 1);
  }
}

TEST_P(FirmwareTest, BR_1_BackupOfV1_IsAllowed) {
  Plan plan = FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.7.1");
  plan.apps[0].partitions = {kV1};
  Bench bench(plan);
  ExpectAllStored(Backup(bench).report, 1);
}

TEST_P(FirmwareTest, BR_2_BackupOf770ToAnOlderBackupHsm_IsRefused) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.3.2"));
  const Backup backup(bench);
  ExpectRestricted(backup.report, "backup-firmware");
  EXPECT_EQ(bench.host.Find(backup.archive).size(), 0u);
}

TEST_P(FirmwareTest, BR_3_RestoreTo770_IsAllowed) {
  for (const char* firmware : {"7.7.0", "7.7.1", "7.8.0"}) {
    Bench bench(TwoApps(GetParam(), App("7.7.0"), App(firmware), "7.7.1"));
    const Backup backup(bench);
    ExpectAllStored(backup.report, 1);
    ExpectAllStored(bench.host.Transfer(backup.archive, bench.Officer(1)), 1);
  }
}

TEST_P(FirmwareTest, BR_4_RestoreTo770FromAnOlderBackupHsm_IsRefused) {
  Bench bench(TwoApps(GetParam(), App("7.4.0"), App("7.7.0"), "7.3.2"));
  const Backup backup(bench);
  ExpectAllStored(backup.report, 1);
  ExpectRestricted(bench.host.Transfer(backup.archive, bench.Officer(1)),
                   "backup-firmware");
}

TEST_P(FirmwareTest, BR_4_BeforeAnyBackup_IsRefusedToo) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.3.2"));
  const Backup backup(bench);
  ExpectRestricted(bench.host.Transfer(backup.archive, backup.source),
                   "backup-firmware");
}

// A KEV names an exchange of the target's session and brings no older protocol:
// the first byte of a reply is the protocol of the run.
TEST_P(FirmwareTest, BR_5_NewFirmwares_DoNotUseTheLegacyProtocol) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.7.1"));
  const CK_SESSION_HANDLE app = bench.Officer(), archive = bench.NewArchive();
  const CK_OBJECT_HANDLE key = bench.host.Create(app, Note("a"));
  const auto& ca = bench.host.ca();
  Bytes hello(64000), kev(32), reply(64000), sealed(64000);
  CK_ULONG size = hello.size(), reply_size = reply.size();
  ASSERT_OK(
      ca.CA_CloneAsSourceInit(app, nullptr, 0, hello.data(), &size, CK_FALSE));
  hello.resize(size);
  EXPECT_RV(
      CKR_DATA_INVALID,
      ca.CA_CloneAsTargetInit(archive, hello.data(), hello.size(), kev.data(),
                              kev.size(), CK_FALSE, reply.data(), &reply_size));
  size = kev.size();
  ASSERT_OK(ca.CA_GenerateCloningKEV(archive, kev.data(), &size));
  for (const bool with_kev : {true, false}) {
    reply_size = reply.size();
    ASSERT_OK(ca.CA_CloneAsTargetInit(
        archive, hello.data(), hello.size(), with_kev ? kev.data() : nullptr,
        with_kev ? kev.size() : 0, CK_FALSE, reply.data(), &reply_size));
    EXPECT_EQ(reply[0], 3);
  }
  // Nor does a courier that says it is the older one.
  reply[0] = 1;
  size = sealed.size();
  EXPECT_RV(CKR_DEVICE_ERROR,
            ca.CA_CloneAsSource(app, CK_CRYPTOKI_ELEMENT, key, reply.data(),
                                reply_size, CK_FALSE, sealed.data(), &size));
  EXPECT_EQ(bench.host.Find(archive).size(), 0u);
}

// --- restricted restore ------------------------------------------------------

TEST_P(FirmwareTest, P55_7_OldBackup_RestoresTo770) {
  for (const char* version : {"", kV1}) {
    Bench bench(
        TwoApps(GetParam(), App("7.4.0"), App("7.7.0", version), "7.7.1"));
    const Backup backup(bench);
    Restrict(bench);
    ExpectAllStored(bench.host.Transfer(backup.archive, bench.Officer(1)), 1);
  }
}

TEST_P(FirmwareTest, P55_8_OldBackup_DoesNotGoBackToOldFirmware) {
  Bench bench(TwoApps(GetParam(), App("7.4.0"), App("7.3.3"), "7.7.1"));
  const Backup backup(bench);
  Restrict(bench);
  EXPECT_OK(bench.host.perigee().ClearPartition(backup.source));
  ExpectRestricted(bench.host.Transfer(backup.archive, backup.source),
                   "restricted-restore");
  ExpectRestricted(bench.host.Transfer(backup.archive, bench.Officer(1)),
                   "restricted-restore");
}

TEST_P(FirmwareTest, P55_9_WithoutThePolicy_OldBackupGoesBack) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.4.0", "7.7.1"));
  const Backup backup(bench);
  EXPECT_OK(bench.host.perigee().ClearPartition(backup.source));
  ExpectAllStored(bench.host.Transfer(backup.archive, backup.source), 1);
}

TEST_P(FirmwareTest, P55_13_BackupOfOldFirmware_IsNotRestricted) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.4.0", "7.7.1"));
  Restrict(bench);
  const Backup backup(bench);
  ExpectAllStored(backup.report, 1);
}

TEST_P(FirmwareTest, P55_14_NothingGoesToLessSecureFirmware) {
  for (const bool restricted : {false, true}) {
    Bench bench(TwoApps(GetParam(), App("7.7.0"), App("7.4.0"), "7.7.1"));
    const Backup backup(bench);
    ExpectAllStored(backup.report, 1);
    if (restricted) Restrict(bench);
    const CK_SESSION_HANDLE old = bench.Officer(1);
    const Report restore = bench.host.Transfer(backup.archive, old);
    ExpectRestricted(restore, "lower-security");
    ExpectRestricted(bench.host.Transfer(backup.source, old), "lower-security");
    EXPECT_EQ(bench.host.Find(old).size(), 0u);
  }
}

TEST_P(FirmwareTest, P55_14_ClonesDoNotGoToLessSecureFirmware) {
  Bench bench(TwoApps(GetParam(), App("7.7.0"), App("7.4.0"), "7.7.1"));
  const CK_SESSION_HANDLE source = bench.Officer(0);
  bench.host.Create(source, Note("a"));
  const CK_SESSION_HANDLE old = bench.Officer(1);
  ExpectRestricted(bench.host.Transfer(source, old), "lower-security");
  EXPECT_EQ(bench.host.Find(old).size(), 0u);
}

// --- FM-enabled HSMs ---------------------------------------------------------

TEST_P(FirmwareTest, FM_1_RestoreToAnFmEnabledHsm_IsRefused) {
  Bench bench(TwoApps(GetParam(), App("7.7.1"), WithFm(App("7.7.1")), "7.7.1"));
  const Backup backup(bench);
  ExpectAllStored(backup.report, 1);
  ExpectRestricted(bench.host.Transfer(backup.archive, bench.Officer(1)),
                   "functionality-modules");
}

TEST_P(FirmwareTest, FM_2_AlsoWhenTheSourceHadFms) {
  Bench bench(
      TwoApps(GetParam(), WithFm(App("7.7.1")), WithFm(App("7.7.1")), "7.7.1"));
  const Backup backup(bench);
  ExpectAllStored(backup.report, 1);
  const Report report = bench.host.Transfer(backup.archive, bench.Officer(1));
  ExpectRestricted(report, "functionality-modules");
  // FM-6: the help names the known issue and what to do.
  const std::string text = report.error + report.items.at(0).text;
  EXPECT_NE(text.find("LUNA-26981"), std::string::npos) << text;
  EXPECT_NE(text.find("7.7.2"), std::string::npos) << text;
  EXPECT_NE(text.find("42"), std::string::npos) << text;
}

TEST_P(FirmwareTest, FM_3_BackupHsm772WithPolicy42Off_Restores) {
  Bench bench(
      TwoApps(GetParam(), WithFm(App("7.7.1")), WithFm(App("7.7.1")), "7.7.2"));
  const Backup backup(bench);
  ExpectAllStored(backup.report, 1);
  ExpectAllStored(bench.host.Transfer(backup.archive, bench.Officer(1)), 1);
}

TEST_P(FirmwareTest, FM_4_Policy42OnAtTheTarget_IsRefused) {
  Bench bench(TwoApps(GetParam(), WithFm(App("7.7.1")),
                      WithFm(App("7.7.1", kCpv1On)), "7.7.2"));
  const Backup backup(bench);
  ExpectAllStored(backup.report, 1);
  const Report report = bench.host.Transfer(backup.archive, bench.Officer(1));
  ExpectRestricted(report, "functionality-modules");
}

TEST_P(FirmwareTest, FM_4_Policy42OnAtTheSource_IsRefused) {
  Bench bench(TwoApps(GetParam(), WithFm(App("7.7.1", kCpv1On)),
                      WithFm(App("7.7.1")), "7.7.2"));
  const Backup backup(bench);
  ExpectAllStored(backup.report, 1);
  ExpectRestricted(bench.host.Transfer(backup.archive, bench.Officer(1)),
                   "functionality-modules");
}

TEST_P(FirmwareTest, FM_5_BackupOfAnFmEnabledHsm_GoesThrough) {
  Plan plan = FirmwarePlan(GetParam(), "luna-k7", "7.7.1", "7.7.1");
  plan.apps[0].fm = "enabled";
  Bench bench(plan);
  ExpectAllStored(Backup(bench).report, 1);
}

TEST_P(FirmwareTest, FM_7_OlderFmEnabledTargets_TakeWhatComesFromOneWithFms) {
  struct Row {
    AppHsm from;
    const char* to;
    bool restored;
  };
  for (const Row& row : {Row{WithFm(App("7.7.0")), "7.7.0", true},
                         Row{App("7.7.0"), "7.7.0", false},
                         Row{WithFm(App("7.4.0")), "7.7.0", true},
                         Row{App("7.4.0"), "7.7.0", false},
                         Row{WithFm(App("7.4.0")), "7.4.0", true},
                         Row{App("7.4.0"), "7.4.0", false}}) {
    SCOPED_TRACE(row.from.firmware + row.from.fm + " to " + row.to);
    Bench bench(TwoApps(GetParam(), row.from, WithFm(App(row.to)), "7.7.1"));
    const Backup backup(bench);
    ExpectAllStored(backup.report, 1);
    const Report report = bench.host.Transfer(backup.archive, bench.Officer(1));
    if (row.restored) {
      ExpectAllStored(report, 1);
    } else {
      ExpectRestricted(report, "functionality-modules");
    }
  }
}

// --- V0 and V1 ---------------------------------------------------------------

TEST_P(FirmwareTest, BR_3_V0BackupGoesToV1AndNotTheOtherWay) {
  Plan plan = FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.7.1");
  plan.apps[0].partitions = {"", kV1};
  Bench bench(plan);
  const CK_SESSION_HANDLE v0 = bench.Officer(0), v1 = bench.Officer(1);
  const CK_OBJECT_HANDLE old = bench.host.Create(v0, Note("of v0"));
  const CK_OBJECT_HANDLE own = bench.host.Create(v1, Note("of v1"));
  const CK_SESSION_HANDLE from_v0 = bench.NewArchive("from v0");
  const CK_SESSION_HANDLE from_v1 = bench.NewArchive("from v1");
  ExpectAllStored(bench.host.Transfer(v0, from_v0, 0, {old}), 1);
  ExpectAllStored(bench.host.Transfer(v1, from_v1, 0, {own}), 1);
  ExpectAllStored(bench.host.Transfer(from_v0, v1), 1);
  ExpectRestricted(bench.host.Transfer(from_v1, v0), "partition-version");
  EXPECT_EQ(bench.host.Find(v0).size(), 1u);
}

// --- space -------------------------------------------------------------------

// Fills a backup partition that is too small and completes it. `partition`
// holds ten objects of 1000 bytes.
void FillResizeAppend(Bench& bench) {
  const CK_SESSION_HANDLE app = bench.Officer();
  for (int i = 0; i < 10; ++i) {
    bench.host.Create(app, Note(std::to_string(i), std::string(1000, 'x')));
  }
  const auto before = ReadPartition(bench.host, app);
  CK_ULONG used = bench.host.PartitionInfo(bench.host.partition()).ulUsed;
  // SP-1: it has all the room that the source's objects take there, and on a
  // Backup HSM 7 they take more. From 7.x on they do not: less room.
  const CK_ULONG v = bench.host.HsmInfo(bench.host.partition()).ulFirmware[0];
  if (v >= 7) used /= 2;
  const CK_SESSION_HANDLE archive = bench.NewArchive("archive", used);

  // SP-2
  const Report full = bench.host.Transfer(app, archive);
  EXPECT_RV(CKR_CONTAINER_OBJECT_STORAGE_FULL, full.rv) << full.error;
  EXPECT_EQ(CK_RV{CKR_CONTAINER_OBJECT_STORAGE_FULL}, 0x8000002Cu);
  const size_t stored = full.Count(PERIGEE_OUTCOME_STORED);
  EXPECT_GT(stored, 0u);
  EXPECT_LT(stored, 10u);
  EXPECT_EQ(full.Count(PERIGEE_OUTCOME_REFUSED) +
                full.Count(PERIGEE_OUTCOME_NOT_TRIED),
            10 - stored);
  // SP-3
  EXPECT_EQ(bench.host.Find(archive).size(), stored);

  // SP-4
  const CK_ULONG container = bench.ContainerOf("archive");
  const CK_SESSION_HANDLE so = bench.host.SecurityOfficer(bench.host.backup());
  EXPECT_OK(bench.host.ca().CA_SetContainerSize(so, container, used * 4));
  EXPECT_EQ(bench.host.Find(archive).size(), stored);

  // SP-5
  const Report rest = bench.host.Transfer(app, archive);
  EXPECT_OK(rest.rv) << rest.error;
  EXPECT_EQ(rest.Count(PERIGEE_OUTCOME_PRESENT), stored);
  EXPECT_EQ(rest.Count(PERIGEE_OUTCOME_STORED), 10 - stored);

  // SP-6
  EXPECT_EQ(bench.host.Find(archive).size(), 10u);
  EXPECT_OK(bench.host.perigee().ClearPartition(app));
  ExpectAllStored(bench.host.Transfer(archive, app), 10);
  EXPECT_EQ(ReadPartition(bench.host, app), before);
}

TEST_P(FirmwareTest, SP_1_To_6_Release5) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k5", "5.9.0", "7.7.1"));
  FillResizeAppend(bench);
}

TEST_P(FirmwareTest, SP_1_To_6_Release6) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k6", "6.24.0", "7.7.1"));
  FillResizeAppend(bench);
}

TEST_P(FirmwareTest, SP_2_To_6_Firmware770V0) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.7.1"));
  FillResizeAppend(bench);
}

TEST_P(FirmwareTest, SP_1_ObjectsOf770_FitInTheRoomThatTheyTook) {
  Bench bench(FirmwarePlan(GetParam(), "luna-k7", "7.7.0", "7.7.1"));
  const CK_SESSION_HANDLE app = bench.Officer();
  const size_t count = MakeEveryKind(bench.host, app).size();
  const auto info = bench.host.PartitionInfo(bench.host.partition());
  ExpectAllStored(
      bench.host.Transfer(app, bench.NewArchive("same size", info.ulUsed)),
      count);
}

}  // namespace
}  // namespace e2e
