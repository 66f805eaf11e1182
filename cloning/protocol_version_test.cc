// Which protocol two HSMs use.
#include "cloning/protocol_version.h"

#include <gtest/gtest.h>

namespace cloning {
namespace {

using base::CkRv;
using hsm::FirmwareVersion;
using hsm::Kind;

Introduction End(Kind kind, FirmwareVersion firmware, uint8_t policy42 = 0) {
  hsm::Statement statement;
  statement.kind = kind;
  statement.firmware = firmware;
  statement.allow_cpv1 = policy42;
  return Introduce(statement);
}

Introduction App(FirmwareVersion firmware, uint8_t policy42 = 0) {
  return End(Kind::kApplication, firmware, policy42);
}

Introduction Backup(FirmwareVersion firmware) {
  return End(Kind::kBackup, firmware);
}

using Numbers = std::vector<uint8_t>;

TEST(ProtocolVersionTest, Table_IsTheDocumentedOne) {
  ASSERT_EQ(ProtocolVersions().size(), 3u);
  EXPECT_FALSE(FindProtocolVersion(1)->available);
  EXPECT_TRUE(FindProtocolVersion(3)->available);
  EXPECT_FALSE(FindProtocolVersion(4)->available);
  EXPECT_EQ(FindProtocolVersion(2), nullptr);
}

TEST(ProtocolVersionTest, OldFirmware_OffersNothingAvailable) {
  EXPECT_EQ(App({7, 4, 0}).protocols, Numbers{});
}

TEST(ProtocolVersionTest, NewFirmware_OffersCpv3) {
  EXPECT_EQ(App({7, 7, 0}).protocols, Numbers{3});
  EXPECT_EQ(App({7, 8, 0}).protocols, Numbers{3});
  EXPECT_EQ(Backup({7, 7, 1}).protocols, Numbers{3});
}

TEST(ProtocolVersionTest, Policy42_SwitchesCpv3Off) {
  EXPECT_EQ(App({7, 7, 0}, 1).protocols, Numbers{});
}

TEST(ProtocolVersionTest, UnknownFirmware_OffersNothing) {
  EXPECT_EQ(App({9, 9, 9}).protocols, Numbers{});
}

TEST(ProtocolVersionTest, NewWithNew_IsCpv3) {
  EXPECT_TRUE(CheckProtocol(kCpv3, App({7, 7, 0}), Backup({7, 7, 1})).ok());
  EXPECT_TRUE(CheckProtocol(kCpv3, Backup({7, 7, 2}), App({7, 7, 1})).ok());
  EXPECT_TRUE(CheckProtocol(kCpv3, App({7, 8, 0}), App({7, 8, 0})).ok());
}

// BR-2: the code of the compatibility matrix, not one of the protocols.
TEST(ProtocolVersionTest, V0ToOldBackupHsm_IsRestrictedForItsFirmware) {
  const absl::Status status =
      CheckProtocol(kCpv3, App({7, 7, 0}), Backup({7, 3, 2}));
  EXPECT_EQ(CkRv(status), LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(base::Reason(status), "backup-firmware");
}

TEST(ProtocolVersionTest, OldWithOld_SaysThatCpv1IsNotAvailable) {
  const absl::Status status =
      CheckProtocol(kCpv3, App({7, 4, 0}), Backup({7, 3, 2}));
  EXPECT_EQ(CkRv(status), CKR_FUNCTION_NOT_SUPPORTED);
  EXPECT_NE(status.message().find("CPv1"), absl::string_view::npos);
}

TEST(ProtocolVersionTest, HigherCommonProtocol_IsNoDowngrade) {
  Introduction source = App({7, 8, 0}), target = App({7, 8, 0});
  source.protocols = {3, 4};
  target.protocols = {3, 4};
  const absl::Status status = CheckProtocol(kCpv3, source, target);
  EXPECT_EQ(CkRv(status), LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(base::Reason(status), "cloning-protocol");
}

}  // namespace
}  // namespace cloning
