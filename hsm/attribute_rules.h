// The attribute rules of the standard: one row an attribute and object class
// with the footnote numbers of the specification's tables, and one function,
// Resolve, that does every check with them.
#ifndef PERIGEE_HSM_ATTRIBUTE_RULES_H_
#define PERIGEE_HSM_ATTRIBUTE_RULES_H_

#include <optional>

#include "absl/types/span.h"
#include "hsm/attribute_set.h"

namespace hsm {

// How a value is laid out.
enum class AttributeKind : uint8_t {
  kBytes,
  kBool,
  kUlong,
  kDate,       // CK_DATE or empty
  kBigInteger,  // big-endian, leading zeros removed when stored
  kText,       // UTF-8
  kMechanisms,  // array of CK_MECHANISM_TYPE
  kTemplate,   // nested attributes
};

// Footnotes 1 to 12 of PKCS#11 3.2 section 4.1 (table "Common footnotes"), as
// bits: Footnote(n) = 1 << n. Value 7 ("sensitive") hides the attribute when
// CKA_SENSITIVE is true or CKA_EXTRACTABLE is false.
constexpr uint32_t Footnote(int n) { return 1u << n; }

struct AttributeRule {
  CK_ATTRIBUTE_TYPE type;
  const char* name;
  AttributeKind kind;
  uint32_t footnotes;
};

// Kind of any known attribute, whatever the class; nullopt for unknown ones.
std::optional<AttributeKind> KindOf(CK_ATTRIBUTE_TYPE type);
const char* AttributeName(CK_ATTRIBUTE_TYPE type);  // "CKA_LABEL" or null

// The rules that apply to an object of this class and key (certificate) type;
// empty when the combination is not supported.
std::vector<const AttributeRule*> RulesFor(CK_OBJECT_CLASS object_class,
                                           CK_ULONG type);

enum class How : uint8_t {
  kCreate,    // C_CreateObject
  kGenerate,  // C_GenerateKey, C_GenerateKeyPair
  kUnwrap,
  kDerive,
  kCopy,  // template of C_CopyObject over `base`
  kSet,   // C_SetAttributeValue over `base`
  kClone,  // what a source HSM sent
};

struct ResolveContext {
  // Class and key type that the mechanism implies (generate, derive); a
  // template that says otherwise is CKR_TEMPLATE_INCONSISTENT.
  std::optional<CK_OBJECT_CLASS> object_class;
  std::optional<CK_KEY_TYPE> key_type;
  const AttributeSet* base = nullptr;  // copy, set
  // The key whose secrets flow into the new one (unwrap: the unwrapping key,
  // derive: the base key, copy: the original).
  const AttributeSet* parent = nullptr;
  bool is_so = false;          // may set CKA_TRUSTED
  bool logged_in = false;      // may make private objects
  CK_MECHANISM_TYPE mechanism = CK_UNAVAILABLE_INFORMATION;
  // Strict: unwrapped and derived keys inherit sensitivity, wrap/decrypt
  // conflicts are refused (peers.md C3). The named legacy profile switches it.
  bool strict = true;
};

// Checks `input` under the rules of `how` and returns the complete attribute
// set that results: defaults, computed attributes (CKA_LOCAL,
// CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_KEY_GEN_MECHANISM) filled
// in. Values that the mechanism or the store adds (key material, CKA_OUID,
// CKA_UNIQUE_ID) are not there yet. Errors are the exact ones of the
// specification: CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID,
// CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCOMPLETE,
// CKR_TEMPLATE_INCONSISTENT, CKR_ACTION_PROHIBITED, CKR_USER_NOT_LOGGED_IN.
absl::StatusOr<AttributeSet> Resolve(How how, const AttributeSet& input,
                                     const ResolveContext& context);

// Checks the lengths of one value by its kind, as it came from an
// application; CKR_ATTRIBUTE_TYPE_INVALID or CKR_ATTRIBUTE_VALUE_INVALID.
absl::Status CheckValue(CK_ATTRIBUTE_TYPE type, ByteSpan value);

enum class Readability : uint8_t { kReadable, kSensitive, kUnknownType };
// What C_GetAttributeValue may show of `attributes`.
Readability ReadabilityOf(const AttributeSet& attributes,
                          CK_ATTRIBUTE_TYPE type);

}  // namespace hsm

#endif  // PERIGEE_HSM_ATTRIBUTE_RULES_H_
