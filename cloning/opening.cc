// How a run begins: hello and reply, what the two ends choose, and the keys
// that come of it. docs/formats/cloning.md has every byte.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/wire.h"
#include "cloning/protocol.h"

namespace cloning {
namespace {

constexpr size_t kMinDomainSecret = 16;

// In front of the handshake's hello stands the protocol alone.
constexpr size_t kHelloHeaderSize = 1;

// In front of the handshake's reply.
struct ReplyHeader {
  uint8_t protocol = 0;
  RunId hello{};
  static constexpr size_t kSize = 1 + sizeof(RunId);
  template <typename V>
  void Fields(V& v) {
    v(protocol, hello);
  }
};

absl::Status Refused(absl::string_view what) {
  return base::Error(CKR_DEVICE_ERROR, absl::StrCat("cloning: ", what));
}

RunId FirstBytes(const Bytes& digest) {
  RunId id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

// The version that these two use; null for a number that none has.
const ProtocolVersion* FindAvailable(uint8_t number) {
  const ProtocolVersion* version = FindProtocolVersion(number);
  return version != nullptr && version->available() ? version : nullptr;
}

// What a reply is for: a version, and a suite where the version has them.
struct Choice {
  const ProtocolVersion* version = nullptr;
  const CipherSuite* suite = nullptr;

  const char* purpose() const {
    return suite != nullptr ? suite->purpose : version->purpose;
  }
};

// Decides about the peer: what it says, whether it is somebody else, and that
// this is the right choice for the two.
handshake::PeerCheck NewPeerCheck(const Choice& choice, const Introduction& own,
                                  bool own_is_source) {
  return [=](const base::Certificate& certificate,
             ByteSpan statement) -> absl::Status {
    ASSIGN_OR_RETURN(const Introduction peer,
                     ParseIntroduction(certificate, statement));
    if (peer.statement.serial == own.statement.serial &&
        peer.statement.partition == own.statement.partition) {
      return base::Error(CKR_ARGUMENTS_BAD,
                         "cloning: source and target are one partition");
    }
    const Introduction& source = own_is_source ? own : peer;
    const Introduction& target = own_is_source ? peer : own;
    RETURN_IF_ERROR(CheckProtocol(choice.version->number, source, target));
    if (!choice.version->negotiates) return absl::OkStatus();
    const uint8_t suite = choice.suite != nullptr ? choice.suite->number : 0;
    return CheckSuite(suite, source, target);
  };
}

absl::Status NeedDomain(const RunOptions& options) {
  if (options.domain_secret.size() >= kMinDomainSecret) return absl::OkStatus();
  return base::Error(CKR_CLONING_PARAMETER_MISSING,
                     "the partition has no cloning domain");
}

// What salts the handshake: nothing, the primary domain, or all.
template <typename Options>
void SetDomains(const ProtocolVersion& version, const RunOptions& own,
                Options& exchange) {
  if (!version.suite->domain_in_handshake) return;
  exchange.domain_secret = own.domain_secret.Clone();
  if (!version.negotiates) return;
  exchange.several_domains = true;
  for (const SecretBytes& further : own.further_domains) {
    exchange.further_domains.push_back(further.Clone());
  }
}

// The keys of a run, as far as they do not come of the handshake.
RecordKeys NewKeys(const RecordSuite& suite, SecretBytes domain_secret) {
  RecordKeys keys;
  if (suite.transports_keys) keys.domain_secret = std::move(domain_secret);
  return keys;
}

// What a hello is answered for: what the source's lists and the own ones come
// to. They are unchecked; NewPeerCheck finds the same of the signed ones, or
// the error.
absl::StatusOr<Choice> Choose(uint8_t of_hello, ByteSpan hello,
                              const Introduction& own) {
  ASSIGN_OR_RETURN(const Bytes statement, handshake::UncheckedStatement(hello));
  ASSIGN_OR_RETURN(const Introduction source,
                   wire::Decode<Introduction>(statement, "introduction"));
  if (NumberOfHello(source) != of_hello) {
    return Refused("a hello of another protocol than its source's highest");
  }
  Choice choice;
  choice.version =
      FindAvailable(CommonProtocol(source, own).value_or(of_hello));
  if (choice.version == nullptr) {
    return Refused("no protocol that is available here");
  }
  if (choice.version->negotiates) {
    choice.suite = FindCipherSuite(CommonSuite(source, own).value_or(0));
  }
  return choice;
}

// The target's part of a further agreement, and its introduction with it.
handshake::FurtherAgreement AnswerOf(const CipherSuite* suite,
                                     const Introduction& own) {
  if (suite == nullptr) return nullptr;
  return [=](ByteSpan statement) -> absl::StatusOr<handshake::Agreed> {
    ASSIGN_OR_RETURN(const Introduction source,
                     wire::Decode<Introduction>(statement, "introduction"));
    ASSIGN_OR_RETURN(SuiteAnswer answer,
                     AnswerSuite(suite->number, source.shares));
    Introduction answering = own;
    answering.shares = std::move(answer.shares);
    return handshake::Agreed{std::move(answer.secret), wire::Encode(answering)};
  };
}

// The source's part; `keys` outlive it.
handshake::FurtherAgreement AgreementOf(const CipherSuite* suite,
                                        const SuiteKeys& keys) {
  if (suite == nullptr) return nullptr;
  return
      [suite, &keys](ByteSpan statement) -> absl::StatusOr<handshake::Agreed> {
        ASSIGN_OR_RETURN(const Introduction target,
                         wire::Decode<Introduction>(statement, "introduction"));
        ASSIGN_OR_RETURN(SecretBytes secret,
                         keys.Agree(suite->number, target.shares));
        return handshake::Agreed{std::move(secret), {}};
      };
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

// --- source ---

absl::StatusOr<SourceOffer> SourceOffer::Start(RunOptions options) {
  RETURN_IF_ERROR(NeedDomain(options));
  Introduction own = Introduce(options.statement, options.negotiation);
  ASSIGN_OR_RETURN(SuiteKeys suite_keys, SuiteKeys::Generate(own.suites));
  own.shares = suite_keys.shares();
  const uint8_t number = NumberOfHello(own);
  handshake::Options exchange;
  exchange.purpose = FindProtocolVersion(number)->purpose;
  exchange.identity = options.identity.get();
  exchange.statement = wire::Encode(own);
  ASSIGN_OR_RETURN(handshake::Initiator initiator,
                   handshake::Initiator::Start(std::move(exchange)));
  Bytes hello = Concat({number}, initiator.hello());
  if (hello.size() > kMaxOpening) {
    return base::Error(CKR_GENERAL_ERROR, "cloning: hello is too long");
  }
  return SourceOffer(std::move(options), std::move(own), std::move(suite_keys),
                     std::move(initiator), std::move(hello));
}

absl::StatusOr<SourceRun> SourceOffer::Bind(ByteSpan reply) && {
  SourceOffer offer = std::move(*this);  // ends here, whatever happens
  if (offer.options_.identity == nullptr) {
    return base::Error(CKR_OPERATION_NOT_INITIALIZED,
                       "cloning: this offer was used already");
  }
  if (reply.size() > kMaxOpening) return Refused("reply is too long");
  ASSIGN_OR_RETURN(const RunId answered, HelloIdInReply(reply));
  Choice choice;
  choice.version = FindAvailable(reply[0]);
  if (choice.version == nullptr || answered != IdOfHello(offer.hello_)) {
    return Refused("the reply answers another hello or protocol");
  }
  const RecordSuite& suite = *choice.version->suite;
  wire::Reader rest(reply.subspan(ReplyHeader::kSize));
  ByteSpan certificate;
  if (suite.transports_keys) certificate = rest.Sized();
  if (choice.version->negotiates) choice.suite = FindCipherSuite(rest.U8());
  if (!rest.ok() || choice.version->negotiates != (choice.suite != nullptr)) {
    return Refused("malformed reply");
  }
  handshake::Initiator::Terms terms;
  terms.purpose = choice.purpose();
  terms.check_peer = NewPeerCheck(choice, offer.own_, /*own_is_source=*/true);
  SetDomains(*choice.version, offer.options_, terms);
  terms.further_agreement = AgreementOf(choice.suite, offer.suite_keys_);
  RETURN_IF_ERROR(offer.initiator_.SetTerms(std::move(terms)));
  ASSIGN_OR_RETURN(
      handshake::Initiator::Result result,
      std::move(offer.initiator_).Finish(rest.Raw(rest.remaining())));
  const handshake::Peer& peer = result.established.peer;
  SourceRun run;
  run.version_ = choice.version;
  run.cipher_suite_ = choice.suite;
  ASSIGN_OR_RETURN(run.target_, StatementOf(peer));
  run.id_ = IdOfRun(offer.hello_, reply);
  run.keys_ = NewKeys(suite, std::move(offer.options_.domain_secret));
  if (suite.transports_keys) {
    ASSIGN_OR_RETURN(run.keys_.wrap_to,
                     CheckWrappingCertificate(certificate, peer.certificate));
  }
  run.keys_.key = std::move(result.established.send_key);
  run.keys_.transcript = std::move(result.established.transcript);
  run.finish_ = std::move(result.finish);
  return run;
}

// --- target ---

absl::StatusOr<TargetRun> TargetRun::Join(RunOptions options, ByteSpan hello) {
  if (hello.size() > kMaxOpening || hello.size() < kHelloHeaderSize ||
      FindAvailable(hello[0]) == nullptr) {
    return Refused("not a hello of a protocol that is available here");
  }
  RETURN_IF_ERROR(NeedDomain(options));
  const ByteSpan exchange_hello = hello.subspan(kHelloHeaderSize);
  const Introduction own = Introduce(options.statement, options.negotiation);
  ASSIGN_OR_RETURN(const Choice choice, Choose(hello[0], exchange_hello, own));
  const ProtocolVersion& version = *choice.version;
  const RecordSuite& suite = *version.suite;
  handshake::Options exchange;
  exchange.purpose = choice.purpose();
  exchange.hello_purpose = FindProtocolVersion(hello[0])->purpose;
  exchange.identity = options.identity.get();
  exchange.statement = wire::Encode(own);
  exchange.check_peer = NewPeerCheck(choice, own, /*own_is_source=*/false);
  SetDomains(version, options, exchange);
  exchange.further_agreement = AnswerOf(choice.suite, own);
  ASSIGN_OR_RETURN(
      handshake::Responder responder,
      handshake::Responder::Answer(std::move(exchange), exchange_hello));

  RecordKeys keys = NewKeys(suite, std::move(options.domain_secret));
  wire::Writer header;
  header.Raw(wire::Encode(ReplyHeader{version.number, IdOfHello(hello)}));
  if (suite.transports_keys) {
    keys.legacy_domain = std::move(options.legacy_domain);
    ASSIGN_OR_RETURN(keys.unwrap_with, options.wrapping_key());
    keys.wrap_to = keys.unwrap_with->public_der();
    ASSIGN_OR_RETURN(const Bytes certificate,
                     CertifyWrappingKey(*keys.unwrap_with, *options.identity));
    header.Sized(certificate);
  }
  if (choice.suite != nullptr) header.U8(choice.suite->number);
  Bytes reply = Concat(header.bytes(), responder.reply());
  if (reply.size() > kMaxOpening) {
    return base::Error(CKR_GENERAL_ERROR, "cloning: reply is too long");
  }
  ASSIGN_OR_RETURN(hsm::Statement source, StatementOf(responder.peer()));
  const RunId id = IdOfRun(hello, reply);
  return TargetRun(&version, id, std::move(source), std::move(reply),
                   Waiting{std::move(responder), std::move(keys)}, 0);
}

}  // namespace cloning
