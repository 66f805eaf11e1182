// A SoftHSM2 token as it lies on disk (object store "file"): a directory with
// `token.object` and one `<uuid>.object` a stored object.
//
// All numbers are 8 bytes, big-endian. A file is a generation count, then
// attributes: type, kind, value. Kinds: 1 boolean (1 byte), 2 number, 3 bytes
// (length first), 4 nested attributes (length first, the same form), 5
// mechanisms (count first). Byte values of a private object are encrypted
// under the token key: 16 bytes IV, then AES-256-CBC with padding. The token
// key is stored under each PIN: 8 bytes salt, then the same form around
// "RJR" and the key; the PIN's key is SHA-256 of salt and PIN, hashed on
// 1500 + (last byte of the salt) times in all.
#ifndef PERIGEE_TOOLS_SHELL_SOFTHSM_TOKEN_H_
#define PERIGEE_TOOLS_SHELL_SOFTHSM_TOKEN_H_

#include <map>
#include <string>
#include <vector>

#include "tools/shell/module.h"
#include "tools/shell/result.h"
#include "tools/shell/secret_text.h"
#include "tools/shell/wiped_bytes.h"

namespace shell {

// An attribute in the form in which PKCS#11 wants it.
using SoftHsmObject = std::map<CK_ATTRIBUTE_TYPE, WipedBytes>;

// The attributes of one file, not decrypted. A message says where it breaks;
// nested attributes and mechanism lists are not kept.
absl::StatusOr<SoftHsmObject> ParseSoftHsmFile(
    absl::Span<const unsigned char> file);

class SoftHsmToken {
 public:
  // The token with this label in the directory of tokens
  // (`directories.tokendir` of its configuration), opened with its user PIN.
  // Hashes and decrypts with the module, in `session`, where a user is logged
  // in. CKR_PIN_INCORRECT, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED with
  // path and cause.
  static absl::StatusOr<SoftHsmToken> Open(const Module& module,
                                           CK_SESSION_HANDLE session,
                                           const std::string& directory,
                                           const std::string& label,
                                           const SecretText& pin);

  // The files of its objects, in order of their names.
  const std::vector<std::string>& files() const { return files_; }
  // The object of a file, decrypted.
  absl::StatusOr<SoftHsmObject> Read(const std::string& file) const;

 private:
  SoftHsmToken(const Module& module, CK_SESSION_HANDLE session)
      : module_(&module), session_(session) {}
  absl::Status Unlock(const SoftHsmObject& token, const SecretText& pin);

  const Module* module_;
  CK_SESSION_HANDLE session_;
  std::vector<std::string> files_;
  WipedBytes key_;
};

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_SOFTHSM_TOKEN_H_
