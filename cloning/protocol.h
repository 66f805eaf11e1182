// The cloning protocols as states and values: who makes and who takes which
// bytes (docs/formats/cloning.md). What the versions differ in is the suite of
// the run (cloning/record_suite.h). No rules about objects here; those are in
// cloning/local_endpoint.h.
//
//   SourceOffer::Start -> hello      TargetRun::Join(hello) -> reply
//   SourceOffer::Bind(reply) -> SourceRun
//   SourceRun::Seal(records) -> message     TargetRun::Open(message) -> records
//   SourceRun::SealEnd()     -> message
//
// A state that failed holds no keys any more and answers
// CKR_OPERATION_NOT_INITIALIZED. One thread at a time.
#ifndef PERIGEE_CLONING_PROTOCOL_H_
#define PERIGEE_CLONING_PROTOCOL_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/certificate.h"
#include "base/handshake.h"
#include "base/secret_bytes.h"
#include "cloning/endpoint.h"
#include "cloning/protocol_version.h"
#include "cloning/record_suite.h"
#include "cloning/wrapping_key.h"
#include "hsm/manifest_book.h"
#include "hsm/object.h"
#include "hsm/statement.h"

namespace cloning {

inline constexpr size_t kMaxMessage = 1024 * 1024;  // a sealed message
inline constexpr size_t kMaxLeftOut = 4096;         // named in an end record

// Names a hello or a run; says nothing about what is in it.
using RunId = std::array<uint8_t, 16>;
RunId IdOfHello(ByteSpan hello);
// Of the hello that a reply answers, of the run that a sealed message belongs
// to: read without any check. CKR_DEVICE_ERROR when it is too short for one.
absl::StatusOr<RunId> HelloIdInReply(ByteSpan reply);
absl::StatusOr<RunId> RunIdInMessage(ByteSpan sealed);
RunId IdOfRun(ByteSpan hello, ByteSpan reply);

// What an end brings to a run.
struct RunOptions {
  std::shared_ptr<const base::Identity> identity;
  hsm::Statement statement;   // own
  SecretBytes domain_secret;  // of the primary domain; 16 to 128 bytes
  // Of a target, for the versions that transport keys; called when it is
  // needed.
  std::function<absl::StatusOr<WrappingKeyRef>()> wrapping_key = nullptr;
  // Of a target, for CPv1: what comes in under this domain is taken too. Empty:
  // there is none.
  SecretBytes legacy_domain = {};
  // For CPv4:
  std::vector<SecretBytes> further_domains = {};  // at most two
  Negotiation negotiation = {};
};

// Stands for one content of one object under the rules of one end
// (cloning/stamps.h); says nothing to anybody else.
using Stamp = std::array<uint8_t, 16>;

// An object that the source could send, for the target to say whether it has
// it.
struct OfferedObject {
  uint64_t handle = 0;  // at the source
  Stamp stamp{};
  bool operator==(const OfferedObject&) const = default;
  template <typename V>
  void Fields(V& v) {
    v(handle, stamp);
  }
};

// One object on its way.
struct ObjectRecord {
  hsm::Ouid ouid{};
  hsm::AttributeSet attributes;  // with CKA_OUID, without CKA_UNIQUE_ID
  hsm::Statement origin;
  bool carried_on = false;   // the origin comes from an earlier backup
  OfferedObject as_offered;  // what an offer says of it
};

// An object in the form in which it is sealed.
struct RecordDraft {
  hsm::Ouid ouid{};
  SecretBytes plaintext;

  static RecordDraft Of(const ObjectRecord& record);
};

enum class RecordKind : uint8_t { kObject = 1, kEnd = 2, kOffer = 3 };

// Whether two statements are of one partition in one state of firmware,
// version and FM; policies and label may differ.
bool IsSameHolder(const hsm::Statement& a, const hsm::Statement& b);

class SourceRun;

// A source that waits for the reply.
class SourceOffer {
 public:
  // CKR_CLONING_PARAMETER_MISSING without a domain secret.
  static absl::StatusOr<SourceOffer> Start(RunOptions options);

  const Bytes& hello() const { return hello_; }

