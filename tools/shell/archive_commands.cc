// partition archive backup, restore, list, contents: the active slot's
// partition and a partition of a Backup HSM.
#include <algorithm>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/archive.h"
#include "tools/shell/containers.h"
#include "tools/shell/facts.h"
#include "tools/shell/objects.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"
#include "tools/shell/transfer.h"

namespace shell {
namespace {

// ---- backup
// -----------------------------------------------------------------------

constexpr Option kBackupOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
    {"partition", "par", Kind::kText, true,
     "the backup partition, made if there is none", Names::kPartition},
    {"password", "p", Kind::kSecret, false,
     "of the backup partition's Crypto Officer (a new one: also of its SO)"},
    {"sopassword", "sop", Kind::kSecret, false,
     "of the Backup HSM's SO, to make a partition, unless logged in there"},
    {"domain", "d", Kind::kSecret, false,
     "for a new one: the domain of the source"},
    {"defaultdomain", "def", Kind::kFlag, false,
     "for a new one: the domain that everybody knows"},
    {"size", "si", Kind::kNumber, false,
     "for a new one: bytes (as large as the source)"},
    {"append", "a", Kind::kFlag, false, "add what is not there yet"},
    {"replace", "r", Kind::kFlag, false, "add, and overwrite what differs"},
    {"objects", "o", Kind::kText, false, "handles, or all"},
    {"smkonly", "smk", Kind::kFlag, false,
     "the SKS master keys alone, of a V1 partition"},
    {"dryrun", "dry", Kind::kFlag, false,
     "only say what would be backed up, what refused and why"},
    {"force", "f", Kind::kFlag, false, "no question"},
};

// As large as the source's, or as asked.
absl::StatusOr<CK_ULONG> SizeOfNew(const Shell& shell,
                                   const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO source,
                   shell.PartitionAt(shell.slot()));
  return arguments.Number("size").value_or(
      source.ulCapacity == PERIGEE_NONE ? 0 : source.ulCapacity);
}

// An empty partition that a failed run of ours left is in the way of the next.
void DeleteIfEmpty(Shell& shell, CK_SLOT_ID slot, CK_ULONG container,
                   const Arguments& arguments) {
  const auto left = shell.PartitionAt(slot, container);
  if (!left.ok() || left->ulObjects > 0) return;
  const auto officer = BackupOfficer::Login(shell, slot, arguments);
  if (officer.ok() && shell.module().ca().CA_DeleteContainerWithHandle(
                          (*officer)->session(), container) == CKR_OK) {
    absl::PrintF(
        "        The new backup partition was empty and is gone "
        "again.\n");
  }
}

// A forecast is asked for by handles alone.
absl::Status SelectSmks(Shell& shell, const Arguments& arguments,
                        TransferPlan& plan) {
  if (!arguments.Has("smkonly")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<PERIGEE_TRANSFER_ITEM> items,
                   ListTransfer(shell.module(), plan));
  for (const PERIGEE_TRANSFER_ITEM& item : items) {
    plan.objects.push_back(item.hSource);
  }
  return absl::OkStatus();
}

// What the backup would do, by those who would have to be logged in for it.
absl::Status DryRun(Shell& shell, const Arguments& arguments,
                    const PERIGEE_HSM_INFO& backup,
                    const std::optional<PERIGEE_PARTITION_INFO>& existing,
                    TransferPlan plan) {
  const CK_SLOT_ID slot = backup.adminSlot;
  const std::string name = *arguments.Text("partition");
  if (!existing.has_value()) {
    ASSIGN_OR_RETURN(const CK_ULONG size, SizeOfNew(shell, arguments));
    ASSIGN_OR_RETURN(const std::unique_ptr<BackupOfficer> officer,
                     BackupOfficer::Login(shell, slot, arguments));
    plan.target = officer->session();
    RETURN_IF_ERROR(SelectSmks(shell, arguments, plan));
    return TellForecast(shell, plan, name, size);
  }
  ASSIGN_OR_RETURN(
      const std::unique_ptr<OpenArchive> archive,
      OpenArchive::Ask(shell, arguments, slot, existing->ulContainer));
  plan.target = archive->session();
  RETURN_IF_ERROR(SelectSmks(shell, arguments, plan));
  return TellForecast(shell, plan, name, 0);
}

