// What is CPv1's alone: the key schedule of its records, its wrapping keys, and
// that nobody is talked down to it.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/wire.h"
#include "cloning/test_protocol.h"
#include "cloning/test_run.h"

namespace cloning {
namespace {

using base::CkRv;

// A source that also speaks CPv3, and one that does not.
RunOptions Newer() { return App(); }
hsm::Statement OlderStatement() {
  hsm::Statement statement = AppStatement();
  statement.firmware = {7, 4, 0};
  return statement;
}
RunOptions Older(SecretBytes domain = Domain()) {
  return App(std::move(domain), OlderStatement());
}

RecordDraft DraftOfOlder(uint8_t number) {
  return RecordDraft::Of(RecordOf(number, OlderStatement()));
}

Bytes SealOlder(SourceRun& source, uint8_t number) {
  const RecordDraft draft = DraftOfOlder(number);
  return source.Seal(absl::MakeConstSpan(&draft, 1)).value();
}

RecordKeys Keys() {
  RecordKeys keys;
  keys.key = SecretBytes::CopyOf(Bytes(32, 1));
  keys.domain_secret = Domain();
  keys.unwrap_with = AWrappingKey().value();
  keys.wrap_to = keys.unwrap_with->public_der();
  return keys;
}

const RecordInput kInput = {base::AsBytes("associated data"), 5};

// --- a record
// -----------------------------------------------------------------

// The format page, step by step, with the primitives alone.
TEST(TransportSuiteTest, Record_IsMadeAsTheFormatPageSays) {
  const RecordKeys keys = Keys();
  const Bytes plaintext = base::ToBytes(base::AsBytes("thirteen byte"));
  const Bytes sealed = kTransportSuite.seal(keys, kInput, plaintext).value();
  ASSERT_EQ(sealed.size(), 384u + 16 + 16 + 32 + 32);
  const ByteSpan all(sealed);

  const SecretBytes secret =
      keys.unwrap_with
          ->Unwrap(base::AsBytes("perigee clone transport 1"), all.first(384))
          .value();
  EXPECT_EQ(secret.size(), 32u);
  wire::Writer info;
  info.Text("perigee clone transport keys 1");
  info.U32(48);
  info.Raw(base::Sha256({keys.wrap_to}));
  info.Text("associated data");
  const SecretBytes okm =
      base::HkdfSha256(secret.Expose(), Bytes(48, 7), info.bytes(), 64).value();
  EXPECT_TRUE(
      base::HmacSha256(okm.Expose().last(32),
                       {base::AsBytes("associated data"), all.first(416)})
          .Equals(all.subspan(416, 32)));
  wire::Writer head;
  head.Text("perigee clone transport tag 1");
  EXPECT_TRUE(base::HmacSha256(Bytes(32, 1),
                               {head.bytes(), base::AsBytes("associated data"),
                                all.first(448)})
                  .Equals(all.last(32)));

  const base::OpenSslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> ctx(
      EVP_CIPHER_CTX_new());
  const base::OpenSslPtr<EVP_CIPHER, EVP_CIPHER_free> cipher(
      EVP_CIPHER_fetch(base::OpenSslContext(), "AES-256-CBC", nullptr));
  Bytes out(32);
  int size = 0, rest = 0;
  ASSERT_EQ(EVP_DecryptInit_ex2(ctx.get(), cipher.get(), okm.Expose().data(),
                                all.subspan(384, 16).data(), nullptr),
            1);
  ASSERT_EQ(EVP_DecryptUpdate(ctx.get(), out.data(), &size,
                              all.subspan(400, 16).data(), 16),
            1);
  ASSERT_EQ(EVP_DecryptFinal_ex(ctx.get(), out.data() + size, &rest), 1);
  out.resize(size + rest);
  EXPECT_EQ(out, plaintext);
}

TEST(TransportSuiteTest, EveryLength_ArrivesAndHasTheSizeThatIsTold) {
  const RecordKeys keys = Keys();
  for (size_t size : {0, 1, 15, 16, 17, 57000}) {
    const Bytes plaintext(size, 9);
    const Bytes sealed = kTransportSuite.seal(keys, kInput, plaintext).value();
    EXPECT_EQ(sealed.size(), kTransportSuite.sealed_size(size));
    const auto opened = kTransportSuite.open(keys, kInput, sealed);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE(opened->Equals(plaintext));
  }
}

TEST(TransportSuiteTest, SameRecordTwice_SharesNoKeyAndNoByteOfText) {
  const RecordKeys keys = Keys();
  const Bytes one = kTransportSuite.seal(keys, kInput, Bytes(64, 1)).value();
  const Bytes two = kTransportSuite.seal(keys, kInput, Bytes(64, 1)).value();
  EXPECT_NE(Bytes(one.begin(), one.begin() + 384),
            Bytes(two.begin(), two.begin() + 384));
  EXPECT_NE(Bytes(one.begin() + 400, one.begin() + 480),
            Bytes(two.begin() + 400, two.begin() + 480));
}

TEST(TransportSuiteTest, AlteredOrCutRecord_IsRefusedAndNeverForTheDomain) {
  const RecordKeys keys = Keys();
  const Bytes sealed = kTransportSuite.seal(keys, kInput, Bytes(20, 1)).value();
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    ASSERT_EQ(
        CkRv(kTransportSuite.open(keys, kInput, Flipped(sealed, bit)).status()),
        CKR_DEVICE_ERROR)
        << bit;
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    ASSERT_EQ(
        CkRv(kTransportSuite.open(keys, kInput, ByteSpan(sealed).first(size))
                 .status()),
        CKR_DEVICE_ERROR)
        << size;
  }
}

TEST(TransportSuiteTest, OtherPlaceOtherRunOtherKey_AreRefused) {
  const RecordKeys keys = Keys();
  const Bytes sealed = kTransportSuite.seal(keys, kInput, Bytes(20, 1)).value();
  const RecordInput elsewhere = {base::AsBytes("associated dat"), 5};
  EXPECT_EQ(CkRv(kTransportSuite.open(keys, elsewhere, sealed).status()),
            CKR_DEVICE_ERROR);
  RecordKeys other_run = Keys();
  other_run.key = SecretBytes::CopyOf(Bytes(32, 2));
  EXPECT_EQ(CkRv(kTransportSuite.open(other_run, kInput, sealed).status()),
            CKR_DEVICE_ERROR);
  RecordKeys other_key = Keys();
  other_key.unwrap_with = std::make_shared<const base::RsaTransportKey>(
      base::RsaTransportKey::Generate().value());
  EXPECT_EQ(CkRv(kTransportSuite.open(other_key, kInput, sealed).status()),
            CKR_DEVICE_ERROR);
}

TEST(TransportSuiteTest, OtherDomain_IsTold) {
  const Bytes sealed =
      kTransportSuite.seal(Keys(), kInput, Bytes(20, 1)).value();
  RecordKeys other = Keys();
  other.domain_secret = Domain(8);
  EXPECT_EQ(CkRv(kTransportSuite.open(other, kInput, sealed).status()),
            CKR_CERTIFICATE_INVALID);
  // One more zero is another domain.
  RecordKeys zeros = Keys(), longer = Keys();
  zeros.domain_secret = SecretBytes::CopyOf(Bytes(32, 0));
  longer.domain_secret = SecretBytes::CopyOf(Bytes(33, 0));
  const Bytes of_zeros =
      kTransportSuite.seal(zeros, kInput, Bytes(20, 1)).value();
  EXPECT_EQ(CkRv(kTransportSuite.open(longer, kInput, of_zeros).status()),
            CKR_CERTIFICATE_INVALID);
}

// No forward secrecy, on purpose: the target's keys of today open what was
// recorded yesterday.
TEST(TransportSuiteTest, ContentsNeedNoSecretOfTheHandshake) {
  const RecordKeys keys = Keys();
  Bytes sealed = kTransportSuite.seal(keys, kInput, Bytes(20, 1)).value();
  RecordKeys thief = Keys();
  thief.key = SecretBytes::CopyOf(Bytes(32, 0));  // not the run's
  sealed.resize(sealed.size() - 32);
  wire::Writer head;
  head.Text("perigee clone transport tag 1");
  const SecretBytes own_tag = base::HmacSha256(
      thief.key.Expose(), {head.bytes(), kInput.associated, sealed});
  sealed.insert(sealed.end(), own_tag.Expose().begin(), own_tag.Expose().end());
  const auto opened = kTransportSuite.open(thief, kInput, sealed);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->Equals(Bytes(20, 1)));
}

