// Templates: CK_ATTRIBUTE arrays of the application into AttributeSets and
// back. Lengths and pointers are hostile until they have been here.
#ifndef PERIGEE_PKCS11_API_ATTRIBUTES_H_
#define PERIGEE_PKCS11_API_ATTRIBUTES_H_

#include "base/cryptoki.h"
#include "base/status.h"
#include "hsm/attribute_set.h"

namespace pkcs11::api {

enum class TemplateUse : uint8_t {
  kObject,  // describes an object: unknown attributes are refused
  kSearch,  // is searched for: unknown attributes match nothing
};

// The attributes of a template, each checked by its kind:
// CKR_ARGUMENTS_BAD for a missing array, CKR_ATTRIBUTE_TYPE_INVALID,
// CKR_ATTRIBUTE_VALUE_INVALID for lengths and pointers,
// CKR_TEMPLATE_INCONSISTENT for a type that stands twice or nesting deeper
// than 8. Nothing is read beyond the lengths given; pointers may be misaligned.
absl::StatusOr<hsm::AttributeSet> ParseTemplate(const CK_ATTRIBUTE* attributes,
                                                CK_ULONG count,
                                                TemplateUse use);

// Whether a template of C_GetAttributeValue names one of `types`.
bool AsksForAny(absl::Span<const CK_ATTRIBUTE_TYPE> types,
                CK_ATTRIBUTE* attributes, CK_ULONG count);

// C_GetAttributeValue: fills in every attribute that can be given and marks
// the others with CK_UNAVAILABLE_INFORMATION. OK, or one of
// CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL
// when there were others.
absl::Status FillTemplate(const hsm::AttributeSet& object,
                          CK_ATTRIBUTE* attributes, CK_ULONG count);

}  // namespace pkcs11::api

#endif  // PERIGEE_PKCS11_API_ATTRIBUTES_H_
