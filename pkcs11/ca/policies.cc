// CA_* functions about capabilities and policies. One that destroys something
// is changed only by the functions that say so (CA_SetDestructiveHSMPolicy) and
// by CA_SetTokenPolicies, the only one that there is for a partition.
#include <string>
#include <utility>

#include "hsm/policy.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {
namespace {

using api::Need;

// Two lists under one two-call convention: numbers and values. A list that the
// caller gives no buffer for is only counted.
absl::Status GiveSet(const absl::StatusOr<hsm::PolicyValues>& set,
                     CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulIDCount,
                     CK_ULONG_PTR pulValues, CK_ULONG_PTR pulValueCount) {
  ASSIGN_OR_RETURN(const auto ids,
                   OutputOf<CK_ULONG>::Make(pulIDs, pulIDCount));
  ASSIGN_OR_RETURN(const auto values,
                   OutputOf<CK_ULONG>::Make(pulValues, pulValueCount));
  RETURN_IF_ERROR(set.status());
  std::vector<CK_ULONG> numbers, settings;
  for (const auto& [number, value] : *set) {
    numbers.push_back(number);
    settings.push_back(value);
  }
  const Answer first = ids.Give(numbers);
  const Answer second = values.Give(settings);
  RETURN_IF_ERROR(ToStatus(first));
  return ToStatus(second);
}

absl::Status GiveOne(const absl::StatusOr<hsm::PolicyValues>& set, CK_ULONG id,
                     CK_ULONG_PTR pulValue) {
  RETURN_IF_ERROR(Need(pulValue, "no place for the value"));
  RETURN_IF_ERROR(set.status());
  const auto it =
      id > UINT32_MAX ? set->end() : set->find(static_cast<uint32_t>(id));
  if (it == set->end()) {
    return base::Error(LUNA_RET_RM_ELEMENT_ID_INVALID,
                       "no such capability or policy here");
  }
  *pulValue = it->second;
  return absl::OkStatus();
}

absl::StatusOr<hsm::PolicyValues> Changes(CK_ULONG count, const CK_ULONG* ids,
                                          const CK_ULONG* values) {
  hsm::PolicyValues changes;
  if (count == 0) return base::Error(CKR_ARGUMENTS_BAD, "no policies");
  RETURN_IF_ERROR(Need(ids, "no policy numbers"));
  RETURN_IF_ERROR(Need(values, "no policy values"));
  for (CK_ULONG i = 0; i < count; ++i) {
    if (ids[i] > UINT32_MAX) {
      return base::Error(LUNA_RET_RM_ELEMENT_ID_INVALID, "no such policy");
    }
    changes[static_cast<uint32_t>(ids[i])] = values[i];
  }
  return changes;
}

using HsmGetter = absl::StatusOr<hsm::PolicyValues> (Token::*)();
absl::StatusOr<hsm::PolicyValues> OfHsm(Library& library, CK_SLOT_ID slot,
                                        HsmGetter get) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slot));
  return ((*admin).*get)();
}

using ContainerGetter = absl::StatusOr<hsm::PolicyValues> (Token::*)(SpaceId);
absl::StatusOr<hsm::PolicyValues> OfContainer(Library& library, CK_SLOT_ID slot,
                                              CK_ULONG container,
                                              ContainerGetter get) {
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slot, container));
  return ((*place.token).*get)(place.space);
}

absl::Status SetOfHsm(Library& library, CK_SESSION_HANDLE handle,
                      CK_ULONG count, const CK_ULONG* ids,
                      const CK_ULONG* values, bool allow_destructive) {
  ASSIGN_OR_RETURN(const hsm::PolicyValues changes,
                   Changes(count, ids, values));
  ASSIGN_OR_RETURN(const SessionRef session, library.session(handle));
  ASSIGN_OR_RETURN(const TokenRef admin,
                   AdminOf(library, session->token().slot()));
  return admin->SetHsmPolicies(changes, allow_destructive);
}

absl::Status SetOfContainer(const Place& place, CK_ULONG count,
                            const CK_ULONG* ids, const CK_ULONG* values,
                            bool allow_destructive) {
  ASSIGN_OR_RETURN(const hsm::PolicyValues changes,
                   Changes(count, ids, values));
  return place.token->SetContainerPolicies(place.space, changes,
                                           allow_destructive);
}

}  // namespace

