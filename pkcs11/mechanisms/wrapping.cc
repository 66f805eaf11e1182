#include "pkcs11/mechanisms/wrapping.h"

namespace pkcs11 {
namespace {

// `status` with the code that the wrapping functions have for `from`.
absl::Status Translated(absl::Status status, CK_RV from, CK_RV to) {
  if (base::CkRv(status) != from) return status;
  return base::Error(to, status.message());
}

}  // namespace

absl::StatusOr<base::Bytes> WrapBy(CipherFactory encrypt, const Use& use,
                                   ByteSpan plain) {
  auto cipher = encrypt(use);
  if (!cipher.ok()) {
    return Translated(cipher.status(), CKR_KEY_SIZE_RANGE,
                      CKR_WRAPPING_KEY_SIZE_RANGE);
  }
  base::Bytes out((*cipher)->OneShotSize(plain.size()));
  const auto size = (*cipher)->OneShot(plain, absl::MakeSpan(out));
  if (!size.ok()) {
    return Translated(size.status(), CKR_DATA_LEN_RANGE, CKR_KEY_SIZE_RANGE);
  }
  out.resize(*size);
  return out;
}

absl::StatusOr<SecretBytes> UnwrapBy(CipherFactory decrypt, const Use& use,
                                     ByteSpan wrapped) {
  auto cipher = decrypt(use);
  if (!cipher.ok()) {
    return Translated(cipher.status(), CKR_KEY_SIZE_RANGE,
                      CKR_UNWRAPPING_KEY_SIZE_RANGE);
  }
  SecretBytes out((*cipher)->OneShotSize(wrapped.size()));
  const auto size = (*cipher)->OneShot(wrapped, out.ExposeMutable());
  if (!size.ok()) {
    if (base::CkRv(size.status()) == CKR_ENCRYPTED_DATA_LEN_RANGE) {
      return base::Error(CKR_WRAPPED_KEY_LEN_RANGE, "length of a wrapped key");
    }
    return base::Error(CKR_WRAPPED_KEY_INVALID, "a wrapped key");
  }
  out.Truncate(*size);
  return out;
}

}  // namespace pkcs11
