#include "backup/transfer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backup {
namespace {

using Outcome = TransferItem::Outcome;

constexpr size_t kHandlesABatch = 256;

Outcome ToOutcome(cloning::TargetResult::Outcome outcome) {
  switch (outcome) {
    case cloning::TargetResult::Outcome::kStored:
      return Outcome::kStored;
    case cloning::TargetResult::Outcome::kPresent:
      return Outcome::kPresent;
    case cloning::TargetResult::Outcome::kReplaced:
      return Outcome::kReplaced;
    case cloning::TargetResult::Outcome::kRefused:
      break;
  }
  return Outcome::kRefused;
}

bool Failed(const TransferItem& item) {
  return item.outcome == Outcome::kLeftOut || item.outcome == Outcome::kRefused;
}

absl::Status ItemStatus(const TransferItem& item) {
  if (item.rv == CKR_OK) return absl::OkStatus();
  if (item.reason.empty()) return base::Error(item.rv, item.text);
  return base::ErrorWithReason(item.rv, item.reason, item.text);
}

// Ends the run at the items from `from` on.
void LeaveUntried(TransferReport& report, size_t from, CK_RV rv,
                  absl::string_view text) {
  for (size_t i = from; i < report.items.size(); ++i) {
    report.items[i].outcome = Outcome::kNotTried;
    report.items[i].rv = rv;
    report.items[i].text = std::string(text);
  }
}

// Notes what the source said of a batch at `first`; gives the items it sent.
absl::StatusOr<std::vector<size_t>> NoteSource(const cloning::Batch& batch,
                                               size_t first,
                                               TransferReport& report) {
  if (batch.items.empty() || first + batch.items.size() > report.items.size()) {
    return base::Error(CKR_DEVICE_ERROR,
                       "the source answered for objects nobody asked for");
  }
  std::vector<size_t> sent;
  for (size_t i = 0; i < batch.items.size(); ++i) {
    const cloning::SourceItem& said = batch.items[i];
    TransferItem& item = report.items[first + i];
    if (said.handle != item.source_handle) {
      return base::Error(CKR_DEVICE_ERROR,
                         "the source answered for another object");
    }
    item.ouid = said.ouid;
    if (said.rv == CKR_OK) {
      sent.push_back(first + i);
      continue;
    }
    item.outcome = Outcome::kLeftOut;
    item.rv = said.rv;
    item.reason = said.reason;
    item.text = said.text;
  }
  return sent;
}

absl::Status NoteTarget(std::vector<cloning::TargetResult> results,
                        const std::vector<size_t>& sent,
                        TransferReport& report) {
  if (results.size() != sent.size()) {
    return base::Error(CKR_DEVICE_ERROR,
                       "the target answered for another number of objects");
  }
  for (size_t i = 0; i < sent.size(); ++i) {
    TransferItem& item = report.items[sent[i]];
    item.outcome = ToOutcome(results[i].outcome);
    item.target_handle = results[i].handle;
    item.rv = results[i].rv;
    if (item.rv == CKR_CLONE_NOT_ATTEMPTED) item.outcome = Outcome::kNotTried;
    item.reason = std::move(results[i].reason);
    item.text = std::move(results[i].text);
  }
  return absl::OkStatus();
}

absl::Status Negotiate(cloning::Endpoint& source, cloning::Endpoint& target) {
  ASSIGN_OR_RETURN(base::Bytes hello, source.Start());
  ASSIGN_OR_RETURN(base::Bytes reply, target.Join(hello));
  return source.Bind(reply);
}

absl::Status Carry(cloning::Endpoint& source, cloning::Endpoint& target,
                   absl::Span<const uint64_t> handles,
                   const TransferOptions& options, TransferReport& report,
                   size_t& done) {
  RETURN_IF_ERROR(Negotiate(source, target));
  cloning::AcceptOptions accept;
  accept.on_conflict = options.on_conflict;
  accept.stop_at_refusal = !options.continue_on_error;
  while (done < handles.size()) {
    ASSIGN_OR_RETURN(
        cloning::Batch batch,
        source.Next(handles.subspan(
            done, std::min(kHandlesABatch, handles.size() - done))));
    ASSIGN_OR_RETURN(std::vector<size_t> sent, NoteSource(batch, done, report));
    if (!sent.empty()) {
      ASSIGN_OR_RETURN(std::vector<cloning::TargetResult> results,
                       target.Accept(batch.sealed, accept));
      RETURN_IF_ERROR(NoteTarget(std::move(results), sent, report));
    }
    const size_t first = done;
    done += batch.items.size();
    const bool failed = std::any_of(report.items.begin() + first,
                                    report.items.begin() + done, Failed);
    if (failed && !options.continue_on_error) break;
    if (options.progress && !options.progress(done, handles.size())) {
      LeaveUntried(report, done, CKR_FUNCTION_CANCELED,
                   "the transfer was cancelled; run it again with -append");
      break;
    }
  }
  ASSIGN_OR_RETURN(cloning::Batch end, source.End());
  return target.Accept(end.sealed, accept).status();
}

}  // namespace

size_t TransferReport::Count(Outcome outcome) const {
  return static_cast<size_t>(std::count_if(
      items.begin(), items.end(),
      [&](const TransferItem& item) { return item.outcome == outcome; }));
}

absl::Status TransferReport::FirstFailure() const {
  for (const TransferItem& item : items) {
    if (Failed(item)) return ItemStatus(item);
  }
  for (const TransferItem& item : items) {
    if (item.outcome == Outcome::kNotTried) return ItemStatus(item);
  }
  return absl::OkStatus();
}

absl::Status Transfer(cloning::Endpoint& source, cloning::Endpoint& target,
                      absl::Span<const uint64_t> handles,
                      const TransferOptions& options, TransferReport& report) {
  report.items.clear();
  report.items.resize(handles.size());
  for (size_t i = 0; i < handles.size(); ++i) {
    report.items[i].source_handle = handles[i];
    report.items[i].rv = CKR_FUNCTION_CANCELED;
    report.items[i].text = "not tried: the run ended before this object";
  }
  size_t done = 0;
  absl::Status status = Carry(source, target, handles, options, report, done);
  return status;
}

}  // namespace backup
