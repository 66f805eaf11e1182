// The exchange between two honest ends, and what a courier, an outsider or a
// confused end gets. The bytes are checked in handshake_format_test.cc.
#include "base/handshake.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/wire.h"

namespace handshake {

// Answers one message many times, where the public functions answer once.
class HandshakeTestPeer {
 public:
  static CK_RV Finish(const Initiator& initiator, ByteSpan reply) {
    return base::CkRv(Initiator::FinishFrom(*initiator.state_, reply).status());
  }
  static CK_RV Confirm(const Responder& responder, ByteSpan finish) {
    return base::CkRv(
        Responder::ConfirmFrom(*responder.state_, finish).status());
  }
};

namespace {

using base::Certificate;
using base::CkRv;
using base::Identity;
using base::P384Key;

constexpr char kPurpose[] = "perigee test 1";

// A root and identities under it; `stranger` is under another root.
struct Fleet {
  P384Key root_key = P384Key::Generate().value();
  Certificate root = NewRoot(root_key);
  P384Key other_root_key = P384Key::Generate().value();
  Certificate other_root = NewRoot(other_root_key);
  Identity alice = NewIdentity("1001", root_key, root);
  Identity bob = NewIdentity("1002", root_key, root);
  Identity stranger = NewIdentity("1003", other_root_key, other_root);

  static Certificate NewRoot(const P384Key& key) {
    return Certificate::Issue({"fleet root", "", "root"}, key.public_point(),
                              key, nullptr)
        .value();
  }
  static Identity NewIdentity(const std::string& serial,
                              const P384Key& root_key,
                              const Certificate& root) {
    P384Key key = P384Key::Generate().value();
    Certificate certificate =
        Certificate::Issue({serial, "perigee", "backup"}, key.public_point(),
                           root_key, &root)
            .value();
    return Identity{std::move(key), std::move(certificate), {root}};
  }
};

const Fleet& TheFleet() {
  static const Fleet* const fleet = new Fleet();
  return *fleet;
}

SecretBytes Domain(uint8_t byte, size_t size = 32) {
  return SecretBytes::CopyOf(Bytes(size, byte));
}

Options As(const Identity& identity, absl::string_view statement,
           SecretBytes domain = Domain(7)) {
  Options options;
  options.purpose = kPurpose;
  options.identity = &identity;
  options.statement = base::ToBytes(base::AsBytes(statement));
  options.domain_secret = std::move(domain);
  return options;
}

Options Alice() { return As(TheFleet().alice, "alice"); }
Options Bob() { return As(TheFleet().bob, "bob"); }

// The exchange up to the reply, for tests of what comes after.
struct Exchange {
  explicit Exchange(Options initiator_options, Options responder_options)
      : initiator(Initiator::Start(std::move(initiator_options)).value()),
        responder(
            Responder::Answer(std::move(responder_options), initiator.hello())
                .value()) {}
  Exchange() : Exchange(Alice(), Bob()) {}

