// What every family's `parse` needs: parameters copied out of the
// application's memory after their pointers and lengths were checked.
#ifndef PERIGEE_PKCS11_MECHANISMS_PARAMETERS_H_
#define PERIGEE_PKCS11_MECHANISMS_PARAMETERS_H_

#include <cstring>
#include <type_traits>

#include "pkcs11/mechanism.h"

namespace pkcs11 {

inline absl::Status InvalidParameter(absl::string_view what) {
  return base::Error(CKR_MECHANISM_PARAM_INVALID, what);
}

// The parameter structure; CKR_MECHANISM_PARAM_INVALID unless there are
// exactly sizeof(T) bytes. The pointer may be misaligned.
template <typename T>
absl::StatusOr<T> CopyParameter(const CK_MECHANISM& mechanism) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (mechanism.pParameter == nullptr ||
      mechanism.ulParameterLen != sizeof(T)) {
    return InvalidParameter("size of the mechanism's parameter");
  }
  T copy;
  std::memcpy(&copy, mechanism.pParameter, sizeof(T));
  return copy;
}

// Bytes that a parameter structure points to, at most `most` of them.
inline absl::StatusOr<base::Bytes> CopyBuffer(const void* data, CK_ULONG size,
                                              size_t most) {
  if (size > most) return InvalidParameter("a buffer is too long");
  if (size == 0) return base::Bytes();
  if (data == nullptr) return InvalidParameter("a buffer is missing");
  const auto* bytes = static_cast<const uint8_t*>(data);
  return base::Bytes(bytes, bytes + size);
}

// A parameter that is only bytes, such as an initialization vector.
struct BytesParameters : Parameters {
  explicit BytesParameters(base::Bytes b) : bytes(std::move(b)) {}
  const base::Bytes bytes;
};

// `use.parameters` as what the family's `parse` made; it is there whenever
// the row's parse does not return null.
template <typename T>
const T& GivenParameters(const Use& use) {
  return static_cast<const T&>(*use.parameters);
}

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_PARAMETERS_H_
