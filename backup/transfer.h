// The courier: carries objects from one endpoint to another and reports on
// each. Backup and restore are this function with its endpoints swapped. There
// is no policy in it: what may go is decided by the two HSMs.
#ifndef PERIGEE_BACKUP_TRANSFER_H_
#define PERIGEE_BACKUP_TRANSFER_H_

#include <functional>
#include <string>
#include <vector>

#include "cloning/endpoint.h"

namespace backup {

struct TransferOptions {
  cloning::OnConflict on_conflict = cloning::OnConflict::kRefuse;
  // Go on after an object that could not go; otherwise the rest is not tried.
  bool continue_on_error = false;
  // From so many objects on the target is first asked which it has unchanged
  // (docs/formats/cloning.md). To find out, each end reads something of every
  // object of its partition, which for a few objects costs more than it saves.
  size_t offer_from = 32;
  // Called after each batch with (done, total); false cancels: what was
  // accepted stays, the rest is reported as CKR_FUNCTION_CANCELED.
  std::function<bool(size_t done, size_t total)> progress;
};

struct TransferItem {
  enum class Outcome : uint8_t {
    kStored,
    kPresent,  // was there already, equal
    kReplaced,
    kLeftOut,   // the source did not send it
    kRefused,   // the target did not take it
    kNotTried,  // the run ended before it
  };
  uint64_t source_handle = 0;
  uint64_t target_handle = 0;  // 0 unless it is there now
  hsm::Ouid ouid{};
  Outcome outcome = Outcome::kNotTried;
  CK_RV rv = CKR_OK;
  std::string reason;
  std::string text;
};

struct TransferReport {
  std::vector<TransferItem> items;  // in the order of the selection
  size_t Count(TransferItem::Outcome outcome) const;
  // The first item's error, CKR_OK when every object is at the target.
  absl::Status FirstFailure() const;
};

// Sends the objects with `handles` of the source. An error that concerns the
// run as a whole (another domain, the link broke) is returned together with the
// report so far: `report` is filled in any case.
absl::Status Transfer(cloning::Endpoint& source, cloning::Endpoint& target,
                      absl::Span<const uint64_t> handles,
                      const TransferOptions& options, TransferReport& report);

}  // namespace backup

#endif  // PERIGEE_BACKUP_TRANSFER_H_
