// The published matrix, cell by cell. The cells are written here a second
// time, in the layout of the documentation, so that a slip in the rows of
// compatibility.cc shows.
#include "hsm/compatibility.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace hsm {
namespace {

// "5.9", "7.7.1 V0 42 FM": firmware, partition version, policy 42, FM.
Statement App(absl::string_view text) {
  Statement s;
  s.kind = Kind::kApplication;
  std::vector<std::string> words = absl::StrSplit(text, ' ');
  s.firmware = *FirmwareVersion::Parse(words[0]);
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "V1") s.partition_version = 1;
    if (words[i] == "42") s.allow_cpv1 = 1;
    if (words[i] == "FM") s.fm = FmState::kEnabledOnce;
  }
  return s;
}

// "7.7.1 P55".
Statement Backup(absl::string_view text) {
  Statement s = App(text);
  s.kind = Kind::kBackup;
  s.restricted_restore = absl::StrContains(text, "P55") ? 1 : 0;
  return s;
}

// "yes", or the reason of the refusal.
std::string Verdict(const Statement& source, const Statement& target,
                    const Statement& origin) {
  const absl::Status status = CheckTransfer(source, target, origin);
  if (status.ok()) return "yes";
  EXPECT_EQ(base::CkRv(status), CK_RV{LUNA_RET_OPERATION_RESTRICTED});
  EXPECT_FALSE(base::Reason(status).empty());
  return base::Reason(status);
}

std::string BackUp(absl::string_view source, absl::string_view backup) {
  return Verdict(App(source), Backup(backup), App(source));
}
std::string Restore(absl::string_view origin, absl::string_view backup,
                    absl::string_view target) {
  return Verdict(Backup(backup), App(target), App(origin));
}
std::string Clone(absl::string_view source, absl::string_view target) {
  return Verdict(App(source), App(target), App(source));
}

// Section 2b: rows are sources, columns Backup HSMs.
TEST(Compatibility, EveryCellOfTheBackupMatrix) {
  const std::vector<std::string> columns = {"7.3.2", "7.7.1", "7.7.2", "6.24.7",
                                            "6.28.0"};
  const std::map<std::string, std::vector<const char*>> cells = {
      {"5.9", {"yes", "yes", "yes", "yes", "yes"}},
      {"6.24", {"yes", "yes", "yes", "yes", "yes"}},
      {"7.0.1", {"yes", "yes", "yes", "yes", "yes"}},
      {"7.3.3", {"yes", "yes", "yes", "yes", "yes"}},
      {"7.4.0", {"yes", "yes", "yes", "yes", "yes"}},
      {"7.4.0 FM", {"yes", "yes", "yes", "yes", "yes"}},
      {"7.7.0 V0", {"no", "yes", "yes", "no", "yes"}},
      {"7.7.1 V0", {"no", "yes", "yes", "no", "yes"}},
      {"7.7.1 V0 42", {"no", "yes", "yes", "no", "yes"}},
      {"7.8.0 V0", {"no", "yes", "yes", "no", "yes"}},
      {"7.7.0 V1", {"no", "yes", "yes", "no", "yes"}},
      {"7.8.0 V1", {"no", "yes", "yes", "no", "yes"}},
      {"7.7.1 V0 FM", {"no", "yes", "yes", "no", "yes"}},
      {"7.7.1 V1 FM", {"no", "yes", "yes", "no", "yes"}},
  };
  for (const auto& [source, row] : cells) {
    for (size_t i = 0; i < columns.size(); ++i) {
      const std::string expected =
          row[i] == std::string("no") ? "backup-firmware" : row[i];
      EXPECT_EQ(BackUp(source, columns[i]), expected)
          << source << " -> " << columns[i];
      EXPECT_EQ(BackUp(source, columns[i] + " P55"), expected)
          << "policy 55 does not restrict backups: " << source;
    }
  }
}

// Section 2c: where the backup came from, the target, then the columns 7.3.2,
// 7.7.1, 7.7.1 with policy 55, 7.7.2, 7.7.2 with policy 55. "-": cannot be.
struct RestoreRow {
  const char* origin;
  const char* target;
  std::vector<const char*> cells;
};

