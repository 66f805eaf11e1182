// A Backup HSM over the device link, as what sits in a slot.
#ifndef PERIGEE_PKCS11_BACKUP_TOKEN_H_
#define PERIGEE_PKCS11_BACKUP_TOKEN_H_

#include "pkcs11/config.h"
#include "pkcs11/token.h"

namespace pkcs11 {

// Makes the token; talks to nobody yet. `fleet_directory` is where the host's
// identity and the trusted root are.
TokenRef NewBackupToken(CK_SLOT_ID slot, const HsmConfig& config,
                        const std::string& fleet_directory);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_BACKUP_TOKEN_H_
