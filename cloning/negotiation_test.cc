// CPv4: what the two ends choose, shares, domains, and what a courier or a
// lying end can do about it.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/wire.h"
#include "cloning/test_protocol.h"

namespace cloning {
namespace {

using base::CkRv;
using Numbers = std::vector<uint8_t>;

class NegotiationTest : public ::testing::Test {
 protected:
  NegotiationTest() { cpv4 = true; }
  ~NegotiationTest() override { cpv4 = false; }
};

RunOptions With(RunOptions options, Numbers suites) {
  options.negotiation.suites = std::move(suites);
  return options;
}

RunOptions In(RunOptions options, const Numbers& domains) {
  options.domain_secret = Domain(domains.at(0));
  options.further_domains.clear();
  for (size_t i = 1; i < domains.size(); ++i) {
    options.further_domains.push_back(Domain(domains[i]));
  }
  return options;
}

// Source and target from here to there, with one record on the way.
absl::Status Meet(RunOptions from, RunOptions to, uint8_t* suite = nullptr) {
  ASSIGN_OR_RETURN(SourceOffer offer, SourceOffer::Start(std::move(from)));
  ASSIGN_OR_RETURN(TargetRun target,
                   TargetRun::Join(std::move(to), offer.hello()));
  ASSIGN_OR_RETURN(SourceRun source, std::move(offer).Bind(target.reply()));
  if (suite != nullptr) *suite = source.cipher_suite()->number;
  const RecordDraft draft = RecordDraft::Of(RecordOf(1, AppStatement()));
  ASSIGN_OR_RETURN(const Bytes sealed,
                   source.Seal(absl::MakeConstSpan(&draft, 1)));
  return target.Open(sealed).status();
}

// --- suites ---

TEST_F(NegotiationTest, Table_IsTheDocumentedOne) {
  ASSERT_EQ(CipherSuites().size(), 3u);
  EXPECT_FALSE(FindCipherSuite(1)->further.has_value());
  EXPECT_EQ(FindCipherSuite(2)->further, base::ShareKind::kX25519);
  EXPECT_EQ(FindCipherSuite(3)->further, base::ShareKind::kMlKem1024);
  EXPECT_EQ(FindCipherSuite(0), nullptr);
  EXPECT_EQ(AvailableSuites({2}), AvailableSuites({2, 9}));
  EXPECT_TRUE(AvailableSuites({1, 2, 3}).empty());
}

TEST_F(NegotiationTest, HighestOfBothIsUsed) {
  struct Row {
    Numbers source, target;
    uint8_t used;
  };
  for (const Row& row :
       {Row{{1, 2}, {1, 2}, 2}, Row{{1}, {1, 2}, 1}, Row{{1, 2}, {1}, 1},
        Row{{2}, {1, 2}, 2}, Row{{1, 2, 3}, {1, 2}, 2}}) {
    if (row.source.back() == 3 && !FindCipherSuite(3)->available()) continue;
    uint8_t used = 0;
    const absl::Status status =
        Meet(With(App(), row.source), With(Backup(), row.target), &used);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(used, row.used);
  }
}

TEST_F(NegotiationTest, MlKem_IsUsedWhereBothHaveIt) {
  if (!FindCipherSuite(3)->available()) GTEST_SKIP() << "not in this OpenSSL";
  uint8_t used = 0;
  const absl::Status status = Meet(App(), Backup(), &used);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(used, 3);
}

// Also an end that claims a suite which it does not have.
TEST_F(NegotiationTest, NoSuiteInCommon_IsNoFallBack) {
  EXPECT_EQ(CkRv(Meet(With(App(), {1}), With(Backup(), {2}))),
            CKR_SESSION_NEGOTIATION_NO_ALGS);
  EXPECT_EQ(CkRv(Meet(With(App(), {2}), With(Backup(), {1}))),
            CKR_SESSION_NEGOTIATION_NO_ALGS);
}

TEST_F(NegotiationTest, UnsetClockAtEitherEnd_IsCpv3) {
  RunOptions unset = App();
  unset.negotiation.clock_set = false;
  Pair run = Pair::Open(std::move(unset), Backup());
  EXPECT_EQ(run.source.version().number, kCpv3);
  EXPECT_EQ(run.source.cipher_suite(), nullptr);
  unset = Backup();
  unset.negotiation.clock_set = false;
  run = Pair::Open(App(), std::move(unset));
  EXPECT_EQ(run.source.version().number, kCpv3);
}

TEST_F(NegotiationTest, OlderPeer_IsCpv3) {
  hsm::Statement older = BackupStatement();
  older.firmware = {7, 7, 1};
  const Pair run = Pair::Open(App(), Backup(Domain(), older));
  EXPECT_EQ(run.source.version().number, kCpv3);
  EXPECT_EQ(run.target.version().number, kCpv3);
}

// --- a courier ---

TEST_F(NegotiationTest, OtherSuiteInFrontOfAReply_IsRefused) {
  for (const uint8_t suite : {0, 1, 3, 255}) {
    SourceOffer offer = SourceOffer::Start(With(App(), {1, 2})).value();
    const TargetRun target =
        TargetRun::Join(With(Backup(), {1, 2}), offer.hello()).value();
    Bytes reply = target.reply();
    ASSERT_EQ(reply[17], 2);
    reply[17] = suite;
    EXPECT_EQ(CkRv(std::move(offer).Bind(reply).status()), CKR_DEVICE_ERROR);
  }
}

TEST_F(NegotiationTest, ShortenedSuites_AreRefused) {
  const SourceOffer offer = SourceOffer::Start(With(App(), {1, 2})).value();
  Bytes hello = offer.hello();
  const Bytes list = {0, 0, 0, 2, 1, 2};
  const auto at =
      std::search(hello.begin(), hello.end(), list.begin(), list.end());
  ASSERT_NE(at, hello.end());
  at[5] = 9;
  EXPECT_EQ(CkRv(TargetRun::Join(With(Backup(), {1, 2}), hello).status()),
            CKR_DEVICE_ERROR);
}

TEST_F(NegotiationTest, Cpv4TakenOutOfTheList_IsRefused) {
  const SourceOffer offer = SourceOffer::Start(App()).value();
  Bytes hello = offer.hello();
  hello[0] = kCpv3;
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), hello).status()), CKR_DEVICE_ERROR);
}

