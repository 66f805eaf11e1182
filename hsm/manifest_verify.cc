#include "hsm/manifest_verify.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hsm {
namespace {

constexpr char kHeadBegin[] = "{\"manifest\":";

// One walk over the lines. A link that does not hold is noted and the walk goes
// on to the other links; the rows count only under a whole chain.
class Check {
 public:
  Check(absl::string_view text, absl::Span<const base::Certificate> roots)
      : rest_(text), roots_(roots) {}

  ManifestReport Run() {
    absl::string_view line;
    while (absl::StartsWith(rest_, kHeadBegin) && NextLine(&line)) Head(line);
    if (report_.links.empty()) {
      Found(ManifestProblem::kNotAManifest, "this is no manifest");
    }
    if (report_.problem == ManifestProblem::kNone) Rows();
    return std::move(report_);
  }

 private:
  void Found(ManifestProblem problem, std::string text) {
    if (report_.problem != ManifestProblem::kNone) return;
    report_.problem = problem;
    report_.place = place_;
    report_.text = std::move(text);
  }

  // With its line feed; what has none is cut off.
  bool NextLine(absl::string_view* line) {
    ++place_;
    const size_t end = rest_.find('\n');
    if (end == absl::string_view::npos) return false;
    *line = rest_.substr(0, end + 1);
    rest_.remove_prefix(end + 1);
    return true;
  }

  void Head(absl::string_view line) {
    const std::optional<ParsedHead> parsed =
        ParseHead(line.substr(0, line.size() - 1));
    if (!parsed.has_value()) {
      broken_ = true;
      return Found(ManifestProblem::kAltered,
                   "this is no line that an HSM writes");
    }
    ManifestLink link;
    link.head = parsed->head;
    link.hash = HexOf(HashOfLine(line));
    link.problem = CheckHead(*parsed);
    broken_ = false;
    report_.links.push_back(std::move(link));
  }

  ManifestProblem CheckHead(const ParsedHead& parsed) {
    const ManifestHead& head = parsed.head;
    const auto certificate = base::Certificate::Parse(parsed.certificate);
    if (!certificate.ok() || certificate->name().serial != head.device.serial ||
        certificate->name().kind != "backup" || !IsUnderARoot(*certificate)) {
      return Told(ManifestProblem::kWrongCertificate,
                  "the certificate is not that of this Backup HSM under a "
                  "given root");
    }
    if (!certificate
             ->VerifySignature(SignedPartOfHead(parsed.body), parsed.signature)
             .ok()) {
      return Told(ManifestProblem::kBadSignature,
                  "the signature of this manifest is wrong");
    }
    if (report_.links.empty()) return First(head);
    const ManifestLink& former = report_.links.back();
    if (broken_ || head.seq != former.head.seq + 1 ||
        HexOf(head.prev) != former.hash ||
        head.device.serial != former.head.device.serial ||
        head.device.partition != former.head.device.partition) {
      return Told(ManifestProblem::kBrokenChain,
                  absl::StrCat("manifest ", head.seq,
                               " does not follow the one before it here"));
    }
    return ManifestProblem::kNone;
  }

  // A chain may begin later than at 1: the device keeps so many.
  ManifestProblem First(const ManifestHead& head) {
    if (!broken_ && (head.seq == 1) == (head.prev == ManifestHash{})) {
      return ManifestProblem::kNone;
    }
    return Told(ManifestProblem::kBrokenChain, "a chain does not begin so");
  }

  ManifestProblem Told(ManifestProblem problem, std::string text) {
    Found(problem, std::move(text));
    return problem;
  }

  void Rows() {
    const ManifestHead& head = report_.links.back().head;
    ManifestHash digest{};
    if (!RowsOf(head.rows, false, &digest, &report_.rows) ||
        !RowsOf(head.left_out, true, &digest, &report_.left_out)) {
      return;
    }
    if (!rest_.empty()) {
      ++place_;
      return Found(ManifestProblem::kUnknownLine,
                   "the manifest ends before this line");
    }
    if (digest != head.digest) {
      return Found(ManifestProblem::kAltered,
                   "the rows are not those that the device signed");
    }
    report_.rows_hold = true;
  }

  bool RowsOf(uint64_t count, bool left_out, ManifestHash* digest,
              uint64_t* read) {
    for (uint64_t number = 1; number <= count; ++number) {
      absl::string_view line;
      if (!NextLine(&line)) {
        Found(ManifestProblem::kTruncated,
              absl::StrCat("the text ends before row ", number, " of ", count));
        return false;
      }
      if (!IsRowLine(line.substr(0, line.size() - 1), left_out, number)) {
        Found(ManifestProblem::kAltered,
              absl::StrCat("this is not row ", number, " of ", count));
        return false;
      }
      AddToDigest(*digest, line);
      ++*read;
    }
    return true;
  }

  bool IsUnderARoot(const base::Certificate& certificate) const {
    for (const base::Certificate& root : roots_) {
      if (certificate.VerifyUnder(root).ok()) return true;
    }
    return false;
  }

  absl::string_view rest_;
  const absl::Span<const base::Certificate> roots_;
  uint64_t place_ = 0;
  bool broken_ = false;  // the line before was no head
  ManifestReport report_;
};

}  // namespace

ManifestReport VerifyManifest(absl::string_view text,
                              absl::Span<const base::Certificate> roots) {
  return Check(text, roots).Run();
}

}  // namespace hsm
