// Attribute sets and their canonical encoding. Format:
// docs/formats/attributes.md. Encoder and decoder stand side by side below.
#include "hsm/attribute_set.h"

#include <endian.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/wire.h"
#include "hsm/attribute_rules.h"

namespace hsm {

namespace {

ByteSpan SpanOf(const base::WipedVector& value) {
  return ByteSpan(value.data(), value.size());
}

ByteSpan WithoutLeadingZeros(ByteSpan number) {
  while (!number.empty() && number.front() == 0) number.remove_prefix(1);
  return number;
}

bool SameValue(const AttributeSet::Entry& a, const AttributeSet::Entry& b) {
  if (a.nested == nullptr || b.nested == nullptr) {
    return a.nested == b.nested &&
           base::SameBytes(SpanOf(a.value), SpanOf(b.value));
  }
  return a.nested == b.nested || *a.nested == *b.nested;
}

bool MatchesValue(const AttributeSet::Entry& mine,
                  const AttributeSet::Entry& wanted) {
  if (SameValue(mine, wanted)) return true;
  return mine.value.size() != wanted.value.size() &&
         KindOf(mine.type) == AttributeKind::kBigInteger &&
         base::SameBytes(WithoutLeadingZeros(SpanOf(mine.value)),
                         WithoutLeadingZeros(SpanOf(wanted.value)));
}

template <typename T>
ByteSpan BytesOf(const T& number) {
  return ByteSpan(reinterpret_cast<const uint8_t*>(&number), sizeof(number));
}

}  // namespace

AttributeSet::Entry& AttributeSet::Slot(CK_ATTRIBUTE_TYPE type) {
  auto it = std::lower_bound(
      entries_.begin(), entries_.end(), type,
      [](const Entry& e, CK_ATTRIBUTE_TYPE t) { return e.type < t; });
  if (it == entries_.end() || it->type != type) {
    it = entries_.insert(it, Entry{type, {}, nullptr});
  }
  return *it;
}

void AttributeSet::Set(CK_ATTRIBUTE_TYPE type, ByteSpan value) {
  // A new vector, because the old storage must be wiped, and because `value`
  // may point into it.
  base::WipedVector copy(value.begin(), value.end());
  Entry& entry = Slot(type);
  entry.value = std::move(copy);
  entry.nested = nullptr;
}

void AttributeSet::SetBool(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL b = value ? CK_TRUE : CK_FALSE;
  Set(type, BytesOf(b));
}

void AttributeSet::SetUlong(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  Set(type, BytesOf(value));
}

void AttributeSet::SetText(CK_ATTRIBUTE_TYPE type, absl::string_view value) {
  Set(type, base::AsBytes(value));
}

void AttributeSet::SetNested(CK_ATTRIBUTE_TYPE type, AttributeSet value) {
  auto nested = std::make_shared<const AttributeSet>(std::move(value));
  Entry& entry = Slot(type);
  entry.value = base::WipedVector();
  entry.nested = std::move(nested);
}

void AttributeSet::Erase(CK_ATTRIBUTE_TYPE type) {
  const Entry* entry = Find(type);
  if (entry != nullptr) {
    entries_.erase(entries_.begin() + (entry - entries_.data()));
  }
}

const AttributeSet::Entry* AttributeSet::Find(CK_ATTRIBUTE_TYPE type) const {
  auto it = std::lower_bound(
      entries_.begin(), entries_.end(), type,
      [](const Entry& e, CK_ATTRIBUTE_TYPE t) { return e.type < t; });
  return it != entries_.end() && it->type == type ? &*it : nullptr;
}

ByteSpan AttributeSet::Value(CK_ATTRIBUTE_TYPE type) const {
  const Entry* entry = Find(type);
  return entry == nullptr ? ByteSpan() : SpanOf(entry->value);
}

std::optional<CK_ULONG> AttributeSet::Ulong(CK_ATTRIBUTE_TYPE type) const {
  const ByteSpan value = Value(type);
  if (value.size() != sizeof(CK_ULONG)) return std::nullopt;
  CK_ULONG number;
  std::memcpy(&number, value.data(), sizeof(number));
  return number;
}

std::optional<bool> AttributeSet::Bool(CK_ATTRIBUTE_TYPE type) const {
  const ByteSpan value = Value(type);
  if (value.size() != sizeof(CK_BBOOL)) return std::nullopt;
  return value.front() != CK_FALSE;
}

bool AttributeSet::Matches(const AttributeSet& pattern) const {
  auto mine = entries_.begin();
  for (const Entry& wanted : pattern.entries_) {
    mine = std::lower_bound(
        mine, entries_.end(), wanted.type,
        [](const Entry& e, CK_ATTRIBUTE_TYPE t) { return e.type < t; });
    if (mine == entries_.end() || mine->type != wanted.type) return false;
    if (!MatchesValue(*mine, wanted)) return false;
  }
  return true;
}

bool operator==(const AttributeSet& a, const AttributeSet& b) {
  return std::equal(
      a.entries_.begin(), a.entries_.end(), b.entries_.begin(),
      b.entries_.end(),
      [](const AttributeSet::Entry& x, const AttributeSet::Entry& y) {
        return x.type == y.type && SameValue(x, y);
      });
}

// ---- Canonical encoding ----

namespace {

enum class Form : uint8_t { kBytes = 0, kNumbers = 1, kNested = 2 };

constexpr size_t kEntryHeaderSize = 8 + 1 + 4;  // type, form, size

// The form of a well-formed value of this type; a function of the type alone,
// so that equal sets have equal bytes.
Form FormOf(CK_ATTRIBUTE_TYPE type) {
  switch (KindOf(type).value_or(AttributeKind::kBytes)) {
    case AttributeKind::kUlong:
    case AttributeKind::kMechanisms:
      return Form::kNumbers;
    case AttributeKind::kTemplate:
      return Form::kNested;
    default:
      return Form::kBytes;
  }
}

// CK_UNAVAILABLE_INFORMATION is "all ones" at every word size.
uint64_t Widen(CK_ULONG number) {
  return number == CK_UNAVAILABLE_INFORMATION ? ~uint64_t{0} : number;
}

bool IsNumbers(const AttributeSet::Entry& entry) {
  return FormOf(entry.type) == Form::kNumbers &&
         entry.value.size() % sizeof(CK_ULONG) == 0;
}

// Each writes behind `at`, where there is room, and gives the place behind it.
uint8_t* PutSet(const AttributeSet& set, uint8_t* at);

uint8_t* PutU32(uint32_t number, uint8_t* at) {
  number = htobe32(number);
  std::memcpy(at, &number, sizeof number);
  return at + sizeof number;
}

uint8_t* PutU64(uint64_t number, uint8_t* at) {
  number = htobe64(number);
  std::memcpy(at, &number, sizeof number);
  return at + sizeof number;
}

uint8_t* PutHeader(CK_ATTRIBUTE_TYPE type, Form form, size_t size,
                   uint8_t* at) {
  at = PutU64(type, at);
  *at++ = static_cast<uint8_t>(form);
  return PutU32(static_cast<uint32_t>(size), at);
}

uint8_t* PutEntry(const AttributeSet::Entry& entry, uint8_t* at) {
  if (entry.nested != nullptr) {
    at = PutHeader(entry.type, Form::kNested, entry.nested->EncodedSize(), at);
    return PutSet(*entry.nested, at);
  }
  const ByteSpan value = SpanOf(entry.value);
  if (!IsNumbers(entry)) {
    at = PutHeader(entry.type, Form::kBytes, value.size(), at);
    return std::copy(value.begin(), value.end(), at);
  }
  const size_t count = value.size() / sizeof(CK_ULONG);
  at = PutHeader(entry.type, Form::kNumbers, count * 8, at);
  for (size_t i = 0; i < count; ++i) {
    CK_ULONG number;
    std::memcpy(&number, value.data() + i * sizeof(number), sizeof(number));
    at = PutU64(Widen(number), at);
  }
  return at;
}

uint8_t* PutSet(const AttributeSet& set, uint8_t* at) {
  at = PutU32(static_cast<uint32_t>(set.size()), at);
  for (const AttributeSet::Entry& entry : set.entries()) {
    at = PutEntry(entry, at);
  }
  return at;
}

// Fails `r` when a number does not fit this machine.
base::WipedVector GetNumbers(wire::Reader& r, ByteSpan payload) {
  wire::Reader numbers(payload);
  if (payload.size() % 8 != 0) r.Fail();
  base::WipedVector value(payload.size() / 8 * sizeof(CK_ULONG));
  for (size_t at = 0; at < value.size(); at += sizeof(CK_ULONG)) {
    const uint64_t wide = numbers.U64();
    const CK_ULONG number = static_cast<CK_ULONG>(wide);
    if (Widen(number) != wide) r.Fail();
    std::memcpy(value.data() + at, &number, sizeof(number));
  }
  return value;
}

}  // namespace

size_t AttributeSet::EncodedSize() const {
  size_t size = sizeof(uint32_t);
  for (const Entry& entry : entries_) {
    size += kEntryHeaderSize;
    if (entry.nested != nullptr) {
      size += entry.nested->EncodedSize();
    } else if (sizeof(CK_ULONG) != 8 && IsNumbers(entry)) {
      size += entry.value.size() / sizeof(CK_ULONG) * 8;
    } else {
      size += entry.value.size();
    }
  }
  return size;
}

SecretBytes AttributeSet::Encode() const {
  SecretBytes out(EncodedSize());
  PutSet(*this, out.ExposeMutable().data());
  return out;
}

// Decodes what is left of `r`, which is failed when that is not a whole set.
// `depth` counts the sets around this one.
struct AttributeSetDecoder {
  static AttributeSet GetSet(wire::Reader& r, int depth) {
    AttributeSet set;
    const uint32_t count = r.U32();
    if (depth > AttributeSet::kMaxNesting ||
        count > r.remaining() / kEntryHeaderSize) {
      r.Fail();
      return set;
    }
    set.entries_.reserve(count + 1);  // whoever stores it adds an identity
    for (uint32_t i = 0; i < count && r.ok(); ++i) {
      AttributeSet::Entry entry = GetEntry(r, depth);
      if (!set.entries_.empty() && set.entries_.back().type >= entry.type) {
        r.Fail();
      }
      set.entries_.push_back(std::move(entry));
    }
    if (r.remaining() != 0) r.Fail();
    return set;
  }

  static AttributeSet::Entry GetEntry(wire::Reader& r, int depth) {
    const uint64_t wide_type = r.U64();
    const auto type = static_cast<CK_ATTRIBUTE_TYPE>(wide_type);
    const auto form = static_cast<Form>(r.U8());
    const ByteSpan payload = r.Sized();
    AttributeSet::Entry entry{type, {}, nullptr};
    if (type != wide_type || form != FormOf(type)) {
      r.Fail();
    } else if (form == Form::kNested) {
      wire::Reader inner(payload);
      entry.nested =
          std::make_shared<const AttributeSet>(GetSet(inner, depth + 1));
      if (!inner.ok()) r.Fail();
    } else if (form == Form::kNumbers) {
      entry.value = GetNumbers(r, payload);
    } else {
      entry.value = base::WipedVector(payload.begin(), payload.end());
    }
    return entry;
  }
};

absl::StatusOr<AttributeSet> AttributeSet::Decode(ByteSpan in) {
  wire::Reader r(in);
  AttributeSet set = AttributeSetDecoder::GetSet(r, 0);
  RETURN_IF_ERROR(r.Finish("attribute set"));
  return set;
}

}  // namespace hsm
