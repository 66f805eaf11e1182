// Slots, tokens and mechanisms: what there is.
#include "pkcs11/slots.h"

#include "absl/time/clock.h"
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/api/padded_text.h"
#include "pkcs11/fork_gate.h"
#include "pkcs11/key_use.h"
#include "pkcs11/output.h"

namespace pkcs11::api {
namespace {

// Two bytes do not hold three numbers: the patch is left to CA_*.
CK_VERSION ToVersion(const hsm::FirmwareVersion& version) {
  return {version.major_number, version.minor_number};
}

// Kept short: a blocked thread notices C_Finalize by looking.
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(300);

}  // namespace

absl::Status C_GetSlotList(Library& library, CK_BBOOL tokenPresent,
                           CK_SLOT_ID_PTR pSlotList, CK_ULONG_PTR pulCount) {
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_SLOT_ID>::Make(pSlotList, pulCount));
  const auto slots = library.slots();
  if (output.is_query()) slots->Refresh();
  return ToStatus(output.Give(slots->List(tokenPresent != CK_FALSE)));
}

absl::Status C_GetSlotInfo(Library& library, CK_SLOT_ID slotID,
                           CK_SLOT_INFO_PTR pInfo) {
  RETURN_IF_ERROR(Need(pInfo, "no place for the information"));
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  const SlotFacts facts = token->Slot();
  CK_SLOT_INFO info = {};
  PadText(facts.description, info.slotDescription);
  PadText(facts.manufacturer, info.manufacturerID);
  if (facts.token_present) info.flags |= CKF_TOKEN_PRESENT;
  if (facts.removable) info.flags |= CKF_REMOVABLE_DEVICE;
  if (facts.hardware) info.flags |= CKF_HW_SLOT;
  info.hardwareVersion = {1, 0};
  info.firmwareVersion = ToVersion(facts.firmware);
  *pInfo = info;
  return absl::OkStatus();
}

absl::Status C_GetTokenInfo(Library& library, CK_SLOT_ID slotID,
                            CK_TOKEN_INFO_PTR pInfo) {
  RETURN_IF_ERROR(Need(pInfo, "no place for the information"));
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  ASSIGN_OR_RETURN(const TokenFacts facts, token->Facts());
  CK_TOKEN_INFO info = {};
  PadText(facts.label, info.label);
  PadText(facts.manufacturer, info.manufacturerID);
  PadText(facts.model, info.model);
  PadText(facts.serial, info.serialNumber);
  PadText("", info.utcTime);  // no clock on the token
  info.flags = facts.flags;
  info.ulMaxSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
  for (const auto& application : token->applications()) {
    const Application::Sessions sessions = application->sessions();
    info.ulSessionCount += sessions.all();
    info.ulRwSessionCount += sessions.read_write;
  }
  info.ulMaxPinLen = facts.max_pin;
  info.ulMinPinLen = facts.min_pin;
  // One account for public and private objects.
  info.ulTotalPublicMemory = info.ulTotalPrivateMemory = facts.total_memory;
  info.ulFreePublicMemory = info.ulFreePrivateMemory = facts.free_memory;
  info.hardwareVersion = {1, 0};
  info.firmwareVersion = ToVersion(facts.firmware);
  *pInfo = info;
  return absl::OkStatus();
}

absl::Status C_GetMechanismList(Library& library, CK_SLOT_ID slotID,
                                CK_MECHANISM_TYPE_PTR pMechanismList,
                                CK_ULONG_PTR pulCount) {
  ASSIGN_OR_RETURN(const auto output,
                   OutputOf<CK_MECHANISM_TYPE>::Make(pMechanismList, pulCount));
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  std::vector<CK_MECHANISM_TYPE> types;
  if (token->has_crypto()) {
    for (const Mechanism* row : Registry::Get().rows()) {
      if (Has(token->profile(), *row)) types.push_back(row->type);
    }
  }
  return ToStatus(output.Give(types));
}

absl::Status C_GetMechanismInfo(Library& library, CK_SLOT_ID slotID,
                                CK_MECHANISM_TYPE type,
                                CK_MECHANISM_INFO_PTR pInfo) {
  RETURN_IF_ERROR(Need(pInfo, "no place for the information"));
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  if (!token->has_crypto()) {
    return base::Error(CKR_MECHANISM_INVALID, "no mechanism works here");
  }
  const Mechanism* const row = Registry::Get().Find(type, token->profile());
  if (row == nullptr) {
    return base::Error(CKR_MECHANISM_INVALID, "an unknown mechanism");
  }
  *pInfo = InfoOf(*row, token->profile());
  return absl::OkStatus();
}

absl::Status C_WaitForSlotEvent(Library& library, CK_FLAGS flags,
                                CK_SLOT_ID_PTR pSlot, CK_VOID_PTR pRserved) {
  RETURN_IF_ERROR(Need(pSlot, "no place for the slot"));
  if (pRserved != nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "pReserved is not null");
  }
  for (;;) {
    if (const auto slot = library.slots()->TakeEvent()) {
      *pSlot = *slot;
      return absl::OkStatus();
    }
    if (flags & CKF_DONT_BLOCK) return base::Error(CKR_NO_EVENT, "");
    {
      const fork_gate::Sleeping sleeping;
      absl::SleepFor(kBetweenLooks);
    }
    if (Library::Usable() != &library) {
      return base::Error(CKR_CRYPTOKI_NOT_INITIALIZED,
                         "finalised while waiting");
    }
  }
}

}  // namespace pkcs11::api
