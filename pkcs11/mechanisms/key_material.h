// Key objects as OpenSSL keys, and the pieces of which the public functions
// of key material (pkcs11/mechanism.h) are made.
#ifndef PERIGEE_PKCS11_MECHANISMS_KEY_MATERIAL_H_
#define PERIGEE_PKCS11_MECHANISMS_KEY_MATERIAL_H_

#include <openssl/ec.h>

#include <memory>
#include <vector>

#include "pkcs11/mechanism.h"
#include "pkcs11/mechanisms/evp.h"

namespace pkcs11 {

inline constexpr size_t kMinRsaBits = 2048;
// Smaller keys only verify.
inline constexpr size_t kMinRsaVerifyBits = 1024;
inline constexpr size_t kMaxRsaBits = 8192;

// Components of a key on their way into OpenSSL; the copies are wiped
// (OSSL_PARAM_BLD's are not).
class KeyComponents {
 public:
  void Number(const char* name, ByteSpan big_endian);
  void Octets(const char* name, ByteSpan octets);
  void Text(const char* name, const char* text);
  // `type`: "RSA", "EC". `selection`: EVP_PKEY_KEYPAIR, EVP_PKEY_PUBLIC_KEY.
  absl::StatusOr<UniquePkey> Import(const char* type, int selection);

 private:
  std::vector<SecretBytes> values_;
  std::vector<OSSL_PARAM> parameters_;
};

// The key object's EVP_PKEY, cached in it. CKR_KEY_TYPE_INCONSISTENT for
// objects that are no RSA or EC keys.
absl::StatusOr<std::shared_ptr<EVP_PKEY>> PkeyOf(const hsm::Object& key);

// A context of `key`, prepared once by `init(EVP_PKEY_CTX*) -> bool`.
template <typename Init>
absl::StatusOr<std::shared_ptr<ContextPool<PkeyTraits>>> PreparePkey(
    const hsm::Object& key, const Init& init) {
  ASSIGN_OR_RETURN(std::shared_ptr<EVP_PKEY> pkey, PkeyOf(key));
  UniquePkeyCtx context(
      EVP_PKEY_CTX_new_from_pkey(base::OpenSslContext(), pkey.get(), nullptr));
  if (context == nullptr || !init(context.get())) {
    return base::OpenSslError(CKR_FUNCTION_FAILED, "preparation of a key");
  }
  return std::make_shared<ContextPool<PkeyTraits>>(std::move(context));
}

// The same out of the key's cache; `kind` says what `init` does.
template <typename Init>
absl::StatusOr<PkeyLease> LendPkey(const hsm::Object& key, uint64_t kind,
                                   const Init& init) {
  ASSIGN_OR_RETURN(auto pool, Cached<ContextPool<PkeyTraits>>(key, kind, [&] {
                     return PreparePkey(key, init);
                   }));
  return PkeyLease::From(std::move(pool));
}

// --- RSA --------------------------------------------------------------------

// Bytes of the modulus.
size_t RsaSize(const hsm::AttributeSet& key);
// CKR_KEY_SIZE_RANGE for a key that may only verify.
absl::Status CheckRsaStrength(const hsm::AttributeSet& key);
// The EVP_PKEY of an RSA key object, not cached.
absl::StatusOr<UniquePkey> ImportRsa(const hsm::AttributeSet& key);
// As CompleteKeyMaterial says, for RSA keys.
absl::StatusOr<hsm::AttributeSet> CompleteRsa(const hsm::AttributeSet& key);
absl::StatusOr<GeneratedPair> GenerateRsa(size_t bits, ByteSpan exponent);
// SubjectPublicKeyInfo.
Bytes RsaPublicKeyInfo(ByteSpan modulus, ByteSpan exponent);

// --- EC ---------------------------------------------------------------------

struct Curve {
  const char* openssl_name;
  int nid;
  size_t bits;
  size_t size;   // bytes of a coordinate, and of the order
  ByteSpan oid;  // CKA_EC_PARAMS: the OBJECT IDENTIFIER with its header
};

absl::Span<const Curve> Curves();
// CKR_CURVE_NOT_SUPPORTED for other named curves, CKR_DOMAIN_PARAMS_INVALID
// for everything else.
absl::StatusOr<const Curve*> CurveOf(ByteSpan ec_params);
// Made once and kept.
const EC_GROUP* GroupOf(const Curve& curve);
// The uncompressed point in `point`, which may be raw or a DER OCTET STRING;
// an empty span if its form is wrong. Not checked to be on the curve.
ByteSpan RawPoint(const Curve& curve, ByteSpan point);
// The EVP_PKEY of a point that RawPoint gave; CKR_PUBLIC_KEY_INVALID if it is
// not on the curve.
absl::StatusOr<UniquePkey> ImportEcPoint(const Curve& curve, ByteSpan point);
absl::StatusOr<UniquePkey> ImportEc(const hsm::AttributeSet& key);
absl::StatusOr<hsm::AttributeSet> CompleteEc(const hsm::AttributeSet& key);
absl::StatusOr<GeneratedPair> GenerateEc(const Curve& curve);
Bytes EcPublicKeyInfo(const Curve& curve, ByteSpan point);

// --- secret keys ------------------------------------------------------------

// CKA_CHECK_VALUE of an AES key (first bytes of an encrypted zero block) or of
// another secret (of its SHA-1).
absl::StatusOr<Bytes> CheckValueOf(CK_KEY_TYPE type, ByteSpan value);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_KEY_MATERIAL_H_
