// What a backup would do, told before anything leaves or is stored: by the
// rules that decide in a run (cloning/rules.h, hsm/compatibility.h), asked of
// the same statements. No key material is in it, so what only a comparison of
// contents can tell (equal, or a conflict) is left to the run.
#ifndef PERIGEE_CLONING_FORECAST_H_
#define PERIGEE_CLONING_FORECAST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cloning/endpoint.h"
#include "cloning/rules.h"
#include "hsm/partition.h"
#include "hsm/statement.h"

namespace cloning {

// What the target must know of an object to decide on it.
struct ForecastObject {
  hsm::Ouid ouid{};
  uint64_t object_class = 0;
  bool is_private = true;
  uint64_t size = 0;  // bytes of its attributes
  template <typename V>
  void Fields(V& v) {
    v(ouid, object_class, is_private, size);
  }
};

// The source's part: what it would send to `target`. An item with an error has
// no object; the others' objects are in order.
struct SourceForecast {
  hsm::Statement own;
  std::vector<SourceItem> items;
  std::vector<ForecastObject> objects;
};

// The target's part: kPresent is an object whose identity is there.
struct TargetForecast {
  std::vector<TargetResult> results;
  std::vector<uint64_t> costs;  // of each, at the target
  template <typename V>
  void Fields(V& v) {
    v(results, costs);
  }
};

// `login` null: a partition that nobody has logged in to yet, as its CO would
// find it. `room` is taken of. An error means that no object at all would go.
absl::StatusOr<TargetForecast> ForecastTarget(
    hsm::Partition& partition, hsm::Login* login, const hsm::Statement& source,
    absl::Span<const ForecastObject> objects, Room& room);

// Whether a run of these two would come about; both ends ask it in the opening.
absl::Status CheckMeeting(const hsm::Statement& source,
                          const hsm::Statement& target);

}  // namespace cloning

#endif  // PERIGEE_CLONING_FORECAST_H_
