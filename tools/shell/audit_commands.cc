// audit show, status, export, checkpoint, rotate, verify.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/shell/facts.h"
#include "tools/shell/files.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr size_t kPage = 1 << 18;

constexpr Option kSlotOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
};

absl::StatusOr<PERIGEE_AUDIT_INFO> InfoAt(const Shell& shell, CK_SLOT_ID slot) {
  PERIGEE_AUDIT_INFO info = {};
  info.ulSize = sizeof info;
  RETURN_IF_ERROR(
      shell.module().Check(shell.module().perigee().AuditInfo(slot, &info)));
  return info;
}

// Hands over the lines from `from` to `last`, page by page; 0: to the end.
absl::Status ForEachPage(
    const Shell& shell, CK_SLOT_ID slot, CK_ULONG from, CK_ULONG last,
    absl::FunctionRef<absl::Status(absl::string_view)> give) {
  std::string page(kPage, '\0');
  for (CK_ULONG next = from; last == 0 || next <= last;) {
    CK_ULONG size = page.size();
    RETURN_IF_ERROR(shell.module().Check(
        shell.module().perigee().AuditLines(slot, &next, page.data(), &size)));
    if (size == 0) break;
    absl::string_view text(page.data(), size);
    // Lines that came since.
    for (; last != 0 && next > last + 1; --next) {
      text.remove_suffix(text.size() - (text.rfind('\n', text.size() - 2) + 1));
    }
    RETURN_IF_ERROR(give(text));
    if (last != 0 && next == last + 1) break;
  }
  return absl::OkStatus();
}

// --- showing
// ----------------------------------------------------------------------

constexpr Shown kStatusData[] = {
    {"slot", "number"},
    {"policy", "\"open\", \"closed\" or \"off\""},
    {"key_use", "whether each use of a key is recorded"},
    {"first", "number of the first line that is here; 0: none"},
    {"last", "number of the last one"},
    {"bytes", "number"},
    {"checkpoint", "number of the last signed line; 0: none"},
    {"head", "hash of the last line"},
    {"damaged", "the log's end is not as the HSM left it"},
};

absl::Status Status(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_AUDIT_INFO info, InfoAt(shell, slot));
  const char* policy = info.flags & PERIGEE_AUDIT_OFF      ? "off"
                       : info.flags & PERIGEE_AUDIT_CLOSED ? "closed"
                                                           : "open";
  absl::PrintF("\n%s", Field("Slot Id", absl::StrCat(slot)));
  absl::PrintF("%s", Field("Policy", policy));
  absl::PrintF("%s", Field("Key Use", info.flags & PERIGEE_AUDIT_KEY_USE
                                          ? "recorded"
                                          : "not recorded"));
  absl::PrintF(
      "%s", Field("Lines", info.ulLast == 0 ? "none"
                                            : absl::StrCat(info.ulFirst, " to ",
                                                           info.ulLast)));
  absl::PrintF("%s", Field("Bytes", absl::StrCat(info.ulBytes)));
  absl::PrintF(
      "%s",
      Field("Last Checkpoint",
            info.ulCheckpoint == 0 ? "none" : absl::StrCat(info.ulCheckpoint)));
  absl::PrintF("%s", Field("Last Line's Hash", CleanText(info.head)));
  const bool damaged = (info.flags & PERIGEE_AUDIT_DAMAGED) != 0;
  shell.Tell({{"slot", slot},
              {"policy", policy},
              {"key_use", (info.flags & PERIGEE_AUDIT_KEY_USE) != 0},
              {"first", info.ulFirst},
              {"last", info.ulLast},
              {"bytes", info.ulBytes},
              {"checkpoint", info.ulCheckpoint},
              {"head", CleanText(info.head)},
              {"damaged", damaged}});
  if (!damaged) return absl::OkStatus();
  return Failure(CKR_DEVICE_ERROR, "the log's end is not as the HSM left it",
                 "Keep a copy of the HSM's directory, and see audit verify.");
}

constexpr Option kShowOptions[] = {
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
    {"last", "l", Kind::kNumber, false, "so many lines from the end (20)"},
    {"all", "a", Kind::kFlag, false, "every line"},
};

constexpr Shown kShowData[] = {
    {"lines[]", "as the log has them (docs/AUDIT.md)"},
};

absl::Status Show(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  ASSIGN_OR_RETURN(const PERIGEE_AUDIT_INFO info, InfoAt(shell, slot));
  const CK_ULONG last = arguments.Number("last").value_or(20);
  const bool whole = arguments.Has("all") || info.ulLast < last;
  absl::PrintF("\n");
  Json lines = Json::array();
  RETURN_IF_ERROR(ForEachPage(
      shell, slot, whole ? 0 : info.ulLast - last + 1, info.ulLast,
      [&lines](absl::string_view text) {
        absl::PrintF("%s", text);
        for (const absl::string_view line :
             absl::StrSplit(text, '\n', absl::SkipEmpty())) {
          Json parsed = Json::parse(line, nullptr, /*allow_exceptions=*/false);
          lines.push_back(parsed.is_discarded() ? Json(std::string(line))
                                                : std::move(parsed));
        }
        return absl::OkStatus();
      }));
  shell.Tell({{"lines", lines}});
  return absl::OkStatus();
}

