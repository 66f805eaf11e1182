// Key objects as OpenSSL keys, and the pieces of which the public functions
// of key material (pkcs11/mechanism.h) are made.
#ifndef PERIGEE_PKCS11_MECHANISMS_KEY_MATERIAL_H_
#define PERIGEE_PKCS11_MECHANISMS_KEY_MATERIAL_H_

#include <openssl/ec.h>

#include <memory>
#include <vector>

#include "pkcs11/mechanism.h"
#include "pkcs11/mechanisms/der.h"
#include "pkcs11/mechanisms/evp.h"
#include "pkcs11/mechanisms/secrets.h"

namespace pkcs11 {

inline constexpr size_t kMinRsaBits = 2048;
// Smaller keys only verify.
inline constexpr size_t kMinRsaVerifyBits = 1024;
inline constexpr size_t kMaxRsaBits = 8192;
// The same for EC curves.
inline constexpr size_t kMinEcBits = 224;
inline constexpr size_t kMinEcVerifyBits = 112;
inline constexpr size_t kMaxEcBits = 521;

// --- key types ---------------------------------------------------------------

// How a new pair shows that its halves belong together.
enum class PairCheck : uint8_t { kSign, kAgree, kEncapsulate };

// One type of asymmetric keys: a row of the table in key_material.cc. The
// functions are pieces of what pkcs11/mechanism.h declares.
struct KeyForm {
  CK_KEY_TYPE type;
  PairCheck check;
  // KeySizeOf.
  CK_ULONG (*size)(const hsm::AttributeSet& key);
  // The EVP_PKEY of a key object, not cached.
  absl::StatusOr<UniquePkey> (*import)(const hsm::AttributeSet& key);
  // CompleteKeyMaterial.
  absl::StatusOr<hsm::AttributeSet> (*complete)(const hsm::AttributeSet& key);
  // The attributes of the public key that only this type has, out of a private
  // key.
  absl::StatusOr<hsm::AttributeSet> (*public_of)(
      const hsm::AttributeSet& private_key);
  // The contents of PKCS#8's AlgorithmIdentifier, and of its privateKey. Null:
  // there is no such form.
  absl::Status (*encode)(const hsm::AttributeSet& private_key,
                         DerWriter& algorithm, DerWriter& inner) = nullptr;
  // Whether an AlgorithmIdentifier says this type, and the way back.
  bool (*owns)(ByteSpan algorithm) = nullptr;
  absl::StatusOr<hsm::AttributeSet> (*decode)(ByteSpan algorithm,
                                              ByteSpan inner) = nullptr;
};

extern const KeyForm kRsaForm;
extern const KeyForm kEcForm;
extern const KeyForm kBip32Form;
extern const KeyForm kEdwardsForm;
extern const KeyForm kMontgomeryForm;
extern const KeyForm kDsaForm;
extern const KeyForm kDhForm;
extern const KeyForm kX942DhForm;
extern const KeyForm kMlKemForm;
extern const KeyForm kMlDsaForm;
extern const KeyForm kSlhDsaForm;

// Null for types of secret keys and unknown ones.
const KeyForm* FormOfType(CK_KEY_TYPE type);

// CKR_WRAPPED_KEY_INVALID.
absl::Status NotAPrivateKey();
// CKR_TEMPLATE_INCONSISTENT if `key` has another CKA_PUBLIC_KEY_INFO.
absl::Status CheckPublicKeyInfo(const hsm::AttributeSet& key, ByteSpan info);

// Names of key types for OpenSSL. Object identifiers, because under its short
// names OpenSSL would look for an engine of the host's first.
inline constexpr char kRsaType[] = "1.2.840.113549.1.1.1";
inline constexpr char kEcType[] = "1.2.840.10045.2.1";
// A context for importing or generating keys of this type, from our library
// context only. Null when OpenSSL does not know the type.
UniquePkeyCtx NewKeyTypeContext(const char* type);

// Components of a key on their way into OpenSSL; the copies are wiped
// (OSSL_PARAM_BLD's are not).
class KeyComponents {
 public:
  void Number(const char* name, ByteSpan big_endian);
  void Octets(const char* name, ByteSpan octets);
  void Int(const char* name, int value);
  void Text(const char* name, const char* text);
  // `type`: kRsaType and so on. `selection`: EVP_PKEY_KEYPAIR,
  // EVP_PKEY_PUBLIC_KEY.
  absl::StatusOr<UniquePkey> Import(const char* type, int selection);

 private:
  std::vector<SecretBytes> values_;
  std::vector<OSSL_PARAM> parameters_;
};

// The key object's EVP_PKEY, cached in it. CKR_KEY_TYPE_INCONSISTENT for
// objects that are not asymmetric keys.
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

// For mechanisms that can show what their key is: in the strict profile a
// hidden key does them only where its CKA_ALLOWED_MECHANISMS names them.
// CKR_KEY_FUNCTION_NOT_PERMITTED.
absl::Status CheckNamed(const Use& use);

// --- RSA --------------------------------------------------------------------

// Bytes of the modulus.
size_t RsaSize(const hsm::AttributeSet& key);
absl::StatusOr<GeneratedPair> GenerateRsa(size_t bits, ByteSpan exponent);

// --- EC ---------------------------------------------------------------------

struct Curve {
  const char* name;       // OpenSSL's, and of the PrintableString form
  absl::string_view oid;  // CKA_EC_PARAMS: OBJECT IDENTIFIER with its header
  size_t bits;
  size_t size;        // bytes of a coordinate
  size_t order_size;  // bytes of the order, and of half a signature
  int cofactor;
  ByteSpan oid_bytes() const { return base::AsBytes(oid); }
};

inline constexpr size_t kMostCurves = 64;
absl::Span<const Curve> Curves();
size_t IndexOf(const Curve& curve);  // in Curves()
// By OBJECT IDENTIFIER or name. CKR_CURVE_NOT_SUPPORTED for other named
// curves, CKR_DOMAIN_PARAMS_INVALID for everything else.
absl::StatusOr<const Curve*> CurveOf(ByteSpan ec_params);
// Made once and kept; null when this OpenSSL does not have the curve.
const EC_GROUP* GroupOf(const Curve& curve);
// The uncompressed point in `point`, which may be raw or a DER OCTET STRING;
// an empty span if its form is wrong. Not checked to be on the curve.
ByteSpan RawPoint(const Curve& curve, ByteSpan point);
// The EVP_PKEY of a point that RawPoint gave; CKR_PUBLIC_KEY_INVALID if it is
// not on the curve.
absl::StatusOr<UniquePkey> ImportEcPoint(const Curve& curve, ByteSpan point);
absl::StatusOr<GeneratedPair> GenerateEc(ByteSpan ec_params);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_KEY_MATERIAL_H_
