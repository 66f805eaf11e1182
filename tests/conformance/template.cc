#include "tests/conformance/template.h"

#include <algorithm>
#include <stdexcept>

namespace conformance {

Bytes FromHex(const std::string& hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(
        static_cast<CK_BYTE>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

Bytes FromText(const std::string& text) {
  return Bytes(text.begin(), text.end());
}

Bytes Pattern(size_t size, CK_BYTE seed) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<CK_BYTE>(seed + 7 * i + i / 256);
  }
  return bytes;
}

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Template::Entry& Template::Place(CK_ATTRIBUTE_TYPE type) {
  for (Entry& entry : entries_) {
    if (!entry.is_raw && entry.type == type) return entry = Entry{type};
  }
  return entries_.emplace_back(Entry{type});
}

Template& Template::Set(CK_ATTRIBUTE_TYPE type, const Bytes& value) {
  Place(type).value = value;
  return *this;
}

Template& Template::Mechanisms(const std::vector<CK_MECHANISM_TYPE>& list) {
  Bytes bytes(list.size() * sizeof(CK_MECHANISM_TYPE));
  if (!list.empty()) std::memcpy(bytes.data(), list.data(), bytes.size());
  return Set(CKA_ALLOWED_MECHANISMS, bytes);
}

Template& Template::Nested(CK_ATTRIBUTE_TYPE type, const Template& inner) {
  Place(type).nested = {inner};
  return *this;
}

Template& Template::Raw(const CK_ATTRIBUTE& attribute) {
  Entry& entry = entries_.emplace_back();
  entry.is_raw = true;
  entry.raw = attribute;
  return *this;
}

Template& Template::Without(CK_ATTRIBUTE_TYPE type) {
  entries_.remove_if(
      [&](const Entry& entry) { return !entry.is_raw && entry.type == type; });
  return *this;
}

Template& Template::With(const Template& other) {
  for (const Entry& entry : other.entries_) {
    if (entry.is_raw) {
      entries_.push_back(entry);
    } else {
      Place(entry.type) = entry;
    }
  }
  return *this;
}

CK_ATTRIBUTE* Template::data() const {
  attributes_.clear();
  attributes_.reserve(1);  // an empty template is not a null pointer
  for (const Entry& entry : entries_) {
    CK_ATTRIBUTE attribute = entry.raw;
    if (!entry.is_raw && !entry.nested.empty()) {
      attribute = {entry.type, entry.nested[0].data(),
                   entry.nested[0].size() * sizeof(CK_ATTRIBUTE)};
    } else if (!entry.is_raw) {
      attribute = {entry.type, const_cast<CK_BYTE*>(entry.value.data()),
                   entry.value.size()};
    }
    attributes_.push_back(attribute);
  }
  return attributes_.data();
}

const Bytes& Template::value(CK_ATTRIBUTE_TYPE type) const {
  for (const Entry& entry : entries_) {
    if (!entry.is_raw && entry.type == type) return entry.value;
  }
  throw std::out_of_range("no such attribute in the template");
}

CK_MECHANISM* Mechanism::get() const {
  mechanism_ = {type_, parameter_.empty() ? nullptr : parameter_.data(),
                parameter_.size()};
  return &mechanism_;
}

}  // namespace conformance