// --- runs
// ---------------------------------------------------------------------

TEST(Cpv1Test, OldSource_NewTarget) {
  Pair run = Pair::Open(Older(), Backup());
  EXPECT_EQ(run.source.version().number, kCpv1);
  const auto opened = run.target.Open(SealOlder(run.source, 1));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->objects[0].attributes == RecordOf(1).attributes);
}

TEST(Cpv1Test, NewSourcesHello_IsAnsweredByAnOldTarget) {
  hsm::Statement old_app = AppStatement();
  old_app.firmware = {7, 4, 0};
  SourceOffer offer = SourceOffer::Start(Backup()).value();
  EXPECT_EQ(offer.hello()[0], kCpv3);
  TargetRun target =
      TargetRun::Join(App(Domain(), old_app), offer.hello()).value();
  EXPECT_EQ(target.reply()[0], kCpv1);
  SourceRun source = std::move(offer).Bind(target.reply()).value();
  EXPECT_EQ(source.version().number, kCpv1);
  EXPECT_TRUE(target.Open(source.SealEnd().value())->end());
}

TEST(Cpv1Test, OtherDomain_IsRefusedByTheTargetAfterTheObjectLeft) {
  Pair run = Pair::Open(Older(Domain(1)), Backup(Domain(2)));
  const Bytes message = SealOlder(run.source, 1);
  EXPECT_EQ(CkRv(run.target.Open(message).status()), CKR_CERTIFICATE_INVALID);
  EXPECT_EQ(CkRv(run.target.Open(message).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

TEST(Cpv1Test, TwoRecordsInAMessage_AreNotSealed) {
  Pair run = Pair::Open(Older(), Backup());
  std::vector<RecordDraft> two;
  two.push_back(DraftOfOlder(1));
  two.push_back(DraftOfOlder(2));
  EXPECT_EQ(run.source.max_records(), 1u);
  EXPECT_EQ(CkRv(run.source.Seal(two).status()), CKR_GENERAL_ERROR);
}

TEST(Cpv1Test, NoWrappingKey_NoReply) {
  const SourceOffer offer = SourceOffer::Start(Older()).value();
  RunOptions target = Backup();
  target.wrapping_key = []() -> absl::StatusOr<WrappingKeyRef> {
    return base::Error(CKR_DEVICE_MEMORY, "");
  };
  EXPECT_EQ(CkRv(TargetRun::Join(std::move(target), offer.hello()).status()),
            CKR_DEVICE_MEMORY);
}

// --- mixes
// --------------------------------------------------------------------

TEST(MixedVersionsTest, RecordOfOneVersion_FitsNoRunOfAnother) {
  Pair legacy = Pair::Open(Older(), Backup());
  Pair modern = Pair::Open(Newer(), Backup());
  Bytes of_legacy = SealOlder(legacy.source, 1);
  Bytes of_modern = SealOne(modern.source, 1);
  std::copy_n(of_modern.begin(), 17, of_legacy.begin());  // version and run
  EXPECT_EQ(CkRv(modern.target.Open(of_legacy).status()), CKR_DEVICE_ERROR);
  Bytes again = SealOne(modern.source, 2);
  again[0] = kCpv1;
  std::copy(legacy.target.id().begin(), legacy.target.id().end(),
            again.begin() + 1);
  EXPECT_EQ(CkRv(legacy.target.Open(again).status()), CKR_DEVICE_ERROR);
}

TEST(MixedVersionsTest, OtherVersionInFrontOfAMessage_IsRefused) {
  Pair run = Pair::Open(Older(), Backup());
  Bytes message = SealOlder(run.source, 1);
  message[0] = kCpv3;
  EXPECT_EQ(CkRv(run.target.Open(message).status()), CKR_DEVICE_ERROR);
}

// --- downgrade
// ----------------------------------------------------------------

// The number in front of a hello is signed (it is in the purpose), and must be
// the highest of the signed list.
TEST(DowngradeTest, CourierLowersTheHello_IsRefused) {
  const SourceOffer offer = SourceOffer::Start(Newer()).value();
  Bytes hello = offer.hello();
  hello[0] = kCpv1;
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), hello).status()), CKR_DEVICE_ERROR);
}

