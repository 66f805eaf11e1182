// store check, compact, exportmetadata: the files that an HSM of this computer
// keeps its state in.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/shell/facts.h"
#include "tools/shell/files.h"
#include "tools/shell/objects.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr size_t kProblemsRoom = 16 * 1024;

constexpr Option kSlotOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
};

absl::StatusOr<PERIGEE_STORE> CheckedStore(const Shell& shell, CK_SLOT_ID slot,
                                           std::string* problems) {
  problems->assign(kProblemsRoom, '\0');
  PERIGEE_STORE store = {};
  store.ulSize = sizeof store;
  store.pProblems = problems->data();
  store.ulProblemsRoom = problems->size();
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().perigee().CheckStore(slot, &store)));
  problems->resize(std::strlen(problems->c_str()));
  return store;
}

void PrintStore(const PERIGEE_STORE& store) {
  absl::PrintF("\n%s", Field("Directory", CleanText(store.path)));
  absl::PrintF("%s", Field("Format Version", absl::StrCat(store.ulVersion)));
  absl::PrintF("%s", Field("Objects", absl::StrCat(store.ulRecords)));
  absl::PrintF("%s", Field("File Bytes", absl::StrCat(store.ulFileBytes)));
  absl::PrintF("%s", Field("Free In It", absl::StrCat(store.ulFreeBytes)));
  absl::PrintF("%s", Field("Log Bytes", absl::StrCat(store.ulLogBytes)));
}

constexpr Shown kStoreData[] = {{"store", "@store"}};
constexpr Shown kCompactData[] = {
    {"store", "@store"},
    {"given_back_bytes", "number"},
};

absl::Status Check(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  std::string problems;
  ASSIGN_OR_RETURN(const PERIGEE_STORE store,
                   CheckedStore(shell, slot, &problems));
  PrintStore(store);
  shell.Tell({{"store", StoreFacts(store, problems)}});
  absl::PrintF("%s", Field("Problems", absl::StrCat(store.ulProblems)));
  if (store.ulProblems == 0) return absl::OkStatus();
  for (const absl::string_view line : absl::StrSplit(problems, '\n')) {
    absl::PrintF("            %s\n", CleanText(line));
  }
  return Failure(CKR_DEVICE_ERROR,
                 "the store is damaged: `partition check` tells which objects "
                 "are, a backup has them");
}

absl::Status Compact(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  std::string problems;
  ASSIGN_OR_RETURN(const PERIGEE_STORE before,
                   CheckedStore(shell, slot, &problems));
  PERIGEE_STORE after = {};
  after.ulSize = sizeof after;
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().CompactStore(slot, &after)));
  PrintStore(after);
  const CK_ULONG was = before.ulFileBytes + before.ulLogBytes;
  const CK_ULONG is = after.ulFileBytes + after.ulLogBytes;
  const CK_ULONG given_back = was > is ? was - is : 0;
  absl::PrintF("%s", Field("Given Back", Count(given_back, "byte")));
  shell.Tell(
      {{"store", StoreFacts(after, "")}, {"given_back_bytes", given_back}});
  return absl::OkStatus();
}

// Whoever opens an older store for writing upgrades it; this says so.
absl::Status Upgrade(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  std::string problems;
  ASSIGN_OR_RETURN(const PERIGEE_STORE store,
                   CheckedStore(shell, slot, &problems));
  if (store.ulVersion < store.ulNewest) {
    return Failure(CKR_TOKEN_WRITE_PROTECTED,
                   absl::StrCat(store.path, ": version ", store.ulVersion,
                                " cannot be made ", store.ulNewest,
                                " on a read-only file system"));
  }
  shell.Tell({{"store", StoreFacts(store, problems)}});
  absl::PrintF("\n%s", Field("Directory", CleanText(store.path)));
  absl::PrintF("%s", Field("Format Version",
                           absl::StrCat(store.ulVersion, ", the newest")));
  return absl::OkStatus();
}

// --- metadata ----------------------------------------------------------------

