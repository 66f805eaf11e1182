// One authenticated key exchange, used by the device channel and by cloning.
//
// Three messages between an initiator and a responder, P-384, bound to the
// whole transcript (docs/formats/handshake.md has every byte):
//   hello   initiator -> responder   certificate, statement, ephemeral, signed
//   reply   responder -> initiator   the same, signature over the transcript,
//                                    and a confirmation under the derived key
//   finish  initiator -> responder   signature over the transcript, and the
//                                    initiator's confirmation
// The hello is signed so that one without an identity gets nothing computed
// from the shared secret (`Options::domain_secret`). Both signatures and the
// key derivation contain purpose, role, both certificates and both statements,
// so a reflected or spliced message fails.
//
// States are types that are consumed; a failed step wipes what it held.
#ifndef PERIGEE_BASE_HANDSHAKE_H_
#define PERIGEE_BASE_HANDSHAKE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/certificate.h"
#include "base/secret_bytes.h"
#include "base/status.h"

namespace handshake {

using base::Bytes;
using base::ByteSpan;
using base::SecretBytes;

// Reason of the error when a peer's certificate is under no trusted root: it
// is of another fleet.
inline constexpr char kForeignFleet[] = "foreign-fleet";

// Decides about the peer from its certificate and statement, before anything
// secret is used. An error ends the exchange and is returned as it is.
using PeerCheck =
    std::function<absl::Status(const base::Certificate&, ByteSpan statement)>;

// What a further key agreement adds (base/crypto_share.h).
struct Agreed {
  SecretBytes secret;  // mixed into the keys behind that of P-384
  // A responder's own statement, with its share in it: in place of the
  // options'. An initiator's has been sent.
  Bytes statement;
};
// Asked once, with the statement of a peer that is authentic and that
// check_peer has accepted.
using FurtherAgreement =
    std::function<absl::StatusOr<Agreed>(ByteSpan peer_statement)>;

// Domains of one end, where it may be in several.
inline constexpr size_t kMaxDomains = 3;

struct Options {
  std::string purpose;  // "perigee channel 1", "perigee clone 3"; up to 64
  // The hello's, where that is another: the responder takes a hello that may
  // be answered for several purposes, and `purpose` is the one it answers for.
  std::string hello_purpose;
  // Not owned; outlives the exchange. The peer's certificate must chain to one
  // of its roots unless `accept_unknown_peer`.
  const base::Identity* identity = nullptr;
  Bytes statement;       // up to 16 KiB, not hidden from the courier
  PeerCheck check_peer;  // optional
  // Salt of the first KDF step; empty for the channel, else of 16 to 128
  // bytes. When the peers' differ, the initiator gets DomainMismatch().
  SecretBytes domain_secret;
  // Both ends may be in several domains, and any one that both are in will do:
  // the reply confirms under all of the responder's. `further_domains` are the
  // others, two at most; the purpose says to both ends that it is so.
  bool several_domains = false;
  std::vector<SecretBytes> further_domains = {};
  FurtherAgreement further_agreement = nullptr;  // optional
  // Adoption: the responder takes a certificate that chains to nobody it knows
  // (its signature must still fit), and the initiator takes a device it knows
  // by fingerprint in check_peer, which it then must have. Not together with
  // a domain secret.
  bool accept_unknown_peer = false;
};

struct Peer {
  base::Certificate certificate;
  Bytes statement;
};

// What both sides hold at the end. Keys are 32 bytes, for AES-256-GCM.
struct Established {
  Peer peer;
  SecretBytes send_key;
  SecretBytes receive_key;
  // SHA-384 over the exchange, unique to it; equal on both sides.
  Bytes transcript;
};

// The reply's signature, which covers the confirmation, fits and only the
// confirmation does not, so the two ends hold different domain secrets (none
// in common, where each may have several): CKR_CERTIFICATE_INVALID. Nobody
// between them can force this answer.
absl::Status DomainMismatch();

// The statement in a hello, which nobody has checked: to choose what to answer
// for before Responder::Answer, which checks it.
absl::StatusOr<Bytes> UncheckedStatement(ByteSpan hello);

class Initiator {
 public:
  // CKR_ARGUMENTS_BAD for options that contradict the comments above.
  static absl::StatusOr<Initiator> Start(Options options);
  Initiator(Initiator&&);
  Initiator& operator=(Initiator&&);
  ~Initiator();

  const Bytes& hello() const;

  // What the reply is taken under, when it answers for another purpose than
  // the hello began with: these in place of the options'.
  struct Terms {
    std::string purpose;
    PeerCheck check_peer;
    SecretBytes domain_secret;
    bool several_domains = false;
    std::vector<SecretBytes> further_domains = {};
    FurtherAgreement further_agreement = nullptr;
  };
  // CKR_ARGUMENTS_BAD as Start.
  absl::Status SetTerms(Terms terms);

  struct Result {
    Bytes finish;
    Established established;
  };
  // Consumes the reply. CKR_DEVICE_ERROR for a malformed or wrongly signed
  // one, DomainMismatch() as described there, check_peer's error otherwise.
  absl::StatusOr<Result> Finish(ByteSpan reply) &&;

 private:
  friend class HandshakeTestPeer;
  struct State;
  static absl::StatusOr<Result> FinishFrom(const State& state, ByteSpan reply);
  explicit Initiator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Responder {
 public:
  // Checks the hello and makes the reply. CKR_DEVICE_ERROR for a malformed or
  // wrongly signed hello, check_peer's error if it says no.
  static absl::StatusOr<Responder> Answer(Options options, ByteSpan hello);
  Responder(Responder&&);
  Responder& operator=(Responder&&);
  ~Responder();

  const Bytes& reply() const;
  // Authenticated already, but the hello may be the replay of an old one until
  // Confirm has succeeded: change nothing on its account before.
  const Peer& peer() const;

  // Consumes the finish. CKR_DEVICE_ERROR if anything in it is wrong.
  absl::StatusOr<Established> Confirm(ByteSpan finish) &&;

 private:
  friend class HandshakeTestPeer;
  struct State;
  static absl::StatusOr<Established> ConfirmFrom(const State& state,
                                                 ByteSpan finish);
  explicit Responder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace handshake

#endif  // PERIGEE_BASE_HANDSHAKE_H_