// A courier that takes CPv3 out of the list breaks the signature.
TEST(DowngradeTest, CourierShortensTheList_IsRefused) {
  const SourceOffer offer = SourceOffer::Start(Newer()).value();
  Bytes hello = offer.hello();
  const Bytes list = {0, 0, 0, 2, kCpv1, kCpv3};
  const auto at =
      std::search(hello.begin(), hello.end(), list.begin(), list.end());
  ASSERT_NE(at, hello.end());
  at[5] = kCpv4;  // nothing in common but CPv1
  hello[0] = kCpv4;
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), hello).status()), CKR_DEVICE_ERROR);
  hello[0] = kCpv3;
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), hello).status()), CKR_DEVICE_ERROR);
}

TEST(DowngradeTest, CourierLowersTheReply_IsRefused) {
  SourceOffer offer = SourceOffer::Start(Newer()).value();
  const TargetRun target = TargetRun::Join(Backup(), offer.hello()).value();
  ASSERT_EQ(target.reply()[0], kCpv3);
  const Bytes certificate =
      CertifyWrappingKey(**AWrappingKey(), *Ends().backup).value();
  wire::Writer lowered;
  lowered.U8(kCpv1);
  lowered.Raw(ByteSpan(target.reply()).subspan(1, 16));
  lowered.Sized(certificate);
  lowered.Raw(ByteSpan(target.reply()).subspan(17));
  EXPECT_EQ(CkRv(std::move(offer).Bind(lowered.bytes()).status()),
            CKR_DEVICE_ERROR);
}

