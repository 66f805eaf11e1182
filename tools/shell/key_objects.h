// The objects of the active slot as the key commands see them: found by
// pkcs11: URI, handle or label, described, read.
#ifndef PERIGEE_TOOLS_SHELL_KEY_OBJECTS_H_
#define PERIGEE_TOOLS_SHELL_KEY_OBJECTS_H_

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tools/shell/shell.h"
#include "tools/shell/uri.h"
#include "tools/shell/wiped_bytes.h"

namespace shell {

// A token object, and how its attributes are read.
class KeyObject {
 public:
  KeyObject(const Module& module, CK_SESSION_HANDLE session,
            CK_OBJECT_HANDLE handle);

  CK_OBJECT_HANDLE handle() const { return handle_; }
  CK_OBJECT_CLASS object_class() const { return class_; }
  // CK_UNAVAILABLE_INFORMATION when it is no key.
  CK_KEY_TYPE key_type() const { return type_; }
  const std::string& label() const { return label_; }  // as it is: unclean
  const std::string& id() const { return id_; }        // bytes

  // Nothing when it is not there or hidden.
  std::optional<WipedBytes> Bytes(CK_ATTRIBUTE_TYPE type) const;
  std::optional<CK_ULONG> Number(CK_ATTRIBUTE_TYPE type) const;
  bool IsTrue(CK_ATTRIBUTE_TYPE type) const;

  // "RSA 3072 private key", "AES 256 secret key", "certificate".
  std::string Kind() const;
  // "sign, decrypt"; empty when it is no key or has no use.
  std::string Usage() const;

 private:
  const Module* module_;
  CK_SESSION_HANDLE session_;
  CK_OBJECT_HANDLE handle_;
  CK_OBJECT_CLASS class_;
  CK_KEY_TYPE type_;
  std::string label_;
  std::string id_;
};

// Refuses on an HSM's own slot; otherwise the session there.
absl::StatusOr<CK_SESSION_HANDLE> KeySession(Shell& shell);
// The same, and a user is logged in. `what` says what needs that: "generating
// a key".
absl::StatusOr<CK_SESSION_HANDLE> UserSession(Shell& shell,
                                              absl::string_view what);

// The token objects of the active slot that match, in order of their handles.
// CKR_SLOT_ID_INVALID when the URI names another token or slot.
absl::StatusOr<std::vector<KeyObject>> FindObjects(Shell& shell,
                                                   const Uri& uri);
// What `name` (a URI, a handle, else a label) names, of these classes (none:
// of all). CKR_OBJECT_HANDLE_INVALID when there is nothing.
absl::StatusOr<std::vector<KeyObject>> ObjectsNamed(
    Shell& shell, const std::string& name,
    absl::Span<const CK_OBJECT_CLASS> classes);
// The one object. CKR_ARGUMENTS_BAD with the candidates when there are more.
absl::StatusOr<KeyObject> OneObject(Shell& shell, const std::string& name,
                                    absl::Span<const CK_OBJECT_CLASS> classes);
absl::Status Ambiguous(Shell& shell, const std::string& name,
                       absl::Span<const KeyObject> candidates);

// As `key list` prints it: can be typed as -object.
std::string UriOf(Shell& shell, const KeyObject& object);
nlohmann::ordered_json KeyFacts(Shell& shell, const KeyObject& object);
// "private key", "certificate"
std::string ClassText(CK_OBJECT_CLASS object_class);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_KEY_OBJECTS_H_
