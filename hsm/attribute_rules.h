// The attribute rules of the standard: one row an attribute and group of
// object types, with the footnote numbers of the specification's tables; one
// row an object type that says which groups it is made of; and one function,
// Resolve, that does every check with them.
//
// The rows are in attribute_rules.cc, Resolve in resolve.cc. What a value must
// look like beyond its kind (moduli, points, key lengths) is in key_values.h,
// how sensitivity flows from key to key in key_protection.h.
#ifndef PERIGEE_HSM_ATTRIBUTE_RULES_H_
#define PERIGEE_HSM_ATTRIBUTE_RULES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "hsm/attribute_set.h"

namespace hsm {

// How a value is laid out.
enum class AttributeKind : uint8_t {
  kBytes,
  kBool,
  kUlong,
  kDate,        // CK_DATE or empty
  kBigInteger,  // big-endian, leading zeros removed when stored
  kText,        // UTF-8
  kMechanisms,  // array of CK_MECHANISM_TYPE
  kTemplate,    // nested attributes
};

// What an object gets when the template is silent.
enum class AttributeDefault : uint8_t {
  kAbsent,    // nothing, or what the mechanism or the store adds later
  kEmpty,     // a value of length zero
  kFalse,     // CK_FALSE
  kTrue,      // CK_TRUE
  kZero,      // CK_ULONG 0
  kUsage,     // a usage flag: see ObjectType::uses
  kComputed,  // Resolve computes it (resolve.cc)
};

// Footnotes 1 to 12 of PKCS#11 3.2 section 4.1 (table "Common footnotes"), as
// bits: Footnote(n) = 1 << n. Value 7 ("sensitive") hides the attribute when
// CKA_SENSITIVE is true or CKA_EXTRACTABLE is false. 11 and 12 mean that the
// attribute can be changed, but in one direction only.
constexpr uint32_t Footnote(int n) { return 1u << n; }

struct AttributeRule {
  CK_ATTRIBUTE_TYPE type;
  const char* name;
  AttributeKind kind;
  uint32_t footnotes;
  AttributeDefault initial = AttributeDefault::kAbsent;

