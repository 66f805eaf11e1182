// Cursors over bytes that cannot overrun, and one `Fields` list a struct that
// drives both directions.
//
//   struct Hello {
//     uint32_t version = 0;
//     base::Bytes nonce;
//     template <typename V> void Fields(V& v) { v(version, nonce); }
//   };
//
// is written by wire::Encode and read by wire::Decode. Encoding:
// integers big-endian and of fixed width; bool one byte, 0 or 1; Bytes,
// SecretBytes and std::string a u32 length and the bytes; std::array raw;
// vectors a u32 count and the elements; std::optional a bool and the value;
// nested structs in place. A reader refuses trailing bytes, lengths beyond
// the input, and booleans other than 0 and 1.
#ifndef PERIGEE_BASE_WIRE_H_
#define PERIGEE_BASE_WIRE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace wire {

using base::Bytes;
using base::ByteSpan;
using base::SecretBytes;

// Appends to a buffer that is wiped when freed. Cannot fail.
class Writer {
 public:
  void U8(uint8_t v) { Raw(ByteSpan(&v, 1)); }
  void U16(uint16_t v) { Int(v, 2); }
  void U32(uint32_t v) { Int(v, 4); }
  void U64(uint64_t v) { Int(v, 8); }
  void Bool(bool v) { U8(v ? 1 : 0); }
  void Raw(ByteSpan b) {
    // Each storage that is outgrown is wiped, so small ones do not pay.
    if (out_.capacity() == 0 && b.size() < kFirst) out_.reserve(kFirst);
    out_.Append(b.begin(), b.end());
  }
  void Sized(ByteSpan b) {
    U32(static_cast<uint32_t>(b.size()));
    Raw(b);
  }
  void Text(absl::string_view s) { Sized(base::AsBytes(s)); }

  // Room for so many bytes altogether: what outgrows it moves, and is wiped.
  void Reserve(size_t bytes) { out_.reserve(bytes); }
  size_t size() const { return out_.size(); }
  ByteSpan bytes() const { return ByteSpan(out_.data(), out_.size()); }
  Bytes Take() && { return Bytes(out_.begin(), out_.end()); }
  SecretBytes TakeSecret() && { return SecretBytes(std::move(out_)); }

 private:
  static constexpr size_t kFirst = 128;
  void Int(uint64_t v, int width) {
    uint8_t bytes[8];
    for (int i = 0; i < width; ++i) {
      bytes[i] = static_cast<uint8_t>(v >> (8 * (width - 1 - i)));
    }
    Raw(ByteSpan(bytes, width));
  }
  base::WipedVector out_;
};

// Reads from a span that outlives it. The first failure sticks: later reads
// give zeros and empty spans, and Finish() tells.
class Reader {
 public:
  explicit Reader(ByteSpan in) : in_(in) {}

