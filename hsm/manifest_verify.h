// Checks a manifest from its text alone, as somebody does who has only that
// and the root certificate.
#ifndef PERIGEE_HSM_MANIFEST_VERIFY_H_
#define PERIGEE_HSM_MANIFEST_VERIFY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/certificate.h"
#include "hsm/manifest_line.h"

namespace hsm {

enum class ManifestProblem : uint8_t {
  kNone = 0,
  kNotAManifest = 1,  // empty, or the first line is none
  kAltered = 2,       // this line, or one before it
  kBrokenChain = 3,   // this manifest does not follow the one before
  kBadSignature = 4,
  kWrongCertificate = 5,  // under none of the roots, or of another HSM
  kTruncated = 6,         // rows are missing at the end
  kUnknownLine = 7,       // more lines than there are rows
};

// One manifest of the chain, in the order of the file.
struct ManifestLink {
  ManifestHead head;
  std::string hash;  // hexadecimal, of its line
  ManifestProblem problem = ManifestProblem::kNone;
};

struct ManifestReport {
  ManifestProblem problem = ManifestProblem::kNone;  // the first one
  uint64_t place = 0;                                // line of the text, from 1
  std::string text;                                  // a sentence for a person
  std::vector<ManifestLink> links;
  uint64_t rows = 0;  // read and right so far
  uint64_t left_out = 0;
  // The rows are those that the last manifest signed.
  bool rows_hold = false;
};

ManifestReport VerifyManifest(absl::string_view text,
                              absl::Span<const base::Certificate> roots);

}  // namespace hsm

#endif  // PERIGEE_HSM_MANIFEST_VERIFY_H_
