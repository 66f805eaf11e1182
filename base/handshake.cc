// Every byte of the exchange is in docs/formats/handshake.md; the names t1 to
// t5 are those of that page.
#include "base/handshake.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/wire.h"

namespace handshake {
namespace {

using base::Certificate;
using base::P384Key;
using base::Sha384;

constexpr uint8_t kFormat = 1;
constexpr uint8_t kSeveralFormat = 2;  // of a reply in several domains
enum class Message : uint8_t { kHello = 1, kReply = 2, kFinish = 3 };
enum class Role : uint8_t { kInitiator = 1, kResponder = 2 };

constexpr size_t kMaxPurposeSize = 64;
constexpr size_t kMaxCertificateSize = 2048;
constexpr size_t kMaxStatementSize = 16384;
constexpr size_t kMaxMessageSize = 20480;
constexpr size_t kMinDomainSecretSize = 16;
constexpr size_t kMaxDomainSecretSize = 128;  // a block of HMAC-SHA-384
constexpr size_t kRecordKeySize = 32;
constexpr size_t kConfirmationSize = 48;

using Confirmation = std::array<uint8_t, kConfirmationSize>;
using FurtherConfirmations =
    std::array<uint8_t, (kMaxDomains - 1) * kConfirmationSize>;

// --- messages ---

struct Body {
  uint8_t format = kFormat;
  Message message = Message::kHello;
  Bytes certificate;
  Bytes statement;
  std::array<uint8_t, base::kP384PointSize> ephemeral{};
  template <typename V>
  void Fields(V& v) {
    v(format, message, certificate, statement, ephemeral);
  }
};

struct Hello {
  Body body;
  Bytes signature;
  template <typename V>
  void Fields(V& v) {
    v(body, signature);
  }
};

struct Reply {
  Body body;
  Confirmation confirmation{};
  FurtherConfirmations further{};  // of kSeveralFormat
  Bytes signature;
  template <typename V>
  void Fields(V& v) {
    v(body, confirmation);
    if (body.format == kSeveralFormat) v(further);
    v(signature);
  }

