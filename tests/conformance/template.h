// Attribute templates and mechanisms as values that own their bytes.
#ifndef PERIGEE_TESTS_CONFORMANCE_TEMPLATE_H_
#define PERIGEE_TESTS_CONFORMANCE_TEMPLATE_H_

#include <cstdint>
#include <cstring>
#include <list>
#include <string>
#include <type_traits>
#include <vector>

#include "base/cryptoki.h"

namespace conformance {

using Bytes = std::vector<CK_BYTE>;

Bytes FromHex(const std::string& hex);
Bytes FromText(const std::string& text);
// `size` bytes that differ from their neighbours.
Bytes Pattern(size_t size, CK_BYTE seed = 1);
Bytes Join(const std::vector<Bytes>& parts);

// A template. Setting an attribute again replaces it; Raw appends whatever it
// is given, for hostile ones.
class Template {
 public:
  Template& Bool(CK_ATTRIBUTE_TYPE type, bool value) {
    return Set(type, Bytes{static_cast<CK_BYTE>(value ? CK_TRUE : CK_FALSE)});
  }
  Template& Ulong(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    Bytes bytes(sizeof(value));
    std::memcpy(bytes.data(), &value, sizeof(value));
    return Set(type, bytes);
  }
  Template& Text(CK_ATTRIBUTE_TYPE type, const std::string& value) {
    return Set(type, FromText(value));
  }
  Template& Set(CK_ATTRIBUTE_TYPE type, const Bytes& value);
  Template& Empty(CK_ATTRIBUTE_TYPE type) { return Set(type, {}); }
  Template& Mechanisms(const std::vector<CK_MECHANISM_TYPE>& list);
  Template& Nested(CK_ATTRIBUTE_TYPE type, const Template& inner);
  Template& Raw(const CK_ATTRIBUTE& attribute);

  Template& Without(CK_ATTRIBUTE_TYPE type);
  // Every attribute of `other`, in place of what is here.
  Template& With(const Template& other);

  // Points into this object; valid until it changes.
  CK_ATTRIBUTE* data() const;
  CK_ULONG size() const { return entries_.size(); }
  bool is_empty() const { return entries_.empty(); }
  // What the template says about `type`; it must be there.
  const Bytes& value(CK_ATTRIBUTE_TYPE type) const;

 private:
  struct Entry {
    CK_ATTRIBUTE_TYPE type = 0;
    Bytes value;
    std::vector<Template> nested;  // one, for template attributes
    bool is_raw = false;
    CK_ATTRIBUTE raw = {};
  };
  Entry& Place(CK_ATTRIBUTE_TYPE type);

  std::list<Entry> entries_;
  mutable std::vector<CK_ATTRIBUTE> attributes_;
};

// A mechanism with its parameter structure, copied. What the parameters point
// to belongs to the caller.
class Mechanism {
 public:
  Mechanism(CK_MECHANISM_TYPE type) : type_(type) {}  // NOLINT: a number
  Mechanism(CK_MECHANISM_TYPE type, const Bytes& parameter)
      : type_(type), parameter_(parameter) {}
  template <typename Params>
  requires std::is_trivially_copyable_v<Params> Mechanism(
      CK_MECHANISM_TYPE type, const Params& params)
      : type_(type), parameter_(sizeof(params)) {
    std::memcpy(parameter_.data(), &params, sizeof(params));
  }

  CK_MECHANISM_TYPE type() const { return type_; }
  // Valid until this object changes. For C_*Init(session, m.get(), ...).
  CK_MECHANISM* get() const;

 private:
  CK_MECHANISM_TYPE type_;
  mutable Bytes parameter_;
  mutable CK_MECHANISM mechanism_ = {};
};

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_TEMPLATE_H_
