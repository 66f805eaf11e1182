// The attributes of one object as values: type -> bytes, or a nested set for
// template attributes. No pointers of the application, no CK_ATTRIBUTE.
//
// Numbers are held as CK_ULONG in memory and as u64 in the canonical encoding
// (docs/formats/attributes.md); attribute kinds come from the rule table
// (hsm/attribute_rules.h), so that the encoding does not depend on the
// machine's word size.
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

// Sorted by type; a type stands once. Values live in memory that is wiped. A
// plain value: copies are independent, nested sets are immutable and shared.
class AttributeSet {
 public:
  struct Entry {
    CK_ATTRIBUTE_TYPE type;
    base::WipedVector value;                     // empty when `nested` is set
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
  // empty pattern matches everything. Leading zeros of big integers do not
  // count. Whether a sensitive value may be asked for is the caller's question.
  bool Matches(const AttributeSet& pattern) const;

  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  friend bool operator==(const AttributeSet& a, const AttributeSet& b);

  // Sets may be nested this deep below the outermost one.
  static constexpr int kMaxNesting = 8;

  // Canonical encoding (docs/formats/attributes.md): equal sets, equal bytes.
  // Numbers must have the length of their kind (CheckValue); a set in which
  // they have not is written, but Decode refuses it.
  SecretBytes Encode() const;
  // Bytes that Encode gives.
  size_t EncodedSize() const;
  // CKR_DEVICE_ERROR for anything that Encode does not write, and for nesting
  // deeper than kMaxNesting.
  static absl::StatusOr<AttributeSet> Decode(ByteSpan in);

 private:
  friend struct AttributeSetDecoder;
  // The entry of `type`, made empty when it is not there.
  Entry& Slot(CK_ATTRIBUTE_TYPE type);

  std::vector<Entry> entries_;
};

}  // namespace hsm

#endif  // PERIGEE_HSM_ATTRIBUTE_SET_H_
