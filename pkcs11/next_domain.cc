#include "pkcs11/next_domain.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "pkcs11/per_process.h"

namespace pkcs11 {
namespace {

struct State {
  absl::Mutex mu;
  base::SecretBytes domain ABSL_GUARDED_BY(mu);
};

}  // namespace

void SetNextDomain(base::SecretBytes domain) {
  State& state = PerProcess<State>();
  absl::MutexLock lock(&state.mu);
  state.domain = std::move(domain);
}

base::SecretBytes NextDomain() {
  State& state = PerProcess<State>();
  absl::MutexLock lock(&state.mu);
  return state.domain.Clone();
}

void ClearNextDomain() { SetNextDomain(base::SecretBytes()); }

}  // namespace pkcs11