  uint8_t U8() { return static_cast<uint8_t>(Int(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Int(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Int(4)); }
  uint64_t U64() { return Int(8); }
  bool Bool() {
    const uint8_t v = U8();
    if (v > 1) Fail();
    return v == 1;
  }
  ByteSpan Raw(size_t n) {
    if (!ok_ || n > in_.size()) {
      Fail();
      return {};
    }
    ByteSpan out = in_.subspan(0, n);
    in_.remove_prefix(n);
    return out;
  }
  ByteSpan Sized() { return Raw(U32()); }
  std::string Text() { return std::string(base::AsText(Sized())); }

  void Fail() { ok_ = false; }
  bool ok() const { return ok_; }
  size_t remaining() const { return in_.size(); }

  // OK when nothing failed and nothing is left over; otherwise DataLoss
  // (CKR_DEVICE_ERROR) that names `what`.
  absl::Status Finish(absl::string_view what) const;

 private:
  uint64_t Int(int width) {
    uint64_t v = 0;
    for (uint8_t b : Raw(width)) v = (v << 8) | b;
    return v;
  }
  ByteSpan in_;
  bool ok_ = true;
};

namespace internal {

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsArray : std::false_type {};
template <size_t N>
struct IsArray<std::array<uint8_t, N>> : std::true_type {};

template <typename T>
void Put(Writer& w, const T& v);

struct PutFields {
  Writer& w;
  template <typename... Ts>
  void operator()(Ts&... fields) {
    (Put(w, fields), ...);
  }
};

template <typename T>
void Put(Writer& w, const T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    w.Bool(v);
  } else if constexpr (std::is_enum_v<T>) {
    Put(w, static_cast<std::underlying_type_t<T>>(v));
  } else if constexpr (std::is_integral_v<T>) {
    static_assert(std::is_unsigned_v<T>, "wire integers are unsigned");
    if constexpr (sizeof(T) == 1) w.U8(v);
    if constexpr (sizeof(T) == 2) w.U16(v);
    if constexpr (sizeof(T) == 4) w.U32(v);
    if constexpr (sizeof(T) == 8) w.U64(v);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    w.Sized(v);
  } else if constexpr (std::is_same_v<T, SecretBytes>) {
    w.Sized(v.Expose());
  } else if constexpr (std::is_same_v<T, std::string>) {
    w.Text(v);
  } else if constexpr (IsArray<T>::value) {
    w.Raw(ByteSpan(v.data(), v.size()));
  } else if constexpr (IsVector<T>::value) {
    w.U32(static_cast<uint32_t>(v.size()));
    for (const auto& element : v) Put(w, element);
  } else if constexpr (IsOptional<T>::value) {
    w.Bool(v.has_value());
    if (v.has_value()) Put(w, *v);
  } else {
    PutFields put{w};
    const_cast<T&>(v).Fields(put);  // Fields only reads here.
  }
}

template <typename T>
void Get(Reader& r, T& v);

struct GetFields {
  Reader& r;
  template <typename... Ts>
  void operator()(Ts&... fields) {
    (Get(r, fields), ...);
  }
};

template <typename T>
void Get(Reader& r, T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    v = r.Bool();
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> n{};
    Get(r, n);
    v = static_cast<T>(n);
  } else if constexpr (std::is_integral_v<T>) {
    if constexpr (sizeof(T) == 1) v = r.U8();
    if constexpr (sizeof(T) == 2) v = r.U16();
    if constexpr (sizeof(T) == 4) v = r.U32();
    if constexpr (sizeof(T) == 8) v = r.U64();
  } else if constexpr (std::is_same_v<T, Bytes>) {
    v = base::ToBytes(r.Sized());
  } else if constexpr (std::is_same_v<T, SecretBytes>) {
    v = SecretBytes::CopyOf(r.Sized());
  } else if constexpr (std::is_same_v<T, std::string>) {
    v = r.Text();
  } else if constexpr (IsArray<T>::value) {
    ByteSpan raw = r.Raw(v.size());
    if (raw.size() == v.size()) std::copy(raw.begin(), raw.end(), v.begin());
  } else if constexpr (IsVector<T>::value) {
    const uint32_t count = r.U32();
    // Every element takes at least one byte, so a lying count cannot make us
    // allocate more than the input's own size.
    if (count > r.remaining()) {
      r.Fail();
      return;
    }
    v.clear();
    for (uint32_t i = 0; i < count && r.ok(); ++i) Get(r, v.emplace_back());
  } else if constexpr (IsOptional<T>::value) {
    v.reset();
    if (r.Bool()) Get(r, v.emplace());
  } else {
    GetFields get{r};
    v.Fields(get);
  }
}

// How many bytes Put writes.
struct AddSizes {
  size_t& size;
  template <typename... Ts>
  void operator()(const Ts&... fields) {
    (Add(fields), ...);
  }
  template <typename T>
  void Add(const T& v) {
    if constexpr (std::is_same_v<T, Bytes> || std::is_same_v<T, SecretBytes> ||
                  std::is_same_v<T, std::string>) {
      size += 4 + v.size();
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T> ||
                         IsArray<T>::value) {
      size += sizeof(T);
    } else if constexpr (IsVector<T>::value) {
      size += 4;
      for (const auto& element : v) Add(element);
    } else if constexpr (IsOptional<T>::value) {
      size += 1;
      if (v.has_value()) Add(*v);
    } else {
      const_cast<T&>(v).Fields(*this);  // Fields only reads here.
    }
  }
};

template <typename T>
size_t SizeOf(const T& message) {
  size_t size = 0;
  AddSizes{size}.Add(message);
  return size;
}

}  // namespace internal

// The bytes of a message that holds no secret.
template <typename T>
Bytes Encode(const T& message) {
  Writer w;
  w.Reserve(internal::SizeOf(message));
  internal::Put(w, message);
  return std::move(w).Take();
}

// The bytes of a message that may hold secrets.
template <typename T>
SecretBytes EncodeSecret(const T& message) {
  Writer w;
  w.Reserve(internal::SizeOf(message));
  internal::Put(w, message);
  return std::move(w).TakeSecret();
}

// The whole of `in` as a T; DataLoss (CKR_DEVICE_ERROR) if it is not one.
// Enumerations are not range-checked here: the user of the value does it.
template <typename T>
absl::StatusOr<T> Decode(ByteSpan in, absl::string_view what) {
  Reader r(in);
  T message;
  internal::Get(r, message);
  RETURN_IF_ERROR(r.Finish(what));
  return message;
}

}  // namespace wire

#endif  // PERIGEE_BASE_WIRE_H_
