// Runs found by the ids that stand in front of the messages.
#include "cloning/run_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/crypto.h"

namespace cloning {
namespace {

absl::Status NoSuchRun() {
  return base::Error(CKR_OPERATION_NOT_INITIALIZED,
                     "these bytes belong to no cloning run that waits here");
}

absl::Status StatusOf(CK_RV rv, const std::string& reason,
                      const std::string& text) {
  if (rv == CKR_OK) return absl::OkStatus();
  if (reason.empty()) return base::Error(rv, text);
  return base::ErrorWithReason(rv, reason, text);
}

}  // namespace

void RunTable::Keep(Runs RunTable::*runs, std::shared_ptr<Run> run) {
  std::shared_ptr<Run> oldest;  // wiped outside the lock
  absl::MutexLock lock(&mu_);
  Runs& kept = this->*runs;
  if (kept.size() == kMaxRuns) {
    oldest = std::move(kept.front());
    kept.pop_front();
  }
  kept.push_back(std::move(run));
}

std::shared_ptr<RunTable::Run> RunTable::Find(Runs RunTable::*runs,
                                              const RunId& id) {
  absl::MutexLock lock(&mu_);
  for (const std::shared_ptr<Run>& run : this->*runs) {
    if (run->id == id) return run;
  }
  return nullptr;
}

void RunTable::Drop(Runs RunTable::*runs, const std::shared_ptr<Run>& run) {
  absl::MutexLock lock(&mu_);
  (this->*runs).remove(run);
}

void RunTable::Forget(const RunId& id) {
  for (Runs RunTable::*runs : {&RunTable::sources_, &RunTable::targets_}) {
    const std::shared_ptr<Run> run = Find(runs, id);
    if (run != nullptr) Drop(runs, run);
  }
}

void RunTable::Clear() {
  Runs sources, targets;  // wiped outside the lock
  absl::MutexLock lock(&mu_);
  sources.swap(sources_);
  targets.swap(targets_);
}

absl::StatusOr<Bytes> RunTable::Start(std::unique_ptr<Endpoint> source) {
  ASSIGN_OR_RETURN(Bytes hello, source->Start());
  auto run = std::make_shared<Run>(IdOfHello(hello));
  run->endpoint = std::move(source);
  Keep(&RunTable::sources_, std::move(run));
  return hello;
}

absl::StatusOr<Bytes> RunTable::Join(std::unique_ptr<Endpoint> target,
                                     ByteSpan hello) {
  ASSIGN_OR_RETURN(Bytes reply, target->Join(hello));
  auto run = std::make_shared<Run>(IdOfRun(hello, reply));
  run->endpoint = std::move(target);
  Keep(&RunTable::targets_, std::move(run));
  return reply;
}

absl::Status RunTable::WithSource(
    ByteSpan reply, absl::FunctionRef<absl::Status(Endpoint&)> use) {
  ASSIGN_OR_RETURN(const RunId id, HelloIdInReply(reply));
  const std::shared_ptr<Run> run = Find(&RunTable::sources_, id);
  if (run == nullptr) return NoSuchRun();
  absl::Status status;
  {
    absl::MutexLock lock(&run->mu);
    Bytes digest = base::Sha256({reply});
    if (run->bound_to.empty()) {
      status = run->endpoint->Bind(reply);
      run->bound_to = std::move(digest);
    } else if (run->bound_to != digest) {
      return NoSuchRun();
    }
    if (status.ok()) status = use(*run->endpoint);
  }
  if (!status.ok()) Drop(&RunTable::sources_, run);
  return status;
}

absl::StatusOr<Bytes> RunTable::SealOne(ByteSpan reply, uint64_t handle) {
  Batch batch;
  RETURN_IF_ERROR(WithSource(reply, [&](Endpoint& source) -> absl::Status {
    ASSIGN_OR_RETURN(batch, source.Next({handle}));
    if (batch.items.size() == 1) return absl::OkStatus();
    return base::Error(CKR_DEVICE_ERROR, "the source answered otherwise");
  }));
  const SourceItem& item = batch.items.front();
  RETURN_IF_ERROR(StatusOf(item.rv, item.reason, item.text));
  return std::move(batch.sealed);
}

absl::StatusOr<size_t> RunTable::SizeOfOne(ByteSpan reply, uint64_t handle) {
  absl::StatusOr<size_t> size = size_t{0};
  RETURN_IF_ERROR(WithSource(reply, [&](Endpoint& source) {
    size = source.SizeOfNext(handle);
    return absl::OkStatus();  // What it says is about the object.
  }));
  return size;
}

absl::StatusOr<TargetResult> RunTable::AcceptOne(ByteSpan sealed,
                                                 const AcceptOptions& options) {
  ASSIGN_OR_RETURN(const RunId id, RunIdInMessage(sealed));
  const std::shared_ptr<Run> run = Find(&RunTable::targets_, id);
  if (run == nullptr) return NoSuchRun();
  absl::StatusOr<std::vector<TargetResult>> results;
  {
    absl::MutexLock lock(&run->mu);
    results = run->endpoint->Accept(sealed, options);
  }
  if (!results.ok()) {
    Drop(&RunTable::targets_, run);
    return results.status();
  }
  if (results->size() != 1) {
    return base::Error(CKR_DEVICE_ERROR, "not a message with one object");
  }
  TargetResult& result = results->front();
  RETURN_IF_ERROR(StatusOf(result.rv, result.reason, result.text));
  return std::move(result);
}

}  // namespace cloning