  // All that stand in it, one behind the other.
  Bytes Confirmations() const {
    Bytes all(confirmation.begin(), confirmation.end());
    if (body.format == kSeveralFormat) {
      all.insert(all.end(), further.begin(), further.end());
    }
    return all;
  }
};

struct Finish {
  uint8_t format = kFormat;
  Message message = Message::kFinish;
  Confirmation confirmation{};
  Bytes signature;
  template <typename V>
  void Fields(V& v) {
    v(format, message, confirmation, signature);
  }
};

absl::Status Refused(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("handshake: ", what));
}

template <typename T>
absl::StatusOr<T> Decode(ByteSpan in, absl::string_view what) {
  if (in.size() > kMaxMessageSize) return Refused("message is too long");
  return wire::Decode<T>(in, what);
}

uint8_t FormatOfReply(const Options& options) {
  return options.several_domains ? kSeveralFormat : kFormat;
}

absl::Status CheckBody(const Body& body, Message message,
                       uint8_t format = kFormat) {
  if (body.format != format || body.message != message) {
    return Refused("another format or message");
  }
  if (body.certificate.size() > kMaxCertificateSize ||
      body.statement.size() > kMaxStatementSize) {
    return Refused("certificate or statement is too long");
  }
  return absl::OkStatus();
}

Body NewBody(Message message, const Options& options,
             const P384Key& ephemeral) {
  Body body;
  body.message = message;
  body.certificate = options.identity->certificate.der();
  body.statement = options.statement;
  std::copy(ephemeral.public_point().begin(), ephemeral.public_point().end(),
            body.ephemeral.begin());
  return body;
}

// --- transcript, signatures, confirmations ---

// T(parts...) of the format page.
Bytes Transcript(absl::string_view purpose,
                 std::initializer_list<ByteSpan> parts) {
  wire::Writer w;
  w.Text("perigee handshake transcript 1");
  w.Text(purpose);
  for (ByteSpan part : parts) w.Sized(part);
  return Sha384({w.bytes()});
}

Bytes SignatureInput(absl::string_view purpose, Role signer, Message message,
                     ByteSpan transcript) {
  wire::Writer w;
  w.Text("perigee handshake signature 1");
  w.Text(purpose);
  w.U8(static_cast<uint8_t>(signer));
  w.U8(static_cast<uint8_t>(message));
  w.Raw(transcript);
  return std::move(w).Take();
}

absl::Status VerifyPeerSignature(const Certificate& signer, ByteSpan input,
                                 ByteSpan signature) {
  if (!signer.VerifySignature(input, signature).ok()) {
    return Refused("signature does not fit (or another purpose)");
  }
  return absl::OkStatus();
}

SecretBytes ConfirmationOf(const SecretBytes& key, absl::string_view purpose,
                           Role sender, ByteSpan transcript) {
  wire::Writer w;
  w.Text("perigee handshake confirmation 1");
  w.Text(purpose);
  w.U8(static_cast<uint8_t>(sender));
  w.Raw(transcript);
  return base::HmacSha384(key.Expose(), {w.bytes()});
}

// The confirmation that is sent; the one that is expected stays a secret.
Confirmation Sent(const SecretBytes& confirmation) {
  Confirmation out{};
  const ByteSpan bytes = confirmation.Expose();
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

// --- keys ---

struct Keys {
  SecretBytes initiator_records;  // initiator -> responder
  SecretBytes responder_records;
  SecretBytes initiator_confirmation;
  SecretBytes responder_confirmation;
};

// The two ends as the key derivation names them.
struct Ends {
  const Certificate& initiator;
  ByteSpan initiator_statement;
  const Certificate& responder;
  ByteSpan responder_statement;
};

// Z of the page: what comes of both ephemerals, and of a further agreement.
absl::StatusOr<SecretBytes> Agree(const P384Key& ephemeral, ByteSpan peer_point,
                                  const SecretBytes& further) {
  absl::StatusOr<SecretBytes> shared = ephemeral.Agree(peer_point);
  if (!shared.ok()) {
    if (base::CkRv(shared.status()) != CKR_DATA_INVALID) {
      return shared.status();
    }
    return Refused("ephemeral key is not a P-384 point");
  }
  shared->Append(further.Expose());
  return shared;
}

absl::StatusOr<Keys> DeriveKeys(absl::string_view purpose,
                                const SecretBytes& domain_secret,
                                const SecretBytes& shared, const Ends& ends,
                                ByteSpan t2) {
  wire::Writer info;
  info.Text("perigee handshake keys 1");
  info.Text(purpose);
  info.U32(static_cast<uint32_t>(domain_secret.size()));
  info.Raw(ends.initiator.fingerprint());
  info.Raw(ends.responder.fingerprint());
  info.Raw(Sha384({ends.initiator_statement}));
  info.Raw(Sha384({ends.responder_statement}));
  info.Raw(t2);
  ASSIGN_OR_RETURN(
      const SecretBytes okm,
      base::HkdfSha384(shared.Expose(), domain_secret.Expose(), info.bytes(),
                       2 * kRecordKeySize + 2 * kConfirmationSize));
  wire::Reader r(okm.Expose());
  Keys keys;
  keys.initiator_records = SecretBytes::CopyOf(r.Raw(kRecordKeySize));
  keys.responder_records = SecretBytes::CopyOf(r.Raw(kRecordKeySize));
  keys.initiator_confirmation = SecretBytes::CopyOf(r.Raw(kConfirmationSize));
  keys.responder_confirmation = SecretBytes::CopyOf(r.Raw(kConfirmationSize));
  return keys;
}

// The same under each domain of this end, in its order.
absl::StatusOr<std::vector<Keys>> DeriveAllKeys(const Options& options,
                                                const SecretBytes& shared,
                                                const Ends& ends, ByteSpan t2) {
  std::vector<Keys> all(1);
  ASSIGN_OR_RETURN(all[0], DeriveKeys(options.purpose, options.domain_secret,
                                      shared, ends, t2));
  for (const SecretBytes& domain : options.further_domains) {
    ASSIGN_OR_RETURN(Keys keys,
                     DeriveKeys(options.purpose, domain, shared, ends, t2));
    all.push_back(std::move(keys));
  }
  return all;
}

// --- checks ---

absl::Status CheckDomains(const Options& options) {
  const auto fits = [](const SecretBytes& secret) {
    return secret.size() >= kMinDomainSecretSize &&
           secret.size() <= kMaxDomainSecretSize;
  };
  const SecretBytes& first = options.domain_secret;
  const bool sizes = (first.empty() && !options.several_domains) || fits(first);
  if (!sizes || !std::all_of(options.further_domains.begin(),
                             options.further_domains.end(), fits)) {
    return base::Error(CKR_ARGUMENTS_BAD, "handshake: size of domain secret");
  }
  if (options.further_domains.size() >= kMaxDomains ||
      (!options.several_domains && !options.further_domains.empty())) {
    return base::Error(CKR_ARGUMENTS_BAD, "handshake: number of domains");
  }
  if (options.accept_unknown_peer &&
      (!first.empty() || options.several_domains)) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "handshake: no domain secret for an unknown peer");
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const Options& options) {
  if (options.identity == nullptr || options.purpose.empty() ||
      options.purpose.size() > kMaxPurposeSize ||
      options.hello_purpose.size() > kMaxPurposeSize ||
      options.statement.size() > kMaxStatementSize) {
    return base::Error(CKR_ARGUMENTS_BAD, "handshake: bad options");
  }
  return CheckDomains(options);
}

absl::Status CheckChain(const Options& options, const Certificate& peer) {
  if (options.accept_unknown_peer) {
    if (peer.is_root()) return Refused("a root is not a peer");
    return absl::OkStatus();
  }
  for (const Certificate& root : options.identity->roots) {
    if (peer.VerifyUnder(root).ok()) return absl::OkStatus();
  }
  return base::ErrorWithReason(
      CKR_DEVICE_ERROR, kForeignFleet,
      "handshake: certificate under no root that is trusted here");
}

// The sender of a hello or a reply: its certificate is well-formed and
// trusted, its signature fits, and check_peer agrees.
absl::StatusOr<Peer> CheckPeer(const Options& options, const Body& body,
                               ByteSpan signature_input, ByteSpan signature) {
  absl::StatusOr<Certificate> certificate =
      Certificate::Parse(body.certificate);
  if (!certificate.ok()) return Refused(certificate.status().message());
  RETURN_IF_ERROR(
      VerifyPeerSignature(*certificate, signature_input, signature));
  RETURN_IF_ERROR(CheckChain(options, *certificate));
  if (options.check_peer) {
    RETURN_IF_ERROR(options.check_peer(*certificate, body.statement));
  }
  return Peer{*std::move(certificate), body.statement};
}

// The secret of the further agreement, if there is one; of a responder, whose
// share it makes, also the statement.
absl::StatusOr<Agreed> AgreeFurther(const Options& options, const Peer& peer) {
  if (!options.further_agreement) return Agreed{{}, options.statement};
  ASSIGN_OR_RETURN(Agreed agreed, options.further_agreement(peer.statement));
  if (agreed.statement.size() > kMaxStatementSize) {
    return base::Error(CKR_ARGUMENTS_BAD, "handshake: size of a statement");
  }
  return agreed;
}

// The reply's confirmations under all domains of this end. Places without a
// domain are random: nobody learns how many there are.
absl::Status ConfirmAll(const Options& options, const std::vector<Keys>& all,
                        ByteSpan t2, Reply& reply) {
  const auto under = [&](const Keys& keys) {
    return Sent(ConfirmationOf(keys.responder_confirmation, options.purpose,
                               Role::kResponder, t2));
  };
  reply.confirmation = under(all[0]);
  if (!options.several_domains) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Bytes filling,
                   base::RandomBytes(reply.further.size()));
  std::copy(filling.begin(), filling.end(), reply.further.begin());
  for (size_t i = 1; i < all.size(); ++i) {
    const Confirmation more = under(all[i]);
    std::copy(more.begin(), more.end(),
              reply.further.begin() + (i - 1) * kConfirmationSize);
  }
  return absl::OkStatus();
}

