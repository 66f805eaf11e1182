#include "hsm/audit_verify.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace hsm {
namespace {

const char* WordOf(AuditWord word) { return RowOf(word).word; }

// One walk over the lines; the first problem ends it.
class Check {
 public:
  Check(absl::string_view text, absl::Span<const base::Certificate> roots)
      : text_(text), roots_(roots) {}

  AuditReport Run(const std::optional<KnownLine>& known) {
    Split();
    if (report_.problem == AuditProblem::kNone) Walk(known);
    return std::move(report_);
  }

 private:
  struct Line {
    absl::string_view whole;  // with its line feed
    std::optional<AuditLineParts> parts;
  };

  void Found(AuditProblem problem, size_t index, std::string text) {
    report_.problem = problem;
    report_.place = index + 1;
    if (index < lines_.size() && lines_[index].parts.has_value()) {
      report_.seq = lines_[index].parts->seq;
    }
    report_.text = std::move(text);
  }

  void Split() {
    absl::string_view rest = text_;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      if (end == absl::string_view::npos) {
        lines_.push_back({rest, std::nullopt});
        break;
      }
      lines_.push_back(
          {rest.substr(0, end + 1), ParseAuditLine(rest.substr(0, end))});
      if (const auto& parts = lines_.back().parts) seqs_.insert(parts->seq);
      rest.remove_prefix(end + 1);
    }
    if (lines_.empty() || (lines_.size() == 1 && !lines_[0].parts)) {
      Found(AuditProblem::kNotALog, 0, "this is no audit log");
    }
  }

  // Whether the line that follows says that this one is as it was.
  bool IsVouchedFor(size_t index) const {
    return index + 1 < lines_.size() && lines_[index + 1].parts.has_value() &&
           lines_[index + 1].parts->prev ==
               HexOf(HashOfLine(lines_[index].whole));
  }

  void Walk(const std::optional<KnownLine>& known) {
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (!lines_[i].parts.has_value()) {
        return Found(AuditProblem::kAltered, i,
                     "this is no line that an HSM writes");
      }
      const AuditLineParts& parts = *lines_[i].parts;
      if (i == 0 ? !Begin(parts) : !Follows(i, parts)) return;
      const std::string hash = HexOf(HashOfLine(lines_[i].whole));
      if (known.has_value() && known->seq == parts.seq && known->hash != hash) {
        return Found(AuditProblem::kAltered, i,
                     "this is not the line that is known");
      }
      if (!CheckEvent(i, parts)) return;
      ++report_.lines;
      report_.last_seq = parts.seq;
      report_.head = hash;
    }
    if (known.has_value() && known->seq > report_.last_seq) {
      Found(AuditProblem::kTruncated, lines_.size(),
            absl::StrCat("the log ends before line ", known->seq,
                         ", which is known to exist"));
    }
  }

  bool Begin(const AuditLineParts& parts) {
    report_.first_seq = parts.seq;
    report_.hsm = parts.hsm;
    report_.from_the_beginning = parts.seq == 1;
    if (parts.seq == 1) {
      if (parts.event == WordOf(AuditWord::kLogBegin) &&
          parts.prev.find_first_not_of('0') == std::string::npos) {
        return true;
      }
      if (parts.event == WordOf(AuditWord::kRecovered)) return true;
      Found(AuditProblem::kAltered, 0, "a log does not begin so");
      return false;
    }
    if (parts.event == WordOf(AuditWord::kSegment) ||
        WereDropped(parts.seq - 1, parts.prev)) {
      return true;
    }
    const bool later = seqs_.count(parts.seq - 1) != 0;
    Found(later ? AuditProblem::kReordered : AuditProblem::kRemoved, 0,
          absl::StrCat("the lines before ", parts.seq,
                       later ? " stand behind it" : " are not here"));
    return false;
  }

  // The HSM says so itself, further on.
  bool WereDropped(uint64_t last, const std::string& hash) const {
    for (const Line& line : lines_) {
      if (line.parts.has_value() &&
          line.parts->event == WordOf(AuditWord::kDropped) &&
          line.parts->last == last && line.parts->hash == hash) {
        return true;
      }
    }
    return false;
  }

  bool Follows(size_t i, const AuditLineParts& parts) {
    const uint64_t expected = report_.last_seq + 1;
    if (parts.seq < expected) {
      Found(lines_[i].whole == Earlier(parts.seq) ? AuditProblem::kDuplicated
                                                  : AuditProblem::kReordered,
            i, absl::StrCat("line ", expected, " should stand here"));
      return false;
    }
    if (parts.seq > expected) {
      // A number that was changed is no number that is missing.
      if (parts.prev == report_.head) {
        Found(AuditProblem::kAltered, i,
              absl::StrCat("line ", expected, " has another number"));
        return false;
      }
      const bool later = seqs_.count(expected) != 0;
      Found(later ? AuditProblem::kReordered : AuditProblem::kRemoved, i,
            later ? absl::StrCat("line ", expected, " stands behind this one")
                  : absl::StrCat("before this line, ", parts.seq - expected,
                                 " from number ", expected, " are missing"));
      return false;
    }
    if (parts.prev != report_.head) {
      // Which of the two was changed, tells what vouches for this one.
      const bool vouched = IsVouchedFor(i) || SignatureFits(parts);
      Found(AuditProblem::kAltered, vouched ? i - 1 : i,
            "this line is not as the HSM wrote it");
      return false;
    }
    if (parts.hsm != report_.hsm) {
      Found(AuditProblem::kAltered, i, "this line is another HSM's");
      return false;
    }
    return true;
  }

  absl::string_view Earlier(uint64_t seq) const {
    for (const Line& line : lines_) {
      if (line.parts.has_value() && line.parts->seq == seq) return line.whole;
    }
    return "";
  }

  bool CheckEvent(size_t i, const AuditLineParts& parts) {
    if (parts.event == WordOf(AuditWord::kRecovered)) {
      Found(AuditProblem::kRecovered, i,
            "the HSM found its log damaged here; lines may be missing");
      return false;
    }
    if (parts.event != WordOf(AuditWord::kCheckpoint)) {
      ++report_.uncovered;
      return true;
    }
    const auto certificate = base::Certificate::Parse(parts.certificate);
    if (!certificate.ok() || certificate->name().serial != parts.hsm ||
        certificate->name().kind == "host" || !IsUnderARoot(*certificate)) {
      Found(AuditProblem::kWrongCertificate, i,
            "the certificate is not that of this HSM under a given root");
      return false;
    }
    if (!SignatureFits(parts)) {
      Found(AuditProblem::kBadSignature, i,
            "the signature of this checkpoint is wrong");
      return false;
    }
    ++report_.checkpoints;
    report_.uncovered = 0;
    return true;
  }

  static bool SignatureFits(const AuditLineParts& parts) {
    const auto certificate = base::Certificate::Parse(parts.certificate);
    return certificate.ok() &&
           certificate->VerifySignature(SignedPart(parts.body), parts.signature)
               .ok();
  }

  bool IsUnderARoot(const base::Certificate& certificate) const {
    for (const base::Certificate& root : roots_) {
      if (certificate.VerifyUnder(root).ok()) return true;
    }
    return false;
  }

  const absl::string_view text_;
  const absl::Span<const base::Certificate> roots_;
  std::vector<Line> lines_;
  std::set<uint64_t> seqs_;
  AuditReport report_;
};

}  // namespace

AuditReport VerifyAudit(absl::string_view text,
                        absl::Span<const base::Certificate> roots,
                        const std::optional<KnownLine>& known) {
  return Check(text, roots).Run(known);
}

}  // namespace hsm
