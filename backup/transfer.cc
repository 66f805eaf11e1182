#include "backup/transfer.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <future>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backup {
namespace {

using Outcome = TransferItem::Outcome;

// What is asked of the source for one message. A long run takes larger ones,
// which cost the target less each object; a short one tells its progress more
// often.
constexpr size_t kShortBatch = 256;
constexpr size_t kLongBatch = cloning::kMaxRecords;
constexpr size_t kLongFrom = 4 * kShortBatch;  // objects sent before

// `took`: of the message before, which the source ends where it is full.
size_t BatchAfter(size_t sent, size_t took) {
  return sent >= kLongFrom && took >= kShortBatch ? kLongBatch : kShortBatch;
}

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

// Notes what the source said of a batch for these items, of which there may be
// more; gives those that it sent.
absl::StatusOr<std::vector<size_t>> NoteSource(const cloning::Batch& batch,
                                               absl::Span<const size_t> asked,
                                               TransferReport& report) {
  if (batch.items.empty() || batch.items.size() > asked.size()) {
    return base::Error(CKR_DEVICE_ERROR,
                       "the source answered for objects nobody asked for");
  }
  std::vector<size_t> sent;
  for (size_t i = 0; i < batch.items.size(); ++i) {
    const cloning::SourceItem& said = batch.items[i];
    TransferItem& item = report.items[asked[i]];
    if (said.handle != item.source_handle) {
      return base::Error(CKR_DEVICE_ERROR,
                         "the source answered for another object");
    }
    item.ouid = said.ouid;
    if (said.rv == CKR_OK) {
      sent.push_back(asked[i]);
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

// Asks the target which of the objects it has unchanged, and notes those as
// present.
absl::Status Recognise(cloning::Endpoint& source, cloning::Endpoint& target,
                       absl::Span<const uint64_t> handles,
                       TransferReport& report) {
  for (size_t first = 0; first < handles.size();
       first += cloning::kMaxOffered) {
    const auto asked = handles.subspan(first, cloning::kMaxOffered);
    ASSIGN_OR_RETURN(const cloning::SealedOffer offer, source.Offer(asked));
    if (offer.sealed.empty()) continue;
    ASSIGN_OR_RETURN(const std::vector<cloning::Held> held,
                     target.Compare(offer.sealed));
    if (held.size() != offer.handles.size()) {
      return base::Error(CKR_DEVICE_ERROR,
                         "the target answered for another number of objects");
    }
    size_t at = 0;  // in `asked`; what is not offered stands between
    for (size_t i = 0; i < held.size(); ++i, ++at) {
      while (at < asked.size() && asked[at] != offer.handles[i]) ++at;
      if (at == asked.size()) {
        return base::Error(CKR_DEVICE_ERROR,
                           "the source offered what nobody asked for");
      }
      if (held[i].handle == 0) continue;
      TransferItem& item = report.items[first + at];
      item = {item.source_handle, held[i].handle, held[i].ouid,
              Outcome::kPresent};
    }
  }
  return absl::OkStatus();
}

// The items that are not settled.
std::vector<size_t> Open(const TransferReport& report) {
  std::vector<size_t> open;
  for (size_t i = 0; i < report.items.size(); ++i) {
    if (report.items[i].outcome == Outcome::kNotTried) open.push_back(i);
  }
  return open;
}

// Tells how far it is; notes on the `rest` that this was a no.
bool MayGoOn(const TransferOptions& options, absl::Span<const size_t> rest,
             TransferReport& report) {
  const size_t total = report.items.size();
  if (!options.progress || options.progress(total - rest.size(), total)) {
    return true;
  }
  for (const size_t i : rest) {
    report.items[i].rv = CKR_FUNCTION_CANCELED;
    report.items[i].text =
        "the transfer was cancelled; run it again with -append";
  }
  return false;
}

// --- one batch ahead ---------------------------------------------------------

// The application's signal handlers run in its own threads only.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

// What the source seals for the next items; a thread may still be at it, which
// ends before this does.
using Coming = std::future<absl::StatusOr<cloning::Batch>>;

// Nobody else uses the source until the batch is taken out.
Coming Ask(cloning::Endpoint& source, absl::Span<const size_t> asked,
           const TransferReport& report, std::launch when) {
  std::vector<uint64_t> handles;
  for (const size_t i : asked) {
    handles.push_back(report.items[i].source_handle);
  }
  const auto seal = [&source, handles = std::move(handles)] {
    return source.Next(handles);
  };
  if (when == std::launch::async) {
    const SignalsBlocked blocked;
    try {
      return std::async(std::launch::async, seal);
    } catch (const std::system_error&) {  // no thread is to be had
    }
  }
  return std::async(std::launch::deferred, seal);
}

// Carries the items `open`. While the target stores a batch, the source seals
// the next one. When the run ends early that one is sent as well, because the
// target counts what was sealed; it stores nothing of it.
absl::Status CarryObjects(cloning::Endpoint& source, cloning::Endpoint& target,
                          absl::Span<const size_t> open,
                          const TransferOptions& options,
                          TransferReport& report) {
  cloning::AcceptOptions accept;
  accept.on_conflict = options.on_conflict;
  accept.stop_at_refusal = !options.continue_on_error;
  const auto failed = [&](absl::Span<const size_t> tried) {
    return !options.continue_on_error &&
           std::any_of(tried.begin(), tried.end(),
                       [&](size_t i) { return Failed(report.items[i]); });
  };
  size_t sent = 0;
  Coming coming;
  if (!open.empty()) {
    coming = Ask(source, open.subspan(0, kShortBatch), report,
                 std::launch::deferred);
  }
  bool ends = false;
  while (coming.valid()) {
    ASSIGN_OR_RETURN(const cloning::Batch batch, coming.get());
    if (ends) {
      if (batch.sealed.empty()) break;
      accept.on_conflict = cloning::OnConflict::kTakeNothing;
      return target.Accept(batch.sealed, accept).status();
    }
    ASSIGN_OR_RETURN(const std::vector<size_t> carried,
                     NoteSource(batch, open, report));
    const auto tried = open.subspan(0, batch.items.size());
    open.remove_prefix(batch.items.size());
    sent += tried.size();
    if (!open.empty() && !failed(tried)) {
      const size_t next = BatchAfter(sent, tried.size());
      coming = Ask(source, open.subspan(0, next), report, std::launch::async);
    }
    if (!carried.empty()) {
      ASSIGN_OR_RETURN(std::vector<cloning::TargetResult> results,
                       target.Accept(batch.sealed, accept));
      RETURN_IF_ERROR(NoteTarget(std::move(results), carried, report));
    }
    ends = failed(tried) || !MayGoOn(options, open, report);
  }
  return absl::OkStatus();
}

absl::Status Carry(cloning::Endpoint& source, cloning::Endpoint& target,
                   absl::Span<const uint64_t> handles,
                   const TransferOptions& options, TransferReport& report) {
  RETURN_IF_ERROR(Negotiate(source, target));
  if (handles.size() >= options.offer_from) {
    // An empty target has nothing to recognise.
    ASSIGN_OR_RETURN(const bool empty, target.IsEmpty());
    if (!empty) {
      RETURN_IF_ERROR(Recognise(source, target, handles, report));
    }
  }
  const std::vector<size_t> open = Open(report);
  if (open.size() == handles.size() || MayGoOn(options, open, report)) {
    RETURN_IF_ERROR(CarryObjects(source, target, open, options, report));
  }
  ASSIGN_OR_RETURN(const cloning::Batch end, source.End());
  return target.Accept(end.sealed, cloning::AcceptOptions()).status();
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
  }
  const absl::Status status = Carry(source, target, handles, options, report);
  for (TransferItem& item : report.items) {
    if (item.outcome != Outcome::kNotTried || !item.text.empty()) continue;
    item.text = "not tried: the run ended before this object";
  }
  return status;
}

}  // namespace backup