TEST(Compatibility, EveryCellOfTheRestoreMatrix) {
  const std::vector<std::string> columns = {"7.3.2", "7.7.1", "7.7.1 P55",
                                            "7.7.2", "7.7.2 P55"};
  const char* const yes = "yes";
  const char* const old_backup = "backup-firmware";
  const char* const p55 = "restricted-restore";
  const char* const cpv1 = "cpv1-policy";
  const char* const lower = "lower-security";
  const char* const version = "partition-version";
  const char* const fm = "functionality-modules";
  const std::vector<RestoreRow> rows = {
      {"5.9", "5.9", {yes, yes, p55, yes, p55}},
      {"6.24", "7.4.0", {yes, yes, p55, yes, p55}},
      {"7.4.0", "7.4.0", {yes, yes, p55, yes, p55}},
      {"7.4.0", "6.24", {yes, yes, p55, yes, p55}},
      {"7.4.0", "7.7.0 V0", {old_backup, yes, yes, yes, yes}},
      {"5.9", "7.7.1 V0", {old_backup, yes, yes, yes, yes}},
      {"7.4.0", "7.8.0 V0", {old_backup, yes, yes, yes, yes}},
      {"7.4.0", "7.7.1 V0 42", {old_backup, cpv1, cpv1, yes, yes}},
      {"7.4.0", "7.7.1 V1", {old_backup, yes, yes, yes, yes}},
      {"7.4.0", "7.7.1 V1 42", {old_backup, yes, yes, yes, yes}},
      {"7.7.1 V0", "7.4.0", {lower, lower, lower, lower, lower}},
      {"7.7.1 V1", "7.4.0", {lower, lower, lower, lower, lower}},
      {"7.7.0 V0", "5.9", {lower, lower, lower, lower, lower}},
      {"7.7.1 V0", "7.7.1 V0", {"-", yes, yes, yes, yes}},
      {"7.8.0 V0", "7.7.0 V0", {"-", yes, yes, yes, yes}},
      {"7.7.1 V0 42", "7.7.1 V0 42", {"-", yes, yes, yes, yes}},
      {"7.7.1 V0", "7.7.1 V1", {"-", yes, yes, yes, yes}},
      {"7.7.1 V1", "7.7.1 V1", {"-", yes, yes, yes, yes}},
      {"7.7.1 V1", "7.7.1 V0", {"-", version, version, version, version}},
      // FM-1 to FM-4.
      {"7.7.1 V0 FM", "7.7.1 V0 FM", {"-", fm, fm, yes, yes}},
      {"7.7.1 V0 42 FM", "7.7.1 V0 FM", {"-", fm, fm, fm, fm}},
      {"7.7.1 V0 FM", "7.7.1 V0 42 FM", {"-", fm, fm, fm, fm}},
      {"7.4.0 FM", "7.8.0 V1 FM", {old_backup, fm, fm, yes, yes}},
      // FM-7, and the general rule.
      {"7.7.0 V0 FM", "7.7.0 V0 FM", {"-", yes, yes, yes, yes}},
      {"7.4.0 FM", "7.4.0 FM", {yes, yes, p55, yes, p55}},
      {"7.7.1 V0", "7.7.1 V0 FM", {"-", fm, fm, fm, fm}},
      {"7.7.0 V0", "7.7.0 V0 FM", {"-", fm, fm, fm, fm}},
      {"7.4.0", "7.4.0 FM", {fm, fm, fm, fm, fm}},
      {"7.7.1 V0 FM", "7.7.1 V0", {"-", yes, yes, yes, yes}},
      {"7.4.0 FM", "7.4.0", {yes, yes, p55, yes, p55}},
  };
  for (const RestoreRow& row : rows) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (row.cells[i] == std::string("-")) continue;
      EXPECT_EQ(Restore(row.origin, columns[i], row.target), row.cells[i])
          << row.origin << " -> [" << columns[i] << "] -> " << row.target;
    }
  }
}

TEST(Compatibility, NewBackupOutOfAnOldDevice_IsRefused) {
  // After a rollback of the device: no cell, and never more than the others.
  EXPECT_NE(Restore("7.7.1 V0", "7.3.2", "7.7.1 V0"), "yes");
}

