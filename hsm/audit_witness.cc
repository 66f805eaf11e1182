// Whether a store is as new as its witness has seen it: a file that knows the
// last line (hsm/witness.h), or a counter that only goes up. docs/formats/
// store.md, "Witness".
//
// What a mark says of the counter is what it says, or one more: the store comes
// first, the counter after the commit. So a crash in between never locks the
// owner out, and whoever puts back what was before loses.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "hsm/audit_log.h"
#include "hsm/audit_log_state.h"
#include "hsm/hsm_core.h"
#include "hsm/system_error.h"
#include "hsm/witness.h"

namespace hsm {
namespace {

constexpr char kToAccept[] =
    ". Put the newest one back, or make the index anew (tpm2_nvundefine, "
    "tpm2_nvdefine) to accept this one";

// Locks what is there anyway. Closing would do, but for a child that was forked
// meanwhile: it holds the same lock.
absl::StatusOr<int> LockDirectory(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return SystemError("open", path);
  while (flock(file, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const int error = errno;
    close(file);
    return SystemError("lock", path, error);
  }
  return file;
}

}  // namespace

absl::Status AuditSettings::SetWitness(absl::string_view text) {
  witness.clear();
  tpm.reset();
  if (TpmCounterName::Is(text)) {
    ASSIGN_OR_RETURN(tpm, TpmCounterName::Parse(text));
    return absl::OkStatus();
  }
  if (text.empty() || text.front() != '/') {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "must be an absolute path or tpm:INDEX");
  }
  witness = std::string(text);
  return absl::OkStatus();
}

absl::Status AuditLog::CheckWitness() const {
  const auto with = configured();
  if (with->settings.witness.empty() && with->counter == nullptr) {
    return absl::OkStatus();
  }
  return core_->store().Read([&](Reader& reader) -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<AuditRow> last, reader.LastAudit());
    RETURN_IF_ERROR(CheckFile(reader, last));
    std::optional<Mark> mark;
    if (last.has_value()) mark = MarkOf(*last);
    return CheckCounter(mark.value_or(Mark())).status();
  });
}

absl::Status AuditLog::CheckFile(Reader& reader,
                                 const std::optional<AuditRow>& last) const {
  const std::string path = configured()->settings.witness;
  if (path.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<Witness::Seen> seen,
                   Witness(path, core_->store().store_id()).Read());
  if (!seen.has_value()) return absl::OkStatus();
  const uint64_t end = last.has_value() ? last->seq : 0;
  if (end < seen->seq) {
    return base::Error(
        CKR_DEVICE_ERROR,
        absl::StrCat(path, " has seen line ", seen->seq,
                     " of the audit log, and this store ends at line ", end,
                     ": it is an older copy. Put the newest one back, or "
                     "remove that file to accept this one"));
  }
  // A file of a segment may have taken it away since.
  ASSIGN_OR_RETURN(const std::vector<AuditRow> line,
                   reader.ReadAudit(seen->seq, 1));
  if (!line.empty() && line[0].seq == seen->seq &&
      HashOfLine(base::AsText(line[0].line)) != seen->hash) {
    return base::Error(
        CKR_DEVICE_ERROR,
        absl::StrCat(path, " has seen another line ", seen->seq,
                     " of the audit log: this store is a copy that went its "
                     "own way. Put the right one back, or remove that file to "
                     "accept this one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<uint64_t>> AuditLog::CheckCounter(
    const Mark& mark) const {
  const auto with = configured();
  if (with->counter == nullptr) return std::optional<uint64_t>();
  ASSIGN_OR_RETURN(const std::optional<uint64_t> now, with->counter->Read());
  if (!now.has_value() || *now == enrolled_.load()) return now;
  if (mark.witness == *now || mark.witness == *now + 1) return now;
  std::string text = absl::StrCat(with->counter->name(), " stands at ", *now);
  if (mark.witness == 0) {
    absl::StrAppend(&text,
                    ", and this store was never counted by it, or the end of "
                    "its audit log was damaged: it may be a copy from before",
                    kToAccept);
  } else if (mark.witness < *now) {
    absl::StrAppend(&text, ", and this store was left at ", mark.witness,
                    ": it is an older copy", kToAccept);
  } else {
    absl::StrAppend(&text, ", and this store was left at ", mark.witness,
                    ": it was counted by another one");
  }
  return base::Error(CKR_DEVICE_ERROR, text);
}

absl::Status AuditLog::MeetCounter(Chain& chain, uint64_t next) const {
  const auto with = configured();
  if (with->counter == nullptr) return absl::OkStatus();
  Mark& mark = chain.mark;
  ASSIGN_OR_RETURN(std::optional<uint64_t> now, CheckCounter(mark));
  if (!now.has_value()) {
    // Its first number is known only when it has it.
    RETURN_IF_ERROR(with->counter->Count());
    ASSIGN_OR_RETURN(now, with->counter->Read());
    if (!now.has_value()) {
      return base::Error(CKR_DEVICE_ERROR, absl::StrCat(with->counter->name(),
                                                        " does not count"));
    }
    enrolled_ = *now;
  }
  chain.counter = *now;
  mark.format = std::max(mark.format, kCountedMarkFormat);
  // Left by a commit that shares its count with this one, or by a crash.
  if (mark.witness == *now + 1) return absl::OkStatus();
  if (mark.witness == *now && next < mark.witness_seq + with->every) {
    return absl::OkStatus();
  }
  mark.witness = *now + 1;
  mark.witness_seq = next;
  return absl::OkStatus();
}

absl::Status AuditLog::CountUpTo(uint64_t value) const {
  std::string directory;
  {
    absl::MutexLock lock(&mu_);
    directory = directory_;
  }
  const auto with = configured();
  if (with->counter == nullptr) return absl::OkStatus();
  absl::MutexLock lock(&counting_mu_);
  int file = -1;
  if (!directory.empty()) {
    ASSIGN_OR_RETURN(file, LockDirectory(directory));
  }
  absl::Cleanup unlock = [file] {
    if (file < 0) return;
    flock(file, LOCK_UN);
    close(file);
  };
  ASSIGN_OR_RETURN(const std::optional<uint64_t> now, with->counter->Read());
  if (now.has_value() && *now >= value) return absl::OkStatus();
  return with->counter->Count();
}

void AuditLog::TellWitness(const Chain& chain) const {
  const auto with = configured();
  if (!with->settings.witness.empty()) {
    const Witness witness(with->settings.witness, core_->store().store_id());
    const Witness::Seen seen{chain.mark.seq, chain.mark.hash};
    core_->store().AfterCommit([witness, seen] {
      const absl::Status told = witness.Advance(seen);
      if (!told.ok()) base::LogIntegrity(told.message());
    });
  }
  if (with->counter != nullptr && chain.mark.witness > chain.counter) {
    core_->store().AfterCommit([this, value = chain.mark.witness] {
      const absl::Status told = CountUpTo(value);
      if (!told.ok()) base::LogIntegrity(told.message());
    });
  }
}

}  // namespace hsm
