// A partition in this process as one end of a cloning run: the rules that the
// source and the target apply to each object. The bytes are made and read by
// cloning/protocol.h.
#ifndef PERIGEE_CLONING_LOCAL_ENDPOINT_H_
#define PERIGEE_CLONING_LOCAL_ENDPOINT_H_

#include <optional>
#include <vector>

#include "cloning/endpoint.h"
#include "cloning/forecast.h"
#include "cloning/protocol.h"
#include "cloning/stamps.h"
#include "hsm/manifest_book.h"
#include "hsm/partition.h"

namespace cloning {

// One run, as source (Start) or as target (Join); a second Start or Join begins
// anew. Used by one thread at a time. The partition outlives it. The end of the
// login ends the run at its next use (CKR_USER_NOT_LOGGED_IN).
//
// Accept inside Hsm::Atomically: when the whole fails, drop the endpoint. Its
// run has gone on and would take the next message without the lost one.
class LocalEndpoint : public Endpoint {
 public:
  // `login` is of `partition`: the CO's, or a CU's or LCO's for public objects.
  LocalEndpoint(hsm::Partition* partition, hsm::LoginRef login)
      : partition_(partition), login_(std::move(login)) {}

  absl::StatusOr<Bytes> Start() override;
  absl::Status Bind(ByteSpan reply) override;
  absl::StatusOr<SealedOffer> Offer(
      absl::Span<const uint64_t> handles) override;
  absl::StatusOr<Batch> Next(absl::Span<const uint64_t> handles) override;
  absl::StatusOr<size_t> SizeOfNext(uint64_t handle) override;
  absl::StatusOr<Batch> End() override;

  absl::StatusOr<Bytes> Join(ByteSpan hello) override;
  absl::StatusOr<std::vector<Held>> Compare(ByteSpan sealed) override;
  absl::StatusOr<std::vector<TargetResult>> Accept(
      ByteSpan sealed, const AcceptOptions& options) override;

  absl::StatusOr<std::vector<Item>> List() override;
  absl::StatusOr<bool> IsEmpty() override;
  absl::StatusOr<std::vector<uint64_t>> Handles() override;

  absl::StatusOr<SourceForecast> Forecast(
      const hsm::Statement& target,
      absl::Span<const uint64_t> handles) override;

  // The other end as its signed statement says; null before Bind or before the
  // first Accept that succeeded.
  const hsm::Statement* peer() const {
    return peer_.has_value() ? &*peer_ : nullptr;
  }
  // The end record was sealed, or accepted.
  bool ended() const { return ended_; }

 private:
  void Reset();
  absl::StatusOr<RunOptions> NewRunOptions();
  struct Prepared {
    hsm::ObjectRef object;
    RecordDraft draft;
  };
  // Of an object that stays here, for the end record.
  void NoteLeftOut(const SourceItem& item);
  // What the target's HSM does for its manifest when the run is over.
  absl::Status CloseManifest(
      std::optional<hsm::ManifestBook::SourceReport> report);
  // What this partition would sign now; CKR_FUNCTION_FAILED when it is not the
  // one of the opening any more.
  absl::StatusOr<hsm::Statement> OwnStatement();
  absl::Status KeepReceipts(const std::vector<OfferedObject>& offered,
                            const std::vector<TargetResult>& results,
                            const std::vector<hsm::Edition>& made);
  // What all objects of one message leave under: the policies as they were
  // when the first of them was prepared.
  struct Terms {
    hsm::Statement own;
    hsm::Statement target;
    Stamper stamper;
  };
  absl::StatusOr<Terms> TermsWith(const hsm::Statement& target);
  // What leaves for one handle; the error is the object's own unless the run
  // cannot go on (EndsRun).
  absl::StatusOr<Prepared> Prepare(uint64_t handle,
                                   const absl::StatusOr<Terms>& terms,
                                   SourceItem& item);
  // Whether a message has room for it.
  absl::Status CheckFits(const Prepared& prepared) const;

  hsm::Partition* partition_;
  hsm::LoginRef login_;
  hsm::Statement own_;  // as signed in the opening
  std::optional<SourceOffer> offer_;
  std::optional<SourceRun> source_;
  std::optional<TargetRun> target_;
  std::optional<hsm::Statement> peer_;
  bool ended_ = false;
  hsm::ManifestBook::SourceReport report_;  // as source
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_LOCAL_ENDPOINT_H_