// The text ends with a zero byte, which counts.
absl::Status CA_GetConfigurationElementDescription(
    Library& library, CK_SLOT_ID slotID, CK_ULONG ulIsContainer,
    CK_ULONG ulIsCapability, CK_ULONG ulElementID, CK_ULONG_PTR pulBitLength,
    CK_ULONG_PTR pulDestructive, CK_ULONG_PTR pulWriteRestricted,
    CK_CHAR_PTR pDescription, CK_ULONG_PTR pulDescriptionLen) {
  RETURN_IF_ERROR(library.token(slotID).status());
  const hsm::PolicyRule* rule =
      ulElementID > UINT32_MAX
          ? nullptr
          : hsm::FindRule(ulIsContainer != 0 ? hsm::PartitionPolicyRules()
                                             : hsm::HsmPolicyRules(),
                          static_cast<uint32_t>(ulElementID));
  const char* text = rule == nullptr       ? nullptr
                     : ulIsCapability != 0 ? rule->capability_name
                                           : rule->policy_name;
  if (text == nullptr) {
    return base::Error(LUNA_RET_RM_ELEMENT_ID_INVALID,
                       "no such capability or policy");
  }
  const bool destructive =
      ulIsCapability == 0 && rule->destructive != hsm::Destructive::kNever;
  Tell<CK_ULONG>(pulBitLength, rule->bits);
  Tell<CK_ULONG>(pulDestructive, destructive ? 1 : 0);
  Tell<CK_ULONG>(pulWriteRestricted, ulIsCapability != 0 ? 1 : 0);
  if (pulDescriptionLen == nullptr) {
    if (pDescription == nullptr) return absl::OkStatus();
    return base::Error(CKR_ARGUMENTS_BAD, "no length of the text's buffer");
  }
  ASSIGN_OR_RETURN(const Output output,
                   Output::Make(pDescription, pulDescriptionLen));
  const absl::string_view with_zero(text,
                                    std::char_traits<char>::length(text) + 1);
  return ToStatus(output.Give(base::AsBytes(with_zero)));
}

// --- of the HSM --------------------------------------------------------------

absl::Status CA_GetHSMCapabilitySet(Library& library, CK_SLOT_ID slotID,
                                    CK_ULONG_PTR pulIDs,
                                    CK_ULONG_PTR pulIDCount,
                                    CK_ULONG_PTR pulValues,
                                    CK_ULONG_PTR pulValueCount) {
  return GiveSet(OfHsm(library, slotID, &Token::HsmCapabilities), pulIDs,
                 pulIDCount, pulValues, pulValueCount);
}

absl::Status CA_GetHSMCapabilitySetting(Library& library, CK_SLOT_ID slotID,
                                        CK_ULONG ulID, CK_ULONG_PTR pulValue) {
  return GiveOne(OfHsm(library, slotID, &Token::HsmCapabilities), ulID,
                 pulValue);
}

absl::Status CA_GetHSMPolicySet(Library& library, CK_SLOT_ID slotID,
                                CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulIDCount,
                                CK_ULONG_PTR pulValues,
                                CK_ULONG_PTR pulValueCount) {
  return GiveSet(OfHsm(library, slotID, &Token::HsmPolicies), pulIDs,
                 pulIDCount, pulValues, pulValueCount);
}

absl::Status CA_GetHSMPolicySetting(Library& library, CK_SLOT_ID slotID,
                                    CK_ULONG ulID, CK_ULONG_PTR pulValue) {
  return GiveOne(OfHsm(library, slotID, &Token::HsmPolicies), ulID, pulValue);
}

absl::Status CA_SetHSMPolicy(Library& library, CK_SESSION_HANDLE hSession,
                             CK_ULONG ulID, CK_ULONG ulValue) {
  return SetOfHsm(library, hSession, 1, &ulID, &ulValue, false);
}

absl::Status CA_SetHSMPolicies(Library& library, CK_SESSION_HANDLE hSession,
                               CK_ULONG ulCount, CK_ULONG_PTR pulIDs,
                               CK_ULONG_PTR pulValues) {
  return SetOfHsm(library, hSession, ulCount, pulIDs, pulValues, false);
}

absl::Status CA_SetDestructiveHSMPolicy(Library& library,
                                        CK_SESSION_HANDLE hSession,
                                        CK_ULONG ulID, CK_ULONG ulValue) {
  return SetOfHsm(library, hSession, 1, &ulID, &ulValue, true);
}

