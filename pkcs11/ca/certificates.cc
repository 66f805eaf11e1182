// The certificates that an HSM shows of itself.
#include "base/certificate.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/output.h"

namespace pkcs11::ca {
namespace {

// One of the chain, which begins with the HSM's own and ends with the fleet's:
// the only two kinds that a Perigee HSM has.
absl::StatusOr<base::Bytes> PartOf(const std::vector<base::Certificate>& chain,
                                   CK_ULONG type) {
  const bool has_root = chain.size() > 1;
  switch (type) {
    case CKHSC_CERT_TYPE_ECC_HOC:
      return chain.front().der();
    case CKHSC_CERT_TYPE_ECC_ROOT:
      if (has_root) return chain.back().der();
      break;
  }
  return base::Error(CKR_CERTIFICATE_DATA_MISSING,
                     "this HSM has no certificate of the kind");
}

}  // namespace

// DER. Of a Backup HSM the channel is opened, so it must be of this host's
// fleet.
absl::Status CA_GetTokenCertificates(Library& library, CK_SLOT_ID slotID,
                                     CK_ULONG ulType, CK_BYTE_PTR pValue,
                                     CK_ULONG_PTR pulValueLen) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  ASSIGN_OR_RETURN(const Output output, Output::Make(pValue, pulValueLen));
  if (ulType == 0 || ulType > CKHSC_CERT_TYPE_ECC_TWC) {
    return base::Error(CKR_ARGUMENTS_BAD, "no type of certificate");
  }
  ASSIGN_OR_RETURN(const std::vector<base::Certificate> chain,
                   token->Certificates());
  ASSIGN_OR_RETURN(const base::Bytes der, PartOf(chain, ulType));
  return ToStatus(output.Give(der));
}

}  // namespace pkcs11::ca
