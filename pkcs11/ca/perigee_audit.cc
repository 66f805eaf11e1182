// The vendor interface: the audit log of a slot's HSM, and checking the text of
// one.
#include <string>
#include <utility>
#include <vector>

#include "hsm/audit_verify.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {
namespace {

using api::Need;

absl::StatusOr<hsm::AuditLog*> LogOf(Library& library, CK_SLOT_ID slot) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slot));
  return token->AuditLog();
}

}  // namespace

absl::Status AuditInfo(Library& library, CK_SLOT_ID slotID,
                       PERIGEE_AUDIT_INFO* pInfo) {
  RETURN_IF_ERROR(CheckSize(pInfo));
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  ASSIGN_OR_RETURN(const hsm::AuditLog* const log, token->AuditLog());
  ASSIGN_OR_RETURN(const hsm::AuditInfo info, log->Info());
  const hsm::AuditSettings::Of with = log->SettingsOf(token->own_space());
  PERIGEE_AUDIT_INFO told = {};
  if (info.damaged) told.flags |= PERIGEE_AUDIT_DAMAGED;
  if (with.mode == hsm::AuditSettings::Mode::kOff) {
    told.flags |= PERIGEE_AUDIT_OFF;
  }
  if (with.mode == hsm::AuditSettings::Mode::kClosed) {
    told.flags |= PERIGEE_AUDIT_CLOSED;
  }
  if (with.key_use) told.flags |= PERIGEE_AUDIT_KEY_USE;
  told.ulFirst = info.first;
  told.ulLast = info.last;
  told.ulBytes = info.bytes;
  told.ulCheckpoint = info.checkpoint;
  CopyText(told.head, info.head);
  Give(told, pInfo);
  return absl::OkStatus();
}

absl::Status AuditLines(Library& library, CK_SLOT_ID slotID, CK_ULONG* pulNext,
                        char* pText, CK_ULONG* pulTextLen) {
  RETURN_IF_ERROR(Need(pulNext, "no place for the next number"));
  RETURN_IF_ERROR(Need(pText, "no place for the text"));
  RETURN_IF_ERROR(Need(pulTextLen, "no length"));
  ASSIGN_OR_RETURN(const hsm::AuditLog* const log, LogOf(library, slotID));
  ASSIGN_OR_RETURN(const hsm::AuditLog::Page page,
                   log->Lines(*pulNext, *pulTextLen));
  std::memcpy(pText, page.text.data(), page.text.size());
  *pulTextLen = page.text.size();
  *pulNext = page.next;
  return absl::OkStatus();
}

absl::Status AuditCheckpoint(Library& library, CK_SLOT_ID slotID,
                             CK_BBOOL exported, CK_ULONG* pulCheckpoint) {
  ASSIGN_OR_RETURN(const hsm::AuditLog* const log, LogOf(library, slotID));
  ASSIGN_OR_RETURN(const uint64_t seq, log->Checkpoint(exported != CK_FALSE));
  if (pulCheckpoint != nullptr) *pulCheckpoint = seq;
  return absl::OkStatus();
}

absl::Status AuditRotate(Library& library, CK_SLOT_ID slotID, char* pPath,
                         CK_ULONG ulRoom) {
  RETURN_IF_ERROR(Need(pPath, "no place for the path"));
  if (ulRoom == 0) return base::Error(CKR_ARGUMENTS_BAD, "no room");
  ASSIGN_OR_RETURN(const hsm::AuditLog* const log, LogOf(library, slotID));
  ASSIGN_OR_RETURN(const std::string path, log->Rotate());
  CopyText(pPath, ulRoom, path);
  return absl::OkStatus();
}

absl::Status AuditVerify(Library& library, const char* pText,
                         CK_ULONG ulTextLen, const CK_BYTE* pRoots,
                         CK_ULONG ulRootsLen, CK_ULONG ulKnown,
                         const char* pKnownHash,
                         PERIGEE_AUDIT_REPORT* pReport) {
  RETURN_IF_ERROR(CheckSize(pReport));
  if (ulTextLen != 0) RETURN_IF_ERROR(Need(pText, "no text"));
  ASSIGN_OR_RETURN(const std::vector<base::Certificate> roots,
                   RootsFrom(library, pRoots, ulRootsLen));
  std::optional<hsm::KnownLine> known;
  if (pKnownHash != nullptr) known = {ulKnown, pKnownHash};
  const hsm::AuditReport report = hsm::VerifyAudit(
      absl::string_view(ulTextLen == 0 ? "" : pText, ulTextLen), roots, known);
  PERIGEE_AUDIT_REPORT told = {};
  told.ulProblem = static_cast<CK_ULONG>(report.problem);
  told.ulPlace = report.place;
  told.ulLine = report.seq;
  told.ulLines = report.lines;
  told.ulFirst = report.first_seq;
  told.ulLast = report.last_seq;
  told.ulCheckpoints = report.checkpoints;
  told.ulUncovered = report.uncovered;
  told.fromTheBeginning = report.from_the_beginning ? CK_TRUE : CK_FALSE;
  CopyText(told.hsm, report.hsm);
  CopyText(told.head, report.head);
  CopyText(told.text, report.text);
  Give(told, pReport);
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
