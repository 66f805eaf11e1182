// Hosts as an operator names them: by the serial number in the certificate
// that the fleet gave them, or by the fingerprint of their key.
#ifndef PERIGEE_HSM_IO_HOST_NAME_H_
#define PERIGEE_HSM_IO_HOST_NAME_H_

#include <string>
#include <vector>

#include "base/certificate.h"

namespace hsm_io {

class HostName {
 public:
  // 1 to 20 digits, or 64 hexadecimal digits with blanks, colons or hyphens
  // between them. CKR_ARGUMENTS_BAD.
  static absl::StatusOr<HostName> Parse(absl::string_view text);

  bool Fits(const base::Certificate& certificate) const;
  // As a message shows it.
  const std::string& text() const { return text_; }

 private:
  explicit HostName(std::string text) : text_(std::move(text)) {}
  std::string text_;  // the digits alone, in lower case
};

// Names with commas between; at least one.
absl::StatusOr<std::vector<HostName>> ParseHostNames(absl::string_view text);

// "host 123456789012 (key 3f2a...)": whole, it is what an operator copies.
std::string Describe(const base::Certificate& host);

}  // namespace hsm_io

#endif  // PERIGEE_HSM_IO_HOST_NAME_H_
