// Session objects: they live in memory, belong to the session that made them
// and are seen by every session of the application on the same partition.
#ifndef PERIGEE_PKCS11_SESSION_OBJECTS_H_
#define PERIGEE_PKCS11_SESSION_OBJECTS_H_

#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/cryptoki.h"
#include "hsm/object.h"

namespace pkcs11 {

// True for handles that are given here; token objects have the others.
inline bool IsSessionObject(CK_OBJECT_HANDLE handle) {
  return handle >= hsm::kFirstSessionHandle;
}

// Thread-safe. Handles are unique in the process and never used again.
// `see_private` says whether the asker may see private objects.
class SessionObjects {
 public:
  // Adds identifiers (CKA_UNIQUE_ID, CKA_OUID) to each and keeps them all.
  absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Create(
      CK_SESSION_HANDLE owner, std::vector<hsm::AttributeSet> objects);
  // CKR_OBJECT_HANDLE_INVALID.
  absl::StatusOr<hsm::ObjectRef> Get(CK_OBJECT_HANDLE handle,
                                     bool see_private) const;
  // Ascending. Values that may not be read do not match.
  std::vector<CK_OBJECT_HANDLE> Find(const hsm::AttributeSet& pattern,
                                     bool see_private) const;
  absl::StatusOr<hsm::ObjectRef> Replace(const hsm::Object& object,
                                         hsm::AttributeSet attributes);
  absl::Status Destroy(CK_OBJECT_HANDLE handle);

  // A session was closed; the user logged out; the token was initialised.
  void DestroyOf(CK_SESSION_HANDLE owner);
  void DestroyPrivate();
  void DestroyAll();

 private:
  struct Held {
    CK_SESSION_HANDLE owner;
    hsm::ObjectRef object;
  };
  template <typename Doomed>
  void DestroyIf(Doomed doomed);

  mutable absl::Mutex mu_;
  std::map<CK_OBJECT_HANDLE, Held> objects_ ABSL_GUARDED_BY(mu_);
};

}  // namespace pkcs11

#endif  // PERIGEE_PKCS11_SESSION_OBJECTS_H_
