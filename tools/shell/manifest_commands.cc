// partition archive manifest: a backup partition's manifests into a file.
// archive verify: what such a file holds, and whether it is as the Backup HSM
// made it.
#include <algorithm>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/shell/archive.h"
#include "tools/shell/facts.h"
#include "tools/shell/files.h"
#include "tools/shell/shell.h"
#include "tools/shell/text.h"

namespace shell {
namespace {

constexpr size_t kPage = 1 << 18;
constexpr int kMostTries = 3;
constexpr size_t kMostLinks = 1024;  // a device keeps 256

constexpr Option kManifestOptions[] = {
    {"slot", "s", Kind::kNumber, true, "slot of the Backup HSM", Names::kSlot},
    {"partition", "par", Kind::kText, true, "the backup partition",
     Names::kPartition},
    {"file", "f", Kind::kText, true, "a new file for the manifest"},
    {"password", "p", Kind::kSecret, false,
     "of the backup partition's Crypto Officer"},
};

// All pages of one and the same newest manifest.
absl::StatusOr<std::string> WholeManifest(const Module& module,
                                          CK_SESSION_HANDLE session) {
  for (int tries = 0; tries < kMostTries; ++tries) {
    std::string text, page(kPage, '\0');
    CK_ULONG next = 0, first_seq = 0, seq = 0;
    do {
      const bool first = next == 0;
      CK_ULONG size = page.size();
      RETURN_IF_ERROR(module.Check(module.perigee().ManifestText(
          session, &next, &seq, page.data(), &size)));
      if (first) first_seq = seq;
      text.append(page, 0, size);
    } while (next != 0 && seq == first_seq);
    if (seq == first_seq) return text;
  }
  return Failure(CKR_FUNCTION_FAILED,
                 "the backup partition changed while its manifest was read",
                 "Once more, when the backup has ended.");
}

constexpr Shown kManifestData[] = {{"file", "path"}};

absl::Status Manifest(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const PERIGEE_HSM_INFO hsm, BackupHsm(shell, arguments));
  const CK_SLOT_ID slot = hsm.adminSlot;
  RETURN_IF_ERROR(shell.Session(slot).status());
  ASSIGN_OR_RETURN(const PERIGEE_PARTITION_INFO existing,
                   ExistingArchive(shell, hsm, *arguments.Text("partition")));
  std::string text;
  {
    ASSIGN_OR_RETURN(
        const std::unique_ptr<OpenArchive> archive,
        OpenArchive::Ask(shell, arguments, slot, existing.ulContainer));
    ASSIGN_OR_RETURN(text, WholeManifest(shell.module(), archive->session()));
  }
  const std::string path = *arguments.Text("file");
  RETURN_IF_ERROR(WriteNewFile(path, text));
  absl::PrintF("\n    The manifest of %s is in %s\n", CleanText(existing.label),
               path);
  shell.Tell({{"file", path}});
  return absl::OkStatus();
}

// --- checking ---

constexpr Option kVerifyOptions[] = {
    {"file", "f", Kind::kText, true, "a manifest (-file may be left out)",
     Names::kNone, /*bare=*/true},
    {"root", "r", Kind::kText, false,
     "file with root certificates (this host's fleet root)"},
    {"rows", "ro", Kind::kFlag, false, "show every object's row"},
};

struct ProblemName {
  CK_ULONG problem;
  const char* name;
};
constexpr ProblemName kProblems[] = {
    {PERIGEE_MANIFEST_SOUND, "holds"},
    {PERIGEE_MANIFEST_NONE, "no manifest"},
    {PERIGEE_MANIFEST_ALTERED, "altered"},
    {PERIGEE_MANIFEST_BROKEN_CHAIN, "broken chain"},
    {PERIGEE_MANIFEST_BAD_SIGNATURE, "bad signature"},
    {PERIGEE_MANIFEST_WRONG_CERTIFICATE, "wrong certificate"},
    {PERIGEE_MANIFEST_TRUNCATED, "truncated"},
    {PERIGEE_MANIFEST_UNKNOWN_LINE, "lines that do not belong to it"},
};
std::string NameOf(CK_ULONG problem) {
  for (const ProblemName& row : kProblems) {
    if (row.problem == problem) return row.name;
  }
  return "not sound";
}

std::string PartyText(const PERIGEE_MANIFEST_PARTY& party) {
  return absl::StrCat(CleanText(party.label), " (", CleanText(party.model), " ",
                      CleanText(party.serial), ", firmware ",
                      CleanText(party.firmware), ", V", party.ulVersion, ")");
}

void PrintChain(absl::Span<const PERIGEE_MANIFEST_LINK> links) {
  absl::PrintF("\n    Chain\n");
  for (const PERIGEE_MANIFEST_LINK& link : links) {
    absl::PrintF("        %d  %s  %s, %d left out%s: %s\n", link.ulSeq,
                 CleanText(link.time), Count(link.ulRows, "object"),
                 link.ulLeftOut,
                 link.ended == CK_FALSE ? ", run not ended" : "",
                 NameOf(link.ulProblem));
  }
}

void PrintNewest(const PERIGEE_MANIFEST_LINK& newest) {
  absl::PrintF("\n%s", Field("Source", PartyText(newest.source)));
  absl::PrintF("%s", Field("Backup Partition", PartyText(newest.device)));
  absl::PrintF("%s", Field("Time", CleanText(newest.time)));
  absl::PrintF("%s", Field("Run", newest.ended != CK_FALSE
                                      ? "ended"
                                      : "broke off, or has not ended yet"));
  absl::PrintF("%s", Field("Objects", absl::StrCat(newest.ulRows)));
  absl::PrintF("%s", Field("Left Out", absl::StrCat(newest.ulLeftOut)));
  if (newest.ulSourceObjects != 0) {
    absl::PrintF(
        "%s", Field("Objects of Source", absl::StrCat(newest.ulSourceObjects)));
  }
  absl::PrintF("%s", Field("Hash", CleanText(newest.hash)));
}

// The rows as they stand in the file; only of what holds.
void PrintRows(absl::string_view text, bool all) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "{\"left_out\":") ||
        (all && absl::StartsWith(line, "{\"row\":"))) {
      absl::PrintF("    %s\n", CleanText(std::string(line)));
    }
  }
}

