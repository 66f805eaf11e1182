// The functions of the vendor interface that have a file of their own, and what
// all of them share: structures that state their size, and texts in them.
#ifndef PERIGEE_PKCS11_CA_PERIGEE_FUNCTIONS_H_
#define PERIGEE_PKCS11_CA_PERIGEE_FUNCTIONS_H_

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/certificate.h"
#include "base/cryptoki.h"
#include "base/status.h"
#include "perigee/perigee.h"
#include "pkcs11/library.h"

namespace pkcs11::ca {

// CKR_ARGUMENTS_BAD for null, and for a structure that is smaller than that of
// version 1.0 (when one grows, its first size is to be named here).
template <typename T>
absl::Status CheckSize(const T* place) {
  if (place == nullptr) return base::Error(CKR_ARGUMENTS_BAD, "no structure");
  if (place->ulSize >= sizeof(T)) return absl::OkStatus();
  return base::Error(CKR_ARGUMENTS_BAD, "the structure's ulSize is too small");
}

// Fills the caller's structure, whose size stays what he said.
template <typename T>
void Give(T told, T* place) {
  told.ulSize = place->ulSize;
  std::memcpy(place, &told,
              std::min(sizeof(T), static_cast<size_t>(place->ulSize)));
}

// Cut where it does not fit, never inside a character of UTF-8.
inline void CopyText(char* to, size_t room, absl::string_view text) {
  size_t size = std::min(text.size(), room - 1);
  while (size > 0 && size < text.size() &&
         (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
    --size;
  }
  std::memcpy(to, text.data(), size);
  to[size] = '\0';
}
template <size_t kRoom>
void CopyText(char (&to)[kRoom], absl::string_view text) {
  CopyText(to, kRoom, text);
}

absl::Status Transfer(Library& library, CK_SESSION_HANDLE hSource,
                      CK_SESSION_HANDLE hTarget, PERIGEE_TRANSFER* pTransfer);
absl::Status Forecast(Library& library, CK_SESSION_HANDLE hSource,
                      CK_SESSION_HANDLE hTarget, PERIGEE_FORECAST* pForecast);
absl::Status SmkRollover(Library& library, CK_SESSION_HANDLE hSession,
                         CK_ULONG ulStep);
absl::Status DeviceFingerprint(Library& library, CK_SLOT_ID slotID,
                               PERIGEE_DEVICE* pDevice);
absl::Status AdoptDevice(Library& library, CK_SLOT_ID slotID,
                         const CK_BYTE* pFingerprint, CK_ULONG ulFingerprintLen,
                         const CK_UTF8CHAR* pSoPin, CK_ULONG ulSoPinLen);

absl::Status Setup(Library& library, PERIGEE_SETUP* pSetup);
absl::Status HostIdentity(Library& library, PERIGEE_HOST* pHost);
absl::Status OfferDevice(Library& library, CK_SLOT_ID slotID,
                         const PERIGEE_REMOTE_OFFER* pOffer);
// The token of a Backup HSM's slot; CKR_SLOT_ID_INVALID for another's.
absl::StatusOr<TokenRef> BackupSlot(Library& library, CK_SLOT_ID slot);
absl::Status EnterTransport(Library& library, CK_SESSION_HANDLE hSession,
                            PERIGEE_TRANSPORT* pStrings);
absl::Status CheckTransport(Library& library, CK_SESSION_HANDLE hSession,
                            PERIGEE_TRANSPORT* pStrings);
absl::Status TamperHsm(Library& library, CK_SLOT_ID slotID);

absl::Status CloningInfo(Library& library, CK_SESSION_HANDLE hSession,
                         PERIGEE_CLONING* pInfo);
absl::Status CipherSuites(Library& library, CK_SESSION_HANDLE hSession,
                          PERIGEE_CIPHER_SUITE* pSuites, CK_ULONG* pulCount);
absl::Status EnableCipherSuite(Library& library, CK_SESSION_HANDLE hSession,
                               CK_ULONG ulNumber, CK_BBOOL enable);
absl::Status Domains(Library& library, CK_SESSION_HANDLE hSession,
                     PERIGEE_DOMAIN* pDomains, CK_ULONG* pulCount);
absl::Status AddDomain(Library& library, CK_SESSION_HANDLE hSession,
                       const char* pLabel, const CK_BYTE* pDomain,
                       CK_ULONG ulDomainLen);
absl::Status ChangeDomain(Library& library, CK_SESSION_HANDLE hSession,
                          const char* pLabel, const char* pNewLabel,
                          CK_BBOOL makePrimary);
absl::Status DeleteDomain(Library& library, CK_SESSION_HANDLE hSession,
                          const char* pLabel);

absl::Status PolicyTemplate(Library& library, CK_SLOT_ID slotID, CK_BBOOL ofHsm,
                            char* pText, CK_ULONG* pulTextLen);
absl::Status ParsePolicyTemplate(Library& library, CK_BBOOL ofHsm,
                                 const char* pText, CK_ULONG ulTextLen,
                                 CK_POLICY_INFO* pPolicies, CK_ULONG* pulCount);

absl::Status AuditInfo(Library& library, CK_SLOT_ID slotID,
                       PERIGEE_AUDIT_INFO* pInfo);
absl::Status AuditLines(Library& library, CK_SLOT_ID slotID, CK_ULONG* pulNext,
                        char* pText, CK_ULONG* pulTextLen);
absl::Status AuditCheckpoint(Library& library, CK_SLOT_ID slotID,
                             CK_BBOOL exported, CK_ULONG* pulCheckpoint);
absl::Status AuditRotate(Library& library, CK_SLOT_ID slotID, char* pPath,
                         CK_ULONG ulRoom);
absl::Status AuditVerify(Library& library, const char* pText,
                         CK_ULONG ulTextLen, const CK_BYTE* pRoots,
                         CK_ULONG ulRootsLen, CK_ULONG ulKnown,
                         const char* pKnownHash, PERIGEE_AUDIT_REPORT* pReport);

absl::Status ManifestText(Library& library, CK_SESSION_HANDLE hSession,
                          CK_ULONG* pulPage, CK_ULONG* pulSeq, char* pText,
                          CK_ULONG* pulTextLen);
absl::Status ManifestVerify(Library& library, const char* pText,
                            CK_ULONG ulTextLen, const CK_BYTE* pRoots,
                            CK_ULONG ulRootsLen,
                            PERIGEE_MANIFEST_REPORT* pReport);

// Certificates in PEM, or one in DER; null: the root of this host's fleet.
absl::StatusOr<std::vector<base::Certificate>> RootsFrom(Library& library,
                                                         const CK_BYTE* pRoots,
                                                         CK_ULONG ulRootsLen);

}  // namespace pkcs11::ca

#endif  // PERIGEE_PKCS11_CA_PERIGEE_FUNCTIONS_H_
