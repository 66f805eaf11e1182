// partition create, delete, resize (by the HSM SO); init, showinfo,
// showpolicies, changepolicy, contents, clear, changelabel, domain set (on a
// partition's slot).
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/shell/containers.h"
#include "tools/shell/facts.h"
#include "tools/shell/objects.h"
#include "tools/shell/policies.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

// ---- By the HSM SO
// --------------------------------------------------------------

constexpr Option kCreateOptions[] = {
    {"label", "l", Kind::kText, false,
     "name; of a partition with a slot, until it is initialised"},
    {"size", "s", Kind::kNumber, false, "bytes; without it, no limit"},
    {"version", "v", Kind::kNumber, false, "0 (V0) or 1 (V1)"},
    {"password", "p", Kind::kSecret, false,
     "of its SO and Crypto Officer; backup partitions only"},
    {"domain", "d", Kind::kSecret, false,
     "its cloning domain; backup partitions only"},
    {"defaultdomain", "def", Kind::kFlag, false,
     "the domain that everybody knows; backup partitions only"},
};

absl::Status CreateBackupPartition(Shell& shell, CK_SESSION_HANDLE session,
                                   const Arguments& arguments) {
  const std::optional<std::string> label = arguments.Text("label");
  if (!label.has_value()) {
    return Failure(CKR_ARGUMENTS_BAD, "a backup partition needs a -label");
  }
  ASSIGN_OR_RETURN(
      const SecretText password,
      shell.Secret(arguments, "password", "password for Partition SO",
                   Shell::Entry::kTwice));
  ASSIGN_OR_RETURN(const std::optional<SecretText> domain,
                   shell.DomainIfGiven(arguments));
  ASSIGN_OR_RETURN(const CK_ULONG container,
                   CreateContainer(shell.module(), session, *label, password,
                                   domain.has_value() ? &*domain : nullptr,
                                   arguments.Number("size").value_or(0)));
  shell.Tell({{"container", container}});
  absl::PrintF("\n        Backup partition %s was created.\n",
               CleanText(*label));
  return absl::OkStatus();
}

constexpr Shown kCreateData[] = {
    {"slot", "of the new partition, on an application HSM"},
    {"container", "of the new backup partition, on a Backup HSM"},
};

absl::Status Create(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.ActiveHsm());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  if (hsm.ulKind == PERIGEE_KIND_BACKUP) {
    return CreateBackupPartition(shell, session, arguments);
  }
  const std::string label = arguments.Text("label").value_or("");
  PERIGEE_PARTITION_SPEC spec = {};
  spec.ulSize = sizeof spec;
  spec.ulVersion = arguments.Number("version").value_or(0);
  spec.ulCapacity = arguments.Number("size").value_or(0);
  spec.pLabel = label.c_str();
  CK_SLOT_ID slot = 0;
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().CreatePartition(
      session, &spec, nullptr, &slot)));
  absl::PrintF(
      "\n        The partition was created: slot %d.\n"
      "        Next: slot set -slot %d, partition init.\n",
      slot, slot);
  shell.Tell({{"slot", slot}});
  return absl::OkStatus();
}

constexpr Option kWhichOptions[] = {
    {"slot", "s", Kind::kNumber, false,
     "slot of the partition, or of the HSM that -partition is on",
     Names::kSlot},
    {"partition", "par", Kind::kText, false, "its name", Names::kPartition},
    kForce,
    kDryRun,
};

struct Which {
  CK_SLOT_ID admin_slot;
  PERIGEE_PARTITION_INFO partition;
};

// The partition that -slot and -partition mean.
absl::StatusOr<Which> WhichPartition(const Shell& shell,
                                     const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.HsmAt(slot));
  const std::optional<std::string> name = arguments.Text("partition");
  if (name.has_value()) {
    ASSIGN_OR_RETURN(const std::optional<PERIGEE_PARTITION_INFO> found,
                     shell.FindContainer(hsm.adminSlot, *name));
    if (found.has_value()) return Which{hsm.adminSlot, *found};
    return Failure(
        CKR_CONTAINER_HANDLE_INVALID,
        absl::StrCat("slot ", hsm.adminSlot, " has no partition of the name ",
                     CleanText(*name)),
        "partition archive list shows those of a Backup HSM.");
  }
  if (hsm.adminSlot == slot) {
    return Failure(CKR_ARGUMENTS_BAD, "which partition?",
                   "-slot <its slot>, or -partition <name>.");
  }
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO own, shell.PartitionAt(slot));
  return Which{hsm.adminSlot, own};
}

