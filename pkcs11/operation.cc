#include "pkcs11/operation.h"

namespace pkcs11 {
namespace {

absl::Status NoParts() {
  return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                     "the mechanism has no multi-part form");
}

}  // namespace

absl::Status Signer::Update(ByteSpan) { return NoParts(); }

absl::StatusOr<size_t> Signer::Final(MutableByteSpan) { return NoParts(); }

absl::StatusOr<size_t> Signer::Sign(ByteSpan data, MutableByteSpan out) {
  RETURN_IF_ERROR(Update(data));
  return Final(out);
}

absl::Status Verifier::Update(ByteSpan) { return NoParts(); }

absl::Status Verifier::Final(ByteSpan) { return NoParts(); }

absl::Status Verifier::Verify(ByteSpan data, ByteSpan signature) {
  RETURN_IF_ERROR(Update(data));
  return Final(signature);
}

size_t Cipher::UpdateSize(size_t) const { return 0; }

size_t Cipher::FinalSize() const { return 0; }

absl::StatusOr<size_t> Cipher::Update(ByteSpan, MutableByteSpan) {
  return NoParts();
}

absl::StatusOr<size_t> Cipher::Final(MutableByteSpan) { return NoParts(); }

absl::StatusOr<size_t> Cipher::OneShot(ByteSpan in, MutableByteSpan out) {
  ASSIGN_OR_RETURN(const size_t updated, Update(in, out));
  ASSIGN_OR_RETURN(const size_t rest, Final(out.subspan(updated)));
  return updated + rest;
}

}  // namespace pkcs11
