// Keys that leave and come back under another key: which mechanism a wrapping
// key uses.
#ifndef PERIGEE_TOOLS_SHELL_KEY_WRAP_H_
#define PERIGEE_TOOLS_SHELL_KEY_WRAP_H_

#include "absl/status/statusor.h"
#include "base/cryptoki.h"
#include "tools/shell/key_objects.h"
#include "tools/shell/wiped_bytes.h"

namespace shell {

// AES: CKM_AES_KEY_WRAP_KWP. RSA: CKM_RSA_AES_KEY_WRAP with AES-256 and OAEP
// of SHA-256. Points into itself: neither copied nor moved.
class WrapMechanism {
 public:
  // CKR_KEY_TYPE_INCONSISTENT when `key` is neither.
  static absl::Status Check(const KeyObject& key);
  explicit WrapMechanism(const KeyObject& key);
  WrapMechanism(const WrapMechanism&) = delete;
  WrapMechanism& operator=(const WrapMechanism&) = delete;

  CK_MECHANISM* get() { return &mechanism_; }
  const char* name() const;

 private:
  CK_RSA_PKCS_OAEP_PARAMS oaep_;
  CK_RSA_AES_KEY_WRAP_PARAMS both_;
  CK_MECHANISM mechanism_;
};

absl::StatusOr<WipedBytes> WrapKey(const Module& module,
                                   CK_SESSION_HANDLE session,
                                   const KeyObject& wrapping,
                                   const KeyObject& key);

// Of a file that WrapKey made, with the options of `key import`: the key under
// -unwrapwith, of -type; of a pair the public half too.
absl::Status ImportWrapped(Shell& shell, const Arguments& arguments,
                           CK_SESSION_HANDLE session, WipedBytes& blob);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_KEY_WRAP_H_
