// What a target remembers of the objects that it took, to recognise them when
// they are offered again. docs/formats/cloning.md, "Unchanged objects".
#ifndef PERIGEE_CLONING_RECEIPTS_H_
#define PERIGEE_CLONING_RECEIPTS_H_

#include <vector>

#include "cloning/endpoint.h"
#include "cloning/protocol.h"
#include "hsm/partition.h"

namespace cloning {

// Object `handle` here had the stamp `stamp` when it was equal to the one that
// the source offers so. Two contents that never change: true for ever.
struct Receipt {
  OfferedObject offered;
  hsm::Ouid ouid{};
  uint64_t handle = 0;
  Stamp stamp{};
  template <typename V>
  void Fields(V& v) {
    v(offered, ouid, handle, stamp);
  }
};

// Those of one partition as target, sealed values of its HSM. One source handle
// has one receipt.
class Receipts {
 public:
  explicit Receipts(hsm::Partition& partition) : partition_(partition) {}

  // Joins Hsm::Atomically.
  absl::Status Keep(std::vector<Receipt> receipts);
  // Those of exactly these offers, in their order, among others a zero
  // `handle`. Damaged ones are none.
  absl::StatusOr<std::vector<Receipt>> Find(
      absl::Span<const OfferedObject> offered);

 private:
  absl::StatusOr<std::vector<Receipt>> Load(uint64_t page);

  hsm::Partition& partition_;
};

}  // namespace cloning

#endif  // PERIGEE_CLONING_RECEIPTS_H_
