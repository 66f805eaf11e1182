#include "pkcs11/saved_states.h"

#include <algorithm>

#include "base/crypto.h"

namespace pkcs11 {
namespace {

bool HasEnded(const SavedStates::State& state) {
  return state.application->epoch() != state.epoch;
}

}  // namespace

absl::StatusOr<SavedStates::Name> SavedStates::Keep(State state) {
  Name name;
  RETURN_IF_ERROR(base::FillRandom(absl::MakeSpan(name)));
  std::list<std::pair<Name, State>> dropped;  // freed without the lock
  absl::MutexLock lock(&mu_);
  if (HasEnded(state)) {
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "the login has ended");
  }
  states_.emplace_front(name, std::move(state));
  if (states_.size() > kMost) {
    dropped.splice(dropped.end(), states_, std::prev(states_.end()));
  }
  return name;
}

absl::StatusOr<SavedStates::State> SavedStates::Copy(
    base::ByteSpan name) const {
  absl::MutexLock lock(&mu_);
  const auto it =
      std::find_if(states_.begin(), states_.end(), [&](const auto& kept) {
        return base::ConstantTimeEquals(kept.first, name);
      });
  if (it == states_.end() || HasEnded(it->second)) {
    return base::Error(CKR_SAVED_STATE_INVALID,
                       "no such state is kept in this process");
  }
  State copy;
  copy.mechanism = it->second.mechanism;
  copy.application = it->second.application;
  copy.digester = it->second.digester->Copy();
  if (copy.digester == nullptr) {
    return base::Error(CKR_HOST_MEMORY, "copy of a digest");
  }
  return copy;
}

void SavedStates::DropEnded() {
  std::list<std::pair<Name, State>> dropped;
  absl::MutexLock lock(&mu_);
  for (auto it = states_.begin(); it != states_.end();) {
    const auto next = std::next(it);
    if (HasEnded(it->second)) dropped.splice(dropped.end(), states_, it);
    it = next;
  }
}

void SavedStates::Clear() {
  std::list<std::pair<Name, State>> dropped;
  absl::MutexLock lock(&mu_);
  dropped.swap(states_);
}

}  // namespace pkcs11
