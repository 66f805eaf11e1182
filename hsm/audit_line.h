// One line of the audit log: what is in it, its bytes, and the parts of it that
// hold the chain together. docs/formats/audit.md describes the format. Nothing
// here reads or writes the log.
#ifndef PERIGEE_HSM_AUDIT_LINE_H_
#define PERIGEE_HSM_AUDIT_LINE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "hsm/object.h"
#include "hsm/partition.h"

namespace hsm {

enum class AuditWord : uint8_t {
#define PERIGEE_AUDIT_EVENT(name, word, refusable, counted) name,
#define PERIGEE_AUDIT_NUMBER(name, word)
#include "hsm/audit_vocabulary.def"
#undef PERIGEE_AUDIT_EVENT
#undef PERIGEE_AUDIT_NUMBER
};

enum class AuditNumber : uint8_t {
#define PERIGEE_AUDIT_EVENT(name, word, refusable, counted)
#define PERIGEE_AUDIT_NUMBER(name, word) name,
#include "hsm/audit_vocabulary.def"
#undef PERIGEE_AUDIT_EVENT
#undef PERIGEE_AUDIT_NUMBER
};

struct AuditWordRow {
  const char* word;
  bool refusable;
  bool counted;
};
const AuditWordRow& RowOf(AuditWord word);
// All of them, for the page and its test.
absl::Span<const AuditWordRow> AuditWords();

// An event as those who cause it know it.
struct AuditEvent {
  AuditWord word = AuditWord::kLogBegin;
  SpaceId space = 0;
  // Serial number of the partition; empty: it is looked up.
  std::string partition = {};
  std::optional<Role> role = {};
  std::optional<Role> of = {};
  CK_RV result = CKR_OK;
  std::optional<Ouid> object = {};
  uint64_t handle = 0;
  std::optional<uint64_t> object_class = {};
  std::vector<std::pair<AuditNumber, uint64_t>> numbers = {};

  AuditEvent& About(const AttributeSet& attributes, uint64_t of_handle);
  // The other HSM's serial number, where it is a number as ours are.
  AuditEvent& WithPeer(absl::string_view serial);
  AuditEvent& With(AuditNumber number, uint64_t value) {
    numbers.emplace_back(number, value);
    return *this;
  }
};

using AuditHash = std::array<uint8_t, 32>;
// Of a line with its line feed.
AuditHash HashOfLine(absl::string_view line);
std::string HexOf(ByteSpan bytes);

// What all lines have in common that this process writes at one time.
struct AuditMoment {
  std::string time;
  std::string process;  // the members about it
  static AuditMoment At(absl::Time time);
};

// What the log adds to an event.
struct AuditFrame {
  uint64_t seq = 0;
  std::string hsm;
  AuditHash prev{};
  std::string store = {};              // hexadecimal; kLogBegin
  std::optional<AuditHash> hash = {};  // kSegment, kDropped
};
// The line with its line feed.
std::string LineOf(const AuditEvent& event, const AuditFrame& frame,
                   const AuditMoment& moment);

// The signature's part of a checkpoint: what is signed, for a line that lacks
// its last members, and the whole line.
std::string CheckpointBody(absl::string_view line, ByteSpan certificate);
Bytes SignedPart(absl::string_view body);
std::string CheckpointLine(absl::string_view body, ByteSpan signature);

// What a checker needs of a line.
struct AuditLineParts {
  uint64_t seq = 0;
  std::string time;
  std::string hsm;
  std::string event;
  uint64_t first = 0, last = 0;  // numbers of kSegment and kDropped
  std::string hash;              // hexadecimal, of the same
  std::string prev;              // hexadecimal
  // A checkpoint's.
  std::string body;  // the line before `,"signature"`
  Bytes certificate;
  Bytes signature;
};
// Of a line without its line feed; nullopt when no HSM writes such a line.
std::optional<AuditLineParts> ParseAuditLine(absl::string_view line);

}  // namespace hsm

#endif  // PERIGEE_HSM_AUDIT_LINE_H_