// Nor does the target itself talk a source down: its own signed list says that
// both speak CPv3.
TEST(DowngradeTest, TargetAnswersWithLessThanItOffers_IsRefused) {
  SourceOffer offer = SourceOffer::Start(Newer()).value();
  handshake::Options hostile;
  hostile.purpose = "perigee clone 1";
  hostile.hello_purpose = "perigee clone 3";
  hostile.identity = Ends().backup.get();
  hostile.statement = wire::Encode(Introduce(BackupStatement()));
  const handshake::Responder responder =
      handshake::Responder::Answer(std::move(hostile),
                                   ByteSpan(offer.hello()).subspan(1))
          .value();
  wire::Writer reply;
  reply.U8(kCpv1);
  reply.Raw(IdOfHello(offer.hello()));
  reply.Sized(CertifyWrappingKey(**AWrappingKey(), *Ends().backup).value());
  reply.Raw(responder.reply());
  const auto bound = std::move(offer).Bind(reply.bytes());
  EXPECT_EQ(CkRv(bound.status()), LUNA_RET_OPERATION_RESTRICTED);
  EXPECT_EQ(base::Reason(bound.status()), "cloning-protocol");
}

// And a hello is of the highest version of its own list.
TEST(DowngradeTest, SourceStartsLowerThanItOffers_IsRefused) {
  handshake::Options hostile;
  hostile.purpose = "perigee clone 1";
  hostile.identity = Ends().app.get();
  hostile.statement = wire::Encode(Introduce(AppStatement()));
  const handshake::Initiator initiator =
      handshake::Initiator::Start(std::move(hostile)).value();
  Bytes hello = {kCpv1};
  hello.insert(hello.end(), initiator.hello().begin(), initiator.hello().end());
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), hello).status()), CKR_DEVICE_ERROR);
}

// --- wrapping keys
// ------------------------------------------------------------

TEST(WrappingKeyTest, CertificateOfAnotherDevice_IsRefused) {
  SourceOffer offer = SourceOffer::Start(Older()).value();
  const TargetRun target = TargetRun::Join(Backup(), offer.hello()).value();
  const Bytes own =
      CertifyWrappingKey(**AWrappingKey(), *Ends().backup).value();
  EXPECT_EQ(CheckWrappingCertificate(own, Ends().backup->certificate).value(),
            (*AWrappingKey())->public_der());
  EXPECT_EQ(
      CkRv(CheckWrappingCertificate(own, Ends().app->certificate).status()),
      CKR_DEVICE_ERROR);
  for (size_t bit = 0; bit < 8 * own.size(); bit += 7) {
    EXPECT_EQ(CkRv(CheckWrappingCertificate(Flipped(own, bit),
                                            Ends().backup->certificate)
                       .status()),
              CKR_DEVICE_ERROR)
        << bit;
  }
  // Put into the reply in place of the target's own.
  const Bytes foreign =
      CertifyWrappingKey(**AWrappingKey(), *Ends().app).value();
  wire::Reader rest(ByteSpan(target.reply()).subspan(17));
  rest.Sized();
  wire::Writer swapped;
  swapped.Raw(ByteSpan(target.reply()).first(17));
  swapped.Sized(foreign);
  swapped.Raw(rest.Raw(rest.remaining()));
  EXPECT_EQ(CkRv(std::move(offer).Bind(swapped.bytes()).status()),
            CKR_DEVICE_ERROR);
}

