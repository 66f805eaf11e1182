// What this process has on one partition (or container) of a token: how many
// sessions, who is logged in, and its session objects. Shared by all sessions
// there; a login belongs to the process, not to a session (PKCS#11 3.2
// section 5.6).
#ifndef PERIGEE_PKCS11_APPLICATION_H_
#define PERIGEE_PKCS11_APPLICATION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cloning/run_table.h"
#include "hsm/partition.h"
#include "pkcs11/application_id.h"
#include "pkcs11/session_objects.h"

namespace pkcs11 {

// Thread-safe. Its lock is a leaf: nothing else is taken under it.
class Application {
 public:
  struct Sessions {
    uint64_t read_only = 0;
    uint64_t read_write = 0;
    uint64_t all() const { return read_only + read_write; }
  };

  // A session opens: CKR_SESSION_READ_WRITE_SO_EXISTS for a read-only one
  // while the SO is logged in.
  absl::Status Enter(bool read_write);
  // A session closes. True when it was the last one and no application id is
  // open; the caller logs out.
  bool Leave(bool read_write);
  // An application id opens: CKR_ACCESS_ID_ALREADY_EXISTS.
  absl::Status Hold(const ApplicationId& id);
  // It closes: CKR_ACCESS_ID_INVALID. True as for Leave.
  absl::StatusOr<bool> Release(const ApplicationId& id);
  bool ReleaseAll();
  Sessions sessions() const;

  // Whether `role` may log in now: CKR_USER_ALREADY_LOGGED_IN,
  // CKR_USER_ANOTHER_ALREADY_LOGGED_IN, CKR_SESSION_READ_ONLY_EXISTS.
  absl::Status MayLogin(hsm::Role role) const;
  // Records a login, after the same checks (another thread may have been
  // faster) and that a session is still open (CKR_SESSION_HANDLE_INVALID).
  // `login` is null for a token whose login lives on a device.
  absl::Status BeginLogin(hsm::Role role, hsm::LoginRef login,
                          bool must_change_pin);
  // Wipes the login's keys and moves the epoch on; false when nobody was
  // logged in. Operations and private session objects are the caller's.
  bool EndLogin();
  // The PIN that had to be changed was.
  void PinChanged();

  // Atomics: for the checks of every step.
  std::optional<hsm::Role> role() const;
  // A role that sees private objects: CO, LCO or CU.
  bool user_logged_in() const;
  bool so_logged_in() const { return role() == hsm::Role::kSo; }
  bool must_change_pin() const { return must_change_pin_.load(); }
  // Moves on at each logout; an operation begun under an older one is over.
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  // Null when nobody is logged in or the login lives on a device.
  hsm::LoginRef login() const;

  SessionObjects& objects() { return objects_; }
  // Cloning runs under this login that wait for their next call; they end with
  // it.
  cloning::RunTable& runs() { return runs_; }

 private:
  absl::Status MayLoginLocked(hsm::Role role) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);

  static constexpr int kNobody = -1;

  mutable absl::Mutex mu_;
  Sessions sessions_ ABSL_GUARDED_BY(mu_);
  std::set<ApplicationId> held_ ABSL_GUARDED_BY(mu_);
  hsm::LoginRef login_ ABSL_GUARDED_BY(mu_);
  std::atomic<int> role_{kNobody};  // written under mu_
  std::atomic<bool> must_change_pin_{false};
  std::atomic<uint64_t> epoch_{0};
  SessionObjects objects_;
  cloning::RunTable runs_;
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_APPLICATION_H_
