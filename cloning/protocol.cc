// CPv3: messages, sealing and opening. Encode and decode of each message stand
// side by side; docs/formats/cloning.md has every byte.
#include "cloning/protocol.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/wire.h"

namespace cloning {
namespace {

constexpr size_t kMinDomainSecret = 16;
constexpr uint8_t kObjectFormat = 1;
constexpr uint8_t kFlagCarriedOn = 1;
constexpr uint8_t kSourceToTarget = 1;

// --- messages ---

// In front of the handshake's hello stands the protocol alone.
constexpr size_t kHelloHeaderSize = 1;

// In front of the handshake's reply.
struct ReplyHeader {
  uint8_t protocol = kCpv3;
  RunId hello{};
  static constexpr size_t kSize = 1 + sizeof(RunId);
  template <typename V>
  void Fields(V& v) {
    v(protocol, hello);
  }
};

struct Record {
  RecordKind kind = RecordKind::kObject;
  hsm::Ouid ouid{};
  Bytes sealed;
  static constexpr size_t kOverhead =
      1 + sizeof(hsm::Ouid) + 4 + base::kAeadTagSize;
  template <typename V>
  void Fields(V& v) {
    v(kind, ouid, sealed);
  }
};

struct Message {
  uint8_t protocol = kCpv3;
  RunId run{};
  uint64_t first = 0;
  Bytes finish;
  std::vector<Record> records;
  static constexpr size_t kOverhead = 1 + sizeof(RunId) + 8 + 4 + 4;
  template <typename V>
  void Fields(V& v) {
    v(protocol, run, first, finish, records);
  }
};

struct ObjectPlaintext {
  uint8_t format = kObjectFormat;
  uint8_t flags = 0;
  hsm::Ouid ouid{};
  hsm::Statement origin;
  SecretBytes attributes;
  template <typename V>
  void Fields(V& v) {
    v(format, flags, ouid, origin, attributes);
  }
};

struct EndPlaintext {
  uint64_t count = 0;
  template <typename V>
  void Fields(V& v) {
    v(count);
  }
};

absl::Status Refused(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("cloning: ", what));
}

absl::Status RunIsOver() {
  return base::Error(CKR_OPERATION_NOT_INITIALIZED,
                     "cloning: the run is over or was never opened");
}

RunId FirstBytes(const Bytes& digest) {
  RunId id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

// --- opening ---

// Decides about the peer: what it says, whether it is somebody else, and that
// this protocol is the right one for the two.
handshake::PeerCheck NewPeerCheck(const Introduction& own, bool own_is_source) {
  return [own, own_is_source](const base::Certificate& certificate,
                              ByteSpan statement) -> absl::Status {
    ASSIGN_OR_RETURN(const Introduction peer,
                     ParseIntroduction(certificate, statement));
    if (peer.statement.serial == own.statement.serial &&
        peer.statement.partition == own.statement.partition) {
      return base::Error(CKR_ARGUMENTS_BAD,
                         "cloning: source and target are one partition");
    }
    return own_is_source ? CheckProtocol(kCpv3, own, peer)
                         : CheckProtocol(kCpv3, peer, own);
  };
}

absl::StatusOr<handshake::Options> NewHandshake(RunOptions options,
                                                bool own_is_source) {
  if (options.domain_secret.size() < kMinDomainSecret) {
    return base::Error(CKR_CLONING_PARAMETER_MISSING,
                       "the partition has no cloning domain");
  }
  const Introduction own = Introduce(std::move(options.statement));
  handshake::Options out;
  out.purpose = FindProtocolVersion(kCpv3)->purpose;
  out.identity = options.identity.get();
  out.statement = wire::Encode(own);
  out.check_peer = NewPeerCheck(own, own_is_source);
  out.domain_secret = std::move(options.domain_secret);
  return out;
}

Bytes Concat(ByteSpan header, ByteSpan rest) {
  Bytes out = base::ToBytes(header);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

// The statement of a peer that NewPeerCheck has accepted.
absl::StatusOr<hsm::Statement> StatementOf(const handshake::Peer& peer) {
  ASSIGN_OR_RETURN(Introduction introduction,
                   ParseIntroduction(peer.certificate, peer.statement));
  return std::move(introduction.statement);
}

// --- records ---

struct RecordPlace {
  uint64_t first;   // of its message
  uint32_t count;   // of its message
  uint64_t number;  // its own
  RecordKind kind;
  const hsm::Ouid& ouid;
};

Bytes AssociatedData(const RecordKeys& keys, const RecordPlace& place) {
  wire::Writer w;
  w.Text("perigee clone record 3");
  w.Raw(keys.transcript);
  w.U8(kSourceToTarget);
  w.U64(place.first);
  w.U32(place.count);
  w.U64(place.number);
  w.U8(static_cast<uint8_t>(place.kind));
  w.Raw(place.ouid);
  return std::move(w).Take();
}

Bytes NonceOf(uint64_t number) {
  wire::Writer w;
  w.U32(0);
  w.U64(number);
  return std::move(w).Take();
}

// The keys of a target's run: those it has, or those that `finish` gives.
absl::StatusOr<RecordKeys> Confirm(TargetRun::State state, ByteSpan finish) {
  if (auto* responder = std::get_if<handshake::Responder>(&state)) {
    ASSIGN_OR_RETURN(handshake::Established established,
                     std::move(*responder).Confirm(finish));
    return RecordKeys{std::move(established.receive_key),
                      std::move(established.transcript)};
  }
  if (!finish.empty()) return Refused("a second finish");
  return std::get<RecordKeys>(std::move(state));
}

// The plaintexts of all records, which are of one kind.
absl::StatusOr<std::vector<SecretBytes>> OpenRecords(const RecordKeys& keys,
                                                     const Message& message) {
  const RecordKind kind = message.records.front().kind;
  std::vector<SecretBytes> plaintexts;
  for (const Record& record : message.records) {
    if (record.kind != kind) return Refused("records of several kinds");
    const uint64_t number = message.first + plaintexts.size();
    const RecordPlace place = {message.first,
                               static_cast<uint32_t>(message.records.size()),
                               number, kind, record.ouid};
    absl::StatusOr<SecretBytes> plaintext =
        base::AeadOpen(keys.key.Expose(), NonceOf(number),
                       AssociatedData(keys, place), record.sealed);
    if (!plaintext.ok()) {
      return Refused(absl::StrCat("record ", number, " was altered"));
    }
    plaintexts.push_back(*std::move(plaintext));
  }
  return plaintexts;
}

absl::Status CheckEnd(const std::vector<SecretBytes>& plaintexts,
                      uint64_t received) {
  if (plaintexts.size() != 1) return Refused("several ends");
  ASSIGN_OR_RETURN(
      const EndPlaintext end,
      wire::Decode<EndPlaintext>(plaintexts.front().Expose(), "end record"));
  if (end.count != received) return Refused("the end counts otherwise");
  return absl::OkStatus();
}

absl::StatusOr<ObjectRecord> ParseObject(ByteSpan bytes, const Record& record,
                                         const hsm::Statement& source) {
  ASSIGN_OR_RETURN(const ObjectPlaintext plaintext,
                   wire::Decode<ObjectPlaintext>(bytes, "object record"));
  if (record.kind != RecordKind::kObject || plaintext.format != kObjectFormat ||
      (plaintext.flags & ~kFlagCarriedOn) != 0 ||
      plaintext.ouid != record.ouid) {
    return Refused("malformed object record");
  }
  ObjectRecord object;
  object.ouid = plaintext.ouid;
  object.carried_on = plaintext.flags == kFlagCarriedOn;
  object.origin = plaintext.origin;
  ASSIGN_OR_RETURN(object.attributes,
                   hsm::AttributeSet::Decode(plaintext.attributes.Expose()));
  if (!base::SameBytes(object.attributes.Value(CKA_OUID), object.ouid) ||
      object.attributes.Has(CKA_UNIQUE_ID)) {
    return Refused("wrong identifiers in an object record");
  }
  const bool origin_fits =
      object.carried_on
          ? source.kind == hsm::Kind::kBackup && IsWellFormed(object.origin)
          : IsSameHolder(object.origin, source);
  if (!origin_fits) {
    return Refused("an origin that the source cannot give");
  }
  return object;
}

}  // namespace

// --- names ---

RunId IdOfHello(ByteSpan hello) { return FirstBytes(base::Sha256({hello})); }

RunId IdOfRun(ByteSpan hello, ByteSpan reply) {
  wire::Writer w;
  w.Text("perigee clone run 3");
  w.Sized(hello);
  w.Sized(reply);
  return FirstBytes(base::Sha256({w.bytes()}));
}

absl::StatusOr<RunId> HelloIdInReply(ByteSpan reply) {
  ASSIGN_OR_RETURN(const ReplyHeader header,
                   wire::Decode<ReplyHeader>(
                       reply.subspan(0, ReplyHeader::kSize), "cloning reply"));
  return header.hello;
}

absl::StatusOr<RunId> RunIdInMessage(ByteSpan sealed) {
  return HelloIdInReply(sealed);  // both: protocol, then 16 bytes
}

bool IsSameHolder(const hsm::Statement& a, const hsm::Statement& b) {
  return a.serial == b.serial && a.model == b.model && a.kind == b.kind &&
         a.firmware == b.firmware && a.partition == b.partition &&
         a.partition_version == b.partition_version && a.fm == b.fm;
}

RecordDraft RecordDraft::Of(const ObjectRecord& record) {
  ObjectPlaintext plaintext;
  plaintext.flags = record.carried_on ? kFlagCarriedOn : 0;
  plaintext.ouid = record.ouid;
  plaintext.origin = record.origin;
  plaintext.attributes = record.attributes.Encode();
  return RecordDraft{record.ouid, wire::EncodeSecret(plaintext)};
}

size_t RecordDraft::size() const {
  return Record::kOverhead + plaintext.size();
}

// --- source ---

absl::StatusOr<SourceOffer> SourceOffer::Start(RunOptions options) {
  std::shared_ptr<const base::Identity> identity = options.identity;
  ASSIGN_OR_RETURN(handshake::Options exchange,
                   NewHandshake(std::move(options), /*own_is_source=*/true));
  ASSIGN_OR_RETURN(handshake::Initiator initiator,
                   handshake::Initiator::Start(std::move(exchange)));
  Bytes hello = Concat({kCpv3}, initiator.hello());
  if (hello.size() > kMaxOpening) {
    return base::Error(CKR_GENERAL_ERROR, "cloning: hello is too long");
  }
  return SourceOffer(std::move(initiator), std::move(identity),
                     std::move(hello));
}

absl::StatusOr<SourceRun> SourceOffer::Bind(ByteSpan reply) && {
  SourceOffer offer = std::move(*this);  // ends here, whatever happens
  if (offer.identity_ == nullptr) return RunIsOver();
  if (reply.size() > kMaxOpening) return Refused("reply is too long");
  ASSIGN_OR_RETURN(const RunId answered, HelloIdInReply(reply));
  if (reply[0] != kCpv3 || answered != IdOfHello(offer.hello_)) {
    return Refused("the reply answers another hello or protocol");
  }
  ASSIGN_OR_RETURN(
      handshake::Initiator::Result result,
      std::move(offer.initiator_).Finish(reply.subspan(ReplyHeader::kSize)));
  SourceRun run;
  ASSIGN_OR_RETURN(run.target_, StatementOf(result.established.peer));
  run.id_ = IdOfRun(offer.hello_, reply);
  run.keys_ = {std::move(result.established.send_key),
               std::move(result.established.transcript)};
  run.finish_ = std::move(result.finish);
  return run;
}

size_t SourceRun::Overhead() const {
  return Message::kOverhead + finish_.size();
}

absl::StatusOr<Bytes> SourceRun::Seal(absl::Span<const RecordDraft> records) {
  return SealAs(RecordKind::kObject, records);
}

absl::StatusOr<Bytes> SourceRun::SealEnd() {
  RecordDraft end;
  end.plaintext = wire::EncodeSecret(EndPlaintext{next_});
  absl::StatusOr<Bytes> sealed =
      SealAs(RecordKind::kEnd, absl::MakeConstSpan(&end, 1));
  keys_ = RecordKeys();
  return sealed;
}

absl::StatusOr<Bytes> SourceRun::SealAs(RecordKind kind,
                                        absl::Span<const RecordDraft> records) {
  RecordKeys keys = std::exchange(keys_, RecordKeys());  // back on success
  if (keys.key.empty()) return RunIsOver();
  size_t size = Overhead();
  for (const RecordDraft& record : records) size += record.size();
  if (records.empty() || records.size() > kMaxRecords || size > kMaxMessage) {
    return base::Error(CKR_GENERAL_ERROR, "cloning: a message of wrong size");
  }
  Message message;
  message.run = id_;
  message.first = next_;
  message.finish = std::exchange(finish_, Bytes());
  for (const RecordDraft& draft : records) {
    const uint64_t number = next_ + message.records.size();
    const RecordPlace place = {message.first,
                               static_cast<uint32_t>(records.size()), number,
                               kind, draft.ouid};
    Record record{kind, draft.ouid, {}};
    ASSIGN_OR_RETURN(
        record.sealed,
        base::AeadSeal(keys.key.Expose(), NonceOf(number),
                       AssociatedData(keys, place), draft.plaintext.Expose()));
    message.records.push_back(std::move(record));
  }
  next_ += records.size();
  keys_ = std::move(keys);
  return wire::Encode(message);
}

// --- target ---

absl::StatusOr<TargetRun> TargetRun::Join(RunOptions options, ByteSpan hello) {
  if (hello.size() > kMaxOpening || hello.size() < kHelloHeaderSize ||
      hello[0] != kCpv3) {
    return Refused("not a hello of CPv3");
  }
  const std::shared_ptr<const base::Identity> identity = options.identity;
  ASSIGN_OR_RETURN(handshake::Options exchange,
                   NewHandshake(std::move(options), /*own_is_source=*/false));
  ASSIGN_OR_RETURN(handshake::Responder responder,
                   handshake::Responder::Answer(
                       std::move(exchange), hello.subspan(kHelloHeaderSize)));
  ReplyHeader header;
  header.hello = IdOfHello(hello);
  Bytes reply = Concat(wire::Encode(header), responder.reply());
  if (reply.size() > kMaxOpening) {
    return base::Error(CKR_GENERAL_ERROR, "cloning: reply is too long");
  }
  ASSIGN_OR_RETURN(hsm::Statement source, StatementOf(responder.peer()));
  const RunId id = IdOfRun(hello, reply);
  return TargetRun(id, std::move(source), std::move(reply),
                   std::move(responder), 0);
}

absl::StatusOr<TargetRun::Opened> TargetRun::Open(ByteSpan sealed) {
  State state = std::exchange(state_, std::monostate());  // back on success
  if (std::holds_alternative<std::monostate>(state)) return RunIsOver();
  if (sealed.size() > kMaxMessage) return Refused("message is too long");
  ASSIGN_OR_RETURN(const Message message,
                   wire::Decode<Message>(sealed, "cloning message"));
  if (message.protocol != kCpv3 || message.run != id_) {
    return Refused("a message of another run or protocol");
  }
  if (message.first != next_) {
    return Refused(absl::StrCat("record ", message.first, " where ", next_,
                                " is expected"));
  }
  if (message.records.empty() || message.records.size() > kMaxRecords) {
    return Refused("wrong number of records");
  }
  ASSIGN_OR_RETURN(RecordKeys keys, Confirm(std::move(state), message.finish));
  ASSIGN_OR_RETURN(const std::vector<SecretBytes> plaintexts,
                   OpenRecords(keys, message));

  Opened opened;
  opened.end = message.records.front().kind == RecordKind::kEnd;
  if (opened.end) {
    RETURN_IF_ERROR(CheckEnd(plaintexts, next_));
    return opened;
  }
  for (size_t i = 0; i < plaintexts.size(); ++i) {
    ASSIGN_OR_RETURN(
        ObjectRecord object,
        ParseObject(plaintexts[i].Expose(), message.records[i], source_));
    opened.objects.push_back(std::move(object));
  }
  next_ += plaintexts.size();
  state_ = std::move(keys);
  return opened;
}

}  // namespace cloning
