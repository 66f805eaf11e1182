// What `hsm updatefw` takes: an image that names a row of the firmware table
// and brings no rules of its own, and an authentication code, which is the
// fleet root's signature of the image (docs/formats/firmware.md).
#ifndef PERIGEE_HSM_FIRMWARE_IMAGE_H_
#define PERIGEE_HSM_FIRMWARE_IMAGE_H_

#include <string>

#include "absl/types/span.h"
#include "hsm/firmware.h"
#include "hsm/fleet.h"

namespace hsm {

struct FirmwareImage {
  Kind kind = Kind::kBackup;
  FirmwareVersion version;
};

// The text of the .fuf file.
std::string EncodeFirmwareImage(const FirmwareImage& image);
// LUNA_RET_BAD_FW_VERSION for a row that this release does not have,
// CKR_DATA_INVALID for anything else that is not such a text.
absl::StatusOr<FirmwareImage> ParseFirmwareImage(base::ByteSpan fuf);

// The text of the authentication code's file, in hexadecimal digits.
absl::StatusOr<std::string> FirmwareAuthCode(const Fleet& fleet,
                                             base::ByteSpan fuf);

// The image, when `code` is the signature of `root` over it:
// CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE, and the errors of
// ParseFirmwareImage.
absl::StatusOr<FirmwareImage> CheckFirmwareImage(const base::Certificate& root,
                                                 base::ByteSpan fuf,
                                                 base::ByteSpan code);

// The image that an appliance carries.
FirmwareImage BundledFirmware();

}  // namespace hsm

#endif  // PERIGEE_HSM_FIRMWARE_IMAGE_H_
