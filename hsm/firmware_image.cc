#include "hsm/firmware_image.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hsm {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr absl::string_view kMagic = "perigee firmware image 1";
// What is signed begins with it, so that no other signature of the root passes
// as one of an image.
constexpr absl::string_view kLabel = "perigee firmware code 1\n";
constexpr size_t kLargestImage = 4096, kLargestCode = 4096;

absl::string_view Text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::Status NoImage(absl::string_view why) {
  return base::Error(CKR_DATA_INVALID, absl::StrCat("firmware image: ", why));
}

absl::string_view NameOf(Kind kind) {
  return kind == Kind::kBackup ? "backup" : "application";
}

// The value of "name = value".
absl::StatusOr<absl::string_view> ValueOf(absl::string_view line,
                                          absl::string_view name) {
  if (!absl::ConsumePrefix(&line, absl::StrCat(name, " = "))) {
    return NoImage(absl::StrCat("no line \"", name, " = ...\""));
  }
  return line;
}

Bytes Signed(ByteSpan fuf) {
  return base::ToBytes(base::AsBytes(absl::StrCat(kLabel, Text(fuf))));
}

}  // namespace

std::string EncodeFirmwareImage(const FirmwareImage& image) {
  return absl::StrCat(kMagic, "\nkind = ", NameOf(image.kind),
                      "\nversion = ", image.version.ToString(), "\n");
}

absl::StatusOr<FirmwareImage> ParseFirmwareImage(ByteSpan fuf) {
  if (fuf.size() > kLargestImage) return NoImage("too long");
  const std::vector<absl::string_view> lines = absl::StrSplit(Text(fuf), '\n');
  if (lines.empty() || lines[0] != kMagic) {
    return NoImage("not one that this release knows");
  }
  if (lines.size() != 4 || !lines[3].empty()) {
    return NoImage("it has three lines");
  }
  FirmwareImage image;
  ASSIGN_OR_RETURN(const absl::string_view kind, ValueOf(lines[1], "kind"));
  if (kind != NameOf(Kind::kBackup) && kind != NameOf(Kind::kApplication)) {
    return NoImage("kind is backup or application");
  }
  image.kind =
      kind == NameOf(Kind::kBackup) ? Kind::kBackup : Kind::kApplication;
  ASSIGN_OR_RETURN(const absl::string_view version,
                   ValueOf(lines[2], "version"));
  const absl::StatusOr<FirmwareVersion> parsed =
      FirmwareVersion::Parse(version);
  // One form of it only.
  if (!parsed.ok() || parsed->ToString() != version) {
    return NoImage("the version is three numbers");
  }
  image.version = *parsed;
  if (FindFirmware(image.kind, image.version) == nullptr) {
    return base::Error(
        LUNA_RET_BAD_FW_VERSION,
        absl::StrCat("this release has no firmware ", image.version.ToString(),
                     " for such an HSM"));
  }
  return image;
}

absl::StatusOr<std::string> FirmwareAuthCode(const Fleet& fleet, ByteSpan fuf) {
  ASSIGN_OR_RETURN(const Bytes signature, fleet.Sign(Signed(fuf)));
  return absl::StrCat(absl::BytesToHexString(Text(signature)), "\n");
}

absl::StatusOr<FirmwareImage> CheckFirmwareImage(const base::Certificate& root,
                                                 ByteSpan fuf, ByteSpan code) {
  const absl::string_view digits = absl::StripAsciiWhitespace(Text(code));
  if (digits.empty() || digits.size() > kLargestCode ||
      digits.size() % 2 != 0) {
    return base::Error(CKR_SIGNATURE_LEN_RANGE,
                       "length of the authentication code");
  }
  for (const char digit : digits) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(digit))) {
      return base::Error(CKR_SIGNATURE_INVALID,
                         "the authentication code has hexadecimal digits only");
    }
  }
  const std::string signature = absl::HexStringToBytes(digits);
  if (!root.VerifySignature(Signed(fuf), base::AsBytes(signature)).ok()) {
    return base::Error(CKR_SIGNATURE_INVALID,
                       "the authentication code is not of this image under "
                       "the fleet root that this HSM trusts");
  }
  return ParseFirmwareImage(fuf);
}

FirmwareImage BundledFirmware() { return {Kind::kBackup, {7, 7, 1}}; }

}  // namespace hsm
