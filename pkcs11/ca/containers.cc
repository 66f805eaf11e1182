// CA_* functions about containers: an HSM's partitions.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/policy_template.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"
#include "pkcs11/next_domain.h"

namespace pkcs11::ca {
namespace {

using api::Input;
using api::Need;
using api::Pin;

// The session of an HSM's SO: one on the HSM's admin partition.
absl::StatusOr<SessionRef> AdminSession(Library& library,
                                        CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(SessionRef session, library.session(handle));
  if (session->space() != 0) {
    return base::Error(CKR_USER_NOT_AUTHORIZED,
                       "the HSM SO does it, in a session on the admin slot");
  }
  return session;
}

absl::StatusOr<SpaceId> ToSpace(CK_ULONG container) {
  if (container != 0 && container <= UINT32_MAX) {
    return static_cast<SpaceId>(container);
  }
  return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                     absl::StrCat("no container ", container));
}

// Makes PO and CO of a partition of an application HSM that is new.
absl::Status InitNew(Library& library, const Place& place,
                     const std::string& label, const SecretBytes& pin,
                     ByteSpan domain) {
  RETURN_IF_ERROR(place.token->InitContainer(place.space, label, pin, domain));
  ASSIGN_OR_RETURN(const SoForOneCall po,
                   SoForOneCall::Login(library, place, pin));
  return place.token->InitRole(place.space, hsm::Role::kCo, pin);
}

absl::StatusOr<SpaceId> Create(Library& library, Token& admin,
                               const hsm::PartitionSpec& spec,
                               const SecretBytes& pin, ByteSpan domain) {
  if (BackupDevice* const backup = AsBackupDevice(admin); backup != nullptr) {
    return backup->CreateBackup(spec, pin, domain);
  }
  ASSIGN_OR_RETURN(const SpaceId space, admin.CreateContainer(spec));
  library.slots()->Refresh();
  if (pin.empty()) return space;
  absl::Status made = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const Place place, PlaceOf(library, admin.slot(), space));
    return InitNew(library, place, spec.label, pin, domain);
  }();
  if (made.ok()) return space;
  admin.DeleteContainer(space).IgnoreError();
  library.slots()->Refresh();
  return made;
}

absl::Status Delete(Library& library, CK_SLOT_ID slot, SpaceId space) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slot));
  const absl::StatusOr<Place> place = PlaceOf(library, slot, space);
  RETURN_IF_ERROR(admin->DeleteContainer(space));
  if (place.ok()) library.CloseSessions(*place->token, place->space);
  library.slots()->Refresh();
  return absl::OkStatus();
}

absl::Status GiveName(absl::string_view name, CK_BYTE_PTR pName,
                      CK_ULONG_PTR pulNameLen) {
  ASSIGN_OR_RETURN(const Output output, Output::Make(pName, pulNameLen));
  return ToStatus(output.Give(base::AsBytes(name)));
}

}  // namespace

// The password is the first one of PO and CO; without one the partition is
// only made. The domain is that of CA_SetCloningDomain.
absl::Status CA_CreateContainer(Library& library, CK_SESSION_HANDLE hSession,
                                CK_ULONG /*ulGroup*/, CK_CHAR_PTR pLabel,
                                CK_ULONG ulLabelLen, CK_CHAR_PTR pPin,
                                CK_ULONG ulPinLen, CK_ULONG, CK_ULONG, CK_ULONG,
                                CK_ULONG, CK_ULONG ulStorageSize,
                                CK_ULONG_PTR pulContainer) {
  RETURN_IF_ERROR(Need(pulContainer, "no place for the container"));
  ASSIGN_OR_RETURN(const ByteSpan label, Input(pLabel, ulLabelLen));
  if (label.empty()) return base::Error(CKR_ARGUMENTS_BAD, "no label");
  SecretBytes pin;
  if (pPin != nullptr) {
    ASSIGN_OR_RETURN(pin, Pin(pPin, ulPinLen));
    if (pin.empty()) return base::Error(CKR_PIN_LEN_RANGE, "an empty PIN");
  }
  ASSIGN_OR_RETURN(const SessionRef session, AdminSession(library, hSession));
  hsm::PartitionSpec spec;
  spec.label = std::string(base::AsText(label));
  spec.capacity = ulStorageSize;
  const SecretBytes domain = pin.empty() ? SecretBytes() : NextDomain();
  ASSIGN_OR_RETURN(const SpaceId space, Create(library, session->token(), spec,
                                               pin, domain.Expose()));
  if (!pin.empty()) ClearNextDomain();
  *pulContainer = space;
  return absl::OkStatus();
}

