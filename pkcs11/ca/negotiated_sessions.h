// The negotiated sessions of this process: what CA_Migration...Negotiation has
// begun, by its OUID. The runs themselves are in the applications and end with
// their logins; nothing here is secret.
#ifndef PERIGEE_PKCS11_CA_NEGOTIATED_SESSIONS_H_
#define PERIGEE_PKCS11_CA_NEGOTIATED_SESSIONS_H_

#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cloning/protocol.h"
#include "pkcs11/application.h"

namespace pkcs11::ca {

// What the caller carries between two steps.
struct NegotiationMessage {
  enum class Kind : uint8_t { kNone = 0, kCall = 1, kHello = 2, kReply = 3 };
  Kind kind = Kind::kNone;
  hsm::Ouid session{};
  base::Bytes rest = {};  // hello or reply of the run

  static constexpr size_t kHeaderSize = 2 + sizeof(hsm::Ouid);
  // Nothing for kNone.
  base::Bytes Encode() const;
  // CKR_SESSION_NEGOTIATION_INVALID.
  static absl::StatusOr<NegotiationMessage> Parse(base::ByteSpan bytes);
};

// Thread-safe; its lock is a leaf. The oldest session gives way.
class NegotiatedSessions {
 public:
  using ApplicationRef = std::shared_ptr<Application>;

  static NegotiatedSessions& OfProcess();

  // A target begins one; its OUID is random.
  absl::StatusOr<hsm::Ouid> AddTarget(const ApplicationRef& target);
  // CKR_SESSION_ID_EXISTS when it has a source already. A session that a target
  // of another process began is new here.
  absl::Status AddSource(const hsm::Ouid& ouid, const ApplicationRef& source,
                         base::ByteSpan hello);
  // CKR_SESSION_NEGOTIATION_INVALID unless this target began it and has not
  // answered yet.
  absl::Status MayAnswer(const hsm::Ouid& ouid, const ApplicationRef& target);
  absl::Status AddReply(const hsm::Ouid& ouid, const ApplicationRef& target,
                        const cloning::RunId& run, const base::Bytes& reply);
  // The reply for this source: `input`, or, where that is the source's own
  // hello, the one that a target of this process gave to it.
  // CKR_SESSION_ID_INVALID, CKR_SESSION_NEGOTIATION_INVALID.
  absl::StatusOr<base::Bytes> ReplyFor(const hsm::Ouid& ouid,
                                       const ApplicationRef& source,
                                       const NegotiationMessage& input);
  // The run of this target. CKR_SESSION_ID_INVALID,
  // CKR_SESSION_NEGOTIATION_INVALID before it answered.
  absl::StatusOr<cloning::RunId> RunOf(const hsm::Ouid& ouid,
                                       const ApplicationRef& target);
  // What this end has of it goes; gives the runs to forget.
  // CKR_SESSION_ID_INVALID when it has no part in it.
  absl::StatusOr<std::vector<cloning::RunId>> Close(const hsm::Ouid& ouid,
                                                    const ApplicationRef& end);

 private:
  static constexpr size_t kMax = 64;
  struct Entry {
    hsm::Ouid ouid{};
    std::weak_ptr<Application> target;
    std::weak_ptr<Application> source;
    std::optional<cloning::RunId> hello;  // of the source
    std::optional<cloning::RunId> run;    // of the target
    base::Bytes reply;
  };

  Entry* Find(const hsm::Ouid& ouid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Entry& Add(const hsm::Ouid& ouid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace pkcs11::ca

#endif  // PERIGEE_PKCS11_CA_NEGOTIATED_SESSIONS_H_
