// The plaintext of an object's record and the tags that it is found by.
// Private to hsm; docs/formats/hsm.md.
#ifndef PERIGEE_HSM_OBJECT_RECORD_H_
#define PERIGEE_HSM_OBJECT_RECORD_H_

#include <optional>
#include <utility>
#include <vector>

#include "hsm/object.h"
#include "hsm/vault.h"

namespace hsm {

// (attribute type, value) pairs of what is tagged.
using Tagged = std::vector<std::pair<uint64_t, ByteSpan>>;

// Issuer and serial number of a certificate are one tag, with this number in
// the place of an attribute type.
inline constexpr uint64_t kIssuerAndSerial = 0xFFFFFFFF00000001;

// The tags of an object, or what a search pattern can ask tags for. `joined`
// holds what issuer and serial number are joined in.
Tagged TaggedOf(const AttributeSet& attributes, Bytes& joined);

// CKR_DEVICE_MEMORY for an object that is too large.
absl::Status CheckObjectSize(const AttributeSet& attributes);

// One object ready for the vault. Borrows `attributes`.
class SealedForm {
 public:
  // With K_trust in the ring a public object is MACed as object `id` of
  // `space`: without the MAC it is never CKA_TRUSTED.
  SealedForm(SpaceId space, uint64_t id, const AttributeSet& attributes,
             const std::optional<Statement>& origin, const KeyRing& ring);
  SealedForm(const SealedForm&) = delete;
  SealedForm& operator=(const SealedForm&) = delete;

  Vault::Draft Draft(uint64_t cost) const;

 private:
  const AttributeSet& attributes_;
  SecretBytes plaintext_;
  mutable Bytes joined_;  // what Draft's tags borrow
};

// The object that a record holds, as the holder of `ring` may see it:
// CKA_TRUSTED of a public object is false without a MAC that fits.
// CKR_DEVICE_ERROR when the plaintext is malformed.
struct OpenedObject {
  ObjectRef object;
  size_t bytes = 0;  // of its record
};
absl::StatusOr<OpenedObject> DecodeObject(SpaceId space,
                                          const Vault::Opened& opened,
                                          const KeyRing& ring);

// Whether a search for `pattern` finds `object`: attributes that may not be
// read match nothing, or a search would be a guessing oracle for them.
bool IsFoundBy(const AttributeSet& pattern, const Object& object);

}  // namespace hsm

#endif  // PERIGEE_HSM_OBJECT_RECORD_H_
