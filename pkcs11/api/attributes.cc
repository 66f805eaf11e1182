#include "pkcs11/api/attributes.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hsm/attribute_rules.h"
#include "pkcs11/mechanisms/vendor_numbers.h"
#include "pkcs11/trace.h"

namespace pkcs11::api {
namespace {

using base::ByteSpan;
using hsm::AttributeKind;
using hsm::AttributeSet;

// There are fewer types of attributes, and a type stands once.
constexpr CK_ULONG kMostAttributes = 1024;
// Objects are far smaller; a larger length is a wrong one.
constexpr CK_ULONG kLongestValue = 1 << 20;

std::string NameOf(CK_ATTRIBUTE_TYPE type) {
  const char* name = hsm::AttributeName(type);
  return name != nullptr ? name : absl::StrCat("attribute 0x", absl::Hex(type));
}

absl::Status BadValue(CK_ATTRIBUTE_TYPE type, absl::string_view why) {
  return base::Error(CKR_ATTRIBUTE_VALUE_INVALID,
                     absl::StrCat(NameOf(type), ": ", why));
}

// A copy of one element: the array may lie at any address.
CK_ATTRIBUTE ElementAt(const void* array, CK_ULONG index) {
  CK_ATTRIBUTE attribute;
  std::memcpy(&attribute,
              static_cast<const char*>(array) + index * sizeof(CK_ATTRIBUTE),
              sizeof(attribute));
  return attribute;
}
void PutElement(void* array, CK_ULONG index, const CK_ATTRIBUTE& attribute) {
  std::memcpy(static_cast<char*>(array) + index * sizeof(CK_ATTRIBUTE),
              &attribute, sizeof(attribute));
}

absl::StatusOr<AttributeSet> Parse(const void* array, CK_ULONG count,
                                   TemplateUse use, int depth);

// Key types and mechanisms, those of the vendor as the standard numbers them.
void SetNumbers(CK_ATTRIBUTE_TYPE type, ByteSpan value, AttributeSet& set) {
  base::Bytes standard(value.begin(), value.end());
  for (size_t at = 0; at + sizeof(CK_ULONG) <= standard.size();
       at += sizeof(CK_ULONG)) {
    CK_ULONG number;
    std::memcpy(&number, &standard[at], sizeof(number));
    number = type == CKA_KEY_TYPE ? StandardKeyType(number)
                                  : StandardMechanism(number);
    std::memcpy(&standard[at], &number, sizeof(number));
  }
  set.Set(type, standard);
}

absl::Status ParseOne(const CK_ATTRIBUTE& attribute, TemplateUse use, int depth,
                      AttributeSet& set) {
  const CK_ATTRIBUTE_TYPE type = attribute.type;
  if (attribute.ulValueLen > kLongestValue) {
    return BadValue(type, "an impossible length");
  }
  if (attribute.pValue == nullptr && attribute.ulValueLen != 0) {
    return BadValue(type, "a length without a value");
  }
  const auto kind = hsm::KindOf(type);
  if (kind == AttributeKind::kTemplate) {
    if (attribute.ulValueLen % sizeof(CK_ATTRIBUTE) != 0) {
      return BadValue(type, "not a number of whole attributes");
    }
    ASSIGN_OR_RETURN(
        AttributeSet nested,
        Parse(attribute.pValue, attribute.ulValueLen / sizeof(CK_ATTRIBUTE),
              use, depth + 1));
    set.SetNested(type, std::move(nested));
    return absl::OkStatus();
  }
  const ByteSpan value(static_cast<const uint8_t*>(attribute.pValue),
                       attribute.ulValueLen);
  if (kind.has_value() || use == TemplateUse::kObject) {
    RETURN_IF_ERROR(hsm::CheckValue(type, value));
  }
  if (type == CKA_KEY_TYPE || type == CKA_ALLOWED_MECHANISMS) {
    SetNumbers(type, value, set);
  } else {
    set.Set(type, value);
  }
  return absl::OkStatus();
}

absl::StatusOr<AttributeSet> Parse(const void* array, CK_ULONG count,
                                   TemplateUse use, int depth) {
  if (depth > AttributeSet::kMaxNesting) {
    return base::Error(CKR_TEMPLATE_INCONSISTENT,
                       "templates are nested too deep");
  }
  AttributeSet set;
  if (count == 0) return set;
  if (array == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "a count without a template");
  }
  if (count > kMostAttributes) {
    return base::Error(CKR_ARGUMENTS_BAD, "an impossible count of attributes");
  }
  for (CK_ULONG i = 0; i < count; ++i) {
    const CK_ATTRIBUTE attribute = ElementAt(array, i);
    if (set.Has(attribute.type)) {
      return base::Error(CKR_TEMPLATE_INCONSISTENT,
                         absl::StrCat(NameOf(attribute.type), " stands twice"));
    }
    RETURN_IF_ERROR(ParseOne(attribute, use, depth, set));
  }
  return set;
}

// --- giving ------------------------------------------------------------------

// Writes `value` into the attribute as its buffer allows.
CK_RV Give(ByteSpan value, CK_ATTRIBUTE& attribute) {
  if (attribute.pValue == nullptr) {
    attribute.ulValueLen = value.size();
    return CKR_OK;
  }
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION ||
      attribute.ulValueLen < value.size()) {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_BUFFER_TOO_SMALL;
  }
  if (!value.empty()) {
    std::memcpy(attribute.pValue, value.data(), value.size());
  }
  attribute.ulValueLen = value.size();
  return CKR_OK;
}

