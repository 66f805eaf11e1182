// Root certificates that a caller brings to check a signed text under them.
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "hsm/durable_files.h"
#include "pkcs11/ca/perigee_functions.h"
#include "pkcs11/config.h"

namespace pkcs11::ca {
namespace {

constexpr size_t kLargestRoots = 1 << 20;
constexpr char kBegin[] = "-----BEGIN CERTIFICATE-----";
constexpr char kEnd[] = "-----END CERTIFICATE-----";

absl::Status NoCertificate() {
  return base::Error(CKR_CERTIFICATE_DATA_INVALID,
                     "the roots are no certificates that a fleet root has");
}

// Certificates in PEM, or one in DER.
absl::StatusOr<std::vector<base::Certificate>> RootsOf(ByteSpan bytes) {
  std::vector<base::Certificate> roots;
  absl::string_view text = base::AsText(bytes);
  if (!absl::StrContains(text, kBegin)) {
    auto root = base::Certificate::Parse(bytes);
    if (!root.ok()) return NoCertificate();
    roots.push_back(*std::move(root));
    return roots;
  }
  for (size_t at = text.find(kBegin); at != absl::string_view::npos;
       at = text.find(kBegin)) {
    text.remove_prefix(at + sizeof(kBegin) - 1);
    const size_t end = text.find(kEnd);
    std::string der;
    if (end == absl::string_view::npos ||
        !absl::Base64Unescape(text.substr(0, end), &der)) {
      return NoCertificate();
    }
    auto root = base::Certificate::Parse(base::AsBytes(der));
    if (!root.ok()) return NoCertificate();
    roots.push_back(*std::move(root));
    text.remove_prefix(end);
  }
  return roots;
}

absl::StatusOr<std::vector<base::Certificate>> FleetRoots(Library& library) {
  ASSIGN_OR_RETURN(
      const SecretBytes file,
      hsm::ReadFile(library.config()->fleet_directory() + "/root.crt",
                    kLargestRoots));
  return RootsOf(file.Expose());
}

}  // namespace

absl::StatusOr<std::vector<base::Certificate>> RootsFrom(Library& library,
                                                         const CK_BYTE* pRoots,
                                                         CK_ULONG ulRootsLen) {
  if (pRoots == nullptr) return FleetRoots(library);
  if (ulRootsLen > kLargestRoots) return NoCertificate();
  return RootsOf(ByteSpan(pRoots, ulRootsLen));
}

}  // namespace pkcs11::ca
