// How much of a fault suite a run goes through.
//
// PERIGEE_ALL_FAULTS    each operation, not only some
// PERIGEE_FAULT_SHARE   "2/3" with it: every third, from the second of each on.
//                       CI takes a sixth with each commit, drawn by its name.
#ifndef PERIGEE_TESTS_FAULT_FAULT_SHARE_H_
#define PERIGEE_TESTS_FAULT_FAULT_SHARE_H_

#include <cstdio>
#include <cstdlib>

namespace fault {

inline bool WantsAll() { return std::getenv("PERIGEE_ALL_FAULTS") != nullptr; }

struct FaultShare {
  int first = 1;  // 1 ... of
  int of = 1;

  // The first operation that is taken, 1 or more. `turn` differs from fault to
  // fault, so that not all of them take the same ones.
  int FirstOf(int turn) const { return 1 + (first - 1 + turn) % of; }
};

inline FaultShare TheFaultShare() {
  FaultShare share;
  const char* const text = std::getenv("PERIGEE_FAULT_SHARE");
  if (text == nullptr) return share;
  if (std::sscanf(text, "%d/%d", &share.first, &share.of) != 2 ||
      share.first < 1 || share.of < share.first) {
    std::fprintf(stderr, "PERIGEE_FAULT_SHARE is no share: %s\n", text);
    std::abort();
  }
  return share;
}

}  // namespace fault

#endif  // PERIGEE_TESTS_FAULT_FAULT_SHARE_H_
