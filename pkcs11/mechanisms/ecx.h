// Keys on the curves of RFC 7748 and RFC 8032: CKK_EC_EDWARDS (Ed25519, Ed448)
// and CKK_EC_MONTGOMERY (X25519, X448). All values are the RFCs' little-endian
// byte strings, as PKCS #11 3.0 has them.
#ifndef PERIGEE_PKCS11_MECHANISMS_ECX_H_
#define PERIGEE_PKCS11_MECHANISMS_ECX_H_

#include "pkcs11/mechanisms/key_material.h"

namespace pkcs11 {

struct EcxCurve {
  CK_KEY_TYPE key_type;
  const char* name;          // PrintableString in CKA_EC_PARAMS
  const char* openssl_type;  // for NewKeyTypeContext
  absl::string_view oid;     // RFC 8410, with its header
  size_t bits;
  size_t size;            // bytes of either half of a key
  size_t signature_size;  // 0 for Montgomery curves
};

absl::Span<const EcxCurve> EcxCurves();
// CKR_CURVE_NOT_SUPPORTED for another named curve, CKR_DOMAIN_PARAMS_INVALID
// for what is neither an identifier nor a name.
absl::StatusOr<const EcxCurve*> EcxCurveOf(CK_KEY_TYPE type,
                                           ByteSpan ec_params);
absl::StatusOr<const EcxCurve*> EcxCurveOf(const hsm::AttributeSet& key);

// The point as raw bytes; it may come in a DER OCTET STRING. An empty span for
// other lengths.
ByteSpan RawEcxPoint(const EcxCurve& curve, ByteSpan point);
// CKR_PUBLIC_KEY_INVALID.
absl::StatusOr<UniquePkey> ImportEcxPoint(const EcxCurve& curve,
                                          ByteSpan point);
absl::StatusOr<GeneratedPair> GenerateEcx(CK_KEY_TYPE type, ByteSpan ec_params);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_ECX_H_