// The same with the policies of a template (hsm/policy_template.h), which are
// set by the new PO: so a password is needed. A partition that they cannot be
// set on is deleted again.
absl::Status CA_CreateContainerWithPolicy(
    Library& library, CK_SESSION_HANDLE hSession, CK_ULONG ulGroup,
    CK_CHAR_PTR pLabel, CK_ULONG ulLabelLen, CK_CHAR_PTR pPin,
    CK_ULONG ulPinLen, CK_ULONG ulReserved1, CK_ULONG ulReserved2,
    CK_ULONG ulReserved3, CK_ULONG ulReserved4, CK_ULONG ulStorageSize,
    CK_ULONG_PTR pulContainer, CK_ULONG, CK_ULONG ulTemplateLen,
    CK_BYTE_PTR pTemplate) {
  ASSIGN_OR_RETURN(const ByteSpan text, Input(pTemplate, ulTemplateLen));
  hsm::PolicyValues policies;
  if (!text.empty()) {
    ASSIGN_OR_RETURN(policies,
                     hsm::ParsePolicyTemplate(hsm::PolicyScope::kPartition,
                                              base::AsText(text)));
    if (pPin == nullptr) {
      return base::Error(CKR_ARGUMENTS_BAD,
                         "a policy template needs the password of the SO");
    }
  }
  RETURN_IF_ERROR(CA_CreateContainer(library, hSession, ulGroup, pLabel,
                                     ulLabelLen, pPin, ulPinLen, ulReserved1,
                                     ulReserved2, ulReserved3, ulReserved4,
                                     ulStorageSize, pulContainer));
  if (policies.empty()) return absl::OkStatus();
  const absl::Status set = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const SecretBytes pin, Pin(pPin, ulPinLen));
    ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
    ASSIGN_OR_RETURN(const Place place,
                     PlaceOf(library, session->token().slot(), *pulContainer));
    return SetFirstPolicies(library, place, pin, policies, {});
  }();
  if (!set.ok()) {
    CA_DeleteContainerWithHandle(library, hSession, *pulContainer)
        .IgnoreError();
  }
  return set;
}

// What the slot's own partition has; the version is that of the format.
absl::Status CA_GetPartitionPolicyTemplate(Library& library, CK_SLOT_ID slotID,
                                           CK_ULONG_PTR pulVersion,
                                           CK_ULONG_PTR pulTemplateLen,
                                           CK_BYTE_PTR pTemplate) {
  ASSIGN_OR_RETURN(const Output output,
                   Output::Make(pTemplate, pulTemplateLen));
  ASSIGN_OR_RETURN(const std::string text,
                   PolicyTemplateOf(library, slotID, /*of_hsm=*/false));
  Tell<CK_ULONG>(pulVersion, 1);
  return ToStatus(output.Give(base::AsBytes(text)));
}

absl::Status CA_DeleteContainer(Library& library, CK_SESSION_HANDLE hSession) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  if (session->space() == 0) {
    return base::Error(CKR_CONTAINER_HANDLE_INVALID,
                       "an admin partition is not deleted");
  }
  return Delete(library, session->token().slot(), session->space());
}

absl::Status CA_DeleteContainerWithHandle(Library& library,
                                          CK_SESSION_HANDLE hSession,
                                          CK_ULONG ulContainer) {
  ASSIGN_OR_RETURN(const SessionRef session, AdminSession(library, hSession));
  ASSIGN_OR_RETURN(const SpaceId space, ToSpace(ulContainer));
  return Delete(library, session->token().slot(), space);
}

// Size 0: all that is free.
absl::Status CA_SetContainerSize(Library& library, CK_SESSION_HANDLE hSession,
                                 CK_ULONG ulContainer, CK_ULONG ulSize) {
  ASSIGN_OR_RETURN(const SessionRef session, AdminSession(library, hSession));
  ASSIGN_OR_RETURN(const SpaceId space, ToSpace(ulContainer));
  return session->token().ResizeContainer(space, ulSize);
}