absl::Status Backup(Shell& shell, const Arguments& arguments) {
  if (arguments.Has("append") && arguments.Has("replace")) {
    return Failure(CKR_ARGUMENTS_BAD, "-append or -replace, not both");
  }
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE source, OfficerSession(shell));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO own, shell.HsmAt(shell.slot()));
  ASSIGN_OR_RETURN(PERIGEE_HSM_INFO backup, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = backup.adminSlot;
  // Until the backup partition is open, the Backup HSM stands for it.
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE device, shell.Session(slot));
  const std::string name = *arguments.Text("partition");
  TransferPlan plan{
      source,      device,
      {},          ErrorRule(own),
      "backed up", absl::StrCat("to partition ", CleanText(name))};
  RETURN_IF_ERROR(SelectFrom(arguments, plan));
  if (arguments.Has("replace")) plan.flags |= PERIGEE_TRANSFER_REPLACE;

  ASSIGN_OR_RETURN(const std::optional<PERIGEE_PARTITION_INFO> existing,
                   shell.FindContainer(slot, name));
  if (existing.has_value() && !arguments.Has("append") &&
      !arguments.Has("replace")) {
    return Failure(
        CKR_OBJECT_ALREADY_EXISTS,
        absl::StrCat("the backup partition ", CleanText(name), " exists, with ",
                     Count(existing->ulObjects, "object")),
        "-append adds what is not there yet, -replace also "
        "overwrites what differs.");
  }
  if (!existing.has_value() &&
      (arguments.Has("append") || arguments.Has("replace"))) {
    return Failure(
        CKR_CONTAINER_HANDLE_INVALID,
        absl::StrCat("there is no backup partition ", CleanText(name)),
        "Without -append and -replace it is made.");
  }
  absl::PrintF("\n        Verifying that all objects can be backed up...\n");
  CK_ULONG count = 0;
  RETURN_IF_ERROR(PrintPlan(shell, plan, &count));
  if (count == 0) return absl::OkStatus();
  if (arguments.Has("dryrun")) {
    return DryRun(shell, arguments, backup, existing, plan);
  }

  // Everything is asked before anything is done.
  ASSIGN_OR_RETURN(
      const SecretText password,
      shell.Secret(
          arguments, "password",
          "password for Crypto Officer of the backup partition",
          existing.has_value() ? Shell::Entry::kOnce : Shell::Entry::kTwice));
  CK_ULONG container = existing.has_value() ? existing->ulContainer : 0;
  if (!existing.has_value()) {
    ASSIGN_OR_RETURN(std::optional<SecretText> domain,
                     shell.DomainIfGiven(arguments));
    if (!domain.has_value()) {
      ASSIGN_OR_RETURN(domain, shell.Secret(arguments, "domain",
                                            "cloning domain of the source",
                                            Shell::Entry::kTwice));
    }
    ASSIGN_OR_RETURN(const CK_ULONG size, SizeOfNew(shell, arguments));
    ASSIGN_OR_RETURN(container, MakeArchive(shell, slot, arguments, password,
                                            *domain, size));
  }
  absl::PrintF("        Backing up objects...\n");
  TransferSum sum;
  absl::Status status;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<OpenArchive> archive,
                     OpenArchive::Open(shell, slot, container, password));
    plan.target = archive->session();
    status = RunTransfer(shell, plan, sum);
  }
  absl::PrintF("\n        %s\n", status.ok() ? "Backup Complete."
                                             : "The backup is NOT complete.");
  PrintSum(plan, sum, slot);
  if (!status.ok() && !existing.has_value() && sum.copied == 0) {
    DeleteIfEmpty(shell, slot, container, arguments);
  }
  if (backup.flags & PERIGEE_HSM_EMBEDDED) {
    absl::PrintF(
        "\n        This Backup HSM keeps its state on this computer: "
        "a rehearsal, not a\n        backup. Run perigee-backup-hsm "
        "elsewhere for a real one.\n");
  }
  return status;
}

// ---- restore
// ----------------------------------------------------------------------

constexpr Option kRestoreOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
    {"partition", "par", Kind::kText, true, "the backup partition",
     Names::kPartition},
    {"password", "p", Kind::kSecret, false,
     "of the backup partition's Crypto Officer"},
    {"replace", "r", Kind::kFlag, false, "overwrite what differs"},
    {"objects", "o", Kind::kText, false, "handles in the backup, or all"},
    {"smkonly", "smk", Kind::kFlag, false, "the SKS master keys alone"},
    {"dryrun", "dry", Kind::kFlag, false, "only say what would be copied"},
    {"force", "f", Kind::kFlag, false, "no question"},
};

