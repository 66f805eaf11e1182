// A mechanism is one row: number, name, key type, sizes, a parameter check and
// factories. Everything else derives from the rows: C_GetMechanismList and
// C_GetMechanismInfo (flags are computed from which factories exist), the
// checks of every Init, docs and tests.
//
// A family is one file in pkcs11/mechanisms that ends in a constant array of
// rows; pkcs11/mechanisms/registry.cc lists the families. The registry is
// built at C_Initialize: rows whose algorithm OpenSSL cannot fetch are left
// out.
#ifndef PERIGEE_PKCS11_MECHANISM_H_
#define PERIGEE_PKCS11_MECHANISM_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "hsm/attribute_set.h"
#include "hsm/object.h"
#include "pkcs11/operation.h"

namespace pkcs11 {

// Checked parameters with every pointer followed and copied; made once at
// Init by the row's `parse`. Each family derives its own.
class Parameters {
 public:
  virtual ~Parameters() = default;
  // A second key that the parameters name (concatenation, an HKDF salt).
  virtual CK_OBJECT_HANDLE other_key() const { return CK_INVALID_HANDLE; }
  // The token chooses the nonce, not the caller.
  virtual bool makes_nonce() const { return false; }
};
using ParametersRef = std::shared_ptr<const Parameters>;

struct Mechanism;

// What a partition's configuration asks for: "legacy" gives the old, unsafe
// ways back to those who need them (docs/SECURE_DEFAULTS.md).
enum class Profile : uint8_t { kStrict, kLegacy };

// What a factory works with.
struct Use {
  const Mechanism& mechanism;
  const Parameters* parameters;  // null: the mechanism has none
  hsm::ObjectRef key;            // null for digests and generation
  hsm::ObjectRef other;          // the parameters' other_key()
  Profile profile = Profile::kStrict;
};

// The two halves of a generated pair: attributes the mechanism adds.
struct GeneratedPair {
  hsm::AttributeSet public_key;
  hsm::AttributeSet private_key;
};

// A secret that only the owner of a private key can get out of `ciphertext`.
struct Encapsulated {
  base::Bytes ciphertext;
  SecretBytes secret;
};

// A key that a derivation is asked for.
struct WantedKey {
  const CK_ATTRIBUTE* attributes;
  CK_ULONG count;
  CK_OBJECT_HANDLE* handle;  // written when all is done
};

// What a mechanism says about a key that it makes, beside the key's template.
struct KeyShape {
  CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
  std::optional<CK_KEY_TYPE> key_type;  // nullopt: the template's
  hsm::AttributeSet implied;            // where nobody else says it
  // A template that says otherwise is CKR_TEMPLATE_INCONSISTENT.
  hsm::AttributeSet fixed;
};

// Where a derivation that makes several keys, or returns more than a key, puts
// them. All come into being together, or none.
class DerivedKeys {
 public:
  virtual ~DerivedKeys() = default;
  // What C_DeriveKey itself was asked for. `handle` may be null.
  virtual const WantedKey& own() const = 0;
  // One more key; the first is key 0. Returns how many bytes its value has, 0
  // when neither template nor type say it. A key whose template is the reason
  // of a failure gets CK_INVALID_HANDLE.
  virtual absl::StatusOr<size_t> Add(const WantedKey& wanted,
                                     const KeyShape& shape) = 0;
  // What a key is so far.
  virtual const hsm::AttributeSet& key(size_t number) const = 0;
  virtual void SetValue(size_t number, ByteSpan value) = 0;
  // The same for keys that are more than a value.
  virtual void SetParts(size_t number, const hsm::AttributeSet& parts) = 0;
  // Bytes that the application gets at this address when all is done.
  virtual void Give(void* place, ByteSpan bytes) = 0;
};

// Functions are null where the mechanism does not do the thing.
struct Mechanism {
  CK_MECHANISM_TYPE type;
  const char* name;  // "CKM_RSA_PKCS"
  // Key type it takes or makes; CK_UNAVAILABLE_INFORMATION for none. HMAC rows
  // also take CKK_GENERIC_SECRET, those of ECDSA CKK_BIP32 (`also_key_type`).
  CK_KEY_TYPE key_type = CK_UNAVAILABLE_INFORMATION;
  CK_KEY_TYPE also_key_type = CK_UNAVAILABLE_INFORMATION;
  // ulMinKeySize and ulMaxKeySize in the specification's unit for this
  // mechanism (bits for RSA and EC, bytes for AES and secrets).
  CK_ULONG min_key = 0;
  CK_ULONG max_key = 0;
  bool in_bits = false;      // although the keys are secrets
  CK_FLAGS extra_flags = 0;  // CKF_EC_* and the like
  bool legacy = false;       // does not exist in the strict profile
  // Name to fetch from OpenSSL when the registry is built; null: always there.
  bool (*available)() = nullptr;

