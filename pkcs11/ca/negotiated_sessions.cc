#include "pkcs11/ca/negotiated_sessions.h"

#include <algorithm>
#include <utility>

#include "base/crypto.h"
#include "base/wire.h"
#include "pkcs11/per_process.h"

namespace pkcs11::ca {
namespace {

constexpr uint8_t kFormat = 1;

absl::Status NoSuchSession() {
  return base::Error(CKR_SESSION_ID_INVALID,
                     "there is no such negotiated session here");
}

absl::Status Invalid(absl::string_view why) {
  return base::Error(CKR_SESSION_NEGOTIATION_INVALID, why);
}

bool Is(const std::weak_ptr<Application>& held,
        const NegotiatedSessions::ApplicationRef& asked) {
  return asked != nullptr && held.lock() == asked;
}

}  // namespace

base::Bytes NegotiationMessage::Encode() const {
  if (kind == Kind::kNone) return {};
  wire::Writer w;
  w.U8(kFormat);
  w.U8(static_cast<uint8_t>(kind));
  w.Raw(session);
  w.Raw(rest);
  return std::move(w).Take();
}

absl::StatusOr<NegotiationMessage> NegotiationMessage::Parse(
    base::ByteSpan bytes) {
  wire::Reader r(bytes);
  const uint8_t format = r.U8();
  const uint8_t kind = r.U8();
  NegotiationMessage message;
  const base::ByteSpan session = r.Raw(message.session.size());
  if (!r.ok() || format != kFormat ||
      kind < static_cast<uint8_t>(Kind::kCall) ||
      kind > static_cast<uint8_t>(Kind::kReply) ||
      r.remaining() > cloning::kMaxOpening) {
    return Invalid("not a message of a negotiation");
  }
  message.kind = static_cast<Kind>(kind);
  std::copy(session.begin(), session.end(), message.session.begin());
  message.rest = base::ToBytes(r.Raw(r.remaining()));
  if ((message.kind == Kind::kCall) != message.rest.empty()) {
    return Invalid("not a message of a negotiation");
  }
  return message;
}

NegotiatedSessions& NegotiatedSessions::OfProcess() {
  return PerProcess<NegotiatedSessions>();
}

NegotiatedSessions::Entry* NegotiatedSessions::Find(const hsm::Ouid& ouid) {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(),
                   [&](const Entry& entry) { return entry.ouid == ouid; });
  return it == entries_.end() ? nullptr : &*it;
}

NegotiatedSessions::Entry& NegotiatedSessions::Add(const hsm::Ouid& ouid) {
  entries_.remove_if([](const Entry& entry) {
    return entry.target.expired() && entry.source.expired();
  });
  if (entries_.size() == kMax) entries_.pop_front();
  Entry& entry = entries_.emplace_back();
  entry.ouid = ouid;
  return entry;
}

absl::StatusOr<hsm::Ouid> NegotiatedSessions::AddTarget(
    const ApplicationRef& target) {
  hsm::Ouid ouid{};
  RETURN_IF_ERROR(base::FillRandom(absl::MakeSpan(ouid)));
  absl::MutexLock lock(&mu_);
  Add(ouid).target = target;
  return ouid;
}

absl::Status NegotiatedSessions::AddSource(const hsm::Ouid& ouid,
                                           const ApplicationRef& source,
                                           base::ByteSpan hello) {
  absl::MutexLock lock(&mu_);
  Entry* entry = Find(ouid);
  if (entry == nullptr) entry = &Add(ouid);
  if (entry->hello.has_value()) {
    return base::Error(CKR_SESSION_ID_EXISTS,
                       "this negotiated session has a source already");
  }
  entry->source = source;
  entry->hello = cloning::IdOfHello(hello);
  return absl::OkStatus();
}

absl::Status NegotiatedSessions::MayAnswer(const hsm::Ouid& ouid,
                                           const ApplicationRef& target) {
  absl::MutexLock lock(&mu_);
  const Entry* entry = Find(ouid);
  if (entry == nullptr || !Is(entry->target, target)) {
    return Invalid("this target did not start the negotiation");
  }
  if (entry->run.has_value()) return Invalid("the target has answered already");
  return absl::OkStatus();
}

absl::Status NegotiatedSessions::AddReply(const hsm::Ouid& ouid,
                                          const ApplicationRef& target,
                                          const cloning::RunId& run,
                                          const base::Bytes& reply) {
  absl::MutexLock lock(&mu_);
  Entry* entry = Find(ouid);
  // Closed meanwhile, or answered by another thread.
  if (entry == nullptr || !Is(entry->target, target) ||
      entry->run.has_value()) {
    return Invalid("the negotiation went on elsewhere");
  }
  entry->run = run;
  entry->reply = reply;
  return absl::OkStatus();
}

absl::StatusOr<base::Bytes> NegotiatedSessions::ReplyFor(
    const hsm::Ouid& ouid, const ApplicationRef& source,
    const NegotiationMessage& input) {
  absl::MutexLock lock(&mu_);
  const Entry* entry = Find(ouid);
  if (entry == nullptr || !Is(entry->source, source)) return NoSuchSession();
  if (input.session != ouid) return Invalid("the input is another session's");
  if (input.kind == NegotiationMessage::Kind::kReply) return input.rest;
  if (input.kind == NegotiationMessage::Kind::kHello &&
      cloning::IdOfHello(input.rest) == entry->hello && !entry->reply.empty()) {
    return entry->reply;
  }
  return Invalid("the target has not answered");
}

absl::StatusOr<cloning::RunId> NegotiatedSessions::RunOf(
    const hsm::Ouid& ouid, const ApplicationRef& target) {
  absl::MutexLock lock(&mu_);
  const Entry* entry = Find(ouid);
  if (entry == nullptr || !Is(entry->target, target)) return NoSuchSession();
  if (!entry->run.has_value()) return Invalid("the target has not answered");
  return *entry->run;
}

absl::StatusOr<std::vector<cloning::RunId>> NegotiatedSessions::Close(
    const hsm::Ouid& ouid, const ApplicationRef& end) {
  absl::MutexLock lock(&mu_);
  Entry* entry = Find(ouid);
  if (entry == nullptr || !(Is(entry->source, end) || Is(entry->target, end))) {
    return NoSuchSession();
  }
  std::vector<cloning::RunId> runs;
  if (Is(entry->source, end)) {
    if (entry->hello.has_value()) runs.push_back(*entry->hello);
    entry->source.reset();
  }
  if (Is(entry->target, end)) {
    if (entry->run.has_value()) runs.push_back(*entry->run);
    entry->target.reset();
  }
  if (entry->source.expired() && entry->target.expired()) {
    entries_.remove_if([&](const Entry& row) { return row.ouid == ouid; });
  }
  return runs;
}

}  // namespace pkcs11::ca
