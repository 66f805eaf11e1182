#include "pkcs11/host_identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "hsm/durable_files.h"
#include "hsm/fleet.h"

namespace pkcs11 {
namespace {

using base::ByteSpan;

constexpr size_t kLargestFile = 16384;

bool IsMissing(const absl::Status& status) {
  return base::CkRv(status) == CKR_TOKEN_NOT_PRESENT;
}

absl::StatusOr<std::string> RandomDigits() {
  std::array<uint8_t, 12> random;
  RETURN_IF_ERROR(
      base::FillRandom(base::MutableByteSpan(random.data(), random.size())));
  std::string digits;
  for (uint8_t byte : random) digits.push_back('0' + byte % 10);
  if (digits[0] == '0') digits[0] = '1';
  return digits;
}

// Puts the file in place whole, unless somebody else did so first.
absl::Status PutFile(const std::string& path, ByteSpan bytes, mode_t mode) {
  ASSIGN_OR_RETURN(std::string tail, RandomDigits());
  const std::string temporary = absl::StrCat(path, ".", tail);
  RETURN_IF_ERROR(hsm::WriteNewFile(temporary, bytes, mode));
  const int failed = link(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
  unlink(temporary.c_str());
  if (failed == 0 || failed == EEXIST) return absl::OkStatus();
  char text[128];
  return base::Error(
      CKR_GENERAL_ERROR,
      absl::StrCat(path, ": ", strerror_r(failed, text, sizeof text)));
}

absl::StatusOr<base::P384Key> OpenOrMakeKey(const std::string& path) {
  absl::StatusOr<base::SecretBytes> der = hsm::ReadKeyFile(path, kLargestFile);
  if (IsMissing(der.status())) {
    ASSIGN_OR_RETURN(base::P384Key key, base::P384Key::Generate());
    ASSIGN_OR_RETURN(base::SecretBytes made, key.PrivateDer());
    RETURN_IF_ERROR(PutFile(path, made.Expose(), 0600));
    der = hsm::ReadKeyFile(path, kLargestFile);
  }
  RETURN_IF_ERROR(der.status());
  return base::P384Key::FromPrivateDer(der->Expose());
}

absl::StatusOr<base::Certificate> OpenOrMakeCertificate(
    const std::string& path, const hsm::Fleet& fleet,
    const base::P384Key& key) {
  absl::StatusOr<base::SecretBytes> der = hsm::ReadFile(path, kLargestFile);
  if (IsMissing(der.status())) {
    ASSIGN_OR_RETURN(std::string serial, RandomDigits());
    ASSIGN_OR_RETURN(
        base::Certificate made,
        fleet.Issue({.serial = serial, .model = "", .kind = "host"},
                    key.public_point()));
    RETURN_IF_ERROR(PutFile(path, made.der(), 0644));
    der = hsm::ReadFile(path, kLargestFile);
  }
  RETURN_IF_ERROR(der.status());
  return base::Certificate::Parse(der->Expose());
}

std::string KeyPath(const std::string& fleet_directory) {
  return absl::StrCat(fleet_directory, "/host.key");
}
std::string CertificatePath(const std::string& fleet_directory) {
  return absl::StrCat(fleet_directory, "/host.crt");
}

absl::StatusOr<std::shared_ptr<const base::Identity>> PutTogether(
    const std::string& fleet_directory, const hsm::Fleet& fleet,
    base::P384Key key, base::Certificate certificate) {
  if (!certificate.VerifyUnder(fleet.root()).ok() ||
      certificate.public_point() != key.public_point()) {
    return base::Error(CKR_GENERAL_ERROR,
                       absl::StrCat(CertificatePath(fleet_directory),
                                    " is not of host.key under root.crt"));
  }
  return std::make_shared<const base::Identity>(
      base::Identity{std::move(key), std::move(certificate), {fleet.root()}});
}

}  // namespace

// Key first: whoever finds it issues a certificate for it, so a process that
// stopped in between leaves nothing that does not fit.
absl::StatusOr<std::shared_ptr<const base::Identity>> OpenOrMakeHostIdentity(
    const std::string& fleet_directory) {
  ASSIGN_OR_RETURN(hsm::Fleet fleet, hsm::Fleet::OpenOrCreate(fleet_directory));
  ASSIGN_OR_RETURN(base::P384Key key, OpenOrMakeKey(KeyPath(fleet_directory)));
  ASSIGN_OR_RETURN(
      base::Certificate certificate,
      OpenOrMakeCertificate(CertificatePath(fleet_directory), fleet, key));
  return PutTogether(fleet_directory, fleet, std::move(key),
                     std::move(certificate));
}

absl::StatusOr<std::shared_ptr<const base::Identity>> OpenHostIdentity(
    const std::string& fleet_directory) {
  ASSIGN_OR_RETURN(hsm::Fleet fleet, hsm::Fleet::Open(fleet_directory));
  ASSIGN_OR_RETURN(base::SecretBytes key_der,
                   hsm::ReadKeyFile(KeyPath(fleet_directory), kLargestFile));
  ASSIGN_OR_RETURN(
      base::SecretBytes der,
      hsm::ReadFile(CertificatePath(fleet_directory), kLargestFile));
  ASSIGN_OR_RETURN(base::P384Key key,
                   base::P384Key::FromPrivateDer(key_der.Expose()));
  ASSIGN_OR_RETURN(base::Certificate certificate,
                   base::Certificate::Parse(der.Expose()));
  return PutTogether(fleet_directory, fleet, std::move(key),
                     std::move(certificate));
}

}  // namespace pkcs11
