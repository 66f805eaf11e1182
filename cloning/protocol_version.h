// The cloning protocols as rows of one table, and the decision which one two
// HSMs use. The bytes are made in cloning/protocol.h; what an HSM says of
// itself when it meets another is the Introduction here.
#ifndef PERIGEE_CLONING_PROTOCOL_VERSION_H_
#define PERIGEE_CLONING_PROTOCOL_VERSION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "cloning/cipher_suite.h"
#include "cloning/record_suite.h"
#include "hsm/firmware.h"
#include "hsm/statement.h"

namespace cloning {

struct ProtocolVersion {
  uint8_t number;
  const char* name;
  const char* purpose;                 // of its handshake
  const RecordSuite* suite;            // null: not available
  bool hsm::FirmwareProfile::*spoken;  // column of the firmware table
  // The two ends choose a cipher suite, may be in several domains, and want
  // their clocks set.
  bool negotiates = false;
  bool available() const { return suite != nullptr; }
};

inline constexpr uint8_t kCpv1 = 1, kCpv3 = 3, kCpv4 = 4;

absl::Span<const ProtocolVersion> ProtocolVersions();
// Null for a number that no row has.
const ProtocolVersion* FindProtocolVersion(uint8_t number);

// What an HSM signs about itself in the handshake.
struct Introduction {
  uint8_t format = 1;
  std::vector<uint8_t> protocols;  // offered, ascending
  hsm::Statement statement;
  // Of format 2, which goes with an offer of CPv4:
  std::vector<uint8_t> suites;     // offered, ascending
  std::vector<SuiteShare> shares;  // a source's for them, or a target's answer
  template <typename V>
  void Fields(V& v) {
    v(format, protocols, statement);
    if (format == 2) v(suites, shares);
  }
};

// What CPv4 wants of an end beside its firmware.
struct Negotiation {
  bool clock_set = false;
  std::vector<uint8_t> suites;  // available and enabled, ascending
};

// What `own` offers: spoken by its firmware, not switched off by partition
// policy 42, and available; CPv4 only with a set clock and a suite.
Introduction Introduce(hsm::Statement own, const Negotiation& negotiation = {});

// Why an end with this statement does not offer CPv4, for a person; empty when
// it does.
std::string WhyNotCpv4(const hsm::Statement& own,
                       const Negotiation& negotiation);

// Whether every enumeration in a statement from outside has a known value.
bool IsWellFormed(const hsm::Statement& statement);

// The peer's introduction out of its signed statement. CKR_DEVICE_ERROR when
// it is malformed or speaks of another HSM than its certificate.
absl::StatusOr<Introduction> ParseIntroduction(
    const base::Certificate& certificate, ByteSpan statement);

// The highest number that both offer; none when there is no such one.
std::optional<uint8_t> CommonProtocol(const Introduction& a,
                                      const Introduction& b);

// The number that a hello of this end carries: its highest.
uint8_t NumberOfHello(const Introduction& own);

// OK when `number` is the protocol that these two use; both ends come to the
// same answer. LUNA_RET_OPERATION_RESTRICTED with a reason
// (docs/formats/cloning.md, "Protocol versions").
absl::Status CheckProtocol(uint8_t number, const Introduction& source,
                           const Introduction& target);

// The highest suite that both offer; none when there is no such one.
std::optional<uint8_t> CommonSuite(const Introduction& a,
                                   const Introduction& b);

// The same for the suite of a run of CPv4. CKR_SESSION_NEGOTIATION_NO_ALGS when
// the two have none in common.
absl::Status CheckSuite(uint8_t suite, const Introduction& source,
                        const Introduction& target);

}  // namespace cloning

#endif  // PERIGEE_CLONING_PROTOCOL_VERSION_H_