  Initiator initiator;
  Responder responder;
};

// Signatures make the size of a message vary by some bytes.
Bytes Flipped(const Bytes& message, size_t bit) {
  Bytes out = message;
  bit %= 8 * out.size();
  out[bit / 8] ^= 1 << (bit % 8);
  return out;
}

CK_RV AnswerRv(Options options, ByteSpan hello) {
  return CkRv(Responder::Answer(std::move(options), hello).status());
}

// Both ends' results must belong together.
void ExpectSame(const Established& initiator, const Established& responder) {
  EXPECT_TRUE(initiator.send_key.Equals(responder.receive_key));
  EXPECT_TRUE(initiator.receive_key.Equals(responder.send_key));
  EXPECT_FALSE(initiator.send_key.Equals(initiator.receive_key));
  EXPECT_EQ(initiator.send_key.size(), 32u);
  EXPECT_EQ(initiator.receive_key.size(), 32u);
  EXPECT_EQ(initiator.transcript, responder.transcript);
  EXPECT_EQ(initiator.transcript.size(), 48u);
}

// --- several purposes behind one hello ---

constexpr char kOther[] = "perigee test 2";

Options BobAnswersForOther() {
  Options options = As(TheFleet().bob, "bob", SecretBytes());
  options.purpose = kOther;
  options.hello_purpose = kPurpose;
  return options;
}

TEST(HandshakeTermsTest, AnswerForAnotherPurpose_AgreesWhenBothTakeIt) {
  Exchange run(Alice(), BobAnswersForOther());
  ASSERT_TRUE(run.initiator.SetTerms({kOther, nullptr, SecretBytes()}).ok());
  auto result = std::move(run.initiator).Finish(run.responder.reply());
  ASSERT_TRUE(result.ok()) << result.status();
  const auto established = std::move(run.responder).Confirm(result->finish);
  ASSERT_TRUE(established.ok()) << established.status();
  EXPECT_EQ(established->transcript, result->established.transcript);
  EXPECT_TRUE(established->receive_key.Equals(result->established.send_key));
}

TEST(HandshakeTermsTest, AnswerForAnotherPurposeThanExpected_IsRefused) {
  Exchange run(Alice(), BobAnswersForOther());
  EXPECT_EQ(
      CkRv(std::move(run.initiator).Finish(run.responder.reply()).status()),
      CKR_DEVICE_ERROR);
  Exchange plain;
  ASSERT_TRUE(plain.initiator.SetTerms({kOther, nullptr, Domain(7)}).ok());
  EXPECT_EQ(
      CkRv(std::move(plain.initiator).Finish(plain.responder.reply()).status()),
      CKR_DEVICE_ERROR);
}

TEST(HandshakeTermsTest, HelloOfAnotherPurpose_IsRefused) {
  Options alice = Alice();
  alice.purpose = kOther;
  const Initiator initiator = Initiator::Start(std::move(alice)).value();
  EXPECT_EQ(AnswerRv(BobAnswersForOther(), initiator.hello()),
            CKR_DEVICE_ERROR);
}

TEST(HandshakeTermsTest, BadTerms_AreRefused) {
  Exchange run;
  EXPECT_EQ(CkRv(run.initiator.SetTerms({"", nullptr, Domain(7)})),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(CkRv(run.initiator.SetTerms({kOther, nullptr, Domain(7, 15)})),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(UncheckedStatement(run.initiator.hello()).value(),
            base::ToBytes(base::AsBytes("alice")));
  EXPECT_EQ(CkRv(UncheckedStatement(run.responder.reply()).status()),
            CKR_DEVICE_ERROR);
}

// --- honest ends ---

TEST(HandshakeTest, HonestEnds_AgreeAndKnowEachOther) {
  Exchange run;
  EXPECT_EQ(base::AsText(run.responder.peer().statement), "alice");
  auto result = std::move(run.initiator).Finish(run.responder.reply());
  ASSERT_TRUE(result.ok()) << result.status();
  auto confirmed = std::move(run.responder).Confirm(result->finish);
  ASSERT_TRUE(confirmed.ok()) << confirmed.status();
  ExpectSame(result->established, *confirmed);
  EXPECT_EQ(base::AsText(result->established.peer.statement), "bob");
  EXPECT_EQ(result->established.peer.certificate.name().serial, "1002");
  EXPECT_EQ(base::AsText(confirmed->peer.statement), "alice");
  EXPECT_EQ(confirmed->peer.certificate.name().serial, "1001");
}

void ExpectSuccess(Options initiator, Options responder) {
  Exchange run(std::move(initiator), std::move(responder));
  auto result = std::move(run.initiator).Finish(run.responder.reply());
  ASSERT_TRUE(result.ok()) << result.status();
  auto confirmed = std::move(run.responder).Confirm(result->finish);
  ASSERT_TRUE(confirmed.ok()) << confirmed.status();
  ExpectSame(result->established, *confirmed);
}

TEST(HandshakeTest, OneIdentityAndStatementAtBothEnds_Works) {
  ExpectSuccess(Alice(), Alice());
}

TEST(HandshakeTest, NoStatementsNoDomain_Works) {
  ExpectSuccess(As(TheFleet().alice, "", SecretBytes()),
                As(TheFleet().bob, "", SecretBytes()));
}

TEST(HandshakeTest, LongestStatement_Works) {
  const std::string longest(16384, 's');
  ExpectSuccess(As(TheFleet().alice, longest), As(TheFleet().bob, longest));
}

TEST(HandshakeTest, TwoRuns_ShareNoKey) {
  Exchange one, two;
  auto a = std::move(one.initiator).Finish(one.responder.reply());
  auto b = std::move(two.initiator).Finish(two.responder.reply());
  EXPECT_FALSE(a->established.send_key.Equals(b->established.send_key));
  EXPECT_FALSE(a->established.receive_key.Equals(b->established.receive_key));
  EXPECT_NE(a->established.transcript, b->established.transcript);
}

TEST(HandshakeTest, SecondRootIsTrustedToo) {
  Identity carol =
      Fleet::NewIdentity("1004", TheFleet().root_key, TheFleet().root);
  carol.roots.push_back(TheFleet().other_root);
  Initiator stranger = *Initiator::Start(As(TheFleet().stranger, ""));
  EXPECT_EQ(AnswerRv(As(carol, ""), stranger.hello()), CKR_OK);
}

// --- alterations ---

TEST(HandshakeBitFlipTest, AnyBitOfTheHello_IsRefused) {
  const Initiator initiator = *Initiator::Start(Alice());
  for (size_t bit = 0; bit < 8 * initiator.hello().size(); ++bit) {
    ASSERT_EQ(AnswerRv(Bob(), Flipped(initiator.hello(), bit)),
              CKR_DEVICE_ERROR)
        << bit;
  }
}

// Also in the confirmation: only the peer itself can cause DomainMismatch().
TEST(HandshakeBitFlipTest, AnyBitOfTheReply_IsRefused) {
  const Exchange run;
  const Bytes& reply = run.responder.reply();
  for (size_t bit = 0; bit < 8 * reply.size(); ++bit) {
    ASSERT_EQ(HandshakeTestPeer::Finish(run.initiator, Flipped(reply, bit)),
              CKR_DEVICE_ERROR)
        << bit;
  }
  EXPECT_EQ(HandshakeTestPeer::Finish(run.initiator, reply), CKR_OK);
}

TEST(HandshakeBitFlipTest, AnyBitOfTheFinish_IsRefused) {
  Exchange run;
  const Bytes finish =
      std::move(run.initiator).Finish(run.responder.reply())->finish;
  for (size_t bit = 0; bit < 8 * finish.size(); ++bit) {
    ASSERT_EQ(HandshakeTestPeer::Confirm(run.responder, Flipped(finish, bit)),
              CKR_DEVICE_ERROR)
        << bit;
  }
  EXPECT_EQ(HandshakeTestPeer::Confirm(run.responder, finish), CKR_OK);
}

TEST(HandshakeLengthTest, EveryPrefix_IsRefused) {
  Exchange run;
  const Bytes hello = run.initiator.hello();
  const Bytes reply = run.responder.reply();
  for (size_t size = 0; size < hello.size(); ++size) {
    ASSERT_EQ(AnswerRv(Bob(), ByteSpan(hello).first(size)), CKR_DEVICE_ERROR);
  }
  for (size_t size = 0; size < reply.size(); ++size) {
    ASSERT_EQ(
        HandshakeTestPeer::Finish(run.initiator, ByteSpan(reply).first(size)),
        CKR_DEVICE_ERROR);
  }
  const Bytes finish = std::move(run.initiator).Finish(reply)->finish;
  for (size_t size = 0; size < finish.size(); ++size) {
    ASSERT_EQ(
        HandshakeTestPeer::Confirm(run.responder, ByteSpan(finish).first(size)),
        CKR_DEVICE_ERROR);
  }
}

TEST(HandshakeLengthTest, TrailingBytes_AreRefused) {
  Exchange run;
  Bytes hello = run.initiator.hello(), reply = run.responder.reply();
  Bytes finish = std::move(run.initiator).Finish(reply)->finish;
  hello.push_back(0);
  reply.push_back(0);
  finish.push_back(0);
  EXPECT_EQ(AnswerRv(Bob(), hello), CKR_DEVICE_ERROR);
  EXPECT_EQ(HandshakeTestPeer::Finish(Exchange().initiator, reply),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(HandshakeTestPeer::Confirm(run.responder, finish),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(AnswerRv(Bob(), Bytes(1 << 20, 1)), CKR_DEVICE_ERROR);
}

// --- splicing and reflection ---

TEST(HandshakeSpliceTest, ReplyOfAnotherRun_IsRefused) {
  Exchange one, two;
  EXPECT_EQ(HandshakeTestPeer::Finish(one.initiator, two.responder.reply()),
            CKR_DEVICE_ERROR);
}

TEST(HandshakeSpliceTest, FinishOfAnotherRun_IsRefused) {
  Exchange one, two;
  auto result = std::move(one.initiator).Finish(one.responder.reply());
  EXPECT_EQ(HandshakeTestPeer::Confirm(two.responder, result->finish),
            CKR_DEVICE_ERROR);
}

TEST(HandshakeSpliceTest, ReplayedHello_IsAnsweredAndNeverConfirmed) {
  Exchange run;
  const Bytes hello = run.initiator.hello();
  auto result = std::move(run.initiator).Finish(run.responder.reply());
  auto replayed = Responder::Answer(Bob(), hello);
  ASSERT_TRUE(replayed.ok());
  EXPECT_NE(replayed->reply(), run.responder.reply());
  EXPECT_EQ(HandshakeTestPeer::Confirm(*replayed, result->finish),
            CKR_DEVICE_ERROR);
}

TEST(HandshakeSpliceTest, OtherPurpose_IsRefused) {
  const Initiator initiator = *Initiator::Start(Alice());
  Options other = Bob();
  other.purpose = "perigee test 2";
  EXPECT_EQ(AnswerRv(std::move(other), initiator.hello()), CKR_DEVICE_ERROR);
}

TEST(HandshakeReflectionTest, HelloAsReply_IsRefused) {
  const Exchange run(Alice(), Alice());
  EXPECT_EQ(HandshakeTestPeer::Finish(run.initiator, run.initiator.hello()),
            CKR_DEVICE_ERROR);
}

// The reflected body and signature in the form of a reply: the message number
// set to 2, and 48 bytes of confirmation before the signature.
TEST(HandshakeReflectionTest, HelloDressedAsReply_IsRefused) {
  const Exchange run(Alice(), Alice());
  wire::Reader r(run.initiator.hello());
  wire::Writer dressed;
  dressed.U8(r.U8());
  r.U8();
  dressed.U8(2);
  dressed.Sized(r.Sized());
  dressed.Sized(r.Sized());
  dressed.Raw(r.Raw(97));
  dressed.Raw(Bytes(48, 0));
  dressed.Sized(r.Sized());
  ASSERT_TRUE(r.Finish("hello").ok());
  EXPECT_EQ(HandshakeTestPeer::Finish(run.initiator, dressed.bytes()),
            CKR_DEVICE_ERROR);
}

TEST(HandshakeReflectionTest, ReplyAsFinishOrHello_IsRefused) {
  const Exchange run(Alice(), Alice());
  const Bytes& reply = run.responder.reply();
  EXPECT_EQ(HandshakeTestPeer::Confirm(run.responder, reply), CKR_DEVICE_ERROR);
  EXPECT_EQ(AnswerRv(Alice(), reply), CKR_DEVICE_ERROR);
}

// The responder's own confirmation and signature in the form of a finish.
TEST(HandshakeReflectionTest, ReplyDressedAsFinish_IsRefused) {
  const Exchange run(Alice(), Alice());
  wire::Reader r(run.responder.reply());
  r.Raw(2);
  r.Sized();
  r.Sized();
  r.Raw(97);
  wire::Writer dressed;
  dressed.U8(1);
  dressed.U8(3);
  dressed.Raw(r.Raw(48));
  dressed.Sized(r.Sized());
  ASSERT_TRUE(r.Finish("reply").ok());
  EXPECT_EQ(HandshakeTestPeer::Confirm(run.responder, dressed.bytes()),
            CKR_DEVICE_ERROR);
}

// --- domains ---

CK_RV DomainsRv(SecretBytes initiator, SecretBytes responder) {
  const Exchange run(As(TheFleet().alice, "", std::move(initiator)),
                     As(TheFleet().bob, "", std::move(responder)));
  return HandshakeTestPeer::Finish(run.initiator, run.responder.reply());
}

TEST(HandshakeDomainTest, DifferentDomains_AreToldApart) {
  EXPECT_EQ(DomainsRv(Domain(7), Domain(7)), CKR_OK);
  EXPECT_EQ(DomainsRv(Domain(7), Domain(8)), CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(DomainsRv(Domain(7), SecretBytes()), CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(CkRv(DomainMismatch()), CKR_CERTIFICATE_INVALID);
}

// HMAC pads a salt with zeros, so these would be equal to it.
TEST(HandshakeDomainTest, SecretsThatDifferInTrailingZeros_Differ) {
  EXPECT_EQ(DomainsRv(Domain(0, 32), Domain(0, 33)), CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(DomainsRv(Domain(0, 32), SecretBytes()), CKR_CERTIFICATE_INVALID);
}

// --- who the peer is ---

TEST(HandshakePeerTest, HelloUnderAnotherRoot_IsRefused) {
  const Initiator stranger = *Initiator::Start(As(TheFleet().stranger, ""));
  EXPECT_EQ(AnswerRv(Bob(), stranger.hello()), CKR_DEVICE_ERROR);
}

TEST(HandshakePeerTest, ReplyUnderAnotherRoot_IsRefused) {
  Identity stranger =
      Fleet::NewIdentity("9", TheFleet().other_root_key, TheFleet().other_root);
  stranger.roots = {TheFleet().root};
  const Exchange run(Alice(), As(stranger, ""));
  EXPECT_EQ(HandshakeTestPeer::Finish(run.initiator, run.responder.reply()),
            CKR_DEVICE_ERROR);
}

TEST(HandshakePeerTest, SomebodyElsesCertificate_IsRefused) {
  Identity thief{*P384Key::Generate(), TheFleet().alice.certificate, {}};
  const Initiator initiator = *Initiator::Start(As(thief, "alice"));
  EXPECT_EQ(AnswerRv(Bob(), initiator.hello()), CKR_DEVICE_ERROR);
}

PeerCheck Refusing(bool* asked) {
  return [asked](const Certificate&, ByteSpan) {
    *asked = true;
    return base::ErrorWithReason(LUNA_RET_OPERATION_RESTRICTED,
                                 "restricted-restore", "no");
  };
}

TEST(HandshakePeerTest, RespondersCheck_DecidesAndItsErrorIsKept) {
  bool asked = false;
  Options options = Bob();
  options.check_peer = Refusing(&asked);
  const Initiator initiator = *Initiator::Start(Alice());
  const auto answer = Responder::Answer(std::move(options), initiator.hello());
  EXPECT_EQ(CkRv(answer.status()), CK_RV{LUNA_RET_OPERATION_RESTRICTED});
  EXPECT_EQ(base::Reason(answer.status()), "restricted-restore");
  EXPECT_TRUE(asked);
}

TEST(HandshakePeerTest, InitiatorsCheck_ComesBeforeTheDomain) {
  bool asked = false;
  Options options = As(TheFleet().alice, "", Domain(1));
  options.check_peer = Refusing(&asked);
  const Exchange run(std::move(options), As(TheFleet().bob, "", Domain(2)));
  EXPECT_EQ(HandshakeTestPeer::Finish(run.initiator, run.responder.reply()),
            CK_RV{LUNA_RET_OPERATION_RESTRICTED});
}

TEST(HandshakePeerTest, CheckIsNotAsked_AboutAnUnauthenticatedPeer) {
  bool asked = false;
  Options options = Bob();
  options.check_peer = Refusing(&asked);
  Bytes hello = Initiator::Start(Alice())->hello();
  hello.back() ^= 1;
  EXPECT_EQ(AnswerRv(std::move(options), hello), CKR_DEVICE_ERROR);
  EXPECT_FALSE(asked);
}

TEST(HandshakePeerTest, CheckSeesCertificateAndStatement) {
  std::string seen;
  Options options = Bob();
  options.check_peer = [&seen](const Certificate& peer, ByteSpan statement) {
    seen = peer.name().serial + " " + std::string(base::AsText(statement));
    return absl::OkStatus();
  };
  EXPECT_EQ(AnswerRv(std::move(options), Initiator::Start(Alice())->hello()),
            CKR_OK);
  EXPECT_EQ(seen, "1001 alice");
}

// --- adoption ---

Options Adopting(const Identity& identity, PeerCheck check) {
  Options options = As(identity, "", SecretBytes());
  options.accept_unknown_peer = true;
  options.check_peer = std::move(check);
  return options;
}

PeerCheck Pinned(const Identity& identity) {
  return [fingerprint = identity.certificate.fingerprint()](
             const Certificate& peer, ByteSpan) {
    if (peer.fingerprint() == fingerprint) return absl::OkStatus();
    return base::Error(CKR_DEVICE_ERROR, "another device");
  };
}

TEST(HandshakeAdoptionTest, UnknownHostAndPinnedDevice_Works) {
  const Fleet& f = TheFleet();
  ExpectSuccess(Adopting(f.stranger, Pinned(f.bob)), Adopting(f.bob, nullptr));
}

TEST(HandshakeAdoptionTest, DeviceWithAnotherFingerprint_IsRefused) {
  const Fleet& f = TheFleet();
  const Exchange run(Adopting(f.stranger, Pinned(f.alice)),
                     Adopting(f.bob, nullptr));
  EXPECT_EQ(HandshakeTestPeer::Finish(run.initiator, run.responder.reply()),
            CKR_DEVICE_ERROR);
}

TEST(HandshakeAdoptionTest, SignatureMustStillFit) {
  const Fleet& f = TheFleet();
  Identity thief{*P384Key::Generate(), f.stranger.certificate, {}};
  const Initiator initiator = *Initiator::Start(Adopting(thief, Pinned(f.bob)));
  EXPECT_EQ(AnswerRv(Adopting(f.bob, nullptr), initiator.hello()),
            CKR_DEVICE_ERROR);
}

TEST(HandshakeAdoptionTest, RootAsPeer_IsRefused) {
  const Fleet& f = TheFleet();
  Identity root{
      *P384Key::FromPrivateDer(f.other_root_key.PrivateDer()->Expose()),
      f.other_root,
      {}};
  const Initiator initiator = *Initiator::Start(Adopting(root, Pinned(f.bob)));
  EXPECT_EQ(AnswerRv(Adopting(f.bob, nullptr), initiator.hello()),
            CKR_DEVICE_ERROR);
}

// An unknown peer must get no test of a guessed domain.
TEST(HandshakeAdoptionTest, WithADomainSecret_IsRefused) {
  const Fleet& f = TheFleet();
  Options options = Adopting(f.bob, Pinned(f.alice));
  options.domain_secret = Domain(7);
  EXPECT_EQ(AnswerRv(std::move(options), Initiator::Start(Alice())->hello()),
            CKR_ARGUMENTS_BAD);
}

TEST(HandshakeAdoptionTest, InitiatorWithoutACheck_IsRefused) {
  EXPECT_EQ(
      CkRv(Initiator::Start(Adopting(TheFleet().stranger, nullptr)).status()),
      CKR_ARGUMENTS_BAD);
}

// --- use of the interface ---

TEST(HandshakeUseTest, FailedStep_EndsTheExchange) {
  Exchange run;
  EXPECT_FALSE(std::move(run.initiator).Finish({}).ok());
  EXPECT_EQ(
      CkRv(std::move(run.initiator).Finish(run.responder.reply()).status()),
      CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_FALSE(std::move(run.responder).Confirm({}).ok());
  EXPECT_EQ(CkRv(std::move(run.responder).Confirm({}).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

CK_RV StartRv(Options options) {
  return CkRv(Initiator::Start(std::move(options)).status());
}

TEST(HandshakeUseTest, BadOptions_AreRefused) {
  Options nobody = Alice(), no_purpose = Alice(), long_purpose = Alice();
  nobody.identity = nullptr;
  no_purpose.purpose.clear();
  long_purpose.purpose.assign(65, 'p');
  EXPECT_EQ(StartRv(std::move(nobody)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(StartRv(std::move(no_purpose)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(StartRv(std::move(long_purpose)), CKR_ARGUMENTS_BAD);
  const Identity& alice = TheFleet().alice;
  EXPECT_EQ(StartRv(As(alice, std::string(16385, 's'))), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(StartRv(As(alice, "", Domain(7, 15))), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(StartRv(As(alice, "", Domain(7, 129))), CKR_ARGUMENTS_BAD);
}

// --- several domains ---

Options In(Options options, std::initializer_list<uint8_t> domains) {
  options.several_domains = true;
  options.further_domains.clear();
  for (const uint8_t domain : domains) {
    options.further_domains.push_back(Domain(domain));
  }
  options.domain_secret = std::move(options.further_domains.front());
  options.further_domains.erase(options.further_domains.begin());
  return options;
}

// The initiator's answer, and that both ends then agree.
CK_RV Meet(Options initiator, Options responder) {
  Exchange run(std::move(initiator), std::move(responder));
  auto result = std::move(run.initiator).Finish(run.responder.reply());
  if (!result.ok()) return CkRv(result.status());
  const auto established = std::move(run.responder).Confirm(result->finish);
  if (!established.ok()) return CkRv(established.status());
  ExpectSame(result->established, *established);
  return CKR_OK;
}

TEST(HandshakeDomainsTest, AnyCommonDomainWillDo) {
  EXPECT_EQ(Meet(In(Alice(), {1}), In(Bob(), {1})), CKR_OK);
  EXPECT_EQ(Meet(In(Alice(), {1, 2, 3}), In(Bob(), {4, 5, 3})), CKR_OK);
  EXPECT_EQ(Meet(In(Alice(), {1, 2, 3}), In(Bob(), {2})), CKR_OK);
  EXPECT_EQ(Meet(In(Alice(), {2}), In(Bob(), {1, 3, 2})), CKR_OK);
  EXPECT_EQ(Meet(In(Alice(), {1, 2}), In(Bob(), {2, 1})), CKR_OK);
}

TEST(HandshakeDomainsTest, NoneInCommonIsTheDomainsError) {
  EXPECT_EQ(Meet(In(Alice(), {1, 2, 3}), In(Bob(), {4, 5, 6})),
            CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(Meet(In(Alice(), {1}), In(Bob(), {2})), CKR_CERTIFICATE_INVALID);
}

// A signature varies by some bytes.
TEST(HandshakeDomainsTest, NumberOfDomainsDoesNotShow) {
  const Exchange one(In(Alice(), {1}), In(Bob(), {1}));
  const Exchange three(In(Alice(), {1}), In(Bob(), {1, 2, 3}));
  EXPECT_NEAR(static_cast<double>(one.responder.reply().size()),
              static_cast<double>(three.responder.reply().size()), 8);
}

TEST(HandshakeDomainsTest, AlteredConfirmationIsNoDomainError) {
  for (size_t bit = 0; bit < 144 * 8; bit += 13) {
    Exchange run(In(Alice(), {1, 2, 3}), In(Bob(), {4, 5, 3}));
    const Bytes& reply = run.responder.reply();
    // Confirmations stand before the sized signature at the end.
    wire::Reader r(reply);
    r.Raw(2);
    r.Sized();
    r.Sized();
    r.Raw(97);
    const size_t begin = reply.size() - r.remaining();
    EXPECT_EQ(CkRv(std::move(run.initiator)
                       .Finish(Flipped(reply, begin * 8 + bit))
                       .status()),
              CKR_DEVICE_ERROR)
        << bit;
  }
}

TEST(HandshakeDomainsTest, SeveralAtOneEndOnlyIsAnotherFormat) {
  Exchange run(In(Alice(), {7}), Bob());
  EXPECT_EQ(
      CkRv(std::move(run.initiator).Finish(run.responder.reply()).status()),
      CKR_DEVICE_ERROR);
  Exchange back(Alice(), In(Bob(), {7}));
  EXPECT_EQ(
      CkRv(std::move(back.initiator).Finish(back.responder.reply()).status()),
      CKR_DEVICE_ERROR);
}

TEST(HandshakeDomainsTest, BadOptionsAreRefused) {
  Options none = Alice();
  none.several_domains = true;
  none.domain_secret = SecretBytes();
  EXPECT_EQ(CkRv(Initiator::Start(std::move(none)).status()),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(CkRv(Initiator::Start(In(Alice(), {1, 2, 3, 4})).status()),
            CKR_ARGUMENTS_BAD);
  Options single = In(Alice(), {1, 2});
  single.several_domains = false;
  EXPECT_EQ(CkRv(Initiator::Start(std::move(single)).status()),
            CKR_ARGUMENTS_BAD);
  Options shortest = In(Alice(), {1, 2});
  shortest.further_domains[0].Truncate(15);
  EXPECT_EQ(CkRv(Initiator::Start(std::move(shortest)).status()),
            CKR_ARGUMENTS_BAD);
}

// --- a further agreement ---

Options WithFurther(Options options, uint8_t secret,
                    absl::string_view statement = "") {
  options.further_agreement = [=](ByteSpan) {
    return Agreed{Domain(secret), base::ToBytes(base::AsBytes(statement))};
  };
  return options;
}

TEST(HandshakeFurtherTest, SameSecretAtBothEnds_Agrees) {
  EXPECT_EQ(Meet(WithFurther(Alice(), 1), WithFurther(Bob(), 1, "bob")),
            CKR_OK);
}

TEST(HandshakeFurtherTest, OtherSecret_DoesNotConfirm) {
  EXPECT_EQ(Meet(WithFurther(Alice(), 1), WithFurther(Bob(), 2, "bob")),
            CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(Meet(Alice(), WithFurther(Bob(), 2, "bob")),
            CKR_CERTIFICATE_INVALID);
}

TEST(HandshakeFurtherTest, RespondersStatementIsTheOneThatItGives) {
  Exchange run(WithFurther(Alice(), 1), WithFurther(Bob(), 1, "the share"));
  const auto result = std::move(run.initiator).Finish(run.responder.reply());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(base::AsText(result->established.peer.statement), "the share");
}

// Neither end asks for it before it knows who is there.
TEST(HandshakeFurtherTest, IsNotAskedForAStranger) {
  bool asked = false;
  const FurtherAgreement agreement = [&](ByteSpan) {
    asked = true;
    return Agreed{};
  };
  Options bob = Bob();
  bob.further_agreement = agreement;
  bob.check_peer = [](const Certificate&, ByteSpan) {
    return base::Error(CKR_FUNCTION_REJECTED, "not you");
  };
  const Initiator initiator = *Initiator::Start(Alice());
  EXPECT_EQ(AnswerRv(std::move(bob), initiator.hello()), CKR_FUNCTION_REJECTED);
  EXPECT_FALSE(asked);
  Options alice = Alice();
  alice.further_agreement = agreement;
  Exchange run(std::move(alice), Bob());
  EXPECT_EQ(CkRv(std::move(run.initiator)
                     .Finish(Flipped(run.responder.reply(), 8 * 300))
                     .status()),
            CKR_DEVICE_ERROR);
  EXPECT_FALSE(asked);
}

TEST(HandshakeFurtherTest, ItsErrorEndsTheExchange) {
  Options bob = Bob();
  bob.further_agreement = [](ByteSpan) -> absl::StatusOr<Agreed> {
    return base::Error(CKR_DATA_INVALID, "no share");
  };
  const Initiator initiator = *Initiator::Start(Alice());
  EXPECT_EQ(AnswerRv(std::move(bob), initiator.hello()), CKR_DATA_INVALID);
}

}  // namespace
}  // namespace handshake