// --- reading out
// ------------------------------------------------------------------

constexpr Option kExportOptions[] = {
    {"file", "f", Kind::kText, true, "a new file for the lines"},
    {"slot", "s", Kind::kNumber, false, "another slot than the active one",
     Names::kSlot},
};

constexpr Shown kExportData[] = {
    {"file", "path"},
    {"last", "number of the last line in it"},
};

absl::Status Export(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  const std::string path = *arguments.Text("file");
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FileFailure(path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  absl::Cleanup undo = [&path] { unlink(path.c_str()); };
  CK_ULONG last = 0;
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().AuditCheckpoint(slot, CK_TRUE, &last)));
  RETURN_IF_ERROR(ForEachPage(
      shell, slot, 0, last,
      [&](absl::string_view text) { return WriteAll(fd, path, text); }));
  if (fsync(fd) != 0) return FileFailure(path, errno);
  std::move(undo).Cancel();
  absl::PrintF("\n    Lines up to %d are in %s\n", last, path);
  shell.Tell({{"file", path}, {"last", last}});
  return absl::OkStatus();
}

constexpr Shown kCheckpointData[] = {
    {"line", "number of the checkpoint"},
    {"known", "LINE:HASH, for audit verify -known; absent: lines came since"},
};

absl::Status Checkpoint(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  CK_ULONG line = 0;
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().AuditCheckpoint(slot, CK_FALSE, &line)));
  ASSIGN_OR_RETURN(const PERIGEE_AUDIT_INFO info, InfoAt(shell, slot));
  absl::PrintF("\n    Line %d is a checkpoint.\n", line);
  shell.Tell({{"line", line}});
  if (info.ulLast == line) {
    const std::string known = absl::StrCat(line, ":", CleanText(info.head));
    absl::PrintF("    Known line: %s\n", known);
    shell.Tell({{"known", known}});
  }
  return absl::OkStatus();
}

constexpr Shown kRotateData[] = {{"file", "path; null: nothing was new"}};

absl::Status Rotate(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
  char path[4096];
  RETURN_IF_ERROR(shell.module().Check(
      shell.module().perigee().AuditRotate(slot, path, sizeof path)));
  shell.Tell(
      {{"file", path[0] == '\0' ? Json(nullptr) : Json(CleanText(path))}});
  if (path[0] == '\0') {
    absl::PrintF("\n    Nothing new was there.\n");
  } else {
    absl::PrintF("\n    The lines are in %s now.\n", CleanText(path));
  }
  return absl::OkStatus();
}

// --- checking
// ---------------------------------------------------------------------

constexpr Option kVerifyOptions[] = {
    {"file", "f", Kind::kText, false,
     "an exported log; several with commas between, in their order"},
    {"root", "r", Kind::kText, false,
     "file with root certificates (this host's fleet root)"},
    {"known", "k", Kind::kText, false,
     "LINE:HASH of a line that must be there (audit checkpoint tells it)"},
    {"slot", "s", Kind::kNumber, false,
     "without -file: another slot than the active one", Names::kSlot},
};

struct ProblemName {
  CK_ULONG problem;
  const char* name;
};
constexpr ProblemName kProblems[] = {
    {PERIGEE_AUDIT_NO_LOG, "no log"},
    {PERIGEE_AUDIT_ALTERED, "altered"},
    {PERIGEE_AUDIT_REMOVED, "removed"},
    {PERIGEE_AUDIT_REORDERED, "reordered"},
    {PERIGEE_AUDIT_DUPLICATED, "duplicated"},
    {PERIGEE_AUDIT_BAD_SIGNATURE, "bad signature"},
    {PERIGEE_AUDIT_WRONG_CERTIFICATE, "wrong certificate"},
    {PERIGEE_AUDIT_TRUNCATED, "truncated"},
    {PERIGEE_AUDIT_RECOVERED, "damaged before"},
};

// What is checked, and against which known line.
struct Subject {
  std::string text;
  CK_ULONG known = 0;
  std::string known_hash;
};

absl::StatusOr<Subject> SubjectOf(Shell& shell, const Arguments& arguments) {
  Subject subject;
  if (const auto files = arguments.Text("file")) {
    for (const absl::string_view file : absl::StrSplit(*files, ",")) {
      ASSIGN_OR_RETURN(const std::string text, ReadFile(std::string(file)));
      subject.text += text;
    }
  } else {
    ASSIGN_OR_RETURN(const CK_SLOT_ID slot, shell.SlotFrom(arguments));
    ASSIGN_OR_RETURN(const PERIGEE_AUDIT_INFO info, InfoAt(shell, slot));
    if (info.flags & PERIGEE_AUDIT_DAMAGED) {
      return Failure(CKR_DEVICE_ERROR,
                     "the log's end is not as the HSM left it: lines are "
                     "missing, or the last one was altered",
                     "Compare with the segments and exports that you have.");
    }
    subject.known = info.ulLast;
    subject.known_hash = CleanText(info.head);
    RETURN_IF_ERROR(
        ForEachPage(shell, slot, 0, info.ulLast, [&](absl::string_view text) {
          absl::StrAppend(&subject.text, text);
          return absl::OkStatus();
        }));
  }
  if (const auto known = arguments.Text("known")) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(*known, absl::MaxSplits(':', 1));
    if (!absl::SimpleAtoi(parts.first, &subject.known)) {
      return Failure(CKR_ARGUMENTS_BAD, "-known is LINE:HASH");
    }
    subject.known_hash = parts.second;
  }
  return subject;
}

