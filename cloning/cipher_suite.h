// The cipher suites of CPv4 as rows of one table: what each mixes into the
// handshake's P-384 (docs/formats/cloning.md, "Suites"). A higher number is
// preferred.
#ifndef PERIGEE_CLONING_CIPHER_SUITE_H_
#define PERIGEE_CLONING_CIPHER_SUITE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "base/crypto_share.h"

namespace cloning {

using base::Bytes;
using base::ByteSpan;

struct CipherSuite {
  uint8_t number;
  const char* name;
  const char* purpose;                     // of the handshake behind its hello
  std::optional<base::ShareKind> further;  // beside P-384

  // Whether the OpenSSL underneath has it.
  bool available() const {
    return !further.has_value() || base::HasKeyShare(*further);
  }
};

absl::Span<const CipherSuite> CipherSuites();
// Null for a number that no row has.
const CipherSuite* FindCipherSuite(uint8_t number);
// Numbers of those that are available and not in `off`, ascending.
std::vector<uint8_t> AvailableSuites(absl::Span<const uint8_t> off);

// The share that an introduction brings for one suite.
struct SuiteShare {
  uint8_t suite = 0;
  Bytes share;
  template <typename V>
  void Fields(V& v) {
    v(suite, share);
  }
};

// A source's keys for the suites that its hello lists; wiped with the object.
class SuiteKeys {
 public:
  static absl::StatusOr<SuiteKeys> Generate(absl::Span<const uint8_t> suites);
  std::vector<SuiteShare> shares() const;
  // The secret of `suite`, with the answer among `answers`; empty for a suite
  // that is P-384 alone. CKR_DEVICE_ERROR when there is none or it is no
  // share.
  absl::StatusOr<base::SecretBytes> Agree(
      uint8_t suite, absl::Span<const SuiteShare> answers) const;

 private:
  struct Key {
    uint8_t suite;
    base::ShareKey key;
  };
  std::vector<Key> keys_;
};

// What a target answers to the share for `suite` among `shares`; nothing for
// one that is P-384 alone. Errors as of Agree.
struct SuiteAnswer {
  std::vector<SuiteShare> shares;
  base::SecretBytes secret;
};
absl::StatusOr<SuiteAnswer> AnswerSuite(uint8_t suite,
                                        absl::Span<const SuiteShare> shares);

}  // namespace cloning

#endif  // PERIGEE_CLONING_CIPHER_SUITE_H_
