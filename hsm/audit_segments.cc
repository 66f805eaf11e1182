// The audit log read out: checkpoints on demand, pages of it, and segments that
// become files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "hsm/audit_log.h"
#include "hsm/audit_log_state.h"
#include "hsm/durable_files.h"
#include "hsm/hsm_core.h"

namespace hsm {
namespace {

constexpr size_t kPageRows = 256;
// After a rotation that failed.
constexpr int64_t kSecondsToNextTry = 60;

}  // namespace

absl::StatusOr<AuditInfo> AuditLog::Info() const {
  AuditInfo info;
  RETURN_IF_ERROR(core_->store().Read([&](Reader& reader) -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<AuditRow> last, reader.LastAudit());
    if (!last.has_value()) {
      ASSIGN_OR_RETURN(const std::optional<SignedValue> record,
                       core_->values().Load(reader, kAdminSpace, kAuditValue));
      info.damaged = record.has_value();
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const std::vector<AuditRow> first, reader.ReadAudit(0, 1));
    info.first = first.empty() ? last->seq : first.front().seq;
    info.last = last->seq;
    info.head = HexOf(HashOfLine(base::AsText(last->line)));
    const std::optional<Mark> mark = MarkOf(*last);
    info.damaged = !mark.has_value() || mark->first != info.first;
    if (mark.has_value()) {
      info.bytes = mark->bytes;
      info.checkpoint = mark->checkpoint;
    }
    return absl::OkStatus();
  }));
  return info;
}

absl::StatusOr<uint64_t> AuditLog::Checkpoint(bool exported) const {
  uint64_t seq = 0;
  RETURN_IF_ERROR(
      core_->store().Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(Chain chain, Load(tx, SettingsOf(kAdminSpace).mode));
        chain.journal = configured()->settings.journal;
        if (exported) {
          RETURN_IF_ERROR(Write(tx, chain, {.word = AuditWord::kExport}));
        }
        if (chain.mark.checkpoint != chain.mark.seq) {
          RETURN_IF_ERROR(WriteCheckpoint(tx, chain));
        }
        seq = chain.mark.checkpoint;
        Keep(chain);
        return absl::OkStatus();
      }));
  return seq;
}

absl::StatusOr<AuditLog::Page> AuditLog::Lines(uint64_t from,
                                               size_t room) const {
  Page page;
  page.next = from;
  bool full = false;
  RETURN_IF_ERROR(core_->store().Read([&](Reader& reader) -> absl::Status {
    while (!full) {
      ASSIGN_OR_RETURN(const std::vector<AuditRow> rows,
                       reader.ReadAudit(page.next, kPageRows));
      if (rows.empty()) break;
      for (const AuditRow& row : rows) {
        full = page.text.size() + row.line.size() > room;
        if (full) break;
        absl::StrAppend(&page.text, base::AsText(row.line));
        page.next = row.seq + 1;
      }
    }
    return absl::OkStatus();
  }));
  if (full && page.text.empty()) {
    return base::Error(CKR_BUFFER_TOO_SMALL, "no room for one line");
  }
  return page;
}

// --- segments
// ----------------------------------------------------------------------

absl::Status AuditLog::CloseSegment(Transaction& tx, Chain& chain) const {
  if (chain.mark.checkpoint != chain.mark.seq) {
    RETURN_IF_ERROR(WriteCheckpoint(tx, chain));
  }
  const uint64_t last = chain.mark.seq;
  chain.mark.closed = last;
  chain.mark.closed_bytes = chain.mark.bytes;
  AuditEvent segment{.word = AuditWord::kSegment};
  segment.With(AuditNumber::kFirst, chain.mark.first)
      .With(AuditNumber::kLast, last);
  AuditFrame frame;
  frame.hash = chain.mark.hash;
  return Write(tx, chain, segment, std::move(frame));
}

