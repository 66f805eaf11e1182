// CA_* functions that clone many objects, or one to many partitions.
#include <vector>

#include "backup/transfer.h"
#include "hsm/sks_blob.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/cloning_end.h"
#include "pkcs11/slots.h"

namespace pkcs11::ca {

using api::Need;

namespace {

bool IsSmk(const CK_OBJECT_MIGRATION_DATA& item) {
  return item.objectType == CK_PARAM_ELEMENT &&
         item.sourceHandle == LUNA_MASKING_KEY_PID;
}

// The items that are carried: ordinary objects and the SKS master key, and
// without the flag only those before the first item that is neither.
std::vector<CK_ULONG> Carried(absl::Span<CK_OBJECT_MIGRATION_DATA> items,
                              bool go_on) {
  std::vector<CK_ULONG> carried;
  for (CK_ULONG i = 0; i < items.size(); ++i) {
    items[i].targetHandle = 0;
    items[i].rv = CKR_CLONE_NOT_ATTEMPTED;
  }
  for (CK_ULONG i = 0; i < items.size(); ++i) {
    if (items[i].objectType == CK_CRYPTOKI_ELEMENT || IsSmk(items[i])) {
      carried.push_back(i);
      continue;
    }
    items[i].rv = CKR_OBJECT_TYPE_INVALID;
    if (!go_on) break;
  }
  return carried;
}

void NoteItem(const backup::TransferItem& done,
              CK_OBJECT_MIGRATION_DATA& item) {
  item.targetHandle = done.target_handle;
  // An SMK is no object where it came to.
  const bool smk_there = done.rv == CKR_OK && done.target_handle == 0;
  if (IsSmk(item) && smk_there) item.targetHandle = LUNA_MASKING_KEY_PID;
  item.rv = done.outcome == backup::TransferItem::Outcome::kNotTried
                ? CKR_CLONE_NOT_ATTEMPTED
                : done.rv;
}

}  // namespace

// CKR_OK with the flag, even if items fail; without it
// CKR_FAILED_TO_CLONE_AN_OBJECT when one did.
absl::Status CA_MigrateKeys(Library& library, CK_SESSION_HANDLE hSourceSession,
                            CK_SESSION_HANDLE hTargetSession, CK_ULONG ulFlags,
                            CK_ULONG ulCount,
                            CK_OBJECT_MIGRATION_DATA_PTR pObjects) {
  if (ulCount == 0) return base::Error(CKR_ARGUMENTS_BAD, "no objects");
  RETURN_IF_ERROR(Need(pObjects, "no objects"));
  ASSIGN_OR_RETURN(const SessionRef source, library.session(hSourceSession));
  ASSIGN_OR_RETURN(const SessionRef target,
                   TargetSession(library, hTargetSession));
  ASSIGN_OR_RETURN(auto from, CloningEnd::Of(source).MakeEndpoint());
  ASSIGN_OR_RETURN(auto to, CloningEnd::Of(target).MakeEndpoint());

  backup::TransferOptions options;
  options.continue_on_error = (ulFlags & CKF_CONTINUE_ON_ERR) != 0;
  const absl::Span<CK_OBJECT_MIGRATION_DATA> items(pObjects, ulCount);
  const std::vector<CK_ULONG> carried =
      Carried(items, options.continue_on_error);
  std::vector<uint64_t> handles;
  for (CK_ULONG i : carried) {
    handles.push_back(IsSmk(items[i]) ? hsm::kSmkHandle
                                      : items[i].sourceHandle);
  }
  if (!handles.empty()) {
    backup::TransferReport report;
    const absl::Status run =
        backup::Transfer(*from, *to, handles, options, report);
    for (size_t i = 0; i < carried.size(); ++i) {
      NoteItem(report.items[i], items[carried[i]]);
    }
    RETURN_IF_ERROR(run);
  }
  if (options.continue_on_error) return absl::OkStatus();
  for (const CK_OBJECT_MIGRATION_DATA& item : items) {
    if (item.rv == CKR_OK) continue;
    return base::Error(CKR_FAILED_TO_CLONE_AN_OBJECT, base::CkRvName(item.rv));
  }
  return absl::OkStatus();
}

// --- to other partitions of this process -------------------------------------
// There are no HA groups here: the members are the partitions in slots, other
// than the source, on which this process has a read/write session with a user
// logged in.

namespace {

absl::Status CheckMember(const CloningEnd& end) {
  if (!end.application->user_logged_in()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN,
                       "nobody is logged in to the target");
  }
  if (end.application->sessions().read_write != 0) return absl::OkStatus();
  return base::Error(CKR_SESSION_READ_ONLY,
                     "no read/write session on the target");
}

}  // namespace

// Objects that the target has already, equal, are not copied.
absl::Status CA_CloneAllObjectsToSession(Library& library,
                                         CK_SESSION_HANDLE hSession,
                                         CK_SLOT_ID slotID) {
  ASSIGN_OR_RETURN(const SessionRef source, library.session(hSession));
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  const CloningEnd target = CloningEnd::Of(*token, token->own_space());
  RETURN_IF_ERROR(CheckMember(target));
  ASSIGN_OR_RETURN(auto from, CloningEnd::Of(source).MakeEndpoint());
  ASSIGN_OR_RETURN(auto to, target.MakeEndpoint());
  ASSIGN_OR_RETURN(const std::vector<uint64_t> handles, from->Handles());
  if (handles.empty()) return absl::OkStatus();
  backup::TransferOptions options;
  options.continue_on_error = true;
  backup::TransferReport report;
  RETURN_IF_ERROR(backup::Transfer(*from, *to, handles, options, report));
  const absl::Status first = report.FirstFailure();
  if (first.ok()) return first;
  return base::Error(CKR_FAILED_TO_CLONE_AN_OBJECT,
                     base::CkRvName(base::CkRv(first)));
}

// All are tried; the first error is the answer.
absl::Status CA_CloneObjectToAllSessions(Library& library,
                                         CK_SESSION_HANDLE hSession,
                                         CK_OBJECT_HANDLE hObject) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  const CloningEnd source = CloningEnd::Of(session);
  absl::Status first;
  bool any = false;
  for (const TokenRef& token : library.slots()->all()) {
    const CloningEnd target = CloningEnd::Of(*token, token->own_space());
    if (target.application == source.application || token->is_admin() ||
        !CheckMember(target).ok()) {
      continue;
    }
    any = true;
    first.Update(CloneOne(source, target, hObject).status());
  }
  if (any) return first;
  return base::Error(CKR_USER_NOT_LOGGED_IN,
                     "no other partition is logged in to");
}

}  // namespace pkcs11::ca
