// The vendor interface's functions about cloning: protocols, cipher suites,
// domains.
#include <algorithm>

#include "cloning/cipher_suite.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/perigee_functions.h"

namespace pkcs11::ca {
namespace {

bool Holds(const std::vector<uint8_t>& numbers, uint8_t number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace

absl::Status CloningInfo(Library& library, CK_SESSION_HANDLE hSession,
                         PERIGEE_CLONING* pInfo) {
  RETURN_IF_ERROR(CheckSize(pInfo));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const CloningFacts facts,
                   session->token().Cloning(session->space()));
  PERIGEE_CLONING told = {};
  for (const uint8_t protocol : facts.protocols) {
    told.protocols |= CK_FLAGS{1} << protocol;
  }
  CopyText(told.whyNotCpv4, facts.why_not_cpv4);
  Give(told, pInfo);
  return absl::OkStatus();
}

absl::Status CipherSuites(Library& library, CK_SESSION_HANDLE hSession,
                          PERIGEE_CIPHER_SUITE* pSuites, CK_ULONG* pulCount) {
  RETURN_IF_ERROR(api::Need(pulCount, "no place for the count"));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const CloningFacts facts,
                   session->token().Cloning(session->space()));
  const auto suites = cloning::CipherSuites();
  const CK_ULONG room = *pulCount;
  *pulCount = suites.size();
  if (pSuites == nullptr) return absl::OkStatus();
  if (room < suites.size()) return base::Error(CKR_BUFFER_TOO_SMALL, "");
  for (size_t i = 0; i < suites.size(); ++i) {
    PERIGEE_CIPHER_SUITE told = {};
    told.ulNumber = suites[i].number;
    if (suites[i].available()) told.flags |= PERIGEE_SUITE_AVAILABLE;
    if (!Holds(facts.suites_off, suites[i].number)) {
      told.flags |= PERIGEE_SUITE_ENABLED;
    }
    CopyText(told.name, suites[i].name);
    pSuites[i] = told;
  }
  return absl::OkStatus();
}

absl::Status EnableCipherSuite(Library& library, CK_SESSION_HANDLE hSession,
                               CK_ULONG ulNumber, CK_BBOOL enable) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  if (ulNumber > UINT8_MAX ||
      cloning::FindCipherSuite(static_cast<uint8_t>(ulNumber)) == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "there is no such cipher suite");
  }
  const auto number = static_cast<uint8_t>(ulNumber);
  ASSIGN_OR_RETURN(CloningFacts facts,
                   session->token().Cloning(session->space()));
  std::vector<uint8_t>& off = facts.suites_off;
  off.erase(std::remove(off.begin(), off.end(), number), off.end());
  if (enable == CK_FALSE) off.push_back(number);
  std::sort(off.begin(), off.end());
  return session->token().SetSuitesOff(session->space(), off);
}

// --- domains -----------------------------------------------------------------

absl::Status Domains(Library& library, CK_SESSION_HANDLE hSession,
                     PERIGEE_DOMAIN* pDomains, CK_ULONG* pulCount) {
  RETURN_IF_ERROR(api::Need(pulCount, "no place for the count"));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const std::vector<std::string> labels,
                   session->token().DomainLabels(session->space()));
  const CK_ULONG room = *pulCount;
  *pulCount = labels.size();
  if (pDomains == nullptr) return absl::OkStatus();
  if (room < labels.size()) return base::Error(CKR_BUFFER_TOO_SMALL, "");
  for (size_t i = 0; i < labels.size(); ++i) {
    PERIGEE_DOMAIN told = {};
    if (i == 0) told.flags |= PERIGEE_DOMAIN_PRIMARY;
    CopyText(told.label, labels[i]);
    pDomains[i] = told;
  }
  return absl::OkStatus();
}

absl::Status SmkRollover(Library& library, CK_SESSION_HANDLE hSession,
                         CK_ULONG ulStep) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  if (!session->read_write()) return base::Error(CKR_SESSION_READ_ONLY, "");
  if (ulStep != PERIGEE_SMK_BEGIN_ROLLOVER &&
      ulStep != PERIGEE_SMK_END_ROLLOVER) {
    return base::Error(CKR_ARGUMENTS_BAD, "no step of a rollover");
  }
  return session->token().RollSmk(session->space(),
                                  ulStep == PERIGEE_SMK_BEGIN_ROLLOVER);
}

absl::Status AddDomain(Library& library, CK_SESSION_HANDLE hSession,
                       const char* pLabel, const CK_BYTE* pDomain,
                       CK_ULONG ulDomainLen) {
  RETURN_IF_ERROR(api::Need(pLabel, "no label"));
  ASSIGN_OR_RETURN(const ByteSpan domain, api::Input(pDomain, ulDomainLen));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->token().AddDomain(session->space(), pLabel, domain);
}

absl::Status ChangeDomain(Library& library, CK_SESSION_HANDLE hSession,
                          const char* pLabel, const char* pNewLabel,
                          CK_BBOOL makePrimary) {
  RETURN_IF_ERROR(api::Need(pLabel, "no label"));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  std::optional<absl::string_view> new_label;
  if (pNewLabel != nullptr) new_label = pNewLabel;
  return session->token().ChangeDomain(session->space(), pLabel, new_label,
                                       makePrimary != CK_FALSE);
}

absl::Status DeleteDomain(Library& library, CK_SESSION_HANDLE hSession,
                          const char* pLabel) {
  RETURN_IF_ERROR(api::Need(pLabel, "no label"));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  return session->token().DeleteDomain(session->space(), pLabel);
}

}  // namespace pkcs11::ca