// The keys of a domain that both are in, the first in this end's order.
absl::StatusOr<Keys> FindCommon(absl::string_view purpose,
                                std::vector<Keys> all, ByteSpan t2,
                                ByteSpan confirmations) {
  for (Keys& keys : all) {
    const SecretBytes expected = ConfirmationOf(keys.responder_confirmation,
                                                purpose, Role::kResponder, t2);
    for (size_t at = 0; at < confirmations.size(); at += kConfirmationSize) {
      if (expected.Equals(confirmations.subspan(at, kConfirmationSize))) {
        return std::move(keys);
      }
    }
  }
  return DomainMismatch();
}

}  // namespace

absl::Status DomainMismatch() {
  return base::Error(CKR_CERTIFICATE_INVALID, "domain mismatch");
}

absl::StatusOr<Bytes> UncheckedStatement(ByteSpan hello_bytes) {
  ASSIGN_OR_RETURN(Hello hello, Decode<Hello>(hello_bytes, "handshake hello"));
  RETURN_IF_ERROR(CheckBody(hello.body, Message::kHello));
  return std::move(hello.body.statement);
}

// --- initiator ---

struct Initiator::State {
  Options options;
  P384Key ephemeral;
  Bytes hello;
};

Initiator::Initiator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Initiator::Initiator(Initiator&&) = default;
Initiator& Initiator::operator=(Initiator&&) = default;
Initiator::~Initiator() = default;

