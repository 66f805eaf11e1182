// Where SoftHSM2 2.6.1, the foreign module that tests these tests, is known to
// answer differently. The one list of it.
#ifndef PERIGEE_TESTS_CONFORMANCE_KNOWN_DIFFERENCES_H_
#define PERIGEE_TESTS_CONFORMANCE_KNOWN_DIFFERENCES_H_

#include <vector>

namespace conformance {

struct Difference {
  // "Suite.Test"; * stands for anything.
  const char* tests;
  const char* why;
  // Of these tests all fail; with kSome, at least one.
  enum Extent { kAll, kSome } extent = kAll;
};

const std::vector<Difference>& KnownDifferences();

}  // namespace conformance

#endif  // PERIGEE_TESTS_CONFORMANCE_KNOWN_DIFFERENCES_H_