  bool Has(int footnote) const { return footnotes & Footnote(footnote); }
};

// Kind of any known attribute, whatever the class; nullopt for unknown ones.
// (CKA_VALUE is bytes here; the row of an EC private key knows better.)
std::optional<AttributeKind> KindOf(CK_ATTRIBUTE_TYPE type);
const char* AttributeName(CK_ATTRIBUTE_TYPE type);  // "CKA_LABEL" or null

enum class How : uint8_t {
  kCreate,    // C_CreateObject
  kGenerate,  // C_GenerateKey, C_GenerateKeyPair
  kUnwrap,    // C_UnwrapKey
  kDerive,
  kEncapsulate,  // C_EncapsulateKey, C_DecapsulateKey
  kCopy,         // template of C_CopyObject over `base`
  kSet,          // C_SetAttributeValue over `base`
  kClone,        // what a source HSM sent
};

// A class of objects. `type_attribute` divides it further (CKA_KEY_TYPE,
// CKA_CERTIFICATE_TYPE), or is CK_UNAVAILABLE_INFORMATION.
struct ObjectClass {
  CK_OBJECT_CLASS object_class;
  CK_ATTRIBUTE_TYPE type_attribute;
  bool private_by_default;  // CKA_PRIVATE when absent
  // Objects that the token shows of itself; nobody makes one.
  bool built_in = false;
};

using RuleGroup = absl::Span<const AttributeRule>;

// An object class and key (certificate) type that we support. Static.
struct ObjectType {
  CK_OBJECT_CLASS object_class;
  CK_ULONG type;  // ignored for classes without a type attribute
  absl::Span<const RuleGroup> groups;
  // Usage flags that are true when the template names none of them.
  absl::Span<const CK_ATTRIBUTE_TYPE> uses;
  // Checks the values of a new object and brings them into the stored form.
  absl::Status (*check_values)(How how, AttributeSet& attributes);
  bool legacy = false;  // new ones in the legacy profile only
};

// Null when not supported.
const ObjectClass* FindObjectClass(CK_OBJECT_CLASS object_class);
const ObjectType* FindObjectType(CK_OBJECT_CLASS object_class, CK_ULONG type);
// The type of an object from its own attributes.
const ObjectType* FindObjectType(const AttributeSet& attributes);

// The rules that apply to an object of this class and key (certificate) type,
// sorted by attribute type; empty when the combination is not supported.
const std::vector<const AttributeRule*>& RulesFor(CK_OBJECT_CLASS object_class,
                                                  CK_ULONG type);
const std::vector<const AttributeRule*>& RulesFor(const ObjectType& type);
// Null when the attribute does not belong to objects of this type.
const AttributeRule* FindRule(const ObjectType& type, CK_ATTRIBUTE_TYPE which);

struct ResolveContext {
  // Class and key type that the mechanism implies (generate, derive); a
  // template that says otherwise is CKR_TEMPLATE_INCONSISTENT.
  std::optional<CK_OBJECT_CLASS> object_class;
  std::optional<CK_KEY_TYPE> key_type;
  const AttributeSet* base = nullptr;  // copy, set
  // The key that the new one comes from: unwrapping key, base key, the public
  // or private key of a KEM. Null when there is none. Not needed for copy.
  const AttributeSet* parent = nullptr;
  // The second key of CKM_CONCATENATE_BASE_AND_KEY and its kin.
  const AttributeSet* other_parent = nullptr;
  bool is_so = false;      // may set CKA_TRUSTED
  bool logged_in = false;  // may make private objects
  CK_MECHANISM_TYPE mechanism = CK_UNAVAILABLE_INFORMATION;
  // The strict profile, below. The named legacy profile switches it off.
  bool strict = true;
};

// Checks `input` under the rules of `how` and returns the complete attribute
// set that results: defaults, computed attributes (CKA_LOCAL,
// CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_KEY_GEN_MECHANISM) filled
// in. Values that the mechanism or the store adds (key material, CKA_OUID,
// CKA_UNIQUE_ID) are not there yet. For copy and set `input` is the template
// alone and the result the whole object (a copy without identifiers). For
// clone everything stays as it is (without CKA_UNIQUE_ID).
//
// Errors are the exact ones of the specification: CKR_ATTRIBUTE_TYPE_INVALID,
// CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY,
// CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT, CKR_ACTION_PROHIBITED,
// CKR_USER_NOT_LOGGED_IN, CKR_DOMAIN_PARAMS_INVALID.
//
// The strict profile adds to the specification, never taking an explicit
// request of a well-known client away but making it safe:
//  1. Wrap then decrypt. A secret key with both CKA_WRAP and CKA_DECRYPT,
//     CKA_ENCRYPT or (AES) CKA_SIGN is accepted, because widely used clients
//     ask for every flag, but it gets CKA_SENSITIVE = false into its
//     CKA_WRAP_TEMPLATE: it can wrap only keys whose value may be read anyway.
//     The template cannot be changed later and goes along with copies and
//     clones, so C_WrapKey needs no rule of its own beyond matching it. Asking
//     for CKA_SENSITIVE = true in that template, or for CKA_TRUSTED, is
//     CKR_TEMPLATE_INCONSISTENT; so is CKA_TRUSTED for an extractable secret
//     key, which could come back as one that decrypts. When a template asks for
//     wrapping or unwrapping, uses that it does not name are false. Key pairs
//     cannot be divided like this (anybody can make a public key);
//     CKA_WRAP_WITH_TRUSTED is the means there.
//  2. Roles do not come back. On secret keys CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP
//     and CKA_UNWRAP, on AES keys also CKA_SIGN, cannot be set from false to
//     true.
//  3. A copy only tightens: on private and secret keys no usage flag goes from
//     false to true; on all objects neither CKA_MODIFIABLE from false to true
//     nor CKA_PRIVATE from true to false. All of 2 and 3 are
//     CKR_ATTRIBUTE_READ_ONLY.
//  4. An unwrapped key is CKA_SENSITIVE, whatever the template says, when the
//     unwrapping key's own value cannot be read (otherwise who can read that
//     key can read the wrapped one); unless that key is CKA_TRUSTED and its
//     CKA_UNWRAP_TEMPLATE says otherwise. What a trusted key unwraps, or one
//     that is itself CKA_WRAP_WITH_TRUSTED, is CKA_WRAP_WITH_TRUSTED, with the
//     same exception. The flag is set rather than the request refused: clients
//     such as pkcs11-tool ask for CKA_SENSITIVE = false unless told not to.
//  5. A derived key is CKA_SENSITIVE if its base key is, not CKA_EXTRACTABLE if
//     its base key is not, and CKA_WRAP_WITH_TRUSTED if its base key is,
//     whatever the template says, unless the mechanism is a key agreement or a
//     KDF whose output says nothing about the base key (a list in
//     key_protection.cc). For the mechanisms that hand out parts of the base
//     key this holds in the legacy profile too: the specification asks for it.
//     What is xored with or cut from a hidden key is not CKA_EXTRACTABLE. A
//     hidden key is not joined into a DES key: the caller would know a part of
//     it.
// In both profiles a template attribute of the parent (CKA_UNWRAP_TEMPLATE,
// CKA_DERIVE_TEMPLATE, CKA_ENCAPSULATE_TEMPLATE, CKA_DECAPSULATE_TEMPLATE) is
// added to the request and a contradiction is
// CKR_TEMPLATE_INCONSISTENT; CKA_TRUSTED is set by the SO only, and a copy that
// somebody else makes is not trusted.
absl::StatusOr<AttributeSet> Resolve(How how, AttributeSet input,
                                     const ResolveContext& context);

// Checks one value by its kind, as it came from an application;
// CKR_ATTRIBUTE_TYPE_INVALID or CKR_ATTRIBUTE_VALUE_INVALID. Of template
// attributes only an empty value is accepted: nested ones are sets.
absl::Status CheckValue(CK_ATTRIBUTE_TYPE type, ByteSpan value);

enum class Readability : uint8_t { kReadable, kSensitive, kUnknownType };
// What C_GetAttributeValue may show of `attributes`. An attribute that the
// object does not have is kUnknownType, unless it would be sensitive.
Readability ReadabilityOf(const AttributeSet& attributes,
                          CK_ATTRIBUTE_TYPE type);

}  // namespace hsm

#endif  // PERIGEE_HSM_ATTRIBUTE_RULES_H_
