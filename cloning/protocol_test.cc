// What holds for every version between two honest ends, and what altered,
// dropped, repeated, reordered or foreign messages come to. The rules about
// objects are tested in local_endpoint_test.cc, what is CPv1's alone in
// transport_test.cc.
#include "cloning/protocol.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "cloning/test_protocol.h"

namespace cloning {
namespace {

using base::CkRv;

class ProtocolTest : public ::testing::TestWithParam<uint8_t> {
 protected:
  ProtocolTest() {
    policy_42 = GetParam() == kCpv1 ? 1 : 0;
    cpv4 = GetParam() == kCpv4;
  }
  ~ProtocolTest() override {
    policy_42 = 0;
    cpv4 = false;
  }
};
INSTANTIATE_TEST_SUITE_P(, ProtocolTest, ::testing::Values(kCpv1, kCpv3, kCpv4),
                         [](const auto& version) {
                           return FindProtocolVersion(version.param)->name;
                         });

TEST_P(ProtocolTest, Run_IsOfTheVersion) {
  const Pair run = Pair::Open();
  EXPECT_EQ(run.source.version().number, GetParam());
  EXPECT_EQ(run.target.version().number, GetParam());
}

// --- honest ends ---

TEST_P(ProtocolTest, Record_ArrivesAsItLeft) {
  Pair run = Pair::Open();
  const RecordDraft draft = DraftOf(5);
  const auto opened =
      run.target.Open(run.source.Seal(absl::MakeConstSpan(&draft, 1)).value());
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->objects.size(), 1u);
  EXPECT_TRUE(opened->objects[0].attributes == RecordOf(5).attributes);
  EXPECT_EQ(opened->objects[0].ouid, RecordOf(5).ouid);
  EXPECT_EQ(opened->objects[0].origin.partition_label, "source");
  EXPECT_FALSE(opened->objects[0].carried_on);
  EXPECT_FALSE(opened->end());
}

TEST_P(ProtocolTest, EachEnd_KnowsTheOthersStatement) {
  Pair run = Pair::Open();
  EXPECT_EQ(run.source.target().serial, "2002");
  EXPECT_EQ(run.target.source().partition_label, "source");
}

TEST_P(ProtocolTest, MessagesInOrder_AreAllOpened) {
  Pair run = Pair::Open();
  for (uint8_t i = 0; i < 3; ++i) {
    const auto opened = run.target.Open(SealOne(run.source, i));
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->objects.at(0).ouid, RecordOf(i).ouid);
  }
  EXPECT_TRUE(run.target.Open(run.source.SealEnd().value())->end());
}

TEST(Cpv3Test, ManyMessages_ArriveInOrder) {
  Pair run = Pair::Open();
  std::vector<RecordDraft> three;
  for (uint8_t i = 0; i < 3; ++i) three.push_back(DraftOf(i));
  const auto first = run.target.Open(run.source.Seal(three).value());
  const auto second = run.target.Open(SealOne(run.source, 3));
  const auto end = run.target.Open(run.source.SealEnd().value());
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(first->objects[2].ouid, RecordOf(2).ouid);
  EXPECT_EQ(second->objects[0].ouid, RecordOf(3).ouid);
  EXPECT_TRUE(end->end());
}

TEST_P(ProtocolTest, EmptyRun_HasOnlyAnEnd) {
  Pair run = Pair::Open();
  const auto end = run.target.Open(run.source.SealEnd().value());
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_TRUE(end->end());
}

TEST_P(ProtocolTest, BackupSource_CarriesOriginsOn) {
  if (cpv4) GTEST_SKIP() << "no Backup HSM speaks it";
  Pair run = Pair::Open(Backup(), App());
  ObjectRecord record = RecordOf(1);
  record.origin.firmware = {6, 24, 0};
  record.carried_on = true;
  const RecordDraft draft = RecordDraft::Of(record);
  const auto opened =
      run.target.Open(run.source.Seal(absl::MakeConstSpan(&draft, 1)).value());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->objects[0].origin.firmware.ToString(), "6.24.0");
  EXPECT_TRUE(opened->objects[0].carried_on);
}