absl::Status Restore(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE target, OfficerSession(shell));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO own, shell.HsmAt(shell.slot()));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO backup, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = backup.adminSlot;
  RETURN_IF_ERROR(shell.Session(slot).status());
  const std::string name = *arguments.Text("partition");
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO existing,
                   ExistingArchive(shell, backup, name));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<OpenArchive> archive,
      OpenArchive::Ask(shell, arguments, slot, existing.ulContainer));
  TransferPlan plan{archive->session(),
                    target,
                    {},
                    ErrorRule(own),
                    "restored",
                    absl::StrCat("from partition ", CleanText(name))};
  RETURN_IF_ERROR(SelectFrom(arguments, plan));
  if (arguments.Has("replace")) plan.flags |= PERIGEE_TRANSFER_REPLACE;
  absl::PrintF("\n        Verifying that all objects can be restored...\n");
  CK_ULONG count = 0;
  RETURN_IF_ERROR(PrintPlan(shell, plan, &count));
  if (arguments.Has("dryrun") || count == 0) return absl::OkStatus();
  absl::PrintF("        Restoring objects...\n");
  TransferSum sum;
  const absl::Status status = RunTransfer(shell, plan, sum);
  absl::PrintF("\n        %s\n", status.ok() ? "Restore Complete."
                                             : "The restore is NOT complete.");
  PrintSum(plan, sum, slot);
  return status;
}

// ---- list, contents
// -------------------------------------------------------

constexpr Option kListOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
};

constexpr Shown kListData[] = {
    {"storage.total_bytes", "null: no limit"},
    {"storage.used_bytes", "number"},
    {"storage.free_bytes", "null: no limit"},
    {"partition_limit", "null: no limit"},
    {"partitions[]", "@partition"},
};

absl::Status List(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(PERIGEE_HSM_INFO hsm, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = hsm.adminSlot;
  RETURN_IF_ERROR(shell.Session(slot).status());
  ASSIGN_OR_RETURN(hsm, shell.HsmAt(slot));
  CK_ULONG overhead = 0, total = 0, used = 0, free = 0;
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().ca().CA_GetHSMStorageInformation(
          slot, &overhead, &total, &used, &free)));
  absl::PrintF("\n        HSM Storage Information for slot %d:\n\n", slot);
  absl::PrintF("            Total HSM Storage Space:     %s\n",
               SizeText(total));
  absl::PrintF("            Used HSM Storage Space:      %s\n", SizeText(used));
  absl::PrintF("            Free HSM Storage Space:      %s\n", SizeText(free));
  absl::PrintF("            Allowed Partitions:          %s\n",
               SizeText(hsm.ulAllowedPartitions));
  absl::PrintF("            Number Of Partitions:        %d\n",
               hsm.ulPartitions);
  ASSIGN_OR_RETURN(const std::vector<PERIGEE_PARTITION_INFO> containers,
                   shell.Containers(slot));
  Json all = Json::array();
  for (const auto& one : containers) all.push_back(PartitionFacts(one));
  shell.Tell({{"storage",
               {{"total_bytes", NumberOrNull(total)},
                {"used_bytes", used},
                {"free_bytes", NumberOrNull(free)}}},
              {"partition_limit", NumberOrNull(hsm.ulAllowedPartitions)},
              {"partitions", all}});
  if (containers.empty()) return absl::OkStatus();
  absl::PrintF("\n        Partition list for slot %d\n", slot);
  for (const PERIGEE_PARTITION_INFO& one : containers) {
    absl::PrintF("\n            Name:                        %s\n",
                 CleanText(one.label));
    absl::PrintF("            Total Storage Size:          %s\n",
                 SizeText(one.ulTotal));
    absl::PrintF("            Used Storage Size:           %s\n",
                 SizeText(one.ulUsed));
    absl::PrintF("            Free Storage Size:           %s\n",
                 SizeText(one.ulFree));
    absl::PrintF("            Number Of Objects:           %d\n",
                 one.ulObjects);
  }
  absl::PrintF("\n        %s found.\n", Count(containers.size(), "partition"));
  return absl::OkStatus();
}

constexpr Option kContentsOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
    {"partition", "par", Kind::kText, true, "the backup partition",
     Names::kPartition},
    {"password", "p", Kind::kSecret, false, "of its Crypto Officer"},
};

absl::Status Contents(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = hsm.adminSlot;
  RETURN_IF_ERROR(shell.Session(slot).status());
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO existing,
                   ExistingArchive(shell, hsm, *arguments.Text("partition")));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<OpenArchive> archive,
      OpenArchive::Ask(shell, arguments, slot, existing.ulContainer));
  absl::PrintF("\n        Contents of partition %s on slot %d:\n",
               CleanText(existing.label), slot);
  return ShowObjects(shell, archive->session());
}

}  // namespace

std::vector<Command> ArchiveCommands() {
  return {
      {"partition archive backup", "par ar b", kBackupOptions, Backup,
       "copies objects to a Backup HSM", kTransferData},
      {"partition archive restore", "par ar r", kRestoreOptions, Restore,
       "copies objects back", RestoreData()},
      {"partition archive list", "par ar l", kListOptions, List,
       "lists the backups of a Backup HSM", kListData},
      {"partition archive contents", "par ar c", kContentsOptions, Contents,
       "lists the objects of a backup", kObjectsData},
  };
}

}  // namespace shell
