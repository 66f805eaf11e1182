// The vendor interface: the manifests of a backup partition, and checking the
// text of one.
#include <string>
#include <vector>

#include "hsm/manifest_verify.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/ca/perigee_functions.h"

namespace pkcs11::ca {
namespace {

using api::Need;

PERIGEE_MANIFEST_PARTY ToParty(const hsm::ManifestParty& party) {
  PERIGEE_MANIFEST_PARTY told = {};
  CopyText(told.serial, party.serial);
  CopyText(told.model, party.model);
  CopyText(told.firmware, party.firmware);
  CopyText(told.label, party.label);
  CopyText(told.partition, party.partition);
  told.ulVersion = party.version;
  return told;
}

PERIGEE_MANIFEST_LINK ToLink(const hsm::ManifestLink& link) {
  PERIGEE_MANIFEST_LINK told = {};
  told.ulSeq = link.head.seq;
  told.ulProblem = static_cast<CK_ULONG>(link.problem);
  told.ended = link.head.ended ? CK_TRUE : CK_FALSE;
  CopyText(told.time, link.head.time);
  CopyText(told.hash, link.hash);
  told.source = ToParty(link.head.source);
  told.device = ToParty(link.head.device);
  told.ulSourceObjects = link.head.source_objects;
  told.ulRows = link.head.rows;
  told.ulLeftOut = link.head.left_out + link.head.more;
  told.ulMore = link.head.more;
  return told;
}

absl::Status GiveLinks(const std::vector<hsm::ManifestLink>& links,
                       const PERIGEE_MANIFEST_REPORT& room) {
  if (room.pLinks == nullptr) return absl::OkStatus();
  if (room.ulLinkSize < sizeof(PERIGEE_MANIFEST_LINK)) {
    return base::Error(CKR_ARGUMENTS_BAD, "ulLinkSize is too small");
  }
  if (room.ulLinkRoom < links.size()) {
    return base::Error(CKR_BUFFER_TOO_SMALL, "");
  }
  char* place = reinterpret_cast<char*>(room.pLinks);
  for (const hsm::ManifestLink& link : links) {
    const PERIGEE_MANIFEST_LINK told = ToLink(link);
    std::memcpy(place, &told, sizeof(told));
    place += room.ulLinkSize;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ManifestText(Library& library, CK_SESSION_HANDLE hSession,
                          CK_ULONG* pulPage, CK_ULONG* pulSeq, char* pText,
                          CK_ULONG* pulTextLen) {
  RETURN_IF_ERROR(Need(pulPage, "no place for the next page"));
  RETURN_IF_ERROR(Need(pulSeq, "no place for the number of the manifest"));
  RETURN_IF_ERROR(Need(pText, "no place for the text"));
  RETURN_IF_ERROR(Need(pulTextLen, "no length"));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  BackupDevice* const device = AsBackupDevice(session->token());
  if (device == nullptr || session->space() == 0) {
    return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                       "the session is not on a backup partition");
  }
  ASSIGN_OR_RETURN(const hsm_io::ReadManifest::Reply page,
                   device->ReadManifest(session->space(), *pulPage));
  const CK_ULONG room = *pulTextLen;
  *pulTextLen = page.text.size();
  if (room < page.text.size()) return base::Error(CKR_BUFFER_TOO_SMALL, "");
  std::copy(page.text.begin(), page.text.end(), pText);
  *pulPage = page.next;
  *pulSeq = page.seq;
  return absl::OkStatus();
}

absl::Status ManifestVerify(Library& library, const char* pText,
                            CK_ULONG ulTextLen, const CK_BYTE* pRoots,
                            CK_ULONG ulRootsLen,
                            PERIGEE_MANIFEST_REPORT* pReport) {
  RETURN_IF_ERROR(CheckSize(pReport));
  if (ulTextLen != 0) RETURN_IF_ERROR(Need(pText, "no text"));
  ASSIGN_OR_RETURN(const std::vector<base::Certificate> roots,
                   RootsFrom(library, pRoots, ulRootsLen));
  const hsm::ManifestReport report = hsm::VerifyManifest(
      absl::string_view(ulTextLen == 0 ? "" : pText, ulTextLen), roots);
  pReport->ulLinkCount = report.links.size();
  RETURN_IF_ERROR(GiveLinks(report.links, *pReport));
  pReport->ulProblem = static_cast<CK_ULONG>(report.problem);
  pReport->ulPlace = report.place;
  pReport->rowsHold = report.rows_hold ? CK_TRUE : CK_FALSE;
  CopyText(pReport->text, report.text);
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