absl::Status Delete(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Which which, WhichPartition(shell, arguments));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      absl::StrCat("Partition ", CleanText(which.partition.label), " with ",
                   Count(which.partition.ulObjects, "object"),
                   " will be destroyed.")));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(which.admin_slot));
  const Module& module = shell.module();
  if ((which.partition.flags & PERIGEE_PARTITION_BACKUP) != 0) {
    shell.CloseSession(which.admin_slot, which.partition.ulContainer);
    return module.Check(module.ca().CA_DeleteContainerWithHandle(
        session, which.partition.ulContainer));
  }
  RETURN_IF_ERROR(module.Check(
      module.perigee().DeletePartition(session, which.partition.ulContainer)));
  if (which.partition.slot != PERIGEE_NONE) {
    shell.CloseSessions(which.partition.slot);
    if (shell.slot() == which.partition.slot) {
      shell.SelectSlot(which.admin_slot);
      absl::PrintF("\n    Current Slot Id:    %d\n", which.admin_slot);
    }
  }
  return absl::OkStatus();
}

constexpr Option kResizeOptions[] = {
    {"slot", "s", Kind::kNumber, false,
     "slot of the partition, or of the HSM that -partition is on",
     Names::kSlot},
    {"partition", "par", Kind::kText, false, "its name", Names::kPartition},
    {"size", "si", Kind::kNumber, false, "bytes"},
    {"allfreestorage", "a", Kind::kFlag, false, "all that is free"},
};

constexpr Shown kResizeData[] = {{"partition", "@partition"}};

absl::Status Resize(Shell& shell, const Arguments& arguments) {
  const std::optional<CK_ULONG> size = arguments.Number("size");
  if (size.has_value() == arguments.Has("allfreestorage")) {
    return Failure(CKR_ARGUMENTS_BAD, "give -size or -allfreestorage");
  }
  ASSIGN_OR_RETURN(const Which which, WhichPartition(shell, arguments));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(which.admin_slot));
  RETURN_IF_ERROR(shell.module().Check(shell.module().ca().CA_SetContainerSize(
      session, which.partition.ulContainer, size.value_or(0))));
  ASSIGN_OR_RETURN(
      const PERIGEE_PARTITION_INFO now,
      shell.PartitionAt(which.admin_slot, which.partition.ulContainer));
  shell.Tell({{"partition", PartitionFacts(now)}});
  if (now.ulCapacity == PERIGEE_NONE) {
    absl::PrintF("\n        Partition %s has no limit of its own now.\n",
                 CleanText(now.label));
    return absl::OkStatus();
  }
  absl::PrintF("\n        Partition %s has %d bytes now, %s of them free.\n",
               CleanText(now.label), now.ulCapacity, SizeText(now.ulFree));
  return absl::OkStatus();
}

// ---- On a partition's slot
// --------------------------------------------------------

constexpr Option kInitOptions[] = {
    {"label", "l", Kind::kText, true, "label, at most 32 bytes"},
    {"password", "p", Kind::kSecret, false, "of the partition SO"},
    {"domain", "d", Kind::kSecret, false,
     "cloning domain: partitions of one domain can exchange objects"},
    {"defaultdomain", "def", Kind::kFlag, false,
     "the domain that everybody knows"},
    {"domainlabel", "dl", Kind::kText, false,
     "what the domain is called here (original); firmware 7.8.0 and newer"},
    {"applytemplate", "at", Kind::kText, false,
     "file with policies to begin with"},
    kForce,
    kDryRun,
};

