// The fleet root's two files.
#include "hsm/fleet.h"

#include "absl/strings/str_cat.h"
#include "hsm/durable_files.h"

namespace hsm {
namespace {

constexpr size_t kLargestFile = 16384;

std::string KeyPath(const std::string& directory) {
  return absl::StrCat(directory, "/root.key");
}
std::string CertificatePath(const std::string& directory) {
  return absl::StrCat(directory, "/root.crt");
}

absl::Status Fill(const std::string& directory) {
  ASSIGN_OR_RETURN(base::P384Key key, base::P384Key::Generate());
  ASSIGN_OR_RETURN(
      base::Certificate root,
      base::Certificate::Issue(
          {.serial = "fleet root", .model = "fleet", .kind = "root"},
          key.public_point(), key, nullptr));
  ASSIGN_OR_RETURN(base::SecretBytes der, key.PrivateDer());
  RETURN_IF_ERROR(WriteNewFile(KeyPath(directory), der.Expose(), 0600));
  return WriteNewFile(CertificatePath(directory), root.der(), 0644);
}

}  // namespace

absl::StatusOr<Fleet> Fleet::OpenOrCreate(const std::string& directory) {
  absl::StatusOr<Fleet> present = Open(directory);
  if (present.ok() || base::CkRv(present.status()) != CKR_TOKEN_NOT_PRESENT) {
    return present;
  }
  RETURN_IF_ERROR(MakeDirectoryAtomically(directory, Fill).status());
  return Open(directory);
}

absl::StatusOr<Fleet> Fleet::Open(const std::string& directory) {
  ASSIGN_OR_RETURN(base::SecretBytes der,
                   ReadKeyFile(KeyPath(directory), kLargestFile));
  ASSIGN_OR_RETURN(base::SecretBytes certificate,
                   ReadFile(CertificatePath(directory), kLargestFile));
  ASSIGN_OR_RETURN(base::P384Key key,
                   base::P384Key::FromPrivateDer(der.Expose()));
  ASSIGN_OR_RETURN(base::Certificate root,
                   base::Certificate::Parse(certificate.Expose()));
  if (root.public_point() != key.public_point()) {
    return base::Error(
        CKR_TOKEN_NOT_RECOGNIZED,
        absl::StrCat(directory, ": root.crt is not of root.key"));
  }
  return Fleet(std::move(key), std::move(root));
}

absl::StatusOr<base::Certificate> Fleet::Issue(
    const base::CertifiedName& subject, base::ByteSpan public_point) const {
  return base::Certificate::Issue(subject, public_point, key_, &root_);
}

absl::StatusOr<base::Bytes> Fleet::Sign(base::ByteSpan message) const {
  return key_.Sign(message);
}

}  // namespace hsm
