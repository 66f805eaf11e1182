// Which protocol two HSMs use.
#include "cloning/protocol_version.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/wire.h"

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
  EXPECT_TRUE(FindProtocolVersion(4)->available());
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

// --- CPv4 ---

Negotiation Ready(Numbers suites = {1, 2}) {
  return {.clock_set = true, .suites = std::move(suites)};
}

Introduction WithClock(Introduction introduction) {
  return Introduce(introduction.statement, Ready());
}

// Every profile, with a set clock: who offers what.
TEST(ProtocolVersionTest, SetClock_OffersCpv4FromFirmware780OnAlone) {
  for (const hsm::FirmwareProfile& row : hsm::FirmwareProfiles()) {
    const Introduction bare = End(row.kind, row.version);
    const Introduction ready = WithClock(bare);
    if (row.kind == Kind::kApplication &&
        row.version >= FirmwareVersion{7, 8, 0}) {
      EXPECT_EQ(ready.protocols, (Numbers{1, 3, 4}));
      EXPECT_EQ(ready.format, 2);
      EXPECT_EQ(ready.suites, (Numbers{1, 2}));
    } else {
      EXPECT_EQ(ready.protocols, bare.protocols) << row.version.ToString();
      EXPECT_EQ(ready.format, 1);
      EXPECT_TRUE(ready.suites.empty());
    }
  }
}

TEST(ProtocolVersionTest, WithoutClockOrSuite_NoCpv4AndAReason) {
  const hsm::Statement own = App({7, 8, 0}).statement;
  EXPECT_EQ(WhyNotCpv4(own, Ready()), "");
  Negotiation unset = Ready();
  unset.clock_set = false;
  EXPECT_EQ(Introduce(own, unset).protocols, (Numbers{1, 3}));
  EXPECT_EQ(WhyNotCpv4(own, unset), "the HSM's clock is not set");
  EXPECT_EQ(Introduce(own, Ready(Numbers{})).protocols, (Numbers{1, 3}));
  EXPECT_EQ(WhyNotCpv4(own, Ready(Numbers{})), "no cipher suite is enabled");
  EXPECT_EQ(WhyNotCpv4(App({7, 7, 1}).statement, Ready()),
            "the firmware has no CPv4");
}

TEST(ProtocolVersionTest, Policy42_SwitchesCpv4Off) {
  const Introduction end = WithClock(App({7, 8, 0}, 1));
  EXPECT_EQ(end.protocols, Numbers{1});
  EXPECT_EQ(end.format, 1);
  EXPECT_EQ(WhyNotCpv4(end.statement, Ready()),
            "partition policy 42 wants CPv1");
}

// The protocol of every pair of profiles of which each has something in common.
TEST(ProtocolVersionTest, EveryPair_UsesTheHighestThatBothOffer) {
  for (const hsm::FirmwareProfile& a : hsm::FirmwareProfiles()) {
    for (const hsm::FirmwareProfile& b : hsm::FirmwareProfiles()) {
      const Introduction source = WithClock(End(a.kind, a.version));
      const Introduction target = WithClock(End(b.kind, b.version));
      const uint8_t expected = a.cpv4 && b.cpv4   ? kCpv4
                               : a.cpv3 && b.cpv3 ? kCpv3
                                                  : kCpv1;
      EXPECT_EQ(CommonProtocol(source, target), expected)
          << a.version.ToString() << " " << b.version.ToString();
    }
  }
}

TEST(ProtocolVersionTest, Suite_IsTheHighestOfBoth) {
  const hsm::Statement own = App({7, 8, 0}).statement;
  const Introduction all = Introduce(own, Ready({1, 2, 3}));
  const Introduction some = Introduce(own, Ready({1, 2}));
  EXPECT_EQ(CommonSuite(all, some), 2);
  EXPECT_TRUE(CheckSuite(2, all, some).ok());
  for (const uint8_t other : {0, 1, 3}) {
    const absl::Status status = CheckSuite(other, some, all);
    EXPECT_EQ(CkRv(status), LUNA_RET_OPERATION_RESTRICTED);
    EXPECT_EQ(base::Reason(status), "cipher-suite");
  }
  const absl::Status none =
      CheckSuite(0, Introduce(own, Ready({1})), Introduce(own, Ready({2})));
  EXPECT_EQ(CkRv(none), CKR_SESSION_NEGOTIATION_NO_ALGS);
}

// What a peer may say of itself, byte by byte, with a certificate that fits.
TEST(ProtocolVersionTest, MalformedIntroductionsAreRefused) {
  const base::P384Key key = *base::P384Key::Generate();
  const base::Certificate certificate = *base::Certificate::Issue(
      {"1001", "perigee", "application"}, key.public_point(), key, nullptr);
  hsm::Statement own = App({7, 8, 0}).statement;
  own.serial = "1001";
  own.model = "perigee";
  const Introduction good = Introduce(own, Ready({1, 2}));
  const auto parse = [&](const Introduction& introduction) {
    return CkRv(
        ParseIntroduction(certificate, wire::Encode(introduction)).status());
  };
  EXPECT_EQ(parse(good), CKR_OK);
  const std::function<void(Introduction&)> changes[] = {
      [](Introduction& i) { i.format = 1; },
      [](Introduction& i) { i.format = 3; },
      [](Introduction& i) {
        i.protocols = {1, 3};
      },
      [](Introduction& i) {
        i.protocols = {4, 3};
      },
      [](Introduction& i) { i.suites = {}; },
      [](Introduction& i) {
        i.suites = {2, 1};
      },
      [](Introduction& i) {
        i.suites = {1, 1};
      },
      [](Introduction& i) { i.suites = {1, 2, 3, 4, 5, 6, 7, 8, 9}; },
      [](Introduction& i) {
        i.shares = {{3, {1}}};
      },
      [](Introduction& i) {
        i.shares = {{2, {1}}, {2, {2}}};
      },
      [](Introduction& i) {
        i.shares = {{2, {1}}, {1, {2}}};
      },
  };
  for (const auto& change : changes) {
    Introduction bad = good;
    change(bad);
    EXPECT_EQ(parse(bad), CKR_DEVICE_ERROR) << &change - changes;
  }
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