// By the partition SO, who was just made.
absl::Status LabelDomain(Shell& shell, const SecretText& password,
                         const std::string& label) {
  RETURN_IF_ERROR(
      shell.Login(shell.slot(), PERIGEE_OWN_CONTAINER, CKU_SO, password));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  const absl::Status named =
      shell.module().Check(shell.module().perigee().ChangeDomain(
          session, "original", label.c_str(), CK_FALSE));
  shell.Logout(shell.slot(), PERIGEE_OWN_CONTAINER).IgnoreError();
  return named;
}

absl::Status Init(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  const std::string label = *arguments.Text("label");
  if (label.empty() || label.size() > 32) {
    return Failure(CKR_ARGUMENTS_BAD, "a label has 1 to 32 bytes");
  }
  ASSIGN_OR_RETURN(std::vector<CK_POLICY_INFO> policies,
                   TemplateFrom(shell.module(), arguments, false));
  const absl::StatusOr<PERIGEE_PARTITION_INFO> now =
      shell.PartitionAt(shell.slot());
  const bool again =
      now.ok() && (now->flags & PERIGEE_PARTITION_INITIALIZED) != 0;
  if (again || arguments.Has("dryrun")) {
    RETURN_IF_ERROR(shell.Confirm(
        arguments, again
                       ? absl::StrCat("The partition is initialised already: ",
                                      Count(now->ulObjects, "object"),
                                      " and all roles will be destroyed.")
                       : "The partition is new: nothing will be destroyed."));
  }
  ASSIGN_OR_RETURN(const std::optional<SecretText> domain,
                   shell.DomainIfGiven(arguments));
  if (arguments.Has("domainlabel") && !domain.has_value()) {
    return Failure(CKR_ARGUMENTS_BAD,
                   "-domainlabel names the domain that "
                   "-domain or -defaultdomain gives");
  }
  ASSIGN_OR_RETURN(
      const SecretText password,
      shell.Secret(arguments, "password",
                   again ? "present password for Partition SO"
                         : "password for Partition SO",
                   again ? Shell::Entry::kOnce : Shell::Entry::kTwice));
  shell.CloseSessions(shell.slot());
  CK_UTF8CHAR padded[32];
  std::fill(std::begin(padded), std::end(padded), ' ');
  std::memcpy(padded, label.data(), label.size());
  const absl::Status status =
      shell.module().Check(shell.module().ca().CA_InitToken(
          shell.slot(), password.RevealBytes(), password.size(), padded,
          domain.has_value() ? domain->RevealBytes() : nullptr,
          domain.has_value() ? domain->size() : 0, policies.size(),
          policies.data(), 0, nullptr));
  if (!status.ok()) {
    return shell.ExplainPin(status, shell.slot(), PERIGEE_OWN_CONTAINER,
                            CKU_SO);
  }
  if (const auto domain_label = arguments.Text("domainlabel")) {
    RETURN_IF_ERROR(LabelDomain(shell, password, *domain_label));
  }
  absl::PrintF("\n        Next: role login -name po, role init -name co%s.\n",
               domain.has_value() ? "" : ", partition domain set");
  return absl::OkStatus();
}

constexpr Option kSlotOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
};

constexpr Shown kShowInfoData[] = {
    {"partition", "@partition"},
    {"hsm", "@hsm"},
    {"state", "of the session: \"CKS_RW_PUBLIC_SESSION\""},
    {"role", "who is logged in"},
};