TEST(WrappingKeyTest, Hsm_KeepsTheKeyThatItMade) {
  TestHsm one, other;
  const Bytes made = WrappingKeyOf(*one.hsm).value()->public_der();
  EXPECT_EQ(WrappingKeyOf(*one.hsm).value()->public_der(), made);
  EXPECT_NE(WrappingKeyOf(*other.hsm).value()->public_der(), made);
}

// --- endpoints
// ----------------------------------------------------------------

hsm::HsmSpec OldApp() {
  hsm::HsmSpec spec = TestHsm::ApplicationSpec();
  spec.firmware = {7, 4, 0};
  return spec;
}

TEST(Cpv1EndpointTest, ObjectsGoOneByOneAndArriveEqual) {
  TestHsm app(OldApp()), backup(TestHsm::BackupSpec());
  TestPartition from = app.Make(), to = backup.Make();
  const uint64_t one = from.Add(AesKey("one"));
  const uint64_t two = from.Add(RsaPrivateKey("two"));
  TestRun run = TestRun::Between(from, to);
  Batch batch = run.source.Next({one, two}).value();
  ASSERT_EQ(batch.items.size(), 1u);
  const auto first = run.target.Accept(batch.sealed, {});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = run.Carry({two});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(run.End().ok());
  EXPECT_TRUE(to.Content(first->at(0).handle) == from.Content(one));
  EXPECT_TRUE(to.Content(second->at(0).handle) == from.Content(two));
  const hsm::ObjectRef stored = to.Get(first->at(0).handle);
  EXPECT_EQ(stored->origin()->firmware.ToString(), "7.4.0");
  // And back.
  EXPECT_TRUE(from.partition->Clear(from.co.get()).ok());
  TestRun back = TestRun::Between(to, from);
  const auto restored = back.Carry({first->at(0).handle});
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_TRUE(from.Content(restored->at(0).handle) ==
              to.Content(first->at(0).handle));
}

TEST(Cpv1EndpointTest, LargestObject_ArrivesEqualAndItsSizeIsTold) {
  TestHsm app(OldApp());
  TestPartition from = app.Make(), to = app.Make();
  const uint64_t large = from.Add(DataObject("large", 55 * 1024));
  TestRun run = TestRun::Between(from, to);
  const size_t size = run.source.SizeOfNext(large).value();
  const Batch batch = run.source.Next({large}).value();
  EXPECT_EQ(batch.sealed.size(), size);
  EXPECT_TRUE(run.target.Accept(batch.sealed, {}).ok());
}

TEST(Cpv1EndpointTest, OtherDomain_StoresNothing) {
  TestHsm app(OldApp());
  TestPartition from = app.Make(), to = app.Make({}, "another domain here");
  const uint64_t one = from.Add(AesKey("one"));
  TestRun run = TestRun::Between(from, to);
  EXPECT_EQ(CkRv(run.Carry({one}).status()), CKR_CERTIFICATE_INVALID);
  EXPECT_TRUE(to.Handles().empty());
}

TEST(Cpv1EndpointTest, ReplayedMessage_MeetsAFreshTarget) {
  TestHsm app(OldApp());
  TestPartition from = app.Make(), to = app.Make();
  const uint64_t one = from.Add(AesKey("one"));
  LocalEndpoint source(from.partition, from.co);
  LocalEndpoint target(to.partition, to.co), fresh(to.partition, to.co);
  const Bytes hello = source.Start().value();
  const Bytes reply = target.Join(hello).value();
  ASSERT_TRUE(source.Bind(reply).ok());
  const Bytes sealed = source.Next({one}).value().sealed;
  ASSERT_TRUE(fresh.Join(hello).ok());
  EXPECT_EQ(CkRv(fresh.Accept(sealed, {}).status()), CKR_DEVICE_ERROR);
  EXPECT_TRUE(to.Handles().empty());
  EXPECT_TRUE(target.Accept(sealed, {}).ok());
  EXPECT_EQ(CkRv(target.Accept(sealed, {}).status()), CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace cloning