Json RolesOf(const Shell& shell, CK_SLOT_ID slot, CK_ULONG container,
             bool is_admin) {
  Json roles = Json::object();
  for (const RoleName& role : RoleNames()) {
    if (role.on_admin != is_admin) continue;
    const auto info = shell.RoleAt(slot, container, role.user);
    if (!info.ok()) continue;
    roles[role.name] = RoleFacts(role, *info);
  }
  return roles;
}

absl::StatusOr<Json> PartitionOf(Shell& shell, CK_SLOT_ID admin,
                                 const PERIGEE_PARTITION_INFO& info) {
  Json partition = PartitionFacts(info);
  partition["roles"] = RolesOf(shell, admin, info.ulContainer, false);
  if (info.slot == PERIGEE_NONE ||
      (info.flags & PERIGEE_PARTITION_INITIALIZED) == 0) {
    return partition;
  }
  // What the session sees: without a login, what is public.
  ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, shell.Session(info.slot));
  ASSIGN_OR_RETURN(const auto objects, TokenObjects(shell.module(), session));
  partition["seen_as"] = WhoText(shell.LoggedIn(info.slot), false);
  partition["seen"] = Json::array();
  for (const CK_OBJECT_HANDLE object : objects) {
    const ObjectFacts facts = FactsOf(shell.module(), session, object);
    partition["seen"].push_back(ObjectJson(object, facts));
  }
  return partition;
}

absl::StatusOr<Json> HsmOf(Shell& shell, CK_SLOT_ID admin) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO info, shell.HsmAt(admin));
  Json hsm = HsmFacts(info);
  hsm["roles"] = RolesOf(shell, admin, PERIGEE_OWN_CONTAINER, true);
  if ((info.flags & PERIGEE_HSM_EXISTS) == 0) return hsm;
  std::string problems;
  const auto store = CheckedStore(shell, admin, &problems);
  if (store.ok()) {
    hsm["store"] = StoreFacts(*store, problems);
  }
  hsm["partitions"] = Json::array();
  ASSIGN_OR_RETURN(const auto containers, shell.Containers(admin));
  for (const PERIGEE_PARTITION_INFO& container : containers) {
    ASSIGN_OR_RETURN(Json partition, PartitionOf(shell, admin, container));
    hsm["partitions"].push_back(std::move(partition));
  }
  return hsm;
}

constexpr Option kExportOptions[] = {
    {"file", "f", Kind::kText, false, "a new file; otherwise it is printed"},
};

constexpr Shown kExportData[] = {
    {"metadata", "what is printed otherwise"},
    {"file", "with -file: its path"},
};

absl::Status ExportMetadata(Shell& shell, const Arguments& arguments) {
  Json all = {{"perigee_metadata", 1},
              {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(),
                                        absl::UTCTimeZone())},
              {"hsms", Json::array()}};
  ASSIGN_OR_RETURN(const auto slots, shell.Slots());
  for (const CK_SLOT_ID slot : slots) {
    const auto info = shell.HsmAt(slot);
    if (!info.ok() || info->adminSlot != slot) continue;
    ASSIGN_OR_RETURN(Json hsm, HsmOf(shell, slot));
    all["hsms"].push_back(std::move(hsm));
  }
  // Text of tokens that is no UTF-8 is replaced, never an exception.
  const std::string text =
      all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  const std::optional<std::string> path = arguments.Text("file");
  if (path.has_value()) {
    shell.Tell({{"file", *path}});
    return WriteNewFile(*path, text);
  }
  absl::PrintF("%s", text);
  shell.Tell({{"metadata", all}});
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> StoreCommands() {
  return {
      {"store check", "st ch", kSlotOptions, Check,
       "looks for damage of the HSM's store file (an altered object shows when "
       "it is opened)",
       kStoreData},
      {"store compact", "st co", kSlotOptions, Compact,
       "gives the store's free space back to the disk", kCompactData},
      {"store upgrade", "st up", kSlotOptions, Upgrade,
       "brings the store to the newest format version", kStoreData},
      {"store export-metadata", "st exp", kExportOptions, ExportMetadata,
       "writes what is public of all HSMs and partitions as JSON", kExportData},
  };
}

}  // namespace shell
