// The library as a whole: initialised or not, its configuration, slots and
// sessions. Everything is put together here.
//
// One object for each process, made at the first C_Initialize and never freed:
// calls that another thread's C_Finalize overtakes find empty maps, and no
// destructor runs at exit. A forked child abandons the inherited one without
// touching it (its locks may be held for ever) and makes its own.
#ifndef PERIGEE_PKCS11_LIBRARY_H_
#define PERIGEE_PKCS11_LIBRARY_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "base/cryptoki.h"
#include "base/status.h"
#include "pkcs11/handle_map.h"
#include "pkcs11/session.h"

namespace pkcs11 {

struct Config;
class Slots;

class Library {
 public:
  // The library when calls may be made: null before C_Initialize, after
  // C_Finalize, in a forked child, and once the host's exit has begun. A few
  // nanoseconds.
  static Library* Usable();

  // C_Initialize and C_Finalize.
  static absl::Status Initialize(const void* arguments);
  static absl::Status Finalize(const void* reserved);

  // The configuration and slots of this initialisation; empty ones once it is
  // over. Never null.
  std::shared_ptr<const Config> config() const;
  std::shared_ptr<Slots> slots() const;
  // CKR_SLOT_ID_INVALID.
  absl::StatusOr<TokenRef> token(CK_SLOT_ID slot) const;

  SavedStates& saved_states() { return saved_states_; }

  // Of the sessions opened from now on; zeros at first.
  ApplicationId application_id() const;
  void set_application_id(const ApplicationId& id);

  // --- sessions --------------------------------------------------------------

  // CKR_SESSION_HANDLE_INVALID.
  absl::StatusOr<SessionRef> session(CK_SESSION_HANDLE handle) const;
  // Opens a session on `space` of the token (its own, or a container).
  absl::StatusOr<SessionRef> OpenSession(TokenRef token, SpaceId space,
                                         bool read_write, CK_FLAGS flags);
  absl::Status CloseSession(CK_SESSION_HANDLE handle);
  // Those on one space of the token.
  void CloseSessions(const Token& token, SpaceId space);
  // All of the token, containers included.
  void CloseAllSessions(const Token& token);
  std::vector<SessionRef> sessions(const Token& token, SpaceId space) const;

  // Ends the process's login on `space`: first the token's state, then the
  // operations of each session there, one after the other.
  absl::Status Logout(Token& token, SpaceId space);

 private:
  struct Process;

  Library();
  ~Library() = default;

  absl::Status Start();
  void Stop();
  // The session was taken out of the map by this thread.
  void Retire(Session& session);
  void CloseIf(absl::FunctionRef<bool(const Session&)> doomed);

  HandleMap<Session> sessions_;
  SavedStates saved_states_;
  mutable absl::Mutex mu_;
  ApplicationId application_id_ ABSL_GUARDED_BY(mu_){};
  std::shared_ptr<const Config> config_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Slots> slots_ ABSL_GUARDED_BY(mu_);
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_LIBRARY_H_