absl::Status AuditLog::DropSegment(Transaction& tx, Chain& chain) const {
  const uint64_t last = chain.mark.closed;
  chain.mark.first = last + 1;
  chain.mark.bytes -= std::min(chain.mark.closed_bytes, chain.mark.bytes);
  chain.mark.closed = chain.mark.closed_bytes = 0;
  chain.written = true;
  Keep(chain);
  return tx.DropAudit(last);
}

absl::StatusOr<std::string> AuditLog::WriteSegment(uint64_t first,
                                                   uint64_t last) const {
  std::string directory;
  {
    absl::MutexLock lock(&mu_);
    directory = directory_;
  }
  std::string text;
  bool whole = false;
  RETURN_IF_ERROR(core_->store().Read([&](Reader& reader) -> absl::Status {
    for (uint64_t next = first; next <= last;) {
      ASSIGN_OR_RETURN(const std::vector<AuditRow> rows,
                       reader.ReadAudit(next, kPageRows));
      if (rows.empty() || rows.front().seq != next) break;
      for (const AuditRow& row : rows) {
        if (row.seq <= last) absl::StrAppend(&text, base::AsText(row.line));
        whole = whole || row.seq == last;
      }
      next = rows.back().seq + 1;
    }
    return absl::OkStatus();
  }));
  const std::string path =
      absl::StrFormat("%s/audit/%012d-%012d.log", directory, first, last);
  // Somebody else made the file and removed the lines meanwhile.
  if (!whole) return path;
  RETURN_IF_ERROR(ReplaceFile(path, base::AsBytes(text), 0600));
  return path;
}

absl::StatusOr<std::string> AuditLog::Rotate() const {
  {
    absl::MutexLock lock(&mu_);
    if (directory_.empty()) {
      return base::Error(CKR_FUNCTION_NOT_SUPPORTED,
                         "this HSM has no directory for segments");
    }
  }
  JoinedStore& store = core_->store();
  if (store.InWrite()) {
    return base::Error(CKR_FUNCTION_FAILED, "a rotation inside a write");
  }
  uint64_t first = 0, last = 0;
  RETURN_IF_ERROR(
      store.Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(Chain chain, Load(tx, SettingsOf(kAdminSpace).mode));
        chain.journal = configured()->settings.journal;
        if (chain.mark.closed == 0) {
          // Nothing but the line that begins the segment.
          if (chain.mark.seq == chain.mark.first) return absl::OkStatus();
          RETURN_IF_ERROR(CloseSegment(tx, chain));
          Keep(chain);
        }
        first = chain.mark.first;
        last = chain.mark.closed;
        return absl::OkStatus();
      }));
  if (last == 0) return std::string();
  ASSIGN_OR_RETURN(const std::string path, WriteSegment(first, last));
  RETURN_IF_ERROR(
      store.Write(kAdminSpace, [&](Transaction& tx) -> absl::Status {
        ASSIGN_OR_RETURN(Chain chain, Load(tx, SettingsOf(kAdminSpace).mode));
        // Somebody else was faster.
        if (chain.mark.first != first || chain.mark.closed != last) {
          return absl::OkStatus();
        }
        return DropSegment(tx, chain);
      }));
  return path;
}

void AuditLog::RotateWhenDue(const Chain& chain) const {
  const uint64_t at = configured()->settings.rotate_at;
  if (at == 0 || chain.mark.bytes < at || rotating_.load()) return;
  if (absl::ToUnixSeconds(chain.now) < rotate_not_before_.load()) return;
  core_->store().AfterCommit([this] {
    if (rotating_.exchange(true)) return;
    const absl::Cleanup done = [this] { rotating_ = false; };
    const auto path = Rotate();
    if (path.ok()) return;
    rotate_not_before_ = absl::ToUnixSeconds(absl::Now()) + kSecondsToNextTry;
    if (base::CkRv(path.status()) != CKR_FUNCTION_NOT_SUPPORTED) {
      base::Log(base::LogLevel::kWarning,
                "audit log: ", path.status().message());
    }
  });
}

}  // namespace hsm
