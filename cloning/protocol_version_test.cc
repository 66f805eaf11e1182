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
  EXPECT_TRUE(FindProtocolVersion(1)->available());
  EXPECT_TRUE(FindProtocolVersion(3)->available());
  EXPECT_FALSE(FindProtocolVersion(4)->available());
  EXPECT_EQ(FindProtocolVersion(2), nullptr);
}

TEST(ProtocolVersionTest, OldFirmware_OffersCpv1) {
  EXPECT_EQ(App({7, 4, 0}).protocols, Numbers{1});
  EXPECT_EQ(App({5, 9, 0}).protocols, Numbers{1});
  EXPECT_EQ(Backup({7, 3, 2}).protocols, Numbers{1});
}

TEST(ProtocolVersionTest, NewFirmware_OffersCpv1AndCpv3) {
  EXPECT_EQ(App({7, 7, 0}).protocols, (Numbers{1, 3}));
  EXPECT_EQ(App({7, 8, 0}).protocols, (Numbers{1, 3}));
  EXPECT_EQ(Backup({7, 7, 1}).protocols, (Numbers{1, 3}));
}

TEST(ProtocolVersionTest, Policy42_SwitchesCpv3Off) {
  EXPECT_EQ(App({7, 7, 0}, 1).protocols, Numbers{1});
}

TEST(ProtocolVersionTest, UnknownFirmware_OffersNothing) {
  EXPECT_EQ(App({9, 9, 9}).protocols, Numbers{});
}

TEST(ProtocolVersionTest, Hello_IsOfTheHighest) {
  EXPECT_EQ(NumberOfHello(App({7, 7, 0})), kCpv3);
  EXPECT_EQ(NumberOfHello(App({7, 7, 0}, 1)), kCpv1);
  EXPECT_EQ(NumberOfHello(App({7, 4, 0})), kCpv1);
}

// OK for `number`, and no other number is.
void ExpectOnly(uint8_t number, const Introduction& source,
                const Introduction& target) {
  EXPECT_EQ(CommonProtocol(source, target), number);
  for (uint8_t asked : {kCpv1, kCpv3, kCpv4}) {
    const absl::Status status = CheckProtocol(asked, source, target);
    if (asked == number) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_EQ(CkRv(status), LUNA_RET_OPERATION_RESTRICTED) << int{asked};
      EXPECT_EQ(base::Reason(status), "cloning-protocol") << int{asked};
    }
  }
}

TEST(ProtocolVersionTest, NewWithNew_IsCpv3AndNothingElse) {
  ExpectOnly(kCpv3, App({7, 7, 0}), Backup({7, 7, 1}));
  ExpectOnly(kCpv3, Backup({7, 7, 2}), App({7, 7, 1}));
  ExpectOnly(kCpv3, App({7, 8, 0}), App({7, 8, 0}));
}

TEST(ProtocolVersionTest, OldFirmwareAtEitherEnd_IsCpv1) {
  ExpectOnly(kCpv1, App({7, 4, 0}), Backup({7, 3, 2}));
  ExpectOnly(kCpv1, App({7, 4, 0}), Backup({7, 7, 1}));
  ExpectOnly(kCpv1, Backup({7, 7, 1}), App({7, 4, 0}));
  ExpectOnly(kCpv1, App({6, 24, 0}), App({7, 7, 0}));
}

TEST(ProtocolVersionTest, Policy42AtEitherEnd_IsCpv1) {
  ExpectOnly(kCpv1, App({7, 7, 1}, 1), Backup({7, 7, 1}));
  ExpectOnly(kCpv1, Backup({7, 7, 1}), App({7, 7, 1}, 1));
  ExpectOnly(kCpv1, App({7, 7, 1}), App({7, 7, 1}, 1));
}

// BR-2, BR-4: the code of the compatibility matrix, in the opening.
TEST(ProtocolVersionTest, WhatNoObjectCouldPass_IsRefusedInTheOpening) {
  struct Row {
    Introduction source, target;
    const char* reason;
  };
  for (const Row& row :
       {Row{App({7, 7, 0}), Backup({7, 3, 2}), "backup-firmware"},
        Row{Backup({7, 3, 2}), App({7, 7, 0}), "backup-firmware"},
        Row{App({7, 7, 0}), App({7, 4, 0}), "lower-security"}}) {
    const absl::Status status = CheckProtocol(kCpv1, row.source, row.target);
    EXPECT_EQ(CkRv(status), LUNA_RET_OPERATION_RESTRICTED);
    EXPECT_EQ(base::Reason(status), row.reason);
  }
}

TEST(ProtocolVersionTest, NothingInCommon_IsRestricted) {
  const absl::Status status =
      CheckProtocol(kCpv3, App({7, 7, 0}), App({9, 9, 9}));
  EXPECT_EQ(CkRv(status), LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(base::Reason(status), "cloning-protocol");
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