absl::Status CA_SetDestructiveHSMPolicies(Library& library,
                                          CK_SESSION_HANDLE hSession,
                                          CK_ULONG ulCount, CK_ULONG_PTR pulIDs,
                                          CK_ULONG_PTR pulValues) {
  return SetOfHsm(library, hSession, ulCount, pulIDs, pulValues, true);
}

// --- of a partition ----------------------------------------------------------

absl::Status CA_GetContainerCapabilitySet(Library& library, CK_SLOT_ID slotID,
                                          CK_ULONG ulContainer,
                                          CK_ULONG_PTR pulIDs,
                                          CK_ULONG_PTR pulIDCount,
                                          CK_ULONG_PTR pulValues,
                                          CK_ULONG_PTR pulValueCount) {
  return GiveSet(
      OfContainer(library, slotID, ulContainer, &Token::ContainerCapabilities),
      pulIDs, pulIDCount, pulValues, pulValueCount);
}

absl::Status CA_GetContainerCapabilitySetting(Library& library,
                                              CK_SLOT_ID slotID,
                                              CK_ULONG ulContainer,
                                              CK_ULONG ulID,
                                              CK_ULONG_PTR pulValue) {
  return GiveOne(
      OfContainer(library, slotID, ulContainer, &Token::ContainerCapabilities),
      ulID, pulValue);
}

absl::Status CA_GetContainerPolicySet(Library& library, CK_SLOT_ID slotID,
                                      CK_ULONG ulContainer, CK_ULONG_PTR pulIDs,
                                      CK_ULONG_PTR pulIDCount,
                                      CK_ULONG_PTR pulValues,
                                      CK_ULONG_PTR pulValueCount) {
  return GiveSet(
      OfContainer(library, slotID, ulContainer, &Token::ContainerPolicies),
      pulIDs, pulIDCount, pulValues, pulValueCount);
}

absl::Status CA_GetContainerPolicySetting(Library& library, CK_SLOT_ID slotID,
                                          CK_ULONG ulContainer, CK_ULONG ulID,
                                          CK_ULONG_PTR pulValue) {
  return GiveOne(
      OfContainer(library, slotID, ulContainer, &Token::ContainerPolicies),
      ulID, pulValue);
}

absl::Status CA_SetContainerPolicies(Library& library,
                                     CK_SESSION_HANDLE hSession,
                                     CK_ULONG ulContainer, CK_ULONG ulCount,
                                     CK_ULONG_PTR pulIDs,
                                     CK_ULONG_PTR pulValues) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const Place place,
                   PlaceOf(library, session->token().slot(), ulContainer));
  return SetOfContainer(place, ulCount, pulIDs, pulValues, false);
}

absl::Status CA_SetContainerPolicy(Library& library, CK_SESSION_HANDLE hSession,
                                   CK_ULONG ulContainer, CK_ULONG ulID,
                                   CK_ULONG ulValue) {
  return CA_SetContainerPolicies(library, hSession, ulContainer, 1, &ulID,
                                 &ulValue);
}

absl::Status CA_GetTokenCapabilities(Library& library, CK_SLOT_ID slotID,
                                     CK_ULONG_PTR pulIDs,
                                     CK_ULONG_PTR pulIDCount,
                                     CK_ULONG_PTR pulValues,
                                     CK_ULONG_PTR pulValueCount) {
  return CA_GetContainerCapabilitySet(library, slotID, kOwnContainer, pulIDs,
                                      pulIDCount, pulValues, pulValueCount);
}

absl::Status CA_GetTokenPolicies(Library& library, CK_SLOT_ID slotID,
                                 CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulIDCount,
                                 CK_ULONG_PTR pulValues,
                                 CK_ULONG_PTR pulValueCount) {
  return CA_GetContainerPolicySet(library, slotID, kOwnContainer, pulIDs,
                                  pulIDCount, pulValues, pulValueCount);
}

absl::Status CA_SetTokenPolicies(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_SLOT_ID slotID, CK_ULONG ulCount,
                                 CK_ULONG_PTR pulIDs, CK_ULONG_PTR pulValues) {
  RETURN_IF_ERROR(library.session(hSession).status());
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID));
  return SetOfContainer(place, ulCount, pulIDs, pulValues, true);
}

}  // namespace pkcs11::ca