  // Consumes the reply. handshake::DomainMismatch() (CKR_CERTIFICATE_INVALID)
  // for another domain; the error of CheckProtocol; CKR_ARGUMENTS_BAD when
  // the target is the source itself; CKR_DEVICE_ERROR for anything malformed.
  absl::StatusOr<SourceRun> Bind(ByteSpan reply) &&;

 private:
  SourceOffer(RunOptions options, Introduction own, SuiteKeys suite_keys,
              handshake::Initiator initiator, Bytes hello)
      : options_(std::move(options)),
        own_(std::move(own)),
        suite_keys_(std::move(suite_keys)),
        initiator_(std::move(initiator)),
        hello_(std::move(hello)) {}
  RunOptions options_;  // `initiator_` points to its identity
  Introduction own_;
  SuiteKeys suite_keys_;
  handshake::Initiator initiator_;
  Bytes hello_;
};

// A source that knows its target.
class SourceRun {
 public:
  const hsm::Statement& target() const { return target_; }

  const ProtocolVersion& version() const { return *version_; }
  // Null where the version has none.
  const CipherSuite* cipher_suite() const { return cipher_suite_; }

  // In one message.
  size_t max_records() const { return version_->suite->max_records; }
  // Bytes of a message around its records, as the next one would be.
  size_t Overhead() const;
  // What a record takes of a message.
  size_t SizeOf(const RecordDraft& draft) const;
  // Seals 1 to max_records() records that fit kMaxMessage.
  absl::StatusOr<Bytes> Seal(absl::Span<const RecordDraft> records);
  // Seals what one offer record holds, at most kMaxOffered.
  absl::StatusOr<Bytes> SealOffer(absl::Span<const OfferedObject> objects);
  // Seals the end record; the run is over. With what the source has to say of
  // the whole run, for the manifest of a Backup HSM.
  absl::StatusOr<Bytes> SealEnd(
      const std::optional<hsm::ManifestBook::SourceReport>& report = {});

 private:
  friend class SourceOffer;
  SourceRun() = default;
  absl::StatusOr<Bytes> SealAs(RecordKind kind,
                               absl::Span<const RecordDraft> records);

  const ProtocolVersion* version_ = nullptr;
  const CipherSuite* cipher_suite_ = nullptr;
  RunId id_{};
  hsm::Statement target_;
  RecordKeys keys_;
  Bytes finish_;  // until it was sent
  uint64_t next_ = 0;
};

// A target, before and after it has seen the source's finish.
class TargetRun {
 public:
  // Before the source's finish; `keys` lack what the handshake gives.
  struct Waiting {
    handshake::Responder responder;
    RecordKeys keys;
  };
  // Over; before the finish; after it.
  using State = std::variant<std::monostate, Waiting, RecordKeys>;

  // The errors of SourceOffer::Start and Bind, but for the domain's: the
  // target does not learn here whether the source has the same one.
  static absl::StatusOr<TargetRun> Join(RunOptions options, ByteSpan hello);

  const Bytes& reply() const { return reply_; }
  const RunId& id() const { return id_; }
  const ProtocolVersion& version() const { return *version_; }
  // Authentic, but from a hello that may be old until Open succeeded once:
  // change nothing on its account before.
  const hsm::Statement& source() const { return source_; }

  struct Opened {
    RecordKind kind = RecordKind::kObject;  // kEnd: the run is over
    std::vector<ObjectRecord> objects;      // in order
    std::vector<OfferedObject> offered;
    // With the end, when the source sent one.
    std::optional<hsm::ManifestBook::SourceReport> report = {};
    bool end() const { return kind == RecordKind::kEnd; }
  };
  // CKR_DEVICE_ERROR for everything but the next message of this run;
  // CKR_CERTIFICATE_INVALID when the source is of another domain and the
  // version shows that only here.
  absl::StatusOr<Opened> Open(ByteSpan sealed);

 private:
  friend class TargetRunTestPeer;
  TargetRun(const ProtocolVersion* version, const RunId& id,
            hsm::Statement source, Bytes reply, State state, uint64_t next)
      : version_(version),
        id_(id),
        source_(std::move(source)),
        reply_(std::move(reply)),
        state_(std::move(state)),
        next_(next) {}

  const ProtocolVersion* version_ = nullptr;
  RunId id_{};
  hsm::Statement source_;
  Bytes reply_;
  State state_;
  uint64_t next_ = 0;
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_PROTOCOL_H_
