#include "hsm/audit_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "hsm/audit_journal.h"
#include "hsm/audit_log_state.h"
#include "hsm/hsm_core.h"
#include "hsm/hsm_state.h"
#include "hsm/mac_tree.h"

namespace hsm {
namespace {

using Mode = AuditSettings::Mode;

constexpr char kMarkLabel[] = "perigee audit mark 1";
// Full, an open log loses this part of its limit.
constexpr uint64_t kDroppedPart = 8;

struct AuditRecord {
  uint64_t since = 0;  // seconds since 1970
  template <typename V>
  void Fields(V& v) {
    v(since);
  }
};

struct SignedMark {
  Bytes body;
  Bytes mac;
  template <typename V>
  void Fields(V& v) {
    v(body, mac);
  }
};

uint64_t SecondsOf(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixSeconds(time));
}

// Tells settings apart; a number, so that the line needs no text.
uint64_t FingerprintOf(const AuditSettings& settings) {
  const auto of = [](const AuditSettings::Of& one) {
    return absl::StrCat(static_cast<int>(one.mode), one.key_use ? "k" : "",
                        ",");
  };
  std::string text = of(settings.standard);
  for (const auto& [space, one] : settings.partitions) {
    absl::StrAppend(&text, space, ":", of(one));
  }
  const Bytes digest = base::Sha256({base::AsBytes(text)});
  uint64_t number = 0;
  for (int i = 0; i < 4; ++i) number = number << 8 | digest[i];
  return number;
}

Bytes MacOf(const base::SecretBytes& key, ByteSpan body) {
  const auto mac =
      base::HmacSha256(key.Expose(), {base::AsBytes(kMarkLabel), body});
  return base::ToBytes(mac.Expose());
}

}  // namespace

AuditLog::AuditLog(HsmCore* core, base::SecretBytes key)
    : core_(core),
      key_(std::move(key)),
      configured_(std::make_shared<const Configured>(
          Configured{.fingerprint = FingerprintOf(AuditSettings())})) {}
AuditLog::~AuditLog() = default;

void AuditLog::Configure(AuditSettings settings,
                         std::shared_ptr<const MonotonicCounter> counter) {
  Configured with;
  with.fingerprint = FingerprintOf(settings);
  with.counter = std::move(counter);
  if (settings.tpm.has_value()) {
    with.every = settings.tpm->every;
    if (with.counter == nullptr) {
      with.counter = std::make_shared<TpmCounter>(*settings.tpm);
    }
  }
  with.settings = std::move(settings);
  absl::MutexLock lock(&mu_);
  configured_ = std::make_shared<const Configured>(std::move(with));
}

void AuditLog::SetDirectory(std::string directory) {
  absl::MutexLock lock(&mu_);
  directory_ = std::move(directory);
}

std::shared_ptr<const AuditLog::Configured> AuditLog::configured() const {
  absl::MutexLock lock(&mu_);
  return configured_;
}

AuditSettings::Of AuditLog::SettingsOf(SpaceId space) const {
  return configured()->settings.At(space);
}

// --- recording
// ---------------------------------------------------------------------

absl::Status AuditLog::Append(Transaction& tx, AuditEvent event) const {
  return AppendAll(tx, absl::MakeSpan(&event, 1));
}

absl::Status AuditLog::AppendAll(Transaction& tx,
                                 absl::Span<AuditEvent> events) const {
  if (events.empty()) return absl::OkStatus();
  const auto with = configured();
  const AuditSettings& settings = with->settings;
  const Mode mode = settings.At(events.front().space).mode;
  ASSIGN_OR_RETURN(Chain chain, Load(tx, mode));
  chain.journal = settings.journal;
  if (chain.mark.settings != with->fingerprint) {
    chain.mark.settings = with->fingerprint;
    AuditEvent changed{.word = AuditWord::kSettings};
    RETURN_IF_ERROR(Write(
        tx, chain, changed.With(AuditNumber::kSettings, with->fingerprint)));
    Keep(chain);
  }
  if (mode != Mode::kOff) {
    RETURN_IF_ERROR(NamePartition(tx, events));
    for (const AuditEvent& event : events) {
      RETURN_IF_ERROR(AppendOne(tx, settings, chain, event));
    }
    RotateWhenDue(chain);
  }
  Keep(chain);
  return absl::OkStatus();
}

