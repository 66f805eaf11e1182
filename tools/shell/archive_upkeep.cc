// partition archive create, rename, delete: backup partitions as such; and
// partition clone, which needs no Backup HSM.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/archive.h"
#include "tools/shell/facts.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"
#include "tools/shell/transfer.h"

namespace shell {
namespace {

constexpr Option kCreateOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
    {"partition", "par", Kind::kText, true, "its name"},
    {"password", "p", Kind::kSecret, false, "of its Crypto Officer and its SO"},
    {"sopassword", "sop", Kind::kSecret, false,
     "of the Backup HSM's SO, unless logged in there"},
    {"domain", "d", Kind::kSecret, false,
     "cloning domain of the partitions that it is for"},
    {"defaultdomain", "def", Kind::kFlag, false,
     "the domain that everybody knows"},
    {"size", "si", Kind::kNumber, false, "bytes (no limit of its own)"},
};

constexpr Shown kPartitionData[] = {{"partition", "@partition"}};

absl::Status Create(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = hsm.adminSlot;
  const std::string name = *arguments.Text("partition");
  RETURN_IF_ERROR(shell.Session(slot).status());
  ASSIGN_OR_RETURN(const auto existing, shell.FindContainer(slot, name));
  if (existing.has_value()) {
    return Failure(
        CKR_OBJECT_ALREADY_EXISTS,
        absl::StrCat("the backup partition ", CleanText(name), " exists"));
  }
  ASSIGN_OR_RETURN(
      const SecretText password,
      shell.Secret(arguments, "password",
                   "password for Crypto Officer of the backup partition",
                   Shell::Entry::kTwice));
  ASSIGN_OR_RETURN(std::optional<SecretText> domain,
                   shell.DomainIfGiven(arguments));
  if (!domain.has_value()) {
    ASSIGN_OR_RETURN(domain, shell.Secret(arguments, "domain", "cloning domain",
                                          Shell::Entry::kTwice));
  }
  ASSIGN_OR_RETURN(const CK_ULONG container,
                   MakeArchive(shell, slot, arguments, password, *domain,
                               arguments.Number("size").value_or(0)));
  shell.CloseSession(slot, container);
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO made,
                   shell.PartitionAt(slot, container));
  shell.Tell({{"partition", PartitionFacts(made)}});
  absl::PrintF(
      "\n        Backup partition %s was made.\n"
      "        Next: partition archive backup -slot %d -partition %s "
      "-append.\n",
      CleanText(name), slot, CleanText(name));
  return absl::OkStatus();
}

constexpr Option kRenameOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
    {"partition", "par", Kind::kText, true, "the backup partition",
     Names::kPartition},
    {"newname", "n", Kind::kText, true, "at most 32 bytes"},
    {"password", "p", Kind::kSecret, false,
     "of the backup partition's SO: the one that it was made with"},
};

absl::Status Rename(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = hsm.adminSlot;
  const std::string name = *arguments.Text("newname");
  RETURN_IF_ERROR(shell.Session(slot).status());
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO existing,
                   ExistingArchive(shell, hsm, *arguments.Text("partition")));
  ASSIGN_OR_RETURN(const auto other, shell.FindContainer(slot, name));
  if (name.empty() || name.size() > 32 || other.has_value()) {
    return Failure(CKR_ARGUMENTS_BAD, other.has_value()
                                          ? "there is a partition of that name"
                                          : "a name has 1 to 32 bytes");
  }
  ASSIGN_OR_RETURN(const SecretText password,
                   shell.Secret(arguments, "password",
                                "password for SO of the backup partition",
                                Shell::Entry::kOnce));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(slot, existing.ulContainer));
  absl::Status status =
      shell.Login(slot, existing.ulContainer, CKU_SO, password);
  if (status.ok()) {
    status = shell.module().Check(
        shell.module().perigee().ChangeLabel(session, name.c_str()));
  }
  shell.CloseSession(slot, existing.ulContainer);
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO now,
                   shell.PartitionAt(slot, existing.ulContainer));
  shell.Tell({{"partition", PartitionFacts(now)}});
  return absl::OkStatus();
}