// The elements of a template attribute: the caller's array must have room for
// all of them; each element's own buffer is treated like an outer one. Nested
// values are policies, never secrets.
CK_RV GiveNested(const AttributeSet& nested, CK_ATTRIBUTE& attribute) {
  const CK_ULONG needed = nested.size() * sizeof(CK_ATTRIBUTE);
  if (attribute.pValue == nullptr) {
    attribute.ulValueLen = needed;
    return CKR_OK;
  }
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION ||
      attribute.ulValueLen < needed) {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_BUFFER_TOO_SMALL;
  }
  CK_RV rv = CKR_OK;
  CK_ULONG index = 0;
  for (const auto& entry : nested.entries()) {
    CK_ATTRIBUTE element = ElementAt(attribute.pValue, index);
    element.type = entry.type;
    const CK_RV given =
        entry.nested != nullptr
            ? GiveNested(*entry.nested, element)
            : Give(ByteSpan(entry.value.data(), entry.value.size()), element);
    if (given != CKR_OK) rv = given;
    PutElement(attribute.pValue, index, element);
    ++index;
  }
  attribute.ulValueLen = needed;
  return rv;
}

CK_RV FillOne(const AttributeSet& object, CK_ATTRIBUTE& attribute) {
  switch (hsm::ReadabilityOf(object, attribute.type)) {
    case hsm::Readability::kReadable:
      break;
    case hsm::Readability::kSensitive:
      attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
      return CKR_ATTRIBUTE_SENSITIVE;
    case hsm::Readability::kUnknownType:
      attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
      return CKR_ATTRIBUTE_TYPE_INVALID;
  }
  const AttributeSet::Entry* entry = object.Find(attribute.type);
  if (entry == nullptr) {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_ATTRIBUTE_TYPE_INVALID;
  }
  if (entry->nested != nullptr) return GiveNested(*entry->nested, attribute);
  return Give(ByteSpan(entry->value.data(), entry->value.size()), attribute);
}

}  // namespace

absl::StatusOr<AttributeSet> ParseTemplate(const CK_ATTRIBUTE* attributes,
                                           CK_ULONG count, TemplateUse use) {
  ASSIGN_OR_RETURN(AttributeSet set,
                   Parse(attributes, count, use, /*depth=*/0));
  if (count != 0) trace::NoteRead(attributes, count);
  return set;
}

bool AsksForAny(absl::Span<const CK_ATTRIBUTE_TYPE> types,
                CK_ATTRIBUTE* attributes, CK_ULONG count) {
  if (attributes == nullptr) return false;
  for (CK_ULONG i = 0; i < count; ++i) {
    const CK_ATTRIBUTE_TYPE asked = ElementAt(attributes, i).type;
    if (std::find(types.begin(), types.end(), asked) != types.end()) {
      return true;
    }
  }
  return false;
}

absl::Status FillTemplate(const AttributeSet& object, CK_ATTRIBUTE* attributes,
                          CK_ULONG count) {
  if (attributes == nullptr || count == 0) {
    return base::Error(CKR_ARGUMENTS_BAD, "no template");
  }
  // Sensitive before unknown before too small, when several apply.
  bool sensitive = false;
  bool unknown = false;
  bool too_small = false;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_ATTRIBUTE attribute = ElementAt(attributes, i);
    const CK_RV rv = FillOne(object, attribute);
    PutElement(attributes, i, attribute);
    sensitive |= rv == CKR_ATTRIBUTE_SENSITIVE;
    unknown |= rv == CKR_ATTRIBUTE_TYPE_INVALID;
    too_small |= rv == CKR_BUFFER_TOO_SMALL;
  }
  trace::NoteRead(attributes, count);
  if (sensitive) return base::Error(CKR_ATTRIBUTE_SENSITIVE, "");
  if (unknown) return base::Error(CKR_ATTRIBUTE_TYPE_INVALID, "");
  if (too_small) return base::Error(CKR_BUFFER_TOO_SMALL, "");
  return absl::OkStatus();
}

}  // namespace pkcs11::api