absl::Status AuditLog::NamePartition(Transaction& tx,
                                     absl::Span<AuditEvent> events) const {
  const SpaceId space = events.front().space;
  std::string serial;
  for (AuditEvent& event : events) {
    if (space == 0 || !event.partition.empty()) continue;
    if (serial.empty()) {
      // One that was tampered with is what some events are about.
      const auto partition = LoadPartition(*core_, tx, space);
      if (partition.ok() && partition->has_value()) {
        serial = (*partition)->serial;
      } else if (!partition.ok() &&
                 base::Reason(partition.status()) != kTamperedReason) {
        return partition.status();
      }
    }
    event.partition = serial;
  }
  return absl::OkStatus();
}

absl::Status AuditLog::AppendOne(Transaction& tx, const AuditSettings& settings,
                                 Chain& chain, const AuditEvent& event) const {
  if (RowOf(event.word).counted) {
    const uint64_t hour = SecondsOf(chain.now) / 3600;
    if (chain.mark.counted_hour != hour) chain.mark.counted = 0;
    chain.mark.counted_hour = hour;
    if (chain.mark.counted >= kAuditCountedAnHour) return absl::OkStatus();
    ++chain.mark.counted;
  }
  if (chain.mark.bytes >= settings.limit) {
    RETURN_IF_ERROR(MakeRoom(tx, chain, event, settings.At(event.space).mode));
  }
  const Mark& mark = chain.mark;
  if (mark.seq - mark.checkpoint + 1 >= kAuditCheckpointLines ||
      (mark.checkpoint != mark.seq &&
       mark.checkpoint_time + kAuditCheckpointSeconds < SecondsOf(chain.now))) {
    RETURN_IF_ERROR(WriteCheckpoint(tx, chain));
  }
  return Write(tx, chain, event);
}

absl::Status AuditLog::Note(AuditEvent event) const {
  std::vector<AuditEvent> one;
  one.push_back(std::move(event));
  return NoteAll(std::move(one));
}

absl::Status AuditLog::NoteAll(std::vector<AuditEvent> events) const {
  if (events.empty()) return absl::OkStatus();
  const SpaceId space = events.front().space;
  const Mode mode = SettingsOf(space).mode;
  if (mode == Mode::kOff) return absl::OkStatus();
  JoinedStore& store = core_->store();
  absl::Status status =
      store.writable()
          ? store.Write(space,
                        [&](Transaction& tx) -> absl::Status {
                          return AppendAll(tx, absl::MakeSpan(events));
                        })
          : base::Error(CKR_TOKEN_WRITE_PROTECTED,
                        "the audit log cannot be written");
  if (status.ok() || mode == Mode::kClosed) return status;
  base::Log(base::LogLevel::kWarning, "audit log: ", status.message());
  return absl::OkStatus();
}

void AuditLog::NoteIntegrity(SpaceId space, uint64_t handle,
                             absl::string_view what) const {
  constexpr size_t kMostTold = 256;
  {
    absl::MutexLock lock(&mu_);
    if (told_.size() >= kMostTold ||
        !told_.emplace(space, absl::StrCat(handle, " ", what)).second) {
      return;
    }
  }
  AuditEvent event{.word = AuditWord::kIntegrity, .space = space};
  event.result = CKR_DEVICE_ERROR;
  event.handle = handle;
  Note(std::move(event)).IgnoreError();
}

// --- the chain
// ---------------------------------------------------------------------

std::optional<AuditLog::Mark> AuditLog::MarkOf(const AuditRow& row) const {
  const absl::StatusOr<SignedMark> stored =
      wire::Decode<SignedMark>(row.mark, "audit mark");
  if (!stored.ok() ||
      !base::ConstantTimeEquals(MacOf(key_, stored->body), stored->mac)) {
    return std::nullopt;
  }
  absl::StatusOr<Mark> mark = wire::Decode<Mark>(stored->body, "audit mark");
  if (!mark.ok() || mark->format < kRecordFormat ||
      mark->format > kSealedMarkFormat || mark->seq != row.seq ||
      mark->hash != HashOfLine(base::AsText(row.line))) {
    return std::nullopt;
  }
  return *std::move(mark);
}