constexpr Option kDeleteOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
    {"partition", "par", Kind::kText, true, "the backup partition",
     Names::kPartition},
    {"sopassword", "sop", Kind::kSecret, false,
     "of the Backup HSM's SO, unless logged in there"},
    kForce,
    kDryRun,
};

absl::Status Delete(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = hsm.adminSlot;
  RETURN_IF_ERROR(shell.Session(slot).status());
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO existing,
                   ExistingArchive(shell, hsm, *arguments.Text("partition")));
  RETURN_IF_ERROR(shell.Confirm(
      arguments, absl::StrCat("The backup ", CleanText(existing.label),
                              " with ", Count(existing.ulObjects, "object"),
                              " will be destroyed.")));
  ASSIGN_OR_RETURN(const std::unique_ptr<BackupOfficer> officer,
                   BackupOfficer::Login(shell, slot, arguments));
  shell.CloseSession(slot, existing.ulContainer);
  return shell.module().Check(shell.module().ca().CA_DeleteContainerWithHandle(
      officer->session(), existing.ulContainer));
}

constexpr Option kCloneOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the other partition",
     Names::kSlot},
    {"objects", "o", Kind::kText, true, "handles, or all"},
    {"password", "p", Kind::kSecret, false,
     "of the other partition's Crypto Officer, unless logged in there"},
    {"replace", "r", Kind::kFlag, false, "overwrite what differs"},
    {"dryrun", "dry", Kind::kFlag, false, "only say what would be copied"},
    {"force", "f", Kind::kFlag, false, "no question"},
};

absl::StatusOr<CK_SLOT_ID> OtherPartition(const Shell& shell,
                                          const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO other, shell.HsmAt(slot));
  if (slot != shell.slot() && other.adminSlot != slot) return slot;
  return Failure(CKR_SLOT_ID_INVALID,
                 "-slot is that of another partition than the active one",
                 "partition archive backup copies to a Backup HSM.");
}

// The Crypto Officer of the other partition, logged in while this exists, or as
// long as he was before.
class OtherOfficer {
 public:
  static absl::StatusOr<std::unique_ptr<OtherOfficer>> Login(
      Shell& shell, CK_SLOT_ID slot, const Arguments& arguments) {
    const bool was_in = shell.LoggedIn(slot) == CKU_USER;
    if (!was_in) {
      ASSIGN_OR_RETURN(
          const SecretText password,
          shell.Secret(arguments, "password",
                       "password for Crypto Officer of the other partition",
                       Shell::Entry::kOnce));
      RETURN_IF_ERROR(
          shell.Login(slot, PERIGEE_OWN_CONTAINER, CKU_USER, password));
    }
    return std::unique_ptr<OtherOfficer>(new OtherOfficer(shell, slot, was_in));
  }
  ~OtherOfficer() {
    if (!was_in_) shell_.Logout(slot_, PERIGEE_OWN_CONTAINER).IgnoreError();
  }
  OtherOfficer(const OtherOfficer&) = delete;
  OtherOfficer& operator=(const OtherOfficer&) = delete;

 private:
  OtherOfficer(Shell& shell, CK_SLOT_ID slot, bool was_in)
      : shell_(shell), slot_(slot), was_in_(was_in) {}

  Shell& shell_;
  const CK_SLOT_ID slot_;
  const bool was_in_;
};

