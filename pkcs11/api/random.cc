// C_GenerateRandom, C_SeedRandom.
#include "base/crypto.h"
#include "pkcs11/api/api.h"
#include "pkcs11/api/arguments.h"
#include "pkcs11/mechanisms/self_check.h"

namespace pkcs11::api {
namespace {

absl::StatusOr<SessionRef> SessionWithRandom(Library& library,
                                             CK_SESSION_HANDLE handle) {
  ASSIGN_OR_RETURN(SessionRef session, library.session(handle));
  if (!session->token().has_crypto()) {
    return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                       "a Backup HSM offers no cryptography");
  }
  return session;
}

}  // namespace

absl::Status C_GenerateRandom(Library& library, CK_SESSION_HANDLE hSession,
                              CK_BYTE_PTR RandomData, CK_ULONG ulRandomLen) {
  RETURN_IF_ERROR(SessionWithRandom(library, hSession).status());
  RETURN_IF_ERROR(Input(RandomData, ulRandomLen).status());
  RETURN_IF_ERROR(CheckNoErrorState());
  return base::FillRandom(MutableByteSpan(RandomData, ulRandomLen));
}

// The generator is seeded by the system and needs nothing from outside; what
// is offered is accepted and not used, so that it can do no harm either.
absl::Status C_SeedRandom(Library& library, CK_SESSION_HANDLE hSession,
                          CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen) {
  RETURN_IF_ERROR(SessionWithRandom(library, hSession).status());
  return Input(pSeed, ulSeedLen).status();
}

}  // namespace pkcs11::api
