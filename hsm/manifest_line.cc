#include "hsm/manifest_line.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/crypto.h"
#include "hsm/json_text.h"

namespace hsm {
namespace {

constexpr char kSignedPrefix[] = "perigee backup manifest 1\n";
constexpr size_t kLongestLine = 16384;
constexpr size_t kMostPolicies = 256;

bool IsHex(absl::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

// `"name":{...}` of a party; the texts that it has not are left out.
void AppendParty(std::string* out, const char* name,
                 const ManifestParty& party) {
  absl::StrAppend(out, ",\"", name, "\":{\"serial\":\"",
                  EscapedText(party.serial), "\"");
  if (!party.model.empty()) {
    AppendText(out, "model", EscapedText(party.model));
    AppendText(out, "label", EscapedText(party.label));
  }
  AppendText(out, "partition", party.partition);
  AppendText(out, "firmware", party.firmware);
  AppendNumber(out, "version", party.version);
  AppendNumber(out, "fm", party.fm);
  absl::StrAppend(out, "}");
}

bool TakeParty(absl::string_view* rest, const char* name,
               ManifestParty* party) {
  std::string serial, model, label;
  if (!TakeComma(rest) ||
      !absl::ConsumePrefix(rest, absl::StrCat("\"", name, "\":{")) ||
      !TakeEscaped(rest, "serial", &serial) || !TakeComma(rest) ||
      !TakeEscaped(rest, "model", &model) || !TakeComma(rest) ||
      !TakeEscaped(rest, "label", &label) || !TakeComma(rest) ||
      !TakeText(rest, "partition", &party->partition) || !TakeComma(rest) ||
      !TakeText(rest, "firmware", &party->firmware) || !TakeComma(rest) ||
      !TakeNumber(rest, "version", &party->version) || !TakeComma(rest) ||
      !TakeNumber(rest, "fm", &party->fm) || !absl::ConsumePrefix(rest, "}")) {
    return false;
  }
  party->serial = UnescapedText(serial);
  party->model = UnescapedText(model);
  party->label = UnescapedText(label);
  return true;
}

void AppendPolicies(std::string* out, const char* name,
                    const PolicyValues& policies) {
  absl::StrAppend(out, ",\"", name, "\":[");
  const char* comma = "";
  for (const auto& [number, value] : policies) {
    absl::StrAppend(out, comma, "[", number, ",", value, "]");
    comma = ",";
  }
  absl::StrAppend(out, "]");
}

bool TakeDigits(absl::string_view* rest, uint64_t* number) {
  const size_t end =
      std::min(rest->find_first_not_of("0123456789"), rest->size());
  if (!absl::SimpleAtoi(rest->substr(0, end), number)) return false;
  rest->remove_prefix(end);
  return true;
}

bool TakePolicies(absl::string_view* rest, const char* name,
                  PolicyValues* policies) {
  if (!TakeComma(rest) ||
      !absl::ConsumePrefix(rest, absl::StrCat("\"", name, "\":["))) {
    return false;
  }
  while (!absl::ConsumePrefix(rest, "]")) {
    uint64_t number = 0, value = 0;
    if ((!policies->empty() && !TakeComma(rest)) ||
        !absl::ConsumePrefix(rest, "[") || !TakeDigits(rest, &number) ||
        !TakeComma(rest) || !TakeDigits(rest, &value) ||
        !absl::ConsumePrefix(rest, "]") || number > UINT32_MAX ||
        policies->size() == kMostPolicies) {
      return false;
    }
    (*policies)[static_cast<uint32_t>(number)] = value;
  }
  return true;
}

bool TakeHash(absl::string_view* rest, const char* name, ManifestHash* hash) {
  std::string text;
  if (!TakeComma(rest) || !TakeText(rest, name, &text) || !IsHash(text)) {
    return false;
  }
  const std::string bytes = absl::HexStringToBytes(text);
  std::copy(bytes.begin(), bytes.end(), hash->begin());
  return true;
}

bool TakeCount(absl::string_view* rest, const char* name, uint64_t* number) {
  return TakeComma(rest) && TakeNumber(rest, name, number);
}

// What an object is, in both kinds of rows.
void AppendObject(std::string* out, const Ouid& ouid, uint64_t object_class,
                  uint64_t key_type) {
  AppendText(out, "ouid", HexOf(ouid));
  if (object_class != CK_UNAVAILABLE_INFORMATION) {
    AppendNumber(out, "class", object_class);
  }
  if (key_type != CK_UNAVAILABLE_INFORMATION) {
    AppendNumber(out, "keytype", key_type);
  }
}

}  // namespace

ManifestParty ManifestParty::Of(const Statement& statement) {
  ManifestParty party;
  party.serial = statement.serial;
  party.model = statement.model;
  party.firmware = statement.firmware.ToString();
  party.partition = HexOf(statement.partition);
  party.label = statement.partition_label;
  party.version = statement.partition_version;
  party.fm = static_cast<uint64_t>(statement.fm);
  return party;
}

std::string HeadLine(const ManifestHead& head) {
  std::string out = absl::StrCat("{\"manifest\":", head.seq);
  AppendText(&out, "time", head.time);
  AppendNumber(&out, "ended", head.ended ? 1 : 0);
  AppendParty(&out, "source", head.source);
  AppendParty(&out, "device", head.device);
  AppendPolicies(&out, "hsm_policies", head.hsm_policies);
  AppendPolicies(&out, "partition_policies", head.partition_policies);
  AppendNumber(&out, "source_objects", head.source_objects);
  AppendNumber(&out, "rows", head.rows);
  AppendNumber(&out, "left_out", head.left_out);
  AppendNumber(&out, "more", head.more);
  AppendText(&out, "digest", HexOf(head.digest));
  AppendText(&out, "prev", HexOf(head.prev));
  absl::StrAppend(&out, "}\n");
  return out;
}

Bytes SignedPartOfHead(absl::string_view body) {
  return base::ToBytes(base::AsBytes(absl::StrCat(kSignedPrefix, body)));
}

std::optional<ParsedHead> ParseHead(absl::string_view line) {
  ParsedHead parsed;
  ManifestHead& head = parsed.head;
  absl::string_view rest = line;
  std::string certificate, signature;
  if (line.size() > kLongestLine ||
      !std::all_of(line.begin(), line.end(), absl::ascii_isprint) ||
      !absl::ConsumeSuffix(&rest, "}") ||
      !TakeLastText(&rest, "signature", &signature)) {
    return std::nullopt;
  }
  parsed.body = std::string(rest);
  uint64_t ended = 0;
  if (!TakeLastText(&rest, "certificate", &certificate) ||
      !FromBase64(certificate, &parsed.certificate) ||
      !FromBase64(signature, &parsed.signature) ||
      !absl::ConsumePrefix(&rest, "{") ||
      !TakeNumber(&rest, "manifest", &head.seq) || !TakeComma(&rest) ||
      !TakeText(&rest, "time", &head.time) ||
      !TakeCount(&rest, "ended", &ended) ||
      !TakeParty(&rest, "source", &head.source) ||
      !TakeParty(&rest, "device", &head.device) ||
      !TakePolicies(&rest, "hsm_policies", &head.hsm_policies) ||
      !TakePolicies(&rest, "partition_policies", &head.partition_policies) ||
      !TakeCount(&rest, "source_objects", &head.source_objects) ||
      !TakeCount(&rest, "rows", &head.rows) ||
      !TakeCount(&rest, "left_out", &head.left_out) ||
      !TakeCount(&rest, "more", &head.more) ||
      !TakeHash(&rest, "digest", &head.digest) ||
      !TakeHash(&rest, "prev", &head.prev) || !rest.empty()) {
    return std::nullopt;
  }
  head.ended = ended == 1;
  // One head, one line: whatever else was read the same way is no line of ours.
  const std::string again = CheckpointLine(
      CheckpointBody(HeadLine(head), parsed.certificate), parsed.signature);
  if (absl::StripSuffix(again, "\n") != line) return std::nullopt;
  return parsed;
}

std::string RowLine(const ManifestRow& row, uint64_t number) {
  std::string out;
  out.reserve(512);  // most have less
  absl::StrAppend(&out, "{\"row\":", number);
  AppendObject(&out, row.ouid, row.object_class, row.key_type);
  AppendNumber(&out, "size", row.size);
  if (!row.origin.serial.empty()) AppendParty(&out, "origin", row.origin);
  AppendText(&out, "fingerprint", HexOf(row.fingerprint));
  absl::StrAppend(&out, "}\n");
  return out;
}

std::string LeftOutLine(const LeftOut& row, uint64_t number) {
  std::string out = absl::StrCat("{\"left_out\":", number);
  AppendObject(&out, row.ouid, row.object_class, row.key_type);
  AppendText(&out, "result", base::CkRvName(static_cast<CK_RV>(row.rv)));
  if (!row.reason.empty()) AppendText(&out, "reason", EscapedText(row.reason));
  absl::StrAppend(&out, "}\n");
  return out;
}

bool IsRowLine(absl::string_view line, bool left_out, uint64_t number) {
  uint64_t found = 0;
  std::string ouid;
  return line.size() <= kLongestLine &&
         std::all_of(line.begin(), line.end(), absl::ascii_isprint) &&
         absl::ConsumeSuffix(&line, "}") && absl::ConsumePrefix(&line, "{") &&
         TakeNumber(&line, left_out ? "left_out" : "row", &found) &&
         found == number && TakeComma(&line) &&
         TakeText(&line, "ouid", &ouid) && ouid.size() == 2 * sizeof(Ouid) &&
         IsHex(ouid);
}

void AddToDigest(ManifestHash& digest, absl::string_view line) {
  const Bytes next = base::Sha256({digest, base::AsBytes(line)});
  std::copy(next.begin(), next.end(), digest.begin());
}

}  // namespace hsm
