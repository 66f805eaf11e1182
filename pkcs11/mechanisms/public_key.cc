// CKM_PUB_KEY_FROM_PRIV_KEY: the public half of a private key.
#include "pkcs11/mechanisms/families.h"

namespace pkcs11 {
namespace {

absl::StatusOr<hsm::AttributeSet> DerivePublic(const Use& use) {
  return PublicKeyOf(use.key->attributes());
}

constexpr Mechanism kPublicKeyRows[] = {{.type = CKM_PUB_KEY_FROM_PRIV_KEY,
                                         .name = "CKM_PUB_KEY_FROM_PRIV_KEY",
                                         .derive_public = DerivePublic}};

}  // namespace

absl::Span<const Mechanism> PublicKeyRows() { return kPublicKeyRows; }

}  // namespace pkcs11