const Bytes& Initiator::hello() const { return state_->hello; }

absl::StatusOr<Initiator> Initiator::Start(Options options) {
  RETURN_IF_ERROR(CheckOptions(options));
  if (options.accept_unknown_peer && !options.check_peer) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "handshake: nothing would check the unknown peer");
  }
  ASSIGN_OR_RETURN(P384Key ephemeral, P384Key::Generate());
  Hello hello;
  hello.body = NewBody(Message::kHello, options, ephemeral);
  const Bytes t1 = Transcript(options.purpose, {wire::Encode(hello.body)});
  ASSIGN_OR_RETURN(hello.signature, options.identity->key.Sign(SignatureInput(
                                        options.purpose, Role::kInitiator,
                                        Message::kHello, t1)));
  return Initiator(std::make_unique<State>(
      State{std::move(options), std::move(ephemeral), wire::Encode(hello)}));
}

absl::Status Initiator::SetTerms(Terms terms) {
  if (state_ == nullptr) {
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "handshake is over");
  }
  Options& options = state_->options;
  if (options.accept_unknown_peer) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "handshake: one purpose for an unknown peer");
  }
  options.purpose = std::move(terms.purpose);
  options.check_peer = std::move(terms.check_peer);
  options.domain_secret = std::move(terms.domain_secret);
  options.several_domains = terms.several_domains;
  options.further_domains = std::move(terms.further_domains);
  options.further_agreement = std::move(terms.further_agreement);
  return CheckOptions(options);
}

absl::StatusOr<Initiator::Result> Initiator::Finish(ByteSpan reply) && {
  // Whatever happens, the state ends here.
  const std::unique_ptr<State> state = std::move(state_);
  if (state == nullptr) {
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "handshake is over");
  }
  return FinishFrom(*state, reply);
}

absl::StatusOr<Initiator::Result> Initiator::FinishFrom(const State& state,
                                                        ByteSpan reply_bytes) {
  const Options& options = state.options;
  const std::string& purpose = options.purpose;
  ASSIGN_OR_RETURN(const Reply reply,
                   Decode<Reply>(reply_bytes, "handshake reply"));
  RETURN_IF_ERROR(
      CheckBody(reply.body, Message::kReply, FormatOfReply(options)));
  const Bytes body = wire::Encode(reply.body);
  const Bytes confirmations = reply.Confirmations();
  const Bytes t2 = Transcript(purpose, {state.hello, body});
  const Bytes t3 = Transcript(purpose, {state.hello, body, confirmations});
  ASSIGN_OR_RETURN(
      Peer peer,
      CheckPeer(options, reply.body,
                SignatureInput(purpose, Role::kResponder, Message::kReply, t3),
                reply.signature));

  ASSIGN_OR_RETURN(const Agreed further, AgreeFurther(options, peer));
  ASSIGN_OR_RETURN(
      const SecretBytes shared,
      Agree(state.ephemeral, reply.body.ephemeral, further.secret));
  const Ends ends = {options.identity->certificate, options.statement,
                     peer.certificate, peer.statement};
  ASSIGN_OR_RETURN(std::vector<Keys> all,
                   DeriveAllKeys(options, shared, ends, t2));
  ASSIGN_OR_RETURN(Keys keys,
                   FindCommon(purpose, std::move(all), t2, confirmations));

  handshake::Finish finish;
  const Bytes t4 = Transcript(purpose, {state.hello, reply_bytes});
  finish.confirmation = Sent(ConfirmationOf(keys.initiator_confirmation,
                                            purpose, Role::kInitiator, t4));
  Bytes t5 =
      Transcript(purpose, {state.hello, reply_bytes, finish.confirmation});
  ASSIGN_OR_RETURN(finish.signature,
                   options.identity->key.Sign(SignatureInput(
                       purpose, Role::kInitiator, Message::kFinish, t5)));
  return Result{wire::Encode(finish),
                Established{std::move(peer), std::move(keys.initiator_records),
                            std::move(keys.responder_records), std::move(t5)}};
}

