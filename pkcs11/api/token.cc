// C_InitToken, C_InitPIN, C_SetPIN.
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/next_domain.h"
#include "pkcs11/slots.h"

namespace pkcs11::api {
namespace {

constexpr size_t kLabelSize = 32;

// The label without the blanks that pad it.
std::string Label(const CK_UTF8CHAR* label) {
  size_t size = kLabelSize;
  while (size > 0 && label[size - 1] == ' ') --size;
  return std::string(reinterpret_cast<const char*>(label), size);
}

}  // namespace

absl::Status C_InitToken(Library& library, CK_SLOT_ID slotID,
                         CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen,
                         CK_UTF8CHAR_PTR pLabel) {
  ASSIGN_OR_RETURN(const TokenRef token, library.token(slotID));
  RETURN_IF_ERROR(Need(pLabel, "no label"));
  ASSIGN_OR_RETURN(const SecretBytes pin, Pin(pPin, ulPinLen));
  for (const auto& application : token->applications()) {
    if (application->sessions().all() == 0) continue;
    return base::Error(CKR_SESSION_EXISTS, "close the token's sessions first");
  }
  if (!token->writable()) return base::Error(CKR_TOKEN_WRITE_PROTECTED, "");
  const SecretBytes domain = NextDomain();
  RETURN_IF_ERROR(token->InitToken(Label(pLabel), pin, domain.Expose()));
  ClearNextDomain();
  // An HSM that is initialised anew loses partitions.
  if (token->is_admin()) library.slots()->Refresh();
  return absl::OkStatus();
}

absl::Status C_InitPIN(Library& library, CK_SESSION_HANDLE hSession,
                       CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const SecretBytes pin, Pin(pPin, ulPinLen));
  if (!session->application().so_logged_in()) {
    return base::Error(CKR_USER_NOT_LOGGED_IN, "the SO sets the user's PIN");
  }
  return session->token().InitRole(session->space(), hsm::Role::kCo, pin);
}

absl::Status C_SetPIN(Library& library, CK_SESSION_HANDLE hSession,
                      CK_UTF8CHAR_PTR pOldPin, CK_ULONG ulOldLen,
                      CK_UTF8CHAR_PTR pNewPin, CK_ULONG ulNewLen) {
  ASSIGN_OR_RETURN(const SessionRef session, library.session(hSession));
  ASSIGN_OR_RETURN(const SecretBytes old_pin, Pin(pOldPin, ulOldLen));
  ASSIGN_OR_RETURN(const SecretBytes new_pin, Pin(pNewPin, ulNewLen));
  if (!session->read_write()) {
    return base::Error(CKR_SESSION_READ_ONLY,
                       "a PIN is changed in a read/write session");
  }
  // Without a login it is the user's PIN (PKCS#11 3.2 section 5.5.8).
  const hsm::Role absent =
      session->space() == 0 ? hsm::Role::kSo : hsm::Role::kCo;
  const hsm::Role role = session->application().role().value_or(absent);
  return session->token().ChangePin(session->space(), role, old_pin, new_pin);
}

}  // namespace pkcs11::api