  // Null: pParameter must be NULL_PTR and its length 0
  // (CKR_MECHANISM_PARAM_INVALID). May also write back nothing.
  absl::StatusOr<ParametersRef> (*parse)(const CK_MECHANISM& mechanism) =
      nullptr;

  absl::StatusOr<std::unique_ptr<Digester>> (*digest)(const Use&) = nullptr;
  absl::StatusOr<std::unique_ptr<Signer>> (*sign)(const Use&) = nullptr;
  absl::StatusOr<std::unique_ptr<Verifier>> (*verify)(const Use&) = nullptr;
  absl::StatusOr<std::unique_ptr<Cipher>> (*encrypt)(const Use&) = nullptr;
  absl::StatusOr<std::unique_ptr<Cipher>> (*decrypt)(const Use&) = nullptr;
  // Message by message (PKCS#11 3.0, 5.9 and 5.13). Signing by messages needs
  // nothing of its own: each message gets a new `sign` or `verify`.
  absl::StatusOr<std::unique_ptr<MessageCipher>> (*message_encrypt)(
      const Use&) = nullptr;
  absl::StatusOr<std::unique_ptr<MessageCipher>> (*message_decrypt)(
      const Use&) = nullptr;
  // With data recovery: one-shot, the cipher's input is the signature.
  absl::StatusOr<std::unique_ptr<Signer>> (*sign_recover)(const Use&) = nullptr;
  absl::StatusOr<std::unique_ptr<Cipher>> (*verify_recover)(const Use&) =
      nullptr;

  // `generate` gives domain parameters, not a secret key.
  bool makes_parameters = false;
  // CKA_VALUE_LEN of what `generate` makes, where its type leaves that open.
  CK_ULONG generated_size = 0;
  // Secret key or domain parameters: `attributes` is resolved; returns the
  // attributes to add (CKA_VALUE, CKA_CHECK_VALUE, ...).
  absl::StatusOr<hsm::AttributeSet> (*generate)(
      const Use&, const hsm::AttributeSet& attributes) = nullptr;
  absl::StatusOr<GeneratedPair> (*generate_pair)(
      const Use&, const hsm::AttributeSet& public_attributes,
      const hsm::AttributeSet& private_attributes) = nullptr;

  // `wrap` and `unwrap` are for the legacy profile only: unwrapping is a
  // padding oracle, or takes a changed blob.
  bool legacy_wrap = false;
  // Hides what it wraps even from a caller who chose all parameters. Without
  // this, only keys that may be read anyway are wrapped, and others where the
  // parameters' makes_nonce().
  bool wraps_secrets = false;
  // `plain` is the key in the form that the specification says the mechanism
  // wraps (PKCS#8 DER for private keys, CKA_VALUE for secret keys).
  absl::StatusOr<base::Bytes> (*wrap)(const Use&, ByteSpan plain) = nullptr;
  // One error for every failure of the contents: CKR_WRAPPED_KEY_INVALID.
  absl::StatusOr<SecretBytes> (*unwrap)(const Use&, ByteSpan wrapped) = nullptr;
  // C_WrapKeyAuthenticated and back (PKCS#11 3.2, 5.18.6): the parameter is a
  // message's, and gets the nonce, if it asks for one, and the tag.
  // `is_secret`: the key may not be wrapped under a nonce that the caller
  // chose.
  absl::StatusOr<base::Bytes> (*wrap_authenticated)(const Use&,
                                                    const MessageParameter&,
                                                    ByteSpan aad,
                                                    ByteSpan plain,
                                                    bool is_secret) = nullptr;
  absl::StatusOr<SecretBytes> (*unwrap_authenticated)(
      const Use&, const MessageParameter&, ByteSpan aad,
      ByteSpan wrapped) = nullptr;
  // `size`: CKA_VALUE_LEN asked for or implied by the key type, 0 when not
  // given. Returns the new key's value.
  absl::StatusOr<SecretBytes> (*derive)(const Use&, size_t size) = nullptr;
  // Derivation of a public key: the attributes that only its type has, with
  // class and type (CKM_PUB_KEY_FROM_PRIV_KEY).
  absl::StatusOr<hsm::AttributeSet> (*derive_public)(const Use&) = nullptr;
  // What `derive` gives becomes a data object, that anybody may read: only of
  // keys that may be read themselves.
  bool derives_data = false;
  // In its place, for mechanisms that make several keys.
  absl::Status (*derive_several)(const Use&, DerivedKeys& keys) = nullptr;
  // The handles of all that it derives are in its parameter, none in phKey.
  bool handles_in_parameter = false;

