// Checks an audit log from its text alone, as somebody does who has only that
// and the root certificate.
#ifndef PERIGEE_HSM_AUDIT_VERIFY_H_
#define PERIGEE_HSM_AUDIT_VERIFY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/certificate.h"
#include "hsm/audit_line.h"

namespace hsm {

enum class AuditProblem : uint8_t {
  kNone = 0,
  kNotALog = 1,  // empty, or the first line is none
  kAltered = 2,  // this line, or what it says of the one before
  kRemoved = 3,  // lines before this one
  kReordered = 4,
  kDuplicated = 5,
  kBadSignature = 6,
  kWrongCertificate = 7,  // under none of the roots, or of another HSM
  kTruncated = 8,         // it ends before a line that is known
  kRecovered = 9,         // the HSM found its own log damaged here
};

struct AuditReport {
  AuditProblem problem = AuditProblem::kNone;
  // The first line that is wrong: its place in the text (from 1) and its
  // number; and a sentence for a person.
  uint64_t place = 0;
  uint64_t seq = 0;
  std::string text;

  // What was read until there.
  uint64_t lines = 0;
  uint64_t first_seq = 0, last_seq = 0;
  uint64_t checkpoints = 0;
  uint64_t uncovered = 0;           // lines behind the last checkpoint
  bool from_the_beginning = false;  // of the log; else of a segment
  std::string hsm;                  // serial number
  std::string head;                 // hexadecimal hash of the last line
};

// A line that must be in the log: somebody has kept its number and hash.
struct KnownLine {
  uint64_t seq = 0;
  std::string hash;  // hexadecimal
};

// `text` is one segment, or several that follow each other. It must begin with
// the log's first line, a segment's, or one whose predecessors the HSM itself
// says it dropped.
AuditReport VerifyAudit(absl::string_view text,
                        absl::Span<const base::Certificate> roots,
                        const std::optional<KnownLine>& known = std::nullopt);

}  // namespace hsm

#endif  // PERIGEE_HSM_AUDIT_VERIFY_H_