absl::Status ShowInfo(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, shell.HsmAt(slot));
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO partition,
                   shell.PartitionAt(slot));
  shell.Tell(
      {{"partition", PartitionFacts(partition)}, {"hsm", HsmFacts(hsm)}});
  absl::PrintF("\n%s", Field("Partition Label", CleanText(partition.label)));
  absl::PrintF("%s",
               Field("Partition Manufacturer", CleanText(hsm.manufacturer)));
  absl::PrintF("%s", Field("Partition Model", CleanText(hsm.tokenModel)));
  absl::PrintF("%s",
               Field("Partition Serial Number", CleanText(partition.serial)));
  absl::PrintF("%s",
               Field("Partition Status",
                     partition.flags & PERIGEE_PARTITION_ZEROIZED ? "Zeroized"
                     : partition.flags & PERIGEE_PARTITION_INITIALIZED
                         ? "OK"
                         : "OK, not initialized"));
  // Only 7.7.0 and newer know V0 and V1.
  if (!IsBefore770(hsm)) {
    absl::PrintF("%s", Field("Partition Version",
                             absl::StrCat("V", partition.ulVersion)));
  }
  absl::PrintF("%s", Field("Firmware Version", VersionText(hsm.ulFirmware)));
  absl::PrintF(
      "%s", Field("Cloning Domain",
                  partition.flags & PERIGEE_PARTITION_HAS_DOMAIN ? "set"
                                                                 : "not set"));
  absl::PrintF("%s", Field("Slot Id", absl::StrCat(slot)));
  const absl::StatusOr<CK_SESSION_HANDLE> session = shell.Session(slot);
  if (session.ok()) {
    const CK_STATE state = shell.StateOf(*session);
    absl::PrintF("%s", Field("Session State", StateName(state)));
    const std::string who =
        WhoText(shell.LoggedIn(slot), hsm.adminSlot == slot);
    absl::PrintF("%s", Field("Role Status", who));
    shell.Tell({{"state", StateName(state)}, {"role", who}});
  }
  PrintStorage(partition);
  return absl::OkStatus();
}

constexpr Option kShowPoliciesOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
    {"verbose", "v", Kind::kFlag, false, "marks those that may destroy"},
    {"exporttemplate", "et", Kind::kText, false, "a new file for the policies"},
};

constexpr Shown kShowPoliciesData[] = {
    {"capabilities[]", "@policy"},
    {"policies[]", "@policy"},
};

absl::Status ShowPolicies(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO partition,
                   shell.PartitionAt(slot));
  RETURN_IF_ERROR(ExportTemplate(shell.module(), arguments, slot, false));
  const bool verbose = arguments.Has("verbose");
  RETURN_IF_ERROR(
      ShowPolicyList(shell, {slot, true, partition.ulContainer, true},
                     {"Partition Capabilities", "capabilities"}, verbose));
  return ShowPolicyList(shell, {slot, true, partition.ulContainer, false},
                        {"Partition Policies", "policies"}, verbose);
}

constexpr Option kChangePolicyOptions[] = {
    {"policy", "p", Kind::kNumbers, true, "number of the policy, or several"},
    {"value", "v", Kind::kNumbers, true, "its new value, as many as policies"},
    kForce,
    kDryRun,
};

absl::Status ChangePolicy(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(PolicyChanges changes, ChangesFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO partition,
                   shell.PartitionAt(shell.slot()));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  const Module& module = shell.module();
  if (arguments.Has("dryrun")) {
    return shell.Confirm(
        arguments,
        ForecastOf(
            module, {shell.slot(), true, partition.ulContainer, false}, changes,
            absl::StrCat("destroys the ", Count(partition.ulObjects, "object"),
                         " of the partition")));
  }
  const absl::Status gentle = module.Check(module.ca().CA_SetContainerPolicies(
      session, partition.ulContainer, changes.numbers.size(),
      changes.numbers.data(), changes.values.data()));
  if (RvOf(gentle) != LUNA_RET_RM_POLICY_ELEMENT_DESTRUCTIVE) return gentle;
  RETURN_IF_ERROR(shell.Confirm(
      arguments, absl::StrCat("This change destroys the ",
                              Count(partition.ulObjects, "object"),
                              " of the partition.")));
  return module.Check(module.ca().CA_SetTokenPolicies(
      session, shell.slot(), changes.numbers.size(), changes.numbers.data(),
      changes.values.data()));
}

absl::Status Contents(Shell& shell, const Arguments&) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  if (!shell.LoggedIn(shell.slot()).has_value()) {
    absl::PrintF(
        "\n        Nobody is logged in: public objects "
        "only.\n");
  }
  return ShowObjects(shell, session);
}

constexpr Shown kCheckData[] = {
    {"sound", "how many"},
    {"damaged", "how many"},
    {"handles[]", "of the damaged ones, 64 at most"},
};