constexpr Shown kVerifyData[] = {
    {"hsm", "serial number"},
    {"first", "number of the first sound line"},
    {"last", "number of the last sound line"},
    {"lines", "how many are sound"},
    {"checkpoints", "how many"},
    {"not_covered", "lines after the last checkpoint"},
    {"head", "hash of the last line"},
    {"problem", "\"none\", \"altered\", \"removed\", ..."},
    {"at_line", "of the text; with a problem"},
    {"number", "of that line; 0: it has none"},
};

const char* NameOf(CK_ULONG problem) {
  if (problem == PERIGEE_AUDIT_SOUND) return "none";
  for (const ProblemName& row : kProblems) {
    if (row.problem == problem) return row.name;
  }
  return "not sound";
}

absl::Status Told(Shell& shell, const PERIGEE_AUDIT_REPORT& report) {
  shell.Tell({{"hsm", CleanText(report.hsm)},
              {"first", report.ulFirst},
              {"last", report.ulLast},
              {"lines", report.ulLines},
              {"checkpoints", report.ulCheckpoints},
              {"not_covered", report.ulUncovered},
              {"head", CleanText(report.head)},
              {"problem", NameOf(report.ulProblem)}});
  absl::PrintF("\n%s", Field("HSM", CleanText(report.hsm)));
  absl::PrintF(
      "%s", Field("Sound Lines",
                  report.ulLines == 0
                      ? "none"
                      : absl::StrCat(report.ulFirst, " to ", report.ulLast)));
  absl::PrintF("%s", Field("Checkpoints", absl::StrCat(report.ulCheckpoints)));
  absl::PrintF("%s", Field("Not Covered", absl::StrCat(report.ulUncovered)));
  absl::PrintF("%s", Field("Last Line's Hash", CleanText(report.head)));
  if (report.ulProblem == PERIGEE_AUDIT_SOUND) {
    if (report.fromTheBeginning == CK_FALSE) {
      absl::PrintF("\n    Lines before %d are in earlier segments.\n",
                   report.ulFirst);
    }
    if (report.ulUncovered != 0) {
      absl::PrintF(
          "\n    The last %d lines are chained, but not signed yet: they may "
          "have been\n    altered or removed. An export ends with a "
          "checkpoint.\n",
          report.ulUncovered);
    }
    return absl::OkStatus();
  }
  shell.Tell({{"at_line", report.ulPlace}, {"number", report.ulLine}});
  absl::PrintF("%s", Field("Problem", NameOf(report.ulProblem)));
  absl::PrintF("%s", Field("At Line", absl::StrCat(report.ulPlace)));
  if (report.ulLine != 0) {
    absl::PrintF("%s", Field("Its Number", absl::StrCat(report.ulLine)));
  }
  return Failure(CKR_DATA_INVALID, CleanText(report.text),
                 "Keep what you have; compare with other copies of the log.");
}

absl::Status Verify(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Subject subject, SubjectOf(shell, arguments));
  std::string roots;
  const auto root_file = arguments.Text("root");
  if (root_file.has_value()) {
    ASSIGN_OR_RETURN(roots, ReadFile(*root_file));
  }
  PERIGEE_AUDIT_REPORT report = {};
  report.ulSize = sizeof report;
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().AuditVerify(
      subject.text.data(), subject.text.size(),
      root_file.has_value() ? reinterpret_cast<const CK_BYTE*>(roots.data())
                            : nullptr,
      roots.size(), subject.known,
      subject.known_hash.empty() ? nullptr : subject.known_hash.c_str(),
      &report)));
  RETURN_IF_ERROR(Told(shell, report));
  if (arguments.Has("file") && report.ulUncovered != 0) {
    return Failure(CKR_DATA_INVALID,
                   "the end of the log is not signed: it may be cut off",
                   "Take the whole file, or export it anew.");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> AuditCommands() {
  return {
      {"audit show", "au s", kShowOptions, Show,
       "the last lines of the audit log", kShowData},
      {"audit status", "au st", kSlotOptions, Status,
       "what is recorded, and how much there is", kStatusData},
      {"audit export", "au e", kExportOptions, Export,
       "signs the audit log and copies it into a file", kExportData},
      {"audit checkpoint", "au c", kSlotOptions, Checkpoint,
       "signs the audit log", kCheckpointData},
      {"audit rotate", "au r", kSlotOptions, Rotate,
       "moves the audit log into a file beside the HSM's state", kRotateData},
      {"audit verify", "au v", kVerifyOptions, Verify,
       "checks an exported audit log, or the HSM's own", kVerifyData},
  };
}

}  // namespace shell
