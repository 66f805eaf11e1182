// CA_* functions that ask an HSM about itself: facts, time, licences, the
// self-tests; and the Auditor's first PIN.
#include <string>

#include "pkcs11/api/arguments.h"
#include "pkcs11/ca/ca.h"
#include "pkcs11/ca/places.h"
#include "pkcs11/mechanisms/self_check.h"

namespace pkcs11::ca {
namespace {

using api::Need;
using api::Pin;

// What an item of CA_Get is: a text or numbers.
struct Fact {
  std::string text;
  std::vector<CK_ULONG> numbers;

  ByteSpan bytes() const {
    if (numbers.empty()) return base::AsBytes(text);
    return ByteSpan(reinterpret_cast<const uint8_t*>(numbers.data()),
                    numbers.size() * sizeof(CK_ULONG));
  }
};

std::vector<CK_ULONG> Numbers(const hsm::FirmwareVersion& version) {
  return {version.major_number, version.minor_number, version.patch};
}

absl::StatusOr<CK_ULONG> SecondsAt(Library& library, CK_SLOT_ID slot) {
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slot));
  ASSIGN_OR_RETURN(const hsm::Hsm::ClockReading clock, admin->Clock());
  return clock.seconds;
}

absl::StatusOr<Fact> FactOfHsm(Token& token, CK_ULONG item) {
  ASSIGN_OR_RETURN(const hsm::HsmInfo info, token.Hsm());
  switch (item) {
    case LUNA_GT_FWV:
      return Fact{.numbers = Numbers(info.firmware->version)};
    case LUNA_GT_ROLLBACK_FWV:
      return Fact{.numbers = Numbers(info.rollback_firmware)};
    case LUNA_GT_HSM_STORAGE_INFO: {
      ASSIGN_OR_RETURN(const hsm::StorageInfo storage, token.HsmStorage());
      return Fact{.numbers = {storage.overhead, storage.total, storage.used,
                              storage.free}};
    }
    case LUNA_GT_NUMBER_OF_CONTAINERS_ALLOWED: {
      ASSIGN_OR_RETURN(const uint32_t allowed, token.AllowedContainers());
      return Fact{.numbers = {allowed}};
    }
    case LUNA_GT_ADMIN_PARTITION_HANDLE:
      return Fact{.numbers = {0}};
    default:
      return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                         "docs/CA_FUNCTIONS.md tells which items there are");
  }
}

absl::StatusOr<Fact> FactOf(Library& library, CK_SLOT_ID slot, CK_ULONG item) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slot));
  if (item == LUNA_GT_TIME_OF_DAY) {
    ASSIGN_OR_RETURN(const CK_ULONG seconds, SecondsAt(library, slot));
    return Fact{.numbers = {seconds}};
  }
  if (item > LUNA_GT_FLAGS) {
    ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slot));
    return FactOfHsm(*admin, item);
  }
  ASSIGN_OR_RETURN(const TokenFacts facts, token->Facts());
  switch (item) {
    case LUNA_GT_LABEL:
      return Fact{.text = facts.label};
    case LUNA_GT_MFG:
      return Fact{.text = facts.manufacturer};
    case LUNA_GT_MODEL:
      return Fact{.text = facts.model};
    case LUNA_GT_S_N:
      return Fact{.text = facts.serial};
    default:  // LUNA_GT_FLAGS
      return Fact{.numbers = {facts.flags}};
  }
}

}  // namespace

absl::Status CA_Get(Library& library, CK_SLOT_ID slotID, CK_ULONG ulItem,
                    CK_BYTE_PTR pValue, CK_ULONG_PTR pulValueLen) {
  ASSIGN_OR_RETURN(const Output output, Output::Make(pValue, pulValueLen));
  ASSIGN_OR_RETURN(const Fact fact, FactOf(library, slotID, ulItem));
  return ToStatus(output.Give(fact.bytes()));
}

// The HSM's clock is the host's.
absl::Status CA_GetTime(Library& library, CK_SESSION_HANDLE hSession,
                        CK_ULONG_PTR pulSeconds) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  RETURN_IF_ERROR(Need(pulSeconds, "no place for the time"));
  ASSIGN_OR_RETURN(*pulSeconds, SecondsAt(library, session->token().slot()));
  return absl::OkStatus();
}

absl::Status CA_TimeSync(Library& library, CK_SESSION_HANDLE hSession,
                         CK_ULONG ulSeconds) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const TokenRef admin,
                   AdminOf(library, session->token().slot()));
  return admin->SetClock(ulSeconds);
}

// Nothing here is licensed: the list is empty.
absl::Status CA_RetrieveLicenseList(Library& library, CK_SLOT_ID slotID,
                                    CK_ULONG_PTR pulCount, CK_ULONG_PTR) {
  RETURN_IF_ERROR(library.token(slotID).status());
  RETURN_IF_ERROR(Need(pulCount, "no place for the count"));
  *pulCount = 0;
  return absl::OkStatus();
}

absl::Status CA_QueryLicense(Library& library, CK_SLOT_ID slotID, CK_ULONG,
                             CK_ULONG, CK_ULONG_PTR, CK_ULONG_PTR, CK_ULONG_PTR,
                             CK_BYTE_PTR) {
  RETURN_IF_ERROR(library.token(slotID).status());
  return base::Error(LUNA_RET_LICENSE_ID_UNKNOWN, "there are no licences");
}

// The known-answer tests of this process's algorithms, whatever the slot. A
// failed one is the error state, as at an algorithm's first use.
absl::Status CA_PerformSelfTest(Library& library, CK_SLOT_ID slotID,
                                CK_ULONG ulType, CK_BYTE_PTR, CK_ULONG,
                                CK_BYTE_PTR, CK_ULONG_PTR pulOutputLen) {
  RETURN_IF_ERROR(library.token(slotID).status());
  if (ulType != LUNA_TTYPE_CRYPTO) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "the tests of algorithms are LUNA_TTYPE_CRYPTO");
  }
  Tell<CK_ULONG>(pulOutputLen, 0);
  return TestEverything();
}

// The Auditor makes itself, on the HSM's admin slot, which has no second label.
absl::Status CA_InitAudit(Library& library, CK_SLOT_ID slotID, CK_CHAR_PTR pPin,
                          CK_ULONG ulPinLen, CK_CHAR_PTR /*pLabel*/) {
  ASSIGN_OR_RETURN(const SecretBytes pin, Pin(pPin, ulPinLen));
  ASSIGN_OR_RETURN(const TokenRef admin, AdminOf(library, slotID));
  return admin->InitRole(admin->own_space(), hsm::Role::kAuditor, pin);
}

}  // namespace pkcs11::ca