// --- responder ---

// The domain secrets and the ephemeral key are not in it: the keys are derived.
struct Responder::State {
  std::string purpose;
  Peer peer;
  std::vector<Keys> keys;  // one of each domain
  Bytes hello;
  Bytes reply;
};

Responder::Responder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Responder::Responder(Responder&&) = default;
Responder& Responder::operator=(Responder&&) = default;
Responder::~Responder() = default;

const Bytes& Responder::reply() const { return state_->reply; }
const Peer& Responder::peer() const { return state_->peer; }

absl::StatusOr<Responder> Responder::Answer(Options options,
                                            ByteSpan hello_bytes) {
  RETURN_IF_ERROR(CheckOptions(options));
  const std::string& purpose = options.purpose;
  ASSIGN_OR_RETURN(const Hello hello,
                   Decode<Hello>(hello_bytes, "handshake hello"));
  RETURN_IF_ERROR(CheckBody(hello.body, Message::kHello));
  const std::string& of_hello =
      options.hello_purpose.empty() ? purpose : options.hello_purpose;
  const Bytes t1 = Transcript(of_hello, {wire::Encode(hello.body)});
  ASSIGN_OR_RETURN(
      Peer peer,
      CheckPeer(options, hello.body,
                SignatureInput(of_hello, Role::kInitiator, Message::kHello, t1),
                hello.signature));

  ASSIGN_OR_RETURN(Agreed further, AgreeFurther(options, peer));
  options.statement = std::move(further.statement);
  ASSIGN_OR_RETURN(const P384Key ephemeral, P384Key::Generate());
  Reply reply;
  reply.body = NewBody(Message::kReply, options, ephemeral);
  reply.body.format = FormatOfReply(options);
  const Bytes body = wire::Encode(reply.body);
  const Bytes t2 = Transcript(purpose, {hello_bytes, body});
  ASSIGN_OR_RETURN(const SecretBytes shared,
                   Agree(ephemeral, hello.body.ephemeral, further.secret));
  const Ends ends = {peer.certificate, peer.statement,
                     options.identity->certificate, options.statement};
  ASSIGN_OR_RETURN(std::vector<Keys> all,
                   DeriveAllKeys(options, shared, ends, t2));
  RETURN_IF_ERROR(ConfirmAll(options, all, t2, reply));
  const Bytes t3 =
      Transcript(purpose, {hello_bytes, body, reply.Confirmations()});
  ASSIGN_OR_RETURN(reply.signature,
                   options.identity->key.Sign(SignatureInput(
                       purpose, Role::kResponder, Message::kReply, t3)));
  for (Keys& keys : all) {
    keys.responder_confirmation = SecretBytes();  // has been used
  }
  return Responder(std::make_unique<State>(
      State{options.purpose, std::move(peer), std::move(all),
            base::ToBytes(hello_bytes), wire::Encode(reply)}));
}

absl::StatusOr<Established> Responder::Confirm(ByteSpan finish) && {
  // Whatever happens, the state ends here.
  std::unique_ptr<State> state = std::move(state_);
  if (state == nullptr) {
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "handshake is over");
  }
  return ConfirmFrom(*state, finish);
}

absl::StatusOr<Established> Responder::ConfirmFrom(const State& state,
                                                   ByteSpan finish_bytes) {
  const std::string& purpose = state.purpose;
  ASSIGN_OR_RETURN(const handshake::Finish finish,
                   Decode<handshake::Finish>(finish_bytes, "handshake finish"));
  if (finish.format != kFormat || finish.message != Message::kFinish) {
    return Refused("another format or message");
  }
  const Bytes t4 = Transcript(purpose, {state.hello, state.reply});
  Bytes t5 =
      Transcript(purpose, {state.hello, state.reply, finish.confirmation});
  RETURN_IF_ERROR(VerifyPeerSignature(
      state.peer.certificate,
      SignatureInput(purpose, Role::kInitiator, Message::kFinish, t5),
      finish.signature));
  for (const Keys& keys : state.keys) {
    const SecretBytes expected = ConfirmationOf(keys.initiator_confirmation,
                                                purpose, Role::kInitiator, t4);
    if (!expected.Equals(finish.confirmation)) continue;
    return Established{state.peer, keys.responder_records.Clone(),
                       keys.initiator_records.Clone(), std::move(t5)};
  }
  return Refused("the initiator's confirmation does not fit");
}

}  // namespace handshake