Bytes AuditLog::SealMark(const Mark& mark) const {
  SignedMark sealed;
  sealed.body = wire::Encode(mark);
  sealed.mac = MacOf(key_, sealed.body);
  return wire::Encode(sealed);
}

std::shared_ptr<const AuditLog::Chain> AuditLog::Pending() const {
  return std::static_pointer_cast<const Chain>(core_->store().attachment());
}

void AuditLog::Keep(const Chain& chain) const {
  if (!chain.written) return;
  core_->store().Attach(std::make_shared<const Chain>(chain));
}

absl::StatusOr<bool> AuditLog::HasBegun(Reader& reader) const {
  ASSIGN_OR_RETURN(
      const std::optional<AuditRecord> record,
      core_->values().LoadAs<AuditRecord>(reader, kAdminSpace, kAuditValue));
  return record.has_value();
}

absl::StatusOr<AuditLog::Chain> AuditLog::Load(Transaction& tx,
                                               Mode mode) const {
  if (const auto pending = Pending()) {
    Chain chain = *pending;
    chain.now = absl::Now();
    chain.moment = AuditMoment::At(chain.now);
    return chain;
  }
  if (!core_->store().InWrite()) {
    return base::Error(CKR_GENERAL_ERROR,
                       "a line of the audit log needs a "
                       "write of its HSM");
  }
  Chain chain;
  chain.now = absl::Now();
  chain.moment = AuditMoment::At(chain.now);
  ASSIGN_OR_RETURN(const std::optional<AuditRow> last, tx.LastAudit());
  RETURN_IF_ERROR(CheckFile(tx, last));
  std::optional<Mark> mark;
  if (last.has_value()) mark = MarkOf(*last);
  bool begins = false;
  if (!last.has_value()) {
    ASSIGN_OR_RETURN(const bool begun, HasBegun(tx));
    begins = !begun;
  }
  const absl::Status damaged = base::Error(
      CKR_DEVICE_ERROR, "the audit log's end is not as this HSM left it");
  const bool whole = mark.has_value() || begins;
  if (!whole && mode == Mode::kClosed) return damaged;
  if (mark.has_value()) chain.mark = *std::move(mark);
  RETURN_IF_ERROR(MeetCounter(chain, last.has_value() ? last->seq + 1 : 1));
  if (whole) {
    if (begins) RETURN_IF_ERROR(Begin(tx, chain));
  } else {
    base::LogIntegrity(damaged.message());
    RETURN_IF_ERROR(Recover(tx, chain, last));
  }
  Keep(chain);
  return chain;
}

absl::Status AuditLog::Begin(Transaction& tx, Chain& chain) const {
  ASSIGN_OR_RETURN(const HsmView view, core_->Load(tx));
  chain.mark.hsm = view.record.serial;
  chain.mark.settings = configured()->fingerprint;
  chain.mark.first = 1;
  chain.mark.checkpoint_time = SecondsOf(chain.now);
  RETURN_IF_ERROR(core_->values().SaveAs(tx, kAdminSpace, kAuditValue,
                                         AuditRecord{SecondsOf(chain.now)}));
  AuditFrame frame;
  frame.store = HexOf(core_->store().store_id());
  return Write(tx, chain, {.word = AuditWord::kLogBegin}, std::move(frame));
}

absl::Status AuditLog::Recover(Transaction& tx, Chain& chain,
                               const std::optional<AuditRow>& last) const {
  ASSIGN_OR_RETURN(const HsmView view, core_->Load(tx));
  chain.mark.hsm = view.record.serial;
  chain.mark.settings = configured()->fingerprint;
  chain.mark.first = 1;
  if (last.has_value()) {
    chain.mark.seq = last->seq;
    chain.mark.hash = HashOfLine(base::AsText(last->line));
    // How much is there is found out once more; it is seldom.
    ASSIGN_OR_RETURN(const std::vector<AuditRow> rows,
                     tx.ReadAudit(0, last->seq));
    chain.mark.first = rows.empty() ? last->seq : rows.front().seq;
    for (const AuditRow& row : rows) chain.mark.bytes += row.line.size();
  }
  return Write(tx, chain,
               {.word = AuditWord::kRecovered, .result = CKR_DEVICE_ERROR});
}