TEST_P(ProtocolTest, Sizes_AreKnownBeforeSealing) {
  Pair run = Pair::Open();
  const RecordDraft draft = DraftOf(1);
  const size_t first = run.source.Overhead() + run.source.SizeOf(draft);
  EXPECT_EQ(SealOne(run.source, 1).size(), first);
  const size_t second = run.source.Overhead() + run.source.SizeOf(draft);
  EXPECT_EQ(SealOne(run.source, 1).size(), second);
}

TEST_P(ProtocolTest, OpeningMessages_AreBelowTheirLimit) {
  hsm::Statement longest = AppStatement();
  longest.partition_label = std::string(64, 'x');
  SourceOffer offer = SourceOffer::Start(App(Domain(), longest)).value();
  TargetRun target = TargetRun::Join(Backup(), offer.hello()).value();
  EXPECT_LT(offer.hello().size(), kMaxOpening);
  EXPECT_LT(target.reply().size(), kMaxOpening);
}

TEST_P(ProtocolTest, Ids_AreReadInFrontOfTheMessages) {
  SourceOffer offer = SourceOffer::Start(App()).value();
  TargetRun target = TargetRun::Join(Backup(), offer.hello()).value();
  EXPECT_EQ(HelloIdInReply(target.reply()).value(), IdOfHello(offer.hello()));
  SourceRun source = std::move(offer).Bind(target.reply()).value();
  EXPECT_EQ(RunIdInMessage(SealOne(source, 1)).value(), target.id());
  EXPECT_EQ(CkRv(RunIdInMessage(Bytes(16, 3)).status()), CKR_DEVICE_ERROR);
}

// --- domains ---

TEST(Cpv3Test, OtherDomain_SourceStopsBeforeItSeals) {
  SourceOffer offer = SourceOffer::Start(App(Domain(1))).value();
  TargetRun target = TargetRun::Join(Backup(Domain(2)), offer.hello()).value();
  const auto bound = std::move(offer).Bind(target.reply());
  EXPECT_EQ(CkRv(bound.status()), CKR_CERTIFICATE_INVALID);
}

TEST_P(ProtocolTest, NoDomain_NoHello) {
  EXPECT_EQ(CkRv(SourceOffer::Start(App(SecretBytes())).status()),
            CKR_CLONING_PARAMETER_MISSING);
}

TEST_P(ProtocolTest, NoDomain_NoReply) {
  const SourceOffer offer = SourceOffer::Start(App()).value();
  EXPECT_EQ(
      CkRv(TargetRun::Join(Backup(SecretBytes()), offer.hello()).status()),
      CKR_CLONING_PARAMETER_MISSING);
}

// --- altered messages ---

// Every bit of what the handshake makes is flipped in its own tests, every bit
// of a sealed record further below; each try here costs a new run, so these
// take a bit of each byte in front and then of every `step`th.
std::vector<size_t> SomeBits(size_t size, size_t all_below, size_t step) {
  std::vector<size_t> bits;
  for (size_t byte = 0; byte < size; byte += byte < all_below ? 1 : step) {
    bits.push_back(8 * byte + byte % 8);
  }
  return bits;
}

TEST_P(ProtocolTest, AlteredHello_IsRefused) {
  const SourceOffer offer = SourceOffer::Start(App()).value();
  for (size_t bit : SomeBits(offer.hello().size(), 16, 3)) {
    EXPECT_EQ(
        CkRv(TargetRun::Join(Backup(), Flipped(offer.hello(), bit)).status()),
        CKR_DEVICE_ERROR)
        << "bit " << bit;
  }
}

TEST_P(ProtocolTest, OtherProtocolInHello_IsRefused) {
  const SourceOffer offer = SourceOffer::Start(App()).value();
  for (size_t bit = 0; bit < 8; ++bit) {
    EXPECT_EQ(
        CkRv(TargetRun::Join(Backup(), Flipped(offer.hello(), bit)).status()),
        CKR_DEVICE_ERROR)
        << "bit " << bit;
  }
}

