#include "hsm_io/host_name.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hsm_io {
namespace {

constexpr size_t kLongestSerial = 20;

std::string KeyText(const base::Certificate& host) {
  return absl::BytesToHexString(base::AsText(host.key_fingerprint()));
}

}  // namespace

absl::StatusOr<HostName> HostName::Parse(absl::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ' && c != ':' && c != '-') digits += absl::ascii_tolower(c);
  }
  const auto all = [&](auto of_kind) {
    return std::all_of(digits.begin(), digits.end(), of_kind);
  };
  const bool serial = !digits.empty() && digits.size() <= kLongestSerial &&
                      all([](unsigned char c) { return isdigit(c); });
  const bool fingerprint =
      digits.size() == 2 * base::kSha256Size &&
      all([](unsigned char c) { return absl::ascii_isxdigit(c); });
  if (serial || fingerprint) return HostName(std::move(digits));
  return base::Error(CKR_ARGUMENTS_BAD,
                     "a host is named by the serial number in its certificate "
                     "or by its key's fingerprint of 64 hexadecimal digits");
}

bool HostName::Fits(const base::Certificate& certificate) const {
  return text_ == certificate.name().serial || text_ == KeyText(certificate);
}

absl::StatusOr<std::vector<HostName>> ParseHostNames(absl::string_view text) {
  std::vector<HostName> names;
  for (absl::string_view each : absl::StrSplit(text, ',')) {
    ASSIGN_OR_RETURN(HostName name, HostName::Parse(each));
    names.push_back(std::move(name));
  }
  return names;
}

std::string Describe(const base::Certificate& host) {
  return absl::StrCat("host ", host.name().serial, " (key ", KeyText(host),
                      ")");
}

}  // namespace hsm_io
