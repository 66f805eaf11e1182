// Ends of protocol runs without an HSM, and records to send, for the tests of
// the protocols.
#ifndef PERIGEE_CLONING_TEST_PROTOCOL_H_
#define PERIGEE_CLONING_TEST_PROTOCOL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/crypto.h"
#include "cloning/protocol.h"
#include "cloning/test_objects.h"

namespace cloning {

// Opens many messages in one state, where a run ends with the first bad one.
class TargetRunTestPeer {
 public:
  // A copy of a run that has seen its finish.
  static TargetRun CopyOf(const TargetRun& run) {
    const RecordKeys& keys = std::get<RecordKeys>(run.state_);
    return TargetRun(run.version_, run.id_, run.source_, run.reply_,
                     keys.Clone(), run.next_);
  }
};

using base::Identity;
using base::P384Key;

struct ProtocolFleet {
  P384Key root_key = P384Key::Generate().value();
  base::Certificate root =
      base::Certificate::Issue({"fleet root", "", "root"},
                               root_key.public_point(), root_key, nullptr)
          .value();

  std::shared_ptr<const Identity> Enrol(const std::string& serial,
                                        const std::string& model,
                                        const std::string& kind) const {
    P384Key key = P384Key::Generate().value();
    base::Certificate certificate =
        base::Certificate::Issue({serial, model, kind}, key.public_point(),
                                 root_key, &root)
            .value();
    return std::make_shared<Identity>(
        Identity{std::move(key), std::move(certificate), {root}});
  }
};

struct ProtocolEnds {
  ProtocolFleet fleet;
  std::shared_ptr<const Identity> app =
      fleet.Enrol("1001", "perigee", "application");
  std::shared_ptr<const Identity> backup =
      fleet.Enrol("2002", "luna-g7-backup", "backup");
  std::shared_ptr<const Identity> other =
      fleet.Enrol("2002", "luna-k7", "application");
};

inline const ProtocolEnds& Ends() {
  static const auto* const ends = new ProtocolEnds();
  return *ends;
}

// Partition policy 42 of the application's ends: with 1 the protocol is CPv1.
inline uint8_t policy_42 = 0;
// Both ends are application HSMs of firmware 7.8.0 with set clocks, so that the
// protocol is CPv4; "Backup" is one of them.
inline bool cpv4 = false;

inline hsm::Statement AppStatement(uint8_t partition = 1) {
  hsm::Statement statement;
  statement.serial = "1001";
  statement.model = "perigee";
  statement.kind = hsm::Kind::kApplication;
  statement.firmware = {7, 7, 1};
  if (cpv4) statement.firmware = {7, 8, 0};
  statement.partition.fill(partition);
  statement.partition_label = "source";
  statement.allow_cpv1 = policy_42;
  return statement;
}

inline hsm::Statement BackupStatement() {
  hsm::Statement statement;
  statement.serial = "2002";
  statement.model = "luna-g7-backup";
  statement.kind = hsm::Kind::kBackup;
  statement.firmware = {7, 7, 1};
  statement.partition.fill(9);
  if (cpv4) {
    statement.model = "luna-k7";
    statement.kind = hsm::Kind::kApplication;
    statement.firmware = {7, 8, 0};
  }
  return statement;
}

inline Negotiation ANegotiation() {
  if (!cpv4) return {};
  return {.clock_set = true, .suites = AvailableSuites({})};
}

inline SecretBytes Domain(uint8_t byte = 7) {
  return SecretBytes::CopyOf(Bytes(48, byte));
}

inline absl::StatusOr<WrappingKeyRef> AWrappingKey() {
  static const auto* const key =
      new WrappingKeyRef(std::make_shared<const base::RsaTransportKey>(
          base::RsaTransportKey::Generate().value()));
  return *key;
}

inline RunOptions App(SecretBytes domain = Domain(),
                      hsm::Statement statement = AppStatement()) {
  return {.identity = Ends().app,
          .statement = std::move(statement),
          .domain_secret = std::move(domain),
          .wrapping_key = AWrappingKey,
          .negotiation = ANegotiation()};
}

inline RunOptions Backup(SecretBytes domain = Domain(),
                         hsm::Statement statement = BackupStatement()) {
  return {.identity = cpv4 ? Ends().other : Ends().backup,
          .statement = std::move(statement),
          .domain_secret = std::move(domain),
          .wrapping_key = AWrappingKey,
          .negotiation = ANegotiation()};
}

// A source and a target that has not seen the finish.
struct Pair {
  static Pair Open(RunOptions source_options = App(),
                   RunOptions target_options = Backup()) {
    SourceOffer offer = SourceOffer::Start(std::move(source_options)).value();
    TargetRun target =
        TargetRun::Join(std::move(target_options), offer.hello()).value();
    SourceRun source = std::move(offer).Bind(target.reply()).value();
    return Pair{std::move(source), std::move(target)};
  }
  SourceRun source;
  TargetRun target;
};

inline ObjectRecord RecordOf(uint8_t number,
                             hsm::Statement origin = AppStatement()) {
  ObjectRecord record;
  record.ouid.fill(number);
  record.attributes = AesKey("key", number);
  record.attributes.Set(CKA_OUID, record.ouid);
  record.origin = std::move(origin);
  return record;
}

inline RecordDraft DraftOf(uint8_t number) {
  return RecordDraft::Of(RecordOf(number));
}

inline Bytes SealOne(SourceRun& source, uint8_t number) {
  const RecordDraft draft = DraftOf(number);
  return source.Seal(absl::MakeConstSpan(&draft, 1)).value();
}

// Signatures make the size of a message vary by some bytes.
inline Bytes Flipped(const Bytes& message, size_t bit) {
  Bytes out = message;
  bit %= 8 * out.size();
  out[bit / 8] ^= 1 << (bit % 8);
  return out;
}

}  // namespace cloning

#endif  // PERIGEE_CLONING_TEST_PROTOCOL_H_
