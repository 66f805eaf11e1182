// The attributes of one object as values: type -> bytes, or a nested set for
// template attributes. No pointers of the application, no CK_ATTRIBUTE.
//
// Numbers are held as CK_ULONG in memory and as u64 in the canonical encoding;
// attribute kinds come from the rule table (hsm/attribute_rules.h), so that
// encoding does not depend on the machine's word size.
#ifndef PERIGEE_HSM_ATTRIBUTE_SET_H_
#define PERIGEE_HSM_ATTRIBUTE_SET_H_

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace hsm {

using base::Bytes;
using base::ByteSpan;
using base::SecretBytes;

// Sorted by type; a type stands once. Values live in memory that is wiped.
class AttributeSet {
 public:
  struct Entry {
    CK_ATTRIBUTE_TYPE type;
    base::WipedVector value;               // empty when `nested` is set
    std::shared_ptr<const AttributeSet> nested;  // CKA_WRAP_TEMPLATE and kin
  };

  AttributeSet() = default;

  void Set(CK_ATTRIBUTE_TYPE type, ByteSpan value);
  void SetBool(CK_ATTRIBUTE_TYPE type, bool value);
  void SetUlong(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  void SetText(CK_ATTRIBUTE_TYPE type, absl::string_view value);
  void SetNested(CK_ATTRIBUTE_TYPE type, AttributeSet value);
  void Erase(CK_ATTRIBUTE_TYPE type);

  bool Has(CK_ATTRIBUTE_TYPE type) const { return Find(type) != nullptr; }
  const Entry* Find(CK_ATTRIBUTE_TYPE type) const;
  // Bytes of the attribute; empty span when absent.
  ByteSpan Value(CK_ATTRIBUTE_TYPE type) const;
  // Absent or of a wrong length reads as nullopt.
  std::optional<CK_ULONG> Ulong(CK_ATTRIBUTE_TYPE type) const;
  std::optional<bool> Bool(CK_ATTRIBUTE_TYPE type) const;
  // False when absent.
  bool IsTrue(CK_ATTRIBUTE_TYPE type) const {
    return Bool(type).value_or(false);
  }

  CK_OBJECT_CLASS object_class() const {
    return Ulong(CKA_CLASS).value_or(CK_UNAVAILABLE_INFORMATION);
  }
  CK_KEY_TYPE key_type() const {
    return Ulong(CKA_KEY_TYPE).value_or(CK_UNAVAILABLE_INFORMATION);
  }

  // True when every attribute of `pattern` is here with an equal value. An
  // empty pattern matches everything.
  bool Matches(const AttributeSet& pattern) const;

  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // Canonical encoding (docs/formats/record.md): equal sets, equal bytes.
  SecretBytes Encode() const;
  // CKR_DEVICE_ERROR for anything that Encode did not write, nesting over 8.
  static absl::StatusOr<AttributeSet> Decode(ByteSpan in);

 private:
  std::vector<Entry> entries_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_ATTRIBUTE_SET_H_
