// Files with keys and certificates: what a format is told by, and what is in
// it. Everything in them is read and checked before anything is made of it.
#ifndef PERIGEE_TOOLS_SHELL_KEY_FILE_H_
#define PERIGEE_TOOLS_SHELL_KEY_FILE_H_

#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tools/shell/key_material.h"
#include "tools/shell/secret_text.h"
#include "tools/shell/wiped_bytes.h"

namespace shell {

enum class KeyFormat : uint8_t { kPem, kDer, kPkcs12, kSsh, kJwk, kRaw };
// "pem", ...; CKR_ARGUMENTS_BAD.
absl::StatusOr<KeyFormat> FindKeyFormat(absl::string_view name);
absl::string_view KeyFormatName(KeyFormat format);
// What the bytes look like; nothing when like none of them.
std::optional<KeyFormat> LookAtKeyFile(absl::Span<const unsigned char> file);

// One of: a key (a private one has both halves), a certificate, a secret.
struct FileObject {
  OwnedKey key;
  bool hidden = false;  // the key is a private one
  Owned<X509, X509_free> certificate;
  WipedBytes secret;
  std::string label;  // that the file gives; empty
};

using AskPassword = absl::FunctionRef<absl::StatusOr<SecretText>()>;

// The objects of a file, at least one. Asks for the password when something
// is encrypted. CKR_DATA_INVALID for what cannot be read, CKR_PIN_INCORRECT
// for a wrong password; the message has no path.
absl::StatusOr<std::vector<FileObject>> ReadKeyFile(
    absl::Span<const unsigned char> file, KeyFormat format, AskPassword ask);

// --- the parts (key_pkcs.cc, key_ssh.cc, key_jwk.cc)

// A file has so many objects at most.
inline constexpr size_t kMostKeyObjects = 1000;

absl::StatusOr<OwnedKey> OpenPkcs8(const X509_SIG* sealed, AskPassword ask);
absl::StatusOr<std::vector<FileObject>> OpenPkcs12(PKCS12* file,
                                                   AskPassword ask);
// What decrypting by OpenSSL ended with: an algorithm that is not there is no
// wrong password.
absl::Status KeyFileNotDecrypted();

absl::StatusOr<FileObject> ReadSshPrivateKey(
    absl::Span<const unsigned char> blob);
absl::StatusOr<FileObject> ReadSshPublicKey(absl::string_view line);
// "ssh-ed25519 AAAA... comment\n". CKR_KEY_TYPE_INCONSISTENT.
absl::StatusOr<std::string> SshPublicKeyText(EVP_PKEY* key,
                                             absl::string_view comment);

// One key, or a set ("keys").
absl::StatusOr<std::vector<FileObject>> ReadJwk(absl::string_view text);
// With the private values when `hidden`. CKR_KEY_TYPE_INCONSISTENT.
absl::StatusOr<SecretText> JwkText(EVP_PKEY* key, bool hidden,
                                   absl::string_view name);
SecretText JwkOfSecret(absl::Span<const unsigned char> secret,
                       absl::string_view name);

// Either alphabet, with or without padding, blanks ignored; nothing when it
// is not base64.
std::optional<WipedBytes> BytesOfBase64(absl::string_view text);

absl::Status BadKeyFile(absl::string_view cause, absl::string_view remedy = "");

}  // namespace shell

#endif  // PERIGEE_TOOLS_SHELL_KEY_FILE_H_
