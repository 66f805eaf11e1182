// What the key commands know about types of keys: what `key generate` makes,
// what keys may be used for, and templates whose values wipe themselves.
#ifndef PERIGEE_TOOLS_SHELL_KEY_TYPES_H_
#define PERIGEE_TOOLS_SHELL_KEY_TYPES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cryptoki.h"
#include "tools/shell/wiped_bytes.h"

namespace shell {

// Attributes with their values; a later value of a type replaces the earlier.
class Template {
 public:
  void Bytes(CK_ATTRIBUTE_TYPE type, absl::Span<const unsigned char> value);
  void Text(CK_ATTRIBUTE_TYPE type, absl::string_view value);
  void Bool(CK_ATTRIBUTE_TYPE type, bool value);
  void Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);

  // As C_CreateObject takes it; valid until the next change.
  std::vector<CK_ATTRIBUTE> Rows();
  // Empty when it is not there.
  absl::Span<const unsigned char> Value(CK_ATTRIBUTE_TYPE type) const;
  // CK_UNAVAILABLE_INFORMATION when it is not there.
  CK_ULONG NumberOf(CK_ATTRIBUTE_TYPE type) const;

 private:
  std::map<CK_ATTRIBUTE_TYPE, WipedBytes> values_;
};

// A row of `-type`.
struct KeyType {
  const char* name;
  CK_KEY_TYPE type;
  CK_MECHANISM_TYPE generate;
  bool pair;
  CK_ULONG size;      // bits, when -size is not given; 0: has none
  const char* curve;  // of a pair on one curve; null: -curve chooses
  CK_ULONG set;       // CKA_PARAMETER_SET; 0: has none
  const char* usage;  // when -usage is not given
};
absl::Span<const KeyType> KeyTypes();
// CKR_ARGUMENTS_BAD with the names there are.
absl::StatusOr<KeyType> FindKeyType(absl::string_view name);

// What a key is for. Each use has two sides: the private and the public
// half's; a secret key has both.
struct Use {
  const char* name;   // "sign"
  const char* other;  // "verify"
  CK_ATTRIBUTE_TYPE own;
  CK_ATTRIBUTE_TYPE counterpart;
};
// The uses that -usage names, with commas between. CKR_ARGUMENTS_BAD.
absl::StatusOr<std::vector<Use>> ParseUsage(absl::string_view text);
// Sets every use of a key of this class to true or false. `wraps` together
// with other uses is refused for secret keys (docs/SECURE_DEFAULTS.md).
absl::Status SetUsage(absl::Span<const Use> uses, CK_OBJECT_CLASS object_class,
                      Template& attributes);
absl::Span<const Use> Uses();

// The DER of a curve's name: "P-256", "prime256v1", "ED25519", ...; empty for
// names that OpenSSL does not know. And the name for people of such a DER.
std::vector<unsigned char> CurveDer(absl::string_view name);
std::string CurveName(absl::Span<const unsigned char> der);
// Bits of its field; 0 when it is not known.
CK_ULONG CurveBits(absl::Span<const unsigned char> der);

// "RSA", "AES", ...: of CKA_KEY_TYPE.
std::string KeyTypeText(CK_KEY_TYPE type);

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_KEY_TYPES_H_
