// Known-answer tests at the first use of an algorithm, and the error state that
// follows a failed one, or a new key pair whose halves do not fit (FIPS 140-3,
// IG 10.3.A). In the error state nothing uses a key, makes one, or gives random
// numbers, until the library is finalised and initialised again.
#ifndef PERIGEE_PKCS11_MECHANISMS_SELF_CHECK_H_
#define PERIGEE_PKCS11_MECHANISMS_SELF_CHECK_H_

#include <atomic>

#include "absl/types/span.h"
#include "pkcs11/mechanism.h"

namespace pkcs11 {

enum class SelfTestJob : uint8_t {
  kDigest,
  kSign,     // gives the signature, which then verifies
  kVerify,   // the signature verifies, and a new one
  kEncrypt,  // gives the ciphertext, which decrypts again
  kWrap,     // gives the blob, which unwraps again
  kDerive,
  kSignHashed,   // as kSign; the answer is the signature's SHA-256
  kDecapsulate,  // and back and forth once more
  kGenerate,
};

struct KnownAnswer {
  const char* name;
  SelfTestJob job;
  CK_MECHANISM_TYPE mechanism;
  CK_KEY_TYPE key_type;  // CK_UNAVAILABLE_INFORMATION: no key
  const char* key;       // hex: the value, PKCS#8, or what FIPS 203-205 keep
  CK_MECHANISM (*parameter)(CK_MECHANISM_TYPE type, MutableByteSpan input);
  const char* input;   // hex
  const char* answer;  // hex
  // Mechanisms that may not be used before this test passed.
  bool (*covers)(const Mechanism& row);
};

absl::Span<const KnownAnswer> KnownAnswers();

// CKR_FUNCTION_FAILED and what went wrong. `spoilt`: with a bit of the answer
// changed, as a broken algorithm would give it (for tests).
absl::Status RunKnownAnswer(const KnownAnswer& test, bool spoilt = false);

// Runs what covers `row` unless it ran before. CKR_DEVICE_ERROR in the error
// state.
absl::Status TestBeforeUse(const Mechanism& row);
// Runs them all, also those that ran before, with the same consequence.
absl::Status TestEverything();

// Asked at every step of every operation.
extern std::atomic<bool> self_check_failed;
inline bool InErrorState() {
  return self_check_failed.load(std::memory_order_relaxed);
}
absl::Status ErrorState();  // CKR_DEVICE_ERROR
inline absl::Status CheckNoErrorState() {
  return InErrorState() ? ErrorState() : absl::OkStatus();
}
void EnterErrorState(absl::string_view reason);
// C_Initialize: all tests are to be run again.
void ResetSelfTests();

// A test that is to fail, by its name; null: none. For tests of this library.
void SpoilSelfTest(const char* name);

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_MECHANISMS_SELF_CHECK_H_
