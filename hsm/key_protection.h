// How protection flows into a new private or secret key and from key to key:
// CKA_SENSITIVE, CKA_EXTRACTABLE, their history, and what a wrapping key may
// wrap. The rules are stated in attribute_rules.h, "strict profile"; this is
// the part of Resolve that carries them out.
#ifndef PERIGEE_HSM_KEY_PROTECTION_H_
#define PERIGEE_HSM_KEY_PROTECTION_H_

#include "hsm/attribute_rules.h"

namespace hsm {

// Private and secret keys have CKA_SENSITIVE and its kin.
bool HasProtection(CK_OBJECT_CLASS object_class);

// The value of a private or secret key cannot be read: sensitive or not
// extractable (footnote 7). True when the attributes are missing.
bool HidesValue(const AttributeSet& key);

// What the parent key asks of everything that it unwraps or derives; null when
// it asks nothing.
const AttributeSet* ParentTemplate(How how, const ResolveContext& context);

// Completes a new object: defaults, inheritance, history, strict rule 1. Does
// nothing to objects that are not private or secret keys.
absl::Status ProtectNewKey(How how, const ResolveContext& context,
                           AttributeSet& attributes);

// Strict rule 1: a secret key that wraps and also decrypts, encrypts or (AES)
// signs can wrap only what is readable anyway. CKR_TEMPLATE_INCONSISTENT when
// it is to be trusted or asks for sensitive keys.
absl::Status RestrainWrapping(AttributeSet& attributes);

}  // namespace hsm

#endif  // PERIGEE_HSM_KEY_PROTECTION_H_