// Where `share` stands in a message.
size_t PlaceOf(const Bytes& message, ByteSpan share) {
  const auto at =
      std::search(message.begin(), message.end(), share.begin(), share.end());
  EXPECT_NE(at, message.end());
  return static_cast<size_t>(at - message.begin());
}

Introduction IntroductionIn(const Bytes& hello) {
  const Bytes statement =
      handshake::UncheckedStatement(ByteSpan(hello).subspan(1)).value();
  return wire::Decode<Introduction>(statement, "introduction").value();
}

TEST_F(NegotiationTest, AlteredShareOfTheSource_IsRefused) {
  const SourceOffer offer = SourceOffer::Start(App()).value();
  const Introduction introduction = IntroductionIn(offer.hello());
  EXPECT_EQ(introduction.shares.size(), introduction.suites.size() - 1);
  for (const SuiteShare& row : introduction.shares) {
    const size_t place = PlaceOf(offer.hello(), row.share);
    EXPECT_EQ(
        CkRv(TargetRun::Join(Backup(), Flipped(offer.hello(), 8 * place + 5))
                 .status()),
        CKR_DEVICE_ERROR);
  }
}

// The reply's introduction begins behind its certificate.
TEST_F(NegotiationTest, AlteredShareOfTheTarget_IsRefused) {
  for (const uint8_t suite : AvailableSuites({1})) {
    SourceOffer offer = SourceOffer::Start(With(App(), {suite})).value();
    const TargetRun target =
        TargetRun::Join(With(Backup(), {suite}), offer.hello()).value();
    wire::Reader r(ByteSpan(target.reply()).subspan(18 + 2));
    r.Sized();
    const Bytes statement = base::ToBytes(r.Sized());
    const Introduction introduction =
        wire::Decode<Introduction>(statement, "introduction").value();
    ASSERT_EQ(introduction.shares.size(), 1u);
    const size_t place = PlaceOf(target.reply(), introduction.shares[0].share);
    EXPECT_EQ(CkRv(std::move(offer)
                       .Bind(Flipped(target.reply(), 8 * place + 5))
                       .status()),
              CKR_DEVICE_ERROR);
  }
}

