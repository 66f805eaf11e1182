// Images and their codes: the text, and everything that is not one.
#include "hsm/firmware_image.h"

#include "gtest/gtest.h"
#include "hsm/temporary_directory.h"

namespace hsm {
namespace {

constexpr char kImage[] =
    "perigee firmware image 1\nkind = backup\nversion = 7.7.2\n";

CK_RV ParseRv(absl::string_view text) {
  return base::CkRv(ParseFirmwareImage(base::AsBytes(text)).status());
}

TEST(FirmwareImage, IsAText) {
  EXPECT_EQ(EncodeFirmwareImage({Kind::kBackup, {7, 7, 2}}), kImage);
  const auto image = ParseFirmwareImage(base::AsBytes(kImage));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->kind, Kind::kBackup);
  EXPECT_EQ(image->version, (FirmwareVersion{7, 7, 2}));
}

TEST(FirmwareImage, EveryRowOfTheTable_ComesBack) {
  for (const FirmwareProfile& row : FirmwareProfiles()) {
    const std::string text = EncodeFirmwareImage({row.kind, row.version});
    const auto image = ParseFirmwareImage(base::AsBytes(text));
    ASSERT_TRUE(image.ok()) << text;
    EXPECT_EQ(image->kind, row.kind);
    EXPECT_EQ(image->version, row.version);
  }
}

TEST(FirmwareImage, OtherTexts_AreInvalid) {
  const std::string start = "perigee firmware image 1\nkind = ";
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string(kImage) + "more\n",
        std::string(kImage).substr(0, sizeof(kImage) - 2),
        "perigee firmware image 2" + std::string(kImage).substr(24),
        start + "backup\n", start + "fridge\nversion = 7.7.2\n",
        start + "backup\nversion = 7.7\n", start + "backup\nversion = 7.7.02\n",
        start + "backup\nversion = 7.7.2.0\n",
        start + "backup\nversion = 7.7.258\n",
        start + "backup\nversion = 7.-7.2\n", start + "backup\nversion=7.7.2\n",
        std::string(100000, 'x')}) {
    EXPECT_EQ(ParseRv(text), CK_RV{CKR_DATA_INVALID}) << text.substr(0, 80);
  }
  EXPECT_EQ(ParseRv(start + "backup\nversion = 7.7.9\n"),
            CK_RV{LUNA_RET_BAD_FW_VERSION});
  EXPECT_EQ(ParseRv(start + "application\nversion = 7.7.2\n"),
            CK_RV{LUNA_RET_BAD_FW_VERSION});
}

TEST(FirmwareImage, CodeIsOfTheRootAndTheImage) {
  const TemporaryDirectory directory;
  const Fleet fleet = *Fleet::OpenOrCreate(directory.path() + "/one");
  const Fleet other = *Fleet::OpenOrCreate(directory.path() + "/two");
  const base::ByteSpan fuf = base::AsBytes(kImage);
  const std::string code = *FirmwareAuthCode(fleet, fuf);
  const auto check = [&](const Fleet& by, base::ByteSpan image,
                         const std::string& text) {
    return base::CkRv(
        CheckFirmwareImage(by.root(), image, base::AsBytes(text)).status());
  };
  EXPECT_EQ(check(fleet, fuf, code), CK_RV{CKR_OK});
  EXPECT_EQ(check(fleet, fuf, " " + code + "\r\n"), CK_RV{CKR_OK});
  EXPECT_EQ(check(other, fuf, code), CK_RV{CKR_SIGNATURE_INVALID});
  EXPECT_EQ(check(fleet, fuf.subspan(1), code), CK_RV{CKR_SIGNATURE_INVALID});
  EXPECT_EQ(check(fleet, {}, code), CK_RV{CKR_SIGNATURE_INVALID});
  EXPECT_EQ(check(fleet, fuf, ""), CK_RV{CKR_SIGNATURE_LEN_RANGE});
  EXPECT_EQ(check(fleet, fuf, "abc"), CK_RV{CKR_SIGNATURE_LEN_RANGE});
  EXPECT_EQ(check(fleet, fuf, "zz"), CK_RV{CKR_SIGNATURE_INVALID});
  // A signature of the root over the image alone is none of an image.
  const base::Bytes bare = *fleet.Sign(fuf);
  std::string hex;
  for (const uint8_t byte : bare) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  EXPECT_EQ(check(fleet, fuf, hex), CK_RV{CKR_SIGNATURE_INVALID});
}

}  // namespace
}  // namespace hsm
