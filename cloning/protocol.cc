// Sealed messages of all versions; how a run begins is in cloning/opening.cc.
// Encode and decode of each message stand side by side; docs/formats/cloning.md
// has every byte.
#include "cloning/protocol.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/wire.h"

namespace cloning {
namespace {

constexpr uint8_t kObjectFormat = 2;
constexpr uint8_t kOfferFormat = 1;
constexpr uint8_t kFlagCarriedOn = 1;
constexpr uint8_t kSourceToTarget = 1;

// --- messages ---

struct Record {
  RecordKind kind = RecordKind::kObject;
  hsm::Ouid ouid{};
  Bytes sealed;
  static constexpr size_t kOverhead = 1 + sizeof(hsm::Ouid) + 4;
  template <typename V>
  void Fields(V& v) {
    v(kind, ouid, sealed);
  }
};

struct Message {
  uint8_t protocol = 0;
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
  OfferedObject as_offered;
  template <typename V>
  void Fields(V& v) {
    v(format, flags, ouid, origin, attributes, as_offered);
  }
};

struct OfferPlaintext {
  uint8_t format = kOfferFormat;
  std::vector<OfferedObject> objects;
  template <typename V>
  void Fields(V& v) {
    v(format, objects);
  }
};

struct EndPlaintext {
  uint64_t count = 0;
  template <typename V>
  void Fields(V& v) {
    v(count);
  }
};
// To a Backup HSM.
struct ReportingEnd {
  uint64_t count = 0;
  hsm::ManifestBook::SourceReport report;
  template <typename V>
  void Fields(V& v) {
    v(count, report);
  }
};

absl::Status Refused(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("cloning: ", what));
}

absl::Status RunIsOver() {
  return base::Error(CKR_OPERATION_NOT_INITIALIZED,
                     "cloning: the run is over or was never opened");
}

// --- records ---

struct RecordPlace {
  uint64_t first;   // of its message
  uint32_t count;   // of its message
  uint64_t number;  // its own
  RecordKind kind;
  const hsm::Ouid& ouid;
};

Bytes AssociatedData(uint8_t protocol, const RecordKeys& keys,
                     const RecordPlace& place) {
  wire::Writer w;
  w.Text(absl::StrCat("perigee clone record ", protocol));
  w.Raw(keys.transcript);
  w.U8(kSourceToTarget);
  w.U64(place.first);
  w.U32(place.count);
  w.U64(place.number);
  w.U8(static_cast<uint8_t>(place.kind));
  w.Raw(place.ouid);
  return std::move(w).Take();
}

// The keys of a target's run: those it has, or those that `finish` gives.
absl::StatusOr<RecordKeys> Confirm(TargetRun::State state, ByteSpan finish) {
  if (auto* waiting = std::get_if<TargetRun::Waiting>(&state)) {
    ASSIGN_OR_RETURN(handshake::Established established,
                     std::move(waiting->responder).Confirm(finish));
    RecordKeys keys = std::move(waiting->keys);
    keys.key = std::move(established.receive_key);
    keys.transcript = std::move(established.transcript);
    return keys;
  }
  if (!finish.empty()) return Refused("a second finish");
  return std::get<RecordKeys>(std::move(state));
}

// The plaintexts of all records, which are of one kind.
absl::StatusOr<std::vector<SecretBytes>> OpenRecords(const RecordSuite& suite,
                                                     const RecordKeys& keys,
                                                     const Message& message) {
  const RecordKind kind = message.records.front().kind;
  std::vector<SecretBytes> plaintexts;
  for (const Record& record : message.records) {
    if (record.kind != kind) return Refused("records of several kinds");
    const uint64_t number = message.first + plaintexts.size();
    const RecordPlace place = {message.first,
                               static_cast<uint32_t>(message.records.size()),
                               number, kind, record.ouid};
    absl::StatusOr<SecretBytes> plaintext = suite.open(
        keys, {AssociatedData(message.protocol, keys, place), number},
        record.sealed);
    if (base::CkRv(plaintext.status()) == CKR_CERTIFICATE_INVALID) {
      return plaintext.status();
    }
    if (!plaintext.ok()) {
      return Refused(absl::StrCat("record ", number, " was altered"));
    }
    plaintexts.push_back(*std::move(plaintext));
  }
  return plaintexts;
}

absl::StatusOr<std::optional<hsm::ManifestBook::SourceReport>> ParseEnd(
    const std::vector<SecretBytes>& plaintexts, uint64_t received) {
  if (plaintexts.size() != 1) return Refused("several ends");
  const ByteSpan bytes = plaintexts.front().Expose();
  ReportingEnd end;
  const bool reports = bytes.size() != sizeof(uint64_t);
  if (reports) {
    ASSIGN_OR_RETURN(end, wire::Decode<ReportingEnd>(bytes, "end record"));
  } else {
    ASSIGN_OR_RETURN(const auto bare,
                     wire::Decode<EndPlaintext>(bytes, "end record"));
    end.count = bare.count;
  }
  if (end.count != received) return Refused("the end counts otherwise");
  if (end.report.left_out.size() > kMaxLeftOut) {
    return Refused("the end names too many objects");
  }
  std::optional<hsm::ManifestBook::SourceReport> report;
  if (reports) report = std::move(end.report);
  return report;
}

absl::StatusOr<std::vector<OfferedObject>> ParseOffer(
    const std::vector<SecretBytes>& plaintexts) {
  if (plaintexts.size() != 1) return Refused("several offers");
  ASSIGN_OR_RETURN(
      OfferPlaintext offer,
      wire::Decode<OfferPlaintext>(plaintexts.front().Expose(), "offer"));
  if (offer.format != kOfferFormat || offer.objects.empty() ||
      offer.objects.size() > kMaxOffered) {
    return Refused("malformed offer");
  }
  return std::move(offer.objects);
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
  object.as_offered = plaintext.as_offered;
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
  plaintext.as_offered = record.as_offered;
  return RecordDraft{record.ouid, wire::EncodeSecret(plaintext)};
}

// --- source ---

size_t SourceRun::Overhead() const {
  return Message::kOverhead + finish_.size();
}

size_t SourceRun::SizeOf(const RecordDraft& draft) const {
  return Record::kOverhead +
         version_->suite->sealed_size(draft.plaintext.size());
}

absl::StatusOr<Bytes> SourceRun::Seal(absl::Span<const RecordDraft> records) {
  return SealAs(RecordKind::kObject, records);
}

absl::StatusOr<Bytes> SourceRun::SealOffer(
    absl::Span<const OfferedObject> objects) {
  OfferPlaintext offer;
  offer.objects.assign(objects.begin(), objects.end());
  RecordDraft draft;
  draft.plaintext = wire::EncodeSecret(offer);
  return SealAs(RecordKind::kOffer, absl::MakeConstSpan(&draft, 1));
}

absl::StatusOr<Bytes> SourceRun::SealEnd(
    const std::optional<hsm::ManifestBook::SourceReport>& report) {
  RecordDraft end;
  end.plaintext = report.has_value()
                      ? wire::EncodeSecret(ReportingEnd{next_, *report})
                      : wire::EncodeSecret(EndPlaintext{next_});
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
  for (const RecordDraft& record : records) size += SizeOf(record);
  if (records.empty() || records.size() > max_records() || size > kMaxMessage) {
    return base::Error(CKR_GENERAL_ERROR, "cloning: a message of wrong size");
  }
  Message message;
  message.protocol = version_->number;
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
        version_->suite->seal(
            keys, {AssociatedData(message.protocol, keys, place), number},
            draft.plaintext.Expose()));
    message.records.push_back(std::move(record));
  }
  next_ += records.size();
  keys_ = std::move(keys);
  return wire::Encode(message);
}

