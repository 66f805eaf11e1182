// The compatibility matrix: parties become classes, and an ordered table of
// refusals decides. What no row refuses is allowed.
#include "hsm/compatibility.h"

#include "absl/strings/str_cat.h"
#include "hsm/firmware.h"

namespace hsm {
namespace {

// What an application partition is.
enum AppClass : uint8_t { kPre = 1, kV0 = 2, kV1 = 4 };
constexpr uint8_t kNew = kV0 | kV1, kAnyApp = kPre | kV0 | kV1;

// What a Backup HSM is, by its firmware.
enum BackupClass : uint8_t {
  kG5Old = 1,    // G5 before 6.28.0
  kG5New = 2,    // G5 6.28.0
  kB7Old = 4,    // Backup HSM 7 before 7.7.1
  kB7 = 8,       // 7.7.1
  kB7Newer = 16  // 7.7.2 and newer
};
constexpr uint8_t kOldBackup = kG5Old | kB7Old, kAnyBackup = 31;

// The ways an object can go.
enum Way : uint8_t {
  kBackupWay = 1,   // application -> Backup HSM
  kRestoreWay = 2,  // Backup HSM -> application
  kCloneWay = 4,    // application -> application
  kCopyWay = 8      // Backup HSM -> Backup HSM
};

// Facts beside the classes; a row holds when all of its bits do.
enum Fact : uint8_t {
  kRestricted = 1,   // the source's HSM policy 55
  kTargetFm = 2,     // FMs were enabled on the target's HSM
  kFromNeverFm = 4,  // ... never on the HSM where the object comes from
  kTarget771 = 8,    // target firmware 7.7.1 or newer
  kTargetCpv1 = 16,  // the target's partition policy 42
  kEitherCpv1 = 32,  // ... or that of where the object comes from
};

struct Refusal {
  uint8_t ways;
  uint8_t from;    // AppClass of where the object comes from
  uint8_t backup;  // BackupClass of the Backup HSM (the target's, in a copy)
  uint8_t to;      // AppClass of the target
  uint8_t facts;
  const char* reason;
  const char* remedy;
};

constexpr char kFm7771[] =
    "Backup HSM firmware 7.7.1 cannot restore to FM-enabled HSMs of firmware "
    "7.7.1 or newer (known issue LUNA-26981): update the Backup HSM to 7.7.2 "
    "and set partition policy 42 (Allow CPv1) to 0 on source and target";

// The first row that fits refuses; the order decides only which reason is
// given. Section numbers are those of docs/COMPATIBILITY.md.
constexpr Refusal kRefusals[] = {
    // 2b, and decision 5: the old Backup HSMs do not know V0 and V1.
    {kBackupWay | kCopyWay, kNew, kOldBackup, kAnyApp, 0, "backup-firmware",
     "partitions of firmware 7.7.0 and newer need a Backup HSM of firmware "
     "7.7.1 or newer (G5: 6.28.0)"},
    {kRestoreWay, kAnyApp, kOldBackup, kNew, 0, "backup-firmware",
     "restoring to firmware 7.7.0 and newer needs a Backup HSM of firmware "
     "7.7.1 or newer (G5: 6.28.0)"},
    // 2c: never from higher to lower security.
    {kRestoreWay | kCloneWay, kNew, kAnyBackup, kPre, 0, "lower-security",
     "objects of V0 and V1 partitions never go to firmware before 7.7.0: "
     "update the target"},
    // 2c: functionality modules.
    {kRestoreWay | kCloneWay, kAnyApp, kAnyBackup, kAnyApp,
     kTargetFm | kFromNeverFm, "functionality-modules",
     "objects of an HSM that never had FMs enabled do not go to one that had"},
    {kRestoreWay, kAnyApp, kB7 | kG5New, kAnyApp, kTargetFm | kTarget771,
     "functionality-modules", kFm7771},
    {kRestoreWay, kAnyApp, kB7Newer, kAnyApp,
     kTargetFm | kTarget771 | kEitherCpv1, "functionality-modules", kFm7771},
    // 1c: restricted restore. A copy to an old Backup HSM would get round it.
    {kRestoreWay, kPre, kAnyBackup, kPre, kRestricted, "restricted-restore",
     "HSM policy 55 of the Backup HSM restricts restoring to firmware 7.7.0 "
     "and newer: update the HSM of the target partition"},
    {kCopyWay, kAnyApp, kOldBackup, kAnyApp, kRestricted, "restricted-restore",
     "HSM policy 55 of the source restricts copies to Backup HSMs of firmware "
     "7.7.1 or newer"},
    // 2c: an old object into a V0 partition that speaks CPv1 only.
    {kRestoreWay, kPre, kB7 | kG5New, kV0, kTargetCpv1, "cpv1-policy",
     "set partition policy 42 (Allow CPv1) of the target to 0, or update the "
     "Backup HSM to 7.7.2"},
    // 2c: a V0 partition has no use for an SMK.
    {kRestoreWay | kCloneWay, kV1, kAnyBackup, kV0, 0, "partition-version",
     "objects of a V1 partition need a V1 partition: set partition policy 41 "
     "of the target to 1"},
};

uint8_t ClassOfApp(const Statement& party) {
  if (party.firmware < FirmwareVersion{7, 7, 0}) return kPre;
  return party.partition_version == 0 ? kV0 : kV1;
}

uint8_t ClassOfBackup(const Statement& party) {
  struct Row {
    FirmwareVersion below;
    BackupClass backup_class;
  };
  static constexpr Row kRows[] = {{{6, 28, 0}, kG5Old},
                                  {{7, 0, 0}, kG5New},
                                  {{7, 7, 1}, kB7Old},
                                  {{7, 7, 2}, kB7}};
  for (const Row& row : kRows) {
    if (party.firmware < row.below) return row.backup_class;
  }
  return kB7Newer;
}

uint8_t FactsOf(const Statement& source, const Statement& target,
                const Statement& from) {
  const bool from_never_fm = from.fm == FmState::kNever;
  uint8_t facts = 0;
  if (source.restricted_restore != 0) facts |= kRestricted;
  if (target.fm != FmState::kNever) facts |= kTargetFm;
  if (from_never_fm) facts |= kFromNeverFm;
  if (target.firmware >= FirmwareVersion{7, 7, 1}) facts |= kTarget771;
  if (target.allow_cpv1 != 0) facts |= kTargetCpv1;
  if (target.allow_cpv1 != 0 || from.allow_cpv1 != 0) facts |= kEitherCpv1;
  return facts;
}

}  // namespace

absl::Status CheckTransfer(const Statement& source, const Statement& target,
                           const Statement& origin) {
  const bool out_of_backup = source.kind == Kind::kBackup;
  const bool into_backup = target.kind == Kind::kBackup;
  // An application partition vouches for its objects itself, whatever they
  // once were: restoring an old backup into V0 made them V0 objects.
  const Statement& from = out_of_backup ? origin : source;

  const uint8_t way = out_of_backup ? (into_backup ? kCopyWay : kRestoreWay)
                                    : (into_backup ? kBackupWay : kCloneWay);
  const uint8_t from_class = ClassOfApp(from);
  const uint8_t backup_class = into_backup     ? ClassOfBackup(target)
                               : out_of_backup ? ClassOfBackup(source)
                                               : kAnyBackup;
  const uint8_t to_class = into_backup ? kAnyApp : ClassOfApp(target);
  const uint8_t facts = FactsOf(source, target, from);

  for (const Refusal& row : kRefusals) {
    if ((row.ways & way) != 0 && (row.from & from_class) != 0 &&
        (row.backup & backup_class) != 0 && (row.to & to_class) != 0 &&
        (row.facts & facts) == row.facts) {
      return base::ErrorWithReason(LUNA_RET_OPERATION_RESTRICTED, row.reason,
                                   row.remedy);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRoute(const Statement& source, const Statement& target) {
  if (source.kind != Kind::kBackup) {
    return CheckTransfer(source, target, source);
  }
  // What a Backup HSM may hold, as far as the rows tell origins apart.
  absl::Status common;
  bool first = true;
  for (const FirmwareVersion firmware :
       {FirmwareVersion{7, 4, 0}, FirmwareVersion{7, 7, 0}}) {
    for (const uint8_t version : {0, 1}) {
      for (const FmState fm : {FmState::kNever, FmState::kEnabledOnce}) {
        for (const uint8_t allow_cpv1 : {0, 1}) {
          Statement origin;
          origin.firmware = firmware;
          origin.partition_version = version;
          origin.fm = fm;
          origin.allow_cpv1 = allow_cpv1;
          const absl::Status status = CheckTransfer(source, target, origin);
          if (first) common = status;
          if (status.ok() || base::Reason(status) != base::Reason(common)) {
            return absl::OkStatus();
          }
          first = false;
        }
      }
    }
  }
  return common;
}

}  // namespace hsm
