// The vendor interface: this host's identity, and a Backup HSM offered to other
// hosts.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/backup_token.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/config.h"
#include "pkcs11/host_identity.h"

namespace pkcs11::ca {

absl::Status HostIdentity(Library& library, PERIGEE_HOST* pHost) {
  RETURN_IF_ERROR(CheckSize(pHost));
  ASSIGN_OR_RETURN(const auto identity,
                   OpenOrMakeHostIdentity(library.config()->fleet_directory()));
  PERIGEE_HOST told = {};
  const base::Bytes print = identity->certificate.key_fingerprint();
  std::copy_n(print.begin(), std::min(print.size(), sizeof told.fingerprint),
              told.fingerprint);
  CopyText(told.serial, identity->certificate.name().serial);
  Give(told, pHost);
  return absl::OkStatus();
}

absl::Status OfferDevice(Library& library, CK_SLOT_ID slotID,
                         const PERIGEE_REMOTE_OFFER* pOffer) {
  RETURN_IF_ERROR(CheckSize(pOffer));
  RETURN_IF_ERROR(api::Need(pOffer->pAddress, "no address"));
  RETURN_IF_ERROR(api::Need(pOffer->pClients, "no clients"));
  RemoteOffer offer;
  offer.address = pOffer->pAddress;
  ASSIGN_OR_RETURN(offer.clients, hsm_io::ParseHostNames(pOffer->pClients));
  if (pOffer->ulCommandSeconds != 0) {
    offer.answer_budget =
        absl::Seconds(static_cast<uint32_t>(pOffer->ulCommandSeconds));
  }
  offer.stop_fd = pOffer->iStop;
  offer.tell = [pOffer](absl::string_view line) {
    if (pOffer->pEvent == nullptr) return;
    pOffer->pEvent(pOffer->pContext, std::string(line).c_str());
  };
  ASSIGN_OR_RETURN(const TokenRef token, BackupSlot(library, slotID));
  return AsBackupDevice(*token)->Offer(offer);
}

}  // namespace pkcs11::ca