TEST(Compatibility, G5_FollowsItsFirmware) {
  EXPECT_EQ(Restore("6.24", "6.24.7", "6.24"), "yes");
  EXPECT_EQ(Restore("6.24", "6.24.7", "7.7.1 V0"), "backup-firmware");
  EXPECT_EQ(Restore("7.7.1 V0", "6.28.0", "7.7.1 V0"), "yes");
  EXPECT_EQ(Restore("7.7.1 V0", "6.28.0", "7.4.0"), "lower-security");
}

TEST(Compatibility, Clone_NeverToLowerSecurity) {
  EXPECT_EQ(Clone("7.7.1 V0", "7.4.0"), "lower-security");
  EXPECT_EQ(Clone("7.4.0", "7.7.1 V0"), "yes");
  EXPECT_EQ(Clone("5.9", "7.7.1 V0"), "yes");
  EXPECT_EQ(Clone("7.4.0", "6.24"), "yes");
  EXPECT_EQ(Clone("7.7.1 V0", "7.7.1 V1"), "yes");
  EXPECT_EQ(Clone("7.7.1 V1", "7.7.1 V0"), "partition-version");
  EXPECT_EQ(Clone("7.7.1 V0", "7.7.1 V0 FM"), "functionality-modules");
  EXPECT_EQ(Clone("7.7.1 V0 FM", "7.7.1 V0"), "yes");
  EXPECT_EQ(Clone("7.7.1 V0 FM", "7.7.1 V0 FM"), "yes");
}

TEST(Compatibility, Clone_AsksTheSourceAndNotWhereTheObjectOnceWas) {
  EXPECT_EQ(Verdict(App("7.7.1 V0"), App("7.4.0"), App("7.4.0")),
            "lower-security");
}

TEST(Compatibility, CopyBetweenBackupHsms_DoesNotGetRoundTheRules) {
  EXPECT_EQ(Verdict(Backup("7.7.1"), Backup("7.3.2"), App("7.7.1 V0")),
            "backup-firmware");
  EXPECT_EQ(Verdict(Backup("7.7.1 P55"), Backup("7.3.2"), App("7.4.0")),
            "restricted-restore");
  EXPECT_EQ(Verdict(Backup("7.7.1"), Backup("7.7.2"), App("7.7.1 V0")), "yes");
}

std::string Route(const Statement& source, const Statement& target) {
  const absl::Status status = CheckRoute(source, target);
  return status.ok() ? "open" : base::Reason(status);
}

TEST(Compatibility, Route_IsClosedWhereEveryObjectIsRefusedForOneReason) {
  EXPECT_EQ(Route(Backup("7.3.2"), App("7.7.1 V0")), "backup-firmware");
  EXPECT_EQ(Route(App("7.7.1 V0"), Backup("7.3.2")), "backup-firmware");
  EXPECT_EQ(Route(App("7.7.1 V0"), App("7.4.0")), "lower-security");
  EXPECT_EQ(Route(Backup("7.7.1"), App("7.7.1 V0 FM")),
            "functionality-modules");
}

TEST(Compatibility, Route_IsOpenWhereItDependsOnTheObject) {
  EXPECT_EQ(Route(App("7.4.0"), Backup("7.3.2")), "open");
  EXPECT_EQ(Route(Backup("7.7.1"), App("7.4.0")), "open");
  EXPECT_EQ(Route(Backup("7.7.1"), App("7.7.1 V0")), "open");
  EXPECT_EQ(Route(Backup("7.7.2"), App("7.7.1 V0 FM")), "open");
  // Every object is refused, but not for one reason: each says its own.
  EXPECT_EQ(Route(Backup("7.7.1 P55"), App("7.4.0")), "open");
}

TEST(Compatibility, RefusalForFms_NamesTheKnownIssueAndTheRemedy) {
  const absl::Status status =
      CheckTransfer(Backup("7.7.1"), App("7.7.1 V0 FM"), App("7.7.1 V0 FM"));
  const std::string text(status.message());
  EXPECT_TRUE(absl::StrContains(text, "LUNA-26981")) << text;
  EXPECT_TRUE(absl::StrContains(text, "7.7.2")) << text;
  EXPECT_TRUE(absl::StrContains(text, "policy 42")) << text;
}

}  // namespace
}  // namespace hsm
