// The vendor interface: Transfer between two sessions' partitions, and the
// adoption of a device.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backup/transfer.h"
#include "cloning/endpoint.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/ca/perigee_items.h"
#include "pkcs11/ca/places.h"

namespace pkcs11::ca {
namespace {

using api::Input;
using api::Pin;
using Item = cloning::Endpoint::Item;

static_assert(PERIGEE_HANDLE_SMK == hsm::kSmkHandle);
static_assert(PERIGEE_HANDLE_FORMER_SMK == hsm::kFormerSmkHandle);

// The handles of what is carried: those asked for, or all. Nothing is opened.
// A backup of all takes the SKS master keys along, where there are any.
absl::StatusOr<std::vector<uint64_t>> HandlesOf(
    cloning::Endpoint& source, const PERIGEE_TRANSFER& transfer,
    const std::vector<uint64_t>& smks) {
  if ((transfer.flags & PERIGEE_TRANSFER_SMK_ONLY) != 0) {
    ASSIGN_OR_RETURN(const std::vector<Item> items,
                     Selection(source, transfer, smks));
    std::vector<uint64_t> handles;
    for (const Item& item : items) handles.push_back(item.handle);
    return handles;
  }
  if (transfer.ulObjectCount == 0) {
    ASSIGN_OR_RETURN(std::vector<uint64_t> all, source.Handles());
    all.insert(all.end(), smks.begin(), smks.end());
    return all;
  }
  if (transfer.phObjects == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "no objects");
  }
  return std::vector<uint64_t>(transfer.phObjects,
                               transfer.phObjects + transfer.ulObjectCount);
}

absl::Status List(cloning::Endpoint& source, PERIGEE_TRANSFER& transfer,
                  const std::vector<uint64_t>& smks) {
  ASSIGN_OR_RETURN(const std::vector<Item> items,
                   Selection(source, transfer, smks));
  ASSIGN_OR_RETURN(const ItemReport report,
                   ItemReport::Make(transfer, items.size()));
  for (size_t i = 0; i < items.size(); ++i) report.Put(i, StartItem(items[i]));
  return absl::OkStatus();
}

CK_ULONG ToNumber(backup::TransferItem::Outcome outcome) {
  using Outcome = backup::TransferItem::Outcome;
  switch (outcome) {
    case Outcome::kStored:
      return PERIGEE_OUTCOME_STORED;
    case Outcome::kPresent:
      return PERIGEE_OUTCOME_PRESENT;
    case Outcome::kReplaced:
      return PERIGEE_OUTCOME_REPLACED;
    case Outcome::kLeftOut:
      return PERIGEE_OUTCOME_LEFT_OUT;
    case Outcome::kRefused:
      return PERIGEE_OUTCOME_REFUSED;
    case Outcome::kNotTried:
      break;
  }
  return PERIGEE_OUTCOME_NOT_TRIED;
}

PERIGEE_TRANSFER_ITEM Told(const backup::TransferItem& done) {
  PERIGEE_TRANSFER_ITEM told = {};
  told.hSource = done.source_handle;
  told.hTarget = done.target_handle;
  std::copy(done.ouid.begin(), done.ouid.end(), told.ouid);
  told.ulOutcome = ToNumber(done.outcome);
  told.rv = done.rv;
  CopyText(told.reason, done.reason);
  CopyText(told.text, done.text);
  return told;
}

backup::TransferOptions OptionsOf(const PERIGEE_TRANSFER& transfer) {
  backup::TransferOptions options;
  options.continue_on_error =
      (transfer.flags & PERIGEE_TRANSFER_CONTINUE_ON_ERROR) != 0;
  if ((transfer.flags & PERIGEE_TRANSFER_REPLACE) != 0) {
    options.on_conflict = cloning::OnConflict::kReplace;
  }
  if (transfer.pProgress != nullptr) {
    options.progress = [progress = transfer.pProgress,
                        context = transfer.pContext](size_t done,
                                                     size_t total) {
      return progress(context, done, total) == 0;
    };
  }
  return options;
}

}  // namespace

