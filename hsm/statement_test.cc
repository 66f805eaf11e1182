#include "hsm/statement.h"

#include <gtest/gtest.h>

namespace hsm {
namespace {

CK_RV ParseRv(absl::string_view text) {
  return base::CkRv(FirmwareVersion::Parse(text).status());
}

TEST(FirmwareVersion, Parse_ThreeNumbers) {
  EXPECT_EQ(FirmwareVersion::Parse("7.7.1").value(),
            (FirmwareVersion{7, 7, 1}));
}

TEST(FirmwareVersion, Parse_TwoNumbers) {
  EXPECT_EQ(FirmwareVersion::Parse("6.24").value(),
            (FirmwareVersion{6, 24, 0}));
}

TEST(FirmwareVersion, ToString_AlwaysHasThePatch) {
  EXPECT_EQ((FirmwareVersion{6, 24, 0}).ToString(), "6.24.0");
}

TEST(FirmwareVersion, OrderIsNumeric) {
  EXPECT_LT((FirmwareVersion{6, 9, 0}), (FirmwareVersion{6, 24, 0}));
  EXPECT_LT((FirmwareVersion{7, 7, 0}), (FirmwareVersion{7, 7, 1}));
}

TEST(FirmwareVersion, Parse_AnythingElse_IsRefused) {
  EXPECT_EQ(ParseRv(""), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv("7"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv("7.7.1.0"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv("7..1"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv("7.7."), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv("7.07"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv("7.256"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv("-7.7"), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ParseRv(" 7.7"), CKR_ARGUMENTS_BAD);
}

TEST(Statement, RoundTripOverTheWire) {
  Statement statement;
  statement.serial = "1238696044";
  statement.model = "perigee";
  statement.kind = Kind::kBackup;
  statement.firmware = {7, 7, 1};
  statement.partition[15] = 9;
  statement.partition_label = "par0";
  statement.partition_version = 1;
  statement.fm = FmState::kEnabledOnce;
  statement.restricted_restore = 1;
  statement.secret_key_cloning = 0;
  const base::Bytes encoded = wire::Encode(statement);
  auto decoded = wire::Decode<Statement>(encoded, "statement");
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->firmware, statement.firmware);
  EXPECT_EQ(decoded->fm, FmState::kEnabledOnce);
  EXPECT_EQ(wire::Encode(*decoded), encoded);
}

}  // namespace
}  // namespace hsm
