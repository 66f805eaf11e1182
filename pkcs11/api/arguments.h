// Pointers of the application as values: checked once, here.
#ifndef PERIGEE_PKCS11_API_ARGUMENTS_H_
#define PERIGEE_PKCS11_API_ARGUMENTS_H_

#include <cstdint>

#include "base/bytes.h"
#include "base/cryptoki.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace pkcs11::api {

using base::ByteSpan;
using base::SecretBytes;

// CKR_ARGUMENTS_BAD when `pointer` is null.
inline absl::Status Need(const void* pointer, absl::string_view what) {
  if (pointer != nullptr) return absl::OkStatus();
  return base::Error(CKR_ARGUMENTS_BAD, what);
}

// Bytes handed in; null only with length 0.
inline absl::StatusOr<ByteSpan> Input(const CK_BYTE* data, CK_ULONG size) {
  if (size == 0) return ByteSpan();
  if (data == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "a length without data");
  }
  // No object is larger; such a length is a negative number or an error value.
  if (size > static_cast<CK_ULONG>(PTRDIFF_MAX)) {
    return base::Error(CKR_ARGUMENTS_BAD, "an impossible length");
  }
  return ByteSpan(data, size);
}

// A PIN. There is no other way to authenticate, so null is refused.
inline absl::StatusOr<SecretBytes> Pin(const CK_UTF8CHAR* pin, CK_ULONG size) {
  if (pin == nullptr) {
    return base::Error(CKR_ARGUMENTS_BAD, "no PIN");
  }
  if (size > 4096) return base::Error(CKR_PIN_LEN_RANGE, "a very long PIN");
  return SecretBytes::CopyOf(ByteSpan(pin, size));
}

}  // namespace pkcs11::api

#endif  // PERIGEE_PKCS11_API_ARGUMENTS_H_
