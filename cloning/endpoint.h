// A place that objects can be cloned from or to: the verbs of every cloning
// protocol, for a local partition (cloning/local_endpoint.h) and for
// one behind the device link (backup/remote_endpoint.h).
//
//   source:  Start() -> hello
//   target:  Join(hello) -> reply
//   source:  Bind(reply)
//   source:  Offer(...) -> offer             as often as wanted
//   target:  Compare(offer) -> what is there unchanged
//   source:  Next(...) -> records | end
//   target:  Accept(records) -> results
//
// The courier that carries these bytes learns sizes and counts only. Records
// are numbered in their run; dropped, repeated, reordered, truncated or
// altered ones are refused, and what was accepted before stays valid.
#ifndef PERIGEE_CLONING_ENDPOINT_H_
#define PERIGEE_CLONING_ENDPOINT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/wire.h"
#include "hsm/object.h"

namespace cloning {

using base::Bytes;
using base::ByteSpan;

// No hello and no reply, and no sealed message with one object in it, is
// larger.
inline constexpr size_t kMaxOpening = 8192;
inline constexpr size_t kMaxSingleMessage = 64 * 1024;

// Records of one sealed message, of any protocol version; 1 MiB ends it before.
inline constexpr size_t kMaxRecords = 1024;

// Objects that one offer names at most.
inline constexpr size_t kMaxOffered = 16384;

// One sealed message of a run that names objects by stamps and carries none.
struct SealedOffer {
  Bytes sealed;                   // empty: there is nothing to offer
  std::vector<uint64_t> handles;  // of the objects in it, in order
  template <typename V>
  void Fields(V& v) {
    v(sealed, handles);
  }
};

// What a target says of one offered object.
struct Held {
  hsm::Ouid ouid{};
  uint64_t handle = 0;  // at the target; 0: not known to be there unchanged
  template <typename V>
  void Fields(V& v) {
    v(ouid, handle);
  }
};

// What became of one object at the source.
struct SourceItem {
  uint64_t handle = 0;  // at the source
  hsm::Ouid ouid{};
  CK_RV rv = CKR_OK;   // not OK: left out, and why
  std::string reason;  // machine-readable, may be empty
  std::string text;
  template <typename V>
  void Fields(V& v) {
    v(handle, ouid, rv, reason, text);
  }
};

// One sealed message of a run, in order. The first one of a run carries the
// source's signature and confirmation before its object.
struct Batch {
  Bytes sealed;                   // opaque to the courier; empty: nothing sent
  std::vector<SourceItem> items;  // in the order they stand in `sealed`
  bool end = false;               // the sealed end record: nothing follows
  template <typename V>
  void Fields(V& v) {
    v(sealed, items, end);
  }
};

// What became of one object at the target, in the order of arrival.
struct TargetResult {
  enum class Outcome : uint8_t {
    kStored = 0,
    kPresent = 1,  // same OUID and fingerprint were there
    kReplaced = 2,
    kRefused = 3,
  };
  hsm::Ouid ouid{};
  Outcome outcome = Outcome::kStored;
  uint64_t handle = 0;  // at the target, 0 when refused
  CK_RV rv = CKR_OK;
  std::string reason;
  std::string text;
  template <typename V>
  void Fields(V& v) {
    v(ouid, outcome, handle, rv, reason, text);
  }
};

// How the target treats an OUID that it holds already with other contents.
// kTakeNothing: neither this nor anything else of the message is stored; each
// object is refused with CKR_CLONE_NOT_ATTEMPTED and stands so in the manifest.
// For what was sealed when its courier had to stop.
enum class OnConflict : uint8_t { kRefuse = 0, kReplace = 1, kTakeNothing = 2 };

struct AcceptOptions {
  OnConflict on_conflict = OnConflict::kRefuse;
  // Nothing is stored behind the first refused object of a message; the rest
  // is refused with CKR_CLONE_NOT_ATTEMPTED.
  bool stop_at_refusal = false;
  template <typename V>
  void Fields(V& v) {
    v(on_conflict, stop_at_refusal);
  }
};

struct SourceForecast;  // cloning/forecast.h

class Endpoint {
 public:
  virtual ~Endpoint() = default;

  // What this source would send of its objects to that target; seals nothing
  // and changes nothing. An error means that no object at all would go. A
  // Backup HSM does not tell (CKR_FUNCTION_NOT_SUPPORTED).
  virtual absl::StatusOr<SourceForecast> Forecast(
      const hsm::Statement& target, absl::Span<const uint64_t> handles);

  // --- as source -------------------------------------------------------------
  virtual absl::StatusOr<Bytes> Start() = 0;
  virtual absl::Status Bind(ByteSpan reply) = 0;
  // Names those of the first kMaxOffered objects with these handles that are
  // there, so that the target can say which it has unchanged. Opens none.
  // CKR_OPERATION_NOT_INITIALIZED before Bind.
  virtual absl::StatusOr<SealedOffer> Offer(
      absl::Span<const uint64_t> /*handles*/) {
    return SealedOffer();
  }
  // Seals the objects with these handles (token objects of the source), in
  // order, at most kMaxRecords or 1 MiB; what it took is told by `items`.
  // Behind an object that was left out nothing is sealed, so that a courier can
  // stop there: it calls again for the rest. Nothing at all sealed: `sealed` is
  // empty. CKR_OPERATION_NOT_INITIALIZED before Bind.
  virtual absl::StatusOr<Batch> Next(absl::Span<const uint64_t> handles) = 0;
  // A buffer of this size holds what Next gives for this object alone. Seals
  // nothing.
  virtual absl::StatusOr<size_t> SizeOfNext(uint64_t /*handle*/) {
    return kMaxSingleMessage;
  }
  // Seals the end record with the count of all sent.
  virtual absl::StatusOr<Batch> End() = 0;

  // --- as target -------------------------------------------------------------
  virtual absl::StatusOr<Bytes> Join(ByteSpan hello) = 0;
  // For each object of an offer, in its order, whether it is here as it was
  // when this run's two partitions, under the rules of today, last brought it
  // here. Stores nothing and opens no object.
  virtual absl::StatusOr<std::vector<Held>> Compare(ByteSpan /*sealed*/) {
    return base::Error(CKR_OPERATION_NOT_INITIALIZED, "no offers here");
  }
  // Commits as one group and answers when durable. A record that the run does
  // not expect: CKR_DEVICE_ERROR, and the run is over.
  virtual absl::StatusOr<std::vector<TargetResult>> Accept(
      ByteSpan sealed, const AcceptOptions& options) = 0;

  // --- both ------------------------------------------------------------------
  // Objects there: handle and OUID, class and label, for selection and
  // listings. In order of handles.
  struct Item {
    uint64_t handle = 0;
    hsm::Ouid ouid{};
    // CK_UNAVAILABLE_INFORMATION when its record is damaged.
    uint64_t object_class = 0;
    uint64_t key_type = 0;
    std::string label;
    uint64_t size = 0;  // cost at this place
    template <typename V>
    void Fields(V& v) {
      v(handle, ouid, object_class, key_type, label, size);
    }
  };
  virtual absl::StatusOr<std::vector<Item>> List() = 0;
  virtual absl::StatusOr<bool> IsEmpty() = 0;
  // The handles alone, for which no object is opened.
  virtual absl::StatusOr<std::vector<uint64_t>> Handles() = 0;
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_ENDPOINT_H_