TEST_P(ProtocolTest, AlteredReply_IsRefused) {
  const size_t size = [] {
    const SourceOffer offer = SourceOffer::Start(App()).value();
    return TargetRun::Join(Backup(), offer.hello()).value().reply().size();
  }();
  for (size_t bit : SomeBits(size - 1, 17, 13)) {  // its size varies by a byte
    SourceOffer offer = SourceOffer::Start(App()).value();
    const TargetRun target = TargetRun::Join(Backup(), offer.hello()).value();
    EXPECT_EQ(
        CkRv(std::move(offer).Bind(Flipped(target.reply(), bit)).status()),
        CKR_DEVICE_ERROR)
        << "bit " << bit;
  }
}

TEST_P(ProtocolTest, AlteredFirstMessage_IsRefused) {
  const size_t size = [] {
    Pair run = Pair::Open();
    return SealOne(run.source, 1).size();
  }();
  for (size_t bit : SomeBits(size - 2, 29, 11)) {
    Pair run = Pair::Open();
    const Bytes message = SealOne(run.source, 1);
    EXPECT_EQ(CkRv(run.target.Open(Flipped(message, bit)).status()),
              CKR_DEVICE_ERROR)
        << "bit " << bit;
  }
}

// A run after its first message, and the next message of it.
struct Later {
  static Later Open(bool end) {
    Pair run = Pair::Open();
    run.target.Open(SealOne(run.source, 1)).value();
    Bytes next = end ? run.source.SealEnd().value() : SealOne(run.source, 2);
    return {std::move(run), std::move(next)};
  }
  Pair run;
  Bytes next;
};

void ExpectEveryBitMatters(const Later& later) {
  for (size_t bit = 0; bit < later.next.size() * 8; ++bit) {
    TargetRun target = TargetRunTestPeer::CopyOf(later.run.target);
    EXPECT_EQ(CkRv(target.Open(Flipped(later.next, bit)).status()),
              CKR_DEVICE_ERROR)
        << "bit " << bit;
    // And the run is over, also for the right message.
    EXPECT_EQ(CkRv(target.Open(later.next).status()),
              CKR_OPERATION_NOT_INITIALIZED)
        << "bit " << bit;
  }
  TargetRun target = TargetRunTestPeer::CopyOf(later.run.target);
  EXPECT_TRUE(target.Open(later.next).ok());
}

TEST_P(ProtocolTest, AlteredLaterMessage_EveryBitIsRefused) {
  ExpectEveryBitMatters(Later::Open(/*end=*/false));
}

TEST_P(ProtocolTest, AlteredEnd_EveryBitIsRefused) {
  ExpectEveryBitMatters(Later::Open(/*end=*/true));
}

TEST_P(ProtocolTest, TruncatedMessage_EveryLengthIsRefused) {
  const Later later = Later::Open(/*end=*/false);
  for (size_t size = 0; size < later.next.size(); ++size) {
    TargetRun target = TargetRunTestPeer::CopyOf(later.run.target);
    EXPECT_EQ(CkRv(target.Open(ByteSpan(later.next).subspan(0, size)).status()),
              CKR_DEVICE_ERROR)
        << "size " << size;
  }
}

TEST_P(ProtocolTest, LongerMessage_IsRefused) {
  Later later = Later::Open(/*end=*/false);
  later.next.push_back(0);
  EXPECT_EQ(CkRv(later.run.target.Open(later.next).status()), CKR_DEVICE_ERROR);
}

// --- order ---

