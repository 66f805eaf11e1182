// The families of mechanisms, one function a file. Adding one is a line here
// and a line in registry.cc.
#ifndef PERIGEE_PKCS11_MECHANISMS_FAMILIES_H_
#define PERIGEE_PKCS11_MECHANISMS_FAMILIES_H_

#include "absl/types/span.h"
#include "pkcs11/mechanism.h"

namespace pkcs11 {

absl::Span<const Mechanism> AeadRows();
absl::Span<const Mechanism> AesRows();
absl::Span<const Mechanism> AesGcmRows();
absl::Span<const Mechanism> AesWrapRows();
absl::Span<const Mechanism> Bip32Rows();
absl::Span<const Mechanism> CmacRows();
absl::Span<const Mechanism> DerivationRows();
absl::Span<const Mechanism> DhRows();
absl::Span<const Mechanism> DigestRows();
absl::Span<const Mechanism> DsaRows();
absl::Span<const Mechanism> EcRows();
absl::Span<const Mechanism> EcdhRows();
absl::Span<const Mechanism> EcxRows();
absl::Span<const Mechanism> EncryptDataRows();
absl::Span<const Mechanism> HashDeriveRows();
absl::Span<const Mechanism> HkdfRows();
absl::Span<const Mechanism> HmacRows();
absl::Span<const Mechanism> HybridWrapRows();
absl::Span<const Mechanism> MlKemRows();
absl::Span<const Mechanism> PqcSignRows();
absl::Span<const Mechanism> PublicKeyRows();
absl::Span<const Mechanism> RsaOaepRows();
absl::Span<const Mechanism> RsaPkcsRows();
absl::Span<const Mechanism> RsaPssRows();
absl::Span<const Mechanism> RsaRawRows();
absl::Span<const Mechanism> Sp800108Rows();
absl::Span<const Mechanism> Tls12Rows();
absl::Span<const Mechanism> TlsMacRows();

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_FAMILIES_H_