absl::Status Transfer(Library& library, CK_SESSION_HANDLE hSource,
                      CK_SESSION_HANDLE hTarget, PERIGEE_TRANSFER* pTransfer) {
  RETURN_IF_ERROR(CheckSize(pTransfer));
  ASSIGN_OR_RETURN(const SessionRef source, library.session(hSource));
  ASSIGN_OR_RETURN(auto from, source->token().MakeEndpoint(source->space()));
  const bool smk_only = (pTransfer->flags & PERIGEE_TRANSFER_SMK_ONLY) != 0;
  if ((pTransfer->flags & PERIGEE_TRANSFER_LIST_ONLY) != 0) {
    bool with_smk = smk_only;
    if (hTarget != CK_INVALID_HANDLE) {
      ASSIGN_OR_RETURN(const SessionRef target, library.session(hTarget));
      with_smk = with_smk || !target->token().has_crypto();
    }
    std::vector<uint64_t> smks;
    if (with_smk) {
      ASSIGN_OR_RETURN(smks, source->token().SmkHandles(source->space()));
    }
    return List(*from, *pTransfer, smks);
  }
  ASSIGN_OR_RETURN(const SessionRef target, library.session(hTarget));
  if (!target->read_write()) return base::Error(CKR_SESSION_READ_ONLY, "");
  ASSIGN_OR_RETURN(const auto to,
                   target->token().MakeEndpoint(target->space()));
  std::vector<uint64_t> smks;
  if (!target->token().has_crypto() || smk_only) {
    ASSIGN_OR_RETURN(smks, source->token().SmkHandles(source->space()));
  }
  ASSIGN_OR_RETURN(const std::vector<uint64_t> handles,
                   HandlesOf(*from, *pTransfer, smks));
  ASSIGN_OR_RETURN(const ItemReport report,
                   ItemReport::Make(*pTransfer, handles.size()));
  backup::TransferReport done;
  const absl::Status run =
      backup::Transfer(*from, *to, handles, OptionsOf(*pTransfer), done);
  for (size_t i = 0; i < handles.size(); ++i) {
    report.Put(i, Told(done.items[i]));
  }
  RETURN_IF_ERROR(run);
  return done.FirstFailure();
}

// --- devices -----------------------------------------------------------------

absl::StatusOr<TokenRef> BackupSlot(Library& library, CK_SLOT_ID slot) {
  ASSIGN_OR_RETURN(TokenRef token, library.token(slot));
  if (AsBackupDevice(*token) != nullptr) return token;
  return base::Error(CKR_SLOT_ID_INVALID,
                     absl::StrCat("slot ", slot, " is not a Backup HSM's"));
}

absl::Status DeviceFingerprint(Library& library, CK_SLOT_ID slotID,
                               PERIGEE_DEVICE* pDevice) {
  RETURN_IF_ERROR(CheckSize(pDevice));
  ASSIGN_OR_RETURN(const TokenRef token, BackupSlot(library, slotID));
  ASSIGN_OR_RETURN(const BackupDevice::Found found,
                   AsBackupDevice(*token)->FindDevice());
  PERIGEE_DEVICE told = {};
  if (found.trusted) told.flags |= PERIGEE_DEVICE_TRUSTED;
  if (found.info.adoption_allowed) {
    told.flags |= PERIGEE_DEVICE_ADOPTION_ALLOWED;
  }
  if (found.info.initialized) told.flags |= PERIGEE_DEVICE_INITIALIZED;
  if (found.info.zeroized) told.flags |= PERIGEE_DEVICE_ZEROIZED;
  for (size_t i = 0; i < 3; ++i) told.ulFirmware[i] = found.info.firmware[i];
  std::copy_n(found.fingerprint.begin(),
              std::min(found.fingerprint.size(), sizeof(told.fingerprint)),
              told.fingerprint);
  CopyText(told.serial, found.info.serial);
  CopyText(told.model, found.info.model);
  CopyText(told.label, found.info.label);
  Give(told, pDevice);
  return absl::OkStatus();
}

absl::Status AdoptDevice(Library& library, CK_SLOT_ID slotID,
                         const CK_BYTE* pFingerprint, CK_ULONG ulFingerprintLen,
                         const CK_UTF8CHAR* pSoPin, CK_ULONG ulSoPinLen) {
  ASSIGN_OR_RETURN(const ByteSpan fingerprint,
                   Input(pFingerprint, ulFingerprintLen));
  if (fingerprint.size() != sizeof(PERIGEE_DEVICE::fingerprint)) {
    return base::Error(CKR_ARGUMENTS_BAD, "a fingerprint has 32 bytes");
  }
  SecretBytes pin;  // A device without SO asks for none.
  if (pSoPin != nullptr) {
    ASSIGN_OR_RETURN(pin, Pin(pSoPin, ulSoPinLen));
  }
  ASSIGN_OR_RETURN(const TokenRef token, BackupSlot(library, slotID));
  return AsBackupDevice(*token)->Adopt(fingerprint, pin);
}

}  // namespace pkcs11::ca