absl::Status Clone(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE source, OfficerSession(shell));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO own, shell.HsmAt(shell.slot()));
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, OtherPartition(shell, arguments));
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO there, shell.PartitionAt(slot));
  TransferPlan plan{
      source,   CK_INVALID_HANDLE,
      {},       ErrorRule(own),
      "cloned", absl::StrCat("to partition ", CleanText(there.label))};
  ASSIGN_OR_RETURN(plan.objects, ObjectsFrom(arguments));
  if (arguments.Has("replace")) plan.flags |= PERIGEE_TRANSFER_REPLACE;
  absl::PrintF("\n        Verifying that all objects can be cloned...\n");
  CK_ULONG count = 0;
  RETURN_IF_ERROR(PrintPlan(shell, plan, &count));
  if (arguments.Has("dryrun") || count == 0) return absl::OkStatus();

  ASSIGN_OR_RETURN(plan.target, shell.Session(slot));
  ASSIGN_OR_RETURN(const std::unique_ptr<OtherOfficer> officer,
                   OtherOfficer::Login(shell, slot, arguments));
  TransferSum sum;
  const absl::Status status = RunTransfer(shell, plan, sum);
  PrintSum(plan, sum, slot);
  return status;
}

// --- SKS master keys ---------------------------------------------------------

constexpr Option kSmkCloneOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the other V1 partition",
     Names::kSlot},
    {"password", "p", Kind::kSecret, false,
     "of the other partition's Crypto Officer, unless logged in there"},
    kForce,
    kDryRun,
};

absl::Status SmkClone(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE source, OfficerSession(shell));
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, OtherPartition(shell, arguments));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE target, shell.Session(slot));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      "The other partition gets this one's SKS master key, and keeps its own "
      "for\n        its present blobs until the end of a rollover."));
  ASSIGN_OR_RETURN(const std::unique_ptr<OtherOfficer> officer,
                   OtherOfficer::Login(shell, slot, arguments));
  PERIGEE_TRANSFER transfer = {};
  transfer.ulSize = sizeof transfer;
  transfer.flags = PERIGEE_TRANSFER_SMK_ONLY;
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().Transfer(source, target, &transfer)));
  absl::PrintF("\n        The partition in slot %d has the SKS master key.\n",
               slot);
  return absl::OkStatus();
}

constexpr Option kRolloverOptions[] = {
    {"start", "st", Kind::kFlag, false, "makes the new key"},
    {"end", "e", Kind::kFlag, false, "destroys the former one"},
    kForce,
    kDryRun,
};

absl::Status SmkRollover(Shell& shell, const Arguments& arguments) {
  const bool end = arguments.Has("end");
  if (end == arguments.Has("start")) {
    return Failure(CKR_ARGUMENTS_BAD, "-start or -end",
                   "-start makes a new SKS master key; blobs under the former "
                   "one are taken until -end destroys it.");
  }
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, OfficerSession(shell));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      end ? "The former SKS master key will be destroyed: blobs under it that "
            "were\n        not inserted are lost, unless another partition or "
            "a backup has the key."
          : "The partition gets a new SKS master key. Blobs under the former "
            "one are\n        taken until -end destroys it."));
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().SmkRollover(
      session, end ? PERIGEE_SMK_END_ROLLOVER : PERIGEE_SMK_BEGIN_ROLLOVER)));
  absl::PrintF(
      "\n        %s\n",
      end ? "The former SKS master key is gone."
          : "The partition has a new SKS master key. Extract what is kept in "
            "blobs anew,\n        then: partition smkrollover -end.");
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> ArchiveUpkeepCommands() {
  return {
      {"partition archive create", "par ar cr", kCreateOptions, Create,
       "makes an empty backup partition", kPartitionData},
      {"partition archive rename", "par ar ren", kRenameOptions, Rename,
       "gives a backup partition another name", kPartitionData},
      {"partition archive delete", "par ar d", kDeleteOptions, Delete,
       "destroys a backup"},
      {"partition clone", "par clo", kCloneOptions, Clone,
       "copies objects to another partition", RestoreData()},
      {"partition smkclone", "par smkc", kSmkCloneOptions, SmkClone,
       "gives another partition the SKS master key"},
      {"partition smkrollover", "par smkr", kRolloverOptions, SmkRollover,
       "changes the SKS master key"},
  };
}

}  // namespace shell