constexpr Shown kVerifyData[] = {
    {"problem", "\"holds\", \"altered\", \"broken chain\", ..."},
    {"at_line", "of the file; with a problem"},
    {"links[].seq", "number of the manifest"},
    {"links[].time", "text"},
    {"links[].objects", "how many it lists"},
    {"links[].left_out", "how many could not be backed up"},
    {"links[].ended", "false: the run broke off, or goes on"},
    {"links[].problem", "as above"},
    {"source", "of the newest: label, model, serial, firmware, version"},
    {"backup_partition", "the same of the Backup HSM's end"},
    {"hash", "of the newest"},
};

Json LinkFacts(absl::Span<const PERIGEE_MANIFEST_LINK> links) {
  Json all = Json::array();
  for (const PERIGEE_MANIFEST_LINK& link : links) {
    all.push_back({{"seq", link.ulSeq},
                   {"time", CleanText(link.time)},
                   {"objects", link.ulRows},
                   {"left_out", link.ulLeftOut},
                   {"ended", link.ended != CK_FALSE},
                   {"problem", NameOf(link.ulProblem)}});
  }
  return all;
}

absl::Status Verify(Shell& shell, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(*arguments.Text("file")));
  std::string roots;
  const auto root_file = arguments.Text("root");
  if (root_file.has_value()) {
    ASSIGN_OR_RETURN(roots, ReadFile(*root_file));
  }
  std::vector<PERIGEE_MANIFEST_LINK> links(kMostLinks);
  PERIGEE_MANIFEST_REPORT report = {};
  report.ulSize = sizeof report;
  report.pLinks = links.data();
  report.ulLinkSize = sizeof links[0];
  report.ulLinkRoom = links.size();
  RETURN_IF_ERROR(shell.module().Check(shell.module().perigee().ManifestVerify(
      text.data(), text.size(),
      root_file.has_value() ? reinterpret_cast<const CK_BYTE*>(roots.data())
                            : nullptr,
      roots.size(), &report)));
  links.resize(std::min<size_t>(links.size(), report.ulLinkCount));
  if (!links.empty()) PrintChain(links);
  shell.Tell(
      {{"problem", NameOf(report.ulProblem)}, {"links", LinkFacts(links)}});
  if (report.ulProblem == PERIGEE_MANIFEST_SOUND) {
    PrintNewest(links.back());
    shell.Tell({{"source", PartyText(links.back().source)},
                {"backup_partition", PartyText(links.back().device)},
                {"hash", CleanText(links.back().hash)}});
    PrintRows(text, arguments.Has("rows"));
    if (links.front().ulSeq != 1) {
      absl::PrintF("\n    Manifests before %d are not in this file.\n",
                   links.front().ulSeq);
    }
    absl::PrintF("\n    The manifest is as the Backup HSM made it.\n");
    return absl::OkStatus();
  }
  shell.Tell({{"at_line", report.ulPlace}});
  absl::PrintF("\n%s", Field("Problem", NameOf(report.ulProblem)));
  absl::PrintF("%s", Field("At Line", absl::StrCat(report.ulPlace)));
  return Failure(CKR_DATA_INVALID, CleanText(report.text),
                 "Do not rely on this file; export the manifest anew.");
}

}  // namespace

std::vector<Command> ManifestCommands() {
  return {
      {"partition archive manifest", "par ar m", kManifestOptions, Manifest,
       "writes what a backup partition holds, signed, into a file",
       kManifestData},
      {"archive verify", "ar v", kVerifyOptions, Verify,
       "checks such a file; needs no HSM", kVerifyData},
  };
}

}  // namespace shell
