// The runs that wait between two low-level calls (CA_CloneAsSourceInit and the
// three after it). The caller holds only bytes; the table finds the run they
// belong to. One table a login.
#ifndef PERIGEE_CLONING_RUN_TABLE_H_
#define PERIGEE_CLONING_RUN_TABLE_H_

#include <list>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "cloning/endpoint.h"
#include "cloning/protocol.h"

namespace cloning {

// Thread-safe. A run serves one call at a time; others wait. Owns the
// endpoints; a run that is dropped while a call uses it goes when the call
// ends. An error of a call with the run's own bytes drops the run.
class RunTable {
 public:
  // Runs of each side, source and target; the oldest gives way.
  static constexpr size_t kMaxRuns = 16;

  // Starts a run at `source` and keeps it; gives the hello.
  absl::StatusOr<Bytes> Start(std::unique_ptr<Endpoint> source);
  // Joins with `target` and keeps it; gives the reply.
  absl::StatusOr<Bytes> Join(std::unique_ptr<Endpoint> target, ByteSpan hello);

  // Calls `use` with the source whose hello `reply` answers, bound to it: at
  // its first use with this reply, later it is as it was left.
  // CKR_OPERATION_NOT_INITIALIZED when there is none, or when it is bound to
  // another reply (it stays).
  absl::Status WithSource(ByteSpan reply,
                          absl::FunctionRef<absl::Status(Endpoint&)> use);
  // Seals the object with this handle, and nothing else; the item's error when
  // the object may not leave (the run stays).
  absl::StatusOr<Bytes> SealOne(ByteSpan reply, uint64_t handle);
  // How large SealOne's answer would be. Seals nothing, uses no number.
  absl::StatusOr<size_t> SizeOfOne(ByteSpan reply, uint64_t handle);

  // Gives the sealed message to the target whose run it names; the result of
  // its one object, its error when that was refused (the run stays).
  // CKR_OPERATION_NOT_INITIALIZED when there is no such run, CKR_DEVICE_ERROR
  // when it holds another number of objects than one.
  absl::StatusOr<TargetResult> AcceptOne(ByteSpan sealed,
                                         const AcceptOptions& options);

  // Whether the source whose hello `reply` answers takes it: binds them.
  absl::Status Bind(ByteSpan reply) {
    return WithSource(reply, [](Endpoint&) { return absl::OkStatus(); });
  }

  // Forgets and wipes a run, of a source (id of its hello) or a target, if it
  // is there.
  void Forget(const RunId& id);
  // Logout: forgets and wipes all runs.
  void Clear();

 private:
  struct Run {
    explicit Run(const RunId& run_id) : id(run_id) {}
    const RunId id;  // of the hello (source), of the run (target)
    absl::Mutex mu;
    std::unique_ptr<Endpoint> endpoint ABSL_PT_GUARDED_BY(mu);
    Bytes bound_to ABSL_GUARDED_BY(mu);  // digest of the reply; empty: unbound
  };
  using Runs = std::list<std::shared_ptr<Run>>;

  void Keep(Runs RunTable::*runs, std::shared_ptr<Run> run);
  std::shared_ptr<Run> Find(Runs RunTable::*runs, const RunId& id);
  void Drop(Runs RunTable::*runs, const std::shared_ptr<Run>& run);

  absl::Mutex mu_;  // leaf: not held while an endpoint works
  Runs sources_ ABSL_GUARDED_BY(mu_);
  Runs targets_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_RUN_TABLE_H_