TEST_P(ProtocolTest, DroppedMessage_IsNoticedAtTheNext) {
  Pair run = Pair::Open();
  run.target.Open(SealOne(run.source, 1)).value();
  SealOne(run.source, 2);
  EXPECT_EQ(CkRv(run.target.Open(SealOne(run.source, 3)).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, DroppedLastMessage_IsNoticedAtTheEnd) {
  Pair run = Pair::Open();
  run.target.Open(SealOne(run.source, 1)).value();
  SealOne(run.source, 2);
  EXPECT_EQ(CkRv(run.target.Open(run.source.SealEnd().value()).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, DroppedFirstMessage_IsRefused) {
  Pair run = Pair::Open();
  SealOne(run.source, 1);
  EXPECT_EQ(CkRv(run.target.Open(SealOne(run.source, 2)).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, RepeatedFirstMessage_IsRefused) {
  Pair run = Pair::Open();
  const Bytes first = SealOne(run.source, 1);
  run.target.Open(first).value();
  EXPECT_EQ(CkRv(run.target.Open(first).status()), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, RepeatedLaterMessage_IsRefused) {
  Later later = Later::Open(/*end=*/false);
  later.run.target.Open(later.next).value();
  EXPECT_EQ(CkRv(later.run.target.Open(later.next).status()), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, ReorderedMessages_AreRefused) {
  Pair run = Pair::Open();
  run.target.Open(SealOne(run.source, 1)).value();
  const Bytes second = SealOne(run.source, 2);
  const Bytes third = SealOne(run.source, 3);
  EXPECT_EQ(CkRv(run.target.Open(third).status()), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, AfterTheEnd_NothingIsOpenedOrSealed) {
  Pair run = Pair::Open();
  run.target.Open(run.source.SealEnd().value()).value();
  const RecordDraft draft = DraftOf(1);
  EXPECT_EQ(CkRv(run.source.Seal(absl::MakeConstSpan(&draft, 1)).status()),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(CkRv(run.target.Open(Bytes(100, 3)).status()),
            CKR_OPERATION_NOT_INITIALIZED);
}

// A message of two records whose second one the courier takes off: the count
// in front is in clear, and bound.
TEST(Cpv3Test, RecordTakenOffAMessage_IsRefused) {
  Pair run = Pair::Open();
  run.target.Open(SealOne(run.source, 0)).value();
  const std::vector<RecordDraft> two = [] {
    std::vector<RecordDraft> drafts;
    drafts.push_back(DraftOf(1));
    drafts.push_back(DraftOf(2));
    return drafts;
  }();
  const size_t overhead = run.source.Overhead();
  Bytes message = run.source.Seal(two).value();
  message.resize(overhead + run.source.SizeOf(two[0]));
  message[overhead - 1] = 1;
  EXPECT_EQ(CkRv(run.target.Open(message).status()), CKR_DEVICE_ERROR);
}

// --- other runs, other ends ---

TEST_P(ProtocolTest, MessageOfAnotherRun_IsRefused) {
  Pair one = Pair::Open();
  Pair other = Pair::Open();
  EXPECT_EQ(CkRv(one.target.Open(SealOne(other.source, 1)).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, MessageOfAnotherRunUnderThisRunsId_IsRefused) {
  Pair one = Pair::Open();
  Pair other = Pair::Open();
  one.target.Open(SealOne(one.source, 1)).value();
  other.target.Open(SealOne(other.source, 1)).value();
  Bytes message = SealOne(other.source, 2);
  std::copy(one.target.id().begin(), one.target.id().end(),
            message.begin() + 1);
  EXPECT_EQ(CkRv(one.target.Open(message).status()), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, ReplyToAnotherHello_IsRefused) {
  SourceOffer one = SourceOffer::Start(App()).value();
  const SourceOffer other = SourceOffer::Start(App()).value();
  const TargetRun target = TargetRun::Join(Backup(), other.hello()).value();
  EXPECT_EQ(CkRv(std::move(one).Bind(target.reply()).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, OwnHelloAsReply_IsRefused) {
  SourceOffer offer = SourceOffer::Start(App()).value();
  const Bytes hello = offer.hello();
  EXPECT_EQ(CkRv(std::move(offer).Bind(hello).status()), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, SealedMessageSentBackToAnOwnTarget_IsRefused) {
  // Both ends in one HSM, a run in each direction.
  Pair there = Pair::Open(App(Domain(), AppStatement(1)),
                          App(Domain(), AppStatement(2)));
  Pair back = Pair::Open(App(Domain(), AppStatement(2)),
                         App(Domain(), AppStatement(1)));
  Bytes message = SealOne(there.source, 1);
  std::copy(back.target.id().begin(), back.target.id().end(),
            message.begin() + 1);
  EXPECT_EQ(CkRv(back.target.Open(message).status()), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, OnePartitionWithItself_IsRefused) {
  const SourceOffer offer = SourceOffer::Start(App()).value();
  EXPECT_EQ(CkRv(TargetRun::Join(App(), offer.hello()).status()),
            CKR_ARGUMENTS_BAD);
}

TEST_P(ProtocolTest, TwoPartitionsOfOneHsm_MayClone) {
  Pair run = Pair::Open(App(Domain(), AppStatement(1)),
                        App(Domain(), AppStatement(2)));
  EXPECT_TRUE(run.target.Open(SealOne(run.source, 1)).ok());
}

TEST_P(ProtocolTest, StatementOfAnotherSerial_IsRefused) {
  hsm::Statement liar = AppStatement();
  liar.serial = "1002";
  const SourceOffer offer = SourceOffer::Start(App(Domain(), liar)).value();
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), offer.hello()).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, StatementOfAnotherKind_IsRefused) {
  hsm::Statement liar = AppStatement();
  liar.kind = hsm::Kind::kBackup;
  const SourceOffer offer = SourceOffer::Start(App(Domain(), liar)).value();
  EXPECT_EQ(CkRv(TargetRun::Join(Backup(), offer.hello()).status()),
            CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, StatementOfAnotherModel_IsRefusedAtTheSourceToo) {
  hsm::Statement liar = BackupStatement();
  liar.model = "luna-b790";
  SourceOffer offer = SourceOffer::Start(App()).value();
  const TargetRun target =
      TargetRun::Join(Backup(Domain(), liar), offer.hello()).value();
  EXPECT_EQ(CkRv(std::move(offer).Bind(target.reply()).status()),
            CKR_DEVICE_ERROR);
}

// --- what an enrolled but hostile source may not say ---

CK_RV OpenHostile(const ObjectRecord& record) {
  Pair run = Pair::Open();
  const RecordDraft draft = RecordDraft::Of(record);
  return CkRv(
      run.target.Open(run.source.Seal(absl::MakeConstSpan(&draft, 1)).value())
          .status());
}

TEST_P(ProtocolTest, ApplicationSourceWithACarriedOnOrigin_IsRefused) {
  ObjectRecord record = RecordOf(1);
  record.carried_on = true;
  EXPECT_EQ(OpenHostile(record), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, OriginOfAnotherFirmware_IsRefused) {
  ObjectRecord record = RecordOf(1);
  record.origin.firmware = {6, 24, 0};
  EXPECT_EQ(OpenHostile(record), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, AttributesOfAnotherOuid_AreRefused) {
  ObjectRecord record = RecordOf(1);
  record.attributes.Set(CKA_OUID, RecordOf(2).ouid);
  EXPECT_EQ(OpenHostile(record), CKR_DEVICE_ERROR);
}

TEST_P(ProtocolTest, UniqueId_IsNeverTaken) {
  ObjectRecord record = RecordOf(1);
  record.attributes.SetText(CKA_UNIQUE_ID, "1-2-3");
  EXPECT_EQ(OpenHostile(record), CKR_DEVICE_ERROR);
}

// --- limits ---

TEST_P(ProtocolTest, TooManyRecords_AreNotSealed) {
  Pair run = Pair::Open();
  std::vector<RecordDraft> drafts;
  for (size_t i = 0; i <= kMaxRecords; ++i) drafts.push_back(DraftOf(1));
  EXPECT_EQ(CkRv(run.source.Seal(drafts).status()), CKR_GENERAL_ERROR);
}

TEST_P(ProtocolTest, TooLongMessage_IsRefusedUnread) {
  Pair run = Pair::Open();
  EXPECT_EQ(CkRv(run.target.Open(Bytes(kMaxMessage + 1, 3)).status()),
            CKR_DEVICE_ERROR);
}

}  // namespace
}  // namespace cloning
