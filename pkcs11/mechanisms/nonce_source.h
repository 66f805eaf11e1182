// Nonces that the token makes: for the message functions (PKCS#11 3.0, 5.9) and
// for wrapping (3.2, 6.13.6).
#ifndef PERIGEE_PKCS11_MECHANISMS_NONCE_SOURCE_H_
#define PERIGEE_PKCS11_MECHANISMS_NONCE_SOURCE_H_

#include "base/bytes.h"
#include "base/cryptoki.h"
#include "base/status.h"
#include "pkcs11/mechanism.h"

namespace pkcs11 {

// Where a parameter has its nonce, and how it asks for one.
struct NonceForm {
  CK_BYTE* bytes = nullptr;  // the application's
  size_t size = 0;
  size_t fixed_bits = 0;
  CK_GENERATOR_FUNCTION generator = CKG_NO_GENERATE;

  base::Bytes Copy() const { return base::Bytes(bytes, bytes + size); }
  // The token chooses it; with CKG_GENERATE_COUNTER_XOR the caller does.
  bool is_ours() const {
    return generator == CKG_GENERATE || generator == CKG_GENERATE_COUNTER ||
           generator == CKG_GENERATE_RANDOM;
  }
};

// The parameters of an AEAD mechanism.
template <typename NonceBytes>
struct NonceParameters : Parameters {
  NonceBytes nonce;
  // Of CK_GCM_WRAP_PARAMS and the like, which only wrapping takes.
  NonceForm asked;

  bool makes_nonce() const override { return asked.is_ours(); }
};

// A nonce for one call: random whatever generator was asked for, since nothing
// counts from one call to the next. The application's copy is written and not
// read again: another thread could change it. CKR_MECHANISM_PARAM_INVALID.
absl::StatusOr<base::Bytes> MakeNonce(NonceForm form);

// `given` with the nonce of its wrapping form; one that is asked for is made
// and written back. CKR_MECHANISM_PARAM_INVALID.
template <typename P>
absl::StatusOr<P> ForWrapping(const P& given, bool wraps) {
  P own = given;
  if (given.asked.bytes == nullptr) return own;
  base::Bytes nonce = given.asked.Copy();
  if (wraps && given.asked.generator != CKG_NO_GENERATE) {
    ASSIGN_OR_RETURN(nonce, MakeNonce(given.asked));
  }
  own.nonce.assign(nonce.begin(), nonce.end());
  own.asked = NonceForm();
  return own;
}

inline absl::Status OnlyForWrapping() {
  return base::Error(CKR_MECHANISM_PARAM_INVALID,
                     "this form of the parameter is for wrapping");
}

// Makes nonces within one operation. Bits that are not fixed are random, or
// count on from a random start: the next operation with the key must not begin
// where this one did.
class NonceSource {
 public:
  // Writes the next nonce over the one that is there.
  // CKR_MECHANISM_PARAM_INVALID.
  absl::Status Next(const NonceForm& form);

 private:
  absl::Status CheckForm(const NonceForm& form);
  absl::Status Count(size_t size);
  absl::Status CountXor(absl::Span<CK_BYTE> nonce);

  CK_GENERATOR_FUNCTION generator_ = CKG_NO_GENERATE;
  size_t size_ = 0;
  size_t fixed_ = 0;
  uint64_t messages_ = 0;
  base::Bytes made_;
  uint64_t count_ = 0;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_NONCE_SOURCE_H_
