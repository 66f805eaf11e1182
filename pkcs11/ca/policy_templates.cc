// Policy templates through the vendor interface: read off a slot, and parsed
// for CA_InitToken.
#include "hsm/policy_template.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {

absl::StatusOr<std::string> PolicyTemplateOf(Library& library, CK_SLOT_ID slot,
                                             bool of_hsm) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slot));
  ASSIGN_OR_RETURN(const hsm::HsmInfo info, admin->Hsm());
  hsm::PolicyValues values;
  if (of_hsm) {
    ASSIGN_OR_RETURN(values, admin->HsmPolicies());
  } else {
    ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slot));
    ASSIGN_OR_RETURN(values, place.token->ContainerPolicies(place.space));
  }
  return hsm::WritePolicyTemplate(
      of_hsm ? hsm::PolicyScope::kHsm : hsm::PolicyScope::kPartition,
      info.firmware->version, values);
}

absl::Status PolicyTemplate(Library& library, CK_SLOT_ID slotID, CK_BBOOL ofHsm,
                            char* pText, CK_ULONG* pulTextLen) {
  ASSIGN_OR_RETURN(const auto output, OutputOf<char>::Make(pText, pulTextLen));
  ASSIGN_OR_RETURN(const std::string text,
                   PolicyTemplateOf(library, slotID, ofHsm != CK_FALSE));
  return ToStatus(output.Give(text));
}

absl::Status ParsePolicyTemplate(Library&, CK_BBOOL ofHsm, const char* pText,
                                 CK_ULONG ulTextLen, CK_POLICY_INFO* pPolicies,
                                 CK_ULONG* pulCount) {
  if (pText == nullptr && ulTextLen != 0) {
    return base::Error(CKR_ARGUMENTS_BAD, "no text");
  }
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_POLICY_INFO>::Make(pPolicies, pulCount));
  ASSIGN_OR_RETURN(
      const hsm::PolicyValues values,
      hsm::ParsePolicyTemplate(ofHsm != CK_FALSE ? hsm::PolicyScope::kHsm
                                                 : hsm::PolicyScope::kPartition,
                               absl::string_view(pText, ulTextLen)));
  std::vector<CK_POLICY_INFO> rows;
  for (const auto& [number, value] : values) {
    CK_POLICY_INFO row = {};
    row.ulId = number;
    row.ulValue = value;
    rows.push_back(row);
  }
  return ToStatus(output.Give(rows));
}

}  // namespace pkcs11::ca