// --- what there is -----------------------------------------------------------

absl::Status CA_GetContainerList(Library& library, CK_SLOT_ID slotID,
                                 CK_ULONG ulGroup, CK_ULONG ulType,
                                 CK_ULONG_PTR pulContainers,
                                 CK_ULONG_PTR pulCount) {
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_ULONG>::Make(pulContainers, pulCount));
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  std::vector<CK_ULONG> handles;
  // There are no groups, and one type.
  if (ulGroup == 0 && ulType == LUNA_PARTITION_TYPE_STANDALONE) {
    ASSIGN_OR_RETURN(const std::vector<hsm::PartitionInfo> all,
                     admin->Containers());
    for (const hsm::PartitionInfo& info : all) handles.push_back(info.space);
  }
  return ToStatus(output.Give(handles));
}

absl::Status CA_GetContainerName(Library& library, CK_SLOT_ID slotID,
                                 CK_ULONG ulContainer, CK_BYTE_PTR pName,
                                 CK_ULONG_PTR pulNameLen) {
  RETURN_IF_ERROR(Need(pulNameLen, "no place for the length"));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  ASSIGN_OR_RETURN(const hsm::PartitionInfo info,
                   place.token->Container(place.space));
  return GiveName(info.label, pName, pulNameLen);
}

absl::Status CA_GetUserContainerName(Library& library, CK_SLOT_ID slotID,
                                     CK_BYTE_PTR pName,
                                     CK_ULONG_PTR pulNameLen) {
  return CA_GetContainerName(library, slotID, kOwnContainer, pName, pulNameLen);
}

absl::Status CA_SetUserContainerName(Library& library, CK_SLOT_ID slotID,
                                     CK_BYTE_PTR pName, CK_ULONG ulNameLen) {
  ASSIGN_OR_RETURN(const ByteSpan name, Input(pName, ulNameLen));
  if (name.empty()) return base::Error(CKR_ARGUMENTS_BAD, "no name");
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID));
  return place.token->ChangeLabel(place.space, base::AsText(name));
}

absl::Status CA_GetUserContainerNumber(Library& library, CK_SLOT_ID slotID,
                                       CK_ULONG_PTR pulContainer) {
  RETURN_IF_ERROR(Need(pulContainer, "no place for the container"));
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID));
  *pulContainer = place.space;
  return absl::OkStatus();
}

absl::Status CA_GetContainerStatus(Library& library, CK_SLOT_ID slotID,
                                   CK_ULONG ulContainer, CK_ULONG_PTR pulFlags,
                                   CK_ULONG_PTR pulFailedSO,
                                   CK_ULONG_PTR pulFailedUser,
                                   CK_ULONG_PTR pulFailedLimitedUser) {
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  Token& token = *place.token;
  ASSIGN_OR_RETURN(const hsm::PartitionInfo info, token.Container(place.space));
  ASSIGN_OR_RETURN(const hsm::RoleState so,
                   token.RoleState(place.space, hsm::Role::kSo));
  hsm::RoleState co, cu;
  if (place.space != 0) {
    ASSIGN_OR_RETURN(co, token.RoleState(place.space, hsm::Role::kCo));
    ASSIGN_OR_RETURN(cu, token.RoleState(place.space, hsm::Role::kCu));
  }
  CK_ULONG flags = LUNA_CF_CONTAINER_ENABLED;
  if (info.initialized) flags |= LUNA_CF_PARTITION_INITIALIZED;
  if (info.has_domain) flags |= LUNA_CF_KCV_CREATED;
  if (so.locked) flags |= LUNA_CF_SO_PIN_LOCKED;
  if (so.must_change_pin) flags |= LUNA_CF_SO_PIN_TO_BE_CHANGED;
  if (co.initialized) flags |= LUNA_CF_USER_PIN_INITIALIZED;
  if (co.locked) flags |= LUNA_CF_USER_PIN_LOCKED;
  if (co.must_change_pin) flags |= LUNA_CF_USER_PIN_TO_BE_CHANGED;
  if (cu.initialized) flags |= LUNA_CF_LIMITED_USER_CREATED;
  if (cu.locked) flags |= LUNA_CF_LIMITED_USER_PIN_LOCKED;
  if (cu.must_change_pin) flags |= LUNA_CF_LIMITED_USER_PIN_TO_BE_CHANGED;
  Tell(pulFlags, flags);
  Tell<CK_ULONG>(pulFailedSO, so.failures);
  Tell<CK_ULONG>(pulFailedUser, co.failures);
  Tell<CK_ULONG>(pulFailedLimitedUser, cu.failures);
  return absl::OkStatus();
}

