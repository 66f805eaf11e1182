// The lines of a backup partition's manifest: what is in them and their bytes.
// docs/formats/manifest.md describes the format. Nothing here reads or writes a
// store.
#ifndef PERIGEE_HSM_MANIFEST_LINE_H_
#define PERIGEE_HSM_MANIFEST_LINE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "hsm/audit_line.h"
#include "hsm/object.h"
#include "hsm/policy.h"
#include "hsm/statement.h"

namespace hsm {

// The numbers of the manifest's kind of hash, as in the audit log.
using ManifestHash = AuditHash;

// What a manifest says of one partition of one HSM. Of an origin, model and
// label are empty.
struct ManifestParty {
  std::string serial;
  std::string model;
  std::string firmware;
  std::string partition;  // hexadecimal
  std::string label;
  uint64_t version = 0;  // V0, V1
  uint64_t fm = 0;       // FMs were ever enabled

  static ManifestParty Of(const Statement& statement);
  bool operator==(const ManifestParty&) const = default;
};

// The head: everything that is signed; the rows are in it as one hash.
struct ManifestHead {
  uint64_t seq = 0;
  std::string time;
  bool ended = true;  // false: the run broke off, or was never ended
  ManifestParty source;
  ManifestParty device;
  PolicyValues hsm_policies;
  PolicyValues partition_policies;
  uint64_t source_objects = 0;  // token objects of the source; 0: not told
  uint64_t rows = 0;
  uint64_t left_out = 0;  // rows of these
  uint64_t more = 0;      // left out as well, and not named
  ManifestHash digest{};  // of all rows
  ManifestHash prev{};    // of the head before; zeros in the first
  bool operator==(const ManifestHead&) const = default;
};

// A head without certificate and signature, as CheckpointBody takes it.
std::string HeadLine(const ManifestHead& head);
// What is signed for a body that has its certificate.
Bytes SignedPartOfHead(absl::string_view body);

struct ParsedHead {
  ManifestHead head;
  std::string body;  // the line before `,"signature"`
  Bytes certificate;
  Bytes signature;
};
// Of a line without its line feed; nullopt when no HSM writes such a line.
std::optional<ParsedHead> ParseHead(absl::string_view line);

// An object that is in the backup partition.
struct ManifestRow {
  Ouid ouid{};
  uint64_t object_class = 0;
  uint64_t key_type = 0;  // CK_UNAVAILABLE_INFORMATION: has none
  uint64_t size = 0;      // bytes of its attributes
  ManifestParty origin;   // serial empty: not known
  ManifestHash fingerprint{};
};
std::string RowLine(const ManifestRow& row, uint64_t number);

// One that is not, and why.
struct LeftOut {
  Ouid ouid{};
  uint64_t object_class = 0;
  uint64_t key_type = 0;
  uint64_t rv = 0;
  std::string reason;  // may be empty
  template <typename V>
  void Fields(V& v) {
    v(ouid, object_class, key_type, rv, reason);
  }
};
std::string LeftOutLine(const LeftOut& row, uint64_t number);

// Whether a line is row `number` of its kind, as far as a checker can tell: the
// digest says the rest.
bool IsRowLine(absl::string_view line, bool left_out, uint64_t number);

// The digest of rows, line by line (each with its line feed).
void AddToDigest(ManifestHash& digest, absl::string_view line);

}  // namespace hsm

#endif  // PERIGEE_HSM_MANIFEST_LINE_H_
