// Digests that were saved with C_GetOperationState. A state that an application
// holds is only a name; the state itself stays here, so that nobody can make
// one up. It lives as long as the login under which it was saved (a key may
// have been digested), or until kMost newer ones were saved.
#ifndef PERIGEE_PKCS11_SAVED_STATES_H_
#define PERIGEE_PKCS11_SAVED_STATES_H_

#include <array>
#include <list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/bytes.h"
#include "base/status.h"
#include "pkcs11/application.h"
#include "pkcs11/mechanism.h"

namespace pkcs11 {

class SavedStates {
 public:
  static constexpr size_t kNameSize = 32;
  using Name = std::array<uint8_t, kNameSize>;

  struct State {
    const Mechanism* mechanism = nullptr;
    std::unique_ptr<Digester> digester;
    std::shared_ptr<const Application> application;
    uint64_t epoch = 0;  // of the application when it was saved
  };

  // Keeps the state under a random name.
  absl::StatusOr<Name> Keep(State state) ABSL_LOCKS_EXCLUDED(mu_);
  // A copy of it; CKR_SAVED_STATE_INVALID for an unknown name, and for one of
  // a login that is over.
  absl::StatusOr<State> Copy(base::ByteSpan name) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // Drops those whose login is over.
  void DropEnded() ABSL_LOCKS_EXCLUDED(mu_);
  void Clear() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static constexpr size_t kMost = 1024;

  mutable absl::Mutex mu_;
  // Newest first.
  std::list<std::pair<Name, State>> states_ ABSL_GUARDED_BY(mu_);
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_SAVED_STATES_H_