absl::Status CA_GetTokenStatus(Library& library, CK_SLOT_ID slotID,
                               CK_ULONG_PTR pulStatus, CK_ULONG_PTR pulFailedSO,
                               CK_ULONG_PTR pulFailedUser) {
  return CA_GetContainerStatus(library, slotID, kOwnContainer, pulStatus,
                               pulFailedSO, pulFailedUser, nullptr);
}

absl::Status CA_GetContainerStorageInformation(
    Library& library, CK_SLOT_ID slotID, CK_ULONG ulContainer,
    CK_ULONG_PTR pulOverhead, CK_ULONG_PTR pulTotal, CK_ULONG_PTR pulUsed,
    CK_ULONG_PTR pulFree, CK_ULONG_PTR pulObjectCount) {
  ASSIGN_OR_RETURN(const Place place, PlaceOf(library, slotID, ulContainer));
  ASSIGN_OR_RETURN(const hsm::StorageInfo storage,
                   place.token->ContainerStorage(place.space));
  Tell<CK_ULONG>(pulOverhead, storage.overhead);
  Tell<CK_ULONG>(pulTotal, storage.total);
  Tell<CK_ULONG>(pulUsed, storage.used);
  Tell<CK_ULONG>(pulFree, storage.free);
  Tell<CK_ULONG>(pulObjectCount, storage.objects);
  return absl::OkStatus();
}

absl::Status CA_GetTokenStorageInformation(Library& library, CK_SLOT_ID slotID,
                                           CK_ULONG_PTR pulOverhead,
                                           CK_ULONG_PTR pulTotal,
                                           CK_ULONG_PTR pulUsed,
                                           CK_ULONG_PTR pulFree,
                                           CK_ULONG_PTR pulObjectCount) {
  return CA_GetContainerStorageInformation(library, slotID, kOwnContainer,
                                           pulOverhead, pulTotal, pulUsed,
                                           pulFree, pulObjectCount);
}

absl::Status CA_GetHSMStorageInformation(Library& library, CK_SLOT_ID slotID,
                                         CK_ULONG_PTR pulContainerOverhead,
                                         CK_ULONG_PTR pulTotal,
                                         CK_ULONG_PTR pulUsed,
                                         CK_ULONG_PTR pulFree) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  ASSIGN_OR_RETURN(const hsm::StorageInfo storage, admin->HsmStorage());
  Tell<CK_ULONG>(pulContainerOverhead, storage.overhead);
  Tell<CK_ULONG>(pulTotal, storage.total);
  Tell<CK_ULONG>(pulUsed, storage.used);
  Tell<CK_ULONG>(pulFree, storage.free);
  return absl::OkStatus();
}

absl::Status CA_GetNumberOfAllowedContainers(Library& library,
                                             CK_SLOT_ID slotID,
                                             CK_ULONG_PTR pulCount) {
  RETURN_IF_ERROR(Need(pulCount, "no place for the number"));
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  ASSIGN_OR_RETURN(*pulCount, admin->AllowedContainers());
  return absl::OkStatus();
}

absl::Status CA_GetFirmwareVersion(Library& library, CK_SLOT_ID slotID,
                                   CK_ULONG_PTR pulMajor, CK_ULONG_PTR pulMinor,
                                   CK_ULONG_PTR pulSubMinor) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  ASSIGN_OR_RETURN(const TokenFacts facts, token->Facts());
  Tell<CK_ULONG>(pulMajor, facts.firmware.major_number);
  Tell<CK_ULONG>(pulMinor, facts.firmware.minor_number);
  Tell<CK_ULONG>(pulSubMinor, facts.firmware.patch);
  return absl::OkStatus();
}

}  // namespace pkcs11::ca