// Every object is read and its seal checked.
absl::Status Check(Shell& shell, const Arguments&) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  if (!shell.LoggedIn(shell.slot()).has_value()) {
    absl::PrintF(
        "\n        Nobody is logged in: public objects "
        "only.\n");
  }
  CK_OBJECT_HANDLE damaged[64];
  PERIGEE_CHECK check = {sizeof check, 0, 0, damaged, std::size(damaged)};
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().CheckObjects(session, &check)));
  absl::PrintF("\n        Sound objects:    %d\n", check.ulSound);
  absl::PrintF("        Damaged objects:  %d\n", check.ulDamaged);
  Json handles = Json::array();
  for (CK_ULONG i = 0; i < check.ulDamaged && i < std::size(damaged); ++i) {
    absl::PrintF("            handle %d\n", damaged[i]);
    handles.push_back(damaged[i]);
  }
  shell.Tell({{"sound", check.ulSound},
              {"damaged", check.ulDamaged},
              {"handles", handles}});
  if (check.ulDamaged == 0) return absl::OkStatus();
  return Failure(CKR_DEVICE_ERROR,
                 "objects are damaged: destroy them and restore them from "
                 "a backup");
}

constexpr Option kForceOptions[] = {
    kForce,
    kDryRun,
};

absl::Status Clear(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO partition,
                   shell.PartitionAt(shell.slot()));
  RETURN_IF_ERROR(shell.Confirm(
      arguments,
      absl::StrCat(Count(partition.ulObjects, "object"), " of partition ",
                   CleanText(partition.label), " will be destroyed.")));
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  return shell.module().Check(shell.module().perigee().ClearPartition(session));
}

constexpr Option kLabelOptions[] = {
    {"label", "l", Kind::kText, true, "the new label, at most 32 bytes"},
};

absl::Status ChangeLabel(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  return shell.module().Check(shell.module().perigee().ChangeLabel(
      session, arguments.Text("label")->c_str()));
}

constexpr Option kDomainOptions[] = {
    {"domain", "d", Kind::kSecret, false, "the cloning domain: long is good"},
    {"defaultdomain", "def", Kind::kFlag, false,
     "the domain that everybody knows"},
};

absl::Status SetDomain(Shell& shell, const Arguments& arguments) {
  RETURN_IF_ERROR(shell.NeedPartitionSlot());
  ASSIGN_OR_RETURN(std::optional<SecretText> domain,
                   shell.DomainIfGiven(arguments));
  if (!domain.has_value()) {
    ASSIGN_OR_RETURN(domain, shell.Secret(arguments, "domain", "cloning domain",
                                          Shell::Entry::kTwice));
  }
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session,
                   shell.Session(shell.slot()));
  return shell.module().Check(shell.module().ca().CA_SetKCV(
      session, domain->RevealBytes(), domain->size()));
}

}  // namespace

std::vector<Command> PartitionCommands() {
  return {
      {"partition create", "par cr", kCreateOptions, Create,
       "makes a partition on the active HSM", kCreateData},
      {"partition delete", "par del", kWhichOptions, Delete,
       "destroys a partition with its slot"},
      {"partition resize", "par r", kResizeOptions, Resize,
       "changes how much a partition may hold", kResizeData},
      {"partition init", "par i", kInitOptions, Init,
       "initialises the partition of the active slot"},
      {"partition showinfo", "par si", kSlotOptions, ShowInfo,
       "shows a partition and its storage", kShowInfoData},
      {"partition showpolicies", "par sp", kShowPoliciesOptions, ShowPolicies,
       "shows capabilities and policies", kShowPoliciesData},
      {"partition changepolicy", "par changep", kChangePolicyOptions,
       ChangePolicy, "changes policies of the partition"},
      {"partition contents",
       "par con",
       {},
       Contents,
       "lists the objects",
       kObjectsData},
      {"partition check",
       "par ch",
       {},
       Check,
       "reads every object and checks its seal",
       kCheckData},
      {"partition clear", "par cl", kForceOptions, Clear,
       "destroys all objects"},
      {"partition changelabel", "par changel", kLabelOptions, ChangeLabel,
       "gives the partition another label"},
      {"partition domain set", "par do s", kDomainOptions, SetDomain,
       "sets the cloning domain, once"},
      {"role setdomain", "ro sd", kDomainOptions, SetDomain,
       "the same, as the role that is logged in"},
  };
}

}  // namespace shell