// --- target ---

absl::StatusOr<TargetRun::Opened> TargetRun::Open(ByteSpan sealed) {
  State state = std::exchange(state_, std::monostate());  // back on success
  if (std::holds_alternative<std::monostate>(state)) return RunIsOver();
  if (sealed.size() > kMaxMessage) return Refused("message is too long");
  ASSIGN_OR_RETURN(const Message message,
                   wire::Decode<Message>(sealed, "cloning message"));
  if (message.protocol != version_->number || message.run != id_) {
    return Refused("a message of another run or protocol");
  }
  if (message.first != next_) {
    return Refused(absl::StrCat("record ", message.first, " where ", next_,
                                " is expected"));
  }
  if (message.records.empty() ||
      message.records.size() > version_->suite->max_records) {
    return Refused("wrong number of records");
  }
  ASSIGN_OR_RETURN(RecordKeys keys, Confirm(std::move(state), message.finish));
  ASSIGN_OR_RETURN(const std::vector<SecretBytes> plaintexts,
                   OpenRecords(*version_->suite, keys, message));

  Opened opened;
  opened.kind = message.records.front().kind;
  if (opened.end()) {
    ASSIGN_OR_RETURN(opened.report, ParseEnd(plaintexts, next_));
    return opened;
  }
  if (opened.kind == RecordKind::kOffer) {
    ASSIGN_OR_RETURN(opened.offered, ParseOffer(plaintexts));
  } else {
    for (size_t i = 0; i < plaintexts.size(); ++i) {
      ASSIGN_OR_RETURN(
          ObjectRecord object,
          ParseObject(plaintexts[i].Expose(), message.records[i], source_));
      opened.objects.push_back(std::move(object));
    }
  }
  next_ += plaintexts.size();
  state_ = std::move(keys);
  return opened;
}

}  // namespace cloning
