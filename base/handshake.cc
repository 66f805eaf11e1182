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
  Bytes signature;
  template <typename V>
  void Fields(V& v) {
    v(body, confirmation, signature);
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

absl::Status CheckBody(const Body& body, Message message) {
  if (body.format != kFormat || body.message != message) {
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

absl::StatusOr<Keys> DeriveKeys(const Options& options,
                                const P384Key& ephemeral, ByteSpan peer_point,
                                const Ends& ends, ByteSpan t2) {
  absl::StatusOr<SecretBytes> shared = ephemeral.Agree(peer_point);
  if (!shared.ok()) {
    if (base::CkRv(shared.status()) != CKR_DATA_INVALID) {
      return shared.status();
    }
    return Refused("ephemeral key is not a P-384 point");
  }
  wire::Writer info;
  info.Text("perigee handshake keys 1");
  info.Text(options.purpose);
  info.U32(static_cast<uint32_t>(options.domain_secret.size()));
  info.Raw(ends.initiator.fingerprint());
  info.Raw(ends.responder.fingerprint());
  info.Raw(Sha384({ends.initiator_statement}));
  info.Raw(Sha384({ends.responder_statement}));
  info.Raw(t2);
  ASSIGN_OR_RETURN(
      const SecretBytes okm,
      base::HkdfSha384(shared->Expose(), options.domain_secret.Expose(),
                       info.bytes(),
                       2 * kRecordKeySize + 2 * kConfirmationSize));
  wire::Reader r(okm.Expose());
  Keys keys;
  keys.initiator_records = SecretBytes::CopyOf(r.Raw(kRecordKeySize));
  keys.responder_records = SecretBytes::CopyOf(r.Raw(kRecordKeySize));
  keys.initiator_confirmation = SecretBytes::CopyOf(r.Raw(kConfirmationSize));
  keys.responder_confirmation = SecretBytes::CopyOf(r.Raw(kConfirmationSize));
  return keys;
}

// --- checks ---

absl::Status CheckOptions(const Options& options) {
  const size_t domain_size = options.domain_secret.size();
  if (options.identity == nullptr || options.purpose.empty() ||
      options.purpose.size() > kMaxPurposeSize ||
      options.hello_purpose.size() > kMaxPurposeSize ||
      options.statement.size() > kMaxStatementSize) {
    return base::Error(CKR_ARGUMENTS_BAD, "handshake: bad options");
  }
  if (domain_size != 0 && (domain_size < kMinDomainSecretSize ||
                           domain_size > kMaxDomainSecretSize)) {
    return base::Error(CKR_ARGUMENTS_BAD, "handshake: size of domain secret");
  }
  if (domain_size != 0 && options.accept_unknown_peer) {
    return base::Error(CKR_ARGUMENTS_BAD,
                       "handshake: no domain secret for an unknown peer");
  }
  return absl::OkStatus();
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
  RETURN_IF_ERROR(CheckBody(reply.body, Message::kReply));
  const Bytes body = wire::Encode(reply.body);
  const Bytes t2 = Transcript(purpose, {state.hello, body});
  const Bytes t3 = Transcript(purpose, {state.hello, body, reply.confirmation});
  ASSIGN_OR_RETURN(
      Peer peer,
      CheckPeer(options, reply.body,
                SignatureInput(purpose, Role::kResponder, Message::kReply, t3),
                reply.signature));

  const Ends ends = {options.identity->certificate, options.statement,
                     peer.certificate, peer.statement};
  ASSIGN_OR_RETURN(Keys keys, DeriveKeys(options, state.ephemeral,
                                         reply.body.ephemeral, ends, t2));
  const SecretBytes expected = ConfirmationOf(keys.responder_confirmation,
                                              purpose, Role::kResponder, t2);
  if (!expected.Equals(reply.confirmation)) {
    return DomainMismatch();
  }

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

// The domain secret and the ephemeral key are not in it: the keys are derived.
struct Responder::State {
  std::string purpose;
  Peer peer;
  Keys keys;
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

  ASSIGN_OR_RETURN(const P384Key ephemeral, P384Key::Generate());
  Reply reply;
  reply.body = NewBody(Message::kReply, options, ephemeral);
  const Bytes body = wire::Encode(reply.body);
  const Bytes t2 = Transcript(purpose, {hello_bytes, body});
  const Ends ends = {peer.certificate, peer.statement,
                     options.identity->certificate, options.statement};
  ASSIGN_OR_RETURN(Keys keys, DeriveKeys(options, ephemeral,
                                         hello.body.ephemeral, ends, t2));
  reply.confirmation = Sent(ConfirmationOf(keys.responder_confirmation, purpose,
                                           Role::kResponder, t2));
  const Bytes t3 = Transcript(purpose, {hello_bytes, body, reply.confirmation});
  ASSIGN_OR_RETURN(reply.signature,
                   options.identity->key.Sign(SignatureInput(
                       purpose, Role::kResponder, Message::kReply, t3)));
  keys.responder_confirmation = SecretBytes();  // has been used
  return Responder(std::make_unique<State>(
      State{options.purpose, std::move(peer), std::move(keys),
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
  const SecretBytes expected = ConfirmationOf(state.keys.initiator_confirmation,
                                              purpose, Role::kInitiator, t4);
  if (!expected.Equals(finish.confirmation)) {
    return Refused("the initiator's confirmation does not fit");
  }
  return Established{state.peer, state.keys.responder_records.Clone(),
                     state.keys.initiator_records.Clone(), std::move(t5)};
}

}  // namespace handshake
