#include "hsm/audit_line.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/crypto.h"
#include "hsm/json_text.h"

namespace hsm {
namespace {

constexpr AuditWordRow kWords[] = {
#define PERIGEE_AUDIT_EVENT(name, word, refusable, counted) \
  {word, refusable, counted},
#define PERIGEE_AUDIT_NUMBER(name, word)
#include "hsm/audit_vocabulary.def"
#undef PERIGEE_AUDIT_EVENT
#undef PERIGEE_AUDIT_NUMBER
};

constexpr const char* kNumbers[] = {
#define PERIGEE_AUDIT_EVENT(name, word, refusable, counted)
#define PERIGEE_AUDIT_NUMBER(name, word) word,
#include "hsm/audit_vocabulary.def"
#undef PERIGEE_AUDIT_EVENT
#undef PERIGEE_AUDIT_NUMBER
};

constexpr const char* kRoles[] = {"so", "co", "cu", "lco", "auditor"};

constexpr char kSignedPrefix[] = "perigee audit checkpoint 1\n";
constexpr size_t kLongestProgram = 32;
constexpr size_t kLongestLine = 8192;

bool ParseCheckpoint(absl::string_view line, absl::string_view* rest,
                     AuditLineParts* parts) {
  std::string certificate, signature;
  if (!TakeLastText(rest, "signature", &signature)) return false;
  parts->body = std::string(line.substr(0, rest->size()));
  return TakeLastText(rest, "certificate", &certificate) &&
         FromBase64(certificate, &parts->certificate) &&
         FromBase64(signature, &parts->signature);
}

// `"numbers":{"first":1,"last":2}` and `"hash":"..."` of a segment.
bool ParseRange(absl::string_view rest, AuditLineParts* parts) {
  const size_t at = rest.find("\"numbers\":{");
  if (at == absl::string_view::npos) return false;
  rest.remove_prefix(at + 11);
  if (!TakeNumber(&rest, "first", &parts->first) || !TakeComma(&rest) ||
      !TakeNumber(&rest, "last", &parts->last) ||
      !absl::ConsumePrefix(&rest, "},")) {
    return false;
  }
  return TakeText(&rest, "hash", &parts->hash) && IsHash(parts->hash);
}

}  // namespace

const AuditWordRow& RowOf(AuditWord word) {
  return kWords[static_cast<size_t>(word)];
}

absl::Span<const AuditWordRow> AuditWords() { return kWords; }

AuditEvent& AuditEvent::About(const AttributeSet& attributes,
                              uint64_t of_handle) {
  handle = of_handle;
  object_class = attributes.object_class();
  const ByteSpan ouid = attributes.Value(CKA_OUID);
  if (ouid.size() == sizeof(Ouid)) {
    object.emplace();
    std::copy(ouid.begin(), ouid.end(), object->begin());
  }
  return *this;
}

AuditEvent& AuditEvent::WithPeer(absl::string_view serial) {
  uint64_t number = 0;
  if (absl::SimpleAtoi(serial, &number)) With(AuditNumber::kPeer, number);
  return *this;
}

AuditHash HashOfLine(absl::string_view line) {
  const Bytes digest = base::Sha256({base::AsBytes(line)});
  AuditHash hash{};
  std::copy(digest.begin(), digest.end(), hash.begin());
  return hash;
}

std::string HexOf(ByteSpan bytes) {
  return absl::BytesToHexString(base::AsText(bytes));
}

AuditMoment AuditMoment::At(absl::Time time) {
  AuditMoment moment;
  moment.time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
  AppendNumber(&moment.process, "pid", static_cast<uint64_t>(getpid()));
  AppendNumber(&moment.process, "uid", getuid());
  AppendText(&moment.process, "program",
             EscapedText(absl::string_view(program_invocation_short_name)
                             .substr(0, kLongestProgram)));
  return moment;
}

std::string LineOf(const AuditEvent& event, const AuditFrame& frame,
                   const AuditMoment& moment) {
  std::string out;
  out.reserve(512);  // most have less
  absl::StrAppend(&out, "{\"seq\":", frame.seq);
  AppendText(&out, "time", moment.time);
  AppendText(&out, "hsm", frame.hsm);
  AppendText(&out, "event", RowOf(event.word).word);
  if (!event.partition.empty()) AppendText(&out, "partition", event.partition);
  if (event.role.has_value()) {
    AppendText(&out, "role", kRoles[static_cast<size_t>(*event.role)]);
  }
  if (event.of.has_value()) {
    AppendText(&out, "of", kRoles[static_cast<size_t>(*event.of)]);
  }
  AppendText(&out, "result", base::CkRvName(event.result));
  if (event.object.has_value())
    AppendText(&out, "object", HexOf(*event.object));
  if (event.handle != 0) AppendNumber(&out, "handle", event.handle);
  if (event.object_class.has_value()) {
    AppendNumber(&out, "class", *event.object_class);
  }
  if (!event.numbers.empty()) {
    absl::StrAppend(&out, ",\"numbers\":{");
    const char* comma = "";
    for (const auto& [number, value] : event.numbers) {
      absl::StrAppend(&out, comma, "\"", kNumbers[static_cast<size_t>(number)],
                      "\":", value);
      comma = ",";
    }
    absl::StrAppend(&out, "}");
  }
  if (!frame.store.empty()) AppendText(&out, "store", frame.store);
  if (frame.hash.has_value()) AppendText(&out, "hash", HexOf(*frame.hash));
  absl::StrAppend(&out, moment.process);
  AppendText(&out, "prev", HexOf(frame.prev));
  absl::StrAppend(&out, "}\n");
  return out;
}

std::string CheckpointBody(absl::string_view line, ByteSpan certificate) {
  line = absl::StripSuffix(line, "}\n");
  return absl::StrCat(line, ",\"certificate\":\"",
                      absl::Base64Escape(base::AsText(certificate)), "\"");
}

Bytes SignedPart(absl::string_view body) {
  return base::ToBytes(base::AsBytes(absl::StrCat(kSignedPrefix, body)));
}

std::string CheckpointLine(absl::string_view body, ByteSpan signature) {
  return absl::StrCat(body, ",\"signature\":\"",
                      absl::Base64Escape(base::AsText(signature)), "\"}\n");
}

std::optional<AuditLineParts> ParseAuditLine(absl::string_view line) {
  AuditLineParts parts;
  absl::string_view rest = line;
  if (line.size() > kLongestLine ||
      !std::all_of(line.begin(), line.end(), absl::ascii_isprint) ||
      !absl::ConsumePrefix(&rest, "{") || !absl::ConsumeSuffix(&rest, "}")) {
    return std::nullopt;
  }
  absl::string_view front = rest;
  if (!TakeNumber(&front, "seq", &parts.seq) || !TakeComma(&front) ||
      !TakeText(&front, "time", &parts.time) || !TakeComma(&front) ||
      !TakeText(&front, "hsm", &parts.hsm) || !TakeComma(&front) ||
      !TakeText(&front, "event", &parts.event) || !TakeComma(&front)) {
    return std::nullopt;
  }
  const auto is = [&](AuditWord word) {
    return parts.event == RowOf(word).word;
  };
  // With the brace at the front, as a checkpoint's signature has it.
  absl::string_view whole = line.substr(0, line.size() - 1);
  if (is(AuditWord::kCheckpoint) && !ParseCheckpoint(line, &whole, &parts)) {
    return std::nullopt;
  }
  if (!TakeLastText(&whole, "prev", &parts.prev) || !IsHash(parts.prev)) {
    return std::nullopt;
  }
  const bool has_range = is(AuditWord::kSegment) || is(AuditWord::kDropped);
  if (has_range && !ParseRange(front, &parts)) return std::nullopt;
  return parts;
}

}  // namespace hsm