  // Bytes of the ciphertext for this key, so that a buffer can be asked for;
  // null together with `encapsulate`.
  absl::StatusOr<size_t> (*ciphertext_size)(const Use&) = nullptr;
  // `size` as for `derive`.
  absl::StatusOr<Encapsulated> (*encapsulate)(const Use&,
                                              size_t size) = nullptr;
  // Implicit rejection: a wrong ciphertext of the right length gives another
  // secret. CKR_ENCRYPTED_DATA_LEN_RANGE.
  absl::StatusOr<SecretBytes> (*decapsulate)(const Use&, ByteSpan ciphertext,
                                             size_t size) = nullptr;
};

inline bool Has(Profile profile, const Mechanism& mechanism) {
  return !mechanism.legacy || profile == Profile::kLegacy;
}

// CKF_SIGN and so on, from the row.
CK_MECHANISM_INFO InfoOf(const Mechanism& mechanism, Profile profile);

// The parameters of `given` by the row's `parse`; null for a row without one.
// CKR_MECHANISM_PARAM_INVALID.
absl::StatusOr<ParametersRef> ParseParameters(const Mechanism& mechanism,
                                              const CK_MECHANISM& given);

// The rows of all families by number, also those that this process's OpenSSL
// does not have.
std::vector<const Mechanism*> AllRows();

class Registry {
 public:
  // All families' rows that this process's OpenSSL can do; sorted by number.
  static const Registry& Get();  // built at the first call, never freed
  // Also by a vendor's number (pkcs11/mechanisms/vendor_numbers.h).
  const Mechanism* Find(CK_MECHANISM_TYPE type) const;
  // Null also for what the profile does not have.
  const Mechanism* Find(CK_MECHANISM_TYPE type, Profile profile) const;
  const std::vector<const Mechanism*>& rows() const { return rows_; }

 private:
  std::vector<const Mechanism*> rows_;
};

// --- key material -----------------------------------------------------------
// Forms in which keys travel, used by C_CreateObject's checks, wrapping, and
// cloning tests. In pkcs11/mechanisms/key_material.cc.

// PKCS#8 PrivateKeyInfo of a private key object, and back: the attributes that
// the DER gives (CKA_KEY_TYPE, components; CKA_EC_PARAMS).
absl::StatusOr<SecretBytes> EncodePrivateKeyInfo(
    const hsm::AttributeSet& private_key);
absl::StatusOr<hsm::AttributeSet> DecodePrivateKeyInfo(ByteSpan der);

// Checks and completes the material of an object that an application brings
// (C_CreateObject, unwrap): RSA CRT consistency and missing components, EC
// point on curve, CKA_PUBLIC_KEY_INFO, CKA_CHECK_VALUE. Returns what to add.
// CKR_ATTRIBUTE_VALUE_INVALID, CKR_DOMAIN_PARAMS_INVALID,
// CKR_CURVE_NOT_SUPPORTED, CKR_KEY_SIZE_RANGE.
absl::StatusOr<hsm::AttributeSet> CompleteKeyMaterial(
    const hsm::AttributeSet& attributes);

// The key-type attributes of the public key that belongs to `private_key`, with
// class and type.
absl::StatusOr<hsm::AttributeSet> PublicKeyOf(
    const hsm::AttributeSet& private_key);

// Pairwise consistency: the halves of a new pair (class, type and material are
// there) work together. CKR_GENERAL_ERROR if not.
absl::Status CheckNewPair(const hsm::AttributeSet& public_key,
                          const hsm::AttributeSet& private_key);

// For secret keys of a type that has only one length: that length; else 0.
size_t FixedKeySize(CK_KEY_TYPE type);
// Brings a derived value into the form of its key type (the parity of DES).
void ShapeDerivedValue(CK_KEY_TYPE type, SecretBytes& value);

// In the strict profile keys smaller than the size for their type do nothing
// but verify: 2048 bits for RSA, DSA, DH; 224 for EC. 0: any will do.
CK_ULONG StrongKeySize(CK_KEY_TYPE type, Profile profile);
// CKR_KEY_SIZE_RANGE, also for triple DES with equal neighbours.
absl::Status CheckStrength(const hsm::AttributeSet& key, Profile profile);

// Security strength in bits (NIST SP 800-57 part 1, table 2), for keys of which
// the type tells it: 0 for others.
int StrengthOf(const hsm::AttributeSet& key);

// Size of a key in the unit of mechanism rows for its type: RSA and EC bits,
// bytes for secrets; 0 when it has none.
CK_ULONG KeySizeOf(const hsm::AttributeSet& attributes);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISM_H_