TEST_F(NegotiationTest, SharesOfTwoRuns_AreOthers) {
  const SourceOffer one = SourceOffer::Start(App()).value();
  const SourceOffer two = SourceOffer::Start(App()).value();
  EXPECT_NE(IntroductionIn(one.hello()).shares[0].share,
            IntroductionIn(two.hello()).shares[0].share);
}

// --- a lying end ---

// A source whose introduction is `own`, signed by a device of the fleet.
Bytes HelloOf(const Introduction& own) {
  handshake::Options exchange;
  exchange.purpose = "perigee clone 4";
  exchange.identity = Ends().app.get();
  exchange.statement = wire::Encode(own);
  const handshake::Initiator initiator =
      handshake::Initiator::Start(std::move(exchange)).value();
  Bytes hello = {kCpv4};
  hello.insert(hello.end(), initiator.hello().begin(), initiator.hello().end());
  return hello;
}

TEST_F(NegotiationTest, SourceWithoutTheShareOfItsSuite_IsRefused) {
  Introduction own = Introduce(AppStatement(), ANegotiation());
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), HelloOf(own)).status()),
            CKR_DEVICE_ERROR);
  const uint8_t highest = own.suites.back();
  own.shares = {{highest, Bytes(32, 0)}};  // too short, or of small order
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), HelloOf(own)).status()),
            CKR_DEVICE_ERROR);
}

// Its own signed list says that both have a better suite.
TEST_F(NegotiationTest, TargetThatAnswersForALowerSuite_IsRefused) {
  SourceOffer offer = SourceOffer::Start(With(App(), {1, 2})).value();
  handshake::Options hostile;
  hostile.purpose = "perigee clone 4 P-384";
  hostile.hello_purpose = "perigee clone 4";
  hostile.identity = Ends().other.get();
  hostile.statement = wire::Encode(
      Introduce(BackupStatement(), {.clock_set = true, .suites = {1, 2}}));
  hostile.several_domains = true;
  hostile.domain_secret = Domain();
  const handshake::Responder responder =
      handshake::Responder::Answer(std::move(hostile),
                                   ByteSpan(offer.hello()).subspan(1))
          .value();
  wire::Writer reply;
  reply.U8(kCpv4);
  reply.Raw(IdOfHello(offer.hello()));
  reply.U8(1);
  reply.Raw(responder.reply());
  const auto bound = std::move(offer).Bind(reply.bytes());
  EXPECT_EQ(CkRv(bound.status()), LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(base::Reason(bound.status()), "cipher-suite");
}

// --- domains ---

TEST_F(NegotiationTest, AnyCommonDomainWillDo) {
  EXPECT_EQ(CkRv(Meet(In(App(), {1, 2, 3}), In(Backup(), {4, 5, 3}))), CKR_OK);
  EXPECT_EQ(CkRv(Meet(In(App(), {1}), In(Backup(), {2, 1}))), CKR_OK);
  EXPECT_EQ(CkRv(Meet(In(App(), {1, 2}), In(Backup(), {3, 4}))),
            CKR_CERTIFICATE_INVALID);
}

// An end without CPv4 has one domain: the other's primary one counts.
TEST_F(NegotiationTest, InCpv3ThePrimaryDomainsCount) {
  const auto older = [](RunOptions options) {
    options.negotiation = Negotiation();
    return options;
  };
  EXPECT_EQ(CkRv(Meet(older(In(App(), {1})), In(Backup(), {2, 1}))),
            CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(CkRv(Meet(older(In(App(), {1})), In(Backup(), {1, 2}))), CKR_OK);
  EXPECT_EQ(CkRv(Meet(In(App(), {2, 1}), older(In(Backup(), {1})))),
            CKR_CERTIFICATE_INVALID);
}

TEST_F(NegotiationTest, HelloAndReply_AreBelowTheirLimitWithEveryShare) {
  hsm::Statement longest = AppStatement();
  longest.partition_label = std::string(64, 'x');
  const SourceOffer offer = SourceOffer::Start(App(Domain(), longest)).value();
  const TargetRun target = TargetRun::Join(Backup(), offer.hello()).value();
  EXPECT_LT(offer.hello().size() + 2048, kMaxOpening);
  EXPECT_LT(target.reply().size() + 2048, kMaxOpening);
}

}  // namespace
}  // namespace cloning