absl::Status AuditLog::Write(Transaction& tx, Chain& chain,
                             const AuditEvent& event, AuditFrame frame) const {
  frame.seq = chain.mark.seq + 1;
  frame.hsm = chain.mark.hsm;
  frame.prev = chain.mark.hash;
  return WriteLine(tx, chain, LineOf(event, frame, chain.moment),
                   RowOf(event.word).word);
}

absl::Status AuditLog::WriteLine(Transaction& tx, Chain& chain,
                                 std::string line,
                                 absl::string_view word) const {
  chain.mark.seq += 1;
  chain.mark.hash = HashOfLine(line);
  chain.mark.bytes += line.size();
  RETURN_IF_ERROR(tx.AppendAudit(
      {chain.mark.seq, base::ToBytes(base::AsBytes(line)), Bytes()}));
  chain.written = true;
  if (!chain.journal.empty()) {
    core_->store().AfterCommit(
        [socket = chain.journal, seq = chain.mark.seq, line = std::move(line),
         word = std::string(word)] { SendToJournal(socket, seq, word, line); });
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const base::Identity>> AuditLog::Signer(
    Reader& reader) const {
  ASSIGN_OR_RETURN(const IdentityRecord record, LoadIdentity(*core_, reader));
  absl::MutexLock lock(&mu_);
  if (signer_ == nullptr || signer_->certificate.der() != record.certificate) {
    ASSIGN_OR_RETURN(signer_, OpenIdentity(*core_, record));
  }
  return signer_;
}

absl::Status AuditLog::WriteCheckpoint(Transaction& tx, Chain& chain) const {
  // What is read is checked against the mark of the last line.
  Keep(chain);
  ASSIGN_OR_RETURN(const std::shared_ptr<const base::Identity> identity,
                   Signer(tx));
  AuditFrame frame;
  frame.seq = chain.mark.seq + 1;
  frame.hsm = chain.mark.hsm;
  frame.prev = chain.mark.hash;
  const std::string body = CheckpointBody(
      LineOf({.word = AuditWord::kCheckpoint}, frame, chain.moment),
      identity->certificate.der());
  ASSIGN_OR_RETURN(const Bytes signature, identity->key.Sign(SignedPart(body)));
  chain.mark.checkpoint = frame.seq;
  chain.mark.checkpoint_time = SecondsOf(chain.now);
  return WriteLine(tx, chain, CheckpointLine(body, signature),
                   RowOf(AuditWord::kCheckpoint).word);
}

// --- a full log
// --------------------------------------------------------------------

absl::Status AuditLog::MakeRoom(Transaction& tx, Chain& chain,
                                const AuditEvent& event, Mode mode) const {
  if (mode == Mode::kClosed) {
    if (!RowOf(event.word).refusable) return absl::OkStatus();
    return base::ErrorWithReason(
        CKR_DEVICE_MEMORY, "audit-log-full",
        "the audit log is full: rotate it, or raise its limit");
  }
  // The oldest lines, not the last one.
  uint64_t freed = 0, last = 0;
  AuditFrame frame;
  const uint64_t wanted = configured()->settings.limit / kDroppedPart;
  uint64_t from = chain.mark.first;
  while (freed < wanted) {
    ASSIGN_OR_RETURN(const std::vector<AuditRow> rows, tx.ReadAudit(from, 256));
    for (const AuditRow& row : rows) {
      if (freed >= wanted || row.seq >= chain.mark.seq) break;
      freed += row.line.size();
      last = row.seq;
      frame.hash = HashOfLine(base::AsText(row.line));
    }
    if (last + 1 < from + rows.size() || rows.empty()) break;
    from = last + 1;
  }
  if (last == 0) return absl::OkStatus();
  AuditEvent dropped{.word = AuditWord::kDropped};
  dropped.With(AuditNumber::kFirst, chain.mark.first)
      .With(AuditNumber::kLast, last);
  base::Log(base::LogLevel::kWarning, "the audit log is full: lines ",
            chain.mark.first, " to ", last, " were dropped");
  chain.mark.first = last + 1;
  chain.mark.bytes -= std::min(freed, chain.mark.bytes);
  // What is left of a closed segment still becomes a file.
  chain.mark.closed_bytes -= std::min(freed, chain.mark.closed_bytes);
  if (chain.mark.closed <= last) chain.mark.closed = 0;
  RETURN_IF_ERROR(Write(tx, chain, dropped, std::move(frame)));
  return tx.DropAudit(last);
}

}  // namespace hsm
