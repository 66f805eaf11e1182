// What an HSM is in besides its life cycle: Secure Transport Mode, a tamper
// event that nobody cleared, decommissioned. Each but the last makes it
// unavailable and loses nothing.
#ifndef PERIGEE_HSM_CONDITION_H_
#define PERIGEE_HSM_CONDITION_H_

#include <cstdint>
#include <string>

#include "hsm/statement.h"

namespace hsm {

// The named value `condition` of space 0 (docs/formats/hsm.md); absent for
// none of it.
struct Condition {
  uint8_t format = 1;
  bool transport = false;
  uint32_t failures = 0;     // wrong SO PINs since it went into transport
  uint64_t tampered_at = 0;  // seconds since 1970; 0: it was not
  bool decommissioned = false;
  template <typename V>
  void Fields(V& v) {
    v(format, transport, failures, tampered_at, decommissioned);
  }
};

// Two texts of 16 characters that the sender of an HSM and its receiver
// compare.
struct TransportStrings {
  std::string verification;
  std::string user;
};

// "ABCD-EFGH-JKLM-NPQR", and back: without hyphens, in capitals.
// CKR_ARGUMENTS_BAD for anything that is no such string.
std::string Grouped(absl::string_view text);
absl::StatusOr<std::string> ParseTransportString(absl::string_view text);

}  // namespace hsm

#endif  // PERIGEE_HSM_CONDITION_H_
